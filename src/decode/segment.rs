//! The shape of Segment's and RudderStack's calls.

use super::content::{Content, Name};
use super::item::Item;
use super::json::{Raw, Scanner};
use super::judge::{Meaning, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};

/// Our name among `integrations`.
const OUR_NAME: &str = "heedful";

/// Reads whose a call is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>, path_call: Option<Call>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.user_id, "userId")? {
        Some(customer) => Some(customer),
        None => customer_text(item.anonymous_id, "anonymousId")?,
    };
    Ok(Meaning {
        customer,
        id: message_id(item.message_id, "messageId")?,
        // RudderStack's SDKs send `originalTimestamp` alone; where both stand it is the raw one.
        claimed: first(&[item.original_timestamp, item.timestamp]),
        sent: item.sent_at,
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
            name_text(item.event, "event", Refused::BadName)?
                .ok_or_else(|| Refusal::new(Refused::MissingEvent, "a track call needs `event`"))?,
        ),
        Call::Page | Call::Screen => {
            let name = name_text(first(&[item.name, item.event]), "name", Refused::BadName)?;
            Name::View { call, name, path: item.special.path }
        }
        Call::Identify | Call::Group => Name::Nothing,
        Call::Alias => Name::Event(Content::ALIASED.into()),
    };
    content.single("locale", item.context.locale);
    content.single("timezone", item.context.timezone);
    content.single("push_token", item.context.push_token);
    content.single("account", item.context.group_id);
    content.traits(item.context.traits, "context.traits")?;
    match call {
        Call::Group => {
            let group = name_text(item.group_id, "groupId", Refused::BadGroup)?
                .ok_or_else(|| Refusal::new(Refused::BadGroup, "a group call needs `groupId`"))?;
            drop(group);
            content.single("account", item.group_id);
            content.group(item.traits)?;
        }
        Call::Track | Call::Identify | Call::Page | Call::Screen | Call::Alias => {
            content.traits(item.traits, "traits")?;
        }
    }
    content.property("name", item.name);
    content.property("category", item.category);
    content.property("previousId", item.previous_id);
    content.check_properties(item.properties)
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
    let word = match item.kind {
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
    if given(item.event) {
        Call::Track
    } else if given(item.group_id) {
        Call::Group
    } else if given(item.traits) {
        Call::Identify
    } else if given(item.previous_id) {
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
