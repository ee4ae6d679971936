//! Selects a snapshot's tables for a restore: by name, by what may be shown of them, and with what they are bound to.

use lifeboat_connectors::{Outline, SchemaFile, Target};
use lifeboat_console::{CommandError, ResultExt};
use lifeboat_vault::format::manifest::TableRecord;
use lifeboat_vault::{Snapshot, SnapshotReader, Vault};

use super::{Chosen, Showing, choose, keep_together, require_keys};

/// Selects from `tables`, by `names` if there are any. What the schema says of them is read once, and only where
/// `asks` says that it counts, of tables of which something is withheld or not.
///
/// # Errors
/// A name that no table has; grades that nobody here opens; damage of the schema.
pub async fn select(
    vault: &Vault,
    showing: &Showing,
    (reader, snapshot, target): (&SnapshotReader, &Snapshot, &dyn Target),
    tables: Vec<TableRecord>,
    names: &[String],
    asks: impl Fn(bool) -> bool,
) -> Result<Vec<Chosen>, CommandError> {
    let asked = asks(false);
    let outline = || outline(reader, snapshot, target);
    let mut said = if asked { outline().await? } else { Outline::default() };
    let mut tables = choose(tables, &said.groups, names)?;
    tables.iter_mut().for_each(|table| showing.apply(table, &said));
    require_keys(vault, showing, &snapshot.manifest.files, &tables)?;
    if !asked && tables.iter().any(|table| !table.withheld.is_empty()) && asks(true) {
        said = outline().await?;
    }
    keep_together(&mut tables, &said.bound);
    Ok(tables)
}

/// What the schema says of tables and columns.
///
/// # Errors
/// As [`schema`], and when the target cannot read it.
pub async fn outline(
    reader: &SnapshotReader,
    snapshot: &Snapshot,
    target: &dyn Target,
) -> Result<Outline, CommandError> {
    Ok(target.outline(&schema(reader, snapshot).await?)?)
}

/// Reads the files of a snapshot's schema.
///
/// # Errors
/// Damage; a grade that is not open.
pub async fn schema(reader: &SnapshotReader, snapshot: &Snapshot) -> Result<Vec<SchemaFile>, CommandError> {
    let mut schema = Vec::new();
    for file in &snapshot.manifest.files {
        let bytes = reader.file(file).await;
        let bytes = bytes
            .map_err(CommandError::from)
            .context(|| format!("snapshot {} cannot be restored", snapshot.id.short()))?;
        schema.push(SchemaFile { name: file.name.clone(), bytes });
    }
    Ok(schema)
}
