//! The shop of `testing`, with the names, series and scores that evaluation, health and texts need.

use std::sync::Arc;

use super::catalog::{Catalog, Measure, RiskEnd, Score, ScoreSource, SeriesSpec, Trigger, When};
use super::condition::{Condition, Expr};
use super::customer::{CustomerState, ScoreState};
use super::id::CustomerId;
use super::series::Series;
use super::slot::{EventSlot, PropertySlot, ScoreSlot, SeriesSlot, TraitSlot};
use super::testing;
use super::time::{Span, Timestamp, Zone};
use super::value::Value;

pub(crate) const TRAITS: [&str; 12] = [
    "timezone",
    "locale",
    "consent",
    "preferred_channel",
    "account",
    "owner",
    "name",
    "plan",
    "services",
    "renews_at",
    "open_ticket",
    "subscription",
];
pub(crate) const EVENTS: [&str; 4] =
    ["Logged In", "Feature Used", "Invoice Overdue", "Survey Answered"];
pub(crate) const PROPERTIES: [&str; 5] =
    ["cart_value", "feature", "score", "address.city", "address"];

/// Saturday, 21 March 2026, noon.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-21T12:00:00Z").unwrap()
}

pub(crate) fn catalog() -> Catalog {
    let mut shop = testing::shop();
    shop.events = EVENTS.map(Arc::from).into();
    shop.traits = TRAITS.map(Arc::from).into();
    shop.properties = PROPERTIES.map(Arc::from).into();
    shop.policy.zone = Zone::parse("Europe/Berlin").unwrap();
    let series = [
        series("Logged In", Measure::Times),
        series("Feature Used", Measure::Distinct(property("feature"))),
        series("Invoice Overdue", Measure::LastTime),
        series("Survey Answered", Measure::Last(property("score"))),
        series("Survey Answered", Measure::Amount(property("score"))),
    ];
    Catalog { series: series.into(), scores: ["health", "churn"].map(score).into(), ..shop.open() }
}

pub(crate) fn customer(traits: &[(&str, Value)]) -> CustomerState {
    let mut state = CustomerState::new(CustomerId::new("c1"), now());
    state.traits = traits.iter().map(|(name, value)| (trait_slot(name), value.clone())).collect();
    state.traits.sort_by_key(|(slot, _)| *slot);
    state
}

pub(crate) fn scored(state: &mut CustomerState, name: &str, value: f64, was: Option<f64>) {
    let score = ScoreSlot(if name == "health" { 0 } else { 1 });
    state.rare.scores.push(ScoreState { score, value, was, changed_at: now(), daily: None });
}

pub(crate) fn history(state: &mut CustomerState, slot: u16, series: Series) {
    state.series.push((SeriesSlot(slot), series));
    state.series.sort_by_key(|(slot, _)| *slot);
}

pub(crate) fn condition(expr: Expr) -> Condition {
    Condition { text: "as written".into(), ..testing::condition(expr) }
}

pub(crate) fn trigger(id: &str, when: When) -> Trigger {
    let change = |trigger: &mut Trigger| trigger.when = when;
    testing::shop().trigger(id, change).triggers.pop().unwrap()
}

pub(crate) fn text(value: &str) -> Value {
    Value::Str(value.into())
}

pub(crate) fn map(fields: &[(&str, Value)]) -> Value {
    let mut fields: Vec<(Box<str>, Value)> =
        fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    fields.sort_by(|(left, _), (right, _)| left.cmp(right));
    Value::Map(fields.into())
}

pub(crate) fn trait_slot(name: &str) -> TraitSlot {
    TraitSlot(position(&TRAITS, name))
}

pub(crate) fn property(name: &str) -> PropertySlot {
    PropertySlot(position(&PROPERTIES, name))
}

fn series(event: &str, measure: Measure) -> SeriesSpec {
    SeriesSpec {
        event: EventSlot(position(&EVENTS, event)),
        filter: None,
        measure,
        keep: Span::DAY.times(56),
        key: 0,
    }
}

fn score(name: &str) -> Score {
    let bands = [("healthy", 70.0), ("watch", 45.0), ("at_risk", 0.0)];
    Score {
        name: Arc::from(name),
        version: Arc::from("sample"),
        source: ScoreSource::Pushed,
        bands: bands.map(|(name, edge)| (Arc::from(name), edge)).into(),
        risk: RiskEnd::Low,
        days: super::health::DAYS,
    }
}

fn position(names: &[&str], name: &str) -> u16 {
    u16::try_from(names.iter().position(|known| *known == name).unwrap()).unwrap()
}
