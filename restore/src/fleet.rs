//! What head office sees of its branches' vaults: each opened on its own, so that one which fails hides
//! none of the others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use lifeboat_config::{Branch, Fleet};
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::{Grade, Notes, Snapshot, list_notes, read_audit};

use crate::explain;
use crate::open::{Keys, Opened};
use crate::proven::Proven;

/// Vaults opened at once: each reads a hundred small objects or so.
pub const OPEN_AT_ONCE: usize = 8;

/// A store that is silent gives up by itself before this; a passphrase may be asked for meanwhile.
const OPENING_TAKES_MAX: Duration = Duration::from_secs(5 * 60);

/// One branch's vault.
pub struct Seen {
    /// Its name in the fleet's file.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it holds, or why that is not known.
    pub known: Result<Known, CommandError>,
}

/// What a vault holds.
pub struct Known {
    /// Its sources, by name.
    pub sources: Vec<SourceSeen>,
    /// Its snapshots.
    pub snapshots: u64,
    /// Everything in the store, in bytes.
    pub stored_bytes: u64,
    /// Grades whose rows the identities open.
    pub unlocked: Vec<Grade>,
    /// When the record says that every snapshot was last proven whole.
    pub proven: Proven,
    /// What is damaged, in words.
    pub damage: Vec<String>,
}

/// One source of a vault.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceSeen {
    /// Its name.
    pub name: String,
    /// When its last snapshot was taken, as stored.
    pub last: String,
    /// How old that is, by the earlier of the agent's clock and the store's.
    pub age: Duration,
    /// How many snapshots it has.
    pub snapshots: u64,
    /// Rows of the last one.
    pub rows: u64,
    /// Raw bytes of the last one.
    pub raw_bytes: u64,
    /// What is flagged about its snapshots and was accepted by nobody.
    pub flags: Vec<String>,
    /// What its last snapshot does not cover.
    pub not_covered: Vec<String>,
}

/// Opens every vault and looks; in the order of the file.
pub async fn look(fleet: &Fleet, now: Timestamp) -> Vec<Seen> {
    let known = in_each(fleet, |branch, keys| async move { look_at(branch, &keys, now).await }).await;
    let seen = |(branch, known): (&Branch, _)| Seen {
        name: branch.name.clone(),
        url: branch.url.to_string(),
        known,
    };
    fleet.branches.iter().zip(known).map(seen).collect()
}

/// Does the same in every vault, with the keys that open it; in the order of the file.
pub async fn in_each<'a, T, F>(
    fleet: &'a Fleet,
    work: impl Fn(&'a Branch, Rc<Keys>) -> F,
) -> Vec<Result<T, CommandError>>
where
    F: Future<Output = Result<T, CommandError>>,
{
    let mut read: BTreeMap<Vec<PathBuf>, Rc<Keys>> = BTreeMap::new();
    let mut works = Vec::new();
    for branch in &fleet.branches {
        // A file is read once however many vaults it opens: each reading may ask for a passphrase.
        let keys = match read.get(&branch.identities) {
            Some(keys) => Ok(keys.clone()),
            None => Keys::read(&branch.identities).map(|keys| {
                let keys = Rc::new(keys);
                read.insert(branch.identities.clone(), keys.clone());
                keys
            }),
        };
        let begun = keys.map(|keys| work(branch, keys));
        works.push(async move {
            let done = match begun {
                Ok(work) => in_time(work).await,
                Err(error) => Err(error),
            };
            done.map_err(|error| error.classify(explain::explain))
        });
    }
    futures::stream::iter(works).buffered(OPEN_AT_ONCE).collect().await
}

async fn in_time<T>(look: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let late = |_| {
        let minutes = OPENING_TAKES_MAX.as_secs() / 60;
        CommandError::new(Kind::Failed, format!("the store has not answered within {minutes} minutes"))
    };
    tokio::time::timeout(OPENING_TAKES_MAX, look).await.map_err(late)?
}

async fn look_at(branch: &Branch, keys: &Keys, now: Timestamp) -> Result<Known, CommandError> {
    let opened = Opened::branch(branch, keys).await?;
    let (notes, unread) = list_notes(&opened.vault).await?;
    let audit = read_audit(&opened.vault).await?;
    let stored = opened.vault.store().list("").await?;
    Ok(Known {
        sources: sources(&opened.snapshots, &notes, now),
        snapshots: opened.snapshots.len() as u64,
        stored_bytes: stored.iter().map(|object| object.bytes).sum(),
        unlocked: opened.vault.unlocked(),
        proven: Proven::by(&audit),
        damage: opened
            .damage()
            .chain(unread.iter().map(ToString::to_string))
            .chain(audit.findings.iter().map(ToString::to_string))
            .collect(),
    })
}

/// The sources of a vault, by name; `snapshots` are ordered as the vault lists them.
pub fn sources(snapshots: &[Snapshot], notes: &Notes, now: Timestamp) -> Vec<SourceSeen> {
    let mut of_source: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
    for snapshot in snapshots {
        of_source.entry(&snapshot.manifest.source).or_default().push(snapshot);
    }
    let seen = |(name, snapshots): (&str, Vec<&Snapshot>)| {
        let last = *snapshots.last()?;
        let flagged = snapshots.iter().filter(|snapshot| notes.is_flagged(snapshot));
        Some(SourceSeen {
            name: name.to_owned(),
            last: last.manifest.time.clone(),
            age: age(last, now),
            snapshots: snapshots.len() as u64,
            rows: last.manifest.rows,
            raw_bytes: last.manifest.raw_bytes,
            flags: flagged.flat_map(|snapshot| snapshot.manifest.flags.clone()).collect(),
            not_covered: not_covered(last),
        })
    };
    of_source.into_iter().filter_map(seen).collect()
}

/// How old a snapshot is: a clock that ran ahead makes none younger than the store knows it to be.
pub fn age(snapshot: &Snapshot, now: Timestamp) -> Duration {
    let told = snapshot.manifest.time.parse().unwrap_or(snapshot.seen);
    Duration::try_from(now.duration_since(snapshot.seen.min(told))).unwrap_or_default()
}

/// What the connector says that a snapshot does not cover.
pub fn not_covered(snapshot: &Snapshot) -> Vec<String> {
    let point: Result<lifeboat_connectors::PointInTime, _> =
        serde_json::from_value(snapshot.manifest.point.clone());
    point.map(|point| point.not_covered).unwrap_or_default()
}
