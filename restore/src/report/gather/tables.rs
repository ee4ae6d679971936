//! What the newest snapshots hold, by their catalogues: which grades there are, and which columns nobody graded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lifeboat_config::{Config, Grading};
use lifeboat_console::CommandError;
use lifeboat_vault::format::manifest::{ColumnRecord, TableRecord};
use lifeboat_vault::{Grade, Snapshot, SnapshotReader};

use crate::open::{Opened, scratch};

/// What was read.
#[derive(Debug, Default)]
pub struct Tables {
    /// The grades; none when a catalogue could not be read.
    pub grades: Vec<String>,
    /// Columns that no pattern grades, by source; a source whose catalogue could not be read is left out.
    pub ungraded: BTreeMap<String, Vec<String>>,
}

/// Reads the newest catalogue of each source.
pub async fn of(
    opened: &Opened,
    config: Option<&Config>,
    folder: Option<&Path>,
) -> Result<Tables, CommandError> {
    let mut newest: BTreeMap<&str, &Snapshot> = BTreeMap::new();
    for snapshot in &opened.snapshots {
        newest.insert(&snapshot.manifest.source, snapshot);
    }
    let scratch = scratch(folder)?;
    let (reader, _) = SnapshotReader::open(&opened.vault, scratch.path()).await?;
    let (mut grades, mut ungraded, mut unread) = (BTreeSet::new(), BTreeMap::new(), false);
    for (source, snapshot) in newest {
        grades.extend(snapshot.manifest.files.iter().map(|file| file.grade));
        let tables = match reader.tables(snapshot).await {
            Err(error) if error.is_damage() => {
                unread = true;
                continue;
            }
            tables => tables?,
        };
        grades.extend(tables.iter().flat_map(|table| &table.streams).map(|stream| stream.grade));
        let planned = config.and_then(|config| config.sources.iter().find(|one| one.name == source));
        if let Some(planned) = planned {
            ungraded.insert(source.to_owned(), of_nobody(&planned.grades, &tables));
        }
    }
    let grades: Vec<Grade> = if unread { Vec::new() } else { grades.into_iter().collect() };
    Ok(Tables { grades: grades.iter().map(|grade| grade.as_str().to_owned()).collect(), ungraded })
}

/// Columns that no pattern grades, each by its full name; those of partitions by the name of their table.
fn of_nobody(grading: &Grading, tables: &[TableRecord]) -> Vec<String> {
    let known: BTreeMap<Name<'_>, &TableRecord> =
        tables.iter().map(|record| (name(&record.table.schema, &record.table.name), record)).collect();
    let mut told = BTreeSet::new();
    let columns = tables.iter().flat_map(|record| {
        let table = &record.table;
        let names = |column: &str| {
            // One that has no rows of its own has all of its partitions' columns.
            let has = |ancestor: &Name<'_>| {
                known
                    .get(ancestor)
                    .is_none_or(|known| known.table.columns.iter().any(|own| own.name == column))
            };
            let ancestors = table.ancestors.iter().map(|ancestor| name(&ancestor.schema, &ancestor.name));
            std::iter::once(name(&table.schema, &table.name)).chain(ancestors.filter(has)).collect::<Vec<_>>()
        };
        let names = table.columns.iter().map(|column| (column, names(&column.name))).collect::<Vec<_>>();
        let without =
            names.into_iter().filter(|(column, names)| grading.find(names.clone(), &column.name).is_none());
        let name = |(column, names): (&ColumnRecord, Vec<Name<'_>>)| {
            let (schema, table) = names.last()?;
            let place: Vec<&str> = schema.iter().copied().chain([*table, &column.name]).collect();
            Some(place.join("."))
        };
        without.filter_map(name).collect::<Vec<_>>()
    });
    columns.filter(|column| told.insert(column.clone())).collect()
}

/// A table's schema and name.
type Name<'a> = (Option<&'a str>, &'a str);

fn name<'a>(schema: &'a Option<String>, name: &'a str) -> Name<'a> {
    (schema.as_deref(), name)
}
