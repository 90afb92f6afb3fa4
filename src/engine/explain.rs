//! Why a trigger has or has not reached out to a customer: for any pair, also one that never met.

use thin_vec::ThinVec;

use super::catalog::{Catalog, Crossing, SessionEdge, Trigger, TriggerState, When};
use super::customer::{Cause, Contact, ContactKind, CustomerState, Latch, Waiting};
use super::decision::{Held, Truth, Verdict};
use super::evaluate::{Scope, civil_date_of};
use super::govern::{self, Judgement, Proposal};
use super::id::DecisionId;
use super::operation::Operations;
use super::slot::{EventSlot, ScoreSlot, TraitSlot, TriggerSlot};
use super::step::{properties_of, trace_all, zone};
use super::time::{Span, Timestamp};
use super::timer::TimerKind;

/// What there is to say about one trigger and one customer at one instant.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The trigger.
    pub trigger: TriggerSlot,
    /// The instant.
    pub at: Timestamp,
    /// Whether it is switched on.
    pub state: TriggerState,
    /// What it waits for, in the order of the file; what is armed follows what could arm it.
    pub waits: Vec<Wait>,
    /// Decided outreach of this trigger that waits for its time.
    pub deferred: Vec<Waiting>,
    /// Each condition of `if:` with what it sees now.
    pub conditions: Vec<Held>,
    /// The first of them that does not hold.
    pub first_failed: Option<usize>,
    /// What the governor would say if it fired now, with each rule and who holds a cap.
    pub judgement: Judgement,
    /// The first instant at which all rules allow it; `None` when a rule forbids it for good.
    pub free_at: Option<Timestamp>,
    /// Its last contact with the customer.
    pub last_contact: Option<Contact>,
    /// When it last acted, for each object: what `once_per` counts from.
    pub acted_at: Option<Timestamp>,
}

/// Something a trigger waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// An event.
    Event {
        /// Its clause of `any:`.
        clause: u8,
        /// Which.
        event: EventSlot,
    },
    /// Several events within a time.
    Times {
        /// The clause of `any:`.
        clause: u8,
        /// Which event.
        event: EventSlot,
        /// How many are needed.
        needed: u32,
        /// Within which time.
        within: Span,
        /// Hits that count now, for each object.
        hits: Vec<Vec<Timestamp>>,
    },
    /// Silence that has begun: it fires then, unless something comes.
    Silence {
        /// The clause of `any:`.
        clause: u8,
        /// The event that began it.
        event: EventSlot,
        /// What would end it.
        ended_by: Box<[EventSlot]>,
        /// The object.
        object: Option<Box<str>>,
        /// When it began.
        since: Timestamp,
        /// When it fires.
        due: Timestamp,
    },
    /// The next event of a sequence.
    Sequence {
        /// How many steps it has.
        steps: usize,
        /// How many are reached.
        reached: usize,
        /// When the chain began that got this far.
        started_at: Option<Timestamp>,
        /// The event that would be next.
        next: EventSlot,
    },
    /// A session that begins or ends.
    Session {
        /// Which end.
        edge: SessionEdge,
        /// When the running session ends if nothing happens.
        ends_at: Option<Timestamp>,
    },
    /// A change of a trait.
    Change {
        /// Which.
        of: TraitSlot,
    },
    /// A score that crosses a line.
    Score {
        /// Which.
        score: ScoreSlot,
        /// Its value.
        value: Option<f64>,
        /// The line.
        crossing: Crossing,
        /// Whether it can be crossed again.
        latch: Latch,
    },
    /// A date.
    Date {
        /// The date; `None` when the trait is unknown or no date.
        date: Option<jiff::civil::Date>,
        /// Days from it.
        offset_days: i32,
        /// When it fires; `None` when that has passed or there is no date.
        due: Option<Timestamp>,
    },
    /// The next time of a calendar.
    Schedule {
        /// When it fires.
        due: Option<Timestamp>,
    },
}

/// Explains a trigger under the orders in force; `None` when there is no such trigger.
pub fn explain(
    catalog: &Catalog,
    state: &CustomerState,
    slot: TriggerSlot,
    operations: &Operations,
    now: Timestamp,
) -> Option<Explanation> {
    let trigger = catalog.trigger(slot)?;
    let cause = latest_cause(state, slot);
    let properties = cause.map(properties_of).unwrap_or_default();
    let scope = Scope { catalog, state, properties: &properties, now };
    let conditions = trace_all(trigger, &scope);
    let judgement = judge_now((catalog, operations), state, (slot, trigger), cause, now)?;
    let own = state.ledger.iter().rev().filter(|contact| contact.trigger == slot);
    let contacts = own.filter(|contact| contact.kind != ContactKind::Ghost);
    let acted = state.progress.iter().filter(|progress| progress.trigger == slot);
    Some(Explanation {
        trigger: slot,
        at: now,
        state: trigger.state,
        waits: waits(catalog, state, (slot, trigger), now),
        deferred: state.rare.waiting.iter().filter(|w| w.trigger == slot).cloned().collect(),
        first_failed: conditions.iter().position(|held| held.outcome != Truth::True),
        conditions,
        free_at: match judgement.verdict {
            Verdict::Send { .. } | Verdict::Task | Verdict::HoldOut { .. } => Some(now),
            Verdict::Defer { until, .. } => Some(until),
            Verdict::Suppress { .. }
            | Verdict::Expire { .. }
            | Verdict::Cancel { .. }
            | Verdict::Unknown { .. } => None,
        },
        judgement,
        last_contact: contacts.copied().next(),
        acted_at: acted.filter_map(|progress| progress.acted_at).max(),
    })
}

/// The governor's answer to a firing at this instant, asked of a copy of the customer.
fn judge_now(
    (catalog, operations): (&Catalog, &Operations),
    state: &CustomerState,
    (slot, trigger): (TriggerSlot, &Trigger),
    cause: Option<&Cause>,
    now: Timestamp,
) -> Option<Judgement> {
    let mut state = state.clone();
    let cause = Cause {
        occurrence: format!("explain:{now}").into(),
        at: now,
        clause: cause.map_or(0, |cause| cause.clause),
        object: cause.and_then(|cause| cause.object.clone()),
        properties: cause.map_or_else(ThinVec::new, |cause| cause.properties.clone()),
    };
    let id = DecisionId::derive(&trigger.id, &state.id, &cause.occurrence);
    let proposal = Proposal { id, slot, trigger, cause: &cause, decided_at: now };
    govern::judge_under(catalog, operations, &mut state, &[proposal], now).into_iter().next()
}

/// The cause under way for this trigger, whose properties conditions can be shown with.
fn latest_cause(state: &CustomerState, slot: TriggerSlot) -> Option<&Cause> {
    let waiting = state.rare.waiting.iter().filter(|waiting| waiting.trigger == slot);
    let armed = state.timers.iter().filter_map(|timer| match &timer.kind {
        TimerKind::Absence { trigger, cause, .. } if *trigger == slot => Some(&**cause),
        TimerKind::Absence { .. }
        | TimerKind::Release { .. }
        | TimerKind::Date { .. }
        | TimerKind::Schedule { .. }
        | TimerKind::SessionEnd
        | TimerKind::Task { .. }
        | TimerKind::Desk
        | TimerKind::Rung { .. }
        | TimerKind::Rescore { .. } => None,
    });
    armed.chain(waiting.map(|waiting| &*waiting.cause)).max_by_key(|cause| cause.at)
}

fn waits(
    catalog: &Catalog,
    state: &CustomerState,
    (slot, trigger): (TriggerSlot, &Trigger),
    now: Timestamp,
) -> Vec<Wait> {
    match &trigger.when {
        When::Event(_) => events(state, slot, trigger, now),
        When::Sequence { steps, within } => {
            let alive = |start: &Timestamp| *start != Timestamp::MIN && now - *start <= *within;
            // With `per`, the object that got furthest.
            let of_trigger = state.progress.iter().filter(|progress| progress.trigger == slot);
            let furthest = of_trigger.filter_map(|progress| {
                let last = progress.hits.iter().rposition(alive)?;
                Some((last + 1, progress.hits.get(last).copied()))
            });
            let (reached, started_at) = furthest.max().unwrap_or((0, None));
            let next = steps.get(reached).map(|step| step.event);
            let sequence = |next| Wait::Sequence { steps: steps.len(), reached, started_at, next };
            next.map(sequence).into_iter().collect()
        }
        When::Session { edge, .. } => {
            let idle = catalog.session_idle;
            let running = state.rare.session.as_ref().zip(idle);
            let ends_at = running.map(|(session, idle)| session.last_at + idle);
            vec![Wait::Session { edge: *edge, ends_at }]
        }
        When::Change { of, .. } => vec![Wait::Change { of: of.slot }],
        When::Score { score, crossing } => {
            let value = state.score(*score).map(|score| score.value);
            // As the step does: who stands beyond the line without having crossed it has fired.
            let known = state.progress(slot, 0).map(|progress| progress.latch);
            let beyond = value.is_some_and(|value| crossing.is_beyond(value));
            let latch = known.unwrap_or(if beyond { Latch::Fired } else { Latch::Armed });
            vec![Wait::Score { score: *score, value, crossing: *crossing, latch }]
        }
        When::Date { of, offset_days, .. } => {
            let value = state.trait_value(of.slot).map(|value| value.as_ref().at(&of.path));
            let date = value.and_then(|value| civil_date_of(value, &zone(catalog, state)));
            let due = |number: u8| {
                let kind = TimerKind::Date { trigger: slot, offset: number };
                state.timers.iter().find(|timer| timer.kind == kind).map(|timer| timer.due)
            };
            let offsets = (0..=u8::MAX).zip(offset_days);
            offsets.map(|(n, days)| Wait::Date { date, offset_days: *days, due: due(n) }).collect()
        }
        When::Schedule { .. } => {
            let kind = TimerKind::Schedule { trigger: slot };
            let timer = state.timers.iter().find(|timer| timer.kind == kind);
            vec![Wait::Schedule { due: timer.map(|timer| timer.due) }]
        }
    }
}

/// For each clause what would match it, and the silences under way.
fn events(
    state: &CustomerState,
    slot: TriggerSlot,
    trigger: &Trigger,
    now: Timestamp,
) -> Vec<Wait> {
    let When::Event(clauses) = &trigger.when else { return Vec::new() };
    let mut waits = Vec::new();
    for (number, clause) in (0..=u8::MAX).zip(clauses) {
        let event = clause.event;
        waits.push(match clause.times {
            None => Wait::Event { clause: number, event },
            Some(times) => {
                let of_trigger = state.progress.iter().filter(|progress| progress.trigger == slot);
                let live = of_trigger.map(|progress| {
                    let hits = progress.hits.iter().copied();
                    hits.filter(|hit| now - times.within <= *hit).collect::<Vec<_>>()
                });
                Wait::Times {
                    clause: number,
                    event,
                    needed: times.count,
                    within: times.within,
                    hits: live.filter(|hits| !hits.is_empty()).collect(),
                }
            }
        });
        let Some(absence) = &clause.absence else { continue };
        for timer in &state.timers {
            let TimerKind::Absence { trigger, cause, .. } = &timer.kind else { continue };
            if *trigger == slot && cause.clause == number {
                waits.push(Wait::Silence {
                    clause: number,
                    event,
                    ended_by: absence.events.clone(),
                    object: cause.object.clone(),
                    since: cause.at,
                    due: timer.due,
                });
            }
        }
    }
    waits
}
