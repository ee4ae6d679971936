//! A vault's disk that fills up in the middle of a backup.

use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::run;

use super::victim::files;
use crate::company::{Company, DB1, sqlite_crm};

/// A disk of its own in memory, gone with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, size: &str) -> Self {
        std::fs::create_dir(&at).expect("a folder");
        let options = format!("size={size}");
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at));
        assert!(mounted.code() == Some(0), "this test needs the right to mount a tmpfs: {}", mounted.stderr);
        Self(at)
    }

    fn resize(&self, size: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0)).success();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

#[test]
fn a_full_disk_stops_the_backup_and_costs_nothing_that_was_there() {
    let mut company = Company::new();
    let disk = Disk::mount(company.path("disk"), "12m");
    company.set_vault(&disk.0.join("vault"));
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.002")]);
    company.init(DB1);
    company.back_up(DB1);
    let earlier = company.snapshots();

    grow(&database);
    for attempt in ["first", "second"] {
        let full = run(&mut company.agent(DB1, &["backup"])).exits(1);
        assert!(full.stderr.contains("free space on the store's disk"), "{attempt}: {}", full.stderr);
        assert_eq!(company.snapshots(), earlier, "{attempt}");
        company.verify();
        let half: Vec<_> =
            files(&disk.0).into_iter().filter(|path| path.to_string_lossy().contains('#')).collect();
        assert!(half.is_empty(), "{attempt}: half-written objects fill the disk: {half:?}");
    }

    disk.resize("100m");
    company.back_up(DB1);
    assert_eq!(company.snapshots().len(), 2);
    company.verify();
}

/// 24 MiB that do not compress.
fn grow(database: &Path) {
    let sql = "CREATE TABLE scans (id INTEGER PRIMARY KEY, page BLOB NOT NULL);
        WITH RECURSIVE page(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM page WHERE n < 3000)
        INSERT INTO scans SELECT n, randomblob(8192) FROM page;";
    run(Command::new("sqlite3").arg(database).arg(sql)).success();
}
