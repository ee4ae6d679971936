//! One restore under way: definitions before the rows, the rows over several connections, then the rest.
//!
//! A table is emptied and filled in one transaction, so its rows go in frozen: no later vacuum has to
//! write them again. A large table's indexes are built as soon as it is filled, while others still load:
//! waiting for the last table would leave a core idle. That one's are left to the end, where several at once
//! are built.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sqlx::PgConnection;
use tempfile::TempDir;
use tokio::sync::{Mutex, Semaphore};

use super::connect::Endpoint;
use super::copy_in::{ColumnTypes, Copied, Into, copy_in};
use super::facts::{self, Database, Setting};
use super::fault::{self, During};
use super::finish;
use super::restore_schema::{Archive, Refusal};
use super::roles::{self, Step};
use super::snapshot::ServerFacts;
use super::target::{LOCK_TIMEOUT_MS, Seen, look};
use super::tools::Installed;
use super::{empty, foreign_key, inventory, large_objects, sql, subset, withhold};
use crate::{
    Ancestor, Error, Load, LoadOptions, LoadPlan, LoadReport, LoadTable, Result, RowBatch, RowReceiver,
    SchemaFile, TableKind, TableName,
};

/// A table of this many bytes has its indexes built at once: below, starting pg_restore for it costs more
/// than it saves.
const INDEX_EARLY_BYTES: usize = 16 * 1024 * 1024;

/// A restore of one snapshot into one database.
#[derive(Debug)]
pub(super) struct PostgresLoad {
    pub(super) endpoint: Endpoint,
    pub(super) plan: LoadPlan,
    pub(super) options: LoadOptions,
    pub(super) archive: Archive,
    pub(super) database: Database,
    /// Holds the claim on the database to the end, and finishes it.
    pub(super) guard: Mutex<PgConnection>,
    pub(super) report: Mutex<LoadReport>,
    pub(super) server: ServerFacts,
    /// Roles that something could not be given to.
    pub(super) unowned: Mutex<BTreeSet<String>>,
    /// Extensions' own tables: some of their rows are there already.
    kept: BTreeSet<TableName>,
    /// Partitions whose rows may belong to others of them here, and the table above them all.
    shared: HashMap<TableName, TableName>,
    types: ColumnTypes,
    permits: Semaphore,
    /// Tables that are not filled yet.
    unfilled: AtomicUsize,
    idle: Mutex<Vec<PgConnection>>,
    /// The archive's entries that are wanted, as pg_restore lists them.
    pub(super) listing: String,
    /// Entries of the last section that are there already, or left out.
    built: Mutex<BTreeSet<u64>>,
    folder: TempDir,
}

impl PostgresLoad {
    /// Claims the target, clears what an interrupted restore left, and restores the definitions that rows
    /// need.
    pub(super) async fn begin(
        endpoint: &Endpoint,
        restorers: &Installed,
        mut plan: LoadPlan,
        options: &LoadOptions,
        mut notes: Vec<String>,
    ) -> Result<Self> {
        let mut guard = endpoint.connect(LOCK_TIMEOUT_MS).await?;
        let label = endpoint.label();
        let during = |what| During {
            endpoint: &label,
            user: &endpoint.user,
            what,
            lock_seconds: LOCK_TIMEOUT_MS / 1000,
        };
        let Seen { server, tool, sorts_otherwise, .. } = look(&mut guard, endpoint, &plan, restorers).await?;
        let database: Database = facts::parse(&plan.schema, "database.json")?;
        refuse_mapping(&mut guard, options).await.map_err(|e| during("looking at the roles").map(e))??;
        let (folder, path) = scratch(options, &plan.schema).await?;
        let archive = Archive {
            tool,
            endpoint: endpoint.clone(),
            path,
            no_owner: options.no_owner,
            english: server.english(),
        };
        notes.extend(sorts_otherwise);
        let mut report = LoadReport { refused: Vec::new(), notes };
        let mut listing = archive.entries().await?;
        if !plan.whole {
            let (list, left_out) = choose(&listing, &plan, &database)?;
            listing = chosen_with_needs(&listing, &list);
            report.notes.extend(left_out);
        }
        claim(&mut guard, endpoint, &plan.snapshot, &finish::settings(&database, options)).await?;
        plan.schema.retain(|file| file.name != facts::ARCHIVE);
        let mut this = Self {
            unfilled: AtomicUsize::new(plan.tables.len()),
            endpoint: endpoint.clone(),
            plan,
            options: options.clone(),
            archive,
            database,
            guard: Mutex::new(guard),
            report: Mutex::new(report),
            server,
            unowned: Mutex::default(),
            kept: BTreeSet::new(),
            shared: HashMap::new(),
            types: ColumnTypes::default(),
            permits: Semaphore::new(options.writers.max(1)),
            idle: Mutex::default(),
            listing,
            built: Mutex::default(),
            folder,
        };
        let (restored, connected) = tokio::join!(this.restore_section("pre-data", 1), this.connect_writers());
        restored?;
        connected?;
        this.expect_tables().await?;
        withhold::loosen(&this).await?;
        let (keys, notes) = foreign_key::broken(&this).await?;
        this.report.get_mut().notes.extend(notes);
        this.built.get_mut().extend(keys);
        Ok(this)
    }

    /// Restores what is wanted of a section and not there yet.
    pub(super) async fn restore_section(&self, section: &str, jobs: usize) -> Result<()> {
        let list = subset::without(&self.listing, &*self.built.lock().await);
        self.restore_list(section, jobs, &list).await
    }

    /// Builds the indexes of a table that was just filled, by as many jobs as have no table to fill.
    async fn build_indexes(&self, table: &LoadTable) -> Result<()> {
        let oid = self.database.tables.iter().find(|known| known.name == table.name).map(|known| known.oid);
        let indexes = oid.map(|oid| subset::indexes(&self.listing, oid)).unwrap_or_default();
        if indexes.is_empty() {
            return Ok(());
        }
        let list = indexes.values().fold(String::new(), |list, line| list + line + "\n");
        self.restore_list("post-data", 1 + self.permits.available_permits(), &list).await?;
        self.built.lock().await.extend(indexes.into_keys());
        Ok(())
    }

    /// Restores the entries that `list` names, tries on their own those statements of what failed that can do without
    /// a role which is not here, and keeps the rest for the report.
    async fn restore_list(&self, section: &str, jobs: usize, list: &str) -> Result<()> {
        let file = self.list_file(list)?;
        let refusals = self.archive.restore(section, jobs, Some(file.path())).await?;
        let mut guard = self.guard.lock().await;
        for refusal in refusals {
            match roles::instead(&refusal.command, &self.options.map_roles) {
                Some(steps) => self.try_each(&mut guard, steps).await?,
                None => self.refuse(refusal.to_string(), &refusal.command).await,
            }
        }
        Ok(())
    }

    /// Runs the statements of a query that was refused, each on its own.
    async fn try_each(&self, guard: &mut PgConnection, steps: Vec<Step>) -> Result<()> {
        // Why nobody can speak for the role in whose name the statements are.
        let mut silent: Option<String> = None;
        for step in steps {
            if step.ends() {
                silent = None;
            }
            let tried =
                match &silent {
                    Some(why) => Err(why.clone()),
                    None => match sql::run(guard, &step.mapped).await {
                        Ok(()) => Ok(()),
                        Err(error) => Err(fault::words(&error)
                            .ok_or_else(|| self.map("granting what the roles had", error))?),
                    },
                };
            let Err(error) = tried else { continue };
            if step.begins() {
                silent = Some(error);
            } else {
                let refusal = Refusal { error, command: step.statement };
                self.refuse(refusal.to_string(), &step.mapped).await;
            }
        }
        Ok(())
    }

    /// Keeps a refusal for the report; `tried` is the statement.
    pub(super) async fn refuse(&self, sentence: String, tried: &str) {
        self.report.lock().await.refused.push(sentence);
        self.unowned.lock().await.extend(roles::new_owner(tried));
    }

    /// What would restore the entries that `list` names, as SQL.
    pub(super) async fn statements(&self, section: &str, list: &str) -> Result<String> {
        self.archive.statements(section, self.list_file(list)?.path()).await
    }

    fn list_file(&self, list: &str) -> Result<tempfile::NamedTempFile> {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).and_then(|mut file| {
            std::io::Write::write_all(&mut file, list.as_bytes())?;
            Ok(file)
        });
        let path = self.folder.path().display().to_string();
        file.map_err(|source| Error::Io { path, source })
    }

    /// A table that has rows to come and was not created is a failure, not a note.
    async fn expect_tables(&mut self) -> Result<()> {
        let mut guard = self.guard.lock().await;
        let found = inventory::relations(&mut guard, inventory::Sizes::Estimated)
            .await
            .map_err(|e| self.map("looking at the new tables", e))?;
        self.types = ColumnTypes::read(&mut guard)
            .await
            .map_err(|e| self.map("looking at the new tables' columns", e))?;
        drop(guard);
        let names: BTreeSet<_> = found.iter().map(|relation| &relation.name).collect();
        let missing =
            self.plan.tables.iter().find(|t| t.kind == TableKind::Table && !names.contains(&t.name));
        if let Some(missing) = missing {
            let refused = &self.report.lock().await.refused;
            let why = refused.iter().find(|why| why.contains(&missing.name.name)).or(refused.first());
            return Err(Error::Failed {
                what: format!("creating table {}", missing.name),
                reason: why
                    .cloned()
                    .unwrap_or_else(|| "pg_restore did not create it, and did not say why".into()),
            });
        }
        for relation in found {
            if let Some(above) = Ancestor::placing_anew(&relation.ancestors) {
                self.shared.insert(relation.name.clone(), above.name.clone());
            }
            if relation.condition.is_some() {
                self.kept.insert(relation.name);
            }
        }
        Ok(())
    }

    /// A connection for loading.
    pub(super) async fn take(&self) -> Result<PgConnection> {
        if let Some(connection) = self.idle.lock().await.pop() {
            return Ok(connection);
        }
        self.connect().await
    }

    /// Connects for the first tables while their definitions are restored.
    async fn connect_writers(&self) -> Result<()> {
        let writers = self.options.writers.clamp(1, self.plan.tables.len().max(1));
        let connections = (0..writers).map(|_| self.connect());
        self.idle.lock().await.extend(futures::future::try_join_all(connections).await?);
        Ok(())
    }

    async fn connect(&self) -> Result<PgConnection> {
        let mut connection = self.endpoint.connect(LOCK_TIMEOUT_MS).await?;
        // What a crash of the server would lose, the restore starts over for anyway.
        let settings = "SET synchronous_commit = off; SET maintenance_work_mem = '64MB'";
        sql::run(&mut connection, settings).await.map_err(|error| self.map("setting a session up", error))?;
        Ok(connection)
    }

    /// Gives a healthy connection back.
    pub(super) async fn give_back(&self, connection: PgConnection) {
        self.idle.lock().await.push(connection);
    }

    pub(super) fn map(&self, what: &str, error: sqlx::Error) -> Error {
        let endpoint = self.endpoint.label();
        let lock_seconds = LOCK_TIMEOUT_MS / 1000;
        During { endpoint: &endpoint, user: &self.endpoint.user, what, lock_seconds }.map(error)
    }

    /// Loads a table in one transaction, statistics included; returns its rows and bytes. Statements go
    /// together where they can: most tables are small, and each answer is waited for.
    async fn fill(
        &self,
        connection: &mut PgConnection,
        table: &LoadTable,
        rows_expected: u64,
        mut rows: RowReceiver,
    ) -> Result<(u64, usize)> {
        let (what, name) = (table.name.to_string(), sql::table(&table.name));
        let Some(first) = rows.recv().await else {
            return if rows_expected == 0 { Ok((0, 0)) } else { Err(short(&what, rows_expected, 0)) };
        };
        let into = match self.shared.get(&table.name) {
            // Other tables' rows may be there already.
            Some(above) => Into::PartitionsOf(above),
            None if self.kept.contains(&table.name) => Into::Table,
            None => Into::Emptied,
        };
        let begin = match (table.kind, into) {
            (TableKind::Table, Into::Emptied) => format!("BEGIN; TRUNCATE ONLY {name}"),
            _ => "BEGIN".into(),
        };
        sql::run(connection, &begin).await.map_err(|error| self.map(&what, error))?;
        let rows = Rows { first: Some(first), rest: rows, expected: rows_expected };
        let loaded = match table.kind {
            TableKind::LargeObjects => self.fill_large_objects(connection, &what, rows).await?,
            TableKind::Table => self.copy_in(connection, table, into, rows).await?,
        };
        let commit = match (table.kind, into) {
            // With the table above them, partitions are analysed at the end.
            (_, Into::PartitionsOf(_)) | (TableKind::LargeObjects, _) => "COMMIT".into(),
            (TableKind::Table, _) => format!("COMMIT; ANALYZE {name}"),
        };
        sql::run(connection, &commit).await.map_err(|error| self.map(&what, error))?;
        Ok(loaded)
    }

    async fn copy_in(
        &self,
        connection: &mut PgConnection,
        table: &LoadTable,
        into: Into<'_>,
        mut rows: Rows,
    ) -> Result<(u64, usize)> {
        let what = table.name.to_string();
        let copied = copy_in(connection, table, &self.types, into, &mut rows)
            .await
            .map_err(|error| self.map(&what, error))?;
        // The transaction goes with its connection.
        match copied {
            Copied { arrived, .. } if arrived != rows.expected => Err(short(&what, rows.expected, arrived)),
            Copied { loaded, .. } if loaded != rows.expected => Err(short(&what, rows.expected, loaded)),
            Copied { loaded, bytes, .. } => Ok((loaded, bytes)),
        }
    }

    async fn fill_large_objects(
        &self,
        connection: &mut PgConnection,
        what: &str,
        mut rows: Rows,
    ) -> Result<(u64, usize)> {
        let mut writer = large_objects::Writer::default();
        let (mut arrived, mut bytes) = (0, 0);
        while let Some(batch) = rows.next().await {
            arrived += batch.rows() as u64;
            bytes += batch.bytes.len();
            writer.write(connection, &batch).await?.map_err(|error| self.map(what, error))?;
        }
        writer.flush(connection).await.map_err(|error| self.map(what, error))?;
        if arrived == rows.expected { Ok((arrived, bytes)) } else { Err(short(what, rows.expected, arrived)) }
    }
}

#[async_trait]
impl Load for PostgresLoad {
    async fn load(&self, table: &LoadTable, rows_expected: u64, rows: RowReceiver) -> Result<u64> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Cancelled)?;
        // A connection that failed is dropped, and its transaction with it.
        let mut connection = self.take().await?;
        let (loaded, bytes) = self.fill(&mut connection, table, rows_expected, rows).await?;
        self.give_back(connection).await;
        let is_last = self.unfilled.fetch_sub(1, Ordering::Relaxed) == 1;
        // Rows of other partitions may still come into one that shares them.
        if bytes >= INDEX_EARLY_BYTES && !is_last && !self.shared.contains_key(&table.name) {
            self.build_indexes(table).await?;
        }
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

/// The rows of a table on their way in.
pub(super) struct Rows {
    first: Option<RowBatch>,
    rest: RowReceiver,
    expected: u64,
}

impl Rows {
    pub(super) async fn next(&mut self) -> Option<RowBatch> {
        match self.first.take() {
            None => self.rest.recv().await,
            first => first,
        }
    }

    /// Puts the batch that `next` gave back in its place.
    pub(super) fn put_back(&mut self, batch: RowBatch) {
        self.first = Some(batch);
    }
}

fn short(what: &str, expected: u64, arrived: u64) -> Error {
    Error::Damaged {
        what: what.to_owned(),
        reason: format!("{expected} rows were expected and {arrived} arrived"),
    }
}

/// Takes the database for this restore, emptied of what an earlier try left in it.
async fn claim(
    guard: &mut PgConnection,
    endpoint: &Endpoint,
    snapshot: &str,
    settings: &[Setting],
) -> Result<()> {
    let label = endpoint.label();
    let during = During {
        endpoint: &label,
        user: &endpoint.user,
        what: "claiming the target",
        lock_seconds: LOCK_TIMEOUT_MS / 1000,
    };
    let target = || format!("{label}/{}", endpoint.database);
    if !empty::hold(guard).await.map_err(|error| during.map(error))? {
        return Err(Error::Refused { target: target(), found: "another restore is under way".into() });
    }
    // Looked at again under the claim: somebody may have come first since `inspect`.
    match empty::content(guard, snapshot).await.map_err(|error| during.map(error))? {
        empty::Content::Nothing => empty::mark(guard, snapshot).await.map_err(|error| during.map(error)),
        empty::Content::Else(found) => Err(Error::Refused { target: target(), found }),
        empty::Content::Ours => {
            refuse_leftovers(guard, during).await?;
            match empty::clear(guard, &endpoint.database, settings)
                .await
                .map_err(|error| during.map(error))?
            {
                None => Ok(()),
                Some(left) => Err(Error::Failed {
                    what: format!("clearing what an interrupted restore left in {}", target()),
                    reason: format!("{left} would not go: drop the database and create it anew"),
                }),
            }
        }
    }
}

/// Ends what an interrupted restore left running, and goes no further while it runs.
pub(super) async fn refuse_leftovers(guard: &mut PgConnection, during: During<'_>) -> Result<()> {
    match empty::end_leftovers(guard).await.map_err(|error| during.map(error))? {
        0 => Ok(()),
        left => Err(Error::Failed {
            what: format!("ending {left} sessions of an interrupted restore"),
            reason: "they are still there: see pg_stat_activity for those whose application_name is lifeboat"
                .into(),
        }),
    }
}

/// A role can stand in for one that is not here. One that is here would be used as it is by pg_restore.
async fn refuse_mapping(guard: &mut PgConnection, options: &LoadOptions) -> Result<Result<()>, sqlx::Error> {
    let here = sql::rows(guard, "SELECT rolname::text FROM pg_catalog.pg_roles").await?;
    let here: BTreeSet<_> = here.iter().map(|row| row.text(0)).collect();
    for (old, new) in &options.map_roles {
        if !here.contains(new) {
            return Ok(Err(Error::NotFound { what: format!("role {new}, which {old} is mapped to,") }));
        }
        if here.contains(old) {
            return Ok(Err(Error::Unsupported {
                what: format!("mapping role {old} to {new}"),
                reason: format!("{old} exists on the target's server and would keep what is its own"),
            }));
        }
    }
    Ok(Ok(()))
}

async fn scratch(options: &LoadOptions, schema: &[SchemaFile]) -> Result<(TempDir, std::path::PathBuf)> {
    let io = |source| Error::Io { path: options.scratch.display().to_string(), source };
    let folder =
        tempfile::Builder::new().prefix("lifeboat-restore-").tempdir_in(&options.scratch).map_err(io)?;
    let path = folder.path().join(facts::ARCHIVE);
    tokio::fs::write(&path, facts::bytes(schema, facts::ARCHIVE)?).await.map_err(io)?;
    Ok((folder, path))
}

/// Narrows the archive to the plan's tables, to the partitions that their rows may belong to here, and to the
/// partitioned tables above them; returns the list and what had to be left out.
fn choose(listing: &str, plan: &LoadPlan, database: &Database) -> Result<(String, Vec<String>)> {
    let oid =
        |name: &TableName| database.tables.iter().find(|table| table.name == *name).map(|table| table.oid);
    let chosen = plan.tables.iter().filter(|table| table.kind == TableKind::Table);
    let mut chosen: BTreeSet<_> = chosen.map(|table| &table.name).collect();
    let placing_anew = database.partitioned.iter().filter(|parent| parent.placed_anew);
    for leaves in placing_anew.map(|parent| database.leaves(parent)) {
        if leaves.iter().any(|leaf| chosen.contains(leaf)) {
            chosen.extend(leaves);
        }
    }
    let parents = database
        .partitioned
        .iter()
        .filter(|parent| database.leaves(parent).iter().any(|leaf| chosen.contains(leaf)));
    let oids = chosen
        .iter()
        .copied()
        .chain(parents.map(|parent| &parent.name))
        .map(|name| oid(name).ok_or_else(|| Error::NotFound { what: format!("table {name}") }))
        .collect::<Result<BTreeSet<_>>>()?;
    Ok(subset::choose(listing, &oids))
}

/// The listing's lines that `list` names, with the lines on what each depends on.
fn chosen_with_needs(listing: &str, list: &str) -> String {
    let chosen: BTreeSet<_> = list.lines().collect();
    let mut keep = false;
    let lines = listing.lines().filter(|line| {
        keep = if line.starts_with(';') { keep } else { chosen.contains(line) };
        keep
    });
    lines.fold(String::new(), |kept, line| kept + line + "\n")
}
