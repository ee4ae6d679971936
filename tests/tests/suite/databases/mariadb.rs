//! MariaDB over TLS, and MySQL where its programs are pointed to: the same promises as on PostgreSQL.

mod changing;
mod connection;
mod objects;
mod odd;
mod privileges;
mod story;
mod support;
mod types;
