//! The target read back and compared with the manifest, table by table.

use std::sync::Arc;

use lifeboat_connectors::{Capture, CaptureOptions, Column, Slice, Source, Table, TableKind, row_channel};
use lifeboat_console::{CommandError, Progress, TableProgress};
use lifeboat_vault::RowDigest;
use tokio::task::JoinSet;

use super::Chosen;

/// A table of the plan on its way through the comparison.
struct Compared<'a> {
    table: &'a Chosen,
    digest: RowDigest,
    slices_left: usize,
    shown: Option<Arc<TableProgress>>,
}

/// The place of a table among those compared, and the digest of one of its slices.
type SliceRead = Result<(usize, RowDigest), CommandError>;

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
    for table in tables {
        match find(capture.tables(), table) {
            Ok(Some(found)) => {
                slices.extend(found.slices.iter().map(|slice| (compared.len(), slice.clone())));
                let (digest, slices_left) = (digest.clone(), found.slices.len());
                compared.push(Compared { table, digest, slices_left, shown: None });
            }
            Ok(None) => {}
            Err(difference) => differences.push(difference),
        }
    }
    slices.sort_by_key(|(_, slice)| std::cmp::Reverse(slice.bytes_estimated));
    read_all(&capture, slices, &mut compared, digest, options.readers, progress).await?;
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
        let empty = chosen.damage.is_some() || chosen.record.rows == 0;
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
    let expected = match compared.table.damage {
        Some(_) => compared.digest.expect(&what, 0, &empty.to_hex()),
        None => compared.digest.expect(&what, record.rows, &record.digest),
    };
    expected.err().map(|error| error.to_string())
}

async fn read_all(
    capture: &Arc<Box<dyn Capture>>,
    slices: Vec<(usize, Slice)>,
    compared: &mut [Compared<'_>],
    digest: &RowDigest,
    readers: usize,
    progress: &Progress,
) -> Result<(), CommandError> {
    let mut running: JoinSet<SliceRead> = JoinSet::new();
    for (at, slice) in slices {
        while running.len() >= readers {
            gather(&mut running, compared).await?;
        }
        let Compared { table, shown, .. } = &mut compared[at];
        let shown =
            shown.get_or_insert_with(|| Arc::new(progress.table(&table.name(), Some(table.record.rows))));
        running.spawn(read(Arc::clone(capture), slice, digest.clone(), Arc::clone(shown), at));
    }
    while !running.is_empty() {
        gather(&mut running, compared).await?;
    }
    Ok(())
}

async fn gather(running: &mut JoinSet<SliceRead>, compared: &mut [Compared<'_>]) -> Result<(), CommandError> {
    let (at, digest) = match running.join_next().await {
        None => return Ok(()),
        Some(Ok(read)) => read?,
        Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
    };
    let table = &mut compared[at];
    table.digest.merge(&digest);
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
    mut digest: RowDigest,
    shown: Arc<TableProgress>,
    at: usize,
) -> SliceRead {
    let (sender, mut rows) = row_channel();
    let counting = tokio::task::spawn_blocking(move || {
        while let Some(batch) = rows.blocking_recv() {
            shown.add(batch.rows() as u64, batch.bytes.len() as u64);
            digest.add_rows(&batch.bytes, &batch.ends);
        }
        digest
    });
    let read = capture.read(&slice, sender).await;
    let digest = counting.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    read?;
    Ok((at, digest))
}
