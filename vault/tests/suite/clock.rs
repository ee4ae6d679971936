//! A store with a clock of its own, which a test sets: what is written bears its time, and nothing that
//! the writers' clocks say.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store whose time a test sets.
#[derive(Debug)]
pub struct Clocked {
    inner: Arc<dyn ObjectStore>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    now: Timestamp,
    written: HashMap<Path, Timestamp>,
}

impl Clocked {
    pub fn new(inner: Arc<dyn ObjectStore>, now: Timestamp) -> Arc<Self> {
        let shared = Shared { now, written: HashMap::new() };
        Arc::new(Self { inner, shared: Arc::new(Mutex::new(shared)) })
    }

    /// The same times over a copy of what was written.
    pub fn fork(&self, inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        let Shared { now, written } = &*self.shared.lock().unwrap();
        let shared = Shared { now: *now, written: written.clone() };
        Arc::new(Self { inner, shared: Arc::new(Mutex::new(shared)) })
    }

    pub fn now(&self) -> Timestamp {
        self.shared.lock().unwrap().now
    }

    /// Lets time go by.
    pub fn pass(&self, time: SignedDuration) {
        self.shared.lock().unwrap().now += time;
    }

    pub fn pass_hours(&self, hours: i64) {
        self.pass(SignedDuration::from_hours(hours));
    }

    fn dated(shared: &Mutex<Shared>, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(time) = shared.lock().unwrap().written.get(&meta.location) {
            let since = std::time::Duration::from_nanos(u64::try_from(time.as_nanosecond()).unwrap());
            meta.last_modified = (std::time::UNIX_EPOCH + since).into();
        }
        meta
    }
}

impl fmt::Display for Clocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clocked({})", self.now())
    }
}

#[async_trait::async_trait]
impl ObjectStore for Clocked {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let result = self.inner.put_opts(path, payload, options).await?;
        let mut shared = self.shared.lock().unwrap();
        let now = shared.now;
        shared.written.insert(path.clone(), now);
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.inner.get_opts(path, options).await?;
        result.meta = Self::dated(&self.shared, result.meta);
        Ok(result)
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let shared = Arc::clone(&self.shared);
        self.inner.list(prefix).map(move |meta| meta.map(|meta| Self::dated(&shared, meta))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

type Event = Box<dyn FnOnce() + Send>;

/// A store before whose first write below a folder something else happens.
pub struct Before {
    inner: Arc<dyn ObjectStore>,
    folder: &'static str,
    happens: Mutex<Option<Event>>,
}

impl Before {
    pub fn put_below(
        folder: &'static str,
        inner: Arc<dyn ObjectStore>,
        happens: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { inner, folder, happens: Mutex::new(Some(Box::new(happens))) })
    }
}

impl fmt::Debug for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Before({})", self.folder)
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Before({})", self.folder)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Before {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let below = path.as_ref().starts_with(self.folder);
        let happens = below.then(|| self.happens.lock().unwrap().take()).flatten();
        if let Some(happens) = happens {
            tokio::task::spawn_blocking(happens).await.unwrap();
        }
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
