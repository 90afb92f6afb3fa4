//! The service as a process of its own, over HTTP: how many events it makes durable in a second,
//! against its own `GET /healthz`, and how long it takes from an event to its durable decision.
//! Prints a table, asserts nothing about time.
//!
//! `cargo bench --bench http [-- --rounds=3] [--seconds=4]`; with `--batches=RATE` or `--singles=RATE`
//! only the latency of so many requests per second, which is for profiling.
//!
//! Generator and service share the machine, so that what both take of the processor for a request
//! decides how many there are in a second. Ratios are made of that time, because other programs on
//! the machine stretch only the wall's; rates per second are those of the wall. The latency is measured in an open loop: requests have times at which they
//! are due, and a decision's time counts from then on, however late its request could be sent. It
//! ends when the decision is read from `/api/v1/live`, where only what is on disk is told.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

#[path = "common/mod.rs"]
mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::Fallible;
use common::load::{Answered, Live, Numbers, Timed, Until, at_times, flat_out};
use common::meter::{self, median};
use common::people::{People, Request};
use common::process::{Place, Process};
use common::table::{Goal, Table};
use heedful::clock::{Clock as _, Stopwatch, System};

/// Rounds unless the command line says otherwise. The middle one counts.
const ROUNDS: usize = 3;
/// How long each row is measured, in seconds, unless the command line says otherwise.
const SECONDS: u64 = 4;
/// The service gets to know its customers for so long before anything counts.
const WARM_UP: Duration = Duration::from_secs(2);
/// As many that a customer has about as many events in all as they have in a day of the workload.
const CUSTOMERS: u32 = 1_000_000;
const TRIGGERS: usize = 100;
/// Events of a batch.
const BATCH: usize = 100;
/// Connections of each row: enough to keep the service busy.
const HEALTH_CONNECTIONS: usize = 64;
const BATCH_CONNECTIONS: usize = 32;
const SINGLE_CONNECTIONS: usize = 256;
/// Requests made beforehand for each connection.
const BATCHES_EACH: usize = 24;
const SINGLES_EACH: usize = 64;
/// Among single events one of so many is waited for.
const SINGLES_PER_MARKER: usize = 20;
/// How long decisions of the last events are waited for.
const DECIDED_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

fn main() -> Fallible<()> {
    let rounds = asked("--rounds=").unwrap_or(ROUNDS);
    let time = Duration::from_secs(asked("--seconds=").unwrap_or(SECONDS));
    let mut seen = Seen::default();
    for round in 1..=rounds {
        // Each with a store of its own: customers with a longer history cost more.
        let place = Place::new(TRIGGERS)?;
        let (process, _) = place.start()?;
        let mut people = People::new(CUSTOMERS, 42);
        let numbers = Numbers::default();
        let warm = batches(&mut people, 0);
        flat_out(process.address(), warm, &numbers, Until::Elapsed(WARM_UP))?;
        let mut bench = Bench { process: &process, people: &mut people, numbers: &numbers, time };
        if bench.only_latency()? {
            process.stop()?;
            continue;
        }
        bench.round(&mut seen)?;
        println!("round {round} of {rounds}: {}", seen.last());
        let [ruled, applied] = ["heedful_matched_total", "heedful_inputs_applied_total"]
            .map(|name| process.metric(name).unwrap_or_default());
        let matched = ruled * 100.0 / applied.max(1.0);
        println!("  of {applied:.0} events and outcomes {matched:.2} % matched");
        process.stop()?;
    }
    if !seen.health.is_empty() {
        seen.report();
    }
    Ok(())
}

fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().find_map(|arg| arg.strip_prefix(name)?.parse().ok())
}

/// Whether some of the events are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Markers {
    None,
    Some,
}

fn batches(people: &mut People, markers: usize) -> Vec<Vec<Request>> {
    let now = System.now();
    let each = |people: &mut People| {
        (0..BATCHES_EACH).map(|_| Request::batch(people, BATCH, markers, now)).collect()
    };
    (0..BATCH_CONNECTIONS).map(|_| each(people)).collect()
}

fn singles(people: &mut People, markers: Markers) -> Vec<Vec<Request>> {
    let now = System.now();
    let mut text = String::new();
    let mut single = |people: &mut People, number: usize| {
        text.clear();
        if markers == Markers::Some && number.is_multiple_of(SINGLES_PER_MARKER) {
            people.marker(now, &mut text);
        } else {
            people.event(now, &mut text);
        }
        Request::single(&text)
    };
    (0..SINGLE_CONNECTIONS)
        .map(|nth| (0..SINGLES_EACH).map(|number| single(people, nth + number)).collect())
        .collect()
}

/// One round.
struct Bench<'a> {
    process: &'a Process,
    people: &'a mut People,
    numbers: &'a Numbers,
    time: Duration,
}

/// What a row gave in one round.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    per_second: f64,
    /// Processor time of the service for each, in microseconds.
    micros: f64,
    /// And of the service and the generator together.
    together: f64,
}

impl Bench<'_> {
    fn round(&mut self, seen: &mut Seen) -> Fallible<()> {
        let health = vec![vec![Request::get("/healthz")]; HEALTH_CONNECTIONS];
        let (answered, rate) = self.flat_out(health)?;
        seen.health.push(Rate { per_second: answered.requests_per_second(), ..rate });

        let requests = singles(self.people, Markers::None);
        let (answered, rate) = self.flat_out(requests)?;
        seen.single.push(Rate { per_second: answered.events_per_second(), ..rate });
        let single_max = answered.events_per_second();

        let requests = batches(self.people, 0);
        let (watch, before) = (Stopwatch::start(), self.process.cpu()?);
        let (answered, rate) = self.flat_out(requests)?;
        seen.batch.push(Rate { per_second: answered.events_per_second(), ..rate });
        self.all_decided()?;
        let decided_after = self.process.cpu()?.saturating_sub(before);
        let decided_max = answered.events as f64 / watch.elapsed().as_secs_f64();
        let micros = decided_after.as_secs_f64() * 1e6 / answered.events.max(1) as f64;
        let together = micros + rate.together - rate.micros;
        seen.decided.push(Rate { per_second: decided_max, micros, together });

        let requests = batches(self.people, 1);
        let per_second = decided_max / 2.0 / BATCH as f64;
        seen.batch_latency.push(self.latency(requests, per_second)?);
        let requests = singles(self.people, Markers::Some);
        seen.single_latency.push(self.latency(requests, single_max / 2.0)?);
        Ok(())
    }

    /// Whether nothing but a latency was asked for, which is then told.
    fn only_latency(&mut self) -> Fallible<bool> {
        let mut asked_for = false;
        for (name, marked) in [("--batches=", true), ("--singles=", false)] {
            let Some(per_second) = asked(name) else { continue };
            self.all_decided()?;
            let requests = match marked {
                true => batches(self.people, 1),
                false => singles(self.people, Markers::Some),
            };
            println!("{name}{:.2?}", self.latency(requests, per_second)?);
            asked_for = true;
        }
        Ok(asked_for)
    }

    fn flat_out(&self, connections: Vec<Vec<Request>>) -> Fallible<(Answered, Rate)> {
        let before = self.process.cpu()?;
        let until = Until::Elapsed(self.time);
        let send = || flat_out(self.process.address(), connections, self.numbers, until);
        let (answered, own) = meter::together(send);
        let answered = answered?;
        let cpu = self.process.cpu()?.saturating_sub(before);
        if answered.other != 0 {
            println!("{} of {} requests got no 200", answered.other, answered.good);
        }
        let each = answered.events.max(answered.good).max(1) as f64;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / each;
        Ok((
            answered,
            Rate { micros: micros(cpu), together: micros(cpu + own.cpu), ..Rate::default() },
        ))
    }

    /// Waits until everything that was acknowledged is decided: events posted now come after it.
    fn all_decided(&mut self) -> Fallible<()> {
        let watch = Stopwatch::start();
        // So many that every shard has some.
        let markers = 64;
        let request = Request::batch(self.people, markers, markers, System.now());
        let first = self.numbers.take(0);
        self.heard(&watch, || {
            let until = Until::Events(1);
            flat_out(self.process.address(), vec![vec![request]], self.numbers, until)?;
            Ok((first..first + markers as u64).collect())
        })?;
        Ok(())
    }

    /// Sends something while listening, until all the decisions that it names were heard; gives
    /// what was heard, and how many of them never were.
    fn heard(
        &self,
        watch: &Stopwatch,
        send: impl FnOnce() -> Fallible<Vec<u64>>,
    ) -> Fallible<(Vec<(u64, Duration)>, usize)> {
        let live = Live::default();
        let address = self.process.address();
        std::thread::scope(|scope| {
            let (ready, begun) = mpsc::channel();
            let live = &live;
            let listening = scope.spawn(move || {
                let ready = || ready.send(()).unwrap_or_default();
                live.listen(address, watch, ready).map_err(|error| error.to_string())
            });
            let wait = begun.recv().map_err(|_| "the live stream does not begin".into());
            let sent = wait.and_then(|()| send());
            let waited = Stopwatch::start();
            let missing = sent.and_then(|wanted| {
                loop {
                    let seen = live.seen()?;
                    let seen: std::collections::BTreeSet<u64> =
                        seen.into_iter().map(|(number, _)| number).collect();
                    let missing = wanted.iter().filter(|number| !seen.contains(number)).count();
                    if missing == 0 || live.missed()? != 0 || DECIDED_MAX < waited.elapsed() {
                        return Ok(missing);
                    }
                    std::thread::sleep(LOOK);
                }
            });
            live.end();
            listening.join().map_err(|_| "the listener panicked")??;
            Ok((live.seen()?, missing?))
        })
    }

    fn latency(&self, requests: Vec<Vec<Request>>, per_second: f64) -> Fallible<Latency> {
        let watch = Stopwatch::start();
        let marked = requests.first().and_then(|all| all.first()).map_or(0, Request::events);
        let every_one = 1 < marked;
        let mut timed = Timed::default();
        let rate = (per_second, self.time);
        let (heard, missing) = self.heard(&watch, || {
            timed = at_times(self.process.address(), requests, self.numbers, rate, &watch)?;
            Ok(if every_one { timed.first.clone() } else { Vec::new() })
        })?;
        let due: std::collections::BTreeMap<u64, Duration> =
            timed.first.iter().copied().zip(timed.due.iter().copied()).collect();
        let mut decided: Vec<Duration> = Vec::new();
        for (number, at) in heard {
            if let Some(due) = due.get(&number) {
                decided.push(at.saturating_sub(*due));
            }
        }
        if timed.other != 0 || missing != 0 {
            println!("{} requests got no 200, {missing} decisions were not heard", timed.other);
        }
        Ok(Latency {
            per_second,
            answered: percentiles(timed.answered),
            count: decided.len(),
            decided: percentiles(decided),
        })
    }
}

/// Of one round, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Latency {
    /// Requests.
    per_second: f64,
    /// Middle and 99th percentile until the answer.
    answered: (f64, f64),
    /// And until the decision.
    decided: (f64, f64),
    /// Decisions heard.
    count: usize,
}

fn percentiles(mut all: Vec<Duration>) -> (f64, f64) {
    all.sort_unstable();
    let at = |share: usize| {
        let place = (all.len() * share / 100).min(all.len().saturating_sub(1));
        all.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    (at(50), at(99))
}

#[derive(Debug, Default)]
struct Seen {
    health: Vec<Rate>,
    single: Vec<Rate>,
    batch: Vec<Rate>,
    decided: Vec<Rate>,
    batch_latency: Vec<Latency>,
    single_latency: Vec<Latency>,
}

impl Seen {
    /// The latest round in short, for whoever waits.
    fn last(&self) -> String {
        let rate = |rates: &[Rate]| rates.last().map_or(0.0, |rate| rate.per_second / 1e3);
        let p99 = |all: &[Latency]| all.last().map_or((0.0, 0.0), |one| one.decided);
        format!(
            "healthz {:.1} k/s, single {:.1} k/s, batch {:.0} k/s, decided {:.0} k/s, p50/p99 batch \
             {:.1?} ms, single {:.1?} ms",
            rate(&self.health),
            rate(&self.single),
            rate(&self.batch),
            rate(&self.decided),
            p99(&self.batch_latency),
            p99(&self.single_latency),
        )
    }

    /// The ratio of each round to the baseline of the same round; the middle one.
    fn ratio(&self, rates: &[Rate]) -> f64 {
        let pairs = self.health.iter().zip(rates);
        median(pairs.map(|(base, rate)| base.together / rate.together).collect())
    }

    fn report(&self) {
        let title = format!(
            "HTTP to durable, {TRIGGERS} triggers, {CUSTOMERS} customers, own process, keep-alive"
        );
        let mut table = Table::new(title);
        for (what, rates, goal) in [
            ("GET /healthz, requests", &self.health, Goal::None),
            ("POST one event, durable", &self.single, Goal::AtLeast(0.35)),
            ("POST batches of 100, durable, events", &self.batch, Goal::AtLeast(4.0)),
            ("the same until all are decided", &self.decided, Goal::None),
        ] {
            let middle = |of: fn(&Rate) -> f64| median(rates.iter().map(of).collect());
            let per_second = middle(|rate| rate.per_second) / 1e3;
            let micros = middle(|rate| rate.micros);
            let wall = middle(|rate| rate.per_second)
                / median(self.health.iter().map(|base| base.per_second).collect());
            let measured = format!("{per_second:.1} k/s ({wall:.2} x), {micros:.2} us cpu");
            table.add(what, measured, (self.ratio(rates), "x"), goal);
        }
        for (what, all) in [
            ("event to decision, batches, half load, p99", &self.batch_latency),
            ("event to decision, single, half load, p99", &self.single_latency),
        ] {
            let middle = |of: fn(&Latency) -> f64| median(all.iter().map(of).collect());
            let measured = format!(
                "{:.0}/s, p50 {:.2} (200: {:.2}/{:.2})",
                middle(|one| one.per_second),
                middle(|one| one.decided.0),
                middle(|one| one.answered.0),
                middle(|one| one.answered.1),
            );
            table.add(what, measured, (middle(|one| one.decided.1), "ms"), Goal::AtMost(10.0));
        }
        let decisions = self.batch_latency.iter().chain(&self.single_latency);
        let least = decisions.map(|one| one.count).min().unwrap_or(0);
        println!("\nat least {least} decisions stand behind each percentile");
        table.print();
    }
}
