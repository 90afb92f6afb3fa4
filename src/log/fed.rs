//! A source that somebody else feeds: what was read elsewhere, kept in memory until the owners of
//! the shards take it.
//!
//! Whoever feeds it looks at [`Fed::bytes`] and stops while a shard has more than enough.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Entry, Error, Source};
use crate::engine::time::{Span, Timestamp};

/// Clocks of brokers and of this machine may differ by so much without a timer firing before an
/// event that was there first.
const CLOCK_ALLOWANCE: Span = Span::from_millis(2_000);

/// Queues of entries, one pair for each shard.
#[derive(Debug)]
pub struct Fed {
    shards: Vec<Mutex<Shard>>,
}

/// Entries that wait, in their order.
#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Shard {
    events: Queue,
    aside: Queue,
    /// Position of the last entry fed.
    end: u64,
    /// When it was appended.
    appended_at: Timestamp,
    /// The last instant at which nothing else was to be read; `None` while there may be more.
    heard_all_at: Option<Timestamp>,
    /// Where the events, and what stands beside them, ended when the owner began.
    goals: (u64, u64),
    /// Nothing came since whoever feeds it met the end.
    is_at_end: bool,
}

impl Fed {
    /// Empty queues.
    pub fn new(shards: u16) -> Self {
        Self { shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Empties a shard's queues for an owner who begins behind a position. `goals` say where the
    /// events, and what stands beside them, end by now.
    pub fn begin(&self, shard: u16, position: u64, goals: (u64, u64)) {
        if let Some(mut shard) = self.shard(shard) {
            *shard = Shard { end: position, goals, ..Shard::default() };
        }
    }

    /// Adds an event. Its time never lies before that of the one before it.
    pub fn feed(&self, shard: u16, mut entry: Entry) {
        let Some(mut shard) = self.shard(shard) else { return };
        entry.appended_at = entry.appended_at.max(shard.appended_at);
        shard.appended_at = entry.appended_at;
        shard.end = entry.position;
        shard.heard_all_at = None;
        shard.is_at_end = false;
        shard.events.push(entry);
    }

    /// Whoever feeds it has met the end, and fed everything before it.
    pub fn meet_end(&self, shard: u16) {
        if let Some(mut shard) = self.shard(shard) {
            shard.is_at_end = true;
        }
    }

    /// Whether the end was met, and nothing came since.
    pub fn is_at_end(&self, shard: u16) -> bool {
        self.shard(shard).is_some_and(|shard| shard.is_at_end)
    }

    /// Adds something that stands beside the events.
    pub fn feed_aside(&self, shard: u16, entry: Entry) {
        let Some(mut shard) = self.shard(shard) else { return };
        shard.aside.push(entry);
    }

    /// Nothing else was to be read at that instant.
    pub fn heard_all(&self, shard: u16, at: Timestamp) {
        if let Some(mut shard) = self.shard(shard) {
            shard.heard_all_at = shard.heard_all_at.max(Some(at));
        }
    }

    /// Bytes that wait: of the events, and of what stands beside them. Each is to be bounded by
    /// itself: an owner may want all of the one before it takes any of the other.
    pub fn bytes(&self, shard: u16) -> (usize, usize) {
        self.shard(shard).map_or((0, 0), |shard| (shard.events.bytes, shard.aside.bytes))
    }

    fn shard(&self, shard: u16) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(usize::from(shard))?;
        // No panic can leave it half changed.
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source for Fed {
    fn shards(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }

    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let mut shard = self.shard(shard).ok_or(Error::NoShard(shard))?;
        Ok(shard.events.take(from, bytes_max))
    }

    fn end(&self, shard: u16) -> u64 {
        self.shard(shard).map_or(0, |shard| shard.end)
    }

    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp {
        let Some(shard) = self.shard(shard) else { return Timestamp::MIN };
        match shard.heard_all_at {
            Some(at) => shard.appended_at.max(at - CLOCK_ALLOWANCE).min(now),
            None => shard.appended_at.min(now),
        }
    }

    fn aside(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let mut shard = self.shard(shard).ok_or(Error::NoShard(shard))?;
        Ok(shard.aside.take(from, bytes_max))
    }

    fn is_caught_up(&self, shard: u16, position: u64, aside: u64, _goal: u64) -> bool {
        self.shard(shard).is_some_and(|shard| {
            let (goal, aside_goal) = shard.goals;
            // The last places of a log may hold nothing that is for us: then no position gets there.
            let heard_all = shard.heard_all_at.is_some() && shard.end <= position;
            (goal <= position || heard_all) && aside_goal <= aside
        })
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl Queue {
    fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.entries.push_back(entry);
    }

    /// Takes entries out, from a position on. What lies before it was taken already.
    fn take(&mut self, from: u64, bytes_max: usize) -> Vec<Entry> {
        let (mut taken, mut sum) = (Vec::new(), 0_usize);
        while let Some(entry) = self.entries.front() {
            let length = entry.bytes();
            if bytes_max < sum.saturating_add(length) && !taken.is_empty() {
                break;
            }
            self.bytes = self.bytes.saturating_sub(length);
            let Some(entry) = self.entries.pop_front() else { break };
            if from <= entry.position {
                sum += length;
                taken.push(entry);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Form;
    use super::*;

    fn entry(position: u64, millis: i64) -> Entry {
        Entry {
            position,
            appended_at: Timestamp::from_millis(millis),
            form: Form::Line,
            record: Bytes::from_static(b"01234567"),
            around: Bytes::from_static(b"89"),
        }
    }

    #[test]
    fn entries_are_given_once_in_order_and_bounded() {
        let fed = Fed::new(2);
        (1..=5).for_each(|position| fed.feed(1, entry(position, 1_000)));
        assert_eq!((fed.bytes(0), fed.bytes(1), fed.end(1)), ((0, 0), (50, 0), 5));
        let positions =
            |entries: Vec<Entry>| entries.iter().map(|e| e.position).collect::<Vec<_>>();
        assert_eq!(positions(fed.read(1, 2, 25).unwrap()), [2, 3]);
        assert_eq!(positions(fed.read(1, 4, 1).unwrap()), [4]);
        assert_eq!(fed.bytes(1), (10, 0));
        fed.begin(1, 2, (0, 0));
        assert_eq!((fed.bytes(1), fed.end(1)), ((0, 0), 2));
        assert!(fed.read(2, 1, 1).is_err());
    }

    #[test]
    fn time_never_goes_back_and_stands_still_until_everything_was_heard() {
        let fed = Fed::new(1);
        let at = Timestamp::from_millis;
        fed.feed(0, entry(1, 10_000));
        fed.feed(0, entry(2, 9_000));
        let times: Vec<_> = fed.read(0, 1, 100).unwrap().iter().map(|e| e.appended_at).collect();
        assert_eq!(times, [at(10_000), at(10_000)]);
        assert_eq!(fed.watermark(0, at(60_000)), at(10_000));
        fed.heard_all(0, at(50_000));
        assert_eq!(fed.watermark(0, at(60_000)), at(48_000));
        assert_eq!(fed.watermark(0, at(20_000)), at(20_000));
        fed.feed(0, entry(3, 49_000));
        assert_eq!(fed.watermark(0, at(60_000)), at(49_000));
    }

    #[test]
    fn what_stands_beside_has_places_of_its_own() {
        let fed = Fed::new(1);
        fed.feed(0, entry(7, 0));
        fed.feed_aside(0, entry(1, 0));
        fed.feed_aside(0, entry(2, 0));
        assert_eq!(fed.aside(0, 2, 100).unwrap().len(), 1);
        assert_eq!((fed.end(0), fed.bytes(0)), (7, (10, 0)));
    }

    #[test]
    fn an_owner_has_caught_up_when_everything_was_heard_and_applied() {
        let fed = Fed::new(1);
        fed.begin(0, 3, (9, 2));
        let caught_up = |position, aside| fed.is_caught_up(0, position, aside, 0);
        assert!(!caught_up(3, 2));
        fed.feed(0, entry(4, 0));
        fed.heard_all(0, Timestamp::from_millis(1));
        assert!(caught_up(4, 2) && !caught_up(3, 2) && !caught_up(4, 1));
        fed.feed(0, entry(9, 0));
        assert!(caught_up(9, 2) && !caught_up(8, 2));
    }
}
