//! What a commit changes of the things that must survive the node it is made on: told, so that they
//! can be kept elsewhere too, and taken in again where the shard goes on.
//!
//! A store on one machine tells nobody, and pays nothing for it.

use fjall::{Keyspace, OwnedWriteBatch, UserKey, UserValue};

use super::record::DecisionRecord;

/// What kind of thing a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A customer's written state, by their id. Without a value: they were forgotten.
    Customer,
    /// A decision whose verdict may still be replaced, by its id. Without a value: it stands.
    Decision,
    /// A send that is not settled, by its decision's id.
    Outbox,
    /// A task, by its decision's id.
    Task,
    /// A message in the inbox of a customer's app, by the customer, a zero byte, and its decision's
    /// id.
    Message,
    /// An exposure, by unit, a zero byte, and experiment.
    Exposure,
    /// Counts of a trigger in the shard, by its name.
    Funnel,
    /// By what a provider knows a send, by channel, a zero byte, and name.
    Known,
    /// An address that is not written to, by channel, a zero byte, purpose, a zero byte, and its hash. Each
    /// shard has a copy of all that it was told of.
    Listed,
    /// How far the shard has come. There is one, without an id.
    Mark,
}

/// A change of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The shard that it belongs to.
    pub shard: u16,
    /// What kind of thing.
    pub kind: Kind,
    /// Which one.
    pub id: String,
    /// What it is from now on, as the store keeps it; `None` when it is gone.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// Whether a customer is forgotten with it.
    pub(super) fn is_erasure(&self) -> bool {
        self.kind == Kind::Customer && self.value.is_none()
    }
}

/// A batch of writes that can tell what it changes.
pub(super) struct Write {
    pub(super) batch: OwnedWriteBatch,
    told: Option<Vec<Change>>,
    shard: u16,
}

impl Write {
    /// One that tells nobody.
    pub(super) fn silent(batch: OwnedWriteBatch) -> Self {
        Self { batch, told: None, shard: 0 }
    }

    /// One that tells.
    pub(super) fn telling(batch: OwnedWriteBatch) -> Self {
        Self { batch, told: Some(Vec::new()), shard: 0 }
    }

    /// What follows is of this shard.
    pub(super) fn of_shard(&mut self, shard: u16) {
        self.shard = shard;
    }

    pub(super) fn insert(
        &mut self,
        space: &Keyspace,
        key: impl Into<UserKey>,
        value: impl Into<UserValue>,
    ) {
        self.batch.insert(space, key, value);
    }

    pub(super) fn remove(&mut self, space: &Keyspace, key: impl Into<UserKey>) {
        self.batch.remove(space, key);
    }

    /// Says what something is from now on.
    pub(super) fn tell(&mut self, kind: Kind, id: &str, value: Option<&[u8]>) {
        let shard = self.shard;
        if let Some(told) = &mut self.told {
            let value = value.map(<[u8]>::to_vec);
            told.push(Change { shard, kind, id: id.to_owned(), value });
        }
    }

    pub(super) fn told(&self) -> &[Change] {
        self.told.as_deref().unwrap_or_default()
    }
}

/// Whether a later ruling may replace what is on record.
pub(super) fn is_open(record: &DecisionRecord) -> bool {
    matches!(record.verdict.as_str(), "deferred" | "sent" | "unknown")
}
