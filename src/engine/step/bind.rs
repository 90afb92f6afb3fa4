//! Binds a customer to a catalog: arms what waits for time alone.

use super::super::catalog::{Catalog, When};
use super::super::customer::{CustomerState, Latch};
use super::super::evaluate::Scope;
use super::super::rival::{self, Glance};
use super::super::slot::{ScoreSlot, TriggerSlot};
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::fire::was_decided;
use super::lifecycle::{date_due, date_occurrence};
use super::status::{next_rescore, record_score};
use super::{timers, zone};

/// Arms dates, calendars and scorecards for a customer who is new, or whose state was written
/// under another catalog. A customer loaded under the same catalog has all timers already.
///
/// Timers that fell due before `now` stay and fire with the next input, if their trigger still
/// says the same. Nothing that is new acts on the past: it is armed from `now` on. Scores are
/// computed by the new models and their latches set without firing, because a change of model is
/// nothing that happened to the customer.
pub fn bind(catalog: &Catalog, state: &mut CustomerState, now: Timestamp) {
    timers::disarm(state, |kind| is_gone(catalog, kind));
    // Dates, calendars and scores are of customers.
    if state.id.is_own() {
        // Other files may leave more room.
        if state.rare.pool().is_some_and(|pool| !pool.waiting.is_empty()) {
            timers::disarm(state, |kind| *kind == TimerKind::Desk);
            timers::arm(state, now, TimerKind::Desk);
        }
        return release_orphans(catalog, state, now);
    }
    for slot in catalog.index.roster.all_dates() {
        arm_dates(catalog, state, slot, now);
    }
    for slot in catalog.index.roster.schedules() {
        let is_pending =
            |kind: &TimerKind| matches!(kind, TimerKind::Schedule { trigger } if trigger == slot);
        if !state.timers.iter().any(|timer| timer.due <= now && is_pending(&timer.kind)) {
            arm_schedule(catalog, state, *slot, now);
        }
    }
    for (slot, score) in (0..=u16::MAX).map(ScoreSlot).zip(&catalog.scores) {
        let Some(every) = score.source.every() else { continue };
        let kind = TimerKind::Rescore { score: slot };
        if !state.timers.iter().any(|timer| timer.due <= now && timer.kind == kind) {
            timers::disarm(state, |other| *other == kind);
            let due = next_rescore(state.id.as_str(), every, now);
            timers::arm(state, due, kind);
        }
        if state.score(slot).is_some() {
            // As of the customer's last input: what time changes since then may still fire.
            let then = state.now;
            let scope = Scope { catalog, state, properties: &[], now: then };
            if let Some(value) = score.source.score(&scope) {
                record_score(catalog, state, slot, value, then);
            }
            settle_latches(catalog, state, slot);
            rival::contend(catalog, state, slot, then, Glance::Between);
        }
    }
    rival::forget_gone(catalog, state);
    release_orphans(catalog, state, now);
}

/// Waits anew for every offset of a trigger's date that lies ahead.
pub(super) fn arm_dates(
    catalog: &Catalog,
    state: &mut CustomerState,
    slot: TriggerSlot,
    now: Timestamp,
) {
    let Some(trigger) = catalog.trigger(slot) else { return };
    let When::Date { offset_days, .. } = &trigger.when else { return };
    state.timers.retain(|timer| {
        let is_ours = matches!(timer.kind, TimerKind::Date { trigger, .. } if trigger == slot);
        !is_ours || timer.due <= now
    });
    let zone = zone(catalog, state);
    for offset in (0..=u8::MAX).take(offset_days.len()) {
        let Some((date, due)) = date_due(trigger, state, offset, &zone) else { return };
        if now < due && !was_decided(state, slot, &date_occurrence(trigger, date, offset)) {
            timers::arm(state, due, TimerKind::Date { trigger: slot, offset });
        }
    }
}

/// Waits for the next occurrence of a trigger's calendar.
pub(super) fn arm_schedule(
    catalog: &Catalog,
    state: &mut CustomerState,
    slot: TriggerSlot,
    now: Timestamp,
) {
    let kind = TimerKind::Schedule { trigger: slot };
    timers::disarm(state, |other| *other == kind);
    let Some(trigger) = catalog.trigger(slot) else { return };
    let When::Schedule { schedule, zone: fixed } = &trigger.when else { return };
    let zone = fixed.clone().unwrap_or_else(|| zone(catalog, state));
    if let Some((due, _)) = schedule.next_after(now, &zone) {
        timers::arm(state, due, kind);
    }
}

/// Whether a timer waits for something that the catalog no longer has.
fn is_gone(catalog: &Catalog, kind: &TimerKind) -> bool {
    let when = |slot: TriggerSlot| catalog.trigger(slot).map(|trigger| &trigger.when);
    match kind {
        TimerKind::Date { trigger, .. } => !matches!(when(*trigger), Some(When::Date { .. })),
        TimerKind::Schedule { trigger } => !matches!(when(*trigger), Some(When::Schedule { .. })),
        TimerKind::Absence { trigger, cause, .. } => catalog
            .trigger(*trigger)
            .is_none_or(|trigger| super::absence::absence_of(trigger, cause.clause).is_none()),
        TimerKind::Rescore { score } => {
            catalog.scores.get(score.index()).and_then(|score| score.source.every()).is_none()
        }
        TimerKind::SessionEnd => catalog.session_idle.is_none(),
        TimerKind::Release { .. }
        | TimerKind::Task { .. }
        | TimerKind::Desk
        | TimerKind::Rung { .. } => false,
    }
}

fn settle_latches(catalog: &Catalog, state: &mut CustomerState, slot: ScoreSlot) {
    let Some(value) = state.score(slot).map(|score| score.value) else { return };
    for watcher in catalog.index.roster.scores(slot) {
        let Some(trigger) = catalog.trigger(watcher) else { continue };
        let When::Score { crossing, .. } = &trigger.when else { continue };
        let known = state.progress(watcher, 0).map(|progress| progress.latch);
        let next = match known {
            _ if crossing.is_beyond(value) => Latch::Fired,
            Some(Latch::Fired) if !crossing.is_back(value) => Latch::Fired,
            Some(Latch::Fired | Latch::Armed) | None => Latch::Armed,
        };
        if known.unwrap_or_default() != next {
            state.progress_mut(watcher, 0).latch = next;
        }
    }
}

/// What waits for a trigger that is gone is cancelled with the next input, not when its time comes.
fn release_orphans(catalog: &Catalog, state: &mut CustomerState, now: Timestamp) {
    // Asked first: to look for something to change would make the rare part of everybody's state.
    if state.rare.waiting.is_empty() {
        return;
    }
    let orphans: Vec<_> = state
        .rare
        .waiting
        .iter_mut()
        .filter(|waiting| catalog.trigger(waiting.trigger).is_none())
        .map(|waiting| {
            waiting.release_at = std::cmp::min(waiting.release_at, now);
            (waiting.id, waiting.release_at)
        })
        .collect();
    for (decision, release_at) in orphans {
        let kind = TimerKind::Release { decision };
        timers::disarm(state, |other| *other == kind);
        timers::arm(state, release_at, kind);
    }
}
