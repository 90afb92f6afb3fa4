//! What may have made a decided send wrong though every rule still allows it: its conditions, and the
//! event whose absence caused it.

use crate::engine::catalog::{Absence, Catalog, Trigger, When};
use crate::engine::condition::Condition;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Outreach, Reason, Truth};
use crate::engine::evaluate::{self, Scope};
use crate::engine::time::Timestamp;

/// Why a send no longer stands; `None` when it does, as far as can be told.
///
/// The event that caused it is not at hand any more: conditions that look at it are taken to hold
/// as they did.
pub(super) fn lost(
    catalog: &Catalog,
    state: &CustomerState,
    trigger: &Trigger,
    (outreach, now): (&Outreach, Timestamp),
) -> Option<Reason> {
    if missed_came(state, trigger, outreach) {
        return Some(Reason::Contradicted);
    }
    let scope = Scope { catalog, state, properties: &[], now };
    let fails = |condition: &Condition| {
        evaluate::holds(condition, &scope) != Truth::True && !asks_event(condition, &scope)
    };
    trigger.conditions.iter().any(fails).then_some(Reason::ConditionFailed)
}

/// Whether an event came whose absence must have caused the send.
///
/// The timeline remembers names, not objects or clauses: where they make a difference it cannot
/// tell, and the send stands.
fn missed_came(state: &CustomerState, trigger: &Trigger, outreach: &Outreach) -> bool {
    let When::Event(clauses) = &trigger.when else { return false };
    let [clause] = &**clauses else { return false };
    let (Some(Absence { events, hold, .. }), None) = (&clause.absence, trigger.per) else {
        return false;
    };
    let since = outreach.decided_at - *hold;
    state.recent.timeline().any(|event| since < event.at() && events.contains(&event.event()))
}

fn asks_event(condition: &Condition, scope: &Scope<'_>) -> bool {
    let held = evaluate::trace(condition, scope);
    held.seen.iter().any(|(name, _)| name.starts_with("event."))
}
