//! `keys list`: every key of the vault and who can open it.

use lifeboat_console::{Align, CommandError, Interrupt, Kind, Table, escape, print, print_json};
use lifeboat_vault::format::keys::PersonRecord;
use lifeboat_vault::{Access, Grade, Vault};
use serde_json::json;

use super::matrix;
use crate::cli::KeysList;
use crate::open::AtHand;
use crate::words;

/// Lists the people, then the matrix, then what does not fit.
pub async fn run(args: &KeysList, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let access = interrupt.or(at_hand.vault.access(&at_hand.identities)).await?;
    let doubts = matrix::doubts(&access, access.keys.iter());
    match json {
        true => print_json("summary", &summary(&at_hand.vault, &access, &doubts))?,
        false => print(&told(&at_hand.vault, &access, &doubts))?,
    }
    match doubts.len() as u64 {
        0 => Ok(()),
        some => {
            let text = format!("{} in who can open what", words::counted(some, "contradiction"));
            Err(CommandError::new(Kind::Damage, text)
                .hint("put what is missing or damaged back from a copy of the vault, as it was")
                .hint("where a key opens still, this wraps it anew to the people listed: lifeboat-restore keys rewrap"))
        }
    }
}

fn told(vault: &Vault, access: &Access, doubts: &[String]) -> String {
    let mut text = format!("keyring {}\n\n{}\n", access.keyring, people(access));
    text.push_str(&matrix::table(access, access.keys.iter()).to_string());
    text.extend(policies(vault).map(|(grade, some)| {
        format!("a restore of grade {grade} needs {} of others\n", words::counted(some.into(), "approval"))
    }));
    text.push_str(matrix::UNKNOWN);
    text.extend(doubts.iter().map(|doubt| format!("does not fit: {doubt}\n")));
    text.extend(warnings(access).iter().map(|warning| format!("warning: {warning}\n")));
    text
}

/// What is said of a person, if it is.
type Said = fn(&PersonRecord) -> &Option<String>;

/// Where they belong and what they are there, where that is said of anybody.
fn people(access: &Access) -> Table {
    let columns: [(&str, Said); 2] = [("branch", |one| &one.branch), ("role", |one| &one.role)];
    let said = |(_, of): &(_, Said)| access.people.iter().any(|one| of(one).is_some());
    let columns: Vec<_> = columns.into_iter().filter(said).collect();
    let headings = ["person", "grades"].into_iter().chain(columns.iter().map(|(heading, _)| *heading));
    let mut table =
        Table::with_headings(headings.chain(["recipient"]).map(|it| (it.to_owned(), Align::Left)));
    for person in &access.people {
        let grades = match &person.retired {
            Some(since) => format!("retired {}", words::time(since)),
            None => words::listed(&person.grades),
        };
        let said = columns.iter().map(|(_, of)| of(person).as_deref().unwrap_or("-"));
        table.row([person.name.as_str(), &grades].into_iter().chain(said).chain([person.recipient.as_str()]));
    }
    table
}

/// What is no contradiction and should not stay so.
fn warnings(access: &Access) -> Vec<String> {
    let mut warnings: Vec<_> =
        access.thin().iter().map(|thin| escape(&thin.to_string()).into_owned()).collect();
    for leftover in &access.leftovers {
        let recipients = leftover.recipients.map_or_else(
            || "it cannot be read".to_owned(),
            |some| format!("{} can open it", words::counted(some, "recipient")),
        );
        warnings.push(format!(
            "{} is no longer in force, and still there: {recipients}",
            escape(&leftover.object)
        ));
    }
    warnings
}

/// Grades of which others must approve each restore, and how many.
fn policies(vault: &Vault) -> impl Iterator<Item = (Grade, u8)> {
    Grade::ALL.into_iter().map(|grade| (grade, vault.approvers(grade))).filter(|(_, some)| *some > 0)
}

fn summary(vault: &Vault, access: &Access, doubts: &[String]) -> serde_json::Value {
    let people = access.people.iter().map(|person| {
        json!({
            "name": person.name,
            "recipient": person.recipient,
            "grades": person.grades,
            "branch": person.branch,
            "role": person.role,
        })
    });
    let leftovers =
        access.leftovers.iter().map(|left| json!({ "object": left.object, "recipients": left.recipients }));
    json!({
        "keyring": access.keyring,
        "people": people.collect::<Vec<_>>(),
        "keys": matrix::json(access, access.keys.iter()),
        "leftovers": leftovers.collect::<Vec<_>>(),
        "approvals": policies(vault)
            .map(|(grade, people)| json!({ "grade": grade, "people": people }))
            .collect::<Vec<_>>(),
        "contradictions": doubts,
        "warnings": warnings(access),
    })
}
