//! Object locks on a server that enforces them: what both programs do there, and what the server does not let
//! anybody do.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use lifeboat_tests::{LockingS3, restore, run};
use lifeboat_vault::store::{BucketLocks, LockMode, LockPolicy};
use serde_json::Value;

use super::conformance::{install_tls, opened};
use crate::company::{self, Company, DB1, sqlite_crm, sqlite_day, sqlite_dump};

/// Every version of every object: its name, its mode and how many whole days its lock has left.
const LIST: &str = "
import datetime
now = datetime.datetime.now(datetime.timezone.utc)
for page in s3.get_paginator('list_object_versions').paginate(Bucket=bucket):
    for v in page.get('Versions', []):
        h = s3.head_object(Bucket=bucket, Key=v['Key'], VersionId=v['VersionId'])
        until = h.get('ObjectLockRetainUntilDate')
        print(v['Key'], h.get('ObjectLockMode', '-'), (until - now).days if until else '-')
";

/// What comes of deleting the versions of every object whose name begins so, with every right but that to
/// break a lock.
const DELETE: &str = "
from botocore.exceptions import ClientError
for page in s3.get_paginator('list_object_versions').paginate(Bucket=bucket, Prefix=prefix):
    for v in page.get('Versions', []):
        try:
            s3.delete_object(Bucket=bucket, Key=v['Key'], VersionId=v['VersionId'])
            print('deleted')
        except ClientError as e:
            print(e.response['Error']['Code'])
";

/// Shortens every lock to two days, as somebody who has that right.
const SHORTEN: &str = "
import datetime
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket):
    for o in page.get('Contents', []):
        if 'ObjectLockMode' in s3.head_object(Bucket=bucket, Key=o['Key']):
            s3.put_object_retention(Bucket=bucket, Key=o['Key'], BypassGovernanceRetention=True,
                Retention={'Mode': 'GOVERNANCE', 'RetainUntilDate': until})
";

/// A company whose vault's bucket locks for 30 days.
fn company(server: &LockingS3, url: String, more: &str) -> Company {
    let company = Company::with_store(url, server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    let text = text.replacen("[agent]\n", &format!("lock = {{ days = 30 }}\n{more}[agent]\n"), 1);
    fs::write(company.config(DB1), text).expect("a configuration");
    company
}

/// How the report's control of locks comes out.
fn control(company: &Company) -> String {
    control_of(company, "IMM-01")
}

fn control_of(company: &Company, id: &str) -> String {
    let mut report = restore();
    report.args(["report", "--json", "--config"]).arg(company.config(DB1)).envs(company.store_environment());
    let told = run(&mut report).exits(1).stdout;
    let mut lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let report = lines.find(|line| line["type"] == "report").expect("a report");
    let mut controls = report["results"].as_array().expect("a list").iter();
    let control = controls.find(|control| control["check"] == id).expect("the control");
    format!("{}: {}", control["status"].as_str().expect("a word"), control["message"]["en"])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_locked_as_it_is_written_and_its_lock_only_grows() {
    install_tls();
    let server = LockingS3::start();
    let open = |url: String| opened(&url, &server.environment());
    let policy =
        |hours: i64| LockPolicy { mode: LockMode::Governance, period: SignedDuration::from_hours(hours) };
    let now = Timestamp::now();
    let store = open(server.url("v")).locking(policy(24), now).expect("it locks");
    assert_eq!(store.bucket_locks().await.expect("it answers"), Some(BucketLocks::OnRequest));
    store.create("packs/aa/aa01", "sealed".into()).await.expect("written");
    store.create("keys/keyring-00000001", "keys".into()).await.expect("written");
    let lock = store.lock_of("packs/aa/aa01").await.expect("it answers").expect("a lock");
    assert_eq!((lock.mode, lock.until.as_second()), (LockMode::Governance, now.as_second() + 24 * 3600));
    assert_eq!(store.lock_of("keys/keyring-00000001").await.expect("it answers"), None);
    assert_eq!(store.lock_of("packs/aa/none").await.expect("it answers"), None);
    assert!(store.keeps_versions());
    let delete = |prefix: &str| server.python(&format!("prefix = 'v/{prefix}'\n{DELETE}"));
    assert_eq!(delete("packs/"), "AccessDenied\n");
    assert_eq!(delete("keys/"), "deleted\n", "keys can be shredded");

    store.create("vault", "record".into()).await.expect("written");
    let longer = open(server.url("v")).locking(policy(48), now).expect("it locks");
    assert_eq!(longer.probe_locks().await.expect("it may"), Some(BucketLocks::OnRequest));
    let shorter = open(server.url("v")).locking(policy(1), now).expect("it locks");
    assert_eq!(shorter.probe_locks().await.expect("it asks for no less"), Some(BucketLocks::OnRequest));
    let lock = store.lock_of("vault").await.expect("it answers").expect("a lock");
    assert_eq!(lock.until.as_second(), now.as_second() + 48 * 3600);

    let plain = open(server.plain_url("v"));
    assert_eq!(plain.bucket_locks().await.expect("it answers"), Some(BucketLocks::Never));
    plain.create("packs/aa/aa01", "sealed".into()).await.expect("written");
    assert_eq!(plain.lock_of("packs/aa/aa01").await.expect("it answers"), None);
    assert!(!plain.keeps_versions());
}

#[test]
fn a_vault_in_a_bucket_that_locks_is_protected_and_its_keys_are_not() {
    let server = LockingS3::start();
    let company =
        company(&server, server.url("north"), "keep = { last = 1, daily = 0 }\nkeep_min_days = 0\n");
    let database = company.path("crm.db");
    company.init(DB1);
    let checked = run(&mut company.agent(DB1, &["check"])).success().stdout;
    assert!(checked.contains("these credentials may extend locks"), "{checked}");
    company.back_up(DB1);
    sqlite_day(&database, "1");
    company.back_up(DB1);
    let locked = |folder: &str| {
        let listed = server.python(LIST);
        let own = listed.lines().filter(|line| line.starts_with(&format!("north/{folder}")));
        own.map(|line| line.split_once(' ').expect("a lock").1.to_owned()).collect::<Vec<_>>()
    };
    for folder in ["packs/", "index/", "snapshots/", "agents/", "vault"] {
        let locks = locked(folder);
        assert!(!locks.is_empty() && locks.iter().all(|lock| lock == "GOVERNANCE 29"), "{folder}: {locks:?}");
    }
    let told = control(&company);
    assert!(told.starts_with("fail: \"no object sampled"), "somebody may lift these: {told}");
    for folder in ["keys/", "probe/", "lease/"] {
        assert!(locked(folder).iter().all(|lock| lock == "- -"), "{folder}: {:?}", locked(folder));
    }

    let status = run(&mut company.agent(DB1, &["status", "--json"])).success().last_json();
    let seen = &status["locks"][0];
    assert_eq!((&seen["copy"], &seen["snapshot"]), (&Value::Null, &company.snapshots()[1].as_str().into()));
    let until: Timestamp = seen["until"].as_str().expect("a time").parse().expect("a time");
    assert!(until.duration_since(Timestamp::now()).as_hours() / 24 == 29, "{status}");

    let expired = run(&mut company.agent(DB1, &["expire"])).success().stdout;
    assert!(expired.contains("0 snapshots expired, 2 stay"), "{expired}");
    let preview = run(&mut company.agent(DB1, &["retention", "preview"])).success().stdout;
    assert!(preview.contains("no rule keeps it, but it is locked until"), "{preview}");
    run(&mut company.agent(DB1, &["prune"])).success();
    assert_eq!(company.snapshots().len(), 2);

    // Locks that are about to end are extended by the next backup, whatever this host remembers of them.
    server.python(SHORTEN);
    let state = fs::read_dir(company.state(DB1)).expect("a state folder");
    let remembered = state.flatten().find(|file| file.file_name().to_string_lossy().starts_with("locks-"));
    fs::remove_file(remembered.expect("a cache of locks").path()).expect("it is lost");
    sqlite_day(&database, "2");
    company.back_up(DB1);
    for folder in ["packs/", "index/", "agents/", "vault"] {
        assert!(locked(folder).iter().all(|lock| lock == "GOVERNANCE 29"), "{folder}: {:?}", locked(folder));
    }
    let mut manifests = locked("snapshots/");
    manifests.sort();
    assert_eq!(manifests, ["GOVERNANCE 1", "GOVERNANCE 1", "GOVERNANCE 29"], "two are not to be kept");

    // Locks that cannot be extended are told, although the snapshot is whole.
    let told = "[[notify]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"{file:ops.url}\"\n";
    fs::write(company.path("ops.url"), "http://127.0.0.1:9/hook").expect("a file");
    company.add_to_config(DB1, told);
    let state = fs::read_dir(company.state(DB1)).expect("a state folder");
    let remembered = state.flatten().find(|file| file.file_name().to_string_lossy().starts_with("locks-"));
    let remembered = remembered.expect("a cache of locks").path();
    fs::remove_file(&remembered).expect("it is lost");
    fs::create_dir_all(remembered.join("in-the-way")).expect("a folder in its place");
    let partial = run(&mut company.agent(DB1, &["backup"])).exits(3);
    assert!(partial.stderr.contains("the locks of the vault could not be extended"), "{}", partial.stderr);
    let ledger = || fs::read_to_string(company.state(DB1).join("notify.json")).expect("a ledger");
    assert!(ledger().contains("lifeboat/db1/-/lock"), "{}", ledger());
    fs::remove_dir_all(&remembered).expect("the folder");
    run(&mut company.agent(DB1, &["backup"])).success();
    assert!(!ledger().contains("lifeboat/db1/-/lock\":"), "{}", ledger());

    // A thief with every right but that to break a lock deletes no version of what a restore needs.
    for folder in ["packs/", "index/", "snapshots/", "agents/", "vault"] {
        let told = server.python(&format!("prefix = 'north/{folder}'\n{DELETE}"));
        assert!(told.lines().all(|line| line == "AccessDenied") && !told.is_empty(), "{folder}: {told}");
    }
    company.verify();
    let restored = company.path("restored.db");
    let target = format!("sqlite://{}", restored.display());
    run(&mut company.restore(&["restore", "crm@latest", "--to", &target])).success();
    assert!(sqlite_dump(&restored) == sqlite_dump(&database), "it came back different");
}

#[test]
fn a_bucket_that_cannot_lock_or_locks_everything_is_refused_before_anything_is_written() {
    let server = LockingS3::start();
    let plain = company(&server, server.plain_url("v"), "");
    let refused = run(&mut plain.agent(DB1, &["init"])).exits(1);
    assert!(refused.stderr.contains("this bucket has no object lock"), "{}", refused.stderr);

    server.python(
        "s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={'ObjectLockEnabled': 'Enabled', \
         'Rule': {'DefaultRetention': {'Mode': 'COMPLIANCE', 'Days': 14}}})",
    );
    let always = company(&server, server.url("v"), "");
    let refused = run(&mut always.agent(DB1, &["init"])).exits(1);
    for words in ["locks every object by itself (14 days, mode compliance)", "take the default retention out"]
    {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    assert_eq!(server.python(LIST), "", "nothing was written");
}

#[test]
fn a_copy_in_a_bucket_that_locks_is_locked_on_its_own_terms() {
    let server = LockingS3::start();
    let company = Company::new();
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    fs::write(company.path("b.env"), company::settings(&server.environment())).expect("a file of settings");
    let copy = format!(
        "[[vault.copy]]\nname = \"b\"\nurl = \"{}\"\ncredentials = \"{{file:{}}}\"\nlock = {{ days = 90, mode = \"compliance\" }}\n",
        server.url("b"),
        company.path("b.env").display()
    );
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    fs::write(company.config(DB1), text + &copy).expect("a configuration");
    company.init(DB1);
    run(&mut company.agent(DB1, &["backup"])).success();
    let listed = server.python(LIST);
    let lock = |line: &str| line.split_once(' ').expect("a lock").1.to_owned();
    let keys = |line: &&str| line.starts_with("b/keys/");
    assert!(listed.lines().filter(keys).all(|line| lock(line) == "- -"), "{listed}");
    let others = listed.lines().filter(|line| !keys(line) && !line.starts_with("b/probe/"));
    assert!(others.clone().all(|line| lock(line) == "COMPLIANCE 89"), "{listed}");
    assert!(others.count() > 5, "{listed}");
    let told = control(&company);
    assert!(told.starts_with("pass: ") && told.contains("nobody can lift: b ("), "{told}");
    let checked = run(&mut company.agent(DB1, &["check"])).success().stdout;
    assert!(checked.contains("these credentials may extend locks"), "{checked}");
}

#[test]
fn a_bucket_is_asked_where_it_lies_and_settings_are_not_believed() {
    let server = LockingS3::start();
    server.python(
        "s3.create_bucket(Bucket='frankfurt', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})",
    );
    let company = Company::with_store("s3://frankfurt/v".into(), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    company.back_up(DB1);
    let text = fs::read_to_string(company.config(DB1)).expect("a configuration");
    let check = |regions: &str, expected: &str| {
        let said = text.replacen("[agent]\n", &format!("{regions}\n[agent]\n"), 1);
        fs::write(company.config(DB1), said).expect("a configuration");
        let told = control_of(&company, "XBR-01");
        assert!(told.starts_with(expected) && told.contains("vault (eu-central-1)"), "{told}");
    };
    check("", "unknown");
    check("regions = [\"eu-central-1\"]", "pass");
    // What the settings call it.
    check("regions = [\"us-east-1\"]", "fail");
}
