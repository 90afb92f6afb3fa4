//! Reads stretches of topics without joining a group: for looking at messages, not for working them.

use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _, Timestamp as Stamp};
use rdkafka::{Offset, TopicPartitionList};

use super::Error;
use super::assignment::assigned;
use super::settings::Settings;
use crate::clock::Stopwatch;
use crate::engine::time::Timestamp;

/// How long the brokers may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited for the next message before what is missing is given up.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long is polled in one go.
const POLL: Duration = Duration::from_millis(100);

/// A message as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: u64,
    /// When it was appended, or made, as the topic says.
    pub at: Option<Timestamp>,
    /// Whether `at` is the broker's time.
    pub stamped_by: StampedBy,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers; one without a value has none here.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Whose clock a message's time is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampedBy {
    /// The broker's, when it was appended.
    Broker,
    /// The producer's.
    Producer,
}

/// A stretch of a partition: from an offset up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub partition: u16,
    /// The first offset.
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Kafka's word for how it is.
    pub state: String,
    /// What each member calls itself, and the partitions it has.
    pub members: Vec<(String, Vec<u16>)>,
}

/// Reads topics.
pub struct Reader {
    consumer: BaseConsumer,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// A reader; it connects with the first question.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let consumer = settings.reader().create();
        let consumer = consumer.map_err(|error| Error::of("the properties", &error))?;
        Ok(Self { consumer })
    }

    /// What every partition of a topic holds.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub fn extents(&self, topic: &str, partitions: u16) -> Result<Vec<Stretch>, Error> {
        let ask = |partition: u16| {
            let found = self.consumer.fetch_watermarks(topic, i32::from(partition), PATIENCE);
            let (from, to) =
                found.map_err(|error| Error::of("asking where a topic ends", &error))?;
            let offset = |offset| u64::try_from(offset).unwrap_or(0);
            Ok(Stretch { partition, from: offset(from), to: offset(to) })
        };
        (0..partitions).map(ask).collect()
    }

    /// How far the group has read each partition of a topic, as far as it has.
    ///
    /// # Errors
    /// When the brokers do not answer, or not to us.
    pub fn committed(&self, topic: &str, partitions: u16) -> Result<Vec<Option<u64>>, Error> {
        const DOING: &str = "asking how far the group has read";
        let mut places = TopicPartitionList::new();
        for partition in 0..partitions {
            places.add_partition(topic, i32::from(partition));
        }
        let committed = self.consumer.committed_offsets(places, PATIENCE);
        let committed = committed.map_err(|error| Error::of(DOING, &error))?;
        let place = |partition: u16| {
            let found = committed.find_partition(topic, i32::from(partition))?;
            match found.offset() {
                Offset::Offset(offset) => u64::try_from(offset).ok(),
                _ => None,
            }
        };
        Ok((0..partitions).map(place).collect())
    }

    /// The members of a group, and the word for how it is; none when there is no such group.
    ///
    /// # Errors
    /// When the brokers do not answer, or not to us.
    pub fn group(&self, name: &str) -> Result<Option<Group>, Error> {
        let groups = self.consumer.fetch_group_list(Some(name), PATIENCE);
        let groups = groups.map_err(|error| Error::of("asking for the group", &error))?;
        let found = groups.groups().iter().find(|found| found.name() == name);
        Ok(found.map(|found| {
            let member = |member: &rdkafka::groups::GroupMemberInfo| {
                let places = assigned(member.assignment());
                (member.client_id().to_owned(), places.into_iter().map(|place| place.1).collect())
            };
            let mut members: Vec<_> = found.members().iter().map(member).collect();
            members.sort();
            Group { state: found.state().to_owned(), members }
        }))
    }

    /// Reads stretches and calls `take` with each message until it has seen enough of a partition.
    /// Messages of one partition come in their order. Says how many it took.
    ///
    /// # Errors
    /// When the brokers do not answer, or what `take` says.
    pub fn read<E: From<Error>>(
        &self,
        topic: &str,
        stretches: &[Stretch],
        mut take: impl FnMut(Seen) -> Result<ControlFlow<()>, E>,
    ) -> Result<u64, E> {
        const DOING: &str = "reading a topic";
        let failed = |error: &KafkaError| E::from(Error::of(DOING, error));
        let mut open: Vec<Stretch> =
            stretches.iter().filter(|stretch| stretch.from < stretch.to).copied().collect();
        let mut places = TopicPartitionList::new();
        for stretch in &open {
            let from = Offset::Offset(i64::try_from(stretch.from).unwrap_or(i64::MAX));
            places
                .add_partition_offset(topic, i32::from(stretch.partition), from)
                .map_err(|error| failed(&error))?;
        }
        self.consumer.assign(&places).map_err(|error| failed(&error))?;
        let mut silence = Stopwatch::start();
        let mut taken = 0;
        while !open.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    silence = Stopwatch::start();
                    let seen = seen(&message);
                    let Some(at) = open.iter().position(|open| open.partition == seen.partition)
                    else {
                        continue;
                    };
                    let last = open.get(at).is_none_or(|open| open.to <= seen.offset + 1);
                    let beyond = open.get(at).is_none_or(|open| open.to <= seen.offset);
                    let enough = beyond || {
                        taken += 1;
                        take(seen)?.is_break()
                    };
                    if last || enough {
                        open.remove(at);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.retain(|open| i32::from(open.partition) != partition);
                }
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(failed(&error)),
                None if SILENCE_MAX < silence.elapsed() => {
                    let why = format!("nothing came of `{topic}` for {} s", SILENCE_MAX.as_secs());
                    return Err(Error::Failed { doing: DOING, why }.into());
                }
                None => {}
            }
        }
        self.consumer.unassign().map_err(|error| failed(&error))?;
        Ok(taken)
    }
}

/// A message, copied out of the client's memory.
pub(crate) fn seen(message: &BorrowedMessage<'_>) -> Seen {
    let (millis, stamped_by) = match message.timestamp() {
        Stamp::LogAppendTime(millis) => (Some(millis), StampedBy::Broker),
        Stamp::CreateTime(millis) => (Some(millis), StampedBy::Producer),
        Stamp::NotAvailable => (None, StampedBy::Producer),
    };
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let own = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        headers.iter().map(own).collect()
    });
    Seen {
        partition: u16::try_from(message.partition()).unwrap_or(u16::MAX),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        at: millis.map(Timestamp::from_millis),
        stamped_by,
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// Whether librdkafka goes on by itself after such an error.
pub(crate) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::Resolve
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
        )
    )
}
