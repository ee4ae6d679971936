//! People of a company come and go, on a database that is backed up every night: what each of them opens,
//! in the vault and in its copy, and what the record says of it afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;

use lifeboat_tests::{Finished, restore, run};
use serde_json::Value;

use crate::company::{Company, DB1, Source, sqlite_dump};
use crate::databases::support::sqlite;

/// A company with a small CRM, a copy of its vault on another disk, and a third person with a key.
fn company() -> Company {
    company_with("")
}

/// The same, with more in its configuration before the vault is made.
fn company_with(more: &str) -> Company {
    let company = Company::new();
    let database = company.path("crm.db");
    sqlite(
        &database,
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text); INSERT INTO contacts VALUES (1, '客户')",
    );
    let url = format!("sqlite://{}", database.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    let barn = company.path("barn");
    fs::create_dir(&barn).expect("another disk");
    let mut text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    text += &format!("[[vault.copy]]\nname = \"barn\"\nurl = \"file://{}\"\n", barn.display());
    fs::write(company.config(DB1), text + more).expect("a configuration");
    run(Command::new("age-keygen").arg("-o").arg(company.identity("zhao"))).success();
    company.init(DB1);
    company.back_up(DB1);
    company
}

/// Runs a verb as these people together, led by the host's configuration.
fn with(company: &Company, people: &[&str], args: &[&str]) -> Finished {
    let mut command = restore();
    command.args(args).arg("--config").arg(company.config(DB1));
    for person in people {
        command.arg("--identity").arg(company.identity(person));
    }
    run(&mut command)
}

fn recipient(company: &Company, person: &str) -> String {
    run(Command::new("age-keygen").arg("-y").arg(company.identity(person))).success().stdout.trim().to_owned()
}

/// What a person opens from a place alone: the exit code of proving every row of the newest snapshot there.
fn opens(company: &Company, people: &[&str], place: &str) -> Option<i32> {
    let mut command = restore();
    command.args(["verify", "crm@latest", "--read-data", "--vault"]);
    command.arg(format!("file://{}", company.path(place).display()));
    for person in people {
        command.arg("--identity").arg(company.identity(person));
    }
    run(&mut command).code()
}

fn entries(company: &Company) -> Vec<Value> {
    let told = with(company, &["wang"], &["audit", "export"]).success().stdout;
    told.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

#[test]
fn a_person_comes_and_another_leaves_and_the_nights_go_on() {
    let company = company();
    assert_eq!(opens(&company, &["zhao"], "vault"), Some(12));
    let zhao = recipient(&company, "zhao");
    with(&company, &["wang"], &["keys", "add", "zhao", "--recipient", &zhao, "--grades", "high"]).success();
    with(&company, &["wang"], &["keys", "retire", "li", "--reason", "left the company"]).success();
    // The host that nobody has touched goes on under the new keys.
    sqlite(&company.path("crm.db"), "INSERT INTO contacts VALUES (2, 'Weber')");
    company.back_up(DB1);
    for place in ["vault", "barn"] {
        assert_eq!(opens(&company, &["wang"], place), Some(0), "{place}");
        assert_eq!(opens(&company, &["zhao"], place), Some(0), "{place}: every table is of grade high");
        assert_eq!(opens(&company, &["li"], place), Some(12), "{place}");
    }
    let told = entries(&company);
    let keys: Vec<_> = told.iter().filter(|entry| entry["what"] == "keys").collect();
    assert_eq!(keys.len(), 2, "{told:?}");
    assert_eq!(keys[1]["reason"], "left the company");
    assert!(keys.iter().all(|entry| entry["name"] == "wang" && entry["result"] == "done"), "{keys:?}");
    assert_eq!(told.iter().filter(|entry| entry["what"] == "backup" && entry["result"] == "done").count(), 2);
    with(&company, &["zhao"], &["audit", "verify"]).success();
}

#[test]
fn two_people_restore_together_what_neither_restores_alone() {
    let company = company();
    with(&company, &["wang"], &["keys", "quorum", "high", "2"]).success();
    company.back_up(DB1);
    for place in ["vault", "barn"] {
        // They open lower grades alone, and nothing of high: what was not read is never called proven.
        assert_eq!(opens(&company, &["wang"], place), Some(3), "{place}");
        assert_eq!(opens(&company, &["li"], place), Some(3), "{place}");
        assert_eq!(opens(&company, &["wang", "li"], place), Some(0), "{place}");
    }
    let target = format!("sqlite://{}", company.path("new.db").display());
    with(&company, &["wang"], &["restore", "crm@latest", "--to", &target]).exits(12);
    with(&company, &["wang", "li"], &["restore", "crm@latest", "--to", &target]).success();
    let told = entries(&company);
    let restores: Vec<_> = told.iter().filter(|entry| entry["what"] == "restore").collect();
    let results: Vec<_> = restores.iter().map(|entry| entry["result"].as_str().unwrap_or_default()).collect();
    assert_eq!(results, ["refused", "begun", "done"], "{restores:?}");
    assert!(
        restores[2]["detail"].as_str().is_some_and(|detail| detail.contains("together with")),
        "{restores:?}"
    );
}

#[test]
fn a_quorum_of_the_configuration_holds_from_the_first_backup_on() {
    let company = company_with("[policy.high]\nquorum = 2\nof = [\"wang\", \"li\"]\n");
    for place in ["vault", "barn"] {
        assert_eq!(opens(&company, &["wang"], place), Some(3), "{place}");
        assert_eq!(opens(&company, &["li"], place), Some(3), "{place}");
        assert_eq!(opens(&company, &["wang", "li"], place), Some(0), "{place}");
    }
    let checked = |expected: &str| {
        let told = run(&mut company.agent(DB1, &["check"])).success().stdout;
        assert!(told.contains(expected), "{told}");
    };
    checked("grade high takes 2 together");
    let to = format!("sqlite://{}", company.path("new.db").display());
    with(&company, &["wang"], &["restore", "crm@latest", "--to", &to]).exits(12);
    assert!(!company.path("new.db").exists(), "nothing was touched");
    let key = company.path("one-time.key").display().to_string();
    let ask = ["request", "crm@latest", "--to", &to, "--reason", "drill", "--request-key", &key, "--json"];
    let asked = with(&company, &["wang"], &ask).success().last_json();
    let id = asked["request"].as_str().expect("an id");
    let restore = ["restore", "crm@latest", "--to", &to, "--request", id, "--request-key", &key];
    with(&company, &["wang"], &restore).exits(30);
    with(&company, &["li"], &["approve", id, "--yes"]).success();
    with(&company, &["wang"], &restore).success();
    assert_eq!(sqlite_dump(&company.path("new.db")), sqlite_dump(&company.path("crm.db")));
    // Where the two differ later, it is told.
    with(&company, &["wang", "li"], &["keys", "quorum", "high", "1"]).success();
    checked("grade high takes 1 together, and 2 by the configuration");
}

#[test]
fn what_is_shredded_is_gone_from_the_copy_too_and_the_next_night_stores_it_anew() {
    let company = company();
    let shred = ["keys", "shred", "--grade", "high", "--yes"];
    // Two people decide it: together, by a request, or one by breaking the glass.
    let told = with(&company, &["wang"], &shred).exits(30).stderr;
    assert!(told.contains("--ask --reason TEXT") && told.contains("--break-glass"), "{told}");
    let key = company.path("one-time.key").display().to_string();
    let ask = ["--ask", "--reason", "contract ended", "--request-key", &key, "--json"];
    let asked = with(&company, &["wang"], &[&shred[..4], &ask].concat()).success().last_json();
    let id = asked["request"].as_str().expect("an id").to_owned();
    let by_request = [&shred[..], &["--request", &id, "--request-key", &key]].concat();
    with(&company, &["wang"], &by_request).exits(30);
    with(&company, &["wang"], &["approve", &id, "--yes"]).exits(31);
    assert_eq!(opens(&company, &["wang"], "vault"), Some(0), "nothing is gone so far");
    with(&company, &["li"], &["approve", &id, "--yes"]).success();
    with(&company, &["wang"], &by_request).success();
    let glass = ["keys", "shred", "--grade", "low", "--yes", "--break-glass"];
    with(&company, &["wang"], &glass).exits(2);
    // What cannot be put on the record first is not done.
    let (record, aside) = (company.vault().join("audit"), company.path("record"));
    fs::rename(&record, &aside).expect("the record goes");
    fs::write(&record, "").expect("something in its place");
    let told =
        with(&company, &["wang"], &[&glass[..], &["--reason", "court order"]].concat()).exits(30).stderr;
    assert!(told.contains("NOT RECORDED") && told.contains("must be on the record before"), "{told}");
    fs::remove_file(&record).expect("it goes");
    fs::rename(&aside, &record).expect("the record comes back");
    let told =
        with(&company, &["wang"], &[&glass[..], &["--reason", "court order"]].concat()).success().stderr;
    assert!(told.contains("THE GLASS IS BROKEN: wang") && told.contains("li could have approved"), "{told}");
    let record = with(&company, &["wang"], &["audit", "show"]).success().stdout;
    assert!(record.contains("break-glass") && record.contains("court order"), "{record}");
    for place in ["vault", "barn"] {
        let left = fs::read_dir(company.path(place).join("keys")).expect("the keys").filter_map(Result::ok);
        let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("high-1-"));
        assert_eq!(left.count(), 0, "{place}");
        assert_eq!(opens(&company, &["wang"], place), Some(20), "{place}");
    }
    company.back_up(DB1);
    for place in ["vault", "barn"] {
        assert_eq!(opens(&company, &["wang"], place), Some(0), "{place}");
    }
}

#[test]
fn a_hold_keeps_the_keys_of_its_snapshot_until_two_people_end_it() {
    let company = company();
    let hold = |args: &[&str]| run(&mut company.agent(DB1, args));
    hold(&["hold", "crm@latest", "--reason", "case 4711"]).success();
    let both = ["wang", "li"];
    for way in [&["--grade", "high"][..], &["--grade", "high", "--epoch", "1"], &["--source", "crm"]] {
        for more in ["--yes", "--dry-run"] {
            let shred = [&["keys", "shred"][..], way, &[more]].concat();
            let told = with(&company, &both, &shred).exits(1).stderr;
            let expected = ["is held by ", "case 4711", "request-release ", "lifeboat-agent release "];
            assert!(expected.iter().all(|expected| told.contains(expected)), "{way:?}: {told}");
        }
    }
    for place in ["vault", "barn"] {
        assert_eq!(opens(&company, &["wang"], place), Some(0), "{place}");
    }
    let [wang, li] = both.map(|person| company.identity(person).display().to_string());
    hold(&["release", "crm@latest", "--reason", "settled", "--identity", &wang, "--identity", &li]).success();
    with(&company, &both, &["keys", "shred", "--grade", "high", "--yes"]).success();
    assert_eq!(opens(&company, &["wang"], "vault"), Some(20));
    let record = with(&company, &["wang"], &["audit", "show"]).success().stdout;
    assert!(record.contains("shred high 1"), "what was refused is on the record: {record}");
}

#[test]
fn people_in_three_places_restore_together_from_the_vault_and_from_its_copy() {
    let company = company();
    let zhao = recipient(&company, "zhao");
    with(&company, &["wang"], &["keys", "add", "zhao", "--recipient", &zhao, "--grades", "high"]).success();
    with(&company, &["wang"], &["keys", "quorum", "high", "3"]).success();
    company.back_up(DB1);
    let before = sqlite_dump(&company.path("crm.db"));
    fs::remove_file(company.path("crm.db")).expect("the database is destroyed");
    let key = company.path("one-time.key").display().to_string();
    let to = format!("sqlite://{}", company.path("new.db").display());
    let ask = [
        "request",
        "crm@latest",
        "--to",
        &to,
        "--reason",
        "the database is gone",
        "--request-key",
        &key,
        "--json",
    ];
    let asked = with(&company, &["wang"], &ask).success().last_json();
    let id = asked["request"].as_str().expect("an id");
    assert_eq!((&asked["needed"], &asked["able"]), (&2.into(), &serde_json::json!(["li", "zhao"])));
    let restore = |place: &str, to: &str| {
        let mut command = lifeboat_tests::restore();
        command.args(["restore", "crm@latest", "--to", to, "--request", id, "--request-key", &key]);
        command.arg("--vault").arg(format!("file://{}", company.path(place).display()));
        run(command.arg("--identity").arg(company.identity("wang")))
    };
    with(&company, &["li"], &["approve", id, "--yes"]).success();
    restore("vault", &to).exits(30);
    with(&company, &["zhao"], &["approve", id, "--yes"]).success();
    restore("vault", &format!("{to}2")).exits(31);
    // The one-time key goes once it was used; whoever kept another has it until the request is over.
    let kept = company.path("kept.key");
    fs::copy(&key, &kept).expect("the one-time key");
    restore("vault", &to).success();
    assert!(!Path::new(&key).exists(), "it was used");
    fs::copy(&kept, &key).expect("the one-time key");
    assert_eq!(sqlite_dump(&company.path("new.db")), before);
    let report = with(&company, &["wang"], &["report", "--json"]).exits(1).stdout;
    let mut lines = report.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let report = lines.find(|line| line["type"] == "report").expect("a report");
    let told = |id: &str| {
        let mut controls = report["results"].as_array().expect("a list").iter();
        let control = controls.find(|control| control["check"] == id).expect("the control");
        format!("{}: {}", control["status"].as_str().expect("a word"), control["message"]["en"])
    };
    let approved =
        "pass: \"a restore of high data needs 2 others; restores of it within a year, each approved: 1\"";
    assert_eq!(told("ACC-01"), approved);
    assert_eq!(told("VER-02"), "pass: \"restored whole in time: high\"");
    for (id, status) in [("ACC-02", "pass"), ("CLS-01", "fail"), ("CRY-06", "unknown"), ("VER-03", "pass")] {
        assert!(told(id).starts_with(status), "{id}: {}", told(id));
    }
    // The vault's store is lost, and the copy has the approvals too.
    sqlite(&company.path("crm.db"), "CREATE TABLE contacts (id integer PRIMARY KEY)");
    company.back_up(DB1);
    fs::remove_dir_all(company.path("vault")).expect("the vault is lost");
    fs::remove_file(company.path("new.db")).expect("the new database");
    restore("barn", &to).exits(31);
    let mut command = lifeboat_tests::restore();
    let first = asked["plan"].as_str().and_then(|plan| plan.split(' ').nth(2)).expect("the snapshot's id");
    command.args(["restore", first, "--to", &to, "--request", id, "--request-key", &key]);
    command.arg("--vault").arg(format!("file://{}", company.path("barn").display()));
    run(command.arg("--identity").arg(company.identity("wang"))).success();
    assert_eq!(sqlite_dump(&company.path("new.db")), before);
}

#[test]
fn what_is_shredded_is_not_put_together_from_approvals() {
    let company = company();
    with(&company, &["wang"], &["keys", "quorum", "high", "2"]).success();
    let to = format!("sqlite://{}", company.path("new.db").display());
    let key = company.path("one-time.key").display().to_string();
    let ask = ["request", "crm@latest", "--to", &to, "--reason", "drill", "--request-key", &key, "--json"];
    let asked = with(&company, &["wang"], &ask).success().last_json();
    let id = asked["request"].as_str().expect("an id");
    with(&company, &["li"], &["approve", id, "--yes"]).success();
    company.back_up(DB1);
    let approvals = |place: &str| {
        let answers = fs::read_dir(company.path(place).join("requests").join(id)).expect("the request");
        let names =
            answers.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("approve-")).count()
    };
    assert_eq!((approvals("vault"), approvals("barn")), (1, 1));
    // One of them alone has no share of the root.
    with(&company, &["wang"], &["keys", "shred", "--grade", "high", "--yes"]).exits(12);
    let told =
        with(&company, &["wang", "li"], &["keys", "shred", "--grade", "high", "--yes"]).success().stdout;
    assert_eq!(told.matches("taken away    1 approval with shares of old keys").count(), 2, "{told}");
    assert_eq!((approvals("vault"), approvals("barn")), (0, 0));
}

#[test]
fn a_source_is_destroyed_by_people_in_two_places_and_the_other_is_whole_in_vault_and_copy() {
    let company = company();
    let (crm, erp) = (company.path("crm.db"), company.path("erp.db"));
    let urls = [&crm, &erp].map(|database| format!("sqlite://{}", database.display()));
    sqlite(
        &erp,
        "CREATE TABLE contacts (id integer PRIMARY KEY, name text);
         INSERT INTO contacts VALUES (1, '客户'), (2, 'of the ERP')",
    );
    company.add_to_config(DB1, &format!("[[source]]\nname = \"erp\"\nurl = \"{}\"\n", urls[1]));
    sqlite(&crm, "INSERT INTO contacts VALUES (2, 'of the CRM')");
    company.back_up(DB1);
    with(&company, &["wang"], &["keys", "quorum", "high", "2"]).success();
    company.back_up(DB1);
    let verify = |source: &str, place: &str| {
        let mut command = restore();
        command.args(["verify", &format!("{source}@latest"), "--read-data", "--vault"]);
        command.arg(format!("file://{}", company.path(place).display()));
        for person in ["wang", "li"] {
            command.arg("--identity").arg(company.identity(person));
        }
        run(&mut command).code()
    };
    assert_eq!(verify("crm", "barn"), Some(0));

    let shred = ["keys", "shred", "--source", "crm"];
    let told = with(&company, &["wang", "li"], &[&shred[..], &["--dry-run"]].concat()).success().stdout;
    assert!(told.contains("of rows of erp in file://"), "{told}");
    let key = company.path("one-time.key").display().to_string();
    let ask = [&shred[..], &["--ask", "--reason", "sold", "--request-key", &key, "--json"]].concat();
    let asked = with(&company, &["wang"], &ask).success().last_json();
    let id = asked["request"].as_str().expect("an id");
    let use_it = [&shred[..], &["--yes", "--request", id, "--request-key", &key]].concat();
    with(&company, &["wang"], &use_it).exits(30);
    with(&company, &["wang"], &[&shred[..], &["--yes"]].concat()).exits(12);
    with(&company, &["li"], &["approve", id, "--yes"]).success();
    assert_eq!(verify("crm", "vault"), Some(0), "nothing is destroyed yet");
    let told = with(&company, &["wang"], &use_it).success().stdout;
    assert_eq!(told.matches("removed       3 snapshots of crm").count(), 2, "{told}");

    for place in ["vault", "barn"] {
        assert_eq!((verify("erp", place), verify("crm", place)), (Some(0), Some(1)), "{place}");
    }
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    let without = text.replace(&format!("[[source]]\nname = \"crm\"\nurl = \"{}\"\n", urls[0]), "");
    assert_ne!(text, without);
    fs::write(company.config(DB1), without).expect("a configuration");
    sqlite(&erp, "INSERT INTO contacts VALUES (3, 'new')");
    company.back_up(DB1);
    for place in ["vault", "barn"] {
        assert_eq!(verify("erp", place), Some(0), "{place}");
    }
    let shredded =
        entries(&company).into_iter().find(|entry| entry["source"] == "crm" && entry["what"] == "keys");
    let last = shredded.expect("an entry");
    assert_eq!(last["reason"], Value::Null);
    let whole = with(&company, &["wang", "li"], &["verify", "--read-data"]);
    whole.success();
}
