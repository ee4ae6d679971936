//! A mail server that speaks TLS and refuses as real ones do.

use std::sync::{Arc, Mutex};

use lifeboat_config::Language;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::event::{Check, Event};
use crate::notify::message::Voice;
use crate::run_id::RunId;

/// What the server says in answer to one command instead of yes.
type Refusal = Option<(&'static str, &'static str)>;

struct MailServer {
    url: Url,
    folder: TempDir,
    received: Arc<Mutex<String>>,
}

impl MailServer {
    /// `scheme` smtps speaks TLS from the start, smtp offers STARTTLS unless it is refused.
    async fn new(scheme: &str, refusal: Refusal) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a scratch folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.cert.pem()).expect("a file");
        let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der());
        let tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key.expect("a key"))
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(String::new()));
        let (shared, implicit) = (Arc::clone(&received), scheme == "smtps");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &acceptor, implicit, refusal, &shared).await;
            }
        });
        let url = Url::parse(&format!("{scheme}://ops%40example.com@localhost:{port}")).expect("a URL");
        Self { url, folder, received }
    }

    async fn send(&self, mail: Mail, trusted: bool, allow_plaintext: bool) -> Answer {
        let ca = self.folder.path().join("ca.pem");
        let password = Some("hunter2-secret".to_owned());
        let ca = trusted.then_some(ca.as_path());
        send(&Server { url: &self.url, password, ca, allow_plaintext }, mail).await
    }

    fn received(&self) -> String {
        self.received.lock().expect("no panic before").clone()
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    implicit: bool,
    refusal: Refusal,
    received: &Mutex<String>,
) {
    if implicit {
        if let Ok(stream) = acceptor.accept(stream).await {
            converse(BufReader::new(stream), refusal, false, true, received).await;
        }
        return;
    }
    let offered = refusal.is_none_or(|(command, _)| command != "STARTTLS");
    let Some(stream) = converse(BufReader::new(stream), refusal, offered, true, received).await else {
        return;
    };
    if let Ok(stream) = acceptor.accept(stream.into_inner()).await {
        converse(BufReader::new(stream), refusal, false, false, received).await;
    }
}

/// One conversation; gives the stream back when the client wants TLS.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    refusal: Refusal,
    starttls: bool,
    greet: bool,
    received: &Mutex<String>,
) -> Option<BufReader<S>> {
    if greet {
        stream.write_all(b"220 localhost ESMTP\r\n").await.ok()?;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        received.lock().expect("no panic before").push_str(&line);
        let command = line.trim_end();
        let refused = refusal.filter(|(refused, _)| command.starts_with(refused)).map(|(_, says)| says);
        let says = match command.split(' ').next().unwrap_or_default() {
            _ if refused == Some("") => return None,
            _ if refused.is_some() => refused.expect("it is refused").to_owned(),
            "EHLO" if starttls => "250-localhost\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-localhost\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream);
            }
            "AUTH" => "235 welcome".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail).await.ok()?;
                }
                received.lock().expect("no panic before").push_str(&mail);
                match refusal {
                    Some((".", "")) => return None,
                    Some((".", says)) => says.to_owned(),
                    _ => "250 queued".to_owned(),
                }
            }
            "QUIT" => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{says}\r\n").as_bytes()).await.ok()?;
    }
}

fn event() -> Event {
    let at = "2026-11-22T18:31:00Z".parse().expect("a time");
    Event {
        source: Some("crm".into()),
        why: "table <b onload='x'>客户</b> cannot be read".into(),
        ..Event::failed(Check::Backup, lifeboat_config::Severity::Critical, "广州", RunId::new(), at)
    }
}

fn mail(event: &Event, thread: &Thread) -> Mail {
    let voice = Voice { language: Language::Zh, zone: jiff::tz::TimeZone::UTC };
    let to = ["ops@example.com".to_owned(), "Wang <wang@example.com>".to_owned()];
    compose(&voice.event(event, false), "Lifeboat <lifeboat@example.com>", &to, thread, "example.com")
        .expect("a mail")
}

fn first() -> Thread {
    Thread { event: "abc".into(), mail: 7, follows: false }
}

#[tokio::test]
async fn mail_goes_over_tls_from_the_start_and_by_starttls() {
    for scheme in ["smtps", "smtp"] {
        let server = MailServer::new(scheme, None).await;
        let answer = server.send(mail(&event(), &first()), true, false).await;
        assert_eq!((answer.outcome, &*answer.code), (Outcome::Accepted, "SMTP 250"), "{scheme}: {answer:?}");
        let received = server.received();
        assert_eq!(received.contains("STARTTLS"), scheme == "smtp", "{received}");
        let before_tls = received.split("STARTTLS").next().expect("a beginning");
        assert!(scheme == "smtps" || !before_tls.contains("AUTH"), "{received}");
        assert!(received.contains("RCPT TO:<wang@example.com>"), "{received}");
        assert!(received.contains("Auto-Submitted: auto-generated"), "{received}");
        assert!(received.contains("Subject: =?utf-8?"), "{received}");
        assert!(received.contains("text/plain") && received.contains("text/html"), "{received}");
        assert!(!received.contains("<b onload"), "{received}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_vouched_for_gets_no_password() {
    for scheme in ["smtps", "smtp"] {
        let server = MailServer::new(scheme, None).await;
        let answer = server.send(mail(&event(), &first()), false, false).await;
        assert!(matches!(answer.outcome, Outcome::Retryable(_)), "{scheme}: {answer:?}");
        assert!(!server.received().contains("AUTH"), "{}", server.received());
    }
    let server = MailServer::new("smtp", Some(("STARTTLS", ""))).await;
    let answer = server.send(mail(&event(), &first()), true, false).await;
    assert_eq!(answer.outcome, Outcome::Rejected, "{answer:?}");
    assert!(answer.reason.contains("STARTTLS"), "{answer:?}");
    assert!(!server.received().contains("AUTH"), "{}", server.received());
    let answer = server.send(mail(&event(), &first()), true, true).await;
    assert_eq!(answer.outcome, Outcome::Accepted, "asked for, plain text works: {answer:?}");
}

#[tokio::test]
async fn a_refusal_is_for_good_or_for_now() {
    for (command, says, outcome, code) in [
        ("AUTH", "535 5.7.8 bad credentials", Outcome::Rejected, "SMTP 535"),
        ("MAIL", "553 5.7.1 sender not owned", Outcome::Rejected, "SMTP 553"),
        ("RCPT", "550 5.1.1 no such user", Outcome::Rejected, "SMTP 550"),
        ("RCPT", "450 4.2.0 greylisted", Outcome::Retryable(None), "SMTP 450"),
        ("MAIL", "421 4.7.0 too many connections", Outcome::Retryable(None), "SMTP 421"),
        (".", "552 5.2.2 mailbox full", Outcome::Rejected, "SMTP 552"),
        (".", "451 4.3.0 try again", Outcome::Retryable(None), "SMTP 451"),
        (".", "", Outcome::Unknown, "connection"),
    ] {
        let server = MailServer::new("smtps", Some((command, says))).await;
        let answer = server.send(mail(&event(), &first()), true, false).await;
        assert_eq!((answer.outcome, &*answer.code), (outcome, code), "{command} {says}: {answer:?}");
        assert!(!format!("{answer:?}").contains("hunter2"), "{answer:?}");
    }
}

#[test]
fn the_mails_of_an_event_are_one_thread() {
    let text = |thread: &Thread| String::from_utf8(mail(&event(), thread).formatted()).expect("UTF-8");
    let begins = text(&first());
    assert!(begins.contains("Message-ID: <abc@example.com>"), "{begins}");
    let ends = text(&Thread { follows: true, ..first() });
    assert!(ends.contains("Message-ID: <abc.7@example.com>"), "{ends}");
    assert!(ends.contains("References: <abc@example.com>"), "{ends}");
    assert!(ends.contains("In-Reply-To: <abc@example.com>"), "{ends}");
}

#[test]
fn what_is_no_address_is_refused_in_words() {
    let voice = Voice { language: Language::En, zone: jiff::tz::TimeZone::UTC };
    let composed = compose(&voice.event(&event(), false), "nobody", &[], &first(), "example.com");
    assert!(composed.expect_err("no address").starts_with("nobody: "));
}
