//! What `channels:` says of a channel of type `kafka`: a topic that others read.

use super::channel::timeout;
use super::kafka::{self, KafkaConfig};
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// A topic that messages are written to.
#[derive(Clone, Debug)]
pub struct TopicConfig {
    /// Its name.
    pub topic: String,
    /// Its brokers; `None` until those of `kafka:` are lent to it.
    pub kafka: Option<KafkaConfig>,
    /// How long the brokers may take to acknowledge a message.
    pub timeout: Span,
}

/// Reads the keys of its own.
pub(super) fn topic(table: &mut Table, reading: &mut Reading<'_>) -> Option<TopicConfig> {
    let topic = table.need("topic", reading).and_then(|node| kafka::topic_name(&node, reading));
    let brokers = table.take("brokers").map(|node| kafka::brokers(&node, reading));
    let properties = table.take("properties");
    if let (None, Some(node)) = (&brokers, &properties) {
        let help = "name `brokers` too, or leave both to `kafka:`".to_owned();
        reading.fault(node, "these are the properties of no brokers", Some(help));
    }
    let properties = properties.map(|node| kafka::properties(node, reading));
    let timeout = timeout(table, reading);
    let kafka = match brokers {
        Some(brokers) => {
            let properties = properties.unwrap_or_default();
            Some(KafkaConfig { properties, ..KafkaConfig::new(brokers?) })
        }
        None => None,
    };
    Some(TopicConfig { topic: topic?, kafka, timeout })
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_channels;
    use crate::config::{ChannelKind, OnUnknown};

    #[test]
    fn a_topic_and_brokers_are_enough_and_a_message_in_doubt_is_written_again() {
        let (channels, faults) =
            read_channels("bus: {type: kafka, topic: outreach, brokers: 'a:1, b:2'}\n");
        assert_eq!(faults, Vec::<String>::new());
        let ChannelKind::Kafka(topic) = &channels[0].kind else { panic!("{channels:?}") };
        assert_eq!(topic.topic, "outreach");
        assert_eq!(topic.kafka.as_ref().unwrap().brokers, "a:1, b:2");
        assert_eq!(channels[0].on_unknown, OnUnknown::Retry);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (keys, what) in [
            ("topic: x, brokers: nowhere", "`host:port`"),
            ("brokers: 'a:1'", "`topic` is missing"),
            ("topic: 'a b', brokers: 'a:1'", "no name for Kafka"),
            ("topic: x, properties: {linger.ms: 5}", "of no brokers"),
            ("topic: x, brokers: 'a:1', properties: {acks: '0'}", "is set by Heedful"),
            ("topic: x, brokers: 'a:1', timeout: 2h", "longest timeout"),
        ] {
            let (_, faults) = read_channels(&format!("bus: {{type: kafka, {keys}}}\n"));
            assert!(faults.iter().any(|fault| fault.contains(what)), "{keys}: {faults:?}");
        }
    }
}
