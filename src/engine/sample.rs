//! A small catalog and customer for unit tests of the engine.

use std::sync::Arc;

use super::catalog::{
    Action, Catalog, Kind, KnownTraits, Measure, RiskEnd, Score, ScoreSource, Sending, SeriesSpec,
    TaskAction, TaskPriority, Trigger, TriggerState, When,
};
use super::condition::{Condition, Expr};
use super::customer::{CustomerState, ScoreState};
use super::id::{CustomerId, TriggerId};
use super::index::TriggerIndex;
use super::message::Texts;
use super::policy::{Policy, Share};
use super::series::Series;
use super::slot::{ChannelSlot, EventSlot, PropertySlot, ScoreSlot, SeriesSlot, TraitSlot};
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
pub(crate) const PROPERTIES: [&str; 5] = ["cart_value", "feature", "score", "gift", "country"];

/// Saturday, 21 March 2026, noon.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-21T12:00:00Z").unwrap()
}

pub(crate) fn catalog() -> Catalog {
    Catalog {
        revision: Arc::from("sample"),
        events: EVENTS.map(Arc::from).into(),
        traits: TRAITS.map(Arc::from).into(),
        properties: PROPERTIES.map(Arc::from).into(),
        series: [
            series("Logged In", Measure::Times),
            series("Feature Used", Measure::Distinct(property("feature"))),
            series("Invoice Overdue", Measure::LastTime),
            series("Survey Answered", Measure::Last(property("score"))),
            series("Survey Answered", Measure::Amount(property("score"))),
        ]
        .into(),
        series_of_event: Box::default(),
        triggers: Box::default(),
        index: TriggerIndex::default(),
        scores: ["health", "churn"].map(score).into(),
        policy: Policy {
            version: Arc::from("sample"),
            zone: Zone::parse("Europe/Berlin").unwrap(),
            locale: Arc::from("en"),
            act_within: Span::HOUR,
            purposes: Box::default(),
            channels: Box::default(),
            tags: Box::default(),
            quiet_hours: Box::default(),
            blackouts: Box::default(),
            caps: Box::default(),
            freezes: Box::default(),
            holdout: Share(0),
        },
        texts: Texts::new(),
        known: KnownTraits {
            timezone: TraitSlot(0),
            locale: TraitSlot(1),
            consent: TraitSlot(2),
            preferred_channel: TraitSlot(3),
            account: TraitSlot(4),
            owner: TraitSlot(5),
            name: TraitSlot(6),
        },
        session_idle: None,
        sending: Sending::On,
    }
}

pub(crate) fn customer(traits: &[(&str, Value)]) -> CustomerState {
    let mut state = CustomerState::new(CustomerId::new("c1"), now());
    state.traits = traits.iter().map(|(name, value)| (trait_slot(name), value.clone())).collect();
    state.traits.sort_by_key(|(slot, _)| *slot);
    state
}

pub(crate) fn scored(state: &mut CustomerState, name: &str, value: f64, was: Option<f64>) {
    let score = ScoreSlot(if name == "health" { 0 } else { 1 });
    state.scores.push(ScoreState { score, value, was, changed_at: now(), daily: None });
}

pub(crate) fn history(state: &mut CustomerState, slot: u16, series: Series) {
    state.series.push((SeriesSlot(slot), series));
    state.series.sort_by_key(|(slot, _)| *slot);
}

pub(crate) fn condition(expr: Expr) -> Condition {
    Condition { expr, text: "as written".into(), place: Default::default() }
}

pub(crate) fn trigger(id: &str, when: When) -> Trigger {
    Trigger {
        id: TriggerId::new(id),
        kind: Kind::Behavior,
        about: "as written".into(),
        owner: "someone".into(),
        version: Arc::from("sample"),
        place: Default::default(),
        state: TriggerState::Enabled,
        priority: 0,
        tags: 0,
        when,
        per: None,
        conditions: Box::default(),
        action: Action::Task(TaskAction {
            channel: ChannelSlot(0),
            assign_to: None,
            due: None,
            priority: TaskPriority::Normal,
            title: "title".into(),
            suggest: None,
            reasons: 0,
            timeline: 0,
            include: Box::default(),
        }),
        once_per: None,
        suppress: None,
        experiment: None,
        captures: Box::default(),
        act_within: Span::HOUR,
    }
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
    }
}

fn position(names: &[&str], name: &str) -> u16 {
    u16::try_from(names.iter().position(|known| *known == name).unwrap()).unwrap()
}
