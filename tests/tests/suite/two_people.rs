//! What takes two people although no key enforces it: snapshots removed by hand, less that is kept, holds that end.

use std::fs;

use lifeboat_tests::{Finished, restore, run};
use serde_json::Value;

use crate::company::{Company, DB1, Source};
use crate::databases::support::sqlite;

/// A company with a small CRM that was backed up three times.
fn company() -> Company {
    company_that_keeps(None)
}

/// The same, with a rule of what is kept from its first night on.
fn company_that_keeps(last: Option<u32>) -> Company {
    let company = Company::new();
    let database = company.path("crm.db");
    sqlite(&database, "CREATE TABLE contacts (id integer PRIMARY KEY, name text)");
    let url = format!("sqlite://{}", database.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    if let Some(last) = last {
        let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
        let kept =
            text.replace("[vault]\n", &format!("[vault]\nkeep_min_days = 0\nkeep = {{ last = {last} }}\n"));
        fs::write(company.config(DB1), kept).expect("a configuration");
    }
    company.init(DB1);
    for night in 1..=3 {
        sqlite(&database, &format!("INSERT INTO contacts VALUES ({night}, '客户')"));
        company.back_up(DB1);
    }
    company
}

/// Runs a verb as a person, on a machine of their own.
fn as_person(company: &Company, person: &str, args: &[&str]) -> Finished {
    let mut command = restore();
    command.args(args).arg("--vault").arg(company.vault_url());
    run(command.arg("--identity").arg(company.identity(person)))
}

/// Asks as Wang, and returns the request's id.
fn ask(company: &Company, args: &[&str]) -> String {
    let asked = as_person(company, "wang", &[args, &["--reason", "case 4711", "--json"]].concat());
    asked.success().last_json()["request"].as_str().expect("an id").to_owned()
}

/// Runs a verb of the host.
fn on_host(company: &Company, args: &[&str]) -> Finished {
    run(&mut company.agent(DB1, args))
}

fn entries(company: &Company) -> Vec<Value> {
    let told = as_person(company, "li", &["audit", "export"]).success().stdout;
    told.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// How the entries of a kind ended, with who wrote them and their detail.
fn recorded(company: &Company, what: &str) -> Vec<(String, String, String)> {
    let word = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let of_kind = entries(company).into_iter().filter(|entry| entry["what"] == what);
    of_kind.map(|entry| (word(&entry, "name"), word(&entry, "result"), word(&entry, "detail"))).collect()
}

#[test]
fn snapshots_are_removed_by_hand_when_another_person_has_approved_it() {
    let company = company();
    let snapshots = company.snapshots();
    let [first, second, third] = &snapshots[..] else { panic!("{snapshots:?}") };
    let remove = |snapshot: &str, more: &[&str]| {
        on_host(&company, &[&["expire", "--snapshot", snapshot], more].concat())
    };
    // The host alone, or one person there, decides nothing.
    let told = remove(first, &[]).exits(30);
    assert!(told.stderr.contains("lifeboat-restore request-expire"), "{}", told.stderr);
    let wang = company.identity("wang").display().to_string();
    remove(first, &["--identity", &wang]).exits(30);
    remove(first, &["--identity", &wang, "--identity", &wang]).exits(30);
    let id = ask(&company, &["request-expire", first]);
    assert!(!company.path(&format!("lifeboat-request-{}.key", &id[..8])).exists(), "it opens nothing");
    remove(first, &["--request", &id]).exits(30);
    as_person(&company, "wang", &["approve", &id, "--yes"]).exits(31);
    let shown = as_person(&company, "li", &["approve", &id, "--yes"]).success().stdout;
    assert!(shown.contains(first.as_str()) && shown.contains("gone for good"), "{shown}");
    // For these snapshots and for nothing else.
    remove(second, &["--request", &id]).exits(31);
    on_host(&company, &["expire", "--snapshot", first, "--snapshot", second, "--request", &id]).exits(31);
    let to = format!("sqlite://{}", company.path("new.db").display());
    as_person(&company, "wang", &["restore", third, "--to", &to, "--request", &id]).exits(31);
    remove(first, &["--dry-run"]).success();
    remove(first, &["--dry-run", "--identity", &wang]).exits(2);
    assert_eq!(company.snapshots(), snapshots, "nothing is gone so far");
    remove(first, &["--request", &id]).success();
    assert_eq!(company.snapshots(), [second.clone(), third.clone()]);
    company.verify();
    let expired = recorded(&company, "expire");
    let (by, result, detail) = expired.last().expect("an entry");
    assert_eq!((by.as_str(), result.as_str()), ("db1", "done"));
    assert!(detail.contains("of wang, approved by li"), "{detail}");
    assert!(expired.iter().any(|(by, result, _)| by == "wang" && result == "refused"), "{expired:?}");
    assert!(expired.iter().any(|(by, result, _)| by == "db1" && result == "refused"), "{expired:?}");
}

#[test]
fn an_approval_refused_taken_back_or_over_removes_nothing() {
    let company = company();
    let snapshots = company.snapshots();
    let remove = |id: &str| on_host(&company, &["expire", "--snapshot", &snapshots[0], "--request", id]);
    let wish = ["request-expire", &snapshots[0]];
    let refused = ask(&company, &wish);
    as_person(&company, "li", &["refuse", &refused, "--reason", "it is evidence"]).success();
    assert!(remove(&refused).exits(31).stderr.contains("it is evidence"));
    let approved_no_more = ask(&company, &wish);
    as_person(&company, "li", &["approve", &approved_no_more, "--yes"]).success();
    as_person(&company, "li", &["revoke", &approved_no_more, "--reason", "mistaken"]).success();
    remove(&approved_no_more).exits(30);
    let taken_back = ask(&company, &wish);
    as_person(&company, "li", &["approve", &taken_back, "--yes"]).success();
    as_person(&company, "wang", &["revoke", &taken_back, "--reason", "found it"]).success();
    remove(&taken_back).exits(31);
    // An approval moved to another request, and one that is altered.
    let (other, mine) = (ask(&company, &wish), ask(&company, &["request-expire", &snapshots[1]]));
    as_person(&company, "li", &["approve", &other, "--yes"]).success();
    let folder = |id: &str| company.vault().join("requests").join(id);
    let approval = fs::read_dir(folder(&other)).expect("the request").filter_map(Result::ok);
    let approval =
        approval.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("approve-"));
    let approval = approval.expect("an approval");
    let name = approval.file_name().expect("a name");
    fs::copy(&approval, folder(&mine).join(name)).expect("a copy");
    let moved = on_host(&company, &["expire", "--snapshot", &snapshots[1], "--request", &mine]).exits(30);
    assert!(moved.stderr.contains("it answers request"), "{}", moved.stderr);
    let mut altered = fs::read(&approval).expect("the approval");
    *altered.last_mut().expect("bytes") ^= 1;
    fs::write(&approval, altered).expect("the approval");
    assert!(remove(&other).exits(30).stderr.contains("does not verify"));
    assert_eq!(company.snapshots(), snapshots);
}

#[test]
fn what_is_held_stays_and_a_broken_glass_is_loud() {
    let company = company();
    let snapshots = company.snapshots();
    let [wang, li] = ["wang", "li"].map(|person| company.identity(person).display().to_string());
    on_host(&company, &["hold", &snapshots[0], "--reason", "a case"]).success();
    let both = ["--identity", wang.as_str(), "--identity", &li];
    let held = on_host(&company, &[&["expire", "--snapshot", &snapshots[0]], &both[..]].concat()).exits(1);
    assert!(held.stderr.contains("a case"), "{}", held.stderr);
    // Not even the others that were named with it.
    let pair = ["expire", "--snapshot", &snapshots[0], "--snapshot", &snapshots[1]];
    on_host(&company, &[&pair[..], &both].concat()).exits(1);
    assert_eq!(company.snapshots(), snapshots);
    on_host(&company, &[&["expire", "--snapshot", &snapshots[1]], &both[..]].concat()).success();
    let alone = ["expire", "--snapshot", snapshots[2].as_str(), "--identity", &wang, "--break-glass"];
    on_host(&company, &alone).exits(2);
    let told = on_host(&company, &[&alone[..], &["--reason", "the disk is full"]].concat()).success();
    assert!(told.stderr.contains("THE GLASS IS BROKEN"), "{}", told.stderr);
    assert_eq!(company.snapshots(), [snapshots[0].clone()]);
    let broken = recorded(&company, "break-glass");
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!((broken[0].0.as_str(), broken[0].1.as_str()), ("wang", "begun"));
    let of_expire = recorded(&company, "expire");
    assert!(
        of_expire.last().is_some_and(|(_, _, detail)| detail.contains("by breaking the glass")),
        "{of_expire:?}"
    );
}

#[test]
fn where_there_is_one_person_they_decide_alone_and_it_is_said_loudly() {
    let company = Company::new();
    let database = company.path("crm.db");
    sqlite(&database, "CREATE TABLE contacts (id integer PRIMARY KEY, name text)");
    let url = format!("sqlite://{}", database.display());
    company.configure(DB1, &[Source { name: "crm", url, password: None }]);
    company.limit_li(DB1, "[\"low\"]");
    company.init(DB1);
    company.back_up(DB1);
    company.back_up(DB1);
    let snapshots = company.snapshots();
    let asked = as_person(&company, "wang", &["request-expire", &snapshots[0], "--reason", "old"]).exits(2);
    assert!(asked.stderr.contains("nobody else"), "{}", asked.stderr);
    let [wang, li] = ["wang", "li"].map(|person| company.identity(person).display().to_string());
    let remove = ["expire", "--snapshot", snapshots[0].as_str(), "--identity"];
    on_host(&company, &[&remove[..], &[&li]].concat()).exits(30);
    let told = on_host(&company, &[&remove[..], &[&wang]].concat()).success();
    assert!(told.stderr.contains("ONE PERSON DECIDES ALONE"), "{}", told.stderr);
    let last = recorded(&company, "expire").pop().expect("an entry");
    assert!(last.2.contains("decided by wang alone"), "{last:?}");
    assert_eq!(company.snapshots(), snapshots[1..]);
}

/// Changes how many of the newest the configuration keeps.
fn keep(company: &Company, from: &str, to: &str) {
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    let changed = text.replace(&format!("keep = {{ last = {from} }}"), &format!("keep = {{ last = {to} }}"));
    assert!(changed != text, "it kept {from}");
    fs::write(company.config(DB1), changed).expect("a configuration");
}

#[test]
fn less_is_kept_when_another_person_has_approved_it_and_more_at_once() {
    let company = company_that_keeps(Some(3));
    let snapshots = company.snapshots();
    keep(&company, "3", "1");
    let told = on_host(&company, &["expire"]).exits(30).stderr;
    assert!(told.contains("lifeboat-restore request-keep crm --last 1 --reason TEXT"), "{told}");
    let checked = on_host(&company, &["check"]).success().stdout;
    assert!(checked.contains("keeps less of crm than was agreed on"), "{checked}");
    let preview = on_host(&company, &["retention", "preview"]).success().stdout;
    assert!(preview.contains("as was agreed: last 3"), "{preview}");
    // Another rule that is approved, one's own approval, and none are all the same.
    let other = ask(&company, &["request-keep", "crm", "--last", "2"]);
    as_person(&company, "li", &["approve", &other, "--yes"]).success();
    let id = ask(&company, &["request-keep", "crm", "--last", "1"]);
    as_person(&company, "wang", &["approve", &id, "--yes"]).exits(31);
    on_host(&company, &["expire"]).exits(30);
    assert_eq!(company.snapshots(), snapshots, "nothing is gone so far");
    let shown = as_person(&company, "li", &["approve", &id, "--yes"]).success().stdout;
    assert!(shown.contains("instead  last 3"), "{shown}");
    on_host(&company, &["expire"]).success();
    assert_eq!(company.snapshots(), snapshots[2..]);
    let agreed = recorded(&company, "keep");
    assert!(
        matches!(&agreed[..], [(by, result, detail)] if by == "db1" && result == "done" && detail.contains("approved by li")),
        "{agreed:?}"
    );
    // More is agreed on by the next backup, and then less takes two people again.
    keep(&company, "1", "4");
    company.back_up(DB1);
    keep(&company, "4", "1");
    on_host(&company, &["expire"]).exits(30);
    assert_eq!(company.snapshots().len(), 2);
    as_person(&company, "wang", &["request-keep", "crm", "--last", "5", "--reason", "more"]).exits(2);
    // Both of them here.
    let [wang, li] = ["wang", "li"].map(|person| company.identity(person).display().to_string());
    on_host(&company, &["expire", "--identity", &wang]).exits(30);
    on_host(&company, &["expire", "--identity", &wang, "--identity", &li]).success();
    assert_eq!(company.snapshots().len(), 1);
    on_host(&company, &["expire"]).success();
    on_host(&company, &["expire", "--identity", &wang]).exits(2);
}

#[test]
fn what_a_copy_keeps_is_shortened_by_two_people_too() {
    let company = company_that_keeps(Some(9));
    let barn = company.path("barn");
    fs::create_dir(&barn).expect("another disk");
    let copy = |last: u32| {
        format!(
            "[[vault.copy]]\nname = \"barn\"\nurl = \"file://{}\"\nkeep = {{ last = {last} }}\n",
            barn.display()
        )
    };
    company.add_to_config(DB1, &copy(3));
    company.back_up(DB1);
    let there = || fs::read_dir(barn.join("snapshots")).expect("the copy").count();
    assert_eq!(there(), 3);
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    fs::write(company.config(DB1), text.replace(&copy(3), &copy(1))).expect("a configuration");
    let expire = ["expire", "--copy", "barn"];
    let told = on_host(&company, &expire).exits(30).stderr;
    assert!(told.contains("request-keep --copy barn --last 1"), "{told}");
    assert_eq!(there(), 3);
    let id = ask(&company, &["request-keep", "--copy", "barn", "--last", "1"]);
    as_person(&company, "li", &["approve", &id, "--yes"]).success();
    on_host(&company, &expire).success();
    assert_eq!(there(), 1);
    // What the copy alone remembers is kept there too, and is decided by whoever is led to it.
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    fs::write(company.config(DB1), text.replace(&copy(1), &copy(2))).expect("a configuration");
    company.back_up(DB1);
    assert_eq!(there(), 2);
    fs::remove_dir_all(company.vault().join("notes")).expect("the vault's notes are lost");
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    fs::write(company.config(DB1), text.replace(&copy(2), &copy(1))).expect("a configuration");
    let told = on_host(&company, &expire).exits(30).stderr;
    assert!(told.contains("--last 1 --reason TEXT --config"), "{told}");
    let again = ["request-keep", "--copy", "barn", "--last", "1", "--reason", "case 4712"];
    let nothing = as_person(&company, "wang", &again).exits(2).stderr;
    assert!(nothing.contains("no less than what was agreed on"), "{nothing}");
    let mut command = restore();
    command.args(again).arg("--json").arg("--config").arg(company.config(DB1));
    let asked = run(command.arg("--identity").arg(company.identity("wang"))).success().last_json();
    let id = asked["request"].as_str().expect("an id");
    let shown = as_person(&company, "li", &["approve", id, "--yes"]).success().stdout;
    assert!(shown.contains("instead  last 2"), "{shown}");
    on_host(&company, &expire).success();
    assert_eq!(there(), 1);
    on_host(&company, &expire).success();
}

#[test]
fn a_hold_ends_when_another_person_has_approved_it() {
    let company = company_that_keeps(Some(1));
    let snapshots = company.snapshots();
    on_host(&company, &["hold", &snapshots[0], "--reason", "case 4711"]).success();
    let release = ["release", snapshots[0].as_str(), "--reason", "the case is closed"];
    let told = on_host(&company, &release).exits(30).stderr;
    assert!(told.contains("lifeboat-restore request-release"), "{told}");
    as_person(&company, "wang", &["request-release", &snapshots[1], "--reason", "closed"]).exits(2);
    let id = ask(&company, &["request-release", &snapshots[0]]);
    let with = |id: &str| on_host(&company, &[&release[..], &["--request", id]].concat());
    with(&id).exits(30);
    as_person(&company, "wang", &["approve", &id, "--yes"]).exits(31);
    as_person(&company, "li", &["approve", &id, "--yes"]).success();
    // Another hold came meanwhile: of that nothing was said.
    on_host(&company, &["hold", &snapshots[0], "--reason", "case 4712"]).success();
    with(&id).exits(31);
    on_host(&company, &["expire"]).success();
    assert_eq!(company.snapshots(), [snapshots[0].clone(), snapshots[2].clone()]);
    let id = ask(&company, &["request-release", &snapshots[0]]);
    as_person(&company, "li", &["approve", &id, "--yes"]).success();
    with(&id).success();
    let released = recorded(&company, "release").pop().expect("an entry");
    assert!(released.1 == "done" && released.2.contains("of wang, approved by li"), "{released:?}");
    on_host(&company, &["expire"]).success();
    assert_eq!(company.snapshots(), snapshots[2..]);
}

#[test]
fn the_glass_is_broken_to_keep_less_but_not_where_the_root_is_split() {
    let company = company_that_keeps(Some(3));
    let [wang, li] = ["wang", "li"].map(|person| company.identity(person).display().to_string());
    keep(&company, "3", "1");
    let glass = ["expire", "--identity", wang.as_str(), "--break-glass"];
    on_host(&company, &glass).exits(2);
    let because = [&glass[..], &["--reason", "the disk is full"]].concat();
    let told = on_host(&company, &because).success();
    assert!(told.stderr.contains("THE GLASS IS BROKEN"), "{}", told.stderr);
    assert_eq!(company.snapshots().len(), 1);
    let broken = recorded(&company, "break-glass");
    assert!(matches!(&broken[..], [(by, result, _)] if by == "wang" && result == "begun"), "{broken:?}");
    // What was decided so is agreed on, and the next expiry needs no glass.
    company.back_up(DB1);
    on_host(&company, &["expire"]).success();
    assert_eq!(company.snapshots().len(), 1);
    keep(&company, "1", "2");
    company.back_up(DB1);
    keep(&company, "2", "1");
    as_person(&company, "wang", &["keys", "quorum", "high", "2"]).success();
    on_host(&company, &because).exits(12);
    assert_eq!(company.snapshots().len(), 2, "one person does not open the root");
    on_host(&company, &["expire", "--identity", &wang, "--identity", &li]).success();
    assert_eq!(company.snapshots().len(), 1);
}
