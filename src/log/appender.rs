//! The door to the log for many callers at once: they queue, one thread flushes for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Error, Group, Log};
use crate::telemetry;

/// Requests that wait at most; past it callers hear [`Error::Overloaded`].
pub const QUEUE_REQUESTS_MAX: usize = 4_096;
/// Bytes of records that wait at most; past it callers hear [`Error::Overloaded`].
pub const QUEUE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Bytes of records that share one flush.
const FLUSH_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Told, after each flush, which shard has something new. It must not block.
pub type OnAppend = Box<dyn Fn(u16) + Send>;

/// Appends to the log; cheap to clone. When all clones are dropped, the [`Writer`] ends.
#[derive(Clone, Debug)]
pub struct Appender {
    queue: mpsc::Sender<Request>,
    log: Arc<dyn Log>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// The thread's part: call [`Writer::run`] on a thread of its own.
pub struct Writer {
    queue: mpsc::Receiver<Request>,
    log: Arc<dyn Log>,
    waiting_bytes: Arc<AtomicUsize>,
    on_append: OnAppend,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("log", &self.log).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Request {
    groups: Vec<Group>,
    bytes: usize,
    answer: oneshot::Sender<Result<Vec<(u64, u64)>, Error>>,
}

/// Both parts.
pub fn pair(log: Arc<dyn Log>, on_append: OnAppend) -> (Appender, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let appender =
        Appender { queue: sender, log: log.clone(), waiting_bytes: waiting_bytes.clone() };
    (appender, Writer { queue: receiver, log, waiting_bytes, on_append })
}

impl Appender {
    /// The log it appends to.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Appends records to one shard and waits until they are durable: positions of the first and
    /// the last.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when too much waits; otherwise why they are not durable.
    pub async fn append(&self, shard: u16, records: Vec<Bytes>) -> Result<(u64, u64), Error> {
        let positions = self.append_groups(vec![Group { shard, records }]).await?;
        positions.first().copied().ok_or(Error::Closed)
    }

    /// Appends groups, all or none, and waits until they are durable.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when too much waits; otherwise why they are not durable.
    pub async fn append_groups(&self, groups: Vec<Group>) -> Result<Vec<(u64, u64)>, Error> {
        let (request, answer) = self.admit(groups)?;
        let bytes = request.bytes;
        if let Err(refused) = self.queue.try_send(request) {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return Err(match refused {
                mpsc::error::TrySendError::Full(_) => Error::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            });
        }
        answer.await.map_err(|_| Error::Closed)?
    }

    /// The same for a thread that may block; it waits for room in the queue instead of hearing
    /// [`Error::Overloaded`] when there are too many requests. Not to be called in async code.
    ///
    /// # Errors
    /// Why they are not durable.
    pub fn append_groups_blocking(&self, groups: Vec<Group>) -> Result<Vec<(u64, u64)>, Error> {
        let (request, answer) = self.admit(groups)?;
        let bytes = request.bytes;
        if self.queue.blocking_send(request).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return Err(Error::Closed);
        }
        answer.blocking_recv().map_err(|_| Error::Closed)?
    }

    fn admit(&self, groups: Vec<Group>) -> Result<(Request, Answer), Error> {
        let shards = self.log.shards();
        if let Some(group) = groups.iter().find(|group| shards <= group.shard) {
            // Refused alone, before it could spoil a flush that it shares with others.
            return Err(Error::NoShard(group.shard));
        }
        let bytes = groups.iter().flat_map(|group| &group.records).map(Bytes::len).sum();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before != 0 && QUEUE_BYTES_MAX < before.saturating_add(bytes) {
            self.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
            return Err(Error::Overloaded);
        }
        let (sender, receiver) = oneshot::channel();
        Ok((Request { groups, bytes, answer: sender }, receiver))
    }
}

type Answer = oneshot::Receiver<Result<Vec<(u64, u64)>, Error>>;

impl Writer {
    /// Flushes what waits, again and again, until all appenders are dropped.
    ///
    /// # Errors
    /// When a flush failed. What is on disk is then unknown and the process must stop; all who
    /// waited have been told.
    pub fn run(mut self) -> Result<(), Error> {
        while let Some(first) = self.queue.blocking_recv() {
            let requests = self.collect(first);
            if let Err(error) = self.flush(requests) {
                if matches!(error, Error::Away(_)) {
                    // All who waited have been told, and may come again.
                    continue;
                }
                self.queue.close();
                while let Some(request) = self.queue.blocking_recv() {
                    answer(request.answer, Err(error.clone()));
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// All that waits already, up to a bound: nobody is kept waiting for company.
    fn collect(&mut self, first: Request) -> Vec<Request> {
        let mut bytes = first.bytes;
        let mut requests = vec![first];
        while bytes < FLUSH_BYTES_MAX && requests.len() < QUEUE_REQUESTS_MAX {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes = bytes.saturating_add(next.bytes);
            requests.push(next);
        }
        self.waiting_bytes
            .fetch_sub(requests.iter().map(|request| request.bytes).sum(), Ordering::AcqRel);
        requests
    }

    fn flush(&self, requests: Vec<Request>) -> Result<(), Error> {
        let mut groups = Vec::new();
        let mut waiters = Vec::with_capacity(requests.len());
        for request in requests {
            waiters.push((request.groups.len(), request.answer));
            groups.extend(request.groups);
        }
        match self.log.append_groups(&groups) {
            Ok(positions) => {
                telemetry::Flushed { what: "log" }.emit();
                let mut positions = positions.into_iter();
                for (count, waiter) in waiters {
                    answer(waiter, Ok(positions.by_ref().take(count).collect()));
                }
                let mut shards: Vec<u16> = groups.iter().map(|group| group.shard).collect();
                shards.sort_unstable();
                shards.dedup();
                shards.into_iter().for_each(&self.on_append);
                Ok(())
            }
            Err(error) => {
                for (_, waiter) in waiters {
                    answer(waiter, Err(error.clone()));
                }
                Err(error)
            }
        }
    }
}

/// A caller that has gone away needs no answer.
fn answer<T>(waiter: oneshot::Sender<T>, value: T) {
    drop(waiter.send(value));
}

#[cfg(test)]
mod tests;
