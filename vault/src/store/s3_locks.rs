//! S3's object locks, for which object_store has no call: requests of our own.
//!
//! A vault's writer is a client of its own, whose every request says how long what it writes is locked; it is used
//! for nothing but writing.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{HeaderMap, HeaderValue, ObjectStore, Result};
use reqwest::Method;
use reqwest::header::HeaderName;
use serde::Deserialize;

use super::lock::{BucketLocks, LockMode, ObjectLocks, Retention};
use super::s3_requests::{S3Requests, client_options, generic};

const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

/// The locks of a bucket.
#[derive(Debug)]
pub(super) struct S3Locks {
    builder: AmazonS3Builder,
    requests: Arc<S3Requests>,
}

/// What a bucket or an object says, in S3's XML.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    mode: Option<String>,
    retain_until_date: Option<String>,
    rule: Option<Rule>,
    object_lock_enabled: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    default_retention: Option<DefaultRetention>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefaultRetention {
    #[serde(default)]
    mode: String,
    days: Option<u32>,
    years: Option<u32>,
}

impl S3Locks {
    /// Those of the bucket that a builder leads to, asked for by `requests`.
    pub(super) fn new(builder: &AmazonS3Builder, requests: Arc<S3Requests>) -> Self {
        Self { builder: builder.clone(), requests }
    }
}

#[async_trait::async_trait]
impl ObjectLocks for S3Locks {
    async fn of(&self, path: &Path) -> Result<Option<Retention>> {
        let answer = self.requests.ask(Method::GET, path, &[("retention", "")], Bytes::new()).await?;
        if answer.refusal().is_some_and(|refusal| refusal.code == "NoSuchObjectLockConfiguration") {
            return Ok(None);
        }
        let answer: Answer = answer.read(path)?;
        let until = answer.retain_until_date.and_then(|until| Timestamp::from_str(&until).ok());
        let mode = match answer.mode.as_deref() {
            Some("COMPLIANCE") => LockMode::Compliance,
            _ => LockMode::Governance,
        };
        // Some stores answer an empty element for an object that is not locked.
        Ok(until.map(|until| Retention { mode, until }))
    }

    async fn set(&self, path: &Path, retention: Retention) -> Result<()> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode><RetainUntilDate>{}</RetainUntilDate></Retention>",
            word(retention.mode),
            date(retention.until)
        );
        self.requests.ask(Method::PUT, path, &[("retention", "")], body.into()).await?.judge(path)
    }

    async fn of_bucket(&self) -> Result<BucketLocks> {
        let path = Path::default();
        let answer = self.requests.ask(Method::GET, &path, &[("object-lock", "")], Bytes::new()).await?;
        if answer.refusal().is_some_and(|refusal| refusal.code == "ObjectLockConfigurationNotFoundError") {
            return Ok(BucketLocks::Never);
        }
        let answer: Answer = answer.read(&path)?;
        let rule = answer.rule.and_then(|rule| rule.default_retention).filter(|rule| !rule.mode.is_empty());
        Ok(match (answer.object_lock_enabled.as_deref(), rule) {
            (Some("Enabled"), Some(rule)) => BucketLocks::Always(rule.words()),
            (Some("Enabled"), None) => BucketLocks::OnRequest,
            _ => BucketLocks::Never,
        })
    }

    fn writer(&self, retention: Retention) -> Result<Arc<dyn ObjectStore>> {
        let until = HeaderValue::from_str(&date(retention.until)).map_err(|error| generic(error.into()))?;
        let mut headers = HeaderMap::new();
        headers.insert(MODE, HeaderValue::from_static(word(retention.mode)));
        headers.insert(UNTIL, until);
        let options = client_options(&self.builder).with_default_headers(headers);
        let builder = self.builder.clone().with_client_options(options);
        Ok(Arc::new(builder.with_checksum_algorithm(Checksum::SHA256).build()?))
    }
}

impl DefaultRetention {
    fn words(&self) -> String {
        let mode = self.mode.to_ascii_lowercase();
        match (self.days.filter(|days| *days > 0), self.years.filter(|years| *years > 0)) {
            (Some(days), _) => format!("{days} days, mode {mode}"),
            (None, Some(years)) => format!("{years} years, mode {mode}"),
            (None, None) => format!("mode {mode}"),
        }
    }
}

const fn word(mode: LockMode) -> &'static str {
    match mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    }
}

/// S3 keeps whole seconds.
fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
