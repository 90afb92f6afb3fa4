//! The broker that the tests of one run share: started with the first, stopped after the last.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use heedful::config::KafkaConfig;

use crate::skip::skip;

/// Not the port of a broker that someone runs by hand beside the tests, and below those that the
/// system gives out.
const PORT: u16 = 29_092;
/// Says another port, where several runs share a machine.
const PORT_VARIABLE: &str = "HEEDFUL_TEST_KAFKA_PORT";

/// How far from the port of the shared broker is that of one that a test has for itself.
const OWN_PORT: u16 = 10;
/// The same of the three of a cluster.
const THREE_PORT: u16 = 20;

/// A broker at work. It ends when the last test lets go of it.
pub(super) struct Broker {
    servers: String,
    place: Place,
}

/// Where a broker keeps what it has, and its port.
#[derive(Clone, Copy)]
enum Place {
    Shared,
    Own,
    Three,
}

static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

static TURN: Mutex<()> = Mutex::new(());

/// Waits for the turn of a test that works several nodes hard: side by side they would starve each
/// other, and a node that gets no time is one whose session ends.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    // One that failed has nothing left to protect.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The broker; `None`, said aloud, where there is neither a JDK nor Maven.
pub(super) fn shared() -> Option<Arc<Broker>> {
    let mut shared = SHARED.lock().unwrap();
    if let Some(broker) = shared.upgrade() {
        return Some(broker);
    }
    let broker = up(Place::Shared)?;
    *shared = Arc::downgrade(&broker);
    Some(broker)
}

/// A broker for one test alone, which may stop it.
pub(super) fn own() -> Option<Arc<Broker>> {
    up(Place::Own)
}

/// Three brokers for one test alone, each with a copy of everything.
pub(super) fn three() -> Option<Arc<Broker>> {
    up(Place::Three)
}

fn up(place: Place) -> Option<Arc<Broker>> {
    for tool in ["java", "mvn"] {
        let asked = Command::new(tool).arg("-version").output();
        if !asked.is_ok_and(|answer| answer.status.success()) {
            skip("Kafka", &format!("`{tool}` is needed to run Apache Kafka"));
            return None;
        }
    }
    let count = if matches!(place, Place::Three) { "3" } else { "1" };
    let servers = script(place, &["up", count]);
    Some(Arc::new(Broker { servers: servers.trim().to_owned(), place }))
}

impl Broker {
    /// Does something to it: `stop 1`, `start 1`, `pause 1`.
    pub(super) fn tell(&self, words: &[&str]) {
        script(self.place, words);
    }

    /// Where a proxy listens that clients shall come through, and where it leads to.
    pub(super) fn ports_of_proxy(&self) -> (u16, u16) {
        let port: u16 = self.servers.rsplit_once(':').unwrap().1.parse().unwrap();
        (port + 300, port + 200)
    }

    /// A configuration with topics of its own.
    pub(super) fn config(&self, prefix: &str, partitions: u16) -> KafkaConfig {
        let mut config = KafkaConfig::new(&self.servers);
        config.prefix = prefix.to_owned();
        config.group = prefix.to_owned();
        config.events = format!("{prefix}.events");
        config.partitions = partitions;
        config.replication = if matches!(self.place, Place::Three) { 3 } else { 1 };
        config
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Held while it stops, so that nobody starts another meanwhile.
        let _shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        script(self.place, &["down"]);
    }
}

fn script(place: Place, words: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = std::env::var_os(PORT_VARIABLE).and_then(|port| port.to_str()?.parse().ok());
    let port = said.unwrap_or(PORT);
    let (folder, port) = match place {
        Place::Shared => ("kafka", port),
        Place::Own => ("kafka-own", port + OWN_PORT),
        Place::Three => ("kafka-three", port + THREE_PORT),
    };
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let output = Command::new(root.join("tests/kafka/broker"))
        .args(words)
        .env("HEEDFUL_KAFKA_DIR", folder)
        .env("HEEDFUL_KAFKA_PORT", port.to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "`broker {}` failed", words.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
