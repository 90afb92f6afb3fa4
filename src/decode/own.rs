//! Our own shape, for curl and recorded lines:
//! `{"customer": "c1", "event": "Order Placed", "at": "2026-03-01T12:00:00Z", "with": {"total": 9}}`.
//!
//! Segment's names do as well: `userId`, `timestamp`, `properties`, `messageId`, `traits`.

use super::content::{Content, Name};
use super::item::{Field, Item};
use super::json::Raw;
use super::judge::{Meaning, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};
use super::segment::first;

/// Reads whose an event is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.get(Field::Customer), "customer")? {
        Some(customer) => Some(customer),
        None => match customer_text(item.get(Field::UserId), "userId")? {
            Some(customer) => Some(customer),
            None => customer_text(item.get(Field::AnonymousId), "anonymousId")?,
        },
    };
    let id = match message_id(item.get(Field::Id), "id")? {
        Some(id) => Some(id),
        None => message_id(item.get(Field::MessageId), "messageId")?,
    };
    let named = !matches!(item.get(Field::Event), Raw::Absent | Raw::Null);
    let traits = !matches!(item.get(Field::Traits), Raw::Absent | Raw::Null);
    Ok(Meaning {
        customer,
        id,
        claimed: first(&[item.get(Field::At), item.get(Field::Timestamp)]),
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
            name_text(item.get(Field::Event), "event", Refused::BadName)?
                .ok_or_else(|| Refusal::new(Refused::MissingEvent, "the event needs `event`"))?,
        ),
    };
    content.single("locale", item.get(Field::ContextLocale));
    content.single("timezone", item.get(Field::ContextTimezone));
    content.traits(item.get(Field::Traits), "traits")?;
    content.check_properties(item.get(Field::Properties))?;
    content.late_properties(item.get(Field::With), "with")
}
