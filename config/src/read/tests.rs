//! What an operator sees for a good file, and for each way in which a file can be wrong.

use std::path::Path;

use crate::{Config, Grade, LockMode, SecretRef};

const GOOD: &str = r#"version = 1
[vault]
url = "file:///srv/lifeboat/vault"
[people.wang]
recipient = "age1wang"
[agent]
name = "db1"
[[source]]
name = "crm"
url = "postgres://backup@db.internal/crm?sslmode=verify-full"
password = "{env:CRM}"
"#;

/// Parses `text` and compares the error as it is printed, or `ok`.
fn check(text: &str, expected: &str) {
    let printed = match Config::parse(text, Path::new("lifeboat.toml")) {
        Ok(_) => "ok".to_owned(),
        Err(error) => {
            let hints: String = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
            format!("error: {error}{hints}")
        }
    };
    assert_eq!(printed, expected, "for\n{text}");
}

/// As `check`, for the good file with `old` replaced by `new`.
fn check_with(old: &str, new: &str, expected: &str) {
    assert!(GOOD.contains(old), "{old}");
    check(&GOOD.replace(old, new), expected);
}

fn good() -> Config {
    Config::parse(GOOD, Path::new("/etc/lifeboat/lifeboat.toml")).expect("a good configuration")
}

#[test]
fn a_good_file_gives_types_and_defaults() {
    let config = good();
    assert_eq!(config.vault.url.as_str(), "file:///srv/lifeboat/vault");
    assert_eq!(config.people["wang"].grades, [Grade::High, Grade::Medium, Grade::Low]);
    assert_eq!(config.agent.state, Path::new("/var/lib/lifeboat"));
    assert_eq!(config.agent.readers, 2);
    assert!(config.source("crm").is_some_and(|source| !source.allow_plaintext));
    assert!(config.source("erp").is_none());
}

#[test]
fn the_effective_configuration_is_shown_with_secrets_masked() {
    let mut config = good();
    let expected = r#"version = 1
branch = "db1"

[vault]
url = "file:///srv/lifeboat/vault"
keep_min_days = 7

[people.wang]
recipient = "age1wang"
grades = ["high", "medium", "low"]

[agent]
name = "db1"
state = "/var/lib/lifeboat"
readers = 2
jitter = "0s"
deadline = "12h"
stalled_after = "1h"
retries = 4
jobs = 1

[[source]]
name = "crm"
url = "postgres://backup@db.internal/crm?sslmode=verify-full"
password = "{env:CRM}"
allow_plaintext = false
schedule = []
"#;
    assert_eq!(config.to_masked_toml(), expected);
    config.sources[0].password = Some(SecretRef::Literal(crate::Secret::new("hunter2".into())));
    assert_eq!(config.to_masked_toml(), expected.replace("{env:CRM}", "********"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_store_says_where_it_may_lie_and_an_empty_list_is_refused() {
    let with = |regions: &str| GOOD.replace("[people.wang]", &format!("regions = {regions}\n[people.wang]"));
    let text = with("[\"eu-central-1\", \"eu-west-1\"]");
    let config = Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration");
    assert_eq!(config.vault.regions, ["eu-central-1", "eu-west-1"]);
    let refused = Config::parse(&with("[]"), Path::new("lifeboat.toml")).expect_err("it is refused");
    assert!(refused.to_string().contains("names no region"), "{refused}");
}

#[test]
fn a_source_says_what_was_promised_of_it_and_no_time_is_none() {
    let text = GOOD.replace("name = \"crm\"", "name = \"crm\"\nrto = \"90m\"\nrpo = \"25h\"");
    let config = Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration");
    let source = config.source("crm").expect("it is there");
    assert_eq!([source.rto, source.rpo].map(|time| time.expect("a time").as_secs()), [90 * 60, 25 * 60 * 60]);
    let shown = config.to_masked_toml();
    assert!(shown.contains("rto = \"1h 30m\"\nrpo = \"25h\"\n"), "{shown}");
    check_with(
        "name = \"crm\"",
        "name = \"crm\"\nrto = \"0s\"",
        "error: lifeboat.toml:10:7: `rto` in [[source]]: nothing is as fast\nhint: leave the line out where no time was promised",
    );
}

#[test]
fn the_shipped_example_is_a_configuration_that_its_unit_can_run() {
    let text = include_str!("../../examples/lifeboat.toml");
    let config = Config::parse(text, Path::new("examples/lifeboat.toml")).expect("the example");
    assert_eq!((config.people.len(), config.sources.len()), (2, 3));
    let shown = config.to_masked_toml();
    let again = Config::parse(&shown, Path::new("shown.toml")).expect("what is shown is a configuration");
    assert_eq!(again.to_masked_toml(), shown);
    let unit = include_str!("../../systemd/lifeboat-agent.service");
    for source in &config.sources {
        if let Some(SecretRef::Credential(name)) = &source.password {
            assert!(unit.contains(&format!("LoadCredential={name}:/etc/lifeboat/{name}\n")), "{name}");
        }
    }
}

#[test]
fn a_source_keeps_what_it_says_itself_or_what_the_vault_says() {
    let vault = "keep = { daily = 7, yearly = 7 }\nkeep_min_days = 3\n[people.wang]";
    let text = GOOD.replace("[people.wang]", vault);
    let config = Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration");
    let (keep, days) = config.keep("crm").expect("a policy");
    assert_eq!((keep.last, keep.daily, keep.weekly, keep.yearly, days), (0, 7, 0, 7, 3));
    assert!(config.keep("of-another-host").is_some(), "the vault's policy is for every source in it");
    let own = text + "keep = { last = 1, tags = [\"release\"] }\nkeep_min_days = 0\n";
    let config = Config::parse(&own, Path::new("lifeboat.toml")).expect("a good configuration");
    let (keep, days) = config.keep("crm").expect("a policy");
    assert_eq!((keep.last, keep.daily, &keep.tags[..], days), (1, 0, &["release".to_owned()][..], 0));
    assert!(good().keep("crm").is_none(), "without a policy everything stays");
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    check_with(
        "name = \"crm\"",
        "name = \"crm\"\nkeep = { dayly = 7 }",
        "error: lifeboat.toml:10:10: unknown key `dayly` in keep\nhint: did you mean `daily`?",
    );
    check_with(
        "name = \"crm\"",
        "name = \"crm\"\nkeep = { tags = [\"release\"] }",
        "error: lifeboat.toml:10:8: `keep` in [[source]] would keep one snapshot only\nhint: write `keep = { last = 3, daily = 7, weekly = 8, monthly = 12, yearly = 7 }`, or leave it out to keep everything",
    );
}

#[test]
fn a_relative_path_starts_from_the_files_folder() {
    let text =
        GOOD.replace("{env:CRM}", "{file:crm.password}").replace("name = \"db1\"", "state = \"state\"");
    let config =
        Config::parse(&text, Path::new("/etc/lifeboat/lifeboat.toml")).expect("a good configuration");
    assert_eq!(config.agent.state, Path::new("/etc/lifeboat/state"));
    let password = config.sources[0].password.as_ref().map(ToString::to_string);
    assert_eq!(password.as_deref(), Some("{file:/etc/lifeboat/crm.password}"));
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    check_with(
        "recipient =",
        "recipent =",
        "error: lifeboat.toml:5:1: unknown key `recipent` in [people.wang]\nhint: did you mean `recipient`?",
    );
    check_with(
        "[[source]]",
        "[[sources]]",
        "error: lifeboat.toml:8:3: unknown key `sources` in this file\nhint: did you mean `source`?",
    );
    check_with(
        "password =",
        "colour =",
        "error: lifeboat.toml:11:1: unknown key `colour` in [[source]]\nhint: known here: name, url, password, allow_plaintext, schedule, rto, rpo, keep, keep_min_days, grades",
    );
}

#[test]
fn a_wrong_type_is_refused_without_showing_the_value() {
    check_with(
        "\"{env:CRM}\"",
        "4711",
        "error: lifeboat.toml:11:12: `password` in [[source]] must be a string in quotes, not a whole number",
    );
    check_with(
        "[[source]]",
        "[source]",
        "error: lifeboat.toml:8:1: `source` in this file must be a table headed [[source]], in double brackets, not a table",
    );
    check_with(
        "name = \"db1\"",
        "readers = 0",
        "error: lifeboat.toml:7:11: `readers` in [agent] is not between 1 and 64",
    );
    check_with(
        "name = \"db1\"",
        "readers = \"2\"",
        "error: lifeboat.toml:7:11: `readers` in [agent] must be a whole number, not a string",
    );
    check_with(
        "password = \"{env:CRM}\"",
        "allow_plaintext = \"yes\"",
        "error: lifeboat.toml:11:19: `allow_plaintext` in [[source]] must be true or false, not a string",
    );
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_place() {
    check_with(
        "\"file:///srv/lifeboat/vault\"",
        "file:///srv/lifeboat/vault",
        "error: lifeboat.toml:3:7: invalid boolean, expected `false`\nhint: text stands in quotes: `key = \"value\"`",
    );
    check_with("[agent]", "[vault]", "error: lifeboat.toml:6:2: duplicate key");
}

#[test]
fn the_version_is_judged_before_anything_else() {
    check_with(
        "version = 1",
        "version = 2\nnew_key = 1",
        "error: lifeboat.toml:1:11: version 2 is newer than this program, which reads version 1\nhint: update Lifeboat on this machine",
    );
    check(
        "",
        "error: lifeboat.toml:1:1: `version` is missing in this file\nhint: add `version = 1` as the first line",
    );
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    check(
        "version = 1",
        "error: lifeboat.toml:1:1: `vault` is missing in this file\nhint: add a table headed [vault] with `url = \"…\"`",
    );
    check_with(
        "url = \"file:///srv/lifeboat/vault\"",
        "",
        "error: lifeboat.toml:2:2: `url` is missing in [vault]\nhint: add `url = \"file:///path\"`, s3://, az:// or gs://",
    );
    check_with(
        "name = \"crm\"",
        "",
        "error: lifeboat.toml:8:1: `name` is missing in [[source]]\nhint: add `name = \"crm\"`",
    );
    check_with(
        "[people.wang]\nrecipient = \"age1wang\"",
        "",
        "error: lifeboat.toml:1:1: nobody is named in [people], so nobody could open the vault\nhint: add a table headed [people.NAME] with `recipient = \"age1…\"`",
    );
}

#[test]
fn an_identity_is_refused_wherever_it_stands_and_not_repeated() {
    for place in ["\"age1wang\"", "\"db1\"", "\"{env:CRM}\""] {
        let text = GOOD.replace(place, "\"AGE-SECRET-KEY-1QQQQ\"");
        let error = Config::parse(&text, Path::new("lifeboat.toml")).expect_err("an identity");
        assert!(error.to_string().contains("the secret half of a key"), "{error}");
        assert!(!format!("{error:?}").contains("QQQQ"));
    }
    check_with(
        "\"age1wang\"",
        "\"AGE-SECRET-KEY-1QQQQ\"",
        "error: lifeboat.toml:5:13: this is the secret half of a key, which opens data and must never stand in a configuration\nhint: write the recipient instead: `age-keygen -y key.txt` or the .pub file of an SSH key\nhint: if others could read this file, treat the key as stolen and make a new one",
    );
}

#[test]
fn a_recipient_that_cannot_be_one_is_refused() {
    check_with(
        "\"age1wang\"",
        "\"wang@example.com\"",
        "error: lifeboat.toml:5:13: `recipient` in [people.wang]: this is not a recipient\nhint: a recipient begins with age1, ssh-ed25519 or ssh-rsa; `age-keygen -y key.txt` prints an identity's recipient",
    );
    check_with(
        "\"age1wang\"",
        "\"ecdsa-sha2-nistp256 AAAA\"",
        "error: lifeboat.toml:5:13: `recipient` in [people.wang]: age cannot seal to this kind of SSH key\nhint: use an ssh-ed25519 or ssh-rsa key, or make one with `age-keygen`",
    );
    check_with(
        "[agent]",
        "[people.li]\nrecipient = \"age1wang\"\n[agent]",
        "error: lifeboat.toml:5:13: wang and li have the same recipient\nhint: give each person a key of their own: two people with one key are one person",
    );
}

#[test]
fn a_pinned_root_is_a_fingerprint() {
    let with = |root: &str| GOOD.replace("[people.wang]", &format!("root = \"{root}\"\n[people.wang]"));
    check(&with("0F3ab2"), "ok");
    check(
        &with("crm vault"),
        "error: lifeboat.toml:4:8: `root` in [vault]: this is not a fingerprint\nhint: copy the root's fingerprint, all hexadecimal digits, from the recovery sheet",
    );
}

#[test]
fn grades_are_known_and_stand_once() {
    let with = |grades: &str| GOOD.replace("[agent]", &format!("grades = {grades}\n[agent]"));
    check(&with("[\"low\", \"high\"]"), "ok");
    check(
        &with("[\"hihg\"]"),
        "error: lifeboat.toml:6:11: `hihg` is not a grade\nhint: did you mean `high`?",
    );
    check(
        &with("[\"low\", \"low\"]"),
        "error: lifeboat.toml:6:18: low stands twice in `grades` in [people.wang]",
    );
    check(
        &with("[]"),
        "error: lifeboat.toml:6:10: `grades` in [people.wang] is empty\nhint: name at least one grade, or leave the key out for all three",
    );
}

#[test]
fn a_person_may_belong_to_a_branch_and_have_a_role() {
    let with = |said: &str| GOOD.replace("[people.wang]\n", &format!("[people.wang]\n{said}\n"));
    let config = Config::parse(&with("branch = \"总部\"\nrole = \"IT lead\""), Path::new("lifeboat.toml"));
    let config = config.expect("a good configuration");
    let wang = &config.people["wang"];
    assert_eq!((wang.branch.as_deref(), wang.role.as_deref()), (Some("总部"), Some("IT lead")));
    assert!(!config.branch_is_named, "the vault's own branch is another");
    let text = format!("branch = \"hamburg\"\n{GOOD}");
    assert!(Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration").branch_is_named);
    check_with(
        "[people.wang]\n",
        "[people.wang]\nrole = \"a/b\"\n",
        "error: lifeboat.toml:5:8: `role` in [people.wang]: this is no name\nhint: write 1 to 64 characters without `/`, `\\`, quotes and line ends",
    );
}

#[test]
fn a_quorum_is_of_those_who_have_the_grade() {
    let people =
        "[people.li]\nrecipient = \"age1li\"\n[people.zhao]\nrecipient = \"age1zhao\"\ngrades = [\"low\"]\n";
    let with = |policy: &str| GOOD.replace("[agent]", &format!("{people}[policy.high]\n{policy}\n[agent]"));
    for policy in ["quorum = 2", "quorum = 2\nof = [\"wang\", \"li\"]", "quorum = 1"] {
        check(&with(policy), "ok");
    }
    let config = Config::parse(&with("quorum = 2"), Path::new("lifeboat.toml")).expect("good");
    let policies: Vec<_> =
        config.policy.iter().map(|(grade, policy)| (grade, policy.quorum, &policy.of)).collect();
    assert_eq!(policies, [(Grade::High, 2, &vec!["li".to_owned(), "wang".to_owned()])]);
    let warnings = config.warnings(Path::new("lifeboat.toml"));
    assert!(
        warnings.iter().any(|text| text.contains("grade high takes all of the 2 people")),
        "{warnings:?}"
    );
    check(
        &with("quorum = 3"),
        "error: lifeboat.toml:12:10: `quorum` in [policy.high] is 3, and 2 of [people] have grade high\nhint: nobody could ever open it: lower it, or give more people that grade",
    );
    check(
        &with("quorum = 0"),
        "error: lifeboat.toml:12:10: `quorum` in [policy.high] is not between 1 and 100",
    );
    check(
        &with("of = [\"wang\", \"li\"]"),
        "error: lifeboat.toml:11:9: `quorum` is missing in [policy.high]\nhint: add `quorum = 2`",
    );
    check(
        &with("quorum = 2\nof = [\"wang\", \"zhoa\"]"),
        "error: lifeboat.toml:13:15: nobody in [people] is called `zhoa`\nhint: did you mean `zhao`?",
    );
    check(
        &with("quorum = 2\nof = [\"wang\", \"li\", \"zhao\"]"),
        "error: lifeboat.toml:13:21: zhao does not have grade high\nhint: give them the grade in [people.zhao], or leave them out here",
    );
    check(
        &with("quorum = 1\nof = [\"wang\"]"),
        "error: lifeboat.toml:13:6: li has grade high, and is not in `of` in [policy.high]\nhint: who has a grade has a share of its key: add them, or set `grades` in [people.li]",
    );
    check(
        &with("quorum = 2\nof = [\"wang\", \"wang\"]"),
        "error: lifeboat.toml:13:15: wang stands twice in `of` in [policy.high]\nhint: a person has one share",
    );
    check(
        &with("quorum = 2").replace("[policy.high]", "[policy.hihg]"),
        "error: lifeboat.toml:11:9: unknown key `hihg` in [policy]\nhint: did you mean `high`?",
    );
}

#[test]
fn columns_are_graded_by_patterns_in_quotes() {
    let with = |line: &str| format!("{GOOD}\n[source.grades]\n{line}\n");
    let line = GOOD.lines().count() + 3;
    check(&with("\"public.contacts.phone\" = \"low\""), "ok");
    check(
        &with("public.contacts = \"low\""),
        &format!(
            "error: lifeboat.toml:{line}:1: `public` in [source.grades] is no grade\nhint: a pattern stands in quotes: `\"public.contacts.phone\" = \"high\"`"
        ),
    );
    check(
        &with("\"contacts\" = \"low\""),
        &format!(
            "error: lifeboat.toml:{line}:1: `contacts` has 1 parts\nhint: write `schema.table` or `schema.table.column`, with `*` for any characters\nhint: a name that holds a dot stands in double quotes"
        ),
    );
    check(
        &with("\"*.a\" = \"low\"\n\"*.A\" = \"high\""),
        &format!(
            "error: lifeboat.toml:{line}:1: `*.a` and `*.A` are the same pattern\nhint: upper and lower case do not differ: take one of them out"
        ),
    );
}

#[test]
fn names_are_plain_and_stand_once() {
    let hint =
        "\nhint: use lower-case letters, digits, `.`, `_` and `-`, at most 64, a letter or digit first";
    check_with(
        "\"crm\"",
        "\"CRM Hamburg\"",
        &format!("error: lifeboat.toml:9:8: `name` in [[source]]: `CRM Hamburg` cannot be a name{hint}"),
    );
    check_with(
        "[people.wang]",
        "[people.\"王\"]",
        &format!("error: lifeboat.toml:4:9: `王` cannot be a name{hint}"),
    );
    let second = "[[source]]\nname = \"crm\"\nurl = \"sqlite:///x.db\"\n";
    check(
        &format!("{GOOD}{second}"),
        "error: lifeboat.toml:13:8: two sources are called `crm`; the first is on line 9\nhint: give this one a name of its own",
    );
}

#[test]
fn a_password_in_a_url_is_refused_and_not_repeated() {
    let hint = "take it out and write `password = \"{file:/path/to/password}\"`, `{env:NAME}` or `{credential:NAME}`";
    let refused = format!(
        "error: lifeboat.toml:10:7: `url` in [[source]]: a password does not belong in a URL, which logs and process lists show\nhint: {hint}"
    );
    check_with("backup@", "backup:hunter2@", &refused);
    check_with("?sslmode", "?password=hunter2&sslmode", &refused);
}

#[test]
fn urls_are_of_known_kinds() {
    check_with(
        "postgres://backup",
        "postgress://backup",
        "error: lifeboat.toml:10:7: `url` in [[source]]: `postgress:` is not a known kind of URL here\nhint: did you mean `postgres`?",
    );
    check_with(
        "\"postgres://backup@db.internal/crm?sslmode=verify-full\"",
        "\"/srv/crm.db\"",
        "error: lifeboat.toml:10:7: `url` in [[source]]: this is not a URL\nhint: a URL begins with a scheme, such as `postgres://`",
    );
    check_with(
        "postgres://backup@db.internal/crm?sslmode=verify-full",
        "sqlite:///crm.db",
        "error: lifeboat.toml:11:1: `password` in [[source]] means nothing for SQLite, which is a file\nhint: take the line out",
    );
    let vault = |url: &str| GOOD.replace("file:///srv/lifeboat/vault", url);
    for good in ["s3://bucket", "s3://bucket/prefix", "az://container/p", "gs://bucket/p", "file:///v"] {
        check(&vault(good), "ok");
    }
    let refused = |what: &str| format!("error: lifeboat.toml:3:7: `url` in [vault]: {what}");
    check(&vault("/srv/vault"), &refused("this is a path, not a URL\nhint: write `file:///srv/vault`"));
    check(
        &vault("file://srv/vault"),
        &refused("a file URL on this machine has three slashes\nhint: write `file:///srv/vault`"),
    );
    check(
        &vault("s3:///prefix"),
        &refused("the URL names no bucket or container\nhint: write `s3://bucket/prefix`"),
    );
    check(
        &vault("s3://key:secret@bucket/prefix"),
        &refused(
            "credentials do not belong in the vault's URL\nhint: give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
    );
    check(
        &vault("ftp://host/x"),
        &refused("`ftp:` is not a known kind of URL here\nhint: known here: file, s3, az, gs"),
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    let error = Config::load(Path::new("/nonexistent/lifeboat.toml")).expect_err("no such file");
    assert_eq!(error.to_string(), "cannot read the configuration /nonexistent/lifeboat.toml");
    assert_eq!((error.line(), error.hints().len()), (None, 1));
}

/// As `check`, for the good file with a `[[notify]]` behind it.
fn check_notify(text: &str, expected: &str) {
    check(&format!("{GOOD}[[notify]]\n{text}"), expected);
}

#[test]
fn places_that_are_told_have_the_keys_of_their_kind() {
    check_notify("name = \"ops\"\ntype = \"slack\"\nurl = \"{env:URL}\"", "ok");
    check_notify(
        "name = \"ops\"\ntype = \"slak\"\nurl = \"{env:URL}\"",
        "error: lifeboat.toml:14:8: `slak` is no kind of place that can be told\nhint: did you mean `slack`?",
    );
    check_notify(
        "name = \"ops\"\ntype = \"slack\"\nurl = \"{env:URL}\"\nmention = []",
        "error: lifeboat.toml:16:1: unknown key `mention` in [[notify]]\nhint: known here: name, type, severity, branches, sources, language, digest, ca, allow_plaintext, url",
    );
    check_notify(
        "name = \"ops\"\ntype = \"dingtalk\"",
        "error: lifeboat.toml:12:1: `url` is missing in [[notify]]\nhint: add `url = \"{file:/etc/lifeboat/dingtalk.url}\"`",
    );
    check_notify(
        "name = \"ops\"\ntype = \"slack\"\nurl = \"{env:URL}\"\nseverity = \"criticl\"",
        "error: lifeboat.toml:16:12: `criticl` cannot be `severity` in [[notify]]\nhint: did you mean `critical`?",
    );
    check_notify(
        "name = \"alive\"\ntype = \"ping\"\nurl = \"{env:URL}\"\ndigest = \"08:00\"",
        "error: lifeboat.toml:16:1: `digest` in [[notify]] means nothing for ping, which nobody reads\nhint: take the line out",
    );
    check_notify(
        "name = \"ops\"\ntype = \"slack\"\nurl = \"{env:URL}\"\ndigest = \"8:00\"",
        "error: lifeboat.toml:16:10: `digest` in [[notify]]: this is no time of day\nhint: write hours and minutes, such as \"08:00\"",
    );
}

#[test]
fn a_mail_server_is_a_url_without_a_password() {
    let mail = |server: &str, more: &str| {
        format!(
            "name = \"ops\"\ntype = \"email\"\nserver = \"{server}\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n{more}"
        )
    };
    check_notify(&mail("smtps://mail.example.com", ""), "ok");
    check_notify(&mail("smtp://ops@mail.example.com", "password = \"{env:P}\""), "ok");
    check_notify(
        &mail("smtps://ops:hunter2@mail.example.com", ""),
        "error: lifeboat.toml:15:10: `server` in [[notify]]: a password does not belong in a URL, which logs show\nhint: take it out and write `password = \"{file:/path/to/password}\"`, `{env:NAME}` or `{credential:NAME}`",
    );
    check_notify(
        &mail("smtps://ops@mail.example.com", ""),
        "error: lifeboat.toml:15:10: `server` in [[notify]]: a user is named and no password\nhint: add `password = \"{file:/etc/lifeboat/mail.password}\"`",
    );
    check_notify(
        &mail("mail.example.com", ""),
        "error: lifeboat.toml:15:10: `server` in [[notify]]: this is not a URL\nhint: a URL begins with a scheme, such as `postgres://`",
    );
}

const COPY: &str = "[[vault.copy]]\nname = \"frankfurt\"\nurl = \"s3://crm/north\"\n";

#[test]
fn copies_have_stores_settings_and_limits_of_their_own() {
    let text = GOOD.replace(
        "[people.wang]",
        &format!(
            "require_copies = 1\n{COPY}alone = true\ncredentials = \"{{file:b.env}}\"\nbandwidth = [\"08:00-20:00 2MB/s\"]\n[[vault.copy]]\nname = \"barn\"\nurl = \"file:///mnt/barn\"\n[people.wang]"
        ),
    );
    let config =
        Config::parse(&text, Path::new("/etc/lifeboat/lifeboat.toml")).expect("a good configuration");
    let frankfurt = config.copy("frankfurt").expect("it is there");
    assert_eq!(
        frankfurt.credentials.as_ref().map(ToString::to_string).as_deref(),
        Some("{file:/etc/lifeboat/b.env}")
    );
    assert_eq!(config.vault.copies.len(), 2);
    assert_eq!(config.vault.copies_required(), 1);
    assert_eq!(
        [None, Some("frankfurt"), Some("barn")].map(|of| config.deletes_alone(of)),
        [false, true, false]
    );
    let again = Config::parse(&config.to_masked_toml(), Path::new("shown.toml"))
        .expect("what is shown is a configuration");
    assert_eq!(again.to_masked_toml(), config.to_masked_toml());
    let left_out = Config::parse(&text.replace("require_copies = 1\n", ""), Path::new("x"))
        .expect("a good configuration");
    assert_eq!(left_out.vault.copies_required(), 2, "all of them, unless the operator says otherwise");
}

#[test]
fn copies_that_cannot_be_meant_are_refused() {
    let with = |more: &str| format!("{more}[people.wang]");
    check_with(
        "[people.wang]",
        &with(&format!("{COPY}credentials = \"AWS_SECRET_ACCESS_KEY=hunter2\"\n")),
        "error: lifeboat.toml:7:15: `credentials` in [[vault.copy]] is no reference\nhint: put lines such as AWS_ACCESS_KEY_ID=… into a file of mode 600 and write `{file:PATH}`",
    );
    check_with(
        "[people.wang]",
        &with(&format!("{COPY}{COPY}")),
        "error: lifeboat.toml:8:8: two copies are called `frankfurt`\nhint: give this one a name of its own",
    );
    check_with(
        "[people.wang]",
        &with("[[vault.copy]]\nname = \"b\"\nurl = \"file:///srv/lifeboat/vault/\"\n"),
        "error: lifeboat.toml:6:7: `url` in [[vault.copy]] is a place that is used already\nhint: a copy is a store of its own: name another place",
    );
    check_with(
        "[people.wang]",
        &with("require_copies = 1\n"),
        "error: lifeboat.toml:4:18: `require_copies` in [vault] is 1, and there are only 0 [[vault.copy]]\nhint: no backup could ever succeed: lower it, or add a copy",
    );
    check_with(
        "[people.wang]",
        &with(&format!("{COPY}bandwidth = [\"2MB\"]\n")),
        "error: lifeboat.toml:7:14: `bandwidth` in [[vault.copy]]: `2MB` is no rate\nhint: write `08:00-20:00 2MB/s`, `20:00-08:00 unlimited`, or a rate alone for the whole day",
    );
}

#[test]
fn a_lock_is_of_an_s3_store_alone() {
    let text = GOOD.replace(
        "[people.wang]",
        &format!(
            "{COPY}lock = {{ days = 30 }}\n{}lock = {{ days = 7, mode = \"compliance\" }}\n[people.wang]",
            COPY.replace("frankfurt", "b").replace("north", "b")
        ),
    );
    let config = Config::parse(&text, Path::new("x")).expect("a good configuration");
    let lock = |name: &str| config.copy(name).and_then(|copy| copy.lock).map(|lock| (lock.days, lock.mode));
    assert_eq!(lock("frankfurt"), Some((30, LockMode::Governance)));
    assert_eq!(lock("b"), Some((7, LockMode::Compliance)));
    let shown = config.to_masked_toml();
    assert_eq!(Config::parse(&shown, Path::new("x")).expect("what is shown").to_masked_toml(), shown);
    check_with(
        "[people.wang]",
        "lock = { days = 30 }\n[people.wang]",
        "error: lifeboat.toml:4:1: `lock` in [vault] is of an s3:// store alone\nhint: what protects an Azure container, a Google bucket or a folder is set there: config/STORES.md",
    );
    let with = |lock: &str| format!("{COPY}lock = {lock}\n[people.wang]");
    check_with(
        "[people.wang]",
        &with("{ days = 30, mode = \"strict\" }"),
        "error: lifeboat.toml:7:28: `mode` in lock: `strict` is no mode of a lock\nhint: write `governance`, which an account with a right of its own can end, or `compliance`, which nobody can",
    );
}

#[test]
fn a_source_has_its_own_schedule_or_the_agents() {
    let text = GOOD.replace(
        "name = \"db1\"",
        "schedule = [\"daily 02:30\", \"0 0 14 * * *\"]\ntimezone = \"Asia/Shanghai\"\njitter = \"10m\"\nretries = 0\njobs = 2",
    ) + "[[source]]\nname = \"forms\"\nurl = \"sqlite:///f.db\"\nschedule = [\"hourly\"]\n[maintenance]\nverify = [\"sun 06:00\"]\nexpire = [\"daily 07:00\"]\nprune = [\"sun 05:00\"]\ncopy = [\"hourly\"]\n"
        + COPY;
    let config = Config::parse(&text, Path::new("x")).expect("a good configuration");
    let words = |name: &str| {
        config.source(name).map(|source| source.schedule.iter().map(|s| s.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(words("crm"), Some(vec!["daily 02:30", "0 0 14 * * *"]));
    assert_eq!(words("forms"), Some(vec!["hourly"]));
    assert_eq!(config.agent.timezone.as_ref().map(crate::Zone::name), Some("Asia/Shanghai"));
    assert_eq!((config.agent.jitter.as_secs(), config.agent.retries, config.agent.jobs), (600, 0, 2));
    assert_eq!((config.maintenance.verify.len(), config.maintenance.expire.len()), (1, 1));
    assert_eq!((config.maintenance.prune.len(), config.maintenance.copy.len()), (1, 1));
    let shown = config.to_masked_toml();
    assert_eq!(Config::parse(&shown, Path::new("x")).expect("what is shown").to_masked_toml(), shown);
}

#[test]
fn a_schedule_for_copies_that_are_not_there_is_refused() {
    check_with(
        "[people.wang]",
        "[maintenance]\ncopy = [\"hourly\"]\n[people.wang]",
        "error: lifeboat.toml:5:1: `copy` in [maintenance] has no [[vault.copy]] to serve\nhint: add one with `name` and `url`, or leave the line out",
    );
}

#[test]
fn a_schedule_that_cannot_be_meant_is_refused_where_it_stands() {
    let name = "name = \"crm\"";
    check_with(
        name,
        "name = \"crm\"\nschedule = [\"daily 02:30\", \"dayly 03:30\"]",
        "error: lifeboat.toml:10:28: `schedule` in [[source]]: `dayly 03:30`: `dayly` means nothing here\nhint: did you mean `daily`?",
    );
    check_with(
        name,
        "name = \"crm\"\nschedule = [\"hourly\", \"hourly\"]",
        "error: lifeboat.toml:10:23: `hourly` stands twice in `schedule` in [[source]]",
    );
    check_with(
        "name = \"db1\"",
        "listen = \"localhost\"",
        "error: lifeboat.toml:7:10: `listen` in [agent]: `localhost` is no address with a port\nhint: write an address of this machine and a port, such as `127.0.0.1:9632` or `[::1]:9632`",
    );
    check_with("name = \"db1\"", "listen = \"[::1]:9632\"", "ok");
    check_with(
        "name = \"db1\"",
        "timezone = \"Asia/Peking\"",
        "error: lifeboat.toml:7:12: `timezone` in [agent]: `Asia/Peking` is no time zone\nhint: write its name in the IANA database, such as `Asia/Shanghai`, `Europe/Berlin` or `UTC`",
    );
    check_with(
        "name = \"db1\"",
        "deadline = \"six hours\"",
        "error: lifeboat.toml:7:12: `deadline` in [agent]: `six hours` is no length of time\nhint: write a number and a unit, such as `90s`, `10m`, `12h` or `1h 30m`",
    );
    check_with(
        "name = \"db1\"",
        "deadline = \"0s\"",
        "error: lifeboat.toml:7:12: `deadline` in [agent]: no run could be as short\nhint: leave the line out for the default",
    );
}
