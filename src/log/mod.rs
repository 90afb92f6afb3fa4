//! The log: the truth about what happened, one ordered sequence of entries per shard.

pub mod appender;
pub mod embedded;
pub mod memory;

use bytes::Bytes;

use crate::engine::time::Timestamp;

/// One entry, as `decode::record` encodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the shard, from 1, without gaps.
    pub position: u64,
    /// When it was appended: the engine time of its input. It never goes back within a shard.
    pub appended_at: Timestamp,
    /// The encoded record.
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

/// A log. Implementations: embedded (in the store's directory), in memory (tests).
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Number of shards; fixed when the log is created.
    fn shards(&self) -> u16;

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

    /// Reads entries from a position on, at most so many bytes (at least one entry if there is one).
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error>;

    /// Position of the last durable entry; 0 when there is none.
    fn end(&self, shard: u16) -> u64;

    /// An instant, at most `now`, before which nothing more will be appended to the shard: every
    /// entry that becomes visible after this call has an `appended_at` at or after it.
    ///
    /// A worker that asks, then finds itself at [`Log::end`], may let timers due by then fire.
    fn watermark(&self, shard: u16, now: Timestamp) -> Timestamp;
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
