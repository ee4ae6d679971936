//! Object locks: until when nobody can delete a version of an object, whatever credentials he has.
//!
//! A lock is of a version. Where versions are kept, a plain delete only hides the newest one; so the end of a
//! lock is asked for before anything is deleted, and waited for. What must be shredded one day, and what is
//! replaced all the time, is never locked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStore, Result as StoreResult};

use super::Store;
use crate::format::names;
use crate::{Error, Result};

/// Who may end a lock early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Whoever has a right to that alone.
    Governance,
    /// Nobody.
    Compliance,
}

/// Until when an object is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Who may end it early.
    pub mode: LockMode,
    /// When it ends, by the store's clock.
    pub until: Timestamp,
}

/// How a vault's objects are to be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// Who may end a lock early.
    pub mode: LockMode,
    /// For how long an object is locked when it is written, and again each time its lock is extended.
    pub period: SignedDuration,
}

/// What a bucket says of locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketLocks {
    /// It has none: a lock would be refused.
    Never,
    /// An object is locked when somebody asks for it.
    OnRequest,
    /// Every object is, keys too: for how long, in words.
    Always(String),
}

/// A store that can lock objects.
#[async_trait::async_trait]
pub trait ObjectLocks: fmt::Debug + Send + Sync {
    /// The lock of an object; nothing where it has none. `NotSupported` where the bucket has no locks.
    async fn of(&self, path: &Path) -> StoreResult<Option<Retention>>;

    /// Locks an object that is there, or extends its lock.
    async fn set(&self, path: &Path, retention: Retention) -> StoreResult<()>;

    /// What the bucket says.
    async fn of_bucket(&self) -> StoreResult<BucketLocks>;

    /// The same store, writing every object locked.
    fn writer(&self, retention: Retention) -> StoreResult<Arc<dyn ObjectStore>>;
}

/// A store's locks in use.
#[derive(Clone)]
pub(super) struct Locking {
    pub(super) policy: LockPolicy,
    /// What is written, or extended, in this run is locked until then.
    pub(super) until: Timestamp,
    /// Writes objects with that lock.
    pub(super) objects: Arc<dyn ObjectStore>,
}

impl LockMode {
    /// The configuration's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        }
    }
}

/// Whether an object of this name may be locked. Keys must stay shreddable, and so must the shares of keys that
/// approvals hold; leases, marks and probes come and go.
pub(crate) fn may_lock(name: &str) -> bool {
    const LOCKED: [&str; 6] =
        [names::PACKS, names::INDEX, names::SNAPSHOTS, names::NOTES, names::AGENTS, names::AUDIT];
    match name.split_once('/') {
        None => name == names::VAULT,
        Some((folder, _)) => LOCKED.contains(&folder),
    }
}

impl Store {
    /// Gives a store the locks that it has.
    pub fn with_object_locks(mut self, locks: Arc<dyn ObjectLocks>) -> Self {
        self.locks = Some(locks);
        self
    }

    /// From now on locks what it writes, as far as it [may be locked](FORMAT.md): until a period after `now`.
    ///
    /// # Errors
    /// `BadStore` where the store has no locks.
    pub fn locking(mut self, policy: LockPolicy, now: Timestamp) -> Result<Self> {
        let bad = |reason: String| Error::BadStore { url: self.url.clone(), reason };
        let locks = self.locks.as_ref().ok_or_else(|| bad("only a store of S3 locks objects".into()))?;
        let until = now.checked_add(policy.period).map_err(|error| bad(error.to_string()))?;
        let retention = Retention { mode: policy.mode, until };
        let objects = locks.writer(retention).map_err(|error| bad(error.to_string()))?;
        self.locking = Some(Locking { policy, until, objects });
        Ok(self)
    }

    /// How it locks what it writes, if it does.
    pub fn lock_policy(&self) -> Option<LockPolicy> {
        self.locking.as_ref().map(|locking| locking.policy)
    }

    /// Whether deleting only hides: what is deleted stays as a version until the bucket's lifecycle removes it.
    /// Known where the store locks, or once it was asked for a lock.
    pub fn keeps_versions(&self) -> bool {
        self.locking.is_some() || self.has_locks.load(Ordering::Relaxed)
    }

    /// What the bucket says of locks; nothing of a store that has none.
    ///
    /// # Errors
    /// `Denied` when these credentials may not ask.
    pub async fn bucket_locks(&self) -> Result<Option<BucketLocks>> {
        let Some(locks) = &self.locks else { return Ok(None) };
        match self.retry(ASK, "the bucket", || locks.of_bucket()).await {
            Err(Error::BadStore { .. }) => Ok(Some(BucketLocks::Never)),
            other => other.map(Some),
        }
    }

    /// The lock of an object, if it has one. Without [`Store::locking`], who may not ask is taken to be using a
    /// bucket without locks, where nobody may.
    ///
    /// # Errors
    /// `Denied` when it locks and these credentials may not ask.
    pub async fn lock_of(&self, name: &str) -> Result<Option<Retention>> {
        let Some(locks) = &self.locks else { return Ok(None) };
        if self.has_no_locks.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let path = self.path(name);
        match self.retry(ASK, name, || locks.of(&path)).await {
            Err(Error::Missing { .. }) => Ok(None),
            Err(Error::BadStore { .. } | Error::Denied { .. }) if self.locking.is_none() => {
                self.has_no_locks.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(retention) => {
                self.has_locks.store(true, Ordering::Relaxed);
                Ok(retention)
            }
        }
    }

    /// Locks an object for a period from now, or extends its lock to that. A stricter mode stays.
    ///
    /// # Errors
    /// `Denied` when these credentials may not.
    pub(crate) async fn extend_lock(&self, name: &str, before: Option<Retention>) -> Result<Retention> {
        let (Some(locks), Some(locking)) = (&self.locks, &self.locking) else {
            let reason = "no lock is configured for it".to_owned();
            return Err(Error::BadStore { url: self.url.clone(), reason });
        };
        let mode = before.map_or(locking.policy.mode, |before| before.mode.max(locking.policy.mode));
        let until = before.map_or(locking.until, |before| before.until.max(locking.until));
        let (path, retention) = (self.path(name), Retention { mode, until });
        self.retry(SET, name, || locks.set(&path, retention)).await?;
        Ok(retention)
    }
}

/// What a store is asked to do, in errors.
pub(crate) const ASK: &str = "tell the lock of";
pub(crate) const SET: &str = "lock";

#[cfg(test)]
mod tests {
    use super::may_lock;

    #[test]
    fn what_must_be_shredded_or_replaced_is_never_locked() {
        let check = |names: &[&str], expected: bool| {
            names.iter().for_each(|name| assert_eq!(may_lock(name), expected, "{name}"));
        };
        check(
            &["vault", "packs/aa/aa01", "index/ab", "snapshots/ab", "notes/ab", "agents/ab", "audit/ab"],
            true,
        );
        check(&["keys/keyring-00000001", "keys/high-1-e6f1a9de.age", "lease/000000000001"], false);
        check(&["marks/ab", "probe/ab", "vault/ab", "else", "requests/ab/request"], false);
    }
}
