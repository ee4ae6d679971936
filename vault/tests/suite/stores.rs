//! Stores that misbehave, each named for its fault.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::lab::{Lab, first_day, impatient, next_day};

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Only the call of this number fails.
    FailsOnce(u64),
    /// The call of this number and every one after it fails.
    FailsFrom(u64),
    /// The call of this number fails, after a write was carried out.
    LiesAboutFailing(u64),
    /// The write of this number is refused as a conflict with another that never happens.
    Conflicts(u64),
    /// The write of this number is confirmed and forgotten.
    ForgetsWrite(u64),
    /// Every write below this folder fails.
    FailsBelow(&'static str),
    /// Listings lag: they show nothing written through this handle.
    ListsLate,
    /// Every write's last byte is flipped.
    FlipsLastByte,
    /// Conditional create goes through over an object that is there.
    Overwrites,
    /// Conditional create is refused as unknown.
    KnowsNoCondition,
    /// Nothing: it only counts.
    None,
}

/// A store with a fault.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    calls: AtomicU64,
    writes: AtomicU64,
    bytes_read: AtomicU64,
    started: Vec<Path>,
}

impl Faulty {
    pub async fn new(inner: Arc<dyn ObjectStore>, fault: Fault) -> Arc<Self> {
        let listed: Vec<_> = inner.list(None).collect().await;
        let started = listed.into_iter().map(|meta| meta.unwrap().location).collect();
        Arc::new(Self {
            inner,
            fault,
            calls: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            started,
        })
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many bytes of objects were read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::SeqCst)
    }

    fn call(&self) -> Result<()> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Fault::FailsOnce(at) if number == at => Err(failure()),
            Fault::FailsFrom(at) if number >= at => Err(failure()),
            _ => Ok(()),
        }
    }
}

fn failure() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "the plug was pulled".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.call()?;
        let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault {
            Fault::ForgetsWrite(at) if at == write => {
                Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
            }
            Fault::Conflicts(at) if at == write => Err(object_store::Error::AlreadyExists {
                path: path.to_string(),
                source: "409 ConditionalRequestConflict".into(),
            }),
            Fault::LiesAboutFailing(at) if at == self.calls() => {
                self.inner.put_opts(path, payload, options).await?;
                Err(failure())
            }
            Fault::FailsBelow(folder) if path.as_ref().starts_with(folder) => Err(failure()),
            Fault::FlipsLastByte => {
                let mut bytes: Vec<u8> = payload.iter().flatten().copied().collect();
                *bytes.last_mut().unwrap() ^= 1;
                self.inner.put_opts(path, PutPayload::from(Bytes::from(bytes)), options).await
            }
            Fault::Overwrites => self.inner.put_opts(path, payload, PutOptions::default()).await,
            Fault::KnowsNoCondition if options.mode == PutMode::Create => {
                Err(object_store::Error::NotImplemented {
                    operation: "a conditional create".into(),
                    implementer: "this store".into(),
                })
            }
            _ => self.inner.put_opts(path, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.call()?;
        let result = self.inner.get_opts(path, options).await?;
        self.bytes_read.fetch_add(result.range.end - result.range.start, Ordering::SeqCst);
        Ok(result)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call()?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if let Err(error) = self.call() {
            return futures::stream::once(async { Err(error) }).boxed();
        }
        let deleted = self.inner.delete_stream(paths);
        if self.fault == Fault::LiesAboutFailing(self.calls()) {
            return deleted.map(|_| Err(failure())).boxed();
        }
        deleted
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if let Err(error) = self.call() {
            return futures::stream::once(async { Err(error) }).boxed();
        }
        let listed = self.inner.list(prefix);
        if self.fault != Fault::ListsLate {
            return listed;
        }
        let started = self.started.clone();
        let known =
            move |meta: &Result<ObjectMeta>| meta.as_ref().is_ok_and(|meta| started.contains(&meta.location));
        listed.filter(move |meta| futures::future::ready(known(meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_a_write_is_noticed_before_anything_is_built_on_it() {
    let lab = Lab::new().await;
    for write in 1.. {
        let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::ForgetsWrite(write)).await;
        let day = next_day(&first_day(), write as usize);
        let result = lab.back_up(impatient(Arc::clone(&faulty) as _), &day).await;
        if faulty.writes.load(Ordering::SeqCst) < write {
            result.unwrap();
            assert!(write > 3, "a pack, an index and a manifest were each forgotten once");
            return;
        }
        assert!(matches!(result, Err(lifeboat_vault::Error::Missing { .. })), "write {write}: {result:?}");
        lab.read_all().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_listings_lag_loses_nothing() {
    let lab = Lab::new().await;
    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::ListsLate).await;
    let days = [first_day(), next_day(&first_day(), 1)];
    for day in &days {
        lab.back_up(impatient(Arc::clone(&faulty) as _), day).await.unwrap();
    }
    let vault = lab.for_person().await.unwrap();
    let (snapshots, damage) = lifeboat_vault::list_snapshots(&vault).await.unwrap();
    assert!(damage.is_empty());
    for (snapshot, day) in snapshots.iter().zip(&days) {
        assert_eq!(&crate::lab::read_day(&vault, snapshot).await.unwrap(), day);
    }
    assert_eq!(snapshots.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_flips_bytes_is_noticed_when_reading() {
    let lab = Lab::new().await;
    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::FlipsLastByte).await;
    lab.back_up(impatient(faulty), &first_day()).await.unwrap();
    let read = lab.read_all().await;
    assert!(read.as_ref().is_err_and(lifeboat_vault::Error::is_damage), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_only_pretends_to_create_conditionally_is_noticed() {
    use lifeboat_vault::store::Creation;
    let lab = Lab::new().await;
    assert_eq!(lab.store().probe_creation().await.unwrap(), Creation::Conditional);
    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::Overwrites).await;
    assert_eq!(impatient(faulty).probe_creation().await.unwrap(), Creation::Overwrites);
    // Between the look and the write, another may write.
    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::KnowsNoCondition).await;
    assert_eq!(impatient(faulty).probe_creation().await.unwrap(), Creation::Overwrites);
    assert!(lab.store().list("probe").await.unwrap().is_empty(), "the probe cleans up behind itself");
}

/// Creates an object through a store of this fault that is tried twice.
async fn create_twice(fault: Fault) -> (lifeboat_vault::Store, lifeboat_vault::store::Created) {
    use lifeboat_vault::store::{Patience, Store};
    let faulty = Faulty::new(Arc::new(object_store::memory::InMemory::new()), fault).await;
    let patience = Patience { attempts: 2, pause: std::time::Duration::ZERO };
    let store = Store::new(faulty as _, Path::default(), "memory:").with_patience(patience).metered();
    let created = store.create("packs/one", Bytes::from_static(b"sealed")).await.unwrap();
    (store, created)
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_counts_as_written_once() {
    use lifeboat_vault::store::Created;
    let (store, created) = create_twice(Fault::LiesAboutFailing(1)).await;
    assert_eq!((created, store.bytes_written()), (Created::New, 6));
    let other = store.create("packs/one", Bytes::from_static(b"others")).await.unwrap();
    assert_eq!((other, store.bytes_written()), (Created::Exists, 6), "another object of that name stays");
}

#[tokio::test]
async fn a_conflict_with_nothing_is_tried_again() {
    let (store, created) = create_twice(Fault::Conflicts(1)).await;
    assert_eq!(created, lifeboat_vault::store::Created::New);
    assert_eq!(store.size("packs/one").await.unwrap(), Some(6));
}
