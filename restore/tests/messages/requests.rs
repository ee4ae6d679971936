//! What takes several people who are not in one place: asked for, approved, refused, taken back and used.

use serde_json::Value;

use crate::lab::Lab;

/// The requests that the vault has, as the program lists them.
fn listed(lab: &Lab) -> Vec<Value> {
    let told = lab.run("requests VAULT WANG --json").1;
    let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    lines.filter(|line| line["type"] == "request").collect()
}

/// The id of the newest request.
fn newest(lab: &Lab) -> String {
    listed(lab).last().expect("a request")["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_restore_is_asked_for_approved_by_others_and_done() {
    let lab = Lab::with_quorum(&["li", "zhao"], 3);
    lab.check("requests-none", "requests VAULT WANG");
    let ask = "request crm@latest --to TARGET --reason subpoena VAULT WANG";
    lab.check("request", ask);
    let id = newest(&lab);
    let short = &id[..8];
    let restore = format!("restore crm@latest --to TARGET VAULT WANG --request {short}");
    lab.check("request-approve-own", &format!("approve {short} --yes VAULT WANG"));
    lab.check("request-approve-unasked", &format!("approve {short} VAULT LI"));
    lab.check("request-approve", &format!("approve {short} --yes VAULT LI"));
    lab.check("request-approve-again", &format!("approve {short} --yes VAULT LI"));
    lab.check("request-approve-together", &format!("approve {short} --yes VAULT LI ZHAO"));
    lab.check("request-approve-as-agent", &format!("approve {short} --yes VAULT --identity agent.key"));
    lab.check("request-approve-unknown", "approve 00000000 --yes VAULT LI");
    lab.check("restore-approval-missing", &restore);
    lab.check("requests-open", "requests VAULT ZHAO");
    lab.check("request-approve-last", &format!("approve {id} --yes VAULT ZHAO"));
    lab.check("requests-approved", "requests VAULT ZHAO");
    // Nothing but what was asked for, and for nobody else.
    lab.check("restore-another-plan", &format!("{restore} --table contacts"));
    lab.check("restore-another-person", &restore.replace("WANG", "LI"));
    lab.check("restore-no-request-key", &format!("{restore} --request-key nothing.key"));
    lab.check("restore-other-request-key", &format!("{restore} --request-key wang.key"));
    assert!(!lab.path("new.db").exists(), "nothing was touched");
    // A restore that fails may be begun again, so its key stays.
    let key = lab.path(&format!("lifeboat-request-{short}.key"));
    std::fs::write(lab.path("new.db"), "in the way").expect("a file");
    let (code, _, stderr) = lab.run(&restore);
    assert!(code == Some(1) && key.exists(), "{code:?} {stderr}");
    std::fs::remove_file(lab.path("new.db")).expect("the file");
    lab.check("restore-approved", &restore);
    assert!(lab.path("new.db").exists() && !key.exists(), "the key has been used");
    let told = lab.ok("audit export VAULT WANG");
    let entries = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let deeds: Vec<_> = entries
        .map(|line| {
            let word = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
            (word("name"), word("what"), word("result"), word("kind"), word("plan"))
        })
        .collect();
    let did = |name: &str, what: &str, result: &str| {
        let same = |deed: &&(String, String, String, String, String)| {
            (&*deed.0, &*deed.1, &*deed.2) == (name, what, result)
        };
        deeds.iter().filter(same).collect::<Vec<_>>()
    };
    assert_eq!(did("wang", "request", "done").len(), 1, "{deeds:?}");
    assert_eq!(did("wang", "approve", "refused")[0].3, "denied by policy", "{deeds:?}");
    assert_eq!(did("li", "approve", "done").len() + did("zhao", "approve", "done").len(), 2, "{deeds:?}");
    let plan = &did("wang", "request", "done")[0].4;
    assert_eq!((plan, plan.len()), (&did("wang", "restore", "done")[0].4, 64), "{deeds:?}");
    assert!(did("wang", "restore", "refused").iter().any(|deed| deed.3 == "approval missing"), "{deeds:?}");
    assert!(!told.contains("Ada"), "{told}");
}

#[test]
fn a_request_refused_or_taken_back_is_good_for_nothing() {
    let lab = Lab::with_quorum(&["li", "zhao"], 3);
    let ask = "request crm@latest --to TARGET --reason drill VAULT WANG";
    lab.ok(ask);
    let refused = newest(&lab);
    lab.ok(&format!("approve {refused} --yes VAULT LI"));
    lab.check("refuse-own", &format!("refuse {refused} --reason no VAULT WANG"));
    lab.check("refuse", &format!("refuse {refused} --reason who-asked VAULT ZHAO"));
    let key = |id: &str| lab.path(&format!("lifeboat-request-{}.key", &id[..8]));
    assert!(key(&refused).exists(), "whoever asked has not seen it yet");
    lab.check("approve-refused", &format!("approve {refused} --yes VAULT ZHAO"));
    lab.check("restore-refused", &format!("restore crm@latest --to TARGET VAULT WANG --request {refused}"));
    assert!(!key(&refused).exists(), "it is good for nothing more");
    lab.ok(&format!("{ask} --for 30m"));
    let revoked = newest(&lab);
    lab.ok(&format!("approve {revoked} --yes VAULT LI"));
    lab.check("revoke-approval", &format!("revoke {revoked} --reason mistaken VAULT LI"));
    lab.check("revoke-again", &format!("revoke {revoked} --reason mistaken VAULT LI"));
    lab.check("revoke-nothing", &format!("revoke {revoked} --reason mistaken VAULT ZHAO"));
    let restore = format!("restore crm@latest --to TARGET VAULT WANG --request {revoked}");
    lab.check("restore-approval-taken-back", &restore);
    lab.check("revoke", &format!("revoke {revoked} --reason found-it VAULT WANG"));
    assert!(!key(&revoked).exists());
    lab.check("restore-revoked", &restore);
    lab.check("requests-ended", "requests VAULT WANG");
    // What holds more than the key is nobody's to remove, and what others see removes nothing.
    lab.ok(&format!("{ask} --for 30m"));
    let (mixed, identity) = (newest(&lab), std::fs::read_to_string(lab.path("wang.key")).expect("a key"));
    let both = std::fs::read_to_string(key(&mixed)).expect("its key") + &identity;
    std::fs::write(key(&mixed), both).expect("two keys in one file");
    lab.ok(&format!("refuse {mixed} --reason no VAULT LI"));
    lab.ok("requests VAULT LI");
    lab.check("requests-mixed-key", "requests VAULT WANG");
    assert!(key(&mixed).exists());
}

#[test]
fn what_needs_no_approval_is_not_asked_for() {
    let lab = Lab::with_snapshot();
    lab.check("request-needless", "request crm@latest --to TARGET --reason drill VAULT WANG");
    lab.check("request-too-long", "request crm@latest --to TARGET --reason drill --for 8w VAULT WANG");
}

#[test]
fn what_one_person_opens_alone_others_approve_or_the_glass_is_broken() {
    let lab = Lab::with_quorum(&["li"], 1);
    lab.check("keys-approvals-too-many", "keys approvals high 2 VAULT WANG");
    lab.check("keys-approvals", "keys approvals high 1 VAULT WANG");
    lab.check("keys-list-approvals", "keys list VAULT WANG");
    let restore = "restore crm@latest --to TARGET VAULT WANG";
    lab.check("restore-unapproved", restore);
    lab.check("restore-glass-without-reason", &format!("{restore} --break-glass"));
    assert!(!lab.path("new.db").exists(), "nothing was touched");
    lab.ok("request crm@latest --to TARGET --reason drill VAULT WANG");
    let id = newest(&lab);
    let (code, _, stderr) = lab.run(&format!("{restore} --request {id}"));
    assert_eq!(code, Some(30), "{stderr}");
    lab.check("request-approve-whole", &format!("approve {id} --yes VAULT LI"));
    let again = || std::fs::remove_file(lab.path("new.db")).expect("it was restored");
    lab.ok(&format!("{restore} --request {id}"));
    again();
    // Whoever is here has approved it.
    lab.ok(&format!("{restore} LI"));
    again();
    lab.check("restore-break-glass", &format!("{restore} --break-glass --reason fire"));
    again();
    let told = lab.ok("audit export VAULT WANG");
    let entries = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let broken: Vec<_> = entries.filter(|line| line["what"] == "break-glass").collect();
    assert_eq!((broken.len(), &broken[0]["reason"], &broken[0]["rows"]), (1, &"fire".into(), &4.into()));
    lab.check("keys-approvals-fewer", "keys approvals high 0 VAULT WANG");
    lab.ok("keys approvals high 0 VAULT WANG LI");
    lab.check("restore-no-glass", &format!("{restore} --break-glass --reason fire"));
    lab.ok(restore);
}

#[test]
fn what_no_key_opens_is_decided_by_two_people() {
    let alone = Lab::with_snapshot();
    alone.check("request-expire-nobody", "request-expire crm@latest --reason old VAULT WANG");
    let lab = Lab::with_quorum(&["li"], 1);
    lab.check("request-expire", "request-expire crm@latest --reason case-closed VAULT WANG");
    lab.check("request-expire-approve", &format!("approve {} --yes VAULT LI", newest(&lab)));
    lab.check("request-expire-listed", "requests VAULT WANG");
    lab.check("request-expire-revoke", &format!("revoke {} --reason found-it VAULT WANG", newest(&lab)));
    lab.check("request-keep-nothing-agreed", "request-keep crm --last 1 --reason full-disk VAULT WANG");
    lab.check("request-release-nothing", "request-release crm@latest --reason case-closed VAULT WANG");
}

#[test]
fn keys_are_destroyed_by_people_who_are_not_in_one_place() {
    let lab = Lab::with_quorum(&["li", "zhao"], 2);
    let shred = "keys shred --grade high --epoch 1 VAULT WANG";
    lab.check("keys-shred-ask-without-reason", &format!("{shred} --ask"));
    lab.check("keys-shred-ask", &format!("{shred} --ask --reason contract-ended"));
    let id = newest(&lab);
    let (code, _, stderr) = lab.run(&format!("{shred} --yes --request {id}"));
    assert_eq!(code, Some(30), "{stderr}");
    lab.check("request-approve-shred", &format!("approve {id} --yes VAULT LI"));
    lab.check("keys-shred-another-plan", &format!("keys shred --grade high VAULT WANG --yes --request {id}"));
    lab.check("restore-by-shred", &format!("restore crm@latest --to TARGET VAULT WANG --request {id}"));
    lab.check("requests-shred", "requests VAULT WANG");
    lab.check("keys-shred-approved", &format!("{shred} --yes --request {id}"));
    let told = lab.ok("audit show --what keys VAULT WANG");
    assert!(told.contains("approved by li"), "{told}");
}
