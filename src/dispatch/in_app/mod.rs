//! Messages inside the customer's own app: kept in an inbox, and shown at once to whoever listens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use super::channel::Channel;
use super::outcome::CallResult;
use crate::engine::time::Timestamp;
use crate::store::record::{InboxRow, OutboxRow};

/// Messages that a slow listener may fall behind; past it, it hears that it missed some and reads
/// the inbox.
pub const LIVE_MESSAGES_MAX: usize = 1_024;

/// Where messages are kept. Putting the same decision twice keeps one.
pub trait Inbox: Send + Sync + std::fmt::Debug {
    /// Keeps a message. Durable when it answers.
    fn put<'a>(&'a self, message: &'a InboxRow) -> BoxFuture<'a, Result<(), String>>;
}

/// The channel; cheap to clone.
#[derive(Clone, Debug)]
pub struct InApp {
    inbox: Arc<dyn Inbox>,
    // Taken away when the service ends, so that streams end.
    live: Arc<Mutex<Option<broadcast::Sender<Arc<InboxRow>>>>>,
}

impl InApp {
    /// Over an inbox.
    pub fn new(inbox: Arc<dyn Inbox>) -> Self {
        let (live, _) = broadcast::channel(LIVE_MESSAGES_MAX);
        Self { inbox, live: Arc::new(Mutex::new(Some(live))) }
    }

    /// Messages of all customers from now on; the listener keeps those that concern it.
    pub fn listen(&self) -> broadcast::Receiver<Arc<InboxRow>> {
        match &*self.live() {
            Some(live) => live.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Ends all streams.
    pub fn close(&self) {
        self.live().take();
    }

    fn live(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<InboxRow>>>> {
        // No panic can leave it half changed.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel for InApp {
    fn call<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(async move {
            let message = message(row);
            match self.inbox.put(&message).await {
                Ok(()) => {
                    if let Some(live) = &*self.live() {
                        // Without listeners nobody is told, and the inbox still has it.
                        drop(live.send(Arc::new(message)));
                    }
                    CallResult::Delivered
                }
                Err(why) => CallResult::NotSent { why, not_before: None },
            }
        })
    }
}

fn message(row: &OutboxRow) -> InboxRow {
    InboxRow {
        id: row.decision.clone(),
        customer: row.customer.clone(),
        trigger: row.trigger.clone(),
        // Part of its key: it must be the same at every attempt.
        at: Timestamp::from_millis(row.decided_at_ms).to_string(),
        offer: row.offer.clone(),
        content: row.content.clone(),
        read_at: None,
        answer: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::row;

    #[derive(Debug, Default)]
    struct Shelf(Mutex<Vec<String>>);

    impl Inbox for Shelf {
        fn put<'a>(&'a self, message: &'a InboxRow) -> BoxFuture<'a, Result<(), String>> {
            let mut kept = self.0.lock().unwrap();
            let full = 3 <= kept.len();
            if !full {
                kept.push(message.customer.clone());
            }
            Box::pin(async move { if full { Err("the disk is full".to_owned()) } else { Ok(()) } })
        }
    }

    #[tokio::test]
    async fn a_message_is_kept_and_then_shown() {
        let shelf = Arc::new(Shelf::default());
        let in_app = InApp::new(shelf.clone());
        assert_eq!(in_app.call(&row(), Timestamp::MIN).await, CallResult::Delivered);
        let mut listener = in_app.listen();
        assert_eq!(in_app.call(&row(), Timestamp::MIN).await, CallResult::Delivered);
        assert_eq!(listener.try_recv().unwrap().customer, "ada");
        assert!(listener.try_recv().is_err(), "only what came after it listened");
        in_app.call(&row(), Timestamp::MIN).await;
        assert_eq!(in_app.call(&row(), Timestamp::MIN).await.word(), "retry");
        assert_eq!(listener.try_recv().unwrap().customer, "ada");
        assert!(listener.try_recv().is_err(), "what is not kept is not shown");
        assert_eq!(*shelf.0.lock().unwrap(), ["ada", "ada", "ada"]);
        in_app.close();
        let closed = Err(broadcast::error::TryRecvError::Closed);
        assert_eq!(listener.try_recv(), closed);
        assert_eq!(in_app.listen().try_recv(), closed);
    }
}
