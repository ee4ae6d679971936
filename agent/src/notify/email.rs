//! Mail: text and HTML, threaded from a failure to its recovery, over TLS unless asked otherwise.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};
use url::Url;

use super::answer::{Answer, Outcome};
use super::escape::html;
use super::message::Message;

/// For each step of the conversation.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A mail server, and how to speak to it.
pub struct Server<'a> {
    /// `smtp://user@host` or `smtps://user@host`.
    pub url: &'a Url,
    /// The user's password.
    pub password: Option<String>,
    /// A further authority.
    pub ca: Option<&'a Path>,
    /// Does without STARTTLS.
    pub allow_plaintext: bool,
}

/// Which mail this is among those of its event.
pub struct Thread {
    /// The same from the first failure to the recovery.
    pub event: String,
    /// The same when the mail is sent again.
    pub mail: u64,
    /// Whether another mail of this event went before.
    pub follows: bool,
}

/// Writes the mail.
///
/// # Errors
/// When an address is none, in words.
pub fn compose(
    message: &Message,
    from: &str,
    to: &[String],
    thread: &Thread,
    host: &str,
) -> Result<Mail, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
    let first = format!("<{}@{host}>", thread.event);
    let mut mail = Mail::builder().from(mailbox(from)?).subject(message.headline());
    for address in to {
        mail = mail.to(mailbox(address)?);
    }
    mail = match thread.follows {
        false => mail.message_id(Some(first)),
        true => mail
            .message_id(Some(format!("<{}.{}@{host}>", thread.event, thread.mail)))
            .in_reply_to(first.clone())
            .references(first),
    };
    let text = format!("{}\n\n{}{}\n", message.headline(), message.body(), message.last_line());
    let mut mail = mail
        .multipart(MultiPart::alternative_plain_html(text, page(message)))
        .map_err(|error| error.to_string())?;
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(mail)
}

fn page(message: &Message) -> String {
    let row = |label: &str, value: &str| {
        format!("<tr><td valign=\"top\">{}</td><td>{}</td></tr>\n", html(label.trim()), html(value))
    };
    let rows: String = message
        .lines
        .iter()
        .chain(std::iter::once(&message.tail))
        .map(|line| row(line.label, &line.value))
        .collect();
    format!("<!doctype html>\n<h3>{}</h3>\n<table>\n{rows}</table>\n", html(&message.headline()))
}

/// Hands a mail to the server.
pub async fn send(server: &Server<'_>, mail: Mail) -> Answer {
    let transport = match transport(server) {
        Ok(transport) => transport,
        Err(reason) => return Answer::new(Outcome::Rejected, "not sent", reason),
    };
    match transport.send(mail).await {
        Ok(response) => Answer::new(Outcome::Accepted, format!("SMTP {}", response.code()), ""),
        Err(error) => failed(&error),
    }
}

fn transport(server: &Server<'_>) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let host = server.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let implicit = server.url.scheme() == "smtps";
    let tls = || -> Result<TlsParameters, String> {
        let mut tls = TlsParameters::builder(host.to_owned());
        if let Some(path) = server.ca {
            let pem =
                std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let authority = Certificate::from_pem(&pem)
                .map_err(|_| format!("{} holds no certificate in PEM", path.display()))?;
            tls = tls.add_root_certificate(authority);
        }
        tls.build_rustls().map_err(|error| error.to_string())
    };
    let tls = match (implicit, server.allow_plaintext) {
        (true, _) => Tls::Wrapper(tls()?),
        (false, false) => Tls::Required(tls()?),
        (false, true) => Tls::None,
    };
    let port = server.url.port().unwrap_or(if implicit { 465 } else { 587 });
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(port)
        .tls(tls)
        .timeout(Some(TIMEOUT))
        .hello_name(ClientId::Domain(super::host_name()));
    if let Some(password) = &server.password {
        let user = percent_decoded(server.url.username());
        builder = builder.credentials(Credentials::new(user, password.clone()));
    }
    Ok(builder.build())
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// 5yz is a refusal and 4yz is not yet; a conversation that broke may have come to its end or not.
fn failed(error: &lettre::transport::smtp::Error) -> Answer {
    let reason = match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let code = error.status().map(|status| format!("SMTP {status}"));
    let (outcome, other) = match error {
        error if error.is_permanent() => (Outcome::Rejected, "SMTP"),
        error if error.is_transient() => (Outcome::Retryable(None), "SMTP"),
        error if error.is_tls() => (Outcome::Retryable(None), "TLS"),
        error if error.is_client() => (Outcome::Rejected, "SMTP"),
        error if error.is_timeout() => (Outcome::Unknown, "timeout"),
        error if broke(error) => (Outcome::Unknown, "connection"),
        _ => (Outcome::Retryable(None), "connection"),
    };
    Answer::new(outcome, code.unwrap_or_else(|| other.to_owned()), reason)
}

/// Whether the connection ended in the middle of the conversation.
fn broke(error: &lettre::transport::smtp::Error) -> bool {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let kinds = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
        )
    })
}

#[cfg(test)]
mod tests;
