//! Finds the triggers that an event may concern: by its name, then by a discriminating value.
//!
//! A filter such as `event.path == "/pricing" && event.seconds > 30` can only hold for an event
//! with that path: the clause is found by the path's hash, and the number is compared right where
//! the candidates are listed. So a thousand triggers that wait for other paths cost nothing.
//! What comes out *may* match; whether it does is for the filter itself to say, unless value and
//! number were all that it asks for. Conditions that several triggers share are known here as one
//! [`Gate`], so that a step works each out once, and not for each trigger.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use smallvec::SmallVec;

use super::catalog::{AbsenceScope, Trigger, When};
use super::condition::{Comparison, Condition, Expr};
use super::evaluate::{order_numbers, rounded};
use super::input::View;
use super::series::value_hash;
use super::slot::{EventSlot, PropertySlot, TriggerSlot};
use super::step::Roster;
use super::value::{Property, Value, ValueRef};

/// A trigger and one of its clauses that an event may concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The trigger.
    pub trigger: TriggerSlot,
    /// The clause of `any:`, or the step of a sequence.
    pub clause: u8,
    /// What the event would do there.
    pub role: Role,
    /// What is known of the clause's filter.
    pub filter: Filter,
}

/// What the index knows of a clause's filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// It must be asked.
    Open,
    /// It holds: finding the clause was all that it asks for.
    Holds,
}

/// Conditions that several triggers have in common, by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate(u16);

/// What an event would do to a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// End an absence that is armed.
    Follows,
    /// Match the clause.
    Matches,
}

/// Candidates of one event, in order of trigger.
pub type Candidates = SmallVec<[Candidate; 16]>;

/// The index.
#[derive(Debug, Default)]
pub struct TriggerIndex {
    /// Who watches what other than an event's name.
    pub roster: Roster,
    events: Box<[OfEvent]>,
    /// Absences that any page view ends.
    pages: Box<[Candidate]>,
    /// For each gate one of the triggers whose conditions it stands for.
    gates: Box<[TriggerSlot]>,
}

/// What one event name leads to.
#[derive(Debug, Default)]
struct OfEvent {
    /// Found by the name alone.
    always: Runs,
    /// Found by the value of a property.
    by_value: Box<[ByValue]>,
    /// Absences that the event ends.
    follows: Box<[Candidate]>,
}

#[derive(Debug)]
struct ByValue {
    property: PropertySlot,
    /// Sorted; what each leads to stands at the same place.
    keys: Box<[u64]>,
    found: Box<[Found]>,
}

/// What one value of a property leads to.
#[derive(Debug, Default)]
struct Found {
    /// The value itself, where it is a text or a truth value and no other has its hash.
    value: Option<Value>,
    entries: Runs,
}

/// Candidates, those side by side that ask for the same.
#[derive(Debug, Default)]
struct Runs {
    runs: Box<[Run]>,
    candidates: Box<[Candidate]>,
    /// For each candidate the number that its guard compares with.
    bounds: Box<[f64]>,
}

/// Candidates with the same gate, whose guards differ in their bounds alone: those that pass stand
/// before those that do not, whatever the number.
#[derive(Debug)]
struct Run {
    guard: Option<(PropertySlot, Comparison)>,
    gate: Option<Gate>,
    /// Where they stand.
    range: Range<usize>,
}

/// A candidate while the index is built.
#[derive(Clone, Debug)]
struct Entry {
    candidate: Candidate,
    guard: Option<Guard>,
    /// What must hold for the trigger to fire, where the clause fires it at once.
    gate: Option<Gate>,
}

/// A conjunct that compares a property with a number: most candidates fail here, and here it is
/// cheap.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Guard {
    property: PropertySlot,
    op: Comparison,
    bound: f64,
}

impl Candidate {
    const fn matching(trigger: TriggerSlot, clause: u8) -> Self {
        Self { trigger, clause, role: Role::Matches, filter: Filter::Open }
    }

    /// The candidate as a number of the same order.
    fn rank(self) -> u64 {
        let filter = u64::from(self.filter == Filter::Holds);
        let role = u64::from(self.role == Role::Matches);
        u64::from(self.trigger.0) << 16 | u64::from(self.clause) << 8 | role << 1 | filter
    }
}

impl TriggerIndex {
    /// Builds the index over all triggers. `events` is the number of event slots.
    pub fn build(triggers: &[Trigger], events: usize) -> Self {
        let mut drafts: Vec<Draft> = Vec::new();
        drafts.resize_with(events, Draft::default);
        let mut pages = Vec::new();
        let (gates, gate_of) = gates(triggers);
        for ((slot, trigger), gate) in (0..=u16::MAX).zip(triggers).zip(gate_of) {
            enter((TriggerSlot(slot), gate), &trigger.when, &mut drafts, &mut pages);
        }
        let events = drafts.into_iter().map(Draft::finish).collect();
        Self { roster: Roster::build(triggers), events, pages: pages.into(), gates }
    }

    /// Appends the candidates of an event, sorted, each once. A page or screen view also ends every
    /// `dwell:`; its name need not be one that a file refers to. `is_open` says whether the
    /// conditions of a gate hold, and is asked at most once for nearly all: what they would keep
    /// from firing is left out.
    pub fn candidates(
        &self,
        (event, view): (EventSlot, View),
        properties: &[Property<'_>],
        is_open: impl FnMut(Gate) -> bool,
        out: &mut Candidates,
    ) {
        let start = out.len();
        self.matching(event, properties, is_open, out);
        out.extend_from_slice(self.followers(event));
        match view {
            View::Page => out.extend_from_slice(&self.pages),
            View::Other => {}
        }
        sort(out, start);
    }

    /// A trigger whose conditions a gate stands for.
    pub fn trigger_of(&self, gate: Gate) -> Option<TriggerSlot> {
        self.gates.get(usize::from(gate.0)).copied()
    }

    /// Appends only the clauses and steps that an event may match.
    fn matching(
        &self,
        event: EventSlot,
        properties: &[Property<'_>],
        is_open: impl FnMut(Gate) -> bool,
        out: &mut Candidates,
    ) {
        let mut gates = Gates::new(is_open);
        let Some(of_event) = self.events.get(event.index()) else { return };
        of_event.always.append(properties, &mut gates, out);
        for by_value in &of_event.by_value {
            let value = properties.get(by_value.property.index()).map(Property::as_ref);
            if let Some(value) = value
                && let Some(key) = key(value)
                && let Ok(found) = by_value.keys.binary_search(&key)
                && let Some(found) = by_value.found.get(found)
                && found.value.as_ref().is_none_or(|same| same.as_ref() == value)
            {
                found.entries.append(properties, &mut gates, out);
            }
        }
    }

    /// The absences that an event ends by its name, sorted. A step that looks at the few absences
    /// armed for a customer need not look at these.
    pub fn followers(&self, event: EventSlot) -> &[Candidate] {
        self.events.get(event.index()).map_or(&[], |of_event| &of_event.follows)
    }
}

impl Runs {
    fn new(mut entries: Vec<Entry>) -> Self {
        let kind =
            |entry: &Entry| (entry.gate, entry.guard.map(|guard| (guard.property, guard.op)));
        entries.sort_by(|left, right| {
            let bounds = left.guard.zip(right.guard);
            kind(left).cmp(&kind(right)).then_with(|| {
                bounds.map_or(Ordering::Equal, |(left, right)| match left.op {
                    Comparison::Less | Comparison::LessOrEqual => {
                        right.bound.total_cmp(&left.bound)
                    }
                    _ => left.bound.total_cmp(&right.bound),
                })
            })
        });
        let mut from = 0;
        let run = |run: &[Entry]| {
            let range = from..from + run.len();
            from = range.end;
            let (gate, guard) = run.first().map(kind).unwrap_or_default();
            Run { guard, gate, range }
        };
        Self {
            runs: entries.chunk_by(|left, right| kind(left) == kind(right)).map(run).collect(),
            candidates: entries.iter().map(|entry| entry.candidate).collect(),
            bounds: entries.iter().map(|entry| entry.guard.map_or(0.0, |g| g.bound)).collect(),
        }
    }

    #[inline]
    fn append(
        &self,
        properties: &[Property<'_>],
        gates: &mut Gates<impl FnMut(Gate) -> bool>,
        out: &mut Candidates,
    ) {
        for Run { guard, gate, range } in &self.runs {
            // Most gates are closed, and after the first run that asks for one this is known.
            if gate.is_some_and(|gate| gates.is_known_closed(gate)) {
                continue;
            }
            let bounds = self.bounds.get(range.clone()).unwrap_or_default();
            let number = match guard.map(|(property, op)| (properties.get(property.index()), op)) {
                None => None,
                Some((Some(Property::Num(number)), op)) => Some((*number, op)),
                Some(_) => continue,
            };
            let passes = |bound: &f64| number.is_none_or(|(number, op)| passes(op, number, *bound));
            if bounds.first().is_some_and(passes) && gate.is_none_or(|gate| gates.is_open(gate)) {
                let passing = range.start..range.start + bounds.partition_point(passes);
                out.extend_from_slice(self.candidates.get(passing).unwrap_or_default());
            }
        }
    }
}

/// The gates that were asked for during one event: what conditions see does not change while its
/// triggers are looked for, so each is worked out once.
struct Gates<F> {
    work_out: F,
    /// A bit for each of the first gates.
    known: u64,
    open: u64,
    /// Of the others these are remembered.
    more: SmallVec<[(Gate, bool); GATES_KEPT]>,
}

/// Gates without a bit of their own whose answers are kept; others are worked out each time.
const GATES_KEPT: usize = 8;

impl<F: FnMut(Gate) -> bool> Gates<F> {
    fn new(work_out: F) -> Self {
        Self { work_out, known: 0, open: 0, more: SmallVec::new() }
    }

    const fn bit(gate: Gate) -> u64 {
        if (gate.0 as u32) < u64::BITS { 1 << gate.0 } else { 0 }
    }

    #[inline]
    const fn is_known_closed(&self, gate: Gate) -> bool {
        self.known & !self.open & Self::bit(gate) != 0
    }

    fn is_open(&mut self, gate: Gate) -> bool {
        let bit = Self::bit(gate);
        if self.known & bit != 0 {
            return self.open & bit != 0;
        }
        if let Some((_, is_open)) = self.more.iter().find(|(known, _)| *known == gate) {
            return *is_open;
        }
        let is_open = (self.work_out)(gate);
        self.known |= bit;
        if is_open {
            self.open |= bit;
        }
        if bit == 0 && self.more.len() < GATES_KEPT {
            self.more.push((gate, is_open));
        }
        is_open
    }
}

/// Whether a number stands in the right order to a bound.
fn passes(op: Comparison, number: f64, bound: f64) -> bool {
    let order = order_numbers(number, bound);
    match op {
        Comparison::Greater => order.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        Comparison::Less => order.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Equal | Comparison::NotEqual => true,
    }
}

fn sort(out: &mut Candidates, start: usize) {
    let Some(appended) = out.get_mut(start..) else { return };
    if !appended.is_sorted_by(|left, right| left.rank() < right.rank()) {
        appended.sort_unstable_by_key(|candidate| candidate.rank());
        // Each list is free of repetitions, but an event can follow by its name and as a view.
        let mut last = None;
        let mut index = 0;
        out.retain(|candidate| {
            let repeated = start < index && last == Some(*candidate);
            index += 1;
            last = Some(*candidate);
            !repeated
        });
    }
}

/// The hash under which a value is found; only values that a literal can equal have one.
fn key(value: ValueRef<'_>) -> Option<u64> {
    match value {
        // As equality does, see `order_numbers`.
        ValueRef::Num(number) => value_hash(ValueRef::Num(rounded(number))),
        ValueRef::Str(_) | ValueRef::Bool(_) => value_hash(value),
        ValueRef::Missing | ValueRef::List(_) | ValueRef::Map(_) => None,
    }
}

/// What is known of one event name while the index is built.
#[derive(Default)]
struct Draft {
    clauses: Vec<Clause>,
    follows: Vec<Candidate>,
}

struct Clause {
    entry: Entry,
    /// Each property that must have one of these values.
    keys: BTreeMap<PropertySlot, Keys>,
    /// Conjuncts that the guard does not stand for.
    open: usize,
}

/// Values with their hashes.
type Keys = BTreeMap<u64, Value>;

/// Numbers the conditions that more than one trigger has: one trigger for each, and the gate of
/// each trigger.
fn gates(triggers: &[Trigger]) -> (Box<[TriggerSlot]>, Vec<Option<Gate>>) {
    // Expressions have no order; what they look like in full tells equal ones as well.
    let form = |trigger: &Trigger| {
        let exprs: Vec<&Expr> = trigger.conditions.iter().map(|each| &each.expr).collect();
        (!exprs.is_empty()).then(|| format!("{exprs:?}"))
    };
    let forms: Vec<Option<String>> = triggers.iter().map(form).collect();
    let mut sharing: BTreeMap<&str, Vec<TriggerSlot>> = BTreeMap::new();
    for (slot, form) in (0..=u16::MAX).zip(&forms) {
        if let Some(form) = form {
            sharing.entry(form).or_default().push(TriggerSlot(slot));
        }
    }
    let mut firsts = Vec::new();
    let mut gate_of = vec![None; triggers.len()];
    for (number, sharing) in (0..=u16::MAX).zip(sharing.values().filter(|all| 1 < all.len())) {
        firsts.extend(sharing.first());
        for slot in sharing {
            if let Some(place) = gate_of.get_mut(slot.index()) {
                *place = Some(Gate(number));
            }
        }
    }
    (firsts.into(), gate_of)
}

fn enter(
    (trigger, gate): (TriggerSlot, Option<Gate>),
    when: &When,
    drafts: &mut [Draft],
    pages: &mut Vec<Candidate>,
) {
    match when {
        When::Event(clauses) => {
            for (number, clause) in (0..=u8::MAX).zip(clauses) {
                let candidate = Candidate::matching(trigger, number);
                // What is armed or counted asks for the conditions later, when it fires.
                let fires_at_once = clause.absence.is_none() && clause.times.is_none();
                let gate = gate.filter(|_| fires_at_once);
                if let Some(draft) = drafts.get_mut(clause.event.index()) {
                    draft.clauses.push(Clause::new(candidate, clause.filter.as_ref(), gate));
                }
                let Some(absence) = &clause.absence else { continue };
                let follower = Candidate { role: Role::Follows, ..candidate };
                for event in &absence.events {
                    if let Some(draft) = drafts.get_mut(event.index()) {
                        draft.follows.push(follower);
                    }
                }
                match absence.scope {
                    AbsenceScope::AnyPage => pages.push(follower),
                    AbsenceScope::Named => {}
                }
            }
        }
        When::Sequence { steps, .. } => {
            for (number, step) in (0..=u8::MAX).zip(steps) {
                let candidate = Candidate::matching(trigger, number);
                if let Some(draft) = drafts.get_mut(step.event.index()) {
                    draft.clauses.push(Clause::new(candidate, step.filter.as_ref(), None));
                }
            }
        }
        When::Session { .. }
        | When::Change { .. }
        | When::Score { .. }
        | When::Date { .. }
        | When::Schedule { .. } => {}
    }
}

impl Clause {
    fn new(candidate: Candidate, filter: Option<&Condition>, gate: Option<Gate>) -> Self {
        let conjuncts = match filter.map(|filter| &filter.expr) {
            None => &[],
            Some(Expr::All(parts)) => &**parts,
            Some(expr) => std::slice::from_ref(expr),
        };
        let mut keys: BTreeMap<PropertySlot, Keys> = BTreeMap::new();
        for (property, values) in conjuncts.iter().filter_map(values_of) {
            // Of two lists for one property either will do: both must hold.
            keys.entry(property).or_insert(values);
        }
        let guard = conjuncts.iter().find_map(guard_of);
        let open = conjuncts.len() - usize::from(guard.is_some());
        Self { entry: Entry { candidate, guard, gate }, keys, open }
    }
}

impl Draft {
    fn finish(self) -> OfEvent {
        let mut spread: BTreeMap<PropertySlot, BTreeSet<u64>> = BTreeMap::new();
        for (property, keys) in self.clauses.iter().flat_map(|clause| &clause.keys) {
            spread.entry(*property).or_default().extend(keys.keys());
        }
        let distinct = |property: &PropertySlot| spread.get(property).map_or(0, BTreeSet::len);
        let mut always = Vec::new();
        let mut by_value: BTreeMap<PropertySlot, BTreeMap<u64, Shared>> = BTreeMap::new();
        for Clause { mut entry, keys, open } in self.clauses {
            // The property that tells the most clauses apart; of equals the first.
            let best = keys.iter().rev().max_by_key(|(property, _)| distinct(property));
            if open == usize::from(best.is_some()) {
                entry.candidate.filter = Filter::Holds;
            }
            let Some((property, keys)) = best else {
                always.push(entry);
                continue;
            };
            let shared = by_value.entry(*property).or_default();
            for (key, value) in keys {
                shared.entry(*key).or_default().add(value, entry.clone());
            }
        }
        let mut follows = self.follows;
        follows.sort_unstable();
        follows.dedup();
        OfEvent {
            always: Runs::new(always),
            by_value: by_value.into_iter().map(ByValue::new).collect(),
            follows: follows.into(),
        }
    }
}

/// What clauses share that were found by one key, while the index is built.
#[derive(Default)]
struct Shared {
    values: Vec<Value>,
    entries: Vec<Entry>,
}

impl Shared {
    fn add(&mut self, value: &Value, entry: Entry) {
        if !self.values.contains(value) {
            self.values.push(value.clone());
        }
        self.entries.push(entry);
    }

    /// Numbers are found by what they are rounded to, and different values may share a hash: such
    /// a key proves nothing, and the filters must be asked.
    fn finish(mut self) -> Found {
        let value = match self.values.as_slice() {
            [only @ (Value::Str(_) | Value::Bool(_))] => Some(only.clone()),
            _ => {
                self.entries.iter_mut().for_each(|entry| entry.candidate.filter = Filter::Open);
                None
            }
        };
        Found { value, entries: Runs::new(self.entries) }
    }
}

impl ByValue {
    fn new((property, shared): (PropertySlot, BTreeMap<u64, Shared>)) -> Self {
        let (keys, found): (Vec<u64>, Vec<Found>) =
            shared.into_iter().map(|(key, shared)| (key, shared.finish())).unzip();
        Self { property, keys: keys.into(), found: found.into() }
    }
}

/// The values one of which a property must have for a conjunct to hold.
fn values_of(conjunct: &Expr) -> Option<(PropertySlot, Keys)> {
    let (property, values) = match conjunct {
        Expr::Compare { op: Comparison::Equal, left, right } => match (&**left, &**right) {
            (Expr::Property(property), Expr::Literal(value))
            | (Expr::Literal(value), Expr::Property(property)) => {
                (*property, std::slice::from_ref(value))
            }
            _ => return None,
        },
        Expr::In { needle, haystack } => match (&**needle, &**haystack) {
            (Expr::Property(property), Expr::Literal(Value::List(values))) => {
                (*property, &**values)
            }
            _ => return None,
        },
        Expr::Flag(inner) => match &**inner {
            Expr::Property(property) => (*property, &[Value::Bool(true)][..]),
            _ => return None,
        },
        _ => return None,
    };
    // A list or object among the values has no key: then the conjunct tells nothing apart.
    let keyed = values.iter().map(|value| Some((key(value.as_ref())?, value.clone())));
    let keys: Option<Keys> = keyed.collect();
    keys.map(|keys| (property, keys))
}

fn guard_of(conjunct: &Expr) -> Option<Guard> {
    let Expr::Compare { op, left, right } = conjunct else { return None };
    let (property, op, bound) = match (&**left, &**right) {
        (Expr::Property(property), Expr::Literal(Value::Num(bound))) => (*property, *op, *bound),
        (Expr::Literal(Value::Num(bound)), Expr::Property(property)) => {
            (*property, mirrored(*op), *bound)
        }
        _ => return None,
    };
    match op {
        // Equality finds the clause by its key already; inequality rules too little out.
        Comparison::Equal | Comparison::NotEqual => None,
        Comparison::Less
        | Comparison::LessOrEqual
        | Comparison::Greater
        | Comparison::GreaterOrEqual => Some(Guard { property, op, bound }),
    }
}

/// The comparison with its sides exchanged.
const fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Equal => Comparison::Equal,
        Comparison::NotEqual => Comparison::NotEqual,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

#[cfg(test)]
mod tests;
