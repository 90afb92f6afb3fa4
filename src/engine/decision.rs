//! What a step decides: rulings with closed reasons, and the effects that follow once committed.

use std::sync::Arc;

use thin_vec::ThinVec;

use super::condition::Place;
use super::id::{CustomerId, DecisionId};
use super::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use super::time::{Span, Timestamp};
use super::value::Value;

pub use super::finding::{Detail, Finding, Passed, Rule};

/// The answer of one step.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What became of the input.
    pub applied: Applied,
    /// One ruling for each trigger that fired, was released or was ended by this input.
    pub rulings: ThinVec<Ruling>,
    /// What the shell must do once this step is committed.
    pub effects: ThinVec<Effect>,
    /// The answer to [`super::input::Body::Propose`].
    pub proposed: Option<Box<super::govern::Judgement>>,
    /// Absences forgotten because more were armed than a customer may have.
    pub dropped: u32,
}

/// What became of an input. A whole word, because it ends every decision, which is moved often, and
/// copies of single bytes stall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u64)]
pub enum Applied {
    /// It changed state.
    #[default]
    Applied,
    /// Its id was seen before: nothing changed.
    Duplicate,
    /// Its position was applied before: nothing changed.
    Replayed,
}

/// One verdict on one firing of one trigger.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// The decision it belongs to. A deferred decision gets a further ruling under the same id.
    pub id: DecisionId,
    /// The trigger.
    pub trigger: TriggerSlot,
    /// What made it the only one of its cause.
    pub occurrence: Box<str>,
    /// When it was ruled.
    pub at: Timestamp,
    /// When the cause occurred.
    pub caused_at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict that this one replaces, for a decision that waited or had been sent.
    pub replaces: Option<VerdictKind>,
    /// The arm of the experiment, `holdout` included.
    pub arm: Option<Arc<str>>,
    /// The offer.
    pub offer: Option<Box<str>>,
    /// Each condition with the values it saw.
    pub conditions: Vec<Held>,
    /// Each rule of the governor in its order, up to the one that decided.
    pub findings: Vec<Finding>,
}

/// Whether to reach out, and if not, why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Reach out on this channel.
    Send {
        /// The channel chosen.
        channel: ChannelSlot,
    },
    /// Hand it to a person.
    Task,
    /// In a holdout: all checks passed, nothing is sent.
    HoldOut {
        /// The trigger's or the global one.
        reason: Reason,
    },
    /// Not now: decided again then.
    Defer {
        /// The first instant at which all rules allow it.
        until: Timestamp,
        /// The rule that held it longest.
        reason: Reason,
    },
    /// Not sent, and it will not be.
    Suppress {
        /// The rule.
        reason: Reason,
    },
    /// Too late.
    Expire {
        /// Too old when it came, or waited too long.
        reason: Reason,
    },
    /// Overtaken by an event while it waited.
    Cancel {
        /// What overtook it.
        reason: Reason,
    },
    /// It may or may not have been sent.
    Unknown {
        /// Always [`Reason::OutcomeUnknown`].
        reason: Reason,
    },
}

/// The kinds of verdict: the sum over them is the number of matches, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictKind {
    /// Sent.
    Send,
    /// Handed to a person.
    Task,
    /// Held out.
    HoldOut,
    /// Waiting.
    Defer,
    /// Suppressed.
    Suppress,
    /// Expired.
    Expire,
    /// Cancelled.
    Cancel,
    /// Unknown.
    Unknown,
}

impl VerdictKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Send,
        Self::Task,
        Self::HoldOut,
        Self::Suppress,
        Self::Defer,
        Self::Expire,
        Self::Cancel,
        Self::Unknown,
    ];

    /// The word used in files, metrics and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "sent",
            Self::Task => "task",
            Self::HoldOut => "held_out",
            Self::Defer => "deferred",
            Self::Suppress => "suppressed",
            Self::Expire => "expired",
            Self::Cancel => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Verdict {
    /// Its kind.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Send { .. } => VerdictKind::Send,
            Self::Task => VerdictKind::Task,
            Self::HoldOut { .. } => VerdictKind::HoldOut,
            Self::Defer { .. } => VerdictKind::Defer,
            Self::Suppress { .. } => VerdictKind::Suppress,
            Self::Expire { .. } => VerdictKind::Expire,
            Self::Cancel { .. } => VerdictKind::Cancel,
            Self::Unknown { .. } => VerdictKind::Unknown,
        }
    }

    /// Its reason; a send or task needs none.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Send { .. } | Self::Task => None,
            Self::HoldOut { reason }
            | Self::Defer { reason, .. }
            | Self::Suppress { reason }
            | Self::Expire { reason }
            | Self::Cancel { reason }
            | Self::Unknown { reason } => Some(*reason),
        }
    }
}

/// Declares the closed set of reasons with the word each is known by and its sentence.
macro_rules! reasons {
    ($($variant:ident = $word:literal, $sentence:literal;)*) => {
        /// Why not: closed, used as metric label, API value, test word and docs heading.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $sentence] $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in files, metrics and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The sentence shown to people.
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

reasons! {
    Disabled = "disabled", "the trigger is switched off";
    TooOld = "too_old", "the event was older than the trigger acts on";
    Expired = "expired", "it would have come too late to be of use";
    Suppressed = "suppressed", "another outreach or a freeze holds this purpose back for this customer";
    Frozen = "frozen", "a freeze of the policy holds for this customer";
    OncePer = "once_per", "the trigger already acted within its own rest time";
    NoConsent = "no_consent", "no consent is known for this purpose";
    OptedOut = "opted_out", "the customer said no to this purpose or channel";
    Paused = "paused", "the customer asked for a pause";
    Holdout = "holdout", "the customer is in the trigger's holdout";
    GlobalHoldout = "global_holdout", "the customer is in the global holdout";
    Outranked = "outranked", "another trigger of higher priority fired at the same instant";
    UnknownZone = "unknown_zone", "a rule needs the customer's time zone and it is unknown";
    QuietHours = "quiet_hours", "it is quiet time where the customer is";
    Blackout = "blackout", "a blackout date holds";
    Capped = "capped", "a frequency cap is reached";
    Spread = "spread", "the fan-out is spread over time";
    Unreachable = "unreachable", "the customer cannot be reached on any of the trigger's channels";
    ConditionFailed = "condition_failed", "the trigger's condition no longer held when the wait ended";
    Contradicted = "contradicted", "the event it was missing came after all";
    TemplateFailed = "template_failed", "the message could not be rendered";
    TriggerRemoved = "trigger_removed", "the trigger is no longer in force";
    Rejected = "rejected", "the channel refused it for good";
    OutcomeUnknown = "outcome_unknown", "the connection broke after the request went out";
    Erased = "erased", "the customer was erased";
    Held = "held", "an operator holds it back";
    Stopped = "stopped", "an operator stopped it";
    Listed = "listed", "the address is on the suppression list";
    Profiling = "profiling", "the customer does not want scores to decide, and the trigger looks at one";
    Unanswered = "unanswered", "messages before it stayed without an answer, and a person takes over";
    Ramp = "ramp", "the trigger comes to everybody little by little, and not to this customer yet";
    HumanOnly = "human_only", "only a person may take this up with the customer";
    AccountCap = "account_cap", "it waits for what its account allows all of its people together";
    Budget = "budget", "it waits for money of its budget";
}

/// A condition and what it saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// As written.
    pub text: Box<str>,
    /// Where.
    pub place: Place,
    /// Whether it held.
    pub outcome: Truth,
    /// Each name or function in it with its value; `None` is missing.
    pub seen: Vec<(Box<str>, Option<Value>)>,
}

/// The outcome of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It held.
    True,
    /// It did not.
    False,
    /// It depended on a value that is missing, so it does not hold.
    Missing,
}

/// What the shell must do once a step is committed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Put into the outbox.
    Deliver(Outreach),
    /// Put onto the task list.
    Assign(Task),
    /// A task changed, or somebody wished it to.
    Turn(super::task::TaskTurn),
    /// Tell somebody else who is heard through the log.
    Errand(Errand),
    /// Record that a unit was exposed to an arm.
    Expose(Exposure),
    /// Note that a customer did not want what a trigger sent, told for the first time.
    Unwanted(TriggerSlot, super::input::Told),
    /// Everything about this customer must go.
    Erase,
}

/// What one subject has to tell another, by way of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    /// Whom.
    pub to: CustomerId,
    /// What.
    pub what: Note,
}

/// What subjects tell each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A task tells its desk.
    Desk(super::desk::DeskNote),
    /// A desk tells a task.
    Task(super::task::Instruction),
    /// A customer tells a pool.
    Pool(super::pool::PoolNote),
    /// A pool tells a customer.
    PoolWord(super::pool::PoolWord),
}

/// One intended contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Outreach {
    /// The decision, which is the idempotency key.
    pub decision: DecisionId,
    /// The trigger.
    pub trigger: TriggerSlot,
    /// The customer.
    pub customer: CustomerId,
    /// The channel.
    pub channel: ChannelSlot,
    /// The address on it, where it needs one.
    pub address: Option<Box<str>>,
    /// The purpose.
    pub purpose: PurposeSlot,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// After this it must not leave.
    pub expires_at: Timestamp,
    /// The offer.
    pub offer: Option<Box<str>>,
    /// The arm.
    pub arm: Option<Arc<str>>,
    /// What the channel carries.
    pub content: Content,
}

/// A rendered message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The locale of the variant.
    pub locale: Box<str>,
    /// `title`, `subject`, `body`, ... and their texts.
    pub fields: Vec<(Box<str>, Box<str>)>,
}

/// Work for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The decision.
    pub decision: DecisionId,
    /// The trigger.
    pub trigger: TriggerSlot,
    /// The customer.
    pub customer: CustomerId,
    /// The list or system.
    pub channel: ChannelSlot,
    /// Who gets it.
    pub assign_to: Option<Box<str>>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// How long each person has to acknowledge it.
    pub ack_within: Option<Span>,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// When it is given up.
    pub expires_at: Option<Timestamp>,
    /// To whom it goes on, one after the other.
    pub chain: Vec<Box<str>>,
    /// The team whose desk decides who gets it, and what it is asked for.
    pub desk: Option<(Arc<str>, super::desk::Request)>,
    /// How urgent.
    pub priority: super::catalog::TaskPriority,
    /// What to do.
    pub title: Box<str>,
    /// How to begin.
    pub suggest: Option<Box<str>>,
    /// Why now: the score's reasons, in plain words.
    pub reasons: Vec<Box<str>>,
    /// The last events: name slot and time, newest first.
    pub timeline: Vec<(super::slot::EventSlot, Timestamp)>,
    /// Earlier outreach: when, and by which trigger, newest first.
    pub contacts: Vec<(Timestamp, TriggerSlot)>,
    /// Other things asked for by `include`, by name.
    pub include: Vec<(Box<str>, Value)>,
}

/// A unit that an arm could have made a difference to.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposure {
    /// The experiment: the trigger's id.
    pub experiment: Arc<str>,
    /// The arm, `holdout` included.
    pub arm: Arc<str>,
    /// The unit hashed: the customer or the account.
    pub unit: Box<str>,
    /// When.
    pub at: Timestamp,
}

impl Decision {
    /// Nothing changed: the id was seen before.
    pub fn duplicate() -> Self {
        Self { applied: Applied::Duplicate, ..Self::default() }
    }

    /// Nothing changed: the position was applied before.
    pub fn replayed() -> Self {
        Self { applied: Applied::Replayed, ..Self::default() }
    }
}

/// How long a rule holds an outreach back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    Free,
    /// Until then.
    Until(Timestamp),
    /// For ever.
    Never,
}

impl Hold {
    /// The wait from `now`.
    pub fn wait(self, now: Timestamp) -> Option<Span> {
        match self {
            Self::Free => Some(Span::ZERO),
            Self::Until(then) => Some(then - now),
            Self::Never => None,
        }
    }
}
