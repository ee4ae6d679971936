//! The agent's state folder is a cache: lost, scribbled over, of another vault or of another time, it
//! costs a run some reading and never a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::run;
use serde_json::Value;

use super::victim::files;
use crate::company::{Company, DB1, sqlite_crm, sqlite_day};

struct Scene {
    company: Company,
    database: PathBuf,
    first: Value,
}

impl Scene {
    fn set() -> Self {
        let company = Company::new();
        let database = company.path("crm.db");
        company.configure(DB1, &[sqlite_crm(&database, "0.005")]);
        company.init(DB1);
        let first = company.back_up(DB1);
        sqlite_day(&database, "1");
        Self { company, database, first }
    }

    /// Every file of the state folder but the key, which `enroll` makes anew and nothing else.
    fn cache(&self) -> Vec<PathBuf> {
        let found = files(&self.company.state(DB1));
        let cache: Vec<_> = found.into_iter().filter(|path| !path.ends_with("agent.key")).collect();
        assert!(!cache.is_empty(), "the agent keeps no state");
        cache
    }

    /// The next run works, stores a day and not a database, and the vault is whole.
    fn goes_on(&self, snapshots: usize) {
        let next = self.company.back_up(DB1);
        let (new, all) = (bytes(&next, "new_raw_bytes"), bytes(&self.first, "raw_bytes"));
        assert!(new * 4 < all * 3, "{new} of {all} bytes were written again");
        assert_eq!(self.company.verify()["covered"]["snapshots"], snapshots);
    }
}

#[test]
fn a_lost_state_is_built_anew() {
    let scene = Scene::set();
    scene.cache().iter().for_each(|file| fs::remove_file(file).expect("removed"));
    scene.goes_on(2);
}

#[test]
fn a_state_of_random_bytes_is_built_anew() {
    let scene = Scene::set();
    for file in scene.cache() {
        let noise: Vec<u8> = (0..50_000).map(|_| rand::random()).collect();
        fs::write(file, noise).expect("written");
    }
    scene.goes_on(2);
}

#[test]
fn a_state_with_a_page_of_random_bytes_harms_nothing() {
    let scene = Scene::set();
    for file in scene.cache() {
        let mut content = fs::read(&file).expect("read");
        let middle = content.len() / 2;
        let end = content.len().min(middle + 4096);
        content[middle..end].fill_with(rand::random);
        fs::write(file, content).expect("written");
    }
    scene.goes_on(2);
}

#[test]
fn a_state_cut_short_harms_nothing() {
    let scene = Scene::set();
    for file in scene.cache() {
        let content = fs::read(&file).expect("read");
        fs::write(&file, &content[..content.len() / 2]).expect("written");
    }
    scene.goes_on(2);
}

#[test]
fn another_vaults_state_is_not_believed() {
    let (scene, other) = (Scene::set(), Scene::set());
    let theirs = other.cache();
    let mut replaced = 0;
    for file in scene.cache() {
        // Locks have no kind and say nothing; a log of SQLite's is not always left.
        let same =
            theirs.iter().find(|path| file.extension().is_some() && path.extension() == file.extension());
        if let Some(same) = same {
            fs::copy(same, &file).expect("copied");
            replaced += 1;
        }
    }
    assert!(replaced >= 3, "only {replaced} files were replaced");
    scene.goes_on(2);
}

#[test]
fn a_state_newer_than_the_vault_is_not_believed() {
    let scene = Scene::set();
    let kept = scene.company.path("vault.kept");
    copy(&scene.company.vault(), &kept);
    scene.company.back_up(DB1);
    // The store comes back from a copy of its own, a day old; the agent remembers what is not there.
    fs::remove_dir_all(scene.company.vault()).expect("removed");
    copy(&kept, &scene.company.vault());
    sqlite_day(&scene.database, "2");
    scene.goes_on(2);
}

fn bytes(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().expect("a number")
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to)).success();
}
