//! A group that comes back after a week and finds a week of events, a fifth of them twice: none of
//! those who were heard of in time are taken for silent, though all of it is read within seconds. Nor
//! are those of whom nobody could hear because their source was down.

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
    let triggers = [("parcel-silent", trigger("2d"))];
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
    let verdict = judged(&group, "a week behind", events.len(), &silent);
    assert_eq!(verdict, (0, 0, 0), "{}", node.said());
}

#[test]
fn nobody_is_taken_for_silent_whose_source_was_down() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let triggers = [("parcel-silent", trigger("6h"))];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "outage", (PARTITIONS, None), &files);
    group.say_in_policy("blind_after: 1h\n");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(let_producers_tell_the_time(group.config()));
    let (events, silent) = outage(System.now());
    write(group.config(), &events);
    group.make_topics();
    group.set("fetch.message.max.bytes", "1000");
    group.set("queued.min.messages", "1");
    group.set("fetch.queue.backoff.ms", "10");
    let (node, _) = group.start("a");
    let verdict = judged(&group, "four hours unheard", events.len(), &silent);
    assert_eq!(verdict, (0, 0, 0), "{}", node.said());
}

fn trigger(hold: &str) -> String {
    format!(
        "trigger: parcel-silent\nkind: status\nabout: A parcel is not seen any more.\n\
         owner: ops@shop.example\nwhen: {{event: parcel_sent, not_followed_by: \
         [parcel_seen], for: {hold}, per: event.parcel}}\nsend:\n  purpose: transactional\n  \
         via: [webhook]\n  message:\n    en: {{subject: Your parcel, body: \"Parcel \
         {{{{ event.parcel }}}}\"}}\n"
    )
}

/// Waits until as much is decided as must be; gives what was missed, doubled, and false.
fn judged(
    group: &Group,
    what: &str,
    events: usize,
    silent: &BTreeSet<String>,
) -> (usize, usize, usize) {
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
    let falsely = told_of.difference(silent).count();
    let duplicated = twice + told.len() - told_of.len();
    print((what, events, silent.len()), (missed, duplicated, falsely));
    (missed, duplicated, falsely)
}

/// Parcels of two days, and how long each may be silent.
const SHORT_HOLD: Span = Span::HOUR.times(6);
/// A shard hears several events an hour: no silence of the customers is as long.
const BLIND_AFTER: Span = Span::HOUR;

/// Two days with four hours in which nothing was appended: what was seen then is appended when the
/// source is back. With it the parcels that stay silent, each deadline longer by what was not heard.
fn outage(now: Timestamp) -> (Vec<Lying>, BTreeSet<String>) {
    let mut chance = fastrand::Rng::with_seed(0x_50_0c);
    let minutes = |count: i64| Span::MINUTE.times(count);
    let begin = now - Span::DAY.times(2);
    let (down, back) = (begin + Span::HOUR.times(20), begin + Span::HOUR.times(24));
    let mut all = Vec::new();
    let mut parcels = Vec::new();
    for number in 0..2_400 {
        let customer = format!("c{}", chance.u64(0..CUSTOMERS));
        let sent = begin + minutes(chance.i64(0..47 * 60));
        let due = sent + SHORT_HOLD;
        if (down..back).contains(&sent) || (now - MARGIN < due && due < now + MARGIN) {
            continue;
        }
        let seen = match chance.u64(0..10) {
            0..8 => Some(sent + minutes(chance.i64(10..5 * 60))),
            _ => None,
        };
        let late = back + minutes(chance.i64(1..10));
        let heard = seen.map(|seen| if (down..back).contains(&seen) { late } else { seen });
        let parcel = format!("p{number}");
        let told = heard.filter(|heard| *heard < now).map(|heard| ("parcel_seen", heard));
        for (name, appended) in [("parcel_sent", sent)].into_iter().chain(told) {
            let line = json!({"customer": customer, "event": name, "id": format!("{name} {parcel}"),
                              "at": appended.to_string(), "with": {"parcel": parcel}});
            all.push(Lying { appended, customer: customer.clone(), line: line.to_string() });
        }
        parcels.push((parcel, customer, sent, heard));
    }
    all.sort_by_key(|lying| lying.appended);
    // What each shard heard last before, and first after.
    let edge = |shard: u16| {
        let of_shard = || all.iter().filter(|lying| shard_of(&lying.customer, PARTITIONS) == shard);
        let last = of_shard().filter(|lying| lying.appended < down).map(|lying| lying.appended);
        let first = of_shard().filter(|lying| back <= lying.appended).map(|lying| lying.appended);
        (last.max().unwrap(), first.min().unwrap())
    };
    let edges: Vec<_> = (0..PARTITIONS).map(edge).collect();
    let silent = parcels.into_iter().filter_map(|(parcel, customer, sent, heard)| {
        let (last, first) = edges[usize::from(shard_of(&customer, PARTITIONS))];
        let due = sent + SHORT_HOLD;
        let is_unheard = sent <= last && BLIND_AFTER < due - last;
        let due = if is_unheard { due + (first - last) } else { due };
        (due < now && heard.is_none_or(|heard| due <= heard)).then_some(parcel)
    });
    let silent = silent.collect();
    (all, silent)
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(
    (what, events, silent): (&str, usize, usize),
    (missed, duplicated, falsely): (usize, usize, usize),
) {
    println!("{what}: events {events}  silent parcels {silent}");
    println!("{:>6} {:>11} {:>14}", "missed", "duplicated", "false absence");
    println!("{missed:>6} {duplicated:>11} {falsely:>14}");
}
