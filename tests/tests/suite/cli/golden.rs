//! Golden files: all that a program said, with what differs from run to run replaced.
//!
//! `LIFEBOAT_UPDATE_GOLDEN=1` rewrites them; read the difference before it is kept.

use std::fs;
use std::path::Path;

use lifeboat_tests::Finished;

/// Units after which a number is a measurement, and what stands for both.
const UNITS: [(&[&str], &str); 2] = [
    (&["s", "ms", "min", "h"], "TIME"),
    (&["B", "KiB", "MiB", "GiB", "B/s", "KiB/s", "MiB/s", "GiB/s"], "SIZE"),
];

/// Beginnings of the lines that stay of stderr: how far a run has come is not the same every time.
const KEPT: [&str; 7] =
    ["error: ", "incomplete: ", "interrupted: ", "caused by: ", "hint: ", "warning: ", "note: "];

/// Words of this run, and what stands for them.
#[derive(Default)]
pub struct Words(Vec<(String, &'static str)>);

impl Words {
    /// Replaces `word` by `stand_in` wherever it is said.
    pub fn replace(&mut self, word: impl ToString, stand_in: &'static str) {
        self.0.push((word.to_string(), stand_in));
    }

    /// Compares what a program said with `golden/NAME.txt`.
    #[track_caller]
    pub fn check(&self, name: &str, finished: &Finished) {
        let usage = finished.stderr.contains("Usage: ") || finished.stderr.contains("For more information");
        let is_kept = |line: &&str| usage || KEPT.iter().any(|kept| line.starts_with(kept));
        let stderr: String = finished.stderr.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect();
        let code = finished.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let (stdout, stderr) = (self.comparable(&finished.stdout), self.comparable(&stderr));
        let said = format!("exit code {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/cli/golden/{name}.txt"));
        if std::env::var_os("LIFEBOAT_UPDATE_GOLDEN").is_some_and(|wish| wish == "1") {
            fs::write(&path, &said).expect("the golden file is written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(said == expected, "{}\nsaid\n{said}\nand {name}.txt has\n{expected}", finished.line);
    }

    fn comparable(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, (word, stand_in)| text.replace(word, stand_in));
        text.lines().map(|line| format!("{}\n", comparable_line(line))).collect()
    }
}

/// Replaces ids, keys, times and measurements, and makes a column's width no matter.
fn comparable_line(line: &str) -> String {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_end_matches([',', ';', ')', ':']);
        let unit = UNITS.iter().find(|(units, _)| units.contains(&bare)).map(|(_, stand_in)| *stand_in);
        let measured = words.last().is_some_and(|last| is_number(last));
        match (unit, words.last_mut()) {
            (Some(stand_in), Some(last)) if measured => {
                let open = if last.starts_with('(') { "(" } else { "" };
                *last = format!("{open}{stand_in}{}", &word[bare.len()..]);
            }
            (_, Some(last)) if ["offset", "lsn"].contains(&last.as_str()) => {
                words.push("POSITION".to_owned())
            }
            _ => words.push(comparable_word(word)),
        }
    }
    let line = words.join(" ").replace("DATE CLOCK", "TIME").replace("TIME TIME", "TIME");
    format!("{indent}{}", packs_named_alike(&line))
}

/// A pack's folder is the beginning of its id.
fn packs_named_alike(line: &str) -> String {
    let mut parts = line.split("packs/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| format!("{line}packs/{}", part.get(3..).unwrap_or(part)))
}

fn comparable_word(word: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-:.".contains(c);
    let mut shown = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let bare = part.trim_end_matches(['.', ':']);
        shown.push_str(stand_in(bare).unwrap_or(bare));
        shown.push_str(&part[bare.len()..]);
        let other = after.find(is_part).unwrap_or(after.len());
        shown.push_str(&after[..other]);
        rest = &after[other..];
    }
    shown
}

fn stand_in(part: &str) -> Option<&'static str> {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let shape: String = part.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    match part {
        _ if part.len() >= 8 && is_hex(part) => Some("HEX"),
        _ if part.starts_with("age1") && part.len() > 50 => Some("AGE"),
        _ if shape.starts_with("9999-99-99T") => Some("TIME"),
        _ if part.split('-').count() == 3 && shape.starts_with("999999") => Some("NAME"),
        _ if shape == "9999-99-99" => Some("DATE"),
        _ if shape.starts_with("99:99") && !shape.contains("999") => Some("CLOCK"),
        // A part of an object's name, cut off by its kind: high-1-b34827c2.
        _ => part.rsplit_once('-').filter(|(_, id)| id.len() == 8 && is_hex(id)).map(|_| "KEY"),
    }
}

fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('(').unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || ".,".contains(c))
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let check = |line, expected| assert_eq!(comparable_line(line), expected);
    check("crm: snapshot 1f2e3d4c is complete, in 4.1 s", "crm: snapshot HEX is complete, in TIME");
    check("  id        at\u{20}\u{20}", "  id at");
    check("stored 12.5 KiB, 1,200 B", "stored SIZE, SIZE");
    check("whole    crm@2026-11-23T03:00:00Z (1f2e3d4c): 3 tables", "whole crm@TIME (HEX): 3 tables");
    check("2026-11-23 03:00:00 UTC", "TIME UTC");
    check(
        "read 3 rows (29 B): packs/9f/1f2e3d4c at offset 12:",
        "read 3 rows (SIZE): packs/HEX at offset POSITION",
    );
    check("three tables and a decade of 1.5 years", "three tables and a decade of 1.5 years");
}
