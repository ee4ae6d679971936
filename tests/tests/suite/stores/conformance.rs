//! One suite of promises, asked of a folder, of memory, of real S3 and Azure servers, and of a
//! fake of Google's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use lifeboat_tests::{AzureServer, GcsServer, S3Server};
use lifeboat_vault::store::{Created, Creation, Patience, StoreSettings};
use lifeboat_vault::{Error, Store};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use crate::company;

/// More than S3 lists on one page, which is 1000; Azure's page is 5000, too many to fill here.
const MANY: usize = 1010;
/// A folder has no pages, and syncs every object to disk.
const FEW: usize = 60;
const WRITERS_AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_promise() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = Url::from_directory_path(folder.path().join("vault")).expect("an absolute path");
    keeps_every_promise(Store::open(&url, true).expect("a folder"), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    keeps_every_promise(below(Arc::new(InMemory::new()), "branch/north"), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_every_promise() {
    install_tls();
    let server = S3Server::start();
    keeps_every_promise(below(Arc::new(server.store()), "branch/north"), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_with_the_bucket_in_the_hosts_name_keeps_every_promise() {
    install_tls();
    let server = S3Server::start();
    let store = opened(&server.url("branch/north"), &server.environment_by_host());
    keeps_every_promise(store, FEW).await;
    assert!(!names(&below(Arc::new(server.store()), "branch/north"), "many").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_by_the_machines_own_role_keeps_every_promise() {
    install_tls();
    let server = S3Server::start();
    let (_role, environment) = server.machine_role();
    keeps_every_promise(opened(&server.url("branch/north"), &environment), FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_keeps_every_promise() {
    install_tls();
    let server = AzureServer::start();
    keeps_every_promise(below(Arc::new(server.store()), "branch/north"), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_keeps_every_promise() {
    install_tls();
    let server = GcsServer::start();
    keeps_every_promise(below(Arc::new(server.store()), "branch/north"), MANY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_pretends_to_create_conditionally_is_noticed() {
    install_tls();
    let server = GcsServer::start_pretending();
    let store = below(Arc::new(server.store()), "branch/north");
    assert_eq!(store.probe_creation().await.expect("it answers"), Creation::Overwrites);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_sees_nothing_of_its_neighbour_in_the_same_bucket() {
    install_tls();
    let server = S3Server::start();
    let objects: Arc<dyn ObjectStore> = Arc::new(server.store());
    let (north, south) = (below(Arc::clone(&objects), "north"), below(objects, "north-west"));
    for store in [&north, &south] {
        store.create("packs/aa/aa01", Bytes::from(store.url().to_owned())).await.expect("written");
    }
    assert_eq!(names(&north, "").await, ["packs/aa/aa01"]);
    assert_eq!(names(&south, "packs").await, ["packs/aa/aa01"]);
    assert_eq!(north.get("packs/aa/aa01").await.expect("its own"), north.url());
}

/// A store as the programs open it, led by settings alone.
pub fn opened(url: &str, settings: &[(String, String)]) -> Store {
    let settings = StoreSettings::parse(&company::settings(settings)).expect("settings");
    Store::open_with(&Url::parse(url).expect("a URL"), false, &settings).expect("a store")
}

/// A store below `prefix` of a bucket, which gives up after a second try.
fn below(objects: Arc<dyn ObjectStore>, prefix: &str) -> Store {
    Store::new(objects, Path::from(prefix), format!("test:{prefix}"))
        .with_patience(Patience { attempts: 2, pause: Duration::from_millis(10) })
}

/// object_store's HTTP client wants a TLS provider even for plain HTTP; any test may be the first.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn keeps_every_promise(store: Store, many: usize) {
    creates_once_and_changes_nothing(&store).await;
    reads_whole_and_in_part(&store).await;
    tells_what_is_missing(&store).await;
    lets_one_of_many_writers_win(&store).await;
    lists_every_object(&store, many).await;
    assert_eq!(store.probe_creation().await.expect("it answers"), Creation::Conditional);
    assert_eq!(names(&store, "probe").await, [""; 0], "the probe cleans up behind itself");
}

async fn creates_once_and_changes_nothing(store: &Store) {
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second, longer"));
    assert_eq!(store.create("once/a", first.clone()).await.expect("written"), Created::New);
    let written = store.bytes_written();
    assert_eq!(store.create("once/a", second).await.expect("refused"), Created::Exists);
    assert_eq!(store.get("once/a").await.expect("read"), first);
    assert_eq!(store.bytes_written(), written, "what was refused is not counted as written");
    // As a client does whose first answer was lost.
    assert_eq!(store.create("once/a", first).await.expect("the same again"), Created::New);
}

async fn reads_whole_and_in_part(store: &Store) {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let bytes = content.len() as u64;
    store.create("range/large", Bytes::from(content.clone())).await.expect("written");
    store.create("range/empty", Bytes::new()).await.expect("written");
    assert_eq!(store.get("range/large").await.expect("read"), content);
    assert_eq!(store.get("range/empty").await.expect("read"), "");
    assert_eq!(store.size("range/large").await.expect("asked"), Some(bytes));
    assert_eq!(store.size("range/empty").await.expect("asked"), Some(0));
    for (offset, length) in [(0, 1), (0, bytes), (4_000, 65_536), (bytes - 1, 1)] {
        let read = store.get_range("range/large", offset, length).await.expect("read");
        let (start, end) = (offset as usize, (offset + length) as usize);
        assert!(read == content[start..end], "{length} bytes from {offset}");
    }
    for (offset, length) in [(bytes - 1, 2), (bytes, 1), (bytes + 5_000, 10), (0, bytes + 1)] {
        let read = store.get_range("range/large", offset, length).await;
        assert!(matches!(read, Err(Error::Damaged { .. })), "{length} bytes from {offset}: {read:?}");
    }
}

async fn tells_what_is_missing(store: &Store) {
    let missing = |answer: Result<Bytes, Error>| match answer {
        Err(Error::Missing { object }) => assert_eq!(object, "not/here"),
        other => panic!("{other:?}"),
    };
    missing(store.get("not/here").await);
    missing(store.get_range("not/here", 3, 4).await);
    assert_eq!(store.size("not/here").await.expect("asked"), None);
    assert_eq!(names(store, "not").await, [""; 0]);
}

async fn lets_one_of_many_writers_win(store: &Store) {
    let create = |writer: usize| async move {
        let content = Bytes::from(format!("writer {writer}"));
        let created = store.create("race/prize", content.clone()).await.expect("an answer");
        (created == Created::New).then_some(content)
    };
    let outcomes: Vec<_> =
        futures::stream::iter(0..WRITERS_AT_ONCE).map(create).buffered(WRITERS_AT_ONCE).collect().await;
    let winners: Vec<_> = outcomes.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?} all believe that they made the object");
    assert_eq!(store.get("race/prize").await.expect("read"), winners[0]);
}

async fn lists_every_object(store: &Store, many: usize) {
    let name = |number: usize| format!("many/{:02x}/object-{number:05}", number % 256);
    let write = |number: usize| async move {
        let content = Bytes::from(vec![b'x'; number % 7]);
        store.create(&name(number), content).await.expect("written");
    };
    store.create("many-more/not-below", Bytes::new()).await.expect("written");
    futures::stream::iter(0..many).map(write).buffer_unordered(8).collect::<Vec<()>>().await;
    let listed = store.list("many").await.expect("listed");
    assert_eq!(listed.len(), many);
    let found: BTreeSet<_> = listed.into_iter().map(|object| (object.name, object.bytes)).collect();
    let expected: BTreeSet<_> = (0..many).map(|number| (name(number), number as u64 % 7)).collect();
    assert_eq!(found, expected);
}

async fn names(store: &Store, under: &str) -> Vec<String> {
    store.list(under).await.expect("listed").into_iter().map(|object| object.name).collect()
}
