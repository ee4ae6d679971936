//! Definitions of any bytes, and a database that comes back under another name beside the old one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use lifeboat_tests::run;

use super::support::{Lab, said};

#[test]
fn what_is_written_in_a_body_is_left_and_told() {
    let lab = Lab::new(
        "CREATE TABLE log (t text); CREATE TABLE x (id int);
         CREATE TRIGGER crm.noted BEFORE INSERT ON crm.x FOR EACH ROW INSERT INTO log VALUES ('noted');
         CREATE TRIGGER gone BEFORE INSERT ON x FOR EACH ROW SET @a = 1;
         CREATE TRIGGER late BEFORE INSERT ON x FOR EACH ROW PRECEDES gone INSERT INTO log VALUES ('late');
         DROP TRIGGER gone;
         CREATE PROCEDURE far() INSERT INTO crm.log VALUES ('far');
         CREATE PROCEDURE spelled() EXECUTE IMMEDIATE 'INSERT INTO crm.log VALUES (1)';
         CREATE PROCEDURE near() INSERT INTO log VALUES ('li@crm.cn, see my_crm.log') /* crm.log */;
         CREATE FUNCTION two() RETURNS int DETERMINISTIC RETURN 2;
         CREATE VIEW v AS SELECT t, 'crm.log' AS s, crm.two() AS n FROM crm.log",
    );
    lab.back_up().success();
    let told = lab.restore_new("crm@latest", "crm_new").success();
    let told = said(
        &told,
        &[
            "procedure far names database crm: it works on that one still, not on crm_new",
            "procedure spelled names database crm in a string",
        ],
    );
    for quiet in ["near", "noted", "late", "two", "view v"] {
        assert!(!told.contains(&format!("{quiet} names")), "{quiet}: {told}");
    }
    lab.server.sql("crm_new", "INSERT INTO x VALUES (1)");
    assert_eq!(lab.server.sql("crm_new", "SELECT t, s, n FROM v"), "noted\tcrm.log\t2\nlate\tcrm.log\t2");
    assert_eq!(lab.server.sql("crm", "SELECT * FROM log"), "", "the copy wrote into the original");
}

#[test]
fn a_table_that_bears_the_databases_name_stays_in_its_views() {
    let lab = Lab::new(
        "CREATE DATABASE elsewhere; CREATE TABLE elsewhere.o (id int); INSERT INTO elsewhere.o VALUES (1);
         CREATE TABLE crm (id int, d date); INSERT INTO crm VALUES (1, '2026-01-01'); CREATE TABLE d (id int);
         CREATE VIEW plain AS SELECT crm.id, extract(year FROM crm.d) AS y FROM crm WHERE crm.id > 0;
         CREATE VIEW beside AS SELECT crm.id FROM crm JOIN elsewhere.o ON o.id = crm.id LEFT JOIN d ON d.id = crm.id",
    );
    lab.back_up().success();
    lab.restore_new("crm@latest", "crm_new").success();
    lab.server.sql("crm_new", "UPDATE crm SET d = '2030-01-01'");
    assert_eq!(lab.server.sql("crm_new", "SELECT * FROM plain"), "1\t2030");
    lab.server.sql("mysql", "DROP DATABASE crm");
    assert_eq!(lab.server.sql("crm_new", "SELECT * FROM beside"), "1");
}

#[test]
fn a_definition_of_any_bytes_comes_back() {
    let lab = Lab::new(
        "CREATE TABLE odd (id int PRIMARY KEY, b binary(3) DEFAULT x'ff00fe', v varbinary(9) DEFAULT x'e9275c0a',
             e enum('é','ß') CHARACTER SET latin1 DEFAULT 'é', c int COMMENT '客户 é')",
    );
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--user=root", "--database=crm", "--delimiter=//"]);
    client.arg(format!("--socket={}", lab.server.socket().display()));
    // In Latin 1, é is one byte and no UTF-8.
    let sql = b"SET NAMES latin1// CREATE VIEW accents AS SELECT '\xe9' AS a, e FROM odd//
        CREATE PROCEDURE greet() SELECT HEX('\xe9'), 'crm.odd'//
        CREATE TRIGGER cedilla BEFORE INSERT ON odd FOR EACH ROW SET NEW.c = ORD('\xe7')//
        SET NAMES gbk// CREATE PROCEDURE chinese() SELECT HEX('\xd6\xd0\x81\x60')//";
    run(client.arg("--execute").arg(OsStr::from_bytes(sql))).success();
    lab.check_round_trip();
    let asked = "INSERT INTO odd (id) VALUES (2); SELECT HEX(b), HEX(v), HEX(e), c FROM odd;
        SELECT HEX(a), HEX(e) FROM accents; CALL greet(); CALL chinese()";
    let (new, old) = (lab.server.sql("crm_new", asked), lab.server.sql("crm", asked));
    assert_eq!(new, old);
    assert!(old.contains("FF00FE\tE9275C0A\tE9\t231") && old.contains("D6D08160"), "{old}");
}
