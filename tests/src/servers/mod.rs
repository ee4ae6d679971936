//! Real servers on loopback, each in a temporary folder of its own, each gone when its value is
//! dropped or the test process dies, however it dies.

mod account;
mod azure;
mod certificates;
mod gate;
mod gcs;
mod keeper;
mod machine;
mod mariadb;
mod port;
mod postgres;
mod postgres_suite;
mod s3;
mod s3_locking;
mod tools;

pub use azure::AzureServer;
pub use gate::Gate;
pub use gcs::GcsServer;
pub use machine::MachineRole;
pub use mariadb::{MariadbOptions, MariadbServer};
pub use postgres::{PostgresOptions, PostgresServer};
pub use s3::S3Server;
pub use s3_locking::LockingS3;
pub use tools::vendor_schemas;
