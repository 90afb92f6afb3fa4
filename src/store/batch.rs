//! What a worker hands over to become durable, and what it becomes once it is.

use serde::{Deserialize, Serialize};

use super::listed::{Listed, Listing};
use super::operations::StoredOperation;
use super::record::{DeadLetter, DecisionRecord, ExposureRecord, KnownSend, OutboxRow, TaskRecord};
use super::view::{Funnel, NamedScore};
use crate::engine::decision::{Errand, VerdictKind};
use crate::engine::id::{CustomerId, DecisionId, head_of};
use crate::engine::input::Told;
use crate::engine::input::{BlindGap, Outcome};
use crate::engine::operation::Operations;
use crate::engine::task::TaskTurn;
use crate::engine::time::{Span, Timestamp};

/// The outcome of some inputs of one shard: committed whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The shard.
    pub shard: u16,
    /// How far the shard has come with it.
    pub mark: Mark,
    /// States of the customers that changed.
    pub states: States,
    /// Customers to forget altogether.
    pub forgotten: Vec<CustomerId>,
    /// Rulings, in the order in which they were made.
    pub rulings: Vec<Ruled>,
    /// New sends.
    pub outbox: Vec<OutboxRow>,
    /// Sends whose outcome was heard: their rows go.
    pub settled: Vec<DecisionId>,
    /// By what providers know sends of which they tell more later.
    pub known: Vec<KnownSend>,
    /// Changes of the list of addresses that are not written to.
    pub listings: Vec<Listing>,
    /// The entries that they changed: the commit finds them.
    pub listed: Vec<Listed>,
    /// Sends to customers who are forgotten: the commit finds them, and their rows go with it.
    pub withdrawn: Vec<DecisionId>,
    /// New tasks.
    pub tasks: Vec<TaskRecord>,
    /// Changes of tasks, in the order in which they were made.
    pub turns: Vec<TaskTurn>,
    /// The tasks that they changed, as they then stand: the commit finds them.
    pub turned: Vec<TaskRecord>,
    /// What subjects have to tell others once this is durable.
    pub errands: Vec<Errand>,
    /// What customers did not want of triggers.
    pub unwanted: Vec<(String, Told)>,
    /// Units that were exposed to an arm.
    pub exposures: Vec<ExposureRecord>,
    /// Counts of the triggers that ruled.
    pub funnels: Vec<Funnel>,
    /// Outcomes of sends that were taken in, where others want to hear of them.
    pub outcomes: Vec<(CustomerId, Outcome, Timestamp)>,
    /// Scores of customers of whom one has changed, where others want to hear of them.
    pub scores: Vec<Scored>,
    /// Inputs that were refused, where the log is not the place to find them again.
    pub refused: Vec<RefusedInput>,
}

/// All scores of a customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Whose.
    pub customer: CustomerId,
    /// The scores.
    pub scores: Vec<NamedScore>,
    /// As of when.
    pub at: Timestamp,
}

/// An input that was refused, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedInput {
    /// Why, in words.
    pub letter: DeadLetter,
    /// Where it stands.
    pub position: u64,
    /// In what.
    pub stands: Stands,
    /// What it is.
    pub input: bytes::Bytes,
    /// What it came in, as the log's entry has it.
    pub around: bytes::Bytes,
}

/// Where an input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// In the log.
    InLog,
    /// Beside it.
    Beside,
}

/// How far a shard has come: where it goes on after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Position in the log up to which states hold everything: from behind it the log is read
    /// again. A state may be ahead of it, and says so itself.
    pub position: u64,
    /// Position of the last input applied: what it caused is committed.
    pub heard: u64,
    /// Up to when timers have fired.
    pub ticked: Timestamp,
    /// The clock, at the latest: the shard was alive then.
    pub wall: Timestamp,
    /// Revision of the catalog that the states are bound to.
    pub revision: String,
    /// Times in which the shard heard nothing.
    pub blind: Vec<BlindGap>,
    /// Place of the last input applied of those that stand beside the log.
    pub aside: u64,
    /// When the last input applied was appended.
    pub heard_at: Timestamp,
    /// How many shards there were: customers change theirs when it changes.
    pub shards: u16,
    /// The orders of operators that the shard knows.
    pub operations: Operations,
}

/// A ruling on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruled {
    /// Its decision.
    pub id: DecisionId,
    /// When it was ruled.
    pub at: Timestamp,
    /// The verdict that it replaces.
    pub replaces: Option<VerdictKind>,
    /// As it is kept. One that replaces another is completed from it by the commit.
    pub record: DecisionRecord,
}

/// Written states, one after the other in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    bytes: Vec<u8>,
    // Ends of id and state of each customer.
    ends: Vec<(usize, usize)>,
}

impl States {
    /// Adds one: `write` appends its bytes.
    ///
    /// # Errors
    /// What `write` says; nothing is added then.
    pub fn add<E>(
        &mut self,
        id: &CustomerId,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(id.as_str().as_bytes());
        let id_end = self.bytes.len();
        if let Err(error) = write(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.ends.push((id_end, self.bytes.len()));
        Ok(())
    }

    /// Makes room for so many more, of about so many bytes each.
    pub fn reserve(&mut self, count: usize, bytes_each: usize) {
        self.ends.reserve(count);
        self.bytes.reserve(count.saturating_mul(bytes_each));
    }

    /// Bytes of one with its id, on average; 0 when there are none.
    pub fn bytes_each(&self) -> usize {
        self.bytes.len().div_ceil(self.ends.len().max(1))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Ids and written states in order of the ids, about: what lies side by side in the store is
    /// written one after the other, while the way to it is still at hand.
    pub fn in_order(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut all: Vec<_> = self.iter().map(|each| (head_of(each.0.as_bytes()), each)).collect();
        all.sort_unstable_by_key(|(head, _)| *head);
        all.into_iter().map(|(_, each)| each)
    }

    /// Ids and written states.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut start = 0;
        self.ends.iter().filter_map(move |(id_end, end)| {
            let id = self.bytes.get(start..*id_end)?;
            let state = self.bytes.get(*id_end..*end)?;
            start = *end;
            Some((std::str::from_utf8(id).ok()?, state))
        })
    }

    /// Bytes that it has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Empties it, keeping its buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Batch {
    /// Whether anything in it must be on disk before it is acted upon. The rest can be worked out
    /// again from the log.
    pub fn must_be_flushed(&self) -> bool {
        !(self.rulings.is_empty()
            && self.outbox.is_empty()
            && self.tasks.is_empty()
            && self.turns.is_empty()
            && self.errands.is_empty()
            && self.unwanted.is_empty()
            && self.exposures.is_empty()
            && self.listings.is_empty()
            && self.forgotten.is_empty())
    }

    /// How many keys its commit writes, about.
    pub fn writes_about(&self) -> usize {
        /// A ruling has its record and two ways to it; a task has one.
        const EACH: usize = 3;
        let few = self.settled.len() + self.exposures.len() + self.funnels.len() + 1;
        self.states.len()
            + EACH * (self.rulings.len() + self.tasks.len() + self.turns.len())
            + self.outbox.len()
            + few
    }

    /// What follows from it once it is durable; `None` when nothing does.
    pub fn into_committed(self) -> Option<Committed> {
        let something = self.must_be_flushed() || !self.settled.is_empty();
        something.then(|| Committed {
            shard: self.shard,
            records: self.rulings.into_iter().map(|ruled| ruled.record).collect(),
            outbox: self.outbox,
            withdrawn: self.withdrawn,
            settled: self.settled,
            tasks: as_they_stand(self.tasks, self.turned),
            forgotten: self.forgotten,
            errands: self.errands,
            listed: self.listed,
            unwanted: self.unwanted,
        })
    }
}

/// New tasks and changed ones, each once.
fn as_they_stand(mut tasks: Vec<TaskRecord>, turned: Vec<TaskRecord>) -> Vec<TaskRecord> {
    for task in turned {
        match tasks.iter_mut().find(|known| known.id == task.id) {
            Some(known) => *known = task,
            None => tasks.push(task),
        }
    }
    tasks
}

/// What became durable and may now be acted upon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// The shard.
    pub shard: u16,
    /// Decisions made and changed, as they stand.
    pub records: Vec<DecisionRecord>,
    /// New sends.
    pub outbox: Vec<OutboxRow>,
    /// Sends to drop if they have not left.
    pub withdrawn: Vec<DecisionId>,
    /// Sends whose outcome was taken in: their rows are gone.
    pub settled: Vec<DecisionId>,
    /// Tasks made and changed, as they stand.
    pub tasks: Vec<TaskRecord>,
    /// Customers that were forgotten.
    pub forgotten: Vec<CustomerId>,
    /// What subjects have to tell others, by way of the log.
    pub errands: Vec<Errand>,
    /// Addresses that are not written to any more, or are again.
    pub listed: Vec<Listed>,
    /// What customers did not want of triggers.
    pub unwanted: Vec<(String, Told)>,
}

impl Mark {
    /// As the store keeps it.
    ///
    /// # Errors
    /// None that is known; the encoder's interface has one.
    pub fn to_bytes(&self) -> Result<Vec<u8>, super::Error> {
        super::commit::json(&StoredMark::from(self))
    }
}

/// A mark as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredMark {
    position: u64,
    #[serde(default)]
    heard: u64,
    ticked_ms: i64,
    wall_ms: i64,
    revision: String,
    #[serde(default)]
    blind_ms: Vec<(i64, i64)>,
    /// Those that were silences of the source, with how long nobody could tell.
    #[serde(default, skip_serializing_if = "is_default")]
    silent_ms: Vec<(i64, i64, i64)>,
    #[serde(default, skip_serializing_if = "is_default")]
    aside: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    heard_at_ms: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    shards: u16,
    #[serde(default, skip_serializing_if = "is_default")]
    operations: Vec<StoredOperation>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<&Mark> for StoredMark {
    fn from(mark: &Mark) -> Self {
        let (down, silent): (Vec<BlindGap>, Vec<BlindGap>) =
            mark.blind.iter().partition(|gap| gap.unsure == Span::ZERO);
        let times = |gap: &BlindGap| (gap.from.as_millis(), gap.to.as_millis());
        let silence = |gap: &BlindGap| {
            let (from, to) = times(gap);
            (from, to, gap.unsure.as_millis())
        };
        Self {
            position: mark.position,
            heard: mark.heard,
            ticked_ms: mark.ticked.as_millis(),
            wall_ms: mark.wall.as_millis(),
            revision: mark.revision.clone(),
            blind_ms: down.iter().map(times).collect(),
            silent_ms: silent.iter().map(silence).collect(),
            aside: mark.aside,
            heard_at_ms: mark.heard_at.as_millis(),
            shards: mark.shards,
            operations: super::operations::stored(&mark.operations),
        }
    }
}

impl From<StoredMark> for Mark {
    fn from(stored: StoredMark) -> Self {
        let at = Timestamp::from_millis;
        let down = stored.blind_ms.into_iter().map(|(from, to)| BlindGap::down(at(from), at(to)));
        let silent = stored.silent_ms.into_iter().map(|(from, to, unsure)| BlindGap {
            from: at(from),
            to: at(to),
            unsure: Span::from_millis(unsure),
        });
        Self {
            position: stored.position,
            heard: stored.heard.max(stored.position),
            ticked: at(stored.ticked_ms),
            wall: at(stored.wall_ms),
            revision: stored.revision,
            blind: down.chain(silent).collect(),
            aside: stored.aside,
            heard_at: at(stored.heard_at_ms),
            shards: stored.shards,
            operations: super::operations::restored(stored.operations),
        }
    }
}
