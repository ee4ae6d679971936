//! Capture, load elsewhere, and compare what pg_dump prints.

use lifeboat_connectors::CaptureOptions;

use crate::support::{Backup, Server, load_options};

const CRM: &str = include_str!("crm.sql");

/// What is compared: definitions and rows, but not the materialised views' order of dependence.
fn dump(server: &Server, database: &str) -> String {
    server.dump(database, &["--schema-only"]) + &server.dump(database, &["--data-only", "-b"])
}

#[tokio::test]
async fn a_database_of_every_kind_of_object_comes_back_the_same() {
    let server = Server::start("");
    server.sql("postgres", "CREATE DATABASE crm");
    // 13 has no infinite numeric.
    let crm = if server.major() < 14 {
        CRM.replace("(3, 5, 1, 'Infinity'", "(3, 5, 1, '1e1000'")
    } else {
        CRM.into()
    };
    server.sql("crm", &crm);
    server.sql("crm", "ALTER DATABASE crm SET search_path = 'a b', public; ALTER ROLE sales IN DATABASE crm SET work_mem = '9MB'");
    let backup =
        Backup::take(server.source("postgres", "crm").as_ref(), &CaptureOptions::default()).await.unwrap();
    assert_eq!(backup.rows("public.nothing_in_it"), 3);
    assert_eq!(backup.rows("pg_catalog.pg_largeobject"), 1 + 1 + 3 + 4);
    let target = server.target("crm_new");
    let notes = target.inspect(&backup.plan()).await.unwrap();
    assert!(notes[0].contains("--into-new"), "{notes:?}");
    let report = backup.restore(target.as_ref(), backup.plan(), &load_options(true)).await.unwrap();
    assert_eq!((report.refused, report.notes), (vec![], vec![]));
    similar(&dump(&server, "crm"), &dump(&server, "crm_new"));
    for query in [
        "SELECT count FROM a_names",
        "SELECT nextval('counted'), nextval('untouched')",
        "SELECT relispopulated FROM pg_class WHERE relname = 'unfilled'",
        "SELECT split_part(s.setconfig::text, '=', 2), setrole FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase \
         WHERE datname = current_database() ORDER BY 1",
        "SELECT oid, lomowner::regrole, lomacl, obj_description(oid, 'pg_largeobject'), md5(lo_get(oid)) \
         FROM pg_largeobject_metadata ORDER BY oid",
    ] {
        let query =
            query.replace("'counted'", "'public.counted'").replace("'untouched'", "'public.untouched'");
        let query = query.replace("FROM a_names", "FROM public.a_names");
        assert_eq!(server.sql("crm", &query), server.sql("crm_new", &query), "{query}");
    }
    assert_eq!(
        server.sql("crm_new", "SELECT count(*) FROM pg_namespace WHERE nspname = 'lifeboat_restore'"),
        "0"
    );
}

fn similar(old: &str, new: &str) {
    for (number, (old, new)) in old.lines().zip(new.lines()).enumerate() {
        assert_eq!(old, new, "line {}", number + 1);
    }
    assert_eq!(old.len(), new.len());
}

#[tokio::test]
async fn an_empty_database_comes_back_empty() {
    let server = Server::start("");
    server.sql("postgres", "CREATE DATABASE empty");
    let backup =
        Backup::take(server.source("postgres", "empty").as_ref(), &CaptureOptions::default()).await.unwrap();
    assert!(backup.tables.is_empty());
    server.sql("postgres", "CREATE DATABASE back");
    let target = server.target("back");
    backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    similar(&dump(&server, "empty"), &dump(&server, "back"));
}

#[tokio::test]
async fn a_large_table_is_read_in_slices_that_make_the_whole() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i; \
        DELETE FROM t WHERE i % 7 = 0",
    );
    let options = CaptureOptions { slice_bytes: 256 * 1024, ..CaptureOptions::default() };
    let backup = Backup::take(server.source("postgres", "postgres").as_ref(), &options).await.unwrap();
    let (table, batches) = &backup.tables[0];
    let slices = table.slices.len();
    assert!(if server.major() < 14 { slices == 1 } else { slices > 5 }, "{slices}");
    let rows: Vec<_> = batches.iter().flat_map(|batch| batch.lines()).collect();
    let copy = server.sql("postgres", "COPY t TO STDOUT");
    assert_eq!(rows.concat(), (copy + "\n").into_bytes());
}

#[tokio::test]
async fn bytes_of_no_known_encoding_are_kept() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    server.sql(
        "bytes",
        "CREATE TABLE t (v text); SET client_encoding = 'SQL_ASCII'; INSERT INTO t VALUES (E'\\xff\\xe9 ok')",
    );
    let backup =
        Backup::take(server.source("postgres", "bytes").as_ref(), &CaptureOptions::default()).await.unwrap();
    assert_eq!(backup.tables[0].1[0].bytes, b"\xff\xe9 ok\n");
    let target = server.target("bytes_back");
    backup.restore(target.as_ref(), backup.plan(), &load_options(true)).await.unwrap();
    let query = "SELECT encode(convert_to(v, 'SQL_ASCII'), 'hex') FROM t";
    assert_eq!(server.sql("bytes_back", query), server.sql("bytes", query));
}

#[tokio::test]
async fn a_row_of_300_mb_goes_there_and_back() {
    let server = Server::start("");
    server.sql("postgres", "CREATE DATABASE wide; CREATE DATABASE back");
    server.sql("wide", "CREATE TABLE t AS SELECT 1 AS id, repeat('lifeboat', 300 * 131072) AS big");
    let backup =
        Backup::take(server.source("postgres", "wide").as_ref(), &CaptureOptions::default()).await.unwrap();
    let target = server.target("back");
    backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    let query = "SELECT id, length(big), md5(big) FROM t";
    assert_eq!(server.sql("wide", query), server.sql("back", query));
}

/// Each type that rows are loaded with in binary, with the values at its edges.
const EDGES: [(&str, &str); 20] = [
    ("bool", "true, false"),
    ("bytea", r"'', '\x00ff5c0a', '\x5c5c'"),
    ("bpchar(5)", "'a', '', 'abcde'"),
    ("varchar(9)", r"'', E'a\tb', E'\\', '\N'"),
    ("text", r"'', E'\b\f\n\r\t\v\\', '\N', '客户 🛟'"),
    ("json", r#"'{"a" :  1}', '"\\"', 'null'"#),
    ("jsonb", r#"'{"a": "\t\\"}', '[]', 'null'"#),
    ("mood", r"'calm', 'it''s \odd'"),
    ("small", "1, 9"),
    ("int2", "-32768, 0, 32767"),
    ("int4", "-2147483648, 2147483647"),
    ("int8", "-9223372036854775808, 9223372036854775807"),
    ("float4", "'NaN', '-Infinity', '-0', 1e-45, 3.4028235e38, 0.1"),
    ("float8", "'NaN', 'Infinity', '-0', 5e-324, 1.7976931348623157e308, 0.1, 1e22"),
    ("numeric", "'NaN', 0, 0.00, -0.00001, 1e130, 12345678.90, 1e-130, 10000, 9999.9999, -1e20"),
    ("numeric(20,4)", "1, -99999.5, 0.0001"),
    ("inet", "'10.1.2.3', '10.0.0.0/8', '::1', 'fe80::1/64', '::ffff:1.2.3.4'"),
    ("date", "'infinity', '-infinity', '4713-01-01 BC', '0001-01-01', '5874897-12-31', '2024-02-29'"),
    (
        "timestamptz",
        "'infinity', '-infinity', '4713-01-01 BC', '0044-03-15 12:00:00.5 BC', '1900-01-01 00:00:00.000001+08', '294276-12-31 23:59:59'",
    ),
    ("uuid", "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'"),
];

#[tokio::test]
async fn values_at_the_edges_of_every_type_come_back_exactly() {
    let server = Server::start("");
    server.sql("postgres", "CREATE DATABASE edges; CREATE DATABASE back");
    server.sql(
        "edges",
        "CREATE TYPE mood AS ENUM ('calm', 'it''s \\odd'); CREATE DOMAIN small AS int2 CHECK (value < 10)",
    );
    for (number, (kind, values)) in EDGES.iter().enumerate() {
        let create = format!("CREATE TABLE t{number} (v {kind}, w time)");
        let rows =
            values.split(", ").map(|value| format!("({value}, '24:00:00'), (NULL, '00:00:00.000001')"));
        let rows = rows.collect::<Vec<_>>().join(", ");
        server.sql("edges", &format!("{create}; INSERT INTO t{number} VALUES {rows}"));
    }
    let backup =
        Backup::take(server.source("postgres", "edges").as_ref(), &CaptureOptions::default()).await.unwrap();
    let target = server.target("back");
    backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    similar(&dump(&server, "edges"), &dump(&server, "back"));
}

#[tokio::test]
async fn a_huge_row_among_small_ones_is_loaded_with_them() {
    let server = Server::start("");
    server.sql("postgres", "CREATE DATABASE uneven; CREATE DATABASE back");
    server.sql(
        "uneven",
        "CREATE TABLE t (id int, v text); INSERT INTO t SELECT i, repeat('x', i) FROM generate_series(1, 2000) i; \
         INSERT INTO t VALUES (0, repeat('lifeboat', 2 * 1024 * 1024)); \
         INSERT INTO t SELECT i, repeat('y', i) FROM generate_series(1, 2000) i",
    );
    let backup =
        Backup::take(server.source("postgres", "uneven").as_ref(), &CaptureOptions::default()).await.unwrap();
    let target = server.target("back");
    backup.restore(target.as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    let query = "SELECT count(*), sum(id), md5(string_agg(v, '' ORDER BY id, v)) FROM t";
    assert_eq!(server.sql("uneven", query), server.sql("back", query));
}
