//! The log in files of its own: every flush is one block for all shards at the end of the last
//! file, and costs one write and one flush of the disk, whatever the store is busy with.

mod block;
mod segment;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::{Entry, Error, Form, Group, Log, Source};
use crate::clock;
use crate::engine::time::{Span, Timestamp};
use block::{Draft, PREFIX_BYTES, Part};
use segment::{Segment, Stand};

/// A file of this size is full, and the next block begins another one.
const SEGMENT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
/// A file whose first block is older than this takes no more: only whole files can be dropped.
const SEGMENT_AGE_MAX: Span = Span::DAY;
/// Bytes of the latest blocks that stay in memory: whoever keeps up reads nothing from the disk.
const RECENT_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Buffers that wait to be filled again.
const SPARE_MAX: usize = 2;
/// What is read of a block at first: all of most of them.
const LOOK_BYTES: usize = 16 * 1_024;

/// A log in a folder.
#[derive(Debug)]
pub struct Embedded {
    dir: PathBuf,
    clock: clock::Shared,
    // Taken for a whole append, so that positions are given out in the order of the flushes.
    writing: Mutex<Writing>,
    ends: Mutex<Vec<End>>,
    files: Mutex<Files>,
    // One for each shard: reading goes on where it was left.
    cursors: Vec<Mutex<Cursor>>,
    /// What lies before it was not written by this process, and is checked when it is read.
    opened: Place,
}

/// First and last position of each group.
type Positions = Vec<(u64, u64)>;

/// Where a shard ends.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    stand: Stand,
    /// Time stamped on a block that is being flushed: its entries are not visible yet.
    in_flight: Option<Timestamp>,
}

/// A place between two blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: u64,
    at: u64,
}

/// The last file, as its writer knows it.
#[derive(Debug)]
struct Writing {
    last: Arc<Segment>,
    begun: Option<Timestamp>,
}

/// All files by number, and the end of what is durable.
#[derive(Debug)]
struct Files {
    by_number: BTreeMap<u64, Arc<Segment>>,
    end: Place,
    recent: Recent,
}

/// The latest blocks, in the order of their places.
#[derive(Debug, Default)]
struct Recent {
    blocks: VecDeque<(Place, Kept)>,
    bytes: usize,
    /// Buffers of blocks that went, to be filled again: memory that was never used is dear.
    spare: Vec<BytesMut>,
}

/// A block in the buffer in which it was written.
#[derive(Debug)]
struct Kept {
    buffer: Bytes,
    from: usize,
}

impl Recent {
    fn put(&mut self, place: Place, block: Kept) {
        self.bytes = self.bytes.saturating_add(block.buffer.len());
        self.blocks.push_back((place, block));
        // The latest always stays, however large.
        while RECENT_BYTES_MAX < self.bytes
            && 1 < self.blocks.len()
            && let Some((_, gone)) = self.blocks.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(gone.buffer.len());
            if self.spare.len() < SPARE_MAX {
                // Some reader may still have it.
                self.spare.extend(gone.buffer.try_into_mut().ok());
            }
        }
    }

    fn find(&self, place: Place) -> Option<Bytes> {
        let index = self.blocks.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.blocks.get(index).map(|(_, block)| block.buffer.slice(block.from..))
    }
}

/// Where the reading of a shard goes on.
#[derive(Debug, Default)]
struct Cursor {
    /// The position that comes next; 0 when nothing is known.
    next: u64,
    appended_at: Timestamp,
    /// What was read and not yet given out.
    rest: Bytes,
    /// The next block.
    place: Place,
}

impl Embedded {
    /// Opens the log in a folder, creating it when there is none.
    ///
    /// # Errors
    /// When the disk fails, or what is there is not what was written.
    pub fn open(dir: &Path, shards: u16, clock: clock::Shared) -> Result<Self, Error> {
        let shards = usize::from(shards);
        let mut by_number = BTreeMap::new();
        let numbers = segment::numbers(dir)?;
        for number in &numbers {
            match Segment::open(dir, *number, shards)? {
                Some(segment) => {
                    by_number.insert(*number, Arc::new(segment));
                }
                // Nothing is written to a file before its head is durable.
                None if Some(number) == numbers.last() => segment::discard(dir, *number)?,
                None => return Err(damaged(0, 0, "a file of the log has no head")),
            }
        }
        if by_number.is_empty() {
            let first = Segment::create(dir, 1, &vec![Stand::default(); shards])?;
            by_number.insert(1, Arc::new(first));
        }
        let (number, last) = by_number.last_key_value().ok_or(Error::Closed)?;
        let (stands, end, begun) = recover(last)?;
        let end = Place { file: *number, at: end };
        let ends = stands.into_iter().map(|stand| End { stand, in_flight: None }).collect();
        Ok(Self {
            dir: dir.to_owned(),
            clock,
            writing: Mutex::new(Writing { last: Arc::clone(last), begun }),
            ends: Mutex::new(ends),
            files: Mutex::new(Files { by_number, end, recent: Recent::default() }),
            cursors: (0..shards).map(|_| Mutex::default()).collect(),
            opened: end,
        })
    }

    /// Drops the oldest files of which every shard has applied everything and whose entries are
    /// all older than a time; `applied` holds a position for each shard. Says how many went. Where
    /// the log stands, is kept.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn trim(&self, applied: &[u64], before: Timestamp) -> Result<usize, Error> {
        let is_over = |stands: &[Stand]| {
            let older = stands.iter().all(|stand| stand.appended_at < before);
            older && stands.iter().zip(applied).all(|(stand, done)| stand.position <= *done)
        };
        self.retire(is_over)?;
        let mut gone = Vec::new();
        {
            let mut files = lock(&self.files);
            while let Some((_, next)) = files.by_number.iter().nth(1)
                && is_over(&next.starts)
            {
                gone.extend(files.by_number.pop_first());
            }
        }
        for (_, segment) in &gone {
            segment.remove()?;
        }
        if !gone.is_empty() {
            segment::sync_dir(&self.dir)?;
        }
        Ok(gone.len())
    }

    /// Begins another file when all of the last one is over: otherwise a log that hears nothing
    /// more would keep it for good.
    fn retire(&self, is_over: impl Fn(&[Stand]) -> bool) -> Result<(), Error> {
        let mut writing = lock(&self.writing);
        if writing.begun.is_some() && is_over(&self.stands()) {
            self.begin_file(&mut writing)?;
        }
        Ok(())
    }

    fn stands(&self) -> Vec<Stand> {
        lock(&self.ends).iter().map(|end| end.stand).collect()
    }

    fn begin_file(&self, writing: &mut Writing) -> Result<(), Error> {
        let number = lock(&self.files).end.file.saturating_add(1);
        let segment = Arc::new(Segment::create(&self.dir, number, &self.stands())?);
        writing.last = Arc::clone(&segment);
        writing.begun = None;
        let mut files = lock(&self.files);
        files.end = Place { file: number, at: segment.head_bytes() };
        files.by_number.insert(number, segment);
        Ok(())
    }

    /// Gives out positions and times: one draft for each shard.
    fn stamp(&self, groups: &[Group]) -> Result<(Positions, Vec<Draft>), Error> {
        let now = self.clock.now();
        let mut ends = lock(&self.ends);
        let mut drafts: Vec<Draft> = Vec::new();
        let mut positions = Vec::with_capacity(groups.len());
        for group in groups {
            let end = ends.get(usize::from(group.shard)).ok_or(Error::NoShard(group.shard))?;
            let draft = match drafts.iter_mut().position(|draft| draft.shard == group.shard) {
                Some(index) => drafts.get_mut(index),
                None => {
                    let at = now.max(end.stand.appended_at);
                    drafts.push(Draft::new(group.shard, end.stand.position, at));
                    drafts.last_mut()
                }
            };
            let draft = draft.ok_or(Error::NoShard(group.shard))?;
            positions.push(draft.add(&group.records));
        }
        drafts.retain(|draft| draft.count != 0);
        for draft in &drafts {
            if let Some(end) = ends.get_mut(usize::from(draft.shard)) {
                end.in_flight = Some(draft.appended_at);
            }
        }
        Ok((positions, drafts))
    }

    fn write(&self, writing: &mut Writing, drafts: &[Draft]) -> Result<(), Error> {
        let Some(at) = drafts.iter().map(|draft| draft.appended_at).max() else { return Ok(()) };
        let is_old = writing.begun.is_some_and(|begun| SEGMENT_AGE_MAX < at - begun);
        if is_old || SEGMENT_BYTES_MAX <= lock(&self.files).end.at {
            self.begin_file(writing)?;
        }
        let (place, spare) = {
            let mut files = lock(&self.files);
            (files.end, files.recent.spare.pop())
        };
        let mut buffer = spare.unwrap_or_default();
        let from = block::write(drafts, writing.last.aligned, &mut buffer)?;
        let block = buffer.get(from..).unwrap_or_default();
        writing.last.append(place.at, block)?;
        writing.begun.get_or_insert(at);
        let end = place.at.saturating_add(block.len() as u64);
        let mut files = lock(&self.files);
        files.end.at = end;
        files.recent.put(place, Kept { buffer: buffer.freeze(), from });
        Ok(())
    }

    fn publish(&self, drafts: &[Draft], written: &Result<(), Error>) {
        let mut ends = lock(&self.ends);
        for draft in drafts {
            let Some(end) = ends.get_mut(usize::from(draft.shard)) else { continue };
            // After a failure nobody knows what is on disk: the watermark stays where it is.
            if written.is_ok() {
                end.in_flight = None;
                end.stand.position = draft.last();
                end.stand.appended_at = end.stand.appended_at.max(draft.appended_at);
            }
        }
    }

    /// Where to begin to look for a position.
    fn place_of(&self, shard: u16, position: u64) -> Place {
        let files = lock(&self.files);
        let holds = |segment: &&Arc<Segment>| {
            let start = segment.starts.get(usize::from(shard));
            start.is_some_and(|start| start.position < position)
        };
        let found = files.by_number.iter().rev().find(|(_, segment)| holds(segment));
        let found = found.or_else(|| files.by_number.first_key_value());
        found.map_or(files.end, |(number, segment)| Place {
            file: *number,
            at: segment.head_bytes(),
        })
    }

    /// The file of a place, or of the first place after it; `None` at the end of what is durable.
    fn file_at(&self, place: &mut Place) -> Result<Option<Arc<Segment>>, Error> {
        let files = lock(&self.files);
        loop {
            if files.end <= *place {
                return Ok(None);
            }
            let found = files.by_number.get(&place.file);
            if place.file == files.end.file {
                return Ok(found.cloned());
            }
            if let Some(found) = found
                && place.at < found.bytes()?
            {
                return Ok(Some(Arc::clone(found)));
            }
            // It has come to its end, or it was dropped.
            let next = files.by_number.range(place.file.saturating_add(1)..).next();
            let Some((number, next)) = next else { return Ok(None) };
            *place = Place { file: *number, at: next.head_bytes() };
        }
    }

    /// Reads the next block that has something for a shard at or behind a position.
    fn advance(&self, cursor: &mut Cursor, shard: u16, from: u64) -> Result<Found, Error> {
        while let Some(file) = self.file_at(&mut cursor.place)? {
            let at = cursor.place.at;
            let recent = lock(&self.files).recent.find(cursor.place);
            let mut bytes = match recent {
                Some(block) => block,
                None => Bytes::from(file.read(at, LOOK_BYTES)?),
            };
            let torn = || damaged(shard, from, "a block is cut off");
            let (length, sum) = block::prefix(&bytes).ok_or_else(torn)?;
            let all = PREFIX_BYTES.saturating_add(length);
            if bytes.len() < all {
                bytes = Bytes::from(file.read(at, all)?);
            }
            if bytes.len() < all {
                return Err(torn());
            }
            let block = bytes.slice(PREFIX_BYTES..all);
            if cursor.place < self.opened && block::sum(&block) != sum {
                return Err(damaged(shard, from, "a block is not what was written"));
            }
            cursor.place.at = at.saturating_add(block::padded(length, file.aligned) as u64);
            let parts = block::parts(&block)
                .ok_or_else(|| damaged(shard, from, "a block is of an unknown version"))?;
            let part = parts.iter().find(|part| part.shard == shard && from <= part.last());
            if let Some(part) = part {
                cursor.next = part.first;
                cursor.appended_at = part.appended_at;
                cursor.rest = block.slice(part.from..part.to);
                return Ok(Found::Some);
            }
        }
        Ok(Found::Nothing)
    }
}

/// Whether there was something more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Some,
    Nothing,
}

impl Source for Embedded {
    fn shards(&self) -> u16 {
        u16::try_from(self.cursors.len()).unwrap_or(u16::MAX)
    }

    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let end = self.end(shard);
        let from = from.max(1);
        let Some(cursor) = self.cursors.get(usize::from(shard)) else { return Ok(Vec::new()) };
        if end < from {
            return Ok(Vec::new());
        }
        let mut entries = Vec::with_capacity(super::entries_about(bytes_max, end - from + 1));
        let mut cursor = lock(cursor);
        if cursor.next != from {
            *cursor = Cursor { place: self.place_of(shard, from), ..Cursor::default() };
        }
        let mut bytes = 0;
        while entries.is_empty() || cursor.next <= end {
            let Some((record, rest)) = block::record(&cursor.rest) else {
                if !cursor.rest.is_empty() {
                    return Err(damaged(shard, cursor.next, "a record is cut off"));
                }
                if self.advance(&mut cursor, shard, from)? == Found::Nothing {
                    break;
                }
                continue;
            };
            if from <= cursor.next {
                bytes += record.len();
                if (bytes_max < bytes && !entries.is_empty()) || end < cursor.next {
                    break;
                }
                let (position, appended_at) = (cursor.next, cursor.appended_at);
                entries.push(Entry { position, appended_at, form: Form::Record, record });
            }
            cursor.rest = rest;
            cursor.next = cursor.next.saturating_add(1);
        }
        Ok(entries)
    }

    fn end(&self, shard: u16) -> u64 {
        lock(&self.ends).get(usize::from(shard)).map_or(0, |end| end.stand.position)
    }

    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp {
        let mut ends = lock(&self.ends);
        let Some(end) = ends.get_mut(usize::from(shard)) else { return Timestamp::MIN };
        match end.in_flight {
            Some(at) => at,
            None => {
                // Later appends are stamped at this instant or after it, whatever the clock does.
                end.stand.appended_at = end.stand.appended_at.max(now);
                now
            }
        }
    }
}

impl Log for Embedded {
    fn append_groups(&self, groups: &[Group]) -> Result<Vec<(u64, u64)>, Error> {
        let mut writing = lock(&self.writing);
        let (positions, drafts) = self.stamp(groups)?;
        let written = self.write(&mut writing, &drafts);
        self.publish(&drafts, &written);
        written.map(|()| positions)
    }
}

/// Reads the last file: where the shards stand behind it, where it ends, and when its first block
/// was appended. What a crash left half written is cut off: nobody was told that it is there.
fn recover(last: &Segment) -> Result<(Vec<Stand>, u64, Option<Timestamp>), Error> {
    let mut stands = last.starts.clone();
    let (mut at, bytes) = (last.head_bytes(), last.bytes()?);
    let mut begun = None;
    while at < bytes {
        let Some((parts, length)) = whole_block(last, at)? else {
            if let Some((length, _)) = block::prefix(&last.read(at, PREFIX_BYTES)?)
                && let next = at.saturating_add(block::padded(length, last.aligned) as u64)
                && whole_block(last, next)?.is_some()
            {
                return Err(damaged(0, 0, "a block in the middle is not what was written"));
            }
            last.cut(at)?;
            break;
        };
        for part in parts {
            let place =
                stands.get_mut(usize::from(part.shard)).ok_or(Error::NoShard(part.shard))?;
            *place = Stand { position: part.last(), appended_at: part.appended_at };
            begun.get_or_insert(part.appended_at);
        }
        at = at.saturating_add(length);
    }
    Ok((stands, at, begun))
}

/// The parts of the block at a place, and its length; `None` when there is no whole block.
fn whole_block(file: &Segment, at: u64) -> Result<Option<(Vec<Part>, u64)>, Error> {
    let Some((length, sum)) = block::prefix(&file.read(at, PREFIX_BYTES)?) else {
        return Ok(None);
    };
    let all = block::padded(length, file.aligned) as u64;
    if file.bytes()? < at.saturating_add(all) {
        return Ok(None);
    }
    let block = file.read(at.saturating_add(PREFIX_BYTES as u64), length)?;
    if block.len() < length || block::sum(&block) != sum {
        return Ok(None);
    }
    Ok(block::parts(&block).map(|parts| (parts, all)))
}

fn damaged(shard: u16, near: u64, what: &'static str) -> Error {
    Error::Damaged { shard, near, what }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves only whole assignments behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
