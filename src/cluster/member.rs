//! Shards come and go: what this node does when the group gives it some, takes some away, or has
//! taken some while it was silent.
//!
//! Everything here happens on the one thread that talks to Kafka, inside its poll: when the group goes
//! on, it is done. What is in flight is keyed by shard and term, so that nothing of an earlier term is
//! taken for something of a later one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::Error;
use super::commit::{Commits, Outcome};
use super::feed::Feed;
use super::node::Parts;
use super::owner::{Owner, Restored};
use super::shards::Stage;
use crate::clock::Stopwatch;
use crate::kafka::client;
use crate::kafka::topics::Names;
use crate::worker::committer::CommitQueue;
use crate::worker::{Mailbox, Message, thread};

/// How long owners may take to hand over what they have. The group waits for it.
const HAND_OVER_MAX: Duration = Duration::from_secs(20);
/// How often is looked whether they have.
const LOOK_AGAIN: Duration = Duration::from_micros(500);
/// How often a hand-over is tried to be committed before it is left to the next owner.
const COMMITS_MAX: usize = 20;
/// The wait between two tries.
const COMMIT_AGAIN: Duration = Duration::from_millis(50);

/// A shard as this node sees it.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// How often it has come or gone.
    pub(super) term: u64,
    pub(super) owner: Option<Present>,
    /// The thread of the owner before, which may not have ended yet.
    leaving: Option<JoinHandle<()>>,
}

/// The owner of a shard that is here.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) mailbox: Mailbox,
    thread: JoinHandle<()>,
    gone: Arc<AtomicBool>,
    /// Once it is restored: where what stood beside its events ended.
    pub(super) internal_goal: Option<u64>,
}

/// All that the thread works with.
pub(super) struct Core {
    pub(super) parts: Parts,
    pub(super) shards: Vec<Shard>,
    pub(super) feed: Feed,
    pub(super) commits: Commits,
    pub(super) queue: CommitQueue,
    pub(super) restored: (Sender<Restored>, Receiver<Restored>),
    /// What went wrong where nobody could be told.
    pub(super) failed: Option<Error>,
}

/// The member of the group.
pub(super) struct Member(pub(super) Mutex<Core>);

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::told(&error, reason);
    }
}

impl Member {
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Member {
    fn rebalance(
        &self,
        member: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let mut core = self.core();
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => core.assigned(member, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => core.revoked(member, list),
            other => {
                tracing::warn!(code = ?other, "the group could not be shared out");
                core.lose_all().and_then(|()| told(member.unassign()))
            }
        };
        if let Err(error) = done {
            core.failed.get_or_insert(error);
        }
    }
}

impl Core {
    fn assigned(
        &mut self,
        member: &BaseConsumer<Member>,
        list: &mut TopicPartitionList,
    ) -> Result<(), Error> {
        let shards = self.named(list)?;
        tracing::info!(?shards, "shards come");
        // The member only holds them: they are read by another consumer, from where states end.
        told(list.set_all_offsets(Offset::Offset(0)))?;
        told(member.incremental_assign(list))?;
        if !shards.is_empty() {
            told(member.pause(list))?;
        }
        for shard in shards {
            self.begin(shard)?;
        }
        self.parts.shards.join();
        Ok(())
    }

    fn revoked(
        &mut self,
        member: &BaseConsumer<Member>,
        list: &mut TopicPartitionList,
    ) -> Result<(), Error> {
        let shards = self.named(list)?;
        let lost = member.assignment_lost();
        tracing::info!(?shards, lost, "shards go");
        let done = match lost {
            true => self.lose(&shards),
            false => self.hand_over(&shards, || member.group_metadata()),
        };
        told(member.incremental_unassign(list))?;
        done
    }

    fn named(&self, list: &TopicPartitionList) -> Result<Vec<u16>, Error> {
        let count = self.shards.len();
        let mut shards = Vec::new();
        for element in list.elements() {
            let shard = usize::try_from(element.partition()).unwrap_or(usize::MAX);
            if count <= shard {
                return Err(super::watch::added(element.topic(), count, shard + 1));
            }
            shards.extend(u16::try_from(shard));
        }
        Ok(shards)
    }

    /// A shard has come: it is restored on a thread of its own.
    fn begin(&mut self, number: u16) -> Result<(), Error> {
        let parts = &self.parts;
        let Some(shard) = self.shards.get_mut(usize::from(number)) else { return Ok(()) };
        shard.term += 1;
        let catalog = (parts.catalogs)();
        let worker = thread::Parts {
            log: parts.fed.clone(),
            store: Arc::clone(&parts.store),
            clock: Arc::clone(&parts.clock),
            commits: self.queue.for_term(shard.term),
        };
        let (mailbox, worker) = thread::pair(number, catalog, worker);
        let gone = Arc::new(AtomicBool::new(false));
        let owner = Owner {
            settings: parts.settings.clone(),
            store: Arc::clone(&parts.store),
            fed: Arc::clone(&parts.fed),
            shard: number,
            term: shard.term,
            worker,
            catalogs: Arc::clone(&parts.catalogs),
            clock: Arc::clone(&parts.clock),
            deleted_kept: parts.deleted_kept,
            restored: self.restored.0.clone(),
            gone: Arc::clone(&gone),
            before: shard.leaving.take(),
        };
        parts.shards.set(number, Stage::Coming);
        parts.workers.set(number, Some(mailbox.clone()));
        let thread = (parts.spawn)(&format!("shard {number}"), Box::new(|| owner.run()));
        let thread = thread.map_err(Error::Thread)?;
        shard.owner = Some(Present { mailbox, thread, gone, internal_goal: None });
        Ok(())
    }

    /// Shards go to other nodes: first everything that was decided is kept, then they go.
    pub(super) fn hand_over(
        &mut self,
        shards: &[u16],
        member: impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<(), Error> {
        self.close(shards)?;
        let watch = Stopwatch::start();
        let mut asked = vec![false; shards.len()];
        while watch.elapsed() < HAND_OVER_MAX {
            for (shard, asked) in shards.iter().zip(&mut asked) {
                *asked = *asked || self.ask_to_stop(*shard);
            }
            self.collect();
            if self.commits.is_full() && !self.commit_now(&member)? {
                break;
            }
            let ended = |shard: &u16| {
                let owner = self.owner(*shard);
                owner.is_none_or(|owner| owner.thread.is_finished())
            };
            if shards.iter().all(ended) {
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        self.collect();
        while self.commits.has_waiting() && self.commit_now(&member)? {
            self.collect();
        }
        self.forget(shards);
        Ok(())
    }

    /// Whether what waits was kept.
    fn commit_now(
        &mut self,
        member: &impl Fn() -> Option<ConsumerGroupMetadata>,
    ) -> Result<bool, Error> {
        for _ in 0..COMMITS_MAX {
            let Some(member) = member() else { return Ok(false) };
            match self.commits.commit(&member)? {
                Outcome::Kept => {
                    self.parts.shards.prove();
                    return Ok(true);
                }
                Outcome::Undone => std::thread::sleep(COMMIT_AGAIN),
                // The next owner reads what is kept.
                Outcome::Unknown => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Shards have gone already: nothing of what was decided since counts.
    pub(super) fn lose(&mut self, shards: &[u16]) -> Result<(), Error> {
        self.close(shards)?;
        let watch = Stopwatch::start();
        let mut unasked = shards.to_vec();
        while !unasked.is_empty() && watch.elapsed() < HAND_OVER_MAX {
            unasked.retain(|shard| !self.ask_to_stop(*shard));
            // One that waits for us to take a batch hears nothing else meanwhile.
            self.collect();
        }
        self.forget(shards);
        Ok(())
    }

    pub(super) fn lose_all(&mut self) -> Result<(), Error> {
        let all = self.present();
        self.lose(&all)
    }

    /// Begins again with all shards that are here, from what is kept of them.
    pub(super) fn begin_again(&mut self) -> Result<(), Error> {
        let all = self.present();
        self.lose(&all)?;
        all.into_iter().try_for_each(|shard| self.begin(shard))
    }

    pub(super) fn present(&self) -> Vec<u16> {
        (0_u16..)
            .zip(&self.shards)
            .filter(|(_, shard)| shard.owner.is_some())
            .map(|(number, _)| number)
            .collect()
    }

    /// Nothing more is read for shards, and nothing of theirs leaves.
    fn close(&mut self, shards: &[u16]) -> Result<(), Error> {
        for shard in shards {
            self.parts.shards.set(*shard, Stage::Away);
        }
        self.feed.stop(shards)
    }

    fn ask_to_stop(&self, shard: u16) -> bool {
        let Some(owner) = self.owner(shard) else { return true };
        owner.gone.store(true, Ordering::Release);
        !matches!(owner.mailbox.send(Message::Stop), Err(crate::worker::Unanswered::Overloaded))
    }

    /// From here on their owners are nobody's.
    fn forget(&mut self, shards: &[u16]) {
        for number in shards {
            self.parts.workers.set(*number, None);
            let Some(shard) = self.shards.get_mut(usize::from(*number)) else { continue };
            shard.term += 1;
            if let Some(Present { thread, .. }) = shard.owner.take() {
                shard.leaving = Some(thread);
            }
        }
        self.collect();
    }

    fn owner(&self, shard: u16) -> Option<&Present> {
        self.shards.get(usize::from(shard))?.owner.as_ref()
    }

    /// Collects what owners of now have handed over.
    pub(super) fn collect(&mut self) {
        let shards = &self.shards;
        self.commits.collect(|shard, term| {
            shards.get(usize::from(shard)).is_some_and(|shard| shard.term == term)
        });
        self.commits.keep_sides(|shard| {
            shards.get(usize::from(shard)).is_some_and(|shard| shard.owner.is_some())
        });
    }
}

fn told(result: Result<(), KafkaError>) -> Result<(), Error> {
    Ok(result.map_err(|error| crate::kafka::Error::of("sharing out the group", &error))?)
}

/// What a member subscribes to.
pub(super) fn topic(names: &Names) -> &str {
    &names.events
}
