//! What a restore will do, before it does anything.

use std::fmt;

use lifeboat_connectors::{LoadPlan, PointInTime, SchemaFile};
use lifeboat_console::{CommandError, Kind, ResultExt, escape, human_bytes};
use lifeboat_vault::format::manifest::FileRecord;
use lifeboat_vault::{Error, Snapshot, SnapshotHealth, Vault};

use super::{Chosen, Showing, Withheld, withhold};
use crate::words;

/// A restore, ready to be carried out.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is restored.
    pub snapshot: Snapshot,
    /// Where it came from.
    pub point: PointInTime,
    /// The target, without secrets.
    pub target: String,
    /// The tables, in the catalogue's order; those with damage are left empty.
    pub tables: Vec<Chosen>,
    /// Whether these are all tables of the snapshot.
    pub whole: bool,
}

impl Plan {
    /// Puts a plan together; `health` is what a look at the snapshot's structure found.
    ///
    /// # Errors
    /// Damage that cannot be skipped, or is not to be.
    pub fn new(
        snapshot: &Snapshot,
        target: String,
        mut tables: Vec<Chosen>,
        health: &SnapshotHealth,
        skip_damaged: bool,
    ) -> Result<Self, CommandError> {
        let whole = tables.len() as u64 == snapshot.manifest.tables;
        mark(&mut tables, health)?;
        let point = serde_json::from_value(snapshot.manifest.point.clone())
            .context(|| format!("snapshot {} is of a kind that is not known", snapshot.id.short()))
            .hint("restore with the version of Lifeboat that wrote the snapshot, or a newer one")?;
        let plan = Self { snapshot: snapshot.clone(), point, target, tables, whole };
        if !skip_damaged {
            refuse_damage(&plan)?;
        }
        Ok(plan)
    }

    /// What people call the snapshot: `snapshot 104e2080 of crm, taken 2026-11-23 03:00:00 UTC,`.
    pub fn title(&self) -> String {
        let manifest = &self.snapshot.manifest;
        let (id, time) = (self.snapshot.id.short(), words::time(&manifest.time));
        format!("snapshot {id} of {}, taken {time} UTC,", manifest.source)
    }

    /// What the connector needs beside the rows.
    pub fn to_load_plan(&self, schema: &[SchemaFile]) -> LoadPlan {
        LoadPlan {
            snapshot: self.snapshot.id.to_string(),
            point: self.point.clone(),
            schema: schema.to_vec(),
            tables: self.tables.iter().map(|table| table.load.clone()).collect(),
            whole: self.whole,
            withheld: withhold::for_target(&self.tables, &self.point.system),
        }
    }

    /// Every table, the largest first.
    pub fn largest_first(&self) -> Vec<&Chosen> {
        let mut tables: Vec<_> = self.tables.iter().collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.bytes()));
        tables
    }

    /// Tables whose rows are loaded.
    pub fn loaded(&self) -> impl Iterator<Item = &Chosen> {
        self.tables.iter().filter(|table| !table.is_left_empty())
    }

    /// What is kept back because of its grade.
    pub fn withheld(&self) -> Vec<Withheld> {
        let kept_back = self.tables.iter().filter(|table| table.damage.is_none());
        kept_back.flat_map(|table| table.withheld.clone()).collect()
    }

    /// Tables left empty for their damage.
    pub fn skipped(&self) -> impl Iterator<Item = &Chosen> {
        self.tables.iter().filter(|table| table.damage.is_some())
    }

    /// Rows to load.
    pub fn rows(&self) -> u64 {
        self.loaded().map(|table| table.record.rows).sum()
    }

    /// Raw bytes of them.
    pub fn bytes(&self) -> u64 {
        self.loaded().map(Chosen::bytes).sum()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = &self.snapshot.manifest;
        writeln!(f, "restoring {}", self.title().trim_end_matches(','))?;
        let (from, database) = (&self.point.system, escape(&self.point.database));
        writeln!(f, "  from    {from} {}, {database}", escape(&self.point.server_version))?;
        writeln!(f, "  into    {}", escape(&self.target))?;
        let loaded = self.loaded().count() as u64;
        let tables = words::counted(loaded, "table");
        let of = match loaded == manifest.tables {
            true => String::new(),
            false => format!(" of {}", manifest.tables),
        };
        let (rows, bytes) = (words::counted(self.rows(), "row"), human_bytes(self.bytes()));
        writeln!(f, "  tables  {tables}{of}: {rows}, {bytes}")?;
        for table in self.skipped() {
            writeln!(f, "  empty   {}: {}", table.name(), table.damage.as_deref().unwrap_or_default())?;
        }
        for (why, names) in withhold::by_reason(&self.withheld()) {
            writeln!(f, "  withheld  {names} ({why})")?;
        }
        Ok(())
    }
}

/// Makes sure that there is something to restore with these identities, before anything is touched: the
/// definitions, and of the tables that have rows any at all.
///
/// # Errors
/// `NoKey` for the first grade that would have to be open; `Usage` when it is open and was not asked for.
pub fn require_keys(
    vault: &Vault,
    showing: &Showing,
    files: &[FileRecord],
    tables: &[Chosen],
) -> Result<(), CommandError> {
    let file = files.iter().map(|file| file.grade).find(|grade| !showing.shows(*grade));
    let mut with_rows = tables.iter().filter(|table| table.record.rows > 0).peekable();
    let nothing = with_rows.peek().is_some() && with_rows.all(Chosen::is_withheld);
    let first = || tables.iter().flat_map(|table| &table.withheld).map(|withheld| withheld.grade).next();
    let Some(grade) = file.or_else(|| first().filter(|_| nothing)) else { return Ok(()) };
    if !vault.unlocked().contains(&grade) {
        let error = CommandError::from(Error::no_key(format!("rows of grade {grade}"), None));
        return Err(match vault.quorum(grade) {
            1 => error,
            some => error.hint(format!(
                "grade {grade} takes {some} people together: give `--identity` once for each of them; those who are \
                 not here can approve it: `lifeboat-restore request`"
            )),
        });
    }
    let what = if file.is_some() { "the definitions of its tables are" } else { "everything asked for is" };
    Err(CommandError::new(Kind::Usage, format!("nothing can be restored: {what} of grade {grade}"))
        .hint(format!("ask for it: --grade {grade}"))
        .hint("columns have lower grades once `[source.grades]` of the agent's configuration gives them"))
}

/// Notes at each table what was found damaged of it. Damage to anything else cannot be skipped.
fn mark(tables: &mut [Chosen], health: &SnapshotHealth) -> Result<(), CommandError> {
    for part in &health.damaged {
        if !part.what.starts_with("table ") {
            let text = format!("snapshot {} cannot be restored without {}", health.id.short(), part.what);
            return Err(CommandError::new(Kind::Damage, part.reason.clone())
                .context(text)
                .hint("choose another snapshot: `lifeboat-restore verify` says which are whole"));
        }
        let hit = tables.iter_mut().find(|table| part.what == format!("table {}", table.record.table));
        if let Some(table) = hit {
            table.damage = Some(part.reason.clone());
        }
    }
    Ok(())
}

/// Ends with the damage that nobody asked to skip.
fn refuse_damage(plan: &Plan) -> Result<(), CommandError> {
    let Some(first) = plan.skipped().next() else { return Ok(()) };
    let (whole, all) = (plan.loaded().count(), plan.tables.len());
    let cause = format!("table {}: {}", first.name(), first.damage.as_deref().unwrap_or_default());
    let mut error = CommandError::new(Kind::Damage, cause)
        .context(format!("{} cannot be restored whole; the target was not touched", plan.title()));
    if whole > 0 {
        error = error.hint(format!(
            "{whole} of {all} tables do not need what is damaged: restore them with `--skip-damaged`"
        ));
    }
    Err(error.hint("`lifeboat-restore verify` says which other snapshots are whole"))
}
