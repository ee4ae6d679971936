//! The agent on this machine: where it keeps its state, when it runs, and by whose clock.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::Schedule;

/// A schedule is kept to the second unless somebody asks for less.
const JITTER: Duration = Duration::ZERO;

/// Half a day: a nightly run has ended before the next evening.
const DEADLINE: Duration = Duration::from_secs(12 * 60 * 60);

/// Long enough for a large vault's listing over a slow line, during which nothing else moves.
const STALLED_AFTER: Duration = Duration::from_secs(60 * 60);

/// The agent that takes the backups.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Agent {
    /// The name under which this agent is enrolled in the vault; the machine's host name when left out.
    #[schemars(with = "Option<String>", regex(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// The folder for the agent's keys and its local state.
    #[serde(serialize_with = "as_text")]
    #[schemars(default = "Agent::default_state", with = "String")]
    pub state: PathBuf,
    /// Connections that read one source at once.
    #[schemars(default = "Agent::default_readers", range(min = 1, max = 64))]
    pub readers: usize,
    /// When `lifeboat-agent run` backs up the sources that have no schedule of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub schedule: Vec<Schedule>,
    /// The clock that schedules, bandwidth by the hour and the days of `keep` mean, such as `Asia/Shanghai`; the
    /// machine's when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timezone: Option<Zone>,
    /// Each run begins this much later at most, by chance, so that many hosts do not begin at once.
    #[serde(serialize_with = "as_duration")]
    #[schemars(default = "Agent::default_jitter", with = "String")]
    pub jitter: Duration,
    /// A run that takes longer is ended and counts as failed.
    #[serde(serialize_with = "as_duration")]
    #[schemars(default = "Agent::default_deadline", with = "String")]
    pub deadline: Duration,
    /// A backup that makes no progress for so long is ended and counts as failed.
    #[serde(serialize_with = "as_duration")]
    #[schemars(default = "Agent::default_stalled_after", with = "String")]
    pub stalled_after: Duration,
    /// How often a run that failed is tried again before its next slot.
    #[schemars(default = "Agent::default_retries", range(min = 0, max = 20))]
    pub retries: u32,
    /// Runs at once.
    #[schemars(default = "Agent::default_jobs", range(min = 1, max = 16))]
    pub jobs: usize,
    /// Where `lifeboat-agent run` serves `/metrics` for Prometheus and `/health`, such as `127.0.0.1:9632`;
    /// nowhere when left out. Whoever reaches it may read the names of the sources and how their backups are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
}

/// What the agent does beside backups.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Maintenance {
    /// When to prove the structure of every snapshot in the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub verify: Vec<Schedule>,
    /// When to remove the snapshots that no policy keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub expire: Vec<Schedule>,
    /// When to free the space of what no snapshot needs: marked at one run, freed at one a day later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub prune: Vec<Schedule>,
    /// When to bring every copy up to date, beside what each backup does: after an outage, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub copy: Vec<Schedule>,
}

/// A time zone by its name in the database of time zones.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Agent {
    /// The clock that schedules mean.
    pub fn zone(&self) -> TimeZone {
        self.timezone.as_ref().map_or_else(TimeZone::system, |zone| zone.zone.clone())
    }

    pub(crate) fn named(name: String) -> Self {
        Self {
            name,
            state: Self::default_state(),
            readers: Self::default_readers(),
            schedule: Vec::new(),
            timezone: None,
            jitter: JITTER,
            deadline: DEADLINE,
            stalled_after: STALLED_AFTER,
            retries: Self::default_retries(),
            jobs: Self::default_jobs(),
            listen: None,
        }
    }

    /// Two readers keep one core of the database and one of the agent busy.
    pub(crate) const fn default_readers() -> usize {
        2
    }

    pub(crate) fn default_state() -> PathBuf {
        PathBuf::from("/var/lib/lifeboat")
    }

    /// A store that is away for an hour is waited for.
    const fn default_retries() -> u32 {
        4
    }

    /// Sources are often databases of one server, which two runs at once would slow down.
    const fn default_jobs() -> usize {
        1
    }

    fn default_jitter() -> String {
        duration_text(JITTER)
    }

    fn default_deadline() -> String {
        duration_text(DEADLINE)
    }

    fn default_stalled_after() -> String {
        duration_text(STALLED_AFTER)
    }

    /// The schema must not carry this machine's name, so the default agent has none there.
    pub(crate) fn default_for_schema() -> serde_json::Value {
        let mut agent = serde_json::to_value(Self::named(String::new())).expect("a configuration is JSON");
        agent.as_object_mut().expect("an agent has keys").remove("name");
        agent
    }
}

impl Maintenance {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { verify, expire, prune, copy } = self;
        [verify, expire, prune, copy].iter().all(|schedules| schedules.is_empty())
    }
}

impl Zone {
    /// Looks the name up.
    pub(crate) fn get(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(|zone| Self { name: name.to_owned(), zone })
    }

    /// Its name, such as `Asia/Shanghai`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// A path that is no text still has to be shown.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn as_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&duration_text(*duration))
}

/// `1h 30m`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let signed = SignedDuration::try_from(duration).expect("a configured time is a few days at most");
    format!("{signed:#}")
}
