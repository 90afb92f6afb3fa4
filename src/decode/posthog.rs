//! The shape of PostHog's captures: names that begin with `$` are its own calls.

use super::content::{Content, Name};
use super::item::{Field, Item};
use super::json::{Raw, Scanner};
use super::judge::{Meaning, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};
use super::segment::first;

/// Reads whose a capture is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.get(Field::DistinctId), "distinct_id")? {
        Some(customer) => Some(customer),
        None => customer_text(item.get(Field::PropertyDistinctId), "properties.distinct_id")?,
    };
    let id = match message_id(item.get(Field::Uuid), "uuid")? {
        Some(id) => Some(id),
        None => message_id(item.get(Field::MessageId), "messageId")?,
    };
    let name = name_text(item.get(Field::Event), "event", Refused::BadName)?
        .ok_or_else(|| Refusal::new(Refused::MissingEvent, "a capture needs `event`"))?;
    let call = match &*name {
        "$identify" | "$set" => Call::Identify,
        "$groupidentify" => Call::Group,
        "$create_alias" => Call::Alias,
        "$pageview" => Call::Page,
        "$screen" => Call::Screen,
        _ => Call::Track,
    };
    Ok(Meaning {
        customer,
        id,
        claimed: item.get(Field::Timestamp),
        sent: item.get(Field::SentAt),
        call,
    })
}

/// Whether a capture is about a customer: for a group that nobody was named for, some SDKs make up
/// a `distinct_id` of the group's type and key.
pub(super) fn concerns_someone(item: &Item<'_>) -> bool {
    let (Raw::Text(kind), Raw::Text(key), Raw::Text(customer)) = (
        item.get(Field::PropertyGroupType),
        item.get(Field::PropertyGroupKey),
        item.get(Field::DistinctId),
    ) else {
        return true;
    };
    customer.decode() != format!("${}_{}", kind.decode(), key.decode())
}

/// Reads what a capture says.
pub(super) fn content<'a>(
    item: &Item<'a>,
    call: Call,
    content: &mut Content<'a>,
) -> Result<(), Refusal> {
    content.name = match call {
        Call::Track => Name::Event(
            name_text(item.get(Field::Event), "event", Refused::BadName)?
                .ok_or_else(|| Refusal::new(Refused::MissingEvent, "a capture needs `event`"))?,
        ),
        Call::Page => Name::View {
            call,
            name: None,
            path: first(&[item.get(Field::PropertyPathname), item.get(Field::PropertyPath)]),
        },
        Call::Screen => {
            let name =
                name_text(item.get(Field::PropertyScreenName), "$screen_name", Refused::BadName)?;
            Name::View { call, name, path: Raw::Absent }
        }
        Call::Identify | Call::Group => Name::Nothing,
        Call::Alias => Name::Event(Content::ALIASED.into()),
    };
    content.single("locale", item.get(Field::PropertyLocale));
    content.single("timezone", item.get(Field::PropertyTimezone));
    content.single("account", account(item.get(Field::PropertyGroups)));
    match call {
        Call::Group => {
            name_text(item.get(Field::PropertyGroupKey), "$group_key", Refused::BadGroup)?
                .ok_or_else(|| {
                    Refusal::new(Refused::BadGroup, "a `$groupidentify` needs `$group_key`")
                })?;
            content.single("account", item.get(Field::PropertyGroupKey));
            content.group(item.get(Field::PropertyGroupSet))?;
        }
        Call::Track | Call::Identify | Call::Page | Call::Screen | Call::Alias => {
            content.once(
                first(&[item.get(Field::PropertySetOnce), item.get(Field::SetOnce)]),
                "$set_once",
            )?;
            content.traits(first(&[item.get(Field::PropertySet), item.get(Field::Set)]), "$set")?;
        }
    }
    content.property("previousId", item.get(Field::PropertyAlias));
    content.check_properties(item.get(Field::Properties))
}

/// The company among `$groups`, or else the first of them.
fn account(groups: Raw<'_>) -> Raw<'_> {
    let Raw::Object(json) = groups else { return Raw::Absent };
    let (mut company, mut any) = (Raw::Absent, Raw::Absent);
    let scanned = Scanner::new(json).object(|scanner, key| {
        let value = scanner.value()?;
        match (key, any) {
            ("company", _) => company = value,
            (_, Raw::Absent) => any = value,
            _ => {}
        }
        Ok(())
    });
    scanned.map_or(Raw::Absent, |()| first(&[company, any]))
}
