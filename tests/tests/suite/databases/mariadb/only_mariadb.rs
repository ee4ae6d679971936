//! What MariaDB has and MySQL has not. `tests/run` leaves these out where it tests a MySQL.

use super::support::{Dump, Lab};

const OBJECTS: &str = "
    ALTER DATABASE crm COMMENT 'the register''s';
    CREATE SEQUENCE invoice START 1000 INCREMENT 5 CACHE 10;
    SELECT NEXTVAL(invoice);
    CREATE TABLE numbered (id int AUTO_INCREMENT, n int, number bigint DEFAULT NEXTVAL(invoice), PRIMARY KEY (n, id), KEY (id));
    INSERT INTO numbered (n) VALUES (7), (7);
    CREATE TABLE referring (id int, CONSTRAINT to_a_key_of_many FOREIGN KEY (id) REFERENCES numbered (id));
    INSERT INTO referring VALUES (1), (1);
    CREATE TABLE kept (id int PRIMARY KEY, v varchar(10)) WITH SYSTEM VERSIONING;
    INSERT INTO kept VALUES (1, 'old'), (2, 'gone'); UPDATE kept SET v = 'new' WHERE id = 1; DELETE FROM kept WHERE id = 2;
    CREATE TABLE named (id int PRIMARY KEY, v int, since timestamp(6) GENERATED ALWAYS AS ROW START,
        until timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING;
    INSERT INTO named (id, v) VALUES (1, 1); UPDATE named SET v = 2;
    CREATE TABLE valid (id int, since date, until date, PERIOD FOR valid (since, until), UNIQUE (id, valid WITHOUT OVERLAPS));
    INSERT INTO valid VALUES (1, '2026-01-01', '2026-02-01'), (1, '2026-02-01', '2026-03-01');
    CREATE TABLE zipped (id int PRIMARY KEY, body longtext COMPRESSED) ENGINE = InnoDB PAGE_COMPRESSED = 1;
    INSERT INTO zipped VALUES (1, REPEAT('x', 10000));
    CREATE TABLE aria (id int PRIMARY KEY, body text) ENGINE = Aria TRANSACTIONAL = 1; INSERT INTO aria VALUES (1, 'x');
";

#[test]
fn sequences_and_history_come_back() {
    let lab = Lab::new(OBJECTS);
    lab.check_round_trip();
    let history = |database: &str| {
        lab.server.sql(
            database,
            "SELECT id, v, row_start, row_end FROM kept FOR SYSTEM_TIME ALL ORDER BY id, row_end; \
            SELECT * FROM named FOR SYSTEM_TIME ALL ORDER BY until",
        )
    };
    assert_eq!(history("crm_new"), history("crm"));
    let next = "SELECT NEXTVAL(invoice)";
    let (new, old) = (lab.server.sql("crm_new", next), lab.server.sql("crm", next));
    assert!(new.parse::<u64>().expect("a number") >= old.parse::<u64>().expect("a number"), "{new} {old}");
    let comment = "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'crm_new'";
    assert_eq!(lab.server.sql("mysql", comment), "the register's");
}

#[test]
fn rows_that_break_a_check_come_back_and_are_named() {
    let lab = Lab::new(
        "CREATE TABLE c (id int PRIMARY KEY, CONSTRAINT positive CHECK (id > 0)); \
         SET check_constraint_checks = 0; INSERT INTO c VALUES (-1)",
    );
    lab.back_up().success();
    let told = lab.restore_new("crm@latest", "crm_new").success();
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("a check of c"), "{said}");
    Dump::of(&lab.server, "crm_new").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
fn uuids_and_addresses_come_back() {
    let sql = "CREATE TABLE nets (id int PRIMARY KEY, u uuid, four inet4, six inet6);
        INSERT INTO nets VALUES (1, '123e4567-e89b-12d3-a456-426655440000', '10.0.0.1', '::ffff:10.0.0.1'),
            (2, '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::'), (3, NULL, NULL, NULL);
        CREATE TABLE by_uuid (id uuid PRIMARY KEY, v int); INSERT INTO by_uuid VALUES (UUID(), 1), (UUID(), 2);";
    Lab::new(sql).check_round_trip();
    Lab::with_settings(&[("local-infile", "0")], sql).check_round_trip();
}
