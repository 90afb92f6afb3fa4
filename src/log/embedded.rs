//! The log in the store's own directory: one frame per shard and flush, under its first position.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Entry, Error, Form, Group, Log, Source};
use crate::clock;
use crate::engine::time::Timestamp;

/// A log kept in a keyspace of the store's database. Its flushes and the store's share a journal.
#[derive(Debug)]
pub struct Embedded {
    frames: Frames,
    clock: clock::Shared,
    // Taken for a whole append, so that positions are given out in the order of the flushes.
    writing: Mutex<()>,
    ends: Mutex<Vec<End>>,
}

/// First and last position of each group.
type Positions = Vec<(u64, u64)>;

/// Where a shard ends.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    position: u64,
    appended_at: Timestamp,
    /// Time stamped on a frame that is being flushed: its entries are not visible yet.
    in_flight: Option<Timestamp>,
}

/// The keyspace and its database.
struct Frames {
    db: Database,
    space: Keyspace,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

/// Name of the keyspace.
const KEYSPACE: &str = "log";
/// First byte of each frame: the version of its layout.
const FRAME_VERSION: u8 = 1;
/// Version, count, time.
const FRAME_HEADER_BYTES: usize = 1 + 4 + 8;

impl Embedded {
    /// Opens the log of a database, creating it when it is new.
    ///
    /// # Errors
    /// When the database fails, or the last frame of a shard cannot be read.
    pub fn open(db: &Database, shards: u16, clock: clock::Shared) -> Result<Self, Error> {
        let space = db.keyspace(KEYSPACE, KeyspaceCreateOptions::default).map_err(storage)?;
        let frames = Frames { db: db.clone(), space };
        let ends = (0..shards).map(|shard| frames.end(shard)).collect::<Result<_, _>>()?;
        Ok(Self { frames, clock, writing: Mutex::new(()), ends: Mutex::new(ends) })
    }

    /// Drops frames of a shard that lie wholly before a position and a time, oldest first, at most
    /// `frames_max` of them; says how many went. The last frame stays: it holds the position.
    ///
    /// # Errors
    /// When the database fails.
    pub fn trim(
        &self,
        shard: u16,
        before_position: u64,
        before: Timestamp,
        frames_max: usize,
    ) -> Result<usize, Error> {
        let mut batch = self.frames.db.batch();
        let range = key(shard, 0)..key(shard, self.end(shard));
        for guard in self.frames.space.range(range).take(frames_max) {
            let (found, value) = guard.into_inner().map_err(storage)?;
            let frame = Frame::read(shard, &found, &value)?;
            if before_position <= frame.last() || before <= frame.appended_at {
                break;
            }
            batch.remove(&self.frames.space, found);
        }
        let dropped = batch.len();
        batch.commit().map_err(storage)?;
        Ok(dropped)
    }

    fn ends(&self) -> MutexGuard<'_, Vec<End>> {
        // A panic elsewhere leaves only whole assignments behind.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out positions and times, and builds the frames: one per shard.
    fn stamp(&self, groups: &[Group]) -> Result<(Positions, Vec<Draft>), Error> {
        let now = self.clock.now();
        let mut ends = self.ends();
        let mut drafts: Vec<Draft> = Vec::new();
        let mut positions = Vec::with_capacity(groups.len());
        for group in groups {
            let end = ends.get(usize::from(group.shard)).ok_or(Error::NoShard(group.shard))?;
            let draft = match drafts.iter_mut().position(|draft| draft.shard == group.shard) {
                Some(index) => drafts.get_mut(index),
                None => {
                    drafts.push(Draft::new(group.shard, end, now.max(end.appended_at)));
                    drafts.last_mut()
                }
            };
            let draft = draft.ok_or(Error::NoShard(group.shard))?;
            positions.push(draft.add(&group.records)?);
        }
        drafts.retain(|draft| draft.count != 0);
        for draft in &drafts {
            if let Some(end) = ends.get_mut(usize::from(draft.shard)) {
                end.in_flight = Some(draft.appended_at);
            }
        }
        Ok((positions, drafts))
    }

    fn publish(&self, drafts: &[Draft], written: &Result<(), Error>) {
        let mut ends = self.ends();
        for draft in drafts {
            let Some(end) = ends.get_mut(usize::from(draft.shard)) else { continue };
            // After a failure nobody knows what is on disk: the watermark stays where it is.
            if written.is_ok() {
                end.in_flight = None;
                end.position = draft.last();
                end.appended_at = end.appended_at.max(draft.appended_at);
            }
        }
    }
}

impl Source for Embedded {
    fn shards(&self) -> u16 {
        u16::try_from(self.ends().len()).unwrap_or(u16::MAX)
    }

    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let end = self.end(shard);
        let mut entries = Vec::new();
        if end < from {
            return Ok(entries);
        }
        let mut bytes = 0;
        let first = self.frames.key_at_or_before(shard, from)?;
        for guard in self.frames.space.range(first..=key(shard, end)) {
            let (found, value) = guard.into_inner().map_err(storage)?;
            let frame = Frame::read(shard, &found, &value)?;
            let (first, count, at) = (frame.first, frame.count, frame.appended_at);
            let whole = Bytes::from_owner(value);
            let mut offset = FRAME_HEADER_BYTES;
            for position in first..first.saturating_add(u64::from(count)) {
                let record = record_at(&whole, &mut offset).ok_or(Error::Damaged {
                    shard,
                    near: position,
                    what: "a record is cut off",
                })?;
                if position < from || end < position {
                    continue;
                }
                bytes += record.len();
                if bytes_max < bytes && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(Entry { position, appended_at: at, form: Form::Record, record });
            }
        }
        Ok(entries)
    }

    fn end(&self, shard: u16) -> u64 {
        self.ends().get(usize::from(shard)).map_or(0, |end| end.position)
    }

    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp {
        let mut ends = self.ends();
        let Some(end) = ends.get_mut(usize::from(shard)) else { return Timestamp::MIN };
        match end.in_flight {
            Some(at) => at,
            None => {
                // Later appends are stamped at this instant or after it, whatever the clock does.
                end.appended_at = end.appended_at.max(now);
                now
            }
        }
    }
}

impl Log for Embedded {
    fn append_groups(&self, groups: &[Group]) -> Result<Vec<(u64, u64)>, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (positions, drafts) = self.stamp(groups)?;
        let written = self.frames.write(&drafts);
        self.publish(&drafts, &written);
        written.map(|()| positions)
    }
}

impl Frames {
    fn write(&self, drafts: &[Draft]) -> Result<(), Error> {
        if drafts.is_empty() {
            return Ok(());
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for draft in drafts {
            batch.insert(&self.space, key(draft.shard, draft.first), draft.bytes.as_slice());
        }
        batch.commit().map_err(storage)
    }

    fn end(&self, shard: u16) -> Result<End, Error> {
        let range = key(shard, 0)..=key(shard, u64::MAX);
        let Some(guard) = self.space.range(range).next_back() else { return Ok(End::default()) };
        let (found, value) = guard.into_inner().map_err(storage)?;
        let frame = Frame::read(shard, &found, &value)?;
        Ok(End { position: frame.last(), appended_at: frame.appended_at, in_flight: None })
    }

    /// The key of the frame that holds a position, or of the first one after it.
    fn key_at_or_before(&self, shard: u16, position: u64) -> Result<[u8; 10], Error> {
        let range = key(shard, 0)..=key(shard, position);
        let Some(guard) = self.space.range(range).next_back() else {
            return Ok(key(shard, position));
        };
        let found = guard.key().map_err(storage)?;
        position_of(&found).map(|first| key(shard, first)).ok_or(Error::Damaged {
            shard,
            near: position,
            what: "a key has the wrong length",
        })
    }
}

/// A frame that is being built.
#[derive(Debug)]
struct Draft {
    shard: u16,
    first: u64,
    count: u32,
    appended_at: Timestamp,
    bytes: Vec<u8>,
}

impl Draft {
    fn new(shard: u16, end: &End, appended_at: Timestamp) -> Self {
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES);
        bytes.push(FRAME_VERSION);
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&appended_at.as_millis().to_le_bytes());
        Self { shard, first: end.position.saturating_add(1), count: 0, appended_at, bytes }
    }

    fn add(&mut self, records: &[Bytes]) -> Result<(u64, u64), Error> {
        let first = self.last().saturating_add(u64::from(!records.is_empty()));
        for record in records {
            let length = u32::try_from(record.len())
                .map_err(|_| Error::Storage("a record is longer than 4 GiB".into()))?;
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(record);
            self.count = self.count.saturating_add(1);
        }
        if let Some(slot) = self.bytes.get_mut(1..5) {
            slot.copy_from_slice(&self.count.to_le_bytes());
        }
        Ok((first, self.last()))
    }

    fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }
}

/// The head of a frame that was read.
#[derive(Debug)]
struct Frame {
    first: u64,
    count: u32,
    appended_at: Timestamp,
}

impl Frame {
    fn read(shard: u16, key: &[u8], value: &[u8]) -> Result<Self, Error> {
        let first = position_of(key).unwrap_or(0);
        let damaged = |what| Error::Damaged { shard, near: first, what };
        let (version, rest) = value.split_first().ok_or(damaged("a frame is empty"))?;
        if *version != FRAME_VERSION || first == 0 {
            return Err(damaged("a frame is of an unknown version"));
        }
        let (count, rest) = rest.split_first_chunk().ok_or(damaged("a frame is cut off"))?;
        let (millis, _) = rest.split_first_chunk().ok_or(damaged("a frame is cut off"))?;
        let appended_at = Timestamp::from_millis(i64::from_le_bytes(*millis));
        Ok(Self { first, count: u32::from_le_bytes(*count), appended_at })
    }

    fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }
}

/// The record at an offset, which moves behind it.
fn record_at(whole: &Bytes, offset: &mut usize) -> Option<Bytes> {
    let length = u32::from_le_bytes(*whole.get(*offset..)?.first_chunk()?);
    let begin = offset.checked_add(4)?;
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    if whole.len() < end {
        return None;
    }
    *offset = end;
    Some(whole.slice(begin..end))
}

fn key(shard: u16, position: u64) -> [u8; 10] {
    let mut key = [0; 10];
    let (left, right) = key.split_at_mut(2);
    left.copy_from_slice(&shard.to_be_bytes());
    right.copy_from_slice(&position.to_be_bytes());
    key
}

fn position_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.get(2..)?.first_chunk()?))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in `map_err`")]
fn storage(error: fjall::Error) -> Error {
    Error::Storage(format!("{error:?}"))
}

#[cfg(test)]
mod tests;
