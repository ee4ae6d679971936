//! What the configuration says of the columns of a source, made into the streams that they are written to.
//!
//! What nobody graded is high. A key column takes the lowest grade of its row, so that whoever opens any of
//! a row can restore it; a table whose key was graded above that by name is refused.

use std::collections::BTreeSet;

use lifeboat_config::{Grading, Pattern};
use lifeboat_connectors::{Column, Table, TableKind};
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::format::manifest::TableRecord;
use lifeboat_vault::{Grade, Split};

/// Names that a sentence holds; more are counted.
const NAMES_MAX: usize = 10;

/// The column of a large object's rows that says how sensitive they are.
const LARGE_OBJECT_DATA: &str = "data";

/// The grades of every table of a capture.
#[derive(Debug)]
pub struct Catalogue {
    /// How each table's rows are divided, in the tables' order.
    pub splits: Vec<Split>,
    /// Of the schema's files, which whoever restores anything needs: the lowest that any pattern gives.
    pub schema: Grade,
    /// Columns that no pattern grades: high, unless they are keys.
    ungraded: Vec<Ungraded>,
    /// Keys that whoever opens the least of their row can open too, although they are graded higher, or by nobody:
    /// `contacts.id (high, lowered to low)`.
    pub lowered: Vec<String>,
    /// Patterns that fit no column.
    pub unused: Vec<String>,
    /// Columns of each grade, the highest first.
    pub columns: [u64; 3],
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ungraded {
    table: String,
    /// Nothing when no column of the table is graded.
    column: Option<String>,
    /// Every column that this stands for.
    columns: Vec<String>,
    /// The grade that it has as a key, where that is not high.
    lowered: Option<Grade>,
}

/// The vault's word for a grade.
pub fn of(grade: lifeboat_config::Grade) -> Grade {
    match grade {
        lifeboat_config::Grade::High => Grade::High,
        lifeboat_config::Grade::Medium => Grade::Medium,
        lifeboat_config::Grade::Low => Grade::Low,
    }
}

impl Catalogue {
    /// Grades every column.
    ///
    /// # Errors
    /// `ConfigInvalid` for a table whose key is graded above the rest of its row.
    pub fn of(grading: &Grading, tables: &[Table]) -> Result<Self, CommandError> {
        let schema = of(grading.lowest());
        let (splits, unused) = (Vec::new(), Vec::new());
        let mut catalogue =
            Self { splits, schema, ungraded: Vec::new(), lowered: Vec::new(), unused, columns: [0; 3] };
        let mut used = BTreeSet::new();
        for table in tables {
            let patterns = patterns(grading, table);
            used.extend(patterns.iter().flatten().map(|pattern| pattern.text()));
            let grades = grades(table, &patterns)?;
            for grade in &grades {
                catalogue.columns[Grade::ALL.iter().position(|known| known == grade).unwrap_or(0)] += 1;
            }
            catalogue.splits.push(Split::of(&grades));
            if !grading.is_empty() {
                catalogue.ungraded.extend(ungraded(table, &patterns, &grades));
                catalogue.lowered.extend(lowered(table, &patterns, &grades));
            }
        }
        let unused = grading.patterns().filter(|pattern| !used.contains(pattern.text()));
        catalogue.unused = unused.map(|pattern| pattern.text().to_owned()).collect();
        Ok(catalogue)
    }

    /// The tables and columns that nobody graded, and that are high for it.
    pub fn ungraded(&self) -> Vec<String> {
        self.ungraded.iter().filter(|of| of.lowered.is_none()).map(Ungraded::to_string).collect()
    }

    /// What nobody graded, keys that are not high included, and an earlier snapshot did not have.
    pub fn new_ungraded(&self, before: Option<&[TableRecord]>) -> Vec<String> {
        let had = |table: &TableRecord| {
            let name = table.table.to_string();
            let columns = table.table.columns.iter();
            columns.map(move |column| (name.clone(), column.name.clone())).collect::<Vec<_>>()
        };
        let had: BTreeSet<_> = before.unwrap_or_default().iter().flat_map(had).collect();
        let is_new = |ungraded: &&Ungraded| {
            ungraded.columns.iter().any(|column| !had.contains(&(ungraded.table.clone(), column.clone())))
        };
        self.ungraded.iter().filter(is_new).map(Ungraded::to_string).collect()
    }
}

/// Some names, and how many more there are: `a, b and 3 more`.
pub fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The pattern that grades each column.
fn patterns<'a>(grading: &'a Grading, table: &Table) -> Vec<Option<&'a Pattern>> {
    let find = |column: &str| grading.find(table.name.schema.as_deref(), &table.name.name, column);
    table
        .columns
        .iter()
        .map(|column| match table.kind {
            TableKind::Table => find(&column.name),
            // Pages come back in their order only as one stream.
            TableKind::LargeObjects => find(LARGE_OBJECT_DATA),
        })
        .collect()
}

/// What a column is before anything is known of its row.
fn own(pattern: &Option<&Pattern>) -> Grade {
    pattern.map_or(Grade::High, |pattern| of(pattern.grade()))
}

fn grades(table: &Table, patterns: &[Option<&Pattern>]) -> Result<Vec<Grade>, CommandError> {
    let mut grades: Vec<_> = patterns.iter().map(own).collect();
    // The highest grade is the smallest.
    let lowest = grades.iter().copied().max().unwrap_or(Grade::High);
    for ((column, pattern), grade) in table.columns.iter().zip(patterns).zip(&mut grades) {
        if !column.key {
            continue;
        }
        if *grade < lowest && pattern.is_some_and(Pattern::names_column) {
            return Err(key_above(table, column, *grade, lowest));
        }
        *grade = lowest;
    }
    Ok(grades)
}

fn key_above(table: &Table, column: &Column, grade: Grade, lowest: Grade) -> CommandError {
    let (table, column) = (&table.name, column.name.escape_debug());
    let text = format!(
        "{table}.{column} is graded {grade} and belongs to the primary key, and other columns of {table} are {lowest}"
    );
    CommandError::new(Kind::ConfigInvalid, text).hint(format!(
        "without its key a row cannot be restored: grade the whole table {grade}, or the key {lowest}"
    ))
}

/// Keys whose grade is not their own.
fn lowered<'a>(
    table: &'a Table,
    patterns: &'a [Option<&Pattern>],
    grades: &'a [Grade],
) -> impl Iterator<Item = String> + 'a {
    let columns = table.columns.iter().zip(patterns).zip(grades);
    let columns = columns.filter(|((_, pattern), grade)| own(pattern) != **grade);
    columns.map(|((column, pattern), grade)| {
        let before = if pattern.is_some() { own(pattern).as_str() } else { "graded by nobody" };
        format!("{}.{} ({before}, lowered to {grade})", table.name, column.name.escape_debug())
    })
}

fn ungraded(table: &Table, patterns: &[Option<&Pattern>], grades: &[Grade]) -> Vec<Ungraded> {
    let name = table.name.to_string();
    if patterns.iter().all(Option::is_none) {
        let columns = table.columns.iter().map(|column| column.name.clone()).collect();
        return vec![Ungraded { table: name, column: None, columns, lowered: None }];
    }
    let columns = table.columns.iter().zip(patterns).zip(grades);
    let columns = columns.filter(|((_, pattern), _)| pattern.is_none());
    let columns = columns.map(|((column, _), grade)| Ungraded {
        table: name.clone(),
        column: Some(column.name.clone()),
        columns: vec![column.name.clone()],
        lowered: Some(*grade).filter(|grade| *grade != Grade::High),
    });
    columns.collect()
}

impl std::fmt::Display for Ungraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.column {
            None => f.write_str(&self.table)?,
            Some(column) => write!(f, "{}.{}", self.table, column.escape_debug())?,
        }
        self.lowered.map_or(Ok(()), |grade| write!(f, " (a key, lowered to {grade})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_connectors::TableName;

    fn table(name: &str, columns: &[&str]) -> Table {
        let column = |text: &&str| {
            let name = text.trim_start_matches('*');
            Column { name: name.into(), type_name: "text".into(), key: name.len() < text.len() }
        };
        Table {
            name: TableName { schema: Some("public".into()), name: name.into() },
            kind: TableKind::Table,
            columns: columns.iter().map(column).collect(),
            slices: Vec::new(),
            rows_estimated: 0,
        }
    }

    fn grading(lines: &str) -> Grading {
        let text = format!(
            "version = 1\n[vault]\nurl = \"file:///v\"\n[people.wang]\n\
             recipient = \"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"\n\
             [[source]]\nname = \"crm\"\nurl = \"postgres://db/crm\"\n[source.grades]\n{lines}\n"
        );
        let config = lifeboat_config::Config::parse(&text, std::path::Path::new("t.toml"));
        config.expect("a configuration").sources.remove(0).grades
    }

    fn check(lines: &str, columns: &[&str], expected: &str) {
        let catalogue = Catalogue::of(&grading(lines), &[table("contacts", columns)]).map_err(|e| e.render());
        let split = catalogue.map(|catalogue| catalogue.splits[0].to_string());
        assert_eq!(split.unwrap_or_else(|error| error), expected, "{lines}");
    }

    #[test]
    fn what_nobody_graded_is_high() {
        check("", &["*id", "name"], "high 0 1");
        check("\"public.contacts.name\" = \"low\"", &["id", "name", "phone"], "high 0 2, low 1");
    }

    #[test]
    fn a_key_takes_the_lowest_grade_of_its_row() {
        check("\"*.*.name\" = \"medium\"", &["*id", "name", "phone"], "high 2, medium 0 1");
        check("\"*.contacts\" = \"high\"\n\"*.*.name\" = \"low\"", &["*a", "*b", "name"], "low 0 1 2");
        check("\"*.contacts\" = \"low\"", &["*id", "name"], "low 0 1");
    }

    #[test]
    fn keys_that_are_lowered_are_named() {
        let check = |lines: &str, columns: &[&str], expected: &[&str]| {
            let catalogue = Catalogue::of(&grading(lines), &[table("contacts", columns)]).expect("grades");
            assert_eq!(catalogue.lowered, expected, "{lines}");
        };
        check(
            "\"*.*.name\" = \"low\"",
            &["*id", "name"],
            &["public.contacts.id (graded by nobody, lowered to low)"],
        );
        check(
            "\"*.contacts\" = \"high\"\n\"*.*.name\" = \"medium\"",
            &["*a", "*b", "name"],
            &["public.contacts.a (high, lowered to medium)", "public.contacts.b (high, lowered to medium)"],
        );
        check("\"*.contacts\" = \"low\"", &["*id", "name"], &[]);
        check("", &["*id", "name"], &[]);
    }

    #[test]
    fn a_key_that_is_graded_above_its_row_by_name_is_refused() {
        let refused = "error: public.contacts.id is graded high and belongs to the primary key, and other columns of public.contacts are low\n\
            hint: without its key a row cannot be restored: grade the whole table high, or the key low\n";
        check("\"*.contacts\" = \"low\"\n\"*.*.id\" = \"high\"", &["*id", "name"], refused);
        check("\"*.contacts\" = \"high\"\n\"*.*.id\" = \"high\"", &["*id", "name"], "high 0 1");
    }

    #[test]
    fn what_is_new_and_graded_by_nobody_is_told() {
        let tables = [table("contacts", &["*id", "name", "phone"]), table("visits", &["*id", "place"])];
        let grading = grading("\"public.contacts.name\" = \"low\"\n\"public.gone\" = \"low\"");
        let catalogue = Catalogue::of(&grading, &tables).expect("grades");
        assert_eq!(catalogue.ungraded(), ["public.contacts.phone", "public.visits"]);
        assert_eq!(catalogue.unused, ["public.gone"]);
        let key = "public.contacts.id (a key, lowered to low)";
        assert_eq!(catalogue.new_ungraded(None), [key, "public.contacts.phone", "public.visits"]);
        let head = |table: &Table| lifeboat_vault::format::manifest::TableHead {
            schema: table.name.schema.clone(),
            name: table.name.name.clone(),
            kind: "table".into(),
            columns: (table.columns.iter())
                .map(|column| lifeboat_vault::format::manifest::ColumnRecord {
                    name: column.name.clone(),
                    type_name: column.type_name.clone(),
                    key: column.key,
                })
                .collect(),
        };
        let before =
            [TableRecord { table: head(&tables[0]), rows: 0, digest: String::new(), streams: Vec::new() }];
        assert_eq!(catalogue.new_ungraded(Some(&before)), ["public.visits"]);
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<_> = (0..12).map(|at| format!("t{at}")).collect();
        assert_eq!(named(&names), "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more");
        assert_eq!(named(&names[..2]), "t0, t1");
    }
}
