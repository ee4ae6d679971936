//! What the backup role may not see fails the backup, with the statement that helps; it is never left out.

use super::support::Lab;

/// A role like `backup` that may read only what it is granted.
const GRANTED: &str = "CREATE TABLE open (n int); CREATE TABLE shut (n int); INSERT INTO shut VALUES (1); \
    REVOKE pg_read_all_data FROM backup; GRANT SELECT ON open TO backup";

#[test]
fn a_table_that_the_role_may_not_read_fails_the_backup() {
    let lab = Lab::new(GRANTED);
    lab.check_refused(
        1,
        &["reading public.shut is denied", r#"hint: GRANT SELECT ON "public"."shut" TO "backup";"#],
    );
    lab.server.psql("crm", r#"GRANT SELECT ON "public"."shut" TO "backup""#);
    lab.check_round_trip();
}

#[test]
fn a_column_that_the_role_may_not_read_fails_the_backup() {
    let lab = Lab::new(
        "CREATE TABLE half (a int, b int); REVOKE pg_read_all_data FROM backup; GRANT SELECT (a) ON half TO backup",
    );
    lab.check_refused(1, &["public.half", r#"GRANT SELECT ON "public"."half" TO "backup";"#]);
}

#[test]
fn a_schema_that_the_role_may_not_use_fails_the_backup() {
    let lab = Lab::new(GRANTED);
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
