//! Everything that controls are judged by, gathered once. Plain data: no store, no file, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_config::Suppression;

use super::evidence::Evidence;

mod fleet;

pub use fleet::{BranchFacts, BranchKeys, FleetFacts, Reach, Tried};

/// What was read.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The moment at which everything is judged.
    pub now: Timestamp,
    /// The agent's configuration, where it was given.
    pub config: Option<ConfigFacts>,
    /// The vault.
    pub vault: VaultFacts,
    /// The vault's store, then its copies.
    pub stores: Vec<StoreFacts>,
    /// What was found on this machine, where it is the agent's.
    pub host: Option<HostFacts>,
    /// Every branch's vault, where the fleet's file was given.
    pub fleet: Option<FleetFacts>,
    /// The vault's record of who did what.
    pub audit: AuditFacts,
    /// What it says of those who are told.
    pub told: ToldFacts,
    /// What it says of restores and of what was destroyed.
    pub deeds: DeedFacts,
}

/// How long ago somebody who is told last accepted something, by kind: a name may have been given to another.
pub type Place = BTreeMap<String, Option<Duration>>;

/// Who was told what, by what agents have noted on the record.
#[derive(Debug, Clone, Default)]
pub struct ToldFacts {
    /// Those who are told, by the names that configurations call them.
    pub places: BTreeMap<String, Place>,
    /// How long ago a service that waits for calls last accepted one, by the newest backup of each source; of sources
    /// whose agents say whom they tell.
    pub pings: BTreeMap<String, Option<Duration>>,
    /// Restores of which somebody was told lately.
    pub caught: u64,
    /// Restores that were refused, or done without the approval they needed, of which nobody was told although an
    /// agent has looked since.
    pub missed: Vec<String>,
}

/// What was restored and destroyed, by the record and the requests beside it.
#[derive(Debug, Clone)]
pub struct DeedFacts {
    /// The requests that were read.
    pub read: Evidence,
    /// Restores, as they began.
    pub begun: Vec<Restored>,
    /// Restores that were whole: every table's rows were compared with the manifest.
    pub done: Vec<Restored>,
    /// How long ago somebody last went without the approval that was needed.
    pub glass: Option<Duration>,
    /// Restores of every table and column as they were, of which the record says how they went; the newest first.
    pub measured: Vec<Measured>,
    /// The longest time between two backups on record, up to now, of each source that has one.
    pub gaps: BTreeMap<String, Duration>,
    /// What was destroyed by hand.
    pub destroyed: Vec<Destroyed>,
    /// How long ago somebody who is called an escrow last opened rows.
    pub escrow: Option<Duration>,
}

/// A restore.
#[derive(Debug, Clone)]
pub struct Restored {
    /// How long ago, by the clock of whoever did it.
    pub age: Duration,
    /// Grades of the rows that it opened.
    pub grades: Vec<String>,
    /// How many others approved it, or gave their identities to it.
    pub others: u64,
}

/// How a whole restore went.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Of which source.
    pub source: String,
    /// How long ago it ended, by the clock of whoever did it.
    pub age: Duration,
    /// From its beginning to the end of the comparison, or of the loading where nothing was compared.
    pub took: Duration,
    /// Tables whose rows or digests are not the manifest's; none where they were not compared.
    pub differences: Option<u64>,
}

/// Keys or snapshots that were destroyed by hand, or less that is kept.
#[derive(Debug, Clone)]
pub struct Destroyed {
    /// Which, in words.
    pub what: String,
    /// How long ago.
    pub age: Duration,
    /// How many others agreed.
    pub others: u64,
}

/// What the record holds.
#[derive(Debug, Clone)]
pub struct AuditFacts {
    /// The entries that were read.
    pub read: Evidence,
    /// How many can be believed.
    pub entries: u64,
    /// What does not fit, in words.
    pub broken: Vec<String>,
    /// How long ago every snapshot was last proven whole, rows apart.
    pub verified: Option<Duration>,
    /// How long ago every row of every snapshot was.
    pub rows_verified: Option<Duration>,
}

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct ConfigFacts {
    /// The file.
    pub read: Evidence,
    /// The branch's name.
    pub branch: String,
    /// Its sources.
    pub sources: Vec<Planned>,
    /// The people it names, with their recipients.
    pub people: Vec<(String, String)>,
    /// Those whom it tells: name and kind.
    pub channels: Vec<(String, &'static str)>,
    /// What is suppressed.
    pub suppressions: Vec<Suppression>,
}

/// A source of the configuration.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// The longest time between two slots of its schedule in the next sixty days; none without a schedule.
    pub gap: Option<Duration>,
    /// Within how long it must be restored, where that is declared.
    pub rto: Option<Duration>,
    /// How long the time between two of its backups may be, where that is declared.
    pub rpo: Option<Duration>,
    /// Columns of its newest snapshot that the configuration grades by no pattern; nothing when they are not known.
    pub ungraded: Option<Vec<String>>,
}

/// What the vault holds.
#[derive(Debug, Clone)]
pub struct VaultFacts {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// The manifests that were read.
    pub manifests: Evidence,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<SnapshotFacts>,
    /// Keys, manifests and notes that are damaged, in words.
    pub damage: Vec<String>,
    /// Manifests that cannot be read: of what source and how new they are is not known.
    pub unreadable: u64,
    /// The wrapped keys that were read.
    pub keyring: Evidence,
    /// The people of the keyring who may open something, with their recipients.
    pub people: Vec<(String, String)>,
    /// The keys that seal what is written now.
    pub keys: Vec<KeyFacts>,
    /// How many others must open grade high with whoever restores it, or approve that.
    pub others_for_high: u64,
    /// How many people open the root together.
    pub root_people: u64,
    /// Grades that the newest snapshots have; none when not all of them could be asked.
    pub grades: Vec<String>,
    /// Those of them, and the root, that are wrapped to somebody whom the keyring does not list for them.
    pub strangers: Vec<String>,
    /// Those of them, and the root, whose wraps could not be read.
    pub unread_keys: Vec<String>,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotFacts {
    /// Its source.
    pub source: String,
    /// How old it is, by the earlier of the agent's clock and the store's.
    pub age: Duration,
    /// What is flagged about it.
    pub flags: Vec<String>,
    /// Whether somebody has accepted that.
    pub accepted: bool,
    /// What it does not cover, in words.
    pub not_covered: Vec<String>,
    /// Whether what was new of it is known, by which later runs are judged.
    pub measured: bool,
}

/// A key that seals what is written now.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// `metadata`, `high`, `medium`, `low`.
    pub realm: String,
    /// Those of the people whom its wraps open for, by their headers; none when they could not be read.
    pub opens: Option<Vec<String>>,
    /// How many of them it takes together.
    pub quorum: u64,
    /// When the first keyring that names it was written.
    pub since: Option<Timestamp>,
}

/// A store.
#[derive(Debug, Clone)]
pub struct StoreFacts {
    /// `vault`, or the copy's name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Who runs it: the endpoint's host, or the kind of URL. The same machine for a folder.
    pub provider: String,
    /// Whose account it is, or which of its keys is used, as a digest.
    pub account: String,
    /// Whether that is the account itself: of one account there may be many keys.
    pub account_is_known: bool,
    /// Its region, where the settings name one.
    pub region: Option<String>,
    /// Regions in which the configuration lets it lie; none where it names none.
    pub allowed: Vec<String>,
    /// Where it says itself that it lies, or why that is not known.
    pub lies_in: Result<String, String>,
    /// Whether it is given some of the snapshots only.
    pub in_part: bool,
    /// What was found there, or why that is not known.
    pub found: Result<Listing, String>,
}

/// What was found in a store.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The listing.
    pub read: Evidence,
    /// Manifests that it holds.
    pub snapshots: u64,
    /// Objects of the vault that it lacks, or holds in another size: packs, indexes, manifests, keys.
    pub lacking: u64,
    /// Objects whose beginning was read.
    pub sampled: u64,
    /// Those of them that are not sealed.
    pub open: Vec<String>,
    /// Those of them of which this program does not know how they look.
    pub unjudged: Vec<String>,
    /// Whether its objects are locked.
    pub locks: Locks,
}

/// What a store says of the locks of a sample of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locks {
    /// It has none.
    Impossible,
    /// It was asked about so many objects; of these it says that they are not locked, or that somebody may end
    /// their lock.
    Read {
        /// How many.
        asked: u64,
        /// Their names.
        open: Vec<String>,
    },
    /// It was not, or did not answer, and why.
    NotRead(String),
}

/// What was found on the agent's machine.
#[derive(Debug, Clone)]
pub struct HostFacts {
    /// What was looked through.
    pub read: Evidence,
    /// Places that hold a person's identity.
    pub identities: Vec<String>,
    /// Places that could not be looked through, or not wholly, and private keys of which it cannot be told whose
    /// they are.
    pub unread: Vec<String>,
}

impl Facts {
    /// The newest snapshot of each source that has one, by source.
    pub fn newest(&self) -> Vec<&SnapshotFacts> {
        let mut newest: BTreeMap<&str, &SnapshotFacts> = BTreeMap::new();
        for snapshot in &self.vault.snapshots {
            newest.insert(&snapshot.source, snapshot);
        }
        newest.into_values().collect()
    }

    /// The sources that are configured, or else those that have a snapshot.
    pub fn sources(&self) -> Vec<&str> {
        match &self.config {
            Some(config) => config.sources.iter().map(|source| source.name.as_str()).collect(),
            None => self.newest().into_iter().map(|snapshot| snapshot.source.as_str()).collect(),
        }
    }

    /// The newest snapshot of a source.
    pub fn newest_of(&self, source: &str) -> Option<&SnapshotFacts> {
        self.vault.snapshots.iter().rfind(|snapshot| snapshot.source == source)
    }
}
