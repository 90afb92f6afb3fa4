//! The same inputs give the same decisions and states, however ticks and repeats fall among them.

use proptest::prelude::*;

use super::fixture::{all_quiet, catalog_with};
use super::harness::{START, World};
use crate::engine::catalog::Catalog;
use crate::engine::policy::CapScope;
use crate::engine::testing::{gap, rolling};
use crate::engine::time::Span;

fn everything() -> Catalog {
    let names = [
        "big_cart", "cancel", "checkout", "dwell", "goodbye", "hello", "outage", "parcel",
        "pricing", "renewal", "risk", "sequence", "upgrade", "weekly",
    ];
    catalog_with(&names, |shop| {
        all_quiet(shop, "21:00-07:00").cap("4 per 24h", CapScope::All, rolling(4, "24h")).cap(
            "20m apart",
            CapScope::All,
            gap("20m"),
        )
    })
}

fn input() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "Checkout cart=120",
        "Checkout cart=30",
        "Order",
        "Left",
        "Pricing",
        "Cancel",
        "Ticket",
        "Delayed id=P1 hours=30",
        "Scanned id=P1",
        "Scanned id=P2",
        "Delivered id=P1",
        "Delivered",
        "A",
        "B",
        "C",
        "page Product",
        "page Left",
        "Used",
        "broadcast Incident id=I1 service=billing",
        "broadcast Incident id=I2 service=search",
        "broadcast Incident_Resolved id=I1",
        "set plan=trial",
        "set plan=team",
        "set tier=vip",
        "set ticket=true",
        "set ticket=null",
        "set services=[billing,search]",
        "set renews=2026-03-10",
        "set renews=2026-03-05",
        "set timezone=America/New_York",
        "set timezone=Asia/Shanghai",
        "score 0.5",
        "score 0.65",
        "score 0.8",
        "consent no",
        "consent yes",
        "pause 30h",
        "erase",
        "same_id",
        "same_position",
    ]);
    plain.prop_map(str::to_owned)
}

/// Up to eight hours from one input to the next, most of them minutes.
fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0_i64..600_000, 2 => 0_i64..4_000_000, 1 => 0_i64..30_000_000]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn decisions_do_not_depend_on_when_ticks_come(
        inputs in prop::collection::vec((wait(), input(), prop::bool::ANY), 1..60),
        every in prop::sample::select(vec![1_000_003_i64, 600_011, 7_777_777]),
    ) {
        let catalog = everything();
        let mut plain = World::new(&catalog, START);
        let mut ticking = World::new(&catalog, START);
        ticking.tick_every(Span::from_millis(every));
        let mut at = 0;
        for (wait, input, is_bobs) in inputs {
            at += wait;
            // What repeats needs something to repeat.
            if input.starts_with("same") && !plain.can_repeat() {
                continue;
            }
            let name = if is_bobs && !input.starts_with("same") { "bob: " } else { "" };
            let line = format!("{} {name}{input}", Span::from_millis(at));
            plain.line(&line);
            ticking.line(&line);
        }
        let end = Span::from_millis(at + Span::DAY.times(20).as_millis());
        for name in ["ann", "bob"] {
            plain.line(&format!("{end} {name}: tick"));
            ticking.line(&format!("{end} {name}: tick"));
        }
        let (mut left, mut right) = (plain.history.clone(), ticking.history.clone());
        left.sort();
        right.sort();
        prop_assert_eq!(left, right);
        prop_assert_eq!(plain.customers, ticking.customers);
    }
}
