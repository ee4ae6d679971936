//! Partitions whose rows belong elsewhere in another database: a label's hash is that of a number which it is given
//! anew.

use lifeboat_tests::run;

use super::support::Lab;

/// Divided by such hashes at either level, by a domain, an array and what a regclass names; one partition has its
/// columns in another order. So many labels that some hash otherwise in any other database.
const DIVIDED: &str = "
    DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE stage AS ENUM (%s)', string_agg(quote_literal('s' || n), ',' ORDER BY n))
        FROM generate_series(0, 99) n); END $$;
    CREATE DOMAIN early AS stage CHECK (VALUE <> 's99');
    CREATE TABLE deals (id int, s stage, note text) PARTITION BY HASH (s);
    CREATE TABLE deals_0 PARTITION OF deals FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE deals_1 (note text, s stage, id int);
    ALTER TABLE deals ATTACH PARTITION deals_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE leads (id int, s early, a stage[]) PARTITION BY HASH (s);
    CREATE TABLE leads_0 PARTITION OF leads FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (id);
    CREATE TABLE leads_0_low PARTITION OF leads_0 FOR VALUES FROM (0) TO (50);
    CREATE TABLE leads_0_high PARTITION OF leads_0 DEFAULT;
    CREATE TABLE leads_1 PARTITION OF leads FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (a);
    CREATE TABLE leads_1_0 PARTITION OF leads_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE leads_1_1 PARTITION OF leads_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE plain (id int) PARTITION BY HASH (id);
    CREATE TABLE plain_0 PARTITION OF plain FOR VALUES WITH (MODULUS 1, REMAINDER 0)";

const ROWS: &str = "
    INSERT INTO deals SELECT n, ('s' || n % 100)::stage, 'note ' || n FROM generate_series(0, 999) n;
    INSERT INTO leads SELECT n, ('s' || n)::stage, ARRAY[('s' || n)::stage] FROM generate_series(0, 98) n;
    INSERT INTO plain SELECT generate_series(1, 10);
    CREATE INDEX ON deals (id)";

const EVERY_ROW: &str = "SELECT string_agg(t::text, ' ' ORDER BY t.id) FROM deals t \
    UNION ALL SELECT string_agg(t::text, ' ' ORDER BY t.id) FROM leads t UNION ALL SELECT count(*)::text FROM plain";

fn lab() -> Lab {
    let lab = Lab::new(DIVIDED);
    lab.server.psql("crm", ROWS);
    lab.back_up().success();
    lab
}

#[test]
fn rows_divided_by_a_hash_of_labels_come_back_wherever_they_belong_now() {
    let lab = lab();
    lab.restore_new("crm@latest", "new").success();
    assert_eq!(lab.server.psql("new", EVERY_ROW), lab.server.psql("crm", EVERY_ROW));
    let place = "SELECT string_agg(tableoid::regclass::text, ' ' ORDER BY id) FROM deals";
    let moved = lab.server.psql("new", place) != lab.server.psql("crm", place);
    assert!(moved, "every label hashes as it did: this shows nothing");
    let analysed = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND reltuples < 0 \
        AND relnamespace = 'public'::regnamespace";
    assert_eq!(lab.server.psql("new", analysed), "");
}

#[test]
fn one_partition_of_them_comes_back_with_those_that_its_rows_may_belong_to() {
    let lab = lab();
    let restore = ["--into-new", "--table", "public.deals_0"];
    run(&mut lab.restore_command("crm@latest", "one", &restore)).success();
    let ids = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM";
    assert_eq!(
        lab.server.psql("one", &format!("{ids} deals")),
        lab.server.psql("crm", &format!("{ids} deals_0"))
    );
}

#[test]
fn a_row_that_is_missing_among_them_is_a_difference() {
    let lab = Lab::new(DIVIDED);
    // Filled when there is no row yet; filling it again in the target takes one away.
    lab.server.psql(
        "crm",
        "CREATE FUNCTION lose() RETURNS int LANGUAGE sql AS 'DELETE FROM public.deals WHERE id = 7; SELECT 1'; \
         CREATE MATERIALIZED VIEW losing AS SELECT lose()",
    );
    lab.server.psql("crm", ROWS);
    lab.back_up().success();
    let told = lab.restore_new("crm@latest", "new").exits(20).stdout;
    let difference = "tables public.deals_0, public.deals_1, among which rows may change places: \
        expected 1000 rows, found 999";
    assert!(told.contains(difference), "{told}");
}
