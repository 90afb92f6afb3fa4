//! The loop around a shard: messages, the log, timers, batches.

mod intake;
mod leave;
mod past;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use past::Past;
use tokio::sync::oneshot;

use super::committer::{CommitQueue, Waiter};
use super::hearing::GAPS_MAX;
use super::message::{MESSAGES_MAX, Mailbox, Message, Status};
use super::open_batch::{Extent, Haste, Hears, OpenBatch, Then};
use super::shard::Shard;
use super::{gate, page, query};
use crate::clock::{self, Stopwatch};
use crate::decode::Partition;
use crate::engine::catalog::Catalog;
use crate::engine::input::BlindGap;
use crate::engine::time::{Span, Timestamp};
use crate::log::Source;
use crate::store::{self, Batch, Mark, Store, format};
use crate::telemetry;

/// Timers that fire before messages and the log are looked at again.
const TICKS_AT_ONCE: usize = 1_024;
/// How often a sign of life is written down.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long it sleeps at most: timers may be due by a clock that was moved.
const SLEEP_MAX: Duration = Duration::from_millis(250);
/// A shard so many inputs behind works off more than a tenth of a second: whoever waits for it does
/// not notice a batch that is held for a moment longer.
const BEHIND_MANY: u64 = 100_000;
/// How long rulings of such a shard are held for others to join them: a batch costs one flush, and
/// the counts of all triggers that ruled, however many rulings are in it.
const HOLD_MAX: Duration = Duration::from_millis(20);
/// How often a timer that is due asks whether everything before it has been heard.
const WATERMARK_AGAIN: Duration = Duration::from_millis(2);
/// Being down for longer counts as blind.
pub const BLIND_MIN: Span = Span::MINUTE;
/// Blind times are remembered for so long.
const BLIND_KEEP: Span = Span::DAY.times(400);

/// Why a worker ended early. The process must stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] crate::log::Error),
    /// A state is none.
    #[error("the state of customer `{customer}` cannot be used: {why}")]
    State {
        /// Whose.
        customer: String,
        /// Why.
        why: format::Error,
    },
    /// The committer has ended.
    #[error("the committer has stopped")]
    CommitterStopped,
}

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The log it reads.
    pub log: Arc<dyn Source>,
    /// The store it loads from.
    pub store: Arc<Store>,
    /// The clock.
    pub clock: clock::Shared,
    /// The committer.
    pub commits: CommitQueue,
}

/// The worker of one shard: call [`Worker::run`] on a thread of its own.
#[derive(Debug)]
pub struct Worker {
    number: u16,
    parts: Parts,
    catalog: Arc<Catalog>,
    messages: Receiver<Message>,
    mailbox: Mailbox,
    woken: Arc<AtomicBool>,
    status: Arc<Status>,
}

/// The worker of a shard and the way to it.
pub fn pair(number: u16, catalog: Arc<Catalog>, parts: Parts) -> (Mailbox, Worker) {
    let (sender, messages) = sync_channel(MESSAGES_MAX);
    let woken = Arc::new(AtomicBool::new(false));
    let status = Arc::new(Status::default());
    let mailbox = Mailbox::new(number, sender, woken.clone(), status.clone());
    let worker =
        Worker { number, parts, catalog, messages, mailbox: mailbox.clone(), woken, status };
    (mailbox, worker)
}

impl Worker {
    /// The same under another catalog: the one that came into force while it was made ready.
    #[must_use]
    pub fn under(self, catalog: Arc<Catalog>) -> Self {
        Self { catalog, ..self }
    }

    /// Loads the shard and owns it until it is told to stop.
    ///
    /// # Errors
    /// When the log or the store fails. The process must stop.
    pub fn run(self) -> Result<(), Error> {
        let mut running = Running::load(self)?;
        while running.round()? == Next::GoOn {}
        running.close()
    }
}

/// Whether there is another round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// A worker at work.
#[derive(Debug)]
struct Running {
    worker: Worker,
    shard: Shard,
    open: OpenBatch,
    past: Past,
    mark: Mark,
    /// Batches handed over and not yet committed.
    under_way: Arc<AtomicUsize>,
    heartbeat: Stopwatch,
    /// Inputs of the log that are still to be applied.
    behind: u64,
    /// Reaching it means having caught up with what was there at the start.
    goal: u64,
    written: Written,
    busy: Busy,
}

/// What the last whole batch said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Written {
    heard: u64,
    aside: u64,
}

impl Written {
    fn of(mark: &Mark) -> Self {
        Self { heard: mark.heard, aside: mark.aside }
    }
}

/// Whether another catalog is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reloaded {
    Yes,
    No,
}

/// Whether the last round found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    Yes,
    No,
}

impl Running {
    fn load(worker: Worker) -> Result<Self, Error> {
        let Parts { store, clock, log, .. } = &worker.parts;
        let number = worker.number;
        let mut shard = Shard::new(worker.catalog.clone());
        let known = store.mark(number)?;
        let now = Timestamp::max(clock.now(), known.as_ref().map_or(Timestamp::MIN, |m| m.ticked));
        shard.set_funnels(store.funnels_of(number)?);
        shard.reserve(store.customers_about() / usize::from(store.shards()));
        store.load(number, |id, bytes| match shard.load(id.clone(), bytes) {
            Ok(_) => Ok(()),
            Err(why) => Err(Error::State { customer: id.as_str().to_owned(), why }),
        })?;
        let fresh = known.is_none();
        let mut mark = known.unwrap_or_default();
        if fresh {
            mark.revision = worker.catalog.revision.to_string();
            mark.wall = now;
        }
        mark.shards = log.shards();
        // What others keep while we are away is heard later, not never.
        match log.is_shared() {
            true => shard.come_from(Partition { number, of: log.shards() }),
            false => note_blind(&mut mark, now),
        }
        shard.set_blind(mark.blind.clone());
        shard.set_operations(mark.operations.clone());
        let goal = log.end(number);
        let hears = if log.is_shared() { Hears::Everyone } else { Hears::Nobody };
        let mut running = Self {
            open: OpenBatch::new(number, mark.position, hears),
            past: Past::new(),
            under_way: Arc::new(AtomicUsize::new(0)),
            heartbeat: Stopwatch::start(),
            busy: Busy::Yes,
            behind: 0,
            worker,
            shard,
            mark,
            goal,
            written: Written::default(),
        };
        running.written = Written::of(&running.mark);
        if running.mark.revision != *running.worker.catalog.revision {
            let all: Vec<_> = running.shard.customers().numbers().collect();
            for customer in &all {
                running.shard.bind(*customer, now);
            }
            running.write_all(&all)?;
        }
        running.report(0);
        running.worker.status.set_loaded();
        tracing::info!(
            shard = number,
            customers = running.shard.customers().len(),
            position = running.mark.position,
            end = goal,
            "shard loaded"
        );
        Ok(running)
    }

    fn round(&mut self) -> Result<Next, Error> {
        if self.hear()? == Next::Stop {
            return Ok(Next::Stop);
        }
        self.busy = Busy::No;
        self.read_log()?;
        self.read_aside()?;
        if self.busy == Busy::No {
            self.tick()?;
        }
        if !self.worker.status.has_caught_up() && self.is_caught_up() {
            self.worker.status.set_caught_up();
        }
        self.close_if_due()?;
        Ok(Next::GoOn)
    }

    fn is_caught_up(&self) -> bool {
        let Mark { position, aside, .. } = self.mark;
        self.worker.parts.log.is_caught_up(self.worker.number, position, aside, self.goal)
    }

    /// Hears all messages that wait; sleeps until there is one when there is nothing to do.
    fn hear(&mut self) -> Result<Next, Error> {
        let mut wait = match self.busy {
            Busy::Yes => None,
            Busy::No => Some(self.sleep()),
        };
        loop {
            let message = match wait.take() {
                Some(wait) => match self.worker.messages.recv_timeout(wait) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => return Ok(Next::GoOn),
                    Err(RecvTimeoutError::Disconnected) => return Ok(Next::Stop),
                },
                None => match self.worker.messages.try_recv() {
                    Ok(message) => message,
                    Err(TryRecvError::Empty) => return Ok(Next::GoOn),
                    Err(TryRecvError::Disconnected) => return Ok(Next::Stop),
                },
            };
            if self.handle(message)? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
    }

    /// How long there is nothing to do, as far as is known.
    fn sleep(&self) -> Duration {
        let now = self.worker.parts.clock.now();
        let timer = self.shard.next_due().map(|due| match due <= now {
            // It waits for what the log has not told yet.
            true => WATERMARK_AGAIN,
            false => self.worker.parts.clock.sleep_for(due - now),
        });
        let left = |limit: Duration, since: &Stopwatch| limit.saturating_sub(since.elapsed());
        // One that is not to come would be waited for without end and without rest.
        let heartbeat = match self.shows_life() && self.is_free() {
            true => left(HEARTBEAT, &self.heartbeat),
            false => SLEEP_MAX,
        };
        let least = timer.map_or(heartbeat, |timer| timer.min(heartbeat));
        least.clamp(Duration::from_micros(100), SLEEP_MAX)
    }

    fn handle(&mut self, message: Message) -> Result<Next, Error> {
        match message {
            Message::Wake => self.worker.woken.store(false, Ordering::Release),
            Message::Stop => return Ok(Next::Stop),
            Message::Reload { catalog, ready, go, done } => {
                if self.reload(catalog, ready, go)? == Reloaded::Yes {
                    reply(done, ());
                }
            }
            Message::List { query, answer } => {
                self.read_before_answer()?;
                let store = &self.worker.parts.store;
                let page = query::list(&self.shard, self.worker.number, store, &query)?;
                reply(answer, page);
            }
            Message::Page { customer, answer } => {
                self.read_before_answer()?;
                let now = self.worker.parts.clock.now();
                reply(answer, page::page(&self.shard, &customer, now).map(Box::new));
            }
            Message::Gate { row, now, answer } => {
                self.read_before_answer()?;
                reply(answer, gate::ask(&self.shard, &row, now));
            }
            Message::Inspect { customer, look } => {
                self.read_before_answer()?;
                let state = customer.and_then(|customer| self.shard.find(&customer));
                look(&self.shard, state);
            }
        }
        Ok(Next::GoOn)
    }

    /// Lets timers fire that are due, if the shard has heard all that came before.
    fn tick(&mut self) -> Result<(), Error> {
        let Parts { log, clock, .. } = &self.worker.parts;
        let until = log.watermark(self.worker.number, clock.now());
        // What was being flushed when the watermark was taken is at or after it; the rest is seen.
        if self.mark.position < log.end(self.worker.number) {
            self.busy = Busy::Yes;
            return Ok(());
        }
        for _ in 0..TICKS_AT_ONCE {
            let Some((customer, decision)) = self.shard.tick(until) else {
                self.mark.ticked = self.mark.ticked.max(until);
                return Ok(());
            };
            self.busy = Busy::Yes;
            self.open.begin_tick();
            if self.open.take_one(&mut self.shard, customer, &decision) == Then::Close {
                self.hand_over()?;
            }
            if self.open.is_full() {
                self.hand_over_due()?;
            }
        }
        Ok(())
    }

    /// Hands the batch over when somebody waits for it and the last one is done, when states have
    /// waited long enough, or when it is time for a sign of life.
    fn close_if_due(&mut self) -> Result<(), Error> {
        let alive = self.shows_life() && HEARTBEAT <= self.heartbeat.elapsed();
        let (due, _) = self.past.due(self.mark.position);
        // The heartbeat began anew with the last batch.
        let held = BEHIND_MANY <= self.behind && self.heartbeat.elapsed() < HOLD_MAX;
        let urgent = self.open.is_urgent() && !held;
        if self.is_free() && (urgent || self.open.is_due(due) || alive) {
            return self.hand_over_due();
        }
        Ok(())
    }

    /// Whether the last batch is committed.
    fn is_free(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Whether signs of life are written down. Nobody takes an owner for blind whose source goes on
    /// without it, so there it is silent when it has nothing to say.
    fn shows_life(&self) -> bool {
        let Mark { position: heard, aside, .. } = self.mark;
        !self.worker.parts.log.is_shared() || self.written != Written { heard, aside }
    }

    /// Hands over what was ruled, and the states that have waited long enough.
    fn hand_over_due(&mut self) -> Result<(), Error> {
        let (due, late) = self.past.due(self.mark.position);
        let haste = if self.open.is_due(late) { Haste::Yes } else { Haste::No };
        let closed = self.open.close(&mut self.shard, Extent::Due(due, haste));
        self.send_whole(closed)
    }

    /// Hands over all that there is.
    fn hand_over(&mut self) -> Result<(), Error> {
        self.hand_over_much()?;
        let closed = self.open.close(&mut self.shard, Extent::All);
        self.send_whole(closed)
    }

    /// Hands over states until what is left fits into one batch.
    fn hand_over_much(&mut self) -> Result<(), Error> {
        while self.open.is_too_much() {
            let closed = self.open.close_some(&mut self.shard);
            self.send(closed)?;
        }
        Ok(())
    }

    /// Sends a batch with everything that was ruled up to here.
    fn send_whole(&mut self, closed: Result<(Batch, u64), format::Error>) -> Result<(), Error> {
        self.mark.heard = self.mark.heard.max(self.mark.position);
        self.written = Written::of(&self.mark);
        self.send(closed)
    }

    fn send(&mut self, closed: Result<(Batch, u64), format::Error>) -> Result<(), Error> {
        let (mut batch, position) =
            closed.map_err(|why| Error::State { customer: "(some)".to_owned(), why })?;
        self.mark.wall = self.mark.wall.max(self.worker.parts.clock.now());
        // Of what is still open, this batch must not say that it is done.
        let Written { heard, aside } = self.written;
        let blind = self.shard.blind().to_vec();
        let operations = self.shard.operations().clone();
        batch.mark = Mark { position, heard, aside, blind, operations, ..self.mark.clone() };
        self.heartbeat = Stopwatch::start();
        self.under_way.fetch_add(1, Ordering::AcqRel);
        let (under_way, mailbox) = (self.under_way.clone(), self.worker.mailbox.clone());
        let waiter = Waiter { under_way, mailbox, spare: self.open.spare() };
        if self.worker.parts.commits.send(batch, waiter) {
            Ok(())
        } else {
            Err(Error::CommitterStopped)
        }
    }

    fn reload(
        &mut self,
        catalog: Arc<Catalog>,
        ready: oneshot::Sender<Result<(), String>>,
        go: oneshot::Receiver<()>,
    ) -> Result<Reloaded, Error> {
        // Inputs applied so far belong to the old catalog, and so does the mark beside them.
        self.hand_over()?;
        let now = Timestamp::max(self.worker.parts.clock.now(), self.mark.ticked);
        let (next, changed) = match self.shard.bound_to(catalog.clone(), now) {
            Ok(bound) => bound,
            Err(why) => {
                reply(ready, Err(why.to_string()));
                return Ok(Reloaded::No);
            }
        };
        reply(ready, Ok(()));
        if go.blocking_recv().is_err() {
            return Ok(Reloaded::No);
        }
        self.shard.become_next(next);
        self.worker.catalog = catalog;
        self.write_all(&changed)?;
        Ok(Reloaded::Yes)
    }

    /// Writes customers who were bound anew. Only the last batch says that all of them are bound to
    /// this catalog: after a crash in between they are bound once more.
    fn write_all(&mut self, customers: &[super::CustomerNumber]) -> Result<(), Error> {
        self.open.begin_tick();
        customers.iter().for_each(|customer| self.open.mark(*customer));
        self.hand_over_much()?;
        self.mark.revision = self.worker.catalog.revision.to_string();
        self.hand_over()
    }

    fn report(&mut self, applied: u64) {
        if let Some(BlindGap { from, to, .. }) = self.shard.take_silence() {
            let (shard, silence) = (self.worker.number, to - from);
            telemetry::SourceSilent { shard, silence }.emit();
        }
        self.worker.status.set(self.mark.position, &self.shard, applied);
        telemetry::ShardHolds {
            shard: self.worker.number,
            customers: self.shard.customers().len() as u64,
            timers: self.shard.timers() as u64,
        }
        .emit();
    }

    fn close(mut self) -> Result<(), Error> {
        self.write_rest()?;
        self.hand_over()
    }
}

/// Answers a question. Whoever asked may have gone.
fn reply<T>(to: oneshot::Sender<T>, answer: T) {
    drop(to.send(answer));
}

/// Remembers that the shard was down since its last sign of life, if that is long ago.
fn note_blind(mark: &mut Mark, now: Timestamp) {
    if BLIND_MIN < now - mark.wall {
        mark.blind.push(BlindGap::down(mark.wall, now));
        mark.wall = now;
    }
    mark.blind.retain(|gap| now - gap.to < BLIND_KEEP);
    let excess = mark.blind.len().saturating_sub(GAPS_MAX);
    mark.blind.drain(..excess);
}

#[cfg(test)]
mod tests;
