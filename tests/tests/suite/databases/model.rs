//! Random days in real databases, a backup after each; then every one of them is restored and compared
//! with what a dump said that day.
//!
//! The seed is printed; `LIFEBOAT_TEST_SEED` repeats a run.

use std::time::{SystemTime, UNIX_EPOCH};

use lifeboat_tests::{Finished, run};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::support::{Dump, Lab, check_lines, sqlite};
use crate::company::{Company, DB1, Source, sqlite_dump};

const DAYS: usize = 8;
const CHANGES_MAX: u32 = 25;

#[derive(Clone, Copy)]
enum System {
    Postgres,
    Sqlite,
}

fn dice() -> StdRng {
    let seed = match std::env::var("LIFEBOAT_TEST_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs(),
    };
    println!("LIFEBOAT_TEST_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// A working day in SQL that both systems understand, on tables t0 … t4 that may be there or not.
fn day(dice: &mut StdRng, tables: &mut [bool; 5], system: System) -> String {
    let mut sql = String::new();
    for _ in 0..dice.random_range(1..=CHANGES_MAX) {
        let at = dice.random_range(0..tables.len());
        sql += &match (tables[at], dice.random_range(0..10_u32)) {
            (false, _) => {
                tables[at] = true;
                format!(
                    "CREATE TABLE t{at} (id integer PRIMARY KEY, name text, amount numeric, day integer);\n"
                )
            }
            (true, 0) => {
                tables[at] = false;
                format!("DROP TABLE t{at};\n")
            }
            (true, 1) => format!("DELETE FROM t{at};\n"),
            (true, 2..=3) => format!("DELETE FROM t{at} WHERE id % 7 = {};\n", dice.random_range(0..7)),
            (true, 4..=6) => format!(
                "UPDATE t{at} SET name = '{}', amount = {} WHERE id % 5 = {};\n",
                text(dice),
                dice.random_range(-1000..1000),
                dice.random_range(0..5)
            ),
            (true, _) => insert(dice, at, system),
        };
    }
    sql
}

/// Rows at the table's end, and now and then one that is far longer than a chunk.
fn insert(dice: &mut StdRng, table: usize, system: System) -> String {
    let rows = dice.random_range(1..200_u32);
    let text = format!("'{}'", text(dice));
    let text = match (dice.random_range(0..12_u32), system) {
        (0, System::Postgres) => format!("repeat({text}, 100000)"),
        (0, System::Sqlite) => format!("replace(hex(zeroblob(100000)), '00', {text})"),
        _ => text,
    };
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    let first = "(SELECT coalesce(max(id), 0) FROM";
    format!(
        "INSERT INTO t{table} {numbers} SELECT {first} t{table}) + i, CASE WHEN i = 1 THEN {text} WHEN i % 11 <> 0 THEN 'row ' || i END, \
         i * 0.25, {} FROM n;\n",
        dice.random_range(0..1000)
    )
}

fn text(dice: &mut StdRng) -> String {
    const PIECES: [&str; 8] = ["客户", "\\N", "\t", "\n", "''", "🛟", "Müller", "\\."];
    (0..dice.random_range(0..6_u32)).map(|_| PIECES[dice.random_range(0..PIECES.len())]).collect()
}

/// What changes at random is unlike itself on some days: a snapshot that is held back for it is as whole.
#[track_caller]
fn check_taken(finished: &Finished) {
    assert!([Some(0), Some(22)].contains(&finished.code()), "{}{}", finished.stdout, finished.stderr);
}

#[test]
fn every_day_of_a_postgres_database_can_be_restored() {
    let (lab, mut dice, mut tables) = (Lab::new(""), dice(), [false; 5]);
    let days: Vec<Dump> = (0..DAYS)
        .map(|_| {
            lab.server.psql("crm", &day(&mut dice, &mut tables, System::Postgres));
            check_taken(&lab.back_up());
            Dump::of(&lab.server, "crm")
        })
        .collect();
    let snapshots = lab.company.snapshots();
    assert_eq!(snapshots.len(), DAYS);
    for (number, (snapshot, expected)) in snapshots.iter().zip(&days).enumerate() {
        let name = format!("day{number}");
        lab.restore_new(snapshot, &name).success();
        Dump::of(&lab.server, &name).check_same(expected);
    }
    lab.company.verify();
}

#[test]
fn every_day_of_a_sqlite_database_can_be_restored() {
    let (company, mut dice, mut tables) = (Company::new(), dice(), [false; 5]);
    let path = company.path("crm.db");
    let url = format!("sqlite://{}", path.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    company.init(DB1);
    let days: Vec<String> = (0..DAYS)
        .map(|_| {
            sqlite(&path, &day(&mut dice, &mut tables, System::Sqlite));
            check_taken(&run(&mut company.agent(DB1, &["backup"])));
            sqlite_dump(&path)
        })
        .collect();
    let snapshots = company.snapshots();
    assert_eq!(snapshots.len(), DAYS);
    for (number, (snapshot, expected)) in snapshots.iter().zip(&days).enumerate() {
        let new = company.path(&format!("day{number}.db"));
        run(&mut company.restore(&["restore", snapshot, "--to", &format!("sqlite://{}", new.display())]))
            .success();
        check_lines(sqlite_dump(&new).lines(), expected.lines());
    }
    company.verify();
}
