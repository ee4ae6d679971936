//! What Lifeboat's end-to-end tests stand on: real servers that a test starts and loses with itself,
//! the two built programs, and a CRM worth backing up.
//!
//! A harness that cannot do its work panics and says what to install or to run: a test that skips
//! itself proves nothing. `tests/run` installs everything that is named here.

mod clock;
mod programs;
pub mod sample_crm;
mod servers;

pub use clock::Clock;
pub use programs::{Finished, agent, finish, program, restore, run};
pub use servers::{
    AzureServer, Gate, GcsServer, LockingS3, MachineRole, MariadbOptions, MariadbServer, PostgresOptions,
    PostgresServer, S3Server, vendor_schemas,
};
