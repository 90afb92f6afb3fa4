//! Judges one event on arrival: whose it is, its id, when it happened, what kind of call it is.
//!
//! Everything that could be refused later is refused here, so that what the log holds can be read.

use std::borrow::Cow;

use super::content::Content;
use super::instant;
use super::item::{Field, Item};
use super::json::{Raw, Text};
use super::record::{Call, EventRecord, Freshness, Shape, Subject};
use super::refusal::{Refusal, Refused};
use super::{cloudevent, own, posthog, segment};
use crate::engine::id::CustomerId;
use crate::engine::time::{Span, Timestamp};

/// Longest message id, event name and group id taken, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Largest event taken, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 * 1_024;
/// An event may claim to be so much later than it came before that is worth a count.
pub const FUTURE_MAX: Span = Span::from_millis(5 * 60_000);

/// A sender's clock that differs by less is taken to be right: the difference is the way through the
/// network, and its times stay as they were claimed.
const CLOCK_TOLERANCE: Span = Span::from_millis(5_000);

/// How events reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub received: Received,
    /// Whether they may cause anything.
    pub freshness: Freshness,
}

/// When events reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Then: their own times are corrected by it and never lie behind it.
    At(Timestamp),
    /// In a replay their own time is the only one.
    AsClaimed,
}

impl Arrival {
    /// Events that came just now.
    pub const fn live(received_at: Timestamp) -> Self {
        Self { received: Received::At(received_at), freshness: Freshness::Live }
    }

    /// History that is imported now.
    pub const fn historical(received_at: Timestamp) -> Self {
        Self { received: Received::At(received_at), freshness: Freshness::Historical }
    }

    /// Recorded events that are decided over again.
    pub const fn replay() -> Self {
        Self { received: Received::AsClaimed, freshness: Freshness::Live }
    }
}

/// What a shape's members mean.
#[derive(Clone, Debug)]
pub(super) struct Meaning<'a> {
    /// Whose it is; `None` when it says nothing about it.
    pub customer: Option<Cow<'a, str>>,
    /// The sender's id.
    pub id: Option<Cow<'a, str>>,
    /// When it happened, as claimed.
    pub claimed: Raw<'a>,
    /// When it was sent, by the sender's clock.
    pub sent: Raw<'a>,
    /// What kind of call it is.
    pub call: Call,
}

/// An event found good, but for its time and its id, which the whole body may bear upon.
#[derive(Clone, Debug)]
pub(super) struct Judged<'a> {
    shape: Shape,
    call: Call,
    customer: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    claimed: Option<Timestamp>,
    sent: Option<Timestamp>,
    json: &'a str,
}

/// Judges an event and reads its content; `None` when its sender says that it is not for us.
/// `path_call` is the call that the address of the request names.
pub(super) fn judge<'a>(
    item: &Item<'a>,
    json: &'a str,
    path_call: Option<Call>,
    content: &mut Content<'a>,
) -> Result<Option<Judged<'a>>, Refusal> {
    if EVENT_BYTES_MAX < json.len() {
        let what =
            format!("the event has {} bytes, at most {EVENT_BYTES_MAX} are taken", json.len());
        return Err(Refusal::new(Refused::TooLarge, what));
    }
    if !segment::is_for_us(item.get(Field::Integrations)) || !posthog::concerns_someone(item) {
        return Ok(None);
    }
    let shape = shape_of(item);
    let meaning = match shape {
        Shape::Segment => segment::read(item, path_call)?,
        Shape::PostHog => posthog::read(item)?,
        Shape::CloudEvent => cloudevent::read(item)?,
        Shape::Own => own::read(item)?,
    };
    judge_broadcast(item, meaning.customer.as_deref())?;
    if meaning.customer.as_deref().is_some_and(|id| id.starts_with(CustomerId::OWN)) {
        let what = "ids that begin with `heedful:` are Heedful's own: call the customer otherwise";
        return Err(Refusal::new(Refused::BadCustomer, what));
    }
    content.read(item, shape, meaning.call)?;
    content.check(item)?;
    Ok(Some(Judged {
        shape,
        call: meaning.call,
        customer: meaning.customer,
        id: meaning.id,
        claimed: instant_of(meaning.claimed)?,
        sent: instant::read(meaning.sent),
        json,
    }))
}

impl<'a> Judged<'a> {
    /// Gives an id to an event that has none.
    pub(super) fn need_id(&mut self, fresh_id: impl FnOnce() -> String) {
        self.id.get_or_insert_with(|| fresh_id().into());
    }

    /// The event as it came.
    pub(super) const fn json(&self) -> &'a str {
        self.json
    }

    /// Settles the time. `sent` is what the body as a whole says.
    pub(super) fn settle(
        &self,
        arrival: Arrival,
        sent: Option<Timestamp>,
    ) -> Result<(EventRecord<'_>, Clock), Refusal> {
        let (Times { occurred_at, received_at }, clock) = self.times_of(arrival, sent)?;
        let record = EventRecord {
            subject: self.customer.as_deref().map_or(Subject::Everyone, Subject::Customer),
            id: self.id.as_deref().unwrap_or_default(),
            occurred_at,
            received_at,
            shape: self.shape,
            call: self.call,
            freshness: arrival.freshness,
            json: self.json,
        };
        Ok((record, clock))
    }

    /// The time alone.
    pub(super) fn times_of(
        &self,
        arrival: Arrival,
        sent: Option<Timestamp>,
    ) -> Result<(Times, Clock), Refusal> {
        let (occurred_at, received_at, clock) = self.times(arrival.received, sent)?;
        Ok((Times { occurred_at, received_at }, clock))
    }

    /// Whose it is, if anybody's, and its id.
    pub(super) fn into_names(self) -> (Option<Cow<'a, str>>, Cow<'a, str>) {
        (self.customer, self.id.unwrap_or_default())
    }

    fn times(
        &self,
        received: Received,
        sent: Option<Timestamp>,
    ) -> Result<(Timestamp, Timestamp, Clock), Refusal> {
        let (received_at, claimed) = match (received, self.claimed) {
            (Received::At(received_at), Some(claimed)) => (received_at, claimed),
            (Received::At(received_at), None) => {
                return Ok((received_at, received_at, Clock::Good));
            }
            (Received::AsClaimed, Some(claimed)) => return Ok((claimed, claimed, Clock::Good)),
            (Received::AsClaimed, None) => {
                let what = "the event has no time of its own: recorded events need `timestamp`";
                return Err(Refusal::new(Refused::MissingTimestamp, what));
            }
        };
        // The sender's clock may be wrong, but by the same amount when it stamped both.
        let wrong_by = match (self.shape, self.sent.or(sent)) {
            (Shape::Segment | Shape::PostHog, Some(sent)) => sent - received_at,
            (Shape::Segment | Shape::PostHog | Shape::CloudEvent | Shape::Own, _) => Span::ZERO,
        };
        let right = -CLOCK_TOLERANCE.as_millis()..=CLOCK_TOLERANCE.as_millis();
        let corrected =
            if right.contains(&wrong_by.as_millis()) { claimed } else { claimed - wrong_by };
        if received_at + FUTURE_MAX < corrected {
            return Ok((received_at, received_at, Clock::Ahead));
        }
        Ok((std::cmp::min(corrected, received_at), received_at, Clock::Good))
    }
}

/// When an event occurred, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) occurred_at: Timestamp,
    pub(super) received_at: Timestamp,
}

/// Whether a sender's clock can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// It can.
    Good,
    /// The event claims to be from further in the future than [`FUTURE_MAX`]: it counts as now.
    Ahead,
}

fn shape_of(item: &Item<'_>) -> Shape {
    if item.has(Field::SpecVersion) {
        Shape::CloudEvent
    } else if item.has(Field::Customer) || item.has(Field::With) || item.has(Field::At) {
        Shape::Own
    } else if item.has(Field::UserId) || item.has(Field::AnonymousId) {
        Shape::Segment
    } else if item.has(Field::DistinctId) || item.has(Field::PropertyDistinctId) {
        Shape::PostHog
    } else if item.has(Field::Broadcast) {
        Shape::Own
    } else {
        Shape::Segment
    }
}

fn judge_broadcast(item: &Item<'_>, customer: Option<&str>) -> Result<(), Refusal> {
    match (item.get(Field::Broadcast), customer) {
        (Raw::True, None) | (Raw::False | Raw::Absent | Raw::Null, Some(_)) => Ok(()),
        (Raw::True, Some(_)) => Err(Refusal::new(
            Refused::BadBroadcast,
            "the event names a customer and says `broadcast: true`: send one or the other",
        )),
        (Raw::False | Raw::Absent | Raw::Null, None) => Err(Refusal::new(
            Refused::MissingCustomer,
            "the event names no customer: send `userId` or `anonymousId` (or `\"broadcast\": true` \
             for one that concerns everyone)",
        )),
        _ => Err(Refusal::new(Refused::BadBroadcast, "`broadcast` must be true or false")),
    }
}

fn instant_of(raw: Raw<'_>) -> Result<Option<Timestamp>, Refusal> {
    match raw {
        Raw::Absent | Raw::Null => Ok(None),
        raw => instant::read(raw).map(Some).ok_or_else(|| {
            Refusal::new(
                Refused::BadTimestamp,
                "the event's time is not one from 1970 on: write it as `2026-03-01T12:00:00Z`",
            )
        }),
    }
}

/// A customer's id; `None` when it is absent, `null` or empty.
pub(super) fn customer_text<'a>(
    raw: Raw<'a>,
    field: &'static str,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    checked_text(raw, field, Refused::BadCustomer, CustomerId::BYTES_MAX)
}

/// A message id; `None` when it is absent, `null` or empty: then one is made up on arrival, and the
/// event is never taken for another's duplicate.
pub(super) fn message_id<'a>(
    raw: Raw<'a>,
    field: &'static str,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    checked_text(raw, field, Refused::BadId, NAME_BYTES_MAX)
}

/// A name; `None` when it is absent, `null` or empty.
pub(super) fn name_text<'a>(
    raw: Raw<'a>,
    field: &'static str,
    reason: Refused,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    checked_text(raw, field, reason, NAME_BYTES_MAX)
}

#[inline]
fn checked_text<'a>(
    raw: Raw<'a>,
    field: &'static str,
    reason: Refused,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    match raw {
        Raw::Absent | Raw::Null => Ok(None),
        // As nearly all are.
        Raw::Text(Text::Plain(text))
            if (1..=bytes_max).contains(&text.len()) && is_printable(text) =>
        {
            Ok(Some(Cow::Borrowed(text)))
        }
        raw => unusual_text(raw, field, reason, bytes_max),
    }
}

#[inline(never)]
fn unusual_text<'a>(
    raw: Raw<'a>,
    field: &'static str,
    reason: Refused,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Refusal> {
    let text = match raw {
        Raw::Absent | Raw::Null => return Ok(None),
        Raw::Text(text) if text.is_empty() => return Ok(None),
        Raw::Text(text) => text.decode(),
        Raw::Num(_) => {
            let what = format!(
                "`{field}` is a number: write it as a text, because long numbers lose digits"
            );
            return Err(Refusal::new(reason, what));
        }
        Raw::True | Raw::False | Raw::List(_) | Raw::Object(_) => {
            return Err(Refusal::new(reason, format!("`{field}` must be a text")));
        }
    };
    if bytes_max < text.len() {
        let what = format!("`{field}` has {} bytes, at most {bytes_max} are taken", text.len());
        return Err(Refusal::new(reason, what));
    }
    if has_control(&text) {
        let what = format!("`{field}` holds a control character");
        return Err(Refusal::new(reason, what));
    }
    Ok(Some(text))
}

/// Whether a text holds a control character.
pub(super) fn has_control(text: &str) -> bool {
    !is_printable(text) && text.chars().any(char::is_control)
}

/// Whether a text is printable ASCII, as nearly all are: that can be told eight bytes at a time.
#[inline]
fn is_printable(text: &str) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = ONES.wrapping_mul(0x80);
    // The high bit of every byte below the space, above the tilde, or beside one of those.
    let odd = |chunk: &[u8; 8]| {
        let word = u64::from_le_bytes(*chunk);
        word | word.wrapping_add(ONES) | word.wrapping_sub(ONES.wrapping_mul(0x20))
    };
    let bytes = text.as_bytes();
    match bytes.last_chunk() {
        // The last eight stand for the tail, whatever of them was looked at before.
        Some(last) => {
            let (chunks, _) = bytes.as_chunks();
            chunks.iter().fold(odd(last), |sum, chunk| sum | odd(chunk)) & HIGHS == 0
        }
        None => bytes.iter().all(|byte| (b' '..0x7F).contains(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_seen_wherever_they_stand() {
        for odd in ['\0', '\n', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}'] {
            for before in 0..20 {
                let text = format!("{}{odd}~ ~", "x".repeat(before));
                assert!(has_control(&text), "{text:?}");
            }
        }
        for text in
            ["", " ", "~~~~~~~~~", "u00040886", "Gent é家 and more", "12345678é", "ÿÿÿÿÿÿÿÿ"]
        {
            assert!(!has_control(text), "{text:?}");
        }
    }
}
