//! All workers together: questions about customers find the owner, lists are put together.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::message::{Mailbox, Message, Unanswered};
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

/// The ways to all workers, one for each shard in order; cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers {
    mailboxes: Arc<[Mailbox]>,
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
}

impl Workers {
    /// From the mailboxes of all shards, in their order.
    pub fn new(mailboxes: Vec<Mailbox>, store: Arc<Store>) -> Self {
        Self { mailboxes: mailboxes.into(), store }
    }

    /// The mailboxes.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// Tells the worker of a shard that the log has something new.
    pub fn wake(&self, shard: u16) {
        if let Some(mailbox) = self.mailboxes.get(usize::from(shard)) {
            mailbox.wake();
        }
    }

    /// Whether every worker has loaded its customers.
    pub fn are_loaded(&self) -> bool {
        self.mailboxes.iter().all(|mailbox| mailbox.status().is_loaded())
    }

    /// Whether every worker has reached what the log held when it started: outcomes of sends that
    /// were in it are taken in then, so that a dispatcher may look through the outbox.
    pub fn have_caught_up(&self) -> bool {
        self.mailboxes.iter().all(|mailbox| mailbox.status().has_caught_up())
    }

    /// Asks all workers to commit what is at hand and end.
    pub fn stop(&self) {
        self.mailboxes.iter().for_each(Mailbox::stop);
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
        let mut answers = Vec::with_capacity(self.mailboxes.len());
        for mailbox in &*self.mailboxes {
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
        Ok(later.await.map_err(|_| Unanswered::Stopped)?)
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

    /// Puts a catalog in force in all shards, one after the other.
    ///
    /// # Errors
    /// When a worker refuses it or does not answer.
    pub async fn reload(&self, catalog: &Arc<Catalog>) -> Result<(), Error> {
        for mailbox in &*self.mailboxes {
            let (done, later) = oneshot::channel();
            mailbox.send(Message::Reload { catalog: catalog.clone(), done })?;
            later.await.map_err(|_| Unanswered::Stopped)?.map_err(Error::Reload)?;
        }
        Ok(())
    }

    fn owner(&self, customer: &str) -> Result<&Mailbox, Unanswered> {
        let shards = u16::try_from(self.mailboxes.len()).unwrap_or(u16::MAX);
        let shard = shard_of(customer, shards);
        self.mailboxes.get(usize::from(shard)).ok_or(Unanswered::Stopped)
    }
}
