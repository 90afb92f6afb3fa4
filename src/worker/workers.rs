//! All workers together: questions about customers find the owner, lists are put together.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::message::{Look, Mailbox, Message, Unanswered};
use super::query::{self, ListQuery, Place};
use super::shard::Shard;
use crate::decode::shard_of;
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::Reason;
use crate::engine::time::Timestamp;
use crate::store::decisions::DecisionFilter;
use crate::store::record::OutboxRow;
use crate::store::view::{CustomerFilter, CustomerLine, CustomerPage, CustomerSort};
use crate::store::{self, Page, Store};

/// Decisions shown on a customer's page.
const DECISIONS_SHOWN: usize = 20;

/// The ways to the workers of those shards that are here, by shard; cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers {
    mailboxes: Arc<ArcSwap<Box<[Option<Mailbox>]>>>,
    store: Arc<Store>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not now.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The store failed, or the cursor is wrong.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A catalog was not put in force.
    #[error("the catalog was not put in force: {0}")]
    Reload(String),
    /// A send is held.
    #[error(transparent)]
    Held(#[from] super::gate::HeldBy),
}

impl Workers {
    /// From the mailboxes of all shards, in their order.
    pub fn new(mailboxes: Vec<Mailbox>, store: Arc<Store>) -> Self {
        Self::with(mailboxes.into_iter().map(Some).collect(), store)
    }

    /// Of so many shards, of which none is here yet.
    pub fn elsewhere(shards: u16, store: Arc<Store>) -> Self {
        Self::with((0..shards).map(|_| None).collect(), store)
    }

    fn with(mailboxes: Box<[Option<Mailbox>]>, store: Arc<Store>) -> Self {
        Self { mailboxes: Arc::new(ArcSwap::from_pointee(mailboxes)), store }
    }

    /// The mailboxes of the shards that are here.
    pub fn mailboxes(&self) -> Vec<Mailbox> {
        self.mailboxes.load().iter().flatten().cloned().collect()
    }

    /// A shard has come, or gone. To be called by one thread alone.
    pub fn set(&self, shard: u16, mailbox: Option<Mailbox>) {
        let mut all = Box::clone(&self.mailboxes.load());
        if let Some(place) = all.get_mut(usize::from(shard)) {
            *place = mailbox;
        }
        self.mailboxes.store(Arc::new(all));
    }

    /// Tells the worker of a shard that the log has something new.
    pub fn wake(&self, shard: u16) {
        if let Some(Some(mailbox)) = self.mailboxes.load().get(usize::from(shard)) {
            mailbox.wake();
        }
    }

    /// Position of the last input that a shard has applied; `None` when it is not here.
    pub fn position(&self, shard: u16) -> Option<u64> {
        let mailboxes = self.mailboxes.load();
        let mailbox = mailboxes.get(usize::from(shard))?.as_ref()?;
        Some(mailbox.status().position())
    }

    /// How many customers are here.
    pub fn count(&self) -> u64 {
        self.mailboxes().iter().map(|mailbox| mailbox.status().customers()).sum()
    }

    /// Whether every worker has loaded its customers.
    pub fn are_loaded(&self) -> bool {
        self.mailboxes().iter().all(|mailbox| mailbox.status().is_loaded())
    }

    /// Whether every worker has reached what the log held when it started: outcomes of sends that
    /// were in it are taken in then, so that a dispatcher may look through the outbox.
    pub fn have_caught_up(&self) -> bool {
        self.mailboxes().iter().all(|mailbox| mailbox.status().has_caught_up())
    }

    /// Asks all workers to commit what is at hand and end.
    pub fn stop(&self) {
        self.mailboxes().iter().for_each(Mailbox::stop);
    }

    /// A page of the list of customers.
    ///
    /// # Errors
    /// When the cursor is wrong, or a worker does not answer.
    pub async fn customers(
        &self,
        filter: CustomerFilter,
        sort: CustomerSort,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<CustomerLine>, Error> {
        let after = after.map(Place::parse).transpose()?;
        let query = ListQuery { filter, sort, after, limit };
        let mut answers = Vec::new();
        for mailbox in self.mailboxes() {
            let (answer, later) = oneshot::channel();
            mailbox.send(Message::List { query: query.clone(), answer })?;
            answers.push(later);
        }
        let mut pages = Vec::with_capacity(answers.len());
        for later in answers {
            pages.push(later.await.map_err(|_| Unanswered::Stopped)?);
        }
        Ok(query::merge(pages, limit))
    }

    /// Everything about a customer, with the newest of their decisions; `None` when unknown.
    ///
    /// # Errors
    /// When the worker does not answer, or the store cannot be read.
    pub async fn customer(&self, id: &str) -> Result<Option<CustomerPage>, Error> {
        let (answer, later) = oneshot::channel();
        self.owner(id)?.send(Message::Page { customer: id.to_owned(), answer })?;
        let Some(mut page) = later.await.map_err(|_| Unanswered::Stopped)? else {
            return Ok(None);
        };
        let filter = DecisionFilter { customer: Some(id.to_owned()), ..DecisionFilter::default() };
        page.decisions = self.store.decisions(&filter, None, DECISIONS_SHOWN)?.items;
        Ok(Some(*page))
    }

    /// Whether a send may still leave: why not, or nothing.
    ///
    /// # Errors
    /// When the worker does not answer: the send must wait.
    pub async fn gate(&self, row: &OutboxRow, now: Timestamp) -> Result<Option<Reason>, Error> {
        let (answer, later) = oneshot::channel();
        self.owner(&row.customer)?.send(Message::Gate {
            row: Box::new(row.clone()),
            now,
            answer,
        })?;
        Ok(later.await.map_err(|_| Unanswered::Stopped)??)
    }

    /// Looks at a customer on the thread that owns them. The look must be short.
    ///
    /// # Errors
    /// When the worker does not answer.
    pub async fn inspect<T: Send + 'static>(
        &self,
        customer: &str,
        look: impl FnOnce(&Shard, Option<&CustomerState>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, later) = oneshot::channel();
        self.owner(customer)?.send(Message::Inspect {
            customer: Some(customer.to_owned()),
            look: Box::new(move |shard, state| {
                // Whoever asked may have gone.
                drop(answer.send(look(shard, state)));
            }),
        })?;
        Ok(later.await.map_err(|_| Unanswered::Stopped)?)
    }

    /// Looks at every shard that is here, on the thread that owns it. The look must be short.
    ///
    /// # Errors
    /// When a worker does not answer.
    pub async fn inspect_all<T: Send + 'static>(
        &self,
        look: impl Fn(&Shard) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Error> {
        let mut waiting = Vec::new();
        for mailbox in self.mailboxes() {
            let (answer, later) = oneshot::channel();
            let look = look.clone();
            let look: Look = Box::new(move |shard, _| {
                // Whoever asked may have gone.
                drop(answer.send(look(shard)));
            });
            mailbox.send(Message::Inspect { customer: None, look })?;
            waiting.push(later);
        }
        let mut seen = Vec::with_capacity(waiting.len());
        for later in waiting {
            seen.push(later.await.map_err(|_| Unanswered::Stopped)?);
        }
        Ok(seen)
    }

    /// Puts a catalog in force in all shards, or in none: only when every one of them is ready are
    /// they told to go.
    ///
    /// # Errors
    /// When a worker refuses it or does not answer; all of them then go on as before.
    pub async fn reload(&self, catalog: &Arc<Catalog>) -> Result<(), Error> {
        let mut waiting = Vec::new();
        for mailbox in self.mailboxes() {
            let (ready, is_ready) = oneshot::channel();
            let (say_go, go) = oneshot::channel();
            let (done, is_done) = oneshot::channel();
            mailbox.send(Message::Reload { catalog: catalog.clone(), ready, go, done })?;
            waiting.push((is_ready, say_go, is_done));
        }
        let mut going = Vec::with_capacity(waiting.len());
        for (is_ready, say_go, is_done) in waiting {
            is_ready.await.map_err(|_| Unanswered::Stopped)?.map_err(Error::Reload)?;
            going.push((say_go, is_done));
        }
        // Without a pause: nobody can give up in the middle.
        let going: Vec<_> = going
            .into_iter()
            .map(|(say_go, is_done)| {
                // One that has stopped takes the catalog from the files when it starts again.
                say_go.send(()).unwrap_or_default();
                is_done
            })
            .collect();
        for is_done in going {
            is_done.await.map_err(|_| Unanswered::Stopped)?;
        }
        Ok(())
    }

    fn owner(&self, customer: &str) -> Result<Mailbox, Unanswered> {
        let mailboxes = self.mailboxes.load();
        let shards = u16::try_from(mailboxes.len()).unwrap_or(u16::MAX);
        let shard = shard_of(customer, shards);
        mailboxes.get(usize::from(shard)).cloned().flatten().ok_or(Unanswered::Elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::store::Options;
    use crate::worker::testing::catalog;

    /// Answers one reload; says whether it was told to go.
    fn answering(messages: &Receiver<Message>, answer: Result<(), String>) -> bool {
        let Ok(Message::Reload { ready, go, done, .. }) = messages.recv() else { panic!() };
        // Whoever asked goes away as soon as another shard has refused.
        drop(ready.send(answer));
        let went = go.blocking_recv().is_ok();
        if went {
            done.send(()).unwrap();
        }
        went
    }

    fn reloaded(answers: [Result<(), String>; 2]) -> (Result<(), Error>, [bool; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let (ways, owners): (Vec<_>, Vec<_>) = (0..2)
            .map(|shard| {
                let (sender, messages) = sync_channel(4);
                let mailbox =
                    Mailbox::new(shard, sender, Arc::new(AtomicBool::new(false)), Arc::default());
                (mailbox, messages)
            })
            .unzip();
        let workers = Workers::new(ways, store);
        std::thread::scope(|scope| {
            let threads: Vec<_> = owners
                .into_iter()
                .zip(answers)
                .map(|(messages, answer)| scope.spawn(move || answering(&messages, answer)))
                .collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let reloaded = runtime.block_on(workers.reload(&catalog()));
            let went: Vec<bool> =
                threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            (reloaded, [went[0], went[1]])
        })
    }

    #[test]
    fn a_catalog_comes_into_force_everywhere_or_nowhere() {
        let (good, went) = reloaded([Ok(()), Ok(())]);
        assert!(good.is_ok() && went == [true, true]);
        let (refused, went) = reloaded([Ok(()), Err("no".to_owned())]);
        assert!(matches!(refused, Err(Error::Reload(why)) if why == "no"));
        assert_eq!(went, [false, false]);
        let (refused, went) = reloaded([Err("no".to_owned()), Ok(())]);
        assert!(refused.is_err() && went == [false, false]);
    }
}
