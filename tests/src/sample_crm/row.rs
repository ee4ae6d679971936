//! One row on its way to a database: values in order, in one buffer that is used again and again.

use std::fmt::{self, Write};

/// What a value is, where databases differ in how they take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Integer,
    /// A decimal number with a point.
    Decimal,
    Text,
    /// `true` or `false`.
    Flag,
    /// Bytes as hexadecimal digits.
    Bytes,
}

/// The values of one row.
#[derive(Debug, Default)]
pub(super) struct Row {
    text: String,
    ends: Vec<(usize, Kind)>,
}

impl Row {
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub fn null(&mut self) {
        self.end(Kind::Null);
    }

    pub fn integer(&mut self, value: u64) {
        self.write(Kind::Integer, format_args!("{value}"));
    }

    /// Money: `cents` as a decimal number with two places.
    pub fn cents(&mut self, cents: u64) {
        self.write(Kind::Decimal, format_args!("{}.{:02}", cents / 100, cents % 100));
    }

    pub fn text(&mut self, value: &str) {
        self.text.push_str(value);
        self.end(Kind::Text);
    }

    pub fn format(&mut self, value: fmt::Arguments<'_>) {
        self.write(Kind::Text, value);
    }

    pub fn flag(&mut self, value: bool) {
        self.text.push_str(if value { "true" } else { "false" });
        self.end(Kind::Flag);
    }

    pub fn bytes(&mut self, value: &[u8]) {
        for byte in value {
            self.push(format_args!("{byte:02x}"));
        }
        self.end(Kind::Bytes);
    }

    /// Text in pieces: everything that `write` adds is one value.
    pub fn build(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.end(Kind::Text);
    }

    /// Every value in order.
    pub fn values(&self) -> impl Iterator<Item = (Kind, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, kind)| {
            let value = &self.text[start..end];
            start = end;
            (kind, value)
        })
    }

    fn write(&mut self, kind: Kind, value: fmt::Arguments<'_>) {
        self.push(value);
        self.end(kind);
    }

    fn push(&mut self, value: fmt::Arguments<'_>) {
        self.text.write_fmt(value).expect("a string takes everything");
    }

    fn end(&mut self, kind: Kind) {
        self.ends.push((self.text.len(), kind));
    }
}
