//! What the log holds: a small header in CBOR, and for events the sender's bytes as they came.
//!
//! The header is a map with small numbers as keys, so that fields can be added; unknown keys are
//! passed over. Names of purposes, channels and models stand as text, because slots belong to one
//! catalog and the log outlives it.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::refusal::{Refusal, Refused};
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::{Answer, Delivery, Outcome};
use crate::engine::time::Timestamp;

/// First byte of every record. A layout that older versions cannot read gets another number.
const FORMAT: u8 = 1;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// An event of any shape.
    Event(EventRecord<'a>),
    /// A score computed elsewhere.
    Score(ScoreRecord<'a>),
    /// What became of a send or a task.
    Outcome {
        /// Whose.
        customer: &'a str,
        /// What.
        outcome: Outcome,
    },
    /// A change of consent or preference.
    Preference {
        /// Whose.
        customer: &'a str,
        /// What.
        preference: PreferenceRecord<'a>,
    },
    /// Forget this customer.
    Erasure {
        /// Whom.
        customer: &'a str,
    },
}

/// An event: what was judged when it came, and the sender's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord<'a> {
    /// Whose it is.
    pub subject: Subject<'a>,
    /// The sender's id, or one given on arrival.
    pub id: &'a str,
    /// When it happened, corrected for the sender's clock.
    pub occurred_at: Timestamp,
    /// When it came; in a replay the same.
    pub received_at: Timestamp,
    /// The shape of `json`.
    pub shape: Shape,
    /// What kind of call it is.
    pub call: Call,
    /// Whether it may cause anything.
    pub freshness: Freshness,
    /// One JSON object, checked.
    pub json: &'a str,
}

/// A score computed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRecord<'a> {
    /// Whose.
    pub customer: &'a str,
    /// Its id, for deduplication.
    pub id: &'a str,
    /// The model's name.
    pub model: &'a str,
    /// Its value.
    pub value: f64,
}

/// A change of consent or preference, by names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferenceRecord<'a> {
    /// A yes or no to a purpose, on one channel or on all.
    Consent {
        /// The purpose; `None` for all.
        purpose: Option<&'a str>,
        /// The channel; `None` for all.
        channel: Option<&'a str>,
        /// The answer.
        answer: Answer,
        /// Where it was given.
        source: &'a str,
    },
    /// Nothing but exempt purposes until then; `None` ends the pause.
    PauseUntil(Option<Timestamp>),
    /// The channel tried first; `None` for no wish.
    PreferredChannel(Option<&'a str>),
}

/// Whose an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// One customer's.
    Customer(&'a str),
    /// It carries no customer and is offered to all: every shard has a copy.
    Everyone,
}

/// Whether an event may cause anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// It may.
    #[default]
    Live,
    /// Imported history: it updates state, nothing else.
    Historical,
}

/// Declares an enum whose variants are stored as numbers.
macro_rules! stored {
    ($(#[$doc:meta])* $vis:vis $name:ident { $($(#[$note:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$note])* $variant,)* }

        impl $name {
            const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            fn from_code(code: u8) -> Result<Self, Refusal> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    _ => Err(unknown(concat!("unknown ", stringify!($name)))),
                }
            }
        }
    };
}

stored! {
    /// How the sender's JSON is laid out.
    pub Shape {
        /// Segment's and RudderStack's.
        Segment = 0,
        /// PostHog's.
        PostHog = 1,
        /// CloudEvents 1.0, structured.
        CloudEvent = 2,
        /// Our own: `customer`, `event`, `at`, `with`.
        Own = 3,
    }
}

stored! {
    /// What kind of call an event is.
    pub Call {
        /// Something happened.
        Track = 0,
        /// Traits are set.
        Identify = 1,
        /// A page was seen.
        Page = 2,
        /// A screen was seen.
        Screen = 3,
        /// The customer belongs to an account.
        Group = 4,
        /// The customer is also known under another id.
        Alias = 5,
    }
}

stored! {
    /// What a record is.
    Kind {
        /// [`Record::Event`].
        Event = 0,
        /// [`Record::Score`].
        Score = 1,
        /// [`Record::Outcome`].
        Outcome = 2,
        /// [`Record::Preference`].
        Preference = 3,
        /// [`Record::Erasure`].
        Erasure = 4,
    }
}

/// Keys of the header. Never reuse a number.
mod key {
    pub(super) const KIND: u8 = 0;
    pub(super) const CUSTOMER: u8 = 1;
    pub(super) const ID: u8 = 2;
    pub(super) const OCCURRED_MS: u8 = 3;
    pub(super) const RECEIVED_MS: u8 = 4;
    pub(super) const SHAPE: u8 = 5;
    pub(super) const CALL: u8 = 6;
    pub(super) const HISTORICAL: u8 = 7;
    pub(super) const MODEL: u8 = 8;
    pub(super) const VALUE: u8 = 9;
    pub(super) const DECISION: u8 = 10;
    pub(super) const ATTEMPT: u8 = 11;
    pub(super) const RESULT: u8 = 12;
    pub(super) const WHY: u8 = 13;
    pub(super) const PREFERENCE: u8 = 14;
    pub(super) const PURPOSE: u8 = 15;
    pub(super) const CHANNEL: u8 = 16;
    pub(super) const GRANTED: u8 = 17;
    pub(super) const SOURCE: u8 = 18;
    pub(super) const UNTIL_MS: u8 = 19;
}

/// Codes of [`Delivery`].
mod result {
    pub(super) const DELIVERED: u8 = 0;
    pub(super) const REJECTED: u8 = 1;
    pub(super) const UNKNOWN: u8 = 2;
    pub(super) const EXPIRED: u8 = 3;
    pub(super) const REFUSED: u8 = 4;
}

/// Codes of [`PreferenceRecord`].
mod preference {
    pub(super) const CONSENT: u8 = 0;
    pub(super) const PAUSE: u8 = 1;
    pub(super) const PREFERRED_CHANNEL: u8 = 2;
}

impl<'a> Record<'a> {
    /// Whose it is.
    pub const fn subject(&self) -> Subject<'a> {
        match self {
            Self::Event(event) => event.subject,
            Self::Score(ScoreRecord { customer, .. })
            | Self::Outcome { customer, .. }
            | Self::Preference { customer, .. }
            | Self::Erasure { customer } => Subject::Customer(customer),
        }
    }

    /// When it happened, where the record says so: the engine time of a replay.
    pub const fn occurred_at(&self) -> Option<Timestamp> {
        match self {
            Self::Event(event) => Some(event.occurred_at),
            Self::Score(_)
            | Self::Outcome { .. }
            | Self::Preference { .. }
            | Self::Erasure { .. } => None,
        }
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        // Writing into memory cannot fail.
        Header(Encoder::new(&mut *out)).write(self).unwrap_or_default();
        if let Self::Event(event) = self {
            out.extend_from_slice(event.json.as_bytes());
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.into()
    }

    /// Reads what [`Self::encode`] wrote. Any bytes may be given.
    ///
    /// # Errors
    /// When the bytes are not a record that this version knows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let Some((&FORMAT, rest)) = bytes.split_first() else {
            return Err(unknown("the record's format is not known to this version"));
        };
        Fields::read(rest)?.into_record()
    }
}

fn unknown(what: &'static str) -> Refusal {
    Refusal::new(Refused::BadRecord, what)
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

struct Header<'o>(Encoder<&'o mut Vec<u8>>);

impl Header<'_> {
    fn write(&mut self, record: &Record<'_>) -> Written {
        match record {
            Record::Event(event) => self.event(event),
            Record::Score(score) => {
                self.begin(Kind::Score, 5, Subject::Customer(score.customer))?;
                self.text(key::ID, score.id)?;
                self.text(key::MODEL, score.model)?;
                self.0.u8(key::VALUE)?.f64(score.value)?;
                Ok(())
            }
            Record::Outcome { customer, outcome } => self.outcome(customer, outcome),
            Record::Preference { customer, preference } => self.preference(customer, preference),
            Record::Erasure { customer } => {
                self.begin(Kind::Erasure, 2, Subject::Customer(customer))
            }
        }
    }

    fn begin(&mut self, kind: Kind, fields: u64, subject: Subject<'_>) -> Written {
        self.0.map(fields)?;
        self.code(key::KIND, kind.code())?;
        match subject {
            Subject::Customer(customer) => self.text(key::CUSTOMER, customer),
            Subject::Everyone => Ok(()),
        }
    }

    fn event(&mut self, event: &EventRecord<'_>) -> Written {
        let customers = u64::from(event.subject != Subject::Everyone);
        let historical = u64::from(event.freshness == Freshness::Historical);
        self.begin(Kind::Event, 6 + customers + historical, event.subject)?;
        self.text(key::ID, event.id)?;
        self.0.u8(key::OCCURRED_MS)?.i64(event.occurred_at.as_millis())?;
        self.0.u8(key::RECEIVED_MS)?.i64(event.received_at.as_millis())?;
        self.code(key::SHAPE, event.shape.code())?;
        self.code(key::CALL, event.call.code())?;
        match event.freshness {
            Freshness::Live => Ok(()),
            Freshness::Historical => self.code(key::HISTORICAL, 1),
        }
    }

    fn outcome(&mut self, customer: &str, outcome: &Outcome) -> Written {
        let (result, why) = match &outcome.result {
            Delivery::Delivered => (result::DELIVERED, None),
            Delivery::Rejected { why } => (result::REJECTED, Some(&**why)),
            Delivery::Unknown { why } => (result::UNKNOWN, Some(&**why)),
            Delivery::Expired => (result::EXPIRED, None),
            Delivery::Refused { reason } => (result::REFUSED, Some(reason.as_str())),
        };
        self.begin(Kind::Outcome, 5 + u64::from(why.is_some()), Subject::Customer(customer))?;
        self.0.u8(key::DECISION)?.bytes(outcome.decision.as_bytes())?;
        self.0.u8(key::ATTEMPT)?.u32(outcome.attempt)?;
        self.code(key::RESULT, result)?;
        self.optional(key::WHY, why)
    }

    fn preference(&mut self, customer: &str, preference: &PreferenceRecord<'_>) -> Written {
        let subject = Subject::Customer(customer);
        match *preference {
            PreferenceRecord::Consent { purpose, channel, answer, source } => {
                let optional = u64::from(purpose.is_some()) + u64::from(channel.is_some());
                self.begin(Kind::Preference, 5 + optional, subject)?;
                self.code(key::PREFERENCE, preference::CONSENT)?;
                self.optional(key::PURPOSE, purpose)?;
                self.optional(key::CHANNEL, channel)?;
                self.code(key::GRANTED, u8::from(answer == Answer::Granted))?;
                self.text(key::SOURCE, source)
            }
            PreferenceRecord::PauseUntil(until) => {
                self.begin(Kind::Preference, 3 + u64::from(until.is_some()), subject)?;
                self.code(key::PREFERENCE, preference::PAUSE)?;
                if let Some(until) = until {
                    self.0.u8(key::UNTIL_MS)?.i64(until.as_millis())?;
                }
                Ok(())
            }
            PreferenceRecord::PreferredChannel(channel) => {
                self.begin(Kind::Preference, 3 + u64::from(channel.is_some()), subject)?;
                self.code(key::PREFERENCE, preference::PREFERRED_CHANNEL)?;
                self.optional(key::CHANNEL, channel)
            }
        }
    }

    fn code(&mut self, key: u8, code: u8) -> Written {
        self.0.u8(key)?.u8(code)?;
        Ok(())
    }

    fn text(&mut self, key: u8, text: &str) -> Written {
        self.0.u8(key)?.str(text)?;
        Ok(())
    }

    fn optional(&mut self, key: u8, text: Option<&str>) -> Written {
        text.map_or(Ok(()), |text| self.text(key, text))
    }
}

/// A header taken apart.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<u8>,
    customer: Option<&'a str>,
    id: Option<&'a str>,
    occurred_ms: Option<i64>,
    received_ms: Option<i64>,
    shape: Option<u8>,
    call: Option<u8>,
    historical: Option<u8>,
    model: Option<&'a str>,
    value: Option<f64>,
    decision: Option<&'a [u8]>,
    attempt: Option<u32>,
    result: Option<u8>,
    why: Option<&'a str>,
    preference: Option<u8>,
    purpose: Option<&'a str>,
    channel: Option<&'a str>,
    granted: Option<u8>,
    source: Option<&'a str>,
    until_ms: Option<i64>,
    rest: &'a [u8],
}

impl From<minicbor::decode::Error> for Refusal {
    fn from(_: minicbor::decode::Error) -> Self {
        unknown("the record's header is damaged")
    }
}

impl<'a> Fields<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut decoder = Decoder::new(bytes);
        let mut fields = Self::default();
        let count = decoder.map()?.ok_or_else(|| unknown("the record's header is damaged"))?;
        for _ in 0..count {
            fields.field(&mut decoder)?;
        }
        fields.rest = bytes.get(decoder.position()..).unwrap_or_default();
        Ok(fields)
    }

    fn field(&mut self, decoder: &mut Decoder<'a>) -> Result<(), Refusal> {
        match decoder.u8()? {
            key::KIND => self.kind = Some(decoder.u8()?),
            key::CUSTOMER => self.customer = Some(decoder.str()?),
            key::ID => self.id = Some(decoder.str()?),
            key::OCCURRED_MS => self.occurred_ms = Some(decoder.i64()?),
            key::RECEIVED_MS => self.received_ms = Some(decoder.i64()?),
            key::SHAPE => self.shape = Some(decoder.u8()?),
            key::CALL => self.call = Some(decoder.u8()?),
            key::HISTORICAL => self.historical = Some(decoder.u8()?),
            key::MODEL => self.model = Some(decoder.str()?),
            key::VALUE => self.value = Some(decoder.f64()?),
            key::DECISION => self.decision = Some(decoder.bytes()?),
            key::ATTEMPT => self.attempt = Some(decoder.u32()?),
            key::RESULT => self.result = Some(decoder.u8()?),
            key::WHY => self.why = Some(decoder.str()?),
            key::PREFERENCE => self.preference = Some(decoder.u8()?),
            key::PURPOSE => self.purpose = Some(decoder.str()?),
            key::CHANNEL => self.channel = Some(decoder.str()?),
            key::GRANTED => self.granted = Some(decoder.u8()?),
            key::SOURCE => self.source = Some(decoder.str()?),
            key::UNTIL_MS => self.until_ms = Some(decoder.i64()?),
            _ => pass_scalar(decoder)?,
        }
        Ok(())
    }

    fn into_record(self) -> Result<Record<'a>, Refusal> {
        Ok(match Kind::from_code(must(self.kind)?)? {
            Kind::Event => Record::Event(self.into_event()?),
            Kind::Score => Record::Score(ScoreRecord {
                customer: must(self.customer)?,
                id: must(self.id)?,
                model: must(self.model)?,
                value: self.value.filter(|value| value.is_finite()).ok_or_else(missing)?,
            }),
            Kind::Outcome => {
                Record::Outcome { customer: must(self.customer)?, outcome: self.into_outcome()? }
            }
            Kind::Preference => Record::Preference {
                customer: must(self.customer)?,
                preference: self.into_preference()?,
            },
            Kind::Erasure => Record::Erasure { customer: must(self.customer)? },
        })
    }

    fn into_event(self) -> Result<EventRecord<'a>, Refusal> {
        Ok(EventRecord {
            subject: self.customer.map_or(Subject::Everyone, Subject::Customer),
            id: must(self.id)?,
            occurred_at: Timestamp::from_millis(must(self.occurred_ms)?),
            received_at: Timestamp::from_millis(must(self.received_ms)?),
            shape: Shape::from_code(must(self.shape)?)?,
            call: Call::from_code(must(self.call)?)?,
            freshness: match self.historical {
                None | Some(0) => Freshness::Live,
                Some(_) => Freshness::Historical,
            },
            json: super::json::text(self.rest)?,
        })
    }

    fn into_outcome(self) -> Result<Outcome, Refusal> {
        let decision = must(self.decision)?.try_into().map_err(|_| missing())?;
        let why = || Box::from(self.why.unwrap_or_default());
        let result = match must(self.result)? {
            result::DELIVERED => Delivery::Delivered,
            result::REJECTED => Delivery::Rejected { why: why() },
            result::UNKNOWN => Delivery::Unknown { why: why() },
            result::EXPIRED => Delivery::Expired,
            result::REFUSED => Delivery::Refused {
                reason: Reason::parse(must(self.why)?)
                    .ok_or_else(|| unknown("the reason is not known to this version"))?,
            },
            _ => return Err(unknown("the result is not known to this version")),
        };
        let decision = DecisionId::from_bytes(decision);
        Ok(Outcome { decision, attempt: must(self.attempt)?, result })
    }

    fn into_preference(self) -> Result<PreferenceRecord<'a>, Refusal> {
        Ok(match must(self.preference)? {
            preference::CONSENT => PreferenceRecord::Consent {
                purpose: self.purpose,
                channel: self.channel,
                answer: match must(self.granted)? {
                    1 => Answer::Granted,
                    _ => Answer::Denied,
                },
                source: self.source.unwrap_or_default(),
            },
            preference::PAUSE => {
                PreferenceRecord::PauseUntil(self.until_ms.map(Timestamp::from_millis))
            }
            preference::PREFERRED_CHANNEL => PreferenceRecord::PreferredChannel(self.channel),
            _ => return Err(unknown("the preference is not known to this version")),
        })
    }
}

/// Passes over a field of a later version. Only scalars are passed, so that hostile nesting costs
/// nothing; a later version adds nothing else.
fn pass_scalar(decoder: &mut Decoder<'_>) -> Result<(), Refusal> {
    let scalar = match decoder.datatype()? {
        Type::Bool
        | Type::Null
        | Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::F16
        | Type::F32
        | Type::F64
        | Type::Bytes
        | Type::String => true,
        _ => false,
    };
    if !scalar {
        return Err(unknown("the record's header holds something that is not a scalar"));
    }
    Ok(decoder.skip()?)
}

fn must<T>(field: Option<T>) -> Result<T, Refusal> {
    field.ok_or_else(missing)
}

fn missing() -> Refusal {
    unknown("the record's header lacks a field")
}
