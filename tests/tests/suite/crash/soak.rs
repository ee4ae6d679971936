//! Many days in a hurry: two hosts back up, expire, prune and copy one vault, each run may be killed, and
//! time passes for what waits in the store. In the end every snapshot is whole and what it was.
//!
//! A few rounds here; `tests/soak` runs hundreds, with the copy on a real S3 server.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_tests::{Finished, S3Server, run};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::victim::{Moment, Victim, files};
use crate::company::{self, Company, DB1, DB2, Host, Source, sqlite_crm, sqlite_day, sqlite_dump};

/// Rounds when nobody says otherwise.
const ROUNDS: u32 = 12;

/// A run is killed within this time, which is longer than most take.
const KILLED_WITHIN: Duration = Duration::from_millis(900);

/// Snapshots that are restored and compared in the end, beside the newest of each source.
const RESTORED: usize = 6;

/// Folders of what prune waits for. Manifests stay as old as they say.
const AGEING: [&str; 4] = ["packs", "index", "marks", "lease"];

/// How a source is kept: few snapshots, so that much goes.
const KEEP: &str = "keep = { last = 5 }\nkeep_min_days = 0\n";

#[test]
fn a_soak_of_kills_prunes_expiries_and_copies_loses_nothing() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("LIFEBOAT_SOAK_SEED").unwrap_or_else(rand::random);
    let rounds = number("LIFEBOAT_SOAK_ROUNDS").map_or(ROUNDS, |rounds| rounds as u32);
    println!("LIFEBOAT_SOAK_SEED={seed} LIFEBOAT_SOAK_ROUNDS={rounds}");
    let mut soak = Soak::begin(seed, std::env::var_os("LIFEBOAT_SOAK_S3").is_some());
    for round in 1..=rounds {
        soak.round(round);
    }
    soak.end();
}

/// The company, and what its snapshots are known to hold.
struct Soak {
    company: Company,
    dice: StdRng,
    copy: Copy,
    known: BTreeMap<String, (Host, String)>,
    counts: BTreeMap<&'static str, u32>,
    /// Whoever was killed last may have left a lease, which the next would wait for until it has ended by itself.
    lease_left: bool,
}

/// Where the copy is.
enum Copy {
    Folder(PathBuf),
    S3(S3Server),
}

impl Copy {
    fn url(&self) -> String {
        match self {
            Self::Folder(path) => format!("file://{}", path.display()),
            Self::S3(server) => server.url("soak"),
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::S3(server) => server.environment(),
        }
    }
}

impl Soak {
    fn begin(seed: u64, on_s3: bool) -> Self {
        let company = Company::new();
        let copy = match on_s3 {
            true => Copy::S3(S3Server::start()),
            false => Copy::Folder(company.path("barn")),
        };
        if let Copy::Folder(folder) = &copy {
            fs::create_dir(folder).expect("a disk elsewhere");
        }
        let settings = company.path("copy.env");
        fs::write(&settings, company::settings(&copy.environment())).expect("the copy's settings");
        for (host, name) in [(DB1, "crm"), (DB2, "shop")] {
            let source = Source { name, ..sqlite_crm(&database(&company, host), "0.001") };
            company.configure(host, &[source]);
            let mut text = fs::read_to_string(company.config(host)).expect("a configuration") + KEEP;
            if host.0 == DB1.0 {
                text = text.replacen("[vault]\n", "[vault]\nrequire_copies = 0\n", 1);
                text += &format!("[[vault.copy]]\nname = \"barn\"\nurl = \"{}\"\n", copy.url());
                if on_s3 {
                    text += &format!("credentials = \"{{file:{}}}\"\n", settings.display());
                }
            }
            fs::write(company.config(host), text).expect("a configuration");
        }
        company.init(DB1);
        company.enrol(DB2);
        let dice = StdRng::seed_from_u64(seed);
        Self { company, dice, copy, known: BTreeMap::new(), counts: BTreeMap::new(), lease_left: false }
    }

    fn round(&mut self, round: u32) {
        let host = if self.chance(30) { DB2 } else { DB1 };
        sqlite_day(&database(&self.company, host), &round.to_string());
        // A prune and a backup at once, each of which may be killed.
        let pruner = self.host();
        let prune = self.chance(35).then(|| {
            self.end_lease();
            Victim::start(self.company.agent(pruner, &["prune", "--json"]))
        });
        self.back_up(host);
        if let Some(victim) = prune {
            let killed = self.kills(victim, 50);
            self.lease_left = killed;
            self.count(if killed { "prunes killed" } else { "prunes beside a backup" });
        }
        self.remember(host);
        for (verb, percent) in [("expire", 40), ("prune", 40), ("copy", 30)] {
            if self.chance(percent) {
                let host = if verb == "copy" { DB1 } else { self.host() };
                self.maintain(host, verb);
            }
        }
        if self.chance(40) {
            let hours = self.dice.random_range(1..=9 * 24);
            self.let_pass(Duration::from_secs(hours * 3600));
        }
        if round.is_multiple_of(20) {
            println!("round {round}: {:?}", self.counts);
            run(&mut self.company.restore(&["verify", "--json"])).success();
        }
    }

    /// A backup, killed under way or run to its end.
    fn back_up(&mut self, host: Host) {
        let command = |company: &Company| company.agent(host, &["backup", "--json"]);
        if self.chance(40) {
            let moment = self.moment();
            let killed = Victim::start(command(&self.company)).kill_at(moment, &self.company.vault());
            return self.count(if killed { "backups killed" } else { "backups too quick to kill" });
        }
        let done = run(&mut command(&self.company));
        if done.code() == Some(0) {
            return self.count("backups");
        }
        // A prune may outrun it, and what it asks for is to be begun again.
        assert!(done.stderr.contains("run the same command again"), "{}\n{}", done.stdout, done.stderr);
        self.count("backups outrun by a prune");
        run(&mut command(&self.company)).success();
    }

    /// `expire`, `prune` or `copy`, killed under way or run to its end.
    fn maintain(&mut self, host: Host, verb: &'static str) {
        let command = |company: &Company| company.agent(host, &[verb, "--json"]);
        if verb != "copy" {
            self.end_lease();
        }
        if self.chance(35) {
            let moment = self.moment();
            let killed = Victim::start(command(&self.company)).kill_at(moment, &self.company.vault());
            if killed {
                self.lease_left |= verb != "copy";
                self.count("maintenance killed");
            }
            return;
        }
        run(&mut command(&self.company)).success();
        self.count(verb);
    }

    /// A lease whose holder was killed ends by itself.
    fn end_lease(&mut self) {
        if std::mem::take(&mut self.lease_left) {
            self.let_pass(Duration::from_secs(3600));
        }
    }

    /// What the newest snapshots of a host hold is what its database holds now: it stands still meanwhile.
    fn remember(&mut self, host: Host) {
        let shown = self.company.snapshots();
        let new: Vec<_> = shown.iter().filter(|id| !self.known.contains_key(*id)).cloned().collect();
        self.known.retain(|id, _| shown.contains(id));
        if new.is_empty() {
            return;
        }
        let dump = sqlite_dump(&database(&self.company, host));
        self.known.extend(new.into_iter().map(|id| (id, (host, dump.clone()))));
    }

    /// Lets time pass for the store.
    fn let_pass(&self, time: Duration) {
        for path in AGEING.iter().flat_map(|folder| files(&self.company.vault().join(folder))) {
            let file =
                File::options().write(true).open(&path).or_else(|_| File::open(&path)).expect("a file");
            let modified = file.metadata().and_then(|meta| meta.modified()).expect("its time");
            file.set_modified(modified - time).expect("an earlier time");
        }
    }

    fn end(&mut self) {
        // A killed holder's lease ends, and everything that waits is done.
        self.let_pass(Duration::from_secs(8 * 24 * 3600));
        for verb in ["expire", "prune"] {
            run(&mut self.company.agent(DB1, &[verb])).success();
        }
        self.let_pass(Duration::from_secs(2 * 24 * 3600));
        run(&mut self.company.agent(DB1, &["prune"])).success();
        self.company.back_up(DB1);
        self.company.back_up(DB2);
        let verified = self.company.verify();
        println!("{:?}, and in the end {}", self.counts, verified["covered"]);
        run(&mut self.company.agent(DB1, &["copy"])).success();
        for (host, name) in [(DB1, "crm"), (DB2, "shop")] {
            let expected = sqlite_dump(&database(&self.company, host));
            for url in [self.company.vault_url().to_owned(), self.copy.url()] {
                self.restores(&url, &format!("{name}@latest"), &expected);
            }
        }
        let shown = self.company.snapshots();
        let known: Vec<_> = self.known.iter().filter(|(id, _)| shown.contains(id)).collect();
        for (id, (_, expected)) in known.sample(&mut self.dice, RESTORED) {
            self.restores(self.company.vault_url(), &id[..16], expected);
            self.restores(&self.copy.url(), &id[..16], expected);
        }
        let proven = self.read_copy(&["verify", "--read-data", "--json"]).success();
        assert_eq!(proven.last_json()["damage"], serde_json::json!([]), "{}", proven.stdout);
    }

    /// Restores a snapshot from a vault or its copy, and compares.
    fn restores(&self, url: &str, snapshot: &str, expected: &str) {
        self.company.restores_from(url, &self.copy.environment(), snapshot, expected);
    }

    fn read_copy(&self, args: &[&str]) -> Finished {
        run(&mut self.company.restore_from(&self.copy.url(), &self.copy.environment(), args))
    }

    /// Kills a program that is under way, or lets it end.
    fn kills(&mut self, victim: Victim, percent: u32) -> bool {
        if self.chance(percent) {
            let moment = self.moment();
            return victim.kill_at(moment, &self.company.vault());
        }
        let ended = victim.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        false
    }

    fn moment(&mut self) -> Moment {
        let longest = KILLED_WITHIN.as_secs_f64();
        match self.dice.random_range(0..4) {
            0 => Moment::File(self.dice.random_range(1..4)),
            _ => Moment::Time(Duration::from_secs_f64(self.dice.random_range(0.01..longest))),
        }
    }

    fn host(&mut self) -> Host {
        if self.chance(50) { DB2 } else { DB1 }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

fn database(company: &Company, host: Host) -> PathBuf {
    company.path(&format!("{}.db", host.0))
}
