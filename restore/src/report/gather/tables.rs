//! What the newest snapshots hold, by their catalogues: which grades there are, and which columns nobody graded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lifeboat_config::{Config, Grading};
use lifeboat_console::CommandError;
use lifeboat_vault::format::manifest::TableRecord;
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

/// Columns that no pattern grades, each by its full name.
fn of_nobody(grading: &Grading, tables: &[TableRecord]) -> Vec<String> {
    let columns = tables.iter().flat_map(|record| {
        let table = &record.table;
        let schema = table.schema.as_deref();
        let without = table
            .columns
            .iter()
            .filter(move |column| grading.find(schema, &table.name, &column.name).is_none());
        let place: Vec<&str> = schema.into_iter().chain([table.name.as_str()]).collect();
        let place = place.join(".");
        without.map(move |column| format!("{place}.{}", column.name))
    });
    columns.collect()
}
