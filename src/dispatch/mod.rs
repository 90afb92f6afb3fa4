//! Takes what the outbox holds to the channels, and what became of it back to the log.
//!
//! A send is in the outbox, with its first attempt begun, in the very commit that decided it; its
//! decision id is the idempotency key of every call. Each channel has a lane of its own. A row that
//! finds its lane full stays in the outbox until the lane has room and takes it from there.

pub mod attempt;
pub mod backoff;
pub mod breaker;
mod call;
mod channel;
mod claims;
mod client;
pub mod console;
pub mod egress;
mod fill;
pub mod http;
pub mod in_app;
mod lane;
pub mod outcome;
mod pace;
mod refill;
mod seam;
#[cfg(test)]
mod sink;
pub mod smtp;
pub mod tables;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "kafka")]
pub mod topic;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

pub use channel::{Channel, Unusable};
pub use seam::{Gate, Known, Ledger, Page, Saved, Trouble};

use crate::clock::Shared as Clock;
use crate::config::{CONCURRENCY_DEFAULT, ChannelConfig, ChannelKind, OnUnknown, ReceiptsConfig};
use crate::engine::catalog::Sending;
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;
use crate::links::Links;
use crate::store::record::OutboxRow;
use attempt::Seen;
use call::Caller;
use claims::{Claims, Scan};
use in_app::InApp;
use lane::{Item, Lane};
use pace::Pace;
use refill::{Left, PAGE_ROWS, Refill, Whose};

/// How often the outbox is looked through; more often in tests.
const SCAN_EVERY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 15_000 });
/// The lane of all channels that are not configured.
const OTHERS: &str = "(not configured)";
/// The channel that is in-app without being configured.
const IN_APP: &str = "in_app";

/// What is needed to start.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The channels configured.
    pub channels: &'a [ChannelConfig],
    /// Whether outreach really leaves.
    pub sending: Sending,
    /// The outbox and the log.
    pub ledger: Arc<dyn Ledger>,
    /// The governor.
    pub gate: Arc<dyn Gate>,
    /// The in-app channel.
    pub in_app: InApp,
    /// The links in messages.
    pub links: Arc<Links>,
    /// The clock.
    pub clock: Clock,
}

/// Makes a channel from its configuration.
type Make<'a> = dyn Fn(&ChannelConfig) -> Result<Arc<dyn Channel>, Unusable> + 'a;

/// Something that has to run until the dispatcher is stopped.
pub struct Work {
    /// What it is called.
    pub name: String,
    /// What runs.
    pub future: BoxFuture<'static, ()>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Hands rows to the lanes.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

/// Where a lane takes rows in, and hears of those for which there is no room.
#[derive(Debug)]
struct Door {
    queue: mpsc::Sender<Item>,
    left: Arc<Left>,
}

#[derive(Debug)]
struct Shared {
    lanes: BTreeMap<String, Door>,
    others: Door,
    claims: Arc<Claims>,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    may_scan: Notify,
    stop: CancellationToken,
}

impl Dispatcher {
    /// Makes the channels and their lanes. Nothing runs before the works do.
    ///
    /// # Errors
    /// Every channel that cannot be used.
    pub fn new(setup: &Setup<'_>) -> Result<(Self, Vec<Work>), Vec<Unusable>> {
        Self::with(setup, &|config| channel::make(config, &setup.in_app, &setup.links))
    }

    fn with(setup: &Setup<'_>, make: &Make<'_>) -> Result<(Self, Vec<Work>), Vec<Unusable>> {
        let claims = Arc::new(Claims::default());
        let stop = CancellationToken::new();
        let mut lanes = BTreeMap::new();
        let mut works = Vec::new();
        let mut unusable = Vec::new();
        let mut others = None;
        for config in &with_defaults(setup.channels) {
            let channel = match make(config) {
                Ok(channel) => channel,
                Err(why) => {
                    unusable.push(why);
                    continue;
                }
            };
            let caller = Arc::new(Caller {
                channel,
                on_unknown: config.on_unknown,
                retry_life: config.retry_life(),
                hears: config.receipts.hears(),
                sending: setup.sending,
                ledger: Arc::clone(&setup.ledger),
                gate: Arc::clone(&setup.gate),
                links: Arc::clone(&setup.links),
                claims: Arc::clone(&claims),
                clock: Arc::clone(&setup.clock),
            });
            let (sender, queue) = mpsc::channel(lane::QUEUE_ROWS_MAX);
            let door = Door { queue: sender, left: Arc::default() };
            let whose = match &*config.name {
                OTHERS => Whose::AllBut(lanes.keys().cloned().collect()),
                name => Whose::Of(name.to_owned()),
            };
            let refill = Refill::new(Arc::clone(&setup.ledger), Arc::clone(&door.left));
            let pace = Pace::new(config.rate);
            let name = (config.name.clone(), whose);
            let lane = Lane::new(name, refill, caller, config.concurrency, pace);
            works.push(Work {
                name: format!("dispatch {}", config.name),
                future: Box::pin(lane.run(queue, stop.clone())),
            });
            if config.name == OTHERS {
                others = Some(door);
            } else {
                lanes.insert(config.name.clone(), door);
            }
        }
        let (Some(others), true) = (others, unusable.is_empty()) else { return Err(unusable) };
        let shared = Arc::new(Shared {
            lanes,
            others,
            claims,
            ledger: Arc::clone(&setup.ledger),
            clock: Arc::clone(&setup.clock),
            may_scan: Notify::new(),
            stop,
        });
        let scans = Arc::clone(&shared);
        works.push(Work {
            name: "dispatch scan".to_owned(),
            future: Box::pin(async move { scans.keep_scanning().await }),
        });
        Ok((Self { shared }, works))
    }

    /// Hands over a row that was committed just now, with its first attempt begun.
    pub fn offer(&self, row: OutboxRow) {
        self.shared.hand_over(row, Seen::Fresh);
    }

    /// A row was withdrawn and is gone from the outbox.
    pub fn withdraw(&self, id: DecisionId) {
        self.shared.claims.withdraw(id);
    }

    /// Takes over the rows that an earlier run, or another node, left in the outbox. To be called
    /// when everything that the log knows of them has been applied. What is in hand stays there.
    pub fn take_over(&self, left: impl IntoIterator<Item = DecisionId>) {
        for id in left {
            self.shared.claims.take_over(id);
        }
        self.shared.may_scan.notify_one();
    }

    /// Starts no more calls. The works end when the calls under way have.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

/// The channels of the file, and those that are there without it.
fn with_defaults(configured: &[ChannelConfig]) -> Vec<ChannelConfig> {
    let plain = |name: &str, kind| ChannelConfig {
        name: name.to_owned(),
        place: "(default)".to_owned(),
        kind,
        concurrency: CONCURRENCY_DEFAULT,
        rate: None,
        at_most: Vec::new(),
        on_unknown: OnUnknown::Retry,
        receipts: ReceiptsConfig::none(),
    };
    let mut channels = configured.to_vec();
    if channels.iter().all(|channel| channel.name != IN_APP) {
        channels.push(plain(IN_APP, ChannelKind::InApp));
    }
    channels.push(plain(OTHERS, ChannelKind::Console));
    channels
}

impl Shared {
    /// False when the row found no room.
    fn hand_over(&self, row: OutboxRow, seen: Seen) -> bool {
        let Some(id) = DecisionId::parse(&row.decision) else {
            tracing::error!(decision = row.decision, "an outbox row has an id that cannot be read");
            return true;
        };
        if self.stop.is_cancelled() || !self.claims.take(id) {
            return true;
        }
        let lane = self.lanes.get(&row.channel).unwrap_or(&self.others);
        let item = Item { id, row, seen };
        if let Err(
            mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item),
        ) = lane.queue.try_send(item)
        {
            self.claims.give_back(id, item.seen);
            lane.left.note();
            return false;
        }
        true
    }

    async fn keep_scanning(&self) {
        tokio::select! {
            () = self.may_scan.notified() => {}
            () = self.stop.cancelled() => return,
        }
        loop {
            if let Err(trouble) = self.scan().await {
                tracing::warn!(%trouble, "the outbox cannot be looked through");
            }
            tokio::select! {
                () = tokio::time::sleep(SCAN_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Looks through the whole outbox and hands over what is due and in nobody's hands.
    async fn scan(&self) -> Result<(), Trouble> {
        let mut scan = self.claims.begin_scan();
        let mut from = None;
        // Lanes that are full already: the rest of their rows need not be tried.
        let mut full = Vec::new();
        loop {
            let page = self.ledger.page(from, PAGE_ROWS).await?;
            let horizon = self.clock.now() + lane::KEEP_MAX;
            for row in page.rows {
                self.meet(&mut scan, row, horizon, &mut full);
            }
            match page.next {
                Some(next) if !self.stop.is_cancelled() => from = Some(next),
                Some(_) => return Ok(()),
                None => break,
            }
        }
        self.claims.end_scan(&scan);
        Ok(())
    }

    fn meet(&self, scan: &mut Scan, row: OutboxRow, horizon: Timestamp, full: &mut Vec<String>) {
        let Some(id) = DecisionId::parse(&row.decision) else { return };
        let Some(seen) = self.claims.meet(scan, id, &row) else { return };
        if horizon < Timestamp::from_millis(row.next_at_ms) || full.contains(&row.channel) {
            return;
        }
        let channel = row.channel.clone();
        if !self.hand_over(row, seen) {
            full.push(channel);
        }
    }
}
