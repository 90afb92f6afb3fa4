//! The log: the truth about what happened, one ordered sequence of entries per shard.

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

/// A log. Implementations: embedded (in the store's directory), in memory (tests).
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Number of shards; fixed when the log is created.
    fn shards(&self) -> u16;

    /// Appends records to one shard and returns once they are durable: positions of the first and
    /// the last. Concurrent appends share one flush (group commit).
    ///
    /// # Errors
    /// When they are not durable: nothing was acknowledged, the caller may try again.
    fn append(&self, shard: u16, records: &[Bytes]) -> Result<(u64, u64), Error>;

    /// Reads entries from a position on, at most so many bytes (at least one entry if there is one).
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read(&self, shard: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, Error>;

    /// Position of the last durable entry; 0 when there is none.
    fn end(&self, shard: u16) -> u64;
}

/// Why the log failed.
#[derive(Debug, thiserror::Error)]
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
}
