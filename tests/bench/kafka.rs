//! A node on a real broker: what an event costs from the topic to its committed decision, against a
//! bare loop that only polls; how long a transaction takes; how long from an event to its decision;
//! how fast a node works off what came while it was away; how fast shards are restored; how much goes
//! to the changelog. Prints a table, asserts nothing.
//!
//! `cargo bench --bench kafka [-- --events=1000000] [--customers=100000]`. Needs a JDK and Maven, as the
//! tests do. Ratios are made of processor time; the broker's is nobody's here.

#[path = "kafka/broker.rs"]
mod broker;
#[path = "common/mod.rs"]
mod common;
#[path = "kafka/delay.rs"]
mod delay;
#[path = "kafka/recovery.rs"]
mod recovery;
#[path = "kafka/topic.rs"]
mod topic;

use std::time::Duration;

use common::Fallible;
use common::meter::{self, Cost, median, nanos_each};
use common::process::{Place, Process};
use common::table::{Goal, Table};
use heedful::clock::Stopwatch;
use heedful::config::KafkaConfig;
use heedful::kafka::settings::Settings;
use heedful::kafka::topics::Names;
use heedful::kafka::transaction::{Outgoing, Transactions};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

/// Events and customers unless the command line says otherwise: as many as the reference workload has.
const EVENTS: usize = 1_000_000;
const CUSTOMERS: u32 = 100_000;
const TRIGGERS: usize = 100;
const PARTITIONS: u16 = 6;
/// Decisions in a transaction that is timed, and their size.
const DECISIONS: usize = 1_000;
const DECISION_BYTES: usize = 1_200;
/// Transactions that are timed.
const TRANSACTIONS: usize = 50;
/// How long a node may take for all events.
const CAUGHT_UP_MAX: Duration = Duration::from_mins(10);
const LOOK: Duration = Duration::from_millis(5);
/// What comes while a node is away is this part of what half a core decides.
const ARRIVAL: f64 = 5.0;

fn main() -> Fallible<()> {
    let asked = |name| std::env::args().find_map(|arg| arg.strip_prefix(name)?.parse().ok());
    let count = asked("--events=").unwrap_or(EVENTS);
    let customers = asked("--customers=").and_then(|count| u32::try_from(count).ok());
    let customers = customers.unwrap_or(CUSTOMERS);
    let broker = broker::Broker::up()?;
    let mut config = KafkaConfig::new(broker.servers());
    config.prefix = "bench".to_owned();
    config.group = "bench".to_owned();
    config.events = "bench.events".to_owned();
    config.partitions = PARTITIONS;
    config.replication = 1;
    let place = Place::new(TRIGGERS)?;
    topic::configure(&place, &config)?;
    topic::fill(&config, count, customers)?;

    let (polled, bare) = meter::together(|| topic::poll(&config, count));
    polled?;
    let (process, decided, all) = decide(&place, &config, count)?;
    let changelog = broker.bytes_of("bench.changelog")? / count as f64;
    // Half of what one core does.
    let rate = count as f64 / decided.cpu.as_secs_f64() / 2.0;
    let delays = delay::measure(&process, &config, rate)?;
    // By itself, or the next one would wait for the end of its session.
    process.stop()?;
    let arrival = rate / ARRIVAL;
    let recovered = recovery::measure(&place, &config, arrival)?;
    recovered.process.stop()?;
    let restored = restore(&place, all)?;
    let transactions = transactions(&config)?;

    let mut table = Table::new(format!("a node on Kafka, {count} events, {TRIGGERS} triggers"));
    let each = |cost: Cost| {
        let (cpu, wall) = (nanos_each(cost.cpu, count), nanos_each(cost.wall, count));
        (cpu, format!("{cpu:.0} ns cpu, {wall:.0} wall"))
    };
    let ((polls, told), (decides, told_too)) = (each(bare), each(decided));
    table.add("bare poll loop", told, (1.0, "x"), Goal::None);
    table.add("topic to committed decision", told_too, (polls / decides, "x"), Goal::AtLeast(0.25));
    let told = format!("{DECISIONS} decisions of {DECISION_BYTES} B");
    table.add("transaction, p50", told, (median(transactions), "ms"), Goal::AtMost(10.0));
    let told = format!("{} at {:.0} a second", delays.len(), rate);
    let p99 = delay::percentile(&delays, 99);
    table.add("event to decision, p99", told, (p99, "ms"), Goal::AtMost(250.0));
    let recovery = recovered.backlog as f64 / recovered.took.as_secs_f64();
    let told = format!(
        "{} in {:.2} s, {recovery:.0} a second while {arrival:.0} come",
        recovered.backlog,
        recovered.took.as_secs_f64()
    );
    table.add("lag recovery", told, (recovery / arrival, "x"), Goal::AtLeast(5.0));
    let Restored { took, reading, messages } = restored;
    let told = format!("{all} customers in {:.2} s", took.as_secs_f64());
    let per_second = |count: u64, time: Duration| count as f64 / time.as_secs_f64() / 1e3;
    let goal = Goal::AtLeast(200.0);
    table.add("restore, with the start of the process", told, (per_second(all, took), "k/s"), goal);
    let told = format!("{messages} messages in {:.2} s", reading.as_secs_f64());
    table.add("restore alone", told, (per_second(all, reading), "k/s"), Goal::AtLeast(200.0));
    table.add("changelog", "bytes per event", (changelog, "B"), Goal::AtMost(30.0));
    table.print();
    Ok(())
}

/// A node works off all events; gives what that cost, and how many customers there are then.
fn decide(place: &Place, config: &KafkaConfig, count: usize) -> Fallible<(Process, Cost, u64)> {
    let (process, _) = place.start_with(&["--config", "heedful.yaml"])?;
    let watch = Stopwatch::start();
    while !topic::is_worked_off(config, count)? {
        if CAUGHT_UP_MAX < watch.elapsed() {
            return Err(format!("it does not catch up: {}", place.said()?).into());
        }
        std::thread::sleep(LOOK);
    }
    // From its start, so that nothing is left out: it is ready only when it has caught up.
    let cost = Cost { wall: process.age(), cpu: process.cpu()? };
    let customers = process.metric("heedful_customers")?;
    Ok((process, cost, format!("{customers:.0}").parse()?))
}

/// How a node with an empty folder came to all shards of those before.
struct Restored {
    /// From the start of the process until it serves.
    took: Duration,
    /// The slowest shard alone, as the process says: they are restored side by side.
    reading: Duration,
    /// Messages of the changelog in all shards.
    messages: u64,
}

fn restore(place: &Place, customers: u64) -> Fallible<Restored> {
    std::fs::remove_dir_all(place.path().join("data"))?;
    let (process, took) = place.start_with(&["--config", "heedful.yaml"])?;
    let there = process.metric("heedful_customers")?;
    if there < customers as f64 {
        return Err(format!("{there} of {customers} customers were restored").into());
    }
    process.stop()?;
    let said = place.said()?;
    let restored = said.lines().filter(|line| line.contains("shard restored"));
    let shards: Vec<Shard> = restored.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let slowest = shards.iter().map(|shard| shard.millis).max().ok_or("no shard was restored")?;
    let messages = shards.iter().map(|shard| shard.messages).sum();
    Ok(Restored { took, reading: Duration::from_millis(slowest), messages })
}

/// What the process says of a shard.
#[derive(serde::Deserialize)]
struct Shard {
    messages: u64,
    millis: u64,
}

/// How long transactions of many decisions take, in milliseconds each.
fn transactions(config: &KafkaConfig) -> Fallible<Vec<f64>> {
    let settings = Settings::new(config, "bench");
    let names = Names::new(config);
    let transactions = Transactions::begin_as(&settings, "bench")?;
    let member: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", "bench-transactions")
        .create()?;
    let group = member.group_metadata().ok_or("no group")?;
    let decision = vec![b'x'; DECISION_BYTES];
    let mut took = Vec::new();
    for _ in 0..TRANSACTIONS {
        let watch = Stopwatch::start();
        transactions.begin()?;
        for number in 0..DECISIONS {
            transactions.send(Outgoing {
                topic: &names.decisions,
                partition: u16::try_from(number % usize::from(PARTITIONS))?,
                key: number.to_string().as_bytes(),
                value: Some(&decision),
                headers: &[],
            })?;
        }
        transactions.commit(&[], &group, &names.decisions)?;
        took.push(watch.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}
