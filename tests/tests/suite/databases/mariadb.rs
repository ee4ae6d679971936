//! MariaDB over TLS, and MySQL where its programs are pointed to: the same promises as on PostgreSQL.

mod accounts;
mod changing;
mod connection;
mod objects;
mod odd;
mod only_mariadb;
mod only_mariadb_11_8;
mod only_mariadb_regression;
mod only_mysql;
mod privileges;
mod renamed;
mod story;
pub mod support;
mod types;
