//! Talking SQL: quoting, and small answers taken whole.

use super::wire::{Wire, WireError};

/// Quotes an identifier.
pub(super) fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Quotes a string of UTF-8, with `sql_mode` empty as every session here has it.
pub(super) fn literal(text: &str) -> String {
    format!("_utf8mb4'{}'", escape(text))
}

/// What stands between the quotes of a string.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace('\0', "\\0")
}

/// One row of an answer, every value as the server prints it.
#[derive(Debug, Clone)]
pub(super) struct Row(Vec<Option<Vec<u8>>>);

impl Row {
    /// The value at `index`, NULL being the empty string.
    pub(super) fn text(&self, index: usize) -> String {
        self.some(index).unwrap_or_default()
    }

    /// The value at `index`, or nothing for NULL.
    pub(super) fn some(&self, index: usize) -> Option<String> {
        self.bytes(index).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The value at `index` as it came.
    pub(super) fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index)?.as_deref()
    }

    /// The number at `index`; what is negative or no number counts as zero.
    pub(super) fn number(&self, index: usize) -> u64 {
        self.text(index).parse().unwrap_or(0)
    }

    /// The truth at `index`.
    pub(super) fn flag(&self, index: usize) -> bool {
        matches!(self.text(index).as_str(), "1" | "YES" | "ON")
    }
}

/// Runs a query and returns all of its rows.
pub(super) async fn rows(wire: &mut Wire, sql: &str) -> Result<Vec<Row>, WireError> {
    let columns = wire.query(sql).await?;
    let mut rows = Vec::new();
    while let Some(mut row) = wire.row().await? {
        let values = (0..columns).map(|_| Ok(row.value()?.map(<[u8]>::to_vec)));
        rows.push(Row(values.collect::<Result<_, WireError>>()?));
    }
    Ok(rows)
}

/// Runs a query of one row.
pub(super) async fn row(wire: &mut Wire, sql: &str) -> Result<Row, WireError> {
    let mut found = rows(wire, sql).await?;
    found.pop().ok_or_else(|| WireError::Protocol("the server answers with no row".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_are_quoted_whatever_they_hold() {
        assert_eq!(ident("a`b\n*/"), "`a``b\n*/`");
        assert_eq!(literal("it's \\ here"), "_utf8mb4'it\\'s \\\\ here'");
    }
}
