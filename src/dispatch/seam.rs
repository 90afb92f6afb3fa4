//! What dispatch asks of the rest of the service. `app` answers.

use futures_util::future::BoxFuture;

use crate::engine::decision::Reason;
use crate::engine::input::Delivery;
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Not now; it may be tried again soon.
    #[error("not now: {0}")]
    Later(String),
    /// Another node has the customer by now, and the row.
    #[error("the customer is on another node")]
    Elsewhere,
    /// Not any more: the service is ending.
    #[error("the service is ending: {0}")]
    Over(String),
}

/// Whether a row was still there to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It was, and is changed.
    Kept,
    /// It was withdrawn or settled in the meantime.
    Gone,
}

/// A send of which its provider tells more later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// By what name the provider knows it, where it said so.
    pub id: Option<String>,
}

/// What is to be known of a send beside its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Aside {
    /// Nothing.
    #[default]
    Nothing,
    /// By what its provider knows it.
    Known(Known),
    /// That the address it went to is good no more.
    Gone,
}

/// A stretch of the outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Rows in the order of their keys.
    pub rows: Vec<OutboxRow>,
    /// Where the next stretch begins; `None` after the last.
    pub next: Option<String>,
}

/// The outbox and the log.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// Changes a row that is still there. Durable when it answers.
    fn save<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Saved, Trouble>>;

    /// Appends the outcome of a row to the log, from where the engine settles it. Durable when it
    /// answers.
    fn finish<'a>(
        &'a self,
        row: &'a OutboxRow,
        delivery: &'a Delivery,
        aside: &'a Aside,
    ) -> BoxFuture<'a, Result<(), Trouble>>;

    /// A stretch of the outbox, of at most so many rows.
    fn page(&self, from: Option<String>, limit: usize) -> BoxFuture<'_, Result<Page, Trouble>>;
}

/// The governor, asked once more before a call.
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Why the call must not be made, if it must not.
    fn recheck<'a>(
        &'a self,
        row: &'a OutboxRow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Reason>, Trouble>>;

    /// Why the address of a row is not written to, in a sentence, if it is not: asked before every call,
    /// however early.
    ///
    /// # Errors
    /// When it cannot be known now.
    fn listed(&self, row: &OutboxRow) -> Result<Option<Box<str>>, Trouble>;
}
