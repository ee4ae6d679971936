//! Every message that an operator can see without a server, word for word.
//!
//! A test runs the program in a folder of its own and compares exit code, stdout and stderr with a file
//! of `golden/`. After a change that is meant, run the tests once with `LIFEBOAT_GOLDEN=write` and read
//! what changed.

mod lab;
mod vendor;

use lab::Lab;
use vendor::Vendor;

#[test]
fn init_prints_the_recovery_sheet() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("init", &["init", "--sheet", "sheet.txt"]);
    let sheet = lab.read("sheet.txt");
    assert!(sheet.starts_with("LIFEBOAT RECOVERY SHEET\n"), "{sheet}");
    assert!(!sheet.contains("AGE-SECRET-KEY"), "{sheet}");
    assert_eq!(lab.mode("state"), 0o700);
    assert_eq!(lab.mode("state/agent.key"), 0o600);
    lab.check("init-again", &["init"]);
    lab.check("init-sheet-there", &["init", "--sheet", "sheet.txt"]);
}

#[test]
fn init_never_touches_an_existing_vault_and_leaves_no_key_behind() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("init-no-enroll", &["init", "--no-enroll"]);
    lab.check("init-vault-there", &["init"]);
    assert!(!lab.exists("state/agent.key"), "the key of a vault that was not made is removed again");
}

#[test]
fn init_wants_two_people_who_can_all_be_sealed_to() {
    let lab = Lab::new();
    lab.config(&lab.default_config().replace("[people.li]\nrecipient = \"LI\"\n", ""));
    lab.check("init-one-person", &["init"]);
    assert!(!lab.exists("vault"), "nothing was made");
    lab.config(
        &lab.default_config()
            .replace("\"LI\"", "\"age1sjplvv87ze99aka7y9c063c6l2m5nqllgkwlaj7lz6y72h6xpacq6xqq99\""),
    );
    lab.check("init-typo-in-recipient", &["init"]);
    assert!(!lab.exists("vault") && !lab.exists("state/agent.key"), "nothing was made");
}

#[test]
fn init_splits_what_several_people_open_together() {
    let lab = Lab::new();
    let with = |policy: &str| format!("{}[policy.high]\n{policy}\n", lab.default_config());
    lab.config(&with("quorum = 3"));
    lab.check("init-quorum-too-many", &["init"]);
    assert!(!lab.exists("vault") && !lab.exists("state/agent.key"), "nothing was made");
    lab.config(&with("quorum = 2\nof = [\"wang\", \"li\"]"));
    lab.check("init-quorum", &["init"]);
}

#[test]
fn a_host_asks_and_a_person_approves() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("backup-without-key", &["backup"]);
    lab.check("enroll-request", &["enroll"]);
    lab.check("backup-without-vault", &["backup"]);
    std::fs::remove_dir_all(lab.path("state")).expect("the state folder");
    lab.check("init-no-enroll", &["init", "--no-enroll"]);
    let (_, stdout, _) = lab.run(&["enroll"]);
    let line = stdout.lines().next().expect("the request");
    lab.check("backup-not-enrolled", &["backup"]);
    let vault = lab.vault_url();
    let approve = |identity: &str| {
        ["enroll", "--approve", line, "--identity", identity, "--vault", &vault].map(str::to_owned)
    };
    lab.check("enroll-stranger", &approve("stranger.txt"));
    lab.check("enroll-approve", &approve("wang.txt"));
    lab.check("enroll-approve-again", &approve("wang.txt"));
    lab.check("enroll-enrolled", &["enroll"]);
    lab.check("enroll-cut-line", &["enroll", "--approve", &line[..40], "--identity", "wang.txt"]);
}

#[test]
fn a_backup_says_what_it_covered() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.run(&["init"]);
    lab.check("backup-source-missing", &["backup"]);
    // An empty file is an empty SQLite database.
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    lab.check("backup-empty", &["backup"]);
    let (_, found, _) = lab.run(&["check"]);
    assert!(found.contains("crm: grades") && found.contains("everything is high"), "{found}");
    assert!(found.contains("lifeboat-agent classify --source crm"), "{found}");
    lab.check("backup-unknown-source", &["backup", "--source", "crn"]);
    let more = "[[source]]\nname = \"forms\"\nurl = \"sqlite://DIR/forms.db\"\n";
    lab.config(&format!("{}{more}", lab.default_config()));
    lab.check("backup-one-of-two-failed", &["backup"]);
}

#[test]
fn copies_say_what_they_hold_and_what_is_wrong() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("copy-none-configured", &["copy"]);
    let copies = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\n[[vault.copy]]\nname = \"safe\"\nurl = \"file://DIR/safe\"\n[people.wang]";
    let config = lab.default_config().replacen("[people.wang]", copies, 1);
    lab.config(&config);
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    std::fs::create_dir(lab.path("barn")).expect("a mounted disk");
    lab.check("copy-unknown-name", &["copy", "--copy", "bam"]);
    let (code, stdout, _) = lab.run(&["copy", "--copy", "barn", "--dry-run"]);
    assert!(
        code == Some(0) && stdout.contains("wrapped keys") && stdout.contains("the vault record"),
        "{stdout}"
    );
    assert_eq!(std::fs::read_dir(lab.path("barn")).expect("a folder").count(), 0, "nothing was written");
    lab.check("backup-one-copy-away", &["backup"]);
    lab.config(&config.replacen("[[vault.copy]]", "require_copies = 1\n[[vault.copy]]", 1));
    lab.check("backup-one-copy-is-enough", &["backup"]);
    std::fs::create_dir(lab.path("safe")).expect("a second disk");
    lab.check("copy-catches-up", &["copy", "--copy", "safe"]);
    let (code, stdout, _) = lab.run(&["copies"]);
    assert_eq!((code, stdout.matches("2 of 2 snapshots  not behind").count()), (Some(0), 2), "{stdout}");
    std::fs::rename(lab.path("barn"), lab.path("barn.unmounted")).expect("it is unmounted");
    std::fs::create_dir(lab.path("barn")).expect("its mountpoint stays");
    lab.check("copy-unmounted", &["copy", "--copy", "barn"]);
    assert_eq!(std::fs::read_dir(lab.path("barn")).expect("a folder").count(), 0);
    std::fs::remove_dir(lab.path("barn")).expect("an empty folder");
    std::fs::rename(lab.path("barn.unmounted"), lab.path("barn")).expect("it is mounted again");
    let snapshots = lab.path("barn/snapshots");
    let first = std::fs::read_dir(&snapshots).expect("a folder").next().expect("a snapshot").expect("a file");
    std::fs::write(first.path(), "short").expect("damage");
    lab.check("copy-damaged", &["copy", "--copy", "barn"]);
    std::fs::remove_dir_all(lab.path("safe")).expect("the second disk");
    std::fs::remove_dir_all(lab.path("state/copies")).expect("what is known");
    std::fs::create_dir(lab.path("safe")).expect("a disk of somebody else");
    std::fs::write(lab.path("safe/holiday.jpg"), "x").expect("a picture");
    lab.check("copy-of-two-one-foreign", &["copy"]);
}

#[test]
fn one_copy_by_name_is_no_run_of_them_all() {
    let lab = Lab::new();
    let copies = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\n[[vault.copy]]\nname = \"safe\"\nurl = \"file://DIR/safe\"\n[people.wang]";
    lab.config(&lab.default_config().replacen("[people.wang]", copies, 1));
    lab.run(&["init"]);
    for copy in ["barn", "safe"] {
        std::fs::create_dir(lab.path(copy)).expect("a mounted disk");
    }
    let last_good = || {
        let (_, status, _) = lab.run(&["status", "--json"]);
        let status: serde_json::Value =
            serde_json::from_str(status.lines().last().expect("a line")).expect("JSON");
        status["maintenance"]["copy"]["last_good"].clone()
    };
    let (code, ..) = lab.run(&["copy", "--copy", "barn"]);
    assert_eq!((code, last_good()), (Some(0), serde_json::Value::Null));
    let (code, ..) = lab.run(&["copy", "--copy", "barn", "--copy", "safe"]);
    assert_eq!((code, last_good().is_object()), (Some(0), true));
}

#[test]
fn a_copy_gives_up_what_it_keeps_no_longer() {
    let lab = Lab::new();
    let copy =
        "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\nkeep = { last = 1 }\n[people.wang]";
    lab.config(&lab.default_config().replacen("[people.wang]", copy, 1));
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    let says = |args: &[&str], code: i32, words: &[&str]| {
        let (ended, stdout, stderr) = lab.run(args);
        assert_eq!(ended, Some(code), "{args:?}\n{stdout}{stderr}");
        for word in words {
            assert!(
                format!("{stdout}{stderr}").contains(word),
                "{args:?} does not say {word}:\n{stdout}{stderr}"
            );
        }
    };
    std::fs::create_dir(lab.path("barn")).expect("a mounted disk");
    says(&["expire", "--copy", "barn"], 10, &["copy barn is not made yet", "lifeboat-agent copy"]);
    for _ in 0..3 {
        says(&["backup"], 0, &["copy barn holds"]);
    }
    let there = |vault: &str| std::fs::read_dir(lab.path(vault).join("snapshots")).expect("a folder").count();
    assert_eq!((there("vault"), there("barn")), (3, 3));
    says(&["expire", "--copy", "bam", "--dry-run"], 2, &["no copy `bam`"]);
    says(&["expire", "--copy", "barn", "--dry-run"], 0, &["3 snapshots, 1 stays, 2 go"]);
    assert_eq!(there("barn"), 3, "nothing was done");
    says(&["expire", "--copy", "barn"], 0, &["2 snapshots expired, 1 stays", "prune --copy barn"]);
    says(&["copy"], 0, &["copy barn holds all 1 snapshot; 1 object,"]); // the record of the expiry
    says(&["copy"], 0, &["copy barn holds all 1 snapshot", "nothing was copied"]);
    assert_eq!((there("vault"), there("barn")), (3, 1));
    says(&["prune", "--copy", "barn", "--dry-run"], 0, &["needed by 1 snapshot"]);
    says(&["prune", "--copy", "barn"], 0, &["needed by 1 snapshot"]);
    // Its own runs, and none of the vault's.
    says(&["status"], 0, &["expire barn  ", "prune barn  "]);
    let (_, status, _) = lab.run(&["status", "--json"]);
    let status: serde_json::Value =
        serde_json::from_str(status.lines().last().expect("a line")).expect("JSON");
    assert!(status["maintenance"]["expire"]["last_run"].is_null(), "{status}");
}

#[test]
fn json_ends_with_the_summary_in_its_documented_order() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    let (code, stdout, _) = lab.run(&["backup", "--json"]);
    assert_eq!(code, Some(0));
    let last = stdout.lines().last().expect("a line");
    let summary: serde_json::Map<String, serde_json::Value> = serde_json::from_str(last).expect("JSON");
    let keys: Vec<_> = summary.keys().take(8).map(String::as_str).collect();
    let expected =
        ["type", "source", "snapshot", "rows", "raw_bytes", "new_raw_bytes", "stored_bytes", "seconds"];
    assert_eq!(keys, expected);
    assert_eq!((&summary["type"], &summary["source"]), (&"summary".into(), &"crm".into()));
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused() {
    let lab = Lab::new();
    lab.check("config-missing", &["config", "check"]);
    lab.config("version = 1\n[vault]\nurl = \"file:///v\"\nrooot = \"x\"\n");
    lab.check("config-unknown-key", &["backup"]);
    lab.config(&lab.default_config());
    lab.check("config-check", &["config", "check"]);
    lab.check("config-show", &["config", "show"]);
    lab.check("usage-unknown-verb", &["bakcup"]);
    lab.check("usage-approve-alone", &["enroll", "--approve", "lifeboat-host-1:x"]);
}

#[test]
fn retention_is_explained_before_anything_goes() {
    let lab = Lab::new();
    let keep = "[vault]\nkeep = { last = 1 }\nkeep_min_days = 0\n";
    lab.config(&lab.default_config().replace("[vault]\n", keep));
    lab.run(&["init"]);
    lab.check("retention-empty", &["retention", "preview"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    for tag in ["nightly", "before-upgrade", "nightly"] {
        lab.run(&["backup", "--tag", tag]);
    }
    lab.check("retention-preview", &["retention", "preview"]);
    lab.check("retention-unknown-source", &["retention", "preview", "--source", "crn"]);
    let reason = ["--reason", "case 4711", "--by", "wang"];
    lab.check("hold", &[&["hold", "crm@latest"][..], &reason].concat());
    lab.check("retention-held", &["retention", "preview"]);
    let release = ["release", "crm@latest", "--reason", "case 4711"];
    lab.check("release-alone", &release);
    lab.check("release", &[&release[..], &["--identity", "wang.txt", "--break-glass"]].concat());
    lab.check("release-nothing", &release);
    lab.check("accept-nothing", &[&["accept", "crm@latest"][..], &reason].concat());
    let person = ["--identity", "wang.txt"];
    lab.check("hold-as-person", &[&["hold", "crm@latest"][..], &reason, &person].concat());
    lab.check("expire-dry-run", &["expire", "--dry-run"]);
    lab.check("expire", &["expire"]);
    lab.check("expire-again", &["expire"]);
    lab.check("expire-by-hand-alone", &["expire", "--snapshot", "crm@latest"]);
    let shorter = lab.default_config().replace("[vault]\n", &keep.replace("last = 1", "daily = 1"));
    lab.config(&shorter);
    lab.check("expire-shorter", &["expire"]);
    lab.check("retention-shorter", &["retention", "preview"]);
    lab.config(&lab.default_config().replace("[vault]\n", keep));
    lab.check("prune-dry-run", &["prune", "--dry-run"]);
    lab.check("prune", &["prune"]);
    let (_, stdout, _) = lab.run(&["retention", "preview", "--json"]);
    let last = stdout.lines().last().expect("a summary");
    assert!(last.starts_with("{\"type\":\"summary\",\"snapshots\":1,\"going\":0"), "{last}");
    lab.config(&lab.default_config());
    lab.check("retention-no-policy", &["retention", "preview"]);
}

#[test]
fn check_finds_what_would_fail() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("check-nothing-there", &["check"]);
    lab.run(&["init"]);
    std::fs::remove_dir_all(lab.path("vault")).expect("the vault");
    lab.check("check-vault-gone", &["check"]);
    let root = "root = \"00000000000000000000000000000000\"\n[people.wang]";
    lab.run(&["init", "--no-enroll"]);
    lab.check("check-not-enrolled", &["check"]);
    lab.config(&lab.default_config().replace("[people.wang]", root));
    lab.check("check-another-root", &["check"]);
}

const ROBOT: &str = "
[[notify]]
name = \"ops\"
type = \"dingtalk\"
url = \"{file:robot.url}\"
";

#[test]
fn a_failing_backup_is_told_once_and_so_is_its_end() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    lab.config(&(lab.default_config() + ROBOT));
    lab.run(&["init"]);
    for _ in 0..3 {
        let (code, ..) = lab.run(&["backup"]);
        assert_eq!(code, Some(1));
    }
    assert_eq!(vendor.requests().len(), 1, "{:#?}", vendor.requests());
    // An empty file is an empty SQLite database.
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    for _ in 0..2 {
        let (code, _, stderr) = lab.run(&["backup"]);
        assert_eq!(code, Some(0), "{stderr}");
    }
    let requests = vendor.requests();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    let (.., stderr) = lab.run(&["backup", "-v", "--log-format", "json"]);
    let line = stderr.lines().find(|line| line.contains("the backup begins")).expect("a line of the log");
    assert!(line.contains("\"run\":\"r-") && line.contains("\"source\":\"crm\""), "{line}");
    for (request, words) in requests.iter().zip(["[critical] db1/crm: backup failed", "[recovered] db1/crm"])
    {
        assert!(request.contains(words), "{request}");
        assert!(request.contains("Run: r-"), "{request}");
    }
}

#[test]
fn a_copy_that_is_behind_is_told_once_and_the_summary_stays_the_last_line() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    let copy = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\n[people.wang]";
    lab.config(&(lab.default_config().replacen("[people.wang]", copy, 1) + ROBOT));
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    for verb in ["backup", "copy", "backup"] {
        let (code, stdout, stderr) = lab.run(&[verb]);
        assert!(code == Some(3) || verb == "copy" && code == Some(10), "{code:?} {stdout}{stderr}");
    }
    let requests = vendor.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    for words in ["[critical] db1/barn: a copy is behind", "is its disk mounted?", "Run: r-"] {
        assert!(requests[0].contains(words), "{words}: {requests:#?}");
    }
    let (_, status, _) = lab.run(&["status"]);
    for words in
        ["barn  0 of 2 snapshots", "copy  none yet", "vault: 2 snapshots and 1 pack, ", " free on its disk"]
    {
        assert!(status.contains(words), "{words}: {status}");
    }
    std::fs::create_dir(lab.path("barn")).expect("the disk");
    let (code, stdout, stderr) = lab.run(&["backup", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let kinds: Vec<_> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    let end = &kinds[kinds.iter().position(|kind| *kind == "snapshot").expect("a snapshot")..];
    let end: Vec<_> = end.iter().filter(|kind| !["phase", "progress"].contains(kind)).collect();
    assert_eq!(end, [&"snapshot", &"copy", &"copies", &"summary"], "{stdout}");
    let snapshot = lines.iter().find(|line| line["type"] == "snapshot").expect("a snapshot");
    assert_eq!(snapshot["snapshot"], lines.last().expect("a line")["snapshot"]);
    let requests = vendor.requests();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert!(requests[1].contains("[recovered] db1/barn: the copy is complete again"), "{requests:#?}");
    let (code, ..) = lab.run(&["copy"]);
    assert_eq!((code, vendor.requests().len()), (Some(0), 2));
    let (_, status, _) = lab.run(&["status", "--json"]);
    let status: serde_json::Value =
        serde_json::from_str(status.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&status["copies"][0]["held"], &status["copies"][0]["lag_seconds"]), (&3.into(), &0.into()));
    assert_eq!(status["seen"]["recipients"]["high"], 2, "{status}");
    assert!(status["maintenance"]["copy"]["last_good"].is_object(), "{status}");
}

#[test]
fn a_backup_waits_for_the_copying_under_way_and_is_under_way_itself_until_then() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    let copy = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\n[people.wang]";
    let config = lab.default_config().replacen("[people.wang]", copy, 1) + ROBOT;
    lab.config(&config);
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    std::fs::create_dir(lab.path("barn")).expect("a mounted disk");
    let (code, ..) = lab.run(&["copy"]);
    assert_eq!(code, Some(0));
    let status = || {
        let (_, status, _) = lab.run(&["status", "--json"]);
        let line = status.lines().last().expect("a line").to_owned();
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON")["sources"][0].clone()
    };
    let snapshots =
        || std::fs::read_dir(lab.path("vault/snapshots")).map_or(0, |snapshots| snapshots.count());

    let copying = std::fs::File::open(lab.path("state/locks/copy")).expect("the lock of a run of it");
    copying.lock().expect("a run of it");
    std::thread::scope(|threads| {
        let backup = threads.spawn(|| lab.run(&["backup"]));
        while snapshots() == 0 {
            assert!(!backup.is_finished(), "{:?}", backup.join());
        }
        let found = status();
        assert!(found["running"].is_object() && found["last_good"].is_null(), "{found}");
        copying.unlock().expect("it ends");
        let (code, stdout, stderr) = backup.join().expect("no panic");
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stdout.contains("copy barn holds all 1 snapshot"), "{stdout}");
    });
    let found = status();
    assert!(found["running"].is_null() && found["last_good"]["outcome"] == "good", "{found}");
    assert_eq!(vendor.requests().len(), 0, "{:#?}", vendor.requests());

    lab.config(&config.replace("[agent]\n", "[agent]\ndeadline = \"1s\"\n"));
    copying.lock().expect("one that does not end");
    let (code, _, stderr) = lab.run(&["backup"]);
    assert_eq!(code, Some(3), "{stderr}");
    for words in ["no copy could be tried", "another run of `copy` is under way"] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    let found = status();
    assert_eq!(
        (&found["last_run"]["outcome"], &found["last_good"]["outcome"]),
        (&"partial".into(), &"partial".into())
    );
    let requests = vendor.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    for words in ["[critical] db1: a copy is behind", "is under way on this host"] {
        assert!(requests[0].contains(words), "{words}: {requests:#?}");
    }
    let (code, _, stderr) = lab.run(&["copy"]);
    assert!(code == Some(11) && stderr.contains("waiting for the copying that is under way"), "{stderr}");
    copying.unlock().expect("it has ended");
    let (code, ..) = lab.run(&["backup"]);
    assert_eq!((code, vendor.requests().len()), (Some(0), 2), "its end is told too");
}

#[test]
fn a_vault_that_cannot_be_opened_is_told_for_each_source() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    lab.config(&(lab.default_config() + ROBOT));
    let (code, ..) = lab.run(&["backup"]);
    assert_eq!(code, Some(12));
    assert_eq!(vendor.requests().len(), 1, "{:#?}", vendor.requests());
    assert!(vendor.requests()[0].contains("this host has no key"), "{:#?}", vendor.requests());
}

#[test]
fn notify_test_prints_what_the_service_answers() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    lab.config(&(lab.default_config() + ROBOT));
    lab.check("notify-accepted", &["notify", "test", "ops"]);
    let refuses = Vendor::new(r#"{"errcode":310000,"errmsg":"sign not match"}"#);
    std::fs::write(lab.path("robot.url"), refuses.url()).expect("a file");
    lab.check("notify-rejected", &["notify", "test", "ops"]);
    lab.check("notify-rejected-json", &["notify", "test", "ops", "--json"]);
    lab.check("notify-unknown", &["notify", "test", "nobody"]);
    std::fs::remove_file(lab.path("robot.url")).expect("the file");
    lab.check("notify-no-secret", &["notify", "test", "ops"]);
}

#[test]
fn a_table_that_lost_its_rows_is_kept_flagged_and_told_until_it_is_accepted() {
    let lab = Lab::new();
    let vendor = Vendor::new(r#"{"errcode":0,"errmsg":"ok"}"#);
    std::fs::write(lab.path("robot.url"), vendor.url()).expect("a file");
    lab.config(&(lab.default_config() + ROBOT));
    lab.run(&["init"]);
    lab.sqlite(
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO contacts SELECT i, 'name ' || i FROM n;",
    );
    let (code, _, stderr) = lab.run(&["backup"]);
    assert_eq!(code, Some(0), "{stderr}");
    lab.sqlite("DELETE FROM contacts;");
    lab.check("backup-held", &["backup"]);
    let (code, ..) = lab.run(&["backup"]);
    assert_eq!(code, Some(22), "it is unusual as long as nobody has accepted it");
    let requests = vendor.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert!(requests[0].contains("table contacts is empty: it had 5,000 rows"), "{requests:#?}");
    let (code, _, stderr) = lab.run(&["accept", "crm@latest", "--reason", "the archive was moved"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = lab.run(&["backup"]);
    assert_eq!(code, Some(0), "{stderr}");
    let requests = vendor.requests();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert!(requests[1].contains("[recovered]"), "{requests:#?}");
}

#[test]
fn a_preview_crosses_changes_of_the_clock() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.check("schedule-none", &["schedule", "preview"]);
    lab.check("run-nothing-scheduled", &["run"]);
    let agent = "[agent]\ntimezone = \"Europe/Berlin\"\nschedule = [\"daily 02:30\"]\n";
    let config =
        lab.default_config().replace("[agent]\n", agent) + "[maintenance]\nverify = [\"sun 06:00\"]\n";
    let freeing = config.clone() + "prune = [\"sun 05:00\"]\ncopy = [\"sun 04:00\"]\n";
    let copy = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\n[people.wang]";
    lab.config(&freeing.replacen("[people.wang]", copy, 1));
    let (_, sunday, _) = lab.run(&["schedule", "preview", "--next", "3", "--from", "2027-03-28T03:30"]);
    let expected = "\
when                            what    schedule
Sun 2027-03-28 04:00:00 +02:00  copy    sun 04:00
Sun 2027-03-28 05:00:00 +02:00  prune   sun 05:00
Sun 2027-03-28 06:00:00 +02:00  verify  sun 06:00
";
    assert_eq!(sunday, expected);
    let scheduled = "[[vault.copy]]\nname = \"barn\"\nurl = \"file://DIR/barn\"\nexpire = [\"sun 04:30\"]\nprune = [\"sun 05:30\"]\n[people.wang]";
    lab.config(&config.replacen("[people.wang]", scheduled, 1));
    let (_, sunday, _) = lab.run(&["schedule", "preview", "--next", "3", "--from", "2027-03-28T03:30"]);
    let expected = "\
when                            what         schedule
Sun 2027-03-28 04:30:00 +02:00  expire barn  sun 04:30
Sun 2027-03-28 05:30:00 +02:00  prune barn   sun 05:30
Sun 2027-03-28 06:00:00 +02:00  verify       sun 06:00
";
    assert_eq!(sunday, expected);
    lab.config(&config);
    let (_, spring, _) = lab.run(&["schedule", "preview", "--next", "4", "--from", "2027-03-27"]);
    let expected = "\
when                            what        schedule
Sat 2027-03-27 02:30:00 +01:00  backup crm  daily 02:30
Sun 2027-03-28 03:00:00 +02:00  backup crm  daily 02:30  the clock skips that time
Sun 2027-03-28 06:00:00 +02:00  verify      sun 06:00
Mon 2027-03-29 02:30:00 +02:00  backup crm  daily 02:30
";
    assert_eq!(spring, expected);
    let (_, autumn, _) = lab.run(&["schedule", "preview", "--next", "3", "--from", "2027-10-30T12:00"]);
    let expected = "\
when                            what        schedule
Sun 2027-10-31 02:30:00 +02:00  backup crm  daily 02:30
Sun 2027-10-31 06:00:00 +01:00  verify      sun 06:00
Mon 2027-11-01 02:30:00 +01:00  backup crm  daily 02:30
";
    assert_eq!(autumn, expected);
    lab.check("schedule-json", &["schedule", "preview", "--next", "1", "--from", "2027-03-28", "--json"]);
    lab.check("schedule-bad-time", &["schedule", "preview", "--from", "tomorrow"]);
    lab.config(&config.replace("daily 02:30", "dayly 02:30"));
    lab.check("schedule-typo", &["schedule", "preview"]);
    lab.config(&config);
    lab.check("run-without-key", &["run"]);
}

#[test]
fn a_vault_without_snapshots_is_not_called_good() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.run(&["init"]);
    lab.check("verify-nothing-yet", &["verify"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    lab.run(&["backup"]);
    std::fs::remove_dir_all(lab.path("vault/snapshots")).expect("the snapshots");
    lab.check("verify-without-snapshots", &["verify"]);
    let (_, status, _) = lab.run(&["status"]);
    assert!(status.contains("verify: run ") && status.contains("the vault holds no snapshot"), "{status}");
}

#[test]
fn a_verify_proves_what_this_host_can_see() {
    let lab = Lab::new();
    lab.config(&lab.default_config());
    lab.run(&["init"]);
    std::fs::write(lab.path("crm.db"), "").expect("an empty database");
    lab.run(&["backup"]);
    lab.check("verify", &["verify"]);
    let (_, status, _) = lab.run(&["status"]);
    assert!(status.contains("NOBODY serves the schedule") && status.contains("verify  20"), "{status}");
    std::fs::remove_dir_all(lab.path("vault/packs")).expect("the packs");
    let (code, stdout, stderr) = lab.run(&["verify"]);
    assert_eq!(code, Some(20), "{stderr}");
    assert!(stdout.contains("is missing") && stderr.contains("1 of 1 snapshots"), "{stdout}{stderr}");
}
