//! `explain` for pairs that fired, wait, or never met.

use super::fixture::{all_quiet, catalog, catalog_with};
use super::harness::{START, World};
use crate::engine::catalog::Catalog;
use crate::engine::customer::Latch;
use crate::engine::decision::{Detail, Reason, Rule, Truth, Verdict};
use crate::engine::explain::{Explanation, Wait, explain};
use crate::engine::operation::NO_OPERATIONS;
use crate::engine::policy::CapScope;
use crate::engine::slot::TriggerSlot;
use crate::engine::testing::{at, rolling, slot_of};
use crate::engine::time::Timestamp;
use crate::engine::value::Value;

fn explained(catalog: &Catalog, world: &World<'_>, trigger: &str, now: Timestamp) -> Explanation {
    explain(catalog, &world.customers["ann"], slot_of(catalog, trigger), &NO_OPERATIONS, now)
        .unwrap()
}

#[test]
fn a_pair_that_never_met_shows_what_it_waits_for_and_which_condition_fails() {
    let catalog = catalog(&["checkout", "cancel"]);
    let mut world = World::new(&catalog, START);
    world.line("0s set ticket=true");
    let why = explained(&catalog, &world, "cancel", at("2026-03-02T10:00"));
    assert!(matches!(why.waits[..], [Wait::Event { clause: 0, .. }]), "{:?}", why.waits);
    assert_eq!((why.first_failed, why.conditions[0].outcome), (Some(0), Truth::False));
    assert_eq!(why.conditions[0].seen[0].1, Some(Value::Num(0.0)));
    assert!(matches!(why.judgement.verdict, Verdict::Send { .. }));
    assert_eq!((why.free_at, why.last_contact), (Some(why.at), None));
    assert!(
        explain(&catalog, &world.customers["ann"], TriggerSlot(9), &NO_OPERATIONS, why.at)
            .is_none()
    );
}

#[test]
fn silence_under_way_shows_its_deadline_and_what_waits_shows_its_reason() {
    let catalog = catalog_with(&["checkout"], |shop| all_quiet(shop, "22:00-08:00"));
    let mut world = World::new(&catalog, "2026-03-02T20:58:00Z");
    world.line("0s Checkout cart=20");
    let why = explained(&catalog, &world, "checkout", at("2026-03-02T20:59"));
    let due = why.waits.iter().find_map(|wait| match wait {
        Wait::Silence { due, .. } => Some(*due),
        _ => None,
    });
    assert_eq!(due, Some(at("2026-03-02T21:01")));
    world.line("3m tick");
    let why = explained(&catalog, &world, "checkout", at("2026-03-02T21:02"));
    assert_eq!(why.deferred[0].reason, Reason::QuietHours);
    assert_eq!(why.free_at, Some(at("2026-03-03T07:00")));
}

#[test]
fn a_cap_names_who_holds_it_and_the_next_free_instant() {
    let catalog =
        catalog_with(&["big_cart"], |shop| shop.cap("1 per 24h", CapScope::All, rolling(1, "24h")));
    let mut world = World::new(&catalog, START);
    world.line("0s Checkout cart=100");
    let before = world.customers["ann"].clone();
    let why = explained(&catalog, &world, "big_cart", at("2026-03-02T10:00"));
    let cap = why.judgement.findings.iter().find(|finding| finding.rule == Rule::Caps).unwrap();
    let Detail::Cap { used: 1, at_most: 1, holders, .. } = &cap.detail else {
        panic!("{:?}", cap.detail)
    };
    assert_eq!(holders[..], [(at(START), slot_of(&catalog, "big_cart"))]);
    assert_eq!(why.free_at, Some(at("2026-03-03T09:00")));
    assert_eq!(why.last_contact.unwrap().at, at(START));
    assert_eq!(world.customers["ann"], before, "asking changes nothing");
}

#[test]
fn counts_sequences_scores_and_dates_show_how_far_they_are() {
    let catalog = catalog(&["pricing", "sequence", "risk", "renewal", "weekly", "hello"]);
    let mut world = World::new(&catalog, START);
    for line in [
        "0s Pricing",
        "30m Pricing",
        "31m A",
        "32m B",
        "33m score 0.8",
        "34m set renews=2026-03-05",
    ] {
        world.line(line);
    }
    let now = at("2026-03-02T10:05");
    let waits = |trigger: &str| explained(&catalog, &world, trigger, now).waits;
    let [Wait::Times { hits, needed: 3, .. }] = &waits("pricing")[..] else { panic!() };
    assert_eq!(hits[..], [vec![at("2026-03-02T09:30")]], "the first is too old by now");
    let [Wait::Sequence { steps: 3, reached: 2, started_at, .. }] = waits("sequence")[..] else {
        panic!()
    };
    assert_eq!(started_at, Some(at("2026-03-02T09:31")));
    let [Wait::Score { value: Some(_), latch, .. }] = waits("risk")[..] else { panic!() };
    assert_eq!(latch, Latch::Fired, "first seen beyond the line");
    let dues: Vec<_> = waits("renewal")
        .into_iter()
        .map(|wait| match wait {
            Wait::Date { offset_days, due, .. } => (offset_days, due),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(dues, [(-7, None), (-1, Some(at("2026-03-04T09:00")))]);
    assert_eq!(waits("weekly"), [Wait::Schedule { due: Some(at("2026-03-09T08:00")) }]);
    let [Wait::Session { ends_at, .. }] = waits("hello")[..] else { panic!() };
    assert_eq!(ends_at, Some(at("2026-03-02T10:02")));
}

#[test]
fn a_sequence_kept_apart_by_objects_shows_the_one_that_got_furthest() {
    let catalog = catalog_with(&["sequence"], |mut shop| {
        shop.triggers[0].per = Some(crate::engine::testing::OBJECT);
        shop
    });
    let mut world = World::new(&catalog, START);
    for line in ["0s A id=x", "1m A id=y", "2m B id=y"] {
        assert_eq!(world.line(line), "");
    }
    let why = explained(&catalog, &world, "sequence", at("2026-03-02T09:03"));
    let [Wait::Sequence { steps: 3, reached: 2, started_at, .. }] = why.waits[..] else {
        panic!("{:?}", why.waits)
    };
    assert_eq!(started_at, Some(at("2026-03-02T09:01")));
}
