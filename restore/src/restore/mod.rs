//! One snapshot into one empty target: planned, loaded, completed, read back and compared.
//!
//! [`Plan`] says what will be done and can be printed; [`load`] carries it out; [`compare`] reads every
//! restored table back from the target and holds it against the manifest: the target is believed only
//! then. What was left out stands in the [`Summary`] and in the exit code; what is kept back because of its
//! grade is decided by [`Showing`].

mod choose;
mod compare;
mod load;
mod mask;
mod plan;
mod prove;
mod select;
mod summary;
mod withhold;

pub use choose::Chosen;
use choose::choose;
pub use compare::compare;
pub use load::{Ahead, load};
pub use plan::{Plan, require_keys};
pub use prove::prove;
pub use select::{outline, schema, select};
pub use summary::Summary;
pub use withhold::{Showing, Withheld, by_reason as for_words, keep_together};
