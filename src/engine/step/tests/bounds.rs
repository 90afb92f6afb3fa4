//! Time that stands still, windows that slide, lists that are full, catalogs that change.

use super::fixture::{catalog, catalog_of_health, catalog_with, compare};
use super::harness::{START, World};
use crate::engine::catalog::{Catalog, ScoreSource};
use crate::engine::condition::{Comparison, Expr};
use crate::engine::customer::{CustomerState, Latch, SEEN_MAX, TIMELINE_MAX, TIMERS_MAX};
use crate::engine::decision::{Applied, Decision, Verdict};
use crate::engine::id::CustomerId;
use crate::engine::input::{Body, Event, Input, Reach, View};
use crate::engine::slot::{EventSlot, PurposeSlot, ScoreSlot, TraitSlot, TriggerSlot};
use crate::engine::step::{bind, step};
use crate::engine::testing::{at, customer};
use crate::engine::time::Timestamp;
use crate::engine::timer::{Timer, TimerKind};
use crate::engine::value::{Property, Value};

fn slot_of(names: &[std::sync::Arc<str>], name: &str) -> u16 {
    u16::try_from(names.iter().position(|known| **known == *name).unwrap()).unwrap()
}

/// One event of a customer, about an object or none.
fn hear(
    catalog: &Catalog,
    state: &mut CustomerState,
    (name, id, object): (&str, &str, Option<&str>),
    at: Timestamp,
) -> Decision {
    let mut properties = vec![Property::Missing; catalog.properties.len()];
    if let Some(object) = object {
        properties[0] = Property::Str(object);
    }
    let event = Event {
        id,
        name: Some(EventSlot(slot_of(&catalog.events, name))),
        view: View::Other,
        occurred_at: at,
        properties: &properties,
        traits: &[],
        reach: Reach::Live,
    };
    step(catalog, state, &Input { at, position: 0, body: Body::Event(event) }, &[])
}

#[test]
fn engine_time_never_goes_back() {
    let catalog = catalog(&["hello"]);
    let mut state = customer("ann");
    let late = hear(&catalog, &mut state, ("Used", "1", None), at("2026-03-02T09:00"));
    assert_eq!(late.rulings[0].at, at("2026-03-02T09:00"));
    hear(&catalog, &mut state, ("Used", "2", None), at("2026-03-02T08:59"));
    assert_eq!(state.now, at("2026-03-02T09:00"));
    let input = Input { at: at("2026-03-02T08:00"), position: 7, body: Body::Tick };
    step(&catalog, &mut state, &input, &[]);
    assert_eq!((state.now, state.applied), (at("2026-03-02T09:00"), 7));
}

#[test]
fn an_id_is_a_duplicate_among_the_last_so_many() {
    let catalog = catalog(&[]);
    let mut state = customer("ann");
    let now = at("2026-03-02T09:00");
    for number in 0..SEEN_MAX + 3 {
        let id = number.to_string();
        let heard = hear(&catalog, &mut state, ("Used", &id, None), now);
        assert_eq!(heard.applied, Applied::Applied);
    }
    assert_eq!(state.recent.marks().len(), SEEN_MAX);
    let mut again = |id: &str| hear(&catalog, &mut state, ("Used", id, None), now).applied;
    assert_eq!(again("3"), Applied::Duplicate, "the oldest still remembered");
    assert_eq!(again("258"), Applied::Duplicate, "the newest");
    assert_eq!(again("2"), Applied::Applied, "the newest forgotten");
    assert_eq!(again("3"), Applied::Applied, "which took the place of the oldest");
}

#[test]
fn more_silences_than_fit_drop_the_oldest_and_say_so() {
    let catalog = catalog(&["parcel"]);
    let mut state = customer("ann");
    let mut dropped = 0;
    for number in 0..TIMERS_MAX + 5 {
        let (id, object) = (number.to_string(), format!("P{number}"));
        let now = at("2026-03-02T09:00") + crate::engine::time::Span::SECOND.times(number as i64);
        dropped += hear(&catalog, &mut state, ("Scanned", &id, Some(&object)), now).dropped;
    }
    // One of the timers watches the session.
    assert_eq!((dropped, state.timers.len()), (6, TIMERS_MAX));
    let first_left = state.timers.iter().find_map(|timer| match &timer.kind {
        TimerKind::Absence { cause, .. } => cause.object.clone(),
        _ => None,
    });
    assert_eq!(first_left.as_deref(), Some("P6"));
}

#[test]
fn the_timeline_keeps_the_last_events_in_the_order_in_which_they_occurred() {
    let catalog = catalog(&[]);
    let mut world = World::new(&catalog, START);
    for minute in 10..10 + TIMELINE_MAX + 2 {
        world.line(&format!("{minute}m Used"));
    }
    world.line("40m Order occurred=20m30s");
    world.line("41m Left occurred=1m");
    let ann = &world.customers["ann"];
    assert_eq!(ann.recent.timeline().len(), TIMELINE_MAX);
    assert!(ann.recent.timeline().is_sorted_by_key(|event| event.at()));
    let order = EventSlot(slot_of(&catalog.events, "Order"));
    assert_eq!(ann.recent.timeline().position(|event| event.event() == order), Some(8));
    let left = EventSlot(slot_of(&catalog.events, "Left"));
    assert!(
        ann.recent.timeline().all(|event| event.event() != left),
        "older than all that is kept"
    );
}

#[test]
fn a_customer_never_heard_of_is_bound_by_the_first_event() {
    let catalog = catalog_of_health(&["weekly", "unwell"]);
    let mut state = CustomerState::new(CustomerId::new("new"), at("2026-03-02T09:00"));
    let tick = Input { at: at("2026-03-02T09:30"), position: 0, body: Body::Tick };
    step(&catalog, &mut state, &tick, &[]);
    assert!(state.timers.is_empty(), "time alone makes nobody a customer");
    hear(&catalog, &mut state, ("Order", "1", None), at("2026-03-02T10:00"));
    let count = |wanted: fn(&TimerKind) -> bool| {
        state.timers.iter().filter(|timer| wanted(&timer.kind)).count()
    };
    assert_eq!(count(|kind| matches!(kind, TimerKind::Schedule { .. })), 1);
    assert_eq!(count(|kind| matches!(kind, TimerKind::Rescore { .. })), 1);
    assert!(state.rare.scores.is_empty(), "nothing was measured yet");
}

#[test]
fn binding_twice_arms_nothing_twice() {
    let catalog = catalog_of_health(&["weekly", "unwell", "renewal", "checkout"]);
    let mut state = customer("ann");
    state
        .traits
        .push((TraitSlot(slot_of(&catalog.traits, "renews")), Value::Str("2026-03-20".into())));
    state.traits.sort_by_key(|(slot, _)| *slot);
    let now = state.now;
    bind(&catalog, &mut state, now);
    assert_eq!(state.timers.len(), 4, "{:?}", state.timers);
    let once = state.clone();
    bind(&catalog, &mut state, now);
    assert_eq!(state, once);
}

#[test]
fn what_fell_due_before_a_reload_still_fires_and_what_is_new_never_acts_on_the_past() {
    let old = catalog(&["renewal"]);
    let mut world = World::new(&old, "2026-01-10T00:00:00Z");
    world.line("0s set renews=2026-01-20");
    let mut state = world.customers["ann"].clone();
    // Both catalogs have `renewal` at slot 0; the new one also has a weekly trigger.
    let new = catalog(&["renewal", "weekly"]);
    // Nobody looked at the customer for five days, a Monday and the first renewal among them.
    bind(&new, &mut state, at("2026-01-15T00:00"));
    let tick = Input { at: at("2026-01-25T00:00"), position: 0, body: Body::Tick };
    let fired = step(&new, &mut state, &tick, &[]).rulings;
    let fired: Vec<_> = fired.iter().map(|ruling| (ruling.trigger.0, ruling.at)).collect();
    let renewal = [at("2026-01-13T09:00"), at("2026-01-19T09:00")];
    assert_eq!(fired, [(0, renewal[0]), (1, at("2026-01-19T08:00")), (0, renewal[1])]);
}

#[test]
fn a_change_of_model_alone_fires_nothing() {
    let old = catalog_of_health(&["unwell"]);
    let mut world = World::new(&old, START);
    for minute in 0..5 {
        world.line(&format!("{minute}m Used"));
    }
    let mut state = world.customers["ann"].clone();
    assert_eq!(state.rare.scores[0].value.to_string(), "50");
    let mut new = catalog_of_health(&["unwell"]);
    if let ScoreSource::Scorecard(card) = &mut new.scores[0].source {
        card.measures[0].value = Expr::Literal(Value::Num(1.0));
    }
    let now = state.now;
    bind(&new, &mut state, now);
    assert_eq!(state.rare.scores[0].value.to_string(), "10");
    let fired = hear(&new, &mut state, ("Used", "x", None), at("2026-03-02T10:00")).rulings;
    assert!(fired.is_empty(), "{fired:?}");
    // Back over the line and below it again is a crossing, of which time is the cause.
    bind(&old, &mut state, at("2026-03-02T10:00"));
    let tick = Input { at: at("2026-03-04T09:00"), position: 0, body: Body::Tick };
    let fired = step(&old, &mut state, &tick, &[]).rulings;
    assert_eq!(fired.len(), 1, "{fired:?}");
}

#[test]
fn a_latch_that_was_armed_again_is_set_by_the_new_model() {
    let old = catalog_of_health(&["unwell"]);
    let mut world = World::new(&old, START);
    for line in ["0s Used", "1s Used", "2s Used", "3s Used", "4s Used", "30h tick"] {
        world.line(line);
    }
    assert_eq!(world.history.len(), 1);
    for line in ["31h Used", "31h1s Used", "31h2s Used", "31h3s Used", "31h4s Used"] {
        world.line(line);
    }
    let mut state = world.customers["ann"].clone();
    assert_eq!(
        (state.progress[0].latch, state.rare.scores[0].value.to_string()),
        (Latch::Armed, "50".to_owned())
    );
    let mut new = catalog_of_health(&["unwell"]);
    if let ScoreSource::Scorecard(card) = &mut new.scores[0].source {
        card.measures[0].scale = Box::new([(0.0, 0.0), (100.0, 100.0)]);
    }
    let now = state.now;
    bind(&new, &mut state, now);
    // 5 points by the new model, 6 with the next event: beyond the line, and never crossed.
    let fired = hear(&new, &mut state, ("Used", "x", None), now).rulings;
    assert!(fired.is_empty(), "{fired:?}");
}

#[test]
fn what_falls_due_together_fires_in_one_order_however_it_was_armed() {
    let mut catalog = catalog_of_health(&["weekly"]);
    let low = compare(Comparison::Less, Expr::Score(ScoreSlot(0)), Value::Num(30.0));
    catalog.triggers[0].conditions = Box::new([low]);
    let mut world = World::new(&catalog, START);
    for line in ["0s Used", "1s Used", "2s Used", "3s Used"] {
        world.line(line);
    }
    let together = at("2026-03-09T08:00");
    let kinds = [
        TimerKind::Rescore { score: ScoreSlot(0) },
        TimerKind::Schedule { trigger: TriggerSlot(0) },
    ];
    let fire = |kinds: [TimerKind; 2]| {
        let mut state = world.customers["ann"].clone();
        state.timers = kinds.into_iter().map(|kind| Timer { due: together, kind }).collect();
        let tick = Input { at: together, position: 0, body: Body::Tick };
        let fired = step(&catalog, &mut state, &tick, &[]).rulings.len();
        (fired, state)
    };
    let [rescore, schedule] = kinds;
    let forwards = fire([rescore.clone(), schedule.clone()]);
    let backwards = fire([schedule, rescore]);
    assert_eq!(forwards.0, 1, "the score of that instant counts");
    assert_eq!(forwards, backwards);
}

#[test]
fn asking_what_the_governor_would_say_changes_nothing() {
    let catalog = catalog_with(&[], |shop| shop);
    let mut state = customer("ann");
    let now = at("2026-03-02T10:00");
    step(&catalog, &mut state, &Input { at: now, position: 0, body: Body::Tick }, &[]);
    let before = state.clone();
    let body = Body::Propose { purpose: PurposeSlot(0) };
    let decision = step(&catalog, &mut state, &Input { at: now, position: 0, body }, &[]);
    let judgement = decision.proposed.unwrap();
    assert!(matches!(judgement.verdict, Verdict::Send { .. }), "{judgement:?}");
    assert!(decision.rulings.is_empty() && decision.effects.is_empty());
    assert_eq!(state, before);
}
