//! Reading from and loading into a Sqlite database.
