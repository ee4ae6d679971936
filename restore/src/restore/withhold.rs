//! What a restore keeps back because of its grade: columns that nobody here may open or that were not asked
//! for, as NULL or under a mask. Each is named, with the reason: a restore never has less than it says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use lifeboat_connectors::{Bound, MaskedColumn, Outline, Withheld as WithheldColumns};
use lifeboat_vault::{Grade, Vault};
use serde::{Serialize, Serializer};

use super::Chosen;
use super::mask::{Mask, Masks, Shape};

/// Which grades a restore shows as they are.
pub struct Showing {
    /// What the identities open.
    open: Vec<Grade>,
    /// The most sensitive grade that was asked for.
    most: Option<Grade>,
    /// The key of the masks in the place of the rest.
    mask_key: Option<[u8; 32]>,
    /// The snapshot's system, whose types are masked.
    system: String,
}

/// Columns of one table and grade that are kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// The table.
    pub table: String,
    /// Their grade.
    pub grade: Grade,
    /// Their names.
    pub columns: Vec<String>,
    /// Whether the table has no other columns to restore, and so is left empty.
    pub whole_table: bool,
    /// Whether values of their form stand in their place; otherwise NULL does.
    pub masked: bool,
    /// Why.
    pub reason: Reason,
}

/// Why something is kept back. `Display` says it, and JSON as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody here opens its grade.
    Closed,
    /// Masks were asked for.
    Masked,
    /// So they were, and of its type none can be made.
    NoMask,
    /// So they were, and its text is in another encoding than UTF-8.
    NotUtf8,
    /// So they were, and by what is masked its rows would belong to other partitions.
    Misplaced,
    /// It is bound to other tables, and rows of theirs are kept back.
    Bound,
    /// Only this grade and lower ones were asked for.
    Above(Grade),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("no identity given opens this grade"),
            Self::Masked => f.write_str("--mask"),
            Self::NoMask => f.write_str("of this type no other value can be made"),
            Self::NotUtf8 => f.write_str("of text that is not UTF-8 no other value can be made"),
            Self::Misplaced => f.write_str("by what is masked its rows would belong to other partitions"),
            Self::Bound => {
                f.write_str("it belongs to an index that holds what is withheld, masked or damaged")
            }
            Self::Above(most) => write!(f, "--grade {most}"),
        }
    }
}

impl Reason {
    /// Whether it is one because masks were asked for.
    fn is_of_masks(self) -> bool {
        matches!(self, Self::Masked | Self::NoMask | Self::NotUtf8)
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a restore makes of one table's columns.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Grades of the streams that are read.
    pub read: Vec<Grade>,
    /// Whether each column is restored as it was.
    pub as_it_was: Vec<bool>,
    /// What is made of the fields that are read, where they are not restored as they were.
    pub masks: Option<Arc<Masks>>,
}

impl Showing {
    /// Shows what is open, up to the grade asked for; without one, masks stand in the place of what is high.
    pub fn new(vault: &Vault, asked: Option<Grade>, mask: bool, system: &str) -> Self {
        let most = asked.or(mask.then_some(Grade::Medium));
        // Where nothing is open nothing is masked, whatever the key.
        let mask_key = mask.then(|| vault.mask_key().unwrap_or_default());
        Self { open: vault.unlocked(), most, mask_key, system: system.to_owned() }
    }

    /// The same as if these grades were open too, to know what a restore would do.
    pub fn opening(mut self, more: &[Grade]) -> Self {
        self.open.extend(more);
        self
    }

    /// Whether a grade is shown as it is.
    pub fn shows(&self, grade: Grade) -> bool {
        self.open.contains(&grade) && self.is_asked_for(grade)
    }

    fn is_asked_for(&self, grade: Grade) -> bool {
        // The most sensitive grade is the smallest.
        self.most.is_none_or(|most| grade >= most)
    }

    /// Notes at a table what is kept back of it.
    pub fn apply(&self, table: &mut Chosen, outline: &Outline) {
        let columns = &table.record.table.columns;
        let mut masks = vec![Mask::Open; columns.len()];
        let mut withheld: Vec<Withheld> = Vec::new();
        let mut read = Vec::new();
        for stream in table.record.streams.iter().filter(|_| table.record.rows > 0) {
            if self.shows(stream.grade) {
                read.push(stream.grade);
                continue;
            }
            let made: Vec<_> = stream
                .columns
                .iter()
                .map(|column| self.made_of(stream.grade, *column, table, outline))
                .collect();
            if made.iter().any(|(mask, _)| matches!(mask, Mask::Shape(_))) {
                read.push(stream.grade);
            }
            for (column, (mask, reason)) in stream.columns.iter().zip(&made) {
                masks[*column as usize] = *mask;
                let name = columns[*column as usize].name.clone();
                match withheld.iter_mut().find(|of| (of.grade, of.reason) == (stream.grade, *reason)) {
                    Some(of) => of.columns.push(name),
                    None => withheld.push(Withheld {
                        table: table.name(),
                        grade: stream.grade,
                        columns: vec![name],
                        whole_table: false,
                        masked: *reason == Reason::Masked,
                        reason: *reason,
                    }),
                }
            }
        }
        // A row without its key cannot be told from another.
        let key_lost = columns.iter().zip(&masks).any(|(column, mask)| column.key && *mask == Mask::Null);
        // A partition takes no row whose key is that of another.
        let misplaced = columns.iter().zip(&masks).any(|(column, mask)| {
            *mask != Mask::Open && outline.is_placed_by(&table.load.name, &column.name)
        });
        if misplaced {
            let masked = withheld.iter_mut().filter(|of| of.reason.is_of_masks());
            masked.for_each(|withheld| withheld.reason = Reason::Misplaced);
        }
        if table.record.rows > 0 && (read.is_empty() || key_lost || misplaced) {
            read.clear();
            withheld.iter_mut().for_each(|withheld| (withheld.whole_table, withheld.masked) = (true, false));
        }
        let as_it_was = masks.iter().map(|mask| *mask == Mask::Open).collect();
        let any_masked = masks.iter().any(|mask| matches!(mask, Mask::Shape(_)));
        let masks = self.mask_key.filter(|_| any_masked).map(|key| Arc::new(Masks::new(key, masks)));
        table.shown = Shown { read, as_it_was, masks };
        table.withheld = withheld;
    }

    /// What stands in the place of a column that is not shown as it is, and why.
    fn made_of(&self, grade: Grade, column: u32, table: &Chosen, outline: &Outline) -> (Mask, Reason) {
        let Some(most) = self.most.filter(|_| self.open.contains(&grade)) else {
            return (Mask::Null, Reason::Closed);
        };
        if self.mask_key.is_none() {
            return (Mask::Null, Reason::Above(most));
        }
        let column = &table.record.table.columns[column as usize];
        match Shape::of(&self.system, &column.type_name).filter(|_| table.can_be_masked()) {
            Some(Shape::Text) if outline.other_text.has(&table.load.name, &column.name) => {
                (Mask::Null, Reason::NotUtf8)
            }
            Some(shape) => (Mask::Shape(shape), Reason::Masked),
            None => (Mask::Null, Reason::NoMask),
        }
    }
}

/// Keeps back every table that is bound to one of which something is kept back, or damaged.
pub fn keep_together(tables: &mut [Chosen], bound: &[Bound]) {
    for bound in bound {
        let of_it = |table: &&mut Chosen| bound.tables.contains(&table.load.name);
        let mut of_it: Vec<_> = tables.iter_mut().filter(of_it).collect();
        if of_it.iter().any(|table| !table.withheld.is_empty() || table.damage.is_some()) {
            of_it.iter_mut().for_each(|table| keep_back(table));
        }
    }
}

fn keep_back(table: &mut Chosen) {
    let columns = &table.record.table.columns;
    let named = |columns_of: &[u32]| columns_of.iter().map(|at| columns[*at as usize].name.clone()).collect();
    for withheld in &mut table.withheld {
        (withheld.whole_table, withheld.masked) = (true, false);
        withheld.reason = if withheld.reason.is_of_masks() { Reason::Bound } else { withheld.reason };
    }
    let shown = table.record.streams.iter().filter(|_| table.record.rows > 0);
    let shown = shown.filter(|stream| !table.withheld.iter().any(|withheld| withheld.grade == stream.grade));
    let shown = shown.map(|stream| Withheld {
        table: table.name(),
        grade: stream.grade,
        columns: named(&stream.columns),
        whole_table: true,
        masked: false,
        reason: Reason::Bound,
    });
    let shown: Vec<_> = shown.collect();
    table.withheld.extend(shown);
    table.shown = Shown { read: Vec::new(), as_it_was: vec![false; columns.len()], masks: None };
    table.left_to_target = true;
}

impl Shown {
    /// Everything as it was.
    pub fn everything(columns: usize) -> Self {
        Self { read: Grade::ALL.to_vec(), as_it_was: vec![true; columns], masks: None }
    }
}

/// What the target must know of it: columns that are NULL or masked, tables without rows.
pub fn for_target(tables: &[Chosen], system: &str) -> Vec<WithheldColumns> {
    let of_table = |table: &Chosen| {
        let whole = table.is_withheld();
        let columns = |masked: bool| {
            let these = table.withheld.iter().filter(|withheld| !whole && withheld.masked == masked);
            these.flat_map(|withheld| withheld.columns.clone()).collect::<BTreeSet<_>>()
        };
        let masked = columns(true);
        let masked = table.load.columns.iter().filter(|column| masked.contains(&column.name)).map(|column| {
            MaskedColumn { name: column.name.clone(), kind: Shape::kind(system, &column.type_name) }
        });
        WithheldColumns {
            table: table.load.name.clone(),
            whole,
            columns: columns(false).into_iter().collect(),
            masked: masked.collect(),
        }
    };
    tables.iter().filter(|table| !table.withheld.is_empty()).map(of_table).collect()
}

/// Every kept back column of one grade, for one reason, as `contacts.id_number, orders.card`.
pub fn by_reason(withheld: &[Withheld]) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    for withheld in withheld {
        let Withheld { table, grade, columns, whole_table, masked, reason } = withheld;
        let what = match (whole_table, masked) {
            (true, _) => "no row",
            (false, true) => "masked",
            (false, false) => "NULL",
        };
        let why = format!("grade {grade}, {what}: {reason}");
        let names = match whole_table {
            true => table.clone(),
            false => {
                let columns = columns.iter().map(|column| format!("{table}.{}", column.escape_debug()));
                columns.collect::<Vec<_>>().join(", ")
            }
        };
        match told.iter_mut().find(|(known, _)| *known == why) {
            Some((_, all)) if all.split(", ").any(|known| known == names) => {}
            Some((_, all)) => *all = format!("{all}, {names}"),
            None => told.push((why, names)),
        }
    }
    told
}
