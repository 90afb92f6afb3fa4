//! A producer without transactions: what it acknowledges is durable, and visible at once.

use std::time::Duration;

use rdkafka::message::{BorrowedMessage, Message as _};

use super::Error;
use super::delivery::{Deliveries, Note};
use super::settings::Settings;
use super::transaction::Outgoing;
use crate::clock::Stopwatch;

/// How long is waited for acknowledgements before the writer gives up, a little longer than
/// librdkafka itself tries.
const DELIVERY_MAX: Duration = Duration::from_secs(35);
/// How long librdkafka tries to deliver a message, in milliseconds.
const MESSAGE_TIMEOUT_MS: &str = "30000";

/// Writes messages and waits until all are durable.
#[derive(Debug)]
pub struct Writer {
    deliveries: Deliveries<Offsets>,
}

/// The offsets of the messages of a write, in the order in which they were given.
#[derive(Debug, Default)]
struct Offsets(Vec<Option<u64>>);

impl Note for Offsets {
    fn written(&mut self, place: usize, message: &BorrowedMessage<'_>) {
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        if let Some(offset) = self.0.get_mut(place) {
            *offset = u64::try_from(message.offset()).ok();
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
        Ok(Self { deliveries: Deliveries::new(&config)? })
    }

    /// Writes messages, and gives the offset of each once all are durable.
    ///
    /// # Errors
    /// When one of them is not: others may be.
    pub fn write<'a>(
        &self,
        messages: impl IntoIterator<Item = Outgoing<'a>>,
    ) -> Result<Vec<u64>, Error> {
        let watch = Stopwatch::start();
        self.deliveries.begin();
        for message in messages {
            self.deliveries.send(message, DELIVERY_MAX.saturating_sub(watch.elapsed()))?;
        }
        self.deliveries.wait(DELIVERY_MAX.saturating_sub(watch.elapsed()));
        let failed = |why| Error::Failed { doing: "writing", why };
        let Offsets(offsets) = self.deliveries.take().map_err(failed)?;
        let offsets: Option<Vec<u64>> = offsets.into_iter().collect();
        offsets.ok_or_else(|| failed("a message has no offset".to_owned()))
    }
}
