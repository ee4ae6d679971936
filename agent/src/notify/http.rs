//! One request, and what came of it: no redirects, bounded time, bounded answers, and no URL in any text.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER};
use url::{Host, Url};

use super::answer::{Answer, Outcome, Reply};

/// A service that has not answered by then is not waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// No answer of these services is longer; what follows is not looked at.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Makes requests.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
}

/// What is sent.
pub struct Request {
    /// Where to. A secret.
    pub url: Url,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Http {
    /// With an authority of the operator's own beside the machine's.
    ///
    /// # Errors
    /// When the authority's file cannot be read, in words.
    pub fn new(ca: Option<&Path>) -> Result<Self, String> {
        Self::with_timeout(ca, TIMEOUT)
    }

    /// As [`Http::new`], with another patience.
    pub fn with_timeout(ca: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("Lifeboat/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca {
            let pem =
                std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|_| format!("{} holds no certificate in PEM", path.display()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        let client = builder.build().map_err(|error| innermost(&error.without_url()))?;
        Ok(Self { client })
    }

    /// Sends, and waits for the answer.
    ///
    /// # Errors
    /// When there is no reply to judge: the answer says whether it may have arrived.
    pub async fn post(&self, request: Request) -> Result<Reply, Answer> {
        let mut sending =
            self.client.post(request.url).header(CONTENT_TYPE, request.content_type).body(request.body);
        for (name, value) in request.headers {
            sending = sending.header(HeaderName::from_static(name), value);
        }
        let mut response = sending.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|value| value.parse().ok());
        let clock_ahead_seconds = header(DATE).and_then(clock_ahead_seconds);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_BYTES_MAX {
                break;
            }
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Reply { status, body, retry_after, clock_ahead_seconds })
    }
}

/// Refuses to send a secret in plain text to another host.
pub fn may_send_to(url: &Url, allow_plaintext: bool) -> Result<(), Answer> {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if allow_plaintext || is_local => Ok(()),
        "http" => Err(Answer::new(
            Outcome::Rejected,
            "not sent",
            "the URL begins with http: and would carry its secret in plain text: use https, or set allow_plaintext = true",
        )),
        _ => Err(Answer::new(Outcome::Rejected, "not sent", "the URL does not begin with https:")),
    }
}

fn clock_ahead_seconds(date: &str) -> Option<i64> {
    let server = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(Timestamp::now().as_second() - server.timestamp().as_second())
}

/// What a failed request means for the message.
fn failed(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    let text = innermost(&error);
    let is_tls = chain(&error).any(|cause| cause.to_string().contains("certificate"))
        || chain(&error).any(|cause| cause.downcast_ref::<rustls::Error>().is_some());
    if is_tls {
        return Answer::new(Outcome::Retryable(None), "TLS", text);
    }
    if error.is_connect() {
        let code = if error.is_timeout() { "timeout" } else { "connection" };
        return Answer::new(Outcome::Retryable(None), code, text);
    }
    if error.is_timeout() {
        return Answer::new(Outcome::Unknown, "timeout", "no answer in time: it may have arrived or not");
    }
    Answer::new(Outcome::Unknown, "connection", format!("the connection broke: {text}"))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The cause of all; what stands above it only says that a request failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
