//! The shape of Segment's and RudderStack's calls.

use super::content::{Content, Name};
use super::item::{Field, Item};
use super::json::{Raw, Scanner, Text};
use super::judge::{Meaning, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};

/// Our name among `integrations`.
const OUR_NAME: &str = "heedful";

/// Reads whose a call is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>, path_call: Option<Call>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.get(Field::UserId), "userId")? {
        Some(customer) => Some(customer),
        None => customer_text(item.get(Field::AnonymousId), "anonymousId")?,
    };
    Ok(Meaning {
        customer,
        id: message_id(item.get(Field::MessageId), "messageId")?,
        // RudderStack's SDKs send `originalTimestamp` alone; where both stand it is the raw one.
        claimed: first(&[item.get(Field::OriginalTimestamp), item.get(Field::Timestamp)]),
        sent: item.get(Field::SentAt),
        call: call_of(item, path_call)?,
    })
}

/// Reads what a call says.
pub(super) fn content<'a>(
    item: &Item<'a>,
    call: Call,
    content: &mut Content<'a>,
) -> Result<(), Refusal> {
    content.name = match call {
        Call::Track => Name::Event(
            name_text(item.get(Field::Event), "event", Refused::BadName)?
                .ok_or_else(|| Refusal::new(Refused::MissingEvent, "a track call needs `event`"))?,
        ),
        Call::Page | Call::Screen => {
            let name = name_text(
                first(&[item.get(Field::Name), item.get(Field::Event)]),
                "name",
                Refused::BadName,
            )?;
            Name::View { call, name, path: item.get(Field::PropertyPath) }
        }
        Call::Identify | Call::Group => Name::Nothing,
        Call::Alias => Name::Event(Content::ALIASED.into()),
    };
    content.single("locale", item.get(Field::ContextLocale));
    content.single("timezone", item.get(Field::ContextTimezone));
    content.single("push_token", item.get(Field::ContextPushToken));
    content.single("account", item.get(Field::ContextGroupId));
    content.traits(item.get(Field::ContextTraits), "context.traits")?;
    match call {
        Call::Group => {
            let group = name_text(item.get(Field::GroupId), "groupId", Refused::BadGroup)?
                .ok_or_else(|| Refusal::new(Refused::BadGroup, "a group call needs `groupId`"))?;
            drop(group);
            content.single("account", item.get(Field::GroupId));
            content.group(item.get(Field::Traits))?;
        }
        Call::Track | Call::Identify | Call::Page | Call::Screen | Call::Alias => {
            content.traits(item.get(Field::Traits), "traits")?;
        }
    }
    content.property("name", item.get(Field::Name));
    content.property("category", item.get(Field::Category));
    content.property("previousId", item.get(Field::PreviousId));
    content.check_properties(item.get(Field::Properties))
}

/// Whether `integrations` lets us have the event: by name, else by `All`, else yes.
pub(super) fn is_for_us(integrations: Raw<'_>) -> bool {
    let Raw::Object(json) = integrations else { return true };
    let (mut all, mut ours) = (None, None);
    let scanned = Scanner::new(json).object(|scanner, key| {
        let refused = scanner.value()? == Raw::False;
        if key.eq_ignore_ascii_case(OUR_NAME) {
            ours = Some(!refused);
        } else if key.eq_ignore_ascii_case("all") {
            all = Some(!refused);
        }
        Ok(())
    });
    scanned.is_err() || ours.or(all).unwrap_or(true)
}

fn call_of(item: &Item<'_>, path_call: Option<Call>) -> Result<Call, Refusal> {
    let word = match item.get(Field::Type) {
        // Named first, because most calls are.
        Raw::Text(Text::Plain("track")) => return Ok(Call::Track),
        Raw::Text(text) => text.decode(),
        Raw::Absent | Raw::Null => {
            // A line typed by hand says what it is by what it holds.
            return Ok(path_call.unwrap_or_else(|| guess(item)));
        }
        _ => return Err(Refusal::new(Refused::UnknownType, "`type` must be a text")),
    };
    Ok(match &*word {
        "track" => Call::Track,
        "identify" => Call::Identify,
        "page" => Call::Page,
        "screen" => Call::Screen,
        "group" => Call::Group,
        "alias" => Call::Alias,
        other => {
            let shown: String = other.chars().take(40).collect();
            let what = format!(
                "`type` is `{shown}`: track, identify, page, screen, group and alias are known"
            );
            return Err(Refusal::new(Refused::UnknownType, what));
        }
    })
}

fn guess(item: &Item<'_>) -> Call {
    let given = |raw: Raw<'_>| !matches!(raw, Raw::Absent | Raw::Null);
    if given(item.get(Field::Event)) {
        Call::Track
    } else if given(item.get(Field::GroupId)) {
        Call::Group
    } else if given(item.get(Field::Traits)) {
        Call::Identify
    } else if given(item.get(Field::PreviousId)) {
        Call::Alias
    } else {
        Call::Track
    }
}

/// The first that is there.
pub(super) fn first<'a>(candidates: &[Raw<'a>]) -> Raw<'a> {
    let there = |raw: &&Raw<'_>| !matches!(raw, Raw::Absent | Raw::Null);
    candidates.iter().find(there).copied().unwrap_or_default()
}
