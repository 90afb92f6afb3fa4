//! The door to the log when Kafka is the log: events go to the events topic, and what Heedful itself
//! has to say to the owner of a customer goes to the internal one.

use bytes::Bytes;

use crate::decode::Record;
use crate::decode::Subject;
use crate::engine::time::Timestamp;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::kafka::transaction::Outgoing;
use crate::kafka::writer::Writer;
use crate::log::{Entry, Error, Group, Log, Source};

/// The header of a message that Heedful wrote: what was judged when the event came, and stands in
/// front of the sender's bytes in a record.
pub const JUDGED: &str = "heedful-judged";

/// Appends to topics. It cannot be read: shards are fed by whoever follows the topics.
#[derive(Debug)]
pub struct Door {
    writer: Writer,
    names: Names,
    shards: u16,
}

impl Door {
    /// The door to so many shards.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn new(settings: &Settings, shards: u16) -> Result<Self, crate::kafka::Error> {
        let writer = Writer::new(settings)?;
        Ok(Self { writer, names: Names::new(settings.config()), shards })
    }
}

/// A record as a message: which topic, key, what stands in front, and the value.
struct Split<'a> {
    topic: &'a str,
    key: &'a [u8],
    judged: Option<&'a [u8]>,
    value: &'a [u8],
}

impl Log for Door {
    fn append_groups(&self, groups: &[Group]) -> Result<Vec<(u64, u64)>, Error> {
        let mut headers: Vec<Vec<(&str, &[u8])>> = Vec::new();
        let mut splits = Vec::new();
        for group in groups {
            for record in &group.records {
                let split = split(&self.names, record);
                headers.push(split.judged.map(|judged| (JUDGED, judged)).into_iter().collect());
                splits.push((group.shard, split));
            }
        }
        let messages = splits.iter().zip(&headers).map(|((shard, split), headers)| Outgoing {
            topic: split.topic,
            partition: *shard,
            key: split.key,
            value: Some(split.value),
            headers,
        });
        let offsets =
            self.writer.write(messages).map_err(|error| Error::Away(error.to_string()))?;
        let mut offsets = offsets.into_iter().map(|offset| offset.saturating_add(1));
        let mut positions = Vec::with_capacity(groups.len());
        for group in groups {
            let mut all = offsets.by_ref().take(group.records.len());
            let first = all.next().unwrap_or(0);
            positions.push((first, all.last().unwrap_or(first)));
        }
        Ok(positions)
    }
}

impl Source for Door {
    fn shards(&self) -> u16 {
        self.shards
    }

    fn read(&self, _: u16, _: u64, _: usize) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }

    fn end(&self, _: u16) -> u64 {
        0
    }

    fn watermark(&self, _: u16, _: Timestamp) -> Timestamp {
        Timestamp::MIN
    }
}

/// An event of one customer is for everyone to read; the rest is Heedful's own.
fn split<'a>(names: &'a Names, record: &'a Bytes) -> Split<'a> {
    match Record::parse(record) {
        Ok(Record::Event(event)) => match event.subject {
            Subject::Customer(customer) => {
                let judged = record.len().saturating_sub(event.json.len());
                Split {
                    topic: &names.events,
                    key: customer.as_bytes(),
                    judged: record.get(..judged),
                    value: event.json.as_bytes(),
                }
            }
            Subject::Everyone => Split::internal(names, b"", record),
        },
        Ok(other) => match other.subject() {
            Subject::Customer(customer) => Split::internal(names, customer.as_bytes(), record),
            Subject::Everyone => Split::internal(names, b"", record),
        },
        // The owner refuses it with a reason.
        Err(_) => Split::internal(names, b"", record),
    }
}

impl<'a> Split<'a> {
    fn internal(names: &'a Names, key: &'a [u8], record: &'a Bytes) -> Self {
        Self { topic: &names.internal, key, judged: None, value: record }
    }
}

/// A message of the events topic as a record again: what was judged, and the sender's bytes.
pub fn joined(judged: &[u8], value: &[u8]) -> Bytes {
    let mut record = Vec::with_capacity(judged.len() + value.len());
    record.extend_from_slice(judged);
    record.extend_from_slice(value);
    Bytes::from(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KafkaConfig;
    use crate::decode::{Call, EventRecord, Freshness, Shape};

    fn encoded(record: &Record<'_>) -> Bytes {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        Bytes::from(bytes)
    }

    fn event(subject: Subject<'_>) -> Record<'_> {
        Record::Event(EventRecord {
            subject,
            id: "e1",
            occurred_at: Timestamp::from_millis(1_000),
            received_at: Timestamp::from_millis(2_000),
            shape: Shape::Own,
            call: Call::Track,
            freshness: Freshness::Live,
            json: "{\"customer\":\"ada\",\"event\":\"Order\"}",
        })
    }

    #[test]
    fn an_event_is_written_as_its_sender_wrote_it_and_comes_back_whole() {
        let names = Names::new(&KafkaConfig::new("a:1"));
        let record = encoded(&event(Subject::Customer("ada")));
        let split = split(&names, &record);
        assert_eq!((split.topic, split.key), ("heedful.events", b"ada".as_slice()));
        assert_eq!(split.value, b"{\"customer\":\"ada\",\"event\":\"Order\"}");
        assert_eq!(joined(split.judged.unwrap(), split.value), record);
    }

    #[test]
    fn what_is_for_everyone_or_from_us_is_internal() {
        let names = Names::new(&KafkaConfig::new("a:1"));
        for (record, key) in [
            (event(Subject::Everyone), "".as_bytes()),
            (Record::Erasure { customer: "ada" }, b"ada".as_slice()),
        ] {
            let bytes = encoded(&record);
            let split = split(&names, &bytes);
            assert_eq!((split.topic, split.key), ("heedful.internal", key));
            assert_eq!(Record::parse(&Bytes::copy_from_slice(split.value)).unwrap(), record);
        }
    }
}
