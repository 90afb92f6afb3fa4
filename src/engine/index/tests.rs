//! The index against a naive scan of all clauses of all triggers.

use proptest::prelude::*;

use super::super::catalog::{Absence, AbsenceScope, EventClause, Step, When};
use super::super::condition::Expr;
use super::super::decision::Truth;
use super::super::evaluate::{Scope, holds};
use super::super::sample;
use super::super::time::Span;
use super::*;

const EVENTS: u16 = 3;
const PROPERTIES: u16 = 3;

fn property(slot: u16) -> Box<Expr> {
    Box::new(Expr::Property(PropertySlot(slot)))
}

fn literal(value: Value) -> Box<Expr> {
    Box::new(Expr::Literal(value))
}

fn equal(slot: u16, value: Value) -> Expr {
    Expr::Compare { op: Comparison::Equal, left: property(slot), right: literal(value) }
}

fn clause(event: u16, filter: Option<Expr>) -> EventClause {
    EventClause {
        event: EventSlot(event),
        filter: filter.map(sample::condition),
        times: None,
        absence: None,
        affects: None,
    }
}

fn follow(clause: EventClause, events: &[u16], scope: AbsenceScope) -> EventClause {
    let events = events.iter().map(|event| EventSlot(*event)).collect();
    let absence = Some(Absence { events, scope, hold: Span::MINUTE });
    EventClause { absence, ..clause }
}

fn triggers(whens: impl IntoIterator<Item = When>) -> Vec<Trigger> {
    whens.into_iter().map(|when| sample::trigger("t", when)).collect()
}

fn found(index: &TriggerIndex, event: u16, properties: &[Property<'_>]) -> Vec<(u16, u8, Role)> {
    let mut out = Candidates::new();
    index.candidates((EventSlot(event), View::Other), properties, |_| true, &mut out);
    out.iter().map(|found| (found.trigger.0, found.clause, found.role)).collect()
}

#[test]
fn a_thousand_triggers_on_other_values_cost_nothing() {
    let whens = (0..1_000).map(|index| {
        let path = equal(0, sample::text(&format!("/page/{index}")));
        // Few different values: a worse property to tell the clauses apart by.
        let plan = equal(1, sample::text(["pro", "team"][index % 2]));
        let filter = Expr::All(Box::new([plan, path]));
        When::Event(Box::new([clause(0, Some(filter))]))
    });
    let index = TriggerIndex::build(&triggers(whens), 1);
    let properties = [Property::Str("/page/7"), Property::Str("team")];
    assert_eq!(found(&index, 0, &properties), [(7, 0, Role::Matches)]);
    assert_eq!(found(&index, 0, &[]), []);
    assert_eq!(found(&index, 9, &properties), [], "an event that no file names");
}

#[test]
fn a_filter_of_a_value_and_a_threshold_is_settled_by_the_index() {
    let at_least = |bound: f64| Expr::Compare {
        op: Comparison::GreaterOrEqual,
        left: property(1),
        right: literal(Value::Num(bound)),
    };
    let of = |parts: &[Expr]| {
        let filter = Expr::All(parts.into());
        let index =
            TriggerIndex::build(&triggers([When::Event(Box::new([clause(0, Some(filter))]))]), 1);
        let mut out = Candidates::new();
        let properties = [Property::Str("x"), Property::Num(7.0)];
        index.candidates((EventSlot(0), View::Other), &properties, |_| true, &mut out);
        out.first().map(|found| found.filter)
    };
    let text = || equal(0, sample::text("x"));
    assert_eq!(of(&[text(), at_least(5.0)]), Some(Filter::Holds));
    assert_eq!(of(&[at_least(5.0)]), Some(Filter::Holds));
    assert_eq!(of(&[text(), at_least(9.0)]), None);
    assert_eq!(of(&[text(), at_least(5.0), at_least(6.0)]), Some(Filter::Open), "two thresholds");
    assert_eq!(of(&[equal(1, Value::Num(7.0))]), Some(Filter::Open), "numbers are rounded");
    assert_eq!(of(&[text(), Expr::Not(Box::new(text()))]), Some(Filter::Open));
}

#[test]
fn thresholds_are_checked_where_the_candidates_stand() {
    let at_least = |bound: f64| Expr::Compare {
        op: Comparison::GreaterOrEqual,
        left: property(0),
        right: literal(Value::Num(bound)),
    };
    let mirrored = Expr::Compare {
        op: Comparison::Greater,
        left: literal(Value::Num(100.0)),
        right: property(0),
    };
    let filters = [at_least(50.0), at_least(150.0), mirrored];
    let whens = filters.map(|filter| When::Event(Box::new([clause(0, Some(filter))])));
    let index = TriggerIndex::build(&triggers(whens), 1);
    let of = |value: f64| found(&index, 0, &[Property::Num(value)]);
    assert_eq!(of(50.0), [(0, 0, Role::Matches), (2, 0, Role::Matches)]);
    assert_eq!(of(100.0), [(0, 0, Role::Matches)]);
    assert_eq!(of(150.0 - 1e-12), [(0, 0, Role::Matches), (1, 0, Role::Matches)]);
    assert_eq!(found(&index, 0, &[Property::Str("50")]), []);
}

#[test]
fn followers_steps_and_views_have_their_roles() {
    let scanned = follow(clause(0, None), &[0, 1, 1], AbsenceScope::Named);
    let dwell = follow(clause(1, None), &[2], AbsenceScope::AnyPage);
    let steps = [0, 1].map(|event| Step { event: EventSlot(event), filter: None });
    let index = TriggerIndex::build(
        &triggers([
            When::Event(Box::new([clause(2, None), scanned])),
            When::Sequence { steps: Box::new(steps), within: Span::HOUR },
            When::Event(Box::new([dwell])),
        ]),
        3,
    );
    use Role::{Follows, Matches};
    assert_eq!(found(&index, 0, &[]), [(0, 1, Follows), (0, 1, Matches), (1, 0, Matches)]);
    assert_eq!(found(&index, 1, &[]), [(0, 1, Follows), (1, 1, Matches), (2, 0, Matches)]);
    assert_eq!(found(&index, 2, &[]), [(0, 0, Matches), (2, 0, Follows)]);
    let of_view = |event| {
        let mut out = Candidates::new();
        index.candidates((EventSlot(event), View::Page), &[], |_| true, &mut out);
        out.iter().map(|found| (found.trigger.0, found.clause, found.role)).collect::<Vec<_>>()
    };
    assert_eq!(of_view(2), [(0, 0, Matches), (2, 0, Follows)], "each once");
    assert_eq!(of_view(7_000), [(2, 0, Follows)], "a view that no file names");
}

#[test]
fn what_stands_in_the_list_already_stays() {
    let scanned = follow(clause(0, None), &[0], AbsenceScope::Named);
    let index = TriggerIndex::build(&triggers([When::Event(Box::new([scanned]))]), 1);
    let matching = Candidate { filter: Filter::Holds, ..Candidate::matching(TriggerSlot(0), 0) };
    let first = Candidate { role: Role::Follows, filter: Filter::Open, ..matching };
    let mut out = Candidates::from_slice(&[first]);
    index.candidates((EventSlot(0), View::Other), &[], |_| true, &mut out);
    assert_eq!(out.as_slice(), [first, first, matching]);
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..3_i32).prop_map(|number| Value::Num(f64::from(number))),
        Just(Value::Num(1.0 + 1e-12)),
        "[a-c]".prop_map(|text| sample::text(&text)),
        any::<bool>().prop_map(Value::Bool),
    ]
}

fn conjunct() -> impl Strategy<Value = Expr> {
    let op = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::GreaterOrEqual),
    ];
    let compare =
        (0..PROPERTIES, op, value(), any::<bool>()).prop_map(|(slot, op, value, turn)| {
            let (left, right) = (property(slot), literal(value));
            let (left, right) = if turn { (right, left) } else { (left, right) };
            Expr::Compare { op, left, right }
        });
    let within =
        (0..PROPERTIES, prop::collection::vec(value(), 0..4)).prop_map(|(slot, values)| Expr::In {
            needle: property(slot),
            haystack: literal(Value::List(values.into())),
        });
    let flag = (0..PROPERTIES).prop_map(|slot| Expr::Flag(property(slot)));
    let leaf = prop_oneof![4 => compare, 2 => within, 1 => flag];
    prop_oneof![
        6 => leaf.clone(),
        1 => prop::collection::vec(leaf.clone(), 2..3).prop_map(|parts| Expr::Any(parts.into())),
        1 => leaf.prop_map(|inner| Expr::Not(inner.into())),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let filter = prop::option::of(prop_oneof![
        conjunct(),
        prop::collection::vec(conjunct(), 2..4).prop_map(|parts| Expr::All(parts.into())),
    ]);
    let clauses = prop::collection::vec((0..EVENTS, filter), 1..3);
    clauses.prop_map(|clauses| {
        When::Event(clauses.into_iter().map(|(event, filter)| clause(event, filter)).collect())
    })
}

fn in_flight(value: Option<Value>) -> Property<'static> {
    match value {
        None => Property::Missing,
        Some(Value::Num(number)) => Property::Num(number),
        Some(Value::Bool(flag)) => Property::Bool(flag),
        Some(owned) => Property::Owned(owned),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_that_matches_is_left_out(
        whens in prop::collection::vec(when(), 1..12),
        event in 0..EVENTS,
        values in prop::collection::vec(prop::option::of(value()), PROPERTIES as usize),
    ) {
        let triggers = triggers(whens);
        let index = TriggerIndex::build(&triggers, usize::from(EVENTS));
        let properties: Vec<_> = values.into_iter().map(in_flight).collect();
        let mut out = Candidates::new();
        index.candidates((EventSlot(event), View::Other), &properties, |_| true, &mut out);
        prop_assert!(out.is_sorted_by(|left, right| left < right), "sorted, each once: {out:?}");

        let (catalog, state) = (sample::catalog(), sample::customer(&[]));
        let scope =
            Scope { catalog: &catalog, state: &state, properties: &properties, now: sample::now() };
        for (slot, trigger) in (0..).zip(&triggers) {
            let When::Event(clauses) = &trigger.when else { panic!("they all match events") };
            for (number, clause) in (0..).zip(clauses) {
                let matches = clause.event == EventSlot(event)
                    && clause.filter.as_ref().is_none_or(|filter| {
                        holds(filter, &scope) == Truth::True
                    });
                let listed = out.iter().find(|candidate| {
                    (candidate.trigger, candidate.clause) == (TriggerSlot(slot), number)
                });
                prop_assert!(!matches || listed.is_some(), "{slot}.{number} is missing");
                prop_assert!(clause.event == EventSlot(event) || listed.is_none());
                let proven = listed.is_some_and(|candidate| candidate.filter == Filter::Holds);
                prop_assert!(!proven || matches, "{slot}.{number} does not hold");
            }
        }
    }
}
