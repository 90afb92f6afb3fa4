//! What `kafka:` says: the brokers, the group, the topics, and what is passed on to librdkafka.

use secrecy::SecretString;

use super::node::{Kind, Node};
use super::registry::{self, RegistryConfig};
use super::source::{self, Registry, SourceConfig};
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// Most partitions of the events topic: each is a shard with a thread of its own.
const PARTITIONS_MAX: u16 = 1_024;
/// Partitions of topics that are made now, unless the file says otherwise.
const PARTITIONS_DEFAULT: u16 = 12;
/// Copies of each topic that is made now, unless the file says otherwise.
const REPLICATION_DEFAULT: u16 = 3;
/// How often at least what was decided is committed.
const COMMIT_EVERY_DEFAULT: Span = Span::from_millis(100);
/// The longest that a commit may wait.
const COMMIT_EVERY_MAX: Span = Span::from_millis(10_000);

/// Properties that decide about exactly-once: a file that changed one would break a promise.
const FIXED: [&str; 17] = [
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "transactional.id",
    "acks",
    "request.required.acks",
];

/// Where Kafka is and how it is used.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// The brokers to begin with, `host:port`, separated by commas.
    pub brokers: String,
    /// The consumer group: all nodes that share it share the customers.
    pub group: String,
    /// What the names of Heedful's own topics begin with.
    pub prefix: String,
    /// The topic of events; its partitions are the shards.
    pub events: String,
    /// A name of this node that stays the same over restarts. A restart then ends the transaction
    /// that the run before it left open at once, and rejoins the group as the same member.
    pub node: Option<String>,
    /// Where other nodes and callers reach this node's API (`https://node-1:8080`).
    pub advertise: Option<String>,
    /// How long what was decided may wait for its transaction.
    pub commit_every: Span,
    /// Partitions of topics that are made now.
    pub partitions: u16,
    /// Copies of topics that are made now.
    pub replication: u16,
    /// Topics of others that are brought in.
    pub sources: Vec<SourceConfig>,
    /// Where their schemas are had.
    pub registry: Option<RegistryConfig>,
    /// Properties for librdkafka, in the order of the file. Values may be secrets.
    pub properties: Vec<(String, SecretString)>,
}

impl KafkaConfig {
    /// With defaults for all but the brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            group: "heedful".to_owned(),
            prefix: "heedful".to_owned(),
            events: "heedful.events".to_owned(),
            node: None,
            advertise: None,
            commit_every: COMMIT_EVERY_DEFAULT,
            partitions: PARTITIONS_DEFAULT,
            replication: REPLICATION_DEFAULT,
            sources: Vec::new(),
            registry: None,
            properties: Vec::new(),
        }
    }
}

/// Reads `kafka:`.
pub(super) fn kafka(node: Node, reading: &mut Reading<'_>) -> Option<KafkaConfig> {
    let mut table = reading.table(node);
    let brokers = table.need("brokers", reading).and_then(|node| brokers(&node, reading));
    let mut config = KafkaConfig::new(brokers.as_deref().unwrap_or_default());
    take_text(&mut table, "group", &mut config.group, reading);
    if take_name(&mut table, "prefix", &mut config.prefix, reading) {
        config.events = format!("{}.events", config.prefix);
    }
    take_name(&mut table, "events", &mut config.events, reading);
    config.node = table.take("node").and_then(|node| topic_name(&node, reading));
    config.advertise = table.take("advertise").and_then(|node| address(&node, reading));
    if let Some(span) = table.take("commit_every").and_then(|node| commit_every(&node, reading)) {
        config.commit_every = span;
    }
    if let Some(node) = table.take("partitions") {
        let count = reading.number(&node, 1..=PARTITIONS_MAX);
        config.partitions = count.unwrap_or(config.partitions);
    }
    if let Some(node) = table.take("replication") {
        config.replication = reading.number(&node, 1..=9).unwrap_or(config.replication);
    }
    let mut has_registry = Registry::Absent;
    // A build that asks none does not know the word.
    if cfg!(feature = "schema-registry")
        && let Some(node) = table.take("registry")
    {
        config.registry = registry::registry(node, reading);
        has_registry = Registry::Named;
    }
    if let Some(node) = table.take("sources") {
        config.sources =
            source::sources(node, (&config.prefix, &config.events), has_registry, reading);
    }
    if let Some(node) = table.take("properties") {
        config.properties = properties(node, reading);
    }
    table.end(reading);
    brokers.map(|_| config)
}

fn take_text(table: &mut Table, key: &'static str, into: &mut String, reading: &mut Reading<'_>) {
    let Some(node) = table.take(key) else { return };
    match reading.text(&node) {
        Some(text) if text.trim().is_empty() => reading.fault(&node, "it is empty", None),
        Some(text) => *into = text,
        None => {}
    }
}

/// Whether the key was there and is a name.
fn take_name(
    table: &mut Table,
    key: &'static str,
    into: &mut String,
    reading: &mut Reading<'_>,
) -> bool {
    let Some(name) = table.take(key).and_then(|node| topic_name(&node, reading)) else {
        return false;
    };
    *into = name;
    true
}

/// A name as Kafka takes it for topics and members.
pub(super) fn topic_name(node: &Node, reading: &mut Reading<'_>) -> Option<String> {
    /// Kafka's own bound for names of topics is 249; what we put behind a prefix needs some of it.
    const CHARS_MAX: usize = 200;
    let text = reading.text(node)?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if (1..=CHARS_MAX).contains(&text.len()) && text.chars().all(fits) {
        return Some(text);
    }
    let help = format!("at most {CHARS_MAX} letters, digits, `.`, `_` and `-`");
    reading.fault(node, "this is no name for Kafka", Some(help));
    None
}

pub(super) fn brokers(node: &Node, reading: &mut Reading<'_>) -> Option<String> {
    let all = match &node.kind {
        Kind::List(items) => items
            .iter()
            .map(|item| reading.text(item))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.join(",")),
        _ => reading.text(node),
    }?;
    let is_broker = |broker: &str| {
        let (host, port) = broker.trim().rsplit_once(':').unwrap_or_default();
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    if all.split(',').all(is_broker) {
        return Some(all);
    }
    let help = "for instance `kafka-1:9092, kafka-2:9092`".to_owned();
    reading.fault(node, "expected brokers as `host:port`", Some(help));
    None
}

pub(super) fn address(node: &Node, reading: &mut Reading<'_>) -> Option<String> {
    let text = reading.text(node)?;
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace)) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let help = "the address at which others reach this node, like `http://node-1:8080`".to_owned();
    reading.fault(node, "expected an address that begins with `http://` or `https://`", Some(help));
    None
}

fn commit_every(node: &Node, reading: &mut Reading<'_>) -> Option<Span> {
    let span = reading.span(node)?;
    if span <= COMMIT_EVERY_MAX {
        return Some(span);
    }
    reading.fault(node, format!("a commit waits for {COMMIT_EVERY_MAX} at most"), None);
    None
}

pub(super) fn properties(node: Node, reading: &mut Reading<'_>) -> Vec<(String, SecretString)> {
    let mut table = reading.table(node);
    let mut properties = Vec::new();
    for (name, key, value) in table.take_rest() {
        if FIXED.contains(&name.as_str()) {
            let help = match name.as_str() {
                "bootstrap.servers" | "metadata.broker.list" => "write it as `brokers:`",
                "group.id" => "write it as `group:`",
                "transactional.id" => "write a stable name of the node as `node:`",
                _ => "each decision is made exactly once because of how it is set",
            };
            reading.fault(&key, format!("`{name}` is set by Heedful"), Some(help.to_owned()));
        } else if let Some(text) = reading.text(&value) {
            properties.push((name, SecretString::from(text)));
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::super::fault::Faults;
    use super::*;
    use secrecy::ExposeSecret;

    fn read(text: &str) -> (Option<KafkaConfig>, Vec<String>) {
        let env = |name: &str| (name == "PASSWORD").then(|| "hunter2".to_owned());
        let root = Node::parse("heedful.yaml", text).unwrap();
        let mut reading =
            Reading { origin: "heedful.yaml", text, env: &env, faults: Faults::default() };
        let config = kafka(root, &mut reading);
        let faults = reading.faults.iter().map(ToString::to_string).collect();
        (config, faults)
    }

    #[test]
    fn brokers_are_enough() {
        let (config, faults) = read("brokers: [a:9092, b:9093]\n");
        assert_eq!(faults, Vec::<String>::new());
        let config = config.unwrap();
        assert_eq!(config.brokers, "a:9092,b:9093");
        assert_eq!(config.events, "heedful.events");
        assert_eq!(config.partitions, 12);
    }

    #[test]
    fn a_prefix_moves_the_events_unless_they_are_named() {
        let (config, _) = read("brokers: a:1\nprefix: crm\n");
        assert_eq!(config.unwrap().events, "crm.events");
        let (config, _) = read("brokers: a:1\nprefix: crm\nevents: clicks\n");
        assert_eq!(config.unwrap().events, "clicks");
    }

    #[test]
    fn properties_are_passed_on_and_those_that_promises_rest_on_are_not() {
        let text = "brokers: a:1\nproperties:\n  sasl.password: ${PASSWORD}\n  linger.ms: 5\n";
        let (config, faults) = read(text);
        assert_eq!(faults, Vec::<String>::new());
        let config = config.unwrap();
        let told: Vec<_> = config
            .properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        assert_eq!(told, [("sasl.password", "hunter2"), ("linger.ms", "5")]);
        assert!(!format!("{config:?}").contains("hunter2"));
        for name in FIXED {
            let (_, faults) = read(&format!("brokers: a:1\nproperties:\n  {name}: x\n"));
            assert!(faults[0].contains(&format!("`{name}` is set by Heedful")), "{faults:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        for (text, at, what) in [
            ("group: a\n", "1:", "`brokers` is missing"),
            ("brokers: kafka\n", "1:10", "`host:port`"),
            ("brokers: a:0\n", "1:10", "`host:port`"),
            ("brokers: a:1\nprefix: \"a b\"\n", "2:9", "no name for Kafka"),
            ("brokers: a:1\nadvertise: node-1\n", "2:12", "`http://`"),
            ("brokers: a:1\ncommit_every: 1h\n", "2:15", "at most"),
            ("brokers: a:1\npartitions: 0\n", "2:13", "from 1 to"),
            ("brokers: a:1\ngroup: \"\"\n", "2:8", "empty"),
            ("brokers: a:1\nbroker: 1\n", "2:1", "did you mean `brokers`"),
        ] {
            let (_, faults) = read(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains(at) && faults[0].contains(what), "{text}: {faults:?}");
        }
    }
}
