//! The dumb object storage beneath a vault: put once, get, list, with retries.
//!
//! Nothing is ever overwritten: [`Store::create`] is conditional where the store can do that, and
//! finding the same object already there is for the caller to judge. A passing fault is tried again
//! with growing pauses; a lasting one ends as [`Error::Unavailable`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::{Error, Result};

pub(crate) mod lock;
mod open;
mod probe;
mod region;
mod remove;
mod s3_locks;
mod s3_requests;
mod s3_versions;
mod settings;
mod versions;

pub(crate) use lock::may_lock;
pub use lock::{BucketLocks, LockMode, LockPolicy, ObjectLocks, Retention};
pub use probe::Creation;
pub use region::BucketRegion;
pub use remove::{NotRemoved, Removed};
pub use settings::{Setting, StoreSettings};
pub(crate) use versions::Versions;
pub use versions::{ObjectVersions, Version};

/// How often, and how patiently, a failing call is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Calls in all before giving up.
    pub attempts: u32,
    /// Pause after the first failure; each further one doubles, up to [`PAUSE_MAX`].
    pub pause: Duration,
}

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(20);

impl Default for Patience {
    /// About half a minute, beyond what the store's own client already retries.
    fn default() -> Self {
        Self { attempts: 6, pause: Duration::from_millis(500) }
    }
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the vault's prefix.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When the store says that it was written, by the store's clock.
    pub modified: Timestamp,
}

/// The outcome of [`Store::create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is written, now or by an earlier try whose answer was lost: these very bytes stand there.
    New,
    /// Another object of that name was there; it was left alone.
    Exists,
}

/// A vault's place in an object store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    url: String,
    patience: Patience,
    written: Arc<AtomicU64>,
    locks: Option<Arc<dyn ObjectLocks>>,
    locking: Option<lock::Locking>,
    versions: Option<Arc<dyn ObjectVersions>>,
    /// What asks the bucket itself, of S3.
    requests: Option<Arc<s3_requests::S3Requests>>,
    /// The bucket has said that it locks, or that it does not.
    has_locks: Arc<AtomicBool>,
    has_no_locks: Arc<AtomicBool>,
    /// It knows no conditional create: each is a look and then a write.
    looks_first: Arc<AtomicBool>,
}

impl Store {
    /// Wraps any object store below `prefix`; `url` is what messages call it.
    pub fn new(inner: Arc<dyn ObjectStore>, prefix: Path, url: impl Into<String>) -> Self {
        Self {
            inner,
            prefix,
            url: url.into(),
            patience: Patience::default(),
            written: Arc::default(),
            locks: None,
            locking: None,
            versions: None,
            requests: None,
            has_locks: Arc::default(),
            has_no_locks: Arc::default(),
            looks_first: Arc::default(),
        }
    }

    /// Replaces how patient it is with failing calls.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The store's URL, without secrets.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same store with a count of written bytes of its own.
    pub fn metered(&self) -> Self {
        Self { written: Arc::default(), ..self.clone() }
    }

    /// Bytes of all objects this handle and its clones have created.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Writes an object that is not there yet. Durable when it returns.
    pub async fn create(&self, name: &str, bytes: Bytes) -> Result<Created> {
        let size = bytes.len() as u64;
        let path = self.path(name);
        let objects = self.writer(name);
        let put = || async {
            let options = PutOptions { mode: PutMode::Create, ..Default::default() };
            match objects.put_opts(&path, PutPayload::from(bytes.clone()), options).await {
                Err(
                    object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. },
                ) => self.create_unconditionally(objects, &path, bytes.clone()).await,
                Err(
                    refused @ (object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. }),
                ) => self.compare(&path, &bytes, refused).await,
                other => other.map(|_| Created::New),
            }
        };
        let created = self.retry("write", name, put).await?;
        if created == Created::New {
            self.written.fetch_add(size, Ordering::Relaxed);
        }
        Ok(created)
    }

    /// What stands where a create was refused. A request whose answer was lost is sent again by clients
    /// below us, and then finds what it wrote itself; S3 answers 409 while two of them are under way, and
    /// may have neither (`ConditionalRequestConflict`): a passing fault.
    async fn compare(
        &self,
        path: &Path,
        bytes: &Bytes,
        refused: object_store::Error,
    ) -> object_store::Result<Created> {
        match self.inner.head(path).await {
            Ok(meta) if meta.size != bytes.len() as u64 => Ok(Created::Exists),
            Ok(_) => {
                let found = self.inner.get(path).await?.bytes().await?;
                Ok(if found == *bytes { Created::New } else { Created::Exists })
            }
            Err(object_store::Error::NotFound { .. }) => Err(refused),
            Err(error) => Err(error),
        }
    }

    /// For stores without conditional create: most names are content hashes or drawn once, so that the gap between
    /// looking and writing can only replace an object by itself. A lease's is not: [`Store::probe_creation`] says so.
    async fn create_unconditionally(
        &self,
        objects: &dyn ObjectStore,
        path: &Path,
        bytes: Bytes,
    ) -> object_store::Result<Created> {
        self.looks_first.store(true, Ordering::Relaxed);
        match self.inner.head(path).await {
            Ok(_) => {
                let refused = object_store::Error::AlreadyExists {
                    path: path.to_string(),
                    source: "an object of that name is there".into(),
                };
                self.compare(path, &bytes, refused).await
            }
            Err(object_store::Error::NotFound { .. }) => {
                objects.put(path, PutPayload::from(bytes)).await.map(|_| Created::New)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a whole object.
    pub async fn get(&self, name: &str) -> Result<Bytes> {
        let path = self.path(name);
        self.retry("read", name, || async { self.inner.get(&path).await?.bytes().await }).await
    }

    /// Reads `length` bytes from `offset`; fewer than that is damage.
    pub async fn get_range(&self, name: &str, offset: u64, length: u64) -> Result<Bytes> {
        let path = self.path(name);
        let range = offset..offset + length;
        let read = self.retry("read", name, || self.inner.get_range(&path, range.clone())).await;
        let bytes = match read {
            // Stores answer a range beyond the end in words of their own: ask for the size instead.
            Err(error @ Error::Unavailable { .. }) => match self.size(name).await? {
                Some(size) if size < offset + length => return Err(cut_short(name, offset + length, size)),
                Some(_) => return Err(error),
                None => return Err(Error::Missing { object: name.into() }),
            },
            other => other?,
        };
        if (bytes.len() as u64) < length {
            return Err(cut_short(name, offset + length, offset + bytes.len() as u64));
        }
        Ok(bytes)
    }

    /// The object's size, or nothing where there is none.
    pub async fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.look(name).await?.map(|found| found.bytes))
    }

    /// The object as a listing shows it, or nothing where there is none.
    pub async fn look(&self, name: &str) -> Result<Option<Listed>> {
        let path = self.path(name);
        let head = || async {
            match self.inner.head(&path).await {
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                other => other.map(Some),
            }
        };
        let found = self.retry("read", name, head).await?;
        Ok(found.map(|meta| Listed { name: name.to_owned(), bytes: meta.size, modified: modified(&meta) }))
    }

    /// Writes an object and asks the store whether it is there: one that forgets is noticed before
    /// anything is built on it.
    pub(crate) async fn create_confirmed(&self, name: &str, object: Bytes) -> Result<Listed> {
        let bytes = object.len() as u64;
        let created = self.create(name, object).await?;
        match self.look(name).await? {
            Some(found) if found.bytes == bytes => Ok(found),
            Some(found) if created == Created::New => {
                Err(Error::damaged(name, format!("the store kept {} of {bytes} bytes", found.bytes)))
            }
            Some(found) => {
                Err(Error::damaged(name, format!("another object of {} bytes stands there", found.bytes)))
            }
            None => Err(Error::Missing { object: name.to_owned() }),
        }
    }

    /// Lists every object whose name begins with the folder `under`, in no order.
    pub async fn list(&self, under: &str) -> Result<Vec<Listed>> {
        let folder = self.path(under);
        let list = || async {
            let found: Vec<_> = self.inner.list(Some(&folder)).try_collect().await?;
            Ok(found)
        };
        let found = self.retry("list", under, list).await?;
        Ok(found
            .into_iter()
            .filter_map(|meta| {
                let name = self.name(&meta.location)?;
                Some(Listed { name, bytes: meta.size, modified: modified(&meta) })
            })
            .collect())
    }

    /// What writes an object of this name: locked, where that is asked for and may be.
    fn writer(&self, name: &str) -> &dyn ObjectStore {
        match &self.locking {
            Some(locking) if may_lock(name) => &*locking.objects,
            _ => &*self.inner,
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// What an object is called below the vault's prefix.
    fn name(&self, path: &Path) -> Option<String> {
        let own = self.prefix.as_ref().len() + usize::from(!self.prefix.as_ref().is_empty());
        Some(path.as_ref().get(own..)?.to_owned())
    }

    async fn retry<T, F>(&self, operation: &'static str, name: &str, mut call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut pause = self.patience.pause;
        for attempt in 1.. {
            let error = match call().await {
                Ok(value) => return Ok(value),
                // An object to be written cannot be missing: what it would lie in is.
                Err(object_store::Error::NotFound { .. }) if ["write", "list"].contains(&operation) => {
                    let reason = "there is no such bucket or container".to_owned();
                    return Err(Error::BadStore { url: self.url.clone(), reason });
                }
                Err(object_store::Error::NotFound { .. }) => {
                    return Err(Error::Missing { object: name.into() });
                }
                Err(object_store::Error::NotSupported { source }) => {
                    return Err(Error::BadStore { url: self.url.clone(), reason: source.to_string() });
                }
                Err(error) => error,
            };
            let object = name.to_owned();
            if is_denied(&error) {
                return Err(Error::Denied { operation, object, source: error });
            }
            if attempt >= self.patience.attempts {
                return Err(Error::Unavailable { operation, object, source: error });
            }
            tracing::debug!(operation, name, attempt, %error, "the store failed, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        unreachable!("the loop returns")
    }
}

/// When the store says that an object was written; a time that no calendar has is the epoch.
fn modified(meta: &object_store::ObjectMeta) -> Timestamp {
    let nanos = i32::try_from(meta.last_modified.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp::new(meta.last_modified.timestamp(), nanos).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether the store refuses the credentials. Clients tell it of a list in words only: the type that has
/// the status is private to object_store.
fn is_denied(error: &object_store::Error) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let told = |error: &dyn std::error::Error| {
        let text = error.to_string();
        text.contains("status code: 403") || text.contains("status code: 401")
    };
    matches!(error, PermissionDenied { .. } | Unauthenticated { .. })
        || std::error::Error::source(error).is_some_and(told)
}

fn cut_short(name: &str, expected: u64, found: u64) -> Error {
    Error::damaged(name, format!("it ends at byte {found}, before byte {expected}"))
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.url)
    }
}
