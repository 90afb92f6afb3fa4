//! Decoding against a bare `serde_json` decode of the same lines: prints ratios, asserts nothing.
//!
//! `cargo bench --bench decode [-- events.jsonl [WHAT]]`; without a file it makes events of the same
//! form, with WHAT only the lines whose text contains it are measured.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

use std::hint::black_box;
use std::sync::Arc;

use heedful::decode::json::{self, Raw, Scanner};
use heedful::decode::{Arrival, Body, Decoder, Record, line};
use heedful::engine::names::Names;
use heedful::engine::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The baseline of every speed goal.
#[derive(Deserialize)]
#[expect(dead_code, reason = "what is decoded is what is measured")]
struct Bare<'a> {
    #[serde(rename = "messageId")]
    message_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(rename = "userId")]
    user_id: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow)]
    context: &'a RawValue,
}

const PATHS: [&str; 4] = ["/home", "/pricing", "/docs/start", "/cancel"];
const EVENTS: usize = 20_000;
const ROUNDS: usize = 50;

fn main() {
    let text = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with("--"))
        .map_or_else(made_up, |path| std::fs::read_to_string(path).unwrap_or_default());
    let lines: Vec<&str> = text.lines().take(EVENTS).collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    println!("{} events, {} bytes each", lines.len(), bytes / lines.len().max(1));
    let wanted = ["cart_value", "path"].map(Arc::from);
    let mut decoder = Decoder::for_names(&wanted, 0, &[]);
    let mut names = Names::default();
    let arrival = Arrival::live(Timestamp::MAX);
    let records: Vec<_> = lines.iter().map(|text| record(text, arrival)).collect();
    let batches: Vec<String> =
        lines.chunks(100).map(|chunk| format!("{{\"batch\":[{}]}}", chunk.join(","))).collect();

    let baseline = time(&lines, "serde_json, &str fields and RawValue", None, |text| {
        black_box(serde_json::from_str::<Bare<'_>>(text).ok());
    });
    let base = Some(baseline);
    time(&lines, "serde_json, Value", base, |text| {
        black_box(serde_json::from_str::<serde_json::Value>(text).ok());
    });
    time(&lines, "ours, the same members, UTF-8 checked", base, |text| {
        black_box(scan(text.as_bytes()));
    });
    time(&lines, "ours, judged and encoded for the log, one by one", base, |text| {
        black_box(record(text, arrival));
    });
    time(&batches, "ours, judged and encoded for the log, batches of 100", base, |text| {
        let body =
            Body::read(text.as_bytes(), None).map(|mut body| body.encode(arrival, 8, String::new));
        black_box(body.ok());
    });
    time(&records, "ours, from the log to the engine's input", base, |bytes| {
        let Ok(record) = Record::parse(bytes) else { return };
        let decoded = decoder.decode(&record, Timestamp::MAX, 1, &mut names, |decoded| {
            black_box(decoded.input(|_| None));
        });
        black_box(decoded.is_ok());
    });
    time(&lines, "ours, from a recorded line to the engine's input", base, |text| {
        let arrival = (Arrival::replay(), 1);
        let decoded =
            decoder.decode_line(text.as_bytes(), arrival, String::new, &mut names, |decoded| {
                black_box(decoded.input(|_| None));
            });
        black_box(decoded.is_ok());
    });
}

fn record(text: &str, arrival: Arrival) -> Vec<u8> {
    line(text.as_bytes(), arrival, 8, String::new)
        .ok()
        .flatten()
        .map(|accepted| accepted.record.to_vec())
        .unwrap_or_default()
}

fn scan(bytes: &[u8]) -> Option<[Raw<'_>; 7]> {
    let mut scanner = Scanner::new(json::text(bytes).ok()?);
    let mut found = [Raw::Absent; 7];
    let [message_id, kind, user_id, event, timestamp, properties, context] = &mut found;
    scanner
        .object(|scanner, key| {
            let field = match key {
                "messageId" => &mut *message_id,
                "type" => &mut *kind,
                "userId" => &mut *user_id,
                "event" => &mut *event,
                "timestamp" => &mut *timestamp,
                "properties" => &mut *properties,
                "context" => &mut *context,
                _ => return scanner.skip(),
            };
            *field = scanner.value()?;
            Ok(())
        })
        .ok()?;
    scanner.finish().ok()?;
    Some(found)
}

/// The fastest of several rounds, in nanoseconds per event: others on the machine only slow it.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn time<T>(items: &[T], what: &str, baseline: Option<f64>, mut work: impl FnMut(&T)) -> f64 {
    if std::env::args().skip(2).any(|arg| !arg.starts_with("--") && !what.contains(&arg)) {
        return f64::NAN;
    }
    let fastest = (0..ROUNDS).fold(f64::MAX, |fastest, _| {
        let start = std::time::Instant::now();
        items.iter().for_each(&mut work);
        fastest.min(start.elapsed().as_nanos() as f64 / EVENTS as f64)
    });
    let ratio = baseline.map_or(1.0, |baseline| baseline / fastest);
    println!("{fastest:8.0} ns  {ratio:5.2} x  {what}");
    fastest
}

/// Events of the form of the usual workload, from a fixed sequence.
fn made_up() -> String {
    let mut state = 42_u64;
    let mut next = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::new();
    for number in 0..EVENTS {
        let (user, cents, items) = (next(100_000), next(25_000), next(9) + 1);
        let (sku, path) = (next(99_999), PATHS.get(number % 4).copied().unwrap_or("/"));
        text.push_str(&format!(
            "{{\"messageId\":\"m-{number:012}\",\"type\":\"track\",\"userId\":\"u{user:08}\",\
             \"event\":\"page_viewed\",\"timestamp\":\"2026-03-01T00:00:00.{:03}Z\",\
             \"properties\":{{\"cart_value\":{}.{:02},\"currency\":\"EUR\",\"items\":{items},\
             \"sku\":\"SKU-{sku:05}\",\"category\":\"garden\",\"path\":\"{path}\",\
             \"referrer\":\"google\",\"first_visit\":false}},\"context\":{{\"ip\":\"10.55.129.6\",\
             \"locale\":\"de-DE\",\"app\":\"web\"}}}}\n",
            number % 1_000,
            cents / 100,
            cents % 100,
        ));
    }
    text
}
