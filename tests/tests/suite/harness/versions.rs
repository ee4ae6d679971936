//! Every test that meets a database server meets the other versions of it too.

use std::path::Path;
use std::process::Command;

use lifeboat_tests::run;

/// What the names of tests begin with that a filter of `tests/run` runs.
fn runs(filter: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("run");
    let text = std::fs::read_to_string(path).expect("the script");
    let (_, rest) = text.split_once(&format!("{filter}='")).expect("the filter");
    let (filter, _) = rest.split_once('\'').expect("its end");
    let (_, names) = filter.split_once("test(/").expect("a pattern of names");
    let (names, _) = names.split_once("/)").expect("its end");
    names.split('|').map(|name| name.strip_prefix('^').expect("where a name begins").to_owned()).collect()
}

#[test]
fn what_a_server_is_named_in_is_run_on_each_version_of_it() {
    let own = std::env::current_exe().expect("this program");
    let listed = run(Command::new(own).args(["--list", "--format", "terse"])).success().stdout;
    let tests: Vec<_> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    for (server, filter) in [("postgres", "POSTGRES_TESTS"), ("mariadb", "MYSQL_TESTS")] {
        let begins = runs(filter);
        let (module, name) = (format!("::{server}::"), format!("::{server}_"));
        let of_server = tests.iter().filter(|test| test.contains(&module) || test.contains(&name));
        let (found, left_out): (Vec<&str>, Vec<&str>) =
            of_server.copied().partition(|test| begins.iter().any(|begin| test.starts_with(begin.as_str())));
        assert!(left_out.is_empty() && found.len() > 1, "{filter} leaves out {left_out:?}");
    }
}
