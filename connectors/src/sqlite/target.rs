//! The target: a file that a snapshot can be restored to.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use url::Url;

use super::connection::blocking;
use super::place::{self, beside, io_error};
use super::{SqliteSource, load::SqliteLoad, schema::Schema};
use crate::{
    Bound, Error, Load, LoadOptions, LoadPlan, Outline, Result, SchemaFile, Source, TableName, Target,
};

/// What is added to the target's name while it is being restored.
pub const PARTIAL: &str = ".lifeboat-partial";

/// A SQLite file that does not exist yet, or is empty.
#[derive(Debug, Clone)]
pub struct SqliteTarget {
    path: PathBuf,
}

impl SqliteTarget {
    /// Opens the target that `sqlite:///path` names; touches nothing yet.
    pub fn open(url: &Url) -> Result<Self> {
        Ok(Self { path: place::path_of(url)? })
    }
}

#[async_trait]
impl Target for SqliteTarget {
    async fn inspect(&self, plan: &LoadPlan) -> Result<Vec<String>> {
        require_sqlite(plan)?;
        require_free(&self.path)?;
        let partial = beside(&self.path, PARTIAL);
        if !partial.try_exists().map_err(io_error(&partial))? {
            return Ok(Vec::new());
        }
        Ok(vec![format!("found what an interrupted restore left in {}: starting it over", partial.display())])
    }

    fn outline(&self, schema: &[SchemaFile]) -> Result<Outline> {
        let name = |name: String| TableName { schema: None, name };
        let virtual_tables = Schema::from_files(schema)?.virtual_tables().into_iter();
        let bound = virtual_tables
            .map(|of| Bound { name: name(of.name), tables: of.beneath.into_iter().map(name).collect() });
        Ok(Outline { bound: bound.collect(), ..Outline::default() })
    }

    async fn begin(&self, plan: LoadPlan, options: &LoadOptions) -> Result<Box<dyn Load>> {
        require_sqlite(&plan)?;
        require_free(&self.path)?;
        if !options.map_roles.is_empty() {
            let reason = "a SQLite file has no roles".to_owned();
            return Err(Error::Unsupported { what: "mapping roles".into(), reason });
        }
        if options.into_new && self.path.exists() {
            let found = "a file of that name is there, and a new one was asked for".to_owned();
            return Err(Error::Refused { target: self.path.display().to_string(), found });
        }
        let path = self.path.clone();
        Ok(Box::new(blocking(move || SqliteLoad::begin(&path, plan)).await?))
    }

    fn as_source(&self) -> Box<dyn Source> {
        Box::new(SqliteSource { path: self.path.clone() })
    }
}

fn require_sqlite(plan: &LoadPlan) -> Result<()> {
    if plan.point.system != "sqlite" {
        let what = format!("restoring a snapshot of {} into SQLite", plan.point.system);
        return Err(Error::Unsupported { what, reason: "each system restores to its own kind".into() });
    }
    Schema::from_files(&plan.schema).map(drop)
}

/// Makes sure that nothing is at `path` that a restore would hide, replace or be spoilt by: a journal
/// left there would be played into the new database as if it were its own.
pub fn require_free(path: &Path) -> Result<()> {
    let refused = |found: String| Err(Error::Refused { target: path.display().to_string(), found });
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return refused("it is not a file".into()),
        Ok(meta) if meta.len() > 0 => return refused(format!("a file of {} bytes is there", meta.len())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(path)(error)),
    }
    for suffix in ["-journal", "-wal"] {
        if beside(path, suffix).try_exists().map_err(io_error(path))? {
            return refused(format!("the {suffix} file of an earlier database is beside it"));
        }
    }
    match path.parent() {
        Some(folder) if folder.is_dir() => Ok(()),
        Some(folder) => Err(Error::NotFound { what: format!("the folder {}", folder.display()) }),
        None => refused("it is not a file".into()),
    }
}
