//! Tables that ask for functions and collations that only their application has.

use lifeboat_connectors::{Finding, Severity};

use crate::support::{Folder, Snapshot, backup, restore, source, sqlite3};

/// Makes a database as an application would whose `theirs`, `floor` and `PINYIN` are what is `lower`, `abs` and `NOCASE`
/// here, and restores it. Returns what was refused.
async fn round_trip(folder: &Folder, sql: &str) -> (Snapshot, Vec<String>) {
    let swap = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql =
        replace(replace(replace(sql, 'lower', 'theirs'), 'abs', 'floor'), 'NOCASE', 'PINYIN');";
    let before = folder.database("before.db", &format!("{sql}; {swap}"));
    let snapshot = backup(&before).await;
    let report = restore(&snapshot, &folder.path("after.db"), None).await.expect("a restore");
    let again = backup(&folder.path("after.db")).await;
    let sorted = |snapshot: &Snapshot| {
        let mut tables = snapshot.all_lines();
        tables.iter_mut().for_each(|(_, lines)| lines.sort());
        tables
    };
    assert_eq!(sorted(&snapshot), sorted(&again));
    (snapshot, report.refused)
}

fn tables(folder: &Folder, name: &str) -> String {
    sqlite3(&folder.path(name), "SELECT sql FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
}

#[tokio::test]
async fn tables_come_back_as_they_are_and_indexes_of_what_is_lacking_are_named() {
    let folder = Folder::new();
    let (snapshot, refused) = round_trip(
        &folder,
        "CREATE TABLE plain (v); INSERT INTO plain VALUES (1);
         CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, computed AS (lower(email)),
            email TEXT NOT NULL UNIQUE CHECK (lower(email) > ''), kept TEXT AS (lower(email)) STORED,
            name TEXT COLLATE NOCASE, n REAL, CONSTRAINT small CHECK (abs(n) < 10), CHECK (n > -10));
         INSERT INTO people (id, email, name, n) VALUES (7, 'A@x', 'Wang', 1.5), (3, 'b@x', 'Li', -2);
         CREATE INDEX by_name ON people(name); CREATE INDEX by_number ON people(n); CREATE INDEX by_kept ON people(kept);
         CREATE INDEX by_computed ON people(lower(name));",
    )
    .await;
    let index = |name: &str, lacks: &str| format!("index {name}: no such {lacks}");
    assert_eq!(
        refused,
        [index("by_name", "collation sequence: PINYIN"), index("by_computed", "function: theirs")]
    );
    assert_eq!(snapshot.lines("people")[1], b"i7\ttA@x\tta@x\ttWang\tr1.5\n");
    assert_eq!(tables(&folder, "after.db"), tables(&folder, "before.db"));
    let rows =
        "SELECT id, email, kept, name, n FROM people NOT INDEXED; SELECT id FROM people WHERE kept = 'b@x';
        SELECT id FROM people WHERE n = 1.5; SELECT seq FROM sqlite_sequence; SELECT v FROM plain";
    let [before, after] = ["before.db", "after.db"].map(|name| sqlite3(&folder.path(name), rows));
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_key_in_an_order_that_is_lacking_is_restored_without_it_and_named() {
    let folder = Folder::new();
    let (_, refused) = round_trip(
        &folder,
        "CREATE TABLE keyed (name TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID;
         INSERT INTO keyed VALUES ('b', 1), ('A', 2), ('C', 3);
         CREATE TABLE once (id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE); INSERT INTO once SELECT v, name FROM keyed;",
    )
    .await;
    let without = |table: &str| {
        format!(
            "table {table}: its definition is restored without collation PINYIN, which only its application knows: \
             an index that belongs to it is made of that"
        )
    };
    assert_eq!(refused, [without("keyed"), without("once")]);
    let rows =
        "SELECT v FROM keyed WHERE name = 'A'; SELECT id FROM once WHERE name = 'C'; PRAGMA integrity_check";
    assert_eq!(sqlite3(&folder.path("after.db"), rows), "2\n3\nok\n");
    assert!(!tables(&folder, "after.db").contains("COLLATE"));
}

#[tokio::test]
async fn check_names_tables_that_ask_for_what_is_lacking() {
    let folder = Folder::new();
    round_trip(
        &folder,
        "CREATE TABLE people (email TEXT CHECK (lower(email) > '')); INSERT INTO people VALUES ('a');
         CREATE TABLE keyed (name TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID; INSERT INTO keyed VALUES ('a');",
    )
    .await;
    let findings = source(&folder.path("before.db")).check().await.expect("findings").findings;
    let warned = |words: &str| {
        let is_it =
            |finding: &&Finding| finding.severity == Severity::Warning && finding.text.contains(words);
        assert!(findings.iter().any(|finding| is_it(&finding)), "{words}: {findings:?}");
    };
    warned("table people asks for what only its application knows: function theirs");
    warned("table keyed asks for what only its application knows: collation PINYIN");
    warned("table keyed could not be looked at");
    assert!(findings.iter().all(|finding| finding.severity != Severity::Problem), "{findings:?}");
}
