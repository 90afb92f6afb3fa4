//! Web push against a server of its own that opens what it gets, as a browser does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::dispatch::tests::row;
use crate::store::record::Field;

/// The head and the body of a request.
type Request = (String, Vec<u8>);

/// A service that answers with the same to everybody, and what it was given.
struct Service {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    async fn new(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        #[expect(clippy::disallowed_methods, reason = "the server of a test")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                loop {
                    stream.read_buf(&mut bytes).await.unwrap();
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                        continue;
                    };
                    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                    let length: usize = header(&head, "content-length").parse().unwrap();
                    if bytes.len() == end + 4 + length {
                        kept.lock().unwrap().push((head, bytes[end + 4..].to_vec()));
                        break;
                    }
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn endpoint(&self) -> String {
        format!("http://{}/send/abc", self.address)
    }
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// A browser: its key, and what its page tells of it.
struct Browser {
    own: EphemeralPrivateKey,
    receiver: Receiver,
}

impl Browser {
    fn new() -> Self {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap().as_ref().try_into().unwrap();
        Self { own, receiver: Receiver { public, auth: [9; seal::AUTH_BYTES] } }
    }

    fn subscription(&self, endpoint: &str) -> String {
        let (public, auth) = (&self.receiver.public[..], &self.receiver.auth[..]);
        let keys =
            json!({"p256dh": URL_SAFE_NO_PAD.encode(public), "auth": URL_SAFE_NO_PAD.encode(auth)});
        json!({"endpoint": endpoint, "expirationTime": null, "keys": keys}).to_string()
    }

    fn open(self, body: &[u8]) -> Value {
        let (salt, rest) = body.split_at(16);
        let (head, rest) = rest.split_at(5);
        assert_eq!(head, [0, 0, 16, 0, 65]);
        let (public, closed) = rest.split_at(65);
        let theirs = UnparsedPublicKey::new(&ECDH_P256, public);
        let (key, nonce) = agree_ephemeral(self.own, &theirs, |secret| {
            seal::keys((secret, salt), &self.receiver, public).unwrap()
        })
        .unwrap();
        let mut closed = closed.to_vec();
        let opened = key.open_in_place(nonce, ring::aead::Aad::empty(), &mut closed).unwrap();
        let (end, message) = opened.split_last().unwrap();
        assert_eq!(*end, 2, "the last record");
        serde_json::from_slice(message).unwrap()
    }
}

fn local() -> WebPush {
    let config = WebPushConfig {
        services: vec!["127.0.0.1".to_owned()],
        egress: Egress::AllowPrivate,
        ..vapid::tests::usual()
    };
    WebPush::new(&config).unwrap()
}

fn to(subscription: String) -> OutboxRow {
    OutboxRow { address: Some(subscription), ..row() }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:10Z").unwrap()
}

#[tokio::test]
async fn only_the_browser_reads_what_the_service_is_given() {
    let service = Service::new("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
    let browser = Browser::new();
    let push = local();
    let mut row = to(browser.subscription(&service.endpoint()));
    row.content.push(Field { name: "url".into(), text: "https://shop.example/help".into() });
    for _ in 0..2 {
        assert_eq!(push.call(&row, now()).await, CallResult::Delivered);
    }
    let requests = service.requests.lock().unwrap().clone();
    let [(head, body), (again, _)] = &requests[..] else { panic!("two: {requests:?}") };
    assert!(head.starts_with("POST /send/abc HTTP/1.1"), "{head}");
    for (name, value) in [
        ("content-encoding", "aes128gcm"),
        ("urgency", "normal"),
        ("ttl", "3590"),
        ("topic", &*"07".repeat(16)),
    ] {
        assert_eq!(header(head, name), value, "{name}");
        assert_eq!(header(again, name), value, "the second takes the place of the first: {name}");
    }
    let signed = header(head, "authorization");
    assert!(signed.ends_with(&format!(", k={}", push.public_key())), "{signed}");
    let claims = signed.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], format!("http://{}", service.address));
    assert!(!String::from_utf8_lossy(body).contains("help"));
    let message = browser.open(body);
    let expected = json!({"id": "07".repeat(16), "title": "Stuck?", "body": "We can help.",
                          "url": "https://shop.example/help"});
    assert_eq!(message, expected);
}

#[tokio::test]
async fn what_comes_back_is_classified() {
    for (answer, word) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "delivered"),
        ("HTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n", "delivered"),
        ("HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n", "gone"),
        ("HTTP/1.1 410 X\r\ncontent-length: 0\r\n\r\n", "gone"),
        ("HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n", "rejected"),
        ("HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n", "rejected"),
        (
            "HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "rejected",
        ),
        ("HTTP/1.1 429 X\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n", "retry"),
        ("HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n", "retry"),
        ("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", "unknown"),
    ] {
        let service = Service::new(answer).await;
        let row = to(Browser::new().subscription(&service.endpoint()));
        let result = local().call(&row, now()).await;
        assert_eq!(result.word(), word, "{answer}: {result:?}");
        if let CallResult::NotSent { not_before: Some(until), .. } = result {
            assert_eq!(until.to_string(), "2026-03-01T12:00:19.000Z");
        }
    }
}

#[tokio::test]
async fn what_customers_say_leads_to_no_other_server() {
    let push = WebPush::new(&vapid::tests::usual()).unwrap();
    let browser = Browser::new();
    for (endpoint, word) in [
        ("https://127.0.0.1/x", "rejected"),
        ("https://169.254.169.254/latest", "rejected"),
        ("https://localhost/x", "rejected"),
        ("http://push.example/x", "rejected"),
        ("https://evil.example/x", "rejected"),
        ("https://notpush.example/x", "rejected"),
        ("https://push.example.evil.example/x", "rejected"),
        ("https://push.example@evil.example/x", "rejected"),
        ("file:///etc/passwd", "rejected"),
        ("", "rejected"),
    ] {
        let result = push.call(&to(browser.subscription(endpoint)), now()).await;
        assert_eq!(result.word(), word, "{endpoint}: {result:?}");
    }
    let whole = browser.subscription("https://a.push.example/x");
    assert!(push.receiver(&whole).is_ok());
    let long = format!("{whole}{}", " ".repeat(SUBSCRIPTION_BYTES_MAX));
    let short = whole.replace("\"auth\":\"", "\"auth\":\"AA");
    let half = whole.get(..60).unwrap();
    for broken in ["", "{}", "null", "[1]", half, &long, &short] {
        let result = push.call(&to(broken.to_owned()), now()).await;
        assert_eq!(result.word(), "gone", "{broken}: {result:?}");
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_one_customers_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/x", listener.local_addr().unwrap());
    drop(listener);
    let result = local().call(&to(Browser::new().subscription(&endpoint)), now()).await;
    assert!(matches!(result, CallResult::PutOff { .. }), "{result:?}");
}

#[test]
fn a_message_that_is_too_long_or_says_nothing_is_refused() {
    let with = |title: &str| OutboxRow {
        content: vec![Field { name: "title".into(), text: title.into() }],
        ..row()
    };
    let empty = message(&with("")).map(|json| json.len()).unwrap_err();
    assert!(matches!(empty, Refused::Never(why) if why.contains("no `title`")));
    let around = message(&with("x")).unwrap().len() - 1;
    let longest = "x".repeat(MESSAGE_BYTES_MAX - around);
    assert_eq!(message(&with(&longest)).unwrap().len(), MESSAGE_BYTES_MAX);
    assert!(message(&with(&format!("{longest}x"))).is_err());
}
