//! Calls by templates against a real server on this machine, and what must never leave.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::config::{AnswerConfig, Idempotency, ProbeConfig};
use crate::dispatch::sink::{Manner, Sink, header};
use crate::dispatch::tests::row;
use crate::engine::time::Span;
use crate::store::record::Field;

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_500)
}
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

pub(super) fn config(url: &str) -> HttpConfig {
    HttpConfig {
        method: Method::Post,
        url: secret(url),
        headers: vec![("X-Key".to_owned(), secret("{{ with.key }}"))],
        bearer_file: None,
        body: HttpBody::Json(secret(r#"{"to": {{ address }}, "text": {{ message }}}"#)),
        with: vec![("key".to_owned(), secret("k3y"))],
        message: secret("{{ content.body }}"),
        message_max: None,
        answer: AnswerConfig::default(),
        idempotency: None,
        probe: None,
        confirm: None,
        token_file: None,
        timeout: Span::from_millis(400),
        egress: Egress::AllowPrivate,
    }
}

fn saying(text: &str) -> OutboxRow {
    OutboxRow { content: vec![Field { name: "body".into(), text: text.into() }], ..row() }
}

fn body_of(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn what_became_of_a_call_can_be_asked() {
    let ask = async |manner, url: &str| {
        let sink = Sink::new(manner).await;
        let base = format!("http://{}", sink.address);
        let probe = ProbeConfig {
            method: Method::Get,
            url: secret(&format!("{base}{url}")),
            headers: vec![("X-Key".to_owned(), secret("{{ with.key }}"))],
            body: None,
            found_when: "status == 200 and body.items".to_owned(),
            absent_when: "status == 404 or (status == 200 and body.items == [])".to_owned(),
            external_id: Some("body.items[0].id".to_owned()),
            after: Span::SECOND,
        };
        let config = HttpConfig { probe: Some(probe), ..config(&format!("{base}/hook")) };
        let http = Http::new(&config).unwrap();
        let answer = Channel::ask(&http, &row(), now()).await;
        let requests = sink.requests.lock().unwrap().clone();
        (answer, requests)
    };
    let say = |status: &str, body: &str| {
        let length = body.len();
        Manner::Say(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").leak())
    };
    let by_id = "/sent?id={{ decision }}";
    let (answer, requests) = ask(say("200 OK", r#"{"items": [{"id": "m1"}]}"#), by_id).await;
    assert_eq!(answer, Answer::Taken { name: Some("m1".to_owned()) });
    let line = format!("GET /sent?id={} HTTP/1.1", "07".repeat(16));
    assert_eq!(requests[0].lines().next().unwrap(), line);
    assert_eq!(header(&requests[0], "x-key"), "k3y");
    for (manner, expected) in [
        (say("200 OK", r#"{"items": []}"#), "absent"),
        (say("404 Not Found", ""), "absent"),
        (say("500 Oh", r#"{"items": [1]}"#), "unclear"),
        (say("302 Found", ""), "unclear"),
        (say("200 OK", "<html>"), "unclear"),
        (Manner::HangUp, "unclear"),
        (Manner::Silence, "unclear"),
        (Manner::Flood, "unclear"),
    ] {
        let (answer, _) = ask(manner, by_id).await;
        let word = match answer {
            Answer::Taken { .. } => "taken",
            Answer::Absent => "absent",
            Answer::Unclear { .. } => "unclear",
        };
        assert_eq!(word, expected, "{manner:?}");
    }
}

async fn answered(manner: Manner, answer: AnswerConfig) -> CallResult {
    let sink = Sink::new(manner).await;
    let config = HttpConfig { answer, ..config(&format!("http://{}/hook", sink.address)) };
    Http::new(&config).unwrap().call(&row(), now()).await
}

#[tokio::test]
async fn a_call_is_what_the_templates_say() {
    let sink = Sink::new(Manner::Say(OK)).await;
    let config = HttpConfig {
        idempotency: Some(Idempotency { header: "Idempotency-Key".to_owned(), life: None }),
        method: Method::Put,
        ..config(&format!("http://{}/to/{{{{ address }}}}?c={{{{ customer }}}}", sink.address))
    };
    let http = Http::new(&config).unwrap();
    assert_eq!(http.call(&row(), now()).await, CallResult::Delivered);
    let request = sink.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("PUT /to/ada%40x.example?c=ada HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "x-key"), "k3y");
    assert_eq!(header(&request, "idempotency-key"), "07".repeat(16));
    assert_eq!(header(&request, "content-type"), "application/json");
    assert_eq!(body_of(&request), r#"{"to": "ada@x.example", "text": "We can help."}"#);
}

#[tokio::test]
async fn a_form_is_encoded_and_leaves_out_what_is_empty() {
    let sink = Sink::new(Manner::Say(OK)).await;
    let fields = [("To", "{{ address }}"), ("Body", "{{ message }}"), ("Cc", "{{ offer or '' }}")];
    let fields = fields.map(|(name, text)| (name.to_owned(), secret(text)));
    let config = HttpConfig {
        body: HttpBody::Form(fields.into()),
        ..config(&format!("http://{}/", sink.address))
    };
    let result = Http::new(&config).unwrap().call(&saying("a&To=eve\r\n+é"), now()).await;
    assert_eq!(result, CallResult::Delivered);
    let request = sink.requests.lock().unwrap()[0].clone();
    assert_eq!(body_of(&request), "To=ada%40x.example&Body=a%26To%3Deve%0D%0A%2B%C3%A9");
}

#[tokio::test]
async fn answers_mean_what_the_expressions_say() {
    let say = |status: &str, body: &str| {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Manner::Say(answer.leak())
    };
    let answer = || AnswerConfig {
        success_when: Some("status == 200 and body.code == 0 or status == 409".to_owned()),
        retry_when: Some("body.code == 9".to_owned()),
        retry_after: Some("body.wait".to_owned()),
        external_id: None,
        reason: Some("body.code".to_owned()),
    };
    for (manner, expected) in [
        (say("200 OK", r#"{"code":0}"#), "delivered: "),
        (say("409 X", "{}"), "delivered: "),
        (say("200 OK", r#"{"code":7}"#), "rejected: it answered 200 and says `7`"),
        (say("200 OK", "<html>"), "rejected: it answered 200"),
        (say("200 OK", ""), "rejected: it answered 200"),
        (say("200 OK", r#"{"code":9,"wait":60}"#), "retry: it answered 200 and says `9`"),
        (
            say("400 X", r#"{"code":"b\u0007d"}"#),
            "rejected: it answered 400 (bad request) and says `bd`",
        ),
        (say("429 X", "{}"), "retry: it answered 429 (too many requests)"),
        (say("500 X", r#"{"code":0}"#), "unknown: it answered 500 (server error)"),
        (say("307 X", ""), "rejected: it answered 307 (redirect), redirects are not followed"),
        (
            Manner::Say("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{\"code\":0}"),
            "unknown: it answered 200, and the rest could not be read",
        ),
        (Manner::Flood, "unknown: it answered 200, and the rest could not be read"),
        (Manner::Silence, "unknown: it did not answer in time"),
        (Manner::HangUp, "unknown: the connection broke after the request went out"),
    ] {
        let result = answered(manner, answer()).await;
        assert_eq!(format!("{}: {}", result.word(), result.why()), expected, "{manner:?}");
        if let CallResult::NotSent { not_before: Some(at), .. } = result {
            assert_eq!(at, now() + Span::MINUTE, "{manner:?}");
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_nobody_called() {
    let sink = Sink::new(Manner::Say(OK)).await;
    for (most, text, expected) in [
        (Length::Bytes(8), "éééé", "delivered"),
        (Length::Bytes(8), "ééééé", "rejected"),
        (Length::Characters(6), "éééééé", "delivered"),
        (Length::Characters(6), "ééééééé", "rejected"),
    ] {
        let config =
            HttpConfig { message_max: Some(most), ..config(&format!("http://{}/", sink.address)) };
        let result = Http::new(&config).unwrap().call(&saying(text), now()).await;
        assert_eq!(result.word(), expected, "{text}");
    }
    assert_eq!(sink.requests.lock().unwrap().len(), 2);
}

#[test]
fn mistakes_are_found_before_the_first_call() {
    let good = || config("https://a.example/{{ address }}");
    let with = |change: &dyn Fn(&mut HttpConfig)| {
        let mut config = HttpConfig { egress: Egress::PublicOnly, ..good() };
        change(&mut config);
        Http::new(&config).map(drop)
    };
    assert_eq!(with(&|_| {}), Ok(()));
    type Change<'a> = &'a dyn Fn(&mut HttpConfig);
    let cases: [(Change<'_>, &str); 9] = [
        (&|c| c.url = secret("https://127.0.0.1/{{ address }}"), "this machine"),
        (&|c| c.url = secret("http://a.example/"), "must begin with `https://`"),
        (&|c| c.url = secret("https://{{ with.host }}/"), "`url`"),
        (
            &|c| c.body = HttpBody::Json(secret(r#"{"to": "{{ address }}"}"#)),
            "bring their own quotes",
        ),
        (&|c| c.body = HttpBody::Json(secret("{{ adress }}")), "`body` cannot be written"),
        (&|c| c.body = HttpBody::Json(secret("{% if %}")), "`body`"),
        (&|c| c.headers = vec![("a b".to_owned(), secret("x"))], "not a header's name"),
        (&|c| c.answer.success_when = Some("status ==".to_owned()), "`success_when`"),
        (&|c| c.headers = vec![("A".to_owned(), secret("{{ with.nothing }}"))], "`headers.A`"),
    ];
    for (change, what) in cases {
        let why = with(change).unwrap_err();
        assert!(why.contains(what), "{why}");
        assert!(!why.contains("k3y"), "{why}");
    }
}

#[tokio::test]
async fn a_token_is_read_for_every_call() {
    let sink = Sink::new(Manner::Say(OK)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let config = HttpConfig {
        bearer_file: Some(path.clone()),
        ..config(&format!("http://{}/", sink.address))
    };
    let http = Http::new(&config).unwrap();
    assert_eq!(http.call(&row(), now()).await.word(), "retry", "there is none yet");
    for token in ["one", "two\n"] {
        fs::write(&path, token).unwrap();
        assert_eq!(http.call(&row(), now()).await, CallResult::Delivered);
    }
    let sent: Vec<_> =
        sink.requests.lock().unwrap().iter().map(|one| header(one, "authorization")).collect();
    assert_eq!(sent, ["Bearer one", "Bearer two"]);
}

#[test]
fn nothing_leads_elsewhere() {
    let http = Http::new(&config("https://a.example/v1/{{ address }}/messages")).unwrap();
    for address in ["..", ".", "../..", "a/../b", "%2e%2e", "a\\b", "a?b", "a#b", "@evil.example/"]
    {
        let row = OutboxRow { address: Some(address.to_owned()), ..row() };
        let written = http.write(http.templates.seen(&row, now()), "id");
        match written {
            Ok(written) => {
                let path = written.url.path().to_owned();
                assert!(
                    path.starts_with("/v1/") && path.ends_with("/messages"),
                    "{address}: {path}"
                );
                assert_eq!(written.url.host_str(), Some("a.example"));
            }
            Err(why) => assert!(matches!(address, "." | ".."), "{address}: {why}"),
        }
    }
}

#[test]
fn a_header_cannot_be_broken() {
    let mut config = config("https://a.example/");
    config.headers = vec![("X-To".to_owned(), secret("{{ customer }}"))];
    let http = Http::new(&config).unwrap();
    for customer in ["a\r\nX-Evil: 1", "a\nb", "a\0b"] {
        let row = OutboxRow { customer: customer.to_owned(), ..row() };
        let why = http.write(http.templates.seen(&row, now()), "id").unwrap_err();
        assert!(why.contains("header `x-to`"), "{why}");
    }
}

proptest! {
    #[test]
    fn whatever_a_customer_types_stays_one_value_of_the_json(text in any::<String>()) {
        let http = Http::new(&config("https://a.example/")).unwrap();
        let row = saying(&text);
        let written = http.write(http.templates.seen(&row, now()), "id").unwrap();
        let body: BTreeMap<String, String> = serde_json::from_slice(&written.body).unwrap();
        prop_assert_eq!(body.get("text"), Some(&text));
        prop_assert_eq!(body.len(), 2);
    }
}

#[test]
fn a_template_that_would_fill_the_memory_makes_no_channel() {
    for bomb in ["{{ 'x' * 99999999 }}", "{% set a = 'x' %}{% set b = a ~ a %}{{ b }}"] {
        let wrong = HttpConfig { message: secret(bomb), ..config("https://x.example/") };
        assert!(Http::new(&wrong).unwrap_err().starts_with("`message`: "), "{bomb}");
    }
}
