//! What an event matches: clauses, counts, sequences, and the two ends of a session.

use super::super::catalog::{
    Catalog, EventClause, SessionEdge, Step as SequenceStep, Times, Trigger, When,
};
use super::super::condition::Condition;
use super::super::customer::{Cause, CustomerState, spare_room};
use super::super::decision::Truth;
use super::super::evaluate::{self, Scope};
use super::super::index::{Candidate, Candidates, Filter, Role};
use super::super::input::{Event, Reach};
use super::super::slot::TriggerSlot;
use super::super::time::{Span, Timestamp};
use super::super::timer::TimerKind;
use super::fire::{captured, mark_decided, object_hash_of, object_of, was_decided};
use super::{Step, timers};

/// A clause that an event may concern.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) slot: TriggerSlot,
    pub(super) trigger: &'a Trigger,
    /// The clause of `any:`, or the step of a sequence.
    pub(super) clause: u8,
}

/// Whether a trigger fired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fired {
    Yes,
    No,
}

/// A trigger that waits for events in an order.
struct Sequence<'a> {
    slot: TriggerSlot,
    trigger: &'a Trigger,
    steps: &'a [SequenceStep],
    within: Span,
}

/// Whether a broadcast event can change anything for a customer. Shards ask before they step, so
/// that the many whom it does not concern are neither touched nor stored.
pub fn concerns(
    catalog: &Catalog,
    state: &CustomerState,
    event: &Event<'_>,
    at: Timestamp,
) -> bool {
    let Some(name) = event.name else { return false };
    let ends_freeze = state.rare.freezes.iter().any(|freeze| {
        let suppress = catalog.trigger(freeze.trigger).and_then(|t| t.suppress.as_ref());
        suppress.is_some_and(|suppress| suppress.until == Some(name))
    });
    let mut candidates = Candidates::new();
    catalog.index.candidates((name, event.view), event.properties, |_| true, &mut candidates);
    let scope = Scope { catalog, state, properties: event.properties, now: at };
    ends_freeze
        || candidates.iter().any(|candidate| {
            let Some(clause) = clause_of(catalog, *candidate) else { return false };
            match (&clause.affects, candidate.role) {
                (None, _) => false,
                (Some(_), Role::Follows) => {
                    !state.timers.is_empty() || !state.rare.waiting.is_empty()
                }
                (Some(_), Role::Matches) => {
                    passes(clause.filter.as_ref(), &scope)
                        && passes(clause.affects.as_ref(), &scope)
                }
            }
        })
}

impl<'a> Step<'a> {
    /// Offers an event to every trigger that it may concern.
    pub(super) fn match_event(&mut self, event: &Event<'_>, at: Timestamp) {
        let Some(name) = event.name else { return };
        let catalog = self.catalog;
        let mut candidates = Candidates::new();
        let is_open = |gate| {
            let trigger = catalog.index.trigger_of(gate).and_then(|slot| catalog.trigger(slot));
            trigger.is_none_or(|trigger| self.conditions_hold(trigger, event.properties, at))
        };
        catalog.index.candidates((name, event.view), event.properties, is_open, &mut candidates);
        for group in candidates.chunk_by(|left, right| left.trigger == right.trigger) {
            let Some(slot) = group.first().map(|first| first.trigger) else { continue };
            let Some(trigger) = catalog.trigger(slot) else { continue };
            match &trigger.when {
                When::Event(clauses) => self.match_clauses(trigger, clauses, group, event, at),
                When::Sequence { steps, within } if event.reach.is_live() => {
                    let sequence = Sequence { slot, trigger, steps, within: *within };
                    self.match_sequence(&sequence, group, event, at);
                }
                When::Sequence { .. }
                | When::Session { .. }
                | When::Change { .. }
                | When::Score { .. }
                | When::Date { .. }
                | When::Schedule { .. } => {}
            }
        }
    }

    fn match_clauses(
        &mut self,
        trigger: &'a Trigger,
        clauses: &'a [EventClause],
        group: &[Candidate],
        event: &Event<'_>,
        at: Timestamp,
    ) {
        // One event is one cause, however many clauses of a trigger it fits.
        let mut fired = Fired::No;
        for candidate in group.iter().copied() {
            let Candidate { trigger: slot, clause: number, role, filter } = candidate;
            let Some(clause) = clauses.get(usize::from(number)) else { continue };
            if event.reach == Reach::Broadcast && clause.affects.is_none() {
                continue;
            }
            let found = Found { slot, trigger, clause: number };
            match role {
                Role::Matches if event.reach == Reach::Historical => {}
                Role::Follows => self.followed(&found, event, at),
                Role::Matches if fired == Fired::No => {
                    let scope = self.scope(event.properties, at);
                    if filter == Filter::Holds || passes(clause.filter.as_ref(), &scope) {
                        fired = self.match_clause(&found, clause, event, at);
                    }
                }
                Role::Matches => {}
            }
        }
    }

    /// Matches a clause whose filter holds.
    fn match_clause(
        &mut self,
        found: &Found<'a>,
        clause: &'a EventClause,
        event: &Event<'_>,
        at: Timestamp,
    ) -> Fired {
        let scope = self.scope(event.properties, at);
        if !passes(clause.affects.as_ref(), &scope) {
            return Fired::No;
        }
        if let Some(absence) = &clause.absence {
            self.arm_absence(found, absence, event, at);
            return Fired::No;
        }
        if let Some(times) = clause.times {
            return self.match_times(found, times, event, at);
        }
        // What is about an object and comes to many is told once per object to each.
        let object = if clause.affects.is_some() { object_of(found.trigger, event) } else { None };
        let Some(object) = object else { return self.matched(found, event.id, event, at) };
        if was_decided(self.state, found.slot, &object) {
            return Fired::No;
        }
        let fired = self.matched(found, &object, event, at);
        if fired == Fired::Yes {
            mark_decided(self.state, found.slot, &object);
        }
        fired
    }

    /// Counts a hit; the n-th within the time matches, and firing clears the count.
    ///
    /// The time is counted back from the latest hit, so that a late event finds its place.
    fn match_times(
        &mut self,
        found: &Found<'a>,
        times: Times,
        event: &Event<'_>,
        at: Timestamp,
    ) -> Fired {
        let object = object_hash_of(found.trigger, event).unwrap_or(0);
        let needed = usize::try_from(times.count.max(1)).unwrap_or(usize::MAX);
        let hits = &mut self.state.progress_mut(found.slot, object).hits;
        let later = hits.iter().rev().take_while(|hit| event.occurred_at < **hit).count();
        spare_room(hits);
        hits.insert(hits.len() - later, event.occurred_at);
        let latest = hits.last().copied().unwrap_or(event.occurred_at);
        let since = latest - times.within;
        let stale = hits.iter().take_while(|hit| **hit < since).count();
        hits.drain(..stale);
        if hits.len() < needed {
            return Fired::No;
        }
        let fired = self.matched(found, event.id, event, at);
        let hits = &mut self.state.progress_mut(found.slot, object).hits;
        match fired {
            Fired::Yes => hits.clear(),
            // A condition stood against it: the next hit may find it holding.
            Fired::No => drop(hits.drain(..=hits.len() - needed)),
        }
        fired
    }

    /// Follows a sequence by keeping, for each beginning of it, the latest start from which that
    /// beginning was reached. The latest start is the one that can still complete if any can, so
    /// no chain is missed and one instant per step is enough. A start older than `within` is
    /// forgotten when the next step comes; a step that extends nothing changes nothing; the first
    /// step always begins anew beside what is under way. Firing clears all.
    fn match_sequence(
        &mut self,
        sequence: &Sequence<'a>,
        group: &[Candidate],
        event: &Event<'_>,
        at: Timestamp,
    ) {
        let Sequence { slot, trigger, steps, within } = *sequence;
        let object = object_hash_of(trigger, event).unwrap_or(0);
        // From the last step to the first: one event must not be two steps of one chain.
        for candidate in group.iter().rev() {
            let number = usize::from(candidate.clause);
            let Some(step) = steps.get(number) else { continue };
            let scope = self.scope(event.properties, at);
            if candidate.filter == Filter::Open && !passes(step.filter.as_ref(), &scope) {
                continue;
            }
            let start = match number.checked_sub(1) {
                None => Some(event.occurred_at),
                Some(before) => {
                    let hits = self.state.progress(slot, object).map(|progress| &progress.hits);
                    hits.and_then(|hits| hits.get(before)).copied().filter(|start| {
                        *start != NO_START
                            && *start <= event.occurred_at
                            && event.occurred_at - *start <= within
                    })
                }
            };
            let Some(start) = start else { continue };
            if number + 1 < steps.len() {
                let hits = &mut self.state.progress_mut(slot, object).hits;
                while hits.len() <= number {
                    hits.push(NO_START);
                }
                if let Some(latest) = hits.get_mut(number) {
                    *latest = (*latest).max(start);
                }
                continue;
            }
            let found = Found { slot, trigger, clause: candidate.clause };
            if self.matched(&found, event.id, event, at) == Fired::Yes {
                self.state.progress_mut(slot, object).hits.clear();
                return;
            }
        }
    }

    /// Fires if the trigger's conditions hold.
    pub(super) fn matched(
        &mut self,
        found: &Found<'a>,
        occurrence: &str,
        event: &Event<'_>,
        at: Timestamp,
    ) -> Fired {
        let Found { slot, trigger, clause } = *found;
        if !self.conditions_hold(trigger, event.properties, at) {
            return Fired::No;
        }
        let conditions = self.trace(trigger, event.properties, at);
        let cause = Cause {
            occurrence: occurrence.into(),
            at: event.occurred_at,
            clause,
            object: object_of(trigger, event),
            properties: captured(trigger, event),
        };
        self.fire(slot, trigger, cause, conditions, at)
    }

    /// A session began (with an event) or ended (without one).
    pub(super) fn session_edge(
        &mut self,
        edge: SessionEdge,
        event: Option<&Event<'_>>,
        at: Timestamp,
    ) {
        let catalog = self.catalog;
        for slot in catalog.index.roster.sessions(edge) {
            let Some(trigger) = catalog.trigger(*slot) else { continue };
            let When::Session { filter, .. } = &trigger.when else { continue };
            let properties = event.map_or(&[][..], |event| event.properties);
            if !passes(filter.as_ref(), &self.scope(properties, at)) {
                continue;
            }
            if let Some(event) = event {
                let found = Found { slot: *slot, trigger, clause: 0 };
                self.matched(&found, event.id, event, at);
            } else if let Some(session) = &self.state.rare.session {
                let occurrence = format!("session:{}", session.started_at);
                self.reached(*slot, trigger, &occurrence, at);
            }
        }
    }

    /// The session may have gone on since its timer was armed.
    pub(super) fn session_idle(&mut self, now: Timestamp) {
        let Some(idle) = self.catalog.session_idle else { return };
        let Some(session) = &self.state.rare.session else { return };
        let ends = session.last_at + idle;
        if now < ends {
            timers::arm(self.state, ends, TimerKind::SessionEnd);
            return;
        }
        self.session_edge(SessionEdge::Ended, None, now);
        self.state.rare.session = None;
    }
}

/// Stands in a sequence's list for a beginning that was not reached.
pub(super) const NO_START: Timestamp = Timestamp::MIN;

fn clause_of(catalog: &Catalog, candidate: Candidate) -> Option<&EventClause> {
    match &catalog.trigger(candidate.trigger)?.when {
        When::Event(clauses) => clauses.get(usize::from(candidate.clause)),
        When::Sequence { .. }
        | When::Session { .. }
        | When::Change { .. }
        | When::Score { .. }
        | When::Date { .. }
        | When::Schedule { .. } => None,
    }
}

fn passes(condition: Option<&Condition>, scope: &Scope<'_>) -> bool {
    condition.is_none_or(|condition| evaluate::holds(condition, scope) == Truth::True)
}
