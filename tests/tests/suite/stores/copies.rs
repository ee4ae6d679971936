//! Copies through the program: on every kind of store, alone when the vault is gone, after an outage, and
//! after `kill -9`.

use std::fs;
use std::path::Path;

use lifeboat_tests::{AzureServer, Gate, S3Server, run};
use serde_json::Value;

use crate::company::{self, Company, DB1, sqlite_crm, sqlite_day, sqlite_dump};
use crate::crash::victim::{Moment, Victim};

/// A copy in the configuration, led by a file of settings where it has some.
fn add_copy(company: &Company, name: &str, url: &str, settings: &[(String, String)]) {
    let mut text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    text += &format!("[[vault.copy]]\nname = \"{name}\"\nurl = \"{url}\"\n");
    if !settings.is_empty() {
        let file = company.path(&format!("{name}.env"));
        fs::write(&file, company::settings(settings)).expect("a file of settings");
        text += &format!("credentials = \"{{file:{}}}\"\n", file.display());
    }
    fs::write(company.config(DB1), text).expect("a configuration");
}

fn require(company: &Company, copies: u32) {
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    let text = text.replacen("[vault]\n", &format!("[vault]\nrequire_copies = {copies}\n"), 1);
    fs::write(company.config(DB1), text).expect("a configuration");
}

/// Proves and restores the newest snapshot from `url` alone: no configuration, no state, no first vault.
fn restores_alone(company: &Company, url: &str, settings: &[(String, String)], expected: &str) {
    run(&mut company.restore_from(url, settings, &["verify", "--read-data"])).success();
    company.restores_from(url, settings, "crm@latest", expected);
}

fn reports(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    lines.filter(|line| line["type"] == "copy").collect()
}

#[test]
fn copies_in_other_accounts_and_clouds_restore_when_the_vault_is_gone() {
    let (first, second, azure) = (S3Server::start(), S3Server::start(), AzureServer::start());
    let company = Company::with_store(first.url("north"), first.environment());
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.002")]);
    let barn = company.path("barn");
    fs::create_dir(&barn).expect("a mounted disk");
    let barn = format!("file://{}", barn.display());
    add_copy(&company, "other-account", &second.url("copies/north"), &second.environment());
    add_copy(&company, "azure", &azure.url("north"), &azure.settings());
    add_copy(&company, "barn", &barn, &[]);
    company.init(DB1);
    let checked = run(&mut company.agent(DB1, &["check"])).success().stdout;
    for name in ["other-account", "azure", "barn"] {
        assert!(checked.contains(&format!("copy {name}")), "{checked}");
    }
    run(&mut company.agent(DB1, &["backup"])).success();
    sqlite_day(&database, "1");
    let told = run(&mut company.agent(DB1, &["backup", "--json"])).success();
    let reports = reports(&told.stdout);
    assert_eq!(reports.len(), 3, "{}", told.stdout);
    assert_eq!(told.last_json()["type"], "summary", "{}", told.stdout);
    for report in &reports {
        assert_eq!((&report["complete"], &report["held"]), (&true.into(), &2.into()), "{report}");
        assert!(report["copied_objects"].as_u64() < Some(10), "a day is copied, not the vault: {report}");
    }
    let expected = sqlite_dump(&database);
    drop(first);
    fs::remove_file(&database).expect("the database is lost");
    fs::remove_dir_all(company.state(DB1)).expect("so is the host");
    restores_alone(&company, &second.url("copies/north"), &second.environment(), &expected);
    restores_alone(&company, &azure.url("north"), &azure.settings(), &expected);
    restores_alone(&company, &barn, &[], &expected);
}

#[test]
fn a_copy_whose_store_is_away_is_told_and_caught_up_later() {
    let server = S3Server::start();
    let gate = Gate::before(server.port());
    let mut settings = server.environment();
    let endpoint = settings.iter_mut().find(|(name, _)| name == "AWS_ENDPOINT").expect("it is set");
    endpoint.1 = format!("http://127.0.0.1:{}", gate.port());
    let company = Company::new();
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.001")]);
    add_copy(&company, "away", &server.url("v"), &settings);
    company.init(DB1);
    run(&mut company.agent(DB1, &["backup"])).success();

    gate.close();
    sqlite_day(&database, "1");
    let partial = run(&mut company.agent(DB1, &["backup"])).exits(3);
    for words in
        ["the vault holds every snapshot", "behind: away", "lifeboat-agent copy", "copy away is behind"]
    {
        assert!(partial.stderr.contains(words), "{words}:\n{}", partial.stderr);
    }
    assert!(!partial.stderr.contains("lifeboat-secret"), "the secret is printed");
    assert_eq!(company.snapshots().len(), 2, "the snapshot itself is good");
    let known = reports(&run(&mut company.agent(DB1, &["copies", "--json"])).success().stdout);
    assert_eq!((&known[0]["held"], &known[0]["snapshots"]), (&1.into(), &2.into()), "{known:?}");
    assert!(known[0]["lag_seconds"].as_u64() > Some(0) && known[0]["failure"].is_string(), "{known:?}");
    require(&company, 0);

    gate.open();
    run(&mut company.agent(DB1, &["copy"])).success();
    let known = reports(&run(&mut company.agent(DB1, &["copies", "--json"])).success().stdout);
    assert_eq!((&known[0]["lag_seconds"], &known[0]["failure"]), (&0.into(), &Value::Null), "{known:?}");
    restores_alone(&company, &server.url("v"), &server.environment(), &sqlite_dump(&database));
}

#[test]
fn copying_that_is_killed_is_resumed_and_never_shows_half_a_snapshot() {
    let company = Company::new();
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.005")]);
    company.init(DB1);
    company.back_up(DB1);
    sqlite_day(&database, "1");
    company.back_up(DB1);
    let barn = company.path("barn");
    add_copy(&company, "barn", &format!("file://{}", barn.display()), &[]);
    let url = format!("file://{}", barn.display());
    let mut killed = 0;
    for files in [1, 4, 8, 11, 13] {
        let _ = fs::remove_dir_all(&barn);
        let _ = fs::remove_dir_all(company.state(DB1).join("copies"));
        fs::create_dir(&barn).expect("an empty disk");
        let victim = Victim::start(company.agent(DB1, &["copy", "--json"]));
        killed += usize::from(victim.kill_at(Moment::File(files), &barn));
        shows_only_what_is_whole(&company, &barn, &url);
        run(&mut company.agent(DB1, &["copy"])).success();
        restores_alone(&company, &url, &[], &sqlite_dump(&database));
    }
    assert!(killed >= 2, "only {killed} of 5 runs were killed under way");
}

/// Whatever the copy shows is whole.
fn shows_only_what_is_whole(company: &Company, folder: &Path, url: &str) {
    // Without a record it is no vault yet, and without a snapshot `verify` rightly calls nothing proven.
    let shown = folder.join("snapshots").read_dir().map_or(0, Iterator::count);
    if shown == 0 || !folder.join("vault").exists() {
        return;
    }
    run(&mut company.restore_from(url, &[], &["verify", "--read-data"])).success();
}
