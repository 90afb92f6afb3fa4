//! One application of one input: fire what is due, fold, match, govern, give effects.
//!
//! Everything that matches at one instant is collected as a `Firing` and judged together at the
//! end of that instant. Before the input itself, the timers due at or before it fire, each at its
//! own due instant, so that decisions do not depend on how often ticks come.

mod absence;
mod answers;
mod asks;
mod audit;
mod behavior;
mod bind;
mod consent_trait;
mod content;
mod desk;
mod erase;
mod fire;
mod fold;
mod ladder;
mod lifecycle;
mod ordered;
mod outcome;
mod pool;
mod receipt;
mod release;
mod roster;
mod status;
mod tasks;
mod timers;

#[cfg(test)]
mod tests;

pub use behavior::concerns;
pub use bind::bind;
pub use consent_trait::WORDS as CONSENT_WORDS;
pub(super) use fire::{properties_of, trace_all};
pub use roster::Roster;

use super::catalog::Catalog;
use super::customer::CustomerState;
use super::decision::Decision;
use super::evaluate::{self, Scope};
use super::govern;
use super::id::stable_hash;
use super::input::{BlindGap, Body, Event, Input, Reach, Receipt};
use super::operation::{Around, Operations};
use super::time::{Timestamp, Zone};
use super::value::Property;
use fire::Firing;

/// Applies one input to one customer.
///
/// Timers due at or before `input.at` fire first, each at its own due instant, so that decisions
/// do not depend on how often ticks come. `around` is what the shard knows beside its customers:
/// the times in which it heard nothing, and the orders in force.
pub fn step<'a>(
    catalog: &'a Catalog,
    state: &'a mut CustomerState,
    input: &Input<'_>,
    around: impl Into<Around<'a>>,
) -> Decision {
    step_within(catalog, state, input, around.into())
}

fn step_within(
    catalog: &Catalog,
    state: &mut CustomerState,
    input: &Input<'_>,
    Around { blind, operations }: Around<'_>,
) -> Decision {
    if input.position != 0 && input.position <= state.applied {
        return Decision::replayed();
    }
    let mark = match &input.body {
        Body::Event(Event { id, .. })
        | Body::Score { id, .. }
        | Body::Receipt(Receipt { id, .. })
            if !id.is_empty() =>
        {
            Some(stable_hash(id))
        }
        Body::Task(instruction) => Some(stable_hash(&instruction.id)),
        _ => None,
    };
    if mark.is_some_and(|mark| state.recent.has_mark(mark)) {
        return Decision::duplicate();
    }
    // Engine time never goes back: an input stamped before the last one happens now.
    let at = input.at.max(state.now);
    if is_blank(state) && is_about_the_customer(&input.body) {
        bind(catalog, state, at);
        meet(state, &input.body);
    }
    let waited = audit::waiting(state);
    let (decision, firings) = (Decision::default(), Vec::new());
    let mut step = Step { catalog, state, blind, operations, decision, firings };
    step.run_due(at);
    step.state.now = at;
    step.state.applied = step.state.applied.max(input.position);
    step.apply(&input.body, at);
    if let Some(mark) = mark {
        step.state.recent.remember(mark);
    }
    debug_assert!(step.firings.is_empty(), "every instant judges what fired in it");
    let decision = step.decision;
    audit::check(&waited, state, &decision);
    decision
}

/// One step under way.
struct Step<'a> {
    catalog: &'a Catalog,
    state: &'a mut CustomerState,
    blind: &'a [BlindGap],
    operations: &'a Operations,
    decision: Decision,
    /// What matched at the instant in hand.
    firings: Vec<Firing<'a>>,
}

impl Step<'_> {
    fn apply(&mut self, body: &Body<'_>, at: Timestamp) {
        match body {
            Body::Event(event) => self.event(event, at),
            Body::Score { score, value, .. } => self.told_score(*score, *value, at),
            Body::Tick => {}
            Body::Outcome(outcome) => self.outcome(outcome, at),
            Body::Receipt(receipt) => self.receipt(receipt, at),
            Body::Task(instruction) => self.instruct(instruction, at),
            Body::Desk(note) => self.at_desk(note, at),
            Body::Pool(note) => self.at_pool(note, at),
            Body::PoolWord(word) => self.pool_said(word, at),
            Body::Preference(preference) => self.preference(preference, at),
            Body::Erasure => self.erase(at),
            Body::Operation(operation) => self.ordered(operation, at),
            Body::Propose { purpose } => {
                let judgement = govern::propose(self.catalog, self.state, *purpose, at);
                self.decision.proposed = Some(Box::new(judgement));
            }
        }
        self.conclude(at);
    }

    fn event(&mut self, event: &Event<'_>, at: Timestamp) {
        let catalog = self.catalog;
        match catalog.readers.read(event) {
            Some(properties) => self.heard(&Event { properties: &properties, ..*event }, at),
            None => self.heard(event, at),
        }
    }

    /// Takes in an event whose texts were read.
    fn heard(&mut self, event: &Event<'_>, at: Timestamp) {
        match event.reach {
            Reach::Historical => {
                self.fold_traits(event, at);
                self.fold_history(event, at);
                self.note_answer(event);
                // What was missing and is imported after all came all the same.
                if !(self.state.timers.is_empty() && self.state.rare.waiting.is_empty()) {
                    self.match_event(event, at);
                }
            }
            Reach::Live | Reach::Background => {
                self.fold_traits(event, at);
                self.fold_history(event, at);
                if event.reach == Reach::Live {
                    self.fold_session(event, at);
                }
                self.end_freezes(event, at);
                self.note_answer(event);
                self.match_event(event, at);
                self.rescore_after(event, at);
            }
            // It is nothing the customer did: neither history nor session hears of it.
            Reach::Broadcast => {
                self.end_freezes(event, at);
                self.match_event(event, at);
            }
        }
    }

    /// What conditions see at an instant.
    fn scope<'s>(&'s self, properties: &'s [Property<'s>], now: Timestamp) -> Scope<'s> {
        Scope { catalog: self.catalog, state: self.state, properties, now }
    }
}

/// Whether nothing was ever heard of a customer, or everything was forgotten. An incident that
/// concerned everyone says nothing of this one.
fn is_blank(state: &CustomerState) -> bool {
    state.recent.latest().is_none() && state.traits.is_empty() && state.timers.is_empty()
}

/// A customer's first event may have occurred before it was heard, years before if it is imported.
fn meet(state: &mut CustomerState, body: &Body<'_>) {
    if let Body::Event(event) = body {
        state.first_seen = state.first_seen.min(event.occurred_at);
        state.last_seen = event.occurred_at;
    }
}

/// Whether an input says something of a customer, so that dates and calendars begin to run.
fn is_about_the_customer(body: &Body<'_>) -> bool {
    match body {
        Body::Event(event) => event.reach != Reach::Broadcast,
        Body::Score { .. } => true,
        Body::Tick
        | Body::Outcome(_)
        | Body::Receipt(_)
        | Body::Task(_)
        | Body::Desk(_)
        | Body::Pool(_)
        | Body::PoolWord(_)
        | Body::Preference(_)
        | Body::Erasure
        | Body::Operation(_)
        | Body::Propose { .. } => false,
    }
}

/// The zone in which a customer's dates and calendars run: theirs, or the policy's when unknown.
pub(super) fn zone(catalog: &Catalog, state: &CustomerState) -> Zone {
    evaluate::zone_of(catalog, state).unwrap_or_else(|| catalog.policy.zone.clone())
}
