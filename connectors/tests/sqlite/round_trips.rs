//! What went in comes out: every storage class, every kind of object, every pragma of the file.

use crate::support::{Folder, assert_same, backup, check_round_trip, restore, sqlite3};

#[tokio::test]
async fn every_storage_class_and_rowid_comes_back() {
    let (_folder, snapshot, _) = check_round_trip(
        "CREATE TABLE v (a, b TEXT, c INTEGER, d REAL, e BLOB, f NUMERIC);
         INSERT INTO v(rowid, a) VALUES (-9223372036854775808, -0.0), (-5, 9e999), (7, -9e999),
            (8, 9223372036854775807), (9, 0.1), (10, 5e-324), (11, 1.7976931348623157e308), (12, x''), (13, ''),
            (14, NULL), (15, CAST(x'ff00fe' AS TEXT)), (16, CAST(x'6100620d0a09' AS TEXT)), (17, '\\N'), (18, 'NULL'),
            (9223372036854775807, zeroblob(100000));
         INSERT INTO v(rowid, b, c, d, e, f) VALUES (100, 'ä客😀', 'no number', 3, 'text', 1e300),
            (101, 12, '12', 1e20, 12, '1.50'), (102, x'00', x'01', 'x', 1.5, 'x');",
    )
    .await;
    let lines = snapshot.lines("v");
    assert_eq!(lines.len(), 18);
    assert!(lines[0].starts_with(b"i-9223372036854775808\tr-0.0\t\\N"), "{:?}", lines[0]);
}

#[tokio::test]
async fn tables_of_every_kind_come_back() {
    check_round_trip(
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, n INT, r REAL, t TEXT, b BLOB, x ANY) STRICT;
         INSERT INTO strict_one VALUES (1, 2, 3, 'four', x'05', '6'), (2, NULL, NULL, NULL, NULL, 6);
         CREATE TABLE keyed (a TEXT COLLATE NOCASE, b INT, c, PRIMARY KEY (b DESC, a)) WITHOUT ROWID;
         INSERT INTO keyed VALUES ('x', 1, 1), ('Y', 1, 2), ('a', 3, 3), ('', -4, 4);
         CREATE TABLE computed (a INT, twice INT AS (a * 2), b TEXT, stored TEXT AS (b || a) STORED UNIQUE);
         INSERT INTO computed(rowid, a, b) VALUES (5, 1, 'x'), (3, 2, 'y');
         CREATE INDEX computed_twice ON computed(twice) WHERE a > 1;
         CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v);
         INSERT INTO counted VALUES (1, 'a'), (500, 'b'); DELETE FROM counted WHERE id = 500;
         CREATE TABLE not_alias (id INTEGER PRIMARY KEY DESC, v); INSERT INTO not_alias VALUES (9, 'a'), (NULL, 'b');
         CREATE TABLE text_key (id TEXT PRIMARY KEY, v UNIQUE); INSERT INTO text_key VALUES ('b', 1), ('a', 2), (NULL, 3);
         CREATE TABLE hidden_rowid (rowid TEXT, _rowid_ TEXT, v); INSERT INTO hidden_rowid(oid, v) VALUES (77, 1), (5, 2);
         CREATE TABLE empty_one (x);
         CREATE INDEX text_key_lower ON text_key(lower(id) COLLATE NOCASE DESC);
         ALTER TABLE empty_one ADD COLUMN y DEFAULT 'why';",
    )
    .await;
}

#[tokio::test]
async fn views_triggers_and_statistics_come_back_in_their_order() {
    let (folder, _, _) = check_round_trip(
        "CREATE VIEW later AS SELECT * FROM contacts JOIN missing;
         CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, what);
         CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT, boss REFERENCES contacts(id));
         CREATE TRIGGER t2 AFTER INSERT ON contacts BEGIN INSERT INTO log(what) VALUES ('second'); END;
         CREATE INDEX contacts_name ON contacts(name);
         CREATE TRIGGER t1 AFTER INSERT ON contacts BEGIN INSERT INTO log(what) VALUES ('first'); END;
         CREATE VIEW named(n, \"odd name\") AS SELECT name, id FROM contacts;
         CREATE TRIGGER t0 INSTEAD OF INSERT ON named BEGIN INSERT INTO contacts(name) VALUES (new.n); END;
         INSERT INTO contacts VALUES (1, 'Wang', NULL), (2, 'Li', 1);
         ANALYZE;",
    )
    .await;
    let insert =
        "INSERT INTO contacts VALUES (3, 'Zhao', 1); SELECT group_concat(what) FROM log WHERE id > 4;";
    let orders: Vec<String> =
        ["before.db", "after.db"].iter().map(|db| sqlite3(&folder.path(db), insert)).collect();
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test]
async fn full_text_and_spatial_indexes_come_back_as_they_were() {
    let (folder, _, report) = check_round_trip(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
         CREATE VIRTUAL TABLE own USING fts5(title, body, tokenize = 'porter');
         CREATE VIRTUAL TABLE outer_one USING fts5(body, content = 'notes', content_rowid = 'id');
         CREATE VIRTUAL TABLE bare USING fts5(body, content = '');
         CREATE VIRTUAL TABLE old USING fts4(body);
         CREATE VIRTUAL TABLE places USING rtree(id, x0, x1, y0, y1);
         CREATE TRIGGER notes_ai AFTER INSERT ON notes
            BEGIN INSERT INTO outer_one(rowid, body) VALUES (new.id, new.body); END;
         INSERT INTO notes VALUES (1, 'renewal of the contract'), (9, 'complaint about delivery');
         INSERT INTO own(rowid, title, body) VALUES (4, 'running', 'boats are running'), (2, 'x', 'life boat');
         INSERT INTO bare(rowid, body) VALUES (5, 'nothing kept but the index');
         INSERT INTO old(docid, body) VALUES (3, 'an older index');
         INSERT INTO places VALUES (1, 0, 1, 0, 1), (2, 5.5, 6, 5, 6.25);",
    )
    .await;
    assert_eq!(report.notes, Vec::<String>::new());
    let after = folder.path("after.db");
    let found = "SELECT rowid FROM own WHERE own MATCH 'run'; SELECT rowid FROM outer_one WHERE outer_one MATCH 'contract';
         SELECT rowid FROM bare WHERE bare MATCH 'index'; SELECT docid FROM old WHERE old MATCH 'older';
         SELECT id FROM places WHERE x1 > 5;
         INSERT INTO own(own) VALUES ('integrity-check'); INSERT INTO outer_one(outer_one) VALUES ('integrity-check');
         INSERT INTO notes VALUES (10, 'written afterwards');
         SELECT rowid FROM outer_one WHERE outer_one MATCH 'afterwards'; PRAGMA integrity_check;";
    assert_eq!(sqlite3(&after, found), "4\n1\n5\n3\n2\n10\nok\n");
}

#[tokio::test]
async fn a_virtual_table_of_an_unknown_module_comes_back() {
    let (_folder, snapshot, _) = check_round_trip(
        "CREATE TABLE geo_data (k, v BLOB); INSERT INTO geo_data VALUES (1, x'00ff');
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES ('table', 'geo', 'geo', 0, 'CREATE VIRTUAL TABLE geo USING applications_own(a)'),
            ('table', 'words', 'words', 0, 'CREATE VIRTUAL TABLE words USING fts5(a, tokenize = ''applications_own'')');",
    )
    .await;
    assert_eq!(snapshot.lines("geo_data").len(), 1);
}

#[tokio::test]
async fn the_pragmas_of_the_file_come_back() {
    for (encoding, vacuum) in [("UTF-8", "FULL"), ("UTF-16le", "NONE"), ("UTF-16be", "INCREMENTAL")] {
        check_round_trip(&format!(
            "PRAGMA page_size = 1024; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = {vacuum};
             CREATE TABLE t (a TEXT, b, \"客户\" INT);
             INSERT INTO t VALUES ('ä客😀', 'tab\tand\nline', 1), (char(65534, 65535, 65279), char(0, 97), 2), ('', x'', 3.5);
             INSERT INTO t(a) VALUES (CAST(x'00d861' AS TEXT)), (CAST(x'd800d800' AS TEXT)), (CAST(x'00d800d8' AS TEXT));
             CREATE UNIQUE INDEX ta ON t(a);
             PRAGMA user_version = -7; PRAGMA application_id = 252006673;
             PRAGMA default_cache_size = 321; PRAGMA journal_mode = WAL;"
        ))
        .await;
    }
}

#[tokio::test]
async fn an_empty_database_comes_back_empty() {
    check_round_trip("PRAGMA user_version = 3;").await;
}

#[tokio::test]
async fn names_with_every_oddity_come_back() {
    check_round_trip(
        "CREATE TABLE \"a\"\"b'c\nd*/--\\😀\" (\"x\"\"y\" INT, \"\" TEXT, \"select\" TEXT, [p q] INT, \"\t\" INT);
         INSERT INTO \"a\"\"b'c\nd*/--\\😀\" VALUES (1, 'a', 'b', 2, 3);
         CREATE INDEX \"i'\"\"\n\" ON \"a\"\"b'c\nd*/--\\😀\"(\"x\"\"y\");
         CREATE TABLE \"100% sure?\" (\"rowid\" INTEGER PRIMARY KEY, v); INSERT INTO \"100% sure?\" VALUES (4, 5);
         CREATE VIEW \"v;w\" AS SELECT 1;",
    )
    .await;
}

#[tokio::test]
async fn rows_of_all_sizes_and_many_come_back() {
    check_round_trip(
        "CREATE TABLE many (id INTEGER PRIMARY KEY, a TEXT, b REAL);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
            INSERT INTO many SELECT i * 3, 'customer ' || i, i / 7.0 FROM n;
         INSERT INTO many VALUES (-1, hex(zeroblob(3000000)), 0), (2, CAST(x'ff' AS TEXT), 1);
         CREATE INDEX many_a ON many(a);",
    )
    .await;
}

#[tokio::test]
async fn rows_that_break_their_constraints_are_kept_and_told() {
    let (_folder, _, report) = check_round_trip(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE d (a REFERENCES p); INSERT INTO d VALUES (1);
         CREATE TABLE c (a REFERENCES p, b CHECK (b > 0));
         PRAGMA ignore_check_constraints = ON;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) INSERT INTO c SELECT 9, -i FROM n;",
    )
    .await;
    let told = [
        "CHECK constraint failed in c (150 rows), as in the source",
        "in c, 150 rows refer to one that is not there, as in the source",
        "in d, 1 row refers to one that is not there, as in the source",
    ];
    assert_eq!(report.notes, told);
}

#[tokio::test]
async fn rowids_without_a_name_are_told_of() {
    let folder = Folder::new();
    let before = folder
        .database("b.db", "CREATE TABLE h (rowid, oid, _rowid_); INSERT INTO h VALUES (1, 2, 3), (4, 5, 6);");
    let snapshot = backup(&before).await;
    assert_eq!(snapshot.point.not_covered.len(), 1);
    restore(&snapshot, &folder.path("a.db"), None).await.expect("a restore");
    assert_same(&before, &folder.path("a.db"), &snapshot).await;
}

#[tokio::test]
async fn chosen_tables_come_with_their_indexes_and_triggers() {
    let folder = Folder::new();
    let before = folder.database(
        "b.db",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v); CREATE TABLE b (v); CREATE INDEX av ON a(v); CREATE INDEX bv ON b(v);
         CREATE TRIGGER fits AFTER INSERT ON a BEGIN UPDATE a SET v = 1 WHERE id = new.id; END;
         CREATE TRIGGER needs_b AFTER INSERT ON a BEGIN INSERT INTO b VALUES (1); END;
         INSERT INTO a VALUES (1, 2);",
    );
    let after = folder.path("a.db");
    let report = restore(&backup(&before).await, &after, Some(&["a"])).await.expect("a restore");
    assert_eq!(report.refused.len(), 1);
    assert!(report.refused[0].starts_with("trigger needs_b: "), "{:?}", report.refused);
    assert_eq!(sqlite3(&after, "SELECT name FROM sqlite_schema"), "a\nav\nfits\n");
    assert_eq!(
        sqlite3(&after, "INSERT INTO a VALUES (2, 7); SELECT * FROM a; PRAGMA integrity_check"),
        "1|1\n2|1\nok\n"
    );
}
