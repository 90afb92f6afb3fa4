//! Kafka's side of a node: clients as we need them, the names and shapes of our topics, and the
//! transaction in which everything that a commit writes becomes visible, or nothing.

pub mod admin;
pub mod assignment;
pub mod changelog;
pub mod client;
mod delivery;
pub mod doctor;
pub mod event;
pub mod outlet;
pub mod reading;
pub mod settings;
pub mod topics;
pub mod transaction;
pub mod writer;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why Kafka could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property that librdkafka does not take.
    #[error("kafka: librdkafka does not take the property `{name}`: {why}")]
    Property {
        /// Which.
        name: String,
        /// What librdkafka says about it.
        why: String,
    },
    /// The brokers do not answer, or not yet.
    #[error("kafka: {doing}: {why}; the brokers asked are `{brokers}`")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// What librdkafka says.
        why: String,
        /// Which brokers.
        brokers: String,
    },
    /// Topics are not as they must be.
    #[error("kafka: {}", .0.join("\n       "))]
    Topics(Vec<String>),
    /// What the file says about the schema registry makes no request.
    #[error("kafka: the schema registry cannot be asked: {0}; see `kafka.registry`")]
    Registry(String),
    /// Another node has taken over what this one held: it must end.
    #[error("kafka: another node has taken over: {0}")]
    Fenced(String),
    /// This transaction is lost; what it held must be worked out again.
    #[error("kafka: the transaction was aborted: {0}")]
    Aborted(String),
    /// Anything else that librdkafka cannot go on after.
    #[error("kafka: {doing}: {why}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What librdkafka says.
        why: String,
    },
}

impl Error {
    /// A failure while something was done.
    pub(crate) fn of(doing: &'static str, error: &KafkaError) -> Self {
        let why = error.to_string();
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::FencedInstanceId,
            ) => Self::Fenced(why),
            _ => Self::Failed { doing, why },
        }
    }
}
