//! Partitions: graded as their table, and restored where what they are chosen by is withheld or masked.

use super::{Lab, mariadb, postgres};
use crate::company::DB1;
use lifeboat_tests::{restore, run};

/// Partitions at two depths, and a table that inherits from another.
const VISITS: &str = "CREATE TABLE visits (id int NOT NULL, day date NOT NULL, place text, id_number varchar(18)) PARTITION BY RANGE (day);
    CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST ((id % 2));
    CREATE TABLE visits_2_even (id_number varchar(18), place text, day date NOT NULL, id int NOT NULL);
    ALTER TABLE visits_2 ATTACH PARTITION visits_2_even FOR VALUES IN (0);
    CREATE TABLE visits_2_odd PARTITION OF visits_2 FOR VALUES IN (1);
    INSERT INTO visits VALUES (1, '2026-01-05', 'Hamburg', '110105194912310038'), (2, '2026-02-06', 'Wuhan', '110105194912310046'),
      (3, '2026-02-07', NULL, '11010519491231002X');
    CREATE TABLE people (id int PRIMARY KEY, nick text); INSERT INTO people VALUES (1, 'open');
    CREATE TABLE chiefs (salary int) INHERITS (people); INSERT INTO chiefs VALUES (2, 'chief', 4711)";

const ROWS: &str = "SELECT tableoid::regclass, id, day, place FROM visits ORDER BY id";

#[test]
fn postgres_grades_partitions_and_children_as_the_table_above_them() {
    let lab = postgres();
    lab.sql("crm", VISITS);
    lab.company().add_to_config(DB1, "\"*.people\" = \"low\"\n\"public.visits.place\" = \"low\"\n");
    assert_eq!(lab.company().back_up(DB1)["ungraded"], serde_json::json!(["public.chiefs.salary"]));
    lab.sql(
        "crm",
        "CREATE TABLE visits_3 PARTITION OF visits FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    );
    assert_eq!(lab.company().back_up(DB1)["ungraded"], serde_json::json!([]));

    let check = run(&mut lab.company().agent(DB1, &["check"]));
    let told = format!("{}{}", check.stdout, check.stderr);
    let unused =
        told.lines().find(|line| line.contains("no column is meant by")).expect("some are of other tests");
    assert!(!told.contains("visits_") && !unused.contains("visits"), "{told}");
    assert!(told.contains("public.visits.day (medium, lowered to low)"), "{told}");

    lab.restore("li", "closed", &[]).exits(3);
    assert_eq!(lab.sql("closed", ROWS), lab.sql("crm", ROWS));
    assert_eq!(lab.sql("closed", "SELECT count(id_number) FROM visits"), "0");
    assert_eq!(lab.sql("closed", "SELECT nick, salary FROM chiefs"), "chief|");

    let proposed = run(&mut lab.company().agent(DB1, &["classify", "--source", "crm"])).success().stdout;
    let line =
        "\"public.visits.id_number\" = \"high\"  # Chinese resident identity numbers in 100 % of 3 values";
    assert!(proposed.contains(line) && !proposed.contains("visits_"), "{proposed}");
}

#[test]
fn a_report_knows_what_partitions_and_children_are_graded_by() {
    let lab = postgres();
    lab.sql("crm", VISITS);
    let grades = "\"*.people\" = \"low\"\n\"public.cards\" = \"high\"\n\"*.complaints\" = \"high\"\n";
    lab.company().add_to_config(DB1, grades);
    lab.company().back_up(DB1);
    let mut report = restore();
    report.arg("report").arg("--config").arg(lab.company().config(DB1));
    // Other controls fail here, as they should.
    let told = run(report.arg("--identity").arg(lab.company().identity("wang"))).exits(1).stdout;
    let words = "columns that nobody graded, which are high: 1, such as public.chiefs.salary";
    assert!(told.split_whitespace().collect::<Vec<_>>().join(" ").contains(words), "{told}");
}

#[test]
fn postgres_restores_no_row_whose_partition_is_chosen_by_what_is_masked() {
    let lab = postgres();
    lab.sql(
        "crm",
        "CREATE TABLE calls (place text NOT NULL, who text) PARTITION BY LIST (lower(place)); \
         CREATE TABLE calls_1 PARTITION OF calls FOR VALUES IN ('hamburg'); \
         CREATE TABLE calls_2 PARTITION OF calls DEFAULT; \
         INSERT INTO calls VALUES ('Hamburg', 'secret-number'), ('Wuhan', 'secret-number')",
    );
    lab.company().back_up(DB1);
    let told = lab.restore("wang", "masked", &["--mask"]).success().stdout;
    let why = "public.calls_1, public.calls_2 (grade high, no row: by what is masked its rows would belong to other partitions)";
    assert!(told.contains(why), "{told}");
    assert_eq!(lab.sql("masked", "SELECT count(*) FROM calls"), "0");
    assert_eq!(lab.sql("masked", "SELECT count(*) FROM cards"), "2");

    // What partitions are chosen by is as low as the lowest of its row.
    lab.company().add_to_config(DB1, "\"*.calls.pl*\" = \"high\"\n\"*.calls.who\" = \"medium\"\n");
    lab.company().back_up(DB1);
    lab.restore("li", "medium", &[]).exits(3);
    assert_eq!(lab.sql("medium", "SELECT * FROM calls_1"), "Hamburg|secret-number");
    lab.company().add_to_config(DB1, "\"*.calls.place\" = \"high\"\n");
    let refused = run(&mut lab.company().agent(DB1, &["backup"])).exits(40).stderr;
    let words = "public.calls.place is graded high and belongs to the key that its partition is chosen by";
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn mariadb_leaves_partitions_out_that_are_chosen_by_what_is_masked_or_withheld() {
    let lab = mariadb();
    lab.company()
        .add_to_config(DB1, "\"*.pl*\" = \"high\"\n\"calls\" = \"medium\"\n\"hashed\" = \"medium\"\n");
    lab.sql(
        "crm",
        "CREATE TABLE calls (place varchar(20) NOT NULL, who varchar(20)) PARTITION BY LIST COLUMNS (place) \
           (PARTITION north VALUES IN ('Hamburg'), PARTITION south VALUES IN ('Wuhan')); \
         INSERT INTO calls VALUES ('Hamburg', 'a'), ('Wuhan', 'b'); \
         CREATE TABLE hashed (place varchar(20), who varchar(20)) PARTITION BY KEY (place) PARTITIONS 4; \
         INSERT INTO hashed VALUES ('Hamburg', 'a'), (NULL, 'b')",
    );
    lab.company().back_up(DB1);
    for (person, database, more, code) in [("wang", "masked", &["--mask"][..], 0), ("li", "withheld", &[], 3)]
    {
        let told = lab.restore(person, database, more).exits(code).stdout;
        assert!(told.contains("calls: its division into partitions is left out"), "{told}");
        assert!(!told.contains("hashed: its division"), "{told}");
        assert_eq!(
            lab.sql(database, "SELECT who FROM calls UNION ALL SELECT who FROM hashed ORDER BY 1"),
            "a\na\nb\nb"
        );
        assert_eq!(lab.sql(database, "SELECT count(*) FROM calls WHERE place IN ('Hamburg', 'Wuhan')"), "0");
        let dump = lab.dump(database);
        assert_eq!(dump.matches("PARTITION BY").count(), 1, "{dump}");
    }
    lab.restore("wang", "whole", &[]).success();
    assert_eq!(lab.dump("whole").matches("PARTITION BY").count(), 2);
}
