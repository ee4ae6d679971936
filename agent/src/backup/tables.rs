//! Slices read in any order by any lane, put together again as tables.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lifeboat_connectors::{Slice, Table, TableKind};
use lifeboat_console::{Progress, TableProgress};
use lifeboat_vault::format::manifest::{Ancestor, ColumnRecord, StreamRecord, TableHead, TableRecord};
use lifeboat_vault::{RowDigest, Split, StreamWritten};

/// What one slice came to.
pub struct SliceDone {
    /// Its stretch of each stream.
    pub streams: Vec<StreamWritten>,
    /// Of its rows.
    pub digest: RowDigest,
}

/// Every table of the capture, under way.
pub struct Tables(Vec<Mutex<UnderWay>>);

struct UnderWay {
    table: Table,
    split: Split,
    progress: Option<Arc<TableProgress>>,
    slices: Vec<Option<SliceDone>>,
}

impl Tables {
    /// Nothing is read yet; `splits` say how the rows of each table are divided.
    pub fn new(tables: &[Table], splits: &[Split]) -> Self {
        let under_way = |(table, split): (&Table, &Split)| {
            let slices = table.slices.iter().map(|_| None).collect();
            Mutex::new(UnderWay { table: table.clone(), split: split.clone(), progress: None, slices })
        };
        Self(tables.iter().zip(splits).map(under_way).collect())
    }

    /// A lane begins a slice; it counts with what is returned.
    pub fn begin(&self, slice: &Slice, progress: &Progress) -> Arc<TableProgress> {
        let mut under_way = self.lock(slice);
        let UnderWay { table, progress: shown, .. } = &mut *under_way;
        let estimated = Some(table.rows_estimated).filter(|rows| *rows > 0);
        let shown = shown.get_or_insert_with(|| Arc::new(progress.table(&table.name.to_string(), estimated)));
        Arc::clone(shown)
    }

    /// A lane has read a slice, and lets go of what it counted with.
    pub fn done(&self, slice: &Slice, done: SliceDone) {
        let mut under_way = self.lock(slice);
        under_way.slices[slice.index] = Some(done);
        if under_way.slices.iter().all(Option::is_some)
            && let Some(progress) = under_way.progress.take().and_then(Arc::into_inner)
        {
            progress.finish();
        }
    }

    /// The catalogue of the snapshot; `digest` is an empty one of the vault's.
    pub fn into_records(self, digest: &RowDigest) -> Vec<TableRecord> {
        let tables = self.0.into_iter();
        tables
            .map(|table| {
                table.into_inner().unwrap_or_else(PoisonError::into_inner).into_record(digest.clone())
            })
            .collect()
    }

    /// How the rows of a slice's table are divided.
    pub fn split(&self, slice: &Slice) -> Split {
        self.lock(slice).split.clone()
    }

    fn lock(&self, slice: &Slice) -> MutexGuard<'_, UnderWay> {
        self.0[slice.table].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    fn into_record(self, mut digest: RowDigest) -> TableRecord {
        let streams = self.split.streams();
        let mut streams: Vec<_> = streams.map(|stream| (stream, digest.clone(), Vec::new())).collect();
        for slice in self.slices {
            let slice = slice.expect("every slice was read, or the run has failed");
            digest.merge(&slice.digest);
            for ((_, digest, parts), written) in streams.iter_mut().zip(slice.streams) {
                // The lines of a table's one stream are its rows.
                digest.merge(written.digest.as_ref().unwrap_or(&slice.digest));
                parts.extend(written.parts);
            }
        }
        let streams = streams.into_iter().map(|((grade, columns), digest, parts)| StreamRecord {
            grade,
            columns: columns.to_vec(),
            digest: digest.to_hex(),
            parts,
        });
        TableRecord {
            streams: streams.collect(),
            rows: digest.rows(),
            digest: digest.to_hex(),
            table: head(self.table),
        }
    }
}

fn head(table: Table) -> TableHead {
    let kind = match table.kind {
        TableKind::Table => "table",
        TableKind::LargeObjects => "large_objects",
    };
    let (ancestors, columns) = (table.ancestors.into_iter(), table.columns.into_iter());
    TableHead {
        schema: table.name.schema,
        name: table.name.name,
        kind: kind.to_owned(),
        ancestors: ancestors.map(|of| Ancestor { schema: of.name.schema, name: of.name.name }).collect(),
        columns: columns
            .map(|column| ColumnRecord { name: column.name, type_name: column.type_name, key: column.key })
            .collect(),
    }
}
