//! Finds the triggers that an event may concern: by its name, then by a discriminating value.
//!
//! A filter such as `event.path == "/pricing" && event.seconds > 30` can only hold for an event
//! with that path: the clause is found by the path's hash, and the number is compared right where
//! the candidates are listed. So a thousand triggers that wait for other paths cost nothing.
//! What comes out *may* match; whether it does is for the filter itself to say, unless value and
//! number were all that it asks for. Conditions that several triggers share are known here as one
//! [`Gate`], so that a step works each out once, and not for each trigger.

mod draft;

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;

use self::draft::{Draft, enter, gates};

use super::catalog::Trigger;
use super::condition::Comparison;
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

#[cfg(test)]
mod tests;
