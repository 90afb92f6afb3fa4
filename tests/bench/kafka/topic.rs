//! The topic of events: filled, read by nobody in particular, and looked at.

use std::process::Command;
use std::time::Duration;

use heedful::clock::{Clock as _, System};
use heedful::config::KafkaConfig;
use heedful::decode::shard_of;
use heedful::kafka::reading::Reader;
use heedful::kafka::settings::Settings;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::common::Fallible;
use crate::common::people::People;
use crate::common::process::Place;

const FLUSH_MAX: Duration = Duration::from_mins(2);
const PATIENCE: Duration = Duration::from_secs(10);
const FULL_AGAIN: Duration = Duration::from_millis(1);

/// Writes the configuration and makes the topics.
pub(crate) fn configure(place: &Place, config: &KafkaConfig) -> Fallible<()> {
    let KafkaConfig { brokers, group, prefix, events, partitions, .. } = config;
    let text = format!(
        "kafka:\n  brokers: {brokers}\n  group: {group}\n  prefix: {prefix}\n  events: {events}\n  \
         partitions: {partitions}\n  replication: 1\n"
    );
    std::fs::write(place.path().join("heedful.yaml"), text)?;
    let made = Command::new(env!("CARGO_BIN_EXE_heedful"))
        .current_dir(place.path())
        .args(["kafka", "init", "--apply", "--config", "heedful.yaml"])
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&made.stderr).into_owned().into()),
    }
}

/// A producer as those of events are: it compresses.
pub(crate) fn producer(config: &KafkaConfig) -> Fallible<ThreadedProducer<DefaultProducerContext>> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    client.set("compression.codec", "lz4").set("linger.ms", "5");
    Ok(client.create()?)
}

/// Sends the event in a text to the partition of its customer.
pub(crate) fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    config: &KafkaConfig,
    text: &str,
) -> Fallible<()> {
    let customer = text.split("\"userId\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let customer = customer.ok_or("an event of nobody")?;
    let mut record = BaseRecord::<str, str>::to(&config.events)
        .partition(i32::from(shard_of(customer, config.partitions)))
        .key(customer)
        .payload(text);
    while let Err((error, back)) = producer.send(record) {
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        std::thread::sleep(FULL_AGAIN);
        record = back;
    }
    Ok(())
}

/// Writes so many events.
pub(crate) fn fill(config: &KafkaConfig, count: usize, customers: u32) -> Fallible<()> {
    let producer = producer(config)?;
    let mut people = People::new(customers, 42);
    let mut text = String::new();
    for number in 0..count {
        text.clear();
        people.event(System.now(), &mut text);
        send(&producer, config, &text.replace("m-000000000000", &format!("m-{number:012}")))?;
    }
    Ok(producer.flush(FLUSH_MAX)?)
}

/// Reads all events and does nothing with them.
pub(crate) fn poll(config: &KafkaConfig, count: usize) -> Fallible<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", "bench-bare")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut places = TopicPartitionList::new();
    for partition in 0..config.partitions {
        places.add_partition_offset(&config.events, i32::from(partition), Offset::Beginning)?;
    }
    consumer.assign(&places)?;
    let (mut seen, mut bytes) = (0, 0);
    while seen < count {
        let message = consumer.poll(PATIENCE).ok_or("nothing comes")??;
        bytes += message.payload_len();
        seen += 1;
    }
    std::hint::black_box(bytes);
    Ok(())
}

/// Whether the group has committed that it has read so many events.
pub(crate) fn is_worked_off(config: &KafkaConfig, count: usize) -> Fallible<bool> {
    let reader = Reader::new(&Settings::new(config, "bench"))?;
    let read = reader.committed(&config.events, config.partitions)?;
    Ok(count as u64 <= read.into_iter().flatten().sum())
}
