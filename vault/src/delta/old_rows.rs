//! The rows of one old part, to be found again among those read now.
//!
//! Rows mostly come in the order of the last time, so the row after the one found last is looked at
//! first. Only when it is another one is a table of all fingerprints made, and then a row is found
//! wherever it has moved to within the part. Equal rows are found as often as they were there.

use crate::format::fingerprints::Record;

use super::Bits;

/// No record.
const NONE: u32 = u32::MAX;

/// The records of an old part, and which of them have been found.
pub(crate) struct OldRows {
    records: Vec<Record>,
    found: Bits,
    left: usize,
    cursor: usize,
    table: Option<Table>,
}

/// Fingerprint → first record that has it; records of equal fingerprints are chained.
struct Table {
    slots: Vec<u32>,
    next: Vec<u32>,
}

impl OldRows {
    /// The records of a part, fewer than 2³².
    pub(crate) fn new(records: Vec<Record>) -> Self {
        let (found, left) = (Bits::new(records.len()), records.len());
        Self { records, found, left, cursor: 0, table: None }
    }

    /// Takes a row of this fingerprint out, if one is left, and returns its place.
    pub(crate) fn take(&mut self, fingerprint: u128) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        let is_next = self.records.get(self.cursor).is_some_and(|next| next.fingerprint() == fingerprint);
        let at = match is_next && !self.found.get(self.cursor) {
            true => self.cursor,
            false => self.look_up(fingerprint)?,
        };
        self.found.set(at);
        self.left -= 1;
        self.cursor = at + 1;
        Some(self.records[at].place())
    }

    /// Whether a row of this fingerprint is left.
    pub(crate) fn has(&mut self, fingerprint: u128) -> bool {
        self.left > 0 && self.look_up(fingerprint).is_some()
    }

    fn look_up(&mut self, fingerprint: u128) -> Option<usize> {
        let table = self.table.get_or_insert_with(|| Table::new(&self.records, &self.found));
        table.look_up(fingerprint, &self.records, &self.found)
    }

    /// How many rows there were.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether every row was found.
    pub(crate) fn are_found(&self) -> bool {
        self.left == 0
    }

    /// Whether at least half of the rows were found.
    pub(crate) fn is_mostly_found(&self) -> bool {
        self.left * 2 <= self.records.len()
    }

    /// The places of the rows that were not found.
    pub(crate) fn places_left(&self) -> impl Iterator<Item = u32> {
        let records = self.records.iter().enumerate();
        records.filter(|(at, _)| !self.found.get(*at)).map(|(_, record)| record.place())
    }
}

impl Table {
    fn new(records: &[Record], found: &Bits) -> Self {
        let slots = (records.len() * 2).next_power_of_two();
        let mut table = Self { slots: vec![NONE; slots], next: vec![NONE; records.len()] };
        // The last goes in first, so that of equal rows the first is found first.
        for (at, record) in records.iter().enumerate().rev().filter(|(at, _)| !found.get(*at)) {
            let slot = table.slot(record.fingerprint(), records);
            table.next[at] = table.slots[slot];
            table.slots[slot] = u32::try_from(at).expect("a part is bounded");
        }
        table
    }

    /// The slot that holds this fingerprint, or the empty one that may. Fingerprints are keyed hashes, so
    /// their low bits spread the slots.
    fn slot(&self, fingerprint: u128, records: &[Record]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = fingerprint as usize & mask;
        while self.slots[slot] != NONE && records[self.slots[slot] as usize].fingerprint() != fingerprint {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn look_up(&mut self, fingerprint: u128, records: &[Record], found: &Bits) -> Option<usize> {
        let slot = self.slot(fingerprint, records);
        if self.slots[slot] == NONE {
            return None;
        }
        // Those that were found are passed over once: the slot moves on with them.
        while found.get(self.slots[slot] as usize) {
            match self.next[self.slots[slot] as usize] {
                NONE => return None,
                next => self.slots[slot] = next,
            }
        }
        Some(self.slots[slot] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(fingerprints: &[u128]) -> OldRows {
        let records =
            fingerprints.iter().zip(0..).map(|(fingerprint, place)| Record::new(*fingerprint, place));
        OldRows::new(records.collect())
    }

    fn check(old: &[u128], new: &[u128], expected: &[Option<u32>], left: &[u32]) {
        let mut old = rows(old);
        let found: Vec<_> = new.iter().map(|fingerprint| old.take(*fingerprint)).collect();
        assert_eq!(found, expected);
        assert_eq!(old.places_left().collect::<Vec<_>>(), left);
        assert_eq!(old.are_found(), left.is_empty());
    }

    #[test]
    fn rows_are_found_in_any_order() {
        check(&[7, 8, 9], &[7, 8, 9], &[Some(0), Some(1), Some(2)], &[]);
        check(&[7, 8, 9], &[9, 7, 8], &[Some(2), Some(0), Some(1)], &[]);
        check(&[7, 8, 9], &[7, 6, 9], &[Some(0), None, Some(2)], &[1]);
    }

    #[test]
    fn equal_rows_are_found_as_often_as_they_were_there() {
        check(&[5, 5, 6, 5], &[6, 5, 5, 5, 5], &[Some(2), Some(3), Some(0), Some(1), None], &[]);
        check(&[5; 4], &[5; 3], &[Some(0), Some(1), Some(2)], &[3]);
    }

    #[test]
    fn a_part_of_equal_rows_takes_no_longer_than_another() {
        let mut old = rows(&[1; 300_000]);
        assert!(!old.has(2));
        assert_eq!((0..300_000).filter(|_| old.take(1).is_some()).count(), 300_000);
    }
}
