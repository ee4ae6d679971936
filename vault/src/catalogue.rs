//! The catalogue: a snapshot's tables, as text and as changes of an earlier snapshot's.
//!
//! A night changes a little of most tables. Written anew, the catalogue would cost every list of chunks that
//! its tables name, and each of those lists its last chunk. So a run that knows the source's last snapshot
//! names that one's catalogue, and adds a chunk with what is different: what came behind the lists, with
//! the digests and counts. Only once the changes are many is everything written anew. The writer decides
//! that in [`crate::write`]; here is what changes say, to write ([`changes`]) and to read ([`apply`]).

use crate::format::changes::{PartChange, StreamChange, TableChange};
use crate::format::manifest::{StreamRecord, TableRecord};
use crate::format::recipe::{Part, Text};
use crate::{Error, Result};

/// Writes records, one a line.
pub(crate) fn to_text<T: serde::Serialize>(records: &[T]) -> String {
    let mut text = String::new();
    for record in records {
        text.push_str(&serde_json::to_string(record).expect("a record serialises"));
        text.push('\n');
    }
    text
}

/// Reads records, one a line; `what` is for messages.
pub(crate) fn from_text<T: serde::de::DeserializeOwned>(what: &str, text: &[u8]) -> Result<Vec<T>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let records: Result<_, _> = lines.map(serde_json::from_slice).collect();
    records.map_err(|error| Error::damaged(what, error))
}

/// What is to be said of the tables of an earlier snapshot to make them these; nothing when they are others.
pub(crate) fn changes(before: &[TableRecord], now: &[TableRecord]) -> Option<Vec<TableChange>> {
    if before.len() != now.len() {
        return None;
    }
    let pairs = before.iter().zip(now).enumerate().filter(|(_, (before, now))| before != now);
    pairs.map(|(table, (before, now))| change(table, before, now)).collect()
}

fn change(table: usize, before: &TableRecord, now: &TableRecord) -> Option<TableChange> {
    if before.table != now.table || before.streams.len() != now.streams.len() {
        return None;
    }
    let streams = before.streams.iter().zip(&now.streams).map(|(before, now)| stream_change(before, now));
    let streams = streams.collect::<Option<_>>()?;
    Some(TableChange { table, rows: now.rows, digest: now.digest.clone(), streams })
}

fn stream_change(before: &StreamRecord, now: &StreamRecord) -> Option<StreamChange> {
    let another = before.grade != now.grade || before.columns != now.columns;
    if another || before.parts.len() > now.parts.len() {
        return None;
    }
    let changed = |(at, part): (usize, &Part)| match before.parts.get(at) {
        Some(old) if old == part => None,
        old => Some(part_change(at, old, part)),
    };
    let parts = now.parts.iter().enumerate().filter_map(changed).collect();
    Some(StreamChange { digest: now.digest.clone(), parts })
}

fn part_change(at: usize, before: Option<&Part>, now: &Part) -> PartChange {
    let Part { rows, bytes, .. } = *now;
    let more =
        before.and_then(|before| Some((now.chunks.after(&before.chunks)?, now.gone.after(&before.gone)?)));
    let (chunks, gone) = match more {
        Some((chunks, gone)) => (Text::inline(chunks.to_owned()), Text::inline(gone.to_owned())),
        None => (now.chunks.clone(), now.gone.clone()),
    };
    PartChange { part: at, rows, bytes, anew: more.is_none(), chunks, gone }
}

/// Makes one change to an earlier snapshot's tables.
///
/// # Errors
/// In words, why the change is none of these tables.
pub(crate) fn apply(tables: &mut [TableRecord], change: TableChange) -> Result<(), &'static str> {
    let table = tables.get_mut(change.table).ok_or("it changes a table that is none")?;
    if table.streams.len() != change.streams.len() {
        return Err("it changes another number of streams than the table has");
    }
    (table.rows, table.digest) = (change.rows, change.digest);
    for (stream, change) in table.streams.iter_mut().zip(change.streams) {
        stream.digest = change.digest;
        for change in change.parts {
            let PartChange { part: at, rows, bytes, anew, chunks, gone } = change;
            let part = match stream.parts.get(at) {
                _ if anew => Part { rows, bytes, chunks, gone },
                Some(_) if !chunks.chunks.is_empty() || !gone.chunks.is_empty() => {
                    return Err("it adds chunks of text behind text");
                }
                Some(old) => {
                    let (chunks, gone) = (old.chunks.then(&chunks.inline), old.gone.then(&gone.inline));
                    Part { rows, bytes, chunks, gone }
                }
                None => return Err("it changes a part that is none"),
            };
            match stream.parts.len() {
                parts if at < parts => stream.parts[at] = part,
                parts if at == parts => stream.parts.push(part),
                _ => return Err("it leaves out a part"),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::{ColumnRecord, TableHead};
    use crate::{ChunkId, Grade};

    fn part(rows: u64, chunks: &[u8], more: &str, gone: &str) -> Part {
        let chunks = chunks.iter().map(|byte| ChunkId([*byte; 32])).collect();
        let chunks = Text { chunks, inline: more.into() };
        Part { rows, bytes: rows * 10, chunks, gone: Text::inline(gone.into()) }
    }

    fn table(name: &str, parts: Vec<Part>) -> TableRecord {
        let column = ColumnRecord { name: "id".into(), type_name: "bigint".into(), key: true };
        let head = TableHead {
            schema: None,
            name: name.into(),
            kind: "table".into(),
            ancestors: Vec::new(),
            columns: vec![column],
        };
        let rows = parts.iter().map(|part| part.rows).sum();
        let digest = format!("{rows:032x}");
        let stream = StreamRecord { grade: Grade::High, columns: vec![0], digest: digest.clone(), parts };
        TableRecord { table: head, rows, digest, streams: vec![stream] }
    }

    /// Changes are these lines, and make the one of the other.
    fn check(before: &[TableRecord], now: &[TableRecord], expected: &str) {
        let lines = to_text(&changes(before, now).expect("changes"));
        let mut tables = before.to_vec();
        for change in from_text("test", lines.as_bytes()).expect("lines") {
            apply(&mut tables, change).expect("applies");
        }
        assert_eq!(tables, now);
        assert_eq!(lines.replace(&"0".repeat(30), "…"), expected);
    }

    #[test]
    fn what_comes_behind_the_lists_is_all_that_is_said_of_a_part() {
        let before =
            [table("a", vec![part(9, &[1], "x\n", "")]), table("b", vec![part(9, &[2], "", "0 1 1\n")])];
        let now = [
            table("a", vec![part(10, &[1], "x\ny\n", "")]),
            table("b", vec![part(8, &[2], "", "0 1 1\n0 5 1\n")]),
        ];
        check(
            &before,
            &now,
            "{\"table\":0,\"rows\":10,\"digest\":\"…0a\",\"streams\":[{\"digest\":\"…0a\",\"parts\":[{\"part\":0,\"rows\":10,\"bytes\":100,\"chunks\":{\"inline\":\"y\\n\"}}]}]}\n\
             {\"table\":1,\"rows\":8,\"digest\":\"…08\",\"streams\":[{\"digest\":\"…08\",\"parts\":[{\"part\":0,\"rows\":8,\"bytes\":80,\"gone\":{\"inline\":\"0 5 1\\n\"}}]}]}\n",
        );
        check(&before, &before, "");
    }

    #[test]
    fn a_part_with_other_lists_is_said_as_a_whole_and_a_new_one_comes_behind() {
        let before = [table("a", vec![part(9, &[1], "x\n", ""), part(5, &[5], "", "")])];
        let now = [table("a", vec![part(9, &[], "y\n", ""), part(5, &[5], "", ""), part(3, &[], "z\n", "")])];
        check(
            &before,
            &now,
            "{\"table\":0,\"rows\":17,\"digest\":\"…11\",\"streams\":[{\"digest\":\"…11\",\"parts\":[\
             {\"part\":0,\"rows\":9,\"bytes\":90,\"anew\":true,\"chunks\":{\"inline\":\"y\\n\"}},\
             {\"part\":2,\"rows\":3,\"bytes\":30,\"anew\":true,\"chunks\":{\"inline\":\"z\\n\"}}]}]}\n",
        );
    }

    #[test]
    fn other_tables_are_no_changes() {
        let one = [table("a", vec![part(9, &[1], "", "")])];
        let renamed = [table("b", vec![part(9, &[1], "", "")])];
        let emptied = [table("a", Vec::new())];
        assert_eq!(changes(&one, &[one.clone(), emptied.clone()].concat()), None);
        assert_eq!(changes(&one, &renamed), None);
        assert_eq!(changes(&one, &emptied), None, "parts are fewer");
    }

    #[test]
    fn a_change_of_something_else_is_refused() {
        let tables = [table("a", vec![part(9, &[1], "x\n", "")])];
        let now = [table("a", vec![part(10, &[1], "x\ny\n", "")])];
        let change = changes(&tables, &now).expect("changes").remove(0);
        let refused = |alter: &dyn Fn(&mut TableChange), expected| {
            let mut change = change.clone();
            alter(&mut change);
            assert_eq!(apply(&mut tables.clone(), change), Err(expected));
        };
        refused(&|change| change.table = 1, "it changes a table that is none");
        refused(&|change| change.streams.clear(), "it changes another number of streams than the table has");
        refused(&|change| change.streams[0].parts[0].part = 1, "it changes a part that is none");
        let behind =
            |change: &mut TableChange| change.streams[0].parts[0].gone = Text::chunks(vec![ChunkId([1; 32])]);
        refused(&behind, "it adds chunks of text behind text");
        let left_out = |change: &mut TableChange| {
            let part = &mut change.streams[0].parts[0];
            (part.part, part.anew) = (2, true);
        };
        refused(&left_out, "it leaves out a part");
    }
}
