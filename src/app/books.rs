//! The store and the log as dispatch and ingest see them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::decode::{Record, Refused};
use crate::dispatch::in_app::Inbox;
use crate::dispatch::{Gate, Ledger, Page, Saved, Trouble};
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::{Delivery, Outcome};
use crate::engine::time::Timestamp;
use crate::ingest::Intake;
use crate::log;
use crate::log::appender::Appender;
use crate::store::record::{DeadLetter, InboxRow, OutboxRow};
use crate::store::{self, Store};
use crate::telemetry::DeadLettered;
use crate::worker::{Unanswered, Workers};

/// Changes of outbox rows that wait for the disk at most.
const SAVES_MAX: usize = 1_024;
/// Changes of outbox rows that share one flush.
const SAVES_AT_ONCE: usize = 256;

/// Writes into the outbox and the log, asks the governor, fills inboxes.
#[derive(Clone, Debug)]
pub(super) struct Books {
    store: Arc<Store>,
    appender: Appender,
    workers: Workers,
    saves: mpsc::Sender<Save>,
}

/// A row to be changed.
#[derive(Debug)]
pub(super) struct Save {
    row: OutboxRow,
    answer: oneshot::Sender<Result<Saved, Trouble>>,
}

impl Books {
    /// The books, and the changes of the outbox that [`keep_saving`] has to make.
    pub(super) fn new(
        store: Arc<Store>,
        appender: Appender,
        workers: Workers,
    ) -> (Self, mpsc::Receiver<Save>) {
        let (saves, waiting) = mpsc::channel(SAVES_MAX);
        (Self { store, appender, workers, saves }, waiting)
    }
}

/// Makes changes of the outbox durable, many with one flush, until the books are closed. Blocks:
/// it wants a thread of its own.
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
        let (rows, answers): (Vec<_>, Vec<_>) =
            saves.into_iter().map(|save| (save.row, save.answer)).unzip();
        let there = store.update_outbox(&rows)?;
        for (there, answer) in there.into_iter().zip(answers) {
            // Whoever asked may have been stopped.
            drop(answer.send(Ok(if there { Saved::Kept } else { Saved::Gone })));
        }
    }
    Ok(())
}

impl Ledger for Books {
    fn save<'a>(&'a self, row: &'a OutboxRow) -> BoxFuture<'a, Result<Saved, Trouble>> {
        Box::pin(async move {
            let (answer, later) = oneshot::channel();
            let save = Save { row: row.clone(), answer };
            let over = || Trouble::Over("the outbox is closed".to_owned());
            self.saves.send(save).await.map_err(|_| over())?;
            later.await.map_err(|_| over())?
        })
    }

    fn finish<'a>(
        &'a self,
        row: &'a OutboxRow,
        delivery: &'a Delivery,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let decision = DecisionId::parse(&row.decision)
                .ok_or_else(|| Trouble::Over(format!("`{}` is no decision", row.decision)))?;
            let outcome = Outcome { decision, attempt: row.attempt, result: delivery.clone() };
            let record = encoded(&Record::Outcome { customer: &row.customer, outcome });
            match self.appender.append(row.shard, vec![record]).await {
                Ok(_) => Ok(()),
                Err(error @ log::Error::Overloaded) => Err(Trouble::Later(error.to_string())),
                Err(error) => Err(Trouble::Over(error.to_string())),
            }
        })
    }

    fn page(&self, from: Option<String>, limit: usize) -> BoxFuture<'_, Result<Page, Trouble>> {
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            let read = move || store.outbox_after(from.as_deref(), limit);
            let rows = blocking(read).await.map_err(Trouble::Over)?;
            let full = limit <= rows.len();
            let next = rows.last().filter(|_| full).map(|row| row.decision.clone());
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
            self.workers.gate(row, now).await.map_err(|error| match error {
                crate::worker::workers::Error::Unanswered(Unanswered::Stopped) => {
                    Trouble::Over(error.to_string())
                }
                error => Trouble::Later(error.to_string()),
            })
        })
    }
}

impl Inbox for Books {
    fn put<'a>(&'a self, message: &'a InboxRow) -> BoxFuture<'a, Result<(), String>> {
        let (store, message) = (Arc::clone(&self.store), message.clone());
        Box::pin(async move { blocking(move || store.put_inbox(&message)).await.map(drop) })
    }
}

impl Intake for Books {
    fn shards(&self) -> u16 {
        self.store.shards()
    }

    async fn append(&self, shard: u16, records: Vec<Bytes>) -> Result<(), log::Error> {
        self.appender.append(shard, records).await.map(drop)
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
