//! Branches share a bucket and nothing else: each with its real credentials and keys, against a server
//! that enforces who may do what below which prefix.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures::StreamExt;
use lifeboat_tests::{Finished, S3Server, restore, run};
use lifeboat_vault::{AgentKey, Opener, SnapshotReader, Store, Vault};
use object_store::path::Path as Object;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::company::{self, Company, DB1, sqlite_crm};

const BRANCHES: [&str; 2] = ["north", "south"];

/// Two branches that each back up the very same CRM into the same bucket. Li is at head office and may
/// open both; each branch's Wang is somebody else.
struct Group {
    server: S3Server,
    branches: [Company; 2],
}

impl Group {
    fn new() -> Self {
        let server = S3Server::with_branches(&BRANCHES);
        let branches =
            BRANCHES.map(|name| Company::with_store(server.url(name), server.environment_of(name)));
        let [north, south] = &branches;
        fs::copy(north.identity("li"), south.identity("li")).expect("head office's key");
        let crm = sqlite_crm(&north.path("crm.db"), "0.002");
        for branch in &branches {
            branch.configure(DB1, std::slice::from_ref(&crm));
            branch.init(DB1);
            branch.back_up(DB1);
        }
        Self { server, branches }
    }

    /// Runs `lifeboat-restore` with the store's credentials of one branch.
    fn restore(&self, credentials: &str, args: &[&str]) -> Finished {
        let mut command = restore();
        run(command.args(args).envs(self.server.environment_of(credentials)))
    }

    /// Writes a fleet's file in which each branch has the credentials of `credentials`, opened by `identity`.
    fn fleet(&self, identity: &Path, credentials: [&str; 2]) -> String {
        let folder = &self.branches[0];
        let mut text = format!("version = 1\nidentity = \"{}\"\n", identity.display());
        for (name, credentials) in BRANCHES.iter().zip(credentials) {
            let lines = company::settings(&self.server.environment_of(credentials));
            fs::write(folder.path(&format!("{credentials}.env")), lines).expect("credentials");
            text += &format!("[[vault]]\nname = \"{name}\"\nurl = \"{}\"\n", self.server.url(name));
            text += &format!("credentials = \"{{file:{credentials}.env}}\"\n");
        }
        let path = folder.path("fleet.toml");
        fs::write(&path, text).expect("the fleet's file");
        path.display().to_string()
    }
}

#[test]
fn agents_and_people_of_one_branch_neither_list_nor_open_anothers_vault() {
    let group = Group::new();
    let [north, south] = &group.branches;
    let (url, wang) = (north.vault_url(), south.identity("wang").display().to_string());
    let their_own = group.restore("south", &["snapshots", "--vault", south.vault_url(), "--identity", &wang]);
    their_own.success();
    let theirs = north.identity("wang").display().to_string();
    for identity in [&wang, &theirs, &south.state(DB1).join("agent.key").display().to_string()] {
        let refused = group.restore("south", &["snapshots", "--vault", url, "--identity", identity]).exits(1);
        assert!(refused.stderr.contains("the store denies"), "{}", refused.stderr);
    }
    let config = fs::read_to_string(south.config(DB1)).expect("a configuration");
    fs::write(south.config(DB1), config.replace(south.vault_url(), url)).expect("a configuration");
    run(&mut south.agent(DB1, &["backup"])).exits(1);
    // Whoever let them in, their keys open nothing.
    for identity in [wang, south.state(DB1).join("agent.key").display().to_string()] {
        group.restore("north", &["snapshots", "--vault", url, "--identity", &identity]).exits(12);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_gives_a_branch_its_own_prefix_and_nothing_else() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = S3Server::with_branches(&BRANCHES);
    let [north, south] = BRANCHES.map(|branch| server.store_of(branch));
    let object = Object::from("north/vault");
    north.put(&object, PutPayload::from_static(b"record")).await.expect("its own");
    north.head(&object).await.expect("its own");
    assert_eq!(north.list(Some(&Object::from("north"))).count().await, 1);
    for prefix in [None, Some(&Object::from("north")), Some(&Object::from("northern"))] {
        let listed = south.list(prefix).next().await.expect("an answer");
        assert!(listed.is_err(), "south lists {prefix:?}: {listed:?}");
    }
    assert!(south.get(&object).await.is_err(), "south reads what is north's");
    assert!(south.head(&object).await.is_err(), "south sees what is north's");
    assert!(south.put(&object, PutPayload::from_static(b"forged")).await.is_err(), "south writes over it");
    assert!(south.delete(&object).await.is_err(), "south deletes it");
    let kept = north.get(&object).await.expect("it is there").bytes().await.expect("it is read");
    assert_eq!(&kept[..], b"record");
}

#[test]
fn head_office_sees_every_branch_in_one_table_and_a_branch_sees_its_own() {
    let group = Group::new();
    let [north, _] = &group.branches;
    let told = group.restore("north", &["fleet", "--vaults", &group.fleet(&north.identity("li"), BRANCHES)]);
    let told = told.success().stdout;
    for branch in BRANCHES {
        let of_branch = told.lines().filter(|line| line.starts_with(branch));
        assert_eq!(of_branch.count(), 2, "its source and its vault:\n{told}");
    }
    // A branch's own person in the same file: one vault opens, the other does not, and that shows.
    let file = group.fleet(&north.identity("wang"), BRANCHES);
    let told = group.restore("north", &["fleet", "--vaults", &file, "--json"]).exits(3).stdout;
    check_lines(&told, "no usable key");
    // And with the branch's own credentials for both, the store itself refuses.
    let file = group.fleet(&north.identity("li"), ["north", "north"]);
    let told = group.restore("north", &["fleet", "--vaults", &file, "--json"]).exits(3).stdout;
    check_lines(&told, "failed");
}

#[test]
fn each_branch_s_credentials_are_tried_on_the_other_and_the_report_says_what_they_reach() {
    let group = Group::new();
    let [north, _] = &group.branches;
    let li = north.identity("li").display().to_string();
    let control = |credentials: [&str; 2], id: &str| {
        let file = group.fleet(&north.identity("li"), credentials);
        let report = ["report", "--vault", north.vault_url(), "--identity", &li, "--vaults", &file, "--json"];
        let told = group.restore("north", &report).exits(1).stdout;
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
        let report = lines.into_iter().find(|line| line["type"] == "report").expect("a report");
        let mut controls = report["results"].as_array().expect("a list").iter();
        let control = controls.find(|control| control["check"] == id).expect("the control");
        format!("{}: {}", control["status"].as_str().expect("a word"), control["message"]["en"])
    };
    let separate = control(BRANCHES, "CRY-09");
    assert!(separate.starts_with("pass") && separate.ends_with("of every one: li\""), "{separate}");
    let denied = control(BRANCHES, "ACC-06");
    assert!(denied.starts_with("pass") && denied.contains("each denied: 2"), "{denied}");
    let same = control(["north", "north"], "ACC-06");
    assert!(
        same.starts_with("unknown") && same.contains("the file gives both the same credentials"),
        "{same}"
    );
    // South was given credentials that may do everything.
    let file = group.fleet(&north.identity("li"), BRANCHES);
    fs::write(north.path("south.env"), company::settings(&group.server.environment())).expect("credentials");
    let report = ["report", "--vault", north.vault_url(), "--identity", &li, "--vaults", &file];
    let told = group.restore("north", &report).exits(1).stdout;
    assert!(
        told.contains("ACC-06  fail: credentials of one vault that list or read another: south -> north"),
        "{told}"
    );
}

/// North is open with its one snapshot, and south is not, for that kind of reason.
#[track_caller]
fn check_lines(told: &str, kind: &str) {
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [north, south, summary, error] = &lines[..] else { panic!("{told}") };
    assert_eq!(
        (&north["name"], &north["state"], &north["snapshots"]),
        (&"north".into(), &"ok".into(), &1.into())
    );
    assert_eq!(north["sources"][0]["source"], "crm");
    assert!(north["stored_bytes"].as_u64().expect("bytes") > 0);
    assert_eq!((&south["state"], &south["kind"]), (&"not opened".into(), &kind.into()), "{south}");
    assert_eq!(summary["not_opened"], serde_json::json!(["south"]));
    assert_eq!(error["kind"], "partial");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_that_hold_the_same_rows_share_no_chunk() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let group = tokio::task::spawn_blocking(Group::new).await.expect("two branches");
    let mut ids = Vec::new();
    for (name, company) in BRANCHES.iter().zip(&group.branches) {
        let agent = AgentKey::read(&company.state(DB1).join("agent.key")).expect("the agent's key");
        let store = Store::new(
            std::sync::Arc::new(group.server.store_of(name)),
            Object::from(*name),
            company.vault_url(),
        );
        let vault = Vault::open(store, Opener::Agent(&agent), None).await.expect("the vault opens");
        let scratch = tempfile::tempdir().expect("a scratch folder");
        SnapshotReader::open(&vault, scratch.path()).await.expect("its index");
        let index = scratch.path().join(format!("index-{}.sqlite", vault.id()));
        let mut index =
            SqliteConnection::connect(&format!("sqlite://{}", index.display())).await.expect("the index");
        let chunks: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT id FROM chunks").fetch_all(&mut index).await.expect("its chunks");
        ids.push(chunks.into_iter().collect::<BTreeSet<_>>());
    }
    assert!(ids[0].len() > 10, "too few chunks to say anything: {}", ids[0].len());
    assert!(ids[0].is_disjoint(&ids[1]), "a chunk has the same id in both vaults");
}
