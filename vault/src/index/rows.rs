//! The index's rows: putting packs in, looking chunks up, and writing what no index object has yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{ChunkIndex, Location, SegmentLocation};
use crate::format::contents::{PackContents, SegmentContents, pack_to_text, segments_to_text};
use crate::format::keys::ShreddedKey;
use crate::pack::{compress_text, decompress_text};
use crate::{ChunkId, IndexId, PackId, Result};

/// Ids asked for in one statement.
pub(super) const IDS_AT_ONCE: usize = 1000;

/// One text for a thousand chunks: the driver's price of a row and of each value is a multiple of SQLite's.
const LOCATE: &str = "
SELECT group_concat(hex(c.id) || ' ' || c.segment || ' ' || c.at || ' ' || c.bytes || ' ' || c.rows || ' '
                    || c.continues, char(10))
FROM json_each(?) AS wanted
JOIN chunks AS c ON c.id = unhex(wanted.value)";

const SEGMENTS: &str = "
SELECT s.n, p.id, p.present, p.id IN (SELECT id FROM marked), s.at, s.sealed_bytes, s.raw_bytes, s.realm,
       s.epoch, s.hash, (s.realm, s.epoch) IN (SELECT realm, epoch FROM shredded)
FROM json_each(?) AS wanted
JOIN segments AS s ON s.n = wanted.value
JOIN packs AS p ON p.n = s.pack";

const KNOWN: &str = "
SELECT c.id, p.id FROM json_each(?) AS wanted
JOIN chunks AS c ON c.id = unhex(wanted.value)
JOIN segments AS s ON s.n = c.segment
JOIN packs AS p ON p.n = s.pack
WHERE p.present AND p.id NOT IN (SELECT id FROM marked)
  AND (s.realm, s.epoch) NOT IN (SELECT realm, epoch FROM shredded)";

/// Packs that no index object names any more, and that do not wait for one.
const UNNAMED: &str = "contents IS NULL AND n NOT IN (SELECT pack FROM named)";

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
            let n = insert_pack(&mut change, pack, indexed).await?;
            if let Some(id) = from {
                name(&mut change, id, n).await?;
            }
        }
        Ok(change.commit().await?)
    }

    /// Starts a change. Immediate, because a change that begins with a look would fail, not wait, when
    /// another upload's change comes between.
    pub(super) async fn begin(&self) -> Result<Transaction<'_, Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Where these chunks lie; of several places one that is present, that somebody can open, and better one
    /// that is not to go.
    /// Unknown ones are left out.
    pub async fn locate(&self, ids: &[ChunkId]) -> Result<HashMap<ChunkId, Location>> {
        let mut found: HashMap<ChunkId, Location> = HashMap::with_capacity(ids.len());
        let mut segments = HashMap::new();
        for ids in ids.chunks(IDS_AT_ONCE) {
            for (id, location) in self.locate_some(ids, &mut segments).await? {
                let worth = |at: &Location| (at.segment.present, !at.segment.shredded, !at.segment.marked);
                let better = |known: &Location| worth(known) < worth(&location);
                if found.get(&id).is_none_or(better) {
                    found.insert(id, location);
                }
            }
        }
        Ok(found)
    }

    /// Every place of these chunks; `segments` are those looked up so far.
    async fn locate_some(
        &self,
        ids: &[ChunkId],
        segments: &mut HashMap<i64, Arc<SegmentLocation>>,
    ) -> Result<Vec<(ChunkId, Location)>> {
        let text: Option<String> =
            sqlx::query_scalar(LOCATE).bind(ids_json(ids)).fetch_one(&self.pool).await?;
        let places: Vec<_> = text.iter().flat_map(|text| text.lines()).filter_map(read_place).collect();
        let mut unknown: Vec<_> = places.iter().map(|place| place.segment).collect();
        unknown.retain(|number| !segments.contains_key(number));
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            let numbers = serde_json::Value::from(unknown).to_string();
            let rows = sqlx::query(SEGMENTS).bind(numbers).fetch_all(&self.pool).await?;
            segments.extend(
                rows.iter().filter_map(read_segment).map(|segment| (segment.number, Arc::new(segment))),
            );
        }
        let located = places.into_iter().filter_map(|Place { id, segment, at, bytes, rows, continues }| {
            let segment = segments.get(&segment)?.clone();
            Some((id, Location { segment, at, bytes, rows, continues }))
        });
        Ok(located.collect())
    }

    /// Every place of these chunks, in packs that are there or not.
    pub(crate) async fn all_places(&self, ids: &[ChunkId]) -> Result<Vec<(ChunkId, Location)>> {
        let (mut places, mut segments) = (Vec::new(), HashMap::new());
        for ids in ids.chunks(IDS_AT_ONCE) {
            places.extend(self.locate_some(ids, &mut segments).await?);
        }
        Ok(places)
    }

    /// Every place of a chunk that is present.
    pub(crate) async fn places(&self, id: ChunkId) -> Result<Vec<Location>> {
        let places = self.locate_some(&[id], &mut HashMap::new()).await?;
        Ok(places.into_iter().map(|(_, place)| place).filter(|place| place.segment.present).collect())
    }

    /// Which of these chunks can be reused, and a pack that each is in.
    pub(crate) async fn known(&self, ids: &[ChunkId]) -> Result<HashMap<ChunkId, PackId>> {
        let mut known = HashMap::new();
        for ids in ids.chunks(IDS_AT_ONCE) {
            for row in sqlx::query(KNOWN).bind(ids_json(ids)).fetch_all(&self.pool).await? {
                known.extend(ChunkId::from_slice(row.get(0)).zip(PackId::from_slice(row.get(1))));
            }
        }
        Ok(known)
    }

    /// Replaces what is known of the packs that are to go.
    pub(super) async fn set_marked(&self, packs: &HashSet<PackId>) -> Result<()> {
        let packs: Vec<_> = packs.iter().copied().collect();
        let mut change = self.begin().await?;
        sqlx::query("DELETE FROM marked").execute(&mut *change).await?;
        sqlx::query("INSERT INTO marked SELECT unhex(value) FROM json_each(?)")
            .bind(ids_json(&packs))
            .execute(&mut *change)
            .await?;
        Ok(change.commit().await?)
    }

    /// Adds to what is known of keys that were destroyed. None comes back, and another run that has this file
    /// may know of more: its keyring is newer.
    pub(super) async fn add_shredded(&self, keys: &[ShreddedKey]) -> Result<()> {
        let known: Vec<(String, u32)> =
            sqlx::query_as("SELECT realm, epoch FROM shredded").fetch_all(&self.pool).await?;
        let is_new = |key: &&ShreddedKey| {
            known.iter().all(|(realm, epoch)| (realm.as_str(), *epoch) != (key.realm.as_str(), key.epoch))
        };
        let new: Vec<_> = keys.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut change = self.begin().await?;
        for key in new {
            sqlx::query("INSERT OR IGNORE INTO shredded VALUES (?, ?)")
                .bind(key.realm.as_str())
                .bind(key.epoch)
                .execute(&mut *change)
                .await?;
        }
        Ok(change.commit().await?)
    }

    /// Of these packs, those that are to go.
    pub(crate) async fn marked_of(&self, packs: &HashSet<PackId>) -> Result<Vec<PackId>> {
        let marked: Vec<Vec<u8>> = sqlx::query_scalar("SELECT id FROM marked").fetch_all(&self.pool).await?;
        let marked = marked.iter().filter_map(|id| PackId::from_slice(id));
        Ok(marked.filter(|pack| packs.contains(pack)).collect())
    }

    /// Forgets index objects that are gone, and the packs that nothing else names.
    pub(super) async fn forget_indexes(&self, ids: Vec<IndexId>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids_json(&ids);
        let mut change = self.begin().await?;
        for query in [
            "DELETE FROM named WHERE index_id IN (SELECT unhex(value) FROM json_each(?))",
            "DELETE FROM indexes WHERE id IN (SELECT unhex(value) FROM json_each(?))",
        ] {
            sqlx::query(query).bind(&ids).execute(&mut *change).await?;
        }
        forget(&mut change, UNNAMED, None).await?;
        Ok(change.commit().await?)
    }

    /// Forgets packs.
    pub(super) async fn forget_packs(&self, packs: &[PackId]) -> Result<()> {
        if packs.is_empty() {
            return Ok(());
        }
        let mut change = self.begin().await?;
        forget(&mut change, "id IN (SELECT unhex(value) FROM json_each(?))", Some(ids_json(packs))).await?;
        Ok(change.commit().await?)
    }

    /// Up to `limit` packs that no index object names yet, with their part of an index's text.
    pub(crate) async fn unindexed(&self, limit: u32) -> Result<Vec<(PackId, String)>> {
        let packs = sqlx::query(
            "SELECT id, bytes, contents FROM packs
             WHERE contents IS NOT NULL AND present AND id NOT IN (SELECT id FROM marked) LIMIT ?",
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
        sqlx::query(
            "INSERT OR IGNORE INTO named
             SELECT ?, n FROM packs WHERE id IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(&id.0[..])
        .bind(json!(ids).to_string())
        .execute(&mut *change)
        .await?;
        Ok(change.commit().await?)
    }
}

/// Removes the packs that `which` is true of, with their segments and chunks.
async fn forget(change: &mut Transaction<'_, Sqlite>, which: &str, bound: Option<String>) -> Result<()> {
    let packs = format!("SELECT n FROM packs WHERE {which}");
    for query in [
        format!("DELETE FROM chunks WHERE segment IN (SELECT n FROM segments WHERE pack IN ({packs}))"),
        format!("DELETE FROM segments WHERE pack IN ({packs})"),
        format!("DELETE FROM packs WHERE {which}"),
    ] {
        let query = sqlx::query(sqlx::AssertSqlSafe(query));
        let query = match &bound {
            Some(bound) => query.bind(bound.clone()),
            None => query,
        };
        query.execute(&mut **change).await?;
    }
    Ok(())
}

/// Notes that an index object names a pack.
async fn name(change: &mut Transaction<'_, Sqlite>, id: IndexId, pack: i64) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO named VALUES (?, ?)")
        .bind(&id.0[..])
        .bind(pack)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Puts a pack in, unless it is there, and returns its number.
async fn insert_pack(
    change: &mut Transaction<'_, Sqlite>,
    pack: &PackContents,
    indexed: bool,
) -> Result<i64> {
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
        return Ok(n);
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
    Ok(n)
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

/// A chunk's place, its segment by number.
struct Place {
    id: ChunkId,
    segment: i64,
    at: u32,
    bytes: u32,
    rows: u32,
    continues: bool,
}

fn read_place(line: &str) -> Option<Place> {
    let mut fields = line.split(' ');
    let id = ChunkId::from_slice(&hex::decode(fields.next()?).ok()?)?;
    let segment = fields.next()?.parse().ok()?;
    let mut small = || fields.next()?.parse::<u32>().ok();
    let (at, bytes, rows, continues) = (small()?, small()?, small()?, small()? != 0);
    Some(Place { id, segment, at, bytes, rows, continues })
}

/// Reads a segment: number, pack, whether that is present, whether it is marked, offset, sealed bytes, raw
/// bytes, realm, epoch, hash, whether its key was destroyed.
pub(super) fn read_segment(row: &SqliteRow) -> Option<SegmentLocation> {
    let small = |at: usize| u32::try_from(row.get::<i64, _>(at)).ok();
    Some(SegmentLocation {
        number: row.get(0),
        pack: PackId::from_slice(row.get(1))?,
        present: row.get(2),
        marked: row.get(3),
        at: row.get::<i64, _>(4).cast_unsigned(),
        sealed_bytes: small(5)?,
        raw_bytes: small(6)?,
        realm: row.get::<&str, _>(7).parse().ok()?,
        epoch: small(8)?,
        hash: row.get::<&[u8], _>(9).try_into().ok()?,
        shredded: row.get(10),
    })
}

pub(super) fn ids_json(ids: &[impl ToString]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    serde_json::Value::from(ids).to_string()
}
