//! Where the shards of a service are at home: all on this machine, with an embedded log, or shared
//! among the nodes of a group, with Kafka as the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
#[cfg(feature = "kafka")]
use axum::middleware::from_fn_with_state;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::alarm::Alarm;
#[cfg(feature = "kafka")]
use super::group::{Group, Owns};
#[cfg(feature = "kafka")]
use super::way::{Way, to_owner};
use super::{Error, current, open};
use crate::catalog::Catalogs;
use crate::clock::Shared as Clock;
use crate::config::Config;
use crate::dispatch::Dispatcher;
use crate::engine::id::DecisionId;
use crate::log::Log;
use crate::log::embedded::Embedded;
use crate::store::changes::Change;
use crate::store::record::OutboxRow;
use crate::store::{Committed, Store};
use crate::worker::committer::{self, Committer};
use crate::worker::thread::{self, Parts, Worker};
use crate::worker::{Mailbox, Workers};

/// Whether the sends of a row may leave from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    /// They may.
    Send,
    /// Those that are decided now may; what was found must wait until its outcomes were heard.
    Fresh,
    /// Not before it is certain again that they are ours.
    Wait,
    /// Another node has them.
    Not,
}

/// Says whether sends may leave from here.
pub(super) type Sends = Arc<dyn Fn(&OutboxRow) -> May + Send + Sync>;

/// Keeps a change of a row or a task where the next owner of its shard finds it; false when the
/// shard is not here.
pub(super) type Keep = Arc<dyn Fn(Change) -> BoxFuture<'static, bool> + Send + Sync>;

/// Where the shards are at home.
#[derive(Debug)]
pub(super) enum Home {
    /// All here.
    Here(Box<Here>),
    /// Among the nodes of a group.
    #[cfg(feature = "kafka")]
    Group(Box<Group>),
}

/// The parts of a service on one machine.
#[derive(Debug)]
pub(super) struct Here {
    store: Arc<Store>,
    log: Arc<Embedded>,
    workers: Workers,
    /// Until they are started.
    parts: Option<(Vec<Worker>, Committer)>,
}

impl Home {
    pub(super) async fn open(
        config: &Config,
        clock: &Clock,
        catalogs: &Arc<Catalogs>,
        sink: &mpsc::Sender<Committed>,
    ) -> Result<Self, Error> {
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &config.kafka {
            return Ok(Self::Group(Box::new(Group::open(config, kafka).await?)));
        }
        #[cfg(not(feature = "kafka"))]
        if config.kafka.is_some() {
            let what = "`kafka:` is configured, and this program was built without Kafka";
            return Err(Error::Asked(what.to_owned()));
        }
        let (store, log) = open(config, clock)?;
        let (commits, committer) = committer::pair(Arc::clone(&store), sink.clone());
        let parts = Parts {
            log: log.clone(),
            store: Arc::clone(&store),
            clock: Arc::clone(clock),
            commits,
        };
        let (mailboxes, workers): (Vec<Mailbox>, Vec<Worker>) = (0..store.shards())
            .map(|shard| thread::pair(shard, catalogs.current(), parts.clone()))
            .unzip();
        Ok(Self::Here(Box::new(Here {
            workers: Workers::new(mailboxes, Arc::clone(&store)),
            parts: Some((workers, committer)),
            store,
            log,
        })))
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        match self {
            Self::Here(here) => &here.store,
            #[cfg(feature = "kafka")]
            Self::Group(group) => &group.store,
        }
    }

    pub(super) fn workers(&self) -> &Workers {
        match self {
            Self::Here(here) => &here.workers,
            #[cfg(feature = "kafka")]
            Self::Group(group) => &group.workers,
        }
    }

    /// Where events and outcomes are appended.
    pub(super) fn log(&self) -> Result<Arc<dyn Log>, Error> {
        Ok(match self {
            Self::Here(here) => here.log.clone(),
            #[cfg(feature = "kafka")]
            Self::Group(group) => group.door()?,
        })
    }

    /// The log that has to be kept tidy.
    pub(super) fn embedded(&self) -> Option<Arc<Embedded>> {
        match self {
            Self::Here(here) => Some(Arc::clone(&here.log)),
            #[cfg(feature = "kafka")]
            Self::Group(_) => None,
        }
    }

    /// Whether sends may leave from here.
    pub(super) fn sends(&self) -> Sends {
        match self {
            Self::Here(_) => Arc::new(|_| May::Send),
            #[cfg(feature = "kafka")]
            Self::Group(group) => {
                use crate::cluster::shards::Stage;
                let shards = group.shards.clone();
                Arc::new(move |row| match shards.stage(row.shard) {
                    Stage::Away => May::Not,
                    _ if !shards.are_certain() => May::Wait,
                    Stage::Coming => May::Fresh,
                    Stage::Here => May::Send,
                })
            }
        }
    }

    /// How changes of rows and tasks are kept; `None` where the store alone keeps them.
    pub(super) fn keep(&self) -> Option<Keep> {
        match self {
            Self::Here(_) => None,
            #[cfg(feature = "kafka")]
            Self::Group(group) => {
                use crate::cluster::side::Kept;
                let sides = group.sides.clone();
                Some(Arc::new(move |change| {
                    let sides = sides.clone();
                    async move { sides.keep(change).await == Kept::Yes }.boxed()
                }))
            }
        }
    }

    /// Sends of an earlier run. Those of this run are handed over as they are committed, those of
    /// shards that come later when they have come.
    pub(super) fn left_behind(&self) -> Result<Vec<DecisionId>, Error> {
        let mut left = Vec::new();
        if let Self::Here(here) = self {
            for row in here.store.outbox() {
                left.extend(DecisionId::parse(&row?.decision));
            }
        }
        Ok(left)
    }

    /// Waits until every shard that is here has caught up.
    pub(super) fn ready(&self) -> BoxFuture<'static, ()> {
        match self {
            Self::Here(here) => {
                let (workers, store) = (here.workers.clone(), Arc::clone(&here.store));
                let goals = current::ends(&here.log);
                async move { current::caught_up(&workers, &store, &goals).await }.boxed()
            }
            #[cfg(feature = "kafka")]
            Self::Group(group) => {
                let (shards, owns) = (group.shards.clone(), group.owns);
                async move {
                    while owns == Owns::Shards && !shards.is_ready() {
                        tokio::time::sleep(current::LOOK_AGAIN).await;
                    }
                }
                .boxed()
            }
        }
    }

    /// Starts the owners of the shards and whoever commits for them.
    pub(super) fn start(
        &mut self,
        alarm: &Alarm,
        (config, clock): (&Config, &Clock),
        catalogs: &Arc<Catalogs>,
        (sink, dispatcher): (mpsc::Sender<Committed>, Dispatcher),
        address: SocketAddr,
    ) -> Result<(Vec<JoinHandle<()>>, JoinHandle<()>), Error> {
        match self {
            Self::Here(here) => {
                let Some((workers, committer)) = here.parts.take() else {
                    return Err(Error::Asked("the service was started before".to_owned()));
                };
                let committer = alarm.thread("committer", || committer.run());
                let committer = committer.map_err(Error::Thread)?;
                let workers = (0_u16..)
                    .zip(workers)
                    .map(|(shard, worker)| alarm.thread(&format!("shard {shard}"), || worker.run()))
                    .collect::<Result<_, _>>();
                Ok((workers.map_err(Error::Thread)?, committer))
            }
            #[cfg(feature = "kafka")]
            Self::Group(group) => {
                let told = config.kafka.as_ref().and_then(|kafka| kafka.advertise.clone());
                let address = told.unwrap_or_else(|| format!("http://{address}"));
                let (node, watch) =
                    group.start(alarm, clock, catalogs, (sink, dispatcher), address)?;
                Ok((node.into_iter().collect(), watch))
            }
        }
    }

    /// Routes about customers, of which some may be elsewhere.
    pub(super) fn shown_the_way(&self, routes: Router) -> Router {
        match self {
            Self::Here(_) => routes,
            #[cfg(feature = "kafka")]
            Self::Group(group) => {
                let way = Way { shards: group.shards.clone(), others: group.others.clone() };
                routes.layer(from_fn_with_state(Arc::new(way), to_owner))
            }
        }
    }

    /// Tells the owners to commit what they have and end.
    pub(super) fn stop(&self) {
        match self {
            Self::Here(here) => here.workers.stop(),
            #[cfg(feature = "kafka")]
            Self::Group(group) => group.stop(),
        }
    }
}
