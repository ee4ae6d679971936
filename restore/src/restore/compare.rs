//! The target read back and compared with the manifest, table by table.

use std::sync::Arc;

use lifeboat_connectors::{
    Capture, CaptureOptions, Column, RowBatch, Slice, Source, Table, TableKind, row_channel,
};
use lifeboat_console::{CommandError, Progress, TableProgress};
use lifeboat_vault::{Error, RowDigest, Split, StreamDigests};
use tokio::task::JoinSet;

use super::Chosen;

/// A table of the plan on its way through the comparison.
struct Compared<'a> {
    table: &'a Chosen,
    digests: Digests,
    slices_left: usize,
    shown: Option<Arc<TableProgress>>,
}

/// Of rows as they are in the target.
#[derive(Clone)]
struct Digests {
    whole: RowDigest,
    /// Of the streams' lines, where not every column is restored as it was.
    streams: Option<StreamDigests>,
}

/// The place of a table among those compared, and the digests of one of its slices.
type SliceRead = Result<(usize, Digests), CommandError>;

/// Compares the rows of `tables` with what `target` holds now, and returns what differs, one sentence
/// each. `digest` is an empty one of the vault's.
pub async fn compare(
    target: &dyn Source,
    tables: &[Chosen],
    digest: &RowDigest,
    options: &CaptureOptions,
    progress: &Progress,
) -> Result<Vec<String>, CommandError> {
    let capture = Arc::new(target.capture(options).await?);
    let (mut differences, mut compared, mut slices) = (Vec::new(), Vec::new(), Vec::new());
    for table in tables.iter().filter(|table| !table.left_to_target) {
        match find(capture.tables(), table) {
            Ok(Some(found)) => {
                slices.extend(found.slices.iter().map(|slice| (compared.len(), slice.clone())));
                let (digests, slices_left) = (Digests::of(table, digest)?, found.slices.len());
                compared.push(Compared { table, digests, slices_left, shown: None });
            }
            Ok(None) => {}
            Err(difference) => differences.push(difference),
        }
    }
    slices.sort_by_key(|(_, slice)| std::cmp::Reverse(slice.bytes_estimated));
    read_all(&capture, slices, &mut compared, options.readers, progress).await?;
    let capture: Box<dyn Capture> = Arc::into_inner(capture).expect("nobody reads any more");
    capture.finish().await?;
    differences.extend(compared.iter().filter_map(|compared| difference(compared, digest)));
    Ok(differences)
}

/// The table of the target that `chosen` went into, with the same columns; none is fine where there is
/// nothing to find.
fn find<'a>(tables: &'a [Table], chosen: &Chosen) -> Result<Option<&'a Table>, String> {
    let wanted = &chosen.load;
    let found = tables.iter().find(|table| table.name == wanted.name && table.kind == wanted.kind);
    let Some(found) = found else {
        let empty = chosen.is_left_empty() || chosen.record.rows == 0;
        // A database without large objects has no table of them.
        return match wanted.kind == TableKind::LargeObjects && empty {
            true => Ok(None),
            false => Err(format!("table {} is not in the target", chosen.name())),
        };
    };
    let (expected, there) = (names(&wanted.columns), names(&found.columns));
    match expected == there {
        true => Ok(Some(found)),
        false => Err(format!("table {}: expected the columns {expected}, found {there}", chosen.name())),
    }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
}

fn difference(compared: &Compared<'_>, empty: &RowDigest) -> Option<String> {
    let record = &compared.table.record;
    let what = format!("table {}", record.table);
    let whole = &compared.digests.whole;
    let expected = match (compared.table.is_left_empty(), &compared.digests.streams) {
        (true, _) => whole.expect(&what, 0, &empty.to_hex()),
        (false, None) => whole.expect(&what, record.rows, &record.digest),
        (false, Some(streams)) => {
            // What is kept back has no digest to be compared with: its rows are counted.
            let counted = whole.expect(&what, record.rows, &whole.to_hex());
            let streams = record.streams.iter().zip(streams.digests()).filter(|(stream, _)| {
                stream.columns.iter().all(|column| compared.table.shown.as_it_was[*column as usize])
            });
            streams.fold(counted, |so_far, (stream, digest)| {
                let what = format!("{what}, columns of grade {}", stream.grade);
                so_far.and_then(|()| digest.expect(&what, record.rows, &stream.digest))
            })
        }
    };
    expected.err().map(|error| error.to_string())
}

async fn read_all(
    capture: &Arc<Box<dyn Capture>>,
    slices: Vec<(usize, Slice)>,
    compared: &mut [Compared<'_>],
    readers: usize,
    progress: &Progress,
) -> Result<(), CommandError> {
    let mut running: JoinSet<SliceRead> = JoinSet::new();
    for (at, slice) in slices {
        while running.len() >= readers {
            gather(&mut running, compared).await?;
        }
        let Compared { table, shown, digests, .. } = &mut compared[at];
        let shown =
            shown.get_or_insert_with(|| Arc::new(progress.table(&table.name(), Some(table.record.rows))));
        running.spawn(read(Arc::clone(capture), slice, digests.empty(), Arc::clone(shown), at));
    }
    while !running.is_empty() {
        gather(&mut running, compared).await?;
    }
    Ok(())
}

async fn gather(running: &mut JoinSet<SliceRead>, compared: &mut [Compared<'_>]) -> Result<(), CommandError> {
    let (at, digests) = match running.join_next().await {
        None => return Ok(()),
        Some(Ok(read)) => read?,
        Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
    };
    let table = &mut compared[at];
    table.digests.merge(&digests);
    table.slices_left -= 1;
    if table.slices_left == 0
        && let Some(shown) = table.shown.take().and_then(Arc::into_inner)
    {
        shown.finish();
    }
    Ok(())
}

/// Reads one slice; the digest is taken on a thread of its own.
async fn read(
    capture: Arc<Box<dyn Capture>>,
    slice: Slice,
    mut digests: Digests,
    shown: Arc<TableProgress>,
    at: usize,
) -> SliceRead {
    let (sender, mut rows) = row_channel();
    let counting = tokio::task::spawn_blocking(move || {
        while let Some(batch) = rows.blocking_recv() {
            shown.add(batch.rows() as u64, batch.bytes.len() as u64);
            digests.add(&batch)?;
        }
        Ok::<_, Error>(digests)
    });
    let read = capture.read(&slice, sender).await;
    let digests = counting.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    read?;
    Ok((at, digests?))
}

impl Digests {
    fn of(table: &Chosen, digest: &RowDigest) -> Result<Self, CommandError> {
        let as_it_was = table.withheld.is_empty() || table.is_left_empty();
        let streams = match as_it_was {
            true => None,
            false => Some(StreamDigests::new(Split::recorded(&table.record)?, digest)),
        };
        Ok(Self { whole: digest.clone(), streams })
    }

    /// The same of no rows.
    fn empty(&self) -> Self {
        Self { whole: self.whole.empty(), streams: self.streams.as_ref().map(StreamDigests::empty) }
    }

    fn add(&mut self, batch: &RowBatch) -> Result<(), Error> {
        self.whole.add_rows(&batch.bytes, &batch.ends);
        match &mut self.streams {
            Some(streams) => batch.lines().try_for_each(|row| streams.add(row)),
            None => Ok(()),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.whole.merge(&other.whole);
        if let (Some(own), Some(other)) = (&mut self.streams, &other.streams) {
            own.merge(other);
        }
    }
}
