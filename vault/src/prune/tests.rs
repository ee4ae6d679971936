//! Packs and index objects as no writer of ours makes them, but bugs and thieves have.

use std::sync::Arc;

use object_store::memory::InMemory;
use tempfile::TempDir;

use super::*;
use crate::format::contents::{ChunkContents, PackContents};
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::manifest::{Catalogue, FileRecord, Manifest};
use crate::format::names;
use crate::index::write_objects;
use crate::keys::{Identities, Person};
use crate::pack::PackBuilder;
use crate::segment::{OpenSegment, SealedSegment, Sealer};
use crate::{ChunkId, Grade, Opener, Realm, SnapshotId, SnapshotReader, Store, create, list_snapshots, seal};

const ROWS: Realm = Realm::Rows(Grade::High);

struct Lab {
    vault: Vault,
    agent: AgentKey,
    person: age::x25519::Identity,
    state: TempDir,
}

impl Lab {
    async fn new() -> Self {
        let store = Store::new(Arc::new(InMemory::new()), object_store::path::Path::default(), "memory:");
        let (person, agent) = (age::x25519::Identity::generate(), AgentKey::generate("db1"));
        let recipient = person.to_public().to_string();
        let people =
            [Person { name: "wang".into(), recipient, grades: Grade::ALL.to_vec(), ..Person::default() }];
        let now = "2026-11-23T02:30:00Z".parse().expect("a time");
        let made = create(store.clone(), &people, &[], Default::default(), now).await.expect("a vault");
        made.enrol(&agent.request(), now).await.expect("enrolled");
        let vault = Vault::open(store, Opener::Agent(&agent), None).await.expect("opened");
        Self { vault, agent, person, state: tempfile::tempdir().expect("a folder") }
    }

    fn id(&self, plain: &[u8]) -> ChunkId {
        self.vault.inner.derived.chunk_id(ROWS, plain)
    }

    fn segment(&self, chunks: &[&[u8]]) -> SealedSegment {
        let (epoch, recipient) = self.vault.sealing(ROWS).expect("a key");
        let mut open = OpenSegment::default();
        chunks.iter().for_each(|plain| open.push(self.id(plain), plain, 1, false));
        Sealer::new().seal(&mut open, ROWS, epoch, &recipient)
    }

    async fn pack(&self, segments: &[&[&[u8]]]) -> PackContents {
        let mut builder = PackBuilder::default();
        segments.iter().for_each(|chunks| builder.push(self.segment(chunks)));
        let (contents, object) = builder.finish(&self.vault, &self.agent).expect("a pack");
        self.vault.store().create_confirmed(&names::pack(contents.pack), object).await.expect("written");
        contents
    }

    async fn index(&self, pack: &PackContents) {
        write_objects(&self.vault, &self.agent, std::slice::from_ref(pack)).await.expect("an index");
    }

    /// A snapshot of one file of one chunk.
    async fn snapshot(&self, plain: &[u8]) {
        let bytes = plain.len() as u64;
        let file = FileRecord { name: "f".into(), grade: Grade::High, bytes, chunks: vec![self.id(plain)] };
        let manifest = Manifest {
            source: "crm".into(),
            number: 1,
            previous: None,
            time: "2026-11-23T02:30:00Z".into(),
            finished: "2026-11-23T02:30:00Z".into(),
            agent: "db1".into(),
            keyring: 1,
            point: serde_json::Value::Null,
            flags: Vec::new(),
            measured: None,
            tags: Vec::new(),
            tables: 0,
            rows: 0,
            raw_bytes: bytes,
            files: vec![file],
            catalogue: Catalogue::default(),
        };
        let (_, recipient) = self.vault.sealing(Realm::Metadata).expect("a key");
        let json = serde_json::to_string(&manifest).expect("JSON");
        let sealed = seal::seal_to(&recipient, &crate::pack::compress_text(&json));
        let signer = Signer::Agent(self.agent.id());
        let object = sign(Kind::Manifest, signer, &self.agent.signing, self.vault.id(), &sealed);
        let name = names::snapshot(SnapshotId(*blake3::hash(&object).as_bytes()));
        self.vault.store().create_confirmed(&name, object.into()).await.expect("a manifest");
    }

    /// The file of the one snapshot, read as a person.
    async fn file(&self) -> Result<Vec<u8>> {
        let identities = Identities::new(vec![Box::new(self.person.clone())]);
        let vault = self.vault.unlock(&identities).await?;
        let (snapshots, _) = list_snapshots(&vault).await?;
        let scratch = tempfile::tempdir().expect("a folder");
        let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await?;
        reader.file(&snapshots[0].manifest.files[0]).await
    }

    async fn prune(&self) -> Pruned {
        let options = PruneOptions { wait: SignedDuration::ZERO, young: SignedDuration::ZERO };
        let mut lease = Lease::take(&self.vault, &self.agent, "pruning", false).await.expect("the lease");
        let plan = PrunePlan::make(&self.vault, self.state.path(), options, Some(&mut lease)).await;
        let pruned = plan.expect("a plan").carry_out(&self.agent, &mut lease).await.expect("pruned");
        lease.give_back().await.expect("given back");
        pruned
    }

    async fn has(&self, pack: PackId) -> bool {
        self.vault.store().size(&names::pack(pack)).await.expect("an answer").is_some()
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise: Vec<u8> = (0..bytes).map(|_| rand::random_range(b' '..=b'~')).collect();
    noise.push(b'\n');
    noise
}

#[tokio::test]
async fn a_pack_holding_a_chunk_twice_loses_neither_it_nor_its_space() {
    let lab = Lab::new().await;
    let dead = noise(5000);
    let pack = lab.pack(&[&[b"x\n", b"x\n", b"y\n"], &[b"x\n", b"z\n"], &[&dead]]).await;
    lab.index(&pack).await;
    lab.snapshot(b"x\n").await;
    let moved = lab.prune().await;
    assert!(moved.moved_bytes > 0 && moved.marked_packs == 1, "{moved:?}");
    let freed = lab.prune().await;
    assert_eq!((freed.packs, freed.freed_bytes, freed.damage.len()), (1, pack.bytes, 0), "{freed:?}");
    assert!(!lab.has(pack.pack).await);
    assert_eq!(lab.file().await.expect("whole"), b"x\n");
    assert_eq!(lab.prune().await, Pruned::default());
}

#[tokio::test]
async fn an_index_naming_a_pack_that_was_never_uploaded_makes_no_real_one_go() {
    let lab = Lab::new().await;
    let real = lab.pack(&[&[b"x\n"]]).await;
    lab.index(&real).await;
    lab.snapshot(b"x\n").await;
    let claims_it = PackContents { pack: PackId([7; 32]), ..real.clone() };
    let mut claims_nothing = PackContents { pack: PackId([8; 32]), ..real.clone() };
    claims_nothing.segments[0].chunks[0].id = ChunkId([9; 32]);
    lab.index(&claims_it).await;
    lab.index(&claims_nothing).await;
    for _ in 0..3 {
        assert_eq!(lab.prune().await.packs, 0);
    }
    assert_eq!(lab.file().await.expect("whole"), b"x\n");
    let scratch = tempfile::tempdir().expect("a folder");
    let (_, sync) = SnapshotReader::open(&lab.vault, scratch.path()).await.expect("opened");
    let named: Vec<_> = sync.damage.iter().map(ToString::to_string).collect();
    assert!(named.len() == 1 && named[0].contains("0707"), "what nobody needs is named no more: {named:?}");
}

#[tokio::test]
async fn an_index_that_lies_about_a_pack_does_not_make_it_go() {
    let lab = Lab::new().await;
    let real = lab.pack(&[&[b"x\n"]]).await;
    lab.snapshot(b"x\n").await;
    let mut lie = real.clone();
    lie.segments[0].chunks = vec![ChunkContents { id: ChunkId([9; 32]), ..lie.segments[0].chunks[0] }];
    lab.index(&lie).await;
    for _ in 0..3 {
        let pruned = lab.prune().await;
        assert_eq!(pruned.packs, 0, "{pruned:?}");
    }
    assert!(lab.has(real.pack).await);
}

#[tokio::test]
async fn a_pack_that_claims_a_chunk_makes_no_other_that_holds_it_go() {
    let lab = Lab::new().await;
    let dead = noise(5000);
    let real = lab.pack(&[&[b"x\n"]]).await;
    lab.index(&real).await;
    lab.snapshot(b"x\n").await;
    // Another writer's pack says that it holds the chunk too; it is not to be believed without its key.
    let other = lab.pack(&[&[b"x\n", b"q\n"], &[&dead]]).await;
    lab.index(&other).await;
    for _ in 0..3 {
        lab.prune().await;
    }
    assert!(lab.has(real.pack).await && !lab.has(other.pack).await, "the mostly dead one is moved");
    assert_eq!(lab.file().await.expect("whole"), b"x\n");
}
