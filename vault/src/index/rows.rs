//! The index's rows: putting packs in, looking chunks up, and writing what no index object has yet.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{ChunkIndex, Location, SegmentLocation};
use crate::format::contents::{PackContents, SegmentContents, pack_to_text, segments_to_text};
use crate::pack::{compress_text, decompress_text};
use crate::{ChunkId, IndexId, PackId, Result};

/// Ids asked for in one statement.
const IDS_AT_ONCE: usize = 1000;

const LOCATE: &str = "
SELECT c.id, c.segment, c.at, c.bytes, c.rows, c.continues, p.id, p.present, s.at, s.sealed_bytes,
       s.raw_bytes, s.realm, s.epoch, s.hash
FROM json_each(?) AS wanted
JOIN chunks AS c ON c.id = unhex(wanted.value)
JOIN segments AS s ON s.n = c.segment
JOIN packs AS p ON p.n = s.pack";

const KNOWN: &str = "
SELECT c.id FROM json_each(?) AS wanted
JOIN chunks AS c ON c.id = unhex(wanted.value)
JOIN segments AS s ON s.n = c.segment
JOIN packs AS p ON p.n = s.pack
WHERE p.present";

impl ChunkIndex {
    /// Puts packs in, whole or not at all; `indexed` says that an index object names them.
    pub(crate) async fn insert(
        &self,
        packs: &[PackContents],
        indexed: bool,
        from: Option<IndexId>,
    ) -> Result<()> {
        let mut change = self.begin().await?;
        if let Some(id) = from {
            sqlx::query("INSERT OR IGNORE INTO indexes VALUES (?)")
                .bind(&id.0[..])
                .execute(&mut *change)
                .await?;
        }
        for pack in packs {
            insert_pack(&mut change, pack, indexed).await?;
        }
        Ok(change.commit().await?)
    }

    /// Starts a change. Immediate, because a change that begins with a look would fail, not wait, when
    /// another upload's change comes between.
    async fn begin(&self) -> Result<Transaction<'_, Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Where these chunks lie; of several places one that is present. Unknown ones are left out.
    pub async fn locate(&self, ids: &[ChunkId]) -> Result<HashMap<ChunkId, Location>> {
        let mut found: HashMap<ChunkId, Location> = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(IDS_AT_ONCE) {
            for row in sqlx::query(LOCATE).bind(ids_json(ids)).fetch_all(&self.pool).await? {
                let Some((id, location)) = read_location(&row) else { continue };
                let better = |known: &Location| !known.segment.present && location.segment.present;
                if found.get(&id).is_none_or(better) {
                    found.insert(id, location);
                }
            }
        }
        Ok(found)
    }

    /// Every place of a chunk that is present.
    pub(crate) async fn places(&self, id: ChunkId) -> Result<Vec<Location>> {
        let rows = sqlx::query(LOCATE).bind(ids_json(&[id])).fetch_all(&self.pool).await?;
        let places = rows.iter().filter_map(read_location).map(|(_, place)| place);
        Ok(places.filter(|place| place.segment.present).collect())
    }

    /// Which of these chunks can be reused.
    pub(crate) async fn known(&self, ids: &[ChunkId]) -> Result<HashSet<ChunkId>> {
        let mut known = HashSet::new();
        for ids in ids.chunks(IDS_AT_ONCE) {
            let rows: Vec<Vec<u8>> =
                sqlx::query_scalar(KNOWN).bind(ids_json(ids)).fetch_all(&self.pool).await?;
            known.extend(rows.iter().filter_map(|id| ChunkId::from_slice(id)));
        }
        Ok(known)
    }

    /// Up to `limit` packs that no index object names yet, with their part of an index's text.
    pub(crate) async fn unindexed(&self, limit: u32) -> Result<Vec<(PackId, String)>> {
        let packs = sqlx::query(
            "SELECT id, bytes, contents FROM packs WHERE contents IS NOT NULL AND present LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let mut texts = Vec::new();
        for row in packs {
            let Some(pack) = PackId::from_slice(row.get(0)) else { continue };
            let segments = decompress_text("the local index", row.get(2))?;
            texts.push((pack, pack_to_text(pack, row.get::<i64, _>(1).cast_unsigned()) + &segments));
        }
        Ok(texts)
    }

    /// Notes that an index object names these packs now.
    pub(crate) async fn mark_indexed(&self, packs: &[PackId], id: IndexId) -> Result<()> {
        let ids: Vec<_> = packs.iter().map(ToString::to_string).collect();
        let mut change = self.begin().await?;
        sqlx::query("UPDATE packs SET contents = NULL WHERE id IN (SELECT unhex(value) FROM json_each(?))")
            .bind(json!(ids).to_string())
            .execute(&mut *change)
            .await?;
        sqlx::query("INSERT OR IGNORE INTO indexes VALUES (?)").bind(&id.0[..]).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }
}

async fn insert_pack(change: &mut Transaction<'_, Sqlite>, pack: &PackContents, indexed: bool) -> Result<()> {
    let known: Option<i64> = sqlx::query_scalar("SELECT n FROM packs WHERE id = ?")
        .bind(&pack.pack.0[..])
        .fetch_optional(&mut **change)
        .await?;
    if let Some(n) = known {
        if indexed {
            sqlx::query("UPDATE packs SET contents = NULL WHERE n = ?")
                .bind(n)
                .execute(&mut **change)
                .await?;
        }
        return Ok(());
    }
    let contents = (!indexed).then(|| compress_text(&segments_to_text(&pack.segments)));
    let n = sqlx::query("INSERT INTO packs (id, bytes, contents, present) VALUES (?, ?, ?, 1)")
        .bind(&pack.pack.0[..])
        .bind(pack.bytes.cast_signed())
        .bind(contents)
        .execute(&mut **change)
        .await?
        .last_insert_rowid();
    for segment in &pack.segments {
        insert_segment(change, n, segment).await?;
    }
    Ok(())
}

async fn insert_segment(
    change: &mut Transaction<'_, Sqlite>,
    pack: i64,
    segment: &SegmentContents,
) -> Result<()> {
    let n = sqlx::query(
        "INSERT INTO segments (pack, at, sealed_bytes, raw_bytes, realm, epoch, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(pack)
    .bind(segment.offset.cast_signed())
    .bind(segment.sealed_bytes)
    .bind(segment.raw_bytes)
    .bind(segment.realm.as_str())
    .bind(segment.epoch)
    .bind(&segment.hash[..])
    .execute(&mut **change)
    .await?
    .last_insert_rowid();
    let mut at = 0;
    let chunks: Vec<_> = segment
        .chunks
        .iter()
        .map(|chunk| {
            let begins = at;
            at += chunk.bytes;
            json!([chunk.id.to_string(), begins, chunk.bytes, chunk.rows, chunk.continues])
        })
        .collect();
    sqlx::query(
        "INSERT OR IGNORE INTO chunks
         SELECT unhex(value ->> 0), ?1, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?2)",
    )
    .bind(n)
    .bind(serde_json::Value::from(chunks).to_string())
    .execute(&mut **change)
    .await?;
    Ok(())
}

fn read_location(row: &SqliteRow) -> Option<(ChunkId, Location)> {
    let small = |at: usize| u32::try_from(row.get::<i64, _>(at)).ok();
    let pack = PackId::from_slice(row.get(6))?;
    let segment = SegmentLocation {
        number: row.get(1),
        pack,
        present: row.get(7),
        at: row.get::<i64, _>(8).cast_unsigned(),
        sealed_bytes: small(9)?,
        raw_bytes: small(10)?,
        realm: row.get::<&str, _>(11).parse().ok()?,
        epoch: small(12)?,
        hash: row.get::<&[u8], _>(13).try_into().ok()?,
    };
    let location =
        Location { segment, at: small(2)?, bytes: small(3)?, rows: small(4)?, continues: row.get(5) };
    Some((ChunkId::from_slice(row.get(0))?, location))
}

fn ids_json(ids: &[ChunkId]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    serde_json::Value::from(ids).to_string()
}
