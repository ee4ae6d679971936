//! Notes on snapshots: legal holds and their release, acceptance of what was flagged, what has expired.
//!
//! They are only ever added, so what is in force does not depend on anybody's clock: a hold is in force
//! until a note that names it releases it. A note that cannot be read may be a hold, so whoever deletes
//! must stop at one. What takes two people is believed by the root's signature, or by the request that it names.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures::StreamExt;
use jiff::Timestamp;

use crate::agreed::{AgreedKeep, keep_in_words};
use crate::decisions::release_in_words;
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::names;
use crate::format::note::{Note, Says};
use crate::format::request::Wish;
use crate::keys::{AgentKey, Identities};
use crate::read::Snapshot;
use crate::requests::{RequestRecord, read_request};
use crate::{Error, NoteId, Realm, RequestId, Result, SnapshotId, Vault, pack, seal};

/// Notes read at once.
const READS_AT_ONCE: usize = 16;

/// Who signs a note.
#[derive(Clone, Copy)]
pub enum NoteAuthor<'a> {
    /// An enrolled agent.
    Agent(&'a AgentKey),
    /// A person whom the root key is wrapped to, or several who open it together.
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
    /// Whether the root signed it, and so a person.
    pub by_root: bool,
}

/// Everything that the vault's notes say, taken together.
#[derive(Debug, Default)]
pub struct Notes {
    /// Holds in force.
    pub holds: Vec<Hold>,
    /// Snapshots whose flags were accepted.
    pub accepted: HashSet<SnapshotId>,
    /// Snapshots that were removed by policy.
    pub expired: HashSet<SnapshotId>,
    /// Rules in force: what no one of them keeps may go.
    pub agreed: Vec<AgreedKeep>,
    /// Notes that end what takes two people to end, and that two people did not write: they end nothing.
    pub unbelieved: Vec<Error>,
    /// Every note that was read.
    pub ids: HashSet<NoteId>,
}

/// A note as it was read.
struct Read {
    signer: Signer,
    note: Note,
    /// When the store says that it was written.
    written: Timestamp,
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

/// The same of a vault and its copies, taken together: what one of them has lost, another still says.
pub async fn list_notes_of(vaults: &[&Vault]) -> Result<(Notes, Vec<Error>)> {
    let (mut read, mut damage) = (HashMap::new(), Vec::new());
    for &vault in vaults {
        let listed = vault.store().list(names::NOTES).await?;
        let ids = listed.iter().filter_map(|object| Some((names::id(&object.name)?, object.modified)));
        let new = ids.filter(|(id, _)| !read.contains_key(id)).collect::<Vec<_>>().into_iter();
        let reads = new.map(|(id, written)| async move { (id, written, read_note(vault, id).await) });
        let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        while let Some((id, written, note)) = reads.next().await {
            match note {
                Ok((signer, note)) => drop(read.insert(id, Read { signer, note, written })),
                Err(error) if error.is_damage() => damage.push(error),
                Err(error) => return Err(error),
            }
        }
    }
    let (ending, unbelieved) = endings(vaults, &read).await?;
    Ok((gather(read, &ending, unbelieved), damage))
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

/// The notes that end what takes two people to end, and why others that would do not.
async fn endings(vaults: &[&Vault], read: &HashMap<NoteId, Read>) -> Result<(HashSet<NoteId>, Vec<Error>)> {
    let (mut ending, mut unbelieved) = (HashSet::new(), Vec::new());
    for (id, Read { signer, note, written }) in read {
        let Some((kind, request, plan)) = decision(read, note) else { continue };
        let refused = match (signer, request, plan) {
            (Signer::Root, ..) => None,
            (_, None, _) => Some("no request that two people agreed on stands in it".to_owned()),
            (_, Some(_), None) => Some("it names a note that is not there".to_owned()),
            (_, Some(request), Some(plan)) => refusal(vaults, request, (kind, &plan), *written).await?,
        };
        match refused {
            None => drop(ending.insert(*id)),
            Some(reason) => unbelieved.push(Error::untrusted(names::note(*id), reason)),
        }
    }
    Ok((ending, unbelieved))
}

/// What two people must have decided for a note to end anything: by which request, and in which words, unless a
/// note that it names is not there.
fn decision(read: &HashMap<NoteId, Read>, note: &Note) -> Option<(Wish, Option<RequestId>, Option<String>)> {
    let (of, keep, instead_of, request) = match &note.says {
        Says::Keep { of, keep, instead_of, request } if !instead_of.is_empty() => {
            (of, keep, instead_of, request)
        }
        Says::Release { holds, request } => {
            let ended: Option<Vec<_>> = holds.iter().map(|id| held(*id, read.get(id)?)).collect();
            let words = ended.map(|ended| release_in_words(&ended.iter().collect::<Vec<_>>()));
            return Some((Wish::Release, *request, words));
        }
        _ => return None,
    };
    let ended =
        instead_of.iter().map(|id| agreed(*id, &read.get(id)?.note.says).filter(|ended| ended.of == *of));
    let ended: Option<Vec<_>> = ended.collect();
    let words = ended.map(|ended| keep_in_words(of, keep, &ended.iter().collect::<Vec<_>>()));
    Some((Wish::Keep, *request, words))
}

fn held(note: NoteId, read: &Read) -> Option<Hold> {
    let Note { time, by, reason, says } = &read.note;
    match says {
        Says::Hold { snapshot } => Some(Hold {
            note,
            snapshot: *snapshot,
            by: by.clone(),
            reason: reason.clone(),
            time: time.clone(),
            by_root: read.signer == Signer::Root,
        }),
        _ => None,
    }
}

fn agreed(note: NoteId, says: &Says) -> Option<AgreedKeep> {
    match says {
        Says::Keep { of, keep, .. } => Some(AgreedKeep { note, of: of.clone(), keep: keep.clone() }),
        _ => None,
    }
}

/// Why what was written by a request is not believed, if it is not. The request may be in any of the stores, and
/// answers to it in others: a refusal counts that any of them has.
async fn refusal(
    vaults: &[&Vault],
    id: RequestId,
    (kind, plan): (Wish, &str),
    written: Timestamp,
) -> Result<Option<String>> {
    let (mut found, mut damage) = (None::<(&Vault, RequestRecord)>, Vec::new());
    for vault in vaults {
        match (read_request(vault, id).await, &mut found) {
            (Ok(record), Some((_, first))) => first.add_answers_of(record),
            (Ok(record), None) => found = Some((vault, record)),
            (Err(error), _) if error.is_damage() => damage.push(error.to_string()),
            (Err(error), _) => return Err(error),
        }
    }
    let Some((vault, record)) = found else {
        return Ok(Some(format!("its request cannot be read: {}", damage.join("; "))));
    };
    if let Err(error) = record.check_plan(kind, plan, &[]) {
        return Ok(Some(error.to_string()));
    }
    Ok(match record.was_approved(vault, written)? {
        true => None,
        false => Some(format!("request {} was not approved when it was written", id.short())),
    })
}

fn gather(read: HashMap<NoteId, Read>, ending: &HashSet<NoteId>, unbelieved: Vec<Error>) -> Notes {
    let ids = read.keys().copied().collect();
    let mut notes = Notes { ids, unbelieved, ..Notes::default() };
    let mut ended = HashSet::new();
    for (note, read) in read {
        notes.holds.extend(held(note, &read));
        notes.agreed.extend(agreed(note, &read.note.says));
        match read.note.says {
            Says::Accept { snapshot } => drop(notes.accepted.insert(snapshot)),
            Says::Expire { snapshots } => notes.expired.extend(snapshots),
            Says::Keep { instead_of: notes, .. } | Says::Release { holds: notes, .. }
                if ending.contains(&note) =>
            {
                ended.extend(notes);
            }
            Says::Hold { .. } | Says::Keep { .. } | Says::Release { .. } => {}
        }
    }
    notes.agreed.retain(|agreed| !ended.contains(&agreed.note));
    notes.agreed.sort_by_key(|agreed| agreed.note);
    notes.holds.retain(|hold| !ended.contains(&hold.note));
    notes.holds.sort_by(|a, b| (&a.time, a.note).cmp(&(&b.time, b.note)));
    notes
}
