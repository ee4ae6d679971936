//! Messages over real HTTP to a server that answers as the vendors do, and what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat_config::Config;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers each request with the next of its answers, the last one for ever.
struct Vendor {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
enum Says {
    /// This status line and further headers, and this body.
    Http(&'static str, String),
    /// Nothing, for as long as anybody waits.
    Hangs,
    /// The connection is reset when the request has been read.
    Resets,
}

fn ok(body: &str) -> Says {
    Says::Http("200 OK", body.to_owned())
}

impl Vendor {
    async fn new(answers: Vec<Says>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            let mut says = answers.next().expect("an answer");
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &says, &shared).await;
                says = answers.next().unwrap_or(says);
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic before").clone()
    }
}

async fn answer(mut stream: TcpStream, says: &Says, requests: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.expect("a request");
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    requests.lock().expect("no panic before").push(String::from_utf8(request).expect("UTF-8"));
    match says {
        Says::Http(status, body) => {
            let length = body.len();
            let text =
                format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            // A client that has seen enough may have gone.
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Says::Hangs => {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0]).await;
            });
        }
        Says::Resets => {
            let _ = stream.set_zero_linger();
        }
    }
}

const TOKEN: &str = "0123456789abcdef-SECRET-TOKEN";
const KEY: &str = "SEC0123456789abcdef-TEST-ONLY";

/// A router to one place of this kind, whose secrets stand in files.
struct Told {
    router: Router,
    _folder: TempDir,
}

fn place(kind: &str, url: &str, more: &str) -> Told {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a scratch folder");
    let dir = folder.path().display();
    std::fs::write(folder.path().join("url"), format!("{url}\n")).expect("a file");
    std::fs::write(folder.path().join("key"), KEY).expect("a file");
    let text = format!(
        "version = 1\nbranch = \"广州\"\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\nagent.name = \"db1\"\nagent.timezone = \"UTC\"\nagent.state = \"{dir}/state\"\n[[notify]]\nname = \"ops\"\ntype = \"{kind}\"\n{more}\n"
    );
    let config = Config::parse(&text, &folder.path().join("lifeboat.toml")).expect("a good configuration");
    let mut router = Router::new(&config, Pace::AtOnce);
    router.sender.timeout = Some(Duration::from_secs(2));
    Told { router, _folder: folder }
}

fn robot(kind: &str, vendor: &Vendor) -> Told {
    let query = if kind == "feishu" || kind == "slack" { "/hook/" } else { "/send?access_token=" };
    place(kind, &format!("{}{query}{TOKEN}", vendor.url), "url = \"{file:url}\"")
}

#[test]
fn times_are_told_by_the_configured_clock() {
    let text = "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\n\
                agent.name = \"db1\"\nagent.timezone = \"Asia/Shanghai\"\n";
    let config = Config::parse(text, Path::new("/lifeboat.toml")).expect("a good configuration");
    let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    assert_eq!(Router::new(&config, Pace::AtOnce).zone, zone);
}

fn failure() -> Event {
    let at = "2026-11-22T18:31:00Z".parse().expect("a time");
    Event {
        source: Some("crm".into()),
        why: "the database does not answer".into(),
        ..Event::failed(Check::Backup, Severity::Critical, "广州", RunId::new(), at)
    }
}

fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

/// What a place of this kind makes of this answer.
async fn check(kind: &str, says: Says, outcome: Outcome, code: &str) {
    let vendor = Vendor::new(vec![says]).await;
    let told = robot(kind, &vendor);
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!((answer.outcome, &*answer.code), (outcome, code), "{kind}: {answer:?}");
    assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
}

#[tokio::test]
async fn the_body_decides_and_not_the_status() {
    use Outcome::{Accepted, Rejected, Retryable, Unknown};
    check("dingtalk", ok(r#"{"errcode":0,"errmsg":"ok"}"#), Accepted, "HTTP 200, errcode 0").await;
    let refused = format!(r#"{{"errcode":300001,"errmsg":"token {TOKEN} is not exist"}}"#);
    check("dingtalk", ok(&refused), Rejected, "HTTP 200, errcode 300001").await;
    check("feishu", ok(r#"{"code":0,"msg":"success"}"#), Accepted, "HTTP 200, code 0").await;
    check("feishu", ok(r#"{"code":11232,"msg":"frequency"}"#), Retryable(Some(60)), "HTTP 200, code 11232")
        .await;
    check("wecom", ok(r#"{"errcode":93000,"errmsg":"invalid"}"#), Rejected, "HTTP 200, errcode 93000").await;
    check("slack", ok("ok"), Accepted, "HTTP 200").await;
    check("slack", ok("<!doctype html>"), Retryable(None), "HTTP 200").await;
    check(
        "slack",
        Says::Http("302 Found\r\nlocation: http://127.0.0.1:1/login", String::new()),
        Rejected,
        "HTTP 302",
    )
    .await;
    check(
        "slack",
        Says::Http("429 Too Many\r\nretry-after: 9", String::new()),
        Retryable(Some(9)),
        "HTTP 429",
    )
    .await;
    check("slack", Says::Resets, Unknown, "connection").await;
    check("slack", Says::Hangs, Unknown, "timeout").await;
    check("webhook", Says::Http("204 No Content", String::new()), Accepted, "HTTP 204").await;
    check("webhook", Says::Http("200 OK", "x".repeat(1 << 20)), Accepted, "HTTP 200").await;
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let told = place("slack", &format!("http://{address}/{TOKEN}"), "url = \"{file:url}\"");
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!((answer.outcome, &*answer.code), (Outcome::Retryable(None), "connection"), "{answer:?}");
    assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
    let told = place("slack", &format!("http://example.invalid/{TOKEN}"), "url = \"{file:url}\"");
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!((answer.outcome, &*answer.code), (Outcome::Rejected, "not sent"), "{answer:?}");
    let told = place("slack", "", "url = \"{file:nowhere}\"");
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!(answer.outcome, Outcome::Rejected);
    assert!(answer.reason.contains("nowhere"), "{answer:?}");
    assert!(told.router.test("nobody", Timestamp::now()).await.is_none());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let certificate =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).expect("a key");
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    let url = format!("https://localhost:{port}/{TOKEN}");
    let told = place("slack", &url, "url = \"{file:url}\"");
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!((answer.outcome, &*answer.code), (Outcome::Retryable(None), "TLS"), "{answer:?}");
    let told = place("slack", &url, "url = \"{file:url}\"\nca = \"ca.pem\"");
    std::fs::write(told._folder.path().join("ca.pem"), certificate.cert.pem()).expect("a file");
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    assert_eq!(answer.outcome, Outcome::Accepted, "{answer:?}");
}

#[tokio::test]
async fn a_failure_is_told_once_and_its_end_once_in_every_chat() {
    for (kind, accepted) in [
        ("dingtalk", r#"{"errcode":0}"#),
        ("wecom", r#"{"errcode":0}"#),
        ("feishu", r#"{"code":0}"#),
        ("slack", "ok"),
        ("webhook", ""),
    ] {
        let vendor = Vendor::new(vec![ok(accepted)]).await;
        let told = robot(kind, &vendor);
        let event = failure();
        told.router.failed(event.clone(), 1).await;
        told.router.failed(Event { run: RunId::new(), ..event.clone() }, 1).await;
        let run = RunId::new();
        let now = event.at + SignedDuration::from_hours(24);
        told.router.succeeded(Some("crm"), Task::Backup, run, now).await;
        told.router.succeeded(Some("crm"), Task::Backup, RunId::new(), now).await;
        let requests = vendor.requests();
        assert_eq!(requests.len(), 2, "{kind}: {requests:#?}");
        assert!(requests[0].contains(&event.run.to_string()), "{kind}: {}", requests[0]);
        assert!(requests[1].contains(&run.to_string()), "{kind}: {}", requests[1]);
        let deliveries = told.router.deliveries();
        assert_eq!(deliveries, [("ops".to_owned(), "accepted".to_owned(), 2)]);
    }
}

#[tokio::test]
async fn what_a_service_in_trouble_did_not_take_is_sent_later() {
    let trouble = Says::Http("502 Bad Gateway", "<html>".to_owned());
    let vendor = Vendor::new(vec![trouble, ok(r#"{"errcode":0}"#)]).await;
    let told = robot("dingtalk", &vendor);
    let event = failure();
    told.router.tell(event.clone()).await;
    let later = told.router.deliver(event.at).await.expect("something waits");
    assert_eq!(vendor.requests().len(), 1);
    assert_eq!(told.router.deliver(later).await, None);
    assert_eq!(vendor.requests().len(), 2);
}

#[tokio::test]
async fn dingtalk_and_feishu_are_signed_each_in_its_way() {
    let more = "url = \"{file:url}\"\nsecret = \"{file:key}\"\nmention = [\"13800000000\", \"all\"]";
    let vendor = Vendor::new(vec![ok(r#"{"errcode":0}"#)]).await;
    let told = place("dingtalk", &format!("{}/robot/send?access_token={TOKEN}", vendor.url), more);
    told.router.tell(failure()).await;
    let request = &vendor.requests()[0];
    let line = request.lines().next().expect("a line");
    let url =
        url::Url::parse(&format!("http://x{}", line.split(' ').nth(1).expect("a path"))).expect("a URL");
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    let time: i64 = query["timestamp"].parse().expect("milliseconds");
    assert_eq!(query["sign"], sign::dingtalk(time, KEY));
    assert!((Timestamp::now().as_millisecond() - time).abs() < 60_000, "{time}");
    let sent = body(request);
    assert_eq!(sent["at"], serde_json::json!({ "atMobiles": ["13800000000"], "isAtAll": true }));
    assert!(sent["markdown"]["text"].as_str().expect("text").ends_with("@13800000000"), "{sent:#}");

    let vendor = Vendor::new(vec![ok(r#"{"code":0}"#)]).await;
    let told = place("feishu", &format!("{}/hook/{TOKEN}", vendor.url), more);
    told.router.tell(failure()).await;
    let sent = body(&vendor.requests()[0]);
    let time: i64 = sent["timestamp"].as_str().expect("text").parse().expect("seconds");
    assert_eq!(sent["sign"], sign::feishu(time, KEY));
    assert!((Timestamp::now().as_second() - time).abs() < 60, "{time}");
}

#[tokio::test]
async fn a_webhook_is_signed_and_says_everything_in_both_languages() {
    let vendor = Vendor::new(vec![ok("")]).await;
    let told = place("webhook", &vendor.url, "url = \"{file:url}\"\nsecret = \"{file:whsec}\"");
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(told._folder.path().join("whsec"), secret).expect("a file");
    told.router.tell(failure()).await;
    let request = &vendor.requests()[0];
    let header = |name: &str| {
        let line = request.lines().find(|line| line.starts_with(&format!("{name}: "))).expect("a header");
        line.split_once(": ").expect("a value").1.to_owned()
    };
    let (id, time) = (header("webhook-id"), header("webhook-timestamp").parse().expect("seconds"));
    let text = request.split_once("\r\n\r\n").expect("a body").1;
    assert_eq!(Some(header("webhook-signature")), sign::webhook(&id, time, text, secret));
    let sent = body(request);
    assert_eq!((&sent["v"], &sent["event"]), (&serde_json::json!(1), &serde_json::json!("backup.failed")));
    assert_eq!(sent["dedup_key"], "lifeboat/广州/crm/backup");
    assert_eq!(sent["summary"]["en"], "[critical] 广州/crm: backup failed");
    assert_eq!(sent["summary"]["zh-CN"], "[严重] 广州/crm: 备份失败");
}

#[tokio::test]
async fn pagerduty_gets_a_trigger_and_a_resolve_with_one_key() {
    let vendor = Vendor::new(vec![Says::Http("202 Accepted", r#"{"status":"success"}"#.to_owned())]).await;
    let told = place("pagerduty", "", &format!("key = \"{{file:key}}\"\nurl = \"{}\"", vendor.url));
    let event = failure();
    told.router.failed(event.clone(), 1).await;
    told.router.succeeded(Some("crm"), Task::Backup, RunId::new(), event.at).await;
    let requests = vendor.requests();
    let [trigger, resolve] = [0, 1].map(|at: usize| body(&requests[at]));
    assert!(requests[0].starts_with("POST /v2/enqueue "), "{}", requests[0]);
    assert_eq!((&trigger["event_action"], &resolve["event_action"]), (&"trigger".into(), &"resolve".into()));
    assert_eq!(trigger["payload"]["severity"], "critical");
    assert_eq!(
        (&trigger["routing_key"], &trigger["dedup_key"]),
        (&resolve["routing_key"], &resolve["dedup_key"])
    );
}

#[tokio::test]
async fn a_service_that_waits_is_called_at_the_start_and_the_end_of_a_run() {
    let vendor = Vendor::new(vec![ok("OK")]).await;
    let told = place("ping", &format!("{}/{TOKEN}/{{task}}-{{source}}", vendor.url), "url = \"{file:url}\"");
    let event = failure();
    told.router.began(Some("crm"), Task::Backup, event.run).await;
    told.router.failed(event.clone(), 20).await;
    told.router.succeeded(Some("crm"), Task::Backup, event.run, event.at).await;
    let lines: Vec<_> =
        vendor.requests().iter().filter_map(|request| request.lines().next().map(str::to_owned)).collect();
    let rid = event.run.uuid();
    let line = |signal: &str| format!("POST /{TOKEN}/backup-crm/{signal}?rid={rid} HTTP/1.1");
    assert_eq!(lines, [line("start"), line("20"), line("0")]);
}

/// A table's name and an error's text may hold anything.
#[tokio::test]
async fn markup_in_a_name_stays_inert_and_long_texts_fit() {
    let evil = "<at user_id=\"all\">所有人</at> <!channel> <@all> [x](https://evil.example) *b* @13800000000";
    for (kind, accepted, bytes_max) in [
        ("dingtalk", r#"{"errcode":0}"#, 20_000),
        ("wecom", r#"{"errcode":0}"#, 4096 + 200),
        ("feishu", r#"{"code":0}"#, 20_000),
        ("slack", "ok", 20_000),
    ] {
        let vendor = Vendor::new(vec![ok(accepted)]).await;
        let told = robot(kind, &vendor);
        let event = failure();
        let long = format!("{evil} {}", "客户数据库没有响应".repeat(220));
        told.router.tell(Event { why: long, subject: Some(evil.to_owned()), ..event.clone() }).await;
        let request = &vendor.requests()[0];
        let text = request.split_once("\r\n\r\n").expect("a body").1;
        for markup in ["<at", "<!", "<@", "://"] {
            assert!(!text.contains(markup), "{kind} holds {markup}: {text}");
        }
        // Slack knows no such links, and shows plain text here.
        for markup in ["](", "*b*"] {
            assert!(kind == "slack" || !text.contains(markup), "{kind} holds {markup}: {text}");
        }
        assert!(kind == "slack" || !text.contains("@1"), "{kind}: {text}");
        assert!(text.len() < bytes_max, "{kind}: {} bytes", text.len());
        assert!(text.contains(&event.run.to_string()), "{kind} has lost the run: {text}");
    }
}

#[tokio::test]
async fn wecom_is_sent_a_short_message_when_it_finds_one_too_long() {
    let too_long = ok(r#"{"errcode":40058,"errmsg":"text.content exceed max length 2048"}"#);
    let vendor = Vendor::new(vec![too_long, ok(r#"{"errcode":0}"#)]).await;
    let told = place(
        "wecom",
        &format!("{}/send?key={TOKEN}", vendor.url),
        "url = \"{file:url}\"\nformat = \"text\"\nmention = [\"all\"]",
    );
    told.router.tell(Event { why: "很长的错误".repeat(400), ..failure() }).await;
    let lengths: Vec<_> = vendor
        .requests()
        .iter()
        .map(|request| body(request)["text"]["content"].as_str().expect("text").len())
        .collect();
    assert!(lengths[0] <= 2048 && lengths[0] > 2000 && lengths[1] <= 1024, "{lengths:?}");
    assert_eq!(body(&vendor.requests()[0])["text"]["mentioned_mobile_list"][0], "@all");
    assert_eq!(told.router.deliveries(), [("ops".to_owned(), "accepted".to_owned(), 1)]);
}

#[tokio::test]
async fn no_secret_is_in_what_is_kept_or_shown() {
    let vendor = Vendor::new(vec![ok(&format!(r#"{{"errcode":1,"errmsg":"{TOKEN} {KEY}"}}"#))]).await;
    let more = "url = \"{file:url}\"\nsecret = \"{file:key}\"";
    let told = place("dingtalk", &format!("{}/send?access_token={TOKEN}", vendor.url), more);
    told.router.tell(failure()).await;
    let answer = told.router.test("ops", Timestamp::now()).await.expect("it is there");
    let kept = std::fs::read_to_string(told._folder.path().join("state/notify.json")).expect("the ledger");
    for text in [kept, format!("{answer:?}"), format!("{:?}", told.router.places)] {
        assert!(!text.contains(TOKEN) && !text.contains(KEY), "{text}");
    }
}

#[tokio::test]
async fn whoever_accepts_what_is_announced_is_named_and_noted_and_nobody_else() {
    let announced = async |answer: &str| {
        let vendor = Vendor::new(vec![ok(answer)]).await;
        let told = robot("dingtalk", &vendor);
        let event =
            |subject: u8| Event { run: RunId::new(), subject: Some(subject.to_string()), ..failure() };
        let events: Vec<_> = (0..5).map(event).collect();
        let accepted = told.router.announce(&events, events[0].at).await;
        assert_eq!(vendor.requests().len(), 1, "several are one message");
        let by = |event: &Event| accepted.get(&event.run).cloned().unwrap_or_default();
        (events.iter().map(by).collect::<Vec<_>>(), told.router.told(Some("crm"))["ops"].clone())
    };
    let (by, place) = announced(r#"{"errcode":0,"errmsg":"ok"}"#).await;
    assert!(by.iter().all(|by| by == &["ops"]), "{by:?}");
    assert_eq!((&*place.kind, place.accepted.as_deref()), ("dingtalk", Some("2026-11-22T18:31:00Z")));
    let (by, place) = announced(r#"{"errcode":310000,"errmsg":"sign not match"}"#).await;
    assert!(by.iter().all(Vec::is_empty), "{by:?}");
    assert_eq!(place.accepted, None);
}
