//! Our own shape, for curl and recorded lines:
//! `{"customer": "c1", "event": "Order Placed", "at": "2026-03-01T12:00:00Z", "with": {"total": 9}}`.
//!
//! Segment's names do as well: `userId`, `timestamp`, `properties`, `messageId`, `traits`.

use super::content::{Content, Name};
use super::item::Item;
use super::json::Raw;
use super::judge::{Meaning, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};
use super::segment::first;

/// Reads whose an event is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.customer, "customer")? {
        Some(customer) => Some(customer),
        None => match customer_text(item.user_id, "userId")? {
            Some(customer) => Some(customer),
            None => customer_text(item.anonymous_id, "anonymousId")?,
        },
    };
    let id = match message_id(item.id, "id")? {
        Some(id) => Some(id),
        None => message_id(item.message_id, "messageId")?,
    };
    let named = !matches!(item.event, Raw::Absent | Raw::Null);
    let traits = !matches!(item.traits, Raw::Absent | Raw::Null);
    Ok(Meaning {
        customer,
        id,
        claimed: first(&[item.at, item.timestamp]),
        sent: Raw::Absent,
        call: if !named && traits { Call::Identify } else { Call::Track },
    })
}

/// Reads what an event says.
pub(super) fn content<'a>(
    item: &Item<'a>,
    call: Call,
    content: &mut Content<'a>,
) -> Result<(), Refusal> {
    content.name = match call {
        Call::Identify => Name::Nothing,
        Call::Track | Call::Page | Call::Screen | Call::Group | Call::Alias => Name::Event(
            name_text(item.event, "event", Refused::BadName)?
                .ok_or_else(|| Refusal::new(Refused::MissingEvent, "the event needs `event`"))?,
        ),
    };
    content.single("locale", item.context.locale);
    content.single("timezone", item.context.timezone);
    content.traits(item.traits, "traits")?;
    content.check_properties(item.properties)?;
    content.late_properties(item.with, "with")
}
