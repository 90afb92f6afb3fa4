//! The batch that is being filled: what each step gave, in the form in which it is kept.

use std::sync::Arc;

use super::committer::Spare;
use super::customers::CustomerNumber;
use super::page::named_score;
use super::shard::{Shard, Stepped};
use super::unwritten::{Due, Unwritten};
use crate::decode::KnownAs;
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Applied, Decision, Effect};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::Outcome;
use crate::engine::pool::PoolOf;
use crate::engine::task::{TaskTurn, What};
use crate::engine::time::Timestamp;
use crate::store::batch::{RefusedInput, Scored};
use crate::store::format::Error;
use crate::store::listed::Listing;
use crate::store::record::KnownSend;
use crate::store::{Batch, record_of};
use crate::telemetry;

/// States written at most with one batch, beside those of customers it rules about.
pub(super) const STATES_MAX: usize = 2_000;
/// Of those that only have waited long enough, so many go with rulings that somebody waits for.
const STATES_BESIDE: usize = 64;
/// So many go for themselves: rulings wait for the batch that is being committed, and must not wait
/// long.
const STATES_AT_ONCE: usize = 256;
/// So many go when they come so fast that less would not do.
const STATES_IN_HASTE: usize = 1_000;
/// Rulings at most before a batch is closed.
pub(super) const RULINGS_MAX: usize = 1_000;

/// A batch that is being filled.
///
/// A customer about whom something is ruled is written with the rulings, in one batch. All others
/// are written later, each once for many inputs: until then the log can bring back what came of
/// them, because nothing did.
#[derive(Debug)]
pub(super) struct OpenBatch {
    shard: u16,
    batch: Batch,
    /// Customers whom the batch is about.
    ruled: Marked,
    /// Customers of whom a score has changed, where others want to hear of it.
    scored: Marked,
    hears: Hears,
    unwritten: Unwritten,
    /// The first change of those it rules about, where the order of changes has lost it.
    held: Option<u64>,
    /// Buffers of states that were committed.
    spare: Arc<Spare>,
    /// What a written state takes, on average.
    state_bytes: usize,
    /// Position of the last input.
    last: u64,
    /// What changes now, the log brings back from this position on.
    since: u64,
}

/// Whether others hear of more than what was ruled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// Of scores and outcomes too.
    Everyone,
    /// Nobody does.
    Nobody,
}

/// Customers, each once.
#[derive(Debug, Default)]
struct Marked {
    numbers: Vec<CustomerNumber>,
    // One bit for each number.
    marks: Vec<u64>,
}

/// Which states the batch is to be closed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Those of customers it rules about.
    Ruled,
    /// Those of customers it rules about, and some that are due.
    Due(Due, Haste),
    /// All that changed.
    All,
}

/// Whether states are written as fast as they become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// They are.
    No,
    /// More must go at once.
    Yes,
}

/// Whether a step asks for the batch to be closed behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It does not.
    GoOn,
    /// Somebody was forgotten: what comes of them later belongs into another batch.
    Close,
}

impl OpenBatch {
    /// An empty batch behind a position of the log.
    pub(super) fn new(shard: u16, position: u64, hears: Hears) -> Self {
        Self {
            shard,
            batch: Batch { shard, ..Batch::default() },
            ruled: Marked::default(),
            scored: Marked::default(),
            hears,
            unwritten: Unwritten::default(),
            held: None,
            spare: Arc::default(),
            state_bytes: 0,
            last: position,
            since: position.saturating_add(1),
        }
    }

    /// Where the buffers of states go once they are committed.
    pub(super) fn spare(&self) -> Arc<Spare> {
        self.spare.clone()
    }

    /// Takes in what an input gave.
    pub(super) fn take(&mut self, shard: &mut Shard, stepped: &Stepped) -> Then {
        let mut then = Then::GoOn;
        for (number, decision) in stepped.iter() {
            if self.take_one(shard, number, decision) == Then::Close {
                then = Then::Close;
            }
        }
        then
    }

    /// Takes in what an input gave that will not be read again: whomever it concerned is written
    /// with this very batch.
    pub(super) fn take_whole(&mut self, shard: &mut Shard, stepped: &Stepped) -> Then {
        let then = self.take(shard, stepped);
        for (number, decision) in stepped.iter() {
            if decision.applied == Applied::Applied && shard.state(number).is_some() {
                self.ruled.mark(number);
            }
        }
        then
    }

    /// Notes an outcome for those who want to hear of it.
    pub(super) fn tell_outcome(&mut self, customer: &str, outcome: &Outcome, at: Timestamp) {
        self.batch.outcomes.push((CustomerId::new(customer), outcome.clone(), at));
    }

    /// Notes an input that was refused.
    pub(super) fn refuse(&mut self, refused: RefusedInput) {
        self.batch.refused.push(refused);
    }

    /// Takes in one step.
    pub(super) fn take_one(
        &mut self,
        shard: &mut Shard,
        number: CustomerNumber,
        decision: &Decision,
    ) -> Then {
        if decision.applied == Applied::Applied {
            self.mark(number);
            if self.hears == Hears::Everyone && has_scored(shard, number) {
                self.scored.mark(number);
            }
        }
        if decision.rulings.is_empty() && decision.effects.is_empty() {
            return Then::GoOn;
        }
        self.count(shard, decision);
        self.ruled.mark(number);
        let Some(state) = shard.state(number) else { return Then::GoOn };
        let teller = shard.teller();
        tell_budget(shard.catalog(), state);
        for ruling in &decision.rulings {
            self.batch.rulings.push(teller.ruled(state, decision, ruling));
        }
        let mut then = Then::GoOn;
        for effect in &decision.effects {
            match effect {
                Effect::Deliver(outreach) => {
                    self.batch.outbox.push(teller.outbox(self.shard, outreach));
                }
                Effect::Assign(task) => {
                    self.batch.tasks.push(teller.task(state, decision, task));
                }
                Effect::Errand(errand) => self.batch.errands.push(errand.clone()),
                Effect::Unwanted(trigger, told) => {
                    self.batch.unwanted.push((teller.trigger(*trigger).to_owned(), *told));
                }
                Effect::Turn(turn) => {
                    turned(turn, teller.trigger_of(turn));
                    self.batch.turns.push(turn.clone());
                }
                Effect::Expose(exposure) => {
                    self.batch.exposures.push(record_of::exposure(exposure));
                }
                Effect::Erase => {
                    self.batch.forgotten.push(state.id.clone());
                    then = Then::Close;
                }
            }
        }
        if then == Then::Close {
            self.ruled.unmark(number);
            self.scored.unmark(number);
            self.unwritten.clear(number);
            shard.forget(number);
        }
        then
    }

    fn count(&self, shard: &mut Shard, decision: &Decision) {
        for ruling in &decision.rulings {
            let trigger = shard.teller().trigger(ruling.trigger);
            let verdict = ruling.verdict.kind();
            let reason = ruling.verdict.reason();
            telemetry::Ruled { trigger, verdict, reason, replaces: ruling.replaces }.emit();
            if let Err(unbalanced) = shard.count(ruling) {
                tracing::error!(shard = self.shard, decision = %ruling.id, "{unbalanced}");
            }
        }
    }

    /// Notes that the outcome of a send was taken in.
    pub(super) fn settle(&mut self, decision: DecisionId) {
        self.batch.settled.push(decision);
    }

    /// Notes by what the other side knows a send, where it will tell more of it.
    pub(super) fn know(
        &mut self,
        customer: &str,
        (decision, known_as): (DecisionId, &KnownAs<'_>),
        at: Timestamp,
    ) {
        let names = [
            known_as.id.map(record_of::known_by_id),
            known_as.address.map(record_of::known_by_address),
        ];
        self.batch.known.extend(names.into_iter().flatten().map(|name| KnownSend {
            channel: known_as.channel.to_owned(),
            name,
            customer: customer.to_owned(),
            decision: decision.to_string(),
            purpose: known_as.purpose.to_owned(),
            at_ms: at.as_millis(),
            address: known_as.address.map(str::to_owned),
        }));
    }

    /// Notes changes of the list of addresses that are not written to.
    pub(super) fn list(&mut self, listings: Vec<Listing>) {
        self.batch.listings.extend(listings);
    }

    /// Notes a customer who changed.
    pub(super) fn mark(&mut self, number: CustomerNumber) {
        self.unwritten.mark(number, self.since);
    }

    /// What comes now, comes of the input at a position.
    pub(super) fn begin(&mut self, position: u64) {
        self.last = position;
        self.since = position;
    }

    /// What comes now, comes of time alone.
    pub(super) fn begin_tick(&mut self) {
        self.since = self.last.saturating_add(1);
    }

    /// Whether somebody waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        self.batch.must_be_flushed() || !self.batch.settled.is_empty()
    }

    /// Whether it must be closed for its size.
    pub(super) fn is_full(&self) -> bool {
        RULINGS_MAX <= self.batch.rulings.len()
    }

    /// Whether some state has waited long enough.
    pub(super) fn is_due(&mut self, due: Due) -> bool {
        self.unwritten.is_due(due)
    }

    /// How many customers there are of whom something is to be written, and nothing was ruled.
    pub(super) const fn unwritten(&self) -> usize {
        self.unwritten.count()
    }

    /// Whether the states that changed are more than one batch takes.
    pub(super) fn is_too_much(&self) -> bool {
        STATES_MAX < self.unwritten.count()
    }

    /// Closes it, and begins the next; `position` is where the log must be read from after it.
    pub(super) fn close(
        &mut self,
        shard: &mut Shard,
        extent: Extent,
    ) -> Result<(Batch, u64), Error> {
        let (due, most) = match extent {
            Extent::Ruled => (Due::NONE, 0),
            Extent::Due(due, Haste::Yes) => (due, STATES_IN_HASTE),
            Extent::Due(due, Haste::No) if self.is_urgent() => (due, STATES_BESIDE),
            Extent::Due(due, Haste::No) => (due, STATES_AT_ONCE),
            Extent::All => (Due::ALL, usize::MAX),
        };
        let mut batch = std::mem::take(&mut self.batch);
        self.batch.shard = self.shard;
        // As many may come again: a list that grows is copied at each step.
        self.batch.rulings.reserve(batch.rulings.len());
        batch.states = self.spare.take();
        batch.funnels = shard.take_changed_funnels();
        batch.scores = self.scored.take().iter().filter_map(|who| scores(shard, *who)).collect();
        for number in self.ruled.take() {
            self.unwritten.clear(number);
            write(shard, number, &mut batch)?;
        }
        self.held = None;
        for _ in 0..most {
            let Some((_, number)) = self.unwritten.pop(due) else { break };
            write(shard, number, &mut batch)?;
        }
        Ok((batch, self.position()))
    }

    /// Takes out a batch of states alone, of customers whom what is open does not rule about.
    pub(super) fn close_some(&mut self, shard: &mut Shard) -> Result<(Batch, u64), Error> {
        let states = self.spare.take();
        let mut batch = Batch { shard: self.shard, states, ..Batch::default() };
        batch.states.reserve(STATES_MAX, self.state_bytes);
        for _ in 0..STATES_MAX {
            let Some((since, number)) = self.unwritten.pop(Due::ALL) else { break };
            if self.ruled.has(number) {
                // Written with the rulings, when the batch is closed.
                self.held = Some(self.held.map_or(since, |held| held.min(since)));
            } else {
                write(shard, number, &mut batch)?;
            }
        }
        self.state_bytes = batch.states.bytes_each();
        Ok((batch, self.position()))
    }

    /// Takes out all customers of whom something is to be written, in no order that means anything.
    /// To be called when a batch has just been closed, so that there is nothing ruled about them.
    pub(super) fn take_unwritten(&mut self) -> Vec<CustomerNumber> {
        std::iter::from_fn(|| Some(self.unwritten.pop(Due::ALL)?.1)).collect()
    }

    /// The position up to which nothing is missing from what is written.
    fn position(&mut self) -> u64 {
        let first = self.unwritten.first().into_iter().chain(self.held).min();
        first.map_or(self.last, |first| first.saturating_sub(1).min(self.last))
    }
}

fn turned(turn: &TaskTurn, trigger: &str) {
    let after = turn.after.as_deref();
    let took = after.filter(|_| matches!(turn.what, What::Acked | What::Claimed));
    let took = took.map(|after| turn.at - after.opened_at);
    telemetry::TaskTurned { trigger, what: turn.what.as_str(), took }.emit();
}

/// Whether a score of a customer has changed with what was applied last.
fn has_scored(shard: &Shard, number: CustomerNumber) -> bool {
    let state = shard.state(number);
    state.is_some_and(|state| state.rare.scores.iter().any(|score| score.changed_at == state.now))
}

fn scores(shard: &Shard, number: CustomerNumber) -> Option<Scored> {
    let state = shard.state(number)?;
    let named = state.rare.scores.iter().filter_map(|score| named_score(shard.catalog(), score));
    Some(Scored { customer: state.id.clone(), scores: named.collect(), at: state.now })
}

fn write(shard: &mut Shard, number: CustomerNumber, batch: &mut Batch) -> Result<(), Error> {
    let Some(id) = shard.state(number).map(|state| state.id.clone()) else { return Ok(()) };
    batch.states.add(&id, |bytes| shard.encode(number, bytes))
}

impl Marked {
    fn mark(&mut self, number: CustomerNumber) {
        let (word, bit) = place(number);
        if self.marks.len() <= word {
            self.marks.resize(word + 1, 0);
        }
        let Some(marks) = self.marks.get_mut(word) else { return };
        if *marks & bit == 0 {
            *marks |= bit;
            self.numbers.push(number);
        }
    }

    fn unmark(&mut self, number: CustomerNumber) {
        let (word, bit) = place(number);
        if let Some(marks) = self.marks.get_mut(word) {
            *marks &= !bit;
        }
        self.numbers.retain(|other| *other != number);
    }

    fn has(&self, number: CustomerNumber) -> bool {
        let (word, bit) = place(number);
        self.marks.get(word).is_some_and(|marks| marks & bit != 0)
    }

    fn take(&mut self) -> Vec<CustomerNumber> {
        for number in &self.numbers {
            if let Some(marks) = self.marks.get_mut(place(*number).0) {
                *marks = 0;
            }
        }
        std::mem::take(&mut self.numbers)
    }
}

fn place(number: CustomerNumber) -> (usize, u64) {
    let number = number.get();
    ((number / 64) as usize, 1 << (number % 64))
}
/// Shows how a budget stands, where this is one.
fn tell_budget(catalog: &Catalog, state: &CustomerState) {
    let Some(PoolOf::Budget(name)) = state.id.pool() else { return };
    let Some((budget, pool)) = catalog.policy.shared.budget(name).zip(state.rare.pool()) else {
        return;
    };
    let stands = telemetry::BudgetStands {
        budget: name,
        currency: &budget.currency,
        spent: pool.used(catalog.sending),
        limit: budget.at_most,
        waiting: pool.waiting.len(),
    };
    stands.emit();
}
