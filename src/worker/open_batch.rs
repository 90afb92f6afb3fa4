//! The batch that is being filled: what each step gave, in the form in which it is kept.

use super::customers::CustomerNumber;
use super::shard::{Shard, Stepped};
use crate::clock::Stopwatch;
use crate::engine::decision::{Applied, Decision, Effect};
use crate::engine::id::DecisionId;
use crate::store::{Batch, record_of};
use crate::telemetry;

/// Customers changed at most before a batch is closed.
pub(super) const CUSTOMERS_MAX: usize = 20_000;
/// Rulings at most before a batch is closed.
pub(super) const RULINGS_MAX: usize = 5_000;

/// A batch that is being filled.
#[derive(Debug)]
pub(super) struct OpenBatch {
    shard: u16,
    /// Inputs in it.
    pub(super) inputs: u64,
    /// Since its first input.
    pub(super) age: Option<Stopwatch>,
    batch: Batch,
    changed: Changed,
}

/// Customers to be written, each once.
#[derive(Debug, Default)]
struct Changed {
    numbers: Vec<CustomerNumber>,
    // One bit for each number.
    marks: Vec<u64>,
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
    pub(super) fn new(shard: u16) -> Self {
        Self {
            shard,
            inputs: 0,
            age: None,
            batch: Batch { shard, ..Batch::default() },
            changed: Changed::default(),
        }
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

    /// Takes in one step.
    pub(super) fn take_one(
        &mut self,
        shard: &mut Shard,
        number: CustomerNumber,
        decision: &Decision,
    ) -> Then {
        if decision.applied == Applied::Applied {
            self.changed.mark(number);
        }
        if decision.rulings.is_empty() && decision.effects.is_empty() {
            return Then::GoOn;
        }
        self.count(shard, decision);
        let Some(state) = shard.state(number) else { return Then::GoOn };
        let teller = shard.teller();
        for ruling in &decision.rulings {
            self.batch.rulings.push(teller.ruled(state, decision, ruling));
        }
        let mut then = Then::GoOn;
        for effect in &decision.effects {
            match effect {
                Effect::Deliver(outreach) => {
                    self.batch.outbox.push(teller.outbox(self.shard, outreach));
                }
                Effect::Assign(task) => self.batch.tasks.push(teller.task(state, task)),
                Effect::Expose(exposure) => {
                    self.batch.exposures.push(record_of::exposure(exposure));
                }
                Effect::Withdraw(id) => self.batch.withdrawn.push(*id),
                Effect::Erase => {
                    self.batch.forgotten.push(state.id.clone());
                    then = Then::Close;
                }
            }
        }
        if then == Then::Close {
            self.changed.unmark(number);
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

    /// Notes a customer who changed without an input.
    pub(super) fn mark(&mut self, number: CustomerNumber) {
        self.changed.mark(number);
    }

    /// Notes an input.
    pub(super) fn begin(&mut self) {
        self.inputs += 1;
        if self.age.is_none() {
            self.age = Some(Stopwatch::start());
        }
    }

    /// Whether somebody waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        self.batch.must_be_flushed() || !self.batch.settled.is_empty()
    }

    /// Whether it must be closed for its size.
    pub(super) fn is_full(&self) -> bool {
        CUSTOMERS_MAX <= self.changed.numbers.len() || RULINGS_MAX <= self.batch.rulings.len()
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.inputs == 0 && self.changed.numbers.is_empty() && !self.is_urgent()
    }

    /// Closes it: writes the customers that changed, and begins the next.
    pub(super) fn close(
        &mut self,
        shard: &mut Shard,
    ) -> Result<Batch, crate::store::format::Error> {
        let mut batch = std::mem::take(&mut self.batch);
        self.batch.shard = self.shard;
        batch.funnels = shard.take_changed_funnels();
        for number in self.changed.take() {
            let Some(id) = shard.state(number).map(|state| state.id.clone()) else { continue };
            batch.states.add(&id, |bytes| shard.encode(number, bytes))?;
        }
        self.inputs = 0;
        self.age = None;
        Ok(batch)
    }
}

impl Changed {
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
