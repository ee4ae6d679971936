//! The tables headed `[[suppress]]`.

use jiff::civil::Date;

use super::{Result, value};
use crate::Suppression;
use crate::section::{Field, Section};
use crate::values::{self, Fault};

pub(crate) const KEYS: &[&str] = &["control", "reason", "owner", "expires", "approved_by"];

pub(crate) fn all(field: Option<Field<'_>>) -> Result<Vec<Suppression>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let mut all: Vec<Suppression> = Vec::new();
    for section in field.tables("suppress")? {
        let section = section.only(KEYS)?;
        let name = section.required("control", "`control = \"CPY-01\"`")?;
        let control = value(&name, control)?;
        if all.iter().any(|other| other.control == control) {
            let message = format!("{control} is suppressed twice");
            return Err(name.refuse(message, vec!["keep one of the two".into()]));
        }
        all.push(one(&section, control)?);
    }
    Ok(all)
}

fn one(section: &Section<'_>, control: String) -> Result<Suppression> {
    let reason = section.required("reason", "`reason = \"…\"`: why the result is accepted")?;
    let owner = section.required("owner", "`owner = \"li\"`: who answers for it")?;
    let mut approved_by: Vec<String> = Vec::new();
    for item in section.optional("approved_by").map(|field| field.list()).transpose()?.unwrap_or_default() {
        let person = value(&item, values::label)?;
        if approved_by.contains(&person) {
            let message = format!("{person} stands twice in {}", item.name());
            return Err(item.refuse(message, vec!["an approval counts once".into()]));
        }
        approved_by.push(person);
    }
    Ok(Suppression {
        control,
        reason: value(&reason, sentence)?,
        owner: value(&owner, values::label)?,
        expires: section.optional("expires").map(|field| value(&field, date)).transpose()?,
        approved_by,
    })
}

fn control(text: &str) -> std::result::Result<String, Fault> {
    let good = text.split_once('-').is_some_and(|(family, number)| {
        family.len() == 3
            && family.chars().all(|c| c.is_ascii_uppercase())
            && number.len() == 2
            && number.chars().all(|c| c.is_ascii_digit())
    });
    if good {
        return Ok(text.to_owned());
    }
    Err(Fault::new(&format!("`{text}` names no control"), "`lifeboat-restore report` lists them: `CPY-01`"))
}

fn sentence(text: &str) -> std::result::Result<String, Fault> {
    match text.trim() {
        "" => Err(Fault::new("it is empty", "say why, so that the next person can judge it")),
        text => Ok(text.to_owned()),
    }
}

fn date(text: &str) -> std::result::Result<Date, Fault> {
    let wrong =
        |_| Fault::new(&format!("`{text}` is no day"), "write the last day, such as `\"2027-03-31\"`");
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Config;

    fn parse(tables: &str) -> Result<Config, String> {
        let text = format!(
            "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\nagent.name = \"db1\"\n{tables}"
        );
        Config::parse(&text, Path::new("lifeboat.toml")).map_err(|error| error.to_string())
    }

    fn refused(tables: &str, expected: &str) {
        let error = parse(tables).expect_err("it is refused");
        assert!(error.contains(expected), "{error}");
    }

    const GOOD: &str =
        "[[suppress]]\ncontrol = \"CPY-01\"\nreason = \"the barn is being built\"\nowner = \"li\"\n";

    #[test]
    fn a_suppression_is_read_with_its_day_and_its_approvers() {
        let config = parse(&format!("{GOOD}expires = \"2027-03-31\"\napproved_by = [\"wang\", \"王\"]\n"));
        let config = config.expect("a good configuration");
        let [one] = &config.suppressions[..] else { panic!("{:?}", config.suppressions) };
        assert_eq!((one.control.as_str(), one.owner.as_str()), ("CPY-01", "li"));
        assert_eq!(one.expires.map(|day| day.to_string()).as_deref(), Some("2027-03-31"));
        assert_eq!(one.approved_by, ["wang", "王"]);
        let shown = config.to_masked_toml();
        assert!(shown.contains("[[suppress]]") && shown.contains("expires = \"2027-03-31\""), "{shown}");
        assert_eq!(parse(GOOD).expect("no expiry is for the report to judge").suppressions[0].expires, None);
    }

    #[test]
    fn a_suppression_that_cannot_be_meant_is_refused() {
        refused(&GOOD.replace("CPY-01", "copies"), "`copies` names no control");
        refused(&GOOD.replace("the barn is being built", " "), "it is empty");
        refused(&GOOD.replace("owner = \"li\"\n", ""), "`owner` is missing");
        refused(&format!("{GOOD}expires = \"soon\"\n"), "`soon` is no day");
        refused(&format!("{GOOD}{GOOD}"), "CPY-01 is suppressed twice");
        refused(&format!("{GOOD}approved_by = [\"li\", \"li\"]\n"), "li stands twice");
    }
}
