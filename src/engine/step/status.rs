//! Traits that change and scores that cross a line.

use super::super::catalog::{Catalog, Crossing, ScoreSource, TraitPath, When};
use super::super::customer::{CustomerState, Latch, ScoreState, spare_room};
use super::super::health;
use super::super::id::stable_hash;
use super::super::input::Event;
use super::super::rival::{self, Glance};
use super::super::slot::{ScoreSlot, TraitSlot, TriggerSlot};
use super::super::time::{Span, Timestamp};
use super::super::timer::TimerKind;
use super::super::value::{Value, ValueRef};
use super::behavior::Found;
use super::{Step, timers};

/// The least time between two computations of a scorecard, whatever its file says.
const RESCORE_MIN: Span = Span::SECOND;

impl Step<'_> {
    /// A trait has just been replaced; `old` is what stood there.
    pub(super) fn trait_changed(
        &mut self,
        slot: TraitSlot,
        old: Option<&Value>,
        event: &Event<'_>,
        at: Timestamp,
    ) {
        let catalog = self.catalog;
        let old = old.map_or(ValueRef::Missing, Value::as_ref);
        for watcher in catalog.index.roster.changes(slot) {
            let Some(trigger) = catalog.trigger(watcher) else { continue };
            let When::Change { of, from, to } = &trigger.when else { continue };
            let new = self.state.trait_value(slot).map_or(ValueRef::Missing, Value::as_ref);
            if is_change(of, from, to, old, new) {
                let found = Found { slot: watcher, trigger, clause: 0 };
                self.matched(&found, event.id, event, at);
            }
        }
    }

    /// Computes the scores that an event feeds.
    pub(super) fn rescore_after(&mut self, event: &Event<'_>, at: Timestamp) {
        let Some(name) = event.name else { return };
        let catalog = self.catalog;
        for (slot, score) in (0..=u16::MAX).map(ScoreSlot).zip(&catalog.scores) {
            if score.source.is_fed_by(name)
                && let Some(value) = score.source.score(&self.scope(&[], at))
            {
                self.set_score(slot, value, at);
                rival::contend(catalog, self.state, slot, at, Glance::Between);
            }
        }
    }

    /// Computes a score because its time has come, and sets the next time.
    pub(super) fn rescore(&mut self, slot: ScoreSlot, now: Timestamp) {
        let Some(score) = self.catalog.scores.get(slot.index()) else { return };
        let Some(every) = score.source.every() else { return };
        let due = next_rescore(self.state.id.as_str(), every, now);
        timers::arm(self.state, due, TimerKind::Rescore { score: slot });
        if let Some(value) = score.source.score(&self.scope(&[], now)) {
            self.set_score(slot, value, now);
        }
        // Also of somebody who is not judged any more: what was said of them comes true or not.
        rival::contend(self.catalog, self.state, slot, now, Glance::InTurn);
    }

    /// Takes over a score that came from elsewhere, unless a model of our own speaks here.
    pub(super) fn told_score(&mut self, slot: ScoreSlot, value: f64, at: Timestamp) {
        match self.catalog.scores.get(slot.index()).map(|score| &score.source) {
            Some(ScoreSource::Learned(_) | ScoreSource::StandIn(_)) => {}
            Some(ScoreSource::Scorecard(_) | ScoreSource::Learning(_) | ScoreSource::Pushed)
            | None => self.set_score(slot, value, at),
        }
    }

    /// Takes over a score and fires the triggers whose line it crosses.
    pub(super) fn set_score(&mut self, slot: ScoreSlot, value: f64, at: Timestamp) {
        let Some(Changed { before, value }) =
            record_score(self.catalog, self.state, slot, value, at)
        else {
            return;
        };
        let catalog = self.catalog;
        for watcher in catalog.index.roster.scores(slot) {
            let Some(trigger) = catalog.trigger(watcher) else { continue };
            let When::Score { crossing, .. } = &trigger.when else { continue };
            if self.crosses(watcher, *crossing, before, value) {
                let transitions = self.state.progress_mut(watcher, 0).transitions;
                // Somebody who was forgotten and returns counts from one again, but began later.
                let occurrence = format!("score:{transitions}:{}", self.state.first_seen);
                self.reached(watcher, trigger, &occurrence, at);
            }
        }
    }

    /// Moves the latch of a trigger; whether its line was crossed.
    ///
    /// A customer first seen beyond the line did not cross it, nor did one who stood beyond it
    /// when the trigger came into force: there the latch begins as fired.
    fn crosses(
        &mut self,
        slot: TriggerSlot,
        crossing: Crossing,
        before: Option<f64>,
        value: f64,
    ) -> bool {
        let known = self.state.progress(slot, 0).map(|progress| progress.latch);
        let latch = known.unwrap_or(if crossing.is_beyond(before.unwrap_or(value)) {
            Latch::Fired
        } else {
            Latch::Armed
        });
        let (next, crossed) = match latch {
            Latch::Armed if crossing.is_beyond(value) => (Latch::Fired, true),
            Latch::Fired if crossing.is_back(value) => (Latch::Armed, false),
            Latch::Armed | Latch::Fired => (latch, false),
        };
        if crossed || known != Some(next) && (known.is_some() || next == Latch::Fired) {
            let progress = self.state.progress_mut(slot, 0);
            progress.latch = next;
            progress.transitions += u32::from(crossed);
        }
        crossed
    }
}

impl Crossing {
    /// Whether a value stands at or past the line.
    pub fn is_beyond(self, value: f64) -> bool {
        match self {
            Self::RisesAbove { line, .. } => line <= value,
            Self::FallsBelow { line, .. } => value <= line,
        }
    }

    /// Whether a value has come back far enough to cross again.
    pub fn is_back(self, value: f64) -> bool {
        match self {
            Self::RisesAbove { rearm, .. } => value < rearm,
            Self::FallsBelow { rearm, .. } => rearm < value,
        }
    }
}

/// A score that changed.
pub(super) struct Changed {
    before: Option<f64>,
    value: f64,
}

/// Enters a value, rounded to 4 decimals; `None` when it says nothing new.
pub(super) fn record_score(
    catalog: &Catalog,
    state: &mut CustomerState,
    slot: ScoreSlot,
    value: f64,
    at: Timestamp,
) -> Option<Changed> {
    if !value.is_finite() {
        return None;
    }
    // Adding zero turns -0 into 0, which prints and hashes otherwise.
    let value = health::rounded(value) + 0.0;
    let days = catalog.scores.get(slot.index()).map_or(health::DAYS, |score| score.days);
    let scores = &mut state.rare.scores;
    match scores.binary_search_by_key(&slot, |state| state.score) {
        Ok(index) => {
            let known = scores.get_mut(index)?;
            let before = known.value;
            if before.total_cmp(&value).is_eq() {
                return None;
            }
            known.was = Some(before);
            known.value = value;
            known.changed_at = at;
            health::note(&mut known.daily, at, value, days);
            Some(Changed { before: Some(before), value })
        }
        Err(index) => {
            let mut daily = None;
            health::note(&mut daily, at, value, days);
            let state = ScoreState { score: slot, value, was: None, changed_at: at, daily };
            spare_room(scores);
            scores.insert(index, state);
            Some(Changed { before: None, value })
        }
    }
}

/// The next instant at which a customer's scorecard is computed. Customers are spread over the
/// interval by their ids, so that a shard never computes all of them at once.
pub(super) fn next_rescore(customer: &str, every: Span, after: Timestamp) -> Timestamp {
    let every = every.as_millis().max(RESCORE_MIN.as_millis());
    let spread = i64::try_from(stable_hash(customer) >> 1).unwrap_or(0) % every;
    let since = (after.as_millis() - spread).rem_euclid(every);
    after + Span::from_millis(every - since)
}

fn is_change(
    of: &TraitPath,
    from: &[Value],
    to: &[Value],
    old: ValueRef<'_>,
    new: ValueRef<'_>,
) -> bool {
    let (old, new) = (old.at(&of.path), new.at(&of.path));
    let among = |list: &[Value], value: ValueRef<'_>| {
        list.is_empty() || list.iter().any(|item| item.as_ref().equals(value) == Some(true))
    };
    old != new && among(from, old) && among(to, new)
}
