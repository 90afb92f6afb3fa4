//! What only a person may take up with a customer: no message of it leaves, whatever file says so.

use super::case::{Case, Course, Passage};
use crate::engine::decision::{Detail, Reason, Rule};
use crate::engine::policy::HandledBy;

/// Files with such a message are refused when they are read. What gets here was decided before they
/// said so, or is proposed from elsewhere. Says nothing where nothing is for people alone.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else { return Passage::Continue(()) };
    let by = match (case.asker, message.purpose.handled_by) {
        (_, HandledBy::People) => format!("purpose `{}` is for people alone", message.purpose.name),
        (Some(asker), HandledBy::Anyone) if asker.trigger.handled_by == HandledBy::People => {
            format!("`{}` may only hand over", asker.trigger.id)
        }
        (Some(_) | None, HandledBy::Anyone) => return Passage::Continue(()),
    };
    course.suppress(Rule::HumanOnly, Reason::HumanOnly, Detail::Text(by.into()))
}
