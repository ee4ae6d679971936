//! Who owns and may do what: kept, mapped, left out, and told where the target does not allow it.

use lifeboat_tests::{Finished, run};

use super::support::{Lab, check_says};

/// What a company's own role made, and let others use.
const OWNED: &str = "
    CREATE ROLE crm_owner; CREATE ROLE sales; CREATE ROLE auditor;
    CREATE EXTENSION pg_trgm;
    CREATE TABLE contacts (id int GENERATED ALWAYS AS IDENTITY, name text);
    INSERT INTO contacts (name) VALUES ('Wang'), ('Li');
    ALTER TABLE contacts OWNER TO crm_owner;
    GRANT SELECT, UPDATE (name) ON contacts TO sales WITH GRANT OPTION;
    SET ROLE sales; GRANT SELECT ON contacts TO auditor; RESET ROLE;
    ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON contacts FOR SELECT TO sales, auditor USING (name <> 'Li');
    ALTER DEFAULT PRIVILEGES FOR ROLE crm_owner GRANT SELECT ON TABLES TO sales;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
    ALTER FUNCTION one OWNER TO crm_owner; REVOKE EXECUTE ON FUNCTION one FROM PUBLIC";

/// The roles as `old` knew them are gone from the server.
fn forget_roles(lab: &Lab) {
    lab.server.psql("postgres", "DROP DATABASE crm WITH (FORCE)");
    lab.server.psql("postgres", "DROP ROLE crm_owner, sales, auditor");
}

fn owned() -> Lab {
    let lab = Lab::new(OWNED);
    lab.server.psql("postgres", "CREATE ROLE plain LOGIN CREATEDB");
    lab.back_up_as_superuser("crm");
    lab.back_up().success();
    lab
}

/// Restores into a new database as a role that is no superuser, as on a managed server.
fn restore_as_plain(lab: &Lab, more: &[&str]) -> Finished {
    let to = lab.server.socket_url("new", "plain");
    run(&mut lab.company.restore(&[&["restore", "crm@latest", "--to", &to, "--into-new"], more].concat()))
}

fn rights(lab: &Lab) -> String {
    lab.server.psql(
        "new",
        "SELECT relowner::regrole::text, (SELECT string_agg(replace(a::text, 'xtm', 'xt'), ' ' ORDER BY a::text) \
           FROM unnest(relacl) a WHERE a::text !~ '^backup') \
         FROM pg_class WHERE relname = 'contacts' UNION ALL SELECT proowner::regrole::text, proacl::text FROM pg_proc WHERE proname = 'one' \
         UNION ALL SELECT defaclrole::regrole::text, (SELECT string_agg(a::text, ' ') FROM unnest(defaclacl) a \
           WHERE a::text ~ '^sellers') FROM pg_default_acl WHERE defaclrole::regrole::text <> 'postgres' UNION ALL SELECT polname, polroles::regrole[]::text FROM pg_policy",
    )
}

#[test]
fn owners_and_grants_come_back_to_the_roles_that_stand_in() {
    let lab = owned();
    forget_roles(&lab);
    lab.server.psql("postgres", "CREATE ROLE \"Owner 2\"; CREATE ROLE sellers; CREATE ROLE auditor_2");
    let roles =
        ["--map-role", "crm_owner=Owner 2", "--map-role", "sales=sellers", "--map-role", "auditor=auditor_2"];
    run(&mut lab.restore_command("crm@latest", "new", &[&["--into-new"][..], &roles].concat())).success();
    assert_eq!(
        rights(&lab),
        "\"Owner 2\"|\"Owner 2\"=arwdDxt/\"Owner 2\" auditor_2=r/sellers sellers=r*/\"Owner 2\"\n\
         \"Owner 2\"|{\"\\\"Owner 2\\\"=X/\\\"Owner 2\\\"\"}\n\
         \"Owner 2\"|sellers=r/\"Owner 2\"\nown|{sellers,auditor_2}"
    );
}

#[test]
fn a_role_that_is_not_there_is_told_at_every_object_that_was_its() {
    let lab = owned();
    forget_roles(&lab);
    let told = run(&mut lab.restore_command("crm@latest", "new", &["--into-new"])).exits(3).stdout;
    for object in [
        "ALTER TABLE public.contacts OWNER TO crm_owner",
        "GRANT UPDATE(name) ON TABLE public.contacts TO sales",
        "ALTER FUNCTION public.one() OWNER TO crm_owner",
    ] {
        assert!(told.contains(&format!("refused   {object}")), "{object} is not in\n{told}");
    }
    assert!(told.contains("belong to postgres now: auditor, crm_owner, sales"), "{told}");
}

#[test]
fn an_account_that_is_no_superuser_restores_its_own_database_without_owners() {
    let lab = owned();
    restore_as_plain(&lab, &["--no-owner"]).success();
    assert_eq!(rights(&lab).lines().take(2).collect::<Vec<_>>(), ["plain|", "plain|"]);
    assert_eq!(lab.server.psql("new", "SELECT string_agg(name, ' ') FROM contacts"), "Wang Li");
}

#[test]
fn what_a_managed_server_refuses_is_told_object_by_object() {
    let lab = owned();
    lab.server.psql(
        "crm",
        "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
         CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION watch(); \
         CREATE PUBLICATION everything FOR ALL TABLES; \
         CREATE FUNCTION raw() RETURNS int LANGUAGE internal AS 'pg_backend_pid'; \
         CREATE TABLE more AS SELECT 7 AS n; SELECT lo_from_bytea(5, 'x'); ALTER LARGE OBJECT 5 OWNER TO sales",
    );
    lab.back_up().success();
    let finished = restore_as_plain(&lab, &[]).exits(3);
    for object in [
        "CREATE EVENT TRIGGER watched",
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "CREATE FUNCTION public.raw()",
        "ALTER TABLE public.contacts OWNER TO crm_owner",
        "ALTER TABLE public.more OWNER TO postgres",
        "large object 5: must be",
    ] {
        assert!(
            finished.stdout.contains(&format!("refused   {object}")),
            "{object} is not in\n{}",
            finished.stdout
        );
    }
    let hint = "GRANT \"crm_owner\" TO \"plain\"; or leave owners out with --no-owner";
    assert!(finished.stdout.contains(hint), "{}", finished.stdout);
    check_says(&finished, &["incomplete: the restore is partial:", "objects refused by the target"]);
    assert_eq!(lab.server.psql("new", "SELECT string_agg(name, ' ') FROM contacts"), "Wang Li");
    assert_eq!(lab.server.psql("new", "SELECT n FROM more"), "7");
}
