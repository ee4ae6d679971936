//! Lifeboat's configuration: one TOML file, read once, refused early.
//!
//! [`Config::load`] turns a file into types that need no further checks, or into a [`ConfigError`]
//! that says file, line, column, what is wrong and what was probably meant. A key that nobody reads is
//! an error, not a comment: an option that does nothing would be found out during a restore.
//!
//! Secrets are never part of the configuration's own text: a [`SecretRef`] says where one is kept and
//! reads it when it is needed, and nothing here prints one.

mod agent;
mod bandwidth;
mod config;
mod error;
mod fleet;
mod grading;
mod host;
mod notify;
mod policy;
mod position;
mod read;
mod schedule;
mod schema;
mod secret;
mod section;
mod suppress;
mod values;
mod warnings;

pub use agent::{Agent, Maintenance, Zone};
pub use bandwidth::Bandwidth;
pub use config::{Config, Copy, Grade, Keep, Lock, LockMode, Person, Source, Vault};
pub use error::ConfigError;
pub use fleet::{Branch, Fleet};
pub use grading::{Grading, Pattern};
pub use notify::{Channel, Format, Language, Notify, Severity, TimeOfDay};
pub use policy::{Policies, Policy};
pub use schedule::{Schedule, Slot};
pub use secret::{Secret, SecretError, SecretRef};
pub use suppress::Suppression;
pub use values::{LABEL, is_label};
