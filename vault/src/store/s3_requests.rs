//! Requests to S3 that object_store has no call for: our own, signed by it.
//!
//! It signs a URL as it would for somebody else, so that endpoint, style, region, role and token are its own
//! affair; what is sent there is a few lines of XML, if anything.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{ClientConfigKey, ClientOptions, Error, HeaderValue, Result};
use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

const STORE: &str = "S3";

/// Both ends must agree on what arrives: S3 and MinIO refuse a lock without it.
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

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

/// What makes requests to a bucket.
#[derive(Debug)]
pub(super) struct S3Requests {
    signer: AmazonS3,
    client: HttpClient,
}

/// What S3 says when it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Refusal {
    pub(super) code: String,
    message: String,
}

/// An answer: what was asked for, or the refusal.
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl S3Requests {
    /// Those to the bucket that a builder leads to.
    pub(super) fn new(builder: &AmazonS3Builder) -> Result<Self> {
        let client = ReqwestConnector::default().connect(&client_options(builder))?;
        Ok(Self { signer: builder.clone().build()?, client })
    }

    /// Asks about an object, or the bucket where the path is empty.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &Path,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let mut options = SignedUrlOptions::new().with_query(query.iter().copied());
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
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The refusal's code, if it is one.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        (!self.status.is_success()).then(|| quick_xml::de::from_reader(&self.body[..]).unwrap_or_default())
    }

    /// What was asked for; a refusal as the error that object_store would have made of it. A store that does not
    /// know the question answers with the object itself: asking again would not help.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self, path: &Path) -> Result<T> {
        self.judge(path)?;
        quick_xml::de::from_reader(&self.body[..])
            .map_err(|error| Error::NotSupported { source: error.into() })
    }

    /// The same where nothing but success is of interest.
    pub(super) fn judge(&self, path: &Path) -> Result<()> {
        let Some(Refusal { code, message }) = self.refusal() else { return Ok(()) };
        let source = format!("status code: {}: {code}: {message}", self.status.as_u16());
        let (source, path) = (source.into(), path.to_string());
        Err(match self.status {
            StatusCode::NOT_FOUND => Error::NotFound { path, source },
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Error::PermissionDenied { path, source },
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                Error::NotSupported { source }
            }
            _ => generic(source),
        })
    }
}

/// What a client was set to, by every name that can be set.
pub(super) fn client_options(builder: &AmazonS3Builder) -> ClientOptions {
    CLIENT_KEYS.into_iter().fold(ClientOptions::new(), |options, key| {
        match builder.get_config_value(&AmazonS3ConfigKey::Client(key)) {
            Some(value) => options.with_config(key, value),
            None => options,
        }
    })
}

pub(super) fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Generic { store: STORE, source }
}
