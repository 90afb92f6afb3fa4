//! What can be said to the owner of a shard, and how the answer comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use tokio::sync::oneshot;

use super::gate;
use super::query::{ListPage, ListQuery};
use super::shard::Shard;
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::Reason;
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;
use crate::store::view::CustomerPage;

/// Messages that wait at a worker at most.
pub const MESSAGES_MAX: usize = 1_024;

/// A look at a shard, on its own thread. It must be short: inputs wait meanwhile.
pub type Look = Box<dyn FnOnce(&Shard, Option<&CustomerState>) + Send>;

/// A message to the owner of a shard.
pub enum Message {
    /// The log has something new, or the committer has room.
    Wake,
    /// Get ready for another catalog, and put it in force when all shards are.
    Reload {
        /// The catalog.
        catalog: Arc<Catalog>,
        /// Told when all customers can be bound to it, or why one cannot.
        ready: oneshot::Sender<Result<(), String>>,
        /// Says when to put it in force; closed without a word, everything stays as it was. Inputs
        /// wait meanwhile: what they would change is bound already.
        go: oneshot::Receiver<()>,
        /// Told when it is in force.
        done: oneshot::Sender<()>,
    },
    /// A part of the list of customers.
    List {
        /// Which.
        query: ListQuery,
        /// The answer.
        answer: oneshot::Sender<ListPage>,
    },
    /// Everything about one customer, but for the decisions that the store has.
    Page {
        /// Whom.
        customer: String,
        /// The answer; `None` when there is no such customer.
        answer: oneshot::Sender<Option<Box<CustomerPage>>>,
    },
    /// Whether a send may still leave.
    Gate {
        /// Which.
        row: Box<OutboxRow>,
        /// When it would.
        now: Timestamp,
        /// The answer: why not, or nothing; or who holds it for now.
        answer: oneshot::Sender<Result<Option<Reason>, gate::HeldBy>>,
    },
    /// Look at something.
    Inspect {
        /// At whom, if at somebody.
        customer: Option<String>,
        /// The look.
        look: Look,
    },
    /// Commit what is at hand and end.
    Stop,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wake => "Wake",
            Self::Reload { .. } => "Reload",
            Self::List { .. } => "List",
            Self::Page { .. } => "Page",
            Self::Gate { .. } => "Gate",
            Self::Inspect { .. } => "Inspect",
            Self::Stop => "Stop",
        })
    }
}

/// How far a worker is. Read at any time, without asking it.
#[derive(Debug, Default)]
pub struct Status {
    loaded: AtomicBool,
    caught_up: AtomicBool,
    position: AtomicU64,
    customers: AtomicU64,
    timers: AtomicU64,
    applied: AtomicU64,
}

impl Status {
    /// Whether the states are loaded.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Whether it once reached the end of the log as it was when it started.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Position of the last input applied.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Customers in memory.
    pub fn customers(&self) -> u64 {
        self.customers.load(Ordering::Relaxed)
    }

    /// Timers entered.
    pub fn timers(&self) -> u64 {
        self.timers.load(Ordering::Relaxed)
    }

    /// Inputs applied since the start.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    pub(super) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    pub(super) fn set_caught_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    pub(super) fn set(&self, position: u64, shard: &Shard, applied: u64) {
        self.position.store(position, Ordering::Release);
        self.customers.store(shard.customers().len() as u64, Ordering::Relaxed);
        self.timers.store(shard.timers() as u64, Ordering::Relaxed);
        self.applied.fetch_add(applied, Ordering::Relaxed);
    }
}

/// The way to one worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailbox {
    shard: u16,
    messages: SyncSender<Message>,
    /// Whether a wake-up waits already: one is enough.
    woken: Arc<AtomicBool>,
    status: Arc<Status>,
}

/// Why a question was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many questions wait.
    #[error("the owner of the customers is overloaded: try again soon")]
    Overloaded,
    /// It has stopped.
    #[error("the owner of the customers has stopped")]
    Stopped,
    /// It is not on this node, or not yet.
    #[error("the owner of the customers is not on this node")]
    Elsewhere,
}

impl Mailbox {
    pub(super) fn new(
        shard: u16,
        messages: SyncSender<Message>,
        woken: Arc<AtomicBool>,
        status: Arc<Status>,
    ) -> Self {
        Self { shard, messages, woken, status }
    }

    /// The shard.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// How far the worker is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Wakes the worker, if it sleeps.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            // A full mailbox means that it is awake.
            drop(self.messages.try_send(Message::Wake));
        }
    }

    /// Sends a message without waiting for room.
    ///
    /// # Errors
    /// When there is no room, or the worker has stopped.
    pub fn send(&self, message: Message) -> Result<(), Unanswered> {
        self.messages.try_send(message).map_err(|refused| match refused {
            TrySendError::Full(_) => Unanswered::Overloaded,
            TrySendError::Disconnected(_) => Unanswered::Stopped,
        })
    }

    /// Asks the worker to commit what is at hand and end. It may block for a moment.
    pub fn stop(&self) {
        // A worker that has stopped already needs no message.
        drop(self.messages.send(Message::Stop));
    }
}
