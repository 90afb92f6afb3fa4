//! Takes rows from a replay: looks at every customer at each snapshot, and once more when the time
//! of its label is over.

use std::collections::{BTreeMap, VecDeque};

use super::rows::{Codes, Rows};
use crate::engine::catalog::Catalog;
use crate::engine::classifier::{Classifier, Eligibility};
use crate::engine::customer::CustomerState;
use crate::engine::evaluate::Scope;
use crate::engine::time::Timestamp;
use crate::engine::value::ValueRef;

/// Snapshots whose labels are not known yet, at most: a year of days.
pub const OPEN_MAX: usize = 400;

/// Rows under way.
#[derive(Debug)]
pub struct Harvest<'a> {
    classifier: &'a Classifier,
    /// Snapshots to take, the next one first.
    planned: VecDeque<Timestamp>,
    /// Snapshots taken whose labels are not known yet, the oldest first.
    open: VecDeque<Snapshot>,
    /// Numbers of the customers looked at.
    groups: BTreeMap<Box<str>, u32>,
    codes: Vec<Codes>,
    rows: Rows,
    passed_over: PassedOver,
}

/// Customers who were not judged, by why; counted at each snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Known for too short a time.
    pub too_new: u64,
    /// Not of the population.
    pub outside: u64,
    /// Judged, but forgotten before their label was known.
    pub forgotten: u64,
}

#[derive(Debug)]
struct Snapshot {
    at: Timestamp,
    values: Vec<f64>,
    /// Of each row: whose it is, and how often the event of the label had happened.
    whose: Vec<(u32, u32)>,
}

impl<'a> Harvest<'a> {
    /// To be taken at these instants, which are sorted first; of each at most [`OPEN_MAX`] ahead
    /// of its label.
    pub fn new(classifier: &'a Classifier, mut snapshots: Vec<Timestamp>) -> Self {
        snapshots.sort_unstable();
        snapshots.dedup();
        Self {
            planned: snapshots.into(),
            open: VecDeque::new(),
            groups: BTreeMap::new(),
            codes: vec![Codes::default(); classifier.features.len()],
            rows: Rows::new(classifier.features.len()),
            passed_over: PassedOver::default(),
            classifier,
        }
    }

    /// When it must look next: after everything that occurred before that instant was applied, and
    /// before anything that occurred at it or later. `None` when it has all it can have.
    pub fn next_look(&self) -> Option<Timestamp> {
        let closes = self.open.front().map(|first| self.classifier.label.closes(first.at));
        let planned = self.planned.front().copied().filter(|_| self.open.len() < OPEN_MAX);
        [closes, planned].into_iter().flatten().min()
    }

    /// How many rows there are, with those whose labels are not known yet.
    pub fn rows(&self) -> usize {
        self.rows.len() + self.open.iter().map(|snapshot| snapshot.whose.len()).sum::<usize>()
    }

    /// Looks at all customers at the instant that [`Harvest::next_look`] gave.
    pub fn look<'s>(
        &mut self,
        catalog: &Catalog,
        at: Timestamp,
        states: impl Iterator<Item = &'s CustomerState>,
    ) {
        let mut states: Vec<&CustomerState> = states.collect();
        states.sort_unstable_by(|left, right| left.id.as_str().cmp(right.id.as_str()));
        while let Some(first) = self.open.front()
            && self.classifier.label.closes(first.at) <= at
            && let Some(snapshot) = self.open.pop_front()
        {
            self.close(&snapshot, catalog, at, &states);
        }
        while self.planned.front().is_some_and(|planned| *planned <= at) {
            self.planned.pop_front();
            let snapshot = self.take(catalog, at, &states);
            self.open.push_back(snapshot);
        }
    }

    /// The rows whose labels are known, and who has none. What is still open is left out: nobody
    /// knows yet what came of it.
    pub fn finish(mut self) -> (Rows, PassedOver) {
        let mut customers = vec![Box::default(); self.groups.len()];
        for (id, group) in self.groups {
            if let Some(slot) = customers.get_mut(group as usize) {
                *slot = id;
            }
        }
        self.rows.settle(&self.codes, customers);
        (self.rows, self.passed_over)
    }

    fn take(&mut self, catalog: &Catalog, at: Timestamp, states: &[&CustomerState]) -> Snapshot {
        let mut snapshot = Snapshot { at, values: Vec::new(), whose: Vec::new() };
        for state in states {
            let scope = Scope { catalog, state, properties: &[], now: at };
            match self.classifier.eligibility(&scope) {
                Eligibility::Judged => {}
                Eligibility::TooNew => {
                    self.passed_over.too_new += 1;
                    continue;
                }
                Eligibility::Outside => {
                    self.passed_over.outside += 1;
                    continue;
                }
            }
            let mut codes = self.codes.iter_mut();
            self.classifier.look(&scope, |_, value| {
                let codes = codes.next();
                let coded = |text: &str| codes.and_then(|codes| codes.code(text));
                snapshot.values.push(match value {
                    ValueRef::Num(number) => number,
                    ValueRef::Str(text) => coded(text).unwrap_or(f64::NAN),
                    ValueRef::Bool(flag) => f64::from(u8::from(flag)),
                    ValueRef::Missing | ValueRef::List(_) | ValueRef::Map(_) => f64::NAN,
                });
            });
            let group = self.group(state.id.as_str());
            snapshot.whose.push((group, self.classifier.label.so_far(&scope)));
        }
        snapshot
    }

    fn close(
        &mut self,
        snapshot: &Snapshot,
        catalog: &Catalog,
        at: Timestamp,
        states: &[&CustomerState],
    ) {
        let label = self.classifier.label;
        let counts: BTreeMap<u32, u32> = states
            .iter()
            .filter_map(|state| {
                let group = *self.groups.get(state.id.as_str())?;
                let scope = Scope { catalog, state, properties: &[], now: at };
                Some((group, label.so_far(&scope)))
            })
            .collect();
        let width = self.rows.features().max(1);
        for ((group, before), values) in snapshot.whose.iter().zip(snapshot.values.chunks(width)) {
            match counts.get(group) {
                Some(after) => {
                    let case = label.case(*before, *after);
                    self.rows.add(values, *group, snapshot.at, case);
                }
                None => self.passed_over.forgotten += 1,
            }
        }
    }

    fn group(&mut self, customer: &str) -> u32 {
        if let Some(group) = self.groups.get(customer) {
            return *group;
        }
        let group = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.insert(customer.into(), group);
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::{Source, SourceKind, load_to_learn};
    use crate::engine::catalog::ScoreSource;
    use crate::engine::id::CustomerId;
    use crate::engine::series::{Series, Tally};
    use crate::engine::slot::SeriesSlot;
    use crate::engine::time::Span;
    use crate::engine::value::Value;

    const MODEL: &str = "\
model: churn
type: classifier
about: Cancels within ten days.
label: {population: customer.plan != \"free\", event: Cancelled, within: 10d, ignore_first: 5d}
features:
  plan: {value: customer.plan, as: category}
  seats: customer.seats
";

    fn day(day: i64) -> Timestamp {
        Timestamp::from_millis(0) + Span::DAY.times(day)
    }

    fn catalog() -> Catalog {
        let source = Source { kind: SourceKind::Model, path: "m.yaml".into(), text: MODEL.into() };
        load_to_learn(&[source], "churn").unwrap().catalog
    }

    fn person(
        catalog: &Catalog,
        id: &str,
        plan: &str,
        begun: i64,
        cancelled: &[i64],
    ) -> CustomerState {
        let mut state = CustomerState::new(CustomerId::new(id), day(begun));
        state.first_seen = day(begun);
        let slot = catalog.traits.iter().position(|name| &**name == "plan").unwrap();
        let slot = crate::engine::slot::TraitSlot(u16::try_from(slot).unwrap());
        state.traits.push((slot, Value::Str(plan.into())));
        if let [first, rest @ ..] = cancelled {
            let mut tally = Tally::begin(day(*first));
            rest.iter().for_each(|at| tally.record(day(*at)));
            state.series.push((SeriesSlot(0), Series::Tally(Box::new(tally))));
        }
        state
    }

    #[test]
    fn rows_hold_what_was_known_then_and_what_came_of_it() {
        let catalog = catalog();
        let ScoreSource::Learning(classifier) = &catalog.scores[0].source else { panic!() };
        let mut harvest = Harvest::new(classifier, vec![day(100), day(105)]);
        assert_eq!(harvest.next_look(), Some(day(100)));
        let people = |cancelled: &[i64]| {
            [
                person(&catalog, "stays", "team", 0, &[]),
                person(&catalog, "goes", "pro", 0, cancelled),
                person(&catalog, "free", "free", 0, &[]),
                person(&catalog, "new", "pro", 97, &[]),
            ]
        };
        harvest.look(&catalog, day(100), people(&[]).iter());
        assert_eq!(harvest.next_look(), Some(day(105)));
        harvest.look(&catalog, day(105), people(&[]).iter());
        assert_eq!(harvest.next_look(), Some(day(110)));
        let mut after = people(&[108]).to_vec();
        // Whoever is forgotten takes the row along.
        after.remove(0);
        harvest.look(&catalog, day(110), after.iter());
        assert_eq!(harvest.next_look(), Some(day(115)));
        let (rows, passed_over) = harvest.finish();
        assert_eq!(rows.len(), 1, "the second snapshot is still open");
        assert_eq!(rows.customer(rows.groups()[0]), Some("goes"));
        assert_eq!(rows.positive(), [true]);
        assert_eq!(rows.levels(0), ["pro".into(), "team".into()]);
        let row = rows.values().next().unwrap();
        assert!(row[0] == 0.0 && row[1].is_nan(), "{row:?}");
        assert_eq!(passed_over, PassedOver { too_new: 1, outside: 2, forgotten: 1 });
    }
}
