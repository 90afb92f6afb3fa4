//! The webhook against a real server on this machine that behaves well, badly, or not at all.

use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;

use super::*;
use crate::dispatch::sink::{Manner, Sink, header};
use crate::dispatch::tests::row;
use crate::engine::time::Span;

const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";

impl Sink {
    /// A webhook that gives the server all the time it wants.
    fn patient(&self) -> Webhook {
        let url = format!("http://{}/hook", self.address);
        let config = WebhookConfig { timeout: Span::MINUTE, ..config(&url, Egress::AllowPrivate) };
        Webhook::new(&config).unwrap()
    }

    fn webhook(&self, egress: Egress) -> Result<Webhook, String> {
        webhook(&format!("http://{}/hook", self.address), egress)
    }
}

fn webhook(url: &str, egress: Egress) -> Result<Webhook, String> {
    Webhook::new(&config(url, egress))
}

fn config(url: &str, egress: Egress) -> WebhookConfig {
    WebhookConfig {
        url: url.to_owned(),
        secrets: vec![SecretString::from(SECRET)],
        headers: vec![("X-Key".to_owned(), SecretString::from("k1"))],
        timeout: Span::from_millis(400),
        egress,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000 + 7)
}

async fn call(manner: Manner) -> CallResult {
    let sink = Sink::new(manner).await;
    sink.webhook(Egress::AllowPrivate).unwrap().call(&row(), at(1_772_366_400)).await
}

#[tokio::test]
async fn it_keeps_id_and_bytes_and_renews_time_and_signature() {
    let sink = Sink::new(Manner::Say("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let webhook = sink.webhook(Egress::AllowPrivate).unwrap();
    for (attempt, seconds) in [(1, 1_772_366_400), (2, 1_772_366_460)] {
        let row = OutboxRow { attempt, next_at_ms: seconds, ..row() };
        assert_eq!(webhook.call(&row, at(seconds)).await, CallResult::Delivered);
    }
    let requests = sink.requests.lock().unwrap();
    let [first, second] = requests.as_slice() else { panic!("two requests: {requests:?}") };
    let body = |request: &str| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(body(first), body(second));
    for name in ["webhook-id", "content-type", "x-key", "user-agent"] {
        assert_eq!(header(first, name), header(second, name), "{name}");
    }
    assert_eq!(header(first, "webhook-id"), "07".repeat(16));
    assert_eq!(header(first, "webhook-timestamp"), "1772366400");
    assert_eq!(header(second, "webhook-timestamp"), "1772366460");
    assert_ne!(header(first, "webhook-signature"), header(second, "webhook-signature"));
    let signer = Signer::new(&[SecretString::from(SECRET)]).unwrap();
    let signed = signer.sign(&"07".repeat(16), 1_772_366_400, body(first).as_bytes());
    assert_eq!(header(first, "webhook-signature"), signed);
}

#[test]
fn the_body_is_written_in_a_fixed_order() {
    let body = serde_json::to_string(&Body::of(&row(), None)).unwrap();
    let expected = r#"{"type":"outreach.send","timestamp":"2026-03-01T12:00:00.000Z","data":{"decision":"07070707070707070707070707070707","customer":"ada","address":"ada@x.example","channel":"email","trigger":"checkout-hesitation","purpose":"marketing","locale":"en","offer":null,"arm":null,"expires_at":"2026-03-01T13:00:00.000Z","content":{"title":"Stuck?","body":"We can help."}}}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_comes_back_is_classified() {
    for (manner, word) in [
        (Manner::Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), "delivered"),
        (Manner::Say("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\ncut"), "delivered"),
        (Manner::Flood, "delivered"),
        (Manner::Say("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"), "rejected"),
        (Manner::Say("HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\n\r\n"), "rejected"),
        (Manner::Say("HTTP/1.1 429 X\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n"), "retry"),
        (Manner::Say("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"), "unknown"),
        (Manner::Say("this is not HTTP\r\n\r\n"), "unknown"),
        (Manner::HangUp, "unknown"),
        (Manner::Silence, "unknown"),
    ] {
        assert_eq!(call(manner).await.word(), word, "{manner:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_listened_to() {
    let sink = Sink::new(Manner::Flood).await;
    let webhook = sink.patient();
    let row = row();
    let call = webhook.call(&row, at(0));
    let result = tokio::time::timeout(Duration::from_secs(20), call).await;
    assert_eq!(result, Ok(CallResult::Delivered));
}

#[tokio::test]
async fn a_closed_port_is_certainly_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?key=k3y", listener.local_addr().unwrap());
    drop(listener);
    let result = webhook(&url, Egress::AllowPrivate).unwrap().call(&row(), at(0)).await;
    assert_eq!(result.word(), "retry", "{result:?}");
    assert!(!result.why().contains("k3y"), "{result:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Sink::new(Manner::HangUp).await;
    let answer = format!(
        "HTTP/1.1 308 X\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        other.address
    );
    assert_eq!(call(Manner::Say(answer.leak())).await.word(), "rejected");
    assert!(other.requests.lock().unwrap().is_empty());
}

#[test]
fn a_private_or_plain_address_is_refused_at_start() {
    for url in ["http://hooks.example/", "https://127.0.0.1/", "https://[::1]/"] {
        assert!(webhook(url, Egress::PublicOnly).is_err(), "{url}");
    }
    assert!(webhook("https://hooks.example/", Egress::PublicOnly).is_ok());
}
