//! Databases of real products, as their vendors ship them: nobody here chose what is in them.

use std::path::PathBuf;
use std::process::Command;

use lifeboat_tests::{run, vendor_schemas};

use super::support::{Lab, check_lines};
use crate::company::{Company, DB1, Source, sqlite_dump};

/// The products of a system by name, each with its SQL.
fn products(system: &str) -> Vec<(String, PathBuf)> {
    let folder = std::fs::read_dir(vendor_schemas().join(system)).expect("a folder of schemas");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    let named = paths.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, path)
    });
    let products: Vec<_> = named.collect();
    assert!(products.len() >= 2, "{products:?}");
    products
}

#[test]
fn products_on_postgres_come_back() {
    for (name, path) in products("postgres") {
        println!("{name}");
        let lab = Lab::new("");
        let (psql, url) = (lab.server.programs().join("psql"), lab.server.socket_url("crm", "postgres"));
        // A product's history of changes has some that fail, and are meant to.
        run(Command::new(psql).args(["-X", "-q", "-d", &url, "-f"]).arg(path)).success();
        let tables =
            lab.server.psql("crm", "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid > 16384");
        assert!(tables.parse::<u32>().is_ok_and(|tables| tables > 20), "{name} made {tables} tables");
        lab.back_up_as_superuser("crm");
        lab.check_round_trip();
    }
}

#[test]
fn products_on_sqlite_come_back() {
    for (name, path) in products("sqlite") {
        println!("{name}");
        let company = Company::new();
        let (old, new) = (company.path("old.db"), company.path("new.db"));
        let sql = std::fs::File::open(path).expect("the SQL can be read");
        run(Command::new("sqlite3").arg(&old).stdin(sql)).success();
        let url = format!("sqlite://{}", old.display());
        company.configure(DB1, &[Source { name: "crm", url, password: None }]);
        company.init(DB1);
        company.back_up(DB1);
        let to = format!("sqlite://{}", new.display());
        run(&mut company.restore(&["restore", "crm@latest", "--to", &to])).success();
        let dump = sqlite_dump(&old);
        assert!(dump.matches("CREATE TABLE").count() > 10, "{name} made no tables");
        check_lines(sqlite_dump(&new).lines(), dump.lines());
        assert_eq!(run(Command::new("sqldiff").args([&old, &new])).success().stdout, "", "{name}");
    }
}
