//! A restore under way: one writer, one transaction, no journal. A crash leaves the partial file
//! useless, which is why it does not have the database's name yet.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Mutex;

use super::connection::{literal, open_to_write, quoted, run};
use super::field::parse_line;
use super::finish;
use super::insert::{Encoding, Inserter};
use super::place::{beside, io_error};
use super::schema::Schema;
use super::target::PARTIAL;
use crate::{Error, Load, LoadPlan, LoadReport, LoadTable, Result, RowReceiver};

/// A restore into a SQLite file.
pub struct SqliteLoad {
    pub(super) path: PathBuf,
    pub(super) partial: PathBuf,
    pub(super) plan: LoadPlan,
    pub(super) schema: Schema,
    pub(super) writer: Mutex<SqliteConnection>,
    /// Held so that no second restore starts over what this one is writing. Closing it drops the
    /// POSIX locks on the file, so it outlives the writer.
    pub(super) lock: File,
}

impl SqliteLoad {
    /// Makes the partial file, with its tables.
    pub async fn begin(path: &Path, plan: LoadPlan) -> Result<Self> {
        let schema = Schema::from_files(&plan.schema)?;
        let partial = beside(path, PARTIAL);
        let lock = start_over(&partial)?;
        let writer = Mutex::new(open_to_write(&partial).await?);
        let load = Self { path: path.to_owned(), partial, plan, schema, writer, lock };
        load.create_tables().await?;
        Ok(load)
    }

    /// Whether a table of this name is to be created.
    pub(super) fn wants(&self, table: &str) -> bool {
        self.plan.whole || self.plan.tables.iter().any(|wanted| wanted.name.name == table)
    }

    async fn create_tables(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let pragmas = &self.schema.pragmas;
        let header = format!(
            "PRAGMA page_size = {}; PRAGMA encoding = {}; PRAGMA auto_vacuum = {};
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -65536; BEGIN",
            pragmas.page_size,
            literal(&pragmas.encoding),
            pragmas.auto_vacuum
        );
        run(&mut writer, &self.partial, header).await?;
        for object in &self.schema.objects {
            let Some(sql) = object.sql.as_ref().filter(|_| object.has_rows() && !object.is_internal()) else {
                continue;
            };
            if self.wants(&object.name) {
                run(&mut writer, &self.partial, sql).await.map_err(|error| about(&object.name, error))?;
            }
        }
        Ok(())
    }

    /// SQLite's own tables fill while others are loaded, so their rows wait in temporary ones.
    async fn inserter(&self, table: &LoadTable) -> Result<Inserter> {
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
        run(&mut *self.writer.lock().await, &self.partial, sql).await?;
        Ok(Inserter::new(&staged, &columns, encoding))
    }
}

impl SqliteLoad {
    /// Inserts rows until the channel ends.
    async fn fill(&self, inserter: &mut Inserter, table: &LoadTable, rows: &mut RowReceiver) -> Result<u64> {
        let name = table.name.to_string();
        let mut count = 0;
        while let Some(batch) = rows.recv().await {
            let mut writer = self.writer.lock().await;
            for line in batch.lines() {
                count += 1;
                if inserter.push(parse_line(line, table.columns.len(), &name)?) {
                    inserter.flush(&mut writer, &self.partial).await.map_err(|error| about(&name, error))?;
                }
            }
        }
        let mut writer = self.writer.lock().await;
        inserter.flush(&mut writer, &self.partial).await.map_err(|error| about(&name, error))?;
        Ok(count)
    }
}

#[async_trait]
impl Load for SqliteLoad {
    async fn load(&self, table: &LoadTable, rows_expected: u64, mut rows: RowReceiver) -> Result<u64> {
        let mut inserter = self.inserter(table).await?;
        let filled = self.fill(&mut inserter, table, &mut rows).await.and_then(|count| {
            let reason = format!("{count} rows arrived where {rows_expected} were expected");
            let short = || Error::Damaged { what: table.name.to_string(), reason };
            (count == rows_expected).then_some(count).ok_or_else(short)
        });
        if filled.is_err() {
            inserter.clear(&mut *self.writer.lock().await, &self.partial).await?;
        }
        filled
    }

    async fn finish(self: Box<Self>) -> Result<LoadReport> {
        finish::finish(*self).await
    }

    async fn abort(self: Box<Self>) {
        let Self { partial, writer, lock, .. } = *self;
        // Nothing to save and nobody to tell: the next restore starts over whatever is left.
        let _ = writer.into_inner().close().await;
        let _ = std::fs::remove_file(&partial);
        drop(lock);
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
