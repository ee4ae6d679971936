//! How sensitive each column of a source is, by pattern.
//!
//! What no pattern names has no grade here, and is high wherever a grade is needed: nothing becomes easier
//! to open by being forgotten.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::Grade;
use crate::values::Fault;

/// Parts of a pattern where a system has schemas, and where it has none: a table's, and a column's besides.
const PARTS_WITH_SCHEMAS: [usize; 2] = [2, 3];
const PARTS_WITHOUT_SCHEMAS: [usize; 2] = [1, 2];

/// The grades of a source's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grading(Vec<Pattern>);

/// One line of `[source.grades]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    grade: Grade,
    schema: Option<Part>,
    table: Part,
    /// Nothing stands for every column.
    column: Option<Part>,
}

/// What one part of a name may be, in lower case; `*` stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part(String);

impl Grading {
    /// Adds a pattern to those of a source whose tables stand in schemas, or not.
    pub(crate) fn add(&mut self, text: &str, grade: Grade, schemas: bool) -> Result<(), Fault> {
        let pattern = Pattern::parse(text, grade, schemas)?;
        let same = |other: &&Pattern| {
            (&other.schema, &other.table, &other.column) == (&pattern.schema, &pattern.table, &pattern.column)
        };
        if let Some(other) = self.0.iter().find(same) {
            let message = format!("`{text}` and `{}` are the same pattern", other.text);
            return Err(Fault::new(&message, "upper and lower case do not differ: take one of them out"));
        }
        self.0.push(pattern);
        Ok(())
    }

    /// Whether nothing was graded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pattern that grades a column: the most specific one, of equal ones that of the highest grade.
    ///
    /// A table is named by its own schema and name first and then, nearest first, by those of the tables whose
    /// column this is too.
    pub fn find<'n>(
        &self,
        tables: impl IntoIterator<Item = (Option<&'n str>, &'n str)>,
        column: &str,
    ) -> Option<&Pattern> {
        let column = column.to_lowercase();
        let fits = tables.into_iter().enumerate().flat_map(|(steps, (schema, table))| {
            let [schema, table] = [schema.unwrap_or_default(), table].map(str::to_lowercase);
            let fits = self.0.iter().filter(|pattern| pattern.fits(&schema, &table, &column));
            fits.map(|pattern| (pattern.rank(steps), pattern)).collect::<Vec<_>>()
        });
        fits.max_by_key(|(rank, pattern)| (*rank, pattern.grade)).map(|(_, pattern)| pattern)
    }

    /// Every pattern, in the order of the alphabet.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    /// The lowest grade that a pattern gives: whoever may restore anything has it. High when nothing was graded.
    pub fn lowest(&self) -> Grade {
        self.0.iter().map(|pattern| pattern.grade).min().unwrap_or(Grade::High)
    }
}

impl Pattern {
    fn parse(text: &str, grade: Grade, schemas: bool) -> Result<Self, Fault> {
        let form = match schemas {
            true => "write `schema.table` or `schema.table.column`, with `*` for any characters",
            false => "write `table` or `table.column`, with `*` for any characters",
        };
        let refuse = |what: &str| {
            let mut fault = Fault::new(&format!("`{text}` {what}"), form);
            fault.hints.push("a name that holds a dot stands in double quotes".into());
            fault
        };
        let mut parts = parts(text).ok_or_else(|| refuse("is not a pattern"))?;
        let counts = if schemas { PARTS_WITH_SCHEMAS } else { PARTS_WITHOUT_SCHEMAS };
        if !counts.contains(&parts.len()) {
            return Err(refuse(&format!("has {} parts", parts.len())));
        }
        let column = if parts.len() == counts[1] { parts.pop() } else { None };
        let table = parts.pop().ok_or_else(|| refuse("is not a pattern"))?;
        Ok(Self { text: text.to_owned(), grade, schema: parts.pop(), table, column })
    }

    /// As it stands in the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The grade that it gives.
    pub fn grade(&self) -> Grade {
        self.grade
    }

    /// Whether it names a column whole, and so means that one.
    pub fn names_column(&self) -> bool {
        self.column.as_ref().is_some_and(|column| !column.0.contains('*'))
    }

    /// Whether it names a table whole.
    pub fn names_table(&self) -> bool {
        !self.table.0.contains('*')
    }

    fn fits(&self, schema: &str, table: &str, column: &str) -> bool {
        let fits = |part: &Option<Part>, name| part.as_ref().is_none_or(|part| part.fits(name));
        fits(&self.schema, schema) && self.table.fits(table) && fits(&self.column, column)
    }

    /// How specific it is, where it names a table that is so many steps away: by its column, then its table, then
    /// its schema; in each a whole name before one with `*`, the longer before the shorter. Of tables the nearer
    /// goes before the longer.
    fn rank(&self, steps: usize) -> Rank {
        let rank = |part: Option<&Part>| part.map_or((false, 0), Part::rank);
        let (whole, letters) = self.table.rank();
        Rank {
            column: rank(self.column.as_ref()),
            table: (whole, Reverse(steps), letters),
            schema: rank(self.schema.as_ref()),
        }
    }
}

/// Patterns in order: the most specific is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    column: (bool, usize),
    table: (bool, Reverse<usize>, usize),
    schema: (bool, usize),
}

impl Part {
    fn rank(&self) -> (bool, usize) {
        let letters = self.0.chars().filter(|letter| *letter != '*').count();
        (!self.0.contains('*'), letters)
    }

    fn fits(&self, name: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut pieces: Vec<_> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Parts a pattern at its dots; nothing when a part is empty or a quote does not end.
fn parts(text: &str) -> Option<Vec<Part>> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => part.extend(letters.next()),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    let whole = !quoted && parts.iter().all(|part| !part.is_empty());
    whole.then(|| parts.into_iter().map(|part| Part(part.to_lowercase())).collect())
}

impl Serialize for Grading {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|pattern| (&pattern.text, pattern.grade)))
    }
}

impl JsonSchema for Grading {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Grading".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Grade>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grading(patterns: &[(&str, Grade)]) -> Grading {
        let mut grading = Grading::default();
        for (text, grade) in patterns {
            grading.add(text, *grade, true).unwrap_or_else(|fault| panic!("{text}: {}", fault.message));
        }
        grading
    }

    fn check(patterns: &[(&str, Grade)], column: [&str; 3], expected: Option<Grade>) {
        let [schema, table, column] = column;
        let grading = grading(patterns);
        let found = grading.find([(Some(schema), table)], column).map(Pattern::grade);
        assert_eq!(found, expected, "{schema}.{table}.{column} by {patterns:?}");
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        use Grade::{High, Low, Medium};
        let phone = ["public", "contacts", "phone"];
        check(&[("public.contacts", Medium), ("public.contacts.phone", High)], phone, Some(High));
        check(&[("public.contacts", High), ("public.contacts.phone", Low)], phone, Some(Low));
        // A column that is named wherever it stands is meant wherever it stands.
        check(&[("public.contacts", Low), ("*.*.phone", High)], phone, Some(High));
        check(&[("public.contacts.phone", Low), ("*.*.phone", High)], phone, Some(Low));
        check(&[("*.*.p*", Low), ("*.*.*phone*", High)], phone, Some(High));
        check(&[("*.contacts", Low), ("public.*", Medium)], phone, Some(Low));
        check(&[("public.contacts.*", Low), ("public.contacts", Medium)], phone, Some(Medium));
        check(&[("*.products", Low)], ["shop", "products", "price"], Some(Low));
        check(&[("*.products", Low)], phone, None);
    }

    #[test]
    fn of_equally_specific_patterns_the_highest_grade_wins() {
        use Grade::{High, Low};
        let phone = ["public", "contacts", "phone"];
        check(&[("*.*.ph*", Low), ("*.*.*ne", High)], phone, Some(High));
        check(&[("*.*.*ne", High), ("*.*.ph*", Low)], phone, Some(High));
    }

    #[test]
    fn the_tables_own_name_goes_before_those_of_the_tables_above_it() {
        use Grade::{High, Low, Medium};
        let check = |patterns: &[(&str, Grade)], expected: Option<Grade>| {
            let names = ["v1", "visits_2026", "visits"].map(|table| (Some("public"), table));
            let found = grading(patterns).find(names, "phone").map(Pattern::grade);
            assert_eq!(found, expected, "{patterns:?}");
        };
        check(&[("public.visits.phone", Low)], Some(Low));
        check(&[("public.visits.phone", Low), ("public.*", High)], Some(Low));
        check(&[("public.visits", Low), ("public.v1", High)], Some(High));
        check(&[("public.visits", High), ("public.v1", Low)], Some(Low));
        check(&[("public.visits", High), ("public.visits_2026", Low)], Some(Low));
        // A whole name goes before one with a star, and a column before a table, wherever they stand.
        check(&[("public.visits", High), ("public.v*", Low)], Some(High));
        check(&[("public.visits.phone", High), ("public.v1", Low)], Some(High));
        check(&[("public.*its", High), ("public.v*", Low)], Some(Low));
        check(&[("public.other", Medium)], None);
    }

    #[test]
    fn upper_and_lower_case_do_not_differ() {
        check(
            &[("Public.CONTACTS.Id_Number", Grade::Low)],
            ["public", "Contacts", "ID_number"],
            Some(Grade::Low),
        );
    }

    #[test]
    fn stars_stand_for_any_characters() {
        let fits = |pattern: &str, name: &str| Part(pattern.into()).fits(name);
        assert!(
            fits("*", "")
                && fits("*", "a")
                && fits("a*", "a")
                && fits("a*c*e", "abcde")
                && fits("*b*", "abc")
        );
        assert!(!fits("a*c", "abcd") && !fits("a", "ab") && !fits("ab*ab", "ab") && !fits("*a*a*", "a"));
    }

    #[test]
    fn a_pattern_has_the_parts_that_names_of_its_system_have() {
        let parse = |text: &str, schemas| Pattern::parse(text, Grade::Low, schemas).map(|_| ());
        for good in ["public.contacts", "a.b.c", "\"a.b\".c", "*.*.*"] {
            assert!(parse(good, true).is_ok(), "{good}");
        }
        for bad in ["contacts", "a.b.c.d", "", "a..b", "\"a.b", "."] {
            assert!(parse(bad, true).is_err(), "{bad}");
        }
        assert!(parse("contacts", false).is_ok() && parse("contacts.phone", false).is_ok());
        assert!(parse("main.contacts.phone", false).is_err());
    }
}
