//! What came of a message, judged by the answer's body: these services say HTTP 200 and mean no.
//!
//! Codes decide; texts only explain, because vendors change them.

use serde_json::Value;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service has it.
    Accepted,
    /// The service refuses it and will refuse it again: somebody has to change something.
    Rejected,
    /// Not now; perhaps later, after so many seconds where the service says how many.
    Retryable(Option<u32>),
    /// It was sent and nobody knows whether it arrived.
    Unknown,
}

/// A service's answer, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of the message.
    pub outcome: Outcome,
    /// The code that decided, such as `HTTP 200, errcode 310000`.
    pub code: String,
    /// What it means, in words; empty when all is well.
    pub reason: String,
    /// The message was refused for its length alone.
    pub too_long: bool,
}

/// Who answers: each has its own way to say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `errcode` 0.
    DingTalk,
    /// `errcode` 0.
    WeCom,
    /// `code` 0, or `StatusCode` 0 of old.
    Feishu,
    /// The text `ok`.
    Slack,
    /// HTTP 202 and `status` success.
    PagerDuty,
    /// Any 2xx.
    Webhook,
    /// HTTP 200 or 201, and no page of HTML.
    Ping,
}

/// What came back over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body, cut at what any of them needs.
    pub body: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// How far this machine's clock is ahead of the server's `Date`.
    pub clock_ahead_seconds: Option<i64>,
}

/// A clock this far off makes signatures worthless.
const SKEW_SECONDS: i64 = 300;

/// DingTalk is silent for ten minutes after too many messages.
const DINGTALK_SILENCE_SECONDS: u32 = 600;

/// WeCom, Feishu and Slack count by the minute at most.
const MINUTE_SECONDS: u32 = 60;

/// PagerDuty asks for "a backoff of a few minutes".
const PAGERDUTY_BACKOFF_SECONDS: u32 = 180;

impl Outcome {
    /// The word for messages, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Retryable(_) => "retryable",
            Self::Unknown => "unknown",
        }
    }
}

impl Answer {
    /// An answer with this code and reason.
    pub fn new(outcome: Outcome, code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { outcome, code: code.into(), reason: reason.into(), too_long: false }
    }
}

/// Understands a reply.
pub fn classify(service: Service, reply: &Reply) -> Answer {
    let (code, verdict) = match service {
        Service::DingTalk => coded(reply, &["errcode"], dingtalk),
        Service::WeCom => coded(reply, &["errcode"], wecom),
        Service::Feishu => coded(reply, &["code", "StatusCode"], feishu),
        Service::Slack => (None, slack(reply)),
        Service::PagerDuty => (None, pagerduty(reply)),
        Service::Webhook => (None, webhook(reply)),
        Service::Ping => (None, ping(reply)),
    };
    let code = match code {
        Some(code) => format!("HTTP {}, {code}", reply.status),
        None => format!("HTTP {}", reply.status),
    };
    Answer { outcome: verdict.outcome, code, reason: verdict.reason, too_long: verdict.too_long }
}

struct Verdict {
    outcome: Outcome,
    reason: String,
    too_long: bool,
}

fn verdict(outcome: Outcome, reason: impl Into<String>) -> Verdict {
    Verdict { outcome, reason: reason.into(), too_long: false }
}

/// What the status alone says, when it is not the success that the service promises.
fn by_status(reply: &Reply) -> Verdict {
    match reply.status {
        429 => verdict(Outcome::Retryable(reply.retry_after.or(Some(MINUTE_SECONDS))), "too many messages"),
        408 | 500.. => verdict(Outcome::Retryable(reply.retry_after), "the service is in trouble"),
        300..400 => {
            verdict(Outcome::Rejected, "redirected elsewhere, which is not followed: is the URL right?")
        }
        400.. => verdict(Outcome::Rejected, said(reply)),
        _ => verdict(
            Outcome::Retryable(None),
            "what answered is not the service: perhaps a proxy's or a login page",
        ),
    }
}

fn said(reply: &Reply) -> String {
    match reply.body.trim() {
        "" => "refused without a word".into(),
        body => body.to_owned(),
    }
}

/// A body that is a JSON object with a number under one of `keys`, zero for yes.
fn coded(reply: &Reply, keys: &[&str], judge: fn(i64, &str, &Reply) -> Verdict) -> (Option<String>, Verdict) {
    let body: Option<Value> = serde_json::from_str(&reply.body).ok();
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let found =
        body.as_ref().and_then(|body| keys.iter().find_map(|key| Some((*key, number(body.get(*key)?)?))));
    let Some((key, code)) = found else { return (None, by_status(reply)) };
    let text = |key: &str| body.as_ref().and_then(|body| body.get(key)?.as_str()).unwrap_or_default();
    let message = [text("errmsg"), text("msg"), text("StatusMessage")].concat();
    let verdict = match (code, reply.status) {
        (0, 200..300) => verdict(Outcome::Accepted, ""),
        (0, _) => by_status(reply),
        (code, _) => judge(code, &message, reply),
    };
    (Some(format!("{key} {code}")), verdict)
}

fn dingtalk(code: i64, message: &str, reply: &Reply) -> Verdict {
    match code {
        130_101 => verdict(
            Outcome::Retryable(Some(DINGTALK_SILENCE_SECONDS)),
            "more than 20 messages in a minute: the robot is silent for ten minutes",
        ),
        -1 => verdict(Outcome::Retryable(None), "the service is busy"),
        310_000 if message.contains("keywords") || message.contains("关键词") => verdict(
            Outcome::Rejected,
            format!(
                "the robot wants one of its keywords in every message: use signing instead, or add the keyword Lifeboat ({message})"
            ),
        ),
        310_000 if message.contains("sign") || message.contains("签名") || message.contains("timestamp") => {
            verdict(Outcome::Rejected, signature(message, reply))
        }
        310_000 if message.contains("ip") => verdict(
            Outcome::Rejected,
            format!("the robot does not take messages from this address ({message})"),
        ),
        300_001 => verdict(Outcome::Rejected, format!("the robot's token is not known ({message})")),
        _ => verdict(Outcome::Rejected, message),
    }
}

fn wecom(code: i64, message: &str, _: &Reply) -> Verdict {
    match code {
        45_009 => verdict(Outcome::Retryable(Some(MINUTE_SECONDS)), "more messages than the robot takes"),
        -1 => verdict(Outcome::Retryable(None), "the service is busy"),
        40_058 => Verdict {
            too_long: message.contains("length"),
            ..verdict(Outcome::Rejected, format!("the message is malformed or too long ({message})"))
        },
        93_000 => verdict(Outcome::Rejected, format!("the robot's key is not known ({message})")),
        _ => verdict(Outcome::Rejected, message),
    }
}

fn feishu(code: i64, message: &str, reply: &Reply) -> Verdict {
    match code {
        11_232 => verdict(Outcome::Retryable(Some(MINUTE_SECONDS)), "more messages than the bot takes"),
        9_499 if message.contains("frequency limited") => {
            verdict(Outcome::Retryable(Some(MINUTE_SECONDS)), "more messages than the bot takes")
        }
        19_021 => verdict(Outcome::Rejected, signature(message, reply)),
        19_022 => verdict(Outcome::Rejected, "the bot does not take messages from this address"),
        19_024 => verdict(
            Outcome::Rejected,
            "the bot wants one of its keywords in every message: use signing instead, or add the keyword Lifeboat",
        ),
        _ => verdict(Outcome::Rejected, message),
    }
}

/// A signature is wrong because the secret is, or because the clock is.
fn signature(message: &str, reply: &Reply) -> String {
    let clock = match reply.clock_ahead_seconds {
        Some(ahead) if ahead.abs() > SKEW_SECONDS => {
            let (by, way) = (ahead.abs() / 60, if ahead > 0 { "ahead of" } else { "behind" });
            format!(
                "this machine's clock is {by} minutes {way} the service's: set it, and keep it set by NTP"
            )
        }
        _ => "is `secret` the one that the robot shows?".to_owned(),
    };
    format!("the signature does not hold: {clock} ({message})")
}

fn slack(reply: &Reply) -> Verdict {
    match (reply.status, reply.body.trim()) {
        (200, "ok") => verdict(Outcome::Accepted, ""),
        (200, body) if is_word(body) => verdict(Outcome::Rejected, body),
        _ => by_status(reply),
    }
}

/// Slack's errors are bare words, such as `no_text`.
fn is_word(body: &str) -> bool {
    !body.is_empty() && body.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn pagerduty(reply: &Reply) -> Verdict {
    let body: Option<Value> = serde_json::from_str(&reply.body).ok();
    let status = body.as_ref().and_then(|body| body.get("status")?.as_str());
    match (reply.status, status) {
        (202, Some("success")) => verdict(Outcome::Accepted, ""),
        // Sent again it is the same event: the dedup key says so.
        (202, _) => verdict(Outcome::Unknown, "the answer is not understood"),
        (429 | 500.., _) => Verdict {
            outcome: Outcome::Retryable(reply.retry_after.or(Some(PAGERDUTY_BACKOFF_SECONDS))),
            ..by_status(reply)
        },
        _ => by_status(reply),
    }
}

fn webhook(reply: &Reply) -> Verdict {
    match reply.status {
        200..300 => verdict(Outcome::Accepted, ""),
        410 => verdict(Outcome::Rejected, "the receiver is gone for good: take this [[notify]] out"),
        _ => by_status(reply),
    }
}

/// Some services answer 200 to anything and say in brackets what they really think.
fn ping(reply: &Reply) -> Verdict {
    let body = reply.body.trim();
    match reply.status {
        200 | 201 if body.starts_with("OK (not found") => {
            verdict(Outcome::Rejected, "the service knows no such check")
        }
        200 | 201 if body.starts_with("OK (rate limited") => {
            verdict(Outcome::Retryable(Some(MINUTE_SECONDS)), "more pings than the service takes")
        }
        200 | 201 if body.starts_with('<') => {
            verdict(Outcome::Retryable(None), "a page of HTML answered: perhaps a proxy's or a login page")
        }
        200 | 201 => verdict(Outcome::Accepted, ""),
        404 => verdict(Outcome::Rejected, "the service knows no such check"),
        409 => verdict(Outcome::Rejected, "several checks have this slug"),
        _ => by_status(reply),
    }
}

#[cfg(test)]
mod tests;
