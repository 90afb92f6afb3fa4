//! Keeps what the owners of shards decide: in one transaction the changelog, what others read, and
//! how far the events were read; then in the store; then effects may leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use tokio::sync::mpsc;

use super::output::Writer;
use super::side::{self, Side};
use super::{Error, entry, told};
use crate::clock::Stopwatch;
use crate::kafka;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::kafka::transaction::{Outgoing, Place, Transactions};
use crate::store::changes::Change;
use crate::store::{Batch, Committed, Store};
use crate::telemetry;
use crate::worker::committer::{Job, Waiter};

/// Batches taken into one transaction at most.
const BATCHES_MAX: usize = 256;

/// The wait before the brokers are asked again to take the producer.
const BEGIN_AGAIN: Duration = Duration::from_secs(1);

/// Collects batches and commits them.
pub(super) struct Commits {
    transactions: Transactions,
    settings: Settings,
    names: Names,
    writer: Writer,
    store: Arc<Store>,
    jobs: Receiver<Job>,
    sink: mpsc::Sender<Committed>,
    sides: side::Waiting,
    /// What was collected and is not committed yet, each shard's in their order.
    waiting: Vec<Job>,
    waiting_sides: Vec<Side>,
    /// Set when the node shall end.
    stop: Arc<AtomicBool>,
}

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything that waited is kept.
    Kept,
    /// Nothing is, and it may be tried again.
    Undone,
    /// It is not known: what is kept must be read back.
    Unknown,
}

impl Commits {
    pub(super) fn new(
        settings: &Settings,
        store: Arc<Store>,
        jobs: Receiver<Job>,
        sink: mpsc::Sender<Committed>,
        sides: side::Waiting,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        Ok(Self {
            transactions: Transactions::begin_with(settings)?,
            names: Names::new(settings.config()),
            writer: Writer::new(&settings.config().group),
            settings: settings.clone(),
            store,
            jobs,
            sink,
            sides,
            waiting: Vec::new(),
            waiting_sides: Vec::new(),
            stop,
        })
    }

    /// Collects what has come, as far as `is_current` says that the shard is still its owner's.
    pub(super) fn collect(&mut self, is_current: impl Fn(u16, u64) -> bool) {
        while self.waiting.len() < BATCHES_MAX
            && let Ok(job) = self.jobs.try_recv()
        {
            self.waiting.push(job);
        }
        self.waiting.retain(|job| is_current(job.batch.shard, job.term));
        while self.waiting_sides.len() < BATCHES_MAX
            && let Ok(side) = self.sides.0.try_recv()
        {
            self.waiting_sides.push(side);
        }
    }

    /// Lets go of changes from beside whose shards are not here: who waits for them hears it.
    pub(super) fn keep_sides(&mut self, is_here: impl Fn(u16) -> bool) {
        self.waiting_sides.retain(|side| is_here(side.change.shard));
    }

    /// Whether something waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.waiting_sides.is_empty()
    }

    /// Whether no more is taken before a commit.
    pub(super) fn is_full(&self) -> bool {
        BATCHES_MAX <= self.waiting.len()
    }

    /// Commits what waits.
    ///
    /// # Errors
    /// When the node must end.
    pub(super) fn commit(&mut self, member: &ConsumerGroupMetadata) -> Result<Outcome, Error> {
        let watch = Stopwatch::start();
        let mut batches = Vec::with_capacity(self.waiting.len());
        let mut waiters: Vec<(u64, Waiter)> = Vec::with_capacity(self.waiting.len());
        for job in self.waiting.drain(..) {
            batches.push(job.batch);
            waiters.push((job.term, job.waiter));
        }
        let (sides, told): (Vec<Change>, Vec<_>) =
            self.waiting_sides.drain(..).map(|side| (side.change, side.kept)).unzip();
        match self.keep(&mut batches, &sides, member) {
            Ok(()) => {}
            Err(Error::Kafka(kafka::Error::Aborted(why))) => {
                tracing::warn!(why, batches = batches.len(), "a transaction was undone, again");
                let back = batches.into_iter().zip(waiters);
                self.waiting =
                    back.map(|(batch, (term, waiter))| Job { batch, term, waiter }).collect();
                let back = sides.into_iter().zip(told);
                self.waiting_sides = back.map(|(change, kept)| Side { change, kept }).collect();
                return Ok(Outcome::Undone);
            }
            Err(Error::Kafka(error)) => return self.take_up_again(&error),
            Err(error) => return Err(error),
        }
        telemetry::Committed { took: watch.elapsed() }.emit();
        self.keep_letters(&batches)?;
        for kept in told {
            // Whoever waited may have been stopped.
            kept.send(()).unwrap_or_default();
        }
        for ((_, waiter), batch) in waiters.into_iter().zip(&mut batches) {
            waiter.tell(std::mem::take(&mut batch.states));
        }
        for committed in batches.into_iter().filter_map(Batch::into_committed) {
            // Whoever acts on it may have gone already: it is found in the store after a restart.
            drop(self.sink.blocking_send(committed));
        }
        Ok(Outcome::Kept)
    }

    fn keep(
        &self,
        batches: &mut [Batch],
        sides: &[Change],
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Error> {
        let prepared = self.store.prepare(batches, sides)?;
        self.transactions.begin()?;
        let sent = self.send_all(batches, prepared.changes());
        if let Err(error) = sent {
            self.transactions.abort()?;
            return Err(match error {
                // A message that is refused will be refused again.
                Error::Kafka(kafka::Error::Failed { doing, why }) => {
                    Error::Refused(format!("{doing}: {why}"))
                }
                other => other,
            });
        }
        let places: Vec<Place<'_>> = self.places(batches);
        let written = self.transactions.commit(&places, member, &self.names.changelog)?;
        let ends: Vec<(u16, u64)> =
            written.into_iter().map(|(shard, last)| (shard, last.saturating_add(1))).collect();
        Ok(prepared.commit(&ends)?)
    }

    fn send_all(&self, batches: &[Batch], changes: &[Change]) -> Result<(), Error> {
        for change in changes {
            let key = entry::key(change);
            self.transactions.send(Outgoing {
                topic: &self.names.changelog,
                partition: change.shard,
                key: &key,
                value: change.value.as_deref(),
                headers: &[],
            })?;
        }
        for batch in batches {
            told::each(&self.writer, &self.names, batch, |topic, message| {
                let send = |outgoing: Outgoing<'_>| self.transactions.send(outgoing);
                Ok(message.lend(topic, batch.shard, send)?)
            })?;
        }
        Ok(())
    }

    /// How far each shard has read its events: for those who watch the group from outside.
    fn places(&self, batches: &[Batch]) -> Vec<Place<'_>> {
        let mut places: Vec<Place<'_>> = Vec::new();
        for batch in batches {
            let (partition, next) = (batch.shard, batch.mark.position);
            match places.iter_mut().find(|place| place.partition == partition) {
                Some(place) => place.next = place.next.max(next),
                None => places.push(Place { topic: &self.names.events, partition, next }),
            }
        }
        places
    }

    /// Proves to itself that the brokers still take this node for a member of the group.
    ///
    /// # Errors
    /// When the node must end.
    pub(super) fn prove(
        &mut self,
        (shard, position): (u16, u64),
        member: &ConsumerGroupMetadata,
    ) -> Result<Outcome, Error> {
        let place = [Place { topic: &self.names.events, partition: shard, next: position }];
        let proven = self
            .transactions
            .begin()
            .and_then(|()| self.transactions.commit(&place, member, &self.names.changelog));
        match proven {
            Ok(_) => Ok(Outcome::Kept),
            Err(kafka::Error::Aborted(_)) => Ok(Outcome::Undone),
            Err(error) => self.take_up_again(&error),
        }
    }

    /// The producer can be used no more. A node without a name of its own is the only one that uses
    /// it, so it was the brokers who gave it up, for being silent too long: it begins again. One with
    /// a name may have a twin.
    fn take_up_again(&mut self, error: &kafka::Error) -> Result<Outcome, Error> {
        self.waiting.clear();
        self.waiting_sides.clear();
        if let (Some(_), kafka::Error::Fenced(why)) = (&self.settings.config().node, error) {
            return Err(Error::TakenOver(why.clone()));
        }
        tracing::warn!(%error, "the producer was given up by the brokers, it begins again");
        loop {
            match Transactions::begin_with(&self.settings) {
                Ok(transactions) => {
                    self.transactions = transactions;
                    return Ok(Outcome::Unknown);
                }
                Err(error @ kafka::Error::Fenced(_)) => return Err(error.into()),
                Err(error) if self.stop.load(Ordering::Acquire) => return Err(error.into()),
                // They are away, and will be back.
                Err(error) => tracing::warn!(%error, "the brokers do not take the producer yet"),
            }
            std::thread::sleep(BEGIN_AGAIN);
        }
    }

    /// What was refused, for those who ask this node.
    fn keep_letters(&self, batches: &[Batch]) -> Result<(), Error> {
        let refused = batches.iter().flat_map(|batch| &batch.refused);
        let letters: Vec<_> = refused.map(|refused| refused.letter.clone()).collect();
        if !letters.is_empty() {
            self.store.put_dead_letters(&letters)?;
        }
        Ok(())
    }
}
