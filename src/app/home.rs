//! Where the shards of a service are at home: all on this machine, with an embedded log, or shared
//! among the nodes of a group, with Kafka as the log.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::alarm::Alarm;
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
#[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "one machine always may send"))]
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

/// The shards of which the store has what stands now; `None` where it has all.
pub(super) type Shown = Arc<dyn Fn() -> Option<BTreeSet<u16>> + Send + Sync>;

/// What the owners of shards are started with.
#[derive(Debug)]
#[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "one machine was given them before"))]
pub(super) struct Start<'s> {
    pub(super) alarm: &'s Alarm,
    pub(super) config: &'s Config,
    pub(super) clock: &'s Clock,
    pub(super) catalogs: &'s Arc<Catalogs>,
    /// Where what was committed goes.
    pub(super) sink: mpsc::Sender<Committed>,
    pub(super) dispatcher: Dispatcher,
    /// Where this service listens.
    pub(super) address: SocketAddr,
}

/// The threads of the owners of shards, and the one of who commits for them or watches them.
pub(super) type Started = (Vec<JoinHandle<()>>, JoinHandle<()>);

/// Where the shards are at home.
pub(super) trait Home: Debug + Send {
    fn store(&self) -> &Arc<Store>;

    fn workers(&self) -> &Workers;

    /// Where events and outcomes are appended.
    fn log(&self) -> Result<Arc<dyn Log>, Error>;

    /// The log that has to be kept tidy here, if there is one.
    fn embedded(&self) -> Option<Arc<Embedded>>;

    /// Whether sends may leave from here.
    fn sends(&self) -> Sends;

    /// How changes of rows and tasks are kept; `None` where the store alone keeps them.
    fn keep(&self) -> Option<Keep>;

    /// Of which shards the store may be asked.
    fn shown(&self) -> Shown;

    /// Sends of an earlier run. Those of this run are handed over as they are committed, those of
    /// shards that come later when they have come.
    fn left_behind(&self) -> Result<Vec<DecisionId>, Error>;

    /// Waits until every shard that is here has caught up.
    fn ready(&self) -> BoxFuture<'static, ()>;

    /// Starts the owners of the shards and whoever commits for them.
    fn start(&mut self, start: Start<'_>) -> Result<Started, Error>;

    /// Routes about customers, of which some may be elsewhere.
    fn shown_the_way(&self, routes: Router) -> Router;

    /// Tells the owners to commit what they have and end.
    fn stop(&self);
}

/// All shards on this machine.
#[derive(Debug)]
pub(super) struct Here {
    store: Arc<Store>,
    log: Arc<Embedded>,
    workers: Workers,
    /// Until they are started.
    parts: Option<(Vec<Worker>, Committer)>,
}

impl Here {
    pub(super) fn open(
        config: &Config,
        clock: &Clock,
        catalogs: &Arc<Catalogs>,
        sink: &mpsc::Sender<Committed>,
    ) -> Result<Self, Error> {
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
        Ok(Self {
            workers: Workers::new(mailboxes, Arc::clone(&store)),
            parts: Some((workers, committer)),
            store,
            log,
        })
    }
}

impl Home for Here {
    fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn workers(&self) -> &Workers {
        &self.workers
    }

    fn log(&self) -> Result<Arc<dyn Log>, Error> {
        Ok(self.log.clone())
    }

    fn embedded(&self) -> Option<Arc<Embedded>> {
        Some(Arc::clone(&self.log))
    }

    fn sends(&self) -> Sends {
        Arc::new(|_| May::Send)
    }

    fn keep(&self) -> Option<Keep> {
        None
    }

    fn shown(&self) -> Shown {
        Arc::new(|| None)
    }

    fn left_behind(&self) -> Result<Vec<DecisionId>, Error> {
        let mut left = Vec::new();
        for row in self.store.outbox() {
            left.extend(DecisionId::parse(&row?.decision));
        }
        Ok(left)
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let (workers, store) = (self.workers.clone(), Arc::clone(&self.store));
        let goals = current::ends(&self.log);
        async move { current::caught_up(&workers, &store, &goals).await }.boxed()
    }

    fn start(&mut self, start: Start<'_>) -> Result<Started, Error> {
        let Some((workers, committer)) = self.parts.take() else {
            return Err(Error::Asked("the service was started before".to_owned()));
        };
        let alarm = start.alarm;
        let committer = alarm.thread("committer", || committer.run()).map_err(Error::Thread)?;
        let workers = (0_u16..)
            .zip(workers)
            .map(|(shard, worker)| alarm.thread(&format!("shard {shard}"), || worker.run()))
            .collect::<Result<_, _>>();
        Ok((workers.map_err(Error::Thread)?, committer))
    }

    fn shown_the_way(&self, routes: Router) -> Router {
        routes
    }

    fn stop(&self) {
        self.workers.stop();
    }
}
