//! How long it takes from an event in the topic to its decision, as a reader of decisions sees it.

use std::time::Duration;

use heedful::clock::{Clock as _, Stopwatch, System};
use heedful::config::KafkaConfig;
use heedful::engine::time::Timestamp;
use heedful::kafka::topics::Names;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::Producer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Deserialize;

use super::topic;
use crate::common::Fallible;
use crate::common::people::People;
use crate::common::process::Process;

/// How long events come.
const TIME: Duration = Duration::from_secs(10);
/// One of so many is waited for.
const PER_MARKER: u64 = 200;
/// The rest between two bursts of events.
const BURST: Duration = Duration::from_millis(2);
/// How long the last decisions are waited for.
const LAST_MAX: Duration = Duration::from_secs(10);

/// What is looked at of a decision.
#[derive(Deserialize)]
struct Told {
    trigger: String,
    ruled_at: String,
    #[serde(default)]
    history: Vec<serde_json::Value>,
}

/// Sends so many events a second and gives the delays of some, in milliseconds.
pub(crate) fn measure(process: &Process, config: &KafkaConfig, rate: f64) -> Fallible<Vec<f64>> {
    let reader = reader(config)?;
    let producer = topic::producer(config)?;
    let mut people = People::new(super::CUSTOMERS, 7);
    let watch = Stopwatch::start();
    let (mut sent, mut markers, mut delays) = (0_u64, 0_usize, Vec::new());
    let mut text = String::new();
    while watch.elapsed() < TIME {
        let due = watch.elapsed().as_secs_f64() * rate;
        while (sent as f64) < due {
            text.clear();
            match sent.is_multiple_of(PER_MARKER) {
                true => people.marker(System.now(), &mut text),
                false => people.event(System.now(), &mut text),
            }
            markers += usize::from(sent.is_multiple_of(PER_MARKER));
            let own = text.replace("m-000000000000", &format!("d-{sent:012}"));
            topic::send(&producer, config, &own)?;
            sent += 1;
        }
        take(&reader, &mut delays)?;
        std::thread::sleep(BURST);
    }
    producer.flush(LAST_MAX)?;
    let watch = Stopwatch::start();
    while delays.len() < markers && watch.elapsed() < LAST_MAX {
        take(&reader, &mut delays)?;
        std::thread::sleep(BURST);
    }
    let behind = process.metric("heedful_behind_entries").unwrap_or_default();
    if delays.len() < markers {
        let seen = delays.len();
        return Err(format!("{seen} of {markers} were decided; it is {behind} behind").into());
    }
    Ok(delays)
}

/// The value below which so many per cent are.
pub(crate) fn percentile(delays: &[f64], per_cent: usize) -> f64 {
    let mut sorted = delays.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * per_cent / 100).or(sorted.last()).copied().unwrap_or_default()
}

fn reader(config: &KafkaConfig) -> Fallible<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", "bench-delay")
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    let mut places = TopicPartitionList::new();
    for partition in 0..config.partitions {
        let decisions = Names::new(config).decisions;
        let (_, end) = consumer.fetch_watermarks(&decisions, i32::from(partition), LAST_MAX)?;
        places.add_partition_offset(&decisions, i32::from(partition), Offset::Offset(end))?;
    }
    consumer.assign(&places)?;
    Ok(consumer)
}

fn take(reader: &BaseConsumer, delays: &mut Vec<f64>) -> Fallible<()> {
    while let Some(message) = reader.poll(Duration::ZERO) {
        let message = message?;
        let told: Told = serde_json::from_slice(message.payload().unwrap_or_default())?;
        // Each is told again when its outcome is known.
        if told.trigger != "marker" || 1 < told.history.len() {
            continue;
        }
        let at = Timestamp::parse(&told.ruled_at).ok_or("a decision of no time")?;
        delays.push((System.now() - at).as_millis() as f64);
    }
    Ok(())
}
