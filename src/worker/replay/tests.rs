//! Replays do not depend on the number of shards, and notice every difference.

use super::*;
use crate::worker::testing::{Dice, after, catalog, line};

fn lines(seed: u64, count: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut at = 0;
    (0..count)
        .map(|number| {
            at += i64::try_from(dice.below(40)).unwrap();
            let customer = format!("c{}", dice.below(25));
            let name = ["Ping", "Order", "Order", "Other"][usize::try_from(dice.below(4)).unwrap()];
            // Some ids come twice.
            let id = format!("e{}", number - dice.below(2).min(number));
            line(&customer, name, &id, after(at))
        })
        .collect()
}

fn replay(shards: u16, lines: &[String]) -> Report {
    let mut rulings = 0_u64;
    let mut replay = Replay::new(&catalog(), shards, |_| rulings += 1);
    for line in lines {
        replay.line(line.as_bytes()).unwrap();
    }
    let report = replay.finish().unwrap();
    assert_eq!(rulings, report.rulings.values().sum::<u64>());
    report
}

#[test]
fn one_shard_and_eight_give_the_same() {
    for seed in 0..20 {
        let lines = lines(seed, 400);
        let one = replay(1, &lines);
        assert_eq!(one, replay(8, &lines), "seed {seed}");
        assert_eq!(one, replay(1, &lines), "seed {seed}, again");
        assert!(one.funnels.values().all(Funnel::is_balanced));
        assert!(one.funnels["silent"].sent != 0 && one.funnels["helper"].task != 0);
        assert!(one.duplicates != 0 && one.customers == 25);
    }
}

#[test]
fn a_difference_shows_in_the_hashes() {
    let lines = lines(7, 400);
    let whole = replay(1, &lines);
    let but_one = replay(1, &lines[..399]);
    assert_ne!(whole.state_hash, but_one.state_hash);
    let pings = |line: &String| !line.contains("Ping");
    let fewer: Vec<_> = lines.iter().filter(|line| pings(line)).cloned().collect();
    assert_ne!(whole.decisions_hash, replay(1, &fewer).decisions_hash);
}

#[test]
fn timers_fire_up_to_the_last_event_and_no_further() {
    let order = line("a", "Order", "o1", after(0));
    let early = [order.clone(), line("b", "Other", "x", after(599))];
    assert_eq!(replay(1, &early).funnels.len(), 0);
    let late = [order, line("b", "Other", "x", after(600))];
    assert_eq!(replay(1, &late).funnels["silent"].sent, 1);
}

#[test]
fn refused_lines_are_counted_and_the_rest_goes_on() {
    let mut replay = Replay::new(&catalog(), 1, |_| {});
    assert!(replay.line(b"{\"event\":").is_err());
    assert!(replay.line(b"{\"event\":\"Ping\"}").is_err());
    replay.line(line("a", "Ping", "p1", after(0)).as_bytes()).unwrap();
    let report = replay.finish().unwrap();
    assert_eq!((report.applied, report.refused.values().sum::<u64>()), (1, 2));
}
