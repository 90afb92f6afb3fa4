//! The store and the log as dispatch and ingest see them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::heard;
use super::home::{Keep, May, Sends};
use crate::clock::Shared as Clock;
use crate::decode::{KnownAs, Record, Refused};
use crate::dispatch::in_app::Inbox;
use crate::dispatch::{Aside, Gate, Ledger, Page, Saved, Trouble};
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::{Delivery, Outcome};
use crate::engine::time::Timestamp;
use crate::ingest::Intake;
use crate::log;
use crate::log::appender::Appender;
use crate::store::changes::{Change, Kind};
use crate::store::record::{DeadLetter, InboxRow, OutboxRow};
use crate::store::{self, Store};
use crate::telemetry::DeadLettered;
use crate::worker::{Unanswered, Workers};

/// Changes of outbox rows, and in-app messages, that wait for the disk at most.
const SAVES_MAX: usize = 1_024;
/// How many of them share one flush.
const SAVES_AT_ONCE: usize = 256;

/// Why a call must wait.
const UNCERTAIN: &str = "it is not certain that the customer is still on this node";

/// Why a message was not kept.
const GONE: &str = "another node has the customer by now";

/// Writes into the outbox and the log, asks the governor, fills inboxes.
#[derive(Clone)]
pub(super) struct Books {
    store: Arc<Store>,
    appender: Appender,
    workers: Workers,
    clock: Clock,
    saves: mpsc::Sender<Save>,
    sends: Sends,
    keep: Option<Keep>,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What is to be made durable, and whom to tell.
#[derive(Debug)]
pub(super) enum Save {
    /// A row of the outbox, if it is still there.
    Row(OutboxRow, oneshot::Sender<Saved>),
    /// A message in an inbox.
    Message(InboxRow, oneshot::Sender<()>),
}

impl Books {
    /// The books, and the changes of the outbox that [`keep_saving`] has to make.
    pub(super) fn new(
        store: Arc<Store>,
        appender: Appender,
        workers: Workers,
        clock: Clock,
        (sends, keep): (Sends, Option<Keep>),
    ) -> (Self, mpsc::Receiver<Save>) {
        let (saves, waiting) = mpsc::channel(SAVES_MAX);
        (Self { store, appender, workers, clock, saves, sends, keep }, waiting)
    }
}

impl Books {
    /// The next owner of the shard must know of the attempt, too.
    async fn keep_row(&self, keep: &Keep, row: &OutboxRow) -> Result<Saved, Trouble> {
        let over = |error: &dyn std::fmt::Display| Trouble::Over(error.to_string());
        let there = self.store.outbox_row(&row.decision).map_err(|error| over(&error))?;
        if there.is_none() {
            return Ok(Saved::Gone);
        }
        let value = serde_json::to_vec(row).map_err(|error| over(&error))?;
        let (shard, id) = (row.shard, row.decision.clone());
        let change = Change { shard, kind: Kind::Outbox, id, value: Some(value) };
        Ok(if keep(change).await { Saved::Kept } else { Saved::Gone })
    }
}

/// Makes changes of the outbox and messages durable, many of a kind with one flush, until the books
/// are closed. Blocks: it wants a thread of its own.
///
/// # Errors
/// When the store fails. The process must stop.
pub(super) fn keep_saving(
    store: &Store,
    mut waiting: mpsc::Receiver<Save>,
) -> Result<(), store::Error> {
    while let Some(first) = waiting.blocking_recv() {
        let mut saves = vec![first];
        while saves.len() < SAVES_AT_ONCE
            && let Ok(next) = waiting.try_recv()
        {
            saves.push(next);
        }
        let (mut rows, mut row_answers) = (Vec::new(), Vec::new());
        let (mut messages, mut message_answers) = (Vec::new(), Vec::new());
        for save in saves {
            match save {
                Save::Row(row, answer) => {
                    rows.push(row);
                    row_answers.push(answer);
                }
                Save::Message(message, answer) => {
                    messages.push(message);
                    message_answers.push(answer);
                }
            }
        }
        if !rows.is_empty() {
            for (there, answer) in store.update_outbox(&rows)?.into_iter().zip(row_answers) {
                tell(answer, if there { Saved::Kept } else { Saved::Gone });
            }
        }
        if !messages.is_empty() {
            store.put_inbox(&messages)?;
            message_answers.into_iter().for_each(|answer| tell(answer, ()));
        }
    }
    Ok(())
}

/// Whoever asked may have been stopped.
fn tell<T>(to: oneshot::Sender<T>, answer: T) {
    drop(to.send(answer));
}

impl Ledger for Books {
    fn save<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Saved, Trouble>> {
        Box::pin(async move {
            if (self.sends)(row) == May::Not {
                return Ok(Saved::Gone);
            }
            if let Some(keep) = &self.keep {
                return self.keep_row(keep, row).await;
            }
            let (answer, later) = oneshot::channel();
            let save = Save::Row(row.clone(), answer);
            let over = || Trouble::Over("the outbox is closed".to_owned());
            self.saves.send(save).await.map_err(|_| over())?;
            later.await.map_err(|_| over())
        })
    }

    fn finish<'a>(
        &'a self,
        row: &'a OutboxRow,
        delivery: &'a Delivery,
        aside: &'a Aside,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let decision = DecisionId::parse(&row.decision)
                .ok_or_else(|| Trouble::Over(format!("`{}` is no decision", row.decision)))?;
            let outcome = Outcome { decision, attempt: row.attempt, result: delivery.clone() };
            let known_as = match aside {
                Aside::Known(known) => Some(KnownAs {
                    channel: &row.channel,
                    purpose: &row.purpose,
                    id: known.id.as_deref(),
                    address: row.address.as_deref(),
                }),
                Aside::Nothing | Aside::Gone => None,
            };
            let record = encoded(&Record::Outcome { customer: &row.customer, outcome, known_as });
            // It was not sent, before it is told that it came back.
            let mut records = vec![record];
            if *aside == Aside::Gone {
                records.extend(heard::bounced(
                    row,
                    decision,
                    self.clock.now(),
                    self.store.shards(),
                ));
            }
            match self.appender.append(row.shard, records).await {
                Ok(_) => Ok(()),
                Err(error @ (log::Error::Overloaded | log::Error::Away(_))) => {
                    Err(Trouble::Later(error.to_string()))
                }
                Err(error) => Err(Trouble::Over(error.to_string())),
            }
        })
    }

    fn page(&self, from: Option<String>, limit: usize) -> BoxFuture<'_, Result<Page, Trouble>> {
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            let read = move || store.outbox_after(from.as_deref(), limit);
            let mut rows = blocking(read).await.map_err(Trouble::Over)?;
            let full = limit <= rows.len();
            let next = rows.last().filter(|_| full).map(|row| row.decision.clone());
            rows.retain(|row| matches!((self.sends)(row), May::Send | May::Wait));
            Ok(Page { rows, next })
        })
    }
}

impl Gate for Books {
    fn recheck<'a>(
        &'a self,
        row: &'a OutboxRow,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Reason>, Trouble>> {
        Box::pin(async move {
            match (self.sends)(row) {
                May::Send | May::Fresh => {}
                May::Wait => return Err(Trouble::Later(UNCERTAIN.to_owned())),
                May::Not => return Err(Trouble::Elsewhere),
            }
            self.workers.gate(row, now).await.map_err(|error| match error {
                // One that has stopped begins again, here or elsewhere, and finds the row.
                crate::worker::workers::Error::Unanswered(
                    Unanswered::Stopped | Unanswered::Elsewhere,
                ) => Trouble::Elsewhere,
                error => Trouble::Later(error.to_string()),
            })
        })
    }

    fn listed(&self, row: &OutboxRow) -> Result<Option<Box<str>>, Trouble> {
        let Some(address) = &row.address else { return Ok(None) };
        let found = self.store.suppressed(&row.channel, Some(&row.purpose), address);
        // Not to know is no reason to write.
        let found = found.map_err(|error| Trouble::Later(error.to_string()))?;
        Ok(found.map(|found| super::listings::since(&found).into()))
    }
}

impl Inbox for Books {
    fn put<'a>(&'a self, message: &'a InboxRow) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            if let Some(keep) = &self.keep {
                // The next owner of the shard must have it, too.
                let change = self.store.change_of(message).map_err(|error| error.to_string())?;
                return if keep(change).await { Ok(()) } else { Err(GONE.to_owned()) };
            }
            let (answer, later) = oneshot::channel();
            let over = || "the inboxes are closed".to_owned();
            let save = Save::Message(message.clone(), answer);
            self.saves.send(save).await.map_err(|_| over())?;
            later.await.map_err(|_| over())
        })
    }
}

impl Intake for Books {
    fn shards(&self) -> u16 {
        self.store.shards()
    }

    async fn append(&self, groups: Vec<log::Group>) -> Result<(), log::Error> {
        self.appender.append_groups(groups).await.map(drop)
    }

    async fn deadletter(&self, letters: Vec<DeadLetter>) {
        let store = Arc::clone(&self.store);
        let kept = blocking(move || {
            store.put_dead_letters(&letters)?;
            for letter in &letters {
                // Reasons are a closed list, of which the letter carries the word.
                if let Some(reason) = Refused::parse(&letter.reason) {
                    DeadLettered { reason: reason.as_str() }.emit();
                }
            }
            Ok(())
        });
        if let Err(error) = kept.await {
            tracing::error!(error, "refused inputs cannot be kept");
        }
    }
}

/// A record as the log keeps it.
pub(super) fn encoded(record: &Record<'_>) -> Bytes {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    Bytes::from(bytes)
}

/// Does something with the store where it may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the service is ending".to_owned()),
    }
}
