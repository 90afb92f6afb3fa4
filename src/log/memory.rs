//! A log in memory for tests, with the faults that a disk can have.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Entry, Error, Form, Group, Log, Source};
use crate::clock;
use crate::engine::time::Timestamp;

/// A log in memory.
#[derive(Debug)]
pub struct Memory {
    clock: clock::Shared,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shards: Vec<Vec<Entry>>,
    // Floor under the next stamp of each shard: the last stamp, or a watermark given out.
    floors: Vec<Timestamp>,
    // How many entries of each shard a crash leaves.
    synced: Vec<usize>,
    sync: Sync,
    disk: Disk,
}

/// How the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Disk {
    #[default]
    Well,
    /// The next flush fails, and so does every one after it.
    Failing,
}

/// Whether appends reach the disk before they are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// They do, as promised.
    #[default]
    Always,
    /// A lying disk: only [`Memory::sync`] saves them from a crash.
    WhenAsked,
}

impl Memory {
    /// An empty log.
    pub fn new(shards: u16, clock: clock::Shared) -> Self {
        let count = usize::from(shards);
        let state = State {
            shards: vec![Vec::new(); count],
            floors: vec![Timestamp::MIN; count],
            synced: vec![0; count],
            ..State::default()
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// Chooses whether the disk keeps its promise.
    pub fn set_sync(&self, sync: Sync) {
        self.state().sync = sync;
    }

    /// Saves everything appended so far.
    pub fn sync(&self) {
        self.state().save();
    }

    /// The next append fails, and all after it, as on a disk whose flush failed.
    pub fn fail_next_append(&self) {
        self.state().disk = Disk::Failing;
    }

    /// The machine loses power and comes back: what was not synced is gone.
    pub fn crash(&self) {
        let mut state = self.state();
        let state = &mut *state;
        for (entries, synced) in state.shards.iter_mut().zip(&state.synced) {
            entries.truncate(*synced);
        }
        for (floor, entries) in state.floors.iter_mut().zip(&state.shards) {
            *floor = entries.last().map_or(Timestamp::MIN, |entry| entry.appended_at);
        }
        state.disk = Disk::Well;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn save(&mut self) {
        for (synced, entries) in self.synced.iter_mut().zip(&self.shards) {
            *synced = entries.len();
        }
    }

    fn append(&mut self, group: &Group, now: Timestamp) -> Option<(u64, u64)> {
        let entries = self.shards.get_mut(usize::from(group.shard))?;
        let floor = self.floors.get_mut(usize::from(group.shard))?;
        *floor = Timestamp::max(*floor, now);
        let end = u64::try_from(entries.len()).ok()?;
        for (position, record) in (end.saturating_add(1)..).zip(&group.records) {
            entries.push(Entry {
                position,
                appended_at: *floor,
                form: Form::Record,
                record: record.clone(),
                around: bytes::Bytes::new(),
            });
        }
        let last = u64::try_from(entries.len()).ok()?;
        Some((if group.records.is_empty() { end } else { end.saturating_add(1) }, last))
    }
}

impl Source for Memory {
    fn shards(&self) -> u16 {
        u16::try_from(self.state().shards.len()).unwrap_or(u16::MAX)
    }

    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let state = self.state();
        let entries = state.shards.get(usize::from(shard)).ok_or(Error::NoShard(shard))?;
        let skip = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        Ok(entries
            .iter()
            .skip(skip)
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.record.len().max(1);
                first || bytes <= bytes_max
            })
            .cloned()
            .collect())
    }

    fn end(&self, shard: u16) -> u64 {
        let state = self.state();
        let length = state.shards.get(usize::from(shard)).map_or(0, Vec::len);
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp {
        let mut state = self.state();
        let Some(floor) = state.floors.get_mut(usize::from(shard)) else {
            return Timestamp::MIN;
        };
        *floor = Timestamp::max(*floor, now);
        now
    }
}

impl Log for Memory {
    fn append_groups(&self, groups: &[Group]) -> Result<Vec<(u64, u64)>, Error> {
        let now = self.clock.now();
        let mut state = self.state();
        let shards = state.shards.len();
        if let Some(group) = groups.iter().find(|group| shards <= usize::from(group.shard)) {
            return Err(Error::NoShard(group.shard));
        }
        if state.disk == Disk::Failing {
            return Err(Error::Storage("the test asked for a failure".into()));
        }
        let positions = groups.iter().filter_map(|group| state.append(group, now)).collect();
        if state.sync == Sync::Always {
            state.save();
        }
        Ok(positions)
    }
}
