//! What the log holds: a small header in CBOR, and for events the sender's bytes as they came.
//!
//! The header is a map with small numbers as keys, so that fields can be added; unknown keys are
//! passed over. Names of purposes, channels and models stand as text, because slots belong to one
//! catalog and the log outlives it.

mod read;
mod write;

use bytes::Bytes;

use super::refusal::{Refusal, Refused};
use crate::engine::decision::{Errand, Note};
use crate::engine::desk::DeskNote;
use crate::engine::id::DecisionId;
use crate::engine::input::{Answer, Outcome, Told};
use crate::engine::operation::Operation;
use crate::engine::pool::{PoolNote, PoolWord};
use crate::engine::task::Instruction;
use crate::engine::time::Timestamp;

/// First byte of every record. A layout that older versions cannot read gets another number.
const FORMAT: u8 = 1;
/// Room that is enough for most headers.
pub(super) const HEADER_BYTES: usize = 128;

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
        /// By what name the other side knows it, where it said so.
        known_as: Option<KnownAs<'a>>,
    },
    /// What a provider told later of a send.
    Receipt(ReceiptRecord<'a>),
    /// What a person wants of a task.
    Task {
        /// Whose.
        customer: &'a str,
        /// What.
        instruction: Instruction,
    },
    /// What a task tells the desk of a team.
    Desk {
        /// The subject that the desk is heard under.
        desk: &'a str,
        /// What.
        note: DeskNote,
    },
    /// What a customer tells a pool.
    Pool {
        /// The subject that the pool is heard under.
        pool: &'a str,
        /// What.
        note: PoolNote,
    },
    /// What a pool tells a customer.
    PoolWord {
        /// Whom.
        customer: &'a str,
        /// What.
        word: PoolWord,
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
    /// An order of an operator: every shard has a copy.
    Operation(Operation),
    /// An address that is not written to any more, or is again.
    Listing(ListingRecord<'a>),
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

/// By what name the other side of a channel knows a send: what it tells later is found by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownAs<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The purpose.
    pub purpose: &'a str,
    /// The name.
    pub id: Option<&'a str>,
    /// The address that it was sent to: answers come from there.
    pub address: Option<&'a str>,
}

/// What a provider told later of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptRecord<'a> {
    /// Whose.
    pub customer: &'a str,
    /// Its id, for deduplication.
    pub id: &'a str,
    /// Of which send.
    pub decision: DecisionId,
    /// What was told.
    pub told: Told,
    /// The channel.
    pub channel: &'a str,
    /// The purpose.
    pub purpose: &'a str,
    /// The address it was sent to, where it is known.
    pub address: Option<&'a str>,
    /// What the customer answered; empty when it is no reply.
    pub text: &'a str,
}

/// An address that is not written to any more, or is again; by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingRecord<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The purpose; `None` for all.
    pub purpose: Option<&'a str>,
    /// The address, hashed.
    pub hash: &'a str,
    /// Why.
    pub cause: &'a str,
    /// Who says so.
    pub by: &'a str,
    /// Since when.
    pub at: Timestamp,
    /// Whether it is taken off.
    pub off: bool,
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
        /// What proves it.
        evidence: Option<&'a str>,
        /// The message that it is an answer to, where it is one.
        about: Option<DecisionId>,
    },
    /// Whether scores may decide about what is written to the customer.
    Profiling {
        /// The answer.
        answer: Answer,
        /// Where it was given.
        source: &'a str,
        /// What proves it.
        evidence: Option<&'a str>,
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

/// Whether an event may cause anything. A whole word, as what stands beside it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u64)]
pub enum Freshness {
    /// It may.
    #[default]
    Live,
    /// Imported history: it updates state, nothing else.
    Historical,
}

/// Declares an enum whose variants are stored as numbers. In memory it is a whole word, because it
/// is copied often beside others, and copies of single bytes stall.
macro_rules! stored {
    ($(#[$doc:meta])* $vis:vis $name:ident { $($(#[$note:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
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
        /// [`Record::Operation`].
        Operation = 5,
        /// [`Record::Task`].
        Task = 6,
        /// [`Record::Desk`].
        Desk = 7,
        /// [`Record::Receipt`].
        Receipt = 8,
        /// [`Record::Listing`].
        Listing = 11,
        /// [`Record::Pool`].
        Pool = 12,
        /// [`Record::PoolWord`].
        PoolWord = 13,
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
    pub(super) const ORDER: u8 = 20;
    pub(super) const SCOPE: u8 = 21;
    pub(super) const BY: u8 = 30;
    pub(super) const WISH: u8 = 31;
    pub(super) const TO: u8 = 32;
    pub(super) const OF: u8 = 33;
    pub(super) const PRIORITY: u8 = 34;
    pub(super) const SKILLS: u8 = 35;
    pub(super) const LANGUAGE: u8 = 36;
    pub(super) const OWNER: u8 = 37;
    pub(super) const EXTERNAL_ID: u8 = 40;
    pub(super) const ADDRESS: u8 = 41;
    pub(super) const TOLD: u8 = 42;
    pub(super) const TEXT: u8 = 43;
    pub(super) const EVIDENCE: u8 = 60;
    pub(super) const DETAIL: u8 = 61;
    pub(super) const POOL: u8 = 62;
    pub(super) const TRIGGER: u8 = 63;
    pub(super) const MICROS: u8 = 64;
    pub(super) const RANK: u8 = 65;
}

/// Codes of `Delivery`.
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
    pub(super) const PROFILING: u8 = 3;
}
impl<'a> Record<'a> {
    /// What carries to one subject what another has to tell it.
    pub fn of_errand(errand: &'a Errand) -> Self {
        let to = errand.to.as_str();
        match &errand.what {
            Note::Desk(note) => Self::Desk { desk: to, note: note.clone() },
            Note::Task(instruction) => {
                Self::Task { customer: to, instruction: instruction.clone() }
            }
            Note::Pool(note) => Self::Pool { pool: to, note: note.clone() },
            Note::PoolWord(word) => Self::PoolWord { customer: to, word: word.clone() },
        }
    }

    /// Whose it is.
    pub const fn subject(&self) -> Subject<'a> {
        match self {
            Self::Event(event) => event.subject,
            Self::Score(ScoreRecord { customer, .. })
            | Self::Outcome { customer, .. }
            | Self::Receipt(ReceiptRecord { customer, .. })
            | Self::Task { customer, .. }
            | Self::PoolWord { customer, .. }
            | Self::Preference { customer, .. }
            | Self::Erasure { customer } => Subject::Customer(customer),
            Self::Desk { desk, .. } => Subject::Customer(desk),
            Self::Pool { pool, .. } => Subject::Customer(pool),
            Self::Operation(_) | Self::Listing(_) => Subject::Everyone,
        }
    }

    /// When it happened, where the record says so: the engine time of a replay.
    pub const fn occurred_at(&self) -> Option<Timestamp> {
        match self {
            Self::Event(event) => Some(event.occurred_at),
            Self::Score(_)
            | Self::Outcome { .. }
            | Self::Receipt(_)
            | Self::Task { .. }
            | Self::Desk { .. }
            | Self::Pool { .. }
            | Self::PoolWord { .. }
            | Self::Preference { .. }
            | Self::Operation(_)
            | Self::Listing(_)
            | Self::Erasure { .. } => None,
        }
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(FORMAT);
        // Writing into memory cannot fail.
        write::header(self, out).unwrap_or_default();
        if let Self::Event(event) = self {
            out.extend_from_slice(event.json.as_bytes());
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Bytes {
        let json = if let Self::Event(event) = self { event.json.len() } else { 0 };
        let mut out = Vec::with_capacity(HEADER_BYTES + json);
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
        read::record(rest)
    }
}

fn unknown(what: &'static str) -> Refusal {
    Refusal::new(Refused::BadRecord, what)
}
