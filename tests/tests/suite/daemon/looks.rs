//! What somebody does to the vault between two jobs is told by a daemon that has nothing else to do.

use lifeboat_tests::{Clock, run};
use serde_json::Value;

use super::{Daemon, schedule, wait_for};
use crate::company::{Company, DB1, sqlite_crm};
use crate::told;

/// The daemon begins a look so often, as README says.
const MINUTES: i64 = 5;

/// Waits for an alert about the newest entry of this kind, and returns the alert.
fn wait_for_alert(company: &Company, what: &str) -> Value {
    let entries = || told::record(company);
    let about = |entry: &Value| Value::from(vec![entry["writer"].clone(), entry["sequence"].clone()]);
    let entry = entries().into_iter().rfind(|entry| entry["what"] == what).map(|entry| about(&entry));
    let entry = entry.unwrap_or_else(|| panic!("no {what} on the record"));
    let tells = |alert: &Value| {
        alert["what"] == "alert" && alert["about"].as_array().is_some_and(|about| about.contains(&entry))
    };
    wait_for(&format!("alert about the {what}"), || entries().into_iter().find(tells))
}

#[test]
fn glass_that_is_broken_between_two_backups_is_told_within_minutes() {
    let clock = Clock::showing("2026-11-23T12:00:00Z".parse().expect("a time"));
    let mut company = Company::new();
    company.environment().extend(clock.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.add_to_config(DB1, &told::hook(&company));
    company.init(DB1);
    company.back_up(DB1);
    run(&mut company.restore(&["keys", "approvals", "high", "1"])).success();
    schedule(&company, "timezone = \"UTC\"\nschedule = [\"daily 11:30\"]");
    let daemon = Daemon::start(&company);
    wait_for_alert(&company, "keys");

    let to = format!("sqlite://{}", company.path("new.db").display());
    let broken = ["restore", "crm@latest", "--to", &to, "--break-glass", "--reason", "case 4711"];
    run(&mut company.restore(&broken)).success();
    clock.turn(jiff::SignedDuration::from_mins(MINUTES));
    let alert = wait_for_alert(&company, "break-glass");
    assert_eq!((&alert["result"], &alert["told"]["ops"]["kind"]), (&"done".into(), &"webhook".into()));
    assert_eq!(company.snapshots().len(), 1, "no backup was taken meanwhile");
    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));
}
