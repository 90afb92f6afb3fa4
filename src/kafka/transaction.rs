//! The producer of a node: what a commit writes becomes visible to others whole, or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Error;
use super::delivery::{Deliveries, Note};
use super::settings::Settings;
use crate::clock::Stopwatch;

/// How long the brokers may take for one step of a transaction.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How long a whole commit may take, retries and all, before it is given up.
const COMMIT_MAX: Duration = Duration::from_secs(30);
/// The longest transaction that brokers allow unless they are told otherwise, in milliseconds.
const LONG_MS: &str = "900000";
/// The rest before a step is tried again.
const AGAIN: Duration = Duration::from_millis(5);

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
#[derive(Debug)]
pub struct Transactions {
    deliveries: Deliveries<Last>,
}

/// The last offset written of each partition since the transaction began, by topic.
#[derive(Debug, Default)]
struct Last(BTreeMap<Box<str>, BTreeMap<u16, u64>>);

impl Note for Last {
    fn written(&mut self, _place: usize, message: &BorrowedMessage<'_>) {
        let partition = u16::try_from(message.partition()).ok();
        let offset = u64::try_from(message.offset()).ok();
        let (Some(partition), Some(offset)) = (partition, offset) else { return };
        match self.0.get_mut(message.topic()) {
            Some(last) => {
                let last = last.entry(partition).or_default();
                *last = offset.max(*last);
            }
            None => {
                self.0.insert(message.topic().into(), BTreeMap::from([(partition, offset)]));
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
        Self::connect(&settings.transactional())
    }

    /// Connects under a name of its own beside the node's, for work beside the shards'.
    ///
    /// # Errors
    /// As [`Self::begin_with`].
    pub fn begin_as(settings: &Settings, work: &str) -> Result<Self, Error> {
        let mut config = settings.transactional();
        config.set("transactional.id", format!("{}-{work}", settings.client()));
        Self::connect(&config)
    }

    /// As [`Self::begin_as`], for a transaction that takes as long as brokers allow by default.
    ///
    /// # Errors
    /// As [`Self::begin_with`].
    pub fn begin_long(settings: &Settings, work: &str) -> Result<Self, Error> {
        let mut config = settings.transactional();
        config.set("transactional.id", format!("{}-{work}", settings.config().group));
        config.set("transaction.timeout.ms", LONG_MS);
        Self::connect(&config)
    }

    fn connect(config: &rdkafka::ClientConfig) -> Result<Self, Error> {
        let this = Self { deliveries: Deliveries::new(config)? };
        let producer = &this.deliveries.producer;
        this.insist("taking up transactions", || producer.init_transactions(STEP_MAX))?;
        Ok(this)
    }

    /// Begins one.
    ///
    /// # Errors
    /// When the producer can be used no more.
    pub fn begin(&self) -> Result<(), Error> {
        self.deliveries.begin();
        self.insist("beginning a transaction", || self.deliveries.producer.begin_transaction())
    }

    /// Adds a message.
    ///
    /// # Errors
    /// When it cannot be written: the transaction must be aborted.
    pub fn send(&self, message: Outgoing<'_>) -> Result<(), Error> {
        self.deliveries.send(message, COMMIT_MAX)
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
        match self.try_commit(places, member) {
            Ok(Last(mut last)) => Ok(last.remove(written_to).unwrap_or_default()),
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
            self.deliveries.wait(STEP_MAX);
            self.deliveries.producer.abort_transaction(STEP_MAX)
        })
    }

    fn try_commit(
        &self,
        places: &[Place<'_>],
        member: &ConsumerGroupMetadata,
    ) -> Result<Last, Error> {
        let mut offsets = TopicPartitionList::with_capacity(places.len());
        for place in places {
            let next = Offset::Offset(i64::try_from(place.next).unwrap_or(i64::MAX));
            offsets
                .add_partition_offset(place.topic, i32::from(place.partition), next)
                .map_err(|error| Error::of("noting how far was read", &error))?;
        }
        self.deliveries.wait(COMMIT_MAX);
        let last = self.deliveries.take().map_err(Error::Aborted)?;
        let producer = &self.deliveries.producer;
        if !places.is_empty() {
            self.insist("noting how far was read", || {
                producer.send_offsets_to_transaction(&offsets, member, STEP_MAX)
            })?;
        }
        self.insist("committing", || producer.commit_transaction(STEP_MAX))?;
        Ok(last)
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
            std::thread::sleep(AGAIN);
        }
    }
}
