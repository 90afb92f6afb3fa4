//! The way out: how many webhooks a second leave the service for a server on this machine, against
//! what that server takes from a client that does nothing else, measured in the same run; and what a
//! dead channel does to the others. Prints a table, asserts nothing about time.
//!
//! `cargo bench --bench dispatch [-- --calls=20000] [--seconds=5]`
//!
//! Service, server and client share the machine, as they do in the other benches: what the server
//! takes of the processor, the service does not have.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]
#![expect(clippy::disallowed_methods, reason = "server, clients and times of a bench")]

#[path = "common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Fallible;
use common::process::{Place, Process};
use common::table::{Goal, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Calls that are made for the rate.
const CALLS: usize = 20_000;
/// How long each rate of the latency is kept up, in seconds.
const SECONDS: usize = 5;
/// Events a second while latency is measured, for each channel.
const EACH_SECOND: usize = 200;
/// Calls at a time, of the service and of the client that does nothing else.
const AT_ONCE: usize = 32;
/// Events of one request.
const BATCH: usize = 200;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// How long the last calls are waited for.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// When the call about each customer came.
#[derive(Default)]
struct Came {
    count: AtomicUsize,
    last: Mutex<Option<Instant>>,
    of: Mutex<HashMap<String, Instant>>,
}

fn asked(name: &str) -> Option<usize> {
    std::env::args().find_map(|arg| arg.strip_prefix(name)?.parse().ok())
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let calls = asked("--calls=").unwrap_or(CALLS);
    let seconds = asked("--seconds=").unwrap_or(SECONDS);
    let came = Arc::new(Came::default());
    let sink = serve(Arc::clone(&came)).await?;
    let dead = silence().await?;
    let limit = limit(sink, calls).await?;
    println!("the server alone takes {limit:.0} calls a second");
    let place = place(sink, dead)?;
    let (process, _) = place.start_with(&["--send", "--config", "heedful.yaml"])?;
    let rate = rate(&process, &came, calls).await?;
    println!("the service makes {rate:.0}");
    let alone = latency(&process, &came, "a", seconds, &["fast"]).await?;
    let beside = latency(&process, &came, "b", seconds, &["fast", "dead"]).await?;
    process.stop()?;

    let mut table = Table::new("The way out: webhooks to a server on this machine");
    let measured = format!("{rate:.0}/s of {limit:.0}/s");
    table.add("calls, against what the server takes", measured, (rate / limit, "x"), Goal::None);
    table.add(
        "calls a second",
        format!("{calls} calls"),
        (rate, "/s"),
        Goal::AtLeast(limit.min(5_000.0).round()),
    );
    let measured = format!("p99 {:.1} ms, alone {:.1} ms", beside.1, alone.1);
    let more = (beside.1 / alone.1 - 1.0) * 100.0;
    table.add("event to call beside a dead channel", measured, (more, "%"), Goal::AtMost(10.0));
    let measured = format!("p50 {:.1} ms, alone {:.1} ms", beside.0, alone.0);
    table.add("the same, median", measured, ((beside.0 / alone.0 - 1.0) * 100.0, "%"), Goal::None);
    table.print();
    Ok(())
}

fn place(sink: SocketAddr, dead: SocketAddr) -> Fallible<Place> {
    let place = Place::new(0)?;
    let channel = |name: &str, to: SocketAddr| {
        format!(
            "  {name}: {{type: webhook, url: \"http://{to}/\", concurrency: {AT_ONCE}, allow_private: on, \
             secret: whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=}}\n"
        )
    };
    let config = format!("channels:\n{}{}", channel("fast", sink), channel("dead", dead));
    fs::write(place.path().join("heedful.yaml"), config)?;
    let policy = "quiet_hours: []\ncaps: []\nchannels: {fast: {}, dead: {}}\n";
    fs::write(place.path().join("triggers/policy.yaml"), policy)?;
    fs::remove_file(place.path().join("triggers/marker.yaml"))?;
    for channel in ["fast", "dead"] {
        let text = format!(
            "trigger: by-{channel}\nkind: behavior\nabout: a\nowner: a@b.example\n\
             when: {{event: by_{channel}}}\nsend:\n  purpose: transactional\n  via: [{channel}]\n  \
             message: {{en: {{subject: Hello, body: \"Your order {{{{ event.order }}}}\"}}}}\n"
        );
        fs::write(place.path().join(format!("triggers/{channel}.yaml")), text)?;
    }
    Ok(place)
}

/// What the server takes from a client that does nothing else.
async fn limit(sink: SocketAddr, calls: usize) -> Fallible<f64> {
    let body = "x".repeat(450);
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let request = Arc::new([head, body].concat());
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let request = Arc::clone(&request);
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(sink).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let mut answer = [0; ANSWER.len()];
            for _ in 0..calls / AT_ONCE {
                stream.write_all(request.as_bytes()).await.ok()?;
                stream.read_exact(&mut answer).await.ok()?;
            }
            Some(())
        }));
    }
    for task in tasks {
        task.await?.ok_or("the server hung up")?;
    }
    Ok(number(calls) / began.elapsed().as_secs_f64())
}

/// Calls a second while the outbox is never empty.
async fn rate(process: &Process, came: &Came, calls: usize) -> Fallible<f64> {
    let before = came.count.load(Ordering::Acquire);
    let began = Instant::now();
    let address = process.address();
    let mut stream = TcpStream::connect(address).await?;
    for first in (0..calls).step_by(BATCH) {
        let events: Vec<String> =
            (first..calls.min(first + BATCH)).map(|n| event("fast", &format!("r{n}"))).collect();
        post(&mut stream, &format!("{{\"batch\":[{}]}}", events.join(","))).await?;
    }
    until(|| before + calls <= came.count.load(Ordering::Acquire)).await?;
    let last = came.last.lock().map_err(|_| "poisoned")?.ok_or("no call came")?;
    Ok(number(calls) / (last - began).as_secs_f64())
}

/// Median and 99th percentile from an event to its call, in milliseconds.
async fn latency(
    process: &Process,
    came: &Came,
    run: &str,
    seconds: usize,
    channels: &[&str],
) -> Fallible<(f64, f64)> {
    let mut stream = TcpStream::connect(process.address()).await?;
    let mut sent = Vec::new();
    let every = Duration::from_secs(1) / u32::try_from(EACH_SECOND)?;
    let began = Instant::now();
    for n in 0..seconds * EACH_SECOND {
        let due = began + every * u32::try_from(n)?;
        tokio::time::sleep_until(due.into()).await;
        for channel in channels {
            let customer = format!("{run}{channel}{n}");
            post(&mut stream, &event(channel, &customer)).await?;
            if *channel == "fast" {
                sent.push((customer, due));
            }
        }
    }
    until(|| came.of.lock().is_ok_and(|of| sent.iter().all(|(who, _)| of.contains_key(who))))
        .await?;
    let of = came.of.lock().map_err(|_| "poisoned")?;
    let took = |(who, due): &(String, Instant)| of.get(who).map(|at| (*at - *due).as_secs_f64());
    let mut millis: Vec<f64> = sent.iter().filter_map(took).map(|took| took * 1_000.0).collect();
    millis.sort_by(f64::total_cmp);
    let at = |part: usize| millis.get(millis.len() * part / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

fn event(channel: &str, customer: &str) -> String {
    format!(
        r#"{{"customer":"{customer}","event":"by_{channel}","id":"{customer}","with":{{"order":"o1"}}}}"#
    )
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

async fn until(reached: impl Fn() -> bool) -> Fallible<()> {
    let began = Instant::now();
    while !reached() {
        if WAIT_MAX < began.elapsed() {
            return Err("not all calls came".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Posts events, and waits until they are durable.
async fn post(stream: &mut TcpStream, body: &str) -> Fallible<()> {
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    loop {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let answer = message(stream, &mut Vec::new()).await?.ok_or("the service hung up")?;
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        if !answer.starts_with("HTTP/1.1 429") {
            return Err(answer.into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One message, head and body; `rest` is what came of the next.
async fn message(stream: &mut TcpStream, rest: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    let mut part = [0; 16 * 1_024];
    loop {
        if let Some(head) = memchr::memmem::find(rest, b"\r\n\r\n") {
            let text = String::from_utf8_lossy(rest.get(..head).unwrap_or_default()).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = head + 4 + length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if whole <= rest.len() {
                let message: Vec<u8> = rest.drain(..whole).collect();
                return Ok(Some(String::from_utf8_lossy(&message).into_owned()));
            }
        }
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Ok(None);
        }
        rest.extend_from_slice(part.get(..count).unwrap_or_default());
    }
}

/// A server that takes everything at once.
async fn serve(came: Arc<Came>) -> Fallible<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let came = Arc::clone(&came);
            tokio::spawn(async move {
                drop(stream.set_nodelay(true));
                let mut rest = Vec::new();
                while let Ok(Some(request)) = message(&mut stream, &mut rest).await {
                    let now = Instant::now();
                    came.count.fetch_add(1, Ordering::AcqRel);
                    if let Ok(mut last) = came.last.lock() {
                        *last = Some(now);
                    }
                    let customer = request.split("\"customer\":\"").nth(1);
                    let customer = customer.and_then(|rest| rest.split('"').next());
                    if let (Some(customer), Ok(mut of)) = (customer, came.of.lock()) {
                        of.entry(customer.to_owned()).or_insert(now);
                    }
                    if stream.write_all(ANSWER).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// A server that takes connections and never answers.
async fn silence() -> Fallible<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    Ok(address)
}
