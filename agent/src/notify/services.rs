//! Slack, PagerDuty and programs of the operator's own.

use jiff::Timestamp;
use lifeboat_config::Language;
use serde_json::{Value, json};

use super::escape::{fit, slack, slack_plain};
use super::message::{Line, Message, Voice};
use crate::event::{Event, State};

/// Slack's limits, in characters; bytes are never fewer.
const SLACK_HEADER_BYTES_MAX: usize = 150;
const SLACK_SECTION_BYTES_MAX: usize = 2900;
const SLACK_TEXT_BYTES_MAX: usize = 3000;

/// PagerDuty's limits.
const PAGERDUTY_SUMMARY_BYTES_MAX: usize = 1024;
const PAGERDUTY_KEY_BYTES_MAX: usize = 255;

/// Slack's body. Values stand in plain text, where nothing is parsed.
pub fn slack_body(message: &Message) -> Value {
    let tail = plain(&message.tail);
    let text = format!("{}\n{}", slack(&message.headline()), escaped(&message.lines));
    let section: String = message.lines.iter().map(|line| plain(line) + "\n").collect();
    let header = fit(&slack_plain(&message.headline()), "", SLACK_HEADER_BYTES_MAX);
    let plain_text = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(header.trim_end()) })];
    let section = fit(&section, "", SLACK_SECTION_BYTES_MAX);
    if !section.trim().is_empty() {
        blocks.push(json!({ "type": "section", "text": plain_text(section.trim_end()) }));
    }
    blocks.push(json!({ "type": "context", "elements": [plain_text(&tail)] }));
    json!({ "text": fit(&text, &slack(&tail), SLACK_TEXT_BYTES_MAX), "mrkdwn": false, "blocks": blocks })
}

/// A PagerDuty event. The key stays the same from the first failure to the recovery, whatever run finds it.
pub fn pagerduty_body(event: &Event, message: &Message, routing_key: &str, host: &str) -> Value {
    let key = event.dedup_key();
    let key = match key.len() {
        ..=PAGERDUTY_KEY_BYTES_MAX => key,
        _ => hex(&key),
    };
    if event.state == State::Recovered {
        return json!({ "routing_key": routing_key, "dedup_key": key, "event_action": "resolve" });
    }
    let why = if event.why.is_empty() { String::new() } else { format!(": {}", event.why) };
    let summary = fit(&format!("{}{why}", message.title), "", PAGERDUTY_SUMMARY_BYTES_MAX);
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": summary.trim_end(),
            "source": host,
            "severity": event.severity.as_str(),
            "timestamp": event.at.to_string(),
            "component": event.source,
            "group": event.branch,
            "class": event.check.as_str(),
            "custom_details": {
                "run_id": event.run.to_string(),
                "since": event.since.map(|since| since.to_string()),
                "last_good": event.last_good.map(|good| good.to_string()),
                "next": event.next,
            },
        },
        "client": "lifeboat",
    })
}

/// The body of an event for a program, and the name that `test` or a summary has there.
pub fn webhook_body(event: &Event, name: &str, voice: &Voice) -> Value {
    let summary = |language: Language| {
        let voice = Voice { language, ..voice.clone() };
        voice.event(event, false).headline()
    };
    json!({
        "v": 1,
        "event": name,
        "severity": event.severity.as_str(),
        "branch": event.branch,
        "source": event.source,
        "subject": event.subject,
        "task": event.task().as_str(),
        "check": event.check.as_str(),
        "run_id": event.run.to_string(),
        "at": event.at.to_string(),
        "since": event.since.map(|since| since.to_string()),
        "last_good": event.last_good.map(|good| good.to_string()),
        "why": event.why,
        "next": event.next,
        "summary": { "zh-CN": summary(Language::Zh), "en": summary(Language::En) },
        "dedup_key": event.dedup_key(),
    })
}

/// The body of a message that is no event: a summary.
pub fn webhook_message(name: &str, message: &Message, at: Timestamp) -> Value {
    let lines: Vec<_> = message.lines.iter().map(|line| format!("{}{}", line.label, line.value)).collect();
    json!({
        "v": 1,
        "event": name,
        "severity": message.severity.as_str(),
        "at": at.to_string(),
        "title": message.title,
        "lines": lines,
    })
}

fn plain(line: &Line) -> String {
    slack_plain(&format!("{}{}", line.label, line.value))
}

fn escaped(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}{}\n", line.label, slack(&line.value))).collect()
}

/// SHA-256 of a text, in hex.
pub fn hex(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
