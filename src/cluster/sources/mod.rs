//! Brings topics of others in: reads them in a group of their own, and writes each message as an
//! event of its customer, exactly once: what was read and what was written are one transaction.

#[cfg(feature = "schema-registry")]
mod avro;
mod member;
#[cfg(feature = "schema-registry")]
mod schema;
mod shape;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::counter;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::door;
use super::output::{DeadLetter, Message, Origin, Verdict};
use crate::clock::{Shared, Stopwatch};
use crate::config::SourceConfig;
use crate::decode::{self, Accepted, Arrival, Home, Refusal};
use crate::engine::time::Timestamp;
use crate::kafka::Error;
use crate::kafka::reading::{self, Seen, StampedBy};
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::kafka::transaction::{Outgoing, Place, Transactions};
use crate::telemetry;
use member::{Member, Partitions};
#[cfg(feature = "schema-registry")]
use schema::Schemas;

/// Messages of one transaction.
const MESSAGES_MAX: usize = 5_000;
/// Bytes of one transaction.
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// How long a transaction waits for more messages.
const GATHER: Duration = Duration::from_millis(100);
/// How long is waited before it is tried again after a failure.
const REST: Duration = Duration::from_secs(1);
/// The header that says where an event came from: topic, partition and offset.
const SOURCE: &str = "heedful-source";

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages read.
    pub read: usize,
    /// Events written.
    pub written: usize,
    /// Messages refused: they are with the dead letters.
    pub refused: usize,
    /// Messages without a value, and those whose sender says that they are not for us.
    pub ignored: usize,
}

/// Reads topics of others and writes events.
pub struct Router {
    consumer: BaseConsumer<Member>,
    transactions: Transactions,
    sources: BTreeMap<String, SourceConfig>,
    names: Names,
    shards: u16,
    clock: Shared,
    #[cfg(feature = "schema-registry")]
    schemas: Option<Schemas>,
}

/// Why a message does not become an event.
enum Unread {
    /// It is none: it goes to the dead letters.
    Refused(Refusal),
    /// It cannot be told yet: it is read again later.
    #[cfg(feature = "schema-registry")]
    Later(Error),
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// A message addressed to a partition of a topic of ours.
struct Addressed<'n> {
    topic: &'n str,
    partition: u16,
    message: Message,
}

impl Router {
    /// Joins the group of the topics that the file names. `shards` are the partitions of the events.
    ///
    /// # Errors
    /// When the brokers do not answer, or not to us.
    pub fn join(settings: &Settings, shards: u16, clock: Shared) -> Result<Self, Error> {
        let config = settings.config();
        let consumer: BaseConsumer<Member> = member::config(settings.member(), &config.group)
            .create_with_context(Member::default())
            .map_err(|error| Error::of("the properties", &error))?;
        let sources: BTreeMap<String, SourceConfig> =
            config.sources.iter().map(|source| (source.topic.clone(), source.clone())).collect();
        let topics: Vec<&str> = sources.keys().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| Error::of("subscribing", &error))?;
        let transactions = Transactions::begin_as(settings, "sources")?;
        let names = Names::new(config);
        #[cfg(feature = "schema-registry")]
        let schemas = config.registry.as_ref().map(Schemas::new).transpose()?;
        Ok(Self {
            consumer,
            transactions,
            sources,
            names,
            shards,
            clock,
            #[cfg(feature = "schema-registry")]
            schemas,
        })
    }

    /// Routes until it is told to stop, and joins anew after what can be undone. `told` hears of
    /// each failure.
    ///
    /// # Errors
    /// When another node has taken over the name of this one, or a property is wrong.
    pub fn run(
        settings: &Settings,
        shards: u16,
        clock: &Shared,
        stop: &AtomicBool,
        mut told: impl FnMut(&Error),
    ) -> Result<(), Error> {
        while !stop.load(Ordering::Acquire) {
            let failure = match Self::join(settings, shards, Shared::clone(clock)) {
                Ok(mut router) => router.work(stop).err(),
                Err(error) => Some(error),
            };
            match failure {
                None => {}
                Some(error @ (Error::Fenced(_) | Error::Property { .. } | Error::Registry(_))) => {
                    return Err(error);
                }
                Some(error) => {
                    told(&error);
                    std::thread::sleep(REST);
                }
            }
        }
        Ok(())
    }

    fn work(&mut self, stop: &AtomicBool) -> Result<(), Error> {
        while !stop.load(Ordering::Acquire) {
            self.step()?;
        }
        Ok(())
    }

    /// Gathers messages for a moment and routes them in one transaction.
    ///
    /// # Errors
    /// When it failed and was undone: whoever joins anew reads the same messages again.
    pub fn step(&mut self) -> Result<Tally, Error> {
        let mut gathered = self.gather()?;
        // Another reads those from where the group stands.
        let revoked = self.consumer.context().take_revoked();
        gathered.retain(|(topic, seen)| !is_in(&revoked, topic, seen));
        if gathered.is_empty() {
            return Ok(Tally::default());
        }
        let mut tally = Tally { read: gathered.len(), ..Tally::default() };
        let mut messages = Vec::with_capacity(gathered.len());
        let mut places: BTreeMap<(&str, u16), u64> = BTreeMap::new();
        let mut read = Vec::with_capacity(gathered.len());
        for (topic, seen) in &gathered {
            places.insert((topic, seen.partition), seen.offset + 1);
            read.push(match self.accepted(topic, seen) {
                Ok(accepted) => Ok(accepted),
                Err(Unread::Refused(refusal)) => Err(refusal),
                #[cfg(feature = "schema-registry")]
                Err(Unread::Later(error)) => return Err(error),
            });
        }
        for ((topic, seen), read) in gathered.iter().zip(read) {
            self.route((topic, seen), read, &mut messages, &mut tally);
        }
        let places: Vec<Place<'_>> = places
            .into_iter()
            .map(|((topic, partition), next)| Place { topic, partition, next })
            .collect();
        self.commit(&messages, &places)?;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        telemetry::Accepted { source: "kafka", count: count(tally.written) }.emit();
        counter!("heedful_ingest_odd_total", "fate" => "ignored").increment(count(tally.ignored));
        Ok(tally)
    }

    fn commit(&self, messages: &[Addressed<'_>], places: &[Place<'_>]) -> Result<(), Error> {
        self.transactions.begin()?;
        for Addressed { topic, partition, message } in messages {
            let send = |outgoing: Outgoing<'_>| self.transactions.send(outgoing);
            if let Err(error) = message.lend(topic, *partition, send) {
                self.transactions.abort()?;
                return Err(error);
            }
        }
        // Taken now: whoever was thrown out of the group since then must not commit.
        let Some(group) = self.consumer.group_metadata() else {
            self.transactions.abort()?;
            return Err(Error::Aborted("the group was left".to_owned()));
        };
        self.transactions.commit(places, &group, &self.names.events).map(|_| ())
    }

    fn gather(&self) -> Result<Vec<(String, Seen)>, Error> {
        let watch = Stopwatch::start();
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        while gathered.len() < MESSAGES_MAX && bytes < BYTES_MAX {
            let Some(rest) = GATHER.checked_sub(watch.elapsed()) else { break };
            match self.consumer.poll(rest) {
                Some(Ok(message)) => {
                    use rdkafka::Message as _;
                    bytes += message.payload_len() + message.key_len();
                    gathered.push((message.topic().to_owned(), reading::seen(&message)));
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                Some(Err(error)) if reading::passes(&error) || not_there_yet(&error) => {}
                Some(Err(error)) => return Err(Error::of("reading topics of others", &error)),
            }
        }
        Ok(gathered)
    }

    /// What is to be written because of a message.
    fn route<'n>(
        &'n self,
        (topic, seen): (&str, &Seen),
        read: Result<Option<Accepted>, Refusal>,
        messages: &mut Vec<Addressed<'n>>,
        tally: &mut Tally,
    ) {
        match read {
            Ok(Some(accepted)) => {
                tally.written += 1;
                self.address(&accepted, topic, seen, messages);
            }
            Ok(None) => tally.ignored += 1,
            Err(refusal) => {
                tally.refused += 1;
                telemetry::DeadLettered { reason: refusal.reason.as_str() }.emit();
                messages.push(Addressed {
                    topic: &self.names.dead_letters,
                    partition: seen.partition % self.shards.max(1),
                    message: dead_letter(topic, seen, &refusal, self.clock.now()),
                });
            }
        }
    }

    fn accepted(&mut self, topic: &str, seen: &Seen) -> Result<Option<Accepted>, Unread> {
        let Some(source) = self.sources.get(topic) else { return Ok(None) };
        #[cfg(feature = "schema-registry")]
        let in_json = match &mut self.schemas {
            Some(schemas) => schemas.in_json(source.format, seen)?,
            None => None,
        };
        #[cfg(feature = "schema-registry")]
        let seen = in_json.as_ref().unwrap_or(seen);
        let Some(line) = shape::line(source, seen)? else { return Ok(None) };
        // A broker's time is when it came; a producer's may be anything.
        let came = seen.at.filter(|_| seen.stamped_by == StampedBy::Broker);
        let arrival = Arrival::live(came.unwrap_or_else(|| self.clock.now()));
        // The same message gets the same id, however often it is routed.
        let id = || format!("{topic}/{}/{}", seen.partition, seen.offset);
        Ok(decode::line(&line, arrival, self.shards, id)?)
    }

    fn address<'n>(
        &'n self,
        accepted: &Accepted,
        topic: &str,
        seen: &Seen,
        messages: &mut Vec<Addressed<'n>>,
    ) {
        let (topic_of_ours, mut message) = door::message(&self.names, &accepted.record);
        let from = format!("{topic}/{}/{}", seen.partition, seen.offset);
        message.headers.push((SOURCE.to_owned(), from.into_bytes()));
        let shards = match accepted.home {
            Home::Shard(shard) => shard..shard + 1,
            Home::Everywhere => 0..self.shards,
        };
        for partition in shards {
            let message = message.clone();
            messages.push(Addressed { topic: topic_of_ours, partition, message });
        }
    }
}

fn is_in(revoked: &Partitions, topic: &str, seen: &Seen) -> bool {
    !revoked.is_empty() && revoked.contains(&(topic.to_owned(), i32::from(seen.partition)))
}

/// A topic that does not exist yet is read once it does.
fn not_there_yet(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}

fn dead_letter(topic: &str, seen: &Seen, refusal: &Refusal, now: Timestamp) -> Message {
    let Seen { partition, offset, key, value, headers, .. } = seen.clone();
    let text = |text: &str| text.to_owned();
    let letter = DeadLetter {
        origin: Origin {
            topic: text(topic),
            partition: i32::from(partition),
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
        },
        verdict: Verdict {
            at: now.to_string(),
            stage: text("route"),
            reason: text(refusal.reason.as_str()),
            detail: refusal.to_string(),
            hint: format!(
                "{}: mend the producer, or what `kafka.sources` says about `{topic}`, then \
                 `heedful dlq replay`",
                refusal.reason.sentence()
            ),
        },
        message: Message { key: key.unwrap_or_default(), value, headers },
    };
    letter.into_message()
}
