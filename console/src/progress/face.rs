//! The three faces of a reporter, and the one that says nothing.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::bars::Bars;
use super::lock;
use super::status::{Status, TableStatus};
use crate::escape;
use crate::output::{above_bars, json_line};

/// Where lines go.
pub(crate) type Out = Mutex<Box<dyn Write + Send>>;

/// How a run is told.
pub(crate) enum Face {
    /// Nothing is said.
    Hidden,
    /// Bars on a terminal, lines above them.
    Bars {
        /// Notes, warnings and the ends of phases.
        err: Out,
        /// What moves.
        bars: Bars,
    },
    /// Plain lines on stderr.
    Lines {
        /// All of it.
        err: Out,
    },
    /// JSON lines on stdout; warnings on stderr too.
    Json {
        /// What a program reads.
        out: Out,
        /// What a person must not miss.
        err: Out,
    },
}

impl Face {
    /// The face that suits this process.
    pub(crate) fn choose(json: bool) -> Self {
        let err: Out = Mutex::new(Box::new(io::stderr()));
        if json {
            Self::Json { out: Mutex::new(Box::new(io::stdout())), err }
        } else if io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
            Self::Bars { err, bars: Bars::on_stderr() }
        } else {
            Self::Lines { err }
        }
    }

    /// How often to draw: as fast as an eye follows, as often as a program cares, as seldom as a log
    /// file bears.
    pub(crate) fn pace(&self) -> Option<Duration> {
        match self {
            Self::Hidden => None,
            Self::Bars { .. } => Some(Duration::from_millis(200)),
            Self::Json { .. } => Some(Duration::from_secs(1)),
            Self::Lines { .. } => Some(Duration::from_secs(10)),
        }
    }

    /// A phase begins.
    pub(crate) fn phase(&self, name: &str) {
        match self {
            Self::Hidden | Self::Bars { .. } => {}
            Self::Lines { err } => say(err, &format!("{}\n", escape(name))),
            Self::Json { .. } => self.tell("phase", &json!({ "phase": name })),
        }
    }

    /// A phase has ended.
    pub(crate) fn phase_done(&self, status: &Status) {
        match self {
            Self::Hidden => {}
            Self::Bars { err, bars } => {
                bars.clear();
                say(err, &format!("{}\n", status.last_line()));
            }
            Self::Lines { err } => say(err, &format!("{}\n", status.last_line())),
            Self::Json { .. } => self.tell("progress", &status.json()),
        }
    }

    /// A table has ended. Only programs are told: an operator with 6,000 tables sees the phase's line.
    pub(crate) fn table_done(&self, table: &TableStatus) {
        if let Self::Json { .. } = self {
            self.tell("table", &json!({ "table": table.name, "rows": table.rows, "bytes": table.bytes }));
        }
    }

    /// Shows where things stand.
    pub(crate) fn draw(&self, status: &Status) {
        match self {
            Self::Hidden => {}
            Self::Bars { bars, .. } => bars.draw(status),
            Self::Lines { err } => say(err, &format!("{}\n", status.line())),
            Self::Json { .. } => self.tell("progress", &status.json()),
        }
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Hidden => {}
            Self::Bars { err, .. } | Self::Lines { err } => say(err, &format!("note: {}\n", escape(text))),
            Self::Json { .. } => self.tell("note", &json!({ "text": text })),
        }
    }

    /// Something to look at.
    pub(crate) fn warn(&self, text: &str) {
        if let Self::Json { .. } = self {
            self.tell("warning", &json!({ "text": text }));
        }
        if let Self::Bars { err, .. } | Self::Lines { err } | Self::Json { err, .. } = self {
            say(err, &format!("warning: {}\n", escape(text)));
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn close(&self) {
        if let Self::Bars { bars, .. } = self {
            bars.close();
        }
    }

    /// A JSON line, for the face that speaks JSON.
    pub(crate) fn json(&self, kind: &str, value: &impl Serialize) -> io::Result<()> {
        let Self::Json { out, .. } = self else { return Ok(()) };
        let line = json_line(kind, value)?;
        let mut out = lock(out);
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    /// A JSON line on the way. Whoever stopped reading is told by the summary's error, not by a failed
    /// backup.
    fn tell(&self, kind: &str, value: &serde_json::Value) {
        let _ = self.json(kind, value);
    }
}

fn say(out: &Out, line: &str) {
    above_bars(|| {
        let _ = lock(out).write_all(line.as_bytes());
    });
}
