//! The one thread of a node that talks to Kafka: it polls, feeds the owners of shards, collects what
//! they decide, commits it, and never stops polling.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::sync::mpsc;

use super::commit::{Commits, Outcome};
use super::feed::Feed;
use super::member::{Core, Member, Shard};
use super::shards::{Shards, Stage};
use super::{Catalogs, Error, Spawn, side};
use crate::clock::{Shared as Clock, Stopwatch};
use crate::engine::time::Span;
use crate::kafka;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::fed::Fed;
use crate::store::{Committed, Store};
use crate::worker::{Workers, committer};

/// The rest when there is nothing to do. To poll for so long would burn a core: librdkafka waits for
/// whole milliseconds, and what is left of one is spent asking again and again.
const IDLE: Duration = Duration::from_millis(1);
/// The rest when nothing came for [`QUIET_AFTER`]: a thousand looks a second are a part of a core.
const QUIET: Duration = Duration::from_millis(5);
const QUIET_AFTER: Duration = Duration::from_millis(100);
/// How often the store is flushed: what a loss of power takes is in the changelog.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How often is noted that the store has all of the changelog.
const NOTE_EVERY: Duration = Duration::from_secs(30);
/// How often is looked whether shards have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long leaving the group may take.
const LEAVE_MAX: Duration = Duration::from_secs(25);
/// The wait before what was undone is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// What a node is made of.
pub struct Parts {
    /// How Kafka is used.
    pub settings: Settings,
    /// The store, with as many shards as the events have partitions.
    pub store: Arc<Store>,
    /// What feeds the owners.
    pub fed: Arc<Fed>,
    /// The ways to the owners: shards that come and go are noted there.
    pub workers: Workers,
    /// How far the shards are.
    pub shards: Shards,
    /// The clock.
    pub clock: Clock,
    /// Gives the catalog in force.
    pub catalogs: Catalogs,
    /// How long the changelog tells that something was deleted.
    pub deleted_kept: Span,
    /// Starts threads.
    pub spawn: Spawn,
    /// Where what was committed goes.
    pub sink: mpsc::Sender<Committed>,
    /// Told when a shard has caught up: its sends may leave, and what an earlier owner left too.
    pub opened: Box<dyn Fn(u16) + Send>,
    /// Where this node is reached by others.
    pub address: String,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A node: call [`Node::run`] on a thread of its own.
pub struct Node {
    member: BaseConsumer<Member>,
    stop: Arc<AtomicBool>,
    store: Arc<Store>,
    commit_every: Duration,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    /// Connects, and asks for shards. Set `stop` to end it: it hands over all it has first.
    ///
    /// # Errors
    /// When a property is wrong, or the brokers do not answer.
    pub fn new(parts: Parts, sides: side::Waiting, stop: Arc<AtomicBool>) -> Result<Self, Error> {
        let (queue, jobs) = committer::queue();
        let count = parts.store.shards();
        let sink = parts.sink.clone();
        let settings = parts.settings.clone();
        let store = Arc::clone(&parts.store);
        let core = Core {
            shards: (0..count).map(|_| Shard::default()).collect(),
            feed: Feed::new(&settings, Arc::clone(&parts.fed), count)?,
            commits: Commits::new(
                &settings,
                Arc::clone(&store),
                jobs,
                sink,
                sides,
                Arc::clone(&stop),
            )?,
            queue,
            restored: std::sync::mpsc::channel(),
            failed: None,
            parts,
        };
        let mut config = settings.member();
        // They are read by another consumer.
        config.set("enable.partition.eof", "false");
        config.set("client.id", super::watch::client_id(&settings, &core.parts.address));
        let member: BaseConsumer<Member> = config
            .create_with_context(Member(Mutex::new(core)))
            .map_err(|error| kafka::Error::of("the properties of the member", &error))?;
        let names = Names::new(settings.config());
        let joined = member.subscribe(&[super::member::topic(&names)]);
        joined.map_err(|error| kafka::Error::of("joining the group", &error))?;
        let commit_every = settings.config().commit_every.as_millis();
        let commit_every = Duration::from_millis(u64::try_from(commit_every).unwrap_or(0));
        Ok(Self { member, stop, store, commit_every })
    }

    /// Works until it is told to stop, then hands over what it has.
    ///
    /// # Errors
    /// When the node must end: another has taken over, or something cannot be mended from here.
    pub fn run(self) -> Result<(), Error> {
        let mut came = Stopwatch::start();
        let mut committed = Stopwatch::start();
        let mut flushed = Stopwatch::start();
        let mut looked = Stopwatch::start();
        let mut noted = Stopwatch::start();
        while !self.stop.load(Ordering::Acquire) {
            self.poll_member()?;
            let mut core = self.member.context().core();
            core.parts.shards.go_round();
            core.check()?;
            core.start_restored()?;
            core.collect();
            let fed = core.feed.take()?;
            fed.iter().for_each(|shard| core.parts.workers.wake(*shard));
            core.feed.balance()?;
            if !fed.is_empty() || core.commits.has_waiting() {
                came = Stopwatch::start();
            }
            let due = self.commit_every <= committed.elapsed() || core.commits.is_full();
            if due && (core.commits.has_waiting() || core.parts.shards.is_proof_wanted()) {
                committed = Stopwatch::start();
                self.commit(&mut core)?;
            } else if fed.is_empty() {
                std::thread::sleep(if came.elapsed() < QUIET_AFTER { IDLE } else { QUIET });
            }
            if LOOK_EVERY <= looked.elapsed() {
                looked = Stopwatch::start();
                core.open_caught_up()?;
            }
            if NOTE_EVERY <= noted.elapsed() {
                noted = Stopwatch::start();
                self.store.note_in_step(core.parts.shards.current(), core.parts.clock.now())?;
            }
            if FLUSH_EVERY <= flushed.elapsed() {
                flushed = Stopwatch::start();
                self.store.flush()?;
            }
        }
        self.leave()
    }

    fn poll_member(&self) -> Result<(), Error> {
        match self.member.poll(Duration::ZERO) {
            // Its partitions are paused; one that slipped through is read by the other consumer.
            Some(Ok(_)) | None => Ok(()),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(Code::FencedInstanceId | Code::Fenced) => {
                    Err(Error::TakenOver(error.to_string()))
                }
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                    Err(Error::Refused(format!("the events topic is not there any more: {error}")))
                }
                Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => {
                    Err(Error::Refused(format!("this node may not join its group: {error}")))
                }
                _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                    Err(kafka::Error::of("being a member of the group", &error).into())
                }
                _ => {
                    tracing::debug!(%error, "the group is interrupted");
                    Ok(())
                }
            },
        }
    }

    fn commit(&self, core: &mut Core) -> Result<(), Error> {
        // Taken at this moment: it says which generation of the group this node belongs to.
        let Some(member) = self.member.group_metadata() else { return Ok(()) };
        let outcome = match core.commits.has_waiting() {
            true => core.commits.commit(&member)?,
            false => match core.proof()? {
                Some(proof) => core.commits.prove(proof, &member)?,
                None => return Ok(()),
            },
        };
        match outcome {
            Outcome::Kept => core.parts.shards.prove(),
            Outcome::Undone => std::thread::sleep(AGAIN),
            Outcome::Unknown => core.begin_again()?,
        }
        Ok(())
    }

    /// Hands over everything and leaves the group.
    fn leave(self) -> Result<(), Error> {
        let watch = Stopwatch::start();
        let kept = {
            let mut core = self.member.context().core();
            let all = core.present();
            core.hand_over(&all, || self.member.group_metadata())
        };
        self.member.unsubscribe();
        while watch.elapsed() < LEAVE_MAX
            && self.member.assignment().is_ok_and(|list| 0 < list.count())
        {
            // What this gives was fetched for nobody.
            drop(self.member.poll(IDLE));
        }
        kept?;
        Ok(self.store.flush()?)
    }
}

impl Core {
    fn check(&mut self) -> Result<(), Error> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Begins to read for shards that are restored.
    fn start_restored(&mut self) -> Result<(), Error> {
        while let Ok(restored) = self.restored.1.try_recv() {
            let Some(shard) = self.shards.get_mut(usize::from(restored.shard)) else { continue };
            if let Some(owner) = &mut shard.owner
                && shard.term == restored.term
            {
                owner.internal_goal = Some(restored.internal_goal);
                self.parts.shards.restore(restored.shard);
                self.feed.start(restored.shard, restored.start)?;
            }
        }
        Ok(())
    }

    /// Lets the sends of shards leave that have caught up, and committed what they heard of earlier
    /// ones.
    fn open_caught_up(&mut self) -> Result<(), Error> {
        for (number, shard) in (0_u16..).zip(&self.shards) {
            let Some(owner) = &shard.owner else { continue };
            let Some(goal) = owner.internal_goal else { continue };
            if self.parts.shards.stage(number) != Stage::Coming
                || !owner.mailbox.status().has_caught_up()
            {
                continue;
            }
            let heard = self.parts.store.mark(number)?.map_or(0, |mark| mark.aside);
            if goal <= heard || goal == 0 {
                self.parts.shards.set(number, Stage::Here);
                tracing::info!(shard = number, "shard has caught up");
                (self.parts.opened)(number);
            }
        }
        Ok(())
    }

    /// A shard that is here, and how far it was read: enough to prove that it is still ours.
    fn proof(&self) -> Result<Option<(u16, u64)>, Error> {
        let Some(shard) = self.present().first().copied() else { return Ok(None) };
        let position = self.parts.store.mark(shard)?.map_or(0, |mark| mark.position);
        Ok(Some((shard, position)))
    }
}
