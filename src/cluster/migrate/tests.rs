//! Counts of triggers add up before and after, and time goes on where it was.

use super::*;
use crate::clock::System;
use crate::config::KafkaConfig;
use crate::engine::decision::VerdictKind;
use crate::log::memory::Memory;
use crate::store::Options;
use crate::store::view::Funnel;

fn record(customer: &str, verdict: &str) -> DecisionRecord {
    serde_json::from_value(serde_json::json!({
        "id": "0a", "customer": customer, "trigger": "cart", "occurrence": "o",
        "caused_at": "2026-03-01T00:00:00.000Z", "decided_at": "2026-03-01T00:00:00.000Z",
        "ruled_at": "2026-03-01T00:00:00.000Z", "verdict": verdict, "why": "",
        "versions": {"trigger": "", "policy": "", "catalog": "", "engine": ""}, "dry_run": false,
    }))
    .unwrap()
}

fn funnels(changes: &[Change]) -> Vec<(u16, Funnel)> {
    let funnel = |change: &Change| {
        (change.shard, serde_json::from_slice(change.value.as_deref().unwrap()).unwrap())
    };
    changes.iter().map(funnel).collect()
}

#[test]
fn what_may_be_ruled_again_is_counted_where_its_customer_is() {
    let before = Funnel { matched: 9, sent: 5, deferred: 3, task: 1, ..Funnel::new("cart") };
    let value = serde_json::to_vec(&before).unwrap();
    let mut shared = Funnels::new(2, 4);
    shared.add(0, &value).unwrap();
    shared.add(1, &value).unwrap();
    shared.is_open(3, &record("a", "deferred"));
    shared.is_open(3, &record("b", "sent"));
    shared.is_open(0, &record("c", "deferred"));
    let after = funnels(&shared.shared_out().unwrap());
    let standing = |shard: u16, kind| {
        after.iter().find(|(of, _)| *of == shard).map(|(_, funnel)| funnel.standing(kind))
    };
    assert_eq!(standing(3, VerdictKind::Defer), Some(1));
    assert_eq!(standing(3, VerdictKind::Send), Some(1));
    assert_eq!(standing(0, VerdictKind::Defer), Some(5));
    assert_eq!(after.iter().map(|(_, funnel)| funnel.matched).sum::<u64>(), 18);
    assert!(after.iter().all(|(_, funnel)| funnel.is_balanced()), "{after:?}");
}

#[test]
fn with_as_many_shards_as_before_counts_stay_where_they_are() {
    let mut same = Funnels::new(2, 2);
    let value = |matched| {
        serde_json::to_vec(&Funnel { matched, deferred: matched, ..Funnel::new("cart") }).unwrap()
    };
    same.add(0, &value(1)).unwrap();
    same.add(1, &value(2)).unwrap();
    same.is_open(1, &record("a", "deferred"));
    let counts: Vec<_> = funnels(&same.shared_out().unwrap())
        .into_iter()
        .map(|(of, all)| (of, all.matched))
        .collect();
    assert_eq!(counts, [(0, 1), (1, 2)]);
}

#[test]
fn time_goes_on_where_the_slowest_shard_was_and_the_time_between_was_blind() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let settings = Settings::new(&KafkaConfig::new("127.0.0.1:1"), "test");
    let log = Memory::new(1, System::shared());
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let (now, partitions) = (at(1_000), 4);
    let moving = Move { settings: &settings, store: &store, log: &log, partitions, now };
    let gap = BlindGap::down(at(10), at(20));
    let mark = |ticked, wall| Mark {
        position: 7,
        heard: 7,
        ticked: at(ticked),
        wall: at(wall),
        revision: "r".to_owned(),
        blind: vec![gap],
        ..Mark::default()
    };
    let new = moving.mark(&[mark(80, 100), Mark::default(), mark(90, 101)]);
    assert_eq!((new.position, new.heard, new.shards), (0, 0, 4));
    assert_eq!((new.ticked, new.wall, &*new.revision), (at(80), now, "r"));
    assert_eq!(new.blind, [gap, BlindGap::down(at(101), now)]);
    assert_eq!(moving.mark(&[mark(80, 950)]).blind, [gap]);
}

#[test]
fn what_was_not_left_in_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let mark = Mark { position: 3, heard: 5, ..Mark::default() };
    store.commit(&mut [crate::store::Batch { mark, ..Default::default() }]).unwrap();
    let settings = Settings::new(&KafkaConfig::new("127.0.0.1:1"), "test");
    let log = Memory::new(1, System::shared());
    let now = Timestamp::default();
    let moving = Move { settings: &settings, store: &store, log: &log, partitions: 4, now };
    let refused = moving.make(Mode::Real).unwrap_err().to_string();
    assert!(refused.contains("not ended in order"), "{refused}");
    assert_eq!(Store::moved_to(dir.path()).unwrap(), None);
}
