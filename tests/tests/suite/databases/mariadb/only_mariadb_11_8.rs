//! What MariaDB has since 11.8 at the latest, and Debian 12's does not know.

use super::support::Lab;
use crate::company::{DB1, Source};

#[test]
#[ignore = "needs MariaDB 11.8: `tests/run --all` runs it there"]
fn vectors_and_uuids_of_every_version_come_back() {
    let sql = "CREATE TABLE articles (id uuid PRIMARY KEY, v4 uuid, v vector(3) NOT NULL, wide vector(1024), VECTOR INDEX (v) M=8 DISTANCE=cosine);
        INSERT INTO articles VALUES (UUID_v7(), UUID_v4(), VEC_FromText('[1,2,3]'), VEC_FromText(CONCAT('[0.1', REPEAT(',1e-3', 1023), ']'))),
            (UUID_v7(), NULL, x'0900095c0a0d270100000080', NULL);
        CREATE TABLE late (ts timestamp(6) NULL, j json, t text COLLATE utf8mb4_uca1400_swedish_ai_ci);
        INSERT INTO late VALUES ('2106-02-07 06:28:15.999999', '{\"a\": 1}', 'å');
        CREATE FUNCTION with_default(a int, b int DEFAULT 7) RETURNS int RETURN a + b;";
    let lab = Lab::new(sql);
    lab.check_round_trip();
    let nearest =
        "SELECT HEX(v) FROM articles ORDER BY VEC_DISTANCE_COSINE(v, VEC_FromText('[1,2,3]')) LIMIT 1";
    assert_eq!(lab.server.sql("crm_new", nearest), lab.server.sql("crm", nearest));
    Lab::with_settings(&[("local-infile", "0")], sql).check_round_trip();
}

#[test]
#[ignore = "needs MariaDB 11.8: `tests/run --all` runs it there"]
fn an_account_that_signs_with_a_salted_key_is_let_in() {
    let lab = Lab::new(
        "CREATE TABLE t AS SELECT 1 AS i; INSTALL SONAME 'auth_parsec';
         CREATE USER signer@'%' IDENTIFIED VIA parsec USING PASSWORD('s3cret: 客户') REQUIRE SSL;
         GRANT SELECT, RELOAD, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON *.* TO signer@'%'",
    );
    let url = lab.server.url_without_password("crm", "signer");
    let signer = |password| Source { name: "crm", url: url.clone(), password: Some(password) };
    lab.company.configure(DB1, &[signer("not it")]);
    lab.check_refused(1, &["login to localhost", "is the password right"]);
    lab.company.configure(DB1, &[signer("s3cret: 客户")]);
    lab.check_round_trip();
}
