//! Notes on snapshots: legal holds and their release, acceptance of what was flagged, what has expired.
//!
//! They are only ever added, so what is in force does not depend on anybody's clock: a hold is in force
//! until a note that names it releases it. A note that cannot be read may be a hold, so whoever deletes
//! must stop at one.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures::StreamExt;
use jiff::Timestamp;

use crate::format::envelope::{Kind, Signer, sign};
use crate::format::names;
use crate::format::note::{Note, Says};
use crate::keys::{AgentKey, Identities};
use crate::read::Snapshot;
use crate::{Error, NoteId, Realm, Result, SnapshotId, Vault, pack, seal};

/// Notes read at once.
const READS_AT_ONCE: usize = 16;

/// Who signs a note.
#[derive(Clone, Copy)]
pub enum NoteAuthor<'a> {
    /// An enrolled agent.
    Agent(&'a AgentKey),
    /// A person whom the root key is wrapped to: a hold of theirs is released by such a person only.
    Person(&'a Identities),
}

/// A hold in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The note that says it.
    pub note: NoteId,
    /// What is held.
    pub snapshot: SnapshotId,
    /// Who holds it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when, by the clock of whoever wrote it.
    pub time: String,
    /// Whether the root signed it.
    pub by_root: bool,
}

/// Everything that the vault's notes say, taken together.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Holds in force.
    pub holds: Vec<Hold>,
    /// Snapshots whose flags were accepted.
    pub accepted: HashSet<SnapshotId>,
    /// Snapshots that were removed by policy.
    pub expired: HashSet<SnapshotId>,
    /// Every note that was read.
    pub ids: HashSet<NoteId>,
}

impl Notes {
    /// The holds on a snapshot.
    pub fn holds_on(&self, snapshot: SnapshotId) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(move |hold| hold.snapshot == snapshot)
    }

    /// Whether something about the snapshot is flagged and nobody has accepted it.
    pub fn is_flagged(&self, snapshot: &Snapshot) -> bool {
        !snapshot.manifest.flags.is_empty() && !self.accepted.contains(&snapshot.id)
    }

    /// The snapshots, of every source, that are flagged and not accepted, in the order given.
    pub fn flagged<'a>(&self, snapshots: &'a [Snapshot]) -> Vec<&'a Snapshot> {
        snapshots.iter().filter(|snapshot| self.is_flagged(snapshot)).collect()
    }
}

/// Reads every note, and what was found damaged among them.
pub async fn list_notes(vault: &Vault) -> Result<(Notes, Vec<Error>)> {
    list_notes_of(&[vault]).await
}

/// The same of a vault and its copies, taken together.
pub(crate) async fn list_notes_of(vaults: &[&Vault]) -> Result<(Notes, Vec<Error>)> {
    let (mut read, mut damage) = (HashMap::new(), Vec::new());
    for &vault in vaults {
        let listed = vault.store().list(names::NOTES).await?;
        let ids = listed.iter().filter_map(|object| names::id(&object.name));
        let new = ids.filter(|id| !read.contains_key(id)).collect::<Vec<_>>().into_iter();
        let mut reads = futures::stream::iter(new.map(|id| async move { (id, read_note(vault, id).await) }))
            .buffer_unordered(READS_AT_ONCE);
        while let Some((id, note)) = reads.next().await {
            match note {
                Ok(note) => drop(read.insert(id, note)),
                Err(error) if error.is_damage() => damage.push(error),
                Err(error) => return Err(error),
            }
        }
    }
    Ok((gather(read), damage))
}

/// Writes a note. `by` and `reason` are words for people.
///
/// # Errors
/// `NoKey` when a person's identities do not open the root key.
pub async fn write_note(
    vault: &Vault,
    author: NoteAuthor<'_>,
    by: &str,
    reason: &str,
    says: Says,
    now: Timestamp,
) -> Result<NoteId> {
    let note = Note { time: now.to_string(), by: by.to_owned(), reason: reason.to_owned(), says };
    let (_, recipient) = vault.sealing(Realm::Metadata)?;
    let json = serde_json::to_string(&note).expect("a note serialises");
    let sealed = seal::seal_to(&recipient, &pack::compress_text(&json));
    let signed = |signer, key: &SigningKey| sign(Kind::Note, signer, key, vault.id(), &sealed);
    let object = match author {
        NoteAuthor::Agent(agent) => {
            vault.agent_key("this agent's key", agent.id())?;
            signed(Signer::Agent(agent.id()), &agent.signing)
        }
        NoteAuthor::Person(identities) => signed(Signer::Root, &vault.root_key(identities).await?),
    };
    let id = NoteId(*blake3::hash(&object).as_bytes());
    vault.store().create_confirmed(&names::note(id), Bytes::from(object)).await?;
    Ok(id)
}

async fn read_note(vault: &Vault, id: NoteId) -> Result<(Signer, Note)> {
    let name = names::note(id);
    let object = vault.store().get(&name).await?;
    if NoteId(*blake3::hash(&object).as_bytes()) != id {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    let (signer, compressed) = vault.open_note(&name, &object)?;
    let json = pack::decompress_text(&name, &compressed)?;
    let note = serde_json::from_str(&json).map_err(|error| Error::damaged(&name, error))?;
    Ok((signer, note))
}

fn gather(read: HashMap<NoteId, (Signer, Note)>) -> Notes {
    let mut notes = Notes { ids: read.keys().copied().collect(), ..Notes::default() };
    let (mut released, mut released_by_root) = (HashSet::new(), HashSet::new());
    for (note, (signer, Note { time, by, reason, says })) in read {
        let by_root = signer == Signer::Root;
        match says {
            Says::Hold { snapshot } => {
                notes.holds.push(Hold { note, snapshot, by, reason, time, by_root });
            }
            Says::Release { holds } if by_root => released_by_root.extend(holds),
            Says::Release { holds } => released.extend(holds),
            Says::Accept { snapshot } => drop(notes.accepted.insert(snapshot)),
            Says::Expire { snapshots } => notes.expired.extend(snapshots),
        }
    }
    let ended = |hold: &Hold| {
        released_by_root.contains(&hold.note) || (!hold.by_root && released.contains(&hold.note))
    };
    notes.holds.retain(|hold| !ended(hold));
    notes.holds.sort_by(|a, b| (&a.time, a.note).cmp(&(&b.time, b.note)));
    notes
}
