//! What is needed, lies under keys that are to go, and is not sealed anew yet: gathered on disk while that is
//! done, so that memory stays the same. A place under a key that stays counts only in a pack that was written for
//! this: another writer's pack may claim what it does not hold.

use sqlx::Row;

use super::{ChunkIndex, Location, rows};
use crate::{ChunkId, PackId, Realm, Result};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS staying (realm TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (realm, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lacking (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anew (pack BLOB PRIMARY KEY) WITHOUT ROWID;
DELETE FROM staying;
DELETE FROM lacking;
";

/// Rows that somebody could open when this began. What was destroyed before is lacked by nobody.
const OPEN: &str = "s.realm <> 'metadata' AND (s.realm, s.epoch) NOT IN (SELECT realm, epoch FROM shredded)";

/// Sealed anew.
const ANEW: &str = "p.present AND p.id IN (SELECT pack FROM anew)
    AND (s.realm, s.epoch) IN (SELECT realm, epoch FROM staying)";

const PLACES: &str = "chunks AS c JOIN segments AS s ON s.n = c.segment JOIN packs AS p ON p.n = s.pack";

impl ChunkIndex {
    /// Notes which of the chunks of rows that are needed lie under other keys than these, and are not sealed anew.
    pub(crate) async fn begin_lacking(&self, staying: &[(Realm, u32)]) -> Result<()> {
        sqlx::raw_sql(SCHEMA).execute(&self.pool).await?;
        let mut change = self.begin().await?;
        for (realm, epoch) in staying {
            sqlx::query("INSERT INTO staying VALUES (?, ?)")
                .bind(realm.as_str())
                .bind(epoch)
                .execute(&mut *change)
                .await?;
        }
        let query = format!(
            "INSERT INTO lacking SELECT l.id FROM live AS l
             WHERE EXISTS (SELECT 1 FROM {PLACES} WHERE c.id = l.id AND {OPEN}
                             AND (s.realm, s.epoch) NOT IN (SELECT realm, epoch FROM staying))
               AND NOT EXISTS (SELECT 1 FROM {PLACES} WHERE c.id = l.id AND {ANEW})"
        );
        sqlx::query(sqlx::AssertSqlSafe(query)).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// How many are not sealed anew yet.
    pub(crate) async fn lacking(&self) -> Result<u64> {
        let lacking: i64 = sqlx::query_scalar("SELECT count(*) FROM lacking").fetch_one(&self.pool).await?;
        Ok(lacking.cast_unsigned())
    }

    /// Up to a thousand of them after this one, in order.
    pub(crate) async fn lacking_after(&self, after: Option<ChunkId>) -> Result<Vec<ChunkId>> {
        let after = after.map_or_else(Vec::new, |id| id.0.to_vec());
        let ids: Vec<Vec<u8>> = sqlx::query_scalar("SELECT id FROM lacking WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(rows::IDS_AT_ONCE as i64)
            .fetch_all(&self.pool)
            .await?;
        Ok(ids.iter().filter_map(|id| ChunkId::from_slice(id)).collect())
    }

    /// Notes a pack that was written for this.
    pub(crate) async fn add_anew(&self, pack: PackId) -> Result<()> {
        sqlx::query("INSERT OR IGNORE INTO anew VALUES (?)").bind(&pack.0[..]).execute(&self.pool).await?;
        Ok(())
    }

    /// These are, or will be with the next pack.
    pub(crate) async fn not_lacking(&self, ids: &[ChunkId]) -> Result<()> {
        let mut change = self.begin().await?;
        for ids in ids.chunks(rows::IDS_AT_ONCE) {
            sqlx::query("DELETE FROM lacking WHERE id IN (SELECT unhex(value) FROM json_each(?))")
                .bind(rows::ids_json(ids))
                .execute(&mut *change)
                .await?;
        }
        Ok(change.commit().await?)
    }

    /// The numbers of the segments that hold one of them and are there, in the order of their packs.
    pub(crate) async fn segments_lacking(&self) -> Result<Vec<i64>> {
        let query = format!(
            "SELECT DISTINCT s.n FROM {PLACES} JOIN lacking AS l ON l.id = c.id
             WHERE p.present AND {OPEN} ORDER BY s.pack, s.at"
        );
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?)
    }

    /// Those that a segment holds, and where.
    pub(crate) async fn lacking_in(&self, segment: i64) -> Result<Vec<(ChunkId, Location)>> {
        let ids: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT c.id FROM chunks AS c JOIN lacking AS l ON l.id = c.id WHERE c.segment = ? ORDER BY c.at",
        )
        .bind(segment)
        .fetch_all(&self.pool)
        .await?;
        let ids: Vec<_> = ids.iter().filter_map(|id| ChunkId::from_slice(id)).collect();
        let mut places = self.all_places(&ids).await?;
        places.retain(|(_, place)| place.segment.number == segment);
        Ok(places)
    }

    /// The packs that hold these chunks sealed anew.
    pub(crate) async fn packs_anew(&self, ids: &[ChunkId]) -> Result<Vec<(PackId, u64)>> {
        let query = format!(
            "SELECT DISTINCT p.id, p.bytes FROM json_each(?) AS wanted
             JOIN chunks AS c ON c.id = unhex(wanted.value) JOIN segments AS s ON s.n = c.segment
             JOIN packs AS p ON p.n = s.pack WHERE {ANEW}"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(rows::ids_json(ids));
        let rows = query.fetch_all(&self.pool).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Some((PackId::from_slice(row.get(0))?, row.get::<i64, _>(1).cast_unsigned()))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The keys of rows that are needed, each with the raw bytes of what is needed under it.
    pub(crate) async fn live_keys(&self) -> Result<Vec<(Realm, u32, u64)>> {
        let query = format!(
            "SELECT s.realm, s.epoch, SUM(c.bytes) FROM {PLACES} JOIN live AS l ON l.id = c.id
             WHERE p.present AND {OPEN} GROUP BY s.realm, s.epoch"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let realm = row.get::<&str, _>(0).parse().ok()?;
            Some((realm, u32::try_from(row.get::<i64, _>(1)).ok()?, row.get::<i64, _>(2).cast_unsigned()))
        };
        Ok(rows.iter().filter_map(read).collect())
    }
}
