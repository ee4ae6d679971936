//! S3's object locks, for which object_store has no call: requests of our own, signed by it.
//!
//! It signs a URL as it would for somebody else, so that endpoint, style, region, role and token are its own
//! affair; what is sent there is a few lines of XML. A vault's writer is a client of its own, whose every
//! request says how long what it writes is locked; it is used for nothing but writing.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{ClientConfigKey, ClientOptions, Error, HeaderMap, HeaderValue, ObjectStore, Result};
use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::lock::{BucketLocks, LockMode, ObjectLocks, Retention};

const STORE: &str = "S3";

/// Both ends must agree on what arrives: S3 and MinIO refuse a lock without it.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");

/// How long a signed URL is good for: one request, made at once.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// What can be set of a client by name: the requests made here go the same way as object_store's.
const CLIENT_KEYS: [ClientConfigKey; 20] = [
    ClientConfigKey::AllowHttp,
    ClientConfigKey::AllowInvalidCertificates,
    ClientConfigKey::NoSystemCertificates,
    ClientConfigKey::ConnectTimeout,
    ClientConfigKey::DefaultContentType,
    ClientConfigKey::Http1Only,
    ClientConfigKey::Http2KeepAliveInterval,
    ClientConfigKey::Http2KeepAliveTimeout,
    ClientConfigKey::Http2KeepAliveWhileIdle,
    ClientConfigKey::Http2MaxFrameSize,
    ClientConfigKey::Http2Only,
    ClientConfigKey::PoolIdleTimeout,
    ClientConfigKey::PoolMaxIdlePerHost,
    ClientConfigKey::ProxyUrl,
    ClientConfigKey::ProxyCaCertificate,
    ClientConfigKey::ProxyExcludes,
    ClientConfigKey::RandomizeAddresses,
    ClientConfigKey::ReadTimeout,
    ClientConfigKey::Timeout,
    ClientConfigKey::UserAgent,
];

/// The locks of a bucket.
#[derive(Debug)]
pub(super) struct S3Locks {
    builder: AmazonS3Builder,
    signer: AmazonS3,
    client: HttpClient,
}

/// What a bucket, an object or an error says, in S3's XML.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    mode: Option<String>,
    retain_until_date: Option<String>,
    rule: Option<Rule>,
    object_lock_enabled: Option<String>,
    code: Option<String>,
    message: Option<String>,
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

/// What is asked about beside the thing itself.
type Question<'a> = (Method, &'a Path, &'static str);

impl S3Locks {
    /// Those of the bucket that a builder leads to.
    pub(super) fn new(builder: &AmazonS3Builder) -> Result<Self> {
        let client = ReqwestConnector::default().connect(&client_options(builder))?;
        Ok(Self { builder: builder.clone(), signer: builder.clone().build()?, client })
    }

    async fn ask(&self, (method, path, question): Question<'_>, body: Bytes) -> Result<(StatusCode, Answer)> {
        let mut options = SignedUrlOptions::new().with_query([(question, "")]);
        if !body.is_empty() {
            let digest = BASE64_STANDARD.encode(Md5::digest(&body));
            let digest = HeaderValue::from_str(&digest).map_err(|error| generic(error.into()))?;
            options = options.with_signed_header(CONTENT_MD5, digest);
        }
        let url = self.signer.signed_url_opts(method.clone(), path, SIGNED_FOR, &options).await?;
        let mut request = HttpRequest::new(HttpRequestBody::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = url.as_str().parse().map_err(|_| generic("its URL is none".into()))?;
        *request.headers_mut() = options.signed_headers;
        let response = self.client.execute(request).await.map_err(|error| generic(error.into()))?;
        let status = response.status();
        let body = response.into_body().bytes().await.map_err(|error| generic(error.into()))?;
        Ok((status, quick_xml::de::from_reader(&body[..]).unwrap_or_default()))
    }
}

#[async_trait::async_trait]
impl ObjectLocks for S3Locks {
    async fn of(&self, path: &Path) -> Result<Option<Retention>> {
        let (status, answer) = self.ask((Method::GET, path, "retention"), Bytes::new()).await?;
        if answer.code.as_deref() == Some("NoSuchObjectLockConfiguration") {
            return Ok(None);
        }
        let answer = judge(path, status, answer)?;
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
        let (status, answer) = self.ask((Method::PUT, path, "retention"), body.into()).await?;
        judge(path, status, answer).map(drop)
    }

    async fn of_bucket(&self) -> Result<BucketLocks> {
        let path = Path::default();
        let (status, answer) = self.ask((Method::GET, &path, "object-lock"), Bytes::new()).await?;
        if answer.code.as_deref() == Some("ObjectLockConfigurationNotFoundError") {
            return Ok(BucketLocks::Never);
        }
        let answer = judge(&path, status, answer)?;
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

/// What a client was set to, by every name that can be set.
fn client_options(builder: &AmazonS3Builder) -> ClientOptions {
    CLIENT_KEYS.into_iter().fold(ClientOptions::new(), |options, key| {
        match builder.get_config_value(&AmazonS3ConfigKey::Client(key)) {
            Some(value) => options.with_config(key, value),
            None => options,
        }
    })
}

/// Turns an answer that is none into the error that object_store would have made of it.
fn judge(path: &Path, status: StatusCode, answer: Answer) -> Result<Answer> {
    if status.is_success() {
        return Ok(answer);
    }
    let code = answer.code.unwrap_or_default();
    let source = format!("status code: {}: {code}: {}", status.as_u16(), answer.message.unwrap_or_default());
    let (source, path) = (source.into(), path.to_string());
    Err(match status {
        StatusCode::NOT_FOUND => Error::NotFound { path, source },
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Error::PermissionDenied { path, source },
        StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            Error::NotSupported { source }
        }
        _ => generic(source),
    })
}

fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: STORE, source }
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
