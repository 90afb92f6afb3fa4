//! Why an input was refused: a closed word, where, and what to do.

use std::borrow::Cow;
use std::fmt;

use super::json;

/// Declares the closed set of reasons with the word each is known by and what it means.
macro_rules! refused {
    ($($variant:ident = $word:literal, $sentence:literal;)*) => {
        /// Why an input was refused: used as metric label, in dead letters and in the docs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refused {
            $(#[doc = $sentence] $variant,)*
        }

        impl Refused {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in metrics, dead letters and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it means.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

refused! {
    MalformedJson = "malformed_json", "the body or line is not JSON";
    NotUtf8 = "not_utf8", "the bytes are not UTF-8";
    TooDeep = "too_deep", "the JSON nests too deeply";
    NotFinite = "not_finite", "a number is too large for a 64-bit float";
    TooLarge = "too_large", "the event or body is larger than allowed";
    TooManyEvents = "too_many_events", "the body holds more events than allowed";
    NotAnObject = "not_an_object", "an event must be a JSON object";
    Undecodable = "undecodable", "the compression or transfer encoding of the body is damaged or unknown";
    MissingCustomer = "missing_customer", "the event says nothing about whose it is";
    MissingEvent = "missing_event", "the event has no name";
    MissingTimestamp = "missing_timestamp", "the event has no time of its own and is not live";
    BadCustomer = "bad_customer", "the customer's id is not a text of 1 to 255 bytes without control characters";
    BadId = "bad_id", "the message id is not a text of at most 255 bytes without control characters";
    BadName = "bad_name", "the event's name is not a text of 1 to 255 bytes without control characters";
    BadTimestamp = "bad_timestamp", "the time is not a date and time of RFC 3339 from 1970 on";
    BadProperties = "bad_properties", "the properties are not an object";
    BadTraits = "bad_traits", "the traits are not an object that can be kept";
    BadGroup = "bad_group", "the group's id is not a text of 1 to 255 bytes without control characters";
    BadScore = "bad_score", "a score update lacks `model` or a number `score`";
    BadBroadcast = "bad_broadcast", "the event is about one customer and about everyone at once";
    UnknownType = "unknown_type", "the call is of no type that is known";
    UnknownName = "unknown_name", "the purpose or channel is not declared in the policy";
    WrongPartition = "wrong_partition", "the event lies in another partition than its customer's";
    BroadcastInPartition = "broadcast_in_partition", "the event is about everyone and lies in one partition";
    UnknownSchema = "unknown_schema", "the message's schema is not in the registry, or the message does not fit it";
    BadRecord = "bad_record", "the log's record cannot be read by this version";
}

/// An input refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The closed reason.
    pub reason: Refused,
    /// Index of the event in its body, from 0, where there are several.
    pub item: Option<usize>,
    /// The byte of the body at which it was seen, from 0.
    pub byte: Option<usize>,
    /// What is wrong and what to do, as a sentence.
    pub what: Cow<'static, str>,
}

impl Refusal {
    /// A refusal that does not yet say where.
    pub fn new(reason: Refused, what: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, item: None, byte: None, what: what.into() }
    }

    /// Says which event of a body, and where it begins.
    #[must_use]
    pub fn of_item(mut self, item: usize, byte: usize) -> Self {
        self.item = Some(item);
        self.byte = Some(byte + self.byte.unwrap_or_default());
        self
    }
}

impl From<json::Fault> for Refusal {
    fn from(fault: json::Fault) -> Self {
        let reason = match fault.kind {
            json::FaultKind::NotUtf8 => Refused::NotUtf8,
            json::FaultKind::TooDeep => Refused::TooDeep,
            json::FaultKind::NotFinite => Refused::NotFinite,
            json::FaultKind::ByteOrderMark
            | json::FaultKind::Unfinished
            | json::FaultKind::Unexpected
            | json::FaultKind::ControlCharacter
            | json::FaultKind::BadEscape
            | json::FaultKind::BadNumber
            | json::FaultKind::Trailing => Refused::MalformedJson,
        };
        Self { byte: Some(fault.at), ..Self::new(reason, fault.kind.sentence()) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.item, self.byte) {
            (Some(item), Some(byte)) => write!(f, "event {item} at byte {byte}: ")?,
            (Some(item), None) => write!(f, "event {item}: ")?,
            (None, Some(byte)) => write!(f, "at byte {byte}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refusal {}
