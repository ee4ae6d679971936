//! The record: every writer keeps a chain of signed, sealed entries in the vault, created once.
//!
//! Each entry names the one before it, and the ends of all other chains as its writer saw them. So an entry
//! that was altered, removed, replaced or put in another's place shows; and so does a chain that lost its
//! end, as soon as anybody else has written. What the store alone cannot show, an anchor kept elsewhere does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::format::audit::{AuditEntry, Deed};
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::names;
use crate::keys::{AgentKey, PersonKey};
use crate::store::{Created, Patience};
use crate::{AgentId, Error, Realm, Result, Vault, pack, seal};

mod anchor;
mod read;

pub use anchor::{Anchor, NotAnAnchor};
pub use read::{AuditFinding, AuditRecord, AuditReport, read_audit, read_audit_after};

/// How often an entry is tried again when somebody with the same key has taken its number.
const TRIES: u32 = 8;

/// How patient an entry of a person's is with the store.
const HURRY: Patience = Patience { attempts: 2, pause: Duration::from_millis(300) };

/// Ends of chains read at once.
const READS_AT_ONCE: usize = 8;

/// Entries of another's chain looked at for its end: of an agent that is not enrolled any more none verifies.
const LOOKED_AT: usize = 8;

/// Who writes an entry.
#[derive(Clone, Copy)]
pub enum AuditWriter<'a> {
    /// An enrolled agent.
    Agent(&'a AgentKey),
    /// A person of the vault.
    Person(&'a PersonKey),
}

impl AuditWriter<'_> {
    /// Whose chain it is.
    pub fn id(&self) -> AgentId {
        match self {
            Self::Agent(agent) => agent.id(),
            Self::Person(person) => person.id,
        }
    }

    fn signer(&self) -> (Signer, &SigningKey) {
        match self {
            Self::Agent(agent) => (Signer::Agent(agent.id()), &agent.signing),
            Self::Person(person) => (Signer::Person(person.id), &person.signing),
        }
    }
}

/// Writes an entry to the writer's chain; `host` is for people. It is durable when this returns its number.
///
/// # Errors
/// `Denied` when these credentials may not write, which is no reason to keep anybody from restoring.
pub async fn record(
    vault: &Vault,
    writer: AuditWriter<'_>,
    host: &str,
    deed: &Deed,
    now: Timestamp,
) -> Result<u64> {
    let (signer, key) = writer.signer();
    // Whoever restores is not made to wait for a store that may only be read.
    let store = match writer {
        AuditWriter::Agent(_) => vault.store().clone(),
        AuditWriter::Person(_) => vault.store().clone().with_patience(HURRY),
    };
    vault.audit_key("this writer's key", signer)?;
    for _ in 0..TRIES {
        let Place { sequence, previous, seen } = place(vault, writer.id()).await?;
        let entry = AuditEntry {
            sequence,
            previous,
            seen,
            time: now.to_string(),
            keyring: vault.keyring_sequence(),
            host: host.to_owned(),
            deed: deed.clone(),
        };
        let json = serde_json::to_string(&entry).expect("an entry serialises");
        let (_, recipient) = vault.sealing(Realm::Metadata)?;
        let sealed = seal::seal_to(&recipient, &pack::compress_text(&json));
        let object = Bytes::from(sign(Kind::Audit, signer, key, vault.id(), &sealed));
        let (name, bytes) = (names::audit(writer.id(), sequence), object.len() as u64);
        if store.create(&name, object).await? == Created::Exists {
            continue;
        }
        return match vault.store().size(&name).await? {
            Some(found) if found == bytes => Ok(sequence),
            _ => Err(Error::Missing { object: name }),
        };
    }
    Err(Error::Busy { what: "the record".into(), holder: "others write to it with the same key".into() })
}

/// Where a writer's next entry goes.
struct Place {
    sequence: u64,
    previous: Option<String>,
    seen: BTreeMap<AgentId, (u64, String)>,
}

/// The next number of the writer's chain, and the ends of the others. What stands behind the chain's end and
/// is no entry of it, somebody else has put there: it is passed over.
async fn place(vault: &Vault, writer: AgentId) -> Result<Place> {
    let mut listed = list(vault).await?;
    let taken = listed.remove(&writer).unwrap_or_default();
    let own = end(vault, writer, &taken, usize::MAX).await?;
    let ends = listed.iter().map(|(id, sequences)| async move {
        Ok::<_, Error>(end(vault, *id, sequences, LOOKED_AT).await?.map(|end| (*id, end)))
    });
    let ends = futures::stream::iter(ends.collect::<Vec<_>>()).buffer_unordered(READS_AT_ONCE);
    let seen = ends.try_filter_map(|end| async move { Ok(end) }).try_collect().await?;
    let (after, previous) = own.map_or((0, None), |(sequence, hash)| (sequence, Some(hash)));
    let free = (after..u64::MAX).map(|last| last + 1).find(|sequence| !taken.contains(sequence));
    let full = || Error::damaged(names::audit(writer, after), "there is no number after it");
    Ok(Place { sequence: free.ok_or_else(full)?, previous, seen })
}

/// The numbers that the store lists of each chain, entries or not.
async fn list(vault: &Vault) -> Result<BTreeMap<AgentId, BTreeSet<u64>>> {
    let mut chains: BTreeMap<AgentId, BTreeSet<u64>> = BTreeMap::new();
    for object in vault.store().list(names::AUDIT).await? {
        if let Some((writer, sequence)) = names::audit_entry(&object.name) {
            chains.entry(writer).or_default().insert(sequence);
        }
    }
    Ok(chains)
}

/// The last entry of a chain that its writer's signature vouches for: its number, and the hash of the object.
/// Anybody who can write to the store can put something behind it; so many of these numbers are looked at.
async fn end(
    vault: &Vault,
    writer: AgentId,
    listed: &BTreeSet<u64>,
    looked_at: usize,
) -> Result<Option<(u64, String)>> {
    for sequence in listed.iter().rev().take(looked_at) {
        match read::entry(vault, writer, *sequence).await {
            Ok(record) => return Ok(Some((*sequence, record.hash))),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What a plan is known by in the record: the same plan, in the same words, has the same one.
pub fn plan_id(plan: &str) -> String {
    hash(plan.as_bytes())
}

/// What an entry is known by.
fn hash(object: &[u8]) -> String {
    blake3::hash(object).to_hex().to_string()
}
