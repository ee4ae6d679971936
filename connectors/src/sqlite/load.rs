//! A restore under way: one writer, one transaction, no journal. A crash leaves the partial file
//! useless, which is why it does not have the database's name yet.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, InterruptHandle};

use super::connection::{blocking, literal, open_to_write, quoted, run};
use super::finish;
use super::foreign_key::{self, ForeignKey};
use super::insert::{Encoding, Inserter};
use super::lacking::{Lacking, Trial};
use super::nullable::loosened;
use super::place::{beside, io_error};
use super::schema::{Object, Schema, VirtualTable};
use super::target::PARTIAL;
use crate::tie::Tie;
use crate::{Error, Load, LoadPlan, LoadReport, LoadTable, Result, RowReceiver, TableName};

/// A restore into a SQLite file.
pub struct SqliteLoad {
    pub(super) path: PathBuf,
    pub(super) partial: PathBuf,
    pub(super) plan: LoadPlan,
    pub(super) schema: Schema,
    /// Virtual tables that do not come as they were, because rows beneath them are withheld.
    pub(super) apart: Vec<VirtualTable>,
    /// Tables that are filled under a stand-in.
    pub(super) lacking: Vec<(String, Lacking)>,
    pub(super) writer: Arc<Mutex<Connection>>,
    /// Held so that no second restore starts over what this one is writing. Closing it drops the
    /// POSIX locks on the file, so it outlives the writer.
    pub(super) lock: File,
}

impl SqliteLoad {
    /// Makes the partial file, with its tables.
    pub fn begin(path: &Path, plan: LoadPlan) -> Result<Self> {
        let schema = Schema::from_files(&plan.schema)?;
        let partial = beside(path, PARTIAL);
        let lock = start_over(&partial)?;
        let writer = Arc::new(Mutex::new(open_to_write(&partial)?));
        let is_apart = |of: &VirtualTable| of.beneath.iter().any(|table| plan.withheld_of(table).is_some());
        let apart = schema.virtual_tables().into_iter().filter(|of| plan.whole && is_apart(of)).collect();
        let lacking = Vec::new();
        let mut load = Self { path: path.to_owned(), partial, plan, schema, apart, lacking, writer, lock };
        load.lacking = load.create_tables()?;
        Ok(load)
    }

    /// Whether a table of this name is to be created.
    pub(super) fn wants(&self, table: &str) -> bool {
        let chosen = self.plan.whole || self.plan.tables.iter().any(|wanted| wanted.name.name == table);
        chosen && !self.is_apart(table)
    }

    /// Whether it is beneath a virtual table that does not come as it was.
    fn is_apart(&self, table: &str) -> bool {
        self.apart.iter().any(|of| of.beneath.iter().any(|name| name == table))
    }

    fn create_tables(&self) -> Result<Vec<(String, Lacking)>> {
        let writer = &*self.writer();
        let pragmas = &self.schema.pragmas;
        let header = format!(
            "PRAGMA page_size = {}; PRAGMA encoding = {}; PRAGMA auto_vacuum = {};
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -65536; BEGIN",
            pragmas.page_size,
            literal(&pragmas.encoding),
            pragmas.auto_vacuum
        );
        run(writer, &self.partial, header)?;
        let mut lacking = Vec::new();
        for object in &self.schema.objects {
            let Some((sql, _)) = self.table(object) else { continue };
            let Err(error) = run(writer, &self.partial, &sql) else { continue };
            let Some(of) = Trial::new()?.of(&object.name, &sql) else {
                return Err(about(&object.name, error));
            };
            run(writer, &self.partial, &of.stand_in).map_err(|error| about(&object.name, error))?;
            lacking.push((object.name.clone(), of));
        }
        Ok(lacking)
    }

    /// The statement that creates a table which is wanted, and the checks and keys that are left out of it.
    pub(super) fn table(&self, object: &Object) -> Option<(String, Vec<String>)> {
        let sql = object.sql.as_ref().filter(|_| object.has_rows() && !object.is_internal())?;
        let withheld = self.plan.withheld_of(&object.name).filter(|of| !of.whole);
        self.wants(&object.name).then(|| {
            let (sql, mut left_out) =
                withheld.map_or_else(|| (sql.clone(), Vec::new()), |of| loosened(sql, of));
            let (sql, keys) =
                foreign_key::without(&sql, |key| self.plan.breaks(&self.tie(&object.name, key)));
            left_out.extend(keys);
            (sql, left_out)
        })
    }

    /// What a foreign key ties together. One that names no columns means the parent's primary key.
    fn tie(&self, child: &str, key: &ForeignKey) -> Tie {
        let parent = self.plan.tables.iter().find(|table| table.name.name.eq_ignore_ascii_case(&key.parent));
        let primary = parent.iter().flat_map(|parent| &parent.columns).filter(|column| column.key);
        let primary = primary.map(|column| column.name.clone()).collect();
        let parents = if key.parent_columns.is_empty() { primary } else { key.parent_columns.clone() };
        let table = |name: &str| TableName { schema: None, name: name.to_owned() };
        let columns = key.columns.iter().cloned().zip(parents).collect();
        Tie { child: table(child), parent: table(&key.parent), columns, full: false }
    }

    /// SQLite's own tables fill while others are loaded, so their rows wait in temporary ones.
    fn inserter(&self, table: &LoadTable) -> Result<Inserter> {
        let name = &table.name.name;
        let object = self.schema.objects.iter().find(|object| object.has_rows() && object.name == *name);
        let object = object.ok_or_else(|| Error::Damaged {
            what: "the snapshot".into(),
            reason: format!("its schema has no table {}", table.name),
        })?;
        let encoding = Encoding::of(&self.schema.pragmas.encoding);
        let mut columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        if !object.is_internal() {
            return Ok(Inserter::new(&format!("main.{}", quoted(name)), &columns, encoding));
        }
        columns = (0..columns.len()).map(|at| format!("c{at}")).collect();
        let staged = format!("temp.{}", quoted(&finish::staged(name)));
        let sql = format!("CREATE TEMP TABLE {} ({})", quoted(&finish::staged(name)), columns.join(", "));
        run(&self.writer(), &self.partial, sql)?;
        Ok(Inserter::new(&staged, &columns, encoding))
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inserts rows until the channel ends, and counts them. Batches of several tables take turns.
fn fill(
    writer: &Mutex<Connection>,
    partial: &Path,
    inserter: &Inserter,
    table: &LoadTable,
    rows: &mut RowReceiver,
) -> Result<u64> {
    let name = table.name.to_string();
    let mut count = 0;
    while let Some(batch) = rows.blocking_recv() {
        let writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        inserter.insert(&writer, partial, &batch, &name).map_err(|error| about(&name, error))?;
        count += batch.rows() as u64;
    }
    Ok(count)
}

/// Ends a statement under way when nobody waits for it any more.
struct Interrupts(InterruptHandle);

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

#[async_trait]
impl Load for SqliteLoad {
    async fn load(&self, table: &LoadTable, rows_expected: u64, mut rows: RowReceiver) -> Result<u64> {
        if self.is_apart(&table.name.name) {
            let mut count = 0;
            while let Some(batch) = rows.recv().await {
                count += batch.rows() as u64;
            }
            return Ok(count);
        }
        let inserter = self.inserter(table)?;
        let (writer, partial, table) = (Arc::clone(&self.writer), self.partial.clone(), table.clone());
        blocking(move || {
            let filled = fill(&writer, &partial, &inserter, &table, &mut rows).and_then(|count| {
                let reason = format!("{count} rows arrived where {rows_expected} were expected");
                let short = || Error::Damaged { what: table.name.to_string(), reason };
                (count == rows_expected).then_some(count).ok_or_else(short)
            });
            if filled.is_err() {
                let writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                inserter.clear(&writer, &partial)?;
            }
            filled
        })
        .await
    }

    async fn finish(self: Box<Self>) -> Result<LoadReport> {
        let _interrupts = Interrupts(self.writer().get_interrupt_handle());
        blocking(move || finish::finish(*self)).await
    }

    async fn abort(self: Box<Self>) {
        // Nothing to save and nobody to tell: the next restore starts over whatever is left.
        let _ = blocking(move || {
            let Self { partial, writer, lock, .. } = *self;
            drop(writer);
            let _ = std::fs::remove_file(&partial);
            drop(lock);
            Ok(())
        })
        .await;
    }
}

/// Says which object an error is about.
pub fn about(name: &str, error: Error) -> Error {
    match error {
        Error::Failed { reason, .. } => {
            Error::Failed { what: format!("restoring {}", name.escape_debug()), reason }
        }
        other => other,
    }
}

/// Removes what an interrupted restore left and makes an empty file that only its owner may read.
fn start_over(partial: &Path) -> Result<File> {
    match File::open(partial) {
        Ok(left) => {
            lock(&left, partial)?;
            std::fs::remove_file(partial).map_err(io_error(partial))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(partial)(error)),
    }
    for suffix in ["-journal", "-wal", "-shm"] {
        let left = beside(partial, suffix);
        if left.try_exists().map_err(io_error(&left))? {
            std::fs::remove_file(&left).map_err(io_error(&left))?;
        }
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)
        .map_err(io_error(partial))?;
    lock(&file, partial)?;
    Ok(file)
}

fn lock(file: &File, partial: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::Refused {
            target: partial.display().to_string(),
            found: "another restore is writing it".into(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error(partial)(error)),
    }
}
