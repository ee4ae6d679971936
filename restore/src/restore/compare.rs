//! The target read back and compared with the manifest, table by table.

use std::sync::Arc;

use lifeboat_connectors::{
    Capture, CaptureOptions, Column, RowBatch, Slice, Source, Table, TableKind, TableName, row_channel,
};
use lifeboat_console::{CommandError, Progress, TableProgress};
use lifeboat_vault::{Error, RowDigest, Split, StreamDigests};
use tokio::task::JoinSet;

use super::Chosen;

/// What is compared at once, on its way through: a table of the plan, or the partitions among which rows may have
/// changed places.
struct Compared<'a> {
    tables: Vec<&'a Chosen>,
    digests: Digests,
    slices_left: usize,
    shown: Option<Arc<TableProgress>>,
}

/// Of rows as they are in the target.
#[derive(Clone)]
struct Digests {
    whole: RowDigest,
    /// Whether not every column is restored as it was.
    kept_back: bool,
    /// Of the streams' lines then, where they are the same columns in every table.
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
    let (mut differences, mut groups) = (Vec::new(), Vec::<Group<'_, '_>>::new());
    for table in tables.iter().filter(|table| !table.left_to_target) {
        match find(capture.tables(), table) {
            Ok(Some(found)) => Group::take(&mut groups, table, found, capture.tables()),
            Ok(None) => {}
            Err(difference) => differences.push(difference),
        }
    }
    let (mut compared, mut slices) = (Vec::new(), Vec::new());
    for Group { tables, slices: of_group, .. } in groups {
        let (digests, slices_left) = (Digests::of(&tables, digest)?, of_group.len());
        slices.extend(of_group.into_iter().map(|slice| (compared.len(), slice)));
        compared.push(Compared { tables, digests, slices_left, shown: None });
    }
    slices.sort_by_key(|(_, slice)| std::cmp::Reverse(slice.bytes_estimated));
    read_all(&capture, slices, &mut compared, options.readers, progress).await?;
    let capture: Box<dyn Capture> = Arc::into_inner(capture).expect("nobody reads any more");
    capture.finish().await?;
    for compared in &compared {
        differences.extend(difference(compared, digest)?);
    }
    Ok(differences)
}

/// Tables of the plan that are compared at once, and how the target's are read.
struct Group<'a, 'there> {
    tables: Vec<&'a Chosen>,
    /// The table among whose partitions their rows may have changed places.
    shared: Option<&'there TableName>,
    slices: Vec<Slice>,
}

impl<'a, 'there> Group<'a, 'there> {
    /// Puts a table, `found` in the target, with those that it shares its rows with.
    fn take(groups: &mut Vec<Self>, table: &'a Chosen, found: &'there Table, there: &'there [Table]) {
        let shared = found.shares_rows_of();
        let known = groups.iter_mut().find(|group| shared.is_some() && group.shared == shared);
        if let Some(group) = known {
            group.tables.push(table);
            return;
        }
        let slices = match shared {
            None => found.slices.clone(),
            // Rows may have gone into partitions that nobody chose.
            Some(_) => {
                let partitions = there.iter().filter(|table| table.shares_rows_of() == shared);
                partitions.flat_map(|table| table.slices.clone()).collect()
            }
        };
        groups.push(Self { tables: vec![table], shared, slices });
    }
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

/// What differs, in words.
fn difference(compared: &Compared<'_>, empty: &RowDigest) -> Result<Option<String>, Error> {
    let (what, restored) = (compared.name(), compared.restored());
    let whole = &compared.digests.whole;
    let mut expected = empty.clone();
    for record in restored.iter().map(|table| &table.record) {
        expected.add_recorded(&what, record.rows, &record.digest)?;
    }
    let mut found = match compared.digests.kept_back {
        false => whole.expect(&what, expected.rows(), &expected.to_hex()),
        // What is kept back has no digest to be compared with: its rows are counted.
        true => whole.expect(&what, expected.rows(), &whole.to_hex()),
    };
    if let (Some(streams), [first, ..]) = (&compared.digests.streams, &restored[..]) {
        for (at, digest) in streams.digests().iter().enumerate() {
            let stream = &first.record.streams[at];
            if !stream.columns.iter().all(|column| first.shown.as_it_was[*column as usize]) {
                continue;
            }
            let what = format!("{what}, columns of grade {}", stream.grade);
            let mut expected = empty.clone();
            for record in restored.iter().map(|table| &table.record) {
                expected.add_recorded(&what, record.rows, &record.streams[at].digest)?;
            }
            found = found.and_then(|()| digest.expect(&what, expected.rows(), &expected.to_hex()));
        }
    }
    Ok(found.err().map(|error| error.to_string()))
}

impl<'a> Compared<'a> {
    /// Those of the tables whose rows were loaded.
    fn restored(&self) -> Vec<&'a Chosen> {
        restored(&self.tables)
    }

    fn name(&self) -> String {
        match &self.tables[..] {
            [table] => format!("table {}", table.record.table),
            tables => {
                let names: Vec<_> = tables.iter().map(|table| table.name()).collect();
                format!("tables {}, among which rows may change places", names.join(", "))
            }
        }
    }
}

fn restored<'a>(tables: &[&'a Chosen]) -> Vec<&'a Chosen> {
    tables.iter().copied().filter(|table| !table.is_left_empty()).collect()
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
        let Compared { tables, shown, digests, .. } = &mut compared[at];
        let rows = tables.iter().map(|table| table.record.rows).sum();
        let shown = shown.get_or_insert_with(|| Arc::new(progress.table(&tables[0].name(), Some(rows))));
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
    fn of(tables: &[&Chosen], digest: &RowDigest) -> Result<Self, CommandError> {
        let restored = restored(tables);
        let kept_back = restored.iter().any(|table| !table.withheld.is_empty());
        let splits: Vec<_> =
            restored.iter().map(|table| Split::recorded(&table.record)).collect::<Result<_, _>>()?;
        let alike = splits.windows(2).all(|pair| pair[0] == pair[1])
            && restored.windows(2).all(|pair| pair[0].shown.as_it_was == pair[1].shown.as_it_was);
        let split = splits.into_iter().next().filter(|_| kept_back && alike);
        let streams = split.map(|split| StreamDigests::new(split, digest));
        Ok(Self { whole: digest.clone(), kept_back, streams })
    }

    /// The same of no rows.
    fn empty(&self) -> Self {
        Self {
            whole: self.whole.empty(),
            kept_back: self.kept_back,
            streams: self.streams.as_ref().map(StreamDigests::empty),
        }
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
