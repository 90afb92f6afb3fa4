//! What is for everyone in a shard: broadcasts, and orders of operators, which are taken in and carried
//! out on those who have something that waits.

use std::collections::BTreeMap;

use super::{Core, CustomerNumber, Shard};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Applied, Decision, Reason, Ruling, VerdictKind};
use crate::engine::input::{Body, Input};
use crate::engine::operation::{Around, Operation, Operations, Order};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::step;

impl Shard {
    /// The orders of operators.
    pub fn operations(&self) -> &Operations {
        &self.core.operations
    }

    /// Takes over the orders that were stored.
    pub fn set_operations(&mut self, operations: Operations) {
        if !is_planted(Fault::OrdersForgotten) {
            self.core.operations = operations;
        }
    }

    /// How many decisions wait because an operator holds them, by trigger.
    pub fn held(&self) -> BTreeMap<String, u64> {
        let mut held = BTreeMap::new();
        for (_, state) in self.core.customers.states() {
            for waiting in state.rare.waiting.iter().filter(|w| w.reason == Reason::Held) {
                let of = held.entry(self.teller().trigger(waiting.trigger).to_owned());
                *of.or_default() += 1;
            }
        }
        held
    }
}

impl Core {
    /// Gives those whom it changed: the others need not be written for it.
    pub(super) fn step_everyone(&mut self, input: &Input<'_>) -> Vec<(CustomerNumber, Decision)> {
        let mut changed = Vec::new();
        for number in self.customers.numbers() {
            let Some(state) = self.customers.get_mut(number) else { continue };
            if state.id.is_own() {
                continue;
            }
            // What is due first may change what the event meets.
            let is_due = state.next_due().is_some_and(|due| due <= input.at);
            if let Body::Event(event) = &input.body
                && !is_due
                && !step::concerns(&self.catalog, state, event, input.at)
            {
                continue;
            }
            let around = Around { blind: self.hearing.gaps(), operations: &self.operations };
            let decision = step::step(&self.catalog, state, input, around);
            if decision.applied == Applied::Applied {
                changed.push((number, decision));
            }
        }
        changed
    }

    /// Takes an order in, and steps those who have something that waits.
    pub(super) fn ordered(
        &mut self,
        operation: &Operation,
        input: &Input<'_>,
    ) -> Vec<(CustomerNumber, Decision)> {
        // What was due before it is decided without it, however late that is noticed.
        let mut changed = Vec::new();
        let tick = Input { at: input.at, position: 0, body: Body::Tick };
        let is_due = |state: &CustomerState| state.next_due().is_some_and(|due| due <= input.at);
        self.step_some(&tick, is_due, &mut changed);
        if !self.operations.take(operation, input.at) || operation.order == Order::Pause {
            return changed;
        }
        let before = changed.len();
        self.step_some(input, |state| !state.rare.waiting.is_empty(), &mut changed);
        let moved = |ruling: &&Ruling| {
            ruling.replaces == Some(VerdictKind::Defer)
                && ruling.verdict.kind() != VerdictKind::Defer
        };
        let rulings = changed.iter().skip(before).flat_map(|(_, decision)| &decision.rulings);
        let moved = rulings.filter(moved).count() as u64;
        self.operations.note_moved(&operation.id, moved);
        changed
    }

    fn step_some(
        &mut self,
        input: &Input<'_>,
        whom: impl Fn(&CustomerState) -> bool,
        changed: &mut Vec<(CustomerNumber, Decision)>,
    ) {
        for number in self.customers.numbers() {
            let Some(state) = self.customers.get_mut(number).filter(|state| whom(state)) else {
                continue;
            };
            let around = Around { blind: self.hearing.gaps(), operations: &self.operations };
            let decision = step::step(&self.catalog, state, input, around);
            if decision.applied == Applied::Applied {
                changed.push((number, decision));
            }
        }
    }
}
