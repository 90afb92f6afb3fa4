//! Finds the triggers that an event may concern: by its name, then by a discriminating value.
//!
//! A filter such as `event.path == "/pricing" && event.seconds > 30` can only hold for an event
//! with that path: the clause is found by the path's hash, and the number is compared right where
//! the candidates are listed. So a thousand triggers that wait for other paths cost nothing.
//! What comes out *may* match; whether it does is for the filter itself to say.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use super::catalog::{AbsenceScope, Trigger, When};
use super::condition::{Comparison, Condition, Expr};
use super::evaluate::{order_numbers, rounded};
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
}

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
}

/// What one event name leads to.
#[derive(Debug, Default)]
struct OfEvent {
    /// Found by the name alone.
    always: Box<[Entry]>,
    /// Found by the value of a property.
    by_value: Box<[ByValue]>,
    /// Absences that the event ends.
    follows: Box<[Candidate]>,
}

#[derive(Debug)]
struct ByValue {
    property: PropertySlot,
    /// Sorted; the entries of each stand at the same place.
    keys: Box<[u64]>,
    entries: Box<[Box<[Entry]>]>,
}

#[derive(Clone, Debug)]
struct Entry {
    candidate: Candidate,
    guard: Option<Guard>,
}

/// A conjunct that compares a property with a number: most candidates fail here, and here it is
/// cheap.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Guard {
    property: PropertySlot,
    op: Comparison,
    bound: f64,
}

impl TriggerIndex {
    /// Builds the index over all triggers. `events` is the number of event slots.
    pub fn build(triggers: &[Trigger], events: usize) -> Self {
        let mut drafts: Vec<Draft> = Vec::new();
        drafts.resize_with(events, Draft::default);
        let mut pages = Vec::new();
        for (slot, trigger) in (0..=u16::MAX).zip(triggers) {
            enter(TriggerSlot(slot), &trigger.when, &mut drafts, &mut pages);
        }
        let events = drafts.into_iter().map(Draft::finish).collect();
        Self { roster: Roster::build(triggers), events, pages: pages.into() }
    }

    /// Appends the candidates of an event, sorted, each once.
    pub fn candidates(&self, event: EventSlot, properties: &[Property<'_>], out: &mut Candidates) {
        let start = out.len();
        self.matching(event, properties, out);
        out.extend_from_slice(self.followers(event));
        sort(out, start);
    }

    /// The same for a page or screen view, which also ends every `dwell:`; its name need not be
    /// one that a file refers to.
    pub fn candidates_of_view(
        &self,
        event: EventSlot,
        properties: &[Property<'_>],
        out: &mut Candidates,
    ) {
        let start = out.len();
        self.matching(event, properties, out);
        out.extend_from_slice(self.followers(event));
        out.extend_from_slice(&self.pages);
        sort(out, start);
    }

    /// Appends only the clauses and steps that an event may match, sorted, each once.
    pub fn matching(&self, event: EventSlot, properties: &[Property<'_>], out: &mut Candidates) {
        let Some(of_event) = self.events.get(event.index()) else { return };
        let start = out.len();
        append(&of_event.always, properties, out);
        for by_value in &of_event.by_value {
            let value = properties.get(by_value.property.index()).map(Property::as_ref);
            if let Some(key) = value.and_then(key)
                && let Ok(found) = by_value.keys.binary_search(&key)
                && let Some(entries) = by_value.entries.get(found)
            {
                append(entries, properties, out);
            }
        }
        if !of_event.by_value.is_empty() {
            sort(out, start);
        }
    }

    /// The absences that an event ends by its name, sorted. A step that looks at the few absences
    /// armed for a customer need not look at these.
    pub fn followers(&self, event: EventSlot) -> &[Candidate] {
        self.events.get(event.index()).map_or(&[], |of_event| &of_event.follows)
    }
}

impl Guard {
    fn passes(self, properties: &[Property<'_>]) -> bool {
        let Some(Property::Num(number)) = properties.get(self.property.index()) else {
            return false;
        };
        let order = order_numbers(*number, self.bound);
        match self.op {
            Comparison::Greater => order.is_some_and(Ordering::is_gt),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Comparison::Less => order.is_some_and(Ordering::is_lt),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparison::Equal | Comparison::NotEqual => true,
        }
    }
}

fn append(entries: &[Entry], properties: &[Property<'_>], out: &mut Candidates) {
    for entry in entries {
        if entry.guard.is_none_or(|guard| guard.passes(properties)) {
            out.push(entry.candidate);
        }
    }
}

fn sort(out: &mut Candidates, start: usize) {
    let Some(appended) = out.get_mut(start..) else { return };
    if !appended.is_sorted_by(|left, right| left < right) {
        appended.sort_unstable();
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
    keys: BTreeMap<PropertySlot, BTreeSet<u64>>,
}

fn enter(trigger: TriggerSlot, when: &When, drafts: &mut [Draft], pages: &mut Vec<Candidate>) {
    match when {
        When::Event(clauses) => {
            for (number, clause) in (0..=u8::MAX).zip(clauses) {
                let candidate = Candidate { trigger, clause: number, role: Role::Matches };
                if let Some(draft) = drafts.get_mut(clause.event.index()) {
                    draft.clauses.push(Clause::new(candidate, clause.filter.as_ref()));
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
                let candidate = Candidate { trigger, clause: number, role: Role::Matches };
                if let Some(draft) = drafts.get_mut(step.event.index()) {
                    draft.clauses.push(Clause::new(candidate, step.filter.as_ref()));
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
    fn new(candidate: Candidate, filter: Option<&Condition>) -> Self {
        let conjuncts = match filter.map(|filter| &filter.expr) {
            None => &[],
            Some(Expr::All(parts)) => &**parts,
            Some(expr) => std::slice::from_ref(expr),
        };
        let mut keys: BTreeMap<PropertySlot, BTreeSet<u64>> = BTreeMap::new();
        for (property, values) in conjuncts.iter().filter_map(values_of) {
            // Of two lists for one property either will do: both must hold.
            keys.entry(property).or_insert(values);
        }
        let guard = conjuncts.iter().find_map(guard_of);
        Self { entry: Entry { candidate, guard }, keys }
    }
}

impl Draft {
    fn finish(self) -> OfEvent {
        let mut spread: BTreeMap<PropertySlot, BTreeSet<u64>> = BTreeMap::new();
        for (property, keys) in self.clauses.iter().flat_map(|clause| &clause.keys) {
            spread.entry(*property).or_default().extend(keys);
        }
        let distinct = |property: &PropertySlot| spread.get(property).map_or(0, BTreeSet::len);
        let mut always = Vec::new();
        let mut by_value: BTreeMap<PropertySlot, BTreeMap<u64, Vec<Entry>>> = BTreeMap::new();
        for Clause { entry, keys } in self.clauses {
            // The property that tells the most clauses apart; of equals the first.
            let best = keys.iter().rev().max_by_key(|(property, _)| distinct(property));
            let Some((property, keys)) = best else {
                always.push(entry);
                continue;
            };
            for key in keys {
                let entries = by_value.entry(*property).or_default();
                entries.entry(*key).or_default().push(entry.clone());
            }
        }
        let mut follows = self.follows;
        follows.sort_unstable();
        follows.dedup();
        OfEvent {
            always: always.into(),
            by_value: by_value.into_iter().map(ByValue::new).collect(),
            follows: follows.into(),
        }
    }
}

impl ByValue {
    fn new((property, entries): (PropertySlot, BTreeMap<u64, Vec<Entry>>)) -> Self {
        let (keys, entries): (Vec<u64>, Vec<Box<[Entry]>>) =
            entries.into_iter().map(|(key, entries)| (key, entries.into())).unzip();
        Self { property, keys: keys.into(), entries: entries.into() }
    }
}

/// The values one of which a property must have for a conjunct to hold.
fn values_of(conjunct: &Expr) -> Option<(PropertySlot, BTreeSet<u64>)> {
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
    let keys: Option<BTreeSet<u64>> = values.iter().map(|value| key(value.as_ref())).collect();
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
