//! Which tables are restored: all of them, or those an operator names.

use std::collections::HashMap;

use lifeboat_connectors::{Column, LoadTable, TableGroup, TableKind, TableName};
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::format::manifest::TableRecord;

use super::withhold::{Shown, Withheld};

/// A misspelt name may be this unlike what was meant, from 0 to 1.
const ALIKE_MIN: f64 = 0.7;

/// More suggestions than this would not be read.
const SUGGESTIONS_MAX: usize = 5;

/// A table to restore.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// As the catalogue has it.
    pub record: TableRecord,
    /// As the connector takes it.
    pub load: LoadTable,
    /// Why it is left empty, if it is.
    pub damage: Option<String>,
    /// What of it is kept back because of its grade.
    pub withheld: Vec<Withheld>,
    /// What is made of its columns.
    pub shown: Shown,
    /// Whether the target makes it itself, or leaves it out, because rows of a table that it is bound to are
    /// withheld.
    pub left_to_target: bool,
}

impl Chosen {
    fn new(record: TableRecord) -> Result<Self, CommandError> {
        let load = load_table(&record)?;
        let shown = Shown::everything(load.columns.len());
        Ok(Self { record, load, damage: None, withheld: Vec::new(), shown, left_to_target: false })
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        self.record.table.to_string()
    }

    /// Raw bytes of its rows, as far as they are read.
    pub fn bytes(&self) -> u64 {
        let read = self.record.streams.iter().filter(|stream| self.shown.read.contains(&stream.grade));
        read.flat_map(|stream| &stream.parts).map(|part| part.bytes).sum()
    }

    /// Whether other values can be in the place of its own: pages of large objects, and what SQLite's planner has
    /// sampled, are nothing then.
    pub fn can_be_masked(&self) -> bool {
        self.load.kind == TableKind::Table && !self.load.name.is_of_samples()
    }

    /// Whether none of its rows may be restored.
    pub fn is_withheld(&self) -> bool {
        self.withheld.iter().any(|withheld| withheld.whole_table)
    }

    /// Whether no row is loaded into it.
    pub fn is_left_empty(&self) -> bool {
        self.damage.is_some() || self.is_withheld() || self.left_to_target
    }
}

/// Chooses by name, a group's for all of its tables; no names choose every table.
pub fn choose(
    tables: Vec<TableRecord>,
    groups: &[TableGroup],
    names: &[String],
) -> Result<Vec<Chosen>, CommandError> {
    let known = known(&tables, groups);
    let mut wanted = vec![names.is_empty(); tables.len()];
    for name in names {
        let called: Vec<_> = known.iter().filter(|known| is_called(&known.name, name)).collect();
        match called[..] {
            [] => return Err(unknown(&known, name)),
            [Known { places, .. }] if places.is_empty() => return Err(empty(name)),
            [Known { places, .. }] => places.iter().for_each(|place| wanted[*place] = true),
            _ => return Err(ambiguous(&called, name)),
        }
    }
    let chosen = tables.into_iter().zip(wanted).filter(|(_, wanted)| *wanted);
    chosen.map(|(table, _)| Chosen::new(table)).collect()
}

/// What can be named, and the places of the tables that it stands for.
struct Known {
    name: TableName,
    places: Vec<usize>,
}

fn known(tables: &[TableRecord], groups: &[TableGroup]) -> Vec<Known> {
    let of_tables = tables.iter().enumerate();
    let of_tables = of_tables.map(|(at, record)| Known { name: name(record), places: vec![at] });
    let places: HashMap<_, _> = tables.iter().enumerate().map(|(at, record)| (name(record), at)).collect();
    let of_groups = groups.iter().map(|group| Known {
        name: group.name.clone(),
        places: group.tables.iter().filter_map(|table| places.get(table).copied()).collect(),
    });
    of_tables.chain(of_groups).collect()
}

fn name(record: &TableRecord) -> TableName {
    TableName { schema: record.table.schema.clone(), name: record.table.name.clone() }
}

fn is_called(table: &TableName, name: &str) -> bool {
    let whole = table.schema.as_ref().map(|schema| format!("{schema}.{}", table.name));
    table.name == name || whole.is_some_and(|whole| whole == name) || table.to_string() == name
}

fn unknown(known: &[Known], name: &str) -> CommandError {
    let text = format!("the snapshot has no table `{}`", name.escape_debug());
    let alike = |table: &TableName| {
        strsim::jaro_winkler(&table.name, name).max(strsim::jaro_winkler(&table.to_string(), name))
    };
    let mut found: Vec<_> = known.iter().map(|known| (alike(&known.name), known.name.to_string())).collect();
    found.retain(|(alike, _)| *alike >= ALIKE_MIN);
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found: Vec<_> = found.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name).collect();
    let error = CommandError::new(Kind::Usage, text);
    match found.is_empty() {
        true => error.hint("`lifeboat-restore show` lists its tables"),
        false => error.hint(format!("did you mean {}?", found.join(" or "))),
    }
}

fn ambiguous(called: &[&Known], name: &str) -> CommandError {
    let tables: Vec<_> = called.iter().map(|known| known.name.to_string()).collect();
    CommandError::new(Kind::Usage, format!("several tables are called `{}`", name.escape_debug()))
        .hint(format!("write one of {}", tables.join(", ")))
}

fn empty(name: &str) -> CommandError {
    CommandError::new(Kind::Usage, format!("`{}` has no partitions, and so no rows", name.escape_debug()))
        .hint("its definition comes back with the whole snapshot: leave --table out")
}

fn load_table(record: &TableRecord) -> Result<LoadTable, CommandError> {
    let head = &record.table;
    let kind = match head.kind.as_str() {
        "table" => TableKind::Table,
        "large_objects" => TableKind::LargeObjects,
        other => {
            let text = format!("{head} holds rows of kind `{}`, which is not known", other.escape_debug());
            return Err(CommandError::new(Kind::Failed, text)
                .hint("restore with the version of Lifeboat that wrote the snapshot, or a newer one"));
        }
    };
    let columns = head.columns.iter().cloned();
    Ok(LoadTable {
        name: TableName { schema: head.schema.clone(), name: head.name.clone() },
        kind,
        columns: columns
            .map(|column| Column { name: column.name, type_name: column.type_name, key: column.key })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_vault::format::manifest::TableHead;

    fn table(schema: &str, name: &str) -> TableRecord {
        let table = TableHead {
            schema: Some(schema.into()),
            name: name.into(),
            kind: "table".into(),
            ancestors: Vec::new(),
            columns: Vec::new(),
        };
        TableRecord { table, rows: 0, digest: String::new(), streams: Vec::new() }
    }

    fn check(names: &[&str], expected: Result<&[&str], &str>) {
        let tables = vec![table("public", "contacts"), table("public", "deals"), table("old", "deals")];
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let tables_of = |name: &str, tables: &[&str]| {
            let table = |name: &str| TableName { schema: Some("public".into()), name: name.into() };
            let tables = tables.iter().map(|name| table(name)).collect();
            TableGroup { name: table(name), tables, placed_by: Vec::new() }
        };
        let groups = [tables_of("all", &["contacts", "deals"]), tables_of("later", &[])];
        let chosen = choose(tables, &groups, &names).map_err(|error| error.render());
        match expected {
            Ok(expected) => {
                let chosen: Vec<_> = chosen.expect("a choice").iter().map(Chosen::name).collect();
                assert_eq!(chosen, expected);
            }
            Err(expected) => assert_eq!(chosen.expect_err("a refusal"), expected),
        }
    }

    #[test]
    fn a_table_is_chosen_by_its_name_with_or_without_schema() {
        check(&[], Ok(&["public.contacts", "public.deals", "old.deals"]));
        check(&["contacts"], Ok(&["public.contacts"]));
        check(&["old.deals", "contacts"], Ok(&["public.contacts", "old.deals"]));
    }

    #[test]
    fn a_partitioned_table_stands_for_its_partitions() {
        check(&["all"], Ok(&["public.contacts", "public.deals"]));
        let none = "error: `later` has no partitions, and so no rows\n\
            hint: its definition comes back with the whole snapshot: leave --table out\n";
        check(&["later"], Err(none));
    }

    #[test]
    fn a_name_that_fits_none_or_several_is_refused_with_what_was_probably_meant() {
        let unknown = "error: the snapshot has no table `contcats`\nhint: did you mean public.contacts?\n";
        check(&["contcats"], Err(unknown));
        let several =
            "error: several tables are called `deals`\nhint: write one of public.deals, old.deals\n";
        check(&["deals"], Err(several));
    }
}
