//! SQLite databases, backed up and restored, as the sqlite3 program sees them before and after.

#[path = "sqlite/capture.rs"]
mod capture;
#[path = "sqlite/indexes_of_text.rs"]
mod indexes_of_text;
#[path = "sqlite/of_applications.rs"]
mod of_applications;
#[path = "sqlite/refusals.rs"]
mod refusals;
#[path = "sqlite/round_trips.rs"]
mod round_trips;
#[path = "sqlite/support.rs"]
mod support;
