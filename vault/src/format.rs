//! Everything that is ever written, in format version 1, as `FORMAT.md` specifies it.
//!
//! Only types below this module are serialised for storage, and none of them does any work. Stored
//! things are of three shapes: an [`envelope`] (a signed header and a body), a pack (segments, a
//! table of contents and a trailer), and an age file that wraps a key. Text inside is lines, so that
//! a person with `age` and `zstd` can read it.

pub mod audit;
pub mod changes;
pub mod contents;
pub mod copies;
pub mod envelope;
pub mod fingerprints;
pub mod keys;
pub mod lease;
pub mod manifest;
pub mod marks;
pub mod note;
pub mod recipe;
pub mod record;
pub mod request;
pub mod trailer;

/// The one version this program reads and writes.
pub const VERSION: u32 = 1;

/// Names of objects in the store.
pub mod names {
    use crate::{AgentId, IndexId, MarkId, NoteId, PackId, RequestId, SnapshotId};

    /// The vault record.
    pub const VAULT: &str = "vault";
    /// Folder of keyrings and wrapped keys.
    pub const KEYS: &str = "keys";
    /// Folder of enrolled agents.
    pub const AGENTS: &str = "agents";
    /// Folder of packs.
    pub const PACKS: &str = "packs";
    /// Folder of index objects.
    pub const INDEX: &str = "index";
    /// Folder of manifests.
    pub const SNAPSHOTS: &str = "snapshots";
    /// Folder of the lease, which whoever deletes must hold.
    pub const LEASE: &str = "lease";
    /// Folder of marks on packs that are to go.
    pub const MARKS: &str = "marks";
    /// Folder of the record, one folder in it for each writer.
    pub const AUDIT: &str = "audit";
    /// Folder of notes on snapshots.
    pub const NOTES: &str = "notes";

    /// Folder of requests, one folder in it for each with the answers to it.
    pub const REQUESTS: &str = "requests";

    /// The keyring of this sequence number.
    pub fn keyring(sequence: u32) -> String {
        format!("{KEYS}/keyring-{sequence:08}")
    }

    /// The sequence number in a keyring's name; nothing for other names.
    pub fn keyring_sequence(name: &str) -> Option<u32> {
        let digits = name.rsplit('/').next()?.strip_prefix("keyring-")?;
        digits.parse().ok().filter(|_| digits.len() == 8)
    }

    /// A wrapped key; `tag` tells two wraps of the same key apart.
    pub fn wrap(key: &str, epoch: u32, tag: &str) -> String {
        format!("{KEYS}/{key}-{epoch}-{tag}.age")
    }

    /// The tag in the name of a wrap.
    pub fn wrap_tag(name: &str) -> Option<&str> {
        name.strip_suffix(".age")?.rsplit_once('-').map(|(_, tag)| tag)
    }

    /// An enrolment.
    pub fn agent(id: AgentId) -> String {
        format!("{AGENTS}/{id}")
    }

    /// A pack, in one of 256 folders.
    pub fn pack(id: PackId) -> String {
        format!("{PACKS}/{:02x}/{id}", id.0[0])
    }

    /// An index object.
    pub fn index(id: IndexId) -> String {
        format!("{INDEX}/{id}")
    }

    /// A manifest.
    pub fn snapshot(id: SnapshotId) -> String {
        format!("{SNAPSHOTS}/{id}")
    }

    /// A note.
    pub fn note(id: NoteId) -> String {
        format!("{NOTES}/{id}")
    }

    /// An entry of a writer's record.
    pub fn audit(writer: AgentId, sequence: u64) -> String {
        format!("{AUDIT}/{writer}/{sequence:08}")
    }

    /// The writer and the sequence in the name of an entry; nothing for other names.
    pub fn audit_entry(name: &str) -> Option<(AgentId, u64)> {
        let (writer, digits) = name.strip_prefix(AUDIT)?.strip_prefix('/')?.split_once('/')?;
        let sequence = digits.parse().ok().filter(|sequence| *sequence > 0)?;
        (name == audit(writer.parse().ok()?, sequence)).then_some((writer.parse().ok()?, sequence))
    }

    /// A request.
    pub fn request(id: RequestId) -> String {
        format!("{REQUESTS}/{id}/request")
    }

    /// What a person answers to a request: `verb` is `approve`, `refuse` or `revoke`.
    pub fn answer(id: RequestId, verb: &str, person: AgentId) -> String {
        format!("{REQUESTS}/{id}/{verb}-{person}")
    }

    /// The request that an object of this name belongs to, and the verb and the person of an answer; nothing for
    /// other names.
    pub fn request_part(name: &str) -> Option<(RequestId, Option<(&str, AgentId)>)> {
        let (id, own) = name.strip_prefix(REQUESTS)?.strip_prefix('/')?.split_once('/')?;
        let id: RequestId = id.parse().ok()?;
        if own == "request" {
            return (name == request(id)).then_some((id, None));
        }
        let (verb, person) = own.split_once('-')?;
        let person = person.parse().ok()?;
        let known = ["approve", "refuse", "revoke"].contains(&verb);
        (known && name == answer(id, verb, person)).then_some((id, Some((verb, person))))
    }

    /// A lease of this number.
    pub fn lease(number: u64) -> String {
        format!("{LEASE}/{number:012}")
    }

    /// The number in a lease's name; nothing for other names.
    pub fn lease_number(name: &str) -> Option<u64> {
        let digits = name.rsplit('/').next()?;
        digits.parse().ok().filter(|_| digits.len() == 12)
    }

    /// A mark.
    pub fn mark(id: MarkId) -> String {
        format!("{MARKS}/{id}")
    }

    /// The id at the end of an object's name.
    pub fn id<T: std::str::FromStr>(name: &str) -> Option<T> {
        name.rsplit('/').next()?.parse().ok()
    }
}
