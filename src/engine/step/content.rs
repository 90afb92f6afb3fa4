//! What leaves: the message with its offer, or the task with its context.

use std::sync::Arc;

use jiff::civil;

use super::super::catalog::{
    Action, ArmOffer, Catalog, Due, Offer, SendAction, TaskAction, TaskPriority, Trigger, When,
};
use super::super::condition::Expr;
use super::super::customer::{ContactKind, CustomerState};
use super::super::decision::{Outreach, Task, Truth};
use super::super::desk::Request;
use super::super::evaluate::{self, Scope};
use super::super::experiment::{self, Assignment};
use super::super::health;
use super::super::message::Extras;
use super::super::slot::{ChannelSlot, TraitSlot, TriggerSlot};
use super::super::task::CHAIN_MAX;
use super::super::time::Timestamp;
use super::super::value::Value;
use super::fire::{Firing, properties_of};
use super::{Step, zone};

/// Earlier contacts shown with a task.
const CONTACTS_SHOWN: usize = 10;
/// Reasons offered to templates when the task does not say how many.
const REASONS_SHOWN: usize = 5;
/// The last wall-clock second of a business day.
const END_OF_DAY: civil::Time = civil::time(23, 59, 59, 0);

/// Renders a message.
///
/// # Errors
/// Which field could not be rendered and why.
pub(super) fn outreach(
    step: &Step<'_>,
    firing: &Firing<'_>,
    channel: ChannelSlot,
    arm: Option<Arc<str>>,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Outreach, String> {
    let Action::Send(send) = &firing.trigger.action else {
        return Err(format!("`{}` hands its matches to people", firing.trigger.id));
    };
    let (catalog, state) = (step.catalog, &*step.state);
    let properties = properties_of(&firing.cause);
    let scope = Scope { catalog, state, properties: &properties, now };
    let assignment = assigned(catalog, state, firing.trigger);
    let offer = choose_offer(send, assignment.as_ref(), &scope);
    let reasons = reasons(firing.trigger, &scope, REASONS_SHOWN);
    let extras = Extras {
        offer,
        arm: variables(assignment.as_ref()),
        days_left: days_left(firing.trigger, &scope),
        reasons: &reasons,
    };
    let content = catalog.texts.message(firing.trigger, &scope, &extras)?;
    let needs = catalog.policy.channels.get(channel.index()).and_then(|c| c.needs.as_ref());
    Ok(Outreach {
        decision: firing.id,
        trigger: firing.slot,
        customer: state.id.clone(),
        channel,
        address: needs.and_then(|(slot, _)| text_of(state.trait_value(*slot)?.clone())),
        purpose: send.purpose,
        decided_at: now,
        expires_at,
        offer: offer.map(Into::into),
        arm,
        content,
    })
}

/// Writes a task.
///
/// # Errors
/// Why its title could not be rendered. A suggestion that cannot be is left out.
pub(super) fn task(step: &Step<'_>, firing: &Firing<'_>, now: Timestamp) -> Result<Task, String> {
    let Action::Task(task) = &firing.trigger.action else {
        return Err(format!("`{}` writes to customers", firing.trigger.id));
    };
    let (catalog, state) = (step.catalog, &*step.state);
    let properties = properties_of(&firing.cause);
    let scope = Scope { catalog, state, properties: &properties, now };
    let assignment = assigned(catalog, state, firing.trigger);
    let reasons = reasons(firing.trigger, &scope, usize::from(task.reasons).max(REASONS_SHOWN));
    let extras = Extras {
        offer: None,
        arm: variables(assignment.as_ref()),
        days_left: days_left(firing.trigger, &scope),
        reasons: &reasons,
    };
    let title = catalog.texts.render(&task.title, &scope, &extras)?;
    let suggest = task.suggest.as_ref().and_then(|name| {
        // The person is called in all the same.
        catalog.texts.render(name, &scope, &extras).ok()
    });
    let priority: TaskPriority = task.priority;
    let (assign_to, chain) = people(task, &scope);
    let desk = task.team.clone().map(|team| (team, request(task, &scope)));
    // The desk decides, and hears who would be the first choice.
    let assign_to = assign_to.filter(|_| desk.is_none());
    Ok(Task {
        decision: firing.id,
        trigger: firing.slot,
        customer: state.id.clone(),
        channel: task.channel,
        assign_to,
        created_at: now,
        ack_within: task.ack_within,
        due_at: task.due.map(|due| due_at(due, catalog, now)),
        expires_at: task.expires_after.map(|after| now + after),
        chain,
        desk,
        priority,
        title,
        suggest,
        timeline: state
            .recent
            .timeline()
            .rev()
            .take(task.timeline.into())
            .map(|event| (event.event(), event.at()))
            .collect(),
        contacts: contacts(state, firing.id.head()),
        include: included(task, catalog, state),
        reasons: reasons.into_iter().take(task.reasons.into()).collect(),
    })
}

/// The first offer whose condition holds, unless the arm says otherwise.
fn choose_offer<'a>(
    send: &'a SendAction,
    assignment: Option<&Assignment<'a>>,
    scope: &Scope<'_>,
) -> Option<&'a str> {
    if let Some(Assignment::Arm(arm)) = assignment {
        match &arm.offer {
            ArmOffer::Keep => {}
            ArmOffer::Withhold => return None,
            ArmOffer::Use(code) => return Some(code),
        }
    }
    let applies = |offer: &&Offer| {
        offer.condition.as_ref().is_none_or(|c| evaluate::holds(c, scope) == Truth::True)
    };
    send.offers.iter().find(applies).map(|offer| &*offer.code)
}

fn assigned<'a>(
    catalog: &Catalog,
    state: &CustomerState,
    trigger: &'a Trigger,
) -> Option<Assignment<'a>> {
    let experiment = trigger.experiment.as_ref()?;
    let unit = state.unit(experiment.unit, catalog.known.account);
    Some(experiment::assign(experiment, &unit))
}

fn variables<'a>(assignment: Option<&Assignment<'a>>) -> &'a [(Box<str>, Value)] {
    match assignment {
        Some(Assignment::Arm(arm)) => &arm.set,
        Some(Assignment::Holdout | Assignment::Treated) | None => &[],
    }
}

/// What costs the score that the trigger watches the most, in plain words; for a trigger that
/// watches none, or one pushed in from outside, the first scorecard's.
fn reasons(trigger: &Trigger, scope: &Scope<'_>, most: usize) -> Vec<Box<str>> {
    let scores = &scope.catalog.scores;
    let watched = match &trigger.when {
        When::Score { score, .. } => scores.get(score.index()),
        When::Event(_)
        | When::Sequence { .. }
        | When::Session { .. }
        | When::Change { .. }
        | When::Date { .. }
        | When::Schedule { .. } => None,
    };
    let mut candidates = watched.into_iter().chain(scores.iter());
    let assessment = candidates.find_map(|score| score.source.assess(scope));
    let Some(assessment) = assessment else { return Vec::new() };
    health::reasons(&assessment, most).into_iter().map(|part| part.plain.clone()).collect()
}

/// Calendar days from the customer's today to the trigger's date.
fn days_left(trigger: &Trigger, scope: &Scope<'_>) -> Option<i64> {
    let When::Date { of, .. } = &trigger.when else { return None };
    let zone = zone(scope.catalog, scope.state);
    let date =
        evaluate::civil_date_of(scope.state.trait_value(of.slot)?.as_ref().at(&of.path), &zone)?;
    let today = scope.now.in_zone(&zone).date();
    date.since((jiff::Unit::Day, today)).ok().map(|span| span.get_days().into())
}

/// Who gets it, and to whom it goes on. When nobody is known to get it, the first of those does.
fn people(task: &TaskAction, scope: &Scope<'_>) -> (Option<Box<str>>, Vec<Box<str>>) {
    let next = |expr: &Expr| evaluate::value(expr, scope).and_then(text_of);
    let mut chain: Vec<Box<str>> = task.escalate_to.iter().filter_map(next).collect();
    let first = assignee(task, scope);
    chain.retain(|person| first.as_ref() != Some(person));
    chain.dedup();
    chain.truncate(CHAIN_MAX);
    if task.team.is_some() {
        return (first, chain);
    }
    let first = first.or_else(|| (!chain.is_empty()).then(|| chain.remove(0)));
    (first, chain)
}

/// What something is worth that may have to wait; nothing, where nobody said or can say.
pub(super) fn worth(of: Option<&Expr>, scope: &Scope<'_>) -> f64 {
    match of.and_then(|expr| evaluate::value(expr, scope)) {
        Some(Value::Num(number)) if number.is_finite() => number,
        _ => 0.0,
    }
}

/// What the desk of a team is asked for.
fn request(task: &TaskAction, scope: &Scope<'_>) -> Request {
    let worth = worth(task.worth.as_ref(), scope);
    let locale = scope.state.text_trait(scope.catalog.known.locale);
    let language = locale.and_then(|locale| locale.split(['-', '_']).next());
    Request {
        priority: task.priority.rank(),
        worth,
        opened_at: scope.now,
        skills: task.skills.iter().map(|skill| Box::from(&**skill)).collect(),
        language: language.map(|language| language.to_ascii_lowercase().into()),
        owner: assignee(task, scope),
    }
}

fn assignee(task: &TaskAction, scope: &Scope<'_>) -> Option<Box<str>> {
    match &task.assign_to {
        Some(expr) => evaluate::value(expr, scope).and_then(text_of),
        None => scope.state.text_trait(scope.catalog.known.owner).map(Into::into),
    }
}

fn due_at(due: Due, catalog: &Catalog, now: Timestamp) -> Timestamp {
    match due {
        Due::After(span) => now + span,
        Due::BusinessDays(days) => {
            let zone = &catalog.policy.zone;
            let mut date = now.in_zone(zone).date();
            for _ in 0..days {
                date = next_business_day(date);
            }
            Timestamp::from_local(date.to_datetime(END_OF_DAY), zone)
        }
    }
}

fn next_business_day(date: civil::Date) -> civil::Date {
    let mut next = date.tomorrow().unwrap_or(date);
    while matches!(next.weekday(), civil::Weekday::Saturday | civil::Weekday::Sunday) {
        match next.tomorrow() {
            Ok(tomorrow) => next = tomorrow,
            Err(_) => break,
        }
    }
    next
}

/// Earlier outreach that the customer may remember, newest first; the decision itself stands in the
/// ledger already.
fn contacts(state: &CustomerState, own: u64) -> Vec<(Timestamp, TriggerSlot)> {
    let made = state.ledger.iter().rev();
    let earlier = made.filter(|c| c.kind != ContactKind::Ghost && c.decision != own);
    earlier.take(CONTACTS_SHOWN).map(|contact| (contact.at, contact.trigger)).collect()
}

/// The traits asked for by name; what is unknown is left out.
fn included(task: &TaskAction, catalog: &Catalog, state: &CustomerState) -> Vec<(Box<str>, Value)> {
    let named = |name: &str| {
        let index = catalog.traits.iter().position(|known| **known == *name)?;
        let value = state.trait_value(TraitSlot(u16::try_from(index).ok()?))?;
        Some((name.into(), value.clone()))
    };
    task.include.iter().filter_map(|name| named(name)).collect()
}

fn text_of(value: Value) -> Option<Box<str>> {
    match value {
        Value::Str(text) => Some((&*text).into()),
        other => other.as_ref().to_name().map(|name| name.into_owned().into()),
    }
}
