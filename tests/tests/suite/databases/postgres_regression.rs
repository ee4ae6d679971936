//! PostgreSQL's own regression suite as a database to back up: hundreds of tables of every kind, made by the
//! people who know where the corners are.

use super::objects::{Explained, check_explained};
use super::support::{Dump, Lab, check_lines};

/// pg_dump's text recreates a child of two parents, or of one that was changed later, with its columns in
/// another order. Rows go by name, so they are in their places.
const REORDERED: Explained = &[
    ("b_star; Type: TABLE;", "a_star got its column after b_star"),
    ("c_star; Type: TABLE;", "a_star got its column after c_star"),
    ("d_star; Type: TABLE;", "a_star got its column after d_star"),
    ("e_star; Type: TABLE;", "a_star got its column after e_star"),
    ("f_star; Type: TABLE;", "a_star got its column after f_star"),
    ("gtestxx_4; Type: TABLE;", "its columns are in another order than its parent's"),
    ("renamecolumnanother; Type: TABLE;", "its parent got columns later"),
    ("renamecolumnchild; Type: TABLE;", "its parent got columns later"),
    ("test_type_diff_c; Type: TABLE;", "its parent got a column later"),
    ("test_type_diff2_c1; Type: TABLE;", "its columns are in another order than its parent's"),
    ("test_type_diff2_c2; Type: TABLE;", "its columns are in another order than its parent's"),
];

#[test]
fn the_regression_suites_database_comes_back_and_every_difference_is_known() {
    let lab = Lab::new("");
    load(&lab);
    lab.back_up_as_superuser("regression");
    lab.back_up().success();
    lab.restore_new("crm@latest", "restored").success();
    let schema = |database| lab.server.dump(database, &["--schema-only"]);
    check_explained(&schema("regression"), &schema("restored"), REORDERED);
    // The restore has compared the others' rows by digest; their order here is their columns'.
    let mut flags = vec!["--data-only".to_owned(), "--inserts".into()];
    let names = REORDERED.iter().filter_map(|(name, _)| name.split(';').next());
    flags.extend(names.map(|name| format!("--exclude-table-data=public.{name}")));
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let rows = |database| Dump::sorted(&lab.server.dump(database, &flags));
    let (before, after) = (rows("regression"), rows("restored"));
    check_lines(after.iter().map(String::as_str), before.iter().map(String::as_str));
}

/// Runs the suite, which leaves its database behind. Whether its own expectations hold is not asked: they
/// are another minor version's.
fn load(lab: &Lab) {
    let (server, suite) = (&lab.server, lab.server.regression_suite());
    let runner = server.programs().join("../lib/pgxs/src/test/regress/pg_regress");
    let socket = server.socket_folder();
    let options = [
        format!("--inputdir={}", suite.display()),
        format!("--outputdir={}", socket.join("regress").display()),
        format!("--dlpath={}", suite.display()),
        format!("--schedule={}", suite.join("parallel_schedule").display()),
        format!("--bindir={}", server.programs().display()),
        format!("--host={}", socket.display()),
        format!("--port={}", server.port()),
        "--user=postgres".into(),
        "--max-concurrent-tests=20".into(),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    // 13 writes SQL of its own making there.
    let folders = ["-p", "regress/sql", "regress/expected"];
    server.run_as_server("mkdir".as_ref(), &folders).success();
    let told = server.run_as_server(&runner, &options);
    let tables = server.psql("regression", "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')");
    assert!(tables.parse::<u32>().is_ok_and(|tables| tables > 500), "{tables} tables after\n{}", told.stdout);
}
