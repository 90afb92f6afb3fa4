//! Replay: the same shards, fed with recorded events in event time. Nothing is stored or sent.
//!
//! The answer does not depend on the number of shards: customers are independent, sums and hashes
//! of them have no order; and what they share (desks of teams, caps of accounts, budgets) hears them
//! in an order in time that is the same for any number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::customers::CustomerNumber;
use super::shard::{Shard, Stepped};
use crate::decode::{Arrival, Home, Lines, Record, Refusal, Subject, shard_of};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Decision, Effect, Errand, Reason, Ruling, VerdictKind};
use crate::engine::id::CustomerId;
use crate::engine::time::Timestamp;
use crate::store::format;
use crate::store::view::Funnel;

/// Times that everybody is heard at one instant. What is said by then is heard at the next.
const ROUNDS_MAX: usize = 10_000;

/// A replay under way.
#[derive(Debug)]
pub struct Replay<F> {
    shards: Vec<Shard>,
    lines: Lines,
    on_ruling: F,
    report: Report,
    last_at: Timestamp,
    carrying: Carrying,
    /// What was said and is not heard yet, and by whom.
    said: Vec<(CustomerId, Errand)>,
}

/// Whether subjects tell each other something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrying {
    /// They share what desks and pools give out: everything happens in its order in time, and what
    /// they say is heard at the instant at which it is said.
    Yes,
    /// Customers are independent: each goes through time by itself.
    No,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events applied.
    pub applied: u64,
    /// Events whose id was seen before.
    pub duplicates: u64,
    /// Events refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Rulings by trigger, verdict and reason.
    pub rulings: BTreeMap<(String, VerdictKind, Option<Reason>), u64>,
    /// Counts by trigger: where each decision ended up.
    pub funnels: BTreeMap<String, Funnel>,
    /// Customers heard of.
    pub customers: u64,
    /// When the last event occurred.
    pub last_at: Timestamp,
    /// Stands for all rulings, whatever their order.
    pub decisions_hash: Digest,
    /// Stands for the states of all customers, whatever their order.
    pub state_hash: Digest,
}

/// A sum of hashes: the same for the same things in any order, and different if one of them is
/// different, missing, or there twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u128);

impl Digest {
    /// Adds something.
    pub fn add(&mut self, hash: &blake3::Hash) {
        let half = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        self.0 = self.0.wrapping_add(u128::from_le_bytes(half));
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A ruling of a replay, as it is made.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The shard, for names.
    pub shard: &'a Shard,
    /// The customer.
    pub customer: &'a CustomerId,
    /// The step that gave the ruling.
    pub decision: &'a Decision,
    /// The ruling.
    pub ruling: &'a Ruling,
}

impl<F: FnMut(Seen<'_>)> Replay<F> {
    /// Begins with nobody known. `on_ruling` is told each ruling.
    pub fn new(catalog: &Arc<Catalog>, shards: u16, on_ruling: F) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Shard::new(catalog.clone())).collect(),
            lines: Lines::default(),
            on_ruling,
            report: Report::default(),
            last_at: Timestamp::MIN,
            carrying: match catalog.teams.is_empty() && catalog.policy.shared.is_empty() {
                true => Carrying::No,
                false => Carrying::Yes,
            },
            said: Vec::new(),
        }
    }

    /// Applies one event as its sender wrote it, at the time at which it occurred.
    ///
    /// # Errors
    /// When it is refused; it is counted, and the replay may go on.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let number = self.report.applied.saturating_add(1);
        let applied = match (self.shards.as_mut_slice(), self.carrying) {
            ([only], Carrying::No) => Self::line_of_one(only, line, number),
            _ => self.line_of_many(line, number),
        };
        match applied {
            Ok(Some((at, stepped))) => {
                self.last_at = self.last_at.max(at);
                self.report.applied = number;
                for (index, stepped) in stepped {
                    self.note(index, &stepped);
                }
                self.carry(at);
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(refusal) => {
                let count = self.report.refused.entry(refusal.reason.as_str()).or_default();
                *count = count.saturating_add(1);
                Err(refusal)
            }
        }
    }

    /// The short way: one scan of the line.
    fn line_of_one(shard: &mut Shard, line: &[u8], number: u64) -> Applied {
        let applied = shard.apply_line(line, (Arrival::replay(), 0), || fresh_id(number))?;
        Ok(applied.map(|(at, stepped)| (at, smallvec::smallvec![(0, stepped)])))
    }

    /// The way through the log's records, which know where they belong.
    fn line_of_many(&mut self, line: &[u8], number: u64) -> Applied {
        let count = u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
        let accepted = self.lines.read(line, Arrival::replay(), count, || fresh_id(number))?;
        let Some(accepted) = accepted else { return Ok(None) };
        let record = Record::parse(&accepted.record)?;
        let at = record.occurred_at().unwrap_or_default();
        if self.carrying == Carrying::Yes {
            self.pass(at);
        }
        let mut all = smallvec::SmallVec::new();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let is_home = match accepted.home {
                Home::Shard(home) => usize::from(home) == index,
                Home::Everywhere => true,
            };
            if is_home {
                all.push((index, shard.apply(&record, at, 0)?));
            }
        }
        Ok(Some((at, all)))
    }

    /// Applies a record at an instant, whatever stands in it of time.
    ///
    /// # Errors
    /// When it is refused; it is counted, and the replay may go on.
    pub fn record(&mut self, record: &Record<'_>, at: Timestamp) -> Result<(), Refusal> {
        let count = u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
        let home = match record.subject() {
            Subject::Customer(customer) => Some(usize::from(shard_of(customer, count))),
            Subject::Everyone => None,
        };
        for index in 0..self.shards.len() {
            if home.is_some_and(|home| home != index) {
                continue;
            }
            let Some(shard) = self.shards.get_mut(index) else { continue };
            match shard.apply(record, at, 0) {
                Ok(stepped) => self.note(index, &stepped),
                Err(refusal) => {
                    let count = self.report.refused.entry(refusal.reason.as_str()).or_default();
                    *count = count.saturating_add(1);
                    return Err(refusal);
                }
            }
        }
        self.carry(at);
        self.last_at = self.last_at.max(at);
        self.report.applied = self.report.applied.saturating_add(1);
        Ok(())
    }

    /// Lets the timers fire that are due by an instant: after it, nothing earlier may come.
    pub fn pass(&mut self, until: Timestamp) {
        self.last_at = self.last_at.max(until);
        if self.carrying == Carrying::Yes {
            let next = |shards: &[Shard]| shards.iter().filter_map(Shard::next_due).min();
            while let Some(due) = next(&self.shards).filter(|due| *due < until) {
                self.tick(due);
                self.carry(due);
            }
        }
        self.tick(until);
        self.carry(until);
    }

    fn tick(&mut self, until: Timestamp) {
        for index in 0..self.shards.len() {
            while let Some((number, decision)) =
                self.shards.get_mut(index).and_then(|shard| shard.tick(until))
            {
                self.note(index, &Stepped::One(number, decision));
            }
        }
    }

    /// Lets everybody hear what was said to them at an instant, until nobody says anything more. The
    /// order does not depend on the number of shards.
    fn carry(&mut self, at: Timestamp) {
        let count = u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
        for _ in 0..ROUNDS_MAX {
            let mut said = std::mem::take(&mut self.said);
            if said.is_empty() {
                return;
            }
            if self.carrying == Carrying::No {
                return;
            }
            said.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (_, errand) in said {
                let home = usize::from(shard_of(errand.to.as_str(), count));
                let record = Record::of_errand(&errand);
                let heard = self.shards.get_mut(home).map(|shard| shard.apply(&record, at, 0));
                if let Some(Ok(stepped)) = heard {
                    self.note(home, &stepped);
                }
            }
        }
    }

    /// The customers as they are.
    pub fn states(&self) -> impl Iterator<Item = &CustomerState> {
        self.shards.iter().flat_map(|shard| shard.customers().states().map(|(_, state)| state))
    }

    /// Lets the timers fire that are due by the last event, and adds everything up.
    ///
    /// # Errors
    /// When a state cannot be written down for its hash.
    pub fn finish(mut self) -> Result<Report, format::Error> {
        let until = self.last_at;
        let mut bytes = Vec::new();
        self.pass(until);
        for shard in &mut self.shards {
            let numbers: Vec<CustomerNumber> =
                shard.customers().states().map(|(number, _)| number).collect();
            for number in numbers {
                bytes.clear();
                shard.encode(number, &mut bytes)?;
                let id = shard.state(number).map(|state| state.id.as_str()).unwrap_or_default();
                let mut hasher = blake3::Hasher::new();
                hasher.update(&(id.len() as u64).to_le_bytes());
                hasher.update(id.as_bytes());
                hasher.update(&bytes);
                self.report.state_hash.add(&hasher.finalize());
                let own = shard.state(number).is_some_and(|state| state.id.is_own());
                self.report.customers = self.report.customers.saturating_add(u64::from(!own));
            }
            for (trigger, funnel) in shard.funnels() {
                let sum = self.report.funnels.entry(trigger.clone());
                sum.or_insert_with_key(|trigger| Funnel::new(trigger)).add(funnel);
            }
        }
        self.report.last_at = until;
        Ok(self.report)
    }

    fn note(&mut self, index: usize, stepped: &Stepped) {
        let Self { shards, report, on_ruling, said, .. } = self;
        let Some(shard) = shards.get_mut(index) else { return };
        for (number, decision) in stepped.iter() {
            if decision.applied == crate::engine::decision::Applied::Duplicate {
                report.duplicates = report.duplicates.saturating_add(1);
            }
            for ruling in &decision.rulings {
                if let Err(unbalanced) = shard.count(ruling) {
                    tracing::error!(decision = %ruling.id, "{unbalanced}");
                }
                let Some(state) = shard.state(number) else { continue };
                let trigger = shard.teller().trigger(ruling.trigger).to_owned();
                report.decisions_hash.add(&hash_of(&trigger, &state.id, ruling));
                let key = (trigger, ruling.verdict.kind(), ruling.verdict.reason());
                let count = report.rulings.entry(key).or_default();
                *count = count.saturating_add(1);
                on_ruling(Seen { shard, customer: &state.id, decision, ruling });
            }
            let errands = decision.effects.iter().filter_map(|effect| match effect {
                Effect::Errand(errand) => Some(errand.clone()),
                _ => None,
            });
            if let Some(state) = shard.state(number) {
                said.extend(errands.map(|errand| (state.id.clone(), errand)));
            }
            if decision.effects.iter().any(|effect| matches!(effect, Effect::Erase)) {
                shard.forget(number);
            }
        }
    }
}

/// When an event occurred, and what it gave in which shard; nothing when it is not for us.
type Applied = Result<Option<(Timestamp, smallvec::SmallVec<[(usize, Stepped); 1]>)>, Refusal>;

/// An id for an event that has none: its place among those that were applied.
fn fresh_id(number: u64) -> String {
    format!("replay:{number}")
}

/// Stands for a ruling: what was decided of whom, when, and why.
fn hash_of(trigger: &str, customer: &CustomerId, ruling: &Ruling) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let until = match &ruling.verdict {
        crate::engine::decision::Verdict::Defer { until, .. } => until.as_millis(),
        _ => 0,
    };
    let texts = [
        trigger,
        customer.as_str(),
        &ruling.occurrence,
        ruling.verdict.kind().as_str(),
        ruling.verdict.reason().map(Reason::as_str).unwrap_or_default(),
        ruling.replaces.map(VerdictKind::as_str).unwrap_or_default(),
        ruling.arm.as_deref().unwrap_or_default(),
        ruling.offer.as_deref().unwrap_or_default(),
    ];
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(ruling.id.as_bytes());
    for instant in [ruling.at.as_millis(), ruling.caused_at.as_millis(), until] {
        hasher.update(&instant.to_le_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
