//! A producer without transactions: what it acknowledges is durable, and visible at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};

use super::settings::Settings;
use super::transaction::Outgoing;
use super::{Error, client};
use crate::clock::Stopwatch;

/// How long is waited for acknowledgements before the writer gives up, a little longer than
/// librdkafka itself tries.
const DELIVERY_MAX: Duration = Duration::from_secs(35);
/// How long librdkafka tries to deliver a message, in milliseconds.
const MESSAGE_TIMEOUT_MS: &str = "30000";
/// How long the producer is polled in one go.
const POLL: Duration = Duration::from_micros(200);

/// Writes messages and waits until all are durable.
pub struct Writer {
    producer: BaseProducer<Reports>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// What became of the messages of a write, in the order in which they were given.
#[derive(Debug, Default)]
struct Reports(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    offsets: Vec<Option<u64>>,
    failed: Option<String>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::told(&error, reason);
    }
}

impl ProducerContext for Reports {
    /// Its place among the messages of the write.
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Box<usize>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                if let Some(offset) = told.offsets.get_mut(*place) {
                    *offset = u64::try_from(message.offset()).ok();
                }
            }
            Err((error, message)) => {
                told.failed.get_or_insert(format!("{}: {error}", message.topic()));
            }
        }
    }
}

impl Writer {
    /// A writer; it connects with the first message.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let mut config = settings.writer();
        if config.get("message.timeout.ms").is_none() {
            config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        }
        let producer = config
            .create_with_context(Reports::default())
            .map_err(|error| Error::of("the properties of the producer", &error))?;
        Ok(Self { producer })
    }

    /// Writes messages, and gives the offset of each once all are durable.
    ///
    /// # Errors
    /// When one of them is not: others may be.
    pub fn write<'a>(
        &self,
        messages: impl IntoIterator<Item = Outgoing<'a>>,
    ) -> Result<Vec<u64>, Error> {
        const DOING: &str = "writing";
        let watch = Stopwatch::start();
        *self.told() = Told::default();
        for (place, message) in messages.into_iter().enumerate() {
            self.told().offsets.push(None);
            let mut record =
                BaseRecord::<[u8], [u8], _>::with_opaque_to(message.topic, Box::new(place))
                    .partition(i32::from(message.partition))
                    .key(message.key);
            record.payload = message.value;
            record.headers = headers(message.headers);
            while let Err((error, back)) = self.producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                if error != full || DELIVERY_MAX < watch.elapsed() {
                    return Err(Error::of(DOING, &error));
                }
                self.producer.poll(POLL);
                record = back;
            }
        }
        while 0 < self.producer.in_flight_count() && watch.elapsed() < DELIVERY_MAX {
            self.producer.poll(POLL);
        }
        let told = std::mem::take(&mut *self.told());
        if let Some(why) = told.failed {
            return Err(Error::Failed { doing: DOING, why });
        }
        let offsets: Option<Vec<u64>> = told.offsets.into_iter().collect();
        offsets.ok_or_else(|| Error::Failed {
            doing: DOING,
            why: format!("the brokers did not answer for {} s", DELIVERY_MAX.as_secs()),
        })
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers as librdkafka takes them.
pub(super) fn headers(headers: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    let all = OwnedHeaders::new_with_capacity(headers.len());
    let add = |all: OwnedHeaders, (key, value): &(&str, &[u8])| {
        all.insert(Header { key, value: Some(*value) })
    };
    (!headers.is_empty()).then(|| headers.iter().fold(all, add))
}
