//! Builds the index: what each clause asks of an event, and what clauses share.

use std::collections::{BTreeMap, BTreeSet};

use super::super::catalog::{AbsenceScope, Trigger, When};
use super::super::condition::{Comparison, Condition, Expr};
use super::super::slot::{PropertySlot, TriggerSlot};
use super::super::value::Value;
use super::{ByValue, Candidate, Entry, Filter, Found, Gate, Guard, OfEvent, Role, Runs, key};

/// What is known of one event name while the index is built.
#[derive(Default)]
pub(super) struct Draft {
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
pub(super) fn gates(triggers: &[Trigger]) -> (Box<[TriggerSlot]>, Vec<Option<Gate>>) {
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

pub(super) fn enter(
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
    pub(super) fn finish(self) -> OfEvent {
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
            (*property, op.mirrored(), *bound)
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
