//! `kill -9` of a backup at every kind of moment: nothing that was whole is lost, nothing half shows,
//! and what was uploaded is not uploaded again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lifeboat_tests::{PostgresServer, run};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::victim::{Moment, Victim, files};
use crate::company::{Company, DB1, postgres_crm};

/// About 22 MiB that do not compress, so that a run fills more than one pack.
const SCANS: &str = "
CREATE TABLE scans (id int PRIMARY KEY, page bytea NOT NULL);
INSERT INTO scans SELECT page, string_agg(sha512((page || '-' || part)::bytea), '')
FROM generate_series(1, 1800) AS page, generate_series(1, 200) AS part GROUP BY page";

/// pg_dump writes its own time into the schema, so that this much is new every time.
const SCHEMA_BYTES_MAX: u64 = 100_000;
/// A pack is closed when it reaches this size.
const PACK_BYTES: u64 = 16 << 20;
const RANDOM_MOMENTS: usize = 3;

#[test]
fn a_backup_killed_after_any_line_it_prints_harms_nothing() {
    Scene::set().kill_at_each(&[1, 3, 10].map(Moment::Line));
}

#[test]
fn a_backup_killed_at_any_object_it_writes_harms_nothing() {
    Scene::set().kill_at_each(&[1, 2, 3, 4, 5].map(Moment::File));
}

#[test]
fn a_backup_killed_at_random_moments_harms_nothing() {
    let seed: u64 = rand::random();
    println!("the moments are drawn with seed {seed}");
    let scene = Scene::set();
    let longest = scene.whole["seconds"].as_f64().expect("a number");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut moment = || Moment::Time(Duration::from_secs_f64(dice.random_range(0.02..longest)));
    scene.kill_at_each(&[(); RANDOM_MOMENTS].map(|()| moment()));
}

/// A vault with one snapshot, and a database that has grown much since; kept aside, so that every kill
/// begins at the same place.
struct Scene {
    company: Company,
    _server: PostgresServer,
    /// The summary of a run that nobody killed.
    whole: Value,
    /// The snapshot before it.
    earlier: Vec<String>,
}

impl Scene {
    fn set() -> Self {
        let server = PostgresServer::start();
        let company = Company::new();
        company.configure(DB1, &[postgres_crm(&server, "0.02")]);
        company.init(DB1);
        company.back_up(DB1);
        server.psql("crm", SCANS);
        copy(&company.vault(), &company.path("vault.kept"));
        copy(&company.state(DB1), &company.path("state.kept"));
        let earlier = company.snapshots();
        let whole = company.back_up(DB1);
        assert!(whole["new_raw_bytes"].as_u64() > Some(2 * PACK_BYTES), "{whole}");
        Self { company, _server: server, whole, earlier }
    }

    fn kill_at_each(&self, moments: &[Moment]) {
        let mut killed = 0;
        for moment in moments {
            copy(&self.company.path("vault.kept"), &self.company.vault());
            copy(&self.company.path("state.kept"), &self.company.state(DB1));
            killed += usize::from(self.kill_at(*moment));
        }
        assert!(killed * 2 > moments.len(), "only {killed} of {} runs were killed under way", moments.len());
    }

    /// Whether the run was killed under way.
    fn kill_at(&self, moment: Moment) -> bool {
        let company = &self.company;
        let packs_before = packs(company);
        let backup = company.agent(DB1, &["backup", "--json"]);
        let killed = Victim::start(backup).kill_at(moment, &company.vault());

        let shown = company.snapshots();
        assert!(shown.starts_with(&self.earlier), "{moment:?}: an earlier snapshot is gone: {shown:?}");
        run(&mut company.restore(&["verify", "--json"])).success();
        let written = shown.len() > self.earlier.len();
        assert!(killed || written, "{moment:?}: a run that ended left no snapshot");

        let left = packs(company).len() - packs_before.len();
        let full = packs(company).into_iter().filter(|(name, bytes)| {
            *bytes >= PACK_BYTES && !packs_before.iter().any(|(known, _)| known == name)
        });
        let full = full.count();
        let next = company.back_up(DB1);
        let new = |summary: &Value| summary["new_raw_bytes"].as_u64().expect("a number");
        println!("{moment:?}: killed {killed}, packs left {left}, full {full}, new {}", new(&next));
        if written {
            assert!(new(&next) < SCHEMA_BYTES_MAX, "{moment:?}: {} raw bytes again", new(&next));
        } else if full > 0 {
            assert!(
                new(&next) + PACK_BYTES / 2 < new(&self.whole),
                "{moment:?}: {full} full packs were there, and {} of {} raw bytes were new",
                new(&next),
                new(&self.whole)
            );
        }
        assert_eq!(next["rows"], self.whole["rows"], "{moment:?}");
        let verified = company.verify();
        let expected = shown.len() + 1;
        assert_eq!(verified["covered"]["snapshots"], expected, "{moment:?}");
        assert_eq!(company.snapshots().len(), expected, "{moment:?}");
        let scratch =
            files(&company.state(DB1)).into_iter().filter(|path| path.to_string_lossy().contains("scratch-"));
        let bytes: u64 = scratch.map(|path| path.metadata().map_or(0, |meta| meta.len())).sum();
        assert!(bytes < 4 << 20, "{moment:?}: {bytes} bytes of scratch are left");
        killed
    }
}

/// Packs and their sizes; one that is still being written does not count.
fn packs(company: &Company) -> Vec<(String, u64)> {
    let whole = |path: &std::path::PathBuf| !path.to_string_lossy().contains('#');
    let described = |path: std::path::PathBuf| {
        let bytes = path.metadata().map_or(0, |meta| meta.len());
        (path.display().to_string(), bytes)
    };
    files(&company.vault().join("packs")).into_iter().filter(whole).map(described).collect()
}

/// Puts a copy of a folder in place of `to`.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).expect("the old folder can be removed");
    }
    run(Command::new("cp").arg("-a").arg(from).arg(to)).success();
}
