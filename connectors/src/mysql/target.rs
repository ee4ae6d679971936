//! The target: a URL that a snapshot can be restored to.

use async_trait::async_trait;
use url::Url;

use super::MysqlSource;
use super::connect::Endpoint;
use super::definition::Definition;
use super::empty::{self, Content};
use super::facts::{Schema, TableDefinition};
use super::load::MysqlLoad;
use super::scan;
use super::server::Server;
use super::sql::ident;
use super::wire::Wire;
use crate::{
    Error, Load, LoadOptions, LoadPlan, OtherText, Outline, Result, SchemaFile, Source, TableName, Target,
};

/// How long a restore waits for a lock in a database that should be its own.
pub(super) const LOCK_TIMEOUT_MS: u64 = 60_000;

/// A MySQL or MariaDB database that a snapshot can be restored to.
#[derive(Debug, Clone)]
pub struct MysqlTarget {
    endpoint: Endpoint,
}

impl MysqlTarget {
    /// Parses the URL; connects to nothing yet. Parameters and errors are those of [`MysqlSource::open`].
    pub fn open(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::parse(url, password, allow_plaintext)? })
    }
}

#[async_trait]
impl Target for MysqlTarget {
    async fn inspect(&self, plan: &LoadPlan) -> Result<Vec<String>> {
        if plan.point.system != "mysql" {
            return Err(Error::Unsupported {
                what: format!("restoring a snapshot of {} into MySQL or MariaDB", plan.point.system),
                reason: "a snapshot goes back into the system it came from".into(),
            });
        }
        match self.endpoint.connect(LOCK_TIMEOUT_MS).await {
            Ok((mut wire, server)) => look(&mut wire, &server, &self.endpoint, plan).await,
            Err(Error::NotFound { what }) if what.starts_with("database ") => {
                let (_, server) = self.endpoint.connect_to_server(LOCK_TIMEOUT_MS).await?;
                let mut notes = fits(&server, plan)?;
                notes.push(format!(
                    "database {} does not exist: --into-new creates it",
                    self.endpoint.database
                ));
                Ok(notes)
            }
            Err(error) => Err(error),
        }
    }

    fn outline(&self, schema: &[SchemaFile]) -> Result<Outline> {
        let tables = Schema::parse(schema)?.tables;
        let foreign = |table: TableDefinition| {
            let definition = Definition::parse(&scan::as_utf8(&table.create.bytes()));
            let columns = definition.map(|definition| definition.not_utf8()).unwrap_or_default();
            let name = TableName { schema: None, name: table.name };
            columns.into_iter().map(move |column| (name.clone(), column))
        };
        let other_text = OtherText::Of(tables.into_iter().flat_map(foreign).collect());
        Ok(Outline { other_text, ..Outline::default() })
    }

    async fn begin(&self, plan: LoadPlan, options: &LoadOptions) -> Result<Box<dyn Load>> {
        self.inspect(&plan).await?;
        let notes = if options.into_new { create(&self.endpoint, &plan).await? } else { Vec::new() };
        Ok(Box::new(MysqlLoad::begin(&self.endpoint, plan, options, notes).await?))
    }

    fn as_source(&self) -> Box<dyn Source> {
        Box::new(MysqlSource::of(self.endpoint.clone()))
    }
}

async fn look(wire: &mut Wire, server: &Server, endpoint: &Endpoint, plan: &LoadPlan) -> Result<Vec<String>> {
    let mut notes = fits(server, plan)?;
    let during = endpoint.during("looking at the target", LOCK_TIMEOUT_MS);
    let content =
        empty::content(wire, &endpoint.database, &plan.snapshot).await.map_err(|e| during.map(e))?;
    match content {
        Content::Nothing => {}
        Content::Ours => notes.push("found an interrupted restore of this snapshot: starting it over".into()),
        Content::Else(found) => return Err(refused(endpoint, found)),
    }
    Ok(notes)
}

/// Whether the server can take the snapshot's statements.
fn fits(server: &Server, plan: &LoadPlan) -> Result<Vec<String>> {
    let schema = Schema::parse(&plan.schema)?;
    let source = Server::of(plan.point.server_version.clone(), true);
    if source.family != server.family {
        return Err(Error::Unsupported {
            what: format!("restoring a snapshot of {} into {}", source.name(), server.name()),
            reason: "their definitions are not each other's".into(),
        });
    }
    let wanted = |name: &str| plan.tables.iter().any(|table| table.name.name == name);
    let versioned = schema.tables.iter().find(|table| table.versioned && wanted(&table.name));
    // From 11.5 on a row that is true for ever says so by another date.
    let era = |server: &Server| server.number >= (11, 5);
    if let Some(table) = versioned.filter(|_| server.number < (10, 11) || era(server) != era(&source)) {
        return Err(Error::Unsupported {
            what: format!(
                "table {} with its history on MariaDB {}",
                table.name.escape_debug(),
                server.version
            ),
            reason: format!(
                "history from {} goes back into 10.11 to 11.4, or from 11.5 on into 11.5 and newer",
                source.version
            ),
        });
    }
    Ok(match server.number < source.number {
        true => vec![format!(
            "the target's {} {} is older than the source's {}: it may refuse some definitions",
            server.name(),
            server.version,
            plan.point.server_version
        )],
        false => Vec::new(),
    })
}

pub(super) fn refused(endpoint: &Endpoint, found: String) -> Error {
    Error::Refused { target: format!("{}/{}", endpoint.label(), endpoint.database), found }
}

/// Creates the database as the source had it. One that is there and empty is used: a restore that was
/// interrupted before its first step may have left it. So is one that an interrupted restore of the same
/// snapshot left, which is cleared; any other is refused.
async fn create(endpoint: &Endpoint, plan: &LoadPlan) -> Result<Vec<String>> {
    let during = endpoint.during("creating the database", LOCK_TIMEOUT_MS);
    match endpoint.connect(LOCK_TIMEOUT_MS).await {
        Ok((mut wire, _)) => {
            let content = empty::content(&mut wire, &endpoint.database, &plan.snapshot).await;
            return match content.map_err(|error| during.map(error))? {
                Content::Nothing => Ok(vec![format!(
                    "database {} is there already, and empty: it is used",
                    endpoint.database
                )]),
                Content::Ours => Ok(Vec::new()),
                Content::Else(found) => Err(refused(endpoint, found)),
            };
        }
        Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let schema = Schema::parse(&plan.schema)?;
    let (mut wire, _) = endpoint.connect_to_server(LOCK_TIMEOUT_MS).await?;
    let name = ident(&endpoint.database);
    let create =
        format!("CREATE DATABASE {name} CHARACTER SET {} COLLATE {}", schema.charset, schema.collation);
    let Err(error) = wire.run(&create).await else { return Ok(Vec::new()) };
    // 1115 and 1273: an unknown character set or collation.
    if !matches!(error.code(), Some(1115 | 1273)) {
        return Err(during.map(error));
    }
    wire.run(&format!("CREATE DATABASE {name}")).await.map_err(|error| during.map(error))?;
    Ok(vec![format!("collation {} is not known here: the database has the server's own", schema.collation)])
}
