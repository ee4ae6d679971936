//! Columns of several grades through the two real programs, on every system.

use lifeboat_tests::{Finished, MariadbServer, PostgresServer, run};

use crate::company::{Company, DB1, Source, postgres_source, sqlite_dump};
use crate::databases::support::{check_lines, check_says, sqlite};

mod indexes_of_text;
mod masks;
mod partitions;

/// Tables of a small CRM, in words that every system knows.
const TABLES: &str = "
CREATE TABLE customers (id integer NOT NULL PRIMARY KEY, name varchar(80) NOT NULL, id_number varchar(18) NOT NULL UNIQUE,
  phone varchar(40), email varchar(80) UNIQUE);
CREATE TABLE cards (number varchar(40) NOT NULL PRIMARY KEY, holder varchar(80) NOT NULL);
CREATE TABLE orders (id integer NOT NULL PRIMARY KEY, customer_id integer NOT NULL, total numeric(10,2) NOT NULL,
  card varchar(40) NOT NULL, CONSTRAINT of_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
  CONSTRAINT of_card FOREIGN KEY (card) REFERENCES cards (number));
CREATE TABLE products (sku varchar(20) NOT NULL PRIMARY KEY, title varchar(80) NOT NULL);
CREATE TABLE complaints (id integer NOT NULL PRIMARY KEY, what varchar(200) NOT NULL);
INSERT INTO customers VALUES (1, 'Zhang Wei', '11010519491231002X', '+86 138 0013 8000', 'zhang@example.com'),
  (2, 'Ada Lovelace', '110105194912310038', NULL, 'ada@example.com'), (3, '', '110105194912310046', 'none', NULL);
INSERT INTO cards VALUES ('4111111111111111', 'Zhang Wei'), ('5500000000000004', 'Ada Lovelace');
INSERT INTO orders VALUES (10, 1, 99.50, '4111111111111111'), (11, 2, 0.01, '5500000000000004'), (12, 1, 7, '4111111111111111');
INSERT INTO products VALUES ('A-1', 'Lifeboat'), ('B-2', 'Oar');
INSERT INTO complaints VALUES (1, 'much too slow');";

/// A table that refers to a column of a higher grade than its own, and from one to a lower.
const VISITS: &str =
    "CREATE TABLE visits (id integer NOT NULL PRIMARY KEY, customer_number varchar(18) NOT NULL,
  card_of varchar(20) NOT NULL, CONSTRAINT of_number FOREIGN KEY (customer_number) REFERENCES customers (id_number),
  CONSTRAINT of_product FOREIGN KEY (card_of) REFERENCES products (sku));
INSERT INTO visits VALUES (1, '110105194912310038', 'A-1');";

/// Grades of it, for a system without schemas; nobody has graded cards and complaints.
const GRADES: &str = "[source.grades]\n\"customers\" = \"medium\"\n\"orders\" = \"medium\"\n\"*.id_number\" = \"high\"\n\
    \"*.*card*\" = \"high\"\n\"products\" = \"low\"\n\"visits\" = \"medium\"\n\"staff\" = \"medium\"\n\"old\" = \"medium\"\n";

/// Checks of a masked and of a withheld column, and one of neither.
const STAFF: &str = "CREATE TABLE staff (id integer NOT NULL PRIMARY KEY, id_number varchar(18) NOT NULL, age integer NOT NULL,
  CONSTRAINT is_hers CHECK (id_number = '110105194912310038'), CONSTRAINT is_grown CHECK (age >= 18));
INSERT INTO staff VALUES (1, '110105194912310038', 41);";

/// Values of high columns.
const SECRETS: [&str; 6] = [
    "11010519491231002X",
    "110105194912310038",
    "110105194912310046",
    "4111111111111111",
    "5500000000000004",
    "much too slow",
];

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
    check_lines(sqlite_dump(&new).lines(), sqlite_dump(&path).lines());
    let verified = company.verify();
    assert_eq!(verified["covered"]["not_opened"], serde_json::json!([]));
}

#[test]
fn a_table_without_rows_comes_back_whatever_its_grades() {
    let (company, path) = sqlite_company();
    sqlite(&path, "DELETE FROM orders");
    company.back_up(DB1);
    let lab = Sqlite(company);
    for (person, database, more, code) in
        [("wang", "whole", &[][..], 0), ("li", "closed", &[], 3), ("wang", "masked", &["--mask"], 0)]
    {
        lab.restore(person, database, more).exits(code);
        assert_eq!(lab.sql(database, "SELECT count(*) FROM orders"), "0");
    }
    lab.restore("wang", "dry", &["--dry-run"]).success();
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
        (1, &"high".into(), &9.into()),
        "{summary}"
    );
}

#[test]
fn what_nobody_graded_is_told_by_check_and_once_by_a_backup() {
    let (company, path) = sqlite_company();
    let check = run(&mut company.agent(DB1, &["check"]));
    let told = format!("{}{}", check.stdout, check.stderr);
    assert!(told.contains("2 graded by nobody, and so high: cards, complaints"), "{told}");
    assert!(!told.contains("of keys"), "{told}");
    let first = company.back_up(DB1);
    assert_eq!(first["ungraded"], serde_json::json!(["cards", "complaints"]));
    assert_eq!(company.back_up(DB1)["ungraded"], serde_json::json!([]));
    sqlite(
        &path,
        "CREATE TABLE calls (id integer PRIMARY KEY, place text); ALTER TABLE complaints ADD COLUMN who text",
    );
    let third = company.back_up(DB1);
    assert_eq!(third["ungraded"], serde_json::json!(["calls", "complaints"]));
}

#[test]
fn a_key_graded_above_its_row_by_name_ends_the_backup_and_says_why() {
    let (company, _) = sqlite_company();
    company.add_to_config(DB1, "\"customers.id\" = \"high\"\n");
    let words = ["customers.id is graded high and belongs to the primary key", "hint: without its key"];
    check_says(&run(&mut company.agent(DB1, &["backup"])).exits(40), &words);
    assert_eq!(company.snapshots(), Vec::<String>::new());
}

/// One system with its CRM, backed up.
trait Lab {
    fn company(&self) -> &Company;

    /// Runs SQL in a database, which may be the one that is backed up; fields are parted by `|`.
    fn sql(&self, database: &str, sql: &str) -> String;

    /// Everything that is in a database, as its own program dumps it.
    fn dump(&self, database: &str) -> String;

    /// Restores the newest snapshot into a new database, as somebody.
    fn restore(&self, person: &str, database: &str, more: &[&str]) -> Finished;
}

struct Sqlite(Company);

impl Lab for Sqlite {
    fn company(&self) -> &Company {
        &self.0
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        sqlite(&self.0.path(&format!("{database}.db")), sql)
    }

    fn dump(&self, database: &str) -> String {
        sqlite_dump(&self.0.path(&format!("{database}.db")))
    }

    fn restore(&self, person: &str, database: &str, more: &[&str]) -> Finished {
        let to = format!("sqlite://{}", self.0.path(&format!("{database}.db")).display());
        run(&mut self.0.restore_as(person, &[&["restore", "crm@latest", "--to", &to], more].concat()))
    }
}

struct Postgres(Company, PostgresServer);

impl Lab for Postgres {
    fn company(&self) -> &Company {
        &self.0
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        self.1.psql(database, sql)
    }

    fn dump(&self, database: &str) -> String {
        self.1.dump(database, &["--inserts"])
    }

    fn restore(&self, person: &str, database: &str, more: &[&str]) -> Finished {
        restore_into_server(&self.0, person, &self.1.url_without_password(database, "postgres"), more)
    }
}

struct Mariadb(Company, MariadbServer);

impl Lab for Mariadb {
    fn company(&self) -> &Company {
        &self.0
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        self.1.sql(database, sql).replace('\t', "|")
    }

    fn dump(&self, database: &str) -> String {
        self.1.dump(database, &[])
    }

    fn restore(&self, person: &str, database: &str, more: &[&str]) -> Finished {
        restore_into_server(&self.0, person, &self.1.url_without_password(database, "admin"), more)
    }
}

fn restore_into_server(company: &Company, person: &str, to: &str, more: &[&str]) -> Finished {
    let password = company.path("admin.password").display().to_string();
    let args = ["restore", "crm@latest", "--to", to, "--password-file", &password, "--into-new"];
    run(&mut company.restore_as(person, &[&args, more].concat()))
}

fn postgres() -> Postgres {
    let server = PostgresServer::start();
    server.create_database("crm");
    postgres_of(server)
}

/// The CRM in a database of that server.
fn postgres_of(server: PostgresServer) -> Postgres {
    server.psql("crm", TABLES);
    let company = Company::new();
    company.configure(DB1, &[postgres_source(&server)]);
    std::fs::write(company.path("admin.password"), server.password("postgres")).expect("a password file");
    // Where there are schemas, a pattern has one part more.
    begin(&company, &GRADES.replace("\n\"", "\n\"*."));
    Postgres(company, server)
}

fn mariadb() -> Mariadb {
    let server = MariadbServer::start();
    server.create_database("crm");
    server.sql("crm", TABLES);
    let company = Company::new();
    let url = server.url_without_password("crm", "backup");
    company.configure(DB1, &[Source { name: "crm", url, password: Some(server.password("backup")) }]);
    std::fs::write(company.path("admin.password"), server.password("admin")).expect("a password file");
    begin(&company, GRADES);
    Mariadb(company, server)
}

fn begin(company: &Company, grades: &str) {
    company.limit_li(DB1, "[\"medium\", \"low\"]");
    company.init(DB1);
    company.add_to_config(DB1, grades);
    company.back_up(DB1);
}

const CUSTOMERS: &str =
    "SELECT id, name, COALESCE(id_number, '-'), COALESCE(phone, '-') FROM customers ORDER BY id";

/// What of the CRM is neither withheld nor masked.
fn open_columns(lab: &dyn Lab, database: &str) -> String {
    let queries = [
        "SELECT id, name, phone, email FROM customers ORDER BY id",
        "SELECT id, customer_id, total FROM orders ORDER BY id",
        "SELECT sku, title FROM products ORDER BY sku",
    ];
    queries.map(|query| lab.sql(database, query)).join("\n")
}

fn no_secrets(lab: &dyn Lab, database: &str) {
    let dump = lab.dump(database);
    for secret in SECRETS {
        assert!(!dump.contains(secret), "{secret} is in {database}:\n{dump}");
    }
    assert!(dump.contains("Lovelace"), "the dump has the rows:\n{dump}");
}

/// A restore with fewer identities, with fewer grades than they open, and with masks.
fn check(lab: &dyn Lab) {
    let (wang, li) = ("wang", "li");
    lab.restore(wang, "whole", &[]).success();
    assert_eq!(lab.sql("whole", CUSTOMERS), lab.sql("crm", CUSTOMERS));

    let told = lab.restore(li, "medium", &["--json"]).exits(3).stdout;
    let mut lines =
        told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON lines"));
    let summary = lines.find(|line| line["type"] == "summary").expect("a summary");
    let withheld = summary["withheld"].as_array().expect("a list");
    let names: Vec<_> =
        withheld.iter().map(|of| (of["columns"].to_string(), of["whole_table"] == true)).collect();
    for expected in [("[\"id_number\"]", false), ("[\"card\"]", false), ("[\"id\",\"what\"]", true)] {
        assert!(names.contains(&(expected.0.to_owned(), expected.1)), "{names:?}");
    }
    let reason = "no identity given opens this grade";
    assert!(withheld.iter().all(|of| of["grade"] == "high" && of["reason"] == reason), "{summary}");
    assert_eq!(summary["differences"], serde_json::json!([]), "{summary}");
    let expected = "1|Zhang Wei|-|+86 138 0013 8000\n2|Ada Lovelace|-|-\n3||-|none";
    assert_eq!(lab.sql("medium", CUSTOMERS), expected);
    assert_eq!(open_columns(lab, "medium"), open_columns(lab, "crm"));
    assert_eq!(lab.sql("medium", "SELECT count(*) FROM complaints"), "0");
    no_secrets(lab, "medium");

    lab.restore(wang, "asked", &["--grade", "medium"]).success();
    assert_eq!(lab.sql("asked", CUSTOMERS), expected);
    no_secrets(lab, "asked");
    check_masks(lab, wang);

    check_keys(lab);
}

/// Foreign keys that cannot hold are left out and named, and no others.
fn check_keys(lab: &dyn Lab) {
    lab.sql("crm", VISITS);
    lab.company().back_up(DB1);
    for (person, database, more, code, gone) in [
        ("li", "keys_withheld", &[][..], 3, &["of_number"][..]),
        ("wang", "keys_masked", &["--mask"], 0, &["of_number", "of_product"]),
    ] {
        let finished = lab.restore(person, database, more).exits(code);
        let told = format!("{}{}", finished.stdout, finished.stderr);
        let schema = lab.dump(database).replace('`', "");
        for key in ["of_number", "of_product", "of_card", "of_customer"] {
            let note = format!("foreign key {key} is left out: it asks for what is withheld or masked");
            assert_eq!(told.contains(&note), gone.contains(&key), "{key}: {told}");
            let is_there = schema.contains(&format!("CONSTRAINT {key} FOREIGN KEY"));
            assert_eq!(!is_there, gone.contains(&key), "{key}: {schema}");
        }
        assert!(!told.contains("refused") && !told.contains("could not be proven"), "{told}");
        assert!(!told.contains("does not hold") && !told.contains("refers to a row"), "{told}");
        assert_eq!(lab.sql(database, "SELECT count(*) FROM visits"), "1");
    }
}

/// Checks that ask for what does not come are left out and named, and no others.
fn check_checks(lab: &dyn Lab) {
    lab.sql("crm", "DROP TABLE visits");
    lab.sql("crm", STAFF);
    lab.company().back_up(DB1);
    for (person, database, more, code) in
        [("wang", "staff_masked", &["--mask"][..], 0), ("li", "staff_withheld", &[], 3)]
    {
        let finished = lab.restore(person, database, more).exits(code);
        let told = format!("{}{}", finished.stdout, finished.stderr);
        let noted = "staff: check is_hers is left out: it asks for what is withheld or masked";
        assert!(told.contains(noted) && !told.contains("is_grown"), "{told}");
        let schema = lab.dump(database);
        assert!(!schema.contains("is_hers") && schema.contains("is_grown"), "{schema}");
        let kept = lab.sql(database, "SELECT count(*) FROM staff WHERE age = 41 AND id_number IS NULL");
        assert_eq!(kept, if person == "li" { "1" } else { "0" });
    }
}

/// Masked values keep form, length and what they are tied to, and give nothing away.
fn check_masks(lab: &dyn Lab, person: &str) {
    lab.restore(person, "masked", &["--mask"]).success();
    lab.restore(person, "again", &["--mask"]).success();
    assert_eq!(open_columns(lab, "masked"), open_columns(lab, "crm"));
    no_secrets(lab, "masked");
    let numbers = "SELECT id_number FROM customers ORDER BY id";
    let masked = lab.sql("masked", numbers);
    assert_eq!(masked, lab.sql("again", numbers));
    for (masked, original) in masked.lines().zip(SECRETS) {
        let form =
            |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { 'a' }).collect::<String>();
        assert_eq!(form(masked), form(original));
    }
    let joined = "SELECT o.id, h.name FROM orders o JOIN cards k ON k.number = o.card JOIN customers h \
        ON h.id = o.customer_id ORDER BY o.id";
    assert_eq!(lab.sql("masked", joined), lab.sql("crm", joined));
    assert_eq!(lab.sql("masked", "SELECT count(DISTINCT card) FROM orders"), "2");
}

#[test]
fn sqlite_restores_with_fewer_identities_and_under_masks() {
    let (company, _) = sqlite_company();
    company.back_up(DB1);
    let lab = Sqlite(company);
    check(&lab);
    check_checks(&lab);
}

#[test]
fn postgres_restores_with_fewer_identities_and_under_masks() {
    let lab = postgres();
    check(&lab);
    check_checks(&lab);
}

#[test]
fn mariadb_restores_with_fewer_identities_and_under_masks() {
    let lab = mariadb();
    check(&lab);
    check_checks(&lab);
}

/// Text of which no mask can be made comes back as NULL, and the restore says why.
fn check_other_text(lab: &dyn Lab, database: &str, secret: &str) {
    let told = lab.restore("wang", database, &["--mask"]).success().stdout;
    let why = "grade high, NULL: of text that is not UTF-8 no other value can be made";
    assert!(told.lines().any(|line| line.contains("old.id_number") && line.contains(why)), "{told}");
    assert_eq!(lab.sql(database, "SELECT count(*) FROM old WHERE id_number IS NULL"), "2");
    assert!(!lab.dump(database).contains(secret));
}

#[test]
fn mariadb_masks_no_text_of_another_character_set() {
    let lab = mariadb();
    lab.sql(
        "crm",
        "CREATE TABLE old (id int NOT NULL PRIMARY KEY, id_number varchar(20) CHARACTER SET gbk NOT NULL, place varchar(20)) \
         DEFAULT CHARSET = utf8mb4; INSERT INTO old VALUES (1, _utf8mb4 0xE5BCA0E4BC9F, 'a'), (2, 'secret-number', 'b')",
    );
    lab.company().back_up(DB1);
    check_other_text(&lab, "old", "secret-number");
}

#[test]
fn postgres_masks_no_text_of_another_encoding() {
    let server = PostgresServer::start();
    server.psql(
        "postgres",
        "CREATE DATABASE crm ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    // On 13, the role reads by what template1 grants, and this is made of the other.
    server.psql("crm", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO backup");
    let lab = postgres_of(server);
    lab.sql(
        "crm",
        "CREATE TABLE old (id int NOT NULL PRIMARY KEY, id_number text NOT NULL, place text); \
         INSERT INTO old VALUES (1, E'\\xE9t\\xE9', 'a'), (2, 'secret-number', 'b')",
    );
    lab.company().back_up(DB1);
    check_other_text(&lab, "old", "secret-number");
}

#[test]
fn postgres_leaves_out_a_key_of_partitions_and_its_comment() {
    let lab = postgres();
    lab.company().add_to_config(DB1, "\"*.events*\" = \"low\"\n");
    lab.sql(
        "crm",
        "CREATE TABLE events (id int, day int, number varchar(18) CONSTRAINT of_number REFERENCES customers (id_number), \
           customer int CONSTRAINT of_customer REFERENCES customers, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); \
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10); \
         COMMENT ON CONSTRAINT of_number ON events IS 'who it was'; \
         INSERT INTO events VALUES (1, 2, '110105194912310038', 2)",
    );
    lab.company().back_up(DB1);
    let told = lab.restore("wang", "masked", &["--mask"]).success().stdout;
    let note = "public.events: foreign key of_number is left out: it asks for what is withheld or masked";
    assert!(told.contains(note), "{told}");
    let keys = "SELECT string_agg(DISTINCT conname, ' ') FROM pg_constraint WHERE contype = 'f' \
        AND conrelid IN ('events'::regclass, 'events_1'::regclass)";
    assert_eq!(lab.sql("masked", keys), "of_customer");
    lab.restore("wang", "whole", &[]).success();
    assert_eq!(lab.sql("whole", keys), "of_customer of_number");
}

#[test]
fn postgres_lets_null_into_domains_of_withheld_columns() {
    let lab = postgres();
    lab.sql(
        "crm",
        "CREATE DOMAIN given AS text NOT NULL; CREATE DOMAIN number AS given CHECK (VALUE IS NOT NULL AND VALUE <> ''); \
         CREATE TABLE old (id int NOT NULL PRIMARY KEY, id_number number, place given); \
         CREATE VIEW numbers AS SELECT id_number FROM old; INSERT INTO old VALUES (1, 'secret-number', 'a')",
    );
    lab.company().back_up(DB1);
    for (person, database, more, code) in [("li", "closed", &[][..], 3), ("wang", "masked", &["--mask"], 0)] {
        let told = lab.restore(person, database, more).exits(code).stdout;
        for left_out in ["NOT NULL of domain given", "check number_check of domain number"] {
            assert!(told.contains(&format!("public.old: {left_out} is left out")), "{told}");
        }
        assert_eq!(lab.sql(database, "SELECT id, id_number IS NULL, place FROM old"), "1|t|a");
    }
}

#[test]
fn whoever_opens_none_of_a_snapshot_is_refused_before_the_target_is_touched() {
    let (company, path) = sqlite_company();
    sqlite(&path, "DROP TABLE orders; DROP TABLE customers; DROP TABLE products");
    company.back_up(DB1);
    let lab = Sqlite(company);
    check_says(&lab.restore("li", "new", &[]).exits(12), &["rows of grade high"]);
    let asked = lab.restore("wang", "new", &["--grade", "low"]).exits(2);
    check_says(&asked, &["nothing can be restored", "--grade high"]);
    assert!(!lab.company().path("new.db").exists());
}

#[test]
fn a_catalogue_is_proposed_that_shows_no_value_and_is_understood() {
    let (company, _) = sqlite_company();
    let proposed = run(&mut company.agent(DB1, &["classify", "--source", "crm"])).success().stdout;
    let line = "\"customers.id_number\" = \"high\"  # Chinese resident identity numbers in 100 % of 3 values";
    assert!(proposed.contains(line), "{proposed}");
    assert!(proposed.contains("\"orders.card\" = \"high\"  # bank cards in 100 %"), "{proposed}");
    assert!(proposed.contains("\"customers.email\" = \"medium\"  # e-mail addresses"), "{proposed}");
    for value in SECRETS.into_iter().chain(["Lovelace", "zhang", "138"]) {
        assert!(!proposed.contains(value), "{value} is in {proposed}");
    }
    let config = std::fs::read_to_string(company.config(DB1)).expect("a configuration");
    let (before, _) = config.split_once("[source.grades]").expect("there are grades");
    std::fs::write(company.config(DB1), format!("{before}{proposed}")).expect("a configuration");
    run(&mut company.agent(DB1, &["config", "check"])).success();
}
