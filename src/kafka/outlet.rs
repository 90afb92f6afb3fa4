//! Single messages to a topic of others, each with a report of its own.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, ProducerContext, ThreadedProducer,
};
use tokio::sync::oneshot;

use super::settings::Settings;
use super::{Error, client};
use crate::engine::time::Span;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// All brokers that must have it do.
    Durable,
    /// It certainly was not written, and may be later.
    NotNow(String),
    /// It certainly was not written, and never will be as it is.
    Never(String),
    /// Nobody answered in time: it may be there.
    Unknown(String),
}

/// Writes to one topic.
pub struct Outlet {
    producer: ThreadedProducer<Reports>,
    topic: String,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// What the thread of the producer tells, to whoever waits for it.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::told(&error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Box<oneshot::Sender<Written>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waits: Self::DeliveryOpaque) {
        let written = match result {
            Ok(_) => Written::Durable,
            Err((error, _)) => of(error),
        };
        // Nobody may wait any more: the service ends.
        drop(waits.send(written));
    }
}

impl Outlet {
    /// An outlet whose brokers acknowledge within a time; it connects with the first message.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(settings: &Settings, topic: &str, timeout: Span) -> Result<Self, Error> {
        let mut config = settings.writer();
        config.set("message.timeout.ms", timeout.as_millis().max(1).to_string());
        let producer = config
            .create_with_context(Reports)
            .map_err(|error| Error::of("the properties of the producer", &error))?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes a message and waits for what becomes of it.
    pub async fn write(&self, key: &str, value: &[u8], headers: &[(&str, &[u8])]) -> Written {
        let (told, report) = oneshot::channel();
        let all = OwnedHeaders::new_with_capacity(headers.len());
        let all = headers
            .iter()
            .fold(all, |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(told))
            .key(key)
            .payload(value)
            .headers(all);
        if let Err((error, _)) = self.producer.send(record) {
            // It never left this process.
            return match of(&error) {
                Written::Unknown(why) => Written::NotNow(why),
                written => written,
            };
        }
        let lost = || Written::Unknown("the producer ended before it was acknowledged".to_owned());
        report.await.unwrap_or_else(|_| lost())
    }
}

/// What an error says about a message. Of a timeout nobody knows what the brokers did.
fn of(error: &KafkaError) -> Written {
    let why = error.to_string();
    match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessage | Code::InvalidMessageSize) => {
            Written::Never(why)
        }
        Some(
            Code::QueueFull
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::NotEnoughReplicas
            | Code::PolicyViolation,
        ) => Written::NotNow(why),
        _ => Written::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_brokers_certainly_refused_is_not_written() {
        let of = |code| of(&KafkaError::MessageProduction(code));
        assert!(matches!(of(Code::MessageSizeTooLarge), Written::Never(_)));
        for code in [Code::QueueFull, Code::UnknownTopicOrPartition, Code::NotEnoughReplicas] {
            assert!(matches!(of(code), Written::NotNow(_)), "{code:?}");
        }
        for code in [
            Code::MessageTimedOut,
            Code::RequestTimedOut,
            Code::NotEnoughReplicasAfterAppend,
            Code::PurgeInflight,
            Code::BrokerTransportFailure,
        ] {
            assert!(matches!(of(code), Written::Unknown(_)), "{code:?}");
        }
    }
}
