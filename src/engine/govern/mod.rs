//! The governor: one visible ordered list of rules that every outreach passes, when it is decided
//! and again when it is sent.

mod arbitration;
mod cap;
mod case;
mod channel;
pub mod consent;
mod free_instant;
mod holdout;
mod human_only;
mod ledger;
mod loop_guard;
mod once_per;
mod operations;
pub mod pools;
pub mod profiling;
mod quiet_hours;
mod ramp;
mod standing;
mod stop_word;
pub mod suppression;
mod tally;

use std::sync::Arc;

use self::arbitration::Winners;
use self::case::{Asker, Case, Course, Message, Passage};
use super::catalog::{Action, Catalog, SessionEdge, Trigger, TriggerState, When};
use super::customer::{Cause, Contact, ContactKind, CustomerState, WAITING_MAX};
use super::decision::{Detail, Finding, Hold, Outreach, Passed, Reason, Rule, Verdict};
use super::id::DecisionId;
use super::input::{Delivery, Told};
use super::operation::{NO_OPERATIONS, Operations};
use super::planted::{Fault, is_planted};
use super::pool::Claim;
use super::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use super::time::Timestamp;

pub use self::channel::{note_bounced, reachable};
pub use self::free_instant::spread_until;
pub use self::loop_guard::{Unanswered, note_answer};
pub use self::stop_word::asks_to_stop;

/// A rule: it looks at a case, notes what it found, and lets the next one have its say or not.
type Check = fn(&Case<'_>, &mut Course<'_>) -> Passage;

/// The rules, in the order in which every outreach passes them. A task skips those that are about
/// messages: consent, channel, quiet hours, caps.
const ORDER: [(Rule, Check); 15] = [
    (Rule::Enabled, enabled),
    (Rule::Operations, operations::check),
    (Rule::Expiry, expiry),
    (Rule::HumanOnly, human_only::check),
    (Rule::Ramp, ramp::check),
    (Rule::Suppression, suppression::check),
    (Rule::OncePer, once_per::check),
    (Rule::Consent, consent::check),
    (Rule::Channel, channel::check),
    (Rule::Holdout, holdout::check),
    (Rule::LoopGuard, loop_guard::check),
    (Rule::Arbitration, arbitration::check),
    (Rule::QuietHours, quiet_hours::check),
    (Rule::Caps, cap::check),
    (Rule::Pools, pools::check),
];

/// An outreach that wants to happen.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// Its decision.
    pub id: DecisionId,
    /// The slot of the trigger.
    pub slot: TriggerSlot,
    /// The trigger.
    pub trigger: &'a Trigger,
    /// Its cause.
    pub cause: &'a Cause,
    /// When it was first decided (now, or earlier for one that waited).
    pub decided_at: Timestamp,
}

/// What the governor says.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Each rule up to the one that decided. Of the rules about time (pause, quiet hours,
    /// blackouts, caps) all that hold it now are there.
    pub findings: Vec<Finding>,
    /// The arm, where the trigger has an experiment and the rules got that far. Members of the
    /// global holdout are in no arm.
    pub arm: Option<Arc<str>>,
    /// After this it must not leave.
    pub expires_at: Timestamp,
    /// What waits for the same cap with a lower priority, and gives way to it.
    pub replaces: Vec<DecisionId>,
    /// What it needs of what customers share.
    pub claim: Claim,
    /// What nobody answered, when the customer is handed over to a person for it now.
    pub hands_over: Option<Unanswered>,
}

/// Judges proposals that arise at one instant, first by priority; the answers are in the order of
/// the proposals. Sends, tasks and ghosts are entered into the ledger and `once_per`, and what a
/// send or task suppresses is suppressed, so that the next proposal sees them.
pub fn judge(
    catalog: &Catalog,
    state: &mut CustomerState,
    proposals: &[Proposal<'_>],
    now: Timestamp,
) -> Vec<Judgement> {
    judge_under(catalog, &NO_OPERATIONS, state, proposals, now)
}

/// The same under the orders of an operator.
pub fn judge_under(
    catalog: &Catalog,
    operations: &Operations,
    state: &mut CustomerState,
    proposals: &[Proposal<'_>],
    now: Timestamp,
) -> Vec<Judgement> {
    let mut winners = Winners::new();
    let mut deferred = 0;
    let mut judged = Vec::with_capacity(proposals.len());
    for index in arbitration::order(proposals) {
        let Some(proposal) = proposals.get(index) else { continue };
        let Some(case) = Case::of(catalog, state, proposal, now) else {
            judged.push((index, no_longer_in_force(proposal)));
            continue;
        };
        let case = Case { operations, ..case };
        let mut course = Course::new(&mut winners);
        let mut verdict = rule(&case, &mut course);
        if let Verdict::Defer { .. } = verdict {
            let others =
                state.rare.waiting.iter().filter(|waiting| waiting.id != proposal.id).count();
            if WAITING_MAX <= others + deferred {
                let detail = Detail::Text(format!("{WAITING_MAX} outreaches wait already").into());
                course.findings.push(Finding { rule: Rule::Caps, passed: Passed::No, detail });
                verdict = Verdict::Suppress { reason: Reason::Capped };
            } else {
                deferred += 1;
            }
        }
        let expires_at = case.expires_at;
        let (channel, ghost) = (course.channel, course.ghost);
        let judgement = course.judgement(verdict, expires_at);
        record(catalog, state, proposal, (&judgement.verdict, channel, ghost), now);
        let hands_over = loop_guard::hands_over(catalog, state, &judgement, ghost, now);
        judged.push((index, Judgement { hands_over, ..judgement }));
    }
    judged.sort_by_key(|(index, _)| *index);
    judged.into_iter().map(|(_, judgement)| judgement).collect()
}

/// Checks once more, just before a call leaves, what may have changed since the decision: `None`
/// lets it go. Only contacts entered before its own can hold it, so that of two the caps now
/// allow only one of, one goes.
pub fn recheck(
    catalog: &Catalog,
    state: &CustomerState,
    outreach: &Outreach,
    now: Timestamp,
) -> Option<Reason> {
    if is_planted(Fault::GateStandsOpen) {
        return None;
    }
    let Some(trigger) = catalog.trigger(outreach.trigger) else {
        return Some(Reason::TriggerRemoved);
    };
    let Some(purpose) = catalog.policy.purposes.get(outreach.purpose.index()) else {
        return Some(Reason::TriggerRemoved);
    };
    let head = outreach.decision.head();
    let own = state.ledger.iter().position(|contact| contact.decision == head);
    let case = Case {
        asker: Some(Asker { id: outreach.decision, slot: outreach.trigger, trigger, cause: None }),
        message: Some(Message {
            slot: outreach.purpose,
            purpose,
            via: std::slice::from_ref(&outreach.channel),
            on_cap: None,
            spread_over: None,
        }),
        ledger: own.and_then(|own| state.ledger.get(..own)).unwrap_or(&state.ledger),
        decided_at: outreach.decided_at,
        expires_at: outreach.expires_at,
        ..Case::bare(catalog, state, now)
    };
    let mut winners = Winners::new();
    let mut course = Course::new(&mut winners);
    // Its rest began with itself; what fired together, and what pools grant, was settled then.
    let settled = |rule: &Rule| matches!(rule, Rule::OncePer | Rule::Arbitration | Rule::Pools);
    let again = ORDER.iter().filter(|(rule, _)| !settled(rule));
    for (_, check) in again {
        if let Passage::Break(verdict) = check(&case, &mut course) {
            return verdict.reason();
        }
    }
    let held = course.ghost.or(course.hold.map(|(_, reason)| reason));
    held.or_else(|| standing::lost(catalog, state, trigger, (outreach, now)))
}

/// Enters what became of a send into the ledger. One that was certainly not sent releases its
/// reservation and the rest of its trigger.
pub fn settle(state: &mut CustomerState, decision: DecisionId, delivery: &Delivery) {
    ledger::settle(state, decision, delivery);
}

/// Takes back what [`judge`] entered for a send or task that cannot be made after all, because its
/// text cannot be rendered. What it suppresses stays suppressed: the cause of that still holds.
pub fn withdraw(state: &mut CustomerState, decision: DecisionId) {
    ledger::release(state, decision);
}

/// What the rules would say to an outreach of a purpose now, of no particular trigger, on the first
/// of all channels on which the customer can be reached.
pub fn propose(
    catalog: &Catalog,
    state: &CustomerState,
    purpose: PurposeSlot,
    now: Timestamp,
) -> Judgement {
    let mut winners = Winners::new();
    let mut course = Course::new(&mut winners);
    let Some(declared) = catalog.policy.purposes.get(purpose.index()) else {
        let verdict = Verdict::Suppress { reason: Reason::TriggerRemoved };
        return course.judgement(verdict, now);
    };
    let via: Vec<_> = (0_u16..).map(ChannelSlot).take(catalog.policy.channels.len()).collect();
    let case = Case {
        message: Some(Message {
            slot: purpose,
            purpose: declared,
            via: &via,
            on_cap: None,
            spread_over: None,
        }),
        expires_at: now + declared.expires_after,
        ..Case::bare(catalog, state, now)
    };
    let verdict = rule(&case, &mut course);
    course.judgement(verdict, case.expires_at)
}

/// How much of each cap is used and when it is free again, for the customer's page.
pub fn caps_left(catalog: &Catalog, state: &CustomerState, now: Timestamp) -> Vec<Finding> {
    cap::left(catalog, state, now)
}

/// Passes a case through the rules.
fn rule(case: &Case<'_>, course: &mut Course<'_>) -> Verdict {
    for (_, check) in ORDER {
        if let Passage::Break(verdict) = check(case, course) {
            return verdict;
        }
    }
    course.hold(free_instant::spread(case, case.now), Reason::Spread);
    let (channel, ghost) = (course.channel, course.ghost);
    match (course.hold, ghost, channel) {
        (Some((Hold::Never, reason)), _, _) => match free_instant::find(case, channel, ghost) {
            Some(until) if until < case.expires_at => Verdict::Defer { until, reason },
            _ => Verdict::Suppress { reason },
        },
        (Some((_, reason)), _, _) => match free_instant::find(case, channel, ghost) {
            Some(until) if until < case.expires_at => Verdict::Defer { until, reason },
            // An order may end before its time: until then what it holds is not lost.
            _ if operations::in_force(case, case.now).is_some() => {
                Verdict::Defer { until: case.expires_at, reason }
            }
            _ => Verdict::Expire { reason: Reason::Expired },
        },
        (None, Some(reason), _) => Verdict::HoldOut { reason },
        (None, None, Some(channel)) => Verdict::Send { channel },
        (None, None, None) => Verdict::Task,
    }
}

/// The trigger is switched on.
fn enabled(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    match case.asker.map(|asker| asker.trigger.state) {
        Some(TriggerState::Disabled) => {
            course.suppress(Rule::Enabled, Reason::Disabled, Detail::None)
        }
        Some(TriggerState::Enabled) | None => course.pass(Rule::Enabled, Detail::None),
    }
}

/// Not too old when it came, not too late now.
fn expiry(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let too_old = case.asker.is_some_and(|asker| {
        let happened = asker.cause.and_then(|cause| happened_at(asker.trigger, cause));
        happened.is_some_and(|at| asker.trigger.act_within < case.decided_at - at)
    });
    let reason = if too_old {
        Reason::TooOld
    } else if case.expires_at <= case.now {
        Reason::Expired
    } else {
        return course.pass(Rule::Expiry, Detail::None);
    };
    course.stop(Rule::Expiry, Verdict::Expire { reason }, Detail::None)
}

/// When that happened which a trigger reacts to, if it is an event: for what is due at a time (an
/// absence, the end of a session, a date, a calendar) there is nothing to be late for.
fn happened_at(trigger: &Trigger, cause: &Cause) -> Option<Timestamp> {
    let by_event = match &trigger.when {
        When::Event(clauses) => {
            let clause = clauses.get(usize::from(cause.clause));
            clause.is_some_and(|clause| clause.absence.is_none())
        }
        When::Session { edge, .. } => *edge == SessionEdge::Started,
        When::Sequence { .. } | When::Change { .. } | When::Score { .. } => true,
        When::Date { .. } | When::Schedule { .. } => false,
    };
    by_event.then_some(cause.at)
}

/// Enters what follows from a verdict: the contact, the trigger's rest, what it suppresses.
fn record(
    catalog: &Catalog,
    state: &mut CustomerState,
    proposal: &Proposal<'_>,
    (verdict, channel, ghost): (&Verdict, Option<ChannelSlot>, Option<Reason>),
    now: Timestamp,
) {
    let Proposal { id, slot, trigger, cause, decided_at } = *proposal;
    let acts = matches!(verdict, Verdict::Send { .. } | Verdict::Task);
    if acts || matches!(verdict, Verdict::HoldOut { .. }) {
        let (purpose, channel) = match &trigger.action {
            Action::Send(send) => (Some(send.purpose), channel),
            Action::Task(task) => (None, Some(task.channel)),
        };
        let kind = if acts { ledger::kind(catalog) } else { ContactKind::Ghost };
        if let Some(channel) = channel {
            let tags = trigger.tags;
            let decision = id.head();
            let contact = Contact {
                at: now,
                decision,
                trigger: slot,
                purpose,
                channel,
                tags,
                kind,
                told: Told::Nothing,
            };
            ledger::enter(catalog, state, contact);
        }
        once_per::record(state, slot, trigger, cause.object_hash(), now);
    }
    let Some(suppression) = &trigger.suppress else { return };
    let first = decided_at == now;
    let begins = match (verdict, suppression::begins_at_once(trigger, cause)) {
        (Verdict::Send { .. } | Verdict::Task, at_once) => first || !at_once,
        (Verdict::Defer { .. }, at_once) => first && at_once && ghost.is_none(),
        _ => false,
    };
    if begins {
        let same = suppression::same_value(suppression, cause);
        suppression::begin(state, slot, suppression, same.as_deref(), now);
    }
}

/// For a proposal whose purpose the policy does not know.
fn no_longer_in_force(proposal: &Proposal<'_>) -> Judgement {
    Judgement {
        verdict: Verdict::Suppress { reason: Reason::TriggerRemoved },
        findings: Vec::new(),
        arm: None,
        expires_at: proposal.decided_at,
        replaces: Vec::new(),
        claim: Claim::default(),
        hands_over: None,
    }
}

#[cfg(test)]
mod tests;
