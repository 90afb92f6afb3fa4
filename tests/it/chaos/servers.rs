//! A web server and a mail server that behave badly by a script: what they do with a message depends
//! on its id alone, and on whether they saw it before.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Longer than anybody waits for an answer.
const HANG: Duration = Duration::from_secs(3);

/// A message that was read to its end.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) channel: String,
    /// The decision.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// Whether the customer has it, whatever was answered.
    pub(super) is_taken: bool,
}

/// What is done with a request once it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Take,
    /// Takes it and never answers.
    Hang,
    /// Takes it and hangs up.
    HangUp,
    /// Takes it and says that it failed.
    Fail,
    /// Takes it and answers without end.
    Flood,
    /// Does not take it, and asks for patience.
    TooMany,
    /// Does not take it, and points elsewhere.
    Elsewhere,
}

/// Half of all behave.
const MANNERS: [Manner; 12] = [
    Manner::Take,
    Manner::Hang,
    Manner::Take,
    Manner::HangUp,
    Manner::Take,
    Manner::TooMany,
    Manner::Take,
    Manner::Fail,
    Manner::Take,
    Manner::Flood,
    Manner::Take,
    Manner::Elsewhere,
];

type Kept = Arc<Mutex<Vec<Came>>>;

/// What is done with a message that is seen for the so-many-th time.
fn manner(id: &str, seen: usize) -> Manner {
    let script = MANNERS[usize::from_str_radix(id.get(..4).unwrap(), 16).unwrap() % MANNERS.len()];
    match (seen, script) {
        // Patience ends, and a failure is over at the second time.
        (0, script) => script,
        (_, Manner::Elsewhere) => Manner::Elsewhere,
        (_, _) => Manner::Take,
    }
}

/// A web server.
pub(super) struct Web {
    pub(super) address: SocketAddr,
    kept: Kept,
}

impl Web {
    pub(super) fn start() -> Self {
        let (address, kept) = serve(|stream, kept| while web(&stream, kept).is_some() {});
        Self { address, kept }
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.kept.lock().unwrap().clone()
    }
}

/// A mail server.
pub(super) struct Mails {
    pub(super) address: SocketAddr,
    kept: Kept,
}

impl Mails {
    pub(super) fn start() -> Self {
        let (address, kept) = serve(|stream, kept| {
            mail(&stream, kept);
        });
        Self { address, kept }
    }

    pub(super) fn came(&self) -> Vec<Came> {
        self.kept.lock().unwrap().clone()
    }
}

fn serve(talk: impl Fn(TcpStream, &Kept) + Send + Copy + 'static) -> (SocketAddr, Kept) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let kept = Kept::default();
    let shared = Arc::clone(&kept);
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::Builder::new().spawn(move || talk(stream, &shared)).unwrap();
        }
    };
    thread::Builder::new().name("chaos".to_owned()).spawn(accept).unwrap();
    (address, kept)
}

fn keep(kept: &Kept, channel: &str, id: &str, body: &[u8]) -> Manner {
    let mut kept = kept.lock().unwrap();
    let manner = manner(id, kept.iter().filter(|came| came.id == id).count());
    let is_taken = !matches!(manner, Manner::TooMany | Manner::Elsewhere);
    let (channel, id) = (channel.to_owned(), id.to_owned());
    kept.push(Came { channel, id, body: body.to_vec(), is_taken });
    manner
}

/// Takes one request of a connection; `None` when there is no further one.
fn web(mut stream: &TcpStream, kept: &Kept) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let mut say = |text: &str| {
        let text = format!("HTTP/1.1 {text}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(text.as_bytes()).ok()
    };
    if let Some(id) = path.strip_prefix("/seen/") {
        let known = kept.lock().unwrap().iter().any(|came| came.id == id && came.is_taken);
        return say(if known { "200 OK" } else { "404 Not Found" });
    }
    let id = header("webhook-id").or_else(|| {
        let json: Value = serde_json::from_slice(&body).ok()?;
        json["id"].as_str().map(str::to_owned)
    });
    // A moment in which a kill leaves the sender without an answer.
    let manner = keep(kept, path.trim_start_matches('/'), &id.unwrap_or_default(), &body);
    thread::sleep(Duration::from_millis(10));
    match manner {
        Manner::Take => say("200 OK"),
        Manner::Hang => {
            thread::sleep(HANG);
            None
        }
        Manner::HangUp => None,
        Manner::Fail => say("500 Oh no"),
        Manner::TooMany => say("429 Too Many\r\nretry-after: 1"),
        Manner::Elsewhere => say("307 Over There\r\nlocation: /elsewhere"),
        Manner::Flood => {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            while stream.write_all(b"400\r\n").is_ok() {
                stream.write_all(&[b'x'; 0x400]).ok()?;
                stream.write_all(b"\r\n").ok()?;
            }
            None
        }
    }
}

/// Talks with one client to its end.
fn mail(mut stream: &TcpStream, kept: &Kept) -> Option<()> {
    let mut reader = BufReader::new(stream);
    // Recipients that were put off: at the second time they are taken.
    static PUT_OFF: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    stream.write_all(b"220 chaos\r\n").ok()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match &*word {
            "EHLO" => "250 chaos",
            "RCPT" => {
                let mut put_off = PUT_OFF.lock().unwrap();
                let times = put_off.entry(line.clone()).or_default();
                *times += 1;
                // Every customer is put off at first, as greylisting does.
                if *times == 1 { "451 4.7.1 greylisted, come again" } else { "250 OK" }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let mut text = Vec::new();
                while !text.ends_with(b"\r\n.\r\n") {
                    if reader.read_until(b'\n', &mut text).ok()? == 0 {
                        return None;
                    }
                }
                let whole = String::from_utf8_lossy(&text).into_owned();
                let name = whole.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
                let id = name.and_then(|name| name.split('@').next()).unwrap_or_default();
                let manner = keep(kept, "email", id, &text);
                thread::sleep(Duration::from_millis(10));
                match manner {
                    Manner::Take => "250 queued",
                    Manner::Hang | Manner::Flood => {
                        thread::sleep(HANG);
                        return None;
                    }
                    Manner::HangUp | Manner::Fail => return None,
                    Manner::TooMany => "452 4.3.1 too much",
                    Manner::Elsewhere => "554 5.7.1 not here",
                }
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").ok()?;
                return None;
            }
            _ => "250 OK",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
}
