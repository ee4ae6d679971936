//! What leads to a store beside its URL: endpoint, region, credentials.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

/// Where a store's settings come from. The names are object_store's own, such as `AWS_ACCESS_KEY_ID`,
/// `AZURE_STORAGE_ACCOUNT_KEY`, `GOOGLE_SERVICE_ACCOUNT`.
#[derive(Clone, Default)]
pub enum StoreSettings {
    /// This process's environment.
    #[default]
    Environment,
    /// These alone; the environment is not looked at, so that two accounts can be used at once.
    Given(Vec<Setting>),
}

/// One setting and the line it stands on.
#[derive(Clone)]
pub struct Setting {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
}

impl StoreSettings {
    /// Reads lines of `NAME=VALUE`, as in a file for systemd or a shell: `export` before a name, quotes
    /// around a value, empty lines and those that begin with `#` are allowed.
    ///
    /// # Errors
    /// The number of a line that is none of these; its text may be a secret and is not repeated.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().map(str::trim).enumerate();
        let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        said.map(|(at, line)| setting(at + 1, line).ok_or(at + 1)).collect::<Result<_, _>>().map(Self::Given)
    }
}

/// What is in the names of settings that say who comes. All others say where a store is and how it is reached: one
/// that is wrongly among those would have a store asked as its own user, which shows, and not elsewhere as another.
const WHO: [&str; 8] =
    ["KEY", "TOKEN", "SECRET", "CREDENTIAL", "CLIENT_ID", "TENANT", "ROLE", "SERVICE_ACCOUNT"];

fn is_who(setting: &Setting) -> bool {
    let name = setting.name.to_ascii_uppercase();
    WHO.iter().any(|part| name.contains(part))
}

impl StoreSettings {
    /// What leads to this store with another's credentials; nothing where either's are the environment's, of which it
    /// is not known what they are.
    pub fn as_whom(&self, other: &Self) -> Option<Self> {
        let (Self::Given(own), Self::Given(other)) = (self, other) else { return None };
        let place = own.iter().filter(|setting| !is_who(setting));
        Some(Self::Given(place.chain(other.iter().filter(|setting| is_who(setting))).cloned().collect()))
    }

    /// Whether two lead to their stores as the same user.
    pub fn is_same_user(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Environment, Self::Environment) => true,
            (Self::Given(own), Self::Given(others)) => whom(own) == whom(others),
            _ => false,
        }
    }

    /// The first of these settings that is there and not empty, whatever its case. For those that are no
    /// secret: a region, an endpoint, the name of an account.
    pub fn plain(&self, names: &[&str]) -> Option<String> {
        let of = |wanted: &&str| match self {
            Self::Environment => std::env::var(wanted).ok(),
            Self::Given(settings) => {
                let found = settings.iter().find(|setting| setting.name.eq_ignore_ascii_case(wanted));
                found.map(|setting| setting.value.to_string())
            }
        };
        names.iter().filter_map(of).find(|value| !value.is_empty())
    }
}

fn whom(settings: &[Setting]) -> BTreeSet<(String, &str)> {
    let whom = settings.iter().filter(|setting| is_who(setting));
    whom.map(|setting| (setting.name.to_ascii_uppercase(), setting.value.as_str())).collect()
}

fn setting(line: usize, text: &str) -> Option<Setting> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let (name, value) = text.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    is_name.then(|| Setting { line, name: name.to_owned(), value: Zeroizing::new(value.to_owned()) })
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("Environment"),
            Self::Given(settings) => {
                f.debug_list().entries(settings.iter().map(|setting| &setting.name)).finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(&str, &str)], usize>) {
        let read = StoreSettings::parse(text).map(|settings| match settings {
            StoreSettings::Given(settings) => {
                settings.into_iter().map(|s| (s.name, s.value.to_string())).collect::<Vec<_>>()
            }
            StoreSettings::Environment => panic!("settings were given"),
        });
        let expected = expected
            .map(|pairs| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>());
        assert_eq!(read, expected, "{text}");
    }

    #[test]
    fn lines_are_read_as_a_shell_or_systemd_would() {
        check("# B\n\nAWS_REGION=eu-central-1\r\n", Ok(&[("AWS_REGION", "eu-central-1")]));
        check("export A_B = \"x=y\"\nC='z'\nD=", Ok(&[("A_B", "x=y"), ("C", "z"), ("D", "")]));
        check("", Ok(&[]));
    }

    #[test]
    fn a_line_that_is_no_setting_is_told_by_its_number() {
        check("A=1\nsecret", Err(2));
        check("a secret=1", Err(1));
        check("=1", Err(1));
    }

    #[test]
    fn a_place_is_reached_as_somebody_else() {
        let parse = |text: &str| StoreSettings::parse(text).expect("settings");
        let a = parse("AWS_ENDPOINT=https://a\nAWS_ACCESS_KEY_ID=ka\naws_secret_access_key=sa");
        let b = parse("AWS_ENDPOINT_URL=https://b\nAWS_REGION=r\nAWS_ACCESS_KEY_ID=kb\nAWS_SESSION_TOKEN=tb");
        let mixed = b.as_whom(&a).expect("a names its credentials");
        let of = |name: &str| mixed.plain(&[name]);
        assert_eq!(of("AWS_ENDPOINT_URL").as_deref(), Some("https://b"));
        assert_eq!((of("AWS_REGION").as_deref(), of("AWS_ENDPOINT")), (Some("r"), None));
        assert_eq!(
            (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY")),
            (Some("ka".into()), Some("sa".into()))
        );
        assert_eq!(of("AWS_SESSION_TOKEN"), None);
        assert!(b.as_whom(&StoreSettings::Environment).is_none());
        assert!(
            mixed.is_same_user(&a) && !mixed.is_same_user(&b) && !a.is_same_user(&StoreSettings::Environment)
        );
    }

    #[test]
    fn settings_are_not_shown() {
        let settings = StoreSettings::parse("AWS_SECRET_ACCESS_KEY=hunter2").expect("a setting");
        assert_eq!(format!("{settings:?}"), "[\"AWS_SECRET_ACCESS_KEY\"]");
    }
}
