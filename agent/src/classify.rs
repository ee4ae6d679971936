//! What a source's columns hold, from a sample of their values and from their names, as a proposal for
//! `[source.grades]`. What is found is told by kind and share; no value leaves this module.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lifeboat_config::Grade;
use lifeboat_connectors::{Capture, Column, RowBatch, Slice, Table, TableKind, TableName, row_channel};
use lifeboat_console::{CommandError, human_rows};

mod names;
mod numbers;
mod values;

use values::{Kind, kinds};

/// Rows of a table that are looked at.
const ROWS_MAX: u64 = 5000;

/// Slices of a table that they are taken from: its first, middle and last.
const SLICES_MAX: usize = 3;

/// Fewer values than this prove nothing but by their names.
const VALUES_MIN: u64 = 5;

/// What was seen of one column.
#[derive(Debug, Default)]
struct Seen {
    values: u64,
    kinds: BTreeMap<Kind, u64>,
}

/// What is proposed for one column.
#[derive(Debug, PartialEq, Eq)]
struct Proposal {
    grade: Grade,
    reason: String,
}

/// Samples every table and writes the proposal.
///
/// # Errors
/// When the source cannot be read.
pub async fn propose(capture: &dyn Capture, source: &str) -> Result<String, CommandError> {
    let system = capture.point().system.clone();
    let tables = capture.tables();
    let mut text = format!(
        "# Proposed by `lifeboat-agent classify --source {source}` from up to {} rows of each of {} tables. Review\n\
         # every line before it goes below this source's [[source]]: a sample sees what it sees, and what no line\n\
         # names is high. No value is shown here.\n[source.grades]\n",
        human_rows(ROWS_MAX),
        tables.len()
    );
    for one in sample_all(capture, &system).await? {
        write_table(&mut text, &one);
    }
    Ok(text)
}

/// A table whose columns are proposed for: of partitions, all of them together.
struct Sampled {
    name: TableName,
    columns: Vec<Column>,
    rows: u64,
    seen: Vec<Seen>,
}

async fn sample_all(capture: &dyn Capture, system: &str) -> Result<Vec<Sampled>, CommandError> {
    let mut sampled: Vec<Sampled> = Vec::new();
    // What is derived from other tables is high, and as words or bytes of an index it would say nothing.
    let tables = capture.tables().iter().filter(|table| table.kind == TableKind::Table && !table.derived);
    for table in tables {
        let (rows, seen) = sample(capture, table, system).await?;
        let (name, columns) = (table.known_as().clone(), table.columns.clone());
        let new = Sampled { name, columns, rows, seen };
        match sampled.iter_mut().find(|known| known.name == new.name) {
            Some(known) => known.add(new),
            None => sampled.push(new),
        }
    }
    Ok(sampled)
}

impl Sampled {
    /// Takes in what was seen of another partition, whose columns may have another order.
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        for (column, seen) in other.columns.iter().zip(other.seen) {
            let Some(at) = self.columns.iter().position(|known| known.name == column.name) else { continue };
            self.seen[at].add(seen);
        }
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.values += other.values;
        other.kinds.into_iter().for_each(|(kind, hits)| *self.kinds.entry(kind).or_default() += hits);
    }
}

async fn sample(
    capture: &dyn Capture,
    table: &Table,
    system: &str,
) -> Result<(u64, Vec<Seen>), CommandError> {
    let mut seen: Vec<Seen> = table.columns.iter().map(|_| Seen::default()).collect();
    let mut rows = 0;
    let slices = chosen(&table.slices);
    let each = ROWS_MAX / slices.len().max(1) as u64;
    for slice in slices {
        let (sender, mut receiver) = row_channel();
        let look = async {
            let mut of_slice = 0;
            // A slice is read to its end: a reader that is cut off could not be used again.
            while let Some(batch) = receiver.recv().await {
                of_slice += look_at(&batch, each - of_slice, system, &mut seen);
            }
            of_slice
        };
        let (read, looked) = tokio::join!(capture.read(slice, sender), look);
        read?;
        rows += looked;
    }
    Ok((rows, seen))
}

/// The first slice, the one in the middle and the last.
fn chosen(slices: &[Slice]) -> Vec<&Slice> {
    match slices {
        all if all.len() <= SLICES_MAX => all.iter().collect(),
        all => vec![&all[0], &all[all.len() / 2], &all[all.len() - 1]],
    }
}

/// Looks at no more than `most` rows of a batch; returns how many.
fn look_at(batch: &RowBatch, most: u64, system: &str, seen: &mut [Seen]) -> u64 {
    let mut rows = 0;
    for line in batch.lines().take(usize::try_from(most).unwrap_or(usize::MAX)) {
        rows += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        for (field, seen) in line.split(|byte| *byte == b'\t').zip(seen.iter_mut()) {
            // SQLite keeps the class of a value before it.
            let field = if system == "sqlite" { field.get(1..).unwrap_or_default() } else { field };
            let is_null = field == b"\\N" || (system == "sqlite" && field == b"N");
            let Ok(value) = std::str::from_utf8(field) else { continue };
            if is_null || value.trim().is_empty() {
                continue;
            }
            seen.values += 1;
            kinds(value).into_iter().for_each(|kind| *seen.kinds.entry(kind).or_default() += 1);
        }
    }
    rows
}

fn write_table(text: &mut String, table: &Sampled) {
    let proposed: Vec<_> = table
        .columns
        .iter()
        .zip(&table.seen)
        .map(|(column, seen)| (column, propose_one(&column.name, seen)))
        .collect();
    let lines = proposed.iter().filter_map(|(column, proposal)| Some((column, proposal.as_ref()?)));
    for (column, Proposal { grade, reason }) in lines.clone() {
        let key =
            if column.key { "; it belongs to the key, which takes the lowest grade of its row" } else { "" };
        let _ = writeln!(text, "{} = \"{grade}\"  # {reason}{key}", pattern(&table.name, Some(&column.name)));
    }
    if lines.count() == 0 {
        let rows = human_rows(table.rows);
        let _ =
            writeln!(text, "# {} = \"low\"  # nothing was found in {rows} rows", pattern(&table.name, None));
    }
}

/// A pattern that means this column, or this table, and no other.
fn pattern(table: &TableName, column: Option<&str>) -> String {
    let parts = table.schema.iter().map(String::as_str).chain([table.name.as_str()]).chain(column);
    let quoted = parts.map(|part| match part.contains(['.', '"', '*']) {
        true => format!("\"{}\"", part.replace('"', "\"\"")),
        false => part.to_owned(),
    });
    // The form in which TOML and JSON agree.
    serde_json::Value::from(quoted.collect::<Vec<_>>().join(".")).to_string()
}

fn propose_one(name: &str, seen: &Seen) -> Option<Proposal> {
    let percent = |hits: u64| hits * 100 / seen.values.max(1);
    let believed = seen.kinds.iter().filter(|(kind, hits)| {
        let enough = seen.values >= VALUES_MIN || **kind != Kind::DutchCitizen;
        enough && percent(**hits) >= kind.percent_min()
    });
    let by_values = believed.max_by_key(|(kind, hits)| (kind.grade(), **hits));
    let by_values = by_values.map(|(kind, hits)| Proposal {
        grade: kind.grade(),
        reason: format!("{} in {} % of {} values", kind.words(), percent(*hits), human_rows(seen.values)),
    });
    let by_name = names::meaning(name)
        .map(|(meaning, grade)| Proposal { grade, reason: format!("its name means {meaning}") });
    match (by_values, by_name) {
        (Some(values), Some(name)) if name.grade > values.grade => Some(name),
        (values, name) => values.or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(system: &str, lines: &[&str]) -> Vec<Seen> {
        let mut batch = RowBatch::default();
        lines.iter().for_each(|line| batch.push_line(format!("{line}\n").as_bytes()));
        let mut seen = (0..lines[0].split('\t').count()).map(|_| Seen::default()).collect::<Vec<_>>();
        assert_eq!(look_at(&batch, 100, system, &mut seen), lines.len() as u64);
        seen
    }

    #[test]
    fn what_is_found_is_proposed_with_its_share_and_never_a_value() {
        let seen = look(
            "postgres",
            &["1\t11010519491231002X\tzhang@example.com", "2\t\\N\tnone", "3\t440524188001010014\t"],
        );
        let columns = ["id", "remark", "contact"];
        let column =
            |name: &&str| Column { name: (*name).into(), type_name: "text".into(), key: *name == "id" };
        let table = Sampled {
            name: TableName { schema: Some("public".into()), name: "odd.name".into() },
            columns: columns.iter().map(column).collect(),
            rows: 3,
            seen,
        };
        let mut text = String::new();
        write_table(&mut text, &table);
        let expected = "\"public.\\\"odd.name\\\".remark\" = \"high\"  # Chinese resident identity numbers in 100 % of 2 values\n\
            \"public.\\\"odd.name\\\".contact\" = \"medium\"  # e-mail addresses in 50 % of 2 values\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_counts_where_values_say_less() {
        let seen = Seen { values: 100, kinds: BTreeMap::from([(Kind::Mobile, 100)]) };
        assert_eq!(propose_one("diagnosis_line", &seen).map(|p| p.grade), Some(Grade::High));
        assert_eq!(propose_one("whatever", &seen).map(|p| p.grade), Some(Grade::Medium));
        assert_eq!(propose_one("whatever", &Seen::default()), None);
        let seen = look("sqlite", &["t13800138000", "t13900139000", "\\N"]);
        assert_eq!(seen[0].values, 2);
    }
}
