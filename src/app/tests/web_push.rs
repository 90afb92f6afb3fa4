//! A browser that is gone: its address is not used again, and the message goes on by another channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::bench::{Bench, Sink, TRIGGER};
use crate::config::{
    ChannelConfig, ChannelKind, Egress, OnUnknown, ReceiptsConfig, Urgency, WebPushConfig,
};
use crate::engine::time::Span;

/// A service of browsers of which every subscription is over: where it is, and how often it was asked.
async fn gone() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    #[expect(clippy::disallowed_methods, reason = "the server of a test")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read = stream.read(&mut [0; 16_384]).await.unwrap();
            assert!(0 < read, "somebody asks");
            count.fetch_add(1, Ordering::SeqCst);
            let answer = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
    });
    (format!("http://{address}/s/1"), asked)
}

fn push(key: &[u8]) -> ChannelConfig {
    let config = WebPushConfig {
        key: STANDARD.encode(key).into(),
        public_key: None,
        subject: "mailto:ops@shop.example".to_owned(),
        urgency: Urgency::Normal,
        services: vec!["127.0.0.1".to_owned()],
        timeout: Span::from_millis(5_000),
        egress: Egress::AllowPrivate,
    };
    ChannelConfig {
        name: "push".to_owned(),
        place: "heedful.yaml:9:3".to_owned(),
        kind: ChannelKind::WebPush(Box::new(config)),
        concurrency: 4,
        rate: None,
        at_most: Vec::new(),
        on_unknown: OnUnknown::Retry,
        receipts: ReceiptsConfig::none(),
    }
}

#[tokio::test]
async fn a_subscription_that_is_over_is_not_written_to_again() {
    let (endpoint, asked) = gone().await;
    let sink = Sink::start().await;
    let mut bench = Bench::new(&sink);
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = key.unwrap();
    bench.config.channels.push(push(key.as_ref()));
    let policy = "quiet_hours: []\ncaps: []\nchannels: {push: {needs: push_subscription}, email: {needs: email}}\n";
    bench.write("triggers/policy.yaml", policy);
    let via = TRIGGER.replace("via: [email]", "via: [push, email]\n  fall_back: refused");
    bench.write("triggers/welcome.yaml", &via);
    let service = bench.start().await;
    // Any point of the curve is a browser's key.
    let pair = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        key.as_ref(),
        &SystemRandom::new(),
    );
    let p256dh = URL_SAFE_NO_PAD.encode(pair.unwrap().public_key());
    let auth = URL_SAFE_NO_PAD.encode([7; 16]);
    let subscription = json!({"endpoint": endpoint, "keys": {"p256dh": p256dh, "auth": auth}});
    let traits =
        json!({"userId": "ada", "traits": {"push_subscription": subscription.to_string()}});
    assert_eq!(bench.ask(&service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
    bench.sign_up(&service, "ada").await;
    assert_eq!(sink.received(1).await.len(), 1, "it went on by mail");
    let bounced = |page: &Value| page["timeline"].to_string().contains("Message Bounced");
    bench.until_shown(&service, "/api/v1/customers/ada", bounced).await;
    let decisions = bench.get(&service, "/api/v1/decisions?customer=ada").await;
    let ended = decisions["items"][1].to_string();
    assert!(ended.contains("\"rejected\"") && ended.contains("\"push\""), "{ended}");

    bench.sign_up(&service, "ada").await;
    assert_eq!(sink.received(2).await.len(), 2, "by mail at once");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody is asked twice about what is over");
    service.stop().await.unwrap();
}
