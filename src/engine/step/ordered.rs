//! An order of an operator, and what waits: a stop cancels it, a resume lets it go on.

use super::super::catalog::Action;
use super::super::customer::Waiting;
use super::super::decision::{Reason, Verdict};
use super::super::id::DecisionId;
use super::super::operation::{Operation, Order};
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::{Step, timers};

impl Step<'_> {
    /// A pause changes nothing of what waits: when its time comes, it is held.
    pub(super) fn ordered(&mut self, operation: &Operation, now: Timestamp) {
        match operation.order {
            Order::Pause => {}
            Order::Stop => {
                for id in self.waiting_in(operation, |_| true) {
                    let all = &mut self.state.rare.waiting;
                    let Some(index) = all.iter().position(|waiting| waiting.id == id) else {
                        continue;
                    };
                    let waiting = all.remove(index);
                    let verdict = Verdict::Cancel { reason: Reason::Stopped };
                    self.cancel(waiting, verdict, Vec::new(), now);
                }
            }
            Order::Resume => {
                // What waits to its very end was held, whatever else would hold it for longer.
                let held = |waiting: &Waiting| {
                    waiting.reason == Reason::Held || waiting.expires_at <= waiting.release_at
                };
                for id in self.waiting_in(operation, held) {
                    let of_it = |kind: &TimerKind| *kind == TimerKind::Release { decision: id };
                    timers::disarm(self.state, of_it);
                    self.release(id, now);
                }
            }
        }
    }

    fn waiting_in(
        &self,
        operation: &Operation,
        also: impl Fn(&Waiting) -> bool,
    ) -> Vec<DecisionId> {
        let policy = &self.catalog.policy;
        let concerned = |waiting: &&Waiting| {
            self.catalog.trigger(waiting.trigger).is_some_and(|trigger| {
                let purpose = match &trigger.action {
                    Action::Send(send) => Some(send.purpose),
                    Action::Task(_) => None,
                };
                operation.concerns(policy, trigger.id.as_str(), purpose)
            })
        };
        let waiting = self.state.rare.waiting.iter().filter(concerned);
        waiting.filter(|waiting| also(waiting)).map(|waiting| waiting.id).collect()
    }
}
