//! How a database writes and sorts text: asked, compared with the snapshot's, and asked for of a new one.

use sqlx::PgConnection;

use super::facts::Database;
use super::sql;
use crate::{Error, Result};

/// The encoding in which anything is text.
const BYTES: &str = "SQL_ASCII";

/// The encoding in which all other text can be written.
const ANY_TEXT: &str = "UTF8";

/// Of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Locale {
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    /// `c` for libc, `i` for ICU, `b` for builtin.
    pub(super) provider: String,
    /// That of another provider than libc.
    pub(super) name: Option<String>,
    pub(super) icu_rules: Option<String>,
}

impl Locale {
    /// Of the database that this session is in.
    pub(super) async fn here(connection: &mut PgConnection, major: u32) -> Result<Self, sqlx::Error> {
        let (provider, name) = match major {
            ..=14 => ("'c'", "NULL"),
            15..=16 => ("d.datlocprovider::text", "d.daticulocale"),
            _ => ("d.datlocprovider::text", "d.datlocale"),
        };
        let rules = if major >= 16 { "d.daticurules" } else { "NULL" };
        let query = format!(
            "SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text, \
             {provider}, {name}::text, {rules}::text FROM pg_catalog.pg_database d WHERE d.datname = current_database()"
        );
        let row = sql::row(connection, &query).await?;
        Ok(Self {
            encoding: row.text(0),
            collate: row.text(1),
            ctype: row.text(2),
            provider: row.text(3),
            name: row.some(4),
            icu_rules: row.some(5),
        })
    }

    /// Of a snapshot's database.
    pub(super) fn of(database: &Database) -> Self {
        Self {
            encoding: database.encoding.clone(),
            collate: database.collate.clone(),
            ctype: database.ctype.clone(),
            provider: database.provider.clone(),
            name: database.locale.clone(),
            icu_rules: database.icu_rules.clone(),
        }
    }

    /// What `CREATE DATABASE` is told beside the encoding, on a server of `major`. Without its provider, the new
    /// database would have the template's.
    pub(super) fn options(&self, major: u32) -> String {
        let libc =
            format!(" LC_COLLATE {} LC_CTYPE {}", sql::literal(&self.collate), sql::literal(&self.ctype));
        match (self.provider.as_str(), &self.name) {
            ("i", Some(name)) => {
                let rules = self.icu_rules.iter().filter(|_| major >= 16);
                let rules: String =
                    rules.map(|rules| format!(" ICU_RULES {}", sql::literal(rules))).collect();
                format!("{libc} LOCALE_PROVIDER icu ICU_LOCALE {}{rules}", sql::literal(name))
            }
            ("b", Some(name)) => {
                format!("{libc} LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", sql::literal(name))
            }
            _ if major >= 15 => format!("{libc} LOCALE_PROVIDER libc"),
            _ => libc,
        }
    }

    /// The one that every server has.
    pub(super) fn plain(&self) -> Self {
        let (collate, ctype, provider) = ("C".into(), "C".into(), "c".into());
        Self { encoding: self.encoding.clone(), collate, ctype, provider, ..Self::default() }
    }

    /// Refuses a database `here` that does not hold text of this one as the text that it is.
    pub(super) fn refuse_other_encoding(&self, here: &Self) -> Result<()> {
        let (there, here) = (self.encoding.as_str(), here.encoding.as_str());
        if here == there || here == ANY_TEXT && there != BYTES {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("restoring text in {there} into a database in {here}"),
            reason: format!(
                "use --into-new, which creates it as it was, or createdb -T template0 -E {there} --locale=C"
            ),
        })
    }

    /// What is worth knowing of a database `here` that sorts text otherwise.
    pub(super) fn difference(&self, here: &Self) -> Option<String> {
        let (there, here) = (self.in_words(), here.in_words());
        (there != here).then(|| {
            format!(
                "text sorts by {here} here and by {there} at the source: what depends on its order may come out otherwise"
            )
        })
    }

    /// The same locale is the same words, however it is spelt.
    fn in_words(&self) -> String {
        let rules: String = self.icu_rules.iter().map(|rules| format!(" with rules {rules}")).collect();
        match (self.provider.as_str(), &self.name) {
            ("i", Some(name)) => format!("{name} of ICU{rules}"),
            ("b", Some(name)) => format!("{} of PostgreSQL itself", spelt(name)),
            _ if spelt(&self.collate) == spelt(&self.ctype) => format!("{} of libc", spelt(&self.collate)),
            _ => format!("{} of libc, with {} for its characters", spelt(&self.collate), spelt(&self.ctype)),
        }
    }
}

/// `en_US.UTF-8` and `en_US.utf8` are one.
fn spelt(locale: &str) -> String {
    match locale.split_once('.') {
        Some((language, encoding)) => {
            format!("{language}.{}", encoding.replace('-', "").to_lowercase())
        }
        None if locale == "POSIX" => "C".into(),
        None => locale.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libc(encoding: &str, locale: &str) -> Locale {
        let provider = "c".into();
        let (collate, ctype) = (locale.to_owned(), locale.to_owned());
        Locale { encoding: encoding.into(), collate, ctype, provider, ..Locale::default() }
    }

    fn icu(rules: Option<&str>) -> Locale {
        let (provider, name, icu_rules) = ("i".into(), Some("zh-Hans".into()), rules.map(str::to_owned));
        Locale { provider, name, icu_rules, ..libc("UTF8", "C") }
    }

    #[test]
    fn a_new_database_is_told_its_provider_where_there_are_several() {
        let options = |locale: &Locale, major| locale.options(major);
        assert_eq!(options(&libc("UTF8", "C"), 14), " LC_COLLATE 'C' LC_CTYPE 'C'");
        assert_eq!(options(&libc("UTF8", "C"), 15), " LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc");
        let rules = icu(Some("&a < b"));
        let expected = " LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'zh-Hans'";
        assert_eq!(options(&rules, 15), expected);
        assert_eq!(options(&rules, 16), format!("{expected} ICU_RULES '&a < b'"));
    }

    #[test]
    fn text_goes_where_it_is_the_same_text() {
        let check = |there, here, fits| {
            let fitting = libc(there, "C").refuse_other_encoding(&libc(here, "C"));
            assert_eq!(fitting.is_ok(), fits, "{there} into {here}");
        };
        check("UTF8", "UTF8", true);
        check("LATIN1", "UTF8", true);
        check("UTF8", "SQL_ASCII", false);
        check("UTF8", "LATIN1", false);
        check("SQL_ASCII", "UTF8", false);
        check("SQL_ASCII", "SQL_ASCII", true);
    }

    #[test]
    fn another_order_of_text_is_told_and_another_spelling_is_not() {
        let differs = |there: &Locale, here: &Locale| there.difference(here).is_some();
        assert!(!differs(&libc("UTF8", "en_US.UTF-8"), &libc("UTF8", "en_US.utf8")));
        assert!(!differs(&libc("UTF8", "C"), &libc("UTF8", "POSIX")));
        assert!(differs(&libc("UTF8", "C"), &libc("UTF8", "zh_CN.utf8")));
        assert!(differs(&icu(None), &libc("UTF8", "C")));
        assert!(differs(&icu(Some("&a < b")), &icu(None)));
    }
}
