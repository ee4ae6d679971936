//! Full-text indexes that their own modules call wrong, and those of which rows are withheld.

use lifeboat_connectors::{LoadReport, Severity, Withheld};

use crate::support::{Folder, backup, check_round_trip, restore_planned, source, sqlite3};

#[tokio::test]
async fn an_index_that_its_module_calls_wrong_comes_back_and_is_told() {
    let (folder, _, report) = check_round_trip(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO notes VALUES (1, 'renewal');
         CREATE TABLE gone (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO gone VALUES (1, 'renewal');
         CREATE VIRTUAL TABLE bare USING fts4(content=\"\", body); INSERT INTO bare(docid, body) VALUES (7, 'boat');
         CREATE VIRTUAL TABLE stale4 USING fts4(content=\"notes\", body); INSERT INTO stale4(stale4) VALUES ('rebuild');
         CREATE VIRTUAL TABLE stale5 USING fts5(body, content = 'notes', content_rowid = 'id');
         INSERT INTO stale5(stale5) VALUES ('rebuild');
         CREATE VIRTUAL TABLE lost USING fts4(content=\"gone\", body); INSERT INTO lost(lost) VALUES ('rebuild');
         DROP TABLE gone; UPDATE notes SET body = 'complaint';",
    )
    .await;
    let of = |name: &str| {
        let begin = format!("virtual table {name}: ");
        report
            .notes
            .iter()
            .find(|note| note.starts_with(&begin))
            .unwrap_or_else(|| panic!("{:?}", report.notes))
    };
    for name in ["bare", "stale4", "lost"] {
        let again = format!(
            "as in the source; if the index is out of date, INSERT INTO \"{name}\"(\"{name}\") VALUES ('rebuild')"
        );
        assert!(of(name).contains(&again), "{}", of(name));
    }
    assert_eq!(sqlite3(&folder.path("after.db"), "SELECT docid FROM bare WHERE bare MATCH 'boat'"), "7\n");
    let findings = source(&folder.path("before.db")).check().await.expect("findings").findings;
    assert!(findings.iter().all(|finding| finding.severity != Severity::Problem), "{findings:?}");
    let told = |finding: &&lifeboat_connectors::Finding| {
        finding.severity == Severity::Warning && finding.subject == "integrity"
    };
    assert!(findings.iter().any(|finding| told(&finding) && finding.text.contains("bare")), "{findings:?}");
}

/// Restores without the rows of one table, whose columns come as NULL.
async fn restore_without(folder: &Folder, sql: &str, withheld: &str) -> LoadReport {
    let snapshot = backup(&folder.database("before.db", sql)).await;
    let mut plan = snapshot.plan(None);
    let table = plan.tables.iter().find(|table| table.name.name == withheld).expect("the table");
    let (table, whole) = (table.name.clone(), true);
    plan.withheld = vec![Withheld { table, whole, columns: Vec::new(), masked: Vec::new() }];
    restore_planned(&snapshot, &folder.path("after.db"), plan).await.expect("a restore")
}

#[tokio::test]
async fn an_index_without_its_rows_goes_with_the_triggers_that_write_to_it() {
    let folder = Folder::new();
    let report = restore_without(
        &folder,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); CREATE TABLE seen (id);
         CREATE VIRTUAL TABLE own USING fts5(body);
         CREATE TRIGGER into_own AFTER INSERT ON notes BEGIN INSERT INTO own(rowid, body) VALUES (new.id, new.body); END;
         CREATE TRIGGER into_seen AFTER INSERT ON notes BEGIN INSERT INTO seen VALUES (new.id); END;
         INSERT INTO notes VALUES (1, 'renewal');",
        "own_content",
    )
    .await;
    let left_out = [
        "virtual table own: it is left out with the tables beneath it, of which rows are withheld, masked or damaged: \
         own_data, own_idx, own_content, own_docsize, own_config",
        "trigger into_own: it names own, which is left out",
    ];
    assert_eq!(report.refused, left_out);
    assert_eq!(report.notes, Vec::<String>::new());
    let after = folder.path("after.db");
    assert_eq!(
        sqlite3(
            &after,
            "SELECT name FROM sqlite_schema; INSERT INTO notes VALUES (2, 'x'); SELECT * FROM seen"
        ),
        "notes\nseen\ninto_seen\n1\n2\n"
    );
}

#[tokio::test]
async fn an_index_without_its_rows_is_made_anew_from_another_tables_text() {
    let folder = Folder::new();
    let report = restore_without(
        &folder,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT); CREATE VIEW short AS SELECT id, body FROM notes;
         CREATE VIRTUAL TABLE of_table USING fts5(body, content = 'notes', content_rowid = 'id');
         CREATE VIRTUAL TABLE of_view USING fts5(body, content = 'short', content_rowid = 'id');
         CREATE TRIGGER into_index AFTER INSERT ON notes
            BEGIN INSERT INTO of_table(rowid, body) VALUES (new.id, new.body); END;
         INSERT INTO notes VALUES (1, 'renewal'); INSERT INTO of_view(of_view) VALUES ('rebuild');",
        "of_table_data",
    )
    .await;
    assert_eq!(report.refused, Vec::<String>::new());
    assert_eq!(report.notes, ["full-text index of_table: made anew from what has come of its text"]);
    let found = "INSERT INTO notes VALUES (2, 'complaint'); SELECT rowid FROM of_table WHERE of_table MATCH 'renewal OR complaint';
         SELECT rowid FROM of_view WHERE of_view MATCH 'renewal'; INSERT INTO of_table(of_table) VALUES ('integrity-check');
         PRAGMA integrity_check;";
    assert_eq!(sqlite3(&folder.path("after.db"), found), "1\n2\n1\nok\n");
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    assert_eq!(sqlite3(&folder.path("after.db"), schema), sqlite3(&folder.path("before.db"), schema));
}
