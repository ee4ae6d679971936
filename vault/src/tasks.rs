//! Tasks and threads of the runtime, waited for.

use tokio::task::JoinError;

use crate::{Error, Result};

/// What a task came to: its panic goes on here, and one that the runtime's end cut off is `Cancelled`.
pub(crate) fn joined<T>(ended: Result<T, JoinError>) -> Result<T> {
    ended.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::Cancelled,
    })
}
