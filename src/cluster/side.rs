//! Changes that come from beside the owners of shards, kept in the same transactions: how far a send
//! has been tried, messages in apps.

use tokio::sync::{mpsc, oneshot};

use crate::store::changes::Change;

/// Changes that wait at most; past it callers wait.
const SIDES_MAX: usize = 1_024;

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) change: Change,
    /// Told when it is kept; dropped when its shard is not here.
    pub(super) kept: oneshot::Sender<()>,
}

/// The way of changes to the node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sides(mpsc::Sender<Side>);

/// What comes that way.
#[derive(Debug)]
pub struct Waiting(pub(super) mpsc::Receiver<Side>);

/// A way.
pub fn pair() -> (Sides, Waiting) {
    let (sender, waiting) = mpsc::channel(SIDES_MAX);
    (Sides(sender), Waiting(waiting))
}

/// Whether a change is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is, here and for whoever has the shard next.
    Yes,
    /// The shard is not here.
    No,
}

impl Sides {
    /// Keeps a change.
    pub async fn keep(&self, change: Change) -> Kept {
        let (kept, told) = oneshot::channel();
        let sent = self.0.send(Side { change, kept }).await.is_ok();
        if sent && told.await.is_ok() { Kept::Yes } else { Kept::No }
    }
}
