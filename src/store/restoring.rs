//! Takes in all that the changelog holds of a shard: of each customer's states the newest alone, as
//! one run in order, and everything else as it comes.
//!
//! States are nearly all of a changelog. Written one by one they would go through the journal and the
//! tables in memory, most of them only to be replaced by the next.

use std::collections::BTreeMap;

use super::changes::{Change, Kind};
use super::{Error, Store};
use crate::engine::id::CustomerId;

/// Changes other than states that are written in one batch.
const CHANGES_AT_ONCE: usize = 2_000;
/// Bytes of states held back, past which they are written. Their owner will hold as much in memory.
const STATES_BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Fewer states than these are written as any others.
const FEW: usize = 4_096;

/// A shard that is being taken in. What was not ended must be begun anew from the same place.
#[derive(Debug)]
pub struct Restoring<'s> {
    store: &'s Store,
    shard: u16,
    /// Up to where the changelog is in the store until this has ended.
    from: u64,
    waiting: Vec<Change>,
    states: BTreeMap<CustomerId, Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
    few: usize,
}

impl<'s> Restoring<'s> {
    /// Begins, where up to `from` everything is in the store.
    pub fn new(store: &'s Store, shard: u16, from: u64) -> Self {
        let (waiting, states) = (Vec::new(), BTreeMap::new());
        let (bytes_max, few) = (STATES_BYTES_MAX, FEW);
        Self { store, shard, from, waiting, states, bytes: 0, bytes_max, few }
    }

    /// Takes the next change.
    ///
    /// # Errors
    /// When a value is none, or the storage fails.
    pub fn take(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change { kind: Kind::Customer, value: Some(state), id, .. } => {
                self.bytes += state.len();
                if let Some(older) = self.states.insert(CustomerId::new(id), state) {
                    self.bytes -= older.len();
                }
            }
            other => {
                if other.is_erasure()
                    && let Some(state) = self.states.remove(&CustomerId::new(&other.id))
                {
                    self.bytes -= state.len();
                }
                self.waiting.push(other);
            }
        }
        if CHANGES_AT_ONCE <= self.waiting.len() {
            self.write_waiting()?;
        }
        if self.bytes_max <= self.bytes {
            self.write_states()?;
        }
        Ok(())
    }

    /// Writes what is left, and notes that the store has everything up to `next`.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn end(mut self, next: u64) -> Result<(), Error> {
        self.write_states()?;
        self.store.restore(self.shard, &[], next)
    }

    fn write_waiting(&mut self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.waiting);
        self.store.restore(self.shard, &waiting, self.from)
    }

    fn write_states(&mut self) -> Result<(), Error> {
        // An older erasure among them would take a state away that came later.
        self.write_waiting()?;
        let states = std::mem::take(&mut self.states);
        self.bytes = 0;
        if states.len() < self.few {
            let shard = self.shard;
            let change = |(id, state): (CustomerId, Vec<u8>)| Change {
                shard,
                kind: Kind::Customer,
                id: id.as_str().to_owned(),
                value: Some(state),
            };
            let changes: Vec<Change> = states.into_iter().map(change).collect();
            return self.store.restore(shard, &changes, self.from);
        }
        self.store.write_states(self.shard, |put| {
            states.iter().try_for_each(|(id, state)| put(id, state))
        })
    }
}

#[cfg(test)]
mod tests;
