//! Lifeboat's vault: what is kept, how it is kept, and how it is proven.
//!
//! A vault lives in a dumb object [`Store`]. [`create`] makes one; [`Vault::open`] opens it for an
//! agent (who can write snapshots and read metadata) or a person (who can also read rows, once
//! [`Vault::unlock`]ed). Rows go in through a [`SnapshotWriter`] and come back through a
//! [`SnapshotReader`]; [`verify()`] proves what is stored. The crate knows rows as bytes that end in
//! newlines: it knows no SQL and no schedules. What is stored is specified in `FORMAT.md`; the types
//! are in [`mod@format`].

mod access;
mod agreed;
mod audit;
mod catalogue;
mod chunker;
mod copy;
mod decisions;
mod delta;
mod digest;
mod error;
mod expire;
pub mod format;
mod grade;
mod ids;
mod index;
mod keys;
mod lease;
mod locks;
mod marks;
mod needs;
mod notes;
mod pack;
mod prune;
mod read;
mod recipe;
mod requests;
mod retention;
mod seal;
mod segment;
mod shred;
mod split;
pub mod store;
mod tasks;
mod vault;
mod verify;
mod write;

pub use access::{Access, KeyAccess, KeyUse, Leftover, SnapshotKeys, Standing, ThinGrades, WrappedKey};
pub use agreed::{AgreedKeep, agree_to_keep, agree_to_keep_less, keep_in_words, of_copy};
pub use audit::{
    Anchor, AuditFinding, AuditRecord, AuditReport, AuditWriter, NotAnAnchor, plan_id, read_audit,
    read_audit_after, record,
};
pub use copy::{
    CopyError, CopyFinding, CopyKeep, CopyMemory, CopyOutcome, CopyPlan, CopyStats, CopyStatus, Copying,
    Extent, Pace, Stage, copy_status,
};
pub use decisions::{expire_in_words, release_in_words};
pub use digest::RowDigest;
pub use error::{Error, Result};
pub use expire::{ExpirePlan, Expired};
pub use grade::{Grade, Realm};
pub use ids::{AgentId, ChunkId, IndexId, MarkId, NotAnId, NoteId, PackId, RequestId, SnapshotId, VaultId};
pub use index::SyncReport;
pub use keys::{AgentKey, EnrolmentRequest, Identities, Person, PersonKey, fingerprint};
pub use lease::{LEASE_SECONDS, Lease};
pub use locks::{Locked, extend_locks};
pub use notes::{Hold, NoteAuthor, Notes, list_notes, list_notes_of, write_note};
pub use prune::{LockedPack, MostlyDead, PruneOptions, PrunePlan, Pruned, SizedPack};
pub use read::{Rows, Selector, Snapshot, SnapshotReader, list_snapshots};
pub use requests::{
    Answer, Asked, NewRequest, REQUEST_LIFE_MAX, RequestRecord, RequestState, Says, Tally, approve,
    find_request, gather, list_requests, read_request, refuse, revoke,
};
pub use retention::{Candidate, Dating, Keep, Reason, RetentionPlan, Verdict, judge};
pub use shred::{Resealed, SourceGone, SourceIn, SourcePlan, SourceShredded};
pub use split::{Split, StreamDigests};
pub use store::Store;
pub use vault::{
    GivenShares, KeyChange, KeyOutcome, KeyPlan, NewVault, OldVersions, Opener, StoreOutcome, Vault, create,
};
pub use verify::{Covered, DamagedPart, Depth, NotOpened, SnapshotHealth, VerifyReport, verify};
pub use write::{Comparison, Draft, Lane, SnapshotWriter, StreamWriter, StreamWritten, Written};
