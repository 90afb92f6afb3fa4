//! From a file of events to decisions, in memory and durable, against a bare `serde_json` decode of
//! the same file: prints a table, asserts nothing about time.
//!
//! `cargo bench --bench decide [-- FILE] [--rounds=5]`. Ratios are made of processor time; events
//! per second are those of the wall.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

#[path = "common/mod.rs"]
mod common;
#[path = "decide/durable.rs"]
mod durable;

use std::hint::black_box;
use std::sync::Arc;

use common::meter::{self, Cost, median, nanos_each};
use common::table::{Goal, Table};
use common::workload::Workload;
use common::{Fallible, baseline, triggers};
use heedful::decode::Arrival;
use heedful::engine::catalog::Catalog;
use heedful::worker::Shard;

/// Rounds unless the command line says otherwise. The middle one counts.
const ROUNDS: usize = 5;
/// Lines that are read together, as the serving worker does.
const GROUP: usize = 32;

fn main() -> Fallible<()> {
    let workload = Workload::load()?;
    let lines = workload.lines();
    let rounds = rounds_asked();
    let [three, hundred, thousand] =
        [triggers::of_the_workload()?, triggers::generated(100)?, triggers::generated(1_000)?];
    let mut seen = Seen::default();
    for round in 1..=rounds {
        let (decoded, cost) = meter::alone(|| baseline::decode(&lines));
        if decoded != lines.len() {
            return Err(format!("{} lines are not decoded", lines.len() - decoded).into());
        }
        seen.baseline.push(cost);
        for (name, catalog, costs) in [
            ("3", &three, &mut seen.three),
            ("100", &hundred, &mut seen.hundred),
            ("1000", &thousand, &mut seen.thousand),
        ] {
            if is_asked(name) {
                let (rulings, cost) = in_memory(catalog, &lines);
                costs.add(rulings, cost);
            }
        }
        if is_asked("durable") {
            let (rulings, cost) = durable::decide(&hundred, &workload.text)?;
            seen.durable.add(rulings, cost);
        }
        println!("round {round} of {rounds}: {}", seen.last(lines.len()));
    }
    seen.report(&workload, lines.len());
    Ok(())
}

/// Whether a part is to be measured: all are, unless `--only=` names one (`3`, `100`, `1000`,
/// `durable`), which is for profiling.
fn is_asked(name: &str) -> bool {
    std::env::args().find_map(|arg| Some(arg.strip_prefix("--only=")? == name)).unwrap_or(true)
}

fn rounds_asked() -> usize {
    std::env::args().find_map(|arg| arg.strip_prefix("--rounds=")?.parse().ok()).unwrap_or(ROUNDS)
}

/// Decides over all events with nobody known at first; gives the rulings made.
fn in_memory(catalog: &Arc<Catalog>, lines: &[&str]) -> (u64, Cost) {
    let mut shard = Shard::new(catalog.clone());
    meter::alone(|| {
        let mut rulings = 0;
        for group in lines.chunks(GROUP) {
            let place = (Arrival::replay(), 0);
            let group = group.iter().map(|line| (line.as_bytes(), place));
            let mut read = shard.read_lines(group, |_| String::new());
            while let Some(applied) = black_box(shard.apply_next(&mut read)) {
                if let Ok(Some((_, stepped))) = applied {
                    let steps = stepped.iter();
                    rulings += steps.map(|(_, step)| step.rulings.len() as u64).sum::<u64>();
                }
            }
            shard.give_back(read);
        }
        rulings
    })
}

/// What one way of deciding cost in each round.
#[derive(Default)]
struct Costs {
    rulings: u64,
    costs: Vec<Cost>,
}

impl Costs {
    fn add(&mut self, rulings: u64, cost: Cost) {
        self.rulings = rulings;
        self.costs.push(cost);
    }

    fn cpu(&self, events: usize) -> f64 {
        median(self.costs.iter().map(|cost| nanos_each(cost.cpu, events)).collect())
    }

    fn wall(&self, events: usize) -> f64 {
        median(self.costs.iter().map(|cost| nanos_each(cost.wall, events)).collect())
    }
}

#[derive(Default)]
struct Seen {
    baseline: Vec<Cost>,
    three: Costs,
    hundred: Costs,
    thousand: Costs,
    durable: Costs,
}

impl Seen {
    /// The latest round in short, for whoever waits.
    fn last(&self, events: usize) -> String {
        let nanos = |cost: Option<&Cost>| {
            cost.map_or_else(String::new, |cost| format!("{:.0}", nanos_each(cost.cpu, events)))
        };
        let all = [&self.three, &self.hundred, &self.thousand, &self.durable];
        let all: Vec<_> = all.iter().map(|costs| nanos(costs.costs.last())).collect();
        format!("baseline {}, then {} ns", nanos(self.baseline.last()), all.join(", "))
    }

    /// The ratio of each round to the baseline of the same round; the middle one.
    fn ratio(&self, costs: &Costs) -> f64 {
        let pairs = self.baseline.iter().zip(&costs.costs);
        median(pairs.map(|(base, cost)| base.cpu.as_secs_f64() / cost.cpu.as_secs_f64()).collect())
    }

    fn report(&self, workload: &Workload, events: usize) {
        let title = format!("file to decision, {events} events of {}", workload.origin);
        let mut table = Table::new(title);
        let base = median(self.baseline.iter().map(|c| nanos_each(c.cpu, events)).collect());
        let bare = format!("{base:.0} ns/event");
        table.add("serde_json, bare decode", bare, (1.0, "x"), Goal::None);
        for (what, costs, goal) in [
            ("3 triggers, in memory", &self.three, 0.5),
            ("100 triggers, in memory", &self.hundred, 0.4),
            ("1,000 triggers, in memory", &self.thousand, 0.0),
            ("100 triggers, durable commits", &self.durable, 0.25),
        ] {
            let measured = format!(
                "{:.0} ns cpu, {:.0} wall, {:.1} % ruled",
                costs.cpu(events),
                costs.wall(events),
                costs.rulings as f64 * 100.0 / events.max(1) as f64
            );
            let goal = if 0.0 < goal { Goal::AtLeast(goal) } else { Goal::None };
            table.add(what, measured, (self.ratio(costs), "x"), goal);
        }
        let pairs = self.hundred.costs.iter().zip(&self.thousand.costs);
        let growth = pairs.map(|(few, many)| many.cpu.as_secs_f64() / few.cpu.as_secs_f64());
        let growth = (median(growth.collect()), "x");
        table.add("1,000 triggers against 100, cost", "", growth, Goal::AtMost(1.6));
        let same = if self.durable.rulings == self.hundred.rulings { "yes" } else { "NO" };
        println!("\nthe durable run ruled as the one in memory: {same}");
        table.print();
    }
}
