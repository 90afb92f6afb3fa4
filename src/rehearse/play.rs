//! Plays one test: the past, then what happens, timer by timer, until its end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::civil;

use super::past;
use super::times::Times;
use super::{Broken, Happening, What};
use crate::declare::fault::Located;
use crate::declare::tests::{Deed, Expected, Given, TestCase, TestEvent};
use crate::engine::catalog::{Catalog, When};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Decision, Effect, Errand, Note, Ruling, Verdict};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::{Body, Event, Input, Reach, View};
use crate::engine::names::Names;
use crate::engine::slot::{PurposeSlot, TraitSlot, TriggerSlot};
use crate::engine::step::step;
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::TimerKind;
use crate::engine::value::{Property, Value, ValueRef};

/// How long a test without `until:` goes on after the last time it names: a night, so that what
/// quiet hours hold comes out.
const PATIENCE: Span = Span::HOUR.times(12);
/// How far a test without `until:` follows what is armed.
const FOLLOWED: Span = Span::DAY.times(400);
/// What is told at one instant at most.
const CARRIED_MAX: usize = 100_000;
/// Most timers that fire in one test.
const TICKS_MAX: u32 = 100_000;

/// A test that was played to its end.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) times: Times,
    pub(super) happened: Vec<Happening>,
}

/// Plays a test on a catalog in which only its trigger acts.
pub(super) fn play(
    catalog: &Catalog,
    trigger: TriggerSlot,
    case: &TestCase,
) -> Result<Played, Broken> {
    let times = Times::of_case(catalog, case)?;
    let mut cast = Cast::act(catalog, trigger, (case, &times), Timestamp::MAX)?;
    let end = match times.until {
        Some(until) => until,
        None => cast.follow(times.latest, case),
    };
    cast.pass_until(end, case)?;
    cast.note_waiting(end);
    cast.happened.sort_by_key(|happening| happening.at);
    Ok(Played { times, happened: cast.happened })
}

/// Plays a test up to an instant and gives its customers as they are then.
pub(super) fn play_until(
    catalog: &Catalog,
    trigger: TriggerSlot,
    case: &TestCase,
    at: Timestamp,
) -> Result<BTreeMap<Box<str>, CustomerState>, Broken> {
    let times = Times::of_case(catalog, case)?;
    let mut cast = Cast::act(catalog, trigger, (case, &times), at)?;
    cast.pass_until(at, case)?;
    cast.states.retain(|_, state| !state.id.is_own());
    Ok(cast.states)
}

/// The customers of a test and what has happened to them so far.
struct Cast<'a> {
    catalog: &'a Catalog,
    trigger: TriggerSlot,
    start: Timestamp,
    names: Names,
    states: BTreeMap<Box<str>, CustomerState>,
    happened: Vec<Happening>,
    /// Message ids given out.
    ids: u32,
    ticks: u32,
}

impl<'a> Cast<'a> {
    fn new(catalog: &'a Catalog, trigger: TriggerSlot, start: Timestamp) -> Self {
        Self {
            catalog,
            trigger,
            start,
            names: Names::new(&catalog.events, &catalog.traits),
            states: BTreeMap::new(),
            happened: Vec::new(),
            ids: 0,
            ticks: 0,
        }
    }

    /// Everyone comes in with their past, and what happens until an instant happens.
    fn act(
        catalog: &'a Catalog,
        trigger: TriggerSlot,
        (case, times): (&TestCase, &Times),
        until: Timestamp,
    ) -> Result<Self, Broken> {
        let mut cast = Self::new(catalog, trigger, times.start);
        for customer in &case.customers {
            cast.enter(&customer.name, &customer.traits, &case.given)?;
        }
        let mut events: Vec<(Timestamp, &TestEvent)> =
            case.events.iter().map(|event| (times.instant(event.at), event)).collect();
        events.sort_by_key(|(at, _)| *at);
        for (at, event) in events.into_iter().filter(|(at, _)| *at <= until) {
            if at < times.start {
                return Err(Broken::new(event.extent, "it is before the start of the test"));
            }
            cast.pass_until(at, case)?;
            cast.apply(at, event)?;
        }
        Ok(cast)
    }

    /// Brings in a customer with traits and past.
    fn enter(
        &mut self,
        name: &str,
        traits: &[(Box<str>, Value)],
        given: &Given,
    ) -> Result<(), Broken> {
        let inputs = Past::new(self.catalog, &mut self.names, self.start, traits, given)?;
        let mut state = CustomerState::new(CustomerId::new(name), self.start);
        inputs.fold(self.catalog, &mut state, self.start);
        self.states.insert(name.into(), state);
        Ok(())
    }

    /// Lets time pass, from timer to timer.
    fn pass_until(&mut self, until: Timestamp, case: &TestCase) -> Result<(), Broken> {
        let due = |states: &BTreeMap<Box<str>, CustomerState>| {
            let next = states.iter().filter_map(|(name, state)| Some((state.next_due()?, name)));
            next.min().filter(|(due, _)| *due <= until).map(|(due, name)| (due, name.clone()))
        };
        while let Some((due, name)) = due(&self.states) {
            self.ticks += 1;
            if TICKS_MAX < self.ticks {
                let why = format!("more than {TICKS_MAX} timers fire before its end");
                return Err(Broken::new(case.name.extent, why));
            }
            self.step(&name, due.max(self.start), Body::Tick);
        }
        Ok(())
    }

    fn apply(&mut self, at: Timestamp, event: &TestEvent) -> Result<(), Broken> {
        let everyone = self.customers().cloned().collect();
        let to = match &event.to {
            Some(to) => vec![to.value.clone()],
            None => everyone,
        };
        self.ids += 1;
        let id = format!("event {}", self.ids);
        for customer in &to {
            match &event.deed {
                Deed::Event { name, with, set } => {
                    let reach = self.reach(name, event.to.as_ref());
                    self.event(
                        customer,
                        at,
                        &Telling { id: &id, name: Some(name), with, set, reach },
                    );
                }
                Deed::Set(set) => {
                    let telling =
                        Telling { id: &id, name: None, with: &[], set, reach: Reach::Live };
                    self.event(customer, at, &telling);
                }
                Deed::Score(scores) => {
                    for (name, value) in scores {
                        let score = self.catalog.find_score(name).ok_or_else(|| {
                            Broken::new(event.extent, format!("no file uses a score `{name}`"))
                        })?;
                        let id = format!("{id} {name}");
                        self.step(customer, at, Body::Score { id: &id, score, value: *value });
                    }
                }
                Deed::Propose(purpose) => {
                    let slot = find_purpose(self.catalog, purpose).ok_or_else(|| {
                        let why = format!("the policy has no purpose `{purpose}`");
                        Broken::new(event.extent, why)
                    })?;
                    let decision = self.step(customer, at, Body::Propose { purpose: slot });
                    self.note_answer(customer, at, purpose, &decision);
                }
            }
        }
        Ok(())
    }

    /// All but desks and pools.
    fn customers(&self) -> impl Iterator<Item = &Box<str>> {
        self.states.iter().filter(|(_, state)| !state.id.is_own()).map(|(name, _)| name)
    }

    /// An event that names no customer concerns one, unless there are several or the trigger
    /// listens for it on behalf of everyone.
    fn reach(&self, event: &str, to: Option<&Located<Box<str>>>) -> Reach {
        let listens = || {
            let Some(trigger) = self.catalog.trigger(self.trigger) else { return false };
            let When::Event(clauses) = &trigger.when else { return false };
            clauses.iter().any(|clause| {
                let name = self.catalog.events.get(clause.event.index());
                clause.affects.is_some() && name.is_some_and(|name| **name == *event)
            })
        };
        match to.is_none() && (1 < self.customers().count() || listens()) {
            true => Reach::Broadcast,
            false => Reach::Live,
        }
    }

    fn event(&mut self, customer: &str, at: Timestamp, telling: &Telling<'_>) {
        let name = telling.name.map(|name| self.names.event(name));
        let traits = trait_slots(&mut self.names, telling.set);
        let properties = properties(self.catalog, telling.with);
        let page = telling.name.is_some_and(|name| {
            ["Page: ", "Screen: "].into_iter().any(|prefix| name.starts_with(prefix))
        });
        let body = Body::Event(Event {
            id: telling.id,
            name,
            view: if page { View::Page } else { View::Other },
            occurred_at: at,
            properties: &properties,
            traits: &traits,
            reach: telling.reach,
        });
        self.step(customer, at, body);
    }

    fn step(&mut self, customer: &str, at: Timestamp, body: Body<'_>) -> Decision {
        let decision = self.step_one(customer, at, body);
        self.carry(&decision, at);
        decision
    }

    /// Lets everybody hear what was said to them, until nobody says anything more.
    fn carry(&mut self, decision: &Decision, at: Timestamp) {
        let errands = |decision: &Decision| {
            let errands = decision.effects.iter().filter_map(|effect| match effect {
                Effect::Errand(errand) => Some(errand.clone()),
                _ => None,
            });
            errands.collect::<Vec<_>>()
        };
        let mut said = VecDeque::from(errands(decision));
        for _ in 0..CARRIED_MAX {
            let Some(Errand { to, what }) = said.pop_front() else { return };
            let body = match what {
                Note::Desk(note) => Body::Desk(note),
                Note::Task(instruction) => Body::Task(instruction),
                Note::Pool(note) => Body::Pool(note),
                Note::PoolWord(word) => Body::PoolWord(word),
            };
            // A desk or a pool begins when it first hears of something.
            if to.is_own() && !self.states.contains_key(to.as_str()) {
                self.states.insert(to.as_str().into(), CustomerState::new(to.clone(), self.start));
            }
            let decision = self.step_one(to.as_str(), at, body);
            said.extend(errands(&decision));
        }
    }

    fn step_one(&mut self, customer: &str, at: Timestamp, body: Body<'_>) -> Decision {
        let Some(state) = self.states.get_mut(customer) else { return Decision::default() };
        let decision = step(self.catalog, state, &Input { at, position: 0, body }, &[]);
        for ruling in decision.rulings.iter().filter(|ruling| ruling.trigger == self.trigger) {
            let what = what(self.catalog, ruling, &decision);
            let happening = self.happening(customer, ruling.at, what, Some(ruling.clone()));
            self.happened.push(happening);
        }
        decision
    }

    fn note_answer(&mut self, customer: &str, at: Timestamp, purpose: &str, decision: &Decision) {
        let Some(judgement) = &decision.proposed else { return };
        let what = match not_sent(&judgement.verdict) {
            Some(what) => what,
            None => What::Allowed { purpose: purpose.into() },
        };
        let ruling = Ruling {
            id: DecisionId::from_bytes([0; 16]),
            trigger: self.trigger,
            occurrence: "propose".into(),
            at,
            caused_at: at,
            verdict: judgement.verdict.clone(),
            replaces: None,
            arm: None,
            offer: None,
            conditions: Vec::new(),
            findings: judgement.findings.clone(),
        };
        let happening = self.happening(customer, at, what, Some(ruling));
        self.happened.push(happening);
    }

    /// The end of a test that names none: when what it armed is over.
    fn follow(&self, latest: Timestamp, case: &TestCase) -> Timestamp {
        let outreach =
            |what: &Expected| matches!(what, Expected::Send { .. } | Expected::Task { .. });
        let silence = !case.expect.iter().any(|line| outreach(&line.what));
        let timers = self.states.values().flat_map(|state| &state.timers);
        let armed = timers.filter(|timer| match &timer.kind {
            TimerKind::Absence { trigger, .. } => *trigger == self.trigger,
            TimerKind::Release { .. } | TimerKind::SessionEnd => true,
            // A date may be years away: it matters to a test that says nothing is ever sent.
            TimerKind::Date { trigger, .. } | TimerKind::Schedule { trigger } => {
                silence && *trigger == self.trigger
            }
            TimerKind::Task { .. }
            | TimerKind::Desk
            | TimerKind::Rung { .. }
            | TimerKind::Rescore { .. } => false,
        });
        let last = armed.map(|timer| timer.due).filter(|due| *due <= latest + FOLLOWED).max();
        last.unwrap_or(latest).max(latest + PATIENCE)
    }

    /// What waits when time is up would still be sent.
    fn note_waiting(&mut self, end: Timestamp) {
        let mut notes = Vec::new();
        for (name, state) in &self.states {
            for waiting in
                state.rare.waiting.iter().filter(|waiting| waiting.trigger == self.trigger)
            {
                let what = What::StillWaiting { reason: waiting.reason };
                notes.push(self.happening(name, end, what, None));
            }
        }
        self.happened.extend(notes);
    }

    fn happening(
        &self,
        customer: &str,
        at: Timestamp,
        mut what: What,
        ruling: Option<Ruling>,
    ) -> Happening {
        let state = self.states.get(customer);
        let zone = state.map(|state| super::times::zone(self.catalog, state));
        let zone = zone.unwrap_or_else(|| self.catalog.policy.zone.clone());
        if let What::Postponed { until, local, .. } = &mut what {
            *local = until.in_zone(&zone);
        }
        Happening {
            customer: customer.into(),
            at,
            after: at - self.start,
            local: at.in_zone(&zone),
            zone,
            what,
            ruling: ruling.map(Box::new),
        }
    }
}

/// An event as a test tells it.
struct Telling<'a> {
    id: &'a str,
    name: Option<&'a str>,
    with: &'a [(Box<str>, Value)],
    set: &'a [(Box<str>, Option<Value>)],
    reach: Reach,
}

/// Traits, history and scores that a customer has at the start.
pub(super) struct Past {
    traits: Vec<(TraitSlot, Option<Value>)>,
    events: Vec<(crate::engine::slot::EventSlot, past::PastEvent)>,
    scores: Vec<(crate::engine::slot::ScoreSlot, f64)>,
}

impl Past {
    pub(super) fn new(
        catalog: &Catalog,
        names: &mut Names,
        start: Timestamp,
        traits: &[(Box<str>, Value)],
        given: &Given,
    ) -> Result<Self, Broken> {
        let events = past::events(&given.history)?;
        let too_old = events.iter().any(|event| start - event.age == Timestamp::MIN);
        if let (true, Some(line)) = (too_old, given.history.first()) {
            return Err(Broken::new(line.extent, "it reaches back before 1970"));
        }
        let mut scores = Vec::new();
        for (name, value) in &given.scores {
            let score = catalog.find_score(&name.value).ok_or_else(|| {
                Broken::new(name.extent, format!("no file uses a score `{}`", name.value))
            })?;
            scores.push((score, *value));
        }
        let events = events.into_iter().map(|event| (names.event(&event.name), event)).collect();
        let set: Vec<_> =
            traits.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        Ok(Self { traits: trait_slots(names, &set), events, scores })
    }

    /// Folds everything into a state without acting on it.
    pub(super) fn fold(&self, catalog: &Catalog, state: &mut CustomerState, start: Timestamp) {
        let mut tell = |id: &str, name, occurred_at, properties: &[Property<'_>], traits: &[_]| {
            let reach = Reach::Historical;
            let view = View::Other;
            let body =
                Body::Event(Event { id, name, view, occurred_at, properties, traits, reach });
            step(catalog, state, &Input { at: start, position: 0, body }, &[]);
        };
        tell("traits", None, start, &[], &self.traits);
        for (number, (slot, event)) in self.events.iter().enumerate() {
            let properties = properties(catalog, &event.with);
            tell(&format!("past {number}"), Some(*slot), start - event.age, &properties, &[]);
        }
        for (score, value) in &self.scores {
            let id = format!("past score {}", score.0);
            let body = Body::Score { id: &id, score: *score, value: *value };
            step(catalog, state, &Input { at: start, position: 0, body }, &[]);
        }
    }
}

fn what(catalog: &Catalog, ruling: &Ruling, decision: &Decision) -> What {
    match &ruling.verdict {
        Verdict::Send { channel } => What::Sent {
            channel: channel_name(catalog, channel.index()),
            offer: ruling.offer.clone(),
        },
        Verdict::Task => {
            let task = decision.effects.iter().find_map(|effect| match effect {
                Effect::Assign(task) if task.decision == ruling.id => Some(task),
                _ => None,
            });
            let channel = task.map(|task| channel_name(catalog, task.channel.index()));
            What::Tasked {
                channel: channel.unwrap_or_else(|| Arc::from("task")),
                assign_to: task.and_then(|task| task.assign_to.clone()),
            }
        }
        verdict => not_sent(verdict).unwrap_or_else(|| What::NotSent {
            kind: verdict.kind(),
            reason: crate::engine::decision::Reason::OutcomeUnknown,
        }),
    }
}

/// What a verdict other than send or task comes to.
fn not_sent(verdict: &Verdict) -> Option<What> {
    let kind = verdict.kind();
    match verdict {
        Verdict::Send { .. } | Verdict::Task => None,
        Verdict::Defer { until, reason } => {
            let local = civil::DateTime::default();
            Some(What::Postponed { reason: *reason, until: *until, local })
        }
        Verdict::HoldOut { reason }
        | Verdict::Suppress { reason }
        | Verdict::Expire { reason }
        | Verdict::Cancel { reason }
        | Verdict::Unknown { reason } => Some(What::NotSent { kind, reason: *reason }),
    }
}

fn channel_name(catalog: &Catalog, index: usize) -> Arc<str> {
    let channel = catalog.policy.channels.get(index);
    channel.map_or_else(|| Arc::from("?"), |channel| channel.name.clone())
}

fn find_purpose(catalog: &Catalog, name: &str) -> Option<PurposeSlot> {
    let index = catalog.policy.purposes.iter().position(|purpose| *purpose.name == *name)?;
    u16::try_from(index).ok().map(PurposeSlot)
}

/// Traits by slot, sorted, each once: the last line about a trait counts.
fn trait_slots(
    names: &mut Names,
    traits: &[(Box<str>, Option<Value>)],
) -> Vec<(TraitSlot, Option<Value>)> {
    let mut slots = BTreeMap::new();
    for (name, value) in traits {
        if let Some(slot) = names.trait_(name) {
            slots.insert(slot, value.clone());
        }
    }
    slots.into_iter().collect()
}

/// The properties that some file refers to, by slot.
fn properties<'v>(catalog: &Catalog, with: &'v [(Box<str>, Value)]) -> Vec<Property<'v>> {
    let named = |name: &str| {
        let found = with.iter().find(|(other, _)| **other == *name);
        found.map_or(ValueRef::Missing, |(_, value)| value.as_ref())
    };
    let find = |path: &str| match (named(path), path.split_once('.')) {
        (ValueRef::Missing, Some((first, rest))) => {
            rest.split('.').fold(named(first), ValueRef::member)
        }
        (value, _) => value,
    };
    catalog.properties.iter().map(|path| property(find(path))).collect()
}

fn property(value: ValueRef<'_>) -> Property<'_> {
    match value {
        ValueRef::Missing => Property::Missing,
        ValueRef::Bool(flag) => Property::Bool(flag),
        ValueRef::Num(number) => Property::Num(number),
        ValueRef::Str(text) => Property::Str(text),
        ValueRef::List(_) | ValueRef::Map(_) => {
            value.to_value().map_or(Property::Missing, Property::Owned)
        }
    }
}
