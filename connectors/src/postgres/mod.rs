//! PostgreSQL 13–18.
//!
//! A capture takes its locks *before* it exports a snapshot, so that nothing can truncate or rewrite
//! a table between the two; rows come by `COPY … TO STDOUT` over several connections on that one
//! snapshot, and the schema from a `pg_dump` that fits the server. A load goes back the same way:
//! `pg_restore` for definitions, `COPY … FROM STDIN` for rows, never SQL text through psql.

mod archive_time;
mod binary;
mod capture;
mod check;
mod connect;
mod copy_in;
mod empty;
mod facts;
mod fault;
mod finish;
mod foreign_key;
mod inventory;
mod large_objects;
mod load;
mod locale;
mod read;
mod restore_schema;
mod roles;
mod schema;
mod setting;
mod snapshot;
mod source;
mod sql;
mod subset;
mod target;
mod tools;
mod withhold;

pub use source::PostgresSource;
pub use target::PostgresTarget;

/// The oldest and newest major versions of a server that are supported.
const MAJORS: std::ops::RangeInclusive<u32> = 13..=18;
