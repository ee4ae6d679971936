//! Command lines that cannot be meant.

use lifeboat_tests::{agent, restore, run};

use super::golden::Words;

#[test]
fn a_command_line_that_cannot_be_meant_is_refused_with_code_2() {
    let words = Words::default();
    let refused: [(&str, &[&str]); 7] = [
        ("usage-restore-nothing", &["restore"]),
        ("usage-restore-unknown-verb", &["resotre"]),
        ("usage-restore-unknown-option", &["snapshots", "--vault", "file:///v", "--vualt", "x"]),
        ("usage-restore-no-vault", &["snapshots"]),
        ("usage-restore-bad-share", &["verify", "--vault", "file:///v", "--read-data=0%"]),
        ("usage-restore-bad-vault", &["snapshots", "--vault", "vault"]),
        (
            "usage-restore-bad-role",
            &["restore", "crm@latest", "--vault", "file:///v", "--to", "sqlite:///n", "--map-role", "x"],
        ),
    ];
    for (name, args) in refused {
        words.check(name, &run(restore().args(args).env("COLUMNS", "100")).exits(2));
    }
    words.check("usage-agent-nothing", &run(agent().env("COLUMNS", "100")).exits(2));
    words.check("usage-agent-unknown-option", &run(agent().args(["backup", "--sources", "crm"])).exits(2));
}

#[test]
fn help_says_what_each_verb_does() {
    let words = Words::default();
    words.check("help-agent", &run(agent().arg("--help").env("COLUMNS", "100")).success());
    words.check("help-restore", &run(restore().arg("--help").env("COLUMNS", "100")).success());
    words.check(
        "help-restore-restore",
        &run(restore().args(["restore", "--help"]).env("COLUMNS", "100")).success(),
    );
    words
        .check("help-agent-backup", &run(agent().args(["backup", "--help"]).env("COLUMNS", "100")).success());
}
