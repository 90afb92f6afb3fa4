//! One channel's lane: its own bounded queue, its own calls, its own rest after failures, so that
//! it never holds up another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::Seen;
use super::breaker::{Breaker, Change, Permit};
use super::call::{Caller, Done, End, Health};
use super::pace::Pace;
use super::refill::{Refill, Whose};
use super::seam::Page;
use crate::clock::Shared as Clock;
use crate::engine::id::DecisionId;
use crate::engine::time::{Span, Timestamp};
use crate::store::record::OutboxRow;
use crate::telemetry::{ChannelState, OutboxHeld};

/// Rows that may wait to be taken in; past it they stay in the outbox until there is room.
pub(super) const QUEUE_ROWS_MAX: usize = 256;
/// Rows that a lane holds in memory, waiting or under way.
pub(super) const HELD_ROWS_MAX: usize = 1_024;
/// With fewer than these there is room for what was left in the outbox.
const HELD_ROWS_LOW: usize = HELD_ROWS_MAX / 2;
/// A row that is due later than this is given back to the outbox until a scan.
pub(super) const KEEP_MAX: Span = Span::MINUTE;
/// The wait before something that went wrong on our side is tried again.
const AGAIN: Span = Span::SECOND;
/// The longest sleep, so that a clock that is set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// A row on its way into a lane.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: DecisionId,
    pub(super) row: OutboxRow,
    pub(super) seen: Seen,
}

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    name: String,
    whose: Whose,
    refill: Refill,
    caller: Arc<Caller>,
    clock: Clock,
    concurrency: usize,
    pace: Pace,
    breaker: Breaker,
    // By due instant, then by arrival.
    waiting: BTreeMap<(i64, u64), Item>,
    arrivals: u64,
    // Customers with a call under way: one at a time each, so that messages do not overtake.
    busy: BTreeSet<String>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Lane {
    pub(super) fn new(
        (name, whose): (String, Whose),
        refill: Refill,
        caller: Arc<Caller>,
        concurrency: usize,
        pace: Pace,
    ) -> Self {
        let clock = Arc::clone(&caller.clock);
        Self {
            name,
            whose,
            refill,
            caller,
            clock,
            concurrency,
            pace,
            breaker: Breaker::default(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            busy: BTreeSet::new(),
            running: FuturesUnordered::new(),
        }
    }

    /// Works until it is stopped, then waits for the calls under way.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Item>, stop: CancellationToken) {
        loop {
            let sleep = self.start_due().min(SLEEP_MAX);
            OutboxHeld { channel: &self.name, count: self.held() }.emit();
            if self.held() < HELD_ROWS_LOW {
                self.refill.go_on();
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = self.running.next(), if !self.running.is_empty() => self.end(done),
                item = queue.recv(), if self.held() < HELD_ROWS_MAX => match item {
                    Some(item) => self.admit(item),
                    None => break,
                },
                page = self.refill.page(), if self.refill.is_reading() => self.take_in(page),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // What waits is in the outbox; only calls under way are waited for.
        while let Some(done) = self.running.next().await {
            self.end(done);
        }
        OutboxHeld { channel: &self.name, count: 0 }.emit();
    }

    fn held(&self) -> usize {
        self.waiting.len().saturating_add(self.running.len())
    }

    fn admit(&mut self, item: Item) {
        let due = item.row.next_at_ms;
        self.wait_until(due, item);
    }

    /// Takes in rows of the outbox, as far as there is room.
    fn take_in(&mut self, page: Page) {
        let horizon = self.clock.now() + KEEP_MAX;
        let mut passed = None;
        for row in page.rows {
            if self.whose.has(&row) {
                if HELD_ROWS_MAX <= self.held() {
                    return self.refill.stay_behind(passed);
                }
                passed = Some(row.decision.clone());
                if Timestamp::from_millis(row.next_at_ms) <= horizon {
                    self.pick(row);
                }
            } else {
                passed = Some(row.decision);
            }
        }
        self.refill.went_to(page.next);
    }

    fn pick(&mut self, row: OutboxRow) {
        let Some(id) = DecisionId::parse(&row.decision) else { return };
        let claims = &self.caller.claims;
        if let Some(seen) = claims.way(id, &row)
            && claims.take(id)
        {
            self.admit(Item { id, row, seen });
        }
    }

    fn wait_until(&mut self, due: i64, item: Item) {
        self.arrivals = self.arrivals.saturating_add(1);
        self.waiting.insert((due, self.arrivals), item);
    }

    /// Starts every call that may start now, and says how long nothing more can.
    fn start_due(&mut self) -> Duration {
        let now = self.clock.now();
        while self.running.len() < self.concurrency {
            let Some(key) = self.first_ready(now) else { return self.until_next(now) };
            match self.breaker.permit(now) {
                Permit::Go => {}
                Permit::NotBefore(until) => return self.clock.sleep_for(until - now),
                Permit::AfterProbe => return SLEEP_MAX,
            }
            if let Err(wait) = self.pace.take() {
                self.breaker.not_called();
                return wait;
            }
            if let Some(item) = self.waiting.remove(&key) {
                self.busy.insert(item.row.customer.clone());
                self.running.push(Box::pin(Arc::clone(&self.caller).attempt(item)));
            }
        }
        SLEEP_MAX
    }

    fn first_ready(&self, now: Timestamp) -> Option<(i64, u64)> {
        self.waiting
            .range(..=(now.as_millis(), u64::MAX))
            .find(|(_, item)| !self.busy.contains(&item.row.customer))
            .map(|(key, _)| *key)
    }

    fn until_next(&self, now: Timestamp) -> Duration {
        // Rows that are due wait for their customer's call, whose end wakes the lane.
        let later = self.waiting.range((now.as_millis(), u64::MAX)..).next();
        later.map_or(SLEEP_MAX, |((due, _), _)| {
            self.clock.sleep_for(Timestamp::from_millis(*due) - now)
        })
    }

    fn end(&mut self, done: Done) {
        self.busy.remove(&done.customer);
        let now = self.clock.now();
        match done.health {
            Health::NotCalled => self.breaker.not_called(),
            Health::Answered => {
                if self.breaker.answered() == Change::Works {
                    ChannelState::Resumed { channel: &self.name }.emit();
                }
            }
            Health::Failed { why, not_before } => {
                if let Change::Rests(rest) = self.breaker.failed(now, not_before) {
                    let rest = self.clock.sleep_for(rest);
                    ChannelState::Paused { channel: &self.name, rest, why: &why }.emit();
                }
            }
        }
        let claims = &self.caller.claims;
        match done.end {
            End::Settled(id) => claims.settle(id),
            End::Gone(id) => claims.forget(id),
            End::Wait(item) if now + KEEP_MAX < Timestamp::from_millis(item.row.next_at_ms) => {
                claims.give_back(item.id, item.seen);
            }
            End::Wait(item) => self.admit(item),
            End::Again(item) => self.wait_until((now + AGAIN).as_millis(), item),
            // The service is ending: the row stays as it is committed.
            End::Left => {}
        }
    }
}
