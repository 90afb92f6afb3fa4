//! The broker that the tests of one run share: started with the first, stopped after the last.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use heedful::config::KafkaConfig;

/// Not the port of a broker that someone runs by hand beside the tests, and below those that the
/// system gives out.
const PORT: u16 = 29_092;
/// Says another port, where several runs share a machine.
const PORT_VARIABLE: &str = "HEEDFUL_TEST_KAFKA_PORT";

/// A broker at work. It ends when the last test lets go of it.
pub(super) struct Broker {
    servers: String,
}

static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

/// The broker; `None`, said aloud, where there is neither a JDK nor Maven.
pub(super) fn shared() -> Option<Arc<Broker>> {
    let mut shared = SHARED.lock().unwrap();
    if let Some(broker) = shared.upgrade() {
        return Some(broker);
    }
    for tool in ["java", "mvn"] {
        let asked = Command::new(tool).arg("-version").output();
        if !asked.is_ok_and(|answer| answer.status.success()) {
            println!("SKIPPED: `{tool}` is needed to run Apache Kafka");
            return None;
        }
    }
    let servers = script(&["up", "1"]);
    let broker = Arc::new(Broker { servers: servers.trim().to_owned() });
    *shared = Arc::downgrade(&broker);
    Some(broker)
}

impl Broker {
    /// Does something to it: `stop 1`, `start 1`, `pause 1`.
    pub(super) fn tell(&self, words: &[&str]) {
        script(words);
    }

    /// A configuration with topics of its own.
    pub(super) fn config(&self, prefix: &str, partitions: u16) -> KafkaConfig {
        let mut config = KafkaConfig::new(&self.servers);
        config.prefix = prefix.to_owned();
        config.group = prefix.to_owned();
        config.events = format!("{prefix}.events");
        config.partitions = partitions;
        config.replication = 1;
        config
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Held while it stops, so that nobody starts another meanwhile.
        let _shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        script(&["down"]);
    }
}

fn script(words: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
    let output = Command::new(root.join("tests/kafka/broker"))
        .args(words)
        .env("HEEDFUL_KAFKA_DIR", folder)
        .env("HEEDFUL_KAFKA_PORT", std::env::var(PORT_VARIABLE).unwrap_or(PORT.to_string()))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "`broker {}` failed", words.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
