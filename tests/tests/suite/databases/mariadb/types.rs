//! Every type comes back exactly: to the bit of a float, the byte of a wrongly declared text, the zero of a
//! date.

use super::support::{Lab, numbers};

/// A table of every type, with values at the ends of each.
const TYPES: &str = r#"
SET NAMES utf8mb4, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00';
CREATE TABLE every (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY, ti tinyint unsigned zerofill, bi bigint, bu bigint unsigned,
    d decimal(65,30), f float, f2 float(7,2), db double, d2 double(10,3), b bit(9), b64 bit(64),
    e enum('a','b','3','ü'), e0 enum('','a','0'), s set('x','y'), s0 set('','x'),
    dt date, dtm datetime(6), ts timestamp(6) NULL, tm time(6), y year,
    c char(5), v varchar(50), l1 varchar(50) CHARACTER SET latin1, u16 varchar(50) CHARACTER SET utf16,
    gbk varchar(50) CHARACTER SET gbk, sj varchar(50) CHARACTER SET sjis, e16 enum('ä','b') CHARACTER SET utf16,
    bn binary(5), vb varbinary(300), bl longblob, tx longtext, j json, g geometry, p point
) DEFAULT CHARSET utf8mb4;
INSERT INTO every (id, ti, bi, bu, d, f, f2, db, d2, b, b64, e, e0, s, s0, dt, dtm, ts, tm, y, c, v, l1, u16, gbk, sj, e16, bn, vb, bl, tx, j, g, p) VALUES
 (0, 7, -9223372036854775808, 18446744073709551615, '99999999999999999999999999999999999.999999999999999999999999999999',
  0.1, 12345.67, 0.1, -0.001, b'101010101', ~0, 'ü', '', 'x,y', '', '9999-12-31', '9999-12-31 23:59:59.999999',
  '2038-01-19 03:14:07.999999', '838:59:59.999999', 2155, 'a ', 'NULL', x'e4b8adff5c', _utf8mb4'中😀', x'b0a15c41b5', x'835c8162', 'ä',
  x'0001', x'00010a0d095c1a27225c4e', x'ff00fe', '\\N', '{"a": [1, "x\\ty"]}', ST_GeomFromText('LINESTRING(1 1, 2 2)'), ST_GeomFromText('POINT(1.5 -2)')),
 (5, 0, 0, 0, 0, 3.4028234e38, -0.01, 1.7976931348623157e308, 0, b'0', 0, 'a', '0', '', 'x', '0000-00-00', '0000-00-00 00:00:00', 0,
  '-838:59:59', 0000, '', '', '', '', '', '', 'b', '', '', '', '', '{}', NULL, NULL),
 (-7, NULL, NULL, NULL, NULL, 1.17549e-38, NULL, 4.9e-324, NULL, NULL, NULL, '3', 'a', NULL, NULL, '2023-02-31', '2023-00-00 00:00:00', NULL, '00:00:00.5', NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (8, 255, 9223372036854775807, 1, -1.5, 16777217, 1, 9007199254740993, 1, b'1', 1, '', '', '', '', '1000-01-01', '1000-01-01 00:00:00.000001',
  '1970-01-01 00:00:01', '-00:00:00.000001', 1901, 'ß', 'two\nlines\ttab\\', 'é', 'x', 'x', 'x', '', 'abcde', REPEAT('\'', 300), REPEAT(x'0a5c', 9000), REPEAT('中', 9000), '"s"', NULL, NULL)
"#;

#[test]
fn every_type_comes_back_exactly() {
    let lab = Lab::new(TYPES);
    lab.check_round_trip();
    let bits = "SELECT id, CAST(f AS DOUBLE), CAST(f2 AS DOUBLE), db, CAST(d2 AS DOUBLE), e + 0, e0 + 0, s + 0, s0 + 0, e16 + 0, HEX(l1), HEX(u16), HEX(gbk), HEX(sj), HEX(vb), HEX(g) FROM every ORDER BY id";
    assert_eq!(lab.server.sql("crm_new", bits), lab.server.sql("crm", bits));
}

#[test]
fn every_type_comes_back_exactly_by_inserts() {
    let lab = Lab::with_settings(&[("local-infile", "0")], TYPES);
    lab.check_round_trip();
}

#[test]
fn a_key_of_any_type_can_be_cut_and_read() {
    let numbers = numbers(4000);
    let lab = Lab::new(&format!(
        "CREATE TABLE ids (id char(36) CHARACTER SET ascii PRIMARY KEY, body longtext) DEFAULT CHARSET utf8mb4;
         INSERT INTO ids SELECT UUID(), REPEAT('x', 40000) FROM {numbers};
         INSERT INTO ids VALUES ('', 'first'), ('Z', 'letters'), ('~', 'last'), ('80', 'on the edge'), ('8', 'before it');
         CREATE TABLE bins (id binary(16) PRIMARY KEY, body longtext);
         INSERT INTO bins SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), REPEAT('x', 40000) FROM {numbers}; ANALYZE TABLE ids, bins"
    ));
    lab.check_round_trip();
}

#[test]
fn a_set_of_64_members_keeps_every_one() {
    let members = (1..64).map(|n| format!("'m{n}'")).collect::<Vec<_>>().join(",");
    let lab = Lab::new(&format!(
        "CREATE TABLE flags (id int PRIMARY KEY, s set('',{members}));
         INSERT INTO flags VALUES (1, 18446744073709551615), (2, 9223372036854775809), (3, 1), (4, 0), (5, NULL)"
    ));
    lab.check_round_trip();
    let bits = "SELECT id, CAST(s AS UNSIGNED) FROM flags ORDER BY id";
    assert_eq!(lab.server.sql("crm_new", bits), lab.server.sql("crm", bits));
}
