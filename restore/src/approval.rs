//! What a request says, and what it is good for: a restore in words that both programs come to by themselves.
//!
//! Whoever asks and whoever restores compute the same [`Proposal`] from the same command line and snapshot, as
//! if the grades that are asked for were open. So an approval is for these tables, this target and these
//! options, and for nothing that another command line would do. What was approved is opened only afterwards.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use lifeboat_connectors::Target;
use lifeboat_console::{CommandError, Kind, escape};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    GivenShares, Grade, Identities, PersonKey, RequestId, RequestRecord, Snapshot, SnapshotReader, Vault,
    gather,
};
use url::Url;

use crate::cli::Wanted;
use crate::one_time_key::OneTimeKey;
use crate::restore::{Chosen, Showing, for_words, select};
use crate::words;

/// A restore, in words that are the same on every machine.
pub struct Proposal {
    /// Exactly what is restored, and where to.
    pub words: String,
    /// Grades that it opens and that others must open or approve.
    pub together: Vec<Grade>,
}

/// What a request is used for: who approved it stands in the record.
pub struct Approved {
    /// Its id.
    pub id: RequestId,
    /// Its plan, in words.
    pub plan: String,
    /// Who approved it.
    pub by: Vec<String>,
    /// What the shares were opened with.
    pub key: OneTimeKey,
}

impl Approved {
    /// For the record.
    pub fn in_words(&self) -> String {
        match self.by.is_empty() {
            true => format!("request {}", self.id.short()),
            false => format!("request {}, approved by {}", self.id.short(), self.by.join(", ")),
        }
    }
}

/// Works out a restore as if the grades of `more` were open.
pub async fn propose(
    vault: &Vault,
    reader: &SnapshotReader,
    snapshot: &Snapshot,
    target: &dyn Target,
    (wanted, url): (&Wanted, &Url),
    more: &[Grade],
) -> Result<Proposal, CommandError> {
    let manifest = &snapshot.manifest;
    let system = manifest.point["system"].as_str().unwrap_or_default();
    let showing = Showing::new(vault, wanted.grade, wanted.mask, system).opening(more);
    let open = vault.unlocked();
    // Definitions that are closed say nothing: names are tables' then.
    let closed = manifest.files.iter().any(|file| !open.contains(&file.grade));
    let asks = |withholds| !closed && wanted.asks_of_schema(url, system, withholds);
    let all = reader.tables(snapshot).await?;
    let tables = select(vault, &showing, (reader, snapshot, target), all, &wanted.table, asks).await?;
    let of_tables = tables.iter().filter(|table| !table.is_left_empty()).flat_map(|table| &table.shown.read);
    let opened: BTreeSet<Grade> =
        manifest.files.iter().map(|file| &file.grade).chain(of_tables).copied().collect();
    let together = opened.iter().filter(|grade| needs_others(vault, **grade)).copied().collect();
    let words = in_words(snapshot, &tables, &opened, (wanted, url));
    Ok(Proposal { words, together })
}

/// Whether others must open a grade too, or approve that it is restored.
fn needs_others(vault: &Vault, grade: Grade) -> bool {
    vault.quorum(grade) > 1 || vault.approvers(grade) > 0
}

/// The grades of these of which others must approve each restore, unless enough of them are here: whoever gives
/// their identity to it has approved it.
pub fn unapproved(
    vault: &Vault,
    identities: &Identities,
    opened: impl IntoIterator<Item = Grade>,
) -> Result<Vec<Grade>, CommandError> {
    let here: BTreeSet<_> = vault.person_keys(identities)?.into_iter().map(|key| key.id()).collect();
    let people = vault.people()?;
    let here_with = |grade: &Grade| {
        let with = people.iter().filter(|person| person.grades.contains(grade));
        with.filter_map(|person| person.id()).filter(|id| here.contains(id)).count()
    };
    let lacks = |grade: &Grade| match vault.approvers(*grade) {
        0 => false,
        others => here_with(grade) <= usize::from(others),
    };
    let opened: BTreeSet<Grade> = opened.into_iter().collect();
    Ok(opened.into_iter().filter(lacks).collect())
}

fn in_words(
    snapshot: &Snapshot,
    tables: &[Chosen],
    opened: &BTreeSet<Grade>,
    (wanted, url): (&Wanted, &Url),
) -> String {
    let manifest = &snapshot.manifest;
    let mut text = format!("restore snapshot {} of {}\n", snapshot.id, escape(&manifest.source));
    text.push_str(&format!("taken    {} UTC\n", words::time(&manifest.time)));
    let loaded = tables.iter().filter(|table| !table.is_left_empty());
    let rows = loaded.map(|table| table.record.rows).sum();
    let count = words::counted(tables.len() as u64, "table");
    let of = if tables.len() as u64 == manifest.tables { "all of them" } else { "of those it has" };
    text.push_str(&format!("tables   {count}, {of}: {}\n", words::counted(rows, "row")));
    if tables.len() as u64 != manifest.tables {
        text.extend(tables.iter().map(|table| format!("table    {}\n", escape(&table.name()))));
    }
    let opened: Vec<_> = opened.iter().copied().collect();
    text.push_str(&format!("opens    grade {}\n", words::listed(&opened)));
    let withheld: Vec<_> = tables.iter().flat_map(|table| table.withheld.clone()).collect();
    for (why, names) in for_words(&withheld) {
        text.push_str(&format!("without  {} ({why})\n", escape(&names)));
    }
    text.push_str(&format!("into     {}\n", words::shown(url)));
    let options = wanted.options();
    text.extend(options.iter().filter(|(_, asked)| *asked).map(|(option, _)| format!("with     {option}\n")));
    text.extend(
        wanted
            .map_role
            .iter()
            .map(|(old, new)| format!("with     --map-role {}={}\n", escape(old), escape(new))),
    );
    text
}

/// A plan's words, indented, as it is safe to show them.
pub fn indented(plan: &str) -> String {
    plan.lines().map(|line| format!("  {}\n", escape(line))).collect()
}

/// The one person whose identity this is: what is signed is signed by somebody.
pub fn one_person(vault: &Vault, identities: &Identities) -> Result<PersonKey, CommandError> {
    let mut keys = vault.person_keys(identities)?;
    match keys.len() {
        1 => Ok(keys.remove(0)),
        0 => Err(CommandError::new(Kind::NoUsableKey, "no identity given is of a person who signs in this vault")
            .hint("give your own with `--identity`; `lifeboat-restore keys list` shows who is in the vault")
            .hint("a vault made by an older version gives everybody a signing key with `lifeboat-restore keys rewrap`")),
        _ => {
            let names: Vec<_> = keys.into_iter().map(|key| key.name).collect();
            let text = format!("identities of several people were given: {}", names.join(", "));
            Err(CommandError::new(Kind::Usage, text).hint("each signs for themselves: give one"))
        }
    }
}

/// Checks that a request is for exactly this and approved by enough people, and opens the shares that were given
/// for it. Nothing is opened before all of that holds.
///
/// # Errors
/// `Denied` when it is for another plan, of somebody else or good no more; `ApprovalMissing` when too few have
/// approved it.
pub fn claim(
    vault: &Vault,
    record: &RequestRecord,
    identities: &Identities,
    (kind, proposal): (Wish, &Proposal),
    key: Option<&Path>,
) -> Result<(GivenShares, Approved), CommandError> {
    let (now, key) = (Timestamp::now(), OneTimeKey::of(record, key));
    if let Err(error) = record.check_open(vault, now) {
        let removed = key.after(&record.tally(vault, now)?.state);
        return Err(CommandError::from(error).with_hints(removed));
    }
    if !vault.person_keys(identities)?.iter().any(|person| person.id() == record.requester) {
        let (id, name) = (record.id.short(), &record.requester_name);
        let text = format!("request {id} is {name}'s, and no identity given is theirs");
        return Err(
            CommandError::new(Kind::Denied, text).hint("whoever wants it done asks for it themselves")
        );
    }
    record.check_plan(kind, &proposal.words, &proposal.together)?;
    let tally = record.check_approved(vault, now)?;
    let given = gather(vault, record, &key.read()?)?;
    Ok((given, Approved { id: record.id, plan: proposal.words.clone(), by: tally.approved, key }))
}

/// Claims a request for a restore, and opens the vault as far as it reaches.
///
/// # Errors
/// As [`claim`]; `NoUsableKey` when the shares do not open what they should.
pub async fn redeem(
    vault: &Vault,
    record: &RequestRecord,
    identities: &Identities,
    proposal: &Proposal,
    key: Option<&Path>,
) -> Result<(Vault, Approved), CommandError> {
    let (given, approved) = claim(vault, record, identities, (Wish::Restore, proposal), key)?;
    let unlocked = vault.unlock_with(identities, &given).await?;
    let open = unlocked.unlocked();
    if let Some(closed) = record.request.grades.iter().find(|grade| !open.contains(grade)) {
        let text = format!(
            "the shares that were given for request {} do not open grade {closed}",
            record.id.short()
        );
        let error = CommandError::new(Kind::NoUsableKey, text);
        let told = unlocked.damage().map(ToString::to_string).collect::<BTreeSet<_>>();
        return Err(told.into_iter().fold(error, |error, damage| error.hint(damage)));
    }
    Ok((unlocked, approved))
}
