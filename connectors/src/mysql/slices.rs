//! A large table cut into ranges of its primary key, half open, so that no key falls between two.
//!
//! Where they are cut follows from the keys' values alone, never from how many rows lie between: a
//! boundary that was there yesterday is there today, whatever was added elsewhere, and an unchanged
//! stretch reads the same.

use super::inventory::Relation;
use super::sql::ident;
use crate::Slice;

/// The most slices that a table of binary keys is cut into: one for each first byte's value.
const PREFIXES: u64 = 256;
/// The same for text: one for each hexadecimal digit. Single digits sort alike in every collation; of two
/// letters some make one (Danish `aa` follows `z`), and slices cut there would overlap.
const DIGITS: u64 = 16;

/// What kind of values the first column of a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Integer,
    /// Such as the hexadecimal ids that many CRMs use.
    Text,
    Bytes,
}

/// The kind of the relation's key, if it can be cut by it.
pub(super) fn key_kind(relation: &Relation) -> Option<KeyKind> {
    let first = relation.key.first()?;
    let field = relation.columns.iter().find(|field| field.name == *first)?;
    let word = field.type_name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    match word.to_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => Some(KeyKind::Integer),
        "char" | "varchar" => Some(KeyKind::Text),
        "binary" | "varbinary" => Some(KeyKind::Bytes),
        _ => None,
    }
}

/// Cuts a table into slices of about `slice_bytes`. `span` holds the lowest and highest key where keys
/// are integers.
pub(super) fn cut(
    relation: &Relation,
    table: usize,
    slice_bytes: u64,
    span: Option<(i128, i128)>,
) -> Vec<Slice> {
    let wanted = relation.bytes.div_ceil(slice_bytes.max(1)).max(1);
    let cuts = match (key_kind(relation), span) {
        _ if wanted == 1 || !relation.is_transactional() => Vec::new(),
        (Some(KeyKind::Integer), Some(span)) => integer_cuts(wanted, span),
        (Some(KeyKind::Text), _) => prefix_cuts(wanted.min(DIGITS)),
        (Some(KeyKind::Bytes), _) => prefix_cuts(wanted),
        _ => Vec::new(),
    };
    let starts = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let ends = cuts.iter().copied().map(Some).chain(std::iter::once(None));
    let count = cuts.len() as u64 + 1;
    let ranges = starts.zip(ends).enumerate();
    ranges
        .map(|(index, range)| Slice { table, index, range, bytes_estimated: relation.bytes / count })
        .collect()
}

/// Multiples of a power of two: when a table outgrows its step, the finer cuts include the coarser ones.
fn integer_cuts(wanted: u64, (lowest, highest): (i128, i128)) -> Vec<u64> {
    let step =
        u128::try_from((highest - lowest) / i128::from(wanted)).unwrap_or(0).max(1).next_power_of_two();
    let Ok(step) = u64::try_from(step) else { return Vec::new() };
    let first = u64::try_from(lowest.max(0)).unwrap_or(u64::MAX) / step + 1;
    let multiples = (first..).map_while(|multiple| multiple.checked_mul(step));
    multiples.take_while(|cut| i128::from(*cut) <= highest).collect()
}

fn prefix_cuts(wanted: u64) -> Vec<u64> {
    let step = PREFIXES / wanted.next_power_of_two().min(PREFIXES);
    (1..PREFIXES / step).map(|multiple| multiple * step).collect()
}

/// The condition that a row of the slice meets; empty for a whole table.
pub(super) fn condition(relation: &Relation, slice: &Slice) -> String {
    let (Some(kind), Some(column)) = (key_kind(relation), relation.key.first()) else { return String::new() };
    let ends = [(">=", slice.range.0), ("<", slice.range.1)];
    let conditions: Vec<_> = ends
        .into_iter()
        .filter_map(|(operator, cut)| Some(format!("{} {operator} {}", ident(column), boundary(kind, cut?))))
        .collect();
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

fn boundary(kind: KeyKind, cut: u64) -> String {
    match kind {
        KeyKind::Integer => cut.to_string(),
        // A digit sorts before everything that begins with it.
        KeyKind::Text => format!("_utf8mb4'{:x}'", cut / (PREFIXES / DIGITS)),
        KeyKind::Bytes => format!("x'{cut:02x}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::Shape;
    use super::super::inventory::{Field, History};
    use super::*;

    fn relation(type_name: &str, bytes: u64) -> Relation {
        let field =
            Field { name: "id".into(), type_name: type_name.into(), shape: Shape::Plain, period: false };
        Relation {
            name: "t".into(),
            engine: "InnoDB".into(),
            columns: vec![field],
            key: vec!["id".into()],
            rows_estimated: 0,
            bytes,
            history: History::None,
        }
    }

    #[test]
    fn every_key_falls_into_one_slice() {
        let relation = relation("bigint(20)", 1000);
        for span in [(-500, 1_000_000), (0, 3), (5, 5), (-9, -1), (0, i128::from(u64::MAX))] {
            let slices = cut(&relation, 0, 100, Some(span));
            assert_eq!((slices[0].range.0, slices[slices.len() - 1].range.1), (None, None), "{span:?}");
            for pair in slices.windows(2) {
                assert!(pair[0].range.1.is_some() && pair[0].range.1 == pair[1].range.0, "{span:?}");
            }
        }
    }

    #[test]
    fn boundaries_stay_where_they_were_when_rows_are_added() {
        let relation = relation("int(10) unsigned", 1000);
        let cuts = |span| integer_cuts_of(&cut(&relation, 0, 100, Some(span)));
        let (before, after) = (cuts((1, 1_000_000)), cuts((1, 1_040_000)));
        assert!(before.len() > 3 && before.iter().all(|cut| after.contains(cut)), "{before:?} {after:?}");
    }

    fn integer_cuts_of(slices: &[Slice]) -> Vec<u64> {
        slices.iter().filter_map(|slice| slice.range.1).collect()
    }

    #[test]
    fn text_and_binary_keys_are_cut_by_their_first_byte() {
        let text = relation("char(36)", 1000);
        let slices = cut(&text, 0, 250, None);
        let conditions: Vec<_> = slices.iter().map(|slice| condition(&text, slice)).collect();
        assert_eq!(conditions[0], " WHERE `id` < _utf8mb4'4'");
        assert_eq!(conditions[3], " WHERE `id` >= _utf8mb4'c'");
        assert_eq!(cut(&text, 0, 1, None).len(), 16, "never between two letters");
        let binary = relation("binary(16)", 1000);
        assert_eq!(condition(&binary, &cut(&binary, 0, 500, None)[0]), " WHERE `id` < x'80'");
    }

    #[test]
    fn a_small_table_and_one_without_such_a_key_are_read_whole() {
        assert_eq!(cut(&relation("int", 10), 0, 100, Some((0, 10))).len(), 1);
        assert_eq!(cut(&relation("datetime", 1000), 0, 100, None).len(), 1);
        let myisam = Relation { engine: "MyISAM".into(), ..relation("int", 1000) };
        assert_eq!(cut(&myisam, 0, 100, Some((0, 1000))).len(), 1);
    }
}
