//! Every message that an operator can see without a server, word for word, and the story the program
//! exists for: a database that was destroyed comes back.
//!
//! A test runs the program in a folder of its own and compares exit code, stdout and stderr with a file
//! of `golden/`. After a change that is meant, run the tests once with `LIFEBOAT_GOLDEN=write` and read
//! what changed.

mod lab;
mod requests;

use std::os::unix::fs::PermissionsExt;

use lab::Lab;
use serde_json::Value;

#[test]
fn a_key_is_made_for_its_owner_alone_and_never_replaced() {
    let lab = Lab::new();
    lab.check("keygen", "keygen new.key");
    let text = std::fs::read_to_string(lab.path("new.key")).expect("the key");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("# created: 20") && lines[1].starts_with("# public key: age1"), "{text}");
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3, "{}", lines.len());
    let mode = lab.path("new.key").metadata().expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    lab.check("keygen-again", "keygen new.key");
    assert_eq!(std::fs::read_to_string(lab.path("new.key")).expect("the key"), text);
}

#[test]
fn a_destroyed_database_comes_back_row_for_row() {
    let lab = Lab::with_snapshot();
    std::fs::remove_file(lab.path("crm.db")).expect("the database is destroyed");
    lab.check("restore", "restore crm@latest --to TARGET VAULT WANG");
    lab.check("restore-not-empty", "restore crm@latest --to TARGET VAULT WANG");
    let left = std::fs::read_dir(lab.path("")).expect("the folder").filter_map(Result::ok);
    let scratch = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("lifeboat-restore-"));
    assert_eq!(scratch.count(), 0, "scratch files are removed");
}

#[test]
fn json_ends_with_a_summary_of_what_was_restored() {
    let lab = Lab::with_snapshot();
    let (code, stdout, stderr) = lab.run("restore crm@latest --to TARGET VAULT WANG --json");
    assert_eq!(code, Some(0), "{stderr}");
    let summary: serde_json::Value =
        serde_json::from_str(stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&summary["type"], &summary["source"]), (&"summary".into(), &"crm".into()));
    assert_eq!((&summary["rows"], &summary["tables"]), (&4.into(), &2.into()));
    assert!(summary["load_seconds"].is_f64() && summary["compare_seconds"].is_f64(), "{summary}");
    assert!(summary["skipped"].as_array().is_some_and(Vec::is_empty), "{summary}");
    assert!(summary["refused"].as_array().is_some_and(Vec::is_empty), "{summary}");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let lab = Lab::with_snapshot();
    lab.check("restore-dry-run", "restore crm@latest --to TARGET VAULT WANG --dry-run");
    assert!(!lab.path("new.db").exists());
}

#[test]
fn a_table_is_restored_by_its_name() {
    let lab = Lab::with_snapshot();
    lab.check("restore-unknown-table", "restore crm@latest --to TARGET VAULT WANG --table contcts");
    lab.check("restore-table", "restore crm@latest --to TARGET VAULT WANG --table contacts --no-compare");
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_touched() {
    let lab = Lab::with_snapshot();
    lab.check("restore-other-system", "restore crm@latest --to postgres://u:secret@localhost/x VAULT WANG");
    lab.check("restore-unknown-system", "restore crm@latest --to oracle://u:secret@localhost/x VAULT WANG");
    lab.check("restore-bad-url", "restore crm@latest --to u:secret@localhost VAULT WANG");
    lab.check("restore-roles", "restore crm@latest --to TARGET VAULT WANG --no-owner");
    lab.check("restore-without-rows-key", "restore crm@latest --to TARGET VAULT --identity agent.key");
    lab.check("usage-no-vault", "snapshots WANG");
    lab.check("usage-share", "verify VAULT WANG --read-data=0%");
    assert!(!lab.path("new.db").exists());
}

#[test]
fn a_vault_opens_for_its_people_only() {
    let lab = Lab::with_snapshot();
    lab.check("no-identity", "snapshots VAULT");
    lab.check("no-identity-file", "snapshots VAULT --identity nothing.key");
    lab.check("stranger", "snapshots VAULT --identity stranger.key");
    lab.check("another-root", "snapshots VAULT WANG --root 00000000000000000000000000000000");
    std::fs::rename(lab.path("vault"), lab.path("elsewhere")).expect("the vault moves");
    lab.check("no-vault", "snapshots VAULT WANG");
}

#[test]
fn snapshots_are_listed_and_shown() {
    let lab = Lab::new();
    lab.check("snapshots-none", "snapshots VAULT WANG");
    let lab = Lab::with_snapshot();
    lab.sql("INSERT INTO contacts VALUES (3, 'Li')");
    lab.snapshot();
    lab.check("snapshots", "snapshots VAULT WANG");
    lab.check("snapshots-as-agent", "snapshots VAULT --identity agent.key");
    lab.check("snapshots-unknown-source", "snapshots VAULT WANG --source cmr");
    lab.check("show", "show crm@2026-11-23T03:00 VAULT WANG");
    lab.check("show-nothing", "show crm VAULT WANG");
    lab.check("show-no-such-time", "show crm@2020-01-01 VAULT WANG");
}

#[test]
fn who_can_open_what_is_read_from_the_wraps() {
    let lab = Lab::with_snapshot();
    lab.check("keys-list", "keys list VAULT WANG");
    lab.check("keys-list-as-agent", "keys list VAULT --identity agent.key");
    lab.check("keys-who-can-open", "keys who-can-open crm@latest VAULT WANG");
    let wrap = std::fs::read_dir(lab.path("vault/keys")).expect("the keys").filter_map(Result::ok);
    let high = wrap.map(|entry| entry.path()).find(|path| path.display().to_string().contains("/high-1-"));
    std::fs::remove_file(high.expect("a wrap")).expect("the wrap is lost");
    lab.check("keys-list-lost-wrap", "keys list VAULT WANG");
}

#[test]
fn where_a_person_belongs_is_shown_with_what_they_open() {
    let lab = Lab::with_snapshot();
    let li = lab.recipient("stranger.key");
    let add = format!("keys add li --recipient {li} --grades high VAULT WANG");
    lab.check("keys-add-no-branch", &format!("{add} --branch head/office"));
    lab.ok(&format!("{add} --branch 总部 --role auditor"));
    lab.check("keys-list-branch", "keys list VAULT WANG");
    lab.check("keys-who-can-open-branch", "keys who-can-open crm@latest VAULT WANG");
}

#[test]
fn people_come_and_go() {
    let lab = Lab::with_snapshot();
    let li = lab.recipient("stranger.key");
    let add = format!("keys add li --recipient {li} --grades high,low VAULT WANG");
    lab.check("keys-add-dry-run", &format!("{add} --dry-run"));
    lab.check("keys-add", &add);
    assert_eq!(lab.run("snapshots VAULT --identity stranger.key").0, Some(0), "li opens it now");
    lab.check("keys-list-two", "keys list VAULT WANG");
    lab.check("keys-retire", "keys retire li VAULT WANG");
    lab.check("keys-retired", "snapshots VAULT --identity stranger.key");
    lab.check("keys-list-retired", "keys list VAULT WANG");
    lab.check("keys-retire-unknown", "keys retire zhao VAULT WANG");
    lab.check("keys-retire-last", "keys retire wang VAULT WANG");
    lab.check("keys-rewrap-as-agent", "keys rewrap VAULT --identity agent.key");
    lab.check("keys-rotate", "keys rotate low VAULT WANG");
    lab.check("keys-rotate-unknown", "keys rotate lowest VAULT WANG");
    lab.snapshot();
    lab.check("keys-verify-afterwards", "verify --read-data VAULT WANG");
    lab.check("keys-shred-source", "keys shred --source crm VAULT WANG");
    lab.check("keys-shred-unasked", "keys shred --grade high VAULT WANG");
    lab.check("keys-shred-dry-run", "keys shred --grade high --dry-run VAULT WANG");
    lab.check("keys-shred", "keys shred --grade high --epoch 1 --yes VAULT WANG");
    let (code, told, _) = lab.run("verify VAULT WANG");
    assert_eq!(code, Some(20));
    assert!(told.contains("table contacts is damaged: its key high 1 was shredded"), "{told}");
}

#[test]
fn two_people_open_together_what_neither_opens_alone() {
    let lab = Lab::with_snapshot();
    let li = lab.recipient("stranger.key");
    let add = format!("keys add li --recipient {li} --grades high VAULT WANG");
    assert_eq!(lab.run(&add).0, Some(0));
    assert_eq!(lab.run("keys quorum high 2 VAULT WANG").0, Some(0));
    for alone in ["restore crm@latest --to TARGET VAULT WANG", "keys rewrap VAULT WANG"] {
        let (code, _, stderr) = lab.run(alone);
        assert_eq!(code, Some(12), "{alone}: {stderr}");
    }
    let together = "restore crm@latest --to TARGET VAULT WANG --identity stranger.key";
    let (code, _, stderr) = lab.run(together);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, told, _) = lab.run("keys list VAULT WANG --identity stranger.key");
    assert_eq!(code, Some(0));
    assert!(told.contains("high, epoch 2, 2 together") && told.contains("root, 2 together"), "{told}");
    let (_, told, _) = lab.run("audit show --what restore VAULT WANG");
    assert_eq!(told.matches("together with li").count(), 2, "{told}");
    assert_eq!(told.matches("refused: no usable key").count(), 1, "{told}");
    assert_eq!(lab.run("verify --read-data VAULT WANG --identity stranger.key").0, Some(0));
    assert_eq!(lab.control("VER-01", "VAULT WANG"), "pass", "two who read every row together prove it");
}

#[test]
fn what_was_done_is_on_the_record() {
    let lab = Lab::with_snapshot();
    lab.check("audit-show-none", "audit show VAULT WANG");
    let (code, ..) = lab.run("restore crm@latest --to TARGET VAULT WANG --reason drill");
    assert_eq!(code, Some(0));
    lab.run("verify --read-data VAULT WANG");
    lab.run("verify VAULT --identity agent.key");
    lab.run("restore crm@latest --to TARGET VAULT --identity agent.key");
    lab.run("keys rotate low VAULT WANG");
    lab.check("audit-show", "audit show VAULT --identity agent.key");
    lab.check("audit-show-restores", "audit show --what restore --by wang VAULT WANG");
    lab.check("audit-verify", "audit verify VAULT WANG");
    let (_, anchor, _) = lab.run("audit anchor VAULT WANG");
    std::fs::write(lab.path("anchor.txt"), &anchor).expect("the anchor");
    lab.check("audit-verify-anchor", "audit verify --anchor anchor.txt VAULT WANG");
    std::fs::write(lab.path("not.txt"), "something else").expect("a file");
    lab.check("audit-verify-no-anchor", "audit verify --anchor not.txt VAULT WANG");
    let (_, export, _) = lab.run("audit export VAULT WANG");
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let restores: Vec<_> = lines.filter(|line| line["what"] == "restore").collect();
    assert_eq!(restores.len(), 3, "{export}");
    assert_eq!((&restores[1]["result"], &restores[1]["rows"]), (&"done".into(), &4.into()), "{export}");
    assert_eq!((&restores[0]["result"], &restores[0]["loaded"]), (&"begun".into(), &Value::Null), "{export}");
    let loaded = &restores[1]["loaded"];
    assert_eq!((&loaded["whole"], &loaded["differences"]), (&true.into(), &0.into()), "{export}");
    assert!(loaded["load_seconds"].is_u64() && loaded["compare_seconds"].is_u64(), "{export}");
    assert_eq!((&restores[2]["result"], &restores[2]["kind"]), (&"refused".into(), &"no usable key".into()));
    assert!(!export.contains("Ada") && !export.contains("AGE-SECRET"), "neither rows nor secrets: {export}");
    let chains = std::fs::read_dir(lab.path("vault/audit")).expect("the record").filter_map(Result::ok);
    let last = chains.map(|chain| chain.path().join("00000004")).find(|entry| entry.exists());
    std::fs::remove_file(last.expect("wang's last entry")).expect("it is removed");
    lab.check("audit-broken", "audit verify --anchor anchor.txt VAULT WANG");
}

#[test]
fn only_a_whole_restore_that_was_compared_shows_that_nothing_differs() {
    let lab = Lab::with_snapshot();
    let check = |options: &str, expected: &str| {
        let _ = std::fs::remove_file(lab.path("new.db"));
        let (code, _, stderr) = lab.run(&format!("restore crm@latest --to TARGET {options} VAULT WANG"));
        assert_eq!(code, Some(0), "{options}: {stderr}");
        assert_eq!(lab.control("VER-03", "VAULT WANG"), expected, "{options}");
    };
    check("--table contacts", "unknown");
    check("", "pass");
    check("--no-compare", "fail");
    check("", "pass");
}

#[test]
fn two_vaults_share_keys_when_one_was_copied_and_none_when_each_was_made() {
    let (hamburg, shanghai) = (Lab::with_snapshot(), Lab::new());
    let fleet = |other: &std::path::Path, key: &std::path::Path| {
        let vault = |name: &str, folder: &std::path::Path, key: &std::path::Path| {
            let (folder, key) = (folder.display(), key.display());
            format!("[[vault]]\nname = \"{name}\"\nurl = \"file://{folder}\"\nidentity = \"{key}\"\n")
        };
        let own = vault("hamburg", &hamburg.path("vault"), &hamburg.path("wang.key"));
        let text = format!("version = 1\n{own}{}", vault("shanghai", other, key));
        std::fs::write(hamburg.path("fleet.toml"), text).expect("a file");
    };
    let control = |id: &str| hamburg.control(id, "VAULT WANG --vaults fleet.toml");
    assert_eq!(hamburg.control("CRY-09", "VAULT WANG"), "unknown");
    fleet(&shanghai.path("vault"), &shanghai.path("wang.key"));
    assert_eq!((control("CRY-09"), control("ACC-06")), ("pass".into(), "unknown".into()));
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([hamburg.path("vault"), hamburg.path("twin")])
        .status();
    assert!(copied.expect("cp").success());
    fleet(&hamburg.path("twin"), &hamburg.path("wang.key"));
    assert_eq!(control("CRY-09"), "fail");
    fleet(&hamburg.path("nowhere"), &hamburg.path("wang.key"));
    assert_eq!(control("CRY-09"), "unknown");
}

#[test]
fn a_restore_with_credentials_that_may_only_read_is_told_not_to_be_recorded_and_goes_on() {
    let lab = Lab::with_snapshot();
    // A file where the record's folder would be: as good as a store that denies every write below it.
    std::fs::write(lab.path("vault/audit"), "").expect("a file in the way");
    lab.check("restore-not-recorded", "restore crm@latest --to TARGET VAULT WANG");
}

#[test]
fn a_restore_is_on_the_record_before_its_first_row_is_opened() {
    let lab = Lab::with_snapshot();
    std::fs::write(lab.path("vault/audit"), "").expect("a file in the way");
    let (code, _, told) = lab.run("restore crm@latest --to TARGET VAULT WANG --skip-damaged");
    assert_eq!(code, Some(0));
    let place = |words: &str| told.find(words).unwrap_or_else(|| panic!("{words}: {told}"));
    assert!(place("NOT RECORDED") < place("reading every row"), "{told}");
}

#[test]
fn a_change_of_keys_that_fails_is_on_the_record() {
    let lab = Lab::with_snapshot();
    // As if the newest keyring had been damaged.
    std::fs::write(lab.path("vault/keys/keyring-00000002"), "in the way").expect("a file");
    let (code, _, stderr) = lab.run("keys rotate low VAULT WANG");
    assert_eq!(code, Some(20), "{stderr}");
    let (_, told, _) = lab.run("audit show --what keys VAULT WANG");
    assert!(told.contains("failed: ") && told.contains("rotate low"), "{told}");
}

#[test]
fn verify_says_how_far_it_looked() {
    let lab = Lab::with_snapshot();
    lab.check("verify", "verify VAULT WANG");
    lab.check("verify-data", "verify crm@latest --read-data VAULT WANG");
    lab.check("verify-data-as-agent", "verify --read-data VAULT --identity agent.key");
}

#[test]
fn a_vault_without_snapshots_is_not_called_good() {
    let lab = Lab::with_snapshot();
    lab.remove("snapshots");
    lab.check("verify-without-snapshots", "verify VAULT WANG");
}

#[test]
fn a_damaged_manifest_shows_wherever_it_matters() {
    let lab = Lab::with_snapshot();
    lab.damage("snapshots");
    lab.check("damaged-manifest-snapshots", "snapshots VAULT WANG");
    lab.check("damaged-manifest-verify", "verify VAULT WANG");
    lab.sql("INSERT INTO contacts VALUES (3, 'Li')");
    lab.snapshot();
    lab.check("damaged-manifest-restore", "restore crm@latest --to TARGET VAULT WANG");
}

/// Fills one table such that its rows are in the largest pack, alone.
fn with_a_large_table() -> Lab {
    let lab = Lab::with_snapshot();
    lab.sql(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO notes SELECT i, randomblob(2000) FROM n;",
    );
    lab.snapshot();
    lab
}

#[test]
fn a_missing_pack_stops_a_restore_before_it_begins() {
    let lab = with_a_large_table();
    lab.remove("packs");
    lab.check("missing-pack-verify", "verify VAULT WANG");
    lab.check("missing-pack-restore", "restore crm@latest --to TARGET VAULT WANG");
    assert!(!lab.path("new.db").exists());
}

#[test]
fn a_flipped_bit_costs_one_table_and_never_passes_for_success() {
    let lab = with_a_large_table();
    lab.damage("packs");
    lab.check("damaged-pack-verify", "verify --read-data VAULT WANG");
    lab.check("damaged-pack-restore", "restore crm@latest --to TARGET VAULT WANG");
    assert!(!lab.path("new.db").exists());
    lab.check("damaged-pack-skipped", "restore crm@latest --to TARGET VAULT WANG --skip-damaged");
    assert!(lab.path("new.db").exists());
}

#[test]
fn a_vault_of_a_fleet_that_fails_hides_none_of_the_others() {
    let lab = Lab::with_snapshot();
    let url = format!("file://{}", lab.path("").display());
    let fleet = format!(
        "version = 1\nidentity = \"wang.key\"\n\
         [[vault]]\nname = \"east\"\nurl = \"{url}vault\"\nidentity = \"stranger.key\"\n\
         [[vault]]\nname = \"north\"\nurl = \"{url}vault\"\n\
         [[vault]]\nname = \"south\"\nurl = \"{url}nowhere\"\n"
    );
    std::fs::write(lab.path("fleet.toml"), fleet).expect("the fleet's file");
    lab.check("fleet", "fleet --vaults fleet.toml");
    lab.damage("snapshots");
    lab.check("fleet-damaged", "fleet --vaults fleet.toml");
    std::fs::write(lab.path("fleet.toml"), "version = 1\n").expect("the fleet's file");
    lab.check("fleet-empty", "fleet --vaults fleet.toml");
}

#[test]
fn a_report_says_what_was_seen_of_a_real_vault_and_what_was_not() {
    let lab = Lab::with_snapshot();
    lab.check("report", "report VAULT WANG");
    let (code, stdout, _) = lab.run("report VAULT WANG --json --lang zh");
    assert_eq!(code, Some(1), "a folder locks nothing");
    let report = stdout.lines().find(|line| line.starts_with("{\"type\":\"report\"")).expect("a report");
    assert!(report.contains("\"schema\":\"lifeboat.report/1\""), "{report}");
    let config = format!(
        "version = 1\nvault.url = \"file://{}vault\"\npeople.wang.recipient = \"{}\"\n\
         agent = {{ name = \"db1\", state = \".\", schedule = [\"daily 02:30\"], timezone = \"UTC\" }}\n\
         [[source]]\nname = \"crm\"\nurl = \"sqlite:///crm.db\"\n",
        lab.path("").display(),
        lab.recipient("wang.key")
    );
    std::fs::write(lab.path("lifeboat.toml"), config).expect("a configuration");
    // The agent's own host: its key is in the state folder, and so, against all advice, are people's.
    lab.check("report-on-the-host", "report --config lifeboat.toml --html report.html --lang zh");
    let html = std::fs::read_to_string(lab.path("report.html")).expect("the file");
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"), "it is whole");
    assert!(html.contains("wang.key") && html.contains("sha256:"), "it names what was found");
}

#[test]
fn a_report_counts_nobody_who_is_retired() {
    let lab = Lab::with_snapshot();
    let escrow = age::x25519::Identity::generate().to_public();
    for (name, recipient) in [("li", lab.recipient("stranger.key")), ("old-escrow", escrow.to_string())] {
        let add = format!("keys add {name} --recipient {recipient} --grades high,medium,low VAULT WANG");
        assert_eq!(lab.run(&add).0, Some(0));
    }
    assert_eq!(lab.control("CRY-02", "VAULT WANG"), "pass");
    assert_eq!(lab.run("keys retire old-escrow VAULT WANG").0, Some(0));
    let left = lab.control("CRY-02", "VAULT WANG");
    assert_eq!(left, "unknown", "two are left, and none of them is an escrow");
}
