//! One restore under way: tables before the rows, the rows over several connections, then the rest.
//!
//! A large table is made without its secondary indexes, which are built in one pass as soon as it is
//! filled, while others still load. Foreign keys and checks are off meanwhile, and proven at the end.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::{Mutex, Semaphore};

use super::connect::Endpoint;
use super::definition::{Definition, ForeignKey};
use super::facts::{Schema, TableDefinition};
use super::fault::without_value;
use super::fill::Fill;
use super::scan::{self, Dialect};
use super::server::Server;
use super::sql::ident;
use super::target::{LOCK_TIMEOUT_MS, refused};
use super::wire::{Wire, WireError};
use super::{empty, finish, rename};
use crate::load::left_out;
use crate::tie::Tie;
use crate::{Error, Load, LoadOptions, LoadPlan, LoadReport, LoadTable, Result, RowReceiver, TableName};

/// What a session that loads sets beyond the rest: zero is a value of AUTO_INCREMENT, whatever dates are
/// there are taken, and what the data broke in the source does not stop it from coming back.
const LOADING: &str = "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks = 0, unique_checks = 0, \
    max_error_count = 65535";

/// Tables are defined in UTF-8, as SHOW CREATE printed them. Told that the words are bytes, a server would
/// store the labels of an ENUM unconverted, and take the strings in a default or in a key of expressions for
/// binary ones: `UPPER('a')` of those is `a`.
const IN_UTF8: &str = "SET NAMES utf8mb4";
/// Back to rows, whose bytes are left alone.
const IN_BYTES: &str = "SET NAMES binary";

/// A restore of one snapshot into one database.
#[derive(Debug)]
pub(super) struct MysqlLoad {
    pub(super) endpoint: Endpoint,
    pub(super) server: Server,
    pub(super) plan: LoadPlan,
    pub(super) options: LoadOptions,
    pub(super) schema: Schema,
    /// What makes each table and sequence here, as UTF-8, whatever the database was called.
    statements: BTreeMap<String, String>,
    /// Every table's definition, taken apart; missing for one of a form that is not known.
    pub(super) definitions: BTreeMap<String, Definition>,
    /// Tables that only show the rows of others, made once those are there.
    windows: Vec<String>,
    /// Tables whose indexes come after their rows.
    late: BTreeSet<String>,
    /// Tables whose foreign keys come at the end.
    pub(super) late_keys: BTreeSet<String>,
    /// Holds the claim on the database to the end, and finishes it.
    pub(super) guard: Mutex<Wire>,
    pub(super) report: Mutex<LoadReport>,
    permits: Semaphore,
    idle: Mutex<Vec<Wire>>,
}

impl MysqlLoad {
    /// Claims the target, clears what an interrupted restore left, and makes the tables.
    pub(super) async fn begin(
        endpoint: &Endpoint,
        plan: LoadPlan,
        options: &LoadOptions,
        notes: Vec<String>,
    ) -> Result<Self> {
        let (mut guard, server) = endpoint.connect(LOCK_TIMEOUT_MS).await?;
        let mut schema = Schema::parse(&plan.schema)?;
        let wanted: BTreeSet<_> = plan.tables.iter().map(|table| table.name.name.as_str()).collect();
        let (tables, windows) =
            schema.tables.into_iter().partition(|table| wanted.contains(table.name.as_str()));
        schema.tables = tables;
        if schema.tables.len() < wanted.len() {
            let missing = wanted.iter().find(|name| !schema.tables.iter().any(|table| table.name == **name));
            let what =
                format!("table {}", missing.map_or_else(String::new, |name| name.escape_debug().to_string()));
            return Err(Error::NotFound { what });
        }
        let windows = if plan.whole { windows } else { Vec::new() };
        let statements = statements(&schema, &windows, &endpoint.database);
        claim(&mut guard, endpoint, &plan.snapshot).await?;
        let definitions = definitions(&schema, &statements, &plan);
        let late = late(&schema, &definitions);
        let late_keys = late.iter().cloned().chain(children_of_unique(&definitions)).collect();
        let this = Self {
            endpoint: endpoint.clone(),
            server,
            options: options.clone(),
            schema,
            statements,
            definitions,
            windows: windows.into_iter().map(|table| table.name).collect(),
            late,
            late_keys,
            guard: Mutex::new(guard),
            report: Mutex::new(LoadReport { refused: Vec::new(), notes }),
            permits: Semaphore::new(options.writers.max(1)),
            idle: Mutex::default(),
            plan,
        };
        this.adopt_charset().await?;
        this.create_sequences().await?;
        this.create_tables().await?;
        Ok(this)
    }

    /// What is made later without saying so gets the database's character set and collation.
    async fn adopt_charset(&self) -> Result<()> {
        let Schema { charset, collation, .. } = &self.schema;
        let alter = format!(
            "ALTER DATABASE {} CHARACTER SET {charset} COLLATE {collation}",
            ident(&self.endpoint.database)
        );
        match self.guard.lock().await.run(&alter).await {
            Ok(_) => Ok(()),
            Err(error) if error.code().is_some() => {
                let refusal = format!("the database's collation {collation}: {error}");
                self.report.lock().await.refused.push(refusal);
                Ok(())
            }
            Err(error) => Err(self.map("the database's collation", error)),
        }
    }

    async fn create_sequences(&self) -> Result<()> {
        let used = |name: &str| {
            let mut tables = self.schema.tables.iter().map(|table| &self.statements[&table.name]);
            tables.any(|create| create.contains(&ident(name)))
        };
        let mut guard = self.guard.lock().await;
        for sequence in &self.schema.sequences {
            if self.plan.whole || used(&sequence.name) {
                let what = format!("sequence {}", sequence.name.escape_debug());
                let create = &self.statements[&sequence.name];
                guard.run(create).await.map_err(|error| self.map(&what, error))?;
                let set = format!("DO SETVAL({}, {}, 0)", ident(&sequence.name), sequence.next);
                guard.run(&set).await.map_err(|error| self.map(&what, error))?;
            }
        }
        Ok(())
    }

    async fn create_tables(&self) -> Result<()> {
        let creating: Vec<_> = self.schema.tables.iter().map(|table| self.create_table(table)).collect();
        futures::stream::iter(creating).buffer_unordered(self.options.writers.max(1)).try_collect().await
    }

    async fn create_table(&self, table: &TableDefinition) -> Result<()> {
        let statement = match self.definitions.get(&table.name) {
            Some(definition) => {
                let late = self.late.contains(&table.name);
                let late_keys = self.late_keys.contains(&table.name);
                let indexes = if late { definition.late_indexes() } else { Vec::new() };
                let absent = self.keys_left_out(&table.name, definition);
                let keys = definition.foreign_keys();
                let leave_out = |element: &str| {
                    indexes.contains(&element)
                        || absent.iter().any(|(text, _)| *text == element)
                        || (late_keys && keys.iter().any(|(text, _)| *text == element))
                };
                definition.without(leave_out)
            }
            None => self.statements[&table.name].clone(),
        };
        let what = format!("creating table {}", table.name.escape_debug());
        self.define(&what, &statement).await?.map_err(|reason| Error::Failed { what, reason })
    }

    /// Makes the tables that show the rows of others. What the server cannot make goes into the report: it may
    /// lack the engine, or the way to what they show.
    pub(super) async fn create_windows(&self) -> Result<()> {
        for name in &self.windows {
            let what = format!("table {}", name.escape_debug());
            if let Err(reason) = self.define(&what, &self.statements[name]).await? {
                self.report.lock().await.refused.push(format!("{what}: {reason}"));
            }
        }
        Ok(())
    }

    /// Makes the keys unique that had to wait for masked rows. One that is not stays a plain key, and goes into the
    /// report.
    pub(super) async fn make_unique(&self) -> Result<()> {
        for (table, definition) in &self.definitions {
            for key in definition.unique() {
                let what = format!("{key} of {}", table.escape_debug());
                if let Err(reason) = self.define(&what, &key.make(table)).await? {
                    let refused =
                        format!("{what} does not hold of the masks, and is no longer unique: {reason}");
                    self.report.lock().await.refused.push(refused);
                }
            }
        }
        Ok(())
    }

    /// Runs a definition; answers with the server's refusal, if it has one.
    async fn define(&self, what: &str, statement: &str) -> Result<Result<(), String>> {
        let mut wire = self.take().await?;
        for statement in [IN_UTF8, statement, IN_BYTES] {
            match wire.run(statement).await {
                Ok(_) => {}
                Err(WireError::Server(error)) => {
                    return Ok(Err(without_value(error.code.into(), error.message)));
                }
                Err(error) => return Err(self.map(what, error)),
            }
        }
        self.give_back(wire).await;
        Ok(Ok(()))
    }

    /// A table's foreign keys to tables that are not restored, and those that what is withheld or masked breaks;
    /// each with what is said of it.
    pub(super) fn keys_left_out<'a>(
        &self,
        table: &str,
        definition: &'a Definition,
    ) -> Vec<(&'a str, String)> {
        let here = |parent: &[String]| match parent {
            [table] => {
                self.definitions.contains_key(table) || self.schema.tables.iter().any(|t| t.name == *table)
            }
            _ => true,
        };
        let told = table.escape_debug().to_string();
        let said = |key: &ForeignKey| {
            let name = format!("foreign key {}", key.name.escape_debug());
            if !self.plan.whole && !here(&key.parent) {
                return Some(format!("{told}: {name} is left out: its parent is not restored"));
            }
            self.plan.breaks(&tie(table, key)?).then(|| left_out(&told, &name))
        };
        let keys = definition.foreign_keys().into_iter();
        keys.filter_map(|(text, key)| Some((text, said(&key)?))).collect()
    }

    /// Builds what a large table was made without.
    async fn build_indexes(&self, wire: &mut Wire, table: &LoadTable) -> Result<()> {
        let name = &table.name.name;
        if !self.late.contains(name) {
            return Ok(());
        }
        let indexes = self.definitions.get(name).map(Definition::late_indexes).unwrap_or_default();
        // InnoDB builds one full-text index at a time.
        let (whole, others): (Vec<_>, Vec<_>) =
            indexes.into_iter().partition(|index| index.starts_with("FULLTEXT"));
        let mut statements: Vec<_> = whole.into_iter().map(|index| format!("ADD {index}")).collect();
        if !others.is_empty() {
            statements.push(others.iter().map(|index| format!("ADD {index}")).collect::<Vec<_>>().join(", "));
        }
        let name = ident(name);
        let alter = statements.iter().map(|statement| format!("ALTER TABLE {name} {statement}"));
        let analyze = format!("ANALYZE NO_WRITE_TO_BINLOG TABLE {name}");
        let what = format!("building the indexes of {}", table.name);
        for statement in [IN_UTF8.to_owned()].into_iter().chain(alter).chain([analyze, IN_BYTES.into()]) {
            wire.run(&statement).await.map_err(|error| self.map(&what, error))?;
        }
        Ok(())
    }

    /// A connection for loading.
    pub(super) async fn take(&self) -> Result<Wire> {
        if let Some(wire) = self.idle.lock().await.pop() {
            return Ok(wire);
        }
        let (mut wire, _) = self.endpoint.connect(LOCK_TIMEOUT_MS).await?;
        let more = match (self.server.is_mariadb(), self.server.number >= (10, 11)) {
            (true, true) => {
                ", innodb_strict_mode = 0, check_constraint_checks = 0, system_versioning_insert_history = 1, \
                 system_versioning_alter_history = KEEP"
            }
            (true, false) => {
                ", innodb_strict_mode = 0, check_constraint_checks = 0, system_versioning_alter_history = KEEP"
            }
            (false, _) => "",
        };
        let settings = format!("{LOADING}{more}");
        wire.run(&settings).await.map_err(|error| self.map("setting a session up", error))?;
        if !self.server.is_mariadb() {
            self.allow_old_forms(&mut wire).await?;
        }
        Ok(wire)
    }

    /// MySQL no longer takes a foreign key to a key of many, or a table's options that do not fit each other,
    /// unless it is told to. An account that may not tell it is refused the table itself, and hears why.
    async fn allow_old_forms(&self, wire: &mut Wire) -> Result<()> {
        for setting in ["restrict_fk_on_non_standard_key = OFF", "innodb_strict_mode = OFF"] {
            match wire.run(&format!("SET SESSION {setting}")).await {
                Err(error) if error.code().is_none() => {
                    return Err(self.map("setting a session up", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a healthy connection back.
    pub(super) async fn give_back(&self, wire: Wire) {
        self.idle.lock().await.push(wire);
    }

    pub(super) fn map(&self, what: &str, error: WireError) -> Error {
        self.endpoint.during(what, LOCK_TIMEOUT_MS).map(error)
    }
}

#[async_trait]
impl Load for MysqlLoad {
    async fn load(&self, table: &LoadTable, rows_expected: u64, rows: RowReceiver) -> Result<u64> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Cancelled)?;
        // A connection that failed is dropped, and its transaction with it.
        let mut wire = self.take().await?;
        let auto_increment = self.definitions.get(&table.name.name).and_then(Definition::auto_increment);
        let fill = Fill {
            endpoint: &self.endpoint,
            family: self.server.family,
            table,
            auto_increment,
            rows_expected,
        };
        let loaded = fill.run(&mut wire, rows).await?;
        self.build_indexes(&mut wire, table).await?;
        self.give_back(wire).await;
        Ok(loaded)
    }

    async fn finish(self: Box<Self>) -> Result<LoadReport> {
        finish::finish(&self).await?;
        Ok(self.report.into_inner())
    }

    async fn abort(self: Box<Self>) {
        // The marker stays: the next run finds it and starts over.
        drop(self);
    }
}

/// What a foreign key of a table ties together, unless it is to another database.
fn tie(table: &str, key: &ForeignKey) -> Option<Tie> {
    let [parent] = &key.parent[..] else { return None };
    let name = |name: &str| TableName { schema: None, name: name.to_owned() };
    let columns = key.columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
    Some(Tie { child: name(table), parent: name(parent), columns, full: false })
}

/// What makes each table and sequence in `database`: definitions name their own where they must.
fn statements(schema: &Schema, windows: &[TableDefinition], database: &str) -> BTreeMap<String, String> {
    let tables = schema.tables.iter().chain(windows).map(|table| (&table.name, table.create.bytes()));
    let sequences =
        schema.sequences.iter().map(|sequence| (&sequence.name, sequence.create.clone().into_bytes()));
    let here = |create: &[u8]| match schema.database == database {
        true => scan::as_utf8(create),
        false => scan::as_utf8(&rename::requalify(create, Dialect::default(), &schema.database, database)),
    };
    tables.chain(sequences).map(|(name, create)| (name.clone(), here(&create))).collect()
}

fn definitions(
    schema: &Schema,
    statements: &BTreeMap<String, String>,
    plan: &LoadPlan,
) -> BTreeMap<String, Definition> {
    let tables = schema.tables.iter().map(|table| table.name.clone());
    let parsed = |name: String| {
        let parsed = Definition::parse(&statements[&name])?;
        let Some(withheld) = plan.withheld_of(&name).filter(|of| !of.whole) else {
            return Some((name, parsed));
        };
        let unchecked = withheld.unchecked();
        let masked: Vec<_> = withheld.masked.iter().map(|masked| masked.name.clone()).collect();
        let loosened = parsed.without_checks_of(&unchecked).without_partitions_by(&unchecked);
        let loosened = loosened.with_plain_keys_of(&masked);
        let loosened = match withheld.columns.is_empty() {
            true => loosened,
            false => loosened.allowing_null(&withheld.columns),
        };
        Some((name, loosened))
    };
    tables.filter_map(parsed).collect()
}

/// Large tables that nobody refers to by anything but their primary key: another key has to be there when
/// the reference is made.
fn late(schema: &Schema, definitions: &BTreeMap<String, Definition>) -> BTreeSet<String> {
    let large = schema.tables.iter().filter(|table| table.large && !table.versioned);
    let mut late: BTreeSet<_> =
        large.map(|table| table.name.clone()).filter(|name| definitions.contains_key(name)).collect();
    for (_, key) in definitions.values().flat_map(Definition::foreign_keys) {
        let Some(parent) = key.parent.last() else { continue };
        if definitions.get(parent).is_some_and(|parent| !parent.has_primary_key_on(&key.parent_columns)) {
            late.remove(parent);
        }
    }
    late
}

/// Tables that refer to one with a unique key that waits for its rows: MySQL has no reference to a plain key.
fn children_of_unique(definitions: &BTreeMap<String, Definition>) -> impl Iterator<Item = String> {
    let waits = |parent: &String| definitions.get(parent).is_some_and(|parent| !parent.unique().is_empty());
    let refers = move |definition: &Definition| {
        definition.foreign_keys().iter().any(|(_, key)| key.parent.last().is_some_and(waits))
    };
    definitions.iter().filter(move |(_, child)| refers(child)).map(|(name, _)| name.clone())
}

/// Takes the database for this restore, emptied of what an earlier try left in it.
async fn claim(guard: &mut Wire, endpoint: &Endpoint, snapshot: &str) -> Result<()> {
    let during = endpoint.during("claiming the target", LOCK_TIMEOUT_MS);
    let database = &endpoint.database;
    if !empty::hold(guard, database).await.map_err(|error| during.map(error))? {
        return Err(refused(endpoint, "another restore is under way".into()));
    }
    // Looked at again under the claim: somebody may have come first since `inspect`.
    match empty::content(guard, database, snapshot).await.map_err(|error| during.map(error))? {
        empty::Content::Nothing => empty::mark(guard, snapshot).await.map_err(|error| during.map(error)),
        empty::Content::Else(found) => Err(refused(endpoint, found)),
        empty::Content::Ours => empty::clear(guard, database).await.map_err(|error| during.map(error)),
    }
}
