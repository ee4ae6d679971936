//! Who works on this host: one daemon, and one run of a job at a time.
//!
//! A lock is the system's own on a file of the state folder, so it ends with its holder however that ends.
//! Hosts are told apart by their state folders; that two of them write into one vault does no harm.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_console::{CommandError, Kind, ResultExt, chain};

use crate::job::Job;

/// Whoever only looks whether a lock is held holds it for a moment: another look soon after is not fooled.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Whoever waits for a run to end looks so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A lock that is held until this is dropped.
pub struct Lock {
    _file: Option<File>,
}

/// Takes the lock of the daemon, so that one runs for each state folder.
pub fn of_daemon(state: &Path) -> Result<Lock, CommandError> {
    take(state, "daemon")?.ok_or_else(|| {
        let text = format!("another lifeboat-agent runs with the state folder {}", state.display());
        CommandError::new(Kind::Locked, text)
            .hint("`lifeboat-agent status` shows it; a second agent on this host needs a `state` of its own")
    })
}

/// Takes the lock of whoever reads the vault's record, unless it is held.
pub fn of_record(state: &Path) -> Option<Lock> {
    or_unlocked(take(state, "record"))
}

/// Takes the lock of a job, so that one run of it is under way at a time. Where the state folder cannot be
/// written there is no lock: a disk that is full keeps nobody from taking a snapshot.
pub fn of_job(state: &Path, job: &Job) -> Result<Lock, CommandError> {
    or_unlocked(take(state, &name(job))).ok_or_else(|| {
        CommandError::new(Kind::Locked, format!("another run of `{job}` is under way on this host"))
            .hint("`lifeboat-agent status` shows how far it is")
    })
}

/// The same, after the run of the job that is under way. `waits` is told before each look for how long that has
/// been.
///
/// # Errors
/// `Locked` when it was waited for longer than `patience`.
pub async fn of_job_in_turn(
    state: &Path,
    job: &Job,
    patience: Duration,
    mut waits: impl FnMut(Duration),
) -> Result<Lock, CommandError> {
    let mut waited = Duration::ZERO;
    loop {
        match of_job(state, job) {
            Err(error) if error.kind() == Kind::Locked && waited < patience => waits(waited),
            taken => return taken,
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
}

/// The process id of the daemon that runs with this state folder.
pub fn daemon_pid(state: &Path) -> Option<u32> {
    if !is_held(state, "daemon") {
        return None;
    }
    let mut text = String::new();
    File::open(path(state, "daemon")).ok()?.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether a run of a job is under way.
pub fn is_running(state: &Path, job: &Job) -> bool {
    is_held(state, &name(job))
}

fn take(state: &Path, name: &str) -> Result<Option<Lock>, CommandError> {
    let path = path(state, name);
    let cannot = || format!("the lock {} cannot be taken", path.display());
    std::fs::create_dir_all(path.parent().unwrap_or(state)).context(cannot)?;
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).context(cannot)?;
    for attempt in 1..=TRIES {
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| file.rewind()).context(cannot)?;
                writeln!(file, "{}", std::process::id()).context(cannot)?;
                return Ok(Some(Lock { _file: Some(file) }));
            }
            Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(error).context(cannot),
        }
    }
    Ok(None)
}

/// Where the state folder cannot be written there is no lock.
fn or_unlocked(taken: Result<Option<Lock>, CommandError>) -> Option<Lock> {
    taken.unwrap_or_else(|error| {
        tracing::warn!("{}", chain(error.error()));
        Some(Lock { _file: None })
    })
}

fn is_held(state: &Path, name: &str) -> bool {
    let Ok(file) = File::open(path(state, name)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

fn name(job: &Job) -> String {
    match job.of() {
        "" => job.task.as_str().to_owned(),
        of => format!("{}-{of}", job.task.as_str()),
    }
}

fn path(state: &Path, name: &str) -> PathBuf {
    state.join("locks").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_lock_until_it_lets_go() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let (state, crm) = (state.path(), Job::backup("crm"));
        assert!(!is_running(state, &crm));
        let held = of_job(state, &crm).expect("the lock");
        assert!(is_running(state, &crm) && !is_running(state, &Job::backup("forms")));
        let refused = of_job(state, &crm).err().expect("no second lock");
        assert_eq!(
            (refused.kind(), refused.to_string()),
            (Kind::Locked, "another run of `backup crm` is under way on this host".into())
        );
        drop(held);
        assert!(!is_running(state, &crm));
        let _daemon = of_daemon(state).expect("the lock");
        assert_eq!(daemon_pid(state), Some(std::process::id()));
        assert_eq!(of_daemon(state).err().expect("no second daemon").kind(), Kind::Locked);
    }

    #[tokio::test]
    async fn whoever_waits_for_a_lock_has_it_when_the_run_before_has_ended() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let (state, copy) = (state.path(), Job::of_vault(crate::job::Task::Copy));
        let mut held = Some(of_job(state, &copy).expect("the lock"));
        let patience = Duration::from_secs(60);
        let taken = of_job_in_turn(state, &copy, patience, |_| drop(held.take())).await;
        assert!(is_running(state, &copy));
        let unheard = |_| panic!("there is no time to wait");
        let refused = of_job_in_turn(state, &copy, Duration::ZERO, unheard).await;
        assert_eq!(refused.err().map(|error| error.kind()), Some(Kind::Locked));
        drop(taken.expect("the lock in turn"));
    }
}
