//! Triggers that come to everybody little by little.

use super::case::{Case, Course, Passage};
use crate::engine::catalog::Unit;
use crate::engine::decision::{Detail, Reason, Rule};

/// Says nothing where there is no ramp, or it is over.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(trigger) = case.asker.map(|asker| asker.trigger) else { return Passage::Continue(()) };
    let Some(ramp) = trigger.ramp.as_ref().filter(|ramp| !ramp.is_over(case.now)) else {
        return Passage::Continue(());
    };
    // What concerns no customer is no part of all of them.
    if case.state.id.is_own() {
        return Passage::Continue(());
    }
    // Whoever is compared as one comes in as one.
    let unit = trigger.experiment.as_ref().map_or(Unit::Customer, |experiment| experiment.unit);
    let unit = case.state.unit(unit, case.catalog.known.account);
    let Some(comes_in) = ramp.comes_in(&unit) else { return Passage::Continue(()) };
    let detail = Detail::Ramp { share: ramp.share(case.now), comes_in };
    if ramp.has(&unit, case.now) {
        return course.pass(Rule::Ramp, detail);
    }
    course.suppress(Rule::Ramp, Reason::Ramp, detail)
}
