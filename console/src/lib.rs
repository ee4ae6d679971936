//! How Lifeboat's two programs speak to an operator.
//!
//! Results go to stdout; progress, notes, warnings and errors to stderr; with `--json`, everything a
//! program should read goes to stdout too, one JSON object a line, the last of them a summary or an
//! error. Whatever comes from a database or a path is escaped before a terminal sees it.
//!
//! This crate knows none of Lifeboat's others. A program turns their errors into a [`CommandError`] by
//! `?` and tells them apart in one function that it gives to [`CommandError::classify`].

mod arenas;
mod args;
mod error;
mod escape;
mod interrupt;
mod logging;
mod numbers;
mod output;
mod progress;
mod table;
mod two_people;

pub use arenas::bound_arenas;
pub use args::{LogFormat, OutputArgs};
pub use error::{CommandError, Explanation, Kind, ResultExt, chain};
pub use escape::escape;
pub use interrupt::Interrupt;
pub use logging::init_logging;
pub use numbers::{count, counted, human_bytes, human_duration, human_rows};
pub use output::{print, print_json};
pub use progress::{Progress, TableProgress};
pub use table::{Align, Table};
pub use two_people::{breaks_glass, decides_alone, undecided, unrecorded};
