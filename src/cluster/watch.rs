//! Watches from beside: where the topics end, so that time may go on in shards that have heard
//! everything, and who has the other shards.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::Error;
use super::shards::Shards;
use crate::clock::{Shared as Clock, Stopwatch};
use crate::engine::time::Timestamp;
use crate::kafka;
use crate::kafka::assignment::assigned;
use crate::kafka::client::{Quiet, Reader};
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::Source as _;
use crate::log::fed::Fed;
use crate::telemetry;
use crate::worker::Workers;

/// How often is asked where the topics end.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How often is asked who has which shard.
const MEMBERS_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A node that has not polled for so long is out of its group anyway, and must begin again.
const STUCK_MAX: Duration = Duration::from_secs(300);
/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What separates the name of a node from its address in the id of its client.
const AT: char = '@';

/// The id of a member's client: it says where the node is reached.
pub fn client_id(settings: &Settings, address: &str) -> String {
    format!("{}{AT}{address}", settings.client())
}

/// Where the nodes are that have the shards; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Others(Arc<Mutex<BTreeMap<u16, String>>>);

impl Others {
    /// The address of the node that has a shard, as far as is known.
    pub fn address(&self, shard: u16) -> Option<String> {
        self.lock().get(&shard).cloned()
    }

    /// Notes where a shard is.
    pub fn note(&self, shard: u16, address: &str) {
        self.lock().insert(shard, address.to_owned());
    }

    fn set(&self, addresses: BTreeMap<u16, String>) {
        *self.lock() = addresses;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, String>> {
        // No panic can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches: call [`Watch::run`] on a thread of its own.
#[derive(Debug)]
pub struct Watch {
    /// How Kafka is used.
    pub settings: Settings,
    /// What feeds the owners.
    pub fed: Arc<Fed>,
    /// The ways to the owners.
    pub workers: Workers,
    /// How far the shards are.
    pub shards: Shards,
    /// Where the others are.
    pub others: Others,
    /// The clock.
    pub clock: Clock,
    /// Set when it shall end.
    pub stop: Arc<AtomicBool>,
}

impl Watch {
    /// Watches until it is told to stop.
    ///
    /// # Errors
    /// When a property is wrong.
    pub fn run(self) -> Result<(), Error> {
        let mut config = self.settings.reader();
        // An event that is written and not committed yet counts: time must not pass it by.
        config.set("isolation.level", "read_uncommitted");
        let reader: Reader = config
            .create_with_context(Quiet)
            .map_err(|error| kafka::Error::of("the properties of a reader", &error))?;
        let names = Names::new(self.settings.config());
        let mut ends = BTreeMap::new();
        let mut members: Option<Stopwatch> = None;
        while !self.stop.load(Ordering::Acquire) {
            if let Some(silence) = self.shards.silence().filter(|silence| STUCK_MAX < *silence) {
                return Err(Error::Stuck(silence));
            }
            let watch = Stopwatch::start();
            let ours = self.shards.ours();
            ends.retain(|shard, _| ours.contains(shard));
            for shard in ours {
                if !self.ask(&reader, &names, shard, &mut ends) {
                    break;
                }
            }
            if members.as_ref().is_none_or(|asked| MEMBERS_EVERY <= asked.elapsed()) {
                members = Some(Stopwatch::start());
                self.ask_members(&reader, &names);
                self.count_partitions(&reader, &names)?;
            }
            while watch.elapsed() < ASK_EVERY && !self.stop.load(Ordering::Acquire) {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Ok(())
    }

    /// Asks where a shard's events end; false when the brokers do not answer.
    fn ask(
        &self,
        reader: &Reader,
        names: &Names,
        shard: u16,
        ends: &mut BTreeMap<u16, u64>,
    ) -> bool {
        let at = self.clock.now();
        let asked = reader.fetch_watermarks(&names.events, i32::from(shard), PATIENCE);
        let Ok((_, end)) = asked else { return false };
        let end = u64::try_from(end).unwrap_or(0);
        let before = ends.insert(shard, end);
        let fed = self.fed.end(shard);
        // The last places may hold what is for nobody: then the end was met, and has not moved.
        let met = self.fed.is_at_end(shard) && before == Some(end);
        if end <= fed || met {
            self.fed.heard_all(shard, at);
            self.workers.wake(shard);
        }
        self.show(shard, end, at);
        true
    }

    fn show(&self, shard: u16, end: u64, now: Timestamp) {
        let position = self.workers.position(shard).unwrap_or(0);
        let behind = match self.fed.is_at_end(shard) && self.fed.end(shard) <= position {
            true => 0,
            false => end.saturating_sub(position),
        };
        let since = if behind == 0 { now } else { self.fed.watermark(shard, now) };
        let millis = u64::try_from((now - since).as_millis()).unwrap_or(0);
        telemetry::ShardBehind { shard, messages: behind, lag: Duration::from_millis(millis) }
            .emit();
    }

    /// Events that come into partitions added since belong to customers of other shards.
    fn count_partitions(&self, reader: &Reader, names: &Names) -> Result<(), Error> {
        // Brokers that do not answer now are asked again.
        let Ok(told) = reader.fetch_metadata(Some(&names.events), PATIENCE) else { return Ok(()) };
        let (now, then) = (
            told.topics().first().map_or(0, |topic| topic.partitions().len()),
            usize::from(self.shards.count()),
        );
        if now <= then {
            return Ok(());
        }
        Err(added(&names.events, then, now))
    }

    /// Learns who has which shard from what the group says of its members.
    fn ask_members(&self, reader: &Reader, names: &Names) {
        let group = &self.settings.config().group;
        let Ok(groups) = reader.fetch_group_list(Some(group), PATIENCE) else { return };
        let mut addresses = BTreeMap::new();
        for member in groups.groups().iter().flat_map(|group| group.members()) {
            let Some((_, address)) = member.client_id().split_once(AT) else { continue };
            for (topic, shard) in assigned(member.assignment()) {
                if topic == names.events {
                    addresses.insert(shard, address.to_owned());
                }
            }
        }
        self.others.set(addresses);
    }
}

/// Why a node ends when its topic grows.
pub(super) fn added(topic: &str, then: usize, now: usize) -> Error {
    Error::Refused(format!(
        "partitions were added to `{topic}`: it had {then}, and now it has {now}. Customers would \
         change their shards. Make the topic with {then} partitions again"
    ))
}
