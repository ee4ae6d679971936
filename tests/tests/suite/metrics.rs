//! Prometheus's own tool reads the alerts that are shipped, and proves that they fire and end as they say.

use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::run;

fn promtool(args: &[&str]) {
    let mut command = Command::new("promtool");
    run(command.args(args).current_dir(folder())).success();
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
        .join("config/prometheus")
}

#[test]
fn the_alerts_fire_when_they_should() {
    promtool(&["check", "rules", "lifeboat-alerts.yml"]);
    promtool(&["test", "rules", "lifeboat-alerts-test.yml"]);
}
