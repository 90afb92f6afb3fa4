//! The catalog: the checked set of triggers, policy and models in force, ready to evaluate.

use std::sync::Arc;

use jiff::civil;

use super::classifier::Classifier;
use super::condition::{Condition, Expr, Place};
use super::health::Scorecard;
use super::id::TriggerId;
use super::index::TriggerIndex;
use super::learned::Learned;
use super::message::Texts;
use super::policy::{Breaker, HandledBy, Policy, Share};
use super::ramp::Ramp;
use super::reading::Readers;
use super::schedule::Schedule;
use super::slot::{
    ChannelSlot, EventSlot, PropertySlot, PurposeSlot, ScoreSlot, SeriesSlot, TagSlot, TraitSlot,
    TriggerSlot,
};
use super::stand_in::StandIn;
use super::task::TaskEvents;
use super::team::Team;
use super::time::{Span, Zone};
use super::value::Value;

pub use super::task_terms::{Due, TaskAction, TaskPriority};

/// Everything a step looks up. Built by `declare`, all or nothing, never changed afterwards.
#[derive(Debug)]
pub struct Catalog {
    /// Content hash over all files, in hex.
    pub revision: Arc<str>,
    /// Event names that some file refers to, indexed by [`EventSlot`].
    pub events: Box<[Arc<str>]>,
    /// Trait names that some file refers to, indexed by [`TraitSlot`].
    pub traits: Box<[Arc<str>]>,
    /// Property paths that some file refers to (`shipment_id`, `address.city`), by [`PropertySlot`].
    pub properties: Box<[Arc<str>]>,
    /// History series, indexed by [`SeriesSlot`].
    pub series: Box<[SeriesSpec]>,
    /// The series that each event feeds, indexed by [`EventSlot`].
    pub series_of_event: Box<[Box<[SeriesSlot]>]>,
    /// Triggers, indexed by [`TriggerSlot`], in order of their ids.
    pub triggers: Box<[Trigger]>,
    /// Finds the triggers that an event may concern.
    pub index: TriggerIndex,
    /// Scores, indexed by [`ScoreSlot`].
    pub scores: Box<[Score]>,
    /// Models that read texts.
    pub readers: Readers,
    /// The policy.
    pub policy: Policy,
    /// Compiled message templates.
    pub texts: Texts,
    /// Traits with a meaning of their own.
    pub known: KnownTraits,
    /// What tasks make happen.
    pub task_events: TaskEvents,
    /// Teams of people, in order of their names.
    pub teams: Box<[Team]>,
    /// The longest silence within one session.
    pub session_idle: Option<Span>,
    /// Whether outreach really leaves: contacts made while it does not do not count afterwards.
    pub sending: Sending,
}

/// Whether outreach really leaves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Decided, recorded, never sent.
    DryRun,
    /// Sent.
    On,
}

/// Slots of the traits that the engine itself reads. They are always in the tables.
#[derive(Clone, Copy, Debug)]
pub struct KnownTraits {
    /// `timezone`: an IANA name.
    pub timezone: TraitSlot,
    /// `locale`: a BCP 47 tag.
    pub locale: TraitSlot,
    /// `consent`: purpose to yes or no, or to channel to yes or no.
    pub consent: TraitSlot,
    /// `preferred_channel`.
    pub preferred_channel: TraitSlot,
    /// `account`: the id of the company the customer belongs to.
    pub account: TraitSlot,
    /// `owner`: the person in charge.
    pub owner: TraitSlot,
    /// `name`.
    pub name: TraitSlot,
}

/// What one history series keeps of one kind of event.
#[derive(Clone, Debug)]
pub struct SeriesSpec {
    /// The event.
    pub event: EventSlot,
    /// Which of them; about the event's properties only.
    pub filter: Option<Condition>,
    /// What is kept of each.
    pub measure: Measure,
    /// The longest time any expression looks back (twice the window for `change`).
    pub keep: Span,
    /// Name in state, stable over reloads: a hash of all the above but `keep`.
    pub key: u64,
}

/// What a series keeps of each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// That it happened, and when.
    Times,
    /// A number, and when.
    Amount(PropertySlot),
    /// Which values occurred, and when last.
    Distinct(PropertySlot),
    /// The latest value, and when.
    Last(PropertySlot),
    /// When it last happened, however long ago.
    LastTime,
    /// How often, since when and how far apart, over the whole history.
    Tally,
    /// A number, over the whole history.
    Total(PropertySlot),
}

/// A trigger, checked.
#[derive(Debug)]
pub struct Trigger {
    /// Its name.
    pub id: TriggerId,
    /// Behaviour, status or lifecycle.
    pub kind: Kind,
    /// What it is for, in a sentence.
    pub about: Box<str>,
    /// Who answers for it.
    pub owner: Box<str>,
    /// Content hash of its file, named by every decision.
    pub version: Arc<str>,
    /// Where it is declared.
    pub place: Place,
    /// Whether it is switched on.
    pub state: TriggerState,
    /// Higher goes first among what fires together.
    pub priority: i32,
    /// Tags, one bit each by [`TagSlot`].
    pub tags: u32,
    /// What makes it match.
    pub when: When,
    /// The object it is about (`event.shipment_id`): everything is kept apart by its value.
    pub per: Option<PropertySlot>,
    /// For whom: all must hold when it matches, and again when a deferred outreach is released.
    pub conditions: Box<[Condition]>,
    /// Whether a score, or what a model read in a text, decides about it.
    pub profiles: Profiles,
    /// What to do.
    pub action: Action,
    /// At most once in this time, per customer and object.
    pub once_per: Option<Span>,
    /// What else is held back once it has been decided to act.
    pub suppress: Option<Suppression>,
    /// Its experiment.
    pub experiment: Option<Experiment>,
    /// Properties to keep of the causing event while something waits.
    pub captures: Box<[PropertySlot]>,
    /// Events older than this never send; the policy's bound if the file names none.
    pub act_within: Span,
    /// Whether it may write to the customer, or only hand over.
    pub handled_by: HandledBy,
    /// How it comes to everybody little by little.
    pub ramp: Option<Ramp>,
    /// How far it may go before it is paused by itself.
    pub breaker: Option<Breaker>,
}

/// The kind of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the customer does.
    Behavior,
    /// What happens to the customer or to something of theirs.
    Status,
    /// Where the customer stands in time.
    Lifecycle,
}

/// Whether a trigger is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// Evaluated.
    Enabled,
    /// Evaluated; its decisions are suppressed as disabled.
    Disabled,
}

/// Whether a trigger looks at scores, or at what a model read in a text, when it fires, asks for whom, or
/// chooses what to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profiles {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What makes a trigger match.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few per catalog, never moved about")]
pub enum When {
    /// Any of these events (one for a plain `event:`).
    Event(Box<[EventClause]>),
    /// These events in this order, the last within `within` of the first.
    Sequence {
        /// The steps, two or more.
        steps: Box<[Step]>,
        /// From first to last.
        within: Span,
    },
    /// A session that begins or ends.
    Session {
        /// Which end.
        edge: SessionEdge,
        /// Which sessions.
        filter: Option<Condition>,
    },
    /// A trait that changes.
    Change {
        /// The trait.
        of: TraitPath,
        /// From one of these; empty means from anything.
        from: Box<[Value]>,
        /// To one of these; empty means to anything.
        to: Box<[Value]>,
    },
    /// A score that crosses a line.
    Score {
        /// Which score.
        score: ScoreSlot,
        /// Which way, and where it re-arms.
        crossing: Crossing,
    },
    /// A date of the customer.
    Date {
        /// The date.
        of: TraitPath,
        /// Calendar days from the date, negative for before.
        offset_days: Box<[i32]>,
        /// The local time of day.
        at: civil::Time,
    },
    /// A calendar.
    Schedule {
        /// The cron expression.
        schedule: Schedule,
        /// A fixed zone, or the customer's own.
        zone: Option<Zone>,
    },
}

/// `event:` with what may narrow it.
#[derive(Debug)]
pub struct EventClause {
    /// The event.
    pub event: EventSlot,
    /// Which of them.
    pub filter: Option<Condition>,
    /// Only the n-th within a time; matching clears the count.
    pub times: Option<Times>,
    /// Only if these do not follow.
    pub absence: Option<Absence>,
    /// The event carries no customer: it concerns those for whom this holds.
    pub affects: Option<Condition>,
}

/// `times: 3, within: 1h`.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How many.
    pub count: u32,
    /// An earlier one counts while it is at most this old.
    pub within: Span,
}

/// `not_followed_by: [..], for: 3m`.
#[derive(Debug)]
pub struct Absence {
    /// What must not follow (with the same `per` value, where the trigger has one and the event
    /// carries the property).
    pub events: Box<[EventSlot]>,
    /// Whether any event at all ends it (`dwell:`).
    pub scope: AbsenceScope,
    /// For how long.
    pub hold: Span,
}

/// What ends an absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsenceScope {
    /// Only the events named.
    Named,
    /// The events named, and every event whose name begins with `Page: ` or `Screen: `.
    AnyPage,
}

/// One step of a sequence.
#[derive(Debug)]
pub struct Step {
    /// The event.
    pub event: EventSlot,
    /// Which of them.
    pub filter: Option<Condition>,
}

/// Which end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEdge {
    /// Its first event.
    Started,
    /// The idle time after its last event has passed.
    Ended,
}

/// A trait and the members below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraitPath {
    /// The top-level trait.
    pub slot: TraitSlot,
    /// Members below it.
    pub path: Box<[Box<str>]>,
}

/// A line with hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crossing {
    /// Fires at or above `line`, re-arms below `rearm`.
    RisesAbove {
        /// The line.
        line: f64,
        /// Where it re-arms, at most the line.
        rearm: f64,
    },
    /// Fires at or below `line`, re-arms above `rearm`.
    FallsBelow {
        /// The line.
        line: f64,
        /// Where it re-arms, at least the line.
        rearm: f64,
    },
}

/// What a trigger does.
#[derive(Debug)]
pub enum Action {
    /// Write to the customer.
    Send(SendAction),
    /// Hand it to a person.
    Task(TaskAction),
}

/// `send:`.
#[derive(Debug)]
pub struct SendAction {
    /// The purpose.
    pub purpose: PurposeSlot,
    /// Channels, the first on which the customer can be reached wins.
    pub via: Box<[ChannelSlot]>,
    /// Time to live.
    pub expires_after: Option<Span>,
    /// Spread a fan-out over this time.
    pub spread_over: Option<Span>,
    /// Offers, the first whose condition holds wins.
    pub offers: Box<[Offer]>,
    /// The texts.
    pub message: Message,
    /// What a cap does to it, where the file says otherwise than the cap.
    pub on_cap: Option<super::policy::OnCap>,
    /// When it goes to the next channel; `None`: never.
    pub fall_back: Option<FallBack>,
    /// What it is worth, for the order in which messages wait for a budget or the cap of an account:
    /// an expression giving a number.
    pub worth: Option<Expr>,
}

/// What makes an outreach go to the next of its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallBack {
    /// A channel certainly did not deliver it.
    Refused,
    /// The same, or no sign came in this time that it arrived.
    Silent(Span),
}

/// One line of `offer:`.
#[derive(Debug)]
pub struct Offer {
    /// When it applies.
    pub condition: Option<Condition>,
    /// Its code.
    pub code: Box<str>,
}

/// Texts by locale. Fields are `title`, `subject`, `body`, ... in the order of the file.
#[derive(Debug, Default)]
pub struct Message {
    /// One for each locale, in the order of the file.
    pub variants: Box<[Variant]>,
}

/// A locale, and for each field the name of its template in `Texts`.
pub type Variant = (Box<str>, Box<[(Box<str>, Box<str>)]>);

/// `suppress:` hold back purposes for a customer once the trigger acts.
#[derive(Debug)]
pub struct Suppression {
    /// Which purposes, one bit each by [`PurposeSlot`].
    pub purposes: u32,
    /// For this long at most.
    pub longest: Span,
    /// Ends earlier with this event.
    pub until: Option<EventSlot>,
    /// The ending event must carry the same value of this property as the causing one.
    pub same: Option<PropertySlot>,
}

/// `experiment:`.
#[derive(Debug)]
pub struct Experiment {
    /// Seed of the hash: the trigger's id.
    pub key: Arc<str>,
    /// Who is assigned.
    pub unit: Unit,
    /// Part that hears nothing and is counted.
    pub holdout: Share,
    /// The arms; empty means that all others are treated alike.
    pub arms: Box<[Arm]>,
    /// What success is.
    pub goal: Option<Goal>,
    /// What must not get worse.
    pub guardrails: Box<[Guardrail]>,
    /// Assignments per arm before results are shown.
    pub read_at: Option<u32>,
}

/// Who is assigned to an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Each customer.
    Customer,
    /// Each account; a customer without one stands for themself.
    Account,
}

/// One arm.
#[derive(Debug)]
pub struct Arm {
    /// Its name.
    pub name: Arc<str>,
    /// Its part of all.
    pub share: Share,
    /// What it does to the offer.
    pub offer: ArmOffer,
    /// Variables for templates, under `arm.<name>`.
    pub set: Box<[(Box<str>, Value)]>,
}

/// What an arm does to the offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArmOffer {
    /// As the trigger says.
    Keep,
    /// No offer.
    Withhold,
    /// This one.
    Use(Box<str>),
}

/// `goal:`.
#[derive(Debug)]
pub struct Goal {
    /// The event.
    pub event: EventSlot,
    /// After the exposure.
    pub within: Span,
    /// What it is worth.
    pub value: Option<PropertySlot>,
}

/// A line of `guardrails:`.
#[derive(Debug)]
pub struct Guardrail {
    /// The event.
    pub event: EventSlot,
    /// After the exposure.
    pub within: Span,
    /// How much worse than the holdout is tolerated, in percentage points.
    pub no_worse_by: f64,
}

/// A score that conditions can use.
#[derive(Debug)]
pub struct Score {
    /// Its model's name.
    pub name: Arc<str>,
    /// Content hash of its file.
    pub version: Arc<str>,
    /// Where it comes from.
    pub source: ScoreSource,
    /// Bands, by lower edge, highest first.
    pub bands: Box<[(Arc<str>, f64)]>,
    /// Which end is bad.
    pub risk: RiskEnd,
    /// Days before today of which its value is remembered.
    pub days: u16,
}

/// Where a score comes from.
#[derive(Debug)]
pub enum ScoreSource {
    /// Computed here, by weights.
    Scorecard(Scorecard),
    /// Computed here, by what was learned.
    Learned(Box<Learned>),
    /// Computed here, by the scorecard that speaks while the model may not.
    StandIn(Box<StandIn>),
    /// To be learned: rows are taken from the history of customers, and nothing is said of them.
    Learning(Box<Classifier>),
    /// Pushed in with `Score Updated` events.
    Pushed,
}

/// Which end of a score means risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskEnd {
    /// Health: low is bad.
    Low,
    /// A probability of leaving: high is bad.
    High,
}

impl Catalog {
    /// The trigger of a slot.
    pub fn trigger(&self, slot: TriggerSlot) -> Option<&Trigger> {
        self.triggers.get(slot.index())
    }

    /// The slot of a trigger's name.
    pub fn find_trigger(&self, id: &str) -> Option<TriggerSlot> {
        let index = self.triggers.binary_search_by(|trigger| trigger.id.as_str().cmp(id)).ok()?;
        u16::try_from(index).ok().map(TriggerSlot)
    }

    /// The team of a name.
    pub fn team(&self, name: &str) -> Option<&Team> {
        self.teams.iter().find(|team| *team.name == *name)
    }

    /// The slot of a score's name.
    pub fn find_score(&self, name: &str) -> Option<ScoreSlot> {
        let index = self.scores.iter().position(|score| &*score.name == name)?;
        u16::try_from(index).ok().map(ScoreSlot)
    }
}

impl Trigger {
    /// Whether it bears a tag.
    pub fn has_tag(&self, tag: TagSlot) -> bool {
        self.tags & (1 << tag.0) != 0
    }
}
