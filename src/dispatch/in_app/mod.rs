//! Messages inside the customer's own app: kept in an inbox, and shown at once to whoever listens.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use super::channel::Channel;
use super::outcome::CallResult;
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;

/// Messages that a slow listener may fall behind; past it, it hears that it missed some and reads
/// the inbox.
pub const LIVE_MESSAGES_MAX: usize = 1_024;

/// Where messages are kept. Putting the same decision twice keeps one.
pub trait Inbox: Send + Sync + std::fmt::Debug {
    /// Keeps a message. Durable when it answers.
    fn put<'a>(&'a self, row: &'a OutboxRow, at: Timestamp) -> BoxFuture<'a, Result<(), String>>;
}

/// The channel.
#[derive(Clone, Debug)]
pub struct InApp {
    inbox: Arc<dyn Inbox>,
    live: broadcast::Sender<Arc<OutboxRow>>,
}

impl InApp {
    /// Over an inbox.
    pub fn new(inbox: Arc<dyn Inbox>) -> Self {
        let (live, _) = broadcast::channel(LIVE_MESSAGES_MAX);
        Self { inbox, live }
    }

    /// Messages of all customers from now on; the listener keeps those that concern it.
    pub fn listen(&self) -> broadcast::Receiver<Arc<OutboxRow>> {
        self.live.subscribe()
    }
}

impl Channel for InApp {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(async move {
            match self.inbox.put(row, now).await {
                Ok(()) => {
                    // Without listeners nobody is told, and the inbox still has it.
                    drop(self.live.send(Arc::new(row.clone())));
                    CallResult::Delivered
                }
                Err(why) => CallResult::NotSent { why, not_before: None },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::dispatch::tests::row;

    #[derive(Debug, Default)]
    struct Shelf(Mutex<Vec<String>>);

    impl Inbox for Shelf {
        fn put<'a>(
            &'a self,
            row: &'a OutboxRow,
            _: Timestamp,
        ) -> BoxFuture<'a, Result<(), String>> {
            let mut kept = self.0.lock().unwrap();
            let full = 3 <= kept.len();
            if !full {
                kept.push(row.customer.clone());
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
    }
}
