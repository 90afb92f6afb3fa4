//! Orders of an operator: what is stopped is suppressed, what is paused waits.

use super::case::{Case, Course, Passage};
use crate::engine::decision::{Detail, Hold, Reason, Rule};
use crate::engine::operation::{Order, Standing};
use crate::engine::time::Timestamp;

/// Says nothing where no order is in force: nearly always.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(standing) = in_force(case, case.now) else { return Passage::Continue(()) };
    let operation = &standing.operation;
    let by = format!("{} by {}: {}", operation.order.as_str(), operation.by, operation.why);
    let detail = Detail::Freeze { by: by.into(), until: Some(operation.until) };
    match operation.order {
        Order::Stop => course.suppress(Rule::Operations, Reason::Stopped, detail),
        Order::Pause | Order::Resume => {
            course.wait(Rule::Operations, Hold::Until(operation.until), Reason::Held, detail);
            Passage::Continue(())
        }
    }
}

/// How long orders hold a case from an instant on.
pub(super) fn hold(case: &Case<'_>, at: Timestamp) -> Hold {
    in_force(case, at).map_or(Hold::Free, |standing| Hold::Until(standing.operation.until))
}

pub(super) fn in_force<'a>(case: &Case<'a>, at: Timestamp) -> Option<&'a Standing> {
    if case.operations.all().is_empty() {
        return None;
    }
    let trigger = case.asker.map(|asker| asker.trigger.id.as_str());
    let purpose = case.message.map(|message| &*message.purpose.name);
    case.operations.holding(trigger, purpose, at)
}
