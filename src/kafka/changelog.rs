//! Reads a shard's part of the changelog, from where the local store stands to its end.

use std::time::Duration;

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;

use super::Error;
use super::client::{Quiet, Reader};
use super::settings::{Settings, TRANSACTION_TIMEOUT_MS};
use crate::clock::Stopwatch;

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether the transaction of a node that has gone is over.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long is waited for the next message before the reading is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where it began: not where it was asked to, when that part is gone already.
    pub from: u64,
    /// The offset behind the last one.
    pub next: u64,
    /// How many messages.
    pub messages: u64,
}

/// Where the messages of a shard begin and end.
#[derive(Clone, Copy, Debug)]
struct Extent {
    first: u64,
    end: u64,
}

/// Reads one partition from an offset to its end, and calls `take` with each key and value. `begin`
/// hears first where it really begins: later than asked for means that everything is read anew.
///
/// It waits for transactions of nodes that have gone: only then is the end known.
///
/// # Errors
/// When the brokers do not answer, or what `take` says.
pub fn restore<E: From<Error>>(
    settings: &Settings,
    topic: &str,
    partition: u16,
    from: u64,
    begin: impl FnOnce(u64) -> Result<(), E>,
    mut take: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>,
) -> Result<Restored, E> {
    const DOING: &str = "restoring a shard";
    let failed = |error: &KafkaError| Error::of(DOING, error);
    let consumer: Reader = settings
        .reader()
        .create_with_context(Quiet)
        .map_err(|error| Error::of("the properties", &error))?;
    let extent = settled(settings, &consumer, topic, partition)?;
    // What lies before the first was compacted into later messages, or thrown away.
    let from = if (extent.first..=extent.end).contains(&from) { from } else { extent.first };
    begin(from)?;
    let mut restored = Restored { from, next: extent.end, messages: 0 };
    if extent.end <= from {
        return Ok(restored);
    }
    let mut place = TopicPartitionList::new();
    let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
    place
        .add_partition_offset(topic, i32::from(partition), offset)
        .and_then(|()| consumer.assign(&place))
        .map_err(|error| failed(&error))?;
    let mut silence = Stopwatch::start();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                take(message.key().unwrap_or_default(), message.payload())?;
                restored.messages += 1;
                silence = Stopwatch::start();
            }
            // The end was settled before, so this is it.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(restored),
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_passing) => {}
            Some(Err(error)) => return Err(failed(&error).into()),
            None if SILENCE_MAX < silence.elapsed() => {
                let why = format!("no message of `{topic}` came for {} s", SILENCE_MAX.as_secs());
                return Err(Error::Failed { doing: DOING, why }.into());
            }
            None => {}
        }
    }
}

/// Where the messages end, once no transaction is open below it.
fn settled(
    settings: &Settings,
    consumer: &Reader,
    topic: &str,
    partition: u16,
) -> Result<Extent, Error> {
    let mut eager = settings.reader();
    eager.set("isolation.level", "read_uncommitted");
    let eager: Reader =
        eager.create_with_context(Quiet).map_err(|error| Error::of("the properties", &error))?;
    let ask = |consumer: &Reader| {
        let (first, end) = consumer
            .fetch_watermarks(topic, i32::from(partition), PATIENCE)
            .map_err(|error| Error::of("asking where the changelog ends", &error))?;
        let offset = |offset| u64::try_from(offset).unwrap_or(0);
        Ok(Extent { first: offset(first), end: offset(end) })
    };
    let watch = Stopwatch::start();
    loop {
        let all = ask(&eager)?;
        let stable = ask(consumer)?;
        if all.end <= stable.end {
            return Ok(stable);
        }
        // A transaction whose node has gone is ended by the broker after its own timeout.
        if Duration::from_millis(u64::from(TRANSACTION_TIMEOUT_MS) * 4) < watch.elapsed() {
            return Err(Error::Failed {
                doing: "waiting for a transaction of a node that has gone",
                why: format!("`{topic}` {partition} is open from offset {} on", stable.end),
            });
        }
        std::thread::sleep(ASK_AGAIN);
    }
}

/// Whether librdkafka goes on by itself after such an error.
fn is_passing(code: rdkafka::error::RDKafkaErrorCode) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
    )
}
