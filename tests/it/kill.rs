//! The real process, killed again and again under load: no acknowledged event is lost, no decision
//! is made twice, and a call that comes again comes with the same id and the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::write;

const KILLS: u32 = 50;
/// Clients that send at the same time.
const SENDERS: usize = 6;
/// Signs webhooks.
const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
/// How long it may take until the last outcome is settled.
const LOOKS_MAX: usize = 1_200;

const TRIGGER: &str = "\
trigger: welcome
kind: behavior
about: Greets who has signed up.
owner: crm@shop.example
when: {event: Signed Up}
send:
  purpose: transactional
  via: [email]
  message:
    en: {subject: Hello, body: 'Hi {{ customer.name }}'}
";

/// Calls of one decision: for whom, the bytes, how often.
#[derive(Debug)]
struct Calls {
    customer: String,
    body: Vec<u8>,
    count: u32,
}

type Received = Arc<Mutex<BTreeMap<String, Calls>>>;

#[test]
fn killed_at_any_moment_it_loses_nothing_and_repeats_no_decision() {
    let received = Received::default();
    let sink = sink(&received);
    let service = free_address();
    let folder = folder(service, sink);
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || send(number, service, &stop))
        })
        .collect();

    let mut random = fastrand::Rng::with_seed(7);
    let mut child = start(folder.path());
    for _ in 0..KILLS {
        // From the middle of its start to well after it.
        std::thread::sleep(Duration::from_millis(random.u64(40..500)));
        child.kill().unwrap();
        child.wait().unwrap();
        child = start(folder.path());
    }
    std::thread::sleep(Duration::from_secs(1));
    stop.store(true, Ordering::SeqCst);
    let acknowledged: BTreeSet<String> =
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    assert!(500 < acknowledged.len(), "the load was none: {}", acknowledged.len());

    let funnel = settled(service, &received, &acknowledged);
    let received = received.lock().unwrap();
    let reached: BTreeSet<&String> = received.values().map(|calls| &calls.customer).collect();
    assert_eq!(reached.len(), received.len(), "a customer has two decisions");
    assert_eq!(funnel["matched"], received.len(), "what was called is what was decided");
    assert_eq!(funnel["sent"], funnel["matched"]);
    let repeated = received.values().filter(|calls| 1 < calls.count).count();
    // One for each call under way at a kill, at the most.
    let under_way = usize::try_from(KILLS).unwrap() * 8;
    assert!(repeated <= under_way, "{repeated} calls came again");

    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success(), "and at last it ends by itself");
}

fn folder(service: SocketAddr, sink: SocketAddr) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/welcome.yaml", TRIGGER);
    let config = format!(
        "listen: {service}
channels:
  email: {{type: webhook, url: 'http://{sink}/', secret: {SECRET}, allow_private: true}}
"
    );
    write(folder.path(), "heedful.yaml", &config);
    folder
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_heedful"))
        .args(["serve", "--send"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends one event after the other, each until it is acknowledged; gives their customers.
fn send(number: usize, service: SocketAddr, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut stream = None;
    while !stop.load(Ordering::SeqCst) {
        let customer = format!("c{number}-{}", acknowledged.len());
        let event = json!({
            "customer": customer,
            "event": "Signed Up",
            "id": format!("signed-up-{customer}"),
            "traits": {"email": format!("{customer}@x.example"), "name": customer},
        });
        match ask(&mut stream, service, "POST /events", &event.to_string()) {
            Some((200, _)) => acknowledged.push(customer),
            Some((429 | 503, _)) | None => std::thread::sleep(Duration::from_millis(10)),
            Some((status, text)) => panic!("{status}: {text}"),
        }
    }
    acknowledged
}

/// One request on a connection that is kept; `None` when it broke.
fn ask(
    kept: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    line: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
            BufReader::new(stream)
        }
    };
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    stream.get_mut().write_all((head + body).as_bytes()).ok()?;
    let (head, body) = read(&mut stream)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    *kept = Some(stream);
    Some((status, String::from_utf8(body).ok()?))
}

/// Head and body of a request or an answer.
fn read(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned())
}

/// A server that takes every webhook and remembers it.
fn sink(received: &Received) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::clone(received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let received = Arc::clone(&received);
            std::thread::spawn(move || take(stream.unwrap(), &received));
        }
    });
    address
}

fn take(stream: TcpStream, received: &Received) {
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = read(&mut stream) {
        let id = header(&head, "webhook-id").unwrap();
        let json: Value = serde_json::from_slice(&body).unwrap();
        let customer = json["data"]["customer"].as_str().unwrap().to_owned();
        {
            let mut received = received.lock().unwrap();
            let new = Calls { customer, body: body.clone(), count: 0 };
            let calls = received.entry(id).or_insert(new);
            assert_eq!(calls.body, body, "the bytes of a call that comes again");
            calls.count += 1;
        }
        let answered = stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        if answered.is_err() {
            return;
        }
    }
}

/// The counts of the trigger, once every acknowledged event has been acted upon and settled.
fn settled(service: SocketAddr, received: &Received, acknowledged: &BTreeSet<String>) -> Value {
    let mut missing = Vec::new();
    let mut funnel = Value::Null;
    let mut stream = None;
    for _ in 0..LOOKS_MAX {
        std::thread::sleep(Duration::from_millis(50));
        let Some((200, text)) = ask(&mut stream, service, "GET /api/v1/triggers", "") else {
            continue;
        };
        funnel = serde_json::from_str::<Value>(&text).unwrap()[0]["funnel"].take();
        let received = received.lock().unwrap();
        let reached: BTreeSet<&String> = received.values().map(|calls| &calls.customer).collect();
        missing = acknowledged.iter().filter(|customer| !reached.contains(customer)).collect();
        let pending = funnel["matched"] != received.len() || funnel["sent"] != funnel["matched"];
        if missing.is_empty() && !pending {
            return funnel;
        }
    }
    panic!("lost: {missing:?}; {funnel}");
}
