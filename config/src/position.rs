//! From a byte of the file to the line and column that an editor shows.

use std::ops::Range;
use std::path::Path;

use crate::ConfigError;

/// The file under the reader's eyes: makes errors that point into it.
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) path: &'a Path,
}

impl Document<'_> {
    /// An error at the start of `span`.
    pub(crate) fn error(&self, span: Range<usize>, message: String, hints: Vec<String>) -> ConfigError {
        let (line, column) = self.position(span.start);
        ConfigError::Invalid { path: self.path.to_owned(), line, column, message, hints }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, offset: usize, expected: (usize, usize)) {
        assert_eq!(Document { text, path: Path::new("x") }.position(offset), expected);
    }

    #[test]
    fn columns_count_characters_from_one() {
        check("", 0, (1, 1));
        check("a = 1\nb = 2", 6, (2, 1));
        check("王 = 1", 4, (1, 3));
        check("王", 1, (1, 1));
        check("a\n", 99, (2, 1));
    }
}
