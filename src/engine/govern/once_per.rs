//! A trigger's own rest: at most once in a time, per customer and object.

use super::case::{Asker, Case, Course, Passage};
use crate::engine::catalog::{Sending, Trigger};
use crate::engine::customer::{Contact, ContactKind, CustomerState, Latch, Progress};
use crate::engine::decision::{Detail, Reason, Rule};
use crate::engine::slot::TriggerSlot;
use crate::engine::time::Timestamp;

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let free_at = case.asker.and_then(|asker| rests_until(case, asker));
    match (free_at, case.asker) {
        (Some(until), Some(asker)) if case.now < until => {
            let detail =
                Detail::Freeze { by: asker.trigger.id.as_str().into(), until: Some(until) };
            course.suppress(Rule::OncePer, Reason::OncePer, detail)
        }
        _ => course.pass(Rule::OncePer, Detail::None),
    }
}

/// The instant from which a trigger may act again for the object of its cause.
fn rests_until(case: &Case<'_>, asker: Asker<'_>) -> Option<Timestamp> {
    let rest = asker.trigger.once_per?;
    let object = asker.cause.map_or(0, |cause| cause.object_hash());
    let acted_at = case.state.progress(asker.slot, object)?.acted_at?;
    let rehearsed = case.catalog.sending == Sending::On
        && case.state.ledger.iter().any(|contact| {
            contact.kind == ContactKind::DryRun
                && contact.trigger == asker.slot
                && contact.at == acted_at
        });
    // Nothing was heard of what it sent on another channel: this is the same outreach once more.
    let own = case
        .state
        .rare
        .rungs
        .iter()
        .any(|rung| rung.decision == asker.id && rung.stands == Some(acted_at));
    (!rehearsed && !own).then_some(acted_at + rest)
}

/// Remembers that a trigger acted, and forgets of the same trigger what its rest no longer needs.
pub(super) fn record(
    state: &mut CustomerState,
    slot: TriggerSlot,
    trigger: &Trigger,
    object: u64,
    now: Timestamp,
) {
    let Some(rest) = trigger.once_per else { return };
    if object != 0 {
        state.progress.retain(|progress| {
            let rested = progress.acted_at.is_some_and(|at| at + rest <= now);
            !(progress.trigger == slot && rested && holds_nothing_else(progress))
        });
    }
    state.progress_mut(slot, object).acted_at = Some(now);
}

/// Takes back that a trigger acted, because the send of that contact was certainly not made. What
/// it had done before needs no restoring: its rest was over, or it would not have acted again.
pub(super) fn forget(state: &mut CustomerState, contact: &Contact) {
    let mut acted = state.progress.iter_mut().filter(|progress| {
        progress.trigger == contact.trigger && progress.acted_at == Some(contact.at)
    });
    // Two objects at one instant cannot be told apart here: then both go on resting.
    if let (Some(progress), None) = (acted.next(), acted.next()) {
        progress.acted_at = None;
    }
}

fn holds_nothing_else(progress: &Progress) -> bool {
    progress.latch == Latch::Armed && progress.transitions == 0 && progress.hits.is_empty()
}
