//! No secret in anything that is printed, in the process list, or readable in the vault.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lifeboat_tests::{finish, run};

use crate::company::{Company, DB1, Source};
use crate::databases::support::{Lab, without_password};

/// What must not be seen: passwords as they are and as a URL has them, and every secret key.
struct Secrets(Vec<String>);

impl Secrets {
    fn of(lab: &Lab) -> Self {
        let mut secrets = vec!["AGE-SECRET-KEY-1".to_owned()];
        for user in ["backup", "postgres"] {
            let url = lab.server.url("crm", user);
            let in_url =
                url.split(['@']).next().and_then(|start| start.rsplit(':').next()).expect("a password");
            secrets.extend([lab.server.password(user).to_owned(), in_url.to_owned()]);
        }
        let agent_key =
            fs::read_to_string(lab.company.state(DB1).join("agent.key")).expect("the agent's key");
        // Every value in the agent's key file that is long enough to be a key, but for what is public.
        let public = run(&mut lab.company.agent(DB1, &["enroll", "--json"])).success().stdout;
        let words = agent_key.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        secrets.extend(words.filter(|word| word.len() >= 40 && !public.contains(word)).map(str::to_owned));
        Self(secrets)
    }

    #[track_caller]
    fn check_absent(&self, place: &str, text: &[u8]) {
        for secret in &self.0 {
            let found = text.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{place} shows {}… :\n{}", &secret[..4], String::from_utf8_lossy(text));
        }
    }
}

fn lab() -> Lab {
    Lab::new("CREATE TABLE t AS SELECT i, md5(i::text) AS text FROM generate_series(1, 50000) i")
}

/// Lets `child` run to its end and gives the command line of it and of every process below it.
fn watch(mut child: Child) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while child.try_wait().expect("it can be waited for").is_none() {
        let parents = parents();
        for pid in parents.keys().filter(|pid| is_below(**pid, child.id(), &parents)) {
            // A process may end at any time.
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    finish(child).success();
    seen
}

/// Every process of the machine and the one that started it.
fn parents() -> HashMap<u32, u32> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").expect("/proc is mounted").flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        if let (Ok(pid), Some(parent)) = (entry.file_name().to_string_lossy().parse(), parent) {
            parents.insert(pid, parent);
        }
    }
    parents
}

fn is_below(pid: u32, above: u32, parents: &HashMap<u32, u32>) -> bool {
    std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(64).any(|pid| pid == above)
}

#[test]
fn no_command_says_a_secret() {
    let lab = lab();
    lab.back_up().success();
    let secrets = Secrets::of(&lab);
    assert!(secrets.0.len() > 5, "the agent's key is not found");
    // The password in the URL, then in a file: right, and with everything else wrong.
    let url = lab.server.url_without_password("crm", "backup");
    let password = Some(lab.server.password("backup"));
    let sources = [
        (lab.server.url("crm", "backup"), None),
        (url.clone(), password),
        (without_password(&lab.server.url_with_wrong_authority("crm", "backup")), password),
        (without_password(&lab.server.url_without_tls("crm", "backup")), password),
        (format!("{url}&unknown=1"), password),
        (url.replace("localhost", "db.invalid"), password),
        (url.replace("/crm?", "/crn?"), password),
    ];
    let agent_verbs: [&[&str]; 6] = [
        &["check"],
        &["check", "--json"],
        &["backup", "-v"],
        &["backup", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
    ];
    for (url, password) in sources {
        lab.company.configure(DB1, &[Source { name: "crm", url, password }]);
        for args in agent_verbs {
            let said = run(&mut lab.company.agent(DB1, args));
            secrets.check_absent(&said.line, format!("{}{}", said.stdout, said.stderr).as_bytes());
        }
    }
    let to = lab.server.url("new", "postgres");
    let bad = lab.server.url_with_wrong_authority("new", "postgres");
    let restore_verbs: [&[&str]; 8] = [
        &["snapshots"],
        &["show", "crm@latest", "--json"],
        &["verify", "--read-data", "-v"],
        &["restore", "crm@latest", "--to", &to, "--into-new"],
        &["restore", "crm@latest", "--to", &to],
        &["restore", "crm@latest", "--to", &to, "--json"],
        &["restore", "crm@latest", "--to", &bad],
        &["restore", "crm@latest", "--to", &format!("{to}&unknown=1"), "-v"],
    ];
    for args in restore_verbs {
        let said = run(&mut lab.company.restore(args));
        secrets.check_absent(args[0], format!("{}{}", said.stdout, said.stderr).as_bytes());
    }
}

#[test]
fn no_secret_is_in_the_process_list_while_a_backup_and_a_restore_run() {
    let lab = lab();
    let secrets = Secrets::of(&lab);
    let quiet = |mut command: Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    };
    let backup = watch(quiet(lab.company.agent(DB1, &["backup"])));
    assert!(backup.iter().any(|line| line.contains("pg_dump")), "pg_dump was not seen: {backup:?}");
    let restore = watch(quiet(lab.restore_command("crm@latest", "new", &["--into-new"])));
    assert!(restore.iter().any(|line| line.contains("pg_restore")), "pg_restore was not seen: {restore:?}");
    for line in backup.iter().chain(&restore) {
        secrets.check_absent("the process list", line.as_bytes());
    }
}

#[test]
fn no_secret_is_readable_in_the_vault() {
    let lab = lab();
    lab.back_up().success();
    let secrets = Secrets::of(&lab);
    let mut files = 0;
    each_file(&lab.company.vault(), &mut |path| {
        let bytes = fs::read(path).expect("an object of the vault");
        secrets.check_absent(&path.display().to_string(), &bytes);
        files += 1;
    });
    assert!(files > 8, "only {files} objects were looked at");
}

/// The sheet is printed and locked away, so it holds nothing that opens anything.
#[test]
fn the_recovery_sheet_holds_no_secret() {
    let company = Company::new();
    company.configure(DB1, &[]);
    let sheet = company.path("sheet.txt");
    let said = run(&mut company.agent(DB1, &["init", "--sheet", &sheet.display().to_string()])).success();
    for text in [said.stdout, said.stderr, fs::read_to_string(sheet).expect("the sheet")] {
        assert!(!text.contains("AGE-SECRET-KEY"), "{text}");
    }
}

fn each_file(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => each_file(&path, look),
            path => look(&path),
        }
    }
}
