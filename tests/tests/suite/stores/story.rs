//! Backup, a day's work, backup, loss, verify, restore, compare: through both programs on each server.

use lifeboat_tests::{AzureServer, GcsServer, S3Server, run};

use crate::company::{Company, DB1, sqlite_crm, sqlite_day, sqlite_dump};

#[test]
fn a_crm_is_lost_and_comes_back_from_s3() {
    let server = S3Server::start();
    tells_the_whole_story(&Company::with_store(server.url("branches/north"), server.environment()));
}

#[test]
fn a_crm_is_lost_and_comes_back_from_azure() {
    let server = AzureServer::start();
    tells_the_whole_story(&Company::with_store(server.url("branches/north"), server.environment()));
}

#[test]
fn a_crm_is_lost_and_comes_back_from_google() {
    let server = GcsServer::start();
    tells_the_whole_story(&Company::with_store(server.url("branches/north"), server.environment()));
}

#[test]
fn a_store_that_overwrites_is_expired_and_pruned_by_one_host_that_answers_for_it() {
    let server = S3Server::start();
    let mut environment = server.environment();
    environment.push(("AWS_CONDITIONAL_PUT".into(), "disabled".into()));
    let company = Company::with_store(server.url("north"), environment);
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    company.back_up(DB1);
    for verb in ["expire", "prune"] {
        let refused = run(&mut company.agent(DB1, &[verb])).exits(1);
        for words in ["lets a second write replace the first", "`alone = true` beside the store's url"] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
        run(&mut company.agent(DB1, &[verb, "--alone"])).success();
    }
    let text = std::fs::read_to_string(company.config(DB1)).expect("a configuration");
    let text = text.replacen("[vault]\n", "[vault]\nalone = true\n", 1);
    std::fs::write(company.config(DB1), text).expect("a configuration");
    for verb in ["expire", "prune"] {
        run(&mut company.agent(DB1, &[verb])).success();
    }
    company.verify();
}

fn tells_the_whole_story(company: &Company) {
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.002")]);
    company.init(DB1);
    run(&mut company.agent(DB1, &["check"])).success();
    let first = company.back_up(DB1);
    let before = sqlite_dump(&database);
    sqlite_day(&database, "1");
    let second = company.back_up(DB1);
    let after = sqlite_dump(&database);
    assert_ne!(before, after, "the day changed nothing");
    assert!(
        second["stored_bytes"].as_u64() < first["stored_bytes"].as_u64(),
        "the second day costs {} bytes after {}",
        second["stored_bytes"],
        first["stored_bytes"]
    );
    let ids = [&first, &second].map(|summary| summary["snapshot"].as_str().expect("an id").to_owned());
    assert_eq!(company.snapshots(), ids);

    std::fs::remove_file(&database).expect("the database is lost");
    let verified = company.verify();
    assert_eq!(verified["covered"]["snapshots"], 2);
    for (id, expected) in ids.iter().zip([&before, &after]) {
        let restored = company.path(&format!("{id}.db"));
        let target = format!("sqlite://{}", restored.display());
        let told =
            run(&mut company.restore(&["restore", id, "--to", &target, "--json"])).success().last_json();
        assert_eq!(told["snapshot"], id.as_str(), "{told}");
        assert!(told["compare_seconds"].is_number(), "the restored rows were not compared: {told}");
        assert!(sqlite_dump(&restored) == *expected, "{id} came back different");
    }
}
