//! What is allowed and unwise: said by `check`, and never a reason to refuse.

use std::path::Path;

use crate::secret::is_open_to_others;
use crate::{Config, Notify, SecretRef, Source};

impl Config {
    /// What an operator should look at, in words, one sentence each. `path` is the configuration's file.
    ///
    /// Looks at the modes of the files that hold secrets and changes nothing.
    pub fn warnings(&self, path: &Path) -> Vec<String> {
        let mut warnings = Vec::new();
        if let [name] = self.people.keys().collect::<Vec<_>>()[..] {
            warnings.push(format!("only {name} can open the vault: name a second person, or an escrow key"));
        }
        for (grade, policy) in self.policy.iter().filter(|(_, policy)| policy.quorum > 1) {
            if policy.of.len() == usize::from(policy.quorum) {
                warnings.push(format!(
                    "grade {grade} takes all of the {} people who have it together: one lost key would lose its rows",
                    policy.quorum
                ));
            }
        }
        if self.sources.is_empty() {
            warnings.push("no [[source]] is configured: there is nothing to back up".into());
        }
        if self.agent.name == "localhost" {
            warnings
                .push("the agent is called localhost, as other machines are: set `name` in [agent]".into());
        }
        for source in &self.sources {
            warnings
                .extend(source.warnings().into_iter().map(|text| format!("source {}: {text}", source.name)));
        }
        for target in &self.notify {
            warnings
                .extend(target.warnings().into_iter().map(|text| format!("notify {}: {text}", target.name)));
        }
        if self.holds_secrets() && is_open_to_others(path) {
            warnings.push(format!(
                "everybody on this machine can read the passwords in {}: run `chmod o= {0}`",
                path.display()
            ));
        }
        warnings
    }

    fn holds_secrets(&self) -> bool {
        let of_sources = self.sources.iter().filter_map(|source| source.password.as_ref());
        let of_notify = self.notify.iter().flat_map(|target| target.channel.secrets());
        of_sources
            .chain(of_notify.map(|(_, secret)| secret))
            .any(|secret| matches!(secret, SecretRef::Literal(_)))
    }
}

impl Source {
    fn warnings(&self) -> Vec<String> {
        let plaintext = self.allow_plaintext.then(|| {
            "its connection may be unencrypted (allow_plaintext): whoever is on the way can read the customers' data"
                .to_owned()
        });
        plaintext.into_iter().chain(self.password.as_ref().and_then(SecretRef::warning)).collect()
    }
}

impl Notify {
    fn warnings(&self) -> Vec<String> {
        let plaintext = self.allow_plaintext.then(|| {
            "its messages may be unencrypted (allow_plaintext): whoever is on the way can read and forge them".to_owned()
        });
        let secrets = self.channel.secrets();
        let kept = secrets.into_iter().filter_map(|(key, secret)| match secret {
            SecretRef::Literal(_) => Some(format!(
                "its `{key}` is a secret and stands in the configuration itself: keep it in a file and write {{file:PATH}}"
            )),
            secret => secret.warning(),
        });
        plaintext.into_iter().chain(kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn check(sources: &str, expected: &[&str]) {
        check_agent("db1", sources, expected);
    }

    fn check_agent(agent: &str, sources: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("lifeboat.toml");
        let secret = folder.path().join("open.password");
        for file in [&path, &secret] {
            fs::write(file, "x").expect("a scratch file");
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("its mode");
        }
        let text = format!(
            "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\npeople.li.recipient = \"age1b\"\nagent.name = \"{agent}\"\n{sources}"
        );
        let warnings = Config::parse(&text, &path).expect("a good configuration").warnings(&path);
        let found: Vec<_> =
            warnings.iter().map(|text| text.replace(&folder.path().display().to_string(), "DIR")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_password_in_the_file_is_warned_of_and_not_shown() {
        check(
            "[[source]]\nname = \"crm\"\nurl = \"postgres://b@h/crm\"\npassword = \"hunter2\"",
            &[
                "source crm: its password stands in the configuration itself: keep it in a file and write {file:PATH}",
                "everybody on this machine can read the passwords in DIR/lifeboat.toml: run `chmod o= DIR/lifeboat.toml`",
            ],
        );
    }

    #[test]
    fn a_password_file_that_everybody_can_read_is_warned_of() {
        check(
            "[[source]]\nname = \"crm\"\nurl = \"postgres://b@h/crm\"\npassword = \"{file:open.password}\"",
            &[
                "source crm: everybody on this machine can read DIR/open.password: run `chmod o= DIR/open.password`",
            ],
        );
    }

    #[test]
    fn what_many_machines_are_called_is_warned_of() {
        check_agent(
            "localhost",
            "[[source]]\nname = \"crm\"\nurl = \"sqlite:///crm.db\"",
            &["the agent is called localhost, as other machines are: set `name` in [agent]"],
        );
    }

    #[test]
    fn only_one_person_is_warned_of() {
        let text = "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\nagent.name = \"db1\"\n[[source]]\nname = \"crm\"\nurl = \"sqlite:///crm.db\"";
        let config = Config::parse(text, Path::new("lifeboat.toml")).expect("a good configuration");
        assert_eq!(
            config.warnings(Path::new("lifeboat.toml")),
            ["only wang can open the vault: name a second person, or an escrow key"]
        );
    }

    #[test]
    fn plaintext_and_an_empty_list_of_sources_are_warned_of() {
        check("", &["no [[source]] is configured: there is nothing to back up"]);
        check(
            "[[source]]\nname = \"crm\"\nurl = \"postgres://b@h/crm\"\nallow_plaintext = true",
            &[
                "source crm: its connection may be unencrypted (allow_plaintext): whoever is on the way can read the customers' data",
            ],
        );
    }
}
