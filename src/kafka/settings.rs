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
        self.pass_on(&mut config);
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
        self.pass_on(&mut config);
        config.set("acks", "all");
        config.set("enable.idempotence", "true");
        config.set("partitioner", "murmur2_random");
        config
    }

    /// Asks about topics and makes them.
    pub fn admin(&self) -> ClientConfig {
        let mut config = self.base();
        self.pass_on(&mut config);
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

    fn pass_on(&self, config: &mut ClientConfig) {
        for (name, value) in &self.config.properties {
            config.set(name, value.expose_secret());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

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
