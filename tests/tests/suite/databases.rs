//! Real databases through the two real programs: backed up, lost, restored and compared, and every bad
//! input that must end in a clear error and lose nothing.

mod changing;
mod connection;
mod large;
mod many_tables;
pub mod mariadb;
mod model;
mod objects;
mod odd;
mod postgres;
mod postgres_objects;
mod postgres_partitions;
mod postgres_regression;
mod postgres_roles;
mod privileges;
mod sqlite;
pub mod support;
mod vault;
mod vendors;
