//! Load from connections that are kept open: as much as is answered, or at times set beforehand.
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench that is wrong stops where it stands"
)]

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use heedful::clock::Stopwatch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Fallible;
use super::people::Request;

/// Requests that are due and wait for a connection at most; past it the clockwork waits, and the
/// time of those requests still counts from when they were due.
const DUE_MAX: usize = 100_000;

/// Numbers for events, none twice.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Cell<u64>);

impl Numbers {
    pub(crate) fn take(&self, count: usize) -> u64 {
        let first = self.0.get();
        self.0.set(first + count as u64);
        first
    }
}

/// What came of a load.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answered {
    /// Requests answered with 200.
    pub(crate) good: u64,
    /// Events in them.
    pub(crate) events: u64,
    /// Requests answered otherwise.
    pub(crate) other: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Answered {
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn events_per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Elapsed(Duration),
    Events(u64),
}

/// Sends as fast as it is answered, each connection its own requests again and again.
pub(crate) fn flat_out(
    address: SocketAddr,
    mut connections: Vec<Vec<Request>>,
    numbers: &Numbers,
    until: Until,
) -> Fallible<Answered> {
    runtime()?.block_on(async {
        let watch = Stopwatch::start();
        let sum = Cell::new(Answered::default());
        let ended = || match until {
            Until::Elapsed(time) => time <= watch.elapsed(),
            Until::Events(count) => count <= sum.get().events,
        };
        let mut tasks: FuturesUnordered<_> = connections
            .iter_mut()
            .map(async |requests| -> Fallible<()> {
                let mut connection = Connection::open(address).await?;
                for request in (0..requests.len()).cycle() {
                    if ended() {
                        break;
                    }
                    let request = &mut requests[request];
                    let first = numbers.take(request.events());
                    let status = connection.exchange(request.numbered(first)).await?;
                    let mut seen = sum.get();
                    if status == 200 {
                        seen.good += 1;
                        seen.events += request.events() as u64;
                    } else {
                        seen.other += 1;
                    }
                    sum.set(seen);
                }
                Ok(())
            })
            .collect();
        while let Some(ended) = tasks.next().await {
            ended?;
        }
        Ok(Answered { took: watch.elapsed(), ..sum.get() })
    })
}

/// What came of requests at set times.
#[derive(Debug, Default)]
pub(crate) struct Timed {
    /// For each request when it was due, since the start of the watch.
    pub(crate) due: Vec<Duration>,
    /// For each request the number of its first event.
    pub(crate) first: Vec<u64>,
    /// From when it was due until it was answered, of those that were answered with 200.
    pub(crate) answered: Vec<Duration>,
    /// Requests answered otherwise.
    pub(crate) other: u64,
}

/// Sends so many requests per second for a while, whether or not earlier ones are answered.
/// Requests that find no connection free are sent late, and count from when they were due.
pub(crate) fn at_times(
    address: SocketAddr,
    connections: Vec<Vec<Request>>,
    numbers: &Numbers,
    (per_second, time): (f64, Duration),
    watch: &Stopwatch,
) -> Fallible<Timed> {
    let (sender, receiver) = mpsc::channel::<Duration>(DUE_MAX);
    let begin = watch.elapsed() + Duration::from_millis(50);
    let step = 1.0 / per_second;
    let count = (time.as_secs_f64() / step) as u32;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..count {
                let due = begin + Duration::from_secs_f64(step * f64::from(number));
                std::thread::sleep(due.saturating_sub(watch.elapsed()));
                if sender.blocking_send(due).is_err() {
                    return;
                }
            }
        });
        runtime()?.block_on(send_due(address, connections, numbers, receiver, watch))
    })
}

async fn send_due(
    address: SocketAddr,
    mut connections: Vec<Vec<Request>>,
    numbers: &Numbers,
    due: mpsc::Receiver<Duration>,
    watch: &Stopwatch,
) -> Fallible<Timed> {
    let due = tokio::sync::Mutex::new(due);
    let timed = Mutex::new(Timed::default());
    let mut tasks: FuturesUnordered<_> = connections
        .iter_mut()
        .map(async |requests| -> Fallible<()> {
            let mut connection = Connection::open(address).await?;
            for request in (0..requests.len()).cycle() {
                let Some(at) = due.lock().await.recv().await else { break };
                let request = &mut requests[request];
                let first = numbers.take(request.events());
                let status = connection.exchange(request.numbered(first)).await?;
                let answered = watch.elapsed().saturating_sub(at);
                let mut timed = timed.lock().map_err(|_| "a task panicked")?;
                timed.due.push(at);
                timed.first.push(first);
                if status == 200 {
                    timed.answered.push(answered);
                } else {
                    timed.other += 1;
                }
            }
            Ok(())
        })
        .collect();
    while let Some(ended) = tasks.next().await {
        ended?;
    }
    drop(tasks);
    timed.into_inner().map_err(|_| "a task panicked".into())
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// A connection that is kept open.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Fallible<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads the answer to its end; gives the status.
    async fn exchange(&mut self, request: &[u8]) -> Fallible<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end])?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.ok_or("an answer without a length")?.parse()?;
            if end + 4 + length <= self.buffer.len() {
                return Ok(head.split(' ').nth(1).ok_or("no status")?.parse()?);
            }
        }
    }
}

/// Listens to the decisions of the marker as they become durable.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Number of the event, and when its decision was heard.
    seen: Mutex<Vec<(u64, Duration)>>,
    /// Lines that the service says it left out.
    missed: Mutex<u64>,
    ended: AtomicBool,
}

impl Live {
    /// Listens until it is told to end. `ready` is called when the stream has begun.
    pub(crate) fn listen(
        &self,
        address: SocketAddr,
        watch: &Stopwatch,
        ready: impl FnOnce(),
    ) -> Fallible<()> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        stream.write_all(b"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut reader = BufReader::with_capacity(1 << 20, &stream);
        let (mut line, mut ready) = (Vec::new(), Some(ready));
        let mut lost = false;
        while !self.ended.load(Ordering::Acquire) {
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return Err("the live stream ended".into()),
                Ok(_) => {}
                // What was read of a line so far stays.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if line == b"\r\n"
                && let Some(ready) = ready.take()
            {
                ready();
            }
            if line.starts_with(b"event: missed") {
                lost = true;
            } else if lost && line.starts_with(b"data: ") {
                lost = false;
                let count = std::str::from_utf8(&line[6..])?.trim().parse::<u64>()?;
                *self.missed.lock().map_err(|_| "a thread panicked")? += count;
            } else if let Some(number) = marked(&line) {
                let mut seen = self.seen.lock().map_err(|_| "a thread panicked")?;
                seen.push((number, watch.elapsed()));
            }
            line.clear();
        }
        Ok(())
    }

    /// What was heard so far, in the order in which it was heard.
    pub(crate) fn seen(&self) -> Fallible<Vec<(u64, Duration)>> {
        Ok(self.seen.lock().map_err(|_| "a thread panicked")?.clone())
    }

    pub(crate) fn missed(&self) -> Fallible<u64> {
        Ok(*self.missed.lock().map_err(|_| "a thread panicked")?)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// The number of the event that a decision of the marker is about.
fn marked(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    if !line.contains("\"trigger\":\"marker\"") {
        return None;
    }
    let (_, rest) = line.split_once("\"occurrence\":\"m-")?;
    rest.get(..12)?.parse().ok()
}
