//! The log: the truth about what happened, one ordered sequence of entries per shard.

pub mod appender;
pub mod embedded;
pub mod fed;
pub mod memory;

use bytes::Bytes;

use crate::engine::time::Timestamp;

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As `decode::record` encodes it.
    Record,
    /// As its sender wrote it: an event of any shape, not judged yet.
    Line,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the shard, from 1, without gaps.
    pub position: u64,
    /// When it was appended: the engine time of its input. It never goes back within a shard.
    pub appended_at: Timestamp,
    /// How `record` is written.
    pub form: Form,
    /// What it holds.
    pub record: Bytes,
}

/// Records that go to one shard, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The shard.
    pub shard: u16,
    /// The encoded records.
    pub records: Vec<Bytes>,
}

/// What happened, to be read shard by shard. Implementations: the logs, and what others feed
/// ([`fed`]).
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Number of shards; fixed when the log is created.
    fn shards(&self) -> u16;

    /// Reads entries from a position on, at most so many bytes (at least one entry if there is one).
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error>;

    /// Position of the last entry that can be read; 0 when there is none.
    fn end(&self, shard: u16) -> u64;

    /// An instant, at most `now`, before which nothing more will be appended to the shard: every
    /// entry that becomes visible after this call has an `appended_at` at or after it.
    ///
    /// A worker that asks, then finds itself at [`Source::end`], may let timers due by then fire.
    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp;

    /// Reads, from a place on, what stands beside the sequence: a source that has it gives each
    /// entry a place of its own, and what an entry changes is committed together with its place.
    ///
    /// # Errors
    /// When it cannot be read.
    fn aside(&self, _shard: u16, _from: u64, _bytes_max: usize) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }

    /// Whether an owner who has applied everything up to these places has caught up with what was
    /// there when it began; `goal` is what [`Source::end`] said then.
    fn is_caught_up(&self, _shard: u16, position: u64, _aside: u64, goal: u64) -> bool {
        goal <= position
    }

    /// Whether it goes on taking events while the owners of its shards are away, and is read by
    /// others too: then being away is not being blind, and what is refused is told to them.
    fn is_shared(&self) -> bool {
        false
    }
}

/// About how many entries so many bytes are, when at most so many are left: for making room at
/// once, because a list that grows is fetched from the system anew at each step.
pub fn entries_about(bytes: usize, left: u64) -> usize {
    const BYTES_EACH: usize = 256;
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes / BYTES_EACH)
}

/// A log: a source that can be appended to. Implementations: embedded (in the store's directory),
/// in memory (tests).
pub trait Log: Source {
    /// Appends groups, all or none, and returns once they are durable: for each the positions of
    /// its first and its last record. An empty group gives the position of the end, twice.
    ///
    /// # Errors
    /// When they are not durable: nothing was acknowledged.
    fn append_groups(&self, groups: &[Group]) -> Result<Vec<(u64, u64)>, Error>;

    /// Appends records to one shard and returns once they are durable: positions of the first and
    /// the last. For many callers at once go through [`appender::Appender`], which shares flushes.
    ///
    /// # Errors
    /// When they are not durable: nothing was acknowledged.
    fn append(&self, shard: u16, records: &[Bytes]) -> Result<(u64, u64), Error> {
        let group = Group { shard, records: records.to_vec() };
        let positions = self.append_groups(std::slice::from_ref(&group))?;
        positions.first().copied().ok_or(Error::Closed)
    }
}

/// Why the log failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store below it failed; the process must stop, because what was synced is unknown.
    #[error("the log could not be written: {0}")]
    Storage(String),
    /// Too many appends wait already.
    #[error("the log is overloaded")]
    Overloaded,
    /// It cannot be reached now. What was given to it may come in all the same, or not.
    #[error("the log cannot be reached: {0}")]
    Away(String),
    /// It is being closed.
    #[error("the log is closed")]
    Closed,
    /// There is no such shard.
    #[error("the log has no shard {0}")]
    NoShard(u16),
    /// What is stored is not what was written.
    #[error("the log is damaged in shard {shard} near position {near}: {what}")]
    Damaged {
        /// The shard.
        shard: u16,
        /// A position close by.
        near: u64,
        /// What is wrong.
        what: &'static str,
    },
}
