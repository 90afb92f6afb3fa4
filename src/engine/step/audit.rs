//! In debug builds: every decision has exactly one current verdict, before and after each step.

use super::super::customer::CustomerState;
use super::super::decision::{Decision, VerdictKind};
use super::super::id::DecisionId;

/// The decisions that wait before a step; nothing in release builds.
pub(super) fn waiting(state: &CustomerState) -> Vec<DecisionId> {
    if cfg!(debug_assertions) {
        state.rare.waiting.iter().map(|waiting| waiting.id).collect()
    } else {
        Vec::new()
    }
}

/// Follows each decision through the rulings of a step.
pub(super) fn check(waited: &[DecisionId], state: &CustomerState, decision: &Decision) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut current: Vec<(DecisionId, VerdictKind)> =
        waited.iter().map(|id| (*id, VerdictKind::Defer)).collect();
    for ruling in &decision.rulings {
        let kind = ruling.verdict.kind();
        match current.iter_mut().find(|(id, _)| *id == ruling.id) {
            Some((_, standing)) => {
                debug_assert_eq!(ruling.replaces, Some(*standing), "{} is ruled twice", ruling.id);
                *standing = kind;
            }
            None => {
                debug_assert_ne!(ruling.replaces, Some(VerdictKind::Defer), "did not wait");
                current.push((ruling.id, kind));
            }
        }
    }
    let mut deferred: Vec<_> =
        current.iter().filter(|(_, kind)| *kind == VerdictKind::Defer).map(|(id, _)| *id).collect();
    let mut waiting: Vec<_> = state.rare.waiting.iter().map(|waiting| waiting.id).collect();
    deferred.sort_unstable();
    waiting.sort_unstable();
    debug_assert_eq!(deferred, waiting, "what is deferred waits, and nothing else does");
    debug_assert!(
        state.timers.is_sorted_by_key(|timer| timer.due),
        "timers stand in the order in which they fire"
    );
}
