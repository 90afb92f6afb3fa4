//! What waited is decided again: its conditions, and every rule of the governor.

use super::super::customer::Waiting;
use super::super::decision::{Held, Reason, Ruling, Verdict, VerdictKind};
use super::super::id::DecisionId;
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::fire::{Firing, Stage, properties_of};
use super::{Step, timers};

impl Step<'_> {
    /// The time of a waiting outreach has come.
    pub(super) fn release(&mut self, id: DecisionId, now: Timestamp) {
        let Some(index) = self.state.rare.waiting.iter().position(|waiting| waiting.id == id)
        else {
            return;
        };
        let waiting = self.state.rare.waiting.remove(index);
        let Some(trigger) = self.catalog.trigger(waiting.trigger) else {
            let verdict = Verdict::Cancel { reason: Reason::TriggerRemoved };
            return self.cancel(waiting, verdict, Vec::new(), now);
        };
        let properties = properties_of(&waiting.cause);
        let holds = self.conditions_hold(trigger, &properties, now);
        let conditions = self.trace(trigger, &properties, now);
        drop(properties);
        if !holds {
            let verdict = Verdict::Cancel { reason: Reason::ConditionFailed };
            return self.cancel(waiting, verdict, conditions, now);
        }
        self.firings.push(Firing {
            slot: waiting.trigger,
            trigger,
            id,
            cause: waiting.cause,
            decided_at: waiting.decided_at,
            stage: Stage::Waited,
            conditions,
        });
    }

    /// Ends a wait without an outreach. The outreach is out of the waiting list already.
    pub(super) fn cancel(
        &mut self,
        waiting: Waiting,
        verdict: Verdict,
        conditions: Vec<Held>,
        now: Timestamp,
    ) {
        let Waiting { id, trigger, cause, .. } = waiting;
        let of_it = |kind: &TimerKind| *kind == TimerKind::Release { decision: id };
        timers::disarm(self.state, of_it);
        self.climb_no_more(id);
        self.give_back(id, now);
        self.decision.rulings.push(Ruling {
            id,
            trigger,
            occurrence: cause.occurrence,
            at: now,
            caused_at: cause.at,
            verdict,
            replaces: Some(VerdictKind::Defer),
            arm: None,
            offer: None,
            conditions,
            findings: Vec::new(),
        });
    }
}
