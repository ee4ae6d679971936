//! What an agent told and who accepted it, on the vault's record: a report made elsewhere shows it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use lifeboat_tests::{Finished, restore, run};
use serde_json::Value;

use crate::company::{Company, DB1, sqlite_source};

const CONTACTS: &str = "CREATE TABLE contacts (id integer PRIMARY KEY); INSERT INTO contacts VALUES (1)";

/// Answers every request as a robot, a webhook and a service that waits for calls all do when they accept.
fn accepting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                let read = stream.read(&mut buffer).expect("a request");
                request.extend_from_slice(&buffer[..read]);
            }
            let body = "{\"errcode\":0,\"errmsg\":\"ok\"}";
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // Whoever has seen enough may have gone.
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    url
}

/// A webhook called `ops` that accepts everything, for a company's configuration.
pub fn hook(company: &Company) -> String {
    fs::write(company.path("hook.url"), format!("{}/hook", accepting())).expect("a file");
    "[[notify]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"{file:hook.url}\"\n".to_owned()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().expect("a length"))
    });
    body.len() >= length.unwrap_or(0)
}

fn as_wang(company: &Company, args: &[&str]) -> Finished {
    let mut command = restore();
    run(command
        .args(args)
        .arg("--config")
        .arg(company.config(DB1))
        .arg("--identity")
        .arg(company.identity("wang")))
}

/// How a control comes out, and why.
fn control(company: &Company, id: &str) -> (String, String) {
    let told = as_wang(company, &["report", "--json"]).exits(1).stdout;
    let mut lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let report = lines.find(|line| line["type"] == "report").expect("a report");
    let mut controls = report["results"].as_array().expect("a list").iter();
    let control = controls.find(|control| control["check"] == id).expect("the control");
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    (word(&control["status"]), word(&control["message"]["en"]))
}

#[track_caller]
fn check(company: &Company, id: &str, expected: &str) {
    let (status, why) = control(company, id);
    assert_eq!(status, expected, "{id}: {why}");
}

fn entries(company: &Company) -> usize {
    let count = |folder: &Path| fs::read_dir(folder).expect("a chain").count();
    let chains = fs::read_dir(company.vault().join("audit")).expect("the record");
    chains.map(|chain| count(&chain.expect("a chain").path())).sum()
}

#[test]
fn who_was_told_of_what_is_on_the_record_and_no_address_is() {
    let company = Company::new();
    company.configure(DB1, &[sqlite_source(&company.path("crm.db"), CONTACTS)]);
    let service = accepting();
    for name in ["hook", "robot", "ping"] {
        fs::write(
            company.path(&format!("{name}.url")),
            format!("{service}/{name}-secret?access_token=t0ken-t0ken"),
        )
        .expect("a file");
    }
    let channels = [("ops", "webhook", "hook"), ("robot", "dingtalk", "robot"), ("alive", "ping", "ping")];
    let places = channels.map(|(name, kind, file)| {
        format!("[[notify]]\nname = \"{name}\"\ntype = \"{kind}\"\nurl = \"{{file:{file}.url}}\"\n")
    });
    company.add_to_config(DB1, &format!("schedule = [\"daily 02:30\"]\n{}", places.concat()));
    company.init(DB1);
    for id in ["MON-01", "MON-02", "MON-04"] {
        check(&company, id, "unknown");
    }

    company.back_up(DB1);
    check(&company, "MON-01", "pass");
    check(&company, "MON-02", "fail");
    for name in ["ops", "robot"] {
        run(&mut company.agent(DB1, &["notify", "test", name])).success();
    }
    check(&company, "MON-02", "pass");

    // A restore by somebody new is unusual; the next backup sees it and tells.
    check(&company, "MON-04", "unknown");
    let to = format!("sqlite://{}", company.path("new.db").display());
    as_wang(&company, &["restore", "crm@latest", "--to", &to]).success();
    let before = entries(&company);
    company.back_up(DB1);
    assert_eq!(entries(&company), before + 2, "the alert and the backup");
    check(&company, "MON-04", "pass");
    company.back_up(DB1);
    assert_eq!(entries(&company), before + 3, "what was told is not told again");

    let export = as_wang(&company, &["audit", "export"]).success().stdout;
    let lines = || export.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let alert = lines().find(|line| line["what"] == "alert").expect("an alert");
    let told = alert["about"][0].as_array().expect("an entry");
    let restored = lines().find(|line| line["writer"] == told[0] && line["sequence"] == told[1]);
    assert_eq!(restored.expect("the entry that it tells of")["what"], "restore", "{alert}");
    assert_eq!((&alert["told"]["ops"]["kind"], &alert["result"]), (&"webhook".into(), &"done".into()));
    assert!(alert["detail"].as_str().is_some_and(|detail| !detail.contains("wang")), "no names: {alert}");
    for secret in ["t0ken-t0ken", "-secret", "127.0.0.1"] {
        assert!(!export.contains(secret), "{secret}: {export}");
    }

    // Nobody listens any more: calls stay away, and the record says so from the next backup on.
    fs::write(company.path("ping.url"), "http://127.0.0.1:9/ping").expect("a file");
    fs::remove_file(company.state(DB1).join("notify.json")).expect("what was accepted before");
    company.back_up(DB1);
    check(&company, "MON-01", "fail");
}

/// Entries of the record, as JSON.
pub fn record(company: &Company) -> Vec<Value> {
    let export = as_wang(company, &["audit", "export"]).success().stdout;
    export.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// How many alerts there are about an entry of this kind and end.
fn alerts(company: &Company, what: &str, result: &str) -> usize {
    let lines = record(company);
    let is_meant = |about: &Value| {
        let named = |line: &&Value| line["writer"] == about[0] && line["sequence"] == about[1];
        lines.iter().find(named).is_some_and(|line| line["what"] == what && line["result"] == result)
    };
    let about =
        lines.iter().filter(|line| line["what"] == "alert").filter_map(|line| line["about"].as_array());
    about.flatten().filter(|about| is_meant(about)).count()
}

#[test]
fn what_is_refused_on_the_agents_own_host_is_told_before_the_next_backup_and_once() {
    let company = Company::new();
    company.configure(DB1, &[sqlite_source(&company.path("crm.db"), CONTACTS)]);
    company.add_to_config(DB1, &hook(&company));
    company.init(DB1);
    company.back_up(DB1);
    company.back_up(DB1);
    let snapshot = company.snapshots().remove(0);
    run(&mut company.agent(DB1, &["expire", "--snapshot", &snapshot])).exits(30);
    assert_eq!(alerts(&company, "expire", "refused"), 1, "nobody with an identity was there");
    let identity = company.identity("wang").display().to_string();
    let alone = ["expire", "--snapshot", &snapshot, "--identity", &identity];
    run(&mut company.agent(DB1, &[&alone[..], &["--break-glass", "--reason", "case 4711"]].concat()))
        .success();
    assert_eq!(alerts(&company, "break-glass", "begun"), 1);

    // A host that has lost its memory does not tell it anew, and neither does any verb.
    fs::remove_file(company.state(DB1).join("record.json")).expect("what it remembers");
    for verb in ["verify", "expire", "prune", "backup"] {
        run(&mut company.agent(DB1, &[verb])).success();
    }
    assert_eq!((alerts(&company, "expire", "refused"), alerts(&company, "break-glass", "begun")), (1, 1));
}

#[test]
fn every_verb_of_an_agent_looks_at_the_record() {
    let company = Company::new();
    company.configure(DB1, &[sqlite_source(&company.path("crm.db"), CONTACTS)]);
    let barn = company.path("barn");
    fs::create_dir(&barn).expect("a disk elsewhere");
    let copy = format!("[[vault.copy]]\nname = \"barn\"\nurl = \"file://{}\"\n", barn.display());
    company.add_to_config(DB1, &(hook(&company) + &copy));
    company.init(DB1);
    company.back_up(DB1);
    for (told, verb) in ["verify", "expire", "prune", "copy"].into_iter().enumerate() {
        as_wang(&company, &["keys", "rewrap"]).success();
        run(&mut company.agent(DB1, &[verb])).success();
        assert_eq!(alerts(&company, "keys", "done"), told + 1, "{verb}");
    }
}
