//! `kill -9` of `init`: a vault that cannot be used never looks like one, and one that can be used is.

use std::fs;

use lifeboat_tests::run;

use super::victim::{Moment, Victim};
use crate::company::{Company, DB1, Source};

#[test]
fn an_init_killed_at_any_file_it_writes_leaves_a_way_on() {
    let mut killed = 0;
    for number in 1..=9 {
        let company = Company::new();
        fs::write(company.path("crm.db"), "").expect("an empty database");
        let url = format!("sqlite://{}", company.path("crm.db").display());
        company.configure(DB1, &[Source { name: "crm", url, password: None }]);
        let init = company.agent(DB1, &["init", "--json"]);
        killed += usize::from(Victim::start(init).kill_at(Moment::File(number), &company.vault()));
        go_on(&company);
        company.back_up(DB1);
        company.verify();
        assert_eq!(company.snapshots().len(), 1, "after file {number}");
    }
    assert!(killed > 3, "only {killed} runs were killed under way");
}

/// Does what the messages say, until the host can back up.
fn go_on(company: &Company) {
    let key = company.state(DB1).join("agent.key");
    if key.exists() {
        let refused = run(&mut company.agent(DB1, &["init"])).exits(1);
        assert!(refused.stderr.contains("this host has a key already"), "{}", refused.stderr);
    }
    if company.vault().join("vault").exists() {
        // The record is written last: what is missing is this host's place in it.
        if run(&mut company.agent(DB1, &["check"])).code() != Some(0) {
            company.enrol(DB1);
        }
        return;
    }
    fs::remove_file(&key).expect("the key of a vault that was never made");
    let again = run(&mut company.agent(DB1, &["init"]));
    if again.code() != Some(0) {
        assert!(again.stderr.contains("left by an interrupted init: remove it first"), "{}", again.stderr);
        fs::remove_dir_all(company.vault()).expect("what was left");
        company.init(DB1);
    }
}
