//! Every kind of object comes back, with the session that it was made in and the account that it runs as.

use lifeboat_tests::run;

use super::support::{Dump, Lab};
use crate::databases::support::check_says;

/// What both families have. The view a_view stands on z_view, which comes after it, and on a function.
const OBJECTS: &str = r#"
CREATE USER app@'10.%';
CREATE TABLE parents (id int PRIMARY KEY, code varchar(10) NOT NULL UNIQUE, next_child int,
    hidden int INVISIBLE DEFAULT 3, twice int AS (id * 2) STORED, thrice int AS (id * 3) VIRTUAL, KEY (thrice), CHECK (id > 0)) COMMENT 'it''s; (a comment)';
CREATE TABLE children (id int AUTO_INCREMENT, parent int, code varchar(10), n int, PRIMARY KEY (n, id), UNIQUE KEY (id),
    CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE,
    CONSTRAINT to_code FOREIGN KEY (code) REFERENCES parents (code)) AUTO_INCREMENT = 4711;
ALTER TABLE parents ADD CONSTRAINT round FOREIGN KEY (next_child) REFERENCES children (id);
SET foreign_key_checks = 0;
INSERT INTO parents (id, code, next_child, hidden) VALUES (1, 'a', 1, 5), (2, 'b', NULL, 6);
INSERT INTO children VALUES (1, 1, 'a', 1), (2, 2, NULL, 2);
SET foreign_key_checks = 1;
CREATE TABLE parts (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) (PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1, '2019-01-01'), (2, '2024-01-01');
CREATE TABLE nokey (a int, b text); INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
CREATE TABLE generated_only (id int AS (1) VIRTUAL); INSERT INTO generated_only VALUES (), ();
CREATE TABLE isam (id int PRIMARY KEY, b text, FULLTEXT (b)) ENGINE = MyISAM; INSERT INTO isam VALUES (1, 'word');
CREATE TABLE empty_one (id int);
CREATE VIEW z_view AS SELECT id, code FROM parents;
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT';
DELIMITER //
CREATE FUNCTION double_it(n int) RETURNS int DETERMINISTIC COMMENT 'doubles' BEGIN RETURN n * 2; END //
CREATE DEFINER = app@'10.%' PROCEDURE greet(IN who varchar(20), OUT said text) BEGIN SET said = 'hi ' || who; SELECT 1 AS "quoted"; END //
SET sql_mode = '' //
CREATE TRIGGER second BEFORE INSERT ON nokey FOR EACH ROW BEGIN SET NEW.b = CONCAT(NEW.b, '!'); END //
CREATE TRIGGER first BEFORE INSERT ON nokey FOR EACH ROW PRECEDES second SET NEW.b = UPPER(NEW.b) //
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE COMMENT 'PRESERVE ENABLE' DO BEGIN DELETE FROM empty_one; END //
DELIMITER ;
CREATE ALGORITHM = MERGE DEFINER = app@'10.%' SQL SECURITY INVOKER VIEW a_view AS SELECT z_view.id, double_it(z_view.id) AS d, 'it''s' AS q FROM z_view WHERE id > 0 WITH CHECK OPTION;
"#;

#[test]
fn every_object_comes_back() {
    let lab = Lab::new(OBJECTS);
    lab.back_up().success();
    let enabled = |dump: &str| dump.replace("PRESERVE ENABLE COMMENT", "PRESERVE DISABLE COMMENT");
    lab.server.sql("crm", "ALTER EVENT nightly DISABLE");
    let before = Dump::of(&lab.server, "crm");
    let told = lab.restore_new("crm@latest", "crm_new").success();
    Dump::of(&lab.server, "crm_new").check_same(&before);
    let said = enabled(&format!("{}{}", told.stdout, told.stderr));
    assert!(said.contains("events arrive disabled") && said.contains("nightly"), "{said}");

    assert_eq!(
        lab.server.sql("crm_new", "INSERT INTO nokey VALUES (9, 'x'); SELECT b FROM nokey WHERE a = 9"),
        "X!"
    );
}

#[test]
fn a_restored_database_shows_where_it_came_from() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i; CREATE TABLE m (i int) ENGINE = MyISAM");
    let told = lab.back_up().success();
    assert!(told.stderr.contains("m (MyISAM)"), "{}", told.stderr);
    let shown = run(&mut lab.company.restore(&["show", "crm@latest"])).success().stdout;
    let (ddl, gtid) = match lab.server.is_mariadb() {
        true => ("BACKUP STAGE BLOCK_DDL", "gtid 0-1-"),
        false => ("LOCK INSTANCE FOR BACKUP", "gtid "),
    };
    for word in ["FLUSH TABLES WITH READ LOCK", ddl, "binlog log-bin.", gtid] {
        assert!(shown.contains(word), "{word}:\n{shown}");
    }
}

#[test]
fn an_account_that_is_not_there_is_named_and_can_be_replaced() {
    let lab = Lab::new(
        "CREATE USER app@localhost; CREATE TABLE t (i int); CREATE DEFINER = app@localhost VIEW v AS SELECT * FROM t",
    );
    lab.back_up().success();
    lab.server.sql("crm", "DROP USER app@localhost; CREATE USER fresh@localhost");
    let definer = |database: &str| {
        let query = format!("SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '{database}'");
        lab.server.sql("mysql", &query)
    };
    let told = lab.restore_new("crm@latest", "as_it_was").success();
    assert!(format!("{}{}", told.stdout, told.stderr).contains("app@localhost"), "{}", told.stdout);
    assert_eq!(definer("as_it_was"), "app@localhost");
    run(&mut lab.restore_command(
        "crm@latest",
        "mapped",
        &["--into-new", "--map-role", "app@localhost=fresh@localhost"],
    ))
    .success();
    assert_eq!(definer("mapped"), "fresh@localhost");
    run(&mut lab.restore_command("crm@latest", "mine", &["--into-new", "--no-owner"])).success();
    assert_eq!(definer("mine"), "admin@%");
}

#[test]
fn rows_that_break_a_foreign_key_come_back_and_are_named() {
    let lab = Lab::new(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int, CONSTRAINT up FOREIGN KEY (p) REFERENCES p (id)); \
         SET foreign_key_checks = 0; INSERT INTO c VALUES (1, 7)",
    );
    lab.back_up().success();
    let told = lab.restore_new("crm@latest", "crm_new").success();
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("foreign key up of c does not hold"), "{said}");
    Dump::of(&lab.server, "crm_new").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
fn a_table_that_shows_rows_of_others_comes_back_without_doubling_them() {
    let lab = Lab::new(
        "CREATE TABLE y2025 (id int, v text, KEY (id)) ENGINE = MyISAM;
         CREATE TABLE y2026 LIKE y2025;
         INSERT INTO y2025 VALUES (1, 'a'), (2, 'b'); INSERT INTO y2026 VALUES (3, 'c');
         CREATE TABLE years (id int, v text, KEY (id)) ENGINE = MERGE UNION = (y2025, y2026) INSERT_METHOD = LAST",
    );
    check_says(&lab.back_up().success(), &["by their definition only: years (MRG_M"]);
    lab.check_round_trip();
    assert_eq!(lab.server.sql("crm_new", "SELECT COUNT(*) FROM years"), "3");
}
