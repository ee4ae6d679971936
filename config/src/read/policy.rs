//! The tables headed `[policy.GRADE]`.

use std::collections::BTreeMap;

use super::Result;
use crate::section::{Field, Section};
use crate::{Grade, Person, Policies, Policy};

pub(crate) const KEYS: &[&str] = &["high", "medium", "low"];
pub(crate) const POLICY_KEYS: &[&str] = &["quorum", "of"];

/// A key is split into no more shares.
const QUORUM_MAX: u32 = 100;

type People = BTreeMap<String, Person>;

pub(crate) fn all(field: Option<Field<'_>>, people: &People) -> Result<Policies> {
    let Some(field) = field else { return Ok(Policies::default()) };
    let section = field.table("[policy]".into())?.only(KEYS)?;
    let of = |grade: Grade| {
        let field = section.optional(grade.as_str());
        field.map(|field| policy(field.table(format!("[policy.{grade}]"))?, grade, people)).transpose()
    };
    Ok(Policies { high: of(Grade::High)?, medium: of(Grade::Medium)?, low: of(Grade::Low)? })
}

fn policy(section: Section<'_>, grade: Grade, people: &People) -> Result<Policy> {
    let section = section.only(POLICY_KEYS)?;
    let field = section.required("quorum", "`quorum = 2`")?;
    let quorum = field.integer(1..=QUORUM_MAX)?;
    let of = match section.optional("of") {
        Some(named) => holders(&named, grade, people)?,
        None => with(grade, people).cloned().collect(),
    };
    if of.len() < quorum as usize {
        let message =
            format!("{} is {quorum}, and {} of [people] have grade {grade}", field.name(), of.len());
        let hint = "nobody could ever open it: lower it, or give more people that grade";
        return Err(field.refuse(message, vec![hint.into()]));
    }
    Ok(Policy { quorum: u8::try_from(quorum).expect("it is at most 100"), of })
}

/// The people named, who must be those who have the grade: a share goes to each of these.
fn holders(named: &Field<'_>, grade: Grade, people: &People) -> Result<Vec<String>> {
    let mut of: Vec<String> = Vec::new();
    for item in named.list()? {
        let name = item.text()?.to_owned();
        let refuse = |message: String, hint: String| Err(item.refuse(message, vec![hint]));
        match people.get(&name) {
            None => {
                let known: Vec<_> = people.keys().map(String::as_str).collect();
                let hint = crate::section::did_you_mean(&name, &known);
                return refuse(format!("nobody in [people] is called `{name}`"), hint);
            }
            Some(person) if !person.grades.contains(&grade) => {
                let hint = format!("give them the grade in [people.{name}], or leave them out here");
                return refuse(format!("{name} does not have grade {grade}"), hint);
            }
            Some(_) if of.contains(&name) => {
                let hint = "a person has one share".into();
                return refuse(format!("{name} stands twice in {}", item.name()), hint);
            }
            Some(_) => of.push(name),
        }
    }
    match with(grade, people).find(|name| !of.contains(name)) {
        None => Ok(of),
        Some(left_out) => {
            let message = format!("{left_out} has grade {grade}, and is not in {}", named.name());
            let hint = format!(
                "who has a grade has a share of its key: add them, or set `grades` in [people.{left_out}]"
            );
            Err(named.refuse(message, vec![hint]))
        }
    }
}

fn with(grade: Grade, people: &People) -> impl Iterator<Item = &String> {
    people.iter().filter(move |(_, person)| person.grades.contains(&grade)).map(|(name, _)| name)
}
