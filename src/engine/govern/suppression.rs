//! Freezes: what holds a purpose back for one customer, who began it, and what ends it.

use super::case::{Case, Course, Passage};
use crate::engine::catalog::{Action, Catalog, Suppression, Trigger, When};
use crate::engine::customer::{Cause, CustomerState};
use crate::engine::decision::{Detail, Reason, Rule, Truth};
use crate::engine::evaluate::{self, Scope};
use crate::engine::policy::Freeze;
use crate::engine::slot::{EventSlot, PropertySlot, PurposeSlot, TriggerSlot};
use crate::engine::time::Timestamp;
use crate::engine::value::ValueRef;

/// Freezes in force per customer; past it the one that ends first is forgotten.
pub const FREEZES_MAX: usize = 64;

/// Begins what a trigger's `suppress:` asks for. `same` is the value that the ending event must
/// carry. Begun again for the same value, it is one freeze that lasts longer.
pub fn begin(
    state: &mut CustomerState,
    slot: TriggerSlot,
    suppression: &Suppression,
    same: Option<&str>,
    now: Timestamp,
) {
    let same = suppression.same.and(same);
    let freezes = &mut state.rare.freezes;
    freezes.retain(|freeze| {
        now < freeze.until && !(freeze.trigger == slot && freeze.same.as_deref() == same)
    });
    if FREEZES_MAX <= freezes.len() {
        let first_to_end = freezes
            .iter()
            .enumerate()
            .min_by_key(|(_, freeze)| freeze.until)
            .map(|(index, _)| index);
        if let Some(index) = first_to_end {
            freezes.remove(index);
        }
    }
    freezes.push(Freeze {
        trigger: slot,
        purposes: suppression.purposes,
        since: now,
        until: now + suppression.longest,
        same: same.map(Into::into),
    });
}

/// Ends the freezes that wait for an event (and, with `same:`, for this value in it).
pub fn end_by_event<'v>(
    catalog: &Catalog,
    state: &mut CustomerState,
    event: EventSlot,
    property: impl Fn(PropertySlot) -> ValueRef<'v>,
    now: Timestamp,
) {
    state.rare.freezes.retain(|freeze| {
        let declared =
            catalog.trigger(freeze.trigger).and_then(|trigger| trigger.suppress.as_ref());
        let awaited = declared.filter(|suppression| suppression.until == Some(event));
        let ended = awaited.is_some_and(|suppression| match (suppression.same, &freeze.same) {
            (Some(slot), Some(value)) => property(slot).to_name().as_deref() == Some(&**value),
            (None, _) | (_, None) => true,
        });
        now < freeze.until && !ended
    });
}

/// Whether a trigger's suppression begins when its outreach is first decided, though it may be
/// spread over time: a fan-out's does, because what caused it holds from then on.
pub(super) fn begins_at_once(trigger: &Trigger, cause: &Cause) -> bool {
    let spread = match &trigger.action {
        Action::Send(send) => send.spread_over.is_some(),
        Action::Task(_) => false,
    };
    let clause = match &trigger.when {
        When::Event(clauses) => clauses.get(usize::from(cause.clause)),
        _ => None,
    };
    spread && clause.is_some_and(|clause| clause.affects.is_some())
}

/// The value that the ending event must carry, taken from the cause.
pub(super) fn same_value(suppression: &Suppression, cause: &Cause) -> Option<Box<str>> {
    let slot = suppression.same?;
    let (_, value) = cause.properties.iter().find(|(property, _)| *property == slot)?;
    value.as_ref().to_name().map(|name| name.into_owned().into())
}

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else {
        return course.pass(Rule::Suppression, Detail::None);
    };
    if let Some(freeze) = longest_freeze(case, message.slot) {
        let by = case.catalog.trigger(freeze.trigger).map(|trigger| trigger.id.as_str());
        let by = by.unwrap_or("a trigger no longer in force").into();
        let detail = Detail::Freeze { by, until: Some(freeze.until) };
        return course.suppress(Rule::Suppression, Reason::Suppressed, detail);
    }
    let scope = Scope { catalog: case.catalog, state: case.state, properties: &[], now: case.now };
    let frozen = case.catalog.policy.freezes.iter().find(|rule| {
        rule.purposes.contains(&message.slot)
            && evaluate::holds(&rule.condition, &scope) == Truth::True
    });
    match frozen {
        Some(rule) => {
            let detail = Detail::Freeze { by: rule.name.clone(), until: None };
            course.suppress(Rule::Suppression, Reason::Frozen, detail)
        }
        None => course.pass(Rule::Suppression, Detail::None),
    }
}

/// The freeze of a purpose that ends last. A trigger never freezes itself: how often it acts is
/// `once_per`'s business, and a fan-out must not be stopped by its own freeze.
fn longest_freeze<'a>(case: &Case<'a>, purpose: PurposeSlot) -> Option<&'a Freeze> {
    let own = case.asker.map(|asker| asker.slot);
    case.state
        .rare
        .freezes
        .iter()
        .filter(|freeze| freeze.since <= case.now && case.now < freeze.until)
        .filter(|freeze| Some(freeze.trigger) != own && holds_purpose(freeze.purposes, purpose))
        .max_by_key(|freeze| freeze.until)
}

fn holds_purpose(bits: u32, purpose: PurposeSlot) -> bool {
    1_u32.checked_shl(purpose.0.into()).is_some_and(|bit| bits & bit != 0)
}
