//! MySQL 8.4 and 9, MariaDB 10.6 to 11.8.
//!
//! A capture opens several snapshots in one instant in which nothing commits, and reads tables by ranges of
//! their primary key; definitions are what `SHOW CREATE` prints. A load makes the tables, fills them by
//! `LOAD DATA LOCAL`, and then builds what is quicker or only right after the rows. Everything is asked over
//! one small client of our own, see [`wire`]; no program of the server's is needed on either machine.
//!
//! # Lines
//! A field is the value's text as the server prints it, in UTC and without any conversion of character
//! sets, and escaped as `LOAD DATA` reads it; see [`line`]. FLOAT and DOUBLE print as DOUBLE, exactly; BIT,
//! BINARY, BLOB and GEOMETRY are their bytes. A system-versioned table has its history among its rows.

mod accounts;
mod capture;
mod check;
mod column;
mod connect;
mod definition;
mod empty;
mod facts;
mod fault;
mod fill;
mod finish;
mod grants;
mod insert;
mod inventory;
mod json;
mod line;
mod load;
mod pinger;
mod programs;
mod read;
mod rename;
mod roles;
mod scan;
mod schema;
mod server;
mod slices;
mod snapshot;
mod source;
mod sql;
mod target;
mod wire;

pub use source::MysqlSource;
pub use target::MysqlTarget;
