//! A node among others: it owns the shards that Kafka gives it, and keeps what they decide where the
//! next owner finds it.
//!
//! Reading order: [`node`] (the one thread that talks to Kafka), `member` (shards come and go),
//! `owner` (how a shard is restored), `feed` (how its events reach it), `commit` (how what it decides
//! is kept), [`watch`] (where the topics end, and who has the other shards), [`door`] (how events and
//! outcomes are appended).

mod arena;
mod commit;
pub mod door;
pub mod entry;
mod feed;
mod member;
pub mod migrate;
pub mod node;
mod original;
pub mod output;
mod owner;
pub mod shards;
pub mod side;
pub mod sources;
mod told;
pub mod watch;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::engine::catalog::Catalog;
use crate::{kafka, store, worker};

/// Gives the catalog in force.
pub type Catalogs = Arc<dyn Fn() -> Arc<Catalog> + Send + Sync>;

/// What a thread of ours does.
pub type Work = Box<dyn FnOnce() -> Result<(), Error> + Send>;

/// Starts a thread whose failure ends the service.
pub type Spawn = Arc<dyn Fn(&str, Work) -> io::Result<JoinHandle<()>> + Send + Sync>;

/// Why a node must end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The owner of a shard failed.
    #[error(transparent)]
    Worker(#[from] worker::thread::Error),
    /// What is in Kafka and what was applied do not belong together.
    #[error("kafka: {0}")]
    Refused(String),
    /// Another node took over what this one held.
    #[error("kafka: another node has taken over, so this one ends: {0}")]
    TakenOver(String),
    /// The thread that talks to Kafka does not come back.
    #[error("the node has not polled its group for {} s, and is out of it by now", .0.as_secs())]
    Stuck(std::time::Duration),
    /// There are no more threads.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    /// The shard has gone while it was restored.
    #[error("the shard has gone")]
    Gone,
}
