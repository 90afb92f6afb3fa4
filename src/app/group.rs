//! The parts of a node among others, where Kafka is the log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use axum::Router;
use axum::middleware::from_fn_with_state;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::alarm::{Alarm, Kind};
use super::home::{Home, Keep, May, Sends, Shown, Start, Started};
use super::way::{Way, to_owner};
use super::{Error, current, store_folder};
use crate::clock::Shared as Clock;
use crate::cluster::door::Door;
use crate::cluster::node::{Node, Parts};
use crate::cluster::shards::{Shards, Stage};
use crate::cluster::side::{self, Kept, Sides, Waiting};
use crate::cluster::sources;
use crate::cluster::watch::{Others, Watch};
use crate::cluster::{self, Work};
use crate::config::{Config, KafkaConfig, Role};
use crate::engine::id::DecisionId;
use crate::engine::time::Span;
use crate::kafka::admin::Admin;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::Log;
use crate::log::embedded::Embedded;
use crate::log::fed::Fed;
use crate::store::{Options, Store};
use crate::worker::Workers;

/// What a node needs beside what every service has.
#[derive(Debug)]
pub(super) struct Group {
    settings: Settings,
    store: Arc<Store>,
    workers: Workers,
    shards: Shards,
    others: Others,
    owns: Owns,
    brings: Brings,
    sides: Sides,
    waiting: Option<Waiting>,
    deleted_kept: Span,
    stop: Arc<AtomicBool>,
}

/// Whether the node owns shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owns {
    /// Its part of them.
    Shards,
    /// None: it takes events, or shows the way.
    Nothing,
}

/// Whether the node brings topics of others in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brings {
    /// Its part of them.
    Sources,
    /// None.
    Nothing,
}

impl Group {
    /// Looks at the topics and opens the store.
    pub(super) async fn open(config: &Config, kafka: &KafkaConfig) -> Result<Self, Error> {
        let names = Names::new(kafka);
        // The name is taken from the store, once it is open: nobody else has it.
        let admin = Admin::new(&Settings::new(kafka, "start"))?;
        let count = admin.check(&names).await?;
        let deleted_kept = admin.deleted_kept(&names.changelog).await?;
        let path = store_folder(config);
        std::fs::create_dir_all(&path)
            .map_err(|error| Error::Data { path: config.data.clone(), error })?;
        let store = Store::open(&path, Options { shards: count, ..Options::default() })?;
        super::keys::hash_addresses(config, &store)?;
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
            deleted_kept,
            settings: Settings::new(kafka, store.instance()),
            workers: Workers::elsewhere(count, Arc::clone(&store)),
            shards: Shards::new(count),
            others: Others::default(),
            owns: match config.roles.contains(&Role::Engine) {
                true => Owns::Shards,
                false => Owns::Nothing,
            },
            brings: match config.roles.contains(&Role::Ingest) && !kafka.sources.is_empty() {
                true => Brings::Sources,
                false => Brings::Nothing,
            },
            stop: Arc::new(AtomicBool::new(false)),
            store,
        })
    }

    /// Starts the thread that brings topics of others in.
    fn bring_in(&self, alarm: &Alarm, clock: &Clock) -> Result<JoinHandle<()>, Error> {
        let (settings, shards) = (self.settings.clone(), self.store.shards());
        let (clock, stop) = (Arc::clone(clock), Arc::clone(&self.stop));
        let work = move || {
            let failed = |error: &crate::kafka::Error| {
                tracing::warn!(%error, "topics of others are not read for now, it begins again");
            };
            sources::Router::run(&settings, shards, &clock, &stop, failed).map_err(|error| {
                match error {
                    crate::kafka::Error::Fenced(why) => cluster::Error::TakenOver(why),
                    other => other.into(),
                }
            })
        };
        watched(alarm, "sources", Box::new(work)).map_err(Error::Thread)
    }
}

impl Home for Group {
    fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn workers(&self) -> &Workers {
        &self.workers
    }

    fn log(&self) -> Result<Arc<dyn Log>, Error> {
        Ok(Arc::new(Door::new(&self.settings, self.store.shards())?))
    }

    fn embedded(&self) -> Option<Arc<Embedded>> {
        None
    }

    fn sends(&self) -> Sends {
        let shards = self.shards.clone();
        Arc::new(move |row| match shards.stage(row.shard) {
            Stage::Away => May::Not,
            _ if !shards.are_certain() => May::Wait,
            Stage::Coming => May::Fresh,
            Stage::Here => May::Send,
        })
    }

    fn keep(&self) -> Option<Keep> {
        let sides = self.sides.clone();
        Some(Arc::new(move |change| {
            let sides = sides.clone();
            async move { sides.keep(change).await == Kept::Yes }.boxed()
        }))
    }

    fn shown(&self) -> Shown {
        let shards = self.shards.clone();
        Arc::new(move || Some(shards.current()))
    }

    fn left_behind(&self) -> Result<Vec<DecisionId>, Error> {
        Ok(Vec::new())
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let (shards, owns) = (self.shards.clone(), self.owns);
        async move {
            while owns == Owns::Shards && !shards.is_ready() {
                tokio::time::sleep(current::LOOK_AGAIN).await;
            }
        }
        .boxed()
    }

    /// Starts the node: its thread, and the one that watches beside it.
    fn start(&mut self, start: Start<'_>) -> Result<Started, Error> {
        let Start { alarm, config, clock, catalogs, sink, dispatcher, address } = start;
        let told = config.kafka.as_ref().and_then(|kafka| kafka.advertise.clone());
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
            deleted_kept: self.deleted_kept,
            spawn: Arc::new(move |name, work| watched(&spawns, name, work)),
            sink,
            opened: Box::new(move |shard| dispatcher.take_over(left_in(&store, shard))),
            address: told.unwrap_or_else(|| format!("http://{address}")),
        };
        let mut threads = Vec::new();
        if let (Owns::Shards, Some(waiting)) = (self.owns, self.waiting.take()) {
            let node = Node::new(parts, waiting, Arc::clone(&self.stop))?;
            let thread = watched(alarm, "kafka", Box::new(|| node.run()));
            threads.push(thread.map_err(Error::Thread)?);
        }
        if self.brings == Brings::Sources {
            threads.push(self.bring_in(alarm, clock)?);
        }
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
        Ok((threads, watch))
    }

    fn shown_the_way(&self, routes: Router) -> Router {
        let way = Way { shards: self.shards.clone(), others: self.others.clone() };
        routes.layer(from_fn_with_state(Arc::new(way), to_owner))
    }

    /// Tells the node to hand over what it has and end.
    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
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
