//! Each preset against a server that answers as its provider does: yes, no inside a yes, too much,
//! and too long.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value as Json, json};

use super::*;
use crate::config::{ChannelKind, Config, Flags};
use crate::dispatch::sink::{Manner, Sink, header};
use crate::dispatch::tests::row;
use crate::engine::time::Span;
use crate::store::record::{Confirming, Field};

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_500)
}

/// What a provider is known to do.
struct Provider {
    preset: &'static str,
    with: &'static str,
    /// What the request must be.
    line: &'static str,
    authorization: &'static str,
    body: Json,
    /// Status line, headers and body of its answers.
    yes: (&'static str, &'static str),
    external_id: Option<&'static str>,
    /// Answers that say no, some of them with a status that says yes, and the reason kept.
    no: &'static [(&'static str, &'static str, &'static str)],
    /// Answers that ask for patience, and for how many seconds.
    later: &'static [(&'static str, &'static str, Option<i64>)],
    /// A message that it would cut off or refuse.
    too_long: Option<usize>,
}

/// The channel that a file with this preset makes, pointed at our server.
fn made(preset: &str, with: &str, sink: &Sink, token: &Path) -> Http {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heedful.yaml");
    let bearer = match preset {
        "fcm" => format!(", bearer_file: {}", token.display()),
        "wecom_customer" => format!(", token_file: {}", token.display()),
        _ => String::new(),
    };
    let text = format!(
        "channels:\n  c: {{type: http, preset: {preset}, with: {{{with}}}, allow_private: on{bearer}}}\n"
    );
    fs::write(&path, text).unwrap();
    let none = |_: &str| None;
    let config = Config::load(Flags { config: Some(path), ..Flags::default() }, &none).unwrap();
    let ChannelKind::Http(mut http) = config.channels[0].kind.clone() else { panic!("{preset}") };
    let url = http.url.expose_secret();
    let (_, rest) = url.split_once("://").unwrap();
    let path = rest.split_once('/').unwrap().1;
    http.url = SecretString::from(format!("http://{}/{path}", sink.address));
    if let Some(confirm) = &mut http.confirm {
        let url = confirm.asked.url.expose_secret();
        let path = url.split_once("://").unwrap().1.split_once('/').unwrap().1;
        confirm.asked.url = SecretString::from(format!("http://{}/{path}", sink.address));
    }
    http.timeout = Span::from_millis(2_000);
    Http::new(&http).unwrap()
}

fn message(text: &str) -> OutboxRow {
    let field = |name: &str, text: &str| Field { name: name.into(), text: text.into() };
    OutboxRow { content: vec![field("title", "Stuck?"), field("body", text)], ..row() }
}

fn http_answer(head: &str, body: &str) -> Manner {
    let text = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    Manner::Say(text.leak())
}

async fn check(provider: Provider) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "fresh").unwrap();
    let name = provider.preset;
    let answers = [(provider.yes.0, provider.yes.1)];
    for (head, body) in answers {
        let sink = Sink::new(http_answer(head, body)).await;
        let http = made(name, provider.with, &sink, &token);
        let (every, within) = (Span::MINUTE.times(30), Span::DAY.times(3));
        let taken = match provider.external_id {
            Some(id) if name == "wecom_customer" => CallResult::Accepted {
                name: id.to_owned(),
                by: Some("mei".to_owned()),
                every,
                within,
            },
            Some(name) => CallResult::DeliveredAs { name: name.to_owned() },
            None => CallResult::Delivered,
        };
        assert_eq!(http.call(&message("We <can> help."), now()).await, taken, "{name}");
        let request = sink.requests.lock().unwrap()[0].clone();
        assert_eq!(request.lines().next().unwrap(), provider.line, "{name}");
        assert_eq!(header(&request, "authorization"), provider.authorization, "{name}");
        let sent = request.split_once("\r\n\r\n").unwrap().1;
        let sent = serde_json::from_str(sent).unwrap_or_else(|_| Json::from(sent));
        assert_eq!(sent, provider.body, "{name}");
        let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = first.split(' ').next().unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for (key, value) in rest.split("\r\n").filter_map(|line| line.split_once(": ")) {
            headers.insert(header_name(key).unwrap(), header_value(key, value).unwrap());
        }
        let whole = client::Rest::Whole(body.as_bytes().to_vec());
        let known = http.judge.read(status, &headers, &whole, now()).external_id;
        assert_eq!(known.as_deref(), provider.external_id, "{name}");
    }
    for (head, body, reason) in provider.no {
        let sink = Sink::new(http_answer(head, body)).await;
        let result = made(name, provider.with, &sink, &token).call(&message("x"), now()).await;
        assert_eq!(result.word(), "rejected", "{name}: {head} {body}");
        assert!(result.why().contains(reason), "{name}: {} misses {reason}", result.why());
    }
    for (head, body, seconds) in provider.later {
        let sink = Sink::new(http_answer(head, body)).await;
        let result = made(name, provider.with, &sink, &token).call(&message("x"), now()).await;
        let CallResult::NotSent { not_before, .. } = result else {
            panic!("{name}: {head}: {result:?}")
        };
        assert_eq!(not_before, seconds.map(|s| now() + Span::SECOND.times(s)), "{name}: {head}");
    }
    // What came to nothing at all is never taken for a yes.
    let sink = Sink::new(http_answer("500 X", "")).await;
    let result = made(name, provider.with, &sink, &token).call(&message("x"), now()).await;
    assert_eq!(result.word(), "unknown", "{name}");
    if let Some(length) = provider.too_long {
        let sink = Sink::new(http_answer(provider.yes.0, provider.yes.1)).await;
        let http = made(name, provider.with, &sink, &token);
        let result = http.call(&message(&"x".repeat(length)), now()).await;
        assert_eq!(result.word(), "rejected", "{name}");
        assert!(sink.requests.lock().unwrap().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn slack() {
    check(Provider {
        preset: "slack",
        with: "token: xoxb-1, channel: C1",
        line: "POST /api/chat.postMessage HTTP/1.1",
        authorization: "Bearer xoxb-1",
        body: json!({"channel": "C1", "text": "Stuck?\nWe &lt;can&gt; help."}),
        yes: (
            "200 OK",
            r#"{"ok":true,"channel":"C1","ts":"1503435956.000247","message":{"text":"x"}}"#,
        ),
        external_id: Some("1503435956.000247"),
        no: &[
            ("200 OK", r#"{"ok":false,"error":"channel_not_found"}"#, "channel_not_found"),
            ("200 OK", r#"{"ok":false,"error":"invalid_auth"}"#, "invalid_auth"),
        ],
        later: &[
            ("429 X\r\nretry-after: 30", r#"{"ok":false,"error":"ratelimited"}"#, Some(30)),
            ("200 OK", r#"{"ok":false,"error":"ratelimited"}"#, None),
        ],
        too_long: Some(40_001),
    })
    .await;
}

#[tokio::test]
async fn wecom_robot() {
    check(Provider {
        preset: "wecom_robot",
        with: "key: 693a91f6-7xxx",
        line: "POST /cgi-bin/webhook/send?key=693a91f6-7xxx HTTP/1.1",
        authorization: "",
        body: json!({"msgtype": "text", "text": {"content": "Stuck?\nWe <can> help."}}),
        yes: ("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#),
        external_id: None,
        no: &[("200 OK", r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "93000")],
        later: &[("200 OK", r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, None)],
        too_long: Some(2_042),
    })
    .await;
}

#[tokio::test]
async fn wecom_customer() {
    check(Provider {
        preset: "wecom_customer",
        with: "sender: mei",
        line: "POST /cgi-bin/externalcontact/add_msg_template?access_token=fresh HTTP/1.1",
        authorization: "",
        body: json!({
            "chat_type": "single", "external_userid": ["ada@x.example"], "sender": "mei",
            "text": {"content": "We <can> help."},
        }),
        yes: (
            "200 OK",
            r#"{"errcode":0,"errmsg":"ok","fail_list":[],"msgid":"msgGCAAAXtWyujaWJHDDGi0mAAAA"}"#,
        ),
        external_id: Some("msgGCAAAXtWyujaWJHDDGi0mAAAA"),
        no: &[
            (
                "200 OK",
                r#"{"errcode":0,"errmsg":"ok","fail_list":["ada@x.example"],"msgid":"m"}"#,
                "fail_list",
            ),
            ("200 OK", r#"{"errcode":84061,"errmsg":"not external contact"}"#, "84061"),
        ],
        later: &[
            ("200 OK", r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, None),
            ("200 OK", r#"{"errcode":42001,"errmsg":"access_token expired"}"#, None),
        ],
        too_long: Some(4_001),
    })
    .await;
}

#[tokio::test]
async fn what_wecom_took_is_sent_when_the_member_of_staff_confirmed_it() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "fresh\n").unwrap();
    let taken = || Answer::Taken { name: None };
    let confirming =
        Confirming { name: "m1".to_owned(), by: None, since_ms: 0, every_ms: 1, until_ms: 2 };
    let row = OutboxRow { confirming: Some(confirming), ..message("x") };
    for (answer, expected) in [
        (r#"{"errcode":0,"send_list":[{"userid":"mei","status":1,"send_time":1}]}"#, taken()),
        (r#"{"errcode":0,"send_list":[{"userid":"mei","status":2}]}"#, Answer::Absent),
        (r#"{"errcode":0,"send_list":[{"userid":"mei","status":3}]}"#, Answer::Absent),
        (r#"{"errcode":0,"send_list":[{"userid":"mei","status":0}]}"#, unclear()),
        (r#"{"errcode":0,"send_list":[]}"#, unclear()),
        (r#"{"errcode":41063,"errmsg":"msgid error"}"#, unclear()),
    ] {
        let sink = Sink::new(http_answer("200 OK", answer)).await;
        let http = made("wecom_customer", "sender: mei", &sink, &token);
        assert_eq!(Channel::ask(&http, &row, now()).await, expected, "{answer}");
        let request = sink.requests.lock().unwrap()[0].clone();
        let line =
            "POST /cgi-bin/externalcontact/get_groupmsg_send_result?access_token=fresh HTTP/1.1";
        assert_eq!(request.lines().next().unwrap(), line);
        let body = request.split_once("\r\n\r\n").unwrap().1;
        let body: Json = serde_json::from_str(body).unwrap();
        assert_eq!(body, json!({"msgid": "m1", "userid": "mei"}));
    }
    fs::remove_file(&token).unwrap();
    let sink = Sink::new(http_answer("200 OK", "{}")).await;
    let http = made("wecom_customer", "sender: mei", &sink, &token);
    assert_eq!(http.call(&message("x"), now()).await.word(), "retry", "no token, no call");
    assert!(sink.requests.lock().unwrap().is_empty());
}

fn unclear() -> Answer {
    Answer::Unclear { why: "it was asked, and answered 200".to_owned() }
}

#[tokio::test]
async fn dingtalk() {
    check(Provider {
        preset: "dingtalk",
        with: "token: t0k, secret: SEC1",
        // The signature was computed with Python's hmac.
        line: "POST /robot/send?access_token=t0k&timestamp=1772366400500&sign=60d6HcMqXWXypwxm4mkgyk8n0S%2BnUJTgzhFL5qwqee8%3D HTTP/1.1",
        authorization: "",
        body: json!({"msgtype": "text", "text": {"content": "Stuck?\nWe <can> help."}}),
        yes: ("200 OK", r#"{"errcode":0,"errmsg":"ok"}"#),
        external_id: None,
        no: &[("200 OK", r#"{"errcode":310000,"errmsg":"sign not match"}"#, "310000")],
        later: &[("200 OK", r#"{"errcode":130101,"errmsg":"send too fast"}"#, None)],
        too_long: Some(20_000),
    })
    .await;
}

#[tokio::test]
async fn feishu() {
    check(Provider {
        preset: "feishu",
        with: "token: t0k, secret: SEC1",
        line: "POST /open-apis/bot/v2/hook/t0k HTTP/1.1",
        authorization: "",
        body: json!({
            "timestamp": "1772366400",
            "sign": "lHAD/WhSKm6BHYa3eST1wZcfgJ9gIvfq9o6ALmXPz00=",
            "msg_type": "text",
            "content": {"text": "Stuck?\nWe &lt;can&gt; help."},
        }),
        yes: ("200 OK", r#"{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}"#),
        external_id: None,
        no: &[
            ("200 OK", r#"{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour"}"#, "19021"),
            ("400 X", r#"{"code":9499,"msg":"Bad Request","data":{}}"#, "9499"),
        ],
        later: &[
            ("200 OK", r#"{"code":11232,"msg":"frequency limited psm","data":{}}"#, None),
            ("429 X", r#"{"code":9499,"msg":"too many request","data":{}}"#, None),
        ],
        too_long: Some(20_000),
    })
    .await;
}

#[tokio::test]
async fn twilio() {
    check(Provider {
        preset: "twilio",
        with: "account_sid: AC1, auth_token: s3c, from: '+15550100'",
        line: "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1",
        authorization: "Basic QUMxOnMzYw==",
        body: Json::from("To=ada%40x.example&From=%2B15550100&Body=We+%3Ccan%3E+help."),
        yes: (
            "201 CREATED",
            r#"{"sid":"SM1","status":"queued","error_code":null,"to":"+15550101"}"#,
        ),
        external_id: Some("SM1"),
        no: &[
            ("201 CREATED", r#"{"sid":"SM1","status":"failed","error_code":30007}"#, "30007"),
            (
                "400 X",
                r#"{"code":21211,"message":"The 'To' number x is not valid","status":400}"#,
                "21211",
            ),
        ],
        later: &[(
            "429 X\r\nretry-after: 1",
            r#"{"code":20429,"message":"Too Many Requests","status":429}"#,
            Some(1),
        )],
        too_long: Some(1_601),
    })
    .await;
}

#[tokio::test]
async fn sendgrid() {
    check(Provider {
        preset: "sendgrid",
        with: "api_key: SG.1, from: shop@x.example, from_name: Shop",
        line: "POST /v3/mail/send HTTP/1.1",
        authorization: "Bearer SG.1",
        body: json!({
            "personalizations": [{
                "to": [{"email": "ada@x.example"}],
                "custom_args": {"decision": "07".repeat(16), "reference": ""},
            }],
            "from": {"email": "shop@x.example", "name": "Shop"},
            "subject": "Stuck?",
            "content": [{"type": "text/plain", "value": "We <can> help."}],
        }),
        yes: ("202 Accepted\r\nx-message-id: 14c5d75ce93", ""),
        external_id: Some("14c5d75ce93"),
        no: &[
            ("200 OK", "", "200"),
            ("400 X", r#"{"errors":[{"message":"Does not contain a valid address.","field":"from.email","help":null}]}"#, "from.email"),
        ],
        later: &[("429 X\r\nx-ratelimit-reset: 1772366460", r#"{"errors":[{"field":null,"message":"too many requests"}]}"#, Some(60))],
        too_long: None,
    })
    .await;
}

#[tokio::test]
async fn fcm() {
    check(Provider {
        preset: "fcm",
        with: "project: shop-1",
        line: "POST /v1/projects/shop-1/messages:send HTTP/1.1",
        authorization: "Bearer fresh",
        body: json!({"message": {
            "token": "ada@x.example",
            "notification": {"title": "Stuck?", "body": "We <can> help."},
            "data": {"decision": "07".repeat(16)},
        }}),
        yes: ("200 OK", r#"{"name":"projects/shop-1/messages/0:15"}"#),
        external_id: Some("projects/shop-1/messages/0:15"),
        no: &[
            ("404 X", r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#, "NOT_FOUND"),
            ("200 OK", "{}", "200"),
        ],
        later: &[
            ("429 X\r\nretry-after: 60", r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, Some(60)),
            ("503 X", r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, None),
        ],
        too_long: Some(3_501),
    })
    .await;
}

#[tokio::test]
async fn hubspot() {
    check(Provider {
        preset: "hubspot",
        with: "token: pat-1, owner: '77'",
        line: "POST /crm/v3/objects/tasks HTTP/1.1",
        authorization: "Bearer pat-1",
        body: json!({"properties": {
            "hs_timestamp": "2026-03-01T12:00:00.000Z",
            "hs_task_subject": "Stuck?",
            "hs_task_body": "We <can> help.",
            "hs_task_status": "NOT_STARTED",
            "hubspot_owner_id": "77",
        }}),
        yes: (
            "201 Created",
            r#"{"id":"512","properties":{"hs_task_subject":"x"},"archived":false}"#,
        ),
        external_id: Some("512"),
        no: &[
            (
                "400 X",
                r#"{"status":"error","category":"VALIDATION_ERROR","message":"x"}"#,
                "VALIDATION_ERROR",
            ),
            ("200 OK", r#"{"status":"error","category":"OBJECT_NOT_FOUND"}"#, "OBJECT_NOT_FOUND"),
        ],
        later: &[(
            "429 X",
            r#"{"status":"error","category":"RATE_LIMITS","policyName":"TEN_SECONDLY_ROLLING"}"#,
            None,
        )],
        too_long: Some(65_001),
    })
    .await;
}

#[tokio::test]
async fn zendesk() {
    check(Provider {
        preset: "zendesk",
        with: "subdomain: shop, email: a@x.example, token: t0k",
        line: "POST /api/v2/tickets.json HTTP/1.1",
        authorization: "Basic YUB4LmV4YW1wbGUvdG9rZW46dDBr",
        body: json!({"ticket": {
            "subject": "Stuck?",
            "comment": {"body": "We <can> help.", "public": false},
            "external_id": "07".repeat(16),
        }}),
        yes: ("201 Created", r#"{"ticket":{"id":35436,"subject":"x"},"audit":{}}"#),
        external_id: Some("35436"),
        no: &[
            (
                "422 X",
                r#"{"error":"RecordInvalid","description":"x","details":{}}"#,
                "RecordInvalid",
            ),
            ("200 OK", r#"{"error":"IdempotentRequestError"}"#, "IdempotentRequestError"),
        ],
        later: &[("429 X\r\nretry-after: 57", r#"{"error":"APIRateLimitExceeded"}"#, Some(57))],
        too_long: Some(60_001),
    })
    .await;
}

#[tokio::test]
async fn jira() {
    check(Provider {
        preset: "jira",
        with: "site: shop, email: a@x.example, token: t0k, project: CARE",
        line: "POST /rest/api/3/issue HTTP/1.1",
        authorization: "Basic YUB4LmV4YW1wbGU6dDBr",
        body: json!({"fields": {
            "project": {"key": "CARE"},
            "issuetype": {"name": "Task"},
            "summary": "Stuck?",
            "description": {"type": "doc", "version": 1, "content": [
                {"type": "paragraph", "content": [{"type": "text", "text": "We <can> help."}]},
            ]},
        }}),
        yes: ("201 Created", r#"{"id":"10000","key":"CARE-24","self":"https://x"}"#),
        external_id: Some("CARE-24"),
        no: &[
            (
                "400 X",
                r#"{"errorMessages":[],"errors":{"project":"valid project is required"}}"#,
                "project",
            ),
            ("200 OK", r#"{"errorMessages":["x"],"errors":{}}"#, "200"),
        ],
        later: &[("429 X\r\nretry-after: 5", "{}", Some(5))],
        too_long: Some(32_768),
    })
    .await;
}
