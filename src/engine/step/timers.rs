//! The customer's timers: armed in order, fired in batches of one instant.

use smallvec::SmallVec;

use super::super::customer::{CustomerState, TIMERS_MAX, spare_room};
use super::super::time::Timestamp;
use super::super::timer::{Timer, TimerKind};
use super::Step;

impl Step<'_> {
    /// Fires everything due at or before an instant, each at its own due instant.
    pub(super) fn run_due(&mut self, until: Timestamp) {
        while let Some(due) = self.state.next_due().filter(|due| *due <= until) {
            let instant = due.max(self.state.now);
            self.state.now = instant;
            let count = self.state.timers.partition_point(|timer| timer.due <= instant);
            let mut batch: SmallVec<[Timer; 4]> = self.state.timers.drain(..count).collect();
            // The order in which timers were armed differs after a reload; decisions must not.
            batch.sort_by_key(order);
            for timer in batch {
                self.fire_timer(timer, instant);
            }
            self.conclude(instant);
        }
    }

    fn fire_timer(&mut self, timer: Timer, now: Timestamp) {
        match timer.kind {
            TimerKind::Absence { trigger, cause, extended_ms, .. } => {
                self.silence(trigger, cause, extended_ms, now);
            }
            TimerKind::Release { decision } => self.release(decision, now),
            TimerKind::Date { trigger, offset } => self.date_reached(trigger, offset, now),
            TimerKind::Schedule { trigger } => self.schedule_reached(trigger, now),
            TimerKind::SessionEnd => self.session_idle(now),
            TimerKind::Rescore { score } => self.rescore(score, now),
            TimerKind::Task { decision } => self.task_due(decision, now),
            TimerKind::Desk => self.shared_due(now),
            TimerKind::Rung { decision } => self.rung_due(decision, now),
        }
    }
}

/// Arms a timer behind those that are due no later.
pub(super) fn arm(state: &mut CustomerState, due: Timestamp, kind: TimerKind) {
    let index = state.timers.partition_point(|timer| timer.due <= due);
    spare_room(&mut state.timers);
    state.timers.insert(index, Timer { due, kind });
}

/// Drops the oldest absences until one more timer may be armed; gives how many went.
pub(super) fn make_room(state: &mut CustomerState) -> u32 {
    let mut dropped = 0;
    while TIMERS_MAX <= state.timers.len() {
        let oldest = state
            .timers
            .iter()
            .enumerate()
            .filter_map(|(index, timer)| match &timer.kind {
                TimerKind::Absence { cause, .. } => Some((cause.at, index)),
                TimerKind::Release { .. }
                | TimerKind::Date { .. }
                | TimerKind::Schedule { .. }
                | TimerKind::SessionEnd
                | TimerKind::Task { .. }
                | TimerKind::Desk
                | TimerKind::Rung { .. }
                | TimerKind::Rescore { .. } => None,
            })
            .min();
        // The others are bounded by the catalog and by the waiting list.
        let Some((_, index)) = oldest else { break };
        state.timers.remove(index);
        dropped += 1;
    }
    dropped
}

/// Disarms the timers that a test picks.
pub(super) fn disarm(state: &mut CustomerState, mut picks: impl FnMut(&TimerKind) -> bool) {
    if state.timers.iter().any(|timer| picks(&timer.kind)) {
        state.timers.retain(|timer| !picks(&timer.kind));
    }
}

/// Scores are computed before what reads them, a session ends before what looks at it.
fn order(timer: &Timer) -> (u8, u16, u64) {
    match &timer.kind {
        TimerKind::Rescore { score } => (0, score.0, 0),
        TimerKind::SessionEnd => (1, 0, 0),
        TimerKind::Release { decision } => (2, 0, decision.head()),
        TimerKind::Absence { trigger, object, .. } => (3, trigger.0, *object),
        TimerKind::Date { trigger, offset } => (4, trigger.0, u64::from(*offset)),
        TimerKind::Schedule { trigger } => (5, trigger.0, 0),
        TimerKind::Task { decision } => (6, 0, decision.head()),
        TimerKind::Desk => (7, 0, 0),
        TimerKind::Rung { decision } => (8, 0, decision.head()),
    }
}
