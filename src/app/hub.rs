//! What happens, told live to whoever listens; and the way of what was committed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc};

use super::breaker::Breakers;
use super::courier::{self, Courier};
use super::heard::Nodes;
use crate::api::source::Live;
use crate::dispatch::Dispatcher;
use crate::log::appender::Appender;
use crate::store::{Committed, Store};

/// Lines that a slow listener may fall behind.
const LIVE_LINES_MAX: usize = 1_024;

/// Tells listeners what happens, until it is closed.
#[derive(Debug)]
pub(super) struct Hub {
    // Taken away when the service ends: streams end when nobody can tell them anything any more.
    sender: Mutex<Option<broadcast::Sender<Arc<Live>>>>,
    nodes: Nodes,
}

impl Hub {
    pub(super) fn new(nodes: Nodes) -> Self {
        Self { sender: Mutex::new(Some(broadcast::channel(LIVE_LINES_MAX).0)), nodes }
    }

    /// Tells it to all who listen now.
    pub(super) fn tell(&self, line: Live) {
        if let Some(sender) = &*self.lock() {
            // Without listeners nobody is told.
            drop(sender.send(Arc::new(line)));
        }
    }

    /// Whether anyone listens: otherwise nothing needs to be put together.
    pub(super) fn is_heard(&self) -> bool {
        self.lock().as_ref().is_some_and(|sender| 0 < sender.receiver_count())
    }

    /// Listens from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Live>> {
        match &*self.lock() {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Ends all streams.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<broadcast::Sender<Arc<Live>>>> {
        // No panic can leave it half changed.
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands what was committed to dispatch, listeners and, by way of the log, to whom it concerns, until
/// the committer has ended. It never waits for any of them: the committer waits for it.
pub(super) fn pump<F: Future<Output = ()>>(
    (committed, (breakers, broken)): (mpsc::Receiver<Committed>, (Breakers, F)),
    dispatcher: Dispatcher,
    (appender, store): (&Appender, &Arc<Store>),
    hub: Arc<Hub>,
) -> impl Future<Output = ()> + use<F> {
    let (courier, carried) = courier::pair(appender.clone(), store.shards(), hub.nodes);
    let handed = hand_out(committed, dispatcher, (courier, breakers), hub);
    async move {
        tokio::join!(handed, carried, broken);
    }
}

async fn hand_out(
    mut committed: mpsc::Receiver<Committed>,
    dispatcher: Dispatcher,
    (courier, mut breakers): (Courier, Breakers),
    hub: Arc<Hub>,
) {
    while let Some(committed) = committed.recv().await {
        breakers.hear(&committed);
        let Committed { shard, records, outbox, withdrawn, tasks, errands, listed, .. } = committed;
        courier.take(shard, &errands, &listed);
        // A send that one commit both makes and withdraws was never in the outbox.
        for row in outbox {
            dispatcher.offer(row);
        }
        for id in withdrawn {
            dispatcher.withdraw(id);
        }
        if hub.is_heard() {
            for record in records {
                hub.tell(Live::Decision(Box::new(record)));
            }
            for task in tasks {
                hub.tell(Live::Task(Box::new(task)));
            }
        }
    }
}
