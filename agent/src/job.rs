//! What the agent does by schedule: a task, and the source that it is for.

use std::fmt;

/// One kind of work. Each is a verb of this program, so that it can be done by hand as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Takes a snapshot of a source.
    Backup,
    /// Proves the structure of every snapshot.
    Verify,
    /// Removes the snapshots that no policy keeps.
    Expire,
    /// Frees the space of what no snapshot needs.
    Prune,
    /// Brings the vault's copies up to date.
    Copy,
}

/// What has a schedule of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Job {
    /// The kind of work.
    pub task: Task,
    /// The source of a backup; none for other work.
    pub source: Option<String>,
    /// The copy that is worked on; none for work on the vault itself.
    pub copy: Option<String>,
}

impl Task {
    /// Work on the vault as a whole.
    pub const OF_VAULT: [Self; 4] = [Self::Verify, Self::Expire, Self::Prune, Self::Copy];

    /// Work on one copy: what `--copy` is for.
    pub const OF_COPY: [Self; 2] = [Self::Expire, Self::Prune];

    /// The verb, as it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Expire => "expire",
            Self::Prune => "prune",
            Self::Copy => "copy",
        }
    }

    /// The task that this verb names.
    pub fn from_verb(verb: &str) -> Option<Self> {
        [Self::Backup].into_iter().chain(Self::OF_VAULT).find(|task| task.as_str() == verb)
    }
}

impl Job {
    /// The backup of a source.
    pub fn backup(source: &str) -> Self {
        Self { task: Task::Backup, source: Some(source.to_owned()), copy: None }
    }

    /// Work on the vault as a whole.
    pub const fn of_vault(task: Task) -> Self {
        Self { task, source: None, copy: None }
    }

    /// Work on the vault, or on the copy that is named.
    pub fn of_copy(task: Task, copy: Option<&str>) -> Self {
        Self { task, source: None, copy: copy.map(str::to_owned) }
    }

    /// The name of what it works on, empty for the vault as a whole. A task has sources or copies, never both.
    pub fn of(&self) -> &str {
        self.source.as_deref().or(self.copy.as_deref()).unwrap_or_default()
    }

    /// The job of a task on what has this name, as [`Job::of`] gives it.
    pub fn named(task: Task, name: &str) -> Self {
        match (task, name) {
            (_, "") => Self::of_vault(task),
            (Task::Backup, source) => Self::backup(source),
            (task, copy) => Self::of_copy(task, Some(copy)),
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of() {
            "" => f.write_str(self.task.as_str()),
            name => write!(f, "{} {name}", self.task.as_str()),
        }
    }
}
