//! An INSERT of many rows, put together from their lines.

use super::column::Shape;
use super::json;
use super::line;
use super::sql::ident;

/// Bytes of an INSERT, at most: a fraction of the smallest `max_allowed_packet` that servers come with.
const INSERT_BYTES: usize = 1 << 20;

/// The statement so far.
pub(super) struct Insert {
    statement: Vec<u8>,
    /// What stands before the first row.
    head_bytes: usize,
    wraps: Vec<Wrap>,
}

/// What stands around a value.
struct Wrap {
    before: Vec<u8>,
    after: Vec<u8>,
    /// Whether the value may have to be put together, see [`json`].
    json: bool,
}

impl Insert {
    /// Begins one into `table`, of columns with their shapes.
    pub(super) fn new<'a>(table: &str, columns: impl Iterator<Item = (&'a str, Shape)>) -> Self {
        let (names, wraps): (Vec<_>, Vec<_>) =
            columns.map(|(name, shape)| (ident(name), Wrap::of(shape))).unzip();
        let statement = format!("INSERT INTO {} ({}) VALUES ", ident(table), names.join(", ")).into_bytes();
        Self { head_bytes: statement.len(), statement, wraps }
    }

    /// Adds a row, given as its line.
    pub(super) fn push(&mut self, line: &[u8]) {
        if !self.is_empty() {
            self.statement.push(b',');
        }
        values(&mut self.statement, line, &self.wraps);
    }

    /// Whether a row of this line keeps its values only by an INSERT.
    pub(super) fn is_needed(&self, line: &[u8]) -> bool {
        let mut fields = fields(line, &self.wraps);
        fields.any(|(field, wrap)| field.is_some_and(|field| wrap.exact(field).is_some()))
    }

    /// Whether a column is of a kind whose values may need one.
    pub(super) fn may_be_needed(&self) -> bool {
        self.wraps.iter().any(|wrap| wrap.json)
    }

    /// Whether it is time to run it.
    pub(super) fn is_full(&self) -> bool {
        self.statement.len() >= INSERT_BYTES
    }

    /// Whether it holds no row.
    pub(super) fn is_empty(&self) -> bool {
        self.statement.len() == self.head_bytes
    }

    pub(super) fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// Lets go of its rows.
    pub(super) fn clear(&mut self) {
        self.statement.truncate(self.head_bytes);
    }
}

impl Wrap {
    fn of(shape: Shape) -> Self {
        let expression = shape.write("\0").unwrap_or_else(|| "\0".into());
        let (before, after) = expression.split_once('\0').unwrap_or_default();
        Self { before: before.into(), after: after.into(), json: shape == Shape::Utf8 }
    }

    /// The expression that alone gives what `field` stands for, if the field's own text does not.
    fn exact(&self, field: &[u8]) -> Option<Vec<u8>> {
        if self.json { json::exact(&line::unescaped(field)) } else { None }
    }
}

fn fields<'a>(line: &'a [u8], wraps: &'a [Wrap]) -> impl Iterator<Item = (Option<&'a [u8]>, &'a Wrap)> {
    line::fields(line.strip_suffix(b"\n").unwrap_or(line)).zip(wraps)
}

/// Appends a line as `(…)`. A line's escapes are those of a string, which needs one more.
fn values(out: &mut Vec<u8>, line: &[u8], wraps: &[Wrap]) {
    out.push(b'(');
    for (at, (field, wrap)) in fields(line, wraps).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let Some(field) = field else {
            out.extend_from_slice(b"NULL");
            continue;
        };
        if let Some(expression) = wrap.exact(field) {
            out.extend_from_slice(&expression);
            continue;
        }
        out.extend_from_slice(&wrap.before);
        out.push(b'\'');
        for piece in field.split_inclusive(|byte| *byte == b'\'') {
            match piece.split_last() {
                Some((b'\'', rest)) => {
                    out.extend_from_slice(rest);
                    out.extend_from_slice(b"\\'");
                }
                _ => out.extend_from_slice(piece),
            }
        }
        out.push(b'\'');
        out.extend_from_slice(&wrap.after);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_the_values_of_an_insert() {
        let wraps = [Shape::Plain, Shape::Ascii, Shape::Plain].map(Wrap::of);
        let check = |line: &[u8], expected: &str| {
            let mut out = Vec::new();
            values(&mut out, line, &wraps);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(b"1\t\\N\tit's\n", "('1',NULL,'it\\'s')");
        check(b"\\\\\t::1\t''\n", "('\\\\',CONVERT('::1' USING latin1),'\\'\\'')");
        check(b"\\\\'\t\t\\0\\n\n", "('\\\\\\'',CONVERT('' USING latin1),'\\0\\n')");
    }

    #[test]
    fn only_a_json_value_with_decimals_needs_an_insert() {
        let insert = Insert::new("t", [("a", Shape::Plain), ("j", Shape::Utf8)].into_iter());
        assert!(insert.may_be_needed());
        assert!(insert.is_needed(b"1.10\t[1.10]\n"));
        assert!(!insert.is_needed(b"1.10\t[1.5]\n"));
        assert!(!insert.is_needed(b"1.10\t\\N\n"));
    }
}
