//! The producer of a node: what a commit writes becomes visible to others whole, or not at all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::settings::Settings;
use super::{Error, client, writer};
use crate::clock::Stopwatch;

/// How long the brokers may take for one step of a transaction.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How long a whole commit may take, retries and all, before it is given up.
const COMMIT_MAX: Duration = Duration::from_secs(30);
/// How long the producer is polled in one go while it delivers. Its own flush would take a hundred
/// milliseconds each time.
const POLL: Duration = Duration::from_micros(200);

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u16,
    /// Its key.
    pub key: &'a [u8],
    /// Its value; none deletes the key from a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Where a shard goes on reading a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The shard.
    pub partition: u16,
    /// The next offset to be read.
    pub next: u64,
}

/// Writes in transactions.
pub struct Transactions {
    producer: BaseProducer<Reports>,
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transactions")
    }
}

/// What became of messages.
#[derive(Debug, Default)]
struct Reports(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// The last offset written of each topic and partition since the transaction began.
    last: BTreeMap<(String, u16), u64>,
    /// Why a message was not written.
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
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                let place = u16::try_from(message.partition()).ok();
                let offset = u64::try_from(message.offset()).ok();
                if let (Some(partition), Some(offset)) = (place, offset) {
                    let key = (message.topic().to_owned(), partition);
                    let last = told.last.entry(key).or_default();
                    *last = offset.max(*last);
                }
            }
            Err((error, message)) => {
                told.failed.get_or_insert(format!("{}: {error}", message.topic()));
            }
        }
    }
}

impl Transactions {
    /// Connects, and ends what an earlier run under the same name left open.
    ///
    /// # Errors
    /// When a property is wrong, or the brokers do not answer in time.
    pub fn begin_with(settings: &Settings) -> Result<Self, Error> {
        let config = settings.transactional();
        let producer: BaseProducer<Reports> = config
            .create_with_context(Reports::default())
            .map_err(|error| Error::of("the properties of the producer", &error))?;
        let this = Self { producer };
        this.insist("taking up transactions", || this.producer.init_transactions(STEP_MAX))?;
        Ok(this)
    }

    /// Begins one.
    ///
    /// # Errors
    /// When the producer can be used no more.
    pub fn begin(&self) -> Result<(), Error> {
        *self.told() = Told::default();
        self.insist("beginning a transaction", || self.producer.begin_transaction())
    }

    /// Adds a message.
    ///
    /// # Errors
    /// When it cannot be written: the transaction must be aborted.
    pub fn send(&self, message: Outgoing<'_>) -> Result<(), Error> {
        let watch = Stopwatch::start();
        let mut record = BaseRecord::<[u8], [u8]>::to(message.topic)
            .partition(i32::from(message.partition))
            .key(message.key);
        record.payload = message.value;
        record.headers = writer::headers(message.headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if watch.elapsed() < COMMIT_MAX =>
                {
                    self.producer.poll(POLL);
                    record = back;
                }
                Err((error, _)) => return Err(Error::of("writing", &error)),
            }
        }
    }

    /// Commits what was sent together with how far its shards have read. Gives the offset of the
    /// last message written to each partition of a topic.
    ///
    /// # Errors
    /// [`Error::Aborted`] when everything in it is undone, [`Error::Fenced`] when another node has
    /// taken over; after any other the process must end.
    pub fn commit(
        &self,
        places: &[Place<'_>],
        member: &ConsumerGroupMetadata,
        written_to: &str,
    ) -> Result<BTreeMap<u16, u64>, Error> {
        let committed = self.try_commit(places, member);
        match committed {
            Ok(()) => {
                let told = self.told();
                let mine = told.last.iter().filter(|((topic, _), _)| topic == written_to);
                Ok(mine.map(|((_, partition), offset)| (*partition, *offset)).collect())
            }
            Err(error @ Error::Aborted(_)) => {
                self.abort()?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Undoes what was sent since it began.
    ///
    /// # Errors
    /// When even that fails: the process must end.
    pub fn abort(&self) -> Result<(), Error> {
        // What is still on its way must be reported before the broker can forget it.
        self.insist("aborting a transaction", || {
            self.drain(STEP_MAX);
            self.producer.abort_transaction(STEP_MAX)
        })
    }

    fn try_commit(
        &self,
        places: &[Place<'_>],
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        let mut offsets = TopicPartitionList::with_capacity(places.len());
        for place in places {
            let next = Offset::Offset(i64::try_from(place.next).unwrap_or(i64::MAX));
            offsets
                .add_partition_offset(place.topic, i32::from(place.partition), next)
                .map_err(|error| Error::of("noting how far was read", &error))?;
        }
        self.drain(COMMIT_MAX);
        if let Some(why) = self.told().failed.take() {
            return Err(Error::Aborted(why));
        }
        if !places.is_empty() {
            self.insist("noting how far was read", || {
                self.producer.send_offsets_to_transaction(&offsets, member, STEP_MAX)
            })?;
        }
        self.insist("committing", || self.producer.commit_transaction(STEP_MAX))
    }

    /// Polls until everything sent is delivered.
    fn drain(&self, at_most: Duration) {
        let watch = Stopwatch::start();
        while 0 < self.producer.in_flight_count() && watch.elapsed() < at_most {
            self.producer.poll(POLL);
        }
    }

    /// Does something again while librdkafka says that it may succeed.
    fn insist(
        &self,
        doing: &'static str,
        mut attempt: impl FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), Error> {
        let watch = Stopwatch::start();
        loop {
            let error = match attempt() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let KafkaError::Transaction(detail) = &error else {
                return Err(Error::of(doing, &error));
            };
            if detail.txn_requires_abort() {
                return Err(Error::Aborted(format!("{doing}: {error}")));
            }
            if !detail.is_retriable() || detail.is_fatal() || COMMIT_MAX < watch.elapsed() {
                return Err(Error::of(doing, &error));
            }
            self.producer.poll(POLL);
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
