//! Scenarios as text: time, input, and the rulings it must give, for one or more customers.
//!
//! ```text
//! 0s    Checkout cart=80
//! 3m    tick                -> checkout sent in_app
//! 4m    bob: Checkout cart=90
//! ```
//! Times count from the scenario's start. Every scenario is run twice, the second time with a tick
//! every few minutes in between: rulings and final states must be the same. After every input the
//! verdicts must add up to the matches.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{
    Applied, Decision, Effect, Errand, Exposure, Outreach, Reason, Ruling, Task, Verdict,
    VerdictKind,
};
use crate::engine::id::DecisionId;
use crate::engine::input::{
    Answer, BlindGap, Body, Delivery, Event, Input, Outcome, Preference, Reach, Receipt, Told, View,
};
use crate::engine::slot::{ChannelSlot, EventSlot, PurposeSlot, ScoreSlot, TraitSlot};
use crate::engine::step::{bind, concerns, step};
use crate::engine::task::{Instruction, TaskOutcome, TaskTurn, What, Wish};
use crate::engine::testing::customer;
use crate::engine::time::{Span, Timestamp};
use crate::engine::value::{Property, Value};

/// When scenarios begin unless they say otherwise: a Monday morning in Amsterdam.
pub(super) const START: &str = "2026-03-02T09:00:00Z";
/// How far apart the extra ticks of the second run are.
const EXTRA_TICKS: Span = Span::from_millis(7 * 60_000 + 1);

/// Runs a scenario and compares what comes out with what stands behind its arrows.
#[track_caller]
pub(super) fn check(catalog: &Catalog, scenario: &str) {
    check_from(catalog, START, scenario);
}

/// The same, from another instant.
#[track_caller]
pub(super) fn check_from(catalog: &Catalog, start: &str, scenario: &str) {
    let mut plain = World::new(catalog, start);
    let mut wanted = String::new();
    let mut got = String::new();
    for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (input, rulings) = line.split_once("->").unwrap_or((line, ""));
        let input = input.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(wanted, "{input} -> {}", rulings.trim()).unwrap();
        writeln!(got, "{input} -> {}", plain.line(&input)).unwrap();
    }
    assert_eq!(got, wanted, "\n--- got ---\n{got}");

    let mut ticking = World::new(catalog, start);
    ticking.tick_every(EXTRA_TICKS);
    for line in wanted.lines() {
        ticking.line(line.split_once(" -> ").unwrap().0);
    }
    let last = plain.customers.values().map(|state| state.now).max().unwrap_or(plain.start);
    for world in [&mut plain, &mut ticking] {
        for name in world.customers.keys().cloned().collect::<Vec<_>>() {
            world.apply(&name, last, 0, Body::Tick);
        }
    }
    assert_eq!(ticking.history, plain.history, "rulings depend on ticks");
    assert_eq!(ticking.customers, plain.customers, "states depend on ticks");
}

/// Customers, what was sent to them, and the sums.
pub(super) struct World<'a> {
    catalog: &'a Catalog,
    start: Timestamp,
    pub(super) customers: BTreeMap<String, CustomerState>,
    blind: Vec<BlindGap>,
    position: u64,
    pub(super) history: Vec<String>,
    pub(super) sent: Vec<Outreach>,
    pub(super) last_ruling: Option<Ruling>,
    pub(super) tasks: Vec<Task>,
    pub(super) turns: Vec<TaskTurn>,
    pub(super) errands: Vec<Errand>,
    pub(super) unwanted: Vec<String>,
    pub(super) exposed: Vec<String>,
    current: BTreeMap<(String, DecisionId), VerdictKind>,
    last_line: Option<(String, u64)>,
    ticks: Option<Span>,
    ticked: Timestamp,
}

impl<'a> World<'a> {
    pub(super) fn new(catalog: &'a Catalog, start: &str) -> Self {
        let start = Timestamp::parse(start).unwrap();
        Self {
            catalog,
            start,
            customers: BTreeMap::new(),
            blind: Vec::new(),
            position: 0,
            history: Vec::new(),
            sent: Vec::new(),
            last_ruling: None,
            tasks: Vec::new(),
            turns: Vec::new(),
            errands: Vec::new(),
            unwanted: Vec::new(),
            exposed: Vec::new(),
            current: BTreeMap::new(),
            last_line: None,
            ticks: None,
            ticked: start,
        }
    }

    /// Whether there was an event that `same_id` could repeat.
    pub(super) fn can_repeat(&self) -> bool {
        self.last_line.is_some()
    }

    /// Ticks every so often between the lines.
    pub(super) fn tick_every(&mut self, every: Span) {
        self.ticks = Some(every);
    }

    /// Applies one line; what it gave, in words.
    pub(super) fn line(&mut self, line: &str) -> String {
        let (time, rest) = line.split_once(' ').unwrap();
        let at = self.start + Span::parse(time).unwrap_or_else(|| panic!("`{time}` in `{line}`"));
        if let Some(every) = self.ticks {
            while self.ticked + every < at {
                self.ticked = self.ticked + every;
                for name in self.customers.keys().cloned().collect::<Vec<_>>() {
                    self.apply(&name, self.ticked, 0, Body::Tick);
                }
            }
        }
        let (name, rest) = match rest.split_once(": ") {
            Some((name, rest)) => (name.to_owned(), rest),
            None => ("ann".to_owned(), rest),
        };
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        self.verb(&name, at, verb, rest)
    }

    fn verb(&mut self, name: &str, at: Timestamp, verb: &str, rest: &str) -> String {
        let position = self.position + 1;
        match verb {
            "tick" => self.apply(name, at, 0, Body::Tick),
            "blind" => {
                let (from, to) = rest.split_once(' ').unwrap();
                let instant = |text| self.start + Span::parse(text).unwrap();
                self.blind.push(BlindGap::down(instant(from), instant(to)));
                String::new()
            }
            // From, to or `on`, and for how long nobody could tell.
            "silent" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let instant = |text| self.start + Span::parse(text).unwrap();
                let (from, unsure) = (instant(words[0]), Span::parse(words[2]).unwrap());
                self.blind.retain(|gap| !gap.is_open());
                self.blind.push(match words[1] {
                    "on" => BlindGap::open(from, unsure),
                    to => BlindGap { to: instant(to), ..BlindGap::open(from, unsure) },
                });
                String::new()
            }
            "bind" => {
                bind(self.catalog, self.customer(name), at);
                String::new()
            }
            "erase" => self.apply(name, at, position, Body::Erasure),
            "score" => {
                let value = rest.parse().unwrap();
                let id = format!("s{position}");
                let body = Body::Score { id: &id, score: ScoreSlot(0), value };
                self.apply(name, at, position, body)
            }
            "outcome" => self.outcome(name, at, position, rest),
            "told" => self.told(name, at, position, rest),
            "task" => self.wish(name, at, position, rest),
            "consent" => {
                // `consent no big_cart`: in answer to the last send of that trigger.
                let (word, trigger) = rest.split_once(' ').unwrap_or((rest, ""));
                let slot = self.catalog.find_trigger(trigger);
                let sent = self.sent.iter().rfind(|o| Some(o.trigger) == slot);
                let about = sent.map(|order| order.decision);
                let answer = if word == "yes" { Answer::Granted } else { Answer::Denied };
                let (purpose, channel, source) = (Some(PurposeSlot(0)), None, "test".into());
                let evidence = None;
                let preference =
                    Preference::Consent { purpose, channel, answer, source, evidence, about };
                self.apply(name, at, position, Body::Preference(preference))
            }
            "pause" => {
                let until = self.start + Span::parse(rest).unwrap();
                self.apply(
                    name,
                    at,
                    position,
                    Body::Preference(Preference::PauseUntil(Some(until))),
                )
            }
            // The last event again: `same_id` elsewhere in the log, `same_position` read twice.
            "same_id" | "same_position" => {
                let (line, old) = self.last_line.clone().unwrap();
                let position = if verb == "same_id" { position } else { old };
                self.event(name, at, position, &line, old)
            }
            _ => {
                let line = format!("{verb} {rest}");
                self.last_line = Some((line.clone(), position));
                self.event(name, at, position, &line, position)
            }
        }
    }

    /// `[page|import|absent|broadcast|set] Name key=value occurred=SPAN`, or `set trait=value`.
    fn event(
        &mut self,
        name: &str,
        at: Timestamp,
        position: u64,
        line: &str,
        number: u64,
    ) -> String {
        let mut words = line.split_whitespace().peekable();
        let kind =
            words.next_if(|word| ["page", "import", "absent", "broadcast", "set"].contains(word));
        let reach = match kind {
            Some("import") => Reach::Historical,
            Some("absent") => Reach::Background,
            Some("broadcast") => Reach::Broadcast,
            _ => Reach::Live,
        };
        let event = words.next_if(|word| !word.contains('=')).map(|name| {
            let wanted = name.replace('_', " ");
            let index = self.catalog.events.iter().position(|event| **event == *wanted);
            EventSlot(
                u16::try_from(index.unwrap_or_else(|| panic!("no event `{wanted}`"))).unwrap(),
            )
        });
        let mut values = Vec::new();
        let mut traits = Vec::new();
        let mut occurred_at = at;
        for word in words {
            let (key, value) = word.split_once('=').unwrap();
            let trait_slot = self.catalog.traits.iter().position(|known| **known == *key);
            let property = self.catalog.properties.iter().position(|known| **known == *key);
            match (key, kind, trait_slot, property) {
                ("occurred", ..) => occurred_at = self.start + Span::parse(value).unwrap(),
                (_, Some("set"), Some(slot), _) => {
                    traits.push((TraitSlot(u16::try_from(slot).unwrap()), parse(value)));
                }
                (_, _, _, Some(slot)) => values.push((slot, parse(value))),
                _ => panic!("`{key}` is neither trait nor property"),
            }
        }
        traits.sort_by_key(|(slot, _)| *slot);
        let mut properties = vec![Property::Missing; self.catalog.properties.len()];
        for (slot, value) in &values {
            properties[*slot] = match value {
                None => Property::Missing,
                Some(Value::Bool(flag)) => Property::Bool(*flag),
                Some(Value::Num(number)) => Property::Num(*number),
                Some(Value::Str(text)) => Property::Str(text),
                Some(other) => Property::Owned(other.clone()),
            };
        }
        let id = format!("e{number}");
        let body = Body::Event(Event {
            id: &id,
            name: event,
            view: if kind == Some("page") { View::Page } else { View::Other },
            occurred_at,
            properties: &properties,
            traits: &traits,
            reach,
        });
        if reach != Reach::Broadcast {
            return self.apply(name, at, position, body);
        }
        let mut told = Vec::new();
        for name in self.customers.keys().cloned().collect::<Vec<_>>() {
            let Body::Event(event) = &body else { continue };
            if !concerns(self.catalog, &self.customers[&name], event, at) {
                self.assert_untouched(&name, at, body.clone());
                continue;
            }
            let rulings = self.apply(&name, at, position, body.clone());
            if !rulings.is_empty() {
                told.push(format!("{name}: {rulings}"));
            }
        }
        told.join("; ")
    }

    /// Whom a broadcast does not concern would not change by it beyond having heard it.
    fn assert_untouched(&self, name: &str, at: Timestamp, body: Body<'_>) {
        let mut state = self.customers[name].clone();
        let tick = Input { at, position: 0, body: Body::Tick };
        step(self.catalog, &mut state, &tick, &self.blind);
        let mut before = state.clone();
        let heard = Input { at, position: 0, body };
        let decision = step(self.catalog, &mut state, &heard, &self.blind);
        assert!(decision.rulings.is_empty(), "{name} was not concerned");
        before.recent.set_marks(state.recent.marks().iter().copied());
        before.recent.set_next_mark(state.recent.next_mark());
        assert_eq!(state, before, "{name} was not concerned");
    }

    /// `delivered|rejected|unknown|expired TRIGGER`: of the last outreach by it.
    fn outcome(&mut self, name: &str, at: Timestamp, position: u64, rest: &str) -> String {
        let (what, trigger) = rest.split_once(' ').unwrap();
        let slot = self.catalog.find_trigger(trigger).unwrap();
        let sent = self.sent.iter().filter(|o| o.trigger == slot).map(|o| o.decision);
        let tasks = self.tasks.iter().filter(|t| t.trigger == slot).map(|t| t.decision);
        let decision = sent.chain(tasks).next_back().unwrap();
        let why = "test".into();
        let result = match what {
            "delivered" => Delivery::Delivered,
            "rejected" => Delivery::Rejected { why },
            "unknown" => Delivery::Unknown { why },
            "expired" => Delivery::Expired,
            "refused" => Delivery::Refused { reason: Reason::OptedOut, detail: None },
            "contradicted" => Delivery::Refused { reason: Reason::Contradicted, detail: None },
            _ => panic!("no outcome `{what}`"),
        };
        let outcome = Outcome { decision, attempt: 1, result };
        self.apply(name, at, position, Body::Outcome(outcome))
    }

    /// What a provider tells of the last send of a trigger: `told bounced big_cart [address]`.
    fn told(&mut self, name: &str, at: Timestamp, position: u64, rest: &str) -> String {
        let words: Vec<&str> = rest.split(' ').collect();
        let slot = self.catalog.find_trigger(words[1]).unwrap();
        let sent = self.sent.iter().rfind(|o| o.trigger == slot).unwrap();
        let id = format!("r{position}");
        let receipt = Receipt {
            id: &id,
            decision: sent.decision,
            told: Told::parse(words[0]).unwrap(),
            channel: Some(sent.channel),
            purpose: Some(sent.purpose),
            // Of a reply the third word is what it says.
            address: words.get(2).copied().filter(|_| words[0] != "replied"),
            text: words.get(2).copied().filter(|_| words[0] == "replied").unwrap_or_default(),
        };
        self.apply(name, at, position, Body::Receipt(receipt))
    }

    /// `TRIGGER mei ack|claim|reopen|note`, `TRIGGER mei done=resolved`, `TRIGGER mei reassign=tom`:
    /// of the last task by it. `again` as the last word repeats a wish under its name.
    fn wish(&mut self, name: &str, at: Timestamp, position: u64, rest: &str) -> String {
        let words: Vec<&str> = rest.split(' ').collect();
        let slot = self.catalog.find_trigger(words[0]).unwrap();
        let mut tasks = self.tasks.iter().filter(|t| t.trigger == slot).map(|t| t.decision);
        let (wish, value) = words[2].split_once('=').unwrap_or((words[2], ""));
        let what = match wish {
            "ack" => Wish::Ack,
            "claim" => Wish::Claim,
            "done" => Wish::Done(TaskOutcome::parse(value).unwrap()),
            "reopen" => Wish::Reopen,
            "reassign" => Wish::Reassign(value.into()),
            "note" => Wish::Note,
            _ => panic!("no wish `{wish}`"),
        };
        let id = if words.last() == Some(&"again") { position - 1 } else { position };
        let instruction = Instruction {
            task: tasks.next_back().unwrap_or(DecisionId::from_bytes([7; 16])),
            id: format!("w{id}").into(),
            by: words[1].into(),
            note: None,
            what,
        };
        let (turns, told) =
            (self.turns.len(), self.apply(name, at, position, Body::Task(instruction)));
        let turns = self.turns[turns..].iter().map(|turn| self.turn_words(turn));
        let all: Vec<_> = turns.chain((!told.is_empty()).then_some(told)).collect();
        all.join("; ")
    }

    /// What happened to tasks since a number of changes.
    pub(super) fn turns_since(&self, before: usize) -> String {
        let turns = self.turns[before..].iter().map(|turn| self.turn_words(turn));
        turns.collect::<Vec<_>>().join("; ")
    }

    fn turn_words(&self, turn: &TaskTurn) -> String {
        let mut words = turn.what.as_str().to_owned();
        if let What::Escalated(because) = turn.what {
            write!(words, " {}", because.as_str()).unwrap();
        }
        if let What::Refused(refusal) = turn.what {
            write!(words, " ({})", refusal.sentence()).unwrap();
        }
        if let Some(after) = &turn.after {
            let has = after.assigned_to.as_deref().unwrap_or("nobody");
            write!(words, " {} {has}", after.stage.as_str()).unwrap();
        }
        write!(words, " at {}", turn.at - self.start).unwrap();
        words
    }

    fn customer(&mut self, name: &str) -> &mut CustomerState {
        let start = self.start;
        self.customers.entry(name.to_owned()).or_insert_with(|| {
            let mut state = customer(name);
            (state.now, state.first_seen, state.last_seen) = (start, start, start);
            state
        })
    }

    fn apply(&mut self, name: &str, at: Timestamp, position: u64, body: Body<'_>) -> String {
        self.position = self.position.max(position);
        let (catalog, blind) = (self.catalog, self.blind.clone());
        let is_first = !self.customers.contains_key(name);
        let state = self.customer(name);
        if is_first {
            let now = state.now;
            bind(catalog, state, now);
        }
        let before = state.clone();
        let decision = step(catalog, state, &Input { at, position, body }, &blind);
        if decision.applied != Applied::Applied {
            assert_eq!(*state, before, "what is not applied changes nothing");
        }
        let said: Vec<_> = decision.rulings.iter().map(|r| self.words(r, Some(at))).collect();
        let dated = decision.rulings.iter().map(|r| format!("{name}: {}", self.words(r, None)));
        let dated: Vec<_> = dated.collect();
        self.history.extend(dated);
        self.account(name, &decision);
        match decision.applied {
            Applied::Applied => said.join("; "),
            Applied::Duplicate => "duplicate".to_owned(),
            Applied::Replayed => "replayed".to_owned(),
        }
    }

    /// matched = sent + task + held out + suppressed + deferred + expired + cancelled + unknown.
    fn account(&mut self, name: &str, decision: &Decision) {
        for ruling in &decision.rulings {
            let key = (name.to_owned(), ruling.id);
            let standing = self.current.insert(key, ruling.verdict.kind());
            assert_eq!(ruling.replaces, standing, "{} leaves another verdict", ruling.id);
            self.last_ruling = Some(ruling.clone());
        }
        let deferred = self.current.values().filter(|kind| **kind == VerdictKind::Defer).count();
        let waiting: usize = self.customers.values().map(|state| state.rare.waiting.len()).sum();
        assert_eq!(deferred, waiting, "what is deferred waits, and nothing else does");
        let mut leaving = 0;
        for effect in &decision.effects {
            match effect {
                Effect::Deliver(outreach) => self.sent.push(outreach.clone()),
                Effect::Assign(task) => self.tasks.push(task.clone()),
                Effect::Unwanted(trigger, told) => {
                    let trigger = &self.catalog.trigger(*trigger).unwrap().id;
                    self.unwanted.push(format!("{trigger} {}", told.as_str()));
                    continue;
                }
                Effect::Errand(errand) => {
                    self.errands.push(errand.clone());
                    continue;
                }
                Effect::Turn(turn) => {
                    self.turns.push(turn.clone());
                    continue;
                }
                Effect::Expose(exposure) => {
                    let Exposure { experiment, arm, unit, at } = exposure;
                    self.exposed.push(format!("{experiment} {arm} {unit} at {}", *at - self.start));
                    continue;
                }
                // Whoever comes back after an erasure is someone new, of whom nothing is on record.
                Effect::Erase => {
                    self.current.retain(|(owner, _), _| owner != name);
                    continue;
                }
            }
            leaving += 1;
        }
        let acted = decision.rulings.iter().filter(|ruling| {
            matches!(ruling.verdict, Verdict::Send { .. } | Verdict::Task)
                && ruling.replaces != Some(VerdictKind::Unknown)
        });
        assert_eq!(leaving, acted.count(), "{name}: each send and task has its effect");
    }

    fn words(&self, ruling: &Ruling, at: Option<Timestamp>) -> String {
        let trigger = self.catalog.trigger(ruling.trigger);
        let mut words = trigger.map_or("(gone)", |trigger| trigger.id.as_str()).to_owned();
        let verdict = &ruling.verdict;
        write!(words, " {}", verdict.kind().as_str()).unwrap();
        if let Verdict::Send { channel: ChannelSlot(channel) } = verdict {
            let name = &self.catalog.policy.channels[usize::from(*channel)].name;
            write!(words, " {name}").unwrap();
        }
        if let Some(reason) = verdict.reason() {
            write!(words, " {}", reason.as_str()).unwrap();
        }
        if let Verdict::Defer { until, .. } = verdict {
            write!(words, " until {}", *until - self.start).unwrap();
        }
        if let Some(offer) = &ruling.offer {
            write!(words, " offer {offer}").unwrap();
        }
        if at != Some(ruling.at) {
            write!(words, " at {}", ruling.at - self.start).unwrap();
        }
        words
    }
}

/// `12.5`, `true`, `null`, `[a,b]`, `{k:v}` or a text.
fn parse(text: &str) -> Option<Value> {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Some(Value::List(inner.split(',').filter_map(parse).collect()));
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let mut fields: Vec<(Box<str>, Value)> = inner
            .split(',')
            .filter_map(|field| field.split_once(':'))
            .filter_map(|(key, value)| Some((Box::from(key), parse(value)?)))
            .collect();
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        return Some(Value::Map(fields.into()));
    }
    Some(match (text, text.parse::<f64>()) {
        ("null", _) => return None,
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        (_, Ok(number)) => Value::Num(number),
        (text, Err(_)) => Value::Str(text.into()),
    })
}
