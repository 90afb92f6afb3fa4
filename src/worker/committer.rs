//! The one thread that commits for all shards: whatever waits is flushed together, and only then
//! do effects leave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::message::Mailbox;
use crate::clock::Stopwatch;
use crate::store::batch::States;
use crate::store::{Batch, Committed, Error, Store};
use crate::telemetry;

/// Batches that wait at most, over all shards; past it workers wait.
const BATCHES_MAX: usize = 64;

/// A batch to commit, and whom to tell.
#[derive(Debug)]
pub struct Job {
    /// The batch.
    pub batch: Batch,
    /// For which time the owner has its shard.
    pub term: u64,
    /// Who waits for it.
    pub waiter: Waiter,
}

/// The owner of a shard, who waits for a batch.
#[derive(Debug)]
pub struct Waiter {
    /// Batches of the shard under way: one less when this one is done.
    pub(super) under_way: Arc<AtomicUsize>,
    pub(super) mailbox: Mailbox,
    pub(super) spare: Arc<Spare>,
}

impl Waiter {
    /// Says that the batch is committed, and gives back the buffers of what was written.
    pub fn tell(self, written: States) {
        self.spare.give(written);
        self.under_way.fetch_sub(1, Ordering::AcqRel);
        self.mailbox.wake();
    }
}

/// Buffers of states that were committed, to be filled again: fresh ones would come from the system
/// page by page, each of them cleared first.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<States>>);

impl Spare {
    /// Buffers kept.
    const KEPT_MAX: usize = 4;
    /// Bytes of the largest that is kept.
    const BYTES_MAX: usize = 2 * 1_024 * 1_024;

    /// Empty states, with buffers where there are some.
    pub(super) fn take(&self) -> States {
        self.kept().pop().unwrap_or_default()
    }

    fn give(&self, mut states: States) {
        let mut kept = self.kept();
        if (1..=Self::BYTES_MAX).contains(&states.capacity()) && kept.len() < Self::KEPT_MAX {
            states.clear();
            kept.push(states);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<States>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The workers' way to the committer; cheap to clone. When all are dropped, the committer ends.
#[derive(Clone, Debug)]
pub struct CommitQueue {
    jobs: SyncSender<Job>,
    term: u64,
}

/// A way to somebody else who commits, and what comes that way.
pub fn queue() -> (CommitQueue, Receiver<Job>) {
    let (jobs, waiting) = sync_channel(BATCHES_MAX);
    (CommitQueue { jobs, term: 0 }, waiting)
}

impl CommitQueue {
    /// The way for an owner who has its shard for this time.
    #[must_use]
    pub fn for_term(&self, term: u64) -> Self {
        Self { term, ..self.clone() }
    }

    /// Hands over a batch, waiting for room; `false` when the committer has ended.
    pub(super) fn send(&self, batch: Batch, waiter: Waiter) -> bool {
        self.jobs.send(Job { batch, term: self.term, waiter }).is_ok()
    }
}

/// The committer: call [`Committer::run`] on a thread of its own.
#[derive(Debug)]
pub struct Committer {
    store: Arc<Store>,
    jobs: Receiver<Job>,
    sink: mpsc::Sender<Committed>,
}

/// The committer of a store, and the way to it. What is durable goes into `sink`.
pub fn pair(store: Arc<Store>, sink: mpsc::Sender<Committed>) -> (CommitQueue, Committer) {
    let (commits, jobs) = queue();
    (commits, Committer { store, jobs, sink })
}

impl Committer {
    /// Commits what waits, again and again, until all workers are gone.
    ///
    /// # Errors
    /// When a commit failed. What is on disk is then unknown and the process must stop.
    pub fn run(self) -> Result<(), Error> {
        while let Ok(first) = self.jobs.recv() {
            let mut jobs = vec![first];
            jobs.extend(self.jobs.try_iter().take(BATCHES_MAX));
            self.commit(jobs)?;
        }
        self.store.flush()
    }

    /// Commits what waits now; how many batches that were. For tests that choose the moment.
    #[cfg(test)]
    pub(super) fn commit_waiting(&self) -> Result<usize, Error> {
        let jobs: Vec<Job> = self.jobs.try_iter().take(BATCHES_MAX).collect();
        let count = jobs.len();
        if count != 0 {
            self.commit(jobs)?;
        }
        Ok(count)
    }

    /// What waits now, for tests that commit themselves.
    #[cfg(test)]
    pub(super) fn take_waiting(&self) -> Vec<Job> {
        self.jobs.try_iter().collect()
    }

    fn commit(&self, jobs: Vec<Job>) -> Result<(), Error> {
        let watch = Stopwatch::start();
        let mut batches = Vec::with_capacity(jobs.len());
        let mut waiters = Vec::with_capacity(jobs.len());
        for job in jobs {
            batches.push(job.batch);
            waiters.push(job.waiter);
        }
        let flushed = batches.iter().any(Batch::must_be_flushed);
        self.store.commit(&mut batches)?;
        telemetry::Committed { took: watch.elapsed() }.emit();
        if flushed {
            telemetry::Flushed { what: "store" }.emit();
        }
        for (waiter, batch) in waiters.into_iter().zip(&mut batches) {
            waiter.tell(std::mem::take(&mut batch.states));
        }
        for committed in batches.into_iter().filter_map(Batch::into_committed) {
            // Whoever acts on it may have gone already: it is found in the store after a restart.
            drop(self.sink.blocking_send(committed));
        }
        Ok(())
    }
}
