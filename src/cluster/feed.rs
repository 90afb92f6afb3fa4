//! Follows the events and what stands beside them: what was read goes to the owners of the shards,
//! and no further than they can take.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::Offset;
use smallvec::SmallVec;

use super::arena::Arena;
use super::original::{self, Value};
use super::{Error, door};
use crate::decode::{self, Attributes, shard_of};
use crate::engine::time::Timestamp;
use crate::kafka;
use crate::kafka::client::{Quiet, Reader};
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::fed::Fed;
use crate::log::{Entry, Form};

/// Bytes that wait for an owner, past which nothing more is read for it.
const WAITING_BYTES_HIGH: usize = 8 * 1_024 * 1_024;
/// Bytes that wait, below which reading goes on.
const WAITING_BYTES_LOW: usize = 2 * 1_024 * 1_024;
/// Headers that most messages do not exceed.
const HEADERS: usize = 8;
/// What headers begin with that are attributes of a `CloudEvent`.
const ATTRIBUTE: &str = "ce_";
/// Keys of events that others wrote that are looked at, for each shard that comes.
const SAMPLE: u32 = 1_000;
/// Of them, so many may belong elsewhere: past it, if they are most, the topic is refused.
const MISPLACED_MAX: u32 = 16;
/// Messages taken in one go.
const MESSAGES_AT_ONCE: usize = 4_096;

/// Where an owner begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// Everything up to this position is in its states.
    pub(super) position: u64,
    /// The offset from which events are read.
    pub(super) events: u64,
    /// The offset from which is read what stands beside them.
    pub(super) internal: u64,
    /// The last event that was applied, and when it was appended at the latest: what stands in its
    /// place must not be younger.
    pub(super) known: Option<(u64, Timestamp)>,
}

/// Reads both topics.
pub(super) struct Feed {
    events: Reader,
    internal: Reader,
    names: Names,
    fed: Arc<Fed>,
    places: Vec<Option<Place>>,
    /// Room in which is put together what a message is beside its record.
    around: Vec<u8>,
}

/// A shard that is being read.
#[derive(Debug)]
struct Place {
    start: Start,
    arena: Arena,
    events: Flow,
    internal: Flow,
    sample: Sample,
}

/// Whether more is read for an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Reading,
    Paused,
}

/// Shards for which reading rests from now on, and those for which it goes on.
#[derive(Debug, Default)]
struct Turned {
    rest: Vec<u16>,
    go_on: Vec<u16>,
}

/// How many keys of others were looked at, and how many belong elsewhere.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    looked_at: u32,
    misplaced: u32,
}

impl Feed {
    pub(super) fn new(settings: &Settings, fed: Arc<Fed>, shards: u16) -> Result<Self, Error> {
        let reader = || -> Result<Reader, Error> {
            let made = settings.reader().create_with_context(Quiet);
            Ok(made.map_err(|error| kafka::Error::of("the properties of a reader", &error))?)
        };
        Ok(Self {
            events: reader()?,
            internal: reader()?,
            names: Names::new(settings.config()),
            fed,
            places: (0..shards).map(|_| None).collect(),
            around: Vec::new(),
        })
    }

    /// Begins to read for a shard.
    pub(super) fn start(&mut self, shard: u16, start: Start) -> Result<(), Error> {
        let Some(place) = self.places.get_mut(usize::from(shard)) else { return Ok(()) };
        *place = Some(Place {
            start,
            arena: Arena::default(),
            events: Flow::Reading,
            internal: Flow::Reading,
            sample: Sample::default(),
        });
        for (reader, topic, offset) in [
            (&self.events, &self.names.events, start.events),
            (&self.internal, &self.names.internal, start.internal),
        ] {
            let list = listed(topic, &[shard], Some(offset))?;
            let begun = reader.incremental_assign(&list);
            begun.map_err(|error| kafka::Error::of("beginning to read a shard", &error))?;
        }
        Ok(())
    }

    /// Stops reading for shards.
    pub(super) fn stop(&mut self, shards: &[u16]) -> Result<(), Error> {
        let mut read = Vec::new();
        for shard in shards {
            if let Some(place) = self.places.get_mut(usize::from(*shard))
                && place.take().is_some()
            {
                read.push(*shard);
            }
        }
        if read.is_empty() {
            return Ok(());
        }
        for (reader, topic) in
            [(&self.events, &self.names.events), (&self.internal, &self.names.internal)]
        {
            let stopped = reader.incremental_unassign(&listed(topic, &read, None)?);
            stopped.map_err(|error| kafka::Error::of("ending to read shards", &error))?;
        }
        Ok(())
    }

    /// Takes what has come, and says for whom.
    pub(super) fn take(&mut self) -> Result<BTreeSet<u16>, Error> {
        let mut shards = BTreeSet::new();
        for _ in 0..MESSAGES_AT_ONCE {
            match self.events.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let (places, around) = (&mut self.places, &mut self.around);
                    shards.extend(take_event(&message, &self.fed, places, &self.names, around)?);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let shard = u16::try_from(partition).unwrap_or(u16::MAX);
                    if self.is_read(shard) {
                        self.fed.meet_end(shard);
                    }
                }
                Some(Err(error)) => passing(&self.names.events, &error)?,
                None => break,
            }
        }
        for _ in 0..MESSAGES_AT_ONCE {
            match self.internal.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let (shard, position) = place_of(&message);
                    if let Some(Some(place)) = self.places.get_mut(usize::from(shard)) {
                        pack(&mut self.around, &message, Value::Record, &headers_of(&message));
                        let entry = Entry {
                            position,
                            appended_at: time_of(&message),
                            form: Form::Record,
                            record: place.arena.copy(message.payload().unwrap_or_default()),
                            around: place.arena.copy(&self.around),
                        };
                        self.fed.feed_aside(shard, entry);
                        shards.insert(shard);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => passing(&self.names.internal, &error)?,
                None => break,
            }
        }
        Ok(shards)
    }

    /// Rests for owners who have more than enough, and goes on for those who have not.
    pub(super) fn balance(&mut self) -> Result<(), Error> {
        let (mut events, mut internal) = (Turned::default(), Turned::default());
        for (shard, place) in (0_u16..).zip(&mut self.places) {
            let Some(place) = place else { continue };
            let (waiting, waiting_aside) = self.fed.bytes(shard);
            events.look(shard, &mut place.events, waiting);
            internal.look(shard, &mut place.internal, waiting_aside);
        }
        events.apply(&self.events, &self.names.events)?;
        internal.apply(&self.internal, &self.names.internal)
    }

    fn is_read(&self, shard: u16) -> bool {
        self.places.get(usize::from(shard)).is_some_and(Option::is_some)
    }
}

impl Turned {
    fn look(&mut self, shard: u16, flow: &mut Flow, waiting: usize) {
        match flow {
            Flow::Reading if WAITING_BYTES_HIGH < waiting => {
                *flow = Flow::Paused;
                self.rest.push(shard);
            }
            Flow::Paused if waiting < WAITING_BYTES_LOW => {
                *flow = Flow::Reading;
                self.go_on.push(shard);
            }
            Flow::Reading | Flow::Paused => {}
        }
    }

    fn apply(self, reader: &Reader, topic: &str) -> Result<(), Error> {
        let failed = |error: KafkaError| kafka::Error::of("pausing a shard", &error);
        if !self.rest.is_empty() {
            reader.pause(&listed(topic, &self.rest, None)?).map_err(failed)?;
        }
        if !self.go_on.is_empty() {
            reader.resume(&listed(topic, &self.go_on, None)?).map_err(failed)?;
        }
        Ok(())
    }
}

/// Feeds an event to its owner, if it is one that the owner does not have yet.
fn take_event(
    message: &BorrowedMessage<'_>,
    fed: &Fed,
    places: &mut [Option<Place>],
    names: &Names,
    room: &mut Vec<u8>,
) -> Result<Option<u16>, Error> {
    let count = u16::try_from(places.len()).unwrap_or(u16::MAX);
    let (shard, position) = place_of(message);
    let Some(Some(place)) = places.get_mut(usize::from(shard)) else { return Ok(None) };
    let start = place.start;
    let appended_at = time_of(message);
    if let Some((known, latest)) = start.known
        && known == position
        && latest < appended_at
    {
        return Err(Error::Refused(format!(
            "partition {shard} of `{}` is not the one that was read before: at offset {} stands an \
             event of {appended_at}, and the last one applied there is of {latest}. The topic was \
             deleted and made again. To begin anew with it, give this installation another \
             `kafka.prefix` and `kafka.group`",
            names.events,
            position.saturating_sub(1),
        )));
    }
    if position <= start.position {
        return Ok(None);
    }
    // A deletion says nothing of a customer.
    let Some(payload) = message.payload() else { return Ok(None) };
    // To ask for them costs a little each time, also where there are none.
    let headers = headers_of(message);
    let judged = headers.iter().find(|(key, _)| *key == door::JUDGED);
    let (form, record, value) = match judged {
        Some((_, judged)) => {
            (Form::Record, door::joined(judged, payload), Value::Behind(judged.len()))
        }
        None => {
            place.sample.look(message.key(), (shard, count), &names.events)?;
            match line(message.key(), &headers, payload) {
                Some(whole) => (Form::Line, whole, Value::Own(payload)),
                None => (Form::Line, place.arena.copy(payload), Value::Record),
            }
        }
    };
    pack(room, message, value, &headers);
    let around = place.arena.copy(room);
    fed.feed(shard, Entry { position, appended_at, form, record, around });
    Ok(Some(shard))
}

impl Sample {
    /// Looks whether a key lies where the customer belongs.
    fn look(
        &mut self,
        key: Option<&[u8]>,
        (shard, shards): (u16, u16),
        topic: &str,
    ) -> Result<(), Error> {
        if SAMPLE < self.looked_at {
            return Ok(());
        }
        let is_here = |key: &str| shard_of(key, shards) == shard;
        self.looked_at += 1;
        let placed = key.and_then(|key| std::str::from_utf8(key).ok()).is_some_and(is_here);
        self.misplaced += u32::from(!placed);
        if MISPLACED_MAX < self.misplaced && self.looked_at < 2 * self.misplaced {
            return Err(Error::Refused(format!(
                "events in partition {shard} of `{topic}` do not lie where their customers belong \
                 ({} of {}): producers must use the customer's id as key and the partitioner \
                 `murmur2` (Java's default; `partitioner=murmur2_random` of librdkafka). A topic \
                 with other keys is a source: name it under `kafka.sources`, and it is copied into \
                 place",
                self.misplaced, self.looked_at,
            )));
        }
        Ok(())
    }
}

/// The headers of a message, by name.
type HeadersOf<'m> = SmallVec<[(&'m str, &'m [u8]); HEADERS]>;

fn headers_of<'m>(message: &'m BorrowedMessage<'_>) -> HeadersOf<'m> {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    headers.map(|header| (header.key, header.value.unwrap_or_default())).collect()
}

/// Puts together what a message is beside its record.
fn pack(
    room: &mut Vec<u8>,
    message: &BorrowedMessage<'_>,
    value: Value<'_>,
    headers: &HeadersOf<'_>,
) {
    room.clear();
    original::pack(room, message.key(), value, headers);
}

/// An event put together in one piece: a `CloudEvent` may have its attributes in headers.
fn line(key: Option<&[u8]>, headers: &HeadersOf<'_>, payload: &[u8]) -> Option<Bytes> {
    let mut pairs = Vec::new();
    for (name, value) in headers {
        if let Some(name) = name.strip_prefix(ATTRIBUTE)
            && let Ok(value) = std::str::from_utf8(value)
        {
            pairs.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    if pairs.is_empty() {
        return None;
    }
    if let Some(key) = key.and_then(|key| std::str::from_utf8(key).ok())
        && pairs.iter().all(|(name, _)| name != "subject")
    {
        pairs.push(("subject".to_owned(), key.to_owned()));
    }
    // One that cannot be put together is refused by its owner as it is.
    decode::structured(Attributes { pairs }, payload).ok().map(Bytes::from)
}

fn place_of(message: &BorrowedMessage<'_>) -> (u16, u64) {
    let shard = u16::try_from(message.partition()).unwrap_or(u16::MAX);
    // Positions begin at 1: the offset behind the message.
    (shard, u64::try_from(message.offset()).unwrap_or(0).saturating_add(1))
}

fn time_of(message: &BorrowedMessage<'_>) -> Timestamp {
    Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(0))
}

/// Lets errors pass after which librdkafka goes on by itself.
fn passing(topic: &str, error: &KafkaError) -> Result<(), Error> {
    match error.rdkafka_error_code() {
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Err(Error::Refused(format!(
            "`{topic}` does not hold any more what is to be read next: {error}. Events were deleted \
             before they were applied, or the topic was made again"
        ))),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            Err(Error::Refused(format!("`{topic}` is not there any more: {error}")))
        }
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
            Err(kafka::Error::of("reading", error).into())
        }
        _ => {
            tracing::debug!(topic, %error, "reading is interrupted");
            Ok(())
        }
    }
}

fn listed(topic: &str, shards: &[u16], offset: Option<u64>) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(shards.len());
    for shard in shards {
        let offset = offset.map(|offset| i64::try_from(offset).unwrap_or(i64::MAX));
        let offset = offset.map_or(Offset::Invalid, Offset::Offset);
        list.add_partition_offset(topic, i32::from(*shard), offset)
            .map_err(|error| kafka::Error::of("naming a shard", &error))?;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_keys_lie_elsewhere_is_refused_and_a_few_strays_are_not() {
        let keys: Vec<String> = (0..400).map(|number| format!("c{number}")).collect();
        let of = |here: bool| keys.iter().filter(move |key| (shard_of(key, 4) == 0) == here);
        let look =
            |sample: &mut Sample, key: &str| sample.look(Some(key.as_bytes()), (0, 4), "clicks");
        let mut sample = Sample::default();
        for (right, wrong) in of(true).zip(of(false)) {
            look(&mut sample, right).unwrap();
            look(&mut sample, right).unwrap();
            look(&mut sample, wrong).unwrap();
        }
        let mut sample = Sample::default();
        let told = of(false).find_map(|key| look(&mut sample, key).err()).unwrap().to_string();
        assert!(told.contains("murmur2") && told.contains("`clicks`"), "{told}");
        let mut sample = Sample::default();
        assert!((0..100).any(|_| sample.look(None, (0, 4), "clicks").is_err()));
    }
}
