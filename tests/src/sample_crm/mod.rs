//! A believable CRM of any size: accounts, contacts, opportunities, activities, an audit log, in
//! Chinese and a dozen other languages, with the personal data that makes backups a matter of law.
//!
//! All of it follows from a seed, so two runs make the same company; its text is as compressible as a
//! real one's (zstd leaves about 30 %). [`mysql`], [`postgres`] and [`sqlite`] put it into a database and
//! let working days pass there.

mod calendar;
mod day;
mod dice;
pub mod mysql;
mod people;
pub mod postgres;
mod row;
pub mod sqlite;
mod table;
#[rustfmt::skip] // lists to read across
mod words;

pub use day::DayStats;
