//! The loop guard: messages that nobody answers are not followed by more of them, but by a person.

use super::Judgement;
use super::case::{Case, Course, Passage};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::customer::{Contact, ContactKind, CustomerState};
use crate::engine::decision::{Detail, Reason, Rule, Verdict};
use crate::engine::input::Told;
use crate::engine::policy::LoopGuard;
use crate::engine::time::{Span, Timestamp};

/// What stayed without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// How many messages.
    pub messages: u32,
    /// When the oldest of them went out.
    pub since: Timestamp,
}

/// Says nothing where there is no guard, or nothing that waits for an answer.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let guard = case.catalog.policy.loop_guard.as_ref();
    let (Some(guard), Some(message)) = (guard, case.message) else {
        return Passage::Continue(());
    };
    if !guard.guards(message.slot) {
        return Passage::Continue(());
    }
    let open: Vec<Timestamp> = open(case, guard, course.ghost).map(|contact| contact.at).collect();
    let Some(since) = open.last().copied() else { return Passage::Continue(()) };
    let messages = u32::try_from(open.len()).unwrap_or(u32::MAX);
    let after = guard.after;
    if messages < after {
        let detail = Detail::Unanswered { messages, after, since, free_at: None };
        return course.pass(Rule::LoopGuard, detail);
    }
    // One more may go as soon as the n-th newest is too old to count.
    let held_by = usize::try_from(after.saturating_sub(1)).unwrap_or(usize::MAX);
    let free_at = open.get(held_by).map(|at| *at + guard.within);
    let detail = Detail::Unanswered { messages, after, since, free_at };
    course.suppress(Rule::LoopGuard, Reason::Unanswered, detail)
}

/// The contacts that wait for an answer, the newest first.
fn open<'a>(
    case: &Case<'a>,
    guard: &'a LoopGuard,
    ghost: Option<Reason>,
) -> impl Iterator<Item = &'a Contact> {
    let catalog = case.catalog;
    let answered_at = case.state.rare.answered_at;
    let too_old = case.now - guard.within;
    let global = ghost == Some(Reason::GlobalHoldout);
    let newer = case.ledger.iter().rev().take_while(move |contact| {
        too_old < contact.at
            && answered_at.is_none_or(|answer| answer < contact.at)
            // It was answered before anybody asked for answers.
            && contact.told != Told::Replied
    });
    newer.filter(move |contact| {
        let real = match contact.kind {
            ContactKind::Reserved | ContactKind::Sent | ContactKind::Unknown => true,
            ContactKind::DryRun => catalog.sending == Sending::DryRun,
            // Whoever is held out altogether is held by the same rules as if they were written to.
            ContactKind::Ghost => global,
        };
        // What came back cannot be answered.
        real && contact.told != Told::Bounced && is_guarded(catalog, contact)
    })
}

/// Whether a customer goes to a person now: once, until they answer or the guard's time is over.
pub(super) fn hands_over(
    catalog: &Catalog,
    state: &mut CustomerState,
    judgement: &Judgement,
    ghost: Option<Reason>,
    now: Timestamp,
) -> Option<Unanswered> {
    let guard = catalog.policy.loop_guard.as_ref()?;
    let held = judgement.verdict == Verdict::Suppress { reason: Reason::Unanswered };
    // Nothing that is held out may have an effect.
    if !held || ghost.is_some() {
        return None;
    }
    let found = judgement.findings.iter().find_map(|finding| match finding.detail {
        Detail::Unanswered { messages, since, .. } => Some(Unanswered { messages, since }),
        _ => None,
    })?;
    let known = state.rare.handed_over_at.is_some_and(|handed| {
        state.rare.answered_at.is_none_or(|answer| answer < handed) && now - handed < guard.within
    });
    if known {
        return None;
    }
    state.rare.handed_over_at = Some(now);
    Some(found)
}

/// The customer gave a sign of life at an instant. It is remembered only where something waited for
/// it, so that most customers need no room for it.
pub fn note_answer(catalog: &Catalog, state: &mut CustomerState, at: Timestamp) {
    let later = state.rare.answered_at.is_none_or(|known| known < at);
    let waits = |contact: &Contact| contact.at <= at && is_guarded(catalog, contact);
    if later && catalog.policy.loop_guard.is_some() && state.ledger.iter().any(waits) {
        state.rare.answered_at = Some(at);
    }
}

/// Whether a contact is of a kind that waits for an answer.
pub(super) fn is_guarded(catalog: &Catalog, contact: &Contact) -> bool {
    let guard = catalog.policy.loop_guard.as_ref();
    guard.zip(contact.purpose).is_some_and(|(guard, purpose)| guard.guards(purpose))
}

/// How far back the guard looks.
pub(super) fn looks_back(catalog: &Catalog) -> Span {
    catalog.policy.loop_guard.as_ref().map_or(Span::ZERO, |guard| guard.within)
}
