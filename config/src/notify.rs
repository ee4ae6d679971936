//! Whom the agent tells when something is wrong, and of what.
//!
//! A URL of a chat robot is a secret like a password: whoever has it can write into the group. So it is
//! kept by reference, and nothing prints it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::SecretRef;

/// One place that is told.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Notify {
    /// The name by which `notify test` and messages know this place.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// What kind of place it is, and how to reach it.
    #[serde(flatten)]
    pub channel: Channel,
    /// The least severe kind of event that is told here.
    #[schemars(default)]
    pub severity: Severity,
    /// Only events of these branches; every branch when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub branches: Vec<String>,
    /// Only events of these sources, and those that concern no single source; every source when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub sources: Vec<String>,
    /// The language of the messages.
    #[schemars(default)]
    pub language: Language,
    /// From this hour on a summary of the day is sent once, such as `08:00`, by the run that comes next; none
    /// when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub digest: Option<TimeOfDay>,
    /// A file with the certificate authority of a server of your own, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Permits a server on another host without TLS.
    #[schemars(default)]
    pub allow_plaintext: bool,
}

/// The kinds of places, each with what it needs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Channel {
    /// Mail, through a server that takes it.
    Email {
        /// The server: `smtps://user@host` (TLS from the start) or `smtp://user@host` (STARTTLS, demanded).
        #[schemars(with = "String", regex(pattern = "^smtps?://"))]
        server: Url,
        /// Where the user's password is kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        password: Option<SecretRef>,
        /// Whom the mail is from.
        from: String,
        /// Whom it goes to.
        #[schemars(length(min = 1))]
        to: Vec<String>,
    },
    /// A Slack incoming webhook.
    Slack {
        /// Where the webhook's URL is kept.
        #[schemars(with = "String")]
        url: SecretRef,
    },
    /// A DingTalk robot.
    DingTalk {
        /// Where the robot's URL, or its access token alone, is kept.
        #[schemars(with = "String")]
        url: SecretRef,
        /// Where the secret that signs is kept, `SEC…`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        secret: Option<SecretRef>,
        /// Telephone numbers that critical events call, or `all`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        mention: Vec<String>,
    },
    /// A WeCom group robot.
    WeCom {
        /// Where the robot's URL, or its key alone, is kept.
        #[schemars(with = "String")]
        url: SecretRef,
        /// `text` is shown by ordinary WeChat too, and can mention people.
        #[schemars(default)]
        format: Format,
        /// Telephone numbers that critical events call, or `all`; with `format = "text"` alone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        mention: Vec<String>,
    },
    /// A Feishu or Lark bot.
    Feishu {
        /// Where the bot's URL, or its token alone (then of Feishu), is kept.
        #[schemars(with = "String")]
        url: SecretRef,
        /// Where the secret that signs is kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        secret: Option<SecretRef>,
        /// Users that critical events call, or `all`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        mention: Vec<String>,
    },
    /// A program of your own: one POST an event, signed as Standard Webhooks has it.
    Webhook {
        /// Where its URL is kept.
        #[schemars(with = "String")]
        url: SecretRef,
        /// Where the secret that signs is kept, `whsec_…`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        secret: Option<SecretRef>,
    },
    /// A service that expects to be called and tells when it is not: healthchecks.io and its like.
    Ping {
        /// Where the URL is kept; `{source}`, `{task}` and `{branch}` in it are filled in.
        #[schemars(with = "String")]
        url: SecretRef,
    },
    /// PagerDuty's events, version 2.
    PagerDuty {
        /// Where the routing key is kept.
        #[schemars(with = "String")]
        key: SecretRef,
        /// Another region's service than `https://events.pagerduty.com`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        url: Option<Url>,
    },
}

/// How bad an event is.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    serde::Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Needs a look today.
    #[default]
    Warning,
    /// A backup is missing, or cannot be trusted.
    Critical,
}

/// The language of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// How a WeCom robot's message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum Format {
    /// With colours; ordinary WeChat does not show it.
    #[default]
    Markdown,
    /// Plain.
    Text,
}

/// An hour and minute of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl Channel {
    /// The word for this kind in configuration, messages and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Slack { .. } => "slack",
            Self::DingTalk { .. } => "dingtalk",
            Self::WeCom { .. } => "wecom",
            Self::Feishu { .. } => "feishu",
            Self::Webhook { .. } => "webhook",
            Self::Ping { .. } => "ping",
            Self::PagerDuty { .. } => "pagerduty",
        }
    }

    /// Every reference to a secret, with its key in the configuration.
    pub fn secrets(&self) -> Vec<(&'static str, &SecretRef)> {
        let (url, secret) = match self {
            Self::Email { password, .. } => {
                return password.iter().map(|secret| ("password", secret)).collect();
            }
            Self::PagerDuty { key, .. } => return vec![("key", key)],
            Self::Slack { url } | Self::WeCom { url, .. } | Self::Ping { url } => (url, None),
            Self::DingTalk { url, secret, .. }
            | Self::Feishu { url, secret, .. }
            | Self::Webhook { url, secret } => (url, secret.as_ref()),
        };
        std::iter::once(("url", url)).chain(secret.map(|secret| ("secret", secret))).collect()
    }
}

impl Severity {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", self.hour, self.minute))
    }
}
