//! What single values must look like: names, recipients, URLs.
//!
//! Each function answers with the value or with [`Fault`]: what is wrong, in words that never repeat a
//! value that may hold a secret.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use crate::{LockMode, Schedule, Zone};

/// Nothing that is configured as a length of time is meant to be longer.
const DURATION_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// What is wrong with a value, and what to do about it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

impl Fault {
    pub(crate) fn new(message: &str, hint: &str) -> Self {
        Self { message: message.into(), hints: vec![hint.into()] }
    }
}

/// Whether `name` may name a source, a person or an agent: it becomes a part of object names, file
/// names and shell commands.
pub(crate) fn is_name(name: &str) -> bool {
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    name.len() <= 64
        && name.chars().all(tail)
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
}

pub(crate) fn name(name: &str) -> Result<String, Fault> {
    if is_name(name) {
        return Ok(name.into());
    }
    Err(Fault::new(
        &format!("`{name}` cannot be a name"),
        "use lower-case letters, digits, `.`, `_` and `-`, at most 64, a letter or digit first",
    ))
}

/// What [`is_label`] asks for, in words.
pub const LABEL: &str = "write 1 to 64 characters without `/`, `\\`, quotes and line ends";

/// Whether `text` may be a short text for people: a branch's name, somebody to mention. Chinese names are as good
/// as others.
pub fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || matches!(c, '/' | '"' | '\\'))
}

pub(crate) fn label(text: &str) -> Result<String, Fault> {
    if is_label(text) {
        return Ok(text.into());
    }
    Err(Fault::new("this is no name", LABEL))
}

/// Whether `text` is the secret half of a key, which belongs in no configuration.
pub(crate) fn is_identity(text: &str) -> bool {
    let upper = text.trim_start().to_uppercase();
    upper.starts_with("AGE-SECRET-KEY-")
        || upper.starts_with("AGE-PLUGIN-")
        || (upper.starts_with("-----BEGIN ") && upper.contains("PRIVATE KEY"))
}

pub(crate) fn recipient(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if ["age1", "ssh-ed25519 ", "ssh-rsa "].iter().any(|prefix| text.starts_with(prefix)) {
        return Ok(text.into());
    }
    if text.starts_with("ecdsa-sha2-") || text.starts_with("sk-") || text.starts_with("ssh-dss") {
        return Err(Fault::new(
            "age cannot seal to this kind of SSH key",
            "use an ssh-ed25519 or ssh-rsa key, or make one with `age-keygen`",
        ));
    }
    Err(Fault::new(
        "this is not a recipient",
        "a recipient begins with age1, ssh-ed25519 or ssh-rsa; `age-keygen -y key.txt` prints an identity's recipient",
    ))
}

pub(crate) fn fingerprint(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(text.to_lowercase());
    }
    Err(Fault::new(
        "this is not a fingerprint",
        "copy the root's fingerprint, all hexadecimal digits, from the recovery sheet",
    ))
}

pub(crate) fn vault_url(text: &str) -> Result<Url, Fault> {
    if text.starts_with('/') {
        return Err(Fault::new("this is a path, not a URL", &format!("write `file://{text}`")));
    }
    let url = url(text)?;
    match url.scheme() {
        "file" if url.has_host() => {
            return Err(Fault::new(
                "a file URL on this machine has three slashes",
                &format!("write `file:///{}{}`", url.host_str().unwrap_or_default(), url.path()),
            ));
        }
        "file" | "s3" | "az" | "gs" => {}
        other => return Err(unknown_scheme(other, &["file", "s3", "az", "gs"])),
    }
    if url.scheme() != "file" && !url.has_host() {
        return Err(Fault::new("the URL names no bucket or container", "write `s3://bucket/prefix`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::new(
            "credentials do not belong in the vault's URL",
            "give them in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new(
            "the vault's URL takes no `?` or `#` part",
            "give endpoint and region in the environment, such as AWS_ENDPOINT and AWS_REGION",
        ));
    }
    Ok(url)
}

/// A length of time such as `90s`, `10m` or `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    match parsed {
        Some(duration) if duration <= DURATION_MAX => Ok(duration),
        Some(_) => Err(Fault::new("this is longer than 31 days", "write a shorter time, such as `12h`")),
        None => Err(Fault::new(
            &format!("`{text}` is no length of time"),
            "write a number and a unit, such as `90s`, `10m`, `12h` or `1h 30m`",
        )),
    }
}

/// As [`duration`], and not nothing.
pub(crate) fn duration_above_zero(text: &str) -> Result<Duration, Fault> {
    match duration(text)? {
        Duration::ZERO => Err(Fault::new("no run could be as short", "leave the line out for the default")),
        duration => Ok(duration),
    }
}

/// As [`duration`], of what was promised to somebody.
pub(crate) fn target(text: &str) -> Result<Duration, Fault> {
    match duration(text)? {
        Duration::ZERO => {
            Err(Fault::new("nothing is as fast", "leave the line out where no time was promised"))
        }
        duration => Ok(duration),
    }
}

pub(crate) fn zone(text: &str) -> Result<Zone, Fault> {
    Zone::get(text).ok_or_else(|| {
        Fault::new(
            &format!("`{text}` is no time zone"),
            "write its name in the IANA database, such as `Asia/Shanghai`, `Europe/Berlin` or `UTC`",
        )
    })
}

/// An address of this machine and a port.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            &format!("`{text}` is no address with a port"),
            "write an address of this machine and a port, such as `127.0.0.1:9632` or `[::1]:9632`",
        )
    })
}

pub(crate) fn lock_mode(text: &str) -> Result<LockMode, Fault> {
    match text {
        "governance" => Ok(LockMode::Governance),
        "compliance" => Ok(LockMode::Compliance),
        other => Err(Fault::new(
            &format!("`{other}` is no mode of a lock"),
            "write `governance`, which an account with a right of its own can end, or `compliance`, which nobody can",
        )),
    }
}

pub(crate) fn schedule(text: &str) -> Result<Schedule, Fault> {
    Schedule::parse(text)
}

pub(crate) fn source_url(text: &str) -> Result<Url, Fault> {
    let url = url(text)?;
    match url.scheme() {
        "mysql" | "postgres" | "postgresql" | "sqlite" => {}
        other => return Err(unknown_scheme(other, &["mysql", "postgres", "sqlite"])),
    }
    let secret = |(key, _): (std::borrow::Cow<'_, str>, _)| matches!(&*key, "password" | "sslpassword");
    if url.password().is_some() || url.query_pairs().any(secret) {
        return Err(Fault::new(
            "a password does not belong in a URL, which logs and process lists show",
            "take it out and write `password = \"{file:/path/to/password}\"`, `{env:NAME}` or `{credential:NAME}`",
        ));
    }
    Ok(url)
}

pub(crate) fn url(text: &str) -> Result<Url, Fault> {
    Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            Fault::new("this is not a URL", "a URL begins with a scheme, such as `postgres://`")
        }
        error => Fault::new(
            &format!("this is not a URL: {error}"),
            "write special characters in user names as %-escapes, and keep passwords out of URLs",
        ),
    })
}

pub(crate) fn unknown_scheme(found: &str, known: &[&str]) -> Fault {
    let hint = crate::section::did_you_mean(found, known);
    Fault { message: format!("`{found}:` is not a known kind of URL here"), hints: vec![hint] }
}
