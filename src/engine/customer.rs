//! What is known of one customer: plain data, folded by steps, bound to the slots of one catalog.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use thin_vec::ThinVec;

use super::decision::Reason;
use super::desk::Desk;
use super::id::{CustomerId, DecisionId, stable_hash};
use super::input::{Answer, Told};
use super::policy::Freeze;
use super::pool::Pools;
use super::recent::Recent;
use super::rival::Rival;
use super::series::Series;
use super::slot::{
    ChannelSlot, PropertySlot, PurposeSlot, ScoreSlot, SeriesSlot, TraitSlot, TriggerSlot,
};
use super::task::TaskState;
use super::time::Timestamp;
use super::timer::Timer;
use super::value::Value;

/// Message ids remembered per customer: a duplicate is recognised among that many last inputs.
pub const SEEN_MAX: usize = 256;
/// Events remembered for the timeline.
pub const TIMELINE_MAX: usize = 20;
/// Timers armed at a time; past it the oldest absence is dropped and counted.
pub const TIMERS_MAX: usize = 512;
/// Entries of what triggers remember; past it the object longest silent is forgotten.
pub const OBJECTS_MAX: usize = 512;
/// Outreaches waiting at a time; past it a further one is suppressed as capped.
pub const WAITING_MAX: usize = 64;
/// Contacts kept in the ledger however long the windows are.
pub const LEDGER_MAX: usize = 512;
/// Outreaches that may yet go to another channel; past it the one that expires first is forgotten.
pub const RUNGS_MAX: usize = 64;
/// Addresses remembered from which messages came back.
pub const BOUNCED_MAX: usize = 16;
/// Bytes kept of what proves an answer.
pub const EVIDENCE_BYTES_MAX: usize = 256;

/// State of one customer. Vectors are thin because most are empty for most customers. It fills two
/// cache lines, where it is kept in large blocks; to ask for that alignment here would make the
/// allocator double them.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerState {
    /// Who.
    pub id: CustomerId,
    /// Position of the last input applied.
    pub applied: u64,
    /// Engine time of the last input applied; it never goes back.
    pub now: Timestamp,
    /// When the first input came.
    pub first_seen: Timestamp,
    /// When the latest event occurred, live or imported, at which the customer was there; when the
    /// first input came, until there is one.
    pub last_seen: Timestamp,
    /// Traits, sorted by slot.
    pub traits: ThinVec<(TraitSlot, Value)>,
    /// History, sorted by slot; a series without an entry is empty.
    pub series: ThinVec<(SeriesSlot, Series)>,
    /// Armed timers, sorted by due instant.
    pub timers: ThinVec<Timer>,
    /// What triggers remember, sorted by trigger and object.
    pub progress: ThinVec<Progress>,
    /// Contacts made, oldest first.
    pub ledger: ThinVec<Contact>,
    /// The last events and the last message ids.
    pub recent: Recent,
    /// What few customers have.
    pub rare: Apart,
}

/// What few customers have: kept apart, so that all others pay for it with one empty pointer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rare {
    /// Consent given and refused, one entry per purpose, channel and answer: a yes that a later no
    /// overrules stays as evidence.
    pub consents: ThinVec<Consent>,
    /// Whether the customer lets scores decide about what is written to them; `None` when nobody said.
    pub profiling: Option<Box<Profiling>>,
    /// Nothing but exempt purposes until then.
    pub paused_until: Option<Timestamp>,
    /// The channel tried first.
    pub preferred_channel: Option<ChannelSlot>,
    /// Outreaches that wait, in the order in which they were decided.
    pub waiting: ThinVec<Waiting>,
    /// Suppressions in force.
    pub freezes: ThinVec<Freeze>,
    /// Scores known, sorted by slot.
    pub scores: ThinVec<ScoreState>,
    /// What is known about challengers of models in force, one entry each.
    pub rivals: ThinVec<Rival>,
    /// The session that runs.
    pub session: Option<Box<Session>>,
    /// Addresses from which messages came back, the last ones, oldest first.
    pub bounced: ThinVec<Bounced>,
    /// Tasks about this customer, in the order in which they were opened.
    pub tasks: ThinVec<TaskState>,
    /// What the desk of a team knows, which is no customer.
    pub desk: Option<Box<Desk>>,
    /// When the customer last answered, if there was something to answer.
    pub answered_at: Option<Timestamp>,
    /// When the customer was last handed over because messages stayed without an answer.
    pub handed_over_at: Option<Timestamp>,
    /// Outreaches that may yet go to another channel, in the order in which they were decided.
    pub rungs: ThinVec<Rung>,
    /// How requests stand with what the customer shares with others; of a pool, what it knows.
    pub pools: Option<Box<Pools>>,
}

/// What nearly everybody has of it.
static NOTHING_RARE: Rare = Rare {
    consents: ThinVec::new(),
    profiling: None,
    paused_until: None,
    preferred_channel: None,
    waiting: ThinVec::new(),
    freezes: ThinVec::new(),
    scores: ThinVec::new(),
    rivals: ThinVec::new(),
    session: None,
    bounced: ThinVec::new(),
    tasks: ThinVec::new(),
    desk: None,
    answered_at: None,
    handed_over_at: None,
    rungs: ThinVec::new(),
    pools: None,
};

/// The rare part of a state. To change it makes it, so ask first whether there is something to
/// change.
#[derive(Clone, Default)]
pub struct Apart(Option<Box<Rare>>);

impl Deref for Apart {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.0.as_deref().unwrap_or(&NOTHING_RARE)
    }
}

impl DerefMut for Apart {
    fn deref_mut(&mut self) -> &mut Rare {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Apart {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Makes room for one more in a list that is short for most customers: a few places at a time,
/// because a million customers pay for each place that stays empty. Blocks grow by whole units of
/// the allocator, so that small entries do not move with each one that comes.
pub(super) fn spare_room<T>(list: &mut ThinVec<T>) {
    /// Bytes by which a block grows, and of those what the list itself takes.
    const UNIT: usize = 32;
    const HEAD: usize = 16;
    if list.len() == list.capacity() {
        let room = if list.is_empty() { UNIT - HEAD } else { UNIT };
        let places = (room / size_of::<T>().max(1)).max(list.len() / 4);
        list.reserve_exact(places.max(1));
    }
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// The purpose; `None` for all.
    pub purpose: Option<PurposeSlot>,
    /// The channel; `None` for all.
    pub channel: Option<ChannelSlot>,
    /// Yes or no.
    pub answer: Answer,
    /// When.
    pub at: Timestamp,
    /// Where it was given.
    pub source: Box<str>,
    /// What proves it (a form's version, the hash of an IP address, the id of a double opt-in), at most
    /// [`EVIDENCE_BYTES_MAX`] bytes.
    pub evidence: Option<Box<str>>,
}

/// What the customer said to being profiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiling {
    /// Yes or no.
    pub answer: Answer,
    /// When.
    pub at: Timestamp,
    /// Where it was said.
    pub source: Box<str>,
    /// What proves it, bounded as for [`Consent`].
    pub evidence: Option<Box<str>>,
}

/// What is kept of a text that proves an answer: its first bytes, up to whole characters.
pub fn bounded_evidence(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    let kept = text.get(..text.floor_char_boundary(EVIDENCE_BYTES_MAX)).unwrap_or_default();
    (!kept.is_empty()).then(|| kept.into())
}

/// What one trigger remembers of one customer (and, with `per`, of one object).
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The trigger.
    pub trigger: TriggerSlot,
    /// Hash of the object's value; 0 without `per`.
    pub object: u64,
    /// When it last acted (sent, task, or ghost): `once_per` counts from here.
    pub acted_at: Option<Timestamp>,
    /// Number of the next transition, for occurrences without an event id.
    pub transitions: u32,
    /// Whether a score trigger has fired and not yet re-armed.
    pub latch: Latch,
    /// Instants of `times:` hits; for a sequence, the latest start of each beginning reached; for
    /// dates, calendars and fan-outs, marks of the occurrences that were decided.
    pub hits: ThinVec<Timestamp>,
}

impl Progress {
    /// Nothing yet.
    pub fn new(trigger: TriggerSlot, object: u64) -> Self {
        Self {
            trigger,
            object,
            acted_at: None,
            transitions: 0,
            latch: Latch::Armed,
            hits: ThinVec::new(),
        }
    }
}

impl Cause {
    /// The hash under which state keeps its object; 0 when it has none.
    pub fn object_hash(&self) -> u64 {
        self.object.as_deref().map_or(0, stable_hash)
    }
}

/// Whether a line can be crossed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Latch {
    /// The next crossing fires.
    #[default]
    Armed,
    /// It fired and has not come back far enough.
    Fired,
}

/// A cause kept while something waits for its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// What made it the only one of its kind: part of the decision id.
    pub occurrence: Box<str>,
    /// When it occurred.
    pub at: Timestamp,
    /// The clause of `any:` that matched.
    pub clause: u8,
    /// The object (`per`), as text.
    pub object: Option<Box<str>>,
    /// The properties that templates and conditions may ask for.
    pub properties: ThinVec<(PropertySlot, Value)>,
}

/// A decided outreach that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The decision.
    pub id: DecisionId,
    /// The trigger.
    pub trigger: TriggerSlot,
    /// Its cause.
    pub cause: Box<Cause>,
    /// When it was first decided.
    pub decided_at: Timestamp,
    /// When it is decided again.
    pub release_at: Timestamp,
    /// After this it expires.
    pub expires_at: Timestamp,
    /// Why it waits.
    pub reason: Reason,
}

/// One decision of an outreach that goes from channel to channel, as long as another is left.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The decision that stands now.
    pub decision: DecisionId,
    /// The first decision of the outreach.
    pub first: DecisionId,
    /// How often it has gone on.
    pub number: u8,
    /// The trigger.
    pub trigger: TriggerSlot,
    /// Its cause.
    pub cause: Box<Cause>,
    /// When it was first decided, on the first channel.
    pub decided_at: Timestamp,
    /// After this it goes on no more.
    pub expires_at: Timestamp,
    /// The channel that was tried last.
    pub on: ChannelSlot,
    /// When the contact on it was made, if it stands though the outreach goes on: it was sent, and
    /// nothing was heard of it.
    pub stands: Option<Timestamp>,
    /// Channels that were not tried.
    pub left: ThinVec<ChannelSlot>,
}

/// A contact in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// When.
    pub at: Timestamp,
    /// The first eight bytes of the decision id.
    pub decision: u64,
    /// By which trigger.
    pub trigger: TriggerSlot,
    /// Its purpose, frozen when it was made; a task has none.
    pub purpose: Option<PurposeSlot>,
    /// On which channel.
    pub channel: ChannelSlot,
    /// Its tags, frozen when it was made.
    pub tags: u32,
    /// How it counts.
    pub kind: ContactKind,
    /// The most that was told of it later.
    pub told: Told,
}

/// An address that cannot be reached on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounced {
    /// On which channel.
    pub channel: ChannelSlot,
    /// Hash of the address: another address of the customer is another matter.
    pub address: u64,
    /// When it was told.
    pub at: Timestamp,
}

/// How a contact counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactKind {
    /// Decided to send; neither confirmed nor refused.
    Reserved,
    /// Accepted by the channel.
    Sent,
    /// It may have been sent: counts.
    Unknown,
    /// In a holdout: counts for other ghosts of the global holdout, never against real sends.
    Ghost,
    /// Decided while sending was off: counts only while it is off.
    DryRun,
}

/// One score of one customer.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreState {
    /// Which.
    pub score: ScoreSlot,
    /// The value now, rounded to 4 decimals before any comparison.
    pub value: f64,
    /// The value before the latest change.
    pub was: Option<f64>,
    /// When it changed.
    pub changed_at: Timestamp,
    /// Value at the end of each of the last 29 days (UTC), newest last, with the day number of
    /// the newest.
    pub daily: Option<Box<Daily>>,
}

/// A value for each of the last days.
#[derive(Clone, Debug, PartialEq)]
pub struct Daily {
    /// Days since the epoch of the newest entry.
    pub day: i32,
    /// Newest last; NaN is never stored, a day without a value repeats the one before.
    pub values: ThinVec<f32>,
}

/// The session that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its first event.
    pub started_at: Timestamp,
    /// Its last event.
    pub last_at: Timestamp,
    /// Events in it.
    pub events: u32,
}

impl CustomerState {
    /// A customer of whom nothing is known yet.
    pub fn new(id: CustomerId, at: Timestamp) -> Self {
        Self {
            id,
            applied: 0,
            now: at,
            first_seen: at,
            last_seen: at,
            traits: ThinVec::new(),
            series: ThinVec::new(),
            timers: ThinVec::new(),
            progress: ThinVec::new(),
            ledger: ThinVec::new(),
            recent: Recent::default(),
            rare: Apart::default(),
        }
    }

    /// A trait.
    pub fn trait_value(&self, slot: TraitSlot) -> Option<&Value> {
        let index = self.traits.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        self.traits.get(index).map(|(_, value)| value)
    }

    /// A history series.
    pub fn series(&self, slot: SeriesSlot) -> Option<&Series> {
        let index = self.series.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        self.series.get(index).map(|(_, series)| series)
    }

    /// A score.
    pub fn score(&self, slot: ScoreSlot) -> Option<&ScoreState> {
        self.rare.scores.iter().find(|state| state.score == slot)
    }

    /// What a trigger remembers of this customer and an object (0 without `per`).
    pub fn progress(&self, trigger: TriggerSlot, object: u64) -> Option<&Progress> {
        let index = self.find_progress(trigger, object).ok()?;
        self.progress.get(index)
    }

    /// The same, begun if there is none.
    pub fn progress_mut(&mut self, trigger: TriggerSlot, object: u64) -> &mut Progress {
        let index = match self.find_progress(trigger, object) {
            Ok(index) => index,
            Err(mut index) => {
                if OBJECTS_MAX <= self.progress.len()
                    && let Some(stalest) = self.stalest_object()
                {
                    self.progress.remove(stalest);
                    index -= usize::from(stalest < index);
                }
                spare_room(&mut self.progress);
                self.progress.insert(index, Progress::new(trigger, object));
                index
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or inserted just above")]
        &mut self.progress[index]
    }

    /// The object of which nothing was heard for the longest time.
    fn stalest_object(&self) -> Option<usize> {
        let objects = self.progress.iter().enumerate().filter(|(_, p)| p.object != 0);
        objects
            .min_by_key(|(_, progress)| progress.acted_at.max(progress.hits.last().copied()))
            .map(|(index, _)| index)
    }

    fn find_progress(&self, trigger: TriggerSlot, object: u64) -> Result<usize, usize> {
        self.progress.binary_search_by_key(&(trigger, object), |p| (p.trigger, p.object))
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|timer| timer.due)
    }

    /// A trait that is a text.
    pub fn text_trait(&self, slot: TraitSlot) -> Option<&str> {
        match self.trait_value(slot) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// The account that the customer belongs to. Some know their accounts by numbers.
    pub fn account(&self, slot: TraitSlot) -> Option<Cow<'_, str>> {
        match self.trait_value(slot)? {
            Value::Str(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
            Value::Num(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    /// What the experiment hashes for this customer.
    pub fn unit(&self, unit: super::catalog::Unit, account: TraitSlot) -> Arc<str> {
        let account = match unit {
            super::catalog::Unit::Account => self.account(account),
            super::catalog::Unit::Customer => None,
        };
        Arc::from(account.as_deref().unwrap_or(self.id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_fills_two_cache_lines() {
        assert_eq!(size_of::<CustomerState>(), 128);
    }

    #[test]
    fn an_account_may_be_a_number() {
        let of = |value| {
            let mut state = CustomerState::new(CustomerId::new("c"), Timestamp::MIN);
            state.traits.push((TraitSlot(3), value));
            state.account(TraitSlot(3)).map(Cow::into_owned)
        };
        assert_eq!(of(Value::Num(5.0)).as_deref(), Some("5"));
        assert_eq!(of(Value::Str("acme".into())).as_deref(), Some("acme"));
        assert_eq!((of(Value::Str("".into())), of(Value::Bool(true))), (None, None));
    }
}
