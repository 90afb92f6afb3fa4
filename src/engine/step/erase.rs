//! Forgets a customer, all but the place in the log.

use super::super::customer::CustomerState;
use super::super::decision::{Effect, Reason, Verdict};
use super::super::time::Timestamp;
use super::Step;

impl Step<'_> {
    /// What waits is cancelled on record; nothing else remains. The applied position stays, so
    /// that the log can be read again without bringing anything back.
    pub(super) fn erase(&mut self, now: Timestamp) {
        // Nobody it could be about: a pool holds no person's data but requests, which their own erasures take
        // back, and what was spent stays spent.
        if self.state.id.pool().is_some() {
            return;
        }
        for waiting in std::mem::take(&mut self.state.rare.waiting) {
            self.cancel(waiting, Verdict::Cancel { reason: Reason::Erased }, Vec::new(), now);
        }
        if !self.state.rare.tasks.is_empty() {
            self.leave_desks();
        }
        self.leave_pools();
        let applied = self.state.applied;
        *self.state = CustomerState::new(self.state.id.clone(), now);
        self.state.applied = applied;
        self.decision.effects.push(Effect::Erase);
    }
}
