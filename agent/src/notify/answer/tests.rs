//! Every answer of the vendors that is known, and what is made of it.

use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), ..Reply::default() }
}

#[track_caller]
fn check(service: Service, status: u16, body: &str, outcome: Outcome, code: &str) {
    let answer = classify(service, &reply(status, body));
    assert_eq!((answer.outcome, &*answer.code), (outcome, code), "{service:?} {status} {body}");
    assert_eq!(answer.reason.is_empty(), outcome == Outcome::Accepted, "{answer:?}");
}

use Outcome::{Accepted, Rejected, Retryable, Unknown};

#[test]
fn dingtalk_says_no_with_http_200() {
    let check = |body, outcome, code| check(Service::DingTalk, 200, body, outcome, code);
    check(r#"{"errcode":0,"errmsg":"ok"}"#, Accepted, "HTTP 200, errcode 0");
    for errmsg in [
        "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]",
        "sign not match, more: […]",
        "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在调用的网址中，请确认机器人的密钥加密和填写正确;link:…",
        "invalid timestamp, more: […]",
        "ip 203.0.113.7 not in whitelist",
        "",
    ] {
        let body = format!(r#"{{"errcode":310000,"errmsg":"{errmsg}"}}"#);
        let answer = classify(Service::DingTalk, &reply(200, &body));
        assert_eq!((answer.outcome, &*answer.code), (Rejected, "HTTP 200, errcode 310000"), "{errmsg}");
    }
    check(
        r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"u","errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#,
        Retryable(Some(600)),
        "HTTP 200, errcode 130101",
    );
    check(r#"{"errcode":300001,"errmsg":"token is not exist"}"#, Rejected, "HTTP 200, errcode 300001");
    check(r#"{"errcode":430101,"errmsg":"refused"}"#, Rejected, "HTTP 200, errcode 430101");
}

#[test]
fn wecom_says_no_with_http_200() {
    let check = |body, outcome, code| check(Service::WeCom, 200, body, outcome, code);
    check(r#"{"errcode":0,"errmsg":"ok"}"#, Accepted, "HTTP 200, errcode 0");
    check(r#"{"errcode":0,"errmsg":"ok. Warning: wrong json format."}"#, Accepted, "HTTP 200, errcode 0");
    check(
        r#"{"errcode":93000,"errmsg":"invalid webhook url, hint: [1755605200056773468916791], from ip: 203.0.113.7, more info at https://open.work.weixin.qq.com/devtool/query?e=93000"}"#,
        Rejected,
        "HTTP 200, errcode 93000",
    );
    check(
        r#"{"errcode":45009,"errmsg":"api freq out of limit, hint: [], from ip: 203.0.113.7"}"#,
        Retryable(Some(60)),
        "HTTP 200, errcode 45009",
    );
    check(r#"{"errcode":-1,"errmsg":"system busy"}"#, Retryable(None), "HTTP 200, errcode -1");
    let body = r#"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096. invalid Request Parameter, hint: []"}"#;
    check(body, Rejected, "HTTP 200, errcode 40058");
    assert!(classify(Service::WeCom, &reply(200, body)).too_long);
}

#[test]
fn feishu_says_no_with_http_200() {
    let check = |body, outcome, code| check(Service::Feishu, 200, body, outcome, code);
    check(
        r#"{"code":0,"msg":"success","data":{},"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#,
        Accepted,
        "HTTP 200, code 0",
    );
    check(r#"{"Extra":null,"StatusCode":0,"StatusMessage":"success"}"#, Accepted, "HTTP 200, StatusCode 0");
    check(r#"{"code":9499,"msg":"Bad Request","data":{}}"#, Rejected, "HTTP 200, code 9499");
    check(r#"{"code":9499,"msg":"frequency limited psm [x]"}"#, Retryable(Some(60)), "HTTP 200, code 9499");
    check(
        r#"{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour from current time"}"#,
        Rejected,
        "HTTP 200, code 19021",
    );
    check(r#"{"code":19022,"msg":"Ip Not Allowed"}"#, Rejected, "HTTP 200, code 19022");
    check(r#"{"code":19024,"msg":"Key Words Not Found"}"#, Rejected, "HTTP 200, code 19024");
    check(
        r#"{"code":11232,"data":{},"msg":"frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"}"#,
        Retryable(Some(60)),
        "HTTP 200, code 11232",
    );
}

#[test]
fn slack_answers_in_bare_words() {
    check(Service::Slack, 200, "ok", Accepted, "HTTP 200");
    check(Service::Slack, 200, "no_text", Rejected, "HTTP 200");
    for (status, body) in [
        (400, "invalid_payload"),
        (400, "no_text"),
        (400, "too_many_attachments"),
        (404, "channel_not_found"),
        (404, "no_service"),
        (410, "channel_is_archived"),
        (403, "action_prohibited"),
        (403, "posting_to_general_channel_denied"),
        (403, "invalid_token"),
    ] {
        check(Service::Slack, status, body, Rejected, &format!("HTTP {status}"));
    }
    check(Service::Slack, 500, "rollup_error", Retryable(None), "HTTP 500");
    let limited = Reply { retry_after: Some(7), ..reply(429, "rate_limited") };
    assert_eq!(classify(Service::Slack, &limited).outcome, Retryable(Some(7)));
}

#[test]
fn pagerduty_wants_202_and_success() {
    let good = r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#;
    check(Service::PagerDuty, 202, good, Accepted, "HTTP 202");
    check(Service::PagerDuty, 202, "", Unknown, "HTTP 202");
    check(Service::PagerDuty, 200, good, Retryable(None), "HTTP 200");
    let invalid = r#"{"status":"invalid event","message":"Event object is invalid","errors":["x"]}"#;
    check(Service::PagerDuty, 400, invalid, Rejected, "HTTP 400");
    check(Service::PagerDuty, 429, "", Retryable(Some(180)), "HTTP 429");
    check(Service::PagerDuty, 503, "", Retryable(Some(180)), "HTTP 503");
}

#[test]
fn pings_and_webhooks_go_by_the_status() {
    check(Service::Ping, 200, "OK", Accepted, "HTTP 200");
    check(Service::Ping, 201, "Created", Accepted, "HTTP 201");
    check(Service::Ping, 200, "OK (not found)", Rejected, "HTTP 200");
    check(Service::Ping, 200, "OK (rate limited)", Retryable(Some(60)), "HTTP 200");
    check(Service::Ping, 400, "invalid url format", Rejected, "HTTP 400");
    check(Service::Ping, 404, "not found", Rejected, "HTTP 404");
    check(Service::Ping, 409, "ambiguous slug", Rejected, "HTTP 409");
    check(Service::Ping, 429, "", Retryable(Some(60)), "HTTP 429");
    check(Service::Webhook, 204, "", Accepted, "HTTP 204");
    check(Service::Webhook, 410, "", Rejected, "HTTP 410");
    check(Service::Webhook, 422, "no such field", Rejected, "HTTP 422");
    check(Service::Webhook, 502, "<html>", Retryable(None), "HTTP 502");
}

#[test]
fn what_is_no_answer_of_the_service_is_no_success() {
    let portal = "<!doctype html><title>Welcome to the hotel</title>";
    for service in [Service::DingTalk, Service::WeCom, Service::Feishu, Service::Slack, Service::PagerDuty] {
        check(service, 200, portal, Retryable(None), "HTTP 200");
        check(service, 200, "", Retryable(None), "HTTP 200");
        check(service, 302, "", Rejected, "HTTP 302");
        check(service, 404, "", Rejected, "HTTP 404");
    }
    check(Service::Ping, 200, portal, Retryable(None), "HTTP 200");
    check(Service::Webhook, 302, "", Rejected, "HTTP 302");
    check(Service::DingTalk, 200, r#"{"errcode":"0"}"#, Accepted, "HTTP 200, errcode 0");
    check(Service::DingTalk, 200, r#"{"errcode":"no"}"#, Retryable(None), "HTTP 200");
    check(Service::DingTalk, 500, r#"{"errcode":0}"#, Retryable(None), "HTTP 500, errcode 0");
}

#[test]
fn a_wrong_clock_is_named() {
    let body = r#"{"code":19021,"msg":"sign match fail"}"#;
    let reason = |ahead| {
        let reply = Reply { clock_ahead_seconds: ahead, ..reply(200, body) };
        classify(Service::Feishu, &reply).reason
    };
    assert!(reason(Some(7200)).contains("120 minutes ahead of"), "{}", reason(Some(7200)));
    assert!(reason(Some(-7200)).contains("120 minutes behind"), "{}", reason(Some(-7200)));
    assert!(reason(Some(2)).contains("is `secret` the one"), "{}", reason(Some(2)));
}
