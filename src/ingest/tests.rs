//! Requests as real and hostile senders make them, against an intake in memory.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::Poll;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::*;
use crate::decode::{Record, Subject};
use crate::log;
use crate::store::record::DeadLetter;

/// What came through the door.
#[derive(Clone, Debug)]
struct Kept(Arc<Store>);

#[derive(Debug)]
struct Store {
    shards: u16,
    records: Mutex<Vec<(u16, Bytes)>>,
    letters: Mutex<Vec<DeadLetter>>,
    failure: Option<fn() -> log::Error>,
    /// Appends wait for a permit.
    durable: Semaphore,
}

impl Intake for Kept {
    fn shards(&self) -> u16 {
        self.0.shards
    }

    async fn append(&self, groups: Vec<log::Group>) -> Result<(), log::Error> {
        self.0.durable.acquire().await.unwrap().forget();
        if let Some(failure) = self.0.failure {
            return Err(failure());
        }
        let mut kept = self.0.records.lock().unwrap();
        for log::Group { shard, records } in groups {
            kept.extend(records.into_iter().map(|record| (shard, record)));
        }
        Ok(())
    }

    async fn deadletter(&self, letters: Vec<DeadLetter>) {
        self.0.letters.lock().unwrap().extend(letters);
    }
}

impl Kept {
    fn new() -> Self {
        Self::with(3, None)
    }

    fn with(shards: u16, failure: Option<fn() -> log::Error>) -> Self {
        let (records, letters) = (Mutex::default(), Mutex::default());
        let durable = Semaphore::new(10_000);
        Self(Arc::new(Store { shards, records, letters, failure, durable }))
    }

    fn router(&self, keys: &[&str]) -> Router {
        self.paced(keys, None)
    }

    fn paced(&self, keys: &[&str], pace: Option<NonZeroU32>) -> Router {
        let noon = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let keys = Keys::new(keys.iter().copied());
        Ingest::new(self.clone(), keys, pace, Now::new(move || noon)).router()
    }

    /// Whose records were kept, in order.
    fn customers(&self) -> Vec<String> {
        let records = self.0.records.lock().unwrap();
        let customer = |(_, bytes): &(u16, Bytes)| match Record::parse(bytes).unwrap().subject() {
            Subject::Customer(customer) => customer.to_owned(),
            Subject::Everyone => "everyone".to_owned(),
        };
        records.iter().map(customer).collect()
    }

    fn reasons(&self) -> Vec<String> {
        self.0.letters.lock().unwrap().iter().map(|letter| letter.reason.clone()).collect()
    }
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    from("127.0.0.1:9", Request::post(path).body(body.into()).unwrap())
}

fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    request
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GOOD: &str =
    r#"{"batch":[{"type":"track","userId":"u1","event":"E","messageId":"1"}],"writeKey":"WK1"}"#;
const SUCCESS: &str = r#"{"success":true}"#;

#[tokio::test]
async fn every_address_takes_events_with_and_without_a_slash() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    for path in [
        "/v1/track",
        "/v1/identify",
        "/v1/page",
        "/v1/screen",
        "/v1/group",
        "/v1/alias",
        "/v1/batch",
        "/v1/import",
        "/v1/t",
        "/v1/i",
        "/v1/p",
        "/v1/s",
        "/v1/g",
        "/v1/a",
        "/v1/b",
        "/v1/m",
        "/batch",
        "/i/v0/e",
        "/e",
        "/capture",
        "/events",
    ] {
        for path in [path.to_owned(), format!("{path}/?ip=1&_=2")] {
            assert_eq!(
                send(&router, post(&path, GOOD)).await,
                (StatusCode::OK, SUCCESS.to_owned()),
                "{path}"
            );
        }
    }
    assert_eq!(kept.customers().len(), 42);
}

#[tokio::test]
async fn the_address_names_the_call() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    for path in ["/v1/i", "/v1/screen", "/v1/g"] {
        let body = r#"{"userId":"u1","name":"Home","groupId":"g","traits":{}}"#;
        assert_eq!(send(&router, post(path, body)).await.0, StatusCode::OK);
    }
    let calls: Vec<_> = kept
        .0
        .records
        .lock()
        .unwrap()
        .iter()
        .map(|(_, bytes)| {
            let Record::Event(event) = Record::parse(bytes).unwrap() else { panic!() };
            format!("{:?}", event.call)
        })
        .collect();
    assert_eq!(calls, ["Identify", "Screen", "Group"]);
}

#[tokio::test]
async fn bodies_are_read_for_what_they_are_not_for_what_headers_say() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    let form = |bytes: &[u8]| {
        let encoded =
            STANDARD.encode(bytes).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("data={encoded}&compression=base64")
    };
    let plus = GOOD.replace(r#""E""#, r#""~~>""#);
    assert!(STANDARD.encode(&plus).contains('+'));
    let plain_form = format!("data={}", GOOD.replace('{', "%7B").replace('"', "%22"));
    let bodies: Vec<(&str, &str, Vec<u8>)> = vec![
        ("text/plain", "", GOOD.into()),
        ("application/x-www-form-urlencoded", "", gzip(GOOD.as_bytes())),
        ("application/json", "gzip", gzip(GOOD.as_bytes())),
        ("application/json", "gzip", GOOD.into()),
        ("application/json", "br", GOOD.into()),
        ("text/plain", "", gzip(GOOD.as_bytes())),
        ("application/x-www-form-urlencoded", "", form(GOOD.as_bytes()).into()),
        ("application/x-www-form-urlencoded", "", form(&gzip(GOOD.as_bytes())).into()),
        ("application/x-www-form-urlencoded", "", plain_form.into()),
        // Unescaped base64, its plus signs taken for spaces on the way.
        (
            "application/x-www-form-urlencoded",
            "",
            format!("data={}", STANDARD.encode(plus).replace('+', " ")).into(),
        ),
        ("image/png", "identity", GOOD.into()),
    ];
    let count = bodies.len();
    for (number, (content_type, coding, body)) in bodies.into_iter().enumerate() {
        let request = with(post("/e/", body), "content-type", content_type);
        let request =
            if coding.is_empty() { request } else { with(request, "content-encoding", coding) };
        assert_eq!(send(&router, request).await, (StatusCode::OK, SUCCESS.to_owned()), "{number}");
    }
    assert_eq!(kept.customers(), vec!["u1"; count]);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let kept = Kept::new();
    let pieces =
        GOOD.as_bytes().chunks(7).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    assert_eq!(send(&kept.router(&[]), post("/v1/batch", body)).await.0, StatusCode::OK);
    assert_eq!(kept.customers(), ["u1"]);
}

#[tokio::test]
async fn keys_open_from_header_address_and_body() {
    let kept = Kept::new();
    let router = kept.router(&["WK1", "WK2"]);
    let bare = r#"{"batch":[]}"#;
    let remote = |body: &'static str, path: &str| from("10.0.0.1:9", post(path, body));
    let basic = format!("Basic {}", STANDARD.encode("WK2:\"\""));
    let opened = [
        remote(GOOD, "/v1/batch"),
        remote(bare, "/v1/batch?key=WK1"),
        remote(r#"{"batch":[],"api_key":"WK2"}"#, "/batch/"),
        with(remote(bare, "/v1/batch"), "authorization", &basic),
        with(remote(bare, "/v1/batch"), "authorization", "Bearer WK1"),
    ];
    for request in opened {
        assert_eq!(send(&router, request).await.0, StatusCode::OK);
    }
    let closed = [
        post("/v1/batch", bare),
        post("/v1/batch?key=wk1", bare),
        with(post("/v1/batch", bare), "authorization", "Bearer WK"),
    ];
    for request in closed {
        let (status, body) = send(&router, request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(body.contains("wrong_key"), "{body}");
    }
    assert_eq!(kept.reasons(), [""; 0]);
}

#[tokio::test]
async fn without_keys_only_this_machine_is_let_in_and_nothing_is_lost() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    assert_eq!(send(&router, post("/v1/batch", GOOD)).await.0, StatusCode::OK);
    let response =
        router.clone().oneshot(from("10.0.0.1:9", post("/v1/batch", GOOD))).await.unwrap();
    // An answer at which every SDK keeps its events.
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
}

#[tokio::test]
async fn a_refused_event_is_kept_as_a_dead_letter_and_hurts_no_other() {
    let kept = Kept::new();
    let body = r#"{"batch":[{"type":"track","userId":7,"event":"E"},{"type":"track","userId":"u1","event":"E"},{"type":"track","event":"E"}]}"#;
    let (status, answer) = send(&kept.router(&[]), post("/v1/batch", body)).await;
    assert_eq!(status, StatusCode::OK);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((answer["success"].as_bool(), answer["refused"].as_u64()), (Some(true), Some(2)));
    assert_eq!(kept.customers(), ["u1"]);
    assert_eq!(kept.reasons(), ["bad_customer", "missing_customer"]);
    let letters = kept.0.letters.lock().unwrap();
    assert_eq!(letters[0].sample, r#"{"type":"track","userId":7,"event":"E"}"#);
    assert_eq!(letters[0].source, "http:/v1/batch");
    assert_eq!(letters[0].at, "2026-03-01T12:00:00.000Z");
    assert!(
        letters[0].detail.starts_with("event 0 at byte 10: `userId` is a number"),
        "{}",
        letters[0].detail
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_for_good() {
    let bomb = gzip(&vec![b' '; 300 * 1_024 * 1_024]);
    let cut = gzip(GOOD.as_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("malformed_json", b"".to_vec()),
        ("malformed_json", b"{".to_vec()),
        ("not_utf8", b"{\"a\":\"\xff\"}".to_vec()),
        ("too_deep", b"[".repeat(100_000)),
        ("too_large", vec![b' '; BODY_BYTES_MAX + 1]),
        ("too_large", bomb),
        ("undecodable", cut[..cut.len() / 2].to_vec()),
        ("undecodable", b"data=%%%".to_vec()),
        ("too_many_events", format!("[{}{{}}]", "{},".repeat(2_500)).into_bytes()),
    ];
    for (reason, body) in cases {
        let kept = Kept::new();
        let (status, answer) = send(&kept.router(&[]), post("/v1/batch", body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{reason}");
        assert!(answer.contains(reason), "{reason}: {answer}");
        assert_eq!(kept.reasons(), [reason]);
        assert!(kept.0.letters.lock().unwrap()[0].sample.len() <= 3 * 2_048);
    }
    let kept = Kept::new();
    let brotli = with(post("/v1/batch", "\u{1}\u{2}"), "content-encoding", "br");
    assert_eq!(send(&kept.router(&[]), brotli).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(kept.reasons(), ["undecodable"]);
}

#[tokio::test]
async fn a_body_of_exactly_the_bound_is_taken() {
    let kept = Kept::new();
    let mut body = GOOD.as_bytes().to_vec();
    body.resize(BODY_BYTES_MAX, b' ');
    for body in [gzip(&body), body] {
        assert_eq!(send(&kept.router(&[]), post("/v1/batch", body)).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn trouble_behind_the_door_asks_senders_to_come_again() {
    let cases: [(fn() -> log::Error, _); 3] = [
        (|| log::Error::Overloaded, StatusCode::TOO_MANY_REQUESTS),
        (|| log::Error::Closed, StatusCode::SERVICE_UNAVAILABLE),
        (|| log::Error::Storage("disk full".to_owned()), StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (failure, expected) in cases {
        let router = Kept::with(2, Some(failure)).router(&[]);
        let response = router.oneshot(post("/v1/batch", GOOD)).await.unwrap();
        assert_eq!(response.status(), expected);
        assert!(response.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_key_that_sends_too_fast_is_asked_to_come_again() {
    let kept = Kept::new();
    let router = kept.paced(&["WK1", "WK2"], NonZeroU32::new(1));
    let statuses = [
        send(&router, post("/v1/batch", GOOD)).await.0,
        send(&router, post("/v1/batch", GOOD)).await.0,
        send(&router, post("/v1/batch", GOOD)).await.0,
        send(&router, post("/v1/batch?key=WK2", GOOD.replace("WK1", ""))).await.0,
    ];
    assert_eq!(statuses.map(|status| status.as_u16()), [200, 200, 429, 200]);
    assert_eq!(kept.customers().len(), 3);
}

#[tokio::test]
async fn memory_for_bodies_is_bounded() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    // Bodies that never come to their end, each of undeclared length.
    let endless =
        || Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let mut reading = Box::pin(router.clone().oneshot(post("/v1/batch", endless())));
        assert!(matches!(futures_util::poll!(&mut reading), Poll::Pending));
        waiting.push(reading);
    }
    assert_eq!(send(&router, post("/v1/batch", GOOD)).await.0, StatusCode::TOO_MANY_REQUESTS);
    drop(waiting);
    assert_eq!(send(&router, post("/v1/batch", GOOD)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let kept = Kept::new();
    kept.0.durable.forget_permits(10_000);
    let mut sending = Box::pin(kept.router(&[]).oneshot(post("/v1/batch", GOOD)));
    for _ in 0..10 {
        assert!(matches!(futures_util::poll!(&mut sending), Poll::Pending));
    }
    kept.0.durable.add_permits(1);
    assert_eq!(sending.await.unwrap().status(), StatusCode::OK);
    assert_eq!(kept.customers(), ["u1"]);
}

#[tokio::test]
async fn an_event_about_everyone_goes_to_every_shard() {
    let kept = Kept::new();
    let body = r#"{"broadcast":true,"event":"Incident Opened","with":{"service":"api"}}"#;
    assert_eq!(send(&kept.router(&[]), post("/events", body)).await.0, StatusCode::OK);
    let mut shards: Vec<_> =
        kept.0.records.lock().unwrap().iter().map(|(shard, _)| *shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [0, 1, 2]);
    let ids: Vec<_> =
        kept.0.records.lock().unwrap().iter().map(|(_, record)| record.clone()).collect();
    assert!(ids.iter().all(|record| *record == ids[0]), "each shard has the same event");
}

#[tokio::test]
async fn cloud_events_come_in_headers_and_in_batches() {
    let kept = Kept::new();
    let router = kept.router(&[]);
    let mut binary = post("/events", r#"{"total":5}"#);
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "Order%20Placed"),
        ("ce-subject", "c%C3%A91"),
        ("content-type", "application/json"),
    ] {
        binary = with(binary, name, value);
    }
    assert_eq!(send(&router, binary).await, (StatusCode::OK, SUCCESS.to_owned()));
    let batch = r#"[{"specversion":"1.0","id":"2","source":"/shop","type":"E","subject":"c2"}]"#;
    let batch = with(post("/events", batch), "content-type", "application/cloudevents-batch+json");
    assert_eq!(send(&router, batch).await, (StatusCode::OK, SUCCESS.to_owned()));
    assert_eq!(kept.customers(), ["cé1", "c2"]);
}

#[tokio::test]
async fn browsers_of_any_origin_may_send() {
    let request = Request::options("/v1/t")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,anonymousid,sentat")
        .body(Body::empty())
        .unwrap();
    let response = Kept::new().router(&[]).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        response.headers()["access-control-allow-headers"],
        "authorization,content-type,anonymousid,sentat"
    );
    let response = Kept::new()
        .router(&[])
        .oneshot(with(post("/v1/t", GOOD), "origin", "https://x.y"))
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn what_sdks_ask_first_is_answered() {
    let router = Kept::new().router(&[]);
    for (method, path) in [
        ("GET", "/v1/projects/WK1/settings"),
        ("GET", "/array/phc/config"),
        ("POST", "/flags/?v=2"),
        ("POST", "/decide/?v=3"),
        ("GET", "/flags"),
        ("GET", "/decide"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
        let (status, body) = send(&router, request.body(Body::from("x")).unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        if path.ends_with("settings") {
            assert_eq!(body["integrations"]["Segment.io"]["apiHost"], "localhost:8080/v1");
        }
    }
}

proptest! {
    #[test]
    fn no_request_makes_an_sdk_drop_what_could_be_taken(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            "[\\[\\]{}\":,a-z0-9]{0,60}".prop_map(String::into_bytes),
            "(data=)?[ -~]{0,60}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60).prop_map(|tail| [&[0x1F, 0x8B, 8, 0], &tail[..]].concat()),
        ],
        path in prop::sample::select(vec!["/v1/track", "/e/", "/batch/", "/events", "/v1/b"]),
        query in "[ -~&&[^#]]{0,20}",
        header in "[ -~]{0,20}",
        name in prop::sample::select(vec!["content-encoding", "authorization", "ce-specversion", "content-type"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = with(post(&format!("{path}?key={query}"), body), name, &header);
        let (status, _) = runtime.block_on(send(&Kept::new().router(&[]), request));
        prop_assert!(matches!(status.as_u16(), 200 | 400), "{}", status);
    }
}
