//! One table of the file, read key by key.
//!
//! A [`Section`] refuses keys it does not know before anything else is looked at, so that a misspelt
//! key is reported as a spelling and not as a missing key. A [`Field`] is one value with its place; all
//! errors are made here, so that none echoes a value that may be a secret.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::ConfigError;
use crate::position::Document;

type Result<T> = std::result::Result<T, ConfigError>;

/// One table of the file.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    title: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
}

/// One value of the file.
pub(crate) struct Field<'a> {
    document: &'a Document<'a>,
    name: String,
    key: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(document: &'a Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self { document, title: "this file".into(), span: 0..0, table }
    }

    /// Refuses the first key that is not among `known`.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self> {
        let unknown = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(self) };
        let message = format!("unknown key `{}` in {}", key.get_ref(), self.title);
        Err(self.document.error(key.span(), message, vec![did_you_mean(key.get_ref(), known)]))
    }

    /// The value of `key`, if it is there.
    pub(crate) fn optional(&self, key: &str) -> Option<Field<'a>> {
        let (spanned, value) = self.table.get_key_value(key)?;
        let name = format!("`{key}` in {}", self.title);
        Some(Field { document: self.document, name, key: spanned.span(), value })
    }

    /// The value of `key`, which must be there; `example` shows how to write it.
    pub(crate) fn required(&self, key: &str, example: &str) -> Result<Field<'a>> {
        self.optional(key).ok_or_else(|| {
            self.refuse(format!("`{key}` is missing in {}", self.title), vec![format!("add {example}")])
        })
    }

    /// Every key with its value, in the order of the alphabet.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.table.iter().map(|(key, value)| {
            let name = format!("`{}` in {}", key.get_ref(), self.title);
            (key.get_ref().as_ref(), Field { document: self.document, name, key: key.span(), value })
        })
    }

    /// An error about the section as a whole.
    pub(crate) fn refuse(&self, message: String, hints: Vec<String>) -> ConfigError {
        self.document.error(self.span.clone(), message, hints)
    }
}

impl<'a> Field<'a> {
    /// Whether the value is a table of its own.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Result<&'a str> {
        self.value.get_ref().as_str().ok_or_else(|| self.wrong_type("a string in quotes"))
    }

    /// The value as true or false.
    pub(crate) fn boolean(&self) -> Result<bool> {
        self.value.get_ref().as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// The value as a whole number within `range`.
    pub(crate) fn integer(&self, range: RangeInclusive<u32>) -> Result<u32> {
        let number = self.value.get_ref().as_integer().ok_or_else(|| self.wrong_type("a whole number"))?;
        let parsed = i64::from_str_radix(number.as_str(), number.radix());
        parsed.ok().and_then(|n| u32::try_from(n).ok()).filter(|n| range.contains(n)).ok_or_else(|| {
            self.refuse(format!("{} is not between {} and {}", self.name, range.start(), range.end()), vec![])
        })
    }

    /// Whether the value is a list.
    pub(crate) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// The value as a list.
    pub(crate) fn list(&self) -> Result<Vec<Field<'a>>> {
        let items = self.value.get_ref().as_array().ok_or_else(|| self.wrong_type("a list in [ ]"))?;
        let field = |value: &'a Spanned<DeValue<'a>>| Field {
            document: self.document,
            name: self.name.clone(),
            key: value.span(),
            value,
        };
        Ok(items.iter().map(field).collect())
    }

    /// The value as a table under the heading `title`.
    pub(crate) fn table(&self, title: String) -> Result<Section<'a>> {
        let expected = format!("a table headed {title}");
        let table = self.value.get_ref().as_table().ok_or_else(|| self.wrong_type(&expected))?;
        Ok(Section { document: self.document, title, span: self.key.clone(), table })
    }

    /// The value as tables that all stand under the heading `[[key]]`.
    pub(crate) fn tables(&self, key: &str) -> Result<Vec<Section<'a>>> {
        let title = format!("[[{key}]]");
        if !self.value.get_ref().is_array() {
            return Err(self.wrong_type(&format!("a table headed {title}, in double brackets")));
        }
        self.list()?.iter().map(|field| field.table(title.clone())).collect()
    }

    /// What errors call this value: `` `url` in [vault] ``.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The line on which the value stands.
    pub(crate) fn line(&self) -> usize {
        self.refuse(String::new(), vec![]).line().unwrap_or(1)
    }

    /// An error that points at the value.
    pub(crate) fn refuse(&self, message: String, hints: Vec<String>) -> ConfigError {
        self.document.error(self.value.span(), message, hints)
    }

    /// An error that points at the key.
    pub(crate) fn refuse_key(&self, message: String, hints: Vec<String>) -> ConfigError {
        self.document.error(self.key.clone(), message, hints)
    }

    fn wrong_type(&self, expected: &str) -> ConfigError {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("{} must be {expected}, not {found}", self.name), vec![])
    }
}

/// The known word that is nearest to `word`, as a hint, or all of them when none is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), known), known))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance <= (word.chars().count() / 3).max(1) => {
            format!("did you mean `{known}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}
