//! What our clients do with what librdkafka says beside its answers: ends of partitions are no
//! errors, and brokers that go and come are worth a line, not an alarm.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::clock::Stopwatch;

/// How often is said that brokers cannot be reached.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// When it was said last.
static UNREACHED: Mutex<Option<Stopwatch>> = Mutex::new(None);

/// The context of a client that only reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

/// A consumer that is told by us what to read.
pub type Reader = BaseConsumer<Quiet>;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        told(&error, reason);
    }
}

impl ConsumerContext for Quiet {}

/// Logs what librdkafka writes. It goes on by itself after all of it.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "librdkafka"),
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}

/// Logs an error that concerns no answer.
pub fn told(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(Code::PartitionEOF) => {}
        // Each client says so at each attempt, hundreds of times in a second.
        Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => {
            let mut last = UNREACHED.lock().unwrap_or_else(PoisonError::into_inner);
            if last.as_ref().is_none_or(|last| SAY_EVERY <= last.elapsed()) {
                *last = Some(Stopwatch::start());
                tracing::warn!(reason, "a broker cannot be reached");
            }
        }
        _ => tracing::warn!(%error, reason, "librdkafka"),
    }
}
