//! What the configuration says of the columns of a source, made into the streams that they are written to.
//!
//! What nobody graded is high. A column of the primary key, or of the key that partitions are chosen by, takes the
//! lowest grade of its row, so that whoever opens any of a row can restore it; a table whose key was graded above
//! that by name is refused. A partition is graded as its table where nothing names itself. A table that repeats what
//! others hold, as a full-text index does, is graded by its whole name only.

use std::collections::{BTreeSet, HashMap, HashSet};

use lifeboat_config::{Grading, Pattern};
use lifeboat_connectors::{Column, Table, TableKind, TableName};
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
    /// Columns that no pattern grades: high, unless they are keys; each with the tables that it stands for.
    ungraded: Vec<(Ungraded, Vec<String>)>,
    /// Keys that whoever opens the least of their row can open too, although they are graded higher, or by nobody:
    /// `contacts.id (high, lowered to low)`.
    pub lowered: Vec<String>,
    /// Patterns that fit no column.
    pub unused: Vec<String>,
    /// Columns of each grade, the highest first.
    pub columns: [u64; 3],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Ungraded {
    /// What people call it: partitions by the name of their table.
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
        let (mut used, mut told, mut ungraded_at) = (BTreeSet::new(), HashSet::new(), HashMap::new());
        for table in tables {
            let patterns = patterns(grading, table);
            used.extend(patterns.iter().flatten().map(|pattern| pattern.text()));
            let grades = grades(table, &patterns)?;
            for grade in &grades {
                catalogue.columns[Grade::ALL.iter().position(|known| known == grade).unwrap_or(0)] += 1;
            }
            catalogue.splits.push(Split::of(&grades));
            if !grading.is_empty() {
                for ungraded in ungraded(table, &patterns, &grades) {
                    let at = *ungraded_at.entry(ungraded.clone()).or_insert(catalogue.ungraded.len());
                    if at == catalogue.ungraded.len() {
                        catalogue.ungraded.push((ungraded, Vec::new()));
                    }
                    catalogue.ungraded[at].1.push(table.name.to_string());
                }
                let lowered = lowered(table, &patterns, &grades);
                catalogue.lowered.extend(lowered.filter(|name| told.insert(name.clone())));
            }
        }
        let unused = grading.patterns().filter(|pattern| !used.contains(pattern.text()));
        catalogue.unused = unused.map(|pattern| pattern.text().to_owned()).collect();
        Ok(catalogue)
    }

    /// The tables and columns that nobody graded, and that are high for it.
    pub fn ungraded(&self) -> Vec<String> {
        let high = self.ungraded.iter().filter(|(of, _)| of.lowered.is_none());
        high.map(|(of, _)| of.to_string()).collect()
    }

    /// What nobody graded, keys that are not high included, and an earlier snapshot did not have: not even in
    /// another partition.
    pub fn new_ungraded(&self, before: Option<&[TableRecord]>) -> Vec<String> {
        let had = |table: &TableRecord| {
            let name = table.table.to_string();
            let columns = table.table.columns.iter();
            columns.map(move |column| (name.clone(), column.name.clone())).collect::<Vec<_>>()
        };
        let had: BTreeSet<_> = before.unwrap_or_default().iter().flat_map(had).collect();
        let is_new = |(ungraded, tables): &&(Ungraded, Vec<String>)| {
            let had =
                |column: &String| tables.iter().any(|table| had.contains(&(table.clone(), column.clone())));
            !ungraded.columns.iter().all(had)
        };
        self.ungraded.iter().filter(is_new).map(|(ungraded, _)| ungraded.to_string()).collect()
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
    let find = |column: &str| {
        let above = table.ancestors_with(column).map(|ancestor| &ancestor.name);
        let names = std::iter::once(&table.name).chain(above);
        let found = grading.find(names.map(|name| (name.schema.as_deref(), name.name.as_str())), column);
        let may = |pattern: &&Pattern| {
            (!table.derived || pattern.names_table())
                && (!table.computed.iter().any(|computed| computed == column) || pattern.names_column())
        };
        found.filter(may)
    };
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
        if !column.key && !table.is_placed_by(&column.name) {
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
    let key = if column.key { "primary key" } else { "key that its partition is chosen by" };
    let (table, column) = (named_by(table, &column.name), column.name.escape_debug());
    let text = format!(
        "{table}.{column} is graded {grade} and belongs to the {key}, and other columns of {table} are {lowest}"
    );
    CommandError::new(Kind::ConfigInvalid, text).hint(format!(
        "without its key a row cannot be restored: grade the whole table {grade}, or the key {lowest}"
    ))
}

/// The name that a column's table has for people: of a partition, that of its table.
fn named_by<'a>(table: &'a Table, column: &'a str) -> &'a TableName {
    table.ancestors_with(column).last().map_or(&table.name, |ancestor| &ancestor.name)
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
        let name = named_by(table, &column.name);
        format!("{name}.{} ({before}, lowered to {grade})", column.name.escape_debug())
    })
}

fn ungraded(table: &Table, patterns: &[Option<&Pattern>], grades: &[Grade]) -> Vec<Ungraded> {
    if patterns.iter().all(Option::is_none) {
        let mut columns: Vec<_> = table.columns.iter().map(|column| column.name.clone()).collect();
        // Partitions may have them in another order.
        columns.sort_unstable();
        return vec![Ungraded { table: table.known_as().to_string(), column: None, columns, lowered: None }];
    }
    let columns = table.columns.iter().zip(patterns).zip(grades);
    let columns = columns.filter(|((_, pattern), _)| pattern.is_none());
    let columns = columns.map(|((column, _), grade)| Ungraded {
        table: named_by(table, &column.name).to_string(),
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
    use lifeboat_connectors::Ancestor;

    fn table(name: &str, columns: &[&str]) -> Table {
        let column = |text: &&str| {
            let name = text.trim_start_matches('*');
            Column { name: name.into(), type_name: "text".into(), key: name.len() < text.len() }
        };
        Table {
            name: TableName { schema: Some("public".into()), name: name.into() },
            ancestors: Vec::new(),
            kind: TableKind::Table,
            derived: false,
            computed: Vec::new(),
            columns: columns.iter().map(column).collect(),
            slices: Vec::new(),
            rows_estimated: 0,
        }
    }

    /// A partition of `parent`, whose rows belong where they are by `day`.
    fn partition(name: &str, parent: &str, columns: &[&str]) -> Table {
        let table = table(name, columns);
        let parent = Ancestor {
            name: TableName { schema: Some("public".into()), name: parent.into() },
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            placed_by: vec!["day".into()],
            placed_anew: false,
        };
        Table { ancestors: vec![parent], ..table }
    }

    const CONFIG: &str = "version = 1\n[vault]\nurl = \"file:///v\"\n[people.wang]\n\
        recipient = \"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"\n\
        [[source]]\nname = \"crm\"\nurl = \"postgres://db/crm\"\n[source.grades]\n";

    fn grading(lines: &str) -> Grading {
        grading_of("postgres://db/crm", lines)
    }

    fn grading_of(url: &str, lines: &str) -> Grading {
        let text = CONFIG.replace("postgres://db/crm", url) + lines + "\n";
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
    fn a_partition_is_graded_as_its_table_where_nothing_names_itself() {
        let columns = ["*id", "day", "phone"];
        let visits = [partition("visits_1", "visits", &columns), partition("visits_2", "visits", &columns)];
        let check = |lines: &str, expected: [&str; 2]| {
            let catalogue = Catalogue::of(&grading(lines), &visits).map_err(|error| error.render());
            let catalogue = catalogue.expect("grades");
            assert_eq!(
                catalogue.splits.iter().map(Split::to_string).collect::<Vec<_>>(),
                expected,
                "{lines}"
            );
            assert_eq!(catalogue.unused, [""; 0], "{lines}");
        };
        check("\"public.visits\" = \"low\"", ["low 0 1 2"; 2]);
        check("\"public.visits\" = \"low\"\n\"public.visits.phone\" = \"medium\"", ["medium 2, low 0 1"; 2]);
        check("\"public.visits\" = \"medium\"\n\"public.visits_2\" = \"low\"", ["medium 0 1 2", "low 0 1 2"]);
    }

    #[test]
    fn a_column_that_is_not_the_parents_is_not_graded_by_it() {
        let mut child = partition("calls", "visits", &["*id", "place", "day"]);
        child.columns.push(Column { name: "secret".into(), type_name: "text".into(), key: false });
        let catalogue = Catalogue::of(&grading("\"public.visits\" = \"low\""), &[child]).expect("grades");
        assert_eq!(catalogue.splits[0].to_string(), "high 3, low 0 1 2");
        assert_eq!(catalogue.ungraded(), ["public.calls.secret"]);
    }

    #[test]
    fn what_repeats_other_tables_is_not_meant_by_a_star() {
        let mut index = Table { derived: true, ..table("notes_search_data", &["id", "block"]) };
        index.name.schema = None;
        let split = |lines: &str| {
            let grading = grading_of("sqlite:///crm.db", lines);
            Catalogue::of(&grading, std::slice::from_ref(&index)).expect("grades").splits[0].to_string()
        };
        assert_eq!(split("\"*\" = \"low\"\n\"notes*\" = \"low\"\n\"*.block\" = \"low\""), "high 0 1");
        assert_eq!(split("\"notes_search_data\" = \"low\""), "low 0 1");
    }

    #[test]
    fn what_is_computed_from_other_columns_is_opened_by_its_name_alone() {
        let mut people = Table { computed: vec!["kept".into()], ..table("people", &["email", "kept"]) };
        people.name.schema = None;
        let split = |lines: &str| {
            let grading = grading_of("sqlite:///crm.db", lines);
            Catalogue::of(&grading, std::slice::from_ref(&people)).expect("grades").splits[0].to_string()
        };
        for lines in ["\"*\" = \"low\"", "\"people\" = \"low\"", "\"people.*\" = \"low\""] {
            assert_eq!(split(lines), "high 1, low 0", "{lines}");
        }
        assert_eq!(split("\"people.kept\" = \"low\""), "high 0, low 1");
    }

    #[test]
    fn partitions_are_told_of_once_by_the_name_of_their_table() {
        let columns = ["*id", "day", "phone", "place"];
        let visits = [partition("visits_1", "visits", &columns), partition("visits_2", "visits", &columns)];
        let of = |lines: &str| Catalogue::of(&grading(lines), &visits).expect("grades");
        let catalogue = of("\"public.visits.phone\" = \"low\"");
        let lowered =
            ["id", "day"].map(|key| format!("public.visits.{key} (graded by nobody, lowered to low)"));
        assert_eq!(
            (catalogue.ungraded(), catalogue.lowered),
            (vec!["public.visits.place".into()], lowered.to_vec())
        );
        let catalogue = of("\"public.gone\" = \"low\"");
        assert_eq!(catalogue.ungraded(), ["public.visits"]);
        // Another partition of what was there is nothing new.
        assert_eq!(catalogue.new_ungraded(Some(&[record(&visits[0])])), [""; 0]);
        assert_eq!(catalogue.new_ungraded(Some(&[])), ["public.visits"]);
    }

    #[test]
    fn the_key_that_partitions_are_chosen_by_takes_the_lowest_grade_of_its_row() {
        let visits = partition("visits_1", "visits", &["id", "day", "phone"]);
        let of = |lines: &str| {
            let catalogue = Catalogue::of(&grading(lines), std::slice::from_ref(&visits));
            catalogue.map(|catalogue| catalogue.splits[0].to_string()).map_err(|error| error.render())
        };
        assert_eq!(of("\"public.visits.phone\" = \"medium\"").as_deref(), Ok("high 0, medium 1 2"));
        let refused = of("\"public.visits\" = \"medium\"\n\"*.*.day\" = \"high\"").expect_err("a refusal");
        let words = "public.visits.day is graded high and belongs to the key that its partition is chosen by, \
            and other columns of public.visits are medium";
        assert!(refused.contains(words), "{refused}");
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
        assert_eq!(catalogue.new_ungraded(Some(&[record(&tables[0])])), ["public.visits"]);
    }

    /// As a snapshot has it.
    fn record(table: &Table) -> TableRecord {
        let column = |column: &Column| lifeboat_vault::format::manifest::ColumnRecord {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            key: column.key,
        };
        let head = lifeboat_vault::format::manifest::TableHead {
            schema: table.name.schema.clone(),
            name: table.name.name.clone(),
            kind: "table".into(),
            ancestors: Vec::new(),
            columns: table.columns.iter().map(column).collect(),
        };
        TableRecord { table: head, rows: 0, digest: String::new(), streams: Vec::new() }
    }

    #[test]
    fn many_names_are_counted() {
        let names: Vec<_> = (0..12).map(|at| format!("t{at}")).collect();
        assert_eq!(named(&names), "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more");
        assert_eq!(named(&names[..2]), "t0, t1");
    }
}
