//! Holdouts and arms: who hears nothing so that the others can be compared with them.

use super::case::{Case, Course, Passage};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Detail, Finding, Passed, Reason, Rule};
use crate::engine::experiment::{self, Assignment};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::HoldoutRule;

/// Whether a customer is in the global holdout.
pub(super) fn is_global(catalog: &Catalog, state: &CustomerState) -> bool {
    // What concerns no customer takes part in no comparison of them.
    !state.id.is_own() && experiment::globally_held_out(catalog.policy.holdout, state.id.as_str())
}

/// The global holdout comes first and leaves the trigger's experiment untouched: its members would
/// make the arms unlike each other.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    if case.decided_at < case.now && is_planted(Fault::HoldoutForgotten) {
        return course.pass(Rule::Holdout, Detail::None);
    }
    // A task leads to a person's call: the global holdout withholds it too.
    let withheld = case.message.is_none_or(|m| m.purpose.holdout == HoldoutRule::Withheld);
    if withheld && is_global(case.catalog, case.state) {
        return haunt(course, Reason::GlobalHoldout, Detail::Text("global holdout".into()));
    }
    let experiment = case.asker.and_then(|asker| asker.trigger.experiment.as_ref());
    let Some(experiment) = experiment.filter(|_| !case.state.id.is_own()) else {
        return course.pass(Rule::Holdout, Detail::None);
    };
    let unit = case.state.unit(experiment.unit, case.catalog.known.account);
    let assignment = experiment::assign(experiment, &unit);
    let name = assignment.name();
    course.arm = Some(name.clone());
    match assignment {
        Assignment::Holdout => haunt(course, Reason::Holdout, Detail::Arm(name)),
        Assignment::Arm(_) | Assignment::Treated => course.pass(Rule::Holdout, Detail::Arm(name)),
    }
}

/// Goes on as a ghost: the same instant, the same checks, no send.
fn haunt(course: &mut Course<'_>, reason: Reason, detail: Detail) -> Passage {
    course.ghost = Some(reason);
    course.findings.push(Finding { rule: Rule::Holdout, passed: Passed::No, detail });
    Passage::Continue(())
}
