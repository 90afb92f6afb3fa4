//! What a pool keeps when there is more than it can keep.

use super::*;
use crate::engine::testing::at;

fn id(number: usize) -> DecisionId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
    DecisionId::from_bytes(bytes)
}

fn waits(number: usize, worth: f64) -> PoolWaits {
    let noon = at("2026-03-02T12:00");
    let request = PoolRequest {
        trigger: "t".into(),
        purpose: "marketing".into(),
        channel: "sms".into(),
        micros: 1,
        priority: 0,
        worth,
        since: noon,
        expires_at: noon,
        asked_at: noon,
    };
    PoolWaits { decision: id(number), customer: CustomerId::new("c"), request }
}

#[test]
fn of_too_many_that_wait_the_best_stay() {
    let mut pool = Pool::default();
    (0..WAITING_MAX).for_each(|number| pool.wait(waits(number, 5.0)));
    pool.wait(waits(WAITING_MAX, 4.0));
    assert!(pool.waiting.iter().all(|waits| waits.decision != id(WAITING_MAX)), "worth less");
    pool.wait(waits(WAITING_MAX, 6.0));
    assert_eq!(pool.before(id(WAITING_MAX)), 0);
    assert_eq!(pool.waiting.len(), WAITING_MAX);
    assert!(pool.waiting.iter().all(|waits| waits.decision != id(WAITING_MAX - 1)), "the last");
}

#[test]
fn what_is_not_remembered_any_more_stays_spent() {
    let now = at("2026-03-02T12:00");
    let mut pool = Pool::default();
    let grant =
        |number| Grant { decision: id(number), micros: 3, at: now, kind: ContactKind::Reserved };
    assert!((0..OPEN_MAX).all(|number| pool.grant(grant(number))));
    assert!(!pool.grant(grant(OPEN_MAX)), "all of them may come back");
    pool.took(id(7), now);
    assert!(pool.grant(grant(OPEN_MAX)));
    let all = 3 * (OPEN_MAX as u64 + 1);
    assert_eq!(pool.used(Sending::On), all);
    pool.give_back(id(7), Back::All);
    assert_eq!(pool.used(Sending::On), all, "too late");
    pool.give_back(id(8), Back::Unused);
    assert_eq!(pool.used(Sending::On), all - 3);
}

#[test]
fn what_is_told_of_an_earlier_instant_was_not_used_before_it_was_granted() {
    let midnight = at("2026-03-03T00:00");
    let grant =
        |number, at| Grant { decision: id(number), micros: 5, at, kind: ContactKind::Reserved };
    let mut pool = Pool { from: midnight, ..Pool::default() };
    // The shard of its customer is behind: yesterday there.
    assert!(pool.grant(grant(1, midnight + Span::SECOND)));
    pool.took(id(1), midnight - Span::SECOND);
    assert_eq!(pool.used(Sending::On), 5);
    // Granted yesterday and used then, it is none of today's.
    assert!(pool.grant(grant(2, midnight - Span::MINUTE)));
    pool.took(id(2), midnight - Span::SECOND);
    assert_eq!(pool.used(Sending::On), 5);
}
