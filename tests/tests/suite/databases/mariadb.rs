//! MariaDB over TLS, and MySQL where its programs are pointed to: the same promises as on PostgreSQL.

mod accounts;
mod changing;
mod connection;
mod objects;
mod odd;
mod privileges;
mod renamed;
mod story;
mod support;
mod types;
