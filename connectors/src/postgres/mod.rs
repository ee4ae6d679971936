//! Reading from and loading into a Postgres database.
