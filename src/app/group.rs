//! The parts of a node among others, where Kafka is the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::alarm::{Alarm, Kind};
use super::{Error, store_folder};
use crate::catalog::Catalogs;
use crate::clock::Shared as Clock;
use crate::cluster::door::Door;
use crate::cluster::node::{Node, Parts};
use crate::cluster::shards::Shards;
use crate::cluster::side::{self, Sides, Waiting};
use crate::cluster::watch::{Others, Watch};
use crate::cluster::{self, Work};
use crate::config::{Config, KafkaConfig, Role};
use crate::dispatch::Dispatcher;
use crate::engine::id::DecisionId;
use crate::kafka::admin::Admin;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::fed::Fed;
use crate::store::{Committed, Options, Store};
use crate::worker::Workers;

/// What a node needs beside what every service has.
#[derive(Debug)]
pub(super) struct Group {
    settings: Settings,
    pub(super) store: Arc<Store>,
    pub(super) workers: Workers,
    pub(super) shards: Shards,
    pub(super) others: Others,
    pub(super) owns: Owns,
    pub(super) sides: Sides,
    waiting: Option<Waiting>,
    stop: Arc<AtomicBool>,
}

/// Whether the node owns shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owns {
    /// Its part of them.
    Shards,
    /// None: it takes events, or shows the way.
    Nothing,
}

impl Group {
    /// Looks at the topics and opens the store.
    pub(super) async fn open(config: &Config, kafka: &KafkaConfig) -> Result<Self, Error> {
        let names = Names::new(kafka);
        // The name is taken from the store, once it is open: nobody else has it.
        let count = Admin::new(&Settings::new(kafka, "start"))?.check(&names).await?;
        let path = store_folder(config);
        std::fs::create_dir_all(&path)
            .map_err(|error| Error::Data { path: config.data.clone(), error })?;
        let store = Store::open(&path, Options { shards: count, ..Options::default() })?;
        if store.shards() != count {
            return Err(Error::Shards {
                folder: config.data.clone(),
                here: store.shards(),
                there: count,
                topic: names.events,
            });
        }
        let (sides, waiting) = side::pair();
        Ok(Self {
            sides,
            waiting: Some(waiting),
            settings: Settings::new(kafka, store.instance()),
            workers: Workers::elsewhere(count, Arc::clone(&store)),
            shards: Shards::new(count),
            others: Others::default(),
            owns: match config.roles.contains(&Role::Engine) {
                true => Owns::Shards,
                false => Owns::Nothing,
            },
            stop: Arc::new(AtomicBool::new(false)),
            store,
        })
    }

    /// The door to the topics.
    pub(super) fn door(&self) -> Result<Arc<Door>, Error> {
        Ok(Arc::new(Door::new(&self.settings, self.store.shards())?))
    }

    /// Tells the node to hand over what it has and end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Starts the node: its thread, and the one that watches beside it.
    pub(super) fn start(
        &mut self,
        alarm: &Alarm,
        clock: &Clock,
        catalogs: &Arc<Catalogs>,
        (sink, dispatcher): (mpsc::Sender<Committed>, Dispatcher),
        address: String,
    ) -> Result<(Option<JoinHandle<()>>, JoinHandle<()>), Error> {
        let fed = Arc::new(Fed::new(self.store.shards()));
        let (spawns, store) = (alarm.clone(), Arc::clone(&self.store));
        let catalogs = Arc::clone(catalogs);
        let parts = Parts {
            settings: self.settings.clone(),
            store: Arc::clone(&self.store),
            fed: Arc::clone(&fed),
            workers: self.workers.clone(),
            shards: self.shards.clone(),
            clock: Arc::clone(clock),
            catalogs: Arc::new(move || catalogs.current()),
            spawn: Arc::new(move |name, work| watched(&spawns, name, work)),
            sink,
            opened: Box::new(move |shard| dispatcher.take_over(left_in(&store, shard))),
            address,
        };
        let node = match (self.owns, self.waiting.take()) {
            (Owns::Shards, Some(waiting)) => {
                let node = Node::new(parts, waiting, Arc::clone(&self.stop))?;
                let thread = watched(alarm, "kafka", Box::new(|| node.run()));
                Some(thread.map_err(Error::Thread)?)
            }
            _ => None,
        };
        let watch = Watch {
            settings: self.settings.clone(),
            fed,
            workers: self.workers.clone(),
            shards: self.shards.clone(),
            others: self.others.clone(),
            clock: Arc::clone(clock),
            stop: Arc::clone(&self.stop),
        };
        let watch = watched(alarm, "watch", Box::new(|| watch.run())).map_err(Error::Thread)?;
        Ok((node, watch))
    }
}

/// A thread whose failure ends the service, in the way that fits the failure.
fn watched(alarm: &Alarm, name: &str, work: Work) -> io::Result<JoinHandle<()>> {
    let told = alarm.clone();
    alarm.thread(name, move || {
        work().inspect_err(|error| match error {
            cluster::Error::TakenOver(_) => told.is_of(Kind::TakenOver),
            cluster::Error::Refused(_) => told.is_of(Kind::Refused),
            _ => {}
        })
    })
}

/// Sends that earlier owners of a shard left. A store that cannot be read has raised the alarm where
/// it is written.
fn left_in(store: &Store, shard: u16) -> Vec<DecisionId> {
    let rows = store.outbox().filter_map(Result::ok).filter(|row| row.shard == shard);
    rows.filter_map(|row| DecisionId::parse(&row.decision)).collect()
}
