//! Aligned columns for listings.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::escape;

/// The side on which a column's cells line up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Names and text.
    Left,
    /// Numbers.
    Right,
}

/// A listing with one heading for each column. `Display` prints it, escaped, without trailing spaces,
/// with a line end after every row.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

/// Between columns: two spaces tell columns from the spaces inside a cell.
const GAP: &str = "  ";

impl Table {
    /// A listing with these headings and no rows.
    pub fn new<const N: usize>(headings: [(&str, Align); N]) -> Self {
        let titles = headings.iter().map(|(title, _)| (*title).to_owned()).collect();
        Self { columns: headings.iter().map(|(_, align)| *align).collect(), rows: vec![titles] }
    }

    /// A listing with as many columns as somebody else's names ask for; they are escaped like cells.
    pub fn with_headings<S: AsRef<str>>(headings: impl IntoIterator<Item = (S, Align)>) -> Self {
        let (titles, columns) =
            headings.into_iter().map(|(title, align)| (escape(title.as_ref()).into_owned(), align)).unzip();
        Self { columns, rows: vec![titles] }
    }

    /// Adds a row. Missing cells are empty; cells without a heading are an error in the program.
    pub fn row<I>(&mut self, cells: I)
    where
        I: IntoIterator,
        I::Item: ToString,
    {
        let mut row: Vec<_> = cells.into_iter().map(|cell| escape(&cell.to_string()).into_owned()).collect();
        debug_assert!(row.len() <= self.columns.len(), "a cell without a heading");
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Whether no row has been added.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).zip(&self.columns).map(|((cell, width), align)| {
                let pad = " ".repeat(width - cell.width());
                match align {
                    Align::Left => format!("{cell}{pad}"),
                    Align::Right => format!("{pad}{cell}"),
                }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_beside_wide_characters() {
        let mut table = Table::new([("table", Align::Left), ("rows", Align::Right), ("note", Align::Left)]);
        assert!(table.is_empty());
        table.row(["public.contacts", "1,000,000", ""]);
        table.row(["客户", "12", "new"]);
        table.row(["a\x1bb"]);
        let expected = "\
table                 rows  note
public.contacts  1,000,000
客户                    12  new
a\\u{1b}b
";
        assert_eq!(table.to_string(), expected);
    }
}
