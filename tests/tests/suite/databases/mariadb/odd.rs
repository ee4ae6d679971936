//! Names that end strings, databases with nothing in them, and thousands of tables.

use std::time::Instant;

use lifeboat_tests::run;

use super::support::Lab;
use crate::company::{DB1, Source};

/// Quotes, line ends, a comment's end, backslashes, what looks like a variable, and more than ASCII.
const NAMES: [&str; 10] = [
    "it's",
    "say \"hi\"",
    "tick`tick",
    "two\nlines",
    "*/ DROP TABLE x; /*",
    "-- not a comment",
    "back\\slash\\n",
    "@v0 $1 ${x} %s",
    "客户 (, ) KEY",
    "SELECT",
];

fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[test]
fn any_name_that_the_server_takes_comes_back() {
    let columns = NAMES.map(|name| format!("{} text COMMENT {}", ident(name), literal(name))).join(", ");
    let values = NAMES.map(literal).join(", ");
    let table = |(at, name): (usize, &&str)| {
        let (table, text) = (ident(name), literal(name));
        format!(
            "CREATE TABLE {table} (id int AUTO_INCREMENT PRIMARY KEY, {columns}, KEY {table} ({table}(5))) COMMENT {text};
             INSERT INTO {table} VALUES (1, {values}); CREATE VIEW {} AS SELECT {table}, {text} AS t FROM {table};
             CREATE PROCEDURE {table}() SELECT {text}; CREATE TRIGGER {table} BEFORE INSERT ON {table} FOR EACH ROW SET NEW.id = 7;\n",
            ident(&format!("v{at} {name}"))
        )
    };
    let sql: String = NAMES.iter().enumerate().map(table).collect();
    // The client's own parser splits at semicolons within names no more than the server's does.
    let lab = Lab::new(&sql.replace("DROP TABLE x;", "DROP TABLE x"));
    lab.check_round_trip();
    let told = run(&mut lab.company.restore(&["show", "crm@latest"])).success().stdout;
    assert!(told.contains("客户"), "{told}");
}

#[test]
fn a_database_of_any_name_is_a_source_and_a_target() {
    let lab = Lab::new("");
    let name = "it's a `CRM` \"客户\" 1%?#";
    lab.server.create_database(name);
    lab.server.sql(name, "CREATE TABLE t AS SELECT 1 AS i; CREATE VIEW v AS SELECT i FROM t");
    // In a URL, what means something there is percent-encoded.
    let encoded = "it%27s%20a%20%60CRM%60%20%22%E5%AE%A2%E6%88%B7%22%201%25%3F%23";
    let url = lab.server.url_without_password(encoded, "backup");
    lab.company.configure(DB1, &[Source { name: "crm", url, password: Some(lab.server.password("backup")) }]);
    lab.back_up().success();
    run(&mut lab.restore_command("crm@latest", &encoded.replace("%201", "%202"), &["--into-new"])).success();
    assert_eq!(lab.server.sql(&name.replace(" 1", " 2"), "SELECT i FROM v"), "1");
}

#[test]
fn an_empty_database_comes_back_empty() {
    let lab = Lab::new("ALTER DATABASE crm CHARACTER SET latin1 COLLATE latin1_german1_ci");
    lab.check_round_trip();
    let collation =
        "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'crm_new'";
    assert_eq!(lab.server.sql("mysql", collation), "latin1_german1_ci");
}

#[test]
fn a_row_larger_than_a_packet_comes_back() {
    // 40 MB: more than two packets of the protocol, and than a batch, a chunk and a pack.
    let lab = Lab::with_settings(
        &[("max-allowed-packet", "1G")],
        "CREATE TABLE wide (id int PRIMARY KEY, body longblob); \
         INSERT INTO wide VALUES (1, 'before'), (2, REPEAT(x'5c0a00ff', 10000000)), (3, 'after')",
    );
    lab.back_up().success();
    lab.restore_new("crm@latest", "new").success();
    let told = "SELECT id, LENGTH(body), SHA2(body, 256) FROM wide ORDER BY id";
    assert_eq!(lab.server.sql("new", told), lab.server.sql("crm", told));
}

#[test]
fn six_thousand_tables_come_back() {
    const TABLES: u32 = 6_000;
    let make = format!(
        "DELIMITER //\nCREATE PROCEDURE make() BEGIN DECLARE i int DEFAULT 1; WHILE i <= {TABLES} DO SET @make = CONCAT('CREATE TABLE t', i, \
         ' (id int PRIMARY KEY, name varchar(9)) AS SELECT ', i, ' AS id, ''one'' AS name'); \
         PREPARE make FROM @make; EXECUTE make; SET i = i + 1; END WHILE; END //\nDELIMITER ;\nCALL make()"
    );
    let lab = Lab::with_settings(
        &[("table-open-cache", "2000"), ("open-files-limit", "20000"), ("skip-log-bin", "1")],
        &make,
    );
    let begun = Instant::now();
    lab.back_up().success();
    println!("{TABLES} tables backed up in {:.1?}", begun.elapsed());
    let begun = Instant::now();
    lab.restore_new("crm@latest", "new").success();
    println!("{TABLES} tables restored and compared in {:.1?}", begun.elapsed());
    let tables = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'new'";
    assert_eq!(lab.server.sql("mysql", tables), TABLES.to_string());
    assert_eq!(lab.server.sql("new", "SELECT id, name FROM t4711"), "4711\tone");
}
