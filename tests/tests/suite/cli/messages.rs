//! Every message of a whole night and of what can go wrong with it, word for word.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_tests::{Finished, run};

use super::golden::Words;
use crate::company::{Company, DB1, Source, postgres_source};
use crate::databases::support::{Lab, sqlite, without_password};

const CRM: &str = "CREATE TABLE contacts (id integer PRIMARY KEY, name text); \
    INSERT INTO contacts VALUES (1, '客户'), (2, 'Weber'); CREATE TABLE deals (id integer PRIMARY KEY, amount numeric); \
    INSERT INTO deals VALUES (1, 0.5)";

fn sqlite_company() -> (Company, PathBuf) {
    let company = Company::new();
    let path = company.path("crm.db");
    sqlite(&path, CRM);
    company.configure(
        DB1,
        &[Source { name: "crm", url: format!("sqlite://{}", path.display()), password: None }],
    );
    (company, path)
}

fn words(company: &Company) -> Words {
    let mut words = Words::default();
    words.replace(company.path("").display().to_string().trim_end_matches('/'), "DIR");
    words
}

fn postgres_words(lab: &Lab) -> Words {
    let mut words = words(&lab.company);
    words.replace(lab.server.socket_folder().display(), "SERVER");
    words.replace(lab.server.programs().display(), "PROGRAMS");
    words.replace(format!(":{}", lab.server.port()), ":PORT");
    let version = lab.server.psql("crm", "SHOW server_version");
    words.replace(&version, "VERSION");
    // pg_dump's own version leaves the packager's words out.
    words.replace(version.split(' ').next().unwrap_or_default(), "VERSION");
    words
}

#[test]
fn a_whole_night_with_sqlite() {
    let (company, path) = sqlite_company();
    let words = words(&company);
    let agent = |args: &[&str]| run(&mut company.agent(DB1, args));
    let restore = |args: &[&str]| run(&mut company.restore(args));
    words.check("init", &agent(&["init"]).success());
    words.check("backup", &agent(&["backup"]).success());
    words.check("backup-unchanged", &agent(&["backup"]).success());
    words.check("snapshots", &restore(&["snapshots"]).success());
    words.check("show", &restore(&["show", "crm@latest"]).success());
    words.check("verify", &restore(&["verify"]).success());
    words.check("verify-read-data", &restore(&["verify", "crm@latest", "--read-data"]).success());
    let to = format!("sqlite://{}", company.path("new.db").display());
    let to_new = ["restore", "crm@latest", "--to", &to];
    words.check("restore-dry-run", &restore(&[&to_new[..], &["--dry-run"]].concat()).success());
    words.check("restore", &restore(&to_new).success());
    words.check("restore-not-empty", &restore(&to_new).exits(1));
    words
        .check("restore-unknown-table", &restore(&[&to_new[..], &["--table", "contcats"]].concat()).exits(2));
    words.check("show-unknown-source", &restore(&["show", "crn@latest"]).exits(1));
    words.check("show-no-name", &restore(&["show", "crm@yesterday"]).exits(2));
    let one = format!("sqlite://{}", company.path("one.db").display());
    let table = ["restore", "crm@latest", "--to", &one, "--table", "contacts", "--no-compare"];
    words.check("restore-table-no-compare", &restore(&table).success());
    fs::remove_file(path).expect("the database");
    words.check("backup-no-database", &agent(&["backup"]).exits(1));
}

/// The packs of a vault, largest first: the rows, then the metadata.
fn packs(vault: &Path) -> Vec<PathBuf> {
    let mut packs = Vec::new();
    let mut folders = vec![vault.join("packs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the vault").flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => packs.push((entry.metadata().expect("a size").len(), entry.path())),
            }
        }
    }
    packs.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    packs.into_iter().map(|(_, path)| path).collect()
}

#[test]
fn a_damaged_vault() {
    let (company, path) = sqlite_company();
    // Large enough for the middle of its pack to be in a segment of its own, whatever order lanes finish in.
    sqlite(
        &path,
        "CREATE TABLE pictures (id integer PRIMARY KEY, png blob); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL \
        SELECT i + 1 FROM n WHERE i < 60) INSERT INTO pictures SELECT i, randomblob(100000) FROM n",
    );
    let words = words(&company);
    company.init(DB1);
    company.back_up(DB1);
    let restore = |args: &[&str]| run(&mut company.restore(args));
    let to = format!("sqlite://{}", company.path("new.db").display());
    let pack = packs(&company.vault()).swap_remove(0);
    let bytes = fs::read(&pack).expect("a pack");
    let mut wrong = bytes.clone();
    wrong[bytes.len() / 2] ^= 1;
    let put = |bytes: &[u8]| {
        // What a test writes over an object, a provider's disk can do too.
        fs::remove_file(&pack).expect("the pack");
        fs::write(&pack, bytes).expect("the pack");
    };
    put(&wrong);
    words.check("verify-flipped-bit", &restore(&["verify", "--read-data"]).exits(20));
    words.check("restore-flipped-bit", &restore(&["restore", "crm@latest", "--to", &to]).exits(20));
    fs::remove_file(&pack).expect("the pack");
    words.check("verify-lost-pack", &restore(&["verify"]).exits(20));
    words.check("restore-lost-pack", &restore(&["restore", "crm@latest", "--to", &to]).exits(20));
    fs::write(&pack, &bytes).expect("the pack is put back");
    company.verify();
}

#[test]
fn a_vault_that_cannot_be_opened() {
    let (company, _) = sqlite_company();
    let words = words(&company);
    let restore = |args: &[&str]| run(&mut company.restore(args));
    words.check("snapshots-no-vault", &restore(&["snapshots"]).exits(10));
    company.init(DB1);
    words.check("snapshots-none", &restore(&["snapshots"]).success());
    words.check("verify-none", &restore(&["verify"]));
    company.back_up(DB1);
    let vault = company.vault_url();
    let with = |identity: &str| {
        let mut command = lifeboat_tests::restore();
        run(command
            .args(["snapshots", "--vault", vault])
            .args(["--identity", &company.path(identity).display().to_string()]))
    };
    run(std::process::Command::new("age-keygen").arg("-o").arg(company.path("stranger.txt"))).success();
    words.check("snapshots-stranger", &with("stranger.txt").exits(12));
    words.check("snapshots-no-identity-file", &with("nobody.txt"));
    fs::write(company.path("letter.txt"), "this is no key\n").expect("a file");
    words.check("snapshots-bad-identity", &with("letter.txt"));
    let mut none = lifeboat_tests::restore();
    words.check("snapshots-without-identity", &run(none.args(["snapshots", "--vault", vault])));
    words.check("snapshots-another-root", &restore(&["snapshots", "--root", &"0".repeat(32)]));
    let record = company.vault().join("vault");
    let text = String::from_utf8_lossy(&fs::read(&record).expect("the record")).replacen(
        "lifeboat 1",
        "lifeboat 2",
        1,
    );
    fs::remove_file(&record).expect("the record");
    fs::write(&record, text).expect("the record");
    words.check("snapshots-newer-format", &restore(&["snapshots"]).exits(1));
}

#[test]
fn a_whole_night_with_postgres() {
    let lab = Lab::new(CRM);
    let words = postgres_words(&lab);
    let agent = |args: &[&str]| run(&mut lab.company.agent(DB1, args));
    words.check("postgres-backup", &lab.back_up().success());
    words.check("postgres-show", &run(&mut lab.company.restore(&["show", "crm@latest"])).success());
    let restored = run(&mut lab.restore_command("crm@latest", "new", &["--into-new"])).success();
    words.check("postgres-restore", &restored);
    words.check(
        "postgres-restore-not-empty",
        &run(&mut lab.restore_command("crm@latest", "new", &[])).exits(1),
    );
    words.check(
        "postgres-restore-not-there",
        &run(&mut lab.restore_command("crm@latest", "gone", &[])).exits(1),
    );
    lab.server.withdraw_reading("crm");
    words.check("postgres-denied", &lab.back_up().exits(1));
    let source = postgres_source(&lab.server);
    let failing = |name: &str, source: Source| -> Finished {
        lab.company.configure(DB1, &[source]);
        let finished = agent(&["backup"]).exits(1);
        words.check(name, &finished);
        finished
    };
    failing("postgres-wrong-password", Source { password: Some("wrong"), ..postgres_source(&lab.server) });
    let url = source.url.replace(&format!(":{}/", lab.server.port()), ":1/");
    failing("postgres-unreachable", Source { url, ..postgres_source(&lab.server) });
    let url = without_password(&lab.server.url_with_wrong_authority("crm", "backup"));
    failing("postgres-unverified", Source { url, ..postgres_source(&lab.server) });
    failing(
        "postgres-no-such-database",
        Source { url: source.url.replace("/crm?", "/crn?"), ..postgres_source(&lab.server) },
    );
    let far = "postgres://backup@db.example/crm?sslmode=require".to_owned();
    failing("postgres-plaintext", Source { url: far, ..postgres_source(&lab.server) });
}
