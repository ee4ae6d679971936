//! What the backup role may not see fails the backup, with the statement that helps; it is never left out.

use super::support::Lab;

/// A company whose role `backup` may read only what `sql` grants it.
fn with_little_granted(sql: &str) -> Lab {
    let lab = Lab::new("");
    lab.server.withdraw_reading("crm");
    lab.server.psql("crm", sql);
    lab
}

const GRANTED: &str = "CREATE TABLE open (n int); CREATE TABLE shut (n int); INSERT INTO shut VALUES (1); \
    GRANT SELECT ON open TO backup";

#[test]
fn a_table_that_the_role_may_not_read_fails_the_backup() {
    let lab = with_little_granted(GRANTED);
    lab.check_refused(
        1,
        &["reading public.shut is denied", r#"hint: GRANT SELECT ON "public"."shut" TO "backup";"#],
    );
    lab.server.psql("crm", r#"GRANT SELECT ON "public"."shut" TO "backup""#);
    lab.check_round_trip();
}

#[test]
fn a_column_that_the_role_may_not_read_fails_the_backup() {
    let lab = with_little_granted("CREATE TABLE half (a int, b int); GRANT SELECT (a) ON half TO backup");
    lab.check_refused(1, &["public.half", r#"GRANT SELECT ON "public"."half" TO "backup";"#]);
}

#[test]
fn a_schema_that_the_role_may_not_use_fails_the_backup() {
    let lab = with_little_granted(GRANTED);
    lab.server.psql(
        "crm",
        "DROP TABLE shut; CREATE SCHEMA hr; CREATE TABLE hr.pay (n int); GRANT SELECT ON hr.pay TO backup",
    );
    lab.check_refused(1, &["reading hr.pay is denied", r#"GRANT USAGE ON SCHEMA "hr" TO "backup";"#]);
}

#[test]
fn a_policy_that_would_thin_a_table_fails_the_backup() {
    let lab = Lab::new(
        "CREATE TABLE branches (n int, branch text); INSERT INTO branches VALUES (1, 'hamburg'), (2, 'kiel')",
    );
    lab.back_up().success();
    lab.server.psql(
        "crm",
        "ALTER TABLE branches ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON branches USING (branch = 'kiel')",
    );
    lab.check_refused(
        1,
        &["row-level security policy would hide rows", r#"hint: ALTER ROLE "backup" BYPASSRLS;"#],
    );
    lab.server.psql("crm", r#"ALTER ROLE "backup" BYPASSRLS"#);
    lab.check_round_trip();
}
