//! A group that comes back after a week and finds a week of events, a fifth of them twice: none of
//! those who were heard of in time are taken for silent, though all of it is read within seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use heedful::clock::{Clock as _, Stopwatch, System};
use heedful::config::KafkaConfig;
use heedful::decode::shard_of;
use heedful::engine::time::{Span, Timestamp};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::json;

use super::broker;
use super::nodes::{Files, Group};
use crate::service::looked;

const PARTITIONS: u16 = 4;
const CUSTOMERS: u64 = 50;
const PARCELS: u64 = 600;
/// How far the group is behind.
const BEHIND: Span = Span::DAY.times(7);
/// How long a parcel may be silent.
const HOLD: Span = Span::DAY.times(2);
/// No deadline is so near to the present: it would come while the test runs.
const MARGIN: Span = Span::HOUR;
/// Every so many-th event comes again later.
const TWICE_EVERY: u64 = 5;

/// A week is read in seconds; a slow machine may take longer.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);

/// An event as it lies in the topic.
struct Lying {
    appended: Timestamp,
    customer: String,
    line: String,
}

/// A week of parcels: those in the topic, and which of them were silent for too long.
fn week(now: Timestamp) -> (Vec<Lying>, BTreeSet<String>) {
    let mut chance = fastrand::Rng::with_seed(0x_1a7e);
    let (mut all, mut silent) = (Vec::new(), BTreeSet::new());
    let begin = now - BEHIND;
    let hours = |chance: &mut fastrand::Rng, least: i64, most: i64| {
        Span::from_millis(chance.i64(least * 3_600_000..most * 3_600_000))
    };
    for number in 0..PARCELS {
        let customer = format!("c{}", chance.u64(0..CUSTOMERS));
        let parcel = format!("p{number}");
        let sent = begin + hours(&mut chance, 0, 7 * 24 - 2);
        if now - MARGIN < sent + HOLD && sent + HOLD < now + MARGIN {
            continue;
        }
        let seen = match chance.u64(0..10) {
            0..7 => Some(sent + hours(&mut chance, 1, 48)),
            7 => Some(sent + hours(&mut chance, 49, 90)),
            _ => None,
        };
        if seen.is_none_or(|seen| sent + HOLD < seen) && sent + HOLD < now {
            silent.insert(parcel.clone());
        }
        let seen = seen.filter(|seen| *seen < now).map(|seen| ("parcel_seen", seen));
        for (name, appended) in [("parcel_sent", sent)].into_iter().chain(seen) {
            let line = json!({
                "customer": customer, "event": name, "id": format!("{name} {parcel}"),
                // Senders' clocks are a little behind.
                "at": (appended - Span::from_millis(chance.i64(0..60_000))).to_string(),
                "with": {"parcel": parcel},
            });
            let lying =
                |appended| Lying { appended, customer: customer.clone(), line: line.to_string() };
            all.push(lying(appended));
            if chance.u64(0..TWICE_EVERY) == 0 {
                all.push(lying(appended + hours(&mut chance, 0, 6)));
            }
        }
    }
    all.retain(|lying| lying.appended < now);
    all.sort_by_key(|lying| lying.appended);
    (all, silent)
}

/// Writes the events as if they had been appended when they were.
fn write(config: &KafkaConfig, events: &[Lying]) {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("batch.num.messages", "5")
        .create()
        .unwrap();
    for lying in events {
        let record = BaseRecord::<str, str>::to(&config.events)
            .partition(i32::from(shard_of(&lying.customer, PARTITIONS)))
            .key(&lying.customer)
            .payload(&lying.line)
            .timestamp(lying.appended.as_millis());
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Lets producers say when messages were made.
async fn let_producers_tell_the_time(config: &KafkaConfig) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let topic = AlterConfig::new(ResourceSpecifier::Topic(&config.events))
        .set("message.timestamp.type", "CreateTime");
    let done = admin.alter_configs([&topic], &AdminOptions::new()).await.unwrap();
    assert!(done.iter().all(Result::is_ok), "{done:?}");
}

#[test]
fn nobody_is_taken_for_silent_who_was_heard_of_while_the_group_was_away() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let trigger = "trigger: parcel-silent\nkind: status\nabout: A parcel is not seen any more.\n\
                   owner: ops@shop.example\nwhen: {event: parcel_sent, not_followed_by: \
                   [parcel_seen], for: 2d, per: event.parcel}\nsend:\n  purpose: transactional\n  \
                   via: [webhook]\n  message:\n    en: {subject: Your parcel, body: \"Parcel \
                   {{ event.parcel }}\"}\n";
    let triggers = [("parcel-silent", trigger.to_owned())];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "late", (PARTITIONS, None), &files);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(let_producers_tell_the_time(group.config()));
    let (events, silent) = week(System.now());
    write(group.config(), &events);
    // As it must be again: what is there keeps its time.
    group.make_topics();

    // Little by little: between two batches there is nothing to do, and time would go on.
    group.set("fetch.message.max.bytes", "1000");
    group.set("queued.min.messages", "1");
    group.set("fetch.queue.backoff.ms", "10");
    let first = group.spawn("a");
    // It is killed in the middle of the week.
    let begun = looked(|| (!group.decisions().0.is_empty()).then_some(()));
    assert!(begun.is_some(), "{}", first.said());
    first.kill();
    let (node, _) = group.start("b");
    let watch = Stopwatch::start();
    let (decisions, twice) = loop {
        let (decisions, twice) = group.decisions();
        if silent.len() <= decisions.len() || DECIDED_WITHIN < watch.elapsed() {
            break (decisions, twice);
        }
    };
    let told: Vec<String> = decisions
        .values()
        .map(|told| told["occurrence"].as_str().unwrap())
        .map(|occurrence| occurrence.rsplit(':').next().unwrap().to_owned())
        .collect();
    let told_of: BTreeSet<String> = told.iter().cloned().collect();
    let missed = silent.difference(&told_of).count();
    let falsely = told_of.difference(&silent).count();
    let duplicated = twice + told.len() - told_of.len();
    print(events.len(), silent.len(), (missed, duplicated, falsely));
    assert_eq!((missed, duplicated, falsely), (0, 0, 0), "{}", node.said());
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(events: usize, silent: usize, (missed, duplicated, falsely): (usize, usize, usize)) {
    println!("a week behind: events {events}  silent parcels {silent}");
    println!("{:>6} {:>11} {:>14}", "missed", "duplicated", "false absence");
    println!("{missed:>6} {duplicated:>11} {falsely:>14}");
}
