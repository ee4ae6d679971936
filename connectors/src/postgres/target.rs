//! The target: a URL that a snapshot can be restored to.

use async_trait::async_trait;
use sqlx::PgConnection;
use url::Url;

use super::connect::Endpoint;
use super::empty::{self, Content};
use super::facts::{self, Database};
use super::fault::During;
use super::load::{PostgresLoad, refuse_leftovers};
use super::locale::Locale;
use super::snapshot::{ServerFacts, server_facts};
use super::tools::{Installed, Tool};
use super::{PostgresSource, sql};
use crate::{
    Error, Load, LoadOptions, LoadPlan, OtherText, Outline, Result, SchemaFile, Source, TableGroup, Target,
};

/// How long a restore waits for a lock in a database that should be its own.
pub(super) const LOCK_TIMEOUT_MS: u64 = 60_000;

/// A PostgreSQL database that a snapshot can be restored to.
#[derive(Debug, Clone)]
pub struct PostgresTarget {
    endpoint: Endpoint,
    restorers: Installed,
}

impl PostgresTarget {
    /// Parses the URL; connects to nothing yet. Parameters and errors are those of [`PostgresSource::open`].
    pub fn open(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Self> {
        let endpoint = Endpoint::parse(url, password, allow_plaintext)?;
        Ok(Self { endpoint, restorers: Installed::new("pg_restore") })
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn inspect(&self, plan: &LoadPlan) -> Result<Vec<String>> {
        refuse_other_system(plan)?;
        let (connected, _) = tokio::join!(self.endpoint.connect(LOCK_TIMEOUT_MS), self.restorers.ask());
        match connected {
            Ok(mut connection) => {
                let seen = look(&mut connection, &self.endpoint, plan, &self.restorers).await?;
                Ok(seen.notes.into_iter().chain(seen.sorts_otherwise).collect())
            }
            Err(Error::NotFound { .. }) => {
                drop(maintenance(&self.endpoint).await?);
                Ok(vec![format!("database {} does not exist: --into-new creates it", self.endpoint.database)])
            }
            Err(error) => Err(error),
        }
    }

    fn outline(&self, schema: &[SchemaFile]) -> Result<Outline> {
        let database: Database = facts::parse(schema, "database.json")?;
        let groups = database.partitioned.iter().map(|parent| TableGroup {
            name: parent.name.clone(),
            tables: database.leaves(parent).into_iter().cloned().collect(),
            placed_by: parent.placed_by.clone(),
        });
        let other_text = match database.encoding.as_str() {
            "UTF8" => OtherText::default(),
            // What is not known of bytes, or cannot be written in a smaller character set.
            _ => OtherText::All,
        };
        Ok(Outline { groups: groups.collect(), other_text, bound: Vec::new() })
    }

    async fn begin(&self, plan: LoadPlan, options: &LoadOptions) -> Result<Box<dyn Load>> {
        refuse_other_system(&plan)?;
        let notes = if options.into_new {
            self.inspect(&plan).await?;
            create(&self.endpoint, &plan).await?
        } else {
            Vec::new()
        };
        Ok(Box::new(PostgresLoad::begin(&self.endpoint, &self.restorers, plan, options, notes).await?))
    }

    fn as_source(&self) -> Box<dyn Source> {
        Box::new(PostgresSource::of(self.endpoint.clone()))
    }
}

fn refuse_other_system(plan: &LoadPlan) -> Result<()> {
    if plan.point.system == "postgres" {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: format!("restoring a snapshot of {} into PostgreSQL", plan.point.system),
        reason: "a snapshot goes back into the system it came from".into(),
    })
}

/// What is known of a target that the plan can be carried out on.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) server: ServerFacts,
    /// The pg_restore that fits.
    pub(super) tool: Tool,
    /// What is worth knowing before the restore.
    pub(super) notes: Vec<String>,
    /// What is worth knowing after it too, where text sorts otherwise than at the source.
    pub(super) sorts_otherwise: Option<String>,
}

/// Refuses a server or a database that the plan cannot be carried out on.
pub(super) async fn look(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    plan: &LoadPlan,
    restorers: &Installed,
) -> Result<Seen> {
    let label = endpoint.label();
    let during = During {
        endpoint: &label,
        user: &endpoint.user,
        what: "looking at the target",
        lock_seconds: LOCK_TIMEOUT_MS / 1000,
    };
    let server = server_facts(connection).await.map_err(|error| during.map(error))?;
    if !super::MAJORS.contains(&server.major()) {
        return Err(Error::Unsupported {
            what: format!("PostgreSQL {}", server.version),
            reason: format!("{} to {} are supported", super::MAJORS.start(), super::MAJORS.end()),
        });
    }
    if server.standby {
        return Err(Error::Unsupported {
            what: "a standby as target".into(),
            reason: "it cannot be written to".into(),
        });
    }
    let mut notes = Vec::new();
    match empty::content(connection, &plan.snapshot).await.map_err(|error| during.map(error))? {
        Content::Nothing => {}
        Content::Ours => notes.push("found an interrupted restore of this snapshot: starting it over".into()),
        Content::Else(found) => {
            return Err(Error::Refused {
                target: format!("{}/{}", endpoint.label(), endpoint.database),
                found,
            });
        }
    }
    let database: Database = facts::parse(&plan.schema, "database.json")?;
    let tool = restorers.fitting(server.major().max(database.archive_major)).await?;
    let source_major =
        plan.point.server_version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if server.major() < source_major {
        notes.push(format!(
            "the target's PostgreSQL {} is older than the source's {}: it may refuse some definitions",
            server.version, plan.point.server_version
        ));
    }
    let here = Locale::here(connection, server.major()).await.map_err(|error| during.map(error))?;
    let there = Locale::of(&database);
    there.refuse_other_encoding(&here)?;
    Ok(Seen { server, tool, notes, sorts_otherwise: there.difference(&here) })
}

/// Connects to a database that every server has.
async fn maintenance(endpoint: &Endpoint) -> Result<PgConnection> {
    match endpoint.with_database("postgres").connect(LOCK_TIMEOUT_MS).await {
        Err(Error::NotFound { .. }) => endpoint.with_database("template1").connect(LOCK_TIMEOUT_MS).await,
        other => other,
    }
}

/// Creates the database as the source had it. One that is there and empty is used: a restore that was
/// interrupted before its first step may have left it. One that an interrupted restore of the same snapshot left
/// behind is dropped first; any other is refused.
async fn create(endpoint: &Endpoint, plan: &LoadPlan) -> Result<Vec<String>> {
    let label = endpoint.label();
    let during = During {
        endpoint: &label,
        user: &endpoint.user,
        what: "creating the database",
        lock_seconds: LOCK_TIMEOUT_MS / 1000,
    };
    let name = sql::ident(&endpoint.database);
    let leftover = match endpoint.connect(LOCK_TIMEOUT_MS).await {
        Ok(mut connection) => {
            let content =
                empty::content(&mut connection, &plan.snapshot).await.map_err(|error| during.map(error))?;
            if matches!(content, Content::Nothing) {
                return Ok(vec![format!(
                    "database {} is there already, and empty: it is used",
                    endpoint.database
                )]);
            }
            if !matches!(content, Content::Ours)
                || !empty::hold(&mut connection).await.map_err(|e| during.map(e))?
            {
                let found = "the database exists already, and --into-new is to create it".into();
                return Err(Error::Refused { target: format!("{label}/{}", endpoint.database), found });
            }
            refuse_leftovers(&mut connection, during).await?;
            // A database that subscribes to something cannot be dropped.
            empty::drop_subscriptions(&mut connection).await.map_err(|error| during.map(error))?;
            true
        }
        Err(Error::NotFound { .. }) => false,
        Err(error) => return Err(error),
    };
    let mut connection = maintenance(endpoint).await?;
    if leftover {
        sql::run(&mut connection, &format!("DROP DATABASE {name}"))
            .await
            .map_err(|error| during.map(error))?;
    }
    let database: Database = facts::parse(&plan.schema, "database.json")?;
    let server = server_facts(&mut connection).await.map_err(|error| during.map(error))?;
    let locale = Locale::of(&database);
    let create = |locale: &Locale| {
        let encoding = sql::literal(&locale.encoding);
        format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding}{}",
            locale.options(server.major())
        )
    };
    if let Err(error) = sql::run(&mut connection, &create(&locale)).await {
        if !matches!(
            super::fault::code(&error).as_deref(),
            Some("42809" | "22023" | "0A000" | "42602" | "42601")
        ) {
            return Err(during.map(error));
        }
        // Its locale is not known here: that text sorts otherwise then is told when the target is looked at.
        sql::run(&mut connection, &create(&locale.plain())).await.map_err(|error| during.map(error))?;
    }
    Ok(Vec::new())
}
