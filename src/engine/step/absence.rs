//! What fails to come: armed by one event, ended by others, fired by silence.

use smallvec::SmallVec;

use super::super::catalog::{Absence, AbsenceScope, Trigger, When};
use super::super::customer::{Cause, CustomerState, Waiting};
use super::super::decision::{Reason, Verdict};
use super::super::id::stable_hash;
use super::super::input::{BlindGap, Event, View};
use super::super::slot::TriggerSlot;
use super::super::time::{Span, Timestamp};
use super::super::timer::TimerKind;
use super::behavior::Found;
use super::fire::{captured, object_hash_of, object_of, properties_of};
use super::{Step, timers};

/// Which objects an event concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Objects {
    /// Every object of the trigger: the event does not say which, or it does not matter.
    All,
    /// The one with this hash.
    One(u64),
}

impl Step<'_> {
    /// Begins to wait. The time runs in engine time, from when the event was heard: a source that
    /// is a minute late is a minute late with what follows, too.
    pub(super) fn arm_absence(
        &mut self,
        found: &Found<'_>,
        absence: &Absence,
        event: &Event<'_>,
        at: Timestamp,
    ) {
        let Found { slot, trigger, clause, .. } = *found;
        // What is too old to act on cannot begin a wait either; and what it waits for may have
        // come before it.
        if trigger.act_within < at - event.occurred_at || overtaken(self.state, found, event) {
            return;
        }
        let object_text = object_of(trigger, event);
        let object = object_text.as_deref().map_or(0, stable_hash);
        let of_object = |kind: &TimerKind| same(kind, slot, clause, Objects::One(object));
        // Only the latest arming event counts, and it need not be the last to arrive.
        if self
            .state
            .timers
            .iter()
            .any(|timer| of_object(&timer.kind) && !begun_by(&timer.kind, event.occurred_at))
        {
            return;
        }
        timers::disarm(self.state, of_object);
        let mut occurrence = format!("absence:{at}");
        // Two clauses of `any` can be armed at one instant: each is a cause of its own.
        if clause != 0 {
            occurrence += &format!("#{clause}");
        }
        if let Some(object) = &object_text {
            occurrence += &format!(":{object}");
        }
        let cause = Cause {
            occurrence: occurrence.into(),
            at: event.occurred_at,
            clause,
            object: object_text,
            properties: captured(trigger, event),
        };
        self.decision.dropped += timers::make_room(self.state);
        let kind =
            TimerKind::Absence { trigger: slot, object, cause: Box::new(cause), extended_ms: 0 };
        timers::arm(self.state, at + absence.hold, kind);
    }

    /// An event of `not_followed_by` came: what was armed before it is over, and what waits
    /// because of its absence is contradicted.
    pub(super) fn followed(&mut self, found: &Found<'_>, event: &Event<'_>, at: Timestamp) {
        if self.state.timers.is_empty() && self.state.rare.waiting.is_empty() {
            return;
        }
        // A page view ends the dwell on the page before, whatever object that was about.
        let leaves = event.view == View::Page
            && absence_of(found.trigger, found.clause)
                .is_some_and(|absence| absence.scope == AbsenceScope::AnyPage);
        let object = if leaves { None } else { object_hash_of(found.trigger, event) };
        let objects = object.map_or(Objects::All, Objects::One);
        self.end_silence(found.slot, found.clause, objects, event.occurred_at, at);
    }

    fn end_silence(
        &mut self,
        slot: TriggerSlot,
        clause: u8,
        objects: Objects,
        occurred_at: Timestamp,
        at: Timestamp,
    ) {
        timers::disarm(self.state, |kind| {
            same(kind, slot, clause, objects) && begun_by(kind, occurred_at)
        });
        while let Some(index) = self.state.rare.waiting.iter().position(|waiting| {
            waiting.trigger == slot
                && waiting.cause.clause == clause
                && waiting.cause.at <= occurred_at
                && (objects == Objects::All || objects == Objects::One(waiting.cause.object_hash()))
        }) {
            let waiting: Waiting = self.state.rare.waiting.remove(index);
            let verdict = Verdict::Cancel { reason: Reason::Contradicted };
            self.cancel(waiting, verdict, Vec::new(), at);
        }
        self.contradict_rungs(|rung| {
            rung.trigger == slot
                && rung.cause.clause == clause
                && rung.cause.at <= occurred_at
                && (objects == Objects::All || objects == Objects::One(rung.cause.object_hash()))
        });
    }

    /// The time is over: fires, unless part of it passed without anyone listening.
    pub(super) fn silence(
        &mut self,
        slot: TriggerSlot,
        cause: Box<Cause>,
        extended_ms: u32,
        now: Timestamp,
    ) {
        // A reload may have taken the trigger or the clause away.
        let Some(trigger) = self.catalog.trigger(slot) else { return };
        let Some(absence) = absence_of(trigger, cause.clause) else { return };
        let extended = Span::from_millis(i64::from(extended_ms));
        let begun = now - absence.hold - extended;
        let blind = blind_within(self.blind, begun, now);
        let wanted_ms = u32::try_from(blind.as_millis()).unwrap_or(u32::MAX);
        if extended_ms < wanted_ms {
            let object = cause.object_hash();
            let due = begun + absence.hold + Span::from_millis(i64::from(wanted_ms));
            let kind = TimerKind::Absence { trigger: slot, object, cause, extended_ms: wanted_ms };
            timers::arm(self.state, due, kind);
            return;
        }
        let properties = properties_of(&cause);
        if self.conditions_hold(trigger, &properties, now) {
            let conditions = self.trace(trigger, &properties, now);
            drop(properties);
            self.fire(slot, trigger, *cause, conditions, now);
        }
    }
}

/// The absence that a clause waits for.
pub(super) fn absence_of(trigger: &Trigger, clause: u8) -> Option<&Absence> {
    match &trigger.when {
        When::Event(clauses) => clauses.get(usize::from(clause))?.absence.as_ref(),
        When::Sequence { .. }
        | When::Session { .. }
        | When::Change { .. }
        | When::Score { .. }
        | When::Date { .. }
        | When::Schedule { .. } => None,
    }
}

/// How much of `(from, to]` nobody listened.
pub(super) fn blind_within(blind: &[BlindGap], from: Timestamp, to: Timestamp) -> Span {
    let mut parts: SmallVec<[_; 4]> = blind.iter().filter_map(|gap| gap.within(from, to)).collect();
    // A silence may have begun before the shard went down, and go on after: it counts once.
    parts.sort_unstable();
    let mut heard = from;
    let mut millis = 0;
    for (start, end) in parts {
        millis += end.as_millis().saturating_sub(start.max(heard).as_millis()).max(0);
        heard = heard.max(end);
    }
    Span::from_millis(millis)
}

/// Whether what would end the absence is known to have occurred after the event that arms it.
///
/// The timeline remembers names, not objects: with `per` it cannot tell.
fn overtaken(state: &CustomerState, found: &Found<'_>, event: &Event<'_>) -> bool {
    let Some(absence) = absence_of(found.trigger, found.clause) else { return false };
    found.trigger.per.is_none()
        && event.reach.is_live()
        && state.recent.latest().is_some_and(|latest| event.occurred_at < latest.at())
        && state
            .recent
            .timeline()
            .any(|other| event.occurred_at < other.at() && absence.events.contains(&other.event()))
}

fn same(kind: &TimerKind, slot: TriggerSlot, clause: u8, objects: Objects) -> bool {
    match kind {
        TimerKind::Absence { trigger, object, cause, .. } => {
            *trigger == slot
                && cause.clause == clause
                && (objects == Objects::All || objects == Objects::One(*object))
        }
        TimerKind::Release { .. }
        | TimerKind::Date { .. }
        | TimerKind::Schedule { .. }
        | TimerKind::SessionEnd
        | TimerKind::Task { .. }
        | TimerKind::Desk
        | TimerKind::Rung { .. }
        | TimerKind::Rescore { .. } => false,
    }
}

/// Whether an absence was armed by an event no later than this.
fn begun_by(kind: &TimerKind, occurred_at: Timestamp) -> bool {
    matches!(kind, TimerKind::Absence { cause, .. } if cause.at <= occurred_at)
}
