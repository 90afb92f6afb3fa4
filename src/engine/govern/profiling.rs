//! The wish not to be profiled: what a score decides about does not happen, the rest goes on.

use super::case::{Case, Course, Passage};
use crate::engine::catalog::Profiles;
use crate::engine::customer::{CustomerState, Profiling};
use crate::engine::decision::{Detail, Reason, Rule};
use crate::engine::input::Answer;
use crate::engine::policy::ProfilingRule;

/// Records an answer. What arrives late changes nothing.
pub fn record(state: &mut CustomerState, said: Profiling) {
    if state.rare.profiling.as_ref().is_none_or(|known| known.at <= said.at) {
        state.rare.profiling = Some(Box::new(said));
    }
}

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let refused = case.state.rare.profiling.as_ref();
    let Some(no) = refused.filter(|said| said.answer == Answer::Denied) else {
        return Passage::Continue(());
    };
    let heeds = |rule| rule == ProfilingRule::Heeded;
    let concerned = case.message.is_some_and(|message| heeds(message.purpose.profiling))
        && case.asker.is_some_and(|asker| asker.trigger.profiles == Profiles::Yes);
    if !concerned {
        return Passage::Continue(());
    }
    let detail = Detail::Refused { at: no.at, source: no.source.clone() };
    course.suppress(Rule::Consent, Reason::Profiling, detail)
}
