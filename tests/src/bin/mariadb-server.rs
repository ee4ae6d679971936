//! Holds a MariaDB server of the test harness open for a script: prints how to reach it as JSON on one
//! line, and ends it when standard input closes.

use std::io::Read;

use lifeboat_tests::{MariadbOptions, MariadbServer};

fn main() {
    let pair = |setting: String| match setting.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => panic!("{setting:?} is not a setting: write name=value"),
    };
    let settings = std::env::args().skip(1).map(pair).collect();
    let server = MariadbServer::start_with(MariadbOptions { settings, ..MariadbOptions::default() });
    let told = serde_json::json!({
        "pid": server.pid(),
        "port": server.port(),
        "socket": server.socket(),
        "tls_url": server.url("DATABASE", "admin"),
        "socket_url": server.socket_url("DATABASE"),
        "backup_url": server.url_without_password("DATABASE", "backup"),
        "backup_password": server.password("backup"),
    });
    println!("{told}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input can be read");
}
