//! A million customers: how much memory each of them takes, and how long the service takes to start
//! with all of them, after a clean stop and after `kill -9` under load. Prints a table, asserts
//! nothing about time.
//!
//! `cargo bench --bench memory [-- --customers=1000000] [--only=shard]`
//!
//! The memory of a customer is the difference between the process with them and an empty one,
//! divided by their number: once for a shard alone, and for the whole service after a start, with
//! its caches and queues in it. A start is timed from the spawning of the process to the first
//! `/readyz` that says so; what the disk holds may be in the system's cache.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "a bench that is wrong stops where it stands"
)]

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::Fallible;
use common::load::{Numbers, Until, at_times, flat_out};
use common::meter::resident_bytes;
use common::people::{People, Request};
use common::process::{Place, Process};
use common::table::{Goal, Table};
use common::triggers;
use heedful::clock::{Clock as _, Stopwatch, System};
use heedful::decode::Arrival;
use heedful::engine::time::{Span, Timestamp};
use heedful::worker::Shard;

/// Customers unless the command line says otherwise.
const CUSTOMERS: u32 = 1_000_000;
const TRIGGERS: usize = 100;
/// Events of each customer, as in the workload.
const EVENTS_EACH: u64 = 10;
const BATCH: usize = 100;
const CONNECTIONS: usize = 16;
const BATCHES_EACH: usize = 40;
/// Requests are made anew after so many events: later customers come, too.
const EVENTS_AT_ONCE: u64 = (CONNECTIONS * BATCHES_EACH * BATCH) as u64;
/// The load under which the process is killed: batches per second, and for how long.
const KILLED_UNDER: (f64, Duration) = (100.0, Duration::from_secs(8));
/// How long the service may take to apply what it was sent.
const APPLIED_MAX: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(20);

fn main() -> Fallible<()> {
    let asked = |name: &'static str| {
        std::env::args().find_map(|arg| arg.strip_prefix(name).map(str::to_owned))
    };
    let customers = asked("--customers=").map_or(Ok(CUSTOMERS), |text| text.parse())?;
    let only = asked("--only=");
    let mut table = Table::new(format!("{customers} customers, {TRIGGERS} triggers"));
    if only.as_deref().is_none_or(|only| only == "shard") {
        shard(customers, &mut table)?;
    }
    if only.as_deref().is_none_or(|only| only == "service") {
        service(customers, &mut table)?;
    }
    table.print();
    Ok(())
}

/// A shard alone, over a day of events.
fn shard(customers: u32, table: &mut Table) -> Fallible<()> {
    let catalog = triggers::generated(TRIGGERS)?;
    let mut people = People::new(customers, 42);
    let events = u64::from(customers) * EVENTS_EACH;
    let step = Span::DAY.as_millis() as f64 / events.max(1) as f64;
    let start = Timestamp::from_millis(1_772_323_200_000);
    let mut line = String::new();
    let before = resident_bytes();
    let watch = Stopwatch::start();
    let mut shard = Shard::new(catalog);
    for number in 0..events {
        line.clear();
        let at = start + Span::from_millis((number as f64 * step) as i64);
        people.event(at, &mut line);
        // An id of its own for each.
        line.replace_range(14..28, &format!("m-{number:012}"));
        shard
            .apply_line(line.as_bytes(), (Arrival::replay(), 0), String::new)
            .map_err(|refusal| format!("{refusal}: {line}"))?;
    }
    let known = shard.customers().len().max(1);
    let each = resident_bytes().saturating_sub(before) as f64 / known as f64;
    let measured = format!("{known} known after {:.0} s", watch.elapsed().as_secs_f64());
    table.add("a shard in memory, per customer", measured, (each, "B"), Goal::AtMost(600.0));
    Ok(())
}

/// The process, filled over HTTP, started again twice.
fn service(customers: u32, table: &mut Table) -> Fallible<()> {
    let place = Place::new(TRIGGERS)?;
    let (process, took) = place.start()?;
    let empty = process.resident_bytes()?;
    let cpu = process.cpu()?.as_secs_f64();
    let started = format!("{:.1} MB resident, {cpu:.2} s cpu", empty as f64 / 1e6);
    table.add("start, empty", started, (took.as_secs_f64(), "s"), Goal::None);

    let watch = Stopwatch::start();
    let numbers = Numbers::default();
    let mut people = People::new(customers, 42);
    let events = u64::from(customers) * EVENTS_EACH;
    while numbers.take(0) < events {
        let requests = requests(&mut people);
        flat_out(process.address(), requests, &numbers, Until::Events(EVENTS_AT_ONCE))?;
    }
    let known = applied(&process)?.max(1.0);
    let seconds = watch.elapsed().as_secs_f64();
    println!("{events} events over HTTP for {known:.0} customers took {seconds:.0} s");
    let per_customer = |process: &Process| -> Fallible<f64> {
        Ok(process.resident_bytes()?.saturating_sub(empty) as f64 / known)
    };
    let each = per_customer(&process)?;
    let measured = format!("{:.0} k events/s decided", events as f64 / seconds / 1e3);
    table.add("the service that was filled, per customer", measured, (each, "B"), Goal::None);

    let stopping = process.stop()?.as_secs_f64();
    let (process, took) = place.start()?;
    let cpu = process.cpu()?.as_secs_f64();
    let measured = format!("{cpu:.2} s cpu, the stop took {stopping:.1} s");
    let took = (took.as_secs_f64(), "s");
    table.add("start after a clean stop", measured, took, Goal::AtMost(3.0));
    let each = per_customer(&process)?;
    let measured = format!("{:.0} MB in all", process.resident_bytes()? as f64 / 1e6);
    table.add("the service after it, per customer", measured, (each, "B"), Goal::AtMost(600.0));

    let load = requests(&mut people);
    at_times(process.address(), load, &numbers, KILLED_UNDER, &Stopwatch::start())?;
    process.kill()?;
    let (process, took) = place.start()?;
    let measured = format!(
        "{:.2} s cpu, under {:.0} events/s",
        process.cpu()?.as_secs_f64(),
        KILLED_UNDER.0 * BATCH as f64,
    );
    let took = (took.as_secs_f64(), "s");
    table.add("start after kill -9", measured, took, Goal::AtMost(3.0));
    process.kill()
}

fn requests(people: &mut People) -> Vec<Vec<Request>> {
    let now = System.now();
    let mut each =
        || (0..BATCHES_EACH).map(|_| Request::batch(people, BATCH, 0, now)).collect::<Vec<_>>();
    (0..CONNECTIONS).map(|_| each()).collect()
}

/// Waits until nothing is left to apply; says how many customers are known.
fn applied(process: &Process) -> Fallible<f64> {
    let watch = Stopwatch::start();
    let mut before = -1.0;
    loop {
        let applied = process.metric("heedful_inputs_applied_total")?;
        if applied == before && process.metric("heedful_behind_entries")? == 0.0 {
            return process.metric("heedful_customers");
        }
        if APPLIED_MAX < watch.elapsed() {
            return Err("the service does not come to an end of its events".into());
        }
        before = applied;
        std::thread::sleep(LOOK.saturating_mul(25));
    }
}
