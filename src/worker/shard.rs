//! One shard in memory: applies inputs to customers, and knows whose timers are due.
//!
//! It has no clock, no log and no store: the serving thread and a replay drive it alike.

mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::calendar::Calendar;
use super::customers::{Columns, CustomerNumber, Customers, Note};
use super::hearing::Hearing;
use crate::decode::{Arrival, Decoded, Decoder, Group, Partition, Record, Refusal, Subject};
use crate::engine::catalog::{Catalog, RiskEnd, ScoreSource};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Decision, Effect, Ruling};
use crate::engine::fetch;
use crate::engine::id::CustomerId;
use crate::engine::input::{BlindGap, Body, Input};
use crate::engine::names::Names;
use crate::engine::operation::{Around, Operations};
use crate::engine::slot::ScoreSlot;
use crate::engine::step;
use crate::engine::time::Timestamp;
use crate::store::format::{self, Format, Tables};
use crate::store::funnel::Unbalanced;
use crate::store::record_of::Teller;
use crate::store::view::Funnel;

/// Bytes that memory is fetched by.
const CACHE_LINE: usize = 64;
/// How many turns ahead memory is asked for: about as many as take the time in which it comes.
const FETCHED_AHEAD: usize = 12;

/// A shard.
#[derive(Debug)]
pub struct Shard {
    decoder: Decoder,
    names: Names,
    format: Format,
    core: Core,
    calendar: Calendar,
    funnels: Funnels,
}

/// What a step needs, apart from what decoding needs.
#[derive(Debug)]
struct Core {
    catalog: Arc<Catalog>,
    customers: Customers,
    hearing: Hearing,
    operations: Operations,
    health: Option<(ScoreSlot, RiskEnd)>,
    /// Where its lines come from, if others write there.
    partition: Option<Partition>,
}

/// What applying an input gave.
#[derive(Debug, Default)]
pub enum Stepped {
    /// Nothing: it concerned nobody.
    #[default]
    Nothing,
    /// The step of one customer.
    One(CustomerNumber, Decision),
    /// The steps of those customers whom an input for everyone changed.
    Many(Vec<(CustomerNumber, Decision)>),
}

impl Stepped {
    /// Each customer and their step.
    pub fn iter(&self) -> impl Iterator<Item = (CustomerNumber, &Decision)> {
        let (one, many) = match self {
            Self::Nothing => (None, &[][..]),
            Self::One(number, decision) => (Some((*number, decision)), &[][..]),
            Self::Many(all) => (None, all.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|(number, decision)| (*number, decision)))
    }
}

/// Counts by trigger, and which of them have changed.
#[derive(Debug, Default)]
struct Funnels {
    by_trigger: BTreeMap<String, Funnel>,
    changed: BTreeSet<String>,
}

impl Shard {
    /// An empty shard for a catalog.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            decoder: Decoder::new(&catalog),
            names: Names::new(&catalog.events, &catalog.traits),
            format: Format::new(Tables::of(&catalog)),
            core: Core {
                health: health_of(&catalog),
                hearing: Hearing::new(catalog.policy.blind_after),
                operations: Operations::default(),
                catalog,
                customers: Customers::default(),
                partition: None,
            },
            calendar: Calendar::default(),
            funnels: Funnels::default(),
        }
    }

    /// From here on its events come from a partition that others write to: what does not belong
    /// there is refused.
    pub fn come_from(&mut self, partition: Partition) {
        self.core.partition = Some(partition);
    }

    /// Checks that a record of the log lies where it belongs.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_place(&self, record: &Record<'_>) -> Result<(), Refusal> {
        self.core.check_place(record.subject())
    }

    /// Applies a record of the log.
    ///
    /// # Errors
    /// When the record cannot be made into an input; nothing has changed then.
    pub fn apply(
        &mut self,
        record: &Record<'_>,
        at: Timestamp,
        position: u64,
    ) -> Result<Stepped, Refusal> {
        if self.is_for_nobody(record) {
            return Ok(Stepped::Nothing);
        }
        let core = &mut self.core;
        let names = &mut self.names;
        let stepped =
            self.decoder.decode(record, at, position, names, |decoded| core.step(decoded, at))?;
        self.settle(&stepped);
        Ok(stepped)
    }

    /// What is about addresses is none of a customer's state. What answers somebody who was forgotten
    /// meanwhile must not begin them anew.
    fn is_for_nobody(&self, record: &Record<'_>) -> bool {
        match record {
            Record::Listing(_) => true,
            Record::PoolWord { customer, .. } | Record::Task { customer, .. } => {
                self.find(customer).is_none()
            }
            _ => false,
        }
    }

    /// Applies one event as its sender wrote it; its engine time is when it came, or when it
    /// occurred in a replay. `None` when it is not for us.
    ///
    /// # Errors
    /// When the event is refused, or belongs to another partition; nothing has changed then.
    pub fn apply_line(
        &mut self,
        line: &[u8],
        (arrival, position): (Arrival, u64),
        fresh_id: impl FnOnce() -> String,
    ) -> Result<Option<(Timestamp, Stepped)>, Refusal> {
        let core = &mut self.core;
        let names = &mut self.names;
        let place = (arrival, position);
        let then = |decoded: &mut Decoded<'_>| core.step_here(decoded);
        let applied = self.decoder.decode_line(line, place, fresh_id, names, then)?;
        let applied = applied.transpose()?;
        if let Some((_, stepped)) = &applied {
            self.settle(stepped);
        }
        Ok(applied)
    }

    /// Lets the first timer fire of somebody who has one due at or before `until`, at its own due
    /// instant; `None` when nobody has.
    pub fn tick(&mut self, until: Timestamp) -> Option<(CustomerNumber, Decision)> {
        let customers = &self.core.customers;
        let due_of = |number| customers.get(number).and_then(CustomerState::next_due);
        let number = self.calendar.pop(until, due_of)?;
        let due = self.state(number)?.next_due()?;
        // At its own instant, not at `until`: states do not depend on how often ticks come.
        let decision = self.core.tick(number, due)?;
        self.after(number);
        Some((number, decision))
    }

    /// Reads events as their senders wrote them, to be applied one after the other with
    /// [`Shard::apply_next`], and looks up their customers together. `fresh_id` gives an id to an
    /// event that has none, by its position. The group is to be given back when it is done with.
    pub fn read_lines<'a>(
        &mut self,
        lines: impl Iterator<Item = (&'a [u8], (Arrival, u64))> + Clone,
        fresh_id: impl Fn(u64) -> String,
    ) -> Group<'a> {
        // All of the text first, in its order, which the processor foresees.
        let text = lines.clone().flat_map(|(line, _)| line.iter().step_by(CACHE_LINE));
        std::hint::black_box(text.fold(0, |sum, byte| sum ^ byte));
        let mut group = self.decoder.decode_lines(lines, fresh_id, &mut self.names);
        let customers = &self.core.customers;
        group.note(|id, note| *note = Note::of(id).0);
        group.note(|_, note| *note = customers.likely(Note(*note)).0);
        (0..FETCHED_AHEAD).for_each(|turn| self.core.fetch(&group, turn));
        group
    }

    /// Applies the next event of a group: its engine time and what it gave; none within when it is
    /// not for us, and none at all behind the last.
    ///
    /// # Errors
    /// When the event is refused, or belongs to another partition; nothing has changed then.
    pub fn apply_next(
        &mut self,
        group: &mut Group<'_>,
    ) -> Option<Result<Option<(Timestamp, Stepped)>, Refusal>> {
        let core = &mut self.core;
        core.fetch(group, group.taken() + FETCHED_AHEAD);
        let applied = match group.take_next(|decoded| core.step_here(decoded))? {
            Ok(Some(applied)) => applied,
            Ok(None) => return Some(Ok(None)),
            Err(refusal) => Err(refusal),
        };
        if let Ok((_, stepped)) = &applied {
            self.settle(stepped);
        }
        Some(applied.map(Some))
    }

    /// Takes a group back: what it stands in is used again for the next.
    pub fn give_back(&mut self, group: Group<'_>) {
        self.decoder.give_back(group);
    }

    /// Looks up customers who come soon; see [`Customers::prefetch`].
    pub fn prefetch<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        self.core.customers.prefetch(ids);
    }

    /// Looks at customers who come soon, whose numbers are known already.
    pub fn look_at(&self, numbers: &[CustomerNumber]) {
        self.core.customers.look_at(numbers);
    }

    /// Counts a ruling.
    ///
    /// # Errors
    /// When it replaces a verdict that does not stand: a fault of ours, to be reported.
    pub fn count(&mut self, ruling: &Ruling) -> Result<(), Unbalanced> {
        let name = self.teller().trigger(ruling.trigger).to_owned();
        let funnel = self.funnels.by_trigger.entry(name);
        let funnel = funnel.or_insert_with_key(|name| Funnel::new(name));
        let counted = funnel.count(ruling);
        if !self.funnels.changed.contains(&funnel.trigger) {
            self.funnels.changed.insert(funnel.trigger.clone());
        }
        debug_assert!(funnel.is_balanced(), "matched is the sum of all verdicts");
        counted
    }

    /// Counts by trigger.
    pub fn funnels(&self) -> &BTreeMap<String, Funnel> {
        &self.funnels.by_trigger
    }

    /// The counts that changed since the last call.
    pub fn take_changed_funnels(&mut self) -> Vec<Funnel> {
        let changed = std::mem::take(&mut self.funnels.changed);
        changed.iter().filter_map(|name| self.funnels.by_trigger.get(name).cloned()).collect()
    }

    /// Takes over counts that were stored.
    pub fn set_funnels(&mut self, funnels: BTreeMap<String, Funnel>) {
        self.funnels = Funnels { by_trigger: funnels, changed: BTreeSet::new() };
    }

    /// The catalog in force.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.core.catalog
    }

    /// Names of events and traits.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The customers.
    pub fn customers(&self) -> &Customers {
        &self.core.customers
    }

    /// A customer's state.
    pub fn state(&self, number: CustomerNumber) -> Option<&CustomerState> {
        self.core.customers.get(number)
    }

    /// A customer's state, by id.
    pub fn find(&self, id: &str) -> Option<&CustomerState> {
        self.state(self.core.customers.find(id)?)
    }

    /// Tells what the engine says in words.
    pub fn teller(&self) -> Teller<'_> {
        Teller {
            catalog: &self.core.catalog,
            names: &self.names,
            strangers: self.format.strangers(),
        }
    }

    /// The score that stands for risk, and which of its ends is bad.
    pub fn health(&self) -> Option<(ScoreSlot, RiskEnd)> {
        self.core.health
    }

    /// Times in which this shard heard nothing.
    pub fn blind(&self) -> &[BlindGap] {
        self.core.hearing.gaps()
    }

    /// The silence of the source that ended since it was asked last.
    pub fn take_silence(&mut self) -> Option<BlindGap> {
        self.core.hearing.take_ended()
    }

    /// Sets the times in which this shard heard nothing.
    pub fn set_blind(&mut self, blind: Vec<BlindGap>) {
        self.core.hearing.set_gaps(blind);
    }

    /// When somebody's timer may be due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.calendar.next()
    }

    /// Entries of the calendar, for the metrics.
    pub fn timers(&self) -> usize {
        self.calendar.len()
    }

    /// Appends a customer's written state to `out`; nothing when there is no such customer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn encode(
        &mut self,
        number: CustomerNumber,
        out: &mut Vec<u8>,
    ) -> Result<(), format::Error> {
        match self.core.customers.get(number) {
            Some(state) => self.format.encode(&self.names, state, out),
            None => Ok(()),
        }
    }

    /// Makes room for so many customers at once.
    pub fn reserve(&mut self, count: usize) {
        self.core.customers.reserve(count);
    }

    /// Adds a customer from their written state.
    ///
    /// # Errors
    /// When the bytes are no state.
    pub fn load(&mut self, id: CustomerId, bytes: &[u8]) -> Result<CustomerNumber, format::Error> {
        let state = self.format.decode(&mut self.names, id, bytes)?;
        let number = self.core.customers.insert(state);
        self.after(number);
        Ok(number)
    }

    /// Binds a customer to the catalog anew: arms what waits for time alone.
    pub fn bind(&mut self, number: CustomerNumber, now: Timestamp) {
        let Core { catalog, customers, .. } = &mut self.core;
        if let Some(state) = customers.get_mut(number) {
            step::bind(catalog, state, now);
        }
        self.after(number);
    }

    /// A shard under another catalog: every customer is written down by names and read back under
    /// its slots, and bound to it. Gives also the customers whose written states differ by it. This
    /// shard stays as it was; [`Shard::become_next`] puts the other in its place.
    ///
    /// # Errors
    /// When a state does not survive.
    pub fn bound_to(
        &mut self,
        catalog: Arc<Catalog>,
        now: Timestamp,
    ) -> Result<(Self, Vec<CustomerNumber>), format::Error> {
        let mut next = Self::new(catalog);
        let mut changed = Vec::new();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for number in self.core.customers.numbers() {
            let Some(id) = self.state(number).map(|state| state.id.clone()) else { continue };
            before.clear();
            after.clear();
            self.encode(number, &mut before)?;
            let number = next.load(id, &before)?;
            next.bind(number, now);
            next.encode(number, &mut after)?;
            if before != after {
                changed.push(number);
            }
        }
        Ok((next, changed))
    }

    /// Becomes the shard that [`Shard::bound_to`] gave. Nothing may have been applied in between.
    pub fn become_next(&mut self, mut next: Self) {
        next.funnels = std::mem::take(&mut self.funnels);
        next.core.hearing.follow(&mut self.core.hearing);
        next.core.operations = std::mem::take(&mut self.core.operations);
        next.core.partition = self.core.partition;
        *self = next;
    }

    fn settle(&mut self, stepped: &Stepped) {
        for (number, decision) in stepped.iter() {
            if decision.effects.iter().any(|effect| matches!(effect, Effect::Erase)) {
                continue;
            }
            self.after(number);
        }
    }

    /// Forgets a customer whose step gave [`Effect::Erase`]: to be called once its rulings are told.
    pub fn forget(&mut self, number: CustomerNumber) {
        self.core.customers.remove(number);
    }

    /// Keeps calendar and lists true to a state that may have changed.
    fn after(&mut self, number: CustomerNumber) {
        let Core { customers, health, .. } = &mut self.core;
        let Some(state) = customers.get(number) else { return };
        let columns = Columns {
            risk: health.map_or(u32::MAX, |(slot, end)| {
                risk_rank(state.score(slot).map(|score| score.value), end)
            }),
            seen: seen_rank(state.last_seen),
        };
        self.calendar.enter(number, state.next_due());
        customers.set_columns(number, columns);
    }
}

impl Core {
    /// Asks the processor for the customer of a turn, and for what those of turns before it point
    /// at: while others are applied it all comes.
    fn fetch(&self, group: &Group<'_>, turn: usize) {
        let of = |before: usize, part: fn(&CustomerState)| {
            let note = turn.checked_sub(before).and_then(|turn| group.noted(turn));
            if let Some(number) = note.and_then(|note| Note(note).number()) {
                self.customers.fetch(number, part);
            }
        };
        of(0, fetch::state);
        of(FETCHED_AHEAD / 3, fetch::lists);
        of(FETCHED_AHEAD / 3 * 2, fetch::history);
    }

    fn check_place(&self, subject: Subject<'_>) -> Result<(), Refusal> {
        self.partition.map_or(Ok(()), |partition| partition.check(subject))
    }

    /// At the event's own time, if it belongs here.
    fn step_here(&mut self, decoded: &mut Decoded<'_>) -> Result<(Timestamp, Stepped), Refusal> {
        self.check_place(decoded.subject)?;
        let at = decoded.at();
        Ok((at, self.step(decoded, at)))
    }

    fn step(&mut self, decoded: &mut Decoded<'_>, at: Timestamp) -> Stepped {
        match decoded.subject {
            Subject::Customer(id) => {
                let number = self.customers.find_or_begin(id, Note(decoded.note), at);
                let Some(state) = self.customers.get_mut(number) else { return Stepped::Nothing };
                let input = decoded.input(|slot| state.trait_value(slot));
                let around = Around { blind: self.hearing.gaps(), operations: &self.operations };
                let decision = step::step(&self.catalog, state, input, around);
                self.hearing.hear(Some(&state.id), input);
                Stepped::One(number, decision)
            }
            Subject::Everyone => {
                let input = decoded.input(|_| None);
                if let Body::Operation(operation) = &input.body {
                    return Stepped::Many(self.ordered(operation, input));
                }
                let all = self.step_everyone(input);
                self.hearing.hear(None, input);
                Stepped::Many(all)
            }
        }
    }

    fn tick(&mut self, number: CustomerNumber, at: Timestamp) -> Option<Decision> {
        let state = self.customers.get_mut(number)?;
        let input = Input { at, position: 0, body: Body::Tick };
        let around = Around { blind: self.hearing.gaps(), operations: &self.operations };
        Some(step::step(&self.catalog, state, &input, around))
    }
}

/// The score that stands for risk: the first scorecard; without one, the first score.
fn health_of(catalog: &Catalog) -> Option<(ScoreSlot, RiskEnd)> {
    let is_card =
        |score: &crate::engine::catalog::Score| matches!(score.source, ScoreSource::Scorecard(_));
    let found = catalog.scores.iter().position(is_card);
    let index = found.or((!catalog.scores.is_empty()).then_some(0))?;
    let slot = u16::try_from(index).ok().map(ScoreSlot)?;
    Some((slot, catalog.scores.get(index)?.risk))
}

/// A place in the order of risk, the most at risk first. From it the score can be told again: see
/// [`score_of_rank`].
pub(super) fn risk_rank(score: Option<f64>, end: RiskEnd) -> u32 {
    let Some(score) = score else { return u32::MAX };
    #[expect(clippy::cast_possible_truncation, reason = "an order of lists needs no more")]
    let score = score as f32;
    let bits = match end {
        RiskEnd::Low => score,
        RiskEnd::High => -score,
    }
    .to_bits();
    // The usual trick: floats in the order of integers.
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The score behind a place in the order of risk, but for rounding.
pub(super) fn score_of_rank(rank: u32, end: RiskEnd) -> Option<f64> {
    if rank == u32::MAX {
        return None;
    }
    let bits = if rank >> 31 == 1 { rank & !(1 << 31) } else { !rank };
    let score = f64::from(f32::from_bits(bits));
    Some(match end {
        RiskEnd::Low => score,
        RiskEnd::High => -score,
    })
}

/// A place in the order of last seen, the latest first.
fn seen_rank(at: Timestamp) -> u32 {
    let seconds = at.as_millis() / 1_000;
    u32::MAX - u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::testing::{after, catalog, event};

    #[test]
    fn ranks_follow_risk_and_give_the_score_back() {
        let scores = [-3.0, 0.0, 12.5, 40.0, 99.5, 100.0];
        let ranks = |end| scores.map(|score| risk_rank(Some(score), end));
        assert!(ranks(RiskEnd::Low).is_sorted());
        let mut high = ranks(RiskEnd::High);
        high.reverse();
        assert!(high.is_sorted());
        for end in [RiskEnd::Low, RiskEnd::High] {
            for score in scores {
                assert_eq!(score_of_rank(risk_rank(Some(score), end), end), Some(score));
            }
            assert_eq!(score_of_rank(risk_rank(None, end), end), None);
            assert!(risk_rank(Some(50.0), end) < risk_rank(None, end));
        }
    }

    #[test]
    fn an_event_that_fires_nothing_allocates_nothing() {
        let mut shard = Shard::new(catalog());
        // Enough to fill what a customer remembers of ids and of the timeline.
        let records: Vec<_> = (0..600_u64)
            .map(|number| {
                let at = after(i64::try_from(number).unwrap());
                (at, number, event("a", "Other", &format!("e{number}"), at))
            })
            .collect();
        let mut apply = |range: std::ops::Range<usize>| {
            for (at, number, bytes) in &records[range] {
                let record = Record::parse(bytes).unwrap();
                shard.prefetch(std::iter::once("a"));
                let stepped = shard.apply(&record, *at, number + 1).unwrap();
                assert!(
                    matches!(stepped, Stepped::One(_, ref decision) if decision.rulings.is_empty())
                );
            }
        };
        apply(0..500);
        let counted = allocation_counter::measure(|| apply(500..600));
        assert_eq!(counted.count_total, 0, "{counted:?}");
    }
}
