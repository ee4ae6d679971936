//! The matrix of people and keys, in words and as JSON, with what of it is proven and what cannot be known.

use lifeboat_console::{Align, Table, escape};
use lifeboat_vault::format::keys::PersonRecord;
use lifeboat_vault::{Access, KeyAccess, Standing, WrappedKey};
use serde_json::{Value, json};

use crate::words;

/// One line a key, one column a person who is not retired, or to whom something is still sealed.
pub fn table<'a>(access: &Access, keys: impl Iterator<Item = &'a KeyAccess>) -> Table {
    let open = |at: usize| access.keys.iter().any(|key| key.people[at] != Standing::Closed);
    let shown: Vec<_> =
        (0..access.people.len()).filter(|at| access.people[*at].is_active() || open(*at)).collect();
    let mut headings = vec![("key".to_owned(), Align::Left)];
    headings.extend(shown.iter().map(|at| (access.people[*at].name.clone(), Align::Left)));
    headings.push(("you".to_owned(), Align::Left));
    let mut table = Table::with_headings(headings);
    for key in keys {
        let mut row = vec![named(key)];
        row.extend(shown.iter().map(|at| cell(key.people[*at]).to_owned()));
        row.push(if key.opened { "opened" } else { "-" }.to_owned());
        table.row(row);
    }
    table
}

/// Where these people belong and what they are there, a line for each of whom it is said.
pub fn belonging(access: &Access) -> String {
    let of = |person: &PersonRecord| {
        let said: Vec<_> =
            [&person.branch, &person.role].into_iter().flatten().map(|text| escape(text)).collect();
        (!said.is_empty()).then(|| format!("{}: {}\n", escape(&person.name), said.join(", ")))
    };
    access.people.iter().filter(|person| person.is_active()).filter_map(of).collect()
}

/// What does not fit in these keys, a sentence each.
pub fn doubts<'a>(access: &Access, keys: impl Iterator<Item = &'a KeyAccess>) -> Vec<String> {
    let mut doubts = Vec::new();
    for key in keys {
        let object = match key.quorum {
            1 => escape(&key.object).into_owned(),
            some => format!("{} ({some} together)", key.key),
        };
        if let Some(damage) = &key.damage {
            doubts.push(format!("nobody can open {}: {}", key.key, escape(damage)));
            continue;
        }
        if key.strangers > 0 {
            let some = words::counted(key.strangers, "recipient");
            doubts
                .push(format!("{object} has {some} that the keyring does not list: whose, nobody can tell"));
        }
        for (person, standing) in access.people.iter().zip(&key.people) {
            let name = escape(&person.name);
            match standing {
                Standing::Absent => {
                    doubts.push(format!(
                        "{name} is listed for {}, and {object} is not sealed to them",
                        key.key
                    ));
                }
                Standing::Doubtful => doubts.push(format!(
                    "{name} is listed for {}, and {object} has fewer recipients than the keyring lists",
                    key.key
                )),
                Standing::Unlisted => {
                    doubts.push(format!(
                        "{name} is not listed for {}, and {object} is sealed to them",
                        key.key
                    ));
                }
                Standing::Seen | Standing::Counted | Standing::Closed => {}
            }
        }
    }
    doubts
}

/// What no vault can tell, and where to look instead.
pub const UNKNOWN: &str = "\
seen: the wrapped key names theirs; counted: the keyring lists them, and the wrapped key has as many
recipients as it lists, which are anonymous; opened: by the identities given here
not known here: who has copied a wrapped key, or the whole vault, before it was changed
";

/// The matrix as JSON.
pub fn json<'a>(access: &Access, keys: impl Iterator<Item = &'a KeyAccess>) -> Value {
    let of_key = |key: &KeyAccess| {
        let people = access.people.iter().zip(&key.people);
        let people: serde_json::Map<_, _> =
            people.map(|(person, standing)| (person.name.clone(), cell(*standing).into())).collect();
        let (realm, epoch) = match key.key {
            WrappedKey::Sealing(realm, epoch) => (realm.as_str(), Some(epoch)),
            WrappedKey::Root => ("root", None),
        };
        json!({
            "key": realm,
            "epoch": epoch,
            "newest": key.newest,
            "quorum": key.quorum,
            "object": key.object,
            "people": people,
            "strangers": key.strangers,
            "opened": key.opened,
            "damage": key.damage,
        })
    };
    keys.map(of_key).collect()
}

fn named(key: &KeyAccess) -> String {
    let name = match (key.key, key.newest) {
        (WrappedKey::Root, _) => "root".to_owned(),
        (WrappedKey::Sealing(realm, epoch), true) => format!("{realm}, epoch {epoch}"),
        (WrappedKey::Sealing(realm, epoch), false) => format!("{realm}, epoch {epoch} (older)"),
    };
    match key.quorum {
        1 => name,
        some => format!("{name}, {some} together"),
    }
}

fn cell(standing: Standing) -> &'static str {
    match standing {
        Standing::Seen => "seen",
        Standing::Counted => "counted",
        Standing::Doubtful => "doubtful",
        Standing::Absent => "ABSENT",
        Standing::Unlisted => "UNLISTED",
        Standing::Closed => "-",
    }
}
