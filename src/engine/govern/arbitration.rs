//! Arbitration: of what fires at one instant for one purpose, only the first by priority goes on.

use smallvec::SmallVec;

use super::Proposal;
use super::case::{Case, Course, Passage};
use crate::engine::decision::{Detail, Reason, Rule};
use crate::engine::policy::Together;
use crate::engine::slot::{PurposeSlot, TriggerSlot};

/// The purposes that have their one outreach of this instant, and whose it is.
pub(super) type Winners = SmallVec<[(PurposeSlot, TriggerSlot); 4]>;

/// The order in which proposals are judged, as indices: higher priority first, then the trigger's
/// place in the order of names, then the order in which they were made.
pub(super) fn order(proposals: &[Proposal<'_>]) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[_; 4]> = proposals.iter().enumerate().collect();
    order.sort_by_key(|(index, proposal)| {
        (std::cmp::Reverse(proposal.trigger.priority), proposal.slot, *index)
    });
    order.into_iter().map(|(index, _)| index).collect()
}

/// Because proposals come in their order, the first to get here wins, whatever becomes of it later.
/// Ghosts neither win nor lose: who is held out must not change what the others hear.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let contest = case.message.filter(|message| message.purpose.together == Together::FirstOnly);
    let (Some(message), Some(asker), None) = (contest, case.asker, course.ghost) else {
        return course.pass(Rule::Arbitration, Detail::None);
    };
    match course.winners.iter().find(|(purpose, _)| *purpose == message.slot) {
        Some((_, winner)) => {
            let detail = Detail::Winner(*winner);
            course.suppress(Rule::Arbitration, Reason::Outranked, detail)
        }
        None => {
            course.winners.push((message.slot, asker.slot));
            course.pass(Rule::Arbitration, Detail::None)
        }
    }
}
