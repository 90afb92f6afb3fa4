//! Builds the service of its parts, starts it, drains and stops it: the only place where threads
//! and tasks begin.

mod alarm;
mod books;
mod breaker;
mod contest;
mod courier;
mod current;
mod drift;
mod drifted;
pub mod front;
#[cfg(feature = "kafka")]
mod group;
mod guard;
mod heard;
mod home;
mod http;
mod hub;
mod keys;
mod listings;
mod models;
mod orders;
mod probe;
mod source;
mod stop;
#[cfg(test)]
mod storm;
mod tasks;
#[cfg(test)]
mod tests;
#[cfg(feature = "kafka")]
mod way;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::catalog::{Catalogs, Folders, Given, Status};
use crate::clock::Shared as Clock;
use crate::config::{Config, Role};
use crate::dispatch::in_app::InApp;
use crate::dispatch::{Dispatcher, Setup, Unusable};
use crate::engine::id::DecisionId;
use crate::hooks::{self, Doors};
use crate::ingest::{Ingest, Keys, Now};
use crate::links::Links;
use crate::log::Source as _;
use crate::log::appender::{self, Appender};
use crate::log::embedded::Embedded;
use crate::store::{self, Options, Store};
use crate::telemetry::Metrics;
use crate::worker::Workers;
use alarm::Alarm;
pub use alarm::Kind;
use books::Books;
use breaker::Breakers;
use current::Current;
use futures_util::future::BoxFuture;
use guard::Guard;
use heard::{Ear, Nodes};
use home::{Here, Home, Start};
use hub::Hub;
use models::Noticed;
use probe::{Life, Phase};
use source::Answers;

/// The folder of the store inside the data folder.
const STORE_FOLDER: &str = "store";
/// Commits that wait for dispatch and listeners at most.
const COMMITTED_MAX: usize = 1_024;
/// Shards of a new store on a machine that does not tell how many cores it has.
const SHARDS_UNTOLD: u16 = 2;
/// Most shards of a new store unless it is told otherwise.
const SHARDS_MAX: usize = 16;

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The files have faults, a line each.
    #[error("the trigger files have faults:\n  {}", .0.join("\n  "))]
    Catalog(Vec<String>),
    /// The data folder cannot be made.
    #[error("the data folder `{}` cannot be made: {error}", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] crate::log::Error),
    /// Channels cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Channels(Vec<Unusable>),
    /// The address cannot be listened on.
    #[error("`{address}` cannot be listened on: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// There are no more threads.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    /// Kafka cannot be used.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::kafka::Error),
    /// The node cannot join the others.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Cluster(#[from] crate::cluster::Error),
    /// The store is of another number of shards than the topic.
    #[error(
        "the store in `{}` has {here} shards, and `{topic}` has {there} partitions: choose another \
         data folder with `--data`; what the group has decided is restored into it",
        folder.display()
    )]
    Shards {
        /// Which store.
        folder: PathBuf,
        /// Its shards.
        here: u16,
        /// The partitions.
        there: u16,
        /// The topic.
        topic: String,
    },
    /// The configuration asks for what cannot be.
    #[error("{0}")]
    Asked(String),
}

/// A service at work.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    store: Arc<Store>,
    appender: Appender,
    catalogs: Arc<Catalogs>,
    workers: Workers,
    alarm: Alarm,
    life: Arc<Life>,
    hub: Arc<Hub>,
    in_app: InApp,
    dispatcher: Dispatcher,
    /// Stops the tasks that only look after things.
    background: CancellationToken,
    /// Stops taking connections.
    closing: CancellationToken,
    tasks: Tasks,
    threads: Threads,
    home: Box<dyn Home>,
}

/// The tasks by the order in which they end.
#[derive(Debug)]
struct Tasks {
    http: Task<()>,
    background: Vec<Task<()>>,
    dispatch: Vec<Task<()>>,
    pump: Task<()>,
}

/// The threads by the order in which they end.
#[derive(Debug)]
struct Threads {
    workers: Vec<JoinHandle<()>>,
    committer: JoinHandle<()>,
    saver: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Threads {
    fn start(
        alarm: &Alarm,
        writer: appender::Writer,
        (store, saves): (Arc<Store>, mpsc::Receiver<books::Save>),
        workers: Vec<JoinHandle<()>>,
        committer: JoinHandle<()>,
    ) -> io::Result<Self> {
        Ok(Self {
            writer: alarm.thread("log writer", || writer.run())?,
            saver: alarm.thread("outbox writer", move || books::keep_saving(&store, saves))?,
            workers,
            committer,
        })
    }
}

impl Service {
    /// Starts. Events are taken as soon as it returns; `/readyz` tells when the log is caught up
    /// with. `pages` are further routes for readers, beside the API.
    ///
    /// # Errors
    /// What is wrong: nothing runs then.
    pub async fn start(config: Config, clock: Clock, pages: Router) -> Result<Self, Error> {
        let built = Built::new(&config, &clock).await?;
        let listen = |error| Error::Listen { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if config.is_local() {
            // Nobody else reaches it: links lead to this machine, unless they were told where.
            built.links.settle(&format!("http://{address}"));
        }
        built.run(&config, &clock, pages, listener, address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The catalog in force, and the last attempt to load another.
    pub fn status(&self) -> Arc<Status> {
        self.catalogs.status()
    }

    /// The store, to be looked at.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The owners of the shards, to be asked.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// The door to the log.
    pub fn appender(&self) -> &Appender {
        &self.appender
    }

    /// Waits until every shard has caught up with its log, or a part has failed.
    pub async fn ready(&self) {
        const LOOK_AGAIN: Duration = Duration::from_millis(5);
        while self.life.phase() == Phase::Starting {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until a part fails, and says which and why. The process must then end: what is on
    /// disk is known again after a restart.
    pub async fn failed(&self) -> String {
        self.alarm.raised().await
    }

    /// What kind of failure it was.
    pub fn failure_kind(&self) -> Kind {
        self.alarm.kind()
    }
}

#[cfg(feature = "kafka")]
async fn at_home(
    config: &Config,
    clock: &Clock,
    catalogs: &Arc<Catalogs>,
    sink: &mpsc::Sender<store::Committed>,
) -> Result<Box<dyn Home>, Error> {
    match &config.kafka {
        Some(kafka) => Ok(Box::new(group::Group::open(config, kafka).await?)),
        None => Ok(Box::new(Here::open(config, clock, catalogs, sink)?)),
    }
}

#[cfg(not(feature = "kafka"))]
fn at_home(
    config: &Config,
    clock: &Clock,
    catalogs: &Arc<Catalogs>,
    sink: &mpsc::Sender<store::Committed>,
) -> std::future::Ready<Result<Box<dyn Home>, Error>> {
    std::future::ready(match &config.kafka {
        Some(_) => {
            let what = "`kafka:` is configured, and this program was built without Kafka";
            Err(Error::Asked(what.to_owned()))
        }
        None => Here::open(config, clock, catalogs, sink).map(|here| Box::new(here) as _),
    })
}

/// All parts, before anything runs.
struct Built {
    store: Arc<Store>,
    catalogs: Arc<Catalogs>,
    workers: Workers,
    home: Box<dyn Home>,
    sink: mpsc::Sender<store::Committed>,
    committed: mpsc::Receiver<store::Committed>,
    appender: Appender,
    writer: appender::Writer,
    books: Books,
    saves: mpsc::Receiver<books::Save>,
    in_app: InApp,
    dispatcher: Dispatcher,
    links: Arc<Links>,
    works: Vec<crate::dispatch::Work>,
    /// Sends that an earlier run left.
    left: Vec<DecisionId>,
}

impl Built {
    async fn new(config: &Config, clock: &Clock) -> Result<Self, Error> {
        let folders = Folders { triggers: config.triggers.clone(), models: config.models.clone() };
        let given = Given { sending: config.sending, caps: config.caps_of_channels() };
        let catalogs = Catalogs::open(folders, given, Arc::clone(clock));
        let catalogs = Arc::new(catalogs.map_err(Error::Catalog)?);
        let (sink, committed) = mpsc::channel(COMMITTED_MAX);
        let home = at_home(config, clock, &catalogs, &sink).await?;
        let (store, workers) = (Arc::clone(home.store()), home.workers().clone());
        let left = home.left_behind()?;
        let woken = workers.clone();
        let (appender, writer) =
            appender::pair(home.log()?, Box::new(move |shard| woken.wake(shard)));
        let (books, saves) = Books::new(
            Arc::clone(&store),
            appender.clone(),
            workers.clone(),
            (home.sends(), home.keep()),
        );
        let in_app = InApp::new(Arc::new(books.clone()));
        let links = Arc::new(keys::links(config)?);
        let (dispatcher, works) = Dispatcher::new(&Setup {
            channels: &config.channels,
            sending: config.sending,
            ledger: Arc::new(books.clone()),
            gate: Arc::new(books.clone()),
            in_app: in_app.clone(),
            links: Arc::clone(&links),
            clock: Arc::clone(clock),
        })
        .map_err(Error::Channels)?;
        Ok(Self {
            store,
            catalogs,
            workers,
            home,
            sink,
            committed,
            appender,
            writer,
            books,
            saves,
            in_app,
            dispatcher,
            links,
            works,
            left,
        })
    }

    fn run(
        self,
        config: &Config,
        clock: &Clock,
        pages: Router,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<Service, Error> {
        let life = Arc::new(Life::starting());
        let alarm = Alarm::new(Arc::clone(&life));
        let hub = Arc::new(Hub::new(Nodes::of(config)));
        let (background, closing) = (CancellationToken::new(), CancellationToken::new());
        let watch = self.watch(config, clock);
        let router = self.router(config, clock, pages, (&life, &hub, &watch.noticed))?;
        let breakers = self.breakers(clock)?;
        let Self { store, catalogs, workers, appender, in_app, dispatcher, mut home, .. } = self;
        let (ready, log, keep) = (home.ready(), home.embedded(), home.keep());
        let (shards, committer) = home.start(Start {
            alarm: &alarm,
            config,
            clock,
            catalogs: &catalogs,
            sink: self.sink,
            dispatcher: dispatcher.clone(),
            address,
        })?;
        let outbox = (Arc::clone(&store), self.saves);
        let threads = Threads::start(&alarm, self.writer, outbox, shards, committer)
            .map_err(Error::Thread)?;
        let current = Current {
            catalogs: Arc::clone(&catalogs),
            workers: workers.clone(),
            hub: Arc::clone(&hub),
        };
        let tidy = current::keep_tidy(
            Arc::clone(&store),
            (log, keep),
            config.retention,
            Arc::clone(clock),
            background.clone(),
        );
        let begin = begin(ready, (dispatcher.clone(), self.left), Arc::clone(&life));
        let served = http::serve(listener, router, config.limits.connections, closing.clone());
        let heard = (self.committed, breakers);
        let pump = hub::pump(heard, dispatcher.clone(), (&appender, &store), hub.clone());
        let tasks = Tasks {
            http: alarm.task("http", served),
            background: vec![
                alarm.task("catalog", current.keep(background.clone())),
                alarm.task("metrics", current::keep_metrics(Metrics::start(), background.clone())),
                alarm.task("tidy", tidy),
                alarm.task("drift", watch.keep(background.clone())),
                alarm.task("begin", cancellable(begin, background.clone())),
            ],
            dispatch: self
                .works
                .into_iter()
                .map(|work| alarm.task(&work.name, work.future))
                .collect(),
            pump: alarm.task("pump", pump),
        };
        Ok(Service {
            address,
            store,
            appender,
            catalogs,
            workers,
            alarm,
            life,
            hub,
            in_app,
            dispatcher,
            background,
            closing,
            tasks,
            threads,
            home,
        })
    }

    /// What pauses triggers that go too far: to be made before anything is committed.
    fn breakers(
        &self,
        clock: &Clock,
    ) -> Result<(Breakers, impl Future<Output = ()> + use<>), store::Error> {
        breaker::pair(
            (Arc::clone(&self.catalogs), Arc::clone(clock)),
            (self.appender.clone(), self.workers.clone()),
            &self.store,
        )
    }

    /// Who watches the models. Among nodes files are handed out by people.
    fn watch(&self, config: &Config, clock: &Clock) -> drift::Watch {
        drift::Watch {
            workers: self.workers.clone(),
            appender: self.appender.clone(),
            catalogs: config.kafka.is_none().then(|| Arc::clone(&self.catalogs)),
            clock: Arc::clone(clock),
            noticed: Arc::new(Noticed::default()),
        }
    }

    /// Where providers tell what became of messages.
    fn hooks(&self, config: &Config, clock: &Clock) -> Result<Router, Error> {
        let doors = Doors::new(&config.channels, &self.links).map_err(Error::Asked)?;
        let ear = Ear {
            store: Arc::clone(&self.store),
            appender: self.appender.clone(),
            clock: Arc::clone(clock),
            nodes: Nodes::of(config),
        };
        let links = Arc::clone(&self.links);
        Ok(hooks::routes(doors, Arc::new(ear), links, Arc::clone(clock)))
    }

    /// All routes: events with their own keys, probes for everyone, the rest for readers.
    fn router(
        &self,
        config: &Config,
        clock: &Clock,
        pages: Router,
        (life, hub, noticed): (&Arc<Life>, &Arc<Hub>, &Arc<Noticed>),
    ) -> Result<Router, Error> {
        let hooks = self.hooks(config, clock)?;
        let guard = Arc::new(Guard::new(config.api_token.as_ref()));
        let answers = Answers {
            store: Arc::clone(&self.store),
            appender: self.appender.clone(),
            workers: self.workers.clone(),
            catalogs: Arc::clone(&self.catalogs),
            clock: Arc::clone(clock),
            hub: Arc::clone(hub),
            in_app: self.in_app.clone(),
            keep: self.home.keep(),
            shown: self.home.shown(),
            noticed: Arc::clone(noticed),
        };
        let reading = from_fn_with_state(Arc::clone(&guard), guard::readers);
        let answers: api::Shared = Arc::new(answers);
        let customers = api::customers_own(&answers, &self.links, clock);
        let tokens = api::in_app::tokens(Arc::clone(&self.links), Arc::clone(clock));
        let api = self.home.shown_the_way(api::routes(answers)).merge(tokens);
        let readers = match config.roles.contains(&Role::Api) {
            true => api.merge(pages).route_layer(reading.clone()),
            false => Router::new(),
        };
        let store = Arc::clone(&self.store);
        let (numbers, shown) = (Metrics::start(), self.home.shown());
        let clock_shown = Arc::clone(clock);
        let metrics = probe::metrics(move || {
            source::show(&store, &shown);
            orders::show(&store, clock_shown.now());
            tasks::show(&store, &shown, clock_shown.now());
            numbers.render()
        });
        let metrics = if config.is_local() { metrics } else { metrics.route_layer(reading) };
        let keys = Keys::new(config.write_keys.iter().map(|key| key.expose_secret()));
        let now = Arc::clone(clock);
        let events = Ingest::new(self.books.clone(), keys, None, Now::new(move || now.now()));
        let events = match config.roles.contains(&Role::Ingest) {
            true => events.router().merge(customers).merge(hooks),
            false => Router::new(),
        };
        let probes = probe::routes(Arc::clone(life), Arc::clone(&self.catalogs));
        let limit = u64::try_from(config.limits.request.as_millis()).unwrap_or(u64::MAX);
        Ok(readers
            .merge(metrics)
            .merge(events)
            .merge(probes)
            .layer(from_fn_with_state(Duration::from_millis(limit), guard::in_time))
            .layer(from_fn(guard::counted)))
    }
}

/// Where the store of a configuration is.
pub fn store_folder(config: &Config) -> PathBuf {
    config.data.join(STORE_FOLDER)
}

/// Opens the store, and the log inside it, as the service does: for commands that work on the
/// data of a stopped one.
///
/// # Errors
/// When it is in use, or cannot be opened.
pub fn open(config: &Config, clock: &Clock) -> Result<(Arc<Store>, Arc<Embedded>), Error> {
    let path = store_folder(config);
    std::fs::create_dir_all(&path)
        .map_err(|error| Error::Data { path: config.data.clone(), error })?;
    let cores = std::thread::available_parallelism().map(|cores| cores.get().min(SHARDS_MAX));
    let cores = cores.ok().and_then(|cores| u16::try_from(cores).ok()).unwrap_or(SHARDS_UNTOLD);
    let shards = config.shards.unwrap_or(cores);
    let store = Store::open(&path, Options { shards, ..Options::default() })?;
    keys::hash_addresses(config, &store)?;
    let log = Embedded::open(&store.log_dir(), store.shards(), Arc::clone(clock))?;
    for shard in 0..store.shards() {
        let (applied, end) = (store.mark(shard)?.map_or(0, |mark| mark.heard), log.end(shard));
        if end < applied {
            // Positions would be given out again that states have already taken in.
            let what = "it ends before what the store has applied: restore both from one backup";
            return Err(crate::log::Error::Damaged { shard, near: end, what }.into());
        }
    }
    Ok((store, Arc::new(log)))
}

/// Opens the service once it is ready, and takes over what an earlier run left.
async fn begin(
    ready: BoxFuture<'static, ()>,
    (dispatcher, left): (Dispatcher, Vec<DecisionId>),
    life: Arc<Life>,
) {
    ready.await;
    life.go_on(Phase::Running);
    dispatcher.take_over(left);
}

async fn cancellable(work: impl Future<Output = ()>, stop: CancellationToken) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}
