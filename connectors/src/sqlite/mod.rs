//! SQLite 3, exact to storage class and rowid.
//!
//! A capture holds one read transaction per reader, all on the same commit, and never checkpoints the
//! application's database. A load builds `<path>.lifeboat-partial` and gives it its name only when it
//! is complete and checked, so that an interrupted restore leaves nothing that looks like a database.
//! Large tables are cut into ranges of rowids (`catalog.rs`), which several readers read at once.
//!
//! # Lines
//! A field is `\N` for NULL, else one letter for the storage class and then the value:
//!
//! | field | storage class | value |
//! | --- | --- | --- |
//! | `i42` | INTEGER | decimal |
//! | `r0.1` | REAL | the shortest decimal that reads back as the same double; `rinf`, `r-inf`, `r-0.0` |
//! | `tHello` | TEXT | its bytes, escaped; UTF-8 unless the database holds something else |
//! | `bÿØ…` | BLOB | its bytes, escaped |
//! | `w…` | TEXT | UTF-16 bytes in the database's byte order, escaped: only where they are no valid UTF-16 |
//!
//! Escapes are COPY's: `\\`, `\t`, `\n`, `\r`, `\b`, `\f`, `\v`. A rowid table whose rowid has no
//! column of its own has it as first field, under whichever of `rowid`, `_rowid_` and `oid` is free.
//!
//! # What is restored how
//! Tables (shadow tables of virtual tables among them) are created and filled as ordinary tables.
//! Views, triggers and virtual tables are then written into `sqlite_schema` as they were, which is
//! how `.dump` does it: no module or tokenizer of the application is needed, and an index such as
//! FTS5's comes back bit for bit instead of being computed anew. When rows beneath one are withheld, it
//! is made anew from the table whose text it indexes, or left out with the triggers that write to it.
//! A table whose definition asks for what only the application has gets it in the same way (`lacking.rs`).
//!
//! # Rollback-journal databases
//! Outside WAL mode a reader holds up its writers' commits for as long as it reads. Such a database
//! is captured all the same; `check` warns, and the snapshot's `method` says so.

mod capture;
mod catalog;
mod check;
mod connection;
mod field;
mod finish;
mod foreign_key;
mod insert;
mod lacking;
mod load;
mod nullable;
mod place;
mod schema;
mod source;
mod target;
mod tokens;

pub use source::SqliteSource;
pub use target::SqliteTarget;
