//! A message before it is dressed for a channel: a title, lines, and the run's id at the end.
//!
//! It holds no row data: titles come from our own words and from names, causes from errors, which name
//! tables and never what is in them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lifeboat_config::{Language, Severity};

use super::escape::value;
use super::ledger::Digest;
use super::words::{self, Label, in_language, label};
use crate::event::{Event, State};

/// No name in a message is longer.
const NAME_CHARS_MAX: usize = 120;

/// An error's whole chain fits; what is longer is in the log.
const WHY_CHARS_MAX: usize = 2000;

/// In a list of several events, each has a line.
const WHY_IN_LIST_CHARS_MAX: usize = 160;

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// How bad the worst of it is.
    pub severity: Severity,
    /// Whether it says that something is good again.
    pub state: State,
    /// The severity's word in brackets.
    pub mark: &'static str,
    /// One line: where and what.
    pub title: String,
    /// The rest, in order.
    pub lines: Vec<Line>,
    /// The last line, which is never cut off.
    pub tail: Line,
    /// The language it is in.
    pub language: Language,
}

/// A line: our own label, then what may come from anywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// With its colon, or empty.
    pub label: &'static str,
    /// One line.
    pub value: String,
}

/// In which words and at which clock a message is written.
#[derive(Debug, Clone)]
pub struct Voice {
    /// The language.
    pub language: Language,
    /// The time zone of every time in it.
    pub zone: TimeZone,
}

impl Voice {
    /// One event.
    pub fn event(&self, event: &Event, may_be_a_repeat: bool) -> Message {
        let mut lines = vec![self.line(Label::Branch, &event.branch, NAME_CHARS_MAX)];
        if let Some(source) = &event.source {
            lines.push(self.line(Label::Source, source, NAME_CHARS_MAX));
        }
        lines.push(self.line(Label::Task, words::task(event.task(), self.language), NAME_CHARS_MAX));
        if let Some(since) = event.since.filter(|since| *since < event.at) {
            lines.push(self.line(Label::Since, &self.time(since), NAME_CHARS_MAX));
        }
        lines.push(self.line(Label::At, &self.time(event.at), NAME_CHARS_MAX));
        if let Some(good) = event.last_good {
            lines.push(self.line(Label::LastGood, &self.time_and_age(good, event.at), NAME_CHARS_MAX));
        }
        if !event.why.is_empty() {
            lines.push(self.line(Label::Why, &event.why, WHY_CHARS_MAX));
        }
        if event.state == State::Failed {
            let usual = [words::usual_next(event, self.language).to_owned()];
            let next = if event.next.is_empty() { &usual[..] } else { &event.next };
            lines.extend(next.iter().map(|next| self.line(Label::Next, next, WHY_CHARS_MAX)));
        }
        let mut tail = self.line(Label::Run, &event.run.to_string(), NAME_CHARS_MAX);
        if may_be_a_repeat {
            tail.value.push_str(in_language(
                self.language,
                " (this message may be a repeat)",
                "（此消息可能重复）",
            ));
        }
        Message {
            severity: event.severity,
            state: event.state,
            mark: words::severity(event.severity, event.state, self.language),
            title: self.title(event),
            lines,
            tail,
            language: self.language,
        }
    }

    /// Several events that happened at once, in one message.
    pub fn several(&self, events: &[Event]) -> Message {
        let severity = events.iter().map(|event| event.severity).max().unwrap_or_default();
        let failed = events.iter().any(|event| event.state == State::Failed);
        let state = if failed { State::Failed } else { State::Recovered };
        let branch = events.first().map(|event| event.branch.as_str()).unwrap_or_default();
        let (count, what) = (events.len(), in_language(self.language, "events", "个事件"));
        let tail = events.last().map(|event| event.run.to_string()).unwrap_or_default();
        Message {
            severity,
            state,
            mark: words::severity(severity, state, self.language),
            title: format!("{}: {count} {what}", value(branch, NAME_CHARS_MAX)),
            lines: events.iter().map(|event| self.listed(event, "")).collect(),
            tail: self.line(Label::Run, &tail, NAME_CHARS_MAX),
            language: self.language,
        }
    }

    /// The summary of a day.
    pub fn digest(&self, digest: &Digest) -> Message {
        let mut lines: Vec<_> =
            digest.open.iter().map(|event| self.listed(event, label(Label::Open, self.language))).collect();
        for run in &digest.runs {
            let last = match run.last_good {
                Some(good) => self.time_and_age(good, digest.at),
                None => in_language(self.language, "never", "从未成功").to_owned(),
            };
            let source = run.source.as_deref().unwrap_or("-");
            let task = words::task(run.task, self.language);
            let text = match self.language {
                Language::En => format!(
                    "{source} {task}: last good {last}; since the last summary {} good, {} failed",
                    run.good, run.failed
                ),
                Language::Zh => format!(
                    "{source} {task}：最近成功 {last}；上次汇总以来成功 {} 次，失败 {} 次",
                    run.good, run.failed
                ),
            };
            lines.push(Line { label: "", value: value(&text, WHY_CHARS_MAX) });
        }
        let severity = digest.open.iter().map(|event| event.severity).max().unwrap_or(Severity::Info);
        let title = match (digest.open.len(), self.language) {
            (0, Language::En) => "no problem is open".to_owned(),
            (0, Language::Zh) => "没有未恢复的问题".to_owned(),
            (1, Language::En) => "1 problem is open".to_owned(),
            (open, Language::En) => format!("{open} problems are open"),
            (open, Language::Zh) => format!("{open} 个未恢复的问题"),
        };
        Message {
            severity,
            state: State::Failed,
            mark: in_language(self.language, "[summary]", "[汇总]"),
            title: format!("{}: {title}", value(&digest.branch, NAME_CHARS_MAX)),
            lines,
            tail: self.line(Label::At, &self.time(digest.at), NAME_CHARS_MAX),
            language: self.language,
        }
    }

    /// What `notify test` sends.
    pub fn test(&self, branch: &str, event: &Event) -> Message {
        let text = in_language(
            self.language,
            "this is a test of `lifeboat-agent notify test`: nothing is wrong",
            "这是 lifeboat-agent notify test 的测试消息，一切正常",
        );
        let title = in_language(self.language, "Lifeboat: test message", "Lifeboat 测试消息");
        Message {
            severity: Severity::Info,
            state: State::Failed,
            mark: in_language(self.language, "[test]", "[测试]"),
            title: title.to_owned(),
            lines: vec![
                self.line(Label::Branch, branch, NAME_CHARS_MAX),
                self.line(Label::At, &self.time(event.at), NAME_CHARS_MAX),
                Line { label: "", value: text.to_owned() },
            ],
            tail: self.line(Label::Run, &event.run.to_string(), NAME_CHARS_MAX),
            language: self.language,
        }
    }

    /// Where and what, in one line.
    fn title(&self, event: &Event) -> String {
        let place = [Some(&event.branch), event.source.as_ref(), event.subject.as_ref()];
        let place: Vec<_> = place.into_iter().flatten().map(|name| value(name, NAME_CHARS_MAX)).collect();
        format!("{}: {}", place.join("/"), words::what(event, self.language))
    }

    fn listed(&self, event: &Event, label: &'static str) -> Line {
        let mark = words::severity(event.severity, event.state, self.language);
        let why = match &*event.why {
            "" => String::new(),
            why => format!(": {}", value(why, WHY_IN_LIST_CHARS_MAX)),
        };
        let time = self.time(event.since.unwrap_or(event.at));
        Line { label, value: format!("{mark} {}{why} ({time}, {})", self.title(event), event.run) }
    }

    fn line(&self, kind: Label, text: &str, chars_max: usize) -> Line {
        Line { label: label(kind, self.language), value: value(text, chars_max) }
    }

    fn time(&self, time: Timestamp) -> String {
        time.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string()
    }

    fn time_and_age(&self, time: Timestamp, now: Timestamp) -> String {
        let hours = now.duration_since(time).as_hours();
        match self.language {
            Language::En => format!("{}, {hours} h ago", self.time(time)),
            Language::Zh => format!("{}，{hours} 小时前", self.time(time)),
        }
    }
}

impl Message {
    /// Mark and title.
    pub fn headline(&self) -> String {
        format!("{} {}", self.mark, self.title)
    }

    /// Every line but the last as plain text, each with its line end.
    pub fn body(&self) -> String {
        self.lines.iter().map(|line| format!("{}{}\n", line.label, line.value)).collect()
    }

    /// The last line as plain text.
    pub fn last_line(&self) -> String {
        format!("{}{}", self.tail.label, self.tail.value)
    }

    /// Whether people are to be called by name.
    pub fn calls(&self) -> bool {
        self.severity == Severity::Critical && self.state == State::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Check;

    fn event() -> Event {
        let time = |text: &str| text.parse().expect("a time");
        Event {
            source: Some("crm".into()),
            since: Some(time("2026-11-22T18:31:00Z")),
            last_good: Some(time("2026-11-21T18:31:00Z")),
            why: "the database does not answer".into(),
            ..Event::failed(
                Check::Backup,
                Severity::Critical,
                "广州分公司",
                serde_json::from_str("\"7f3a00000000000000000000000000ff\"").expect("a run"),
                time("2026-11-22T20:31:00Z"),
            )
        }
    }

    fn voice(language: Language) -> Voice {
        Voice { language, zone: TimeZone::fixed(jiff::tz::offset(8)) }
    }

    fn plain(message: &Message) -> String {
        format!("{}\n{}{}", message.headline(), message.body(), message.last_line())
    }

    #[test]
    fn an_event_is_told_in_both_languages() {
        let english = "\
[critical] 广州分公司/crm: backup failed
Branch: 广州分公司
Source: crm
Task: backup
Since: 2026-11-23 02:31 +08:00
At: 2026-11-23 04:31 +08:00
Last good snapshot: 2026-11-22 02:31 +08:00, 26 h ago
Why: the database does not answer
Next: run `lifeboat-agent check` on the agent's machine
Run: r-7f3a0000";
        assert_eq!(plain(&voice(Language::En).event(&event(), false)), english);
        let chinese = "\
[严重] 广州分公司/crm: 备份失败
分支机构：广州分公司
数据源：crm
任务：备份
开始于：2026-11-23 02:31 +08:00
时间：2026-11-23 04:31 +08:00
最近一次成功：2026-11-22 02:31 +08:00，26 小时前
原因：the database does not answer
处理：在代理所在机器上运行 lifeboat-agent check
运行号：r-7f3a0000（此消息可能重复）";
        assert_eq!(plain(&voice(Language::Zh).event(&event(), true)), chinese);
    }

    #[test]
    fn a_recovery_says_since_when_it_was_bad() {
        let recovered = event().recovered(event().run, event().at + jiff::SignedDuration::from_hours(1));
        let expected = "\
[recovered] 广州分公司/crm: backups work again
Branch: 广州分公司
Source: crm
Task: backup
Since: 2026-11-23 02:31 +08:00
At: 2026-11-23 05:31 +08:00
Run: r-7f3a0000";
        assert_eq!(plain(&voice(Language::En).event(&recovered, false)), expected);
    }

    #[test]
    fn several_events_become_one_message() {
        let other = Event { severity: Severity::Warning, source: Some("erp".into()), ..event() };
        let expected = "\
[critical] 广州分公司: 2 events
[warning] 广州分公司/erp: backup failed: the database does not answer (2026-11-23 02:31 +08:00, r-7f3a0000)
[critical] 广州分公司/crm: backup failed: the database does not answer (2026-11-23 02:31 +08:00, r-7f3a0000)
Run: r-7f3a0000";
        assert_eq!(plain(&voice(Language::En).several(&[other, event()])), expected);
    }
}
