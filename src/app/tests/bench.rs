//! A bench for the service: folders, a server that takes webhooks, and a client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::super::{Service, http};
use crate::api::source::Live;
use crate::clock;
use crate::config::{ChannelConfig, ChannelKind, Config, Egress, OnUnknown, WebhookConfig};
use crate::engine::catalog::Sending;
use crate::engine::time::Span;

/// A trigger that reaches out at once.
pub(super) const TRIGGER: &str = "\
trigger: welcome
kind: behavior
about: Greets who has signed up.
owner: crm@shop.example
when:
  event: Signed Up
send:
  purpose: transactional
  via: [email]
  message:
    en:
      subject: Hello
      body: \"Hi {{ customer.name }}\"
";

/// Mail that needs a yes, with its way out.
pub(super) const TIPS: &str = "\
trigger: tips
kind: behavior
about: Tells who has signed up what there is.
owner: crm@shop.example
when:
  event: Signed Up
send:
  purpose: marketing
  via: [email]
  message:
    en:
      subject: Tips
      body: \"Some tips. Stop: {{ unsubscribe_url }}\"
";
/// Marketing without a night, so that no test depends on the time of day.
pub(super) const NO_NIGHT: &str = "\
quiet_hours: []
caps: []
purposes:
  marketing: {consent: opt_out, unknown_zone: assume, holdout: exempt}
";
const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
/// How often is looked whether something has come about, each time after a hundredth of a second.
const LOOKS_MAX: usize = 1_000;

/// A request that a sink has received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) id: String,
    pub(super) signature: String,
    pub(super) body: String,
}

/// A server that takes webhooks and answers as it is told.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

impl Sink {
    pub(super) async fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let status = Arc::new(AtomicU16::new(200));
        let (kept, told) = (Arc::clone(&received), Arc::clone(&status));
        let take = move |headers: HeaderMap, body: String| {
            let header = |name: &str| headers[name].to_str().unwrap().to_owned();
            let (id, signature) = (header("webhook-id"), header("webhook-signature"));
            kept.lock().unwrap().push(Received { id, signature, body });
            let status = StatusCode::from_u16(told.load(Ordering::SeqCst)).unwrap();
            async move { status }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/hook", post(take));
        #[expect(clippy::disallowed_methods, reason = "the server of a test")]
        tokio::spawn(http::serve(listener, router, 64, CancellationToken::new()));
        Self { address, received, status }
    }

    /// Answers with this from now on.
    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What it has received, once that is so much.
    pub(super) async fn received(&self, count: usize) -> Vec<Received> {
        for _ in 0..LOOKS_MAX {
            let received = self.received.lock().unwrap().clone();
            if count <= received.len() {
                return received;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never received {count}: {:?}", self.received.lock().unwrap());
    }
}

/// Folders and a configuration.
pub(super) struct Bench {
    folder: TempDir,
    pub(super) config: Config,
}

impl Bench {
    pub(super) fn new(sink: &Sink) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let webhook = WebhookConfig {
            url: format!("http://{}/hook", sink.address),
            secrets: vec![SecretString::from(SECRET)],
            headers: Vec::new(),
            timeout: Span::from_millis(5_000),
            egress: Egress::AllowPrivate,
        };
        let email = ChannelConfig {
            name: "email".to_owned(),
            place: "heedful.yaml:3:5".to_owned(),
            kind: ChannelKind::Webhook(webhook),
            concurrency: 4,
            rate: None,
            at_most: Vec::new(),
            on_unknown: OnUnknown::Retry,
            receipts: crate::config::ReceiptsConfig::none(),
        };
        let config = Config {
            data: root.join("data"),
            listen: "127.0.0.1:0".parse().unwrap(),
            triggers: root.join("triggers"),
            models: root.join("models"),
            sending: Sending::On,
            shards: Some(2),
            channels: vec![email],
            ..Config::default()
        };
        let bench = Self { folder, config };
        bench.write("triggers/welcome.yaml", TRIGGER);
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) async fn start(&self) -> Service {
        self.start_with(clock::System::shared()).await
    }

    pub(super) async fn start_with(&self, clock: clock::Shared) -> Service {
        let service = Service::start(self.config.clone(), clock, Router::new()).await.unwrap();
        service.ready().await;
        service
    }

    /// A customer signs up.
    pub(super) async fn sign_up(&self, service: &Service, customer: &str) {
        let (first, rest) = customer.split_at_checked(1).unwrap();
        let name = format!("{}{rest}", first.to_uppercase());
        let traits = json!({
            "userId": customer,
            "traits": {"email": format!("{customer}@x.example"), "name": name},
        });
        assert_eq!(self.ask(service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
        let event = json!({"customer": customer, "event": "Signed Up"});
        assert_eq!(self.ask(service, "POST", "/events", None, Some(event)).await.0, 200);
    }

    pub(super) async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        for _ in 0..LOOKS_MAX {
            if reached() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {what}");
    }

    pub(super) async fn until_decided(&self, service: &Service, count: u64) {
        self.until("a decision", || {
            let funnels = service.store().funnels().unwrap();
            funnels.values().map(|funnel| funnel.matched).sum::<u64>() == count
        })
        .await;
    }

    pub(super) async fn until_told(
        &self,
        live: &mut broadcast::Receiver<Arc<Live>>,
        what: &str,
        wanted: impl Fn(&Live) -> bool,
    ) {
        let told = async { while !wanted(&live.recv().await.unwrap()) {} };
        assert!(tokio::time::timeout(Duration::from_secs(10), told).await.is_ok(), "never: {what}");
    }

    pub(super) async fn get(&self, service: &Service, path: &str) -> Value {
        let (status, text) = self.ask(service, "GET", path, None, None).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(super) async fn text(&self, service: &Service, path: &str) -> String {
        self.ask(service, "GET", path, None, None).await.1
    }

    pub(super) async fn ask(
        &self,
        service: &Service,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (u16, String) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            token.unwrap_or_default(),
            body.len(),
        );
        let answer = exchange(service.address(), &request).await;
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, rest.to_owned())
    }
}

/// Reads until the server ends the stream.
pub(super) async fn read_all(address: SocketAddr, path: &'static str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await
}

pub(super) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}
