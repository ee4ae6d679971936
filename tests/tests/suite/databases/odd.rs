//! Names that end strings, values that are no numbers, and databases with nothing in them.

use super::support::{Lab, sqlite};
use crate::company::{Company, DB1, Source, sqlite_dump};
use lifeboat_tests::run;

/// Quotes, line ends, a comment's end, backslashes, what looks like a variable, and more than ASCII.
const NAMES: [&str; 12] = [
    "it's",
    "say \"hi\"",
    "two\nlines",
    "tab\there",
    "*/ DROP TABLE x; /*",
    "-- not a comment",
    "back\\slash\\n\\.",
    "$1 $$ ${x} %s",
    "🛟 客户",
    " space ",
    "SELECT",
    "\\.",
];

fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// Tables of every name, each with a column of every name and a row of every name.
fn named(kind: &str) -> String {
    let columns = NAMES.map(|name| format!("{} {kind}", ident(name))).join(", ");
    let values = NAMES.map(literal).join(", ");
    let table = |name: &&str| {
        let name = ident(name);
        format!(
            "CREATE TABLE {name} (id int PRIMARY KEY, {columns}); INSERT INTO {name} VALUES (1, {values});\n"
        )
    };
    NAMES.iter().map(table).collect()
}

#[test]
fn any_name_that_postgres_takes_comes_back() {
    let lab = Lab::new(&named("text"));
    let more: String = NAMES
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let (name, text) = (ident(name), literal(name));
            format!(
                "CREATE SCHEMA {name}; CREATE TABLE {name}.{name} (n serial); INSERT INTO {name}.{name} DEFAULT VALUES; \
                 CREATE VIEW {name}.v AS SELECT {text} AS {name}; COMMENT ON TABLE {name}.{name} IS {text}; \
                 CREATE TYPE {name}.kind AS ENUM ({text}, 'b{at}'); CREATE TABLE {name}.kinds AS SELECT {text}::{name}.kind AS k;\n"
            )
        })
        .collect();
    lab.server.psql("crm", &more);
    lab.check_round_trip();
    let told = run(&mut lab.company.restore(&["show", "crm@latest"])).success().stdout;
    assert!(!told.contains('\u{1b}') && told.contains("客户"), "{told}");
}

#[test]
fn a_postgres_database_of_any_name_is_a_source() {
    let lab = Lab::new("");
    let name = "it's a \"CRM\" 🛟/1%?#";
    lab.server.create_database(name);
    lab.server.psql("crm", "SELECT 1");
    // In a URL, what means something there is percent-encoded.
    let encoded = "it%27s%20a%20%22CRM%22%20%F0%9F%9B%9F%2F1%25%3F%23";
    let url = lab.server.url_without_password(encoded, "backup");
    let password = Some(lab.server.password("backup"));
    lab.company.configure(DB1, &[Source { name: "crm", url, password }]);
    lab.back_up().success();
    run(&mut lab.restore_command("crm@latest", &encoded.replace("%2F1", "%2F2"), &["--into-new"])).success();
    let made = lab.server.psql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE '%🛟/2%?#'");
    assert_eq!(made, "1");
}

#[test]
fn values_that_are_no_numbers_come_back() {
    let lab = Lab::new(
        "CREATE TABLE v (f8 float8, f4 float4, n numeric, d date, t timestamptz, i int4range, b bytea, j json, s text, a text[]);
         INSERT INTO v VALUES ('NaN', 'NaN', 'NaN', 'infinity', 'infinity', 'empty', '', '{\"a\":  1}', '', '{}'),
           ('Infinity', 'Infinity', 1e-300, '-infinity', '-infinity', '(,)', '\\x00ff0a0d5c', 'null', E'\\\\N', '{NULL,\"\",\"a,b\"}'),
           ('-Infinity', '-Infinity', -1e300, '4713-01-01 BC', '0001-01-01 00:00:00+00 BC', NULL, NULL, NULL, E'\\t\\n\\r\\b\\v\\f\\\\.', NULL),
           ('-0', 1.1754944e-38, 0.10, '5874897-12-31', '294276-12-31 23:59:59.999999+00', '[1,2)', '\\x', '[]', E'\\\\.', '{{1,2},{3,4}}'),
           (5e-324, 3.4028235e38, 123456789012345678901234567890.123456789, NULL, NULL, NULL, NULL, NULL, E'\\u0001\\u007f\\ufeff🛟', NULL);
         CREATE TABLE infinite (n numeric)",
    );
    if lab.server.psql("crm", "SELECT current_setting('server_version_num')::int >= 140000") == "t" {
        lab.server.psql("crm", "INSERT INTO infinite VALUES ('Infinity'), ('-Infinity'), ('NaN')");
    }
    lab.check_round_trip();
}

#[test]
fn an_empty_postgres_database_comes_back_empty() {
    let lab = Lab::new("");
    lab.check_round_trip();
}

#[test]
fn a_postgres_table_with_no_columns_keeps_its_rows() {
    let lab = Lab::new(
        "CREATE TABLE bare (); INSERT INTO bare SELECT FROM generate_series(1, 1000); CREATE TABLE none (); CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a + 1) STORED); INSERT INTO made VALUES (1); ALTER TABLE made DROP COLUMN b",
    );
    lab.back_up().success();
    lab.restore_new("crm@latest", "new").success();
    assert_eq!(lab.server.psql("new", "SELECT count(*) FROM bare"), "1000");
    assert_eq!(lab.server.psql("new", "SELECT count(*) FROM none"), "0");
}

/// A company whose one source is a SQLite file made by `sql`; backs it up, restores and compares.
fn check_sqlite(sql: &str) {
    let company = Company::new();
    let (path, new) = (company.path("crm's 客户.db"), company.path("new.db"));
    sqlite(&path, sql);
    let url = format!("sqlite://{}", path.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    company.init(DB1);
    company.back_up(DB1);
    run(&mut company.restore(&["restore", "crm@latest", "--to", &format!("sqlite://{}", new.display())]))
        .success();
    super::support::check_lines(sqlite_dump(&new).lines(), sqlite_dump(&path).lines());
    assert_eq!(sqlite(&new, "PRAGMA integrity_check"), "ok");
}

#[test]
fn any_name_that_sqlite_takes_comes_back() {
    check_sqlite(&named("TEXT"));
}

#[test]
fn an_empty_sqlite_database_comes_back_empty() {
    check_sqlite("PRAGMA user_version = 3");
}

#[test]
fn sqlite_values_of_every_class_come_back() {
    check_sqlite(
        "CREATE TABLE v (a, b); INSERT INTO v VALUES (9e999, -9e999), (0.1, 1e-300), (9223372036854775807, -9223372036854775808), \
         (x'', x'00ff0a5c4e'), ('', '\\N'), (char(9,10,13,92,46), '🛟'), (NULL, 1.0), (CAST('text' AS BLOB), '1.0'), (-0.0, 0)",
    );
}
