//! MariaDB's own regression suite as a database to back up: thousands of tables, in every state that its tests
//! put them in, and hundreds of routines, by the people who know where the corners are.

use std::fs::{self, File};

use lifeboat_tests::{MariadbOptions, run};

use super::support::{Dump, Lab};
use crate::databases::support::check_lines;

/// Tables that differ afterwards, as a condition on their columns, and why. They are taken out of both
/// databases before these are compared.
const DIFFERENT: [(&str, &str); 5] = [
    (
        "IS_NULLABLE = 'YES' AND COLUMN_DEFAULT IS NULL AND IS_GENERATED = 'NEVER' AND EXTRA = ''",
        "a column that takes NULL and lost its default: SHOW CREATE prints what makes one with DEFAULT NULL",
    ),
    (
        "GENERATION_EXPRESSION = 'ROW START' AND DATA_TYPE = 'bigint'",
        "history by transaction numbers, which are none of another server's: the backup said so",
    ),
    (
        "TABLE_NAME LIKE 'vcol\\_vcol\\_keys\\_innodb%' AND COLUMN_NAME = 'vb'",
        "CHECKSUM TABLE itself changes after a virtual column of the table was dropped",
    ),
    (
        "TABLE_NAME LIKE 'vcol\\_vcol\\_misc\\_18%' AND COLUMN_NAME = 'tsv'",
        "CHECKSUM TABLE of rows by INSERT DELAYED is not that of the server's own copy of them (CREATE … AS SELECT)",
    ),
    (
        "TABLE_NAME LIKE 'vcol\\_vcol\\_misc\\_3_\\_t1' AND EXTRA LIKE 'VIRTUAL%' AND ENGINE = 'MyISAM'",
        "CHECKSUM TABLE takes in a bit of MyISAM's virtual column that is another in the server's own copy (INSERT … SELECT)",
    ),
];
/// A column that counts and takes NULL, which an ALTER left behind and no CREATE makes: a restore reports the
/// table as different.
const UNMAKEABLE: &str = "EXTRA LIKE '%auto_increment%' AND IS_NULLABLE = 'YES'";

/// A company whose crm is what the suite's tests of one kind make.
fn lab(kind: &str) -> Lab {
    let settings = [("skip-log-bin", "1"), ("innodb-doublewrite", "0"), ("max-statement-time", "20")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut lab = Lab::with_options(MariadbOptions { settings, ..MariadbOptions::default() }, "");
    // The suite was written for this character set.
    lab.server.sql("crm", "ALTER DATABASE crm CHARACTER SET latin1");
    let folder = fs::read_dir(lab.server.regression_suite().join(kind)).expect("the suite");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("a file").path()).collect();
    files.sort_unstable();
    for file in files {
        let mut client = lab.server.client();
        client.args(["--force", "--database=crm", "--default-character-set=utf8mb4"]);
        // Half of a test's statements are meant to fail.
        run(client.stdin(File::open(file).expect("a file of the suite")));
    }
    // What an INSERT … SELECT reserved of an AUTO_INCREMENT and did not use is forgotten whenever InnoDB lets
    // go of a table: better now than between the backup and the comparison.
    lab.server.restart();
    lab
}

/// Takes away the tables that `condition` finds in the source, from both databases; gives their number.
fn drop_tables(lab: &Lab, condition: &str) -> usize {
    let query = format!(
        "SELECT DISTINCT CONCAT('`', REPLACE(TABLE_NAME, '`', '``'), '`') FROM information_schema.COLUMNS JOIN information_schema.TABLES \
         USING (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA = 'crm' AND TABLE_TYPE <> 'VIEW' AND {condition}"
    );
    let found = lab.server.sql("mysql", &query);
    for table in found.lines() {
        println!("left out: {table}");
        lab.server.sql(
            "mysql",
            &format!(
                "SET foreign_key_checks = 0; DROP TABLE crm.{table}; DROP TABLE IF EXISTS crm_new.{table}"
            ),
        );
    }
    found.lines().count()
}

fn count(lab: &Lab, table: &str, column: &str) -> u32 {
    let query = format!("SELECT COUNT(*) FROM information_schema.{table} WHERE {column} = 'crm'");
    lab.server.sql("mysql", &query).parse().expect("a number")
}

#[test]
#[ignore = "makes thousands of tables: `tests/run --all` runs it"]
fn the_suites_tables_come_back_and_every_difference_is_known() {
    let lab = lab("renamed");
    let tables = count(&lab, "TABLES", "TABLE_SCHEMA");
    assert!(tables > 1500, "the suite made {tables} tables");
    println!("{tables} tables");
    drop_tables(&lab, UNMAKEABLE);
    lab.back_up().success();
    lab.restore_new("crm@latest", "crm_new").success();
    for (condition, why) in DIFFERENT {
        let found = drop_tables(&lab, condition);
        assert!(found < 20, "{found} tables are left out: {why}");
    }
    Dump::of(&lab.server, "crm_new").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
#[ignore = "makes thousands of tables: `tests/run --all` runs it"]
fn the_suites_routines_views_triggers_and_events_come_back() {
    let lab = lab("kept");
    let routines = count(&lab, "ROUTINES", "ROUTINE_SCHEMA");
    assert!(routines > 300, "the suite made {routines} routines");
    println!("{routines} routines");
    let named = |column: &str, table: &str, schema: &str| {
        let query = format!(
            "SELECT CONCAT('`', REPLACE({column}, '`', '``'), '`') FROM information_schema.{table} WHERE {schema} = 'crm'"
        );
        lab.server.sql("mysql", &query)
    };
    for view in named("TABLE_NAME", "VIEWS", "TABLE_SCHEMA").lines() {
        let mut client = lab.server.client();
        client.args(["--database=crm", "--execute", &format!("SHOW FIELDS FROM {view}")]);
        // One whose table the suite has changed since can be read by nobody, the dump included.
        if run(&mut client).code() != Some(0) {
            lab.server.sql("crm", &format!("DROP VIEW {view}"));
        }
    }
    // Events arrive disabled.
    for event in named("EVENT_NAME", "EVENTS", "EVENT_SCHEMA").lines() {
        lab.server.sql("crm", &format!("ALTER EVENT {event} DISABLE"));
    }
    lab.back_up().success();
    lab.restore_new("crm@latest", "crm_new").success();
    // The dump's order is that of names under a collation in which some are the same.
    let schema = |database: &str| {
        let dump = lab.server.dump(database, &["--no-data"]).replace(&format!("`{database}`."), "");
        let mut lines: Vec<_> = dump.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (before, after) = (schema("crm"), schema("crm_new"));
    check_lines(after.iter().map(String::as_str), before.iter().map(String::as_str));
}
