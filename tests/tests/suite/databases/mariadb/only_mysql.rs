//! What MySQL has and MariaDB has not.

use lifeboat_tests::run;

use super::support::{Dump, Lab, said};

/// What a JSON value was cast from, such as a date, is lost to every dump: of those, decimals alone are here.
const OBJECTS: &str = r#"
SET sql_generate_invisible_primary_key = ON;
CREATE TABLE unkeyed (a int, b text); INSERT INTO unkeyed VALUES (1, 'x'), (1, 'x'); DELETE FROM unkeyed LIMIT 1; INSERT INTO unkeyed VALUES (2, 'y');
SET sql_generate_invisible_primary_key = OFF;
CREATE TABLE indexed (id int PRIMARY KEY, j json, name varchar(50), KEY lowered ((LOWER(name))), KEY tags ((CAST(j->'$.tags' AS unsigned ARRAY))),
    KEY falling (name DESC), KEY unseen (name) INVISIBLE, CHECK (id > 0), CONSTRAINT lax CHECK (id > 100) NOT ENFORCED,
    stamp varchar(36) DEFAULT (UUID()), doc json DEFAULT (JSON_ARRAY(1, 'a')));
INSERT INTO indexed (id, j, name) VALUES (1, '{"tags": [3, 1], "ü": "\\n\\"", "n": 1.10, "big": 18446744073709551615, "d": 1e300}', 'Ü'), (2, 'null', NULL), (3, NULL, 'x'),
    (4, JSON_OBJECT('price', CAST(1.10 AS DECIMAL(9,2)), "it's \"\\ü", JSON_ARRAY(1, CAST(-0.30 AS DECIMAL(9,2)), 0.1e0 + 0.2e0, 1e16, 1e-20)), 'y'),
    (5, CAST(CAST(12345678901234567890.12345 AS DECIMAL(40,5)) AS JSON), 'z'), (6, '[1.5]', 'after');
CREATE TABLE placed (id int PRIMARY KEY, p point NOT NULL SRID 4326, any_of geometry, SPATIAL KEY (p));
INSERT INTO placed VALUES (1, ST_GeomFromText('POINT(53.5 10)', 4326), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))', 3857));
CREATE TABLE embedded (id int PRIMARY KEY, v vector(3), wide vector);
INSERT INTO embedded VALUES (1, STRING_TO_VECTOR('[1,2,3]'), NULL), (2, x'0900095c0a0d27ff00000080', STRING_TO_VECTOR('[0.1]'));
CREATE TABLE named (id int PRIMARY KEY, name varchar(50)) COMMENT 'for a duality view'; INSERT INTO named VALUES (1, 'one');
CREATE JSON DUALITY VIEW duality AS SELECT JSON_DUALITY_OBJECT(WITH (INSERT, UPDATE) '_id': id, 'name': name) FROM named;
CREATE TABLE hashed (id int PRIMARY KEY, at datetime) PARTITION BY KEY () PARTITIONS 4; INSERT INTO hashed VALUES (1, NOW()), (2, NULL), (3, NULL);
CREATE TABLE subbed (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE COLUMNS (at) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
    (PARTITION a VALUES LESS THAN ('2026-01-01'), PARTITION b VALUES LESS THAN (MAXVALUE)); INSERT INTO subbed VALUES (1, '2025-01-01'), (2, '2026-01-01');
CREATE ROLE auditor; GRANT SELECT ON crm.* TO auditor;
CREATE TABLE zipped (id int PRIMARY KEY COLUMN_FORMAT FIXED, v int SECONDARY_ENGINE_ATTRIBUTE = '{}') KEY_BLOCK_SIZE = 8 ROW_FORMAT = COMPRESSED STATS_PERSISTENT = 1;
"#;

#[test]
#[ignore = "needs MySQL: `tests/run --all` runs it there"]
fn what_only_mysql_has_comes_back() {
    let lab = Lab::new(OBJECTS);
    lab.check_round_trip();
    for query in [
        "SELECT my_row_id, a, b FROM unkeyed ORDER BY my_row_id",
        "SELECT id, JSON_TYPE(j), JSON_PRETTY(j), stamp FROM indexed ORDER BY id",
        "SELECT id FROM indexed WHERE 3 MEMBER OF (j->'$.tags')",
        "SELECT id, ST_SRID(p), ST_AsText(p), ST_SRID(any_of) FROM placed",
        "SELECT id, HEX(v), VECTOR_TO_STRING(wide) FROM embedded ORDER BY id",
        "SELECT * FROM duality",
        "SELECT PARTITION_NAME, SUBPARTITION_NAME, TABLE_ROWS FROM information_schema.PARTITIONS \
         WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_NAME IS NOT NULL ORDER BY TABLE_NAME, PARTITION_NAME, SUBPARTITION_NAME",
    ] {
        assert_eq!(lab.server.sql("crm_new", query), lab.server.sql("crm", query), "{query}");
    }
}

#[test]
#[ignore = "needs MySQL: `tests/run --all` runs it there"]
fn what_only_mysql_has_comes_back_by_inserts() {
    Lab::with_settings(&[("local-infile", "0")], OBJECTS).check_round_trip();
}

#[test]
#[ignore = "needs MySQL: `tests/run --all` runs it there"]
fn a_foreign_key_to_a_key_of_many_comes_back() {
    let lab = Lab::new(
        "SET restrict_fk_on_non_standard_key = OFF; CREATE TABLE p (id int, KEY (id)); INSERT INTO p VALUES (1), (1); \
         CREATE TABLE c (id int, CONSTRAINT to_p FOREIGN KEY (id) REFERENCES p (id)); INSERT INTO c VALUES (1)",
    );
    lab.back_up().success();
    lab.restore_new("crm@latest", "crm_new").success();
    Dump::of(&lab.server, "crm_new").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
#[ignore = "needs MySQL: `tests/run --all` runs it there"]
fn who_may_use_the_database_by_a_role_still_may_afterwards() {
    let lab = Lab::new(
        "CREATE TABLE t AS SELECT 1 AS i; CREATE ROLE readers, others; GRANT SELECT ON crm.* TO readers;
         CREATE USER member@'%' IDENTIFIED BY 'not to be stored' REQUIRE SSL; GRANT readers, others TO member@'%';
         SET DEFAULT ROLE readers TO member@'%'",
    );
    lab.back_up().success();
    lab.server.sql("mysql", "DROP USER member@'%'; DROP ROLE readers");
    let told =
        run(&mut lab.restore_command("crm@latest", "crm_new", &["--into-new", "--with-accounts"])).success();
    said(&told, &["accounts made, locked and without a password", "member@%, readers@%"]);
    let made = lab
        .server
        .sql("mysql", "SHOW CREATE USER member@'%'; SHOW GRANTS FOR member@'%'; SHOW GRANTS FOR readers");
    for word in [
        "DEFAULT ROLE `readers`@`%`",
        "REQUIRE SSL",
        "ACCOUNT LOCK",
        "GRANT `readers`@`%` TO `member`@`%`",
        "GRANT SELECT ON `crm\\_new`.* TO `readers`@`%`",
    ] {
        assert!(made.contains(word), "{word}:\n{made}");
    }
    assert!(!made.contains("others"), "{made}");
}
