//! Everything that can happen to a customer, as values with a time.

use super::desk::DeskNote;
use super::id::{CustomerId, DecisionId};
use super::operation::Operation;
use super::pool::{PoolNote, PoolWord};
use super::slot::{ChannelSlot, EventSlot, PropertySlot, PurposeSlot, ScoreSlot, TraitSlot};
use super::task::Instruction;
use super::time::{Span, Timestamp};
use super::value::{Property, Value, ValueRef};

/// One input of one customer.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// Engine time: when it was appended to the log; in a replay, when it occurred. Timers due at
    /// or before it fire first.
    pub at: Timestamp,
    /// Its place in the shard's log; 0 when it has none. An input at or below the customer's
    /// applied position changes nothing.
    pub position: u64,
    /// What happened.
    pub body: Body<'a>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// Something the customer did or that concerns them.
    Event(Event<'a>),
    /// A score computed elsewhere.
    Score {
        /// Its id, for deduplication.
        id: &'a str,
        /// Which score.
        score: ScoreSlot,
        /// Its value.
        value: f64,
    },
    /// Time alone.
    Tick,
    /// What became of a send or a task.
    Outcome(Outcome),
    /// What a provider told later of a send.
    Receipt(Receipt<'a>),
    /// What a person wants of a task.
    Task(Instruction),
    /// What a task tells the desk of a team.
    Desk(DeskNote),
    /// What a customer tells a pool.
    Pool(PoolNote),
    /// What a pool tells a customer.
    PoolWord(PoolWord),
    /// A change of consent or preference.
    Preference(Preference),
    /// Forget this customer.
    Erasure,
    /// An order of an operator, to everyone whom it may concern.
    Operation(Operation),
    /// Asks what the governor would say to an outreach of a purpose, changing nothing.
    Propose {
        /// The purpose.
        purpose: PurposeSlot,
    },
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The sender's id: the same id twice within the window is a duplicate.
    pub id: &'a str,
    /// Its name; `None` for a pure change of traits (`identify`).
    pub name: Option<EventSlot>,
    /// Whether it is a page or screen view.
    pub view: View,
    /// When it happened, as claimed, already clamped to be no later than `Input::at`.
    pub occurred_at: Timestamp,
    /// The properties that some file refers to, indexed by [`PropertySlot`].
    pub properties: &'a [Property<'a>],
    /// Traits it sets, `None` clears. Sorted by slot, each once.
    pub traits: &'a [(TraitSlot, Option<Value>)],
    /// Whether it is live, history, or about everyone.
    pub reach: Reach,
}

/// Whether an event is a page or screen view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// It is.
    Page,
    /// It is not.
    Other,
}

/// What an event may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It updates state and may match triggers.
    Live,
    /// The same, but the customer was not there (a background job of the app, a change made by
    /// another system): it moves neither their session nor when they were last seen.
    Background,
    /// Imported history: it updates state and ends the waits that it contradicts. It matches
    /// nothing.
    Historical,
    /// It carries no customer; it is offered to all. Only clauses with `affects` match, and only
    /// suppressions that wait for it end.
    Broadcast,
}

impl Reach {
    /// Whether it happens now, to one customer.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Background)
    }
}

impl Event<'_> {
    /// A property; `Missing` when the event does not carry it.
    pub fn property(&self, slot: PropertySlot) -> ValueRef<'_> {
        self.properties.get(slot.index()).map_or(ValueRef::Missing, Property::as_ref)
    }
}

/// What became of a send, or of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whose.
    pub decision: DecisionId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What happened.
    pub result: Delivery,
}

/// The end of the attempts to deliver.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// Accepted by the channel.
    Delivered,
    /// Certainly not sent, and it will not be: the reservation in the ledger is released.
    Rejected {
        /// Why, in a sentence.
        why: Box<str>,
    },
    /// It may or may not have been sent: it counts.
    Unknown {
        /// Why, in a sentence.
        why: Box<str>,
    },
    /// Too late before any attempt could be made: the reservation is released.
    Expired,
    /// The check at send time refused it: the reservation is released.
    Refused {
        /// Why.
        reason: super::decision::Reason,
        /// What it looked at, in a sentence.
        detail: Option<Box<str>>,
    },
}

/// What a provider told later of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// Its id: the same id twice within the window is a duplicate.
    pub id: &'a str,
    /// Of which send.
    pub decision: DecisionId,
    /// What was told.
    pub told: Told,
    /// The channel it left by; `None` when no file declares it any more.
    pub channel: Option<ChannelSlot>,
    /// Its purpose; `None` when no file declares it any more.
    pub purpose: Option<PurposeSlot>,
    /// The address it was sent to, where it is known: the customer may have another one by now.
    pub address: Option<&'a str>,
    /// What the customer answered, bounded; empty when it is no reply.
    pub text: &'a str,
}

/// What can be told of a send, in the order in which one overrules the other: a later `Delivered`
/// never undoes a `Bounced`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It did not arrive, and the address may be good all the same.
    SoftBounced,
    /// It arrived.
    Delivered,
    /// It was shown, by a person or by a program: nobody knows. It never counts as an aim reached.
    Opened,
    /// A person closed it, and did nothing else. It is no aim reached either.
    Dismissed,
    /// A person followed a link in it.
    Clicked,
    /// The customer answered.
    Replied,
    /// It came back for good: the address cannot be reached.
    Bounced,
    /// The customer asked the provider for no more of it.
    Unsubscribed,
    /// The customer called it unwanted.
    Complained,
}

impl Told {
    /// All that can be told.
    pub const ALL: [Self; 9] = [
        Self::SoftBounced,
        Self::Delivered,
        Self::Opened,
        Self::Dismissed,
        Self::Clicked,
        Self::Replied,
        Self::Bounced,
        Self::Unsubscribed,
        Self::Complained,
    ];

    /// The word used in files, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SoftBounced => "soft_bounced",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Dismissed => "dismissed",
            Self::Clicked => "clicked",
            Self::Replied => "replied",
            Self::Bounced => "bounced",
            Self::Unsubscribed => "unsubscribed",
            Self::Complained => "complained",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|told| told.as_str() == text)
    }

    /// The number under which it is kept. Never give one to another.
    pub const fn code(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::SoftBounced => 1,
            Self::Delivered => 2,
            Self::Opened => 3,
            Self::Clicked => 4,
            Self::Replied => 5,
            Self::Bounced => 6,
            Self::Unsubscribed => 7,
            Self::Complained => 8,
            Self::Dismissed => 9,
        }
    }

    /// Reads the number.
    pub fn from_code(code: u8) -> Option<Self> {
        std::iter::once(Self::Nothing).chain(Self::ALL).find(|told| told.code() == code)
    }

    /// Whether the provider can only know it because it took the message.
    pub fn proves_taken(self) -> bool {
        Self::Nothing < self
    }
}

/// A change of consent or preference.
#[derive(Clone, Debug, PartialEq)]
pub enum Preference {
    /// A yes or no to a purpose, on one channel or on all.
    Consent {
        /// The purpose; `None` for all.
        purpose: Option<PurposeSlot>,
        /// The channel; `None` for all.
        channel: Option<ChannelSlot>,
        /// The answer.
        answer: Answer,
        /// Where it was given (`unsubscribe link`, `import`, ...).
        source: Box<str>,
        /// What proves it.
        evidence: Option<Box<str>>,
        /// The message that it is an answer to, where it is one.
        about: Option<DecisionId>,
    },
    /// Whether scores may decide about what is written to the customer.
    Profiling {
        /// The answer.
        answer: Answer,
        /// Where it was given.
        source: Box<str>,
        /// What proves it.
        evidence: Option<Box<str>>,
    },
    /// Nothing but exempt purposes until then.
    PauseUntil(Option<Timestamp>),
    /// The channel tried first.
    PreferredChannel(Option<ChannelSlot>),
}

/// A yes or a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Granted,
    /// No.
    Denied,
}

/// A time in which this shard heard nothing because it or its source was down: absence timers do
/// not count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlindGap {
    /// First instant not heard.
    pub from: Timestamp,
    /// First instant heard again.
    pub to: Timestamp,
    /// For how long nobody could tell it from customers who do nothing: what was due by then
    /// happened. Zero where it is known that nobody listened.
    pub unsure: Span,
}

impl BlindGap {
    /// A time in which the shard was down.
    pub fn down(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, unsure: Span::ZERO }
    }

    /// A silence that goes on.
    pub fn open(from: Timestamp, unsure: Span) -> Self {
        Self { from, to: Timestamp::MAX, unsure }
    }

    /// Whether it goes on.
    pub fn is_open(self) -> bool {
        self.to == Timestamp::MAX
    }

    /// The part of `(from, to]` that is known to be blind at `to`.
    pub fn within(self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let (start, end) = (self.from.max(from), std::cmp::min(self.to, to));
        (start < end && self.unsure < end - self.from).then_some((start, end))
    }
}

/// The customer an input belongs to, where inputs of many travel together.
#[derive(Clone, Debug)]
pub struct Addressed<'a> {
    /// Whose.
    pub customer: CustomerId,
    /// What.
    pub input: Input<'a>,
}
