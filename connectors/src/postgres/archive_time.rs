//! The time in the head of pg_dump's archive, taken out: without it, an unchanged schema is the same
//! archive every day, and stored once. The snapshot has its own time.
//!
//! The head is that of `WriteHead` in PostgreSQL's `pg_backup_archiver.c`: `PGDMP`, version (3 bytes), size of
//! an integer, size of an offset, format; how it is compressed (an integer; from 1.15 on one byte); then
//! second, minute, hour, day, month, year since 1900 and whether it is summer time, as integers: a sign
//! byte, then the little-endian bytes.

/// Archive versions whose head looks like that: PostgreSQL 13's 1.14 to 18's 1.16.
const MINORS: std::ops::RangeInclusive<u8> = 14..=16;

/// The format `custom`.
const CUSTOM: u8 = 1;

/// 2000-01-01 00:00:00.
const FIXED: [u8; 7] = [0, 0, 0, 1, 0, 100, 0];

/// Replaces the time by a fixed one; leaves an archive alone whose head is not known.
pub(super) fn take_out(archive: &mut [u8]) {
    let &[b'P', b'G', b'D', b'M', b'P', 1, minor, _, integer @ 1..=8, _, CUSTOM, ..] = &*archive else {
        return;
    };
    if !MINORS.contains(&minor) {
        return;
    }
    let width = 1 + usize::from(integer);
    let start = 11 + if minor >= 15 { 1 } else { width };
    let Some(time) = archive.get_mut(start..start + FIXED.len() * width) else { return };
    for (field, value) in time.chunks_exact_mut(width).zip(FIXED) {
        field.fill(0);
        field[1] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heads as pg_dump 15 and 17 write them, the first fields of what follows included.
    fn head(minor: u8, compression: &[u8], time: [u8; 7]) -> Vec<u8> {
        let mut head = [b"PGDMP", &[1, minor, 0, 4, 8, 1][..], compression].concat();
        time.iter().for_each(|value| head.extend([0, *value, 0, 0, 0]));
        head.extend(b"\0\x03\0\0\0crm");
        head
    }

    fn check(minor: u8, compression: &[u8]) {
        let mut archive = head(minor, compression, [9, 8, 7, 6, 5, 126, 1]);
        take_out(&mut archive);
        assert_eq!(archive, head(minor, compression, FIXED));
    }

    #[test]
    fn the_time_of_an_archive_is_the_same_every_day() {
        check(14, &[1, 1, 0, 0, 0]);
        check(15, &[1]);
    }

    #[test]
    fn what_is_no_archive_of_a_known_version_is_left_alone() {
        for archive in
            [head(17, &[1], [1; 7]), b"PGDMP\x01".to_vec(), head(14, &[1, 1, 0, 0, 0], [1; 7])[..30].to_vec()]
        {
            let mut same = archive.clone();
            take_out(&mut same);
            assert_eq!(same, archive);
        }
    }
}
