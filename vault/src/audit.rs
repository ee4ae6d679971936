//! The record: every writer keeps a chain of signed, sealed entries in the vault, created once.
//!
//! Each entry names the one before it, and the ends of all other chains as its writer saw them. So an entry
//! that was altered, removed, replaced or put in another's place shows; and so does a chain that lost its
//! end, as soon as anybody else has written. What the store alone cannot show, an anchor kept elsewhere does.

use std::collections::BTreeMap;
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
        let ends = ends(vault).await?;
        let own = ends.get(&writer.id()).cloned();
        let sequence = own.as_ref().map_or(1, |(sequence, _)| sequence + 1);
        let entry = AuditEntry {
            sequence,
            previous: own.map(|(_, hash)| hash),
            seen: ends.into_iter().filter(|(id, _)| *id != writer.id()).collect(),
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

/// The last entry of every chain that the store lists: its number, and the hash of the object.
async fn ends(vault: &Vault) -> Result<BTreeMap<AgentId, (u64, String)>> {
    let mut last: BTreeMap<AgentId, u64> = BTreeMap::new();
    for object in vault.store().list(names::AUDIT).await? {
        if let Some((writer, sequence)) = names::audit_entry(&object.name) {
            let highest = last.entry(writer).or_default();
            *highest = sequence.max(*highest);
        }
    }
    let read = |(writer, sequence): (AgentId, u64)| async move {
        let object = vault.store().get(&names::audit(writer, sequence)).await?;
        Ok::<_, Error>((writer, (sequence, hash(&object))))
    };
    futures::stream::iter(last.into_iter().map(read)).buffer_unordered(READS_AT_ONCE).try_collect().await
}

/// What a plan is known by in the record: the same plan, in the same words, has the same one.
pub fn plan_id(plan: &str) -> String {
    hash(plan.as_bytes())
}

/// What an entry is known by.
fn hash(object: &[u8]) -> String {
    blake3::hash(object).to_hex().to_string()
}
