//! Masks against what a table asks of its values: constraints hold, or they are left out and named.

use super::{Lab, Postgres, Sqlite, mariadb, postgres, sqlite_company};
use crate::company::DB1;
use crate::databases::mariadb::support::numbers;
use crate::databases::support::sqlite;

/// Rows that a unique key has to tell apart.
const MEMBERS: u32 = 4000;

/// Restores under masks and as somebody who opens less; gives what was told of the masks.
fn restored(lab: &dyn Lab, code: i32) -> String {
    lab.company().back_up(DB1);
    lab.restore("li", "withheld", &[]).exits(3);
    let masked = lab.restore("wang", "masked", &["--mask"]).exits(code);
    masked.stdout + &masked.stderr
}

/// No value of these is in a restored database, nor in what was told.
fn no_value(lab: &dyn Lab, told: &str, values: &[&str]) {
    for database in ["masked", "withheld"] {
        let dump = lab.dump(database);
        assert!(dump.contains("INSERT INTO"), "the dump has the rows:\n{dump}");
        for value in values {
            assert!(!dump.contains(value), "{value} is in {database}");
            assert!(!told.contains(value), "{value} is told: {told}");
        }
    }
}

/// Both answers, of the source and of the masked copy.
#[track_caller]
fn check_same(lab: &dyn Lab, query: &str, expected: &str) {
    let answers = ["crm", "masked"].map(|database| lab.sql(database, query));
    assert_eq!(answers, [expected; 2], "{query}");
}

/// What is unique without minding capitals is so under masks, and what is joined without minding them as well.
const BY_CASE: &str = "SELECT count(*) FROM members m JOIN mails s ON lower(s.card) = lower(m.card)";

#[test]
fn mariadb_keeps_unique_keys_under_masks_or_says_which_are_not() {
    let lab = mariadb();
    lab.company().add_to_config(DB1, "\"members\" = \"medium\"\n\"mails\" = \"medium\"\n");
    let (few, many) = (numbers(26), numbers(MEMBERS));
    lab.sql(
        "crm",
        &format!(
            "CREATE TABLE members (id int NOT NULL PRIMARY KEY, card varchar(80) NOT NULL, card_low varchar(80) AS (lower(card)) STORED,
               card_start varchar(9) NOT NULL, card_mood enum('sad', 'ok') NOT NULL, card_least bigint NOT NULL, card_rate double NOT NULL,
               UNIQUE KEY by_card (card), UNIQUE KEY by_low (card_low), UNIQUE KEY by_start (card_start(1)), UNIQUE KEY by_rate (card_rate))
               COLLATE utf8mb4_general_ci;
             INSERT INTO members (id, card, card_start, card_mood, card_least, card_rate)
               SELECT seq, CONCAT('Anna.', seq, '@secret.cn'), CONCAT(CHAR(96 + seq USING utf8mb4), 'a'), 'sad', -9223372036854775808, seq / 8
               FROM {few};
             CREATE TABLE mails (id int NOT NULL PRIMARY KEY, card varchar(80) COLLATE utf8mb4_general_ci UNIQUE);
             INSERT INTO mails SELECT seq, CONCAT('aNNa.', seq, '@SECRET.cn') FROM {many};
             CREATE TABLE marks (mark varchar(9) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY);
             INSERT INTO marks SELECT CONCAT(_utf8mb4 0xF0A08080, CHAR(96 + seq USING utf8mb4)) FROM {few};
             CREATE TABLE notes (id int NOT NULL PRIMARY KEY, mark varchar(9) COLLATE utf8mb4_general_ci,
               CONSTRAINT of_mark FOREIGN KEY (mark) REFERENCES marks (mark));
             INSERT INTO notes SELECT seq, CONCAT(_utf8mb4 0xF0A08080, CHAR(96 + seq USING utf8mb4)) FROM {few}"
        ),
    );
    let told = restored(&lab, 3);
    check_same(&lab, BY_CASE, "26");
    check_same(&lab, "SELECT count(DISTINCT card) FROM mails", &MEMBERS.to_string());
    check_same(&lab, "SELECT count(DISTINCT card_rate), count(DISTINCT card_low) FROM members", "26|26");
    check_same(&lab, "SELECT count(*) FROM members WHERE card_low = lower(card)", "26");
    check_same(&lab, "SELECT count(*) FROM marks", "26");
    let keys = "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('members', 'mails', 'marks') AND NON_UNIQUE = ";
    assert_eq!(lab.sql("masked", &format!("{keys}0")), "by_card,by_low,by_rate,card,PRIMARY");
    // Of a beginning, and of signs that their collation takes for the same, nothing can be promised.
    assert_eq!(lab.sql("masked", &format!("{keys}1")), "by_start,lifeboat_primary");
    for key in ["unique key by_start of members", "the primary key of marks"] {
        assert!(
            told.contains(&format!("{key} does not hold of the masks, and is no longer unique")),
            "{told}"
        );
    }
    assert_eq!(lab.sql("masked", "SELECT count(*), count(card_mood) FROM members"), "26|0");
    assert!(lab.dump("masked").contains("CONSTRAINT `of_mark` FOREIGN KEY"), "{}", lab.dump("masked"));
    no_value(&lab, &told, &["@secret", "@SECRET", "Anna.", "9223372036854775808"]);
    lab.restore("wang", "whole", &[]).success();
    assert_eq!(lab.sql("whole", &format!("{keys}0")), lab.sql("crm", &format!("{keys}0")));
}

/// Constraints of every kind on columns that are masked or withheld.
fn constraints_of_postgres(lab: &Postgres) {
    lab.company().add_to_config(DB1, "\"*.members\" = \"medium\"\n\"*.mails\" = \"medium\"\n");
    lab.sql(
        "crm",
        &format!(
            "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
             CREATE TABLE members (id int PRIMARY KEY, card text NOT NULL, card_low text GENERATED ALWAYS AS (lower(card)) STORED,
               card_mood mood NOT NULL, card_mail mail NOT NULL, card_least smallint NOT NULL, card_rate float8 UNIQUE,
               card_days int4range NOT NULL, CONSTRAINT apart EXCLUDE USING gist (card_days WITH &&),
               CONSTRAINT other EXCLUDE USING btree (card WITH =));
             CREATE UNIQUE INDEX by_case ON members (lower(card)); CREATE UNIQUE INDEX by_start ON members (left(card, 1));
             INSERT INTO members (id, card, card_mood, card_mail, card_least, card_rate, card_days) SELECT n, chr(97 + n % 26) || 'nna' || n || '@secret.cn', 'sad', n || '@secret.cn', -32768, n / 8.0,
               int4range(n * 2, n * 2 + 1) FROM generate_series(1, 26) n;
             CREATE TABLE mails (id int PRIMARY KEY, card citext UNIQUE);
             INSERT INTO mails SELECT n, chr(65 + n % 26) || 'NNA' || n || '@SECRET.cn' FROM generate_series(1, {MEMBERS}) n"
        ),
    );
}

#[test]
fn postgres_keeps_constraints_under_masks_or_says_which_are_not() {
    let lab = postgres();
    constraints_of_postgres(&lab);
    let told = restored(&lab, 3);
    check_same(&lab, BY_CASE, "26");
    check_same(&lab, "SELECT count(DISTINCT card) FROM mails", &MEMBERS.to_string());
    check_same(
        &lab,
        "SELECT count(DISTINCT card_rate), count(*) FROM members WHERE card_low = lower(card)",
        "26|26",
    );
    let unique = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_index JOIN pg_class ON oid = indexrelid \
        WHERE indrelid IN ('members'::regclass, 'mails'::regclass) AND (indisunique OR indisexclusion)";
    let expected = "apart by_case mails_card_key mails_pkey members_card_rate_key members_pkey other";
    assert_eq!(lab.sql("masked", unique), expected);
    assert!(
        told.contains("refused") && told.contains("could not create unique index \"by_start\""),
        "{told}"
    );
    assert_eq!(told.matches("refused   ").count(), 1, "{told}");
    assert_eq!(lab.sql("withheld", "SELECT count(*), count(card), count(card_low) FROM members"), "26|0|0");
    no_value(&lab, &told, &["@secret", "@SECRET", "-32768"]);
}

#[test]
fn sqlite_keeps_constraints_under_masks_or_says_which_are_not() {
    let (company, path) = sqlite_company();
    company.add_to_config(DB1, "\"members\" = \"medium\"\n\"mails\" = \"medium\"\n");
    sqlite(
        &path,
        &format!(
            "CREATE TABLE members (id integer PRIMARY KEY, card text NOT NULL UNIQUE COLLATE NOCASE,
               card_low text AS (lower(card)) STORED UNIQUE, card_least integer NOT NULL, card_rate real NOT NULL UNIQUE);
             CREATE UNIQUE INDEX by_case ON members (lower(card)); CREATE UNIQUE INDEX by_start ON members (substr(card, 1, 1));
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 26)
               INSERT INTO members (id, card, card_least, card_rate)
               SELECT n, char(97 + n % 26) || 'nna' || n || '@secret.cn', -9223372036854775807 - 1, n / 8.0 FROM n;
             CREATE TABLE mails (id integer PRIMARY KEY, card text UNIQUE COLLATE NOCASE);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MEMBERS})
               INSERT INTO mails SELECT n, char(65 + n % 26) || 'NNA' || n || '@SECRET.cn' FROM n"
        ),
    );
    let lab = Sqlite(company);
    let told = restored(&lab, 3);
    check_same(&lab, BY_CASE, "26");
    check_same(&lab, "SELECT count(DISTINCT lower(card)) FROM mails", &MEMBERS.to_string());
    check_same(
        &lab,
        "SELECT count(DISTINCT card_rate), count(*) FROM members WHERE card_low = lower(card)",
        "26|26",
    );
    let indexes = "SELECT count(*), group_concat(name) FILTER (WHERE sql > '') FROM sqlite_schema WHERE tbl_name = 'members' AND type = 'index'";
    assert_eq!(lab.sql("masked", indexes), "4|by_case");
    assert!(told.contains("index by_start: UNIQUE constraint failed"), "{told}");
    assert_eq!(told.matches("refused   ").count(), 1, "{told}");
    no_value(&lab, &told, &["@secret", "@SECRET", "-9223372036854775808"]);
}
