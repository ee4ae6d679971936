//! A vault that is not there, not ours or not of our time, and keys that do not fit.

use std::fs;
use std::process::Command;

use lifeboat_tests::run;

use super::support::{check_says, sqlite};
use crate::company::{Company, DB1, Source};

fn company() -> Company {
    let company = Company::new();
    let path = company.path("crm.db");
    sqlite(&path, "CREATE TABLE t (n); INSERT INTO t VALUES (1)");
    company.configure(
        DB1,
        &[Source { name: "crm", url: format!("sqlite://{}", path.display()), password: None }],
    );
    company
}

/// All programs that open a vault say the same and end with the same code.
#[track_caller]
fn check(company: &Company, code: i32, words: &[&str]) {
    check_says(&run(&mut company.agent(DB1, &["backup"])).exits(code), words);
    let new = company.path("new.db");
    let to = format!("sqlite://{}", new.display());
    let commands: [&[&str]; 4] =
        [&["snapshots"], &["show", "crm@latest"], &["verify"], &["restore", "crm@latest", "--to", &to]];
    for args in commands {
        check_says(&run(&mut company.restore(args)).exits(code), words);
        assert!(!new.exists(), "{args:?} touched the target");
    }
}

#[test]
fn a_vault_that_is_not_there_is_told() {
    let company = company();
    company.init(DB1);
    fs::rename(company.vault(), company.path("elsewhere")).expect("the vault moves");
    check(&company, 10, &["there is no vault at file://", "hint: check the URL"]);
    assert!(!company.vault().exists(), "looking for a vault made a folder");
    // A folder that is there and holds something else is no vault either.
    fs::create_dir(company.vault()).expect("a folder");
    fs::write(company.vault().join("letter.txt"), "mine").expect("a file");
    check(&company, 10, &["there is no vault at file://"]);
}

#[test]
fn a_vault_of_a_newer_format_is_left_alone() {
    let company = company();
    company.init(DB1);
    company.back_up(DB1);
    let record = company.vault().join("vault");
    let bytes = fs::read(&record).expect("the vault's record");
    let newer = String::from_utf8_lossy(&bytes).replacen("lifeboat 1 vault", "lifeboat 2 vault", 1);
    run(Command::new("chmod").arg("u+w").arg(&record)).success();
    fs::write(&record, newer).expect("the record is replaced");
    check(
        &company,
        1,
        &["the vault's format 2 is not one this program knows", "install a version of Lifeboat"],
    );
    fs::write(&record, bytes).expect("the record is put back");
    company.verify();
}

#[test]
fn an_identity_that_fits_no_key_is_told() {
    let mut company = company();
    company.init(DB1);
    company.back_up(DB1);
    let wang = fs::read(company.identity("wang")).expect("the key");
    fs::remove_file(company.identity("wang")).expect("the key");
    run(Command::new("age-keygen").arg("-o").arg(company.identity("wang"))).success();
    let to = format!("sqlite://{}", company.path("new.db").display());
    for args in [&["snapshots"][..], &["verify", "--read-data"], &["restore", "crm@latest", "--to", &to]] {
        let refused = run(&mut company.restore(args)).exits(12);
        check_says(
            &refused,
            &["no identity given opens", "give the identity of a person on the recovery sheet"],
        );
    }
    fs::write(company.identity("wang"), "this is no key\n").expect("a file");
    let refused = run(&mut company.restore(&["snapshots"]));
    assert_ne!(refused.code(), Some(0));
    check_says(&refused, &["wang.txt"]);
    fs::remove_file(company.identity("wang")).expect("the file");
    let refused = run(&mut company.restore(&["snapshots"]));
    assert_ne!(refused.code(), Some(0));
    check_says(&refused, &["wang.txt"]);
    fs::write(company.identity("wang"), wang).expect("the key is put back");
    company.environment().clear();
    company.verify();
}

#[test]
fn a_recipient_that_cannot_be_meant_is_refused_before_a_vault_is_made() {
    let company = company();
    let text = fs::read_to_string(company.config(DB1)).expect("the configuration");
    let secret = fs::read_to_string(company.identity("wang")).expect("the key");
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).expect("an age key");
    let at = text.find("age1").expect("a recipient");
    let recipient: String = text[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut typo = recipient.clone();
    typo.replace_range(10..11, if &recipient[10..11] == "q" { "p" } else { "q" });
    for wrong in [typo.as_str(), secret, "age1", "wang", "ssh-ed25519 AAAA", ""] {
        fs::write(company.config(DB1), text.replace(&recipient, wrong)).expect("the configuration");
        let refused = run(&mut company.agent(DB1, &["init"])).exits(40);
        check_says(&refused, &["recipient"]);
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(!said.contains("AGE-SECRET-KEY-1"), "a secret key was repeated:\n{said}");
        assert!(!company.vault().exists(), "a vault was made for {wrong:?}");
    }
}

#[test]
fn a_name_that_no_snapshot_has_is_told() {
    let company = company();
    company.init(DB1);
    let none = run(&mut company.restore(&["show", "crm@latest"])).exits(1);
    check_says(
        &none,
        &["the vault holds no snapshot yet", "`lifeboat-restore snapshots` lists what there is"],
    );
    company.back_up(DB1);
    for name in ["crn@latest", "crm@1999-01-01", "ffffffffffffffff"] {
        let none = run(&mut company.restore(&["show", name])).exits(1);
        check_says(&none, &["`lifeboat-restore snapshots` lists what there is"]);
    }
}
