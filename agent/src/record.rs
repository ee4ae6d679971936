//! What this host writes to the vault's record: its own deeds, signed with its key.

use jiff::Timestamp;
use lifeboat_console::{CommandError, Kind, Progress, chain};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{AgentKey, AuditWriter, Identities, Vault, record};

use crate::explain::explain;

/// Writes an entry. That there is none is told: what was done is done all the same.
pub async fn write(vault: &Vault, key: &AgentKey, deed: &Deed, json: bool) {
    write_by(vault, AuditWriter::Agent(key), &key.name, deed, json).await;
}

/// Writes an entry of a person's, who is at work on this machine. Returns whether it is written.
pub async fn write_as_person(vault: &Vault, identities: &Identities, deed: &Deed, json: bool) -> bool {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match vault.person_keys(identities).as_deref() {
        Ok([person, ..]) => write_by(vault, AuditWriter::Person(person), &host, deed, json).await,
        Ok([]) => not_written(deed, "the vault has no signing key for this identity yet", json),
        Err(error) => not_written(deed, &chain(error), json),
    }
}

async fn write_by(vault: &Vault, writer: AuditWriter<'_>, host: &str, deed: &Deed, json: bool) -> bool {
    match record(vault, writer, host, deed, Timestamp::now()).await {
        Ok(_) => true,
        Err(error) => not_written(deed, &chain(&error), json),
    }
}

fn not_written(deed: &Deed, why: &str, json: bool) -> bool {
    let what = deed.detail.as_deref().unwrap_or(&deed.what);
    Progress::new(json).warn(&format!("this is in no record ({what}): {why}"));
    false
}

/// What was done, and the copy that it was done in, if in one: `copy frankfurt: 3 snapshots`.
pub fn detail(copy: Option<&str>, what: Option<String>) -> Option<String> {
    let parts: Vec<_> = copy.map(|name| format!("copy {name}")).into_iter().chain(what).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// A deed of this kind, and how it ended: with this failure, or well.
pub fn ended(what: &str, failure: Option<&CommandError>) -> Deed {
    let kind = failure.map(|error| error.explained(explain).kind);
    Deed {
        what: what.into(),
        result: Kind::result(kind).into(),
        kind: kind.map(|kind| kind.as_str().into()),
        ..Deed::default()
    }
}
