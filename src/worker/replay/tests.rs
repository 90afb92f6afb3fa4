//! Replays do not depend on the number of shards, and notice every difference.

use super::*;
use crate::engine::policy::{Budget, Cap, CapScope, OnCap, Period, Shared};
use crate::engine::testing::rolling;
use crate::worker::testing::{Dice, after, catalog, line, open, small_shop};

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

#[test]
fn what_customers_share_is_given_out_alike_by_any_number_of_shards() {
    let mut shop = small_shop();
    let limit = rolling(3, "1h");
    let cap = Cap { name: "3 an hour".into(), scope: CapScope::All, limit, on_cap: OnCap::Defer };
    shop.policy.shared = Shared {
        account_caps: Box::new([cap]),
        prices: Box::new([Some(50_000); 4]),
        budgets: Box::new([Budget {
            name: "service".into(),
            purposes: 0b010,
            at_most: 1_500_000,
            currency: "EUR".into(),
            period: Period::Day,
        }]),
    };
    let catalog = Arc::new(open(shop));
    let replay = |shards, lines: &[String]| {
        let mut replay = Replay::new(&catalog, shards, |_| {});
        for customer in 0..25 {
            let json = format!(
                r#"{{"customer":"c{customer}","traits":{{"account":"a{}"}},"at":"{}"}}"#,
                customer % 3,
                after(0)
            );
            replay.line(json.as_bytes()).unwrap();
        }
        for line in lines {
            replay.line(line.as_bytes()).unwrap();
        }
        let mut report = replay.finish().unwrap();
        // They stand in the order in which they first came up in some shard.
        for funnel in report.funnels.values_mut() {
            funnel.reasons.sort_by(|one, other| one.reason.cmp(&other.reason));
        }
        report
    };
    let (mut capped, mut unpaid) = (0, 0);
    for seed in 0..10 {
        let lines = lines(seed, 400);
        let one = replay(1, &lines);
        assert_eq!(one, replay(8, &lines), "seed {seed}");
        let of = |reason| {
            let counts = one.rulings.iter().filter(|((_, _, why), _)| *why == Some(reason));
            counts.map(|(_, count)| count).sum::<u64>()
        };
        (capped, unpaid) = (capped + of(Reason::AccountCap), unpaid + of(Reason::Budget));
        assert!(one.funnels.values().all(Funnel::is_balanced));
        assert!(one.funnels["silent"].sent <= 30, "what is paid for");
        assert_eq!(one.customers, 25, "pools are none");
    }
    assert!(capped != 0 && unpaid != 0, "{capped} {unpaid}");
}
