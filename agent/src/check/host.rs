//! This host: its configuration, and room on its disks.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::human_bytes;

use super::Findings;
use crate::host;

/// Below this the local index of a large vault may not fit.
const FREE_BYTES_WARN: u64 = 1 << 30;

/// Below this not even a pack fits.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// The configuration: it is understood, or the command would have ended; what in it is unwise?
pub fn configuration(config: &Config, path: &Path, findings: &mut Findings) {
    let warnings = config.warnings(path);
    if warnings.is_empty() {
        findings.ok("configuration", format!("{} is understood", path.display()));
    }
    for warning in warnings {
        findings.warning("configuration", warning, None);
    }
    if config.sources.is_empty() {
        findings.problem("sources", "nothing is backed up", None);
    }
    for (grade, source) in config.grades_of_nobody() {
        let text = format!("columns of {source} are {grade}, and nobody in [people] may open that grade");
        findings.problem("grades", text, Some("give the grade to somebody, or the columns another".into()));
    }
}

/// The state folder, and the store's folder where it is on this machine.
pub fn state(config: &Config, findings: &mut Findings) {
    let folder = &config.agent.state;
    if !folder.is_dir() {
        findings.warning("state", format!("{} does not exist yet", folder.display()), None);
    } else if let Err(error) = tempfile::tempfile_in(folder) {
        let text = format!(
            "{} cannot be written: {error}; backups go on without it and store more than has changed",
            folder.display()
        );
        findings.warning("state", text, Some("make it this account's own, or name another".into()));
    } else {
        space("state", folder, findings);
    }
    if config.vault.url.scheme() == "file"
        && let Ok(folder) = config.vault.url.to_file_path()
        && folder.is_dir()
    {
        space("store", &folder, findings);
    }
}

/// The agent's key: whoever reads it can write snapshots in this agent's name.
pub fn key_file(config: &Config, findings: &mut Findings) {
    let path = host::key_path(&config.agent);
    if path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        let text = format!("other accounts of this machine can read {}", path.display());
        findings.warning("key", text, Some(format!("chmod 600 '{}'", path.display())));
    }
}

fn space(subject: &str, folder: &Path, findings: &mut Findings) {
    let free = match rustix::fs::statvfs(folder) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return findings.error(None, subject, std::io::Error::from(error)),
    };
    let text = format!("{} free in {}", human_bytes(free), folder.display());
    let hint = Some("free space there, or move it to a larger disk".to_owned());
    match free {
        ..FREE_BYTES_MIN => findings.problem(subject, text, hint),
        FREE_BYTES_MIN..FREE_BYTES_WARN => findings.warning(subject, text, hint),
        _ => findings.ok(subject, text),
    }
}
