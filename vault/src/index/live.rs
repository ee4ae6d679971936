//! What is needed of what the index knows: gathered on disk for a prune, so that memory stays the same.

use sqlx::Row;

use super::{ChunkIndex, SegmentLocation, rows};
use crate::{ChunkId, IndexId, PackId, Result};

/// Only a prune asks by segment, by pack or by hash: other files do without these indexes.
const SCHEMA: &str = "
CREATE INDEX IF NOT EXISTS chunks_of ON chunks (segment);
CREATE INDEX IF NOT EXISTS segments_of ON segments (pack);
CREATE INDEX IF NOT EXISTS segments_by_hash ON segments (hash);
CREATE TABLE IF NOT EXISTS live (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS walked (hash BLOB PRIMARY KEY) WITHOUT ROWID;
DELETE FROM live;
DELETE FROM walked;
";

/// Whether a segment holds something that is needed. Where its key was destroyed, that is what no other segment
/// holds, so that what is lost is told by the name of its key.
const ALIVE: &str = "EXISTS (
    SELECT 1 FROM chunks AS c JOIN live AS l ON l.id = c.id
    WHERE c.segment = s.n AND ((s.realm, s.epoch) NOT IN (SELECT realm, epoch FROM shredded)
        OR NOT EXISTS (
            SELECT 1 FROM chunks AS o JOIN segments AS so ON so.n = o.segment JOIN packs AS po ON po.n = so.pack
            WHERE o.id = c.id AND po.present
              AND (so.realm, so.epoch) NOT IN (SELECT realm, epoch FROM shredded))))";

/// Whether nothing holds a needed chunk but segments whose key was destroyed.
const CLOSED: &str = "NOT EXISTS (
    SELECT 1 FROM chunks AS c JOIN segments AS s ON s.n = c.segment JOIN packs AS p ON p.n = s.pack
    WHERE c.id = l.id AND p.present AND (s.realm, s.epoch) NOT IN (SELECT realm, epoch FROM shredded))";

/// A pack as the index knows it, and how much of it is needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackUse {
    pub(crate) pack: PackId,
    pub(crate) bytes: u64,
    pub(crate) present: bool,
    /// Sealed bytes of all its segments.
    pub(crate) sealed_bytes: u64,
    /// Sealed bytes of those with a chunk that is needed.
    pub(crate) live_bytes: u64,
}

/// A segment that may be a copy of another.
#[derive(Debug, Clone)]
pub(crate) struct CopyAt {
    pub(crate) pack: PackId,
    /// Bytes of that pack.
    pub(crate) bytes: u64,
    /// Where in it the segment begins.
    pub(crate) at: u64,
}

impl ChunkIndex {
    /// Forgets what was needed.
    pub(crate) async fn begin_live(&self) -> Result<()> {
        sqlx::raw_sql(SCHEMA).execute(&self.pool).await?;
        Ok(())
    }

    /// Whether something of this hash was walked already.
    pub(crate) async fn is_walked(&self, hash: &[u8; 32]) -> Result<bool> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM walked WHERE hash = ?")
            .bind(&hash[..])
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Notes that these chunks are needed, all that something of this hash needs.
    pub(crate) async fn add_live(&self, hash: &[u8; 32], ids: &[ChunkId]) -> Result<()> {
        let mut change = self.begin().await?;
        for ids in ids.chunks(rows::IDS_AT_ONCE) {
            sqlx::query("INSERT OR IGNORE INTO live SELECT unhex(value) FROM json_each(?)")
                .bind(rows::ids_json(ids))
                .execute(&mut *change)
                .await?;
        }
        sqlx::query("INSERT OR IGNORE INTO walked VALUES (?)").bind(&hash[..]).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// How many chunks are needed that lie in no pack.
    pub(crate) async fn live_and_lost(&self) -> Result<u64> {
        let lost: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM live AS l WHERE NOT EXISTS (SELECT 1 FROM chunks AS c WHERE c.id = l.id)",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(lost.cast_unsigned())
    }

    /// Every pack, and how much of it is needed.
    pub(crate) async fn uses(&self) -> Result<Vec<PackUse>> {
        let query = format!(
            "SELECT p.id, p.bytes, p.present, COALESCE(SUM(s.sealed_bytes), 0),
                    COALESCE(SUM(CASE WHEN {ALIVE} THEN s.sealed_bytes END), 0)
             FROM packs AS p LEFT JOIN segments AS s ON s.pack = p.n GROUP BY p.n"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        let number = |row: &sqlx::sqlite::SqliteRow, at: usize| row.get::<i64, _>(at).cast_unsigned();
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Some(PackUse {
                pack: PackId::from_slice(row.get(0))?,
                bytes: number(row, 1),
                present: row.get(2),
                sealed_bytes: number(row, 3),
                live_bytes: number(row, 4),
            })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The segments of a pack with a chunk that is needed.
    pub(crate) async fn live_segments(&self, pack: PackId) -> Result<Vec<SegmentLocation>> {
        let query = format!(
            "SELECT s.n, p.id, p.present, p.id IN (SELECT id FROM marked), s.at, s.sealed_bytes, s.raw_bytes,
                    s.realm, s.epoch, s.hash, (s.realm, s.epoch) IN (SELECT realm, epoch FROM shredded)
             FROM segments AS s JOIN packs AS p ON p.n = s.pack WHERE p.id = ? AND {ALIVE} ORDER BY s.at"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(&pack.0[..]);
        let rows = query.fetch_all(&self.pool).await?;
        Ok(rows.iter().filter_map(rows::read_segment).collect())
    }

    /// Whether one of these chunks is needed.
    pub(crate) async fn any_live(&self, ids: &[ChunkId]) -> Result<bool> {
        self.any_live_that(ids, "TRUE").await
    }

    /// Whether one of these chunks is needed and lies under destroyed keys alone.
    pub(crate) async fn any_live_and_closed(&self, ids: &[ChunkId]) -> Result<bool> {
        self.any_live_that(ids, CLOSED).await
    }

    async fn any_live_that(&self, ids: &[ChunkId], also: &'static str) -> Result<bool> {
        let query = format!(
            "SELECT 1 FROM json_each(?) AS wanted JOIN live AS l ON l.id = unhex(wanted.value) WHERE {also} LIMIT 1"
        );
        for ids in ids.chunks(rows::IDS_AT_ONCE) {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.clone())).bind(rows::ids_json(ids));
            let found: Option<i64> = query.fetch_optional(&self.pool).await?;
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where in other packs, that are there and not marked, a segment of these sealed bytes lies, as far as
    /// the index knows.
    pub(crate) async fn copies(
        &self,
        pack: PackId,
        hash: &[u8; 16],
        sealed_bytes: u32,
    ) -> Result<Vec<CopyAt>> {
        let rows = sqlx::query(
            "SELECT p.id, p.bytes, s.at FROM segments AS s JOIN packs AS p ON p.n = s.pack
             WHERE s.hash = ? AND s.sealed_bytes = ? AND p.id <> ? AND p.present
               AND p.id NOT IN (SELECT id FROM marked)",
        )
        .bind(&hash[..])
        .bind(sealed_bytes)
        .bind(&pack.0[..])
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let number = |at: usize| row.get::<i64, _>(at).cast_unsigned();
            Some(CopyAt { pack: PackId::from_slice(row.get(0))?, bytes: number(1), at: number(2) })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The index objects that name one of these packs.
    pub(crate) async fn naming(&self, packs: &[PackId]) -> Result<Vec<IndexId>> {
        let mut found = Vec::new();
        for packs in packs.chunks(rows::IDS_AT_ONCE) {
            let ids: Vec<Vec<u8>> = sqlx::query_scalar(
                "SELECT DISTINCT n.index_id FROM json_each(?) AS wanted
                 JOIN packs AS p ON p.id = unhex(wanted.value) JOIN named AS n ON n.pack = p.n",
            )
            .bind(rows::ids_json(packs))
            .fetch_all(&self.pool)
            .await?;
            found.extend(ids.iter().filter_map(|id| IndexId::from_slice(id)));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}
