//! Sends messages and learns what became of them. A thread of the producer hears it as it comes:
//! polling for it would burn a core, since librdkafka waits for whole milliseconds, and its own flush
//! for a hundred of them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};

use super::transaction::Outgoing;
use super::{Error, client};
use crate::clock::Stopwatch;

/// The rest before a message is offered again to a queue that is full.
const FULL_AGAIN: Duration = Duration::from_millis(1);

/// What is kept of messages that were written.
pub(super) trait Note: Default + Send {
    /// A message was written; it was the so-many-th of its round.
    fn written(&mut self, place: usize, message: &BorrowedMessage<'_>);
}

/// A producer whose messages are sent in rounds.
pub(super) struct Deliveries<N: Note + 'static> {
    pub(super) producer: ThreadedProducer<Reports<N>>,
}

impl<N: Note> std::fmt::Debug for Deliveries<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

/// What the thread of the producer tells.
#[derive(Default)]
pub(super) struct Reports<N> {
    told: Mutex<Told<N>>,
    all_told: Condvar,
}

/// What became of the messages of a round.
#[derive(Default)]
struct Told<N> {
    /// Reports of earlier rounds are late.
    round: u64,
    sent: usize,
    under_way: usize,
    /// Why a message was not written.
    failed: Option<String>,
    notes: N,
}

/// Which message a report is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    round: u64,
    place: usize,
}

impl<N: Note> ClientContext for Reports<N> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::told(&error, reason);
    }
}

impl<N: Note> ProducerContext for Reports<N> {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let mut told = self.told();
        if told.round != ticket.round {
            return;
        }
        match result {
            Ok(message) => told.notes.written(ticket.place, message),
            Err((error, message)) => {
                told.failed.get_or_insert(format!("{}: {error}", message.topic()));
            }
        }
        told.under_way = told.under_way.saturating_sub(1);
        if told.under_way == 0 {
            self.all_told.notify_all();
        }
    }
}

impl<N: Note> Reports<N> {
    fn told(&self) -> MutexGuard<'_, Told<N>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<N: Note> Deliveries<N> {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let producer = config
            .create_with_context(Reports::default())
            .map_err(|error| Error::of("the properties of the producer", &error))?;
        Ok(Self { producer })
    }

    /// Begins a round: what became of earlier messages is nobody's question any more.
    pub(super) fn begin(&self) {
        let mut told = self.producer.context().told();
        *told = Told { round: told.round + 1, ..Told::default() };
    }

    /// Sends a message; waits so long at most while the queue is full.
    pub(super) fn send(&self, message: Outgoing<'_>, at_most: Duration) -> Result<(), Error> {
        let watch = Stopwatch::start();
        let ticket = {
            let mut told = self.producer.context().told();
            told.sent += 1;
            told.under_way += 1;
            Ticket { round: told.round, place: told.sent - 1 }
        };
        let mut record =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(message.topic, Box::new(ticket))
                .partition(i32::from(message.partition))
                .key(message.key);
        record.payload = message.value;
        record.headers = headers(message.headers);
        let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        while let Err((error, back)) = self.producer.send(record) {
            if error != full || at_most < watch.elapsed() {
                // Nothing will be told of it.
                let mut told = self.producer.context().told();
                told.under_way = told.under_way.saturating_sub(1);
                return Err(Error::of("writing", &error));
            }
            std::thread::sleep(FULL_AGAIN);
            record = back;
        }
        Ok(())
    }

    /// Waits until it is known of every message of the round what became of it, or so long.
    pub(super) fn wait(&self, at_most: Duration) {
        let reports = self.producer.context();
        let told = reports.told();
        let waited = reports.all_told.wait_timeout_while(told, at_most, |told| 0 < told.under_way);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// What became of the messages of the round, or why one of them was not written.
    pub(super) fn take(&self) -> Result<N, String> {
        let mut told = self.producer.context().told();
        match told.failed.take() {
            Some(why) => Err(why),
            None if 0 < told.under_way => Err("the brokers do not answer".to_owned()),
            None => Ok(std::mem::take(&mut told.notes)),
        }
    }
}

/// Headers as librdkafka takes them.
fn headers(headers: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    let all = OwnedHeaders::new_with_capacity(headers.len());
    let add = |all: OwnedHeaders, (key, value): &(&str, &[u8])| {
        all.insert(Header { key, value: Some(*value) })
    };
    (!headers.is_empty()).then(|| headers.iter().fold(all, add))
}
