//! The properties each client runs with: the file's, under those that our promises rest on.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use secrecy::ExposeSecret;

use crate::config::KafkaConfig;

/// Memory for events fetched ahead by a consumer, in KiB.
const FETCHED_KIB_MAX: &str = "16384";
/// Events fetched ahead at least, for each partition.
const FETCHED_EVENTS_MIN: &str = "10000";
/// How long a transaction may stay open after its node has gone: readers of our topics wait for it.
pub const TRANSACTION_TIMEOUT_MS: u32 = 15_000;
/// What only consumers know, of the properties of librdkafka: it warns of one given to another.
const OF_CONSUMERS: [&str; 31] = [
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];
/// What only producers know.
const OF_PRODUCERS: [&str; 26] = [
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "partitioner",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];
/// Words in the names of properties whose values are shown to nobody.
const SECRET_WORDS: [&str; 6] = ["password", "secret", "jaas", "key.pem", "token", "private"];

/// The properties of one kind of client.
#[derive(Clone, Debug)]
pub struct Settings {
    config: KafkaConfig,
    // What tells this node's clients from others in the brokers' logs.
    client: String,
}

impl Settings {
    /// From what the file says. `process` tells runs of nodes without a name apart.
    pub fn new(config: &KafkaConfig, process: &str) -> Self {
        let node = config.node.as_deref().unwrap_or(process);
        Self { client: format!("{}-{node}", config.group), config: config.clone() }
    }

    /// What the file says.
    pub fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// What tells this node from the others.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Shares the partitions of the events topic with the other nodes of the group.
    pub fn member(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("group.id", &self.config.group);
        config.set("partition.assignment.strategy", "cooperative-sticky");
        if let Some(node) = &self.config.node {
            config.set("group.instance.id", format!("{}-{node}", self.config.group));
        }
        config
    }

    /// Reads partitions that it is told to, as a restore does.
    pub fn reader(&self) -> ClientConfig {
        let mut config = self.base();
        // librdkafka wants a group even where none is joined.
        config.set("group.id", &self.config.group);
        config.set("queued.max.messages.kbytes", FETCHED_KIB_MAX);
        config.set("queued.min.messages", FETCHED_EVENTS_MIN);
        self.pass_on(&mut config, Kind::Consumer);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true");
        config.set("check.crcs", "true");
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// Writes what a node decides, all of a commit or nothing.
    pub fn transactional(&self) -> ClientConfig {
        let mut config = self.writer();
        config.set("transactional.id", &self.client);
        config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        config
    }

    /// Writes events that come over HTTP, durable when acknowledged.
    pub fn writer(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("compression.codec", "lz4");
        config.set("linger.ms", "1");
        self.pass_on(&mut config, Kind::Producer);
        config.set("acks", "all");
        config.set("enable.idempotence", "true");
        config.set("partitioner", "murmur2_random");
        config
    }

    /// Asks about topics and makes them.
    pub fn admin(&self) -> ClientConfig {
        let mut config = self.base();
        self.pass_on(&mut config, Kind::Other);
        config
    }

    /// The properties of a client, in order, with secrets masked.
    pub fn shown(config: &ClientConfig) -> Vec<(String, String)> {
        let mut all: Vec<_> = config
            .config_map()
            .iter()
            .map(|(name, value)| {
                let secret = SECRET_WORDS.iter().any(|word| name.contains(word));
                ((*name).to_owned(), if secret { "***".to_owned() } else { (*value).to_owned() })
            })
            .collect();
        all.sort();
        all
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.config.brokers);
        config.set("client.id", &self.client);
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// Passes on what the file says and this kind of client knows.
    fn pass_on(&self, config: &mut ClientConfig, kind: Kind) {
        for (name, value) in &self.config.properties {
            if kind.knows(name) {
                config.set(name, value.expose_secret());
            }
        }
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It reads.
    Consumer,
    /// It writes.
    Producer,
    /// It asks, and makes topics.
    Other,
}

impl Kind {
    /// Whether it knows a property, as far as is known here: librdkafka refuses one that there is
    /// not.
    fn knows(self, name: &str) -> bool {
        match self {
            Self::Consumer => !OF_PRODUCERS.contains(&name),
            Self::Producer => !OF_CONSUMERS.contains(&name),
            Self::Other => !OF_PRODUCERS.contains(&name) && !OF_CONSUMERS.contains(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use rdkafka::client::ClientContext;
    use rdkafka::producer::{BaseProducer, DeliveryResult, NoCustomPartitioner, ProducerContext};
    use secrecy::SecretString;

    use super::*;

    /// How long is heard what librdkafka says.
    const HEAR: Duration = Duration::from_millis(200);

    /// Keeps what librdkafka says.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<String>>>);

    impl ClientContext for Said {
        fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
            self.0.lock().unwrap().push(format!("{facility} {message}"));
        }
    }

    impl ProducerContext<NoCustomPartitioner> for Said {
        type DeliveryOpaque = ();

        fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
    }

    #[test]
    fn each_client_is_given_what_it_knows_and_warns_of_nothing() {
        let mut config = KafkaConfig::new("127.0.0.1:1");
        for (name, value) in [
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1000"),
            ("fetch.wait.max.ms", "7"),
            ("max.poll.interval.ms", "300000"),
            ("auto.offset.reset", "latest"),
            ("queued.min.messages", "1000"),
            ("linger.ms", "3"),
            ("batch.size", "100000"),
            ("message.timeout.ms", "10000"),
            ("compression.level", "3"),
            ("queue.buffering.max.messages", "1000"),
            ("socket.keepalive.enable", "true"),
        ] {
            config.properties.push((name.to_owned(), SecretString::from(value)));
        }
        let settings = Settings::new(&config, "p1");
        let warned = |config: ClientConfig| {
            let said = Said::default();
            let made: BaseProducer<Said> = config.create_with_context(said.clone()).unwrap();
            made.poll(HEAR);
            let said = said.0.lock().unwrap();
            said.iter().filter(|line| line.starts_with("CONFWARN")).cloned().collect::<Vec<_>>()
        };
        for reading in [settings.member(), settings.reader()] {
            assert_eq!(reading.get("socket.keepalive.enable"), Some("true"));
            let names = reading.config_map();
            assert!(!names.keys().any(|name| OF_PRODUCERS.contains(name)), "{names:?}");
        }
        for writing in [settings.writer(), settings.transactional(), settings.admin()] {
            assert_eq!(writing.get("socket.keepalive.enable"), Some("true"));
            assert_eq!(warned(writing), Vec::<String>::new());
        }
        // One would be heard.
        let wrong = settings.writer().set("session.timeout.ms", "6000").clone();
        assert!(warned(wrong).iter().any(|line| line.contains("session.timeout.ms")));
        assert_eq!(settings.writer().get("linger.ms"), Some("3"));
        assert_eq!(settings.member().get("session.timeout.ms"), Some("6000"));
    }

    #[test]
    fn the_file_cannot_loosen_what_promises_rest_on_and_its_secrets_are_masked() {
        let mut config = KafkaConfig::new("a:1");
        for (name, value) in [
            ("isolation.level", "read_uncommitted"),
            ("sasl.password", "hunter2"),
            ("fetch.wait.max.ms", "7"),
        ] {
            config.properties.push((name.to_owned(), SecretString::from(value)));
        }
        let settings = Settings::new(&config, "p1");
        let member = settings.member();
        assert_eq!(member.get("isolation.level"), Some("read_committed"));
        assert_eq!(member.get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(member.get("sasl.password"), Some("hunter2"));
        let shown = Settings::shown(&member);
        assert!(shown.contains(&("sasl.password".to_owned(), "***".to_owned())), "{shown:?}");
        assert!(!format!("{shown:?}").contains("hunter2"));
        assert_eq!(settings.transactional().get("transactional.id"), Some("heedful-p1"));
    }
}
