//! Columns of several grades through the two real programs, on every system.

use std::path::Path;

use lifeboat_tests::run;

use crate::company::{Company, DB1, Source};
use crate::databases::support::{check_lines, check_says, sqlite};

/// Tables of a small CRM, in words that every system knows.
const TABLES: &str = "
CREATE TABLE customers (id integer NOT NULL PRIMARY KEY, name varchar(80) NOT NULL, id_number varchar(18) NOT NULL UNIQUE,
  phone varchar(40), email varchar(80) UNIQUE);
CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers (id),
  total numeric(10,2) NOT NULL, card varchar(40) NOT NULL);
CREATE TABLE products (sku varchar(20) NOT NULL PRIMARY KEY, title varchar(80) NOT NULL);
CREATE TABLE complaints (id integer NOT NULL PRIMARY KEY, what varchar(200) NOT NULL);
INSERT INTO customers VALUES (1, 'Zhang Wei', '11010519491231002X', '+86 138 0013 8000', 'zhang@example.com'),
  (2, 'Ada Lovelace', '110105194912310038', NULL, 'ada@example.com'), (3, '', '110105194912310046', '', NULL);
INSERT INTO orders VALUES (10, 1, 99.50, '4111111111111111'), (11, 2, 0.01, '5500000000000004'), (12, 1, 7, '4111111111111111');
INSERT INTO products VALUES ('A-1', 'Lifeboat'), ('B-2', 'Oar');
INSERT INTO complaints VALUES (1, 'too slow');";

/// Grades of it, for a system without schemas; nobody has graded complaints.
const GRADES: &str = "[source.grades]\n\"customers\" = \"medium\"\n\"orders\" = \"medium\"\n\"*.id_number\" = \"high\"\n\
    \"*.*card*\" = \"high\"\n\"products\" = \"low\"\n";

fn sqlite_company() -> (Company, std::path::PathBuf) {
    let company = Company::new();
    let path = company.path("crm.db");
    sqlite(&path, TABLES);
    let url = format!("sqlite://{}", path.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    company.limit_li(DB1, "[\"medium\", \"low\"]");
    company.init(DB1);
    company.add_to_config(DB1, GRADES);
    (company, path)
}

fn dump(path: &Path) -> String {
    run(std::process::Command::new("sqlite3").arg("-readonly").arg(path).arg(".dump")).success().stdout
}

#[test]
fn whoever_opens_every_grade_gets_the_whole_database_back() {
    let (company, path) = sqlite_company();
    company.back_up(DB1);
    sqlite(
        &path,
        "UPDATE customers SET id_number = '110105194912310054' WHERE id = 2; DELETE FROM orders WHERE id = 10",
    );
    let second = company.back_up(DB1);
    let changed = second["new_raw_bytes"].as_u64().expect("a number");
    assert!(changed < 100, "one row was changed, and {changed} raw bytes were stored");
    let new = company.path("new.db");
    let to = format!("sqlite://{}", new.display());
    run(&mut company.restore(&["restore", "crm@latest", "--to", &to])).success();
    check_lines(dump(&new).lines(), dump(&path).lines());
    let verified = company.verify();
    assert_eq!(verified["covered"]["not_opened"], serde_json::json!([]));
}

#[test]
fn what_is_not_opened_is_not_called_proven() {
    let (company, _) = sqlite_company();
    company.back_up(DB1);
    let verify = ["verify", "--read-data", "--json"];
    let told = run(&mut company.restore_as("li", &verify)).exits(3).stdout;
    let mut lines =
        told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON lines"));
    let summary = lines.find(|line| line["type"] == "summary").expect("a summary");
    let closed = summary["covered"]["not_opened"].as_array().expect("a list").clone();
    assert_eq!(
        (closed.len(), &closed[0]["grade"], &closed[0]["rows"]),
        (1, &"high".into(), &7.into()),
        "{summary}"
    );
}

#[test]
fn what_nobody_graded_is_told_by_check_and_once_by_a_backup() {
    let (company, path) = sqlite_company();
    let check = run(&mut company.agent(DB1, &["check"]));
    let told = format!("{}{}", check.stdout, check.stderr);
    assert!(told.contains("1 graded by nobody, and so high: complaints"), "{told}");
    let first = company.back_up(DB1);
    assert_eq!(first["ungraded"], serde_json::json!(["complaints"]));
    assert_eq!(company.back_up(DB1)["ungraded"], serde_json::json!([]));
    sqlite(
        &path,
        "CREATE TABLE visits (id integer PRIMARY KEY, place text); ALTER TABLE complaints ADD COLUMN who text",
    );
    let third = company.back_up(DB1);
    assert_eq!(third["ungraded"], serde_json::json!(["complaints", "visits"]));
}

#[test]
fn a_key_graded_above_its_row_by_name_ends_the_backup_and_says_why() {
    let (company, _) = sqlite_company();
    company.add_to_config(DB1, "\"customers.id\" = \"high\"\n");
    let words = ["customers.id is graded high and belongs to the primary key", "hint: without its key"];
    check_says(&run(&mut company.agent(DB1, &["backup"])).exits(40), &words);
    assert_eq!(company.snapshots(), Vec::<String>::new());
}
