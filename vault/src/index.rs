//! Which chunk lies where: the index objects of a vault, gathered in a local SQLite file.
//!
//! The file is a cache. [`ChunkIndex::sync`] brings it in line with the store before it is believed:
//! index objects not seen yet are read, packs that no index names are read by their own tables of
//! contents, packs that the store does not have are marked absent, and packs that are to go are known, so
//! that nothing in either is reused. What a prune has taken away is forgotten. Memory stays the same
//! however many chunks there are.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tempfile::TempDir;

use crate::format::contents::{PackContents, pack_to_text, packs_from_text, segments_to_text};
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::names;
use crate::keys::AgentKey;
use crate::marks::{list_marks, marked};
use crate::store::Listed;
use crate::{Error, IndexId, PackId, Realm, Result, Vault, pack, seal};

mod lacking;
mod live;
mod rows;

pub(crate) use live::{CopyAt, PackUse};

/// Packs that one index object names.
pub(crate) const PACKS_PER_OBJECT: usize = 64;

/// Objects read at once while syncing.
const READS_AT_ONCE: usize = 8;

/// Version of the file; one of another is made anew.
const VERSION: i64 = 2;

/// Numbers are not given twice: a reader may still know something by the number of what was forgotten.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS indexes (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (index_id BLOB NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY (index_id, pack)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marked (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shredded (realm TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (realm, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packs (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    contents BLOB, -- as in an index, compressed, until an index object names the pack
    present INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    n INTEGER PRIMARY KEY AUTOINCREMENT, pack INTEGER NOT NULL, at INTEGER NOT NULL, sealed_bytes INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL, realm TEXT NOT NULL, epoch INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    id BLOB NOT NULL, segment INTEGER NOT NULL, at INTEGER NOT NULL, bytes INTEGER NOT NULL,
    rows INTEGER NOT NULL, continues INTEGER NOT NULL, PRIMARY KEY (id, segment)) WITHOUT ROWID;
";

/// Where a chunk lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The segment, of which all of its chunks share one: a part has up to sixteen thousand of them.
    pub segment: Arc<SegmentLocation>,
    /// Where the chunk begins in the raw segment.
    pub at: u32,
    /// Its size.
    pub bytes: u32,
    /// Ends of rows in it.
    pub rows: u32,
    /// Whether it begins inside a row.
    pub continues: bool,
}

/// Where a segment lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentLocation {
    /// Its number in this index; means nothing elsewhere.
    pub number: i64,
    /// Its pack.
    pub pack: PackId,
    /// Whether the store has that pack, with the right size.
    pub present: bool,
    /// Whether that pack is to go: it can be read still, and nothing in it may be reused.
    pub marked: bool,
    /// Where it begins in the pack.
    pub at: u64,
    /// Its bytes there.
    pub sealed_bytes: u32,
    /// Its bytes when opened.
    pub raw_bytes: u32,
    /// Which key opens it.
    pub realm: Realm,
    /// Of which epoch.
    pub epoch: u32,
    /// Of its sealed bytes.
    pub hash: [u8; 16],
    /// Whether that key was destroyed on purpose: nobody opens it, and nothing in it may be reused.
    pub shredded: bool,
}

impl SegmentLocation {
    /// Whether a new snapshot may be built on it.
    pub(crate) fn is_reusable(&self) -> bool {
        self.present && !self.marked && !self.shredded
    }
}

/// What a sync found wrong; none of it stops the sync.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// Objects that are damaged, untrusted or missing.
    pub damage: Vec<Error>,
    /// Packs that no index names: an interrupted run left them. Their chunks are known now.
    pub adopted: u64,
}

/// The local index.
#[derive(Clone)]
pub struct ChunkIndex {
    pool: SqlitePool,
    /// The folder of an index that has no other place; gone with the last clone.
    _scratch: Option<Arc<TempDir>>,
}

impl ChunkIndex {
    /// Opens the file at `path`, or makes it. One that cannot be read is made anew.
    pub async fn open(path: &Path) -> Result<Self> {
        match Self::try_open(path).await {
            Ok(index) => Ok(index),
            Err(error) => {
                tracing::warn!(%error, "the local index cannot be read and is built anew");
                for suffix in ["", "-wal", "-shm"] {
                    let mut file = path.as_os_str().to_owned();
                    file.push(suffix);
                    let file = PathBuf::from(file);
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(Error::io(&file, error));
                        }
                        _ => {}
                    }
                }
                Self::try_open(path).await
            }
        }
    }

    /// Opens the file of this vault in `folder`, which is made where it is not there.
    pub(crate) async fn in_folder(folder: &Path, vault: &Vault) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        Self::open(&folder.join(format!("index-{}.sqlite", vault.id()))).await
    }

    /// The same, or, where none can be written there, one in a temporary folder that is read anew from the
    /// store and does not last; then says why.
    pub(crate) async fn somewhere(folder: &Path, vault: &Vault) -> Result<(Self, Option<Error>)> {
        let reason = match Self::in_folder(folder, vault).await {
            Ok(index) => return Ok((index, None)),
            Err(error) => error,
        };
        let temporary = std::env::temp_dir();
        let made = tempfile::Builder::new().prefix("lifeboat-index-").tempdir_in(&temporary);
        let scratch = made.map_err(|error| Error::io(&temporary, error))?;
        let index = Self::in_folder(scratch.path(), vault).await?;
        Ok((Self { _scratch: Some(Arc::new(scratch)), ..index }, Some(reason)))
    }

    async fn try_open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(60));
        let pool = SqlitePoolOptions::new().max_connections(3).connect_with(options).await?;
        let sound: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&pool).await?;
        if sound != "ok" {
            return Err(Error::State(sqlx::Error::Protocol(sound)));
        }
        // The version is written before the tables and read after them: another run may be making both.
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&pool).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await?;
        if version != VERSION && tables > 0 {
            pool.close().await;
            return Err(Error::State(sqlx::Error::Protocol(format!("it is of version {version}"))));
        }
        if version != VERSION {
            let set = format!("PRAGMA user_version = {VERSION}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&pool).await?;
        }
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        // A file that may only be read opens all the same, and would fail later.
        pool.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
        Ok(Self { pool, _scratch: None })
    }

    /// Brings the file in line with the store.
    pub async fn sync(&self, vault: &Vault) -> Result<SyncReport> {
        let mut report = SyncReport::default();
        self.add_shredded(vault.shredded()).await?;
        self.read_marks(vault, &mut report).await?;
        self.read_indexes(vault, &mut report).await?;
        let listed = vault.store().list(names::PACKS).await?;
        self.adopt_packs(vault, &listed, &mut report).await?;
        self.mark_present(vault, &listed, &mut report).await?;
        Ok(report)
    }

    /// Reads which packs are to go. A mark that is damaged marks nothing.
    pub(crate) async fn read_marks(&self, vault: &Vault, report: &mut SyncReport) -> Result<()> {
        let (marks, damage) = list_marks(vault).await?;
        report.damage.extend(damage);
        self.set_marked(&marked(&marks)).await
    }

    /// Reads index objects not seen yet, and forgets what only those named that are gone.
    async fn read_indexes(&self, vault: &Vault, report: &mut SyncReport) -> Result<()> {
        // What is known first: an object that another run writes and notes meanwhile has not vanished.
        let known: Vec<Vec<u8>> = sqlx::query_scalar("SELECT id FROM indexes").fetch_all(&self.pool).await?;
        let listed = vault.store().list(names::INDEX).await?;
        let found: HashSet<IndexId> = listed.iter().filter_map(|object| names::id(&object.name)).collect();
        let known: HashSet<_> = known.iter().filter_map(|id| IndexId::from_slice(id)).collect();
        let new = found.iter().filter(|id| !known.contains(id)).copied();
        let mut reads =
            futures::stream::iter(new.map(|id| async move { (id, read_object(vault, id).await) }))
                .buffer_unordered(READS_AT_ONCE);
        while let Some((id, read)) = reads.next().await {
            match read {
                Ok(packs) => self.insert(&packs, true, Some(id)).await?,
                // A prune has just replaced it.
                Err(Error::Missing { .. }) => {}
                Err(error) if error.is_damage() => report.damage.push(error),
                Err(error) => return Err(error),
            }
        }
        drop(reads);
        // What is new was read first: packs that it names are not forgotten.
        self.forget_indexes(known.difference(&found).copied().collect()).await
    }

    /// Reads the packs that no index names.
    async fn adopt_packs(&self, vault: &Vault, listed: &[Listed], report: &mut SyncReport) -> Result<()> {
        let known: HashSet<PackId> = self.packs().await?.into_iter().map(|known| known.pack).collect();
        let strays =
            listed.iter().filter_map(|object| Some((names::id::<PackId>(&object.name)?, object.bytes)));
        let strays = strays.filter(|(id, _)| !known.contains(id));
        let mut reads =
            futures::stream::iter(strays.map(|(id, bytes)| pack::read_contents(vault, id, bytes)))
                .buffer_unordered(READS_AT_ONCE);
        while let Some(read) = reads.next().await {
            match read {
                Ok(contents) => {
                    report.adopted += 1;
                    self.insert(&[contents], false, None).await?;
                }
                // A prune has just taken it away.
                Err(Error::Missing { .. }) => {}
                Err(error) if error.is_damage() => report.damage.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Marks the packs that are there with the right size. A listing may lag behind: what it does not
    /// show is asked for by name.
    async fn mark_present(&self, vault: &Vault, listed: &[Listed], report: &mut SyncReport) -> Result<()> {
        let sizes: HashMap<PackId, u64> =
            listed.iter().filter_map(|object| Some((names::id(&object.name)?, object.bytes))).collect();
        let (mut absent, mut forgotten) = (Vec::new(), Vec::new());
        for KnownPack { pack, bytes, named } in self.packs().await? {
            let name = names::pack(pack);
            let found = match sizes.get(&pack) {
                Some(found) => Some(*found),
                None => vault.store().size(&name).await?,
            };
            match found {
                Some(found) if found == bytes => continue,
                Some(found) => {
                    report
                        .damage
                        .push(Error::damaged(name, format!("expected {bytes} bytes, found {found}")));
                }
                // A stray that is gone was nobody's, or a prune's.
                None if !named => {
                    forgotten.push(pack);
                    continue;
                }
                None => report.damage.push(Error::Missing { object: name }),
            }
            absent.push(hex::encode(pack.0));
        }
        let absent = serde_json::to_string(&absent).expect("a list of text serialises");
        sqlx::query("UPDATE packs SET present = id NOT IN (SELECT unhex(value) FROM json_each(?))")
            .bind(absent)
            .execute(&self.pool)
            .await?;
        self.forget_packs(&forgotten).await
    }

    /// The packs that the store has, with their sizes, as of the last sync.
    pub(crate) async fn packs_present(&self) -> Result<Vec<(PackId, u64)>> {
        let rows = sqlx::query("SELECT id, bytes FROM packs WHERE present").fetch_all(&self.pool).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some((PackId::from_slice(row.get(0))?, row.get::<i64, _>(1).cast_unsigned())))
            .collect())
    }

    async fn packs(&self) -> Result<Vec<KnownPack>> {
        let rows = sqlx::query("SELECT id, bytes, contents IS NULL FROM packs").fetch_all(&self.pool).await?;
        let known = |row: &sqlx::sqlite::SqliteRow| {
            let pack = PackId::from_slice(row.get(0))?;
            Some(KnownPack { pack, bytes: row.get::<i64, _>(1).cast_unsigned(), named: row.get(2) })
        };
        Ok(rows.iter().filter_map(known).collect())
    }
}

/// A pack as the index knows it.
struct KnownPack {
    pack: PackId,
    bytes: u64,
    /// Whether an index object names it.
    named: bool,
}

/// Writes index objects that name these packs.
pub(crate) async fn write_objects(vault: &Vault, agent: &AgentKey, packs: &[PackContents]) -> Result<()> {
    for packs in packs.chunks(PACKS_PER_OBJECT) {
        let text =
            packs.iter().map(|pack| pack_to_text(pack.pack, pack.bytes) + &segments_to_text(&pack.segments));
        write_object(vault, vault.store(), agent, &text.collect::<String>()).await?;
    }
    Ok(())
}

/// Writes an index object of this text through `store`.
pub(crate) async fn write_object(
    vault: &Vault,
    store: &crate::Store,
    agent: &AgentKey,
    text: &str,
) -> Result<IndexId> {
    let (_, recipient) = vault.sealing(Realm::Metadata)?;
    let sealed = seal::seal_to(&recipient, &pack::compress_text(text));
    let object = sign(Kind::Index, Signer::Agent(agent.id()), &agent.signing, vault.id(), &sealed);
    let id = IndexId(*blake3::hash(&object).as_bytes());
    store.create_confirmed(&names::index(id), Bytes::from(object)).await?;
    Ok(id)
}

/// Reads one index object.
pub(crate) async fn read_object(vault: &Vault, id: IndexId) -> Result<Vec<PackContents>> {
    let name = names::index(id);
    let object = vault.store().get(&name).await?;
    if IndexId(*blake3::hash(&object).as_bytes()) != id {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    let (_, compressed) = vault.open_sealed(&name, Kind::Index, &object)?;
    packs_from_text(&name, &pack::decompress_text(&name, &compressed)?)
}
