//! Talking SQL: quoting, and statements over the simple protocol, whose values all arrive as text.
//!
//! The simple protocol is chosen on purpose: it prepares nothing, so a `LOCK TABLE` takes no snapshot,
//! and no statement is kept on the server.

use sqlx::{AssertSqlSafe, PgConnection, Row as _, ValueRef as _};

use crate::TableName;

/// Quotes an identifier.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Quotes a table's name, with its schema.
pub(super) fn table(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", ident(schema), ident(&name.name)),
        None => ident(&name.name),
    }
}

/// One row of an answer, every value as the server prints it.
#[derive(Debug)]
pub(super) struct Row(Vec<Option<String>>);

impl Row {
    /// The value at `index`, NULL being the empty string.
    pub(super) fn text(&self, index: usize) -> String {
        self.0.get(index).cloned().flatten().unwrap_or_default()
    }

    /// The value at `index`, or nothing for NULL.
    pub(super) fn some(&self, index: usize) -> Option<String> {
        self.0.get(index).cloned().flatten()
    }

    /// The number at `index`; what is negative or no number counts as zero.
    pub(super) fn number(&self, index: usize) -> u64 {
        let text = self.text(index);
        text.parse().or_else(|_| text.parse::<f64>().map(|number| number.max(0.0) as u64)).unwrap_or(0)
    }

    /// The truth at `index`.
    pub(super) fn flag(&self, index: usize) -> bool {
        self.text(index) == "t"
    }
}

/// Runs statements for their effect.
pub(super) async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Runs a query and returns all of its rows.
pub(super) async fn rows(connection: &mut PgConnection, sql: &str) -> Result<Vec<Row>, sqlx::Error> {
    let answer = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
    answer
        .iter()
        .map(|row| {
            let values = (0..row.len()).map(|index| {
                let value = row.try_get_raw(index)?;
                if value.is_null() {
                    return Ok(None);
                }
                value.as_str().map(|text| Some(text.to_owned())).map_err(sqlx::Error::Decode)
            });
            values.collect::<Result<Vec<_>, _>>().map(Row)
        })
        .collect()
}

/// Runs a query of one row.
pub(super) async fn row(connection: &mut PgConnection, sql: &str) -> Result<Row, sqlx::Error> {
    rows(connection, sql).await?.pop().ok_or(sqlx::Error::RowNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_quoted_whatever_they_hold() {
        assert_eq!(ident("a\"b\n*/"), "\"a\"\"b\n*/\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(table(&TableName { schema: Some("s".into()), name: "t\"".into() }), "\"s\".\"t\"\"\"");
    }
}
