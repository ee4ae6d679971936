//! DingTalk, WeCom and Feishu: the robots of Chinese group chats.
//!
//! Their limits are in bytes. Names are made inert, see `escape.rs`.

use lifeboat_config::{Format, Severity};
use serde_json::{Value, json};
use url::Url;

use super::escape::{fit, robot, robot_markdown};
use super::message::{Line, Message};
use super::sign;
use crate::event::State;

/// DingTalk takes 20,000 bytes with everything; a character may need six in JSON.
const DINGTALK_TEXT_BYTES_MAX: usize = 6000;

/// WeCom takes 4,096 bytes of Markdown and 2,048 of text.
const WECOM_MARKDOWN_BYTES_MAX: usize = 4096;
const WECOM_TEXT_BYTES_MAX: usize = 2048;

/// What WeCom gets when it finds a message too long after all.
const WECOM_SHORT_BYTES_MAX: usize = 1024;

/// Feishu takes 20 KB with everything.
const FEISHU_TEXT_BYTES_MAX: usize = 6000;

/// The push text of a telephone.
const TITLE_BYTES_MAX: usize = 200;

/// The word for everybody in `mention`.
const ALL: &str = "all";

/// DingTalk's URL, signed for this moment where there is a secret.
pub fn dingtalk_url(mut url: Url, secret: Option<&str>, milliseconds: i64) -> Url {
    if let Some(secret) = secret {
        let signature = sign::dingtalk(milliseconds, secret);
        url.query_pairs_mut()
            .append_pair("timestamp", &milliseconds.to_string())
            .append_pair("sign", &signature);
    }
    url
}

/// DingTalk's body.
pub fn dingtalk(message: &Message, mention: &[String]) -> Value {
    let calls: Vec<_> = mention.iter().filter(|_| message.calls()).collect();
    let all = calls.iter().any(|name| *name == ALL);
    let mobiles: Vec<_> = calls.iter().filter(|name| **name != ALL).collect();
    let headline = format!("{} {}", message.mark, robot_markdown(&message.title));
    let body: String = message.lines.iter().map(|line| item(line, "- ")).collect();
    // A call works only when the number stands in the text too.
    let called: String = mobiles.iter().map(|mobile| format!(" @{mobile}")).collect();
    let called = if called.is_empty() { called } else { format!("\n\n{}", called.trim_start()) };
    let tail = format!("{}{called}", item(&message.tail, "- ").trim_end());
    let text = fit(&format!("### {headline}\n{body}"), &tail, DINGTALK_TEXT_BYTES_MAX);
    let title = fit(&robot(&message.headline()), "", TITLE_BYTES_MAX);
    json!({
        "msgtype": "markdown",
        "markdown": { "title": title.trim_end(), "text": text },
        "at": { "atMobiles": mobiles, "isAtAll": all },
    })
}

/// WeCom's body; `short` after it was found too long.
pub fn wecom(message: &Message, format: Format, mention: &[String], short: bool) -> Value {
    match format {
        Format::Markdown => {
            let bytes_max = if short { WECOM_SHORT_BYTES_MAX } else { WECOM_MARKDOWN_BYTES_MAX };
            let colour = match (message.state, message.severity) {
                (State::Recovered, _) => "info",
                (_, Severity::Critical | Severity::Warning) => "warning",
                (_, Severity::Info) => "comment",
            };
            let title = fit(&robot_markdown(&message.title), "", TITLE_BYTES_MAX);
            let headline =
                format!("## <font color=\"{colour}\">{} {}</font>\n", message.mark, title.trim_end());
            let body: String = message.lines.iter().map(|line| item(line, "> ")).collect();
            let tail = item(&message.tail, "> ");
            let content = format!("{headline}{}", fit(&body, tail.trim_end(), bytes_max - headline.len()));
            json!({ "msgtype": "markdown", "markdown": { "content": content } })
        }
        Format::Text => {
            let bytes_max = if short { WECOM_SHORT_BYTES_MAX } else { WECOM_TEXT_BYTES_MAX };
            let body: String = message.lines.iter().map(|line| plain(line) + "\n").collect();
            let content =
                fit(&format!("{}\n{body}", robot(&message.headline())), &plain(&message.tail), bytes_max);
            let mut text = json!({ "content": content });
            if message.calls() && !mention.is_empty() {
                let mobiles: Vec<_> =
                    mention.iter().map(|name| if name == ALL { "@all" } else { name.as_str() }).collect();
                text["mentioned_mobile_list"] = json!(mobiles);
            }
            json!({ "msgtype": "text", "text": text })
        }
    }
}

/// Feishu's body, signed for this moment where there is a secret.
pub fn feishu(message: &Message, mention: &[String], secret: Option<&str>, seconds: i64) -> Value {
    let body: String = message.lines.iter().map(|line| plain(line) + "\n").collect();
    let text = fit(&body, &plain(&message.tail), FEISHU_TEXT_BYTES_MAX);
    let mut content: Vec<Value> = text.lines().map(|line| json!([{ "tag": "text", "text": line }])).collect();
    if message.calls() && !mention.is_empty() {
        let calls = mention.iter().map(|user| json!({ "tag": "at", "user_id": user }));
        content.push(calls.collect());
    }
    let title = fit(&robot(&message.headline()), "", TITLE_BYTES_MAX);
    let post = json!({ "title": title.trim_end(), "content": content });
    let mut body = json!({ "msg_type": "post", "content": { "post": { "zh_cn": post } } });
    if let Some(secret) = secret {
        body["timestamp"] = json!(seconds.to_string());
        body["sign"] = json!(sign::feishu(seconds, secret));
    }
    body
}

fn plain(line: &Line) -> String {
    format!("{}{}", line.label, robot(&line.value))
}

fn item(line: &Line, bullet: &str) -> String {
    format!("{bullet}{}{}\n", line.label, robot_markdown(&line.value))
}
