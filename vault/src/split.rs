//! How a table's columns are divided among streams, one for each grade that they have: rows taken apart
//! into the streams' lines, and put together again.
//!
//! Fields are parted by raw tabs, which no connector leaves in a field: that is all that is known of them.

use std::fmt;

use crate::format::manifest::TableRecord;
use crate::{Error, Grade, Result, RowDigest};

/// A table's streams, the most sensitive first, and the columns of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    streams: Vec<(Grade, Vec<u32>)>,
    /// The stream of each column, and its place there.
    columns: Vec<(usize, usize)>,
}

impl Split {
    /// One stream, whose lines are the rows.
    pub fn whole(grade: Grade) -> Self {
        Self { streams: vec![(grade, Vec::new())], columns: Vec::new() }
    }

    /// A stream for each grade that the columns have, given in their order. A table without columns is high.
    pub fn of(grades: &[Grade]) -> Self {
        let present = Grade::ALL.into_iter().filter(|grade| grades.contains(grade));
        let places = |grade| (0_u32..).zip(grades).filter(move |(_, of)| **of == grade).map(|(at, _)| at);
        let streams: Vec<_> = present.map(|grade| (grade, places(grade).collect())).collect();
        if streams.is_empty() { Self::whole(Grade::High) } else { Self::new(streams, grades.len()) }
    }

    /// As a catalogue has it.
    ///
    /// # Errors
    /// `Damaged` when its streams do not have every column once.
    pub fn recorded(table: &TableRecord) -> Result<Self> {
        let columns = table.table.columns.len();
        let streams: Vec<_> = table.streams.iter().map(|of| (of.grade, of.columns.clone())).collect();
        let mut places: Vec<_> = streams.iter().flat_map(|(_, columns)| columns.iter().copied()).collect();
        places.sort_unstable();
        match places.iter().copied().eq(0..columns as u32) && !streams.is_empty() {
            true => Ok(Self::new(streams, columns)),
            false => {
                let what = format!("table {}", table.table);
                Err(Error::damaged(what, "its streams do not have each of its columns once"))
            }
        }
    }

    fn new(streams: Vec<(Grade, Vec<u32>)>, columns: usize) -> Self {
        let mut places = vec![(0, 0); columns];
        for (stream, (_, columns)) in streams.iter().enumerate() {
            for (at, column) in columns.iter().enumerate() {
                places[*column as usize] = (stream, at);
            }
        }
        Self { streams, columns: places }
    }

    /// The streams in their order: grade, and places of columns.
    pub fn streams(&self) -> impl Iterator<Item = (Grade, &[u32])> {
        self.streams.iter().map(|(grade, columns)| (*grade, &columns[..]))
    }

    /// Whether the lines of its one stream are the rows.
    pub fn is_whole(&self) -> bool {
        self.streams.len() == 1 && self.streams[0].1.is_sorted()
    }

    /// Appends the line of each stream to its buffer; `row` may end in its newline, lines do.
    ///
    /// # Errors
    /// `Mismatch` when the row has another number of fields than the table has columns.
    pub fn take_apart(&self, row: &[u8], lines: &mut [Vec<u8>]) -> Result<()> {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        let fields = fields(row);
        if fields.len() != self.columns.len() {
            let reason = format!("it has {} fields, its table {} columns", fields.len(), self.columns.len());
            return Err(Error::Mismatch { what: "a row to be divided by its grades".into(), reason });
        }
        for ((_, columns), line) in self.streams.iter().zip(lines) {
            for column in columns {
                line.extend_from_slice(fields[*column as usize]);
                line.push(b'\t');
            }
            // The last field ends with the line.
            if let Some(last) = line.last_mut() {
                *last = b'\n';
            }
        }
        Ok(())
    }

    /// Appends the row that these lines make, with its newline; where a stream has none, its columns are
    /// what `absent` has for them.
    ///
    /// # Errors
    /// In words, what does not fit.
    pub fn put_together(
        &self,
        lines: &[Option<&[u8]>],
        absent: &[Vec<u8>],
        row: &mut Vec<u8>,
    ) -> std::result::Result<(), String> {
        let mut parted = Vec::with_capacity(lines.len());
        for (line, (grade, columns)) in lines.iter().zip(&self.streams) {
            let fields = line.map(|line| fields(line.strip_suffix(b"\n").unwrap_or(line)));
            if let Some(found) = fields.as_ref().map(Vec::len).filter(|found| *found != columns.len()) {
                return Err(format!("a line of grade {grade} has {found} fields of {}", columns.len()));
            }
            parted.push(fields);
        }
        for (column, (stream, at)) in self.columns.iter().enumerate() {
            match &parted[*stream] {
                Some(fields) => row.extend_from_slice(fields[*at]),
                None => row.extend_from_slice(absent.get(column).map_or(b"\\N", |field| &field[..])),
            }
            row.push(b'\t');
        }
        if let Some(last) = row.last_mut() {
            *last = b'\n';
        }
        Ok(())
    }
}

/// Digests of the streams' lines, row by row.
#[derive(Clone)]
pub struct StreamDigests {
    split: Split,
    digests: Vec<RowDigest>,
    /// Of the row added last; kept for their room.
    lines: Vec<Vec<u8>>,
}

impl StreamDigests {
    /// Of no rows; `digest` is one of the vault's.
    pub fn new(split: Split, digest: &RowDigest) -> Self {
        let streams = split.streams.len();
        Self { split, digests: vec![digest.empty(); streams], lines: vec![Vec::new(); streams] }
    }

    /// The same of no rows.
    pub fn empty(&self) -> Self {
        let digests = self.digests.iter().map(RowDigest::empty).collect();
        Self { digests, ..self.clone() }
    }

    /// Adds a row's lines.
    ///
    /// # Errors
    /// As [`Split::take_apart`].
    pub fn add(&mut self, row: &[u8]) -> Result<()> {
        self.lines.iter_mut().for_each(Vec::clear);
        self.split.take_apart(row, &mut self.lines)?;
        self.lines.iter().zip(&mut self.digests).for_each(|(line, digest)| digest.add(line));
        Ok(())
    }

    /// Adds what another reader of the same table counted.
    pub fn merge(&mut self, other: &Self) {
        self.digests.iter_mut().zip(&other.digests).for_each(|(own, other)| own.merge(other));
    }

    /// The digests, in the streams' order.
    pub fn digests(&self) -> &[RowDigest] {
        &self.digests
    }

    /// How the rows are divided.
    pub(crate) fn split(&self) -> &Split {
        &self.split
    }

    /// The lines of the row that was added last.
    pub(crate) fn lines(&self) -> &[Vec<u8>] {
        &self.lines
    }
}

/// `high 0 2, low 1`: the columns of each grade.
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (grade, columns)) in self.streams.iter().enumerate() {
            write!(f, "{}{grade}", if at == 0 { "" } else { ", " })?;
            columns.iter().try_for_each(|column| write!(f, " {column}"))?;
        }
        Ok(())
    }
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::with_capacity(16);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\t', line).chain([line.len()]) {
        fields.push(&line[start..end]);
        start = end + 1;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: Grade = Grade::High;
    const LOW: Grade = Grade::Low;

    fn check(grades: &[Grade], row: &str, expected: &[&str]) {
        let split = Split::of(grades);
        let mut lines = vec![Vec::new(); expected.len()];
        split.take_apart(row.as_bytes(), &mut lines).expect("a row of this table");
        let texts: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(texts, expected);
        let mut again = Vec::new();
        let lines: Vec<_> = lines.iter().map(|line| Some(&line[..])).collect();
        split.put_together(&lines, &[], &mut again).expect("lines of this table");
        assert_eq!(String::from_utf8_lossy(&again), row);
    }

    #[test]
    fn a_row_is_taken_apart_and_put_together_again() {
        check(&[LOW, HIGH, LOW], "1\ta\\tb\t\\N\n", &["a\\tb\n", "1\t\\N\n"]);
        check(&[HIGH, LOW], "\t\n", &["\n", "\n"]);
        check(&[LOW, LOW], "1\t2\n", &["1\t2\n"]);
    }

    #[test]
    fn what_is_not_there_is_replaced() {
        let split = Split::of(&[LOW, HIGH, LOW, HIGH]);
        let mut row = Vec::new();
        let absent = ["", "\\N", "", "t"].map(|field| field.as_bytes().to_vec());
        split.put_together(&[None, Some(b"1\t2\n")], &absent, &mut row).expect("a row");
        assert_eq!(row, b"1\t\\N\t2\tt\n");
    }

    #[test]
    fn a_line_of_other_fields_is_refused() {
        let split = Split::of(&[LOW, HIGH]);
        assert!(split.take_apart(b"1\n", &mut [Vec::new(), Vec::new()]).is_err());
        assert!(split.put_together(&[Some(b"1\t2\n"), Some(b"1\n")], &[], &mut Vec::new()).is_err());
    }

    #[test]
    fn streams_have_the_digests_of_their_lines_whoever_read_them() {
        let (key, split) = (RowDigest::new(&[3; 16]), Split::of(&[LOW, HIGH, LOW]));
        let mut expected = [key.clone(), key.clone()];
        for (line, digest) in [(&b"a"[..], 0), (b"", 0), (b"1\t2", 1), (b"3\t4", 1)] {
            expected[digest].add(line);
        }
        let mut one = StreamDigests::new(split, &key);
        let mut other = one.empty();
        one.add(b"1\ta\t2\n").expect("a row of this table");
        other.add(b"3\t\t4\n").expect("a row of this table");
        assert!(other.add(b"3\n").is_err());
        one.merge(&other);
        let told =
            |digests: &[RowDigest]| digests.iter().map(|of| (of.rows(), of.to_hex())).collect::<Vec<_>>();
        assert_eq!(told(one.digests()), told(&expected));
        assert_eq!(told(one.empty().digests())[0].0, 0);
    }

    #[test]
    fn a_split_says_what_it_is() {
        assert_eq!(Split::of(&[LOW, HIGH, LOW]).to_string(), "high 1, low 0 2");
        assert_eq!(Split::whole(HIGH).to_string(), "high");
        assert!(Split::of(&[LOW, LOW]).is_whole() && !Split::of(&[LOW, HIGH]).is_whole());
    }
}
