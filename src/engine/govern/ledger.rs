//! The ledger: contacts reserved when they are decided, settled when their outcome is known, and
//! forgotten when no cap looks back on them any more.

use super::{cap, loop_guard, once_per, tally};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::customer::{Contact, ContactKind, CustomerState, LEDGER_MAX, spare_room};
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::Cap;
use crate::engine::time::{Span, Timestamp};

/// Contacts are kept at least this long, for the people who look at a customer.
const KEEP_MIN: Span = Span::DAY.times(7);
/// A send of which nothing is known yet is kept at most this long: what becomes of it must find it,
/// or it would stand as sent for ever.
const OPEN_MAX: Span = Span::DAY.times(60);

/// How a contact counts that is decided now.
pub(super) fn kind(catalog: &Catalog) -> ContactKind {
    match catalog.sending {
        Sending::DryRun => ContactKind::DryRun,
        Sending::On => ContactKind::Reserved,
    }
}

/// Enters a contact and forgets those that nothing looks back on.
pub(super) fn enter(catalog: &Catalog, state: &mut CustomerState, contact: Contact) {
    prune(catalog, state, contact.at);
    let ledger = &mut state.ledger;
    let place = ledger.partition_point(|earlier| earlier.at <= contact.at);
    spare_room(ledger);
    ledger.insert(place, contact);
}

/// Enters what became of a send. A reservation that was certainly not sent is released, once; one
/// that may have been sent never is.
pub(super) fn settle(state: &mut CustomerState, decision: DecisionId, delivery: &Delivery) {
    let head = decision.head();
    let Some(contact) = state.ledger.iter_mut().find(|contact| contact.decision == head) else {
        return;
    };
    match (delivery, contact.kind) {
        (Delivery::Delivered, ContactKind::Reserved | ContactKind::Unknown) => {
            contact.kind = ContactKind::Sent;
        }
        (Delivery::Unknown { .. }, ContactKind::Reserved) => contact.kind = ContactKind::Unknown,
        (
            Delivery::Rejected { .. } | Delivery::Expired | Delivery::Refused { .. },
            ContactKind::Reserved | ContactKind::DryRun,
        ) if !is_planted(Fault::ReservationStays) => release(state, decision),
        (Delivery::Delivered | Delivery::Unknown { .. }, _)
        | (Delivery::Rejected { .. } | Delivery::Expired | Delivery::Refused { .. }, _) => {}
    }
}

/// Takes a contact out, and with it the rest that its trigger took for it.
pub(super) fn release(state: &mut CustomerState, decision: DecisionId) {
    let head = decision.head();
    let Some(index) = state.ledger.iter().position(|contact| contact.decision == head) else {
        return;
    };
    let contact = state.ledger.remove(index);
    once_per::forget(state, &contact);
}

fn prune(catalog: &Catalog, state: &mut CustomerState, now: Timestamp) {
    let caps = match state.id.pool() {
        Some(_) => &catalog.policy.shared.account_caps,
        None => &catalog.policy.caps,
    };
    let longest = caps
        .iter()
        .map(cap::looks_back)
        .fold(KEEP_MIN.max(loop_guard::looks_back(catalog)), Ord::max);
    state.ledger.retain(|contact| {
        let open = if is_open(contact) { OPEN_MAX } else { Span::ZERO };
        now - contact.at < longest.max(rehearsal(catalog, contact)).max(open)
    });
    while LEDGER_MAX <= state.ledger.len() {
        // A contact that no cap counts goes before one that still holds a cap.
        let idle = state.ledger.iter().position(|contact| {
            let counts = |cap: &Cap| {
                tally::in_scope(cap.scope, contact) && now - contact.at < cap::looks_back(cap)
            };
            let held = tally::is_counted(catalog, contact) && caps.iter().any(counts);
            !held && !loop_guard::is_guarded(catalog, contact)
        });
        state.ledger.remove(idle.unwrap_or_default());
    }
}

/// Whether the outcome of a message is still to come.
fn is_open(contact: &Contact) -> bool {
    let waits = matches!(contact.kind, ContactKind::Reserved | ContactKind::Unknown);
    waits && contact.purpose.is_some()
}

/// How long a contact made in a dry run tells that its trigger did not really act.
fn rehearsal(catalog: &Catalog, contact: &Contact) -> Span {
    let rest = match contact.kind {
        ContactKind::DryRun => catalog.trigger(contact.trigger).and_then(|t| t.once_per),
        ContactKind::Reserved | ContactKind::Sent | ContactKind::Unknown | ContactKind::Ghost => {
            None
        }
    };
    rest.unwrap_or_default()
}
