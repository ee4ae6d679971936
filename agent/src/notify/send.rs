//! One message to one place: secrets are read, the message is dressed for its channel, sent, and the
//! answer judged.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lifeboat_config::{Channel, Format, Notify, SecretRef};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, Outcome, Service, classify};
use super::http::{Http, Request, may_send_to};
use super::ledger::Content;
use super::message::{Message, Voice};
use super::ping::{self, Signal};
use super::{email, robots, services, sign};
use crate::event::{Event, State, Task};
use crate::run_id::RunId;

/// A call is tried so often; the run does not wait longer for it.
const PING_ATTEMPTS: u32 = 3;

/// Between two attempts of a call.
const PING_PAUSE: Duration = Duration::from_secs(2);

/// Of an answer's body, in messages and logs.
const EXCERPT_BYTES_MAX: usize = 200;

/// Secrets shorter than this are no secrets, and would blot out half of a text.
const SECRET_BYTES_MIN: usize = 6;

const JSON: &str = "application/json; charset=utf-8";

/// Sends messages.
pub struct Sender {
    zone: TimeZone,
    /// Patience with a service; another in tests.
    pub(super) timeout: Option<Duration>,
}

/// What is sent.
pub struct Sending<'a> {
    /// What it tells of.
    pub contents: &'a [Content],
    /// It may have arrived already.
    pub repeat: bool,
    /// Stays the same when it is sent again.
    pub id: u64,
}

/// A message in every form that a channel may want.
struct Dressed<'a> {
    message: Message,
    event: Option<&'a Event>,
    name: String,
    id: u64,
}

impl Sender {
    /// Times are told in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, timeout: None }
    }

    /// Sends what is due.
    pub async fn send(&self, place: &Notify, sending: Sending<'_>) -> Answer {
        let voice = self.voice(place);
        let events: Vec<_> = sending
            .contents
            .iter()
            .filter_map(|content| match content {
                Content::Event(event) => Some(&**event),
                Content::Digest(_) => None,
            })
            .collect();
        let (message, event, name) = match (sending.contents, &events[..]) {
            ([Content::Digest(digest), ..], _) => (voice.digest(digest), None, "digest".to_owned()),
            (_, [event]) => (voice.event(event, sending.repeat), Some(*event), event.name()),
            (_, events) => {
                let events: Vec<_> = events.iter().map(|event| (*event).clone()).collect();
                (voice.several(&events), None, "digest".to_owned())
            }
        };
        self.dispatch(place, &Dressed { message, event, name, id: sending.id }).await
    }

    /// Sends a message marked as a test.
    pub async fn test(&self, place: &Notify, event: &Event) -> Answer {
        let message = self.voice(place).test(&event.branch, event);
        let id = rand::random();
        let event = Some(event);
        self.dispatch(place, &Dressed { message, event, name: "test".to_owned(), id }).await
    }

    /// Calls a service that waits for it: a few times, with little patience.
    pub async fn ping(
        &self,
        place: &Notify,
        branch: &str,
        source: Option<&str>,
        task: Task,
        run: RunId,
        signal: Signal,
    ) -> Answer {
        let attempts = if signal == Signal::Start { 1 } else { PING_ATTEMPTS };
        let mut answer = self.ping_once(place, branch, source, task, run, signal).await;
        for _ in 1..attempts {
            match answer.outcome {
                Outcome::Accepted | Outcome::Rejected | Outcome::Retryable(Some(_)) => break,
                Outcome::Retryable(None) | Outcome::Unknown => tokio::time::sleep(PING_PAUSE).await,
            }
            answer = self.ping_once(place, branch, source, task, run, signal).await;
        }
        answer
    }

    async fn ping_once(
        &self,
        place: &Notify,
        branch: &str,
        source: Option<&str>,
        task: Task,
        run: RunId,
        signal: Signal,
    ) -> Answer {
        let Channel::Ping { url } = &place.channel else {
            unreachable!("only services that wait are called")
        };
        let sent = async {
            let template = secret(url)?;
            let url = ping::url(&template, branch, source, task, run, signal)
                .ok_or_else(|| refused("what `url` refers to is no URL"))?;
            let request =
                Request { url, content_type: "text/plain", body: String::new(), headers: Vec::new() };
            self.post(place, Service::Ping, request, &[&template]).await
        };
        sent.await.unwrap_or_else(|answer| answer)
    }

    fn voice(&self, place: &Notify) -> Voice {
        Voice { language: place.language, zone: self.zone.clone() }
    }

    async fn dispatch(&self, place: &Notify, dressed: &Dressed<'_>) -> Answer {
        let sent = match &place.channel {
            Channel::Email { .. } => self.email(place, dressed).await,
            Channel::WeCom { url, format, mention } => {
                self.wecom(place, dressed, url, *format, mention).await
            }
            _ => self.post_json(place, dressed).await,
        };
        sent.unwrap_or_else(|answer| answer)
    }

    /// A message that is refused for its length is sent once more, short.
    async fn wecom(
        &self,
        place: &Notify,
        dressed: &Dressed<'_>,
        url: &SecretRef,
        format: Format,
        mention: &[String],
    ) -> Result<Answer, Answer> {
        let key = secret(url)?;
        let url = expand(&key, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=")?;
        let body = |short| robots::wecom(&dressed.message, format, mention, short);
        let answer = self.post(place, Service::WeCom, json(url.clone(), &body(false)), &[&key]).await?;
        match answer.too_long {
            true => self.post(place, Service::WeCom, json(url, &body(true)), &[&key]).await,
            false => Ok(answer),
        }
    }

    async fn post_json(&self, place: &Notify, dressed: &Dressed<'_>) -> Result<Answer, Answer> {
        let now = Timestamp::now();
        let message = &dressed.message;
        match &place.channel {
            Channel::Slack { url } => {
                let url = secret(url)?;
                let request = json(parse(&url)?, &services::slack_body(message));
                self.post(place, Service::Slack, request, &[&url]).await
            }
            Channel::DingTalk { url, secret: key, mention } => {
                let (token, key) = (secret(url)?, optional(key.as_ref())?);
                let url = expand(&token, "https://oapi.dingtalk.com/robot/send?access_token=")?;
                let url = robots::dingtalk_url(url, key.as_deref(), now.as_millisecond());
                let request = json(url, &robots::dingtalk(message, mention));
                self.post(place, Service::DingTalk, request, &[&token, key.as_deref().unwrap_or_default()])
                    .await
            }
            Channel::Feishu { url, secret: key, mention } => {
                let (token, key) = (secret(url)?, optional(key.as_ref())?);
                let url = expand(&token, "https://open.feishu.cn/open-apis/bot/v2/hook/")?;
                let body = robots::feishu(message, mention, key.as_deref(), now.as_second());
                let secrets = [&*token, key.as_deref().unwrap_or_default()];
                self.post(place, Service::Feishu, json(url, &body), &secrets).await
            }
            Channel::PagerDuty { key, url } => {
                let key = secret(key)?;
                let Some(event) = dressed.event else {
                    return Err(refused("PagerDuty takes events, and this is a summary"));
                };
                let service = url.as_ref().map_or("https://events.pagerduty.com", Url::as_str);
                let url = parse(&format!("{}/v2/enqueue", service.trim_end_matches('/')))?;
                let body = services::pagerduty_body(event, message, &key, &super::host_name());
                self.post(place, Service::PagerDuty, json(url, &body), &[&key]).await
            }
            Channel::Webhook { url, secret: key } => {
                let (url, key) = (secret(url)?, optional(key.as_ref())?);
                let body = match dressed.event {
                    Some(event) => services::webhook_body(event, &dressed.name, &self.voice(place)),
                    None => services::webhook_message(&dressed.name, message, now),
                };
                let request = signed(json(parse(&url)?, &body), dressed.id, now, key.as_deref())?;
                let secrets = [&*url, key.as_deref().unwrap_or_default()];
                self.post(place, Service::Webhook, request, &secrets).await
            }
            Channel::Email { .. } | Channel::WeCom { .. } | Channel::Ping { .. } => {
                unreachable!("these are sent in ways of their own")
            }
            _ => Err(refused("this kind of place is not known to this program")),
        }
    }

    async fn post(
        &self,
        place: &Notify,
        service: Service,
        request: Request,
        secrets: &[&str],
    ) -> Result<Answer, Answer> {
        may_send_to(&request.url, place.allow_plaintext)?;
        let ca = place.ca.as_deref();
        let http = match self.timeout {
            Some(timeout) => Http::with_timeout(ca, timeout),
            None => Http::new(ca),
        };
        let mut hidden: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        hidden.extend(parts_of(&request.url));
        let reply = http.map_err(refused)?.post(request).await;
        let mut answer = match reply {
            Ok(reply) => classify(service, &reply),
            Err(answer) => answer,
        };
        answer.reason = excerpt(&answer.reason, &hidden);
        Ok(answer)
    }

    async fn email(&self, place: &Notify, dressed: &Dressed<'_>) -> Result<Answer, Answer> {
        let Channel::Email { server, password, from, to } = &place.channel else {
            unreachable!("only mail is sent as mail")
        };
        let password = optional(password.as_ref())?;
        let host = from.trim_end_matches('>').rsplit_once('@').map_or("lifeboat", |(_, host)| host);
        let thread = match dressed.event {
            // The same key may fail again next month: that is another thread.
            Some(event) => email::Thread {
                event: services::hex(&format!("{}{}", event.dedup_key(), event.since.unwrap_or(event.at))),
                mail: dressed.id,
                follows: event.state == State::Recovered,
            },
            None => email::Thread {
                event: services::hex(&format!("{}{}", dressed.id, dressed.message.last_line())),
                mail: dressed.id,
                follows: false,
            },
        };
        let mail = email::compose(&dressed.message, from, to, &thread, host).map_err(refused)?;
        let hidden = [password.clone().unwrap_or_default()];
        let server = email::Server {
            url: server,
            password,
            ca: place.ca.as_deref(),
            allow_plaintext: place.allow_plaintext,
        };
        let mut answer = email::send(&server, mail).await;
        answer.reason = excerpt(&answer.reason, &hidden);
        Ok(answer)
    }
}

/// Adds the headers of Standard Webhooks, signed where there is a secret.
fn signed(mut request: Request, id: u64, now: Timestamp, key: Option<&str>) -> Result<Request, Answer> {
    let (id, seconds) = (format!("msg_{id}"), now.as_second());
    if let Some(key) = key {
        let signature = sign::webhook(&id, seconds, &request.body, key)
            .ok_or_else(|| refused("what `secret` refers to is not whsec_ and base64"))?;
        request.headers.push(("webhook-signature", signature));
    }
    request.headers.push(("webhook-id", id));
    request.headers.push(("webhook-timestamp", seconds.to_string()));
    Ok(request)
}

fn json(url: Url, body: &Value) -> Request {
    Request { url, content_type: JSON, body: body.to_string(), headers: Vec::new() }
}

/// A URL, or the token alone behind the service's usual URL: people paste either.
fn expand(text: &str, prefix: &str) -> Result<Url, Answer> {
    match text.contains("://") {
        true => parse(text),
        false => parse(&format!("{prefix}{}", text.trim())),
    }
}

fn parse(text: &str) -> Result<Url, Answer> {
    Url::parse(text.trim()).map_err(|_| refused("what `url` refers to is no URL"))
}

fn secret(reference: &SecretRef) -> Result<String, Answer> {
    reference.resolve().map(|secret| secret.expose().trim().to_owned()).map_err(|error| {
        let hints = error.hints().into_iter().map(|hint| format!(": {hint}")).collect::<String>();
        refused(format!("{error}{hints}"))
    })
}

fn optional(reference: Option<&SecretRef>) -> Result<Option<String>, Answer> {
    reference.map(secret).transpose()
}

/// Nothing was sent, because of what the configuration says.
fn refused(reason: impl Into<String>) -> Answer {
    Answer::new(Outcome::Rejected, "not sent", reason)
}

/// What in a URL may be secret: the path's parts and the values of its query.
fn parts_of(url: &Url) -> Vec<String> {
    let path = url.path().split('/').map(str::to_owned);
    let query = url.query_pairs().map(|(_, value)| value.into_owned());
    path.chain(query).chain(url.query().map(str::to_owned)).collect()
}

/// The beginning of what a service says, on one line, with every secret taken out.
fn excerpt(text: &str, secrets: &[String]) -> String {
    let mut shown = lifeboat_console::escape(text.trim()).into_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
        shown = shown.replace(secret.as_str(), "…");
    }
    super::escape::fit(&shown, "", EXCERPT_BYTES_MAX).trim_end().to_owned()
}
