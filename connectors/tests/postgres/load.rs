//! What a load refuses, starts over and reports.

use std::io::Write as _;
use std::process::Stdio;

use lifeboat_connectors::{CaptureOptions, Error, row_channel};

use crate::support::{Backup, PASSWORD, Server, fill, load_options, load_table};

const SMALL: &str = "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE people (id serial PRIMARY KEY, m mood); \
    CREATE TABLE pets (id int, owner int REFERENCES people); CREATE TABLE other (n int); \
    INSERT INTO people (m) SELECT 'ok' FROM generate_series(1, 10); INSERT INTO pets VALUES (1, 2); \
    SELECT lo_from_bytea(99, '\\xaa'); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
    CREATE OPERATOR FAMILY odd USING btree; CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1";

async fn small(server: &Server) -> Backup {
    server.sql("postgres", "CREATE DATABASE small; CREATE DATABASE target");
    server.sql("small", SMALL);
    Backup::take(server.source("postgres", "small").as_ref(), &CaptureOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_as_it_was() {
    let server = Server::start("");
    let backup = small(&server).await;
    let target = server.target("target");
    for (make, drop) in [
        ("CREATE TABLE t (n int)", "DROP TABLE t"),
        ("CREATE VIEW v AS SELECT 1", "DROP VIEW v"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION f"),
        ("CREATE TYPE t AS ENUM ()", "DROP TYPE t"),
        ("CREATE SCHEMA s", "DROP SCHEMA s"),
        ("SELECT lo_create(1)", "SELECT lo_unlink(1)"),
    ] {
        server.sql("target", make);
        let before = server.dump("target", &["-b"]);
        for into_new in [false, true] {
            let refused = target.begin(backup.plan(), &load_options(into_new)).await.err().unwrap();
            assert!(matches!(refused, Error::Refused { .. }), "{make}: {refused}");
        }
        assert_eq!(server.dump("target", &["-b"]), before, "{make}");
        server.sql("target", drop);
    }
    backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
}

#[tokio::test]
async fn an_interrupted_load_is_told_and_started_over() {
    let server = Server::start("");
    let backup = small(&server).await;
    let whole = server.dump("small", &["-b"]);
    for (database, into_new) in [("target", false), ("created", true)] {
        let target = server.target(database);
        let load = target.begin(backup.plan(), &load_options(into_new)).await.unwrap();
        for (table, batches) in &backup.tables {
            fill(load.as_ref(), table, batches).await.unwrap();
        }
        let second = target.begin(backup.plan(), &load_options(into_new)).await.err().unwrap();
        assert!(second.to_string().contains("under way"), "{second}");
        load.abort().await;
        let mut notes = target.inspect(&backup.plan()).await;
        // The server notices a session's end in its own time; until then it is a restore under way.
        while matches!(&notes, Err(Error::Refused { found, .. }) if found.contains("under way")) {
            notes = target.inspect(&backup.plan()).await;
        }
        assert!(notes.unwrap()[0].contains("starting it over"));
        let mut other = backup.plan();
        other.snapshot = "another".into();
        assert!(matches!(target.inspect(&other).await, Err(Error::Refused { .. })));
        let report = backup.restore(target.as_ref(), backup.plan(), &load_options(into_new)).await.unwrap();
        assert_eq!(report.refused, Vec::<String>::new());
        assert_eq!(server.dump(database, &["-b"]), whole);
    }
}

#[tokio::test]
async fn what_a_killed_restore_left_running_is_ended_before_it_is_started_over() {
    let server = Server::start("");
    let backup = small(&server).await;
    for (database, into_new) in [("target", false), ("created", true)] {
        let target = server.target(database);
        target.begin(backup.plan(), &load_options(into_new)).await.unwrap().abort().await;
        let source = server.source("postgres", database);
        let half = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
        let told = half.point.not_covered;
        assert!(told[0].contains("has not finished"), "{told:?}");
        // A database that subscribes to something is not dropped so easily, and the slot is not ours.
        let subscribe =
            "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)";
        server.sql(database, subscribe);
        // As a pg_restore does whose restore was killed.
        let mut orphan =
            server.session(database).env("PGAPPNAME", "lifeboat").stdin(Stdio::piped()).spawn().unwrap();
        writeln!(orphan.stdin.as_mut().unwrap(), "BEGIN; LOCK TABLE people;").unwrap();
        let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'people'::regclass AND granted";
        while server.sql(database, locked) == "0" {}
        let mut begun = target.begin(backup.plan(), &load_options(into_new)).await;
        // The server notices the first session's end in its own time.
        while matches!(&begun, Err(Error::Refused { found, .. }) if found.contains("under way")) {
            begun = target.begin(backup.plan(), &load_options(into_new)).await;
        }
        begun.unwrap();
        writeln!(orphan.stdin.take().unwrap(), "SELECT 1;").unwrap();
        assert!(!orphan.wait().unwrap().success(), "its session was left alone");
    }
}

#[tokio::test]
async fn rows_that_stop_short_leave_the_table_empty() {
    let server = Server::start("");
    let backup = small(&server).await;
    let load = server.target("target").begin(backup.plan(), &load_options(false)).await.unwrap();
    let (table, batches) = backup.tables.iter().find(|(table, _)| table.name.name == "people").unwrap();
    let (sender, receiver) = row_channel();
    sender.send(batches[0].clone()).await.unwrap();
    drop(sender);
    let short = load.load(&load_table(table), 11, receiver).await.unwrap_err();
    assert!(short.to_string().contains("11 rows were expected and 10 arrived"), "{short}");
    assert_eq!(server.sql("target", "SELECT count(*) FROM people"), "0");
    fill(load.as_ref(), table, batches).await.unwrap();
    assert_eq!(server.sql("target", "SELECT count(*) FROM people"), "10");
}

#[tokio::test]
async fn rows_that_do_not_fit_fail_with_the_servers_words_and_without_the_value() {
    let server = Server::start("");
    let backup = small(&server).await;
    let load = server.target("target").begin(backup.plan(), &load_options(false)).await.unwrap();
    let (table, _) = backup.tables.iter().find(|(table, _)| table.name.name == "people").unwrap();
    let mut batch = lifeboat_connectors::RowBatch::default();
    batch.push_line(b"1\tfurious\n");
    let wrong = fill(load.as_ref(), table, &[batch]).await.unwrap_err();
    let told = wrong.to_string();
    assert!(told.contains("invalid input value for enum") && told.contains("COPY people, line 1"), "{told}");
    assert!(!format!("{wrong:?}").contains("furious"), "{told}");
}

#[tokio::test]
async fn chosen_tables_come_with_what_they_need_and_without_the_rest() {
    let server = Server::start("");
    let backup = small(&server).await;
    let mut plan = backup.plan();
    plan.whole = false;
    plan.tables.retain(|table| table.name.name == "pets");
    let target = server.target("target");
    let report = backup.restore(target.as_ref(), plan, &load_options(false)).await.unwrap();
    assert_eq!(report.refused, Vec::<String>::new());
    assert!(report.notes.iter().any(|note| note.contains("pets_owner_fkey")), "{:?}", report.notes);
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
        WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.sql("target", tables), "pets");
    assert_eq!(server.sql("target", "SELECT count(*) FROM pets"), "1");

    server.sql("postgres", "CREATE DATABASE second");
    let mut plan = backup.plan();
    plan.whole = false;
    plan.tables.retain(|table| table.name.name == "people");
    let report = backup.restore(server.target("second").as_ref(), plan, &load_options(false)).await.unwrap();
    assert_eq!(report.refused, Vec::<String>::new());
    assert_eq!(server.sql("second", tables), "people people_id_seq people_pkey");
    assert_eq!(server.sql("second", "INSERT INTO people (m) VALUES ('ok') RETURNING id"), "11");
}

#[tokio::test]
async fn partitions_come_with_the_definition_above_them() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE TABLE events (at int PRIMARY KEY, v text) PARTITION BY RANGE (at);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
         CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY LIST (at);
         CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES IN (10, 11);
         CREATE TABLE events_2b PARTITION OF events_2 DEFAULT;
         CREATE TABLE others (n int);
         INSERT INTO events SELECT n, 'v' FROM generate_series(0, 19) n; CREATE DATABASE all_of_them; CREATE DATABASE one",
    );
    let source = server.source("postgres", "postgres");
    let backup = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
    let attached = "SELECT string_agg(inhrelid::regclass || ' to ' || inhparent::regclass, ', ' ORDER BY inhrelid::regclass::text) \
        FROM pg_inherits WHERE inhrelid::regclass::text !~ 'pkey'";

    let target = server.target("all_of_them");
    let groups = target.outline(&backup.schema).unwrap().groups;
    let group = |name: &str| groups.iter().find(|group| group.name.name == name).unwrap().tables.clone();
    assert_eq!(group("events_2").len(), 2);
    let mut plan = backup.plan();
    plan.whole = false;
    plan.tables.retain(|table| group("events").contains(&table.name));
    let report = backup.restore(target.as_ref(), plan, &load_options(false)).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
    assert_eq!(
        server.sql("all_of_them", attached),
        "events_1 to events, events_2 to events, events_2a to events_2, events_2b to events_2"
    );
    assert_eq!(
        server.sql("all_of_them", "SELECT count(*), to_regclass('others') IS NULL FROM events"),
        "20|t"
    );
    assert_eq!(
        server.sql(
            "all_of_them",
            "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND connamespace = 'public'::regnamespace"
        ),
        "5"
    );

    let mut plan = backup.plan();
    plan.whole = false;
    plan.tables.retain(|table| table.name.name == "events_2a");
    let report = backup.restore(server.target("one").as_ref(), plan, &load_options(false)).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
    assert_eq!(server.sql("one", attached), "events_2 to events, events_2a to events_2");
    assert_eq!(server.sql("one", "SELECT count(*), min(at) FROM events"), "2|10");
}

#[tokio::test]
async fn a_missing_role_is_reported_mapped_or_left_out() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE DATABASE small; CREATE DATABASE a; CREATE DATABASE b; CREATE DATABASE c; CREATE ROLE app",
    );
    server.sql(
        "small",
        "CREATE ROLE bob; ALTER ROLE bob SET work_mem = '7777kB'; CREATE TABLE bob (n int); ALTER TABLE bob OWNER TO bob; CREATE TABLE t (n int); \
        GRANT SELECT ON t TO bob; SELECT lo_create(5); ALTER LARGE OBJECT 5 OWNER TO bob",
    );
    let backup =
        Backup::take(server.source("postgres", "small").as_ref(), &CaptureOptions::default()).await.unwrap();
    let roles = backup.schema.iter().find(|file| file.name == "roles.json").unwrap();
    assert!(String::from_utf8_lossy(&roles.bytes).contains("7777kB"));
    let mut mapped = load_options(false);
    mapped.map_roles = vec![("bob".into(), "app".into())];
    let early = server.target("b").begin(backup.plan(), &mapped).await.err().unwrap();
    assert!(matches!(early, Error::Unsupported { .. }), "{early}");
    server.sql("small", "REASSIGN OWNED BY bob TO postgres; DROP OWNED BY bob; DROP ROLE bob");

    let report =
        backup.restore(server.target("a").as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    assert!(
        report
            .refused
            .iter()
            .any(|why| why.contains("ALTER TABLE public.bob") && why.contains("role \"bob\"")),
        "{report:?}"
    );
    assert!(report.notes.iter().any(|note| note.contains("bob")), "{report:?}");

    let report = backup.restore(server.target("b").as_ref(), backup.plan(), &mapped).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
    assert_eq!(server.sql("b", "SELECT relowner::regrole FROM pg_class WHERE relname = 'bob'"), "app");
    assert_eq!(server.sql("b", "SELECT has_table_privilege('app', 't', 'SELECT')"), "t");
    assert_eq!(server.sql("b", "SELECT lomowner::regrole FROM pg_largeobject_metadata"), "app");

    let mut without = load_options(false);
    without.no_owner = true;
    let report = backup.restore(server.target("c").as_ref(), backup.plan(), &without).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
}

/// Restores `backup` as the superuser into `whole`, and as `plain` into `own`.
async fn restore_twice(server: &Server, backup: &Backup, map_roles: &[(&str, &str)]) -> [Vec<String>; 2] {
    let mut options = load_options(false);
    options.map_roles = map_roles.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    let mut refused = Vec::new();
    for target in [server.target("whole"), server.target_as("plain", "own")] {
        refused.push(backup.restore(target.as_ref(), backup.plan(), &options).await.unwrap().refused);
    }
    refused.try_into().unwrap()
}

/// What `role` may do with the table `t` of both databases.
fn rights(server: &Server, role: &str) -> [String; 2] {
    let query = format!("SELECT has_table_privilege('{role}', 't', 'SELECT')");
    ["whole", "own"].map(|database| server.sql(database, &query))
}

/// Databases for two restores, and a backup of one in which bob and gone have rights, who are no more.
async fn of_missing_roles(server: &Server) -> Backup {
    server.sql(
        "postgres",
        &format!(
            "CREATE ROLE bob; CREATE ROLE gone; CREATE ROLE app; CREATE ROLE plain LOGIN PASSWORD '{}'; \
             GRANT app TO plain; CREATE DATABASE small; CREATE DATABASE whole; CREATE DATABASE own OWNER plain",
            PASSWORD.replace('\'', "''")
        ),
    );
    if server.major() < 15 {
        server.sql("own", "ALTER SCHEMA public OWNER TO plain");
    }
    server.sql("own", "GRANT CREATE ON SCHEMA public TO app");
    server.sql(
        "small",
        "CREATE TABLE t (n int); ALTER TABLE t OWNER TO bob; GRANT SELECT ON t TO app; GRANT SELECT ON t TO gone",
    );
    let source = server.source("postgres", "small");
    let backup = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
    server.sql("postgres", "DROP DATABASE small WITH (FORCE); DROP ROLE bob; DROP ROLE gone");
    backup
}

#[tokio::test]
async fn a_missing_role_takes_no_grant_from_one_that_is_there() {
    let server = Server::start("");
    let backup = of_missing_roles(&server).await;
    let owner = "ALTER TABLE public.t OWNER TO bob: role \"bob\" does not exist";
    let refused = "GRANT SELECT ON TABLE public.t TO gone: role \"gone\" does not exist";
    for told in restore_twice(&server, &backup, &[]).await {
        assert!(told.iter().any(|told| told == owner) && told.iter().any(|told| told == refused), "{told:?}");
        assert!(!told.iter().any(|told| told.contains("app")), "{told:?}");
    }
    assert_eq!(rights(&server, "app"), ["t", "t"]);
}

#[tokio::test]
async fn grants_that_another_made_come_back_in_his_name() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE ROLE sales; CREATE ROLE app; CREATE ROLE gone; CREATE DATABASE small; CREATE DATABASE whole",
    );
    server.sql(
        "small",
        "CREATE TABLE t (n int); GRANT SELECT ON t TO sales WITH GRANT OPTION; SET ROLE sales; \
         GRANT SELECT ON t TO gone; GRANT SELECT ON t TO app",
    );
    let source = server.source("postgres", "small");
    let backup = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
    server.sql("postgres", "DROP DATABASE small WITH (FORCE); DROP ROLE gone");
    let target = server.target("whole");
    let report = backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    assert_eq!(report.refused, ["GRANT SELECT ON TABLE public.t TO gone: role \"gone\" does not exist"]);
    let granted = "SELECT array_to_string(relacl, ' ') FROM pg_class WHERE relname = 't'";
    let granted = server.sql("whole", granted);
    assert!(granted.contains("sales=r*/postgres") && granted.contains("app=r/sales"), "{granted}");
}

#[tokio::test]
async fn a_role_is_mapped_on_a_server_that_speaks_chinese() {
    let server = Server::start_in_chinese();
    let backup = of_missing_roles(&server).await;
    let refused = restore_twice(&server, &backup, &[("bob", "app"), ("gone", "app")]).await;
    assert_eq!(refused, [vec![], Vec::<String>::new()]);
    let owner = "SELECT relowner::regrole FROM pg_class WHERE relname = 't'";
    assert_eq!(["whole", "own"].map(|database| server.sql(database, owner)), ["app", "app"]);
}

#[tokio::test]
async fn who_may_not_give_objects_away_is_told_what_helps_on_a_server_that_speaks_chinese() {
    let server = Server::start_in_chinese();
    let backup = of_missing_roles(&server).await;
    server.sql("postgres", "CREATE ROLE boss");
    let mut options = load_options(false);
    options.map_roles = vec![("bob".into(), "boss".into()), ("gone".into(), "app".into())];
    let target = server.target_as("plain", "own");
    let report = backup.restore(target.as_ref(), backup.plan(), &options).await.unwrap();
    assert!(report.refused.iter().any(|why| why.contains("必须")), "{report:?}");
    let hint = "\"plain\" may not give objects to \"boss\": GRANT \"boss\" TO \"plain\"";
    assert!(report.notes.iter().any(|note| note.starts_with(hint)), "{report:?}");
}

#[tokio::test]
async fn a_database_whose_text_is_in_another_encoding_is_refused() {
    let server = Server::start("");
    let backup = small(&server).await;
    server.sql(
        "postgres",
        "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    let target = server.target("bytes");
    for refused in [
        target.inspect(&backup.plan()).await.err().unwrap(),
        target.begin(backup.plan(), &load_options(false)).await.err().unwrap(),
    ] {
        assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
        let told = refused.to_string();
        assert!(told.contains("UTF8 into a database in SQL_ASCII") && told.contains("--into-new"), "{told}");
    }
    assert_eq!(server.sql("bytes", "SELECT count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|inf)'"), "0");
}

#[tokio::test]
async fn a_database_that_sorts_otherwise_is_told() {
    let server = Server::start("");
    let backup = small(&server).await;
    server.sql(
        "postgres",
        "CREATE DATABASE plain TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    let target = server.target("plain");
    let expected = "text sorts by C of libc here and by C.utf8 of libc at the source";
    let notes = target.inspect(&backup.plan()).await.unwrap();
    assert!(notes.iter().any(|note| note.starts_with(expected)), "{notes:?}");
    let report = backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    assert_eq!(report.refused, Vec::<String>::new());
    assert!(report.notes.iter().any(|note| note.starts_with(expected)), "{report:?}");
}

#[tokio::test]
async fn a_new_database_has_the_sources_provider_whatever_the_template_has() {
    let server = Server::start("");
    let backup = small(&server).await;
    let (provider, template) = match server.major() {
        // They know no other provider.
        ..=14 => ("'c'", "datallowconn = false"),
        15..=16 => ("datlocprovider", "datlocprovider = 'i', daticulocale = 'de'"),
        _ => ("datlocprovider", "datlocprovider = 'i', datlocale = 'de'"),
    };
    server.sql("postgres", &format!("UPDATE pg_database SET {template} WHERE datname = 'template0'"));
    let report =
        backup.restore(server.target("new").as_ref(), backup.plan(), &load_options(true)).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
    let made = format!("SELECT {provider}, datcollate FROM pg_database WHERE datname = 'new'");
    assert_eq!(server.sql("postgres", &made), "c|C.UTF-8");
}

#[tokio::test]
async fn a_restore_that_starts_over_gives_away_no_more_than_the_source_did() {
    let server = Server::start("");
    server.sql("postgres", "CREATE ROLE app; CREATE ROLE bob; CREATE DATABASE small; CREATE DATABASE target");
    let settings = |database: &str| {
        format!(
            "ALTER DATABASE {database} SET work_mem = '7MB'; \
             ALTER ROLE bob IN DATABASE {database} SET search_path = 'a b', public"
        )
    };
    let privileges = "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; \
        ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; \
        ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM postgres; \
        ALTER DEFAULT PRIVILEGES FOR ROLE bob IN SCHEMA public GRANT SELECT ON SEQUENCES TO app WITH GRANT OPTION";
    // What was made before has none of them.
    server.sql("small", &format!("{SMALL}; {privileges}; {}", settings("small")));
    let source = server.source("postgres", "small");
    let backup = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
    let target = server.target("target");
    target.begin(backup.plan(), &load_options(false)).await.unwrap().abort().await;
    // The first try comes nearly to its end; what somebody else set is none of its doing.
    server
        .sql("target", &format!("{privileges}; {}; ALTER DATABASE target SET jit = off", settings("target")));
    let mut second = target.begin(backup.plan(), &load_options(false)).await;
    // The server notices the first session's end in its own time.
    while matches!(&second, Err(Error::Refused { found, .. }) if found.contains("under way")) {
        second = target.begin(backup.plan(), &load_options(false)).await;
    }
    let second = second.unwrap();
    assert_eq!(server.sql("target", "SELECT count(*) FROM pg_default_acl"), "0");
    let left = "SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase \
        WHERE datname = 'target'";
    assert_eq!(server.sql("target", left), "jit=off");
    for (table, batches) in &backup.tables {
        fill(second.as_ref(), table, batches).await.unwrap();
    }
    assert_eq!(second.finish().await.unwrap().refused, Vec::<String>::new());
    assert_eq!(server.dump("target", &["-b"]), server.dump("small", &["-b"]));
}

#[tokio::test]
async fn default_privileges_that_may_not_be_taken_back_stop_a_restore_that_starts_over() {
    let server = Server::start("");
    let backup = of_missing_roles(&server).await;
    let target = server.target_as("plain", "own");
    target.begin(backup.plan(), &load_options(false)).await.unwrap().abort().await;
    server.sql("own", "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO PUBLIC");
    let mut second = target.begin(backup.plan(), &load_options(false)).await;
    while matches!(&second, Err(Error::Refused { found, .. }) if found.contains("under way")) {
        second = target.begin(backup.plan(), &load_options(false)).await;
    }
    let told = second.err().unwrap().to_string();
    assert!(told.contains("default privileges of role postgres would not go: drop the database"), "{told}");
}
