//! Connectors take a consistent snapshot out of a database as schema and tables of rows, and load
//! one into an empty target.
//!
//! One folder per system (`mysql/`, `postgres/`, `sqlite/`), all under the same four small traits:
//! [`Source`] is a database that can be captured, [`Capture`] is one consistent point of it held
//! open, [`Target`] is a place to restore to, [`Load`] is one restore under way. Rows cross the
//! boundary as [`RowBatch`]es of tab-separated lines, so nothing here knows of chunks, packs or keys,
//! and nothing outside knows SQL.

mod capture;
mod error;
mod load;
pub mod mysql;
mod open;
pub mod postgres;
mod rows;
mod socket;
pub mod sqlite;
mod table;
mod tie;

pub use capture::{Capture, CaptureOptions, Checked, Finding, PointInTime, SchemaFile, Severity, Source};
pub use error::{Error, Result};
pub use load::{
    Bound, Load, LoadOptions, LoadPlan, LoadReport, LoadTable, MaskedColumn, OtherText, Outline, TableGroup,
    Target, Withheld,
};
pub use open::{open_source, open_target};
use rows::Outgoing;
pub use rows::{ROW_BATCH_BYTES, RowBatch, RowReceiver, RowSender, row_channel};
pub use table::{Ancestor, Column, Slice, Table, TableKind, TableName};
