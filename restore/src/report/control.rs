//! What a control is, and how one comes out.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::evidence::Evidence;
use super::facts::Facts;
use super::said::{Said, Words, words};

/// One control, as data and a pure function.
pub struct Control {
    /// Its name, such as `COV-01`.
    pub id: &'static str,
    /// How bad a failure is.
    pub severity: Severity,
    /// What it asks.
    pub title: Words,
    /// The clauses it is evidence for.
    pub supports: &'static [&'static str],
    /// Why it is asked.
    pub rationale: Words,
    /// What a pass does not show.
    pub does_not_show: Words,
    /// For how long a result may be relied upon, in hours.
    pub valid_hours: i64,
    /// Judges it. Reads nothing but the facts.
    pub judge: fn(&Facts) -> Judgement,
}

/// How bad a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data can be lost, or read by strangers.
    Critical,
    /// It would be found out too late.
    High,
}

/// How a control came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// What was read shows it.
    Pass,
    /// What was read shows the opposite.
    Fail,
    /// It was not, or not wholly, seen. Never counts as a pass.
    Unknown,
    /// It does not concern this vault.
    NotApplicable,
    /// Its result is accepted for a while.
    Suppressed,
}

/// How far the report looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Depth {
    /// Somebody says so.
    Declared,
    /// Configuration, manifests or keys say so.
    Config,
    /// It was tried, or read back from where it is.
    Probe,
}

/// What a control says of some facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it came out.
    pub status: Status,
    /// How far it looked.
    pub depth: Depth,
    /// Why.
    pub message: Said,
    /// What was read.
    pub evidence: Vec<Evidence>,
    /// What to do next, where something is to be done.
    pub fix: Option<Said>,
}

/// A control with its judgement and what was decided about it.
pub struct Finding {
    /// The control.
    pub control: &'static Control,
    /// How it came out in the end.
    pub status: Status,
    /// How it came out by itself, and why.
    pub judgement: Judgement,
    /// What suppresses it, or fails to.
    pub suppression: Option<Said>,
    /// Until when the result may be relied upon.
    pub valid_until: Timestamp,
}

impl Finding {
    /// The judgement as it is, at that time.
    pub fn of(control: &'static Control, judgement: Judgement, now: Timestamp) -> Self {
        let hours = SignedDuration::from_hours(control.valid_hours);
        let valid_until = now.checked_add(hours).unwrap_or(now);
        Self { control, status: judgement.status, judgement, suppression: None, valid_until }
    }
}

impl Judgement {
    fn new(status: Status, depth: Depth, message: impl Into<Said>) -> Self {
        Self { status, depth, message: message.into(), evidence: Vec::new(), fix: None }
    }

    /// What was read shows it.
    pub fn pass(depth: Depth, message: impl Into<Said>) -> Self {
        Self::new(Status::Pass, depth, message)
    }

    /// What was read shows the opposite.
    pub fn fail(depth: Depth, message: impl Into<Said>) -> Self {
        Self::new(Status::Fail, depth, message)
    }

    /// It was not seen.
    pub fn unknown(message: impl Into<Said>) -> Self {
        Self::new(Status::Unknown, Depth::Declared, message)
    }

    /// It does not concern this vault.
    pub fn not_applicable(message: impl Into<Said>) -> Self {
        Self::new(Status::NotApplicable, Depth::Config, message)
    }

    /// With what was read.
    pub fn seen<'a>(mut self, evidence: impl IntoIterator<Item = &'a Evidence>) -> Self {
        self.evidence.extend(evidence.into_iter().cloned());
        self
    }

    /// With what to do next.
    pub fn fix(mut self, fix: impl Into<Said>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// What is said where a configuration would have to be read.
pub fn without_config() -> Judgement {
    Judgement::unknown(words("no configuration was given", "未提供配置文件"))
        .fix(words("run the report with --config lifeboat.toml", "使用 --config lifeboat.toml 重新生成报告"))
}

impl Status {
    /// Its name in the report.
    pub const fn words(self) -> Words {
        match self {
            Self::Pass => words("pass", "通过"),
            Self::Fail => words("fail", "未通过"),
            Self::Unknown => words("unknown", "未知"),
            Self::NotApplicable => words("not applicable", "不适用"),
            Self::Suppressed => words("suppressed", "已搁置"),
        }
    }

    /// Every status, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Fail, Self::Unknown, Self::Suppressed, Self::Pass, Self::NotApplicable];
}

impl Severity {
    /// Its name in the report.
    pub const fn words(self) -> Words {
        match self {
            Self::Critical => words("critical", "严重"),
            Self::High => words("high", "高"),
        }
    }
}

impl Depth {
    /// Its name in the report.
    pub const fn words(self) -> Words {
        match self {
            Self::Declared => words("declared", "声明"),
            Self::Config => words("configuration and metadata", "配置与元数据"),
            Self::Probe => words("probe", "实测"),
        }
    }
}

/// How many controls came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Not seen.
    pub unknown: usize,
    /// Of no concern.
    pub not_applicable: usize,
    /// Accepted for a while.
    pub suppressed: usize,
}

impl Counts {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let count = |status| findings.iter().filter(|finding| finding.status == status).count();
        Self {
            pass: count(Status::Pass),
            fail: count(Status::Fail),
            unknown: count(Status::Unknown),
            not_applicable: count(Status::NotApplicable),
            suppressed: count(Status::Suppressed),
        }
    }

    /// The count of one status.
    pub const fn number(&self, status: Status) -> usize {
        match status {
            Status::Pass => self.pass,
            Status::Fail => self.fail,
            Status::Unknown => self.unknown,
            Status::NotApplicable => self.not_applicable,
            Status::Suppressed => self.suppressed,
        }
    }
}
