//! The real process in a folder of its own, a client for it, and a server that takes its webhooks.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

use crate::cli::write;

/// The key of the webhooks in base64.
pub(crate) const KEY: &str = "AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
/// How long one look waits for the next.
const LOOK: Duration = Duration::from_millis(20);
/// Looks before something counts as never come about: a minute.
const LOOKS_MAX: usize = 3_000;
/// How long the other side of a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request that the sink has received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) seconds: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// Whether it is signed as Standard Webhooks asks for: over id, time and body.
    pub(crate) fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
        mac.update(format!("{}.{}.", self.id, self.seconds).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.signature.split(' ').any(|signature| signature == expected)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server that takes webhooks for as long as the test runs.
pub(crate) struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// Starts one that refuses every so many-th request with 503 after keeping it; 0 refuses none.
    pub(crate) fn start(refuse_every: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let accept = move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                let take = move || while take(&stream, refuse_every, &kept).is_some() {};
                thread::Builder::new().spawn(take).unwrap();
            }
        };
        thread::Builder::new().name("sink".to_owned()).spawn(accept).unwrap();
        Self { address, received }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// Takes one request of a connection; `None` when there is none any more.
fn take(stream: &TcpStream, refuse_every: usize, kept: &Mutex<Vec<Received>>) -> Option<()> {
    // Nothing is read ahead of the body, because the sender waits for the answer first.
    let (head, body) = read_message(&mut BufReader::new(stream))?;
    let header = |name: &str| header(&head, name).unwrap_or_default();
    let count = {
        let mut kept = kept.lock().unwrap();
        kept.push(Received {
            id: header("webhook-id"),
            seconds: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            body,
        });
        kept.len()
    };
    // A moment in which a kill leaves the sender without an answer.
    thread::sleep(Duration::from_millis(3));
    let refused = 0 < refuse_every && count.is_multiple_of(refuse_every);
    let status = if refused { "503 Busy" } else { "200 OK" };
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()
}

/// The first lines, and a body of the length that they give.
fn read_message(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// A folder with a configuration, triggers and data.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With outreach by `webhook` going to the sink, and no quiet hours: tests run at night too.
    pub(crate) fn new(sink: &Sink) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let url = format!("http://{}/hook", sink.address);
        place.write(
            "heedful.yaml",
            &format!(
                "channels:\n  webhook: {{type: webhook, url: \"{url}\", \
                 secret: \"${{HOOK_SECRET}}\", allow_private: true}}\n"
            ),
        );
        let policy = fs::read_to_string(crate::cli::here().join("triggers/policy.yaml")).unwrap();
        place.write(
            "triggers/policy.yaml",
            &policy.replace("quiet_hours: keep", "quiet_hours: break"),
        );
        place
    }

    /// With nothing in it.
    pub(crate) fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn address_of(sink: &Sink) -> SocketAddr {
        sink.address
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(self.path(), path, text);
    }

    /// Starts the process. What it says goes to `said.txt`.
    pub(crate) fn spawn(&self) -> Process {
        self.spawn_with(&["--send"])
    }

    /// Starts the process without letting anything leave, and waits until it is ready.
    #[cfg(feature = "kafka")]
    pub(crate) fn start_dry(&self) -> (Process, SocketAddr) {
        let process = self.spawn_with(&[]);
        let address = self.address();
        until("it is ready", || get(address, "/readyz").is_some());
        (process, address)
    }

    fn spawn_with(&self, flags: &[&str]) -> Process {
        let said = fs::File::create(self.path().join("said.txt")).unwrap();
        let child = Command::new(assert_cmd::cargo::cargo_bin!("heedful"))
            .current_dir(self.path())
            .env_clear()
            .env("HOOK_SECRET", format!("whsec_{KEY}"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "heedful.yaml"])
            .args(flags)
            .args(["--data", "data", "--triggers", "triggers", "--shards", "2"])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        Process { child }
    }

    /// Waits until the process says where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        looked(|| self.listens()).unwrap_or_else(|| {
            let said = fs::read_to_string(self.path().join("said.txt")).unwrap();
            panic!("it does not listen: {said}")
        })
    }

    /// Where the process listens, if it said so by now.
    pub(crate) fn listens(&self) -> Option<SocketAddr> {
        let said = fs::read_to_string(self.path().join("said.txt")).unwrap();
        let line = said.lines().find(|line| line.starts_with("heedful "))?;
        line.rsplit_once("http://")?.1.trim().parse().ok()
    }

    /// Starts the process and waits until it is ready.
    pub(crate) fn start(&self) -> (Process, SocketAddr) {
        let process = self.spawn();
        let address = self.address();
        until("it is ready", || get(address, "/readyz").is_some());
        (process, address)
    }
}

/// The running process; it ends with this.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// One that was started otherwise.
    pub(crate) fn of(child: Child) -> Self {
        Self { child }
    }

    /// Lets it stand still, as a machine does that is asleep, and wakes it up.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Its exit code, once it has ended by itself.
    #[cfg(feature = "kafka")]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().and_then(|status| status.code())
    }

    /// Ends it as `kill -9` does: it gets no chance to do anything about it.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Tells it to end, and waits until it has: it must, by itself.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        looked(|| self.child.try_wait().unwrap()).expect("it ends by itself")
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks until there is something to see.
pub(crate) fn looked<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    (0..LOOKS_MAX).find_map(|_| {
        let seen = look();
        if seen.is_none() {
            thread::sleep(LOOK);
        }
        seen
    })
}

pub(crate) fn until(what: &str, reached: impl Fn() -> bool) {
    assert!(looked(|| reached().then_some(())).is_some(), "never: {what}");
}

/// Asks for a document; `None` when it is not given.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<Value> {
    let (status, body) = exchange(address, "GET", path, b"")?;
    if status == 200 { serde_json::from_slice(&body).ok() } else { None }
}

/// Posts JSON, or what is to be taken for it; `None` when there was no answer.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> Option<(u16, Value)> {
    let (status, body) = exchange(address, "POST", path, body)?;
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// One request on a connection of its own; `None` when there was no answer.
pub(crate) fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    exchange_as(address, (method, path), None, body)
}

/// The same with a token.
pub(crate) fn exchange_as(
    address: SocketAddr,
    (method, path): (&str, &str),
    token: Option<&str>,
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SILENCE_MAX)).ok()?;
    stream.set_write_timeout(Some(SILENCE_MAX)).ok()?;
    let token = token.map_or(String::new(), |t| format!("authorization: Bearer {t}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // A body too large is answered before all of it is taken.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)));
    let (head, body) = read_message(&mut BufReader::new(stream))?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body))
}

/// All decisions, newest first.
pub(crate) fn decisions(address: SocketAddr) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = get(address, &format!("/api/v1/decisions?limit=500{after}")).unwrap();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}
