//! Keeps the catalog in force the one on disk, and the store from growing without end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::books::blocking;
use super::home::Keep;
use super::hub::Hub;
use super::source;
use crate::api::source::Live;
use crate::catalog::watch::Watch;
use crate::catalog::{Catalogs, Folders, Reading};
use crate::clock::Shared as Clock;
use crate::config::Retention;
use crate::engine::time::Timestamp;
use crate::log::Source as _;
use crate::log::embedded::Embedded;
use crate::store::inbox::INBOX_KEEP;
use crate::store::{self, Store};
use crate::telemetry::Metrics;
use crate::worker::{Unanswered, Workers, workers};

/// How long the files must have been quiet before they are read: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long a file that is written on and on can put off the reading.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often the files are looked at when nothing tells of a change.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The wait before a worker that has no room is offered a catalog again.
const OFFER_AGAIN: Duration = Duration::from_millis(50);
/// How often histograms are folded.
const FOLD_EVERY: Duration = Duration::from_secs(5);
/// How often what is too old is dropped.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked whether shards have caught up.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Decisions dropped in one go.
const TIDY_AT_ONCE: usize = 5_000;
/// In-app messages looked at in one go: all of them are, go after go.
const INBOX_LOOK_MAX: usize = 20_000;
/// Messages dropped in one transaction with others of the node.
const DROPPED_AT_ONCE: usize = 128;
/// Goes in one round: the rest waits for the next.
const TIDY_ROUNDS_MAX: usize = 20;

/// What is needed to bring another catalog into force.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) workers: Workers,
    pub(super) hub: Arc<Hub>,
}

impl Current {
    /// Reads the files whenever they change, until it is stopped.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut watched = Watched::start(self.catalogs.folders());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = watched.changed() => quiet(&watched).await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look().await;
            watched.renew(self.catalogs.folders());
        }
    }

    async fn look(&self) {
        let catalogs = Arc::clone(&self.catalogs);
        let before = catalogs.in_force();
        // Reading and checking takes a while: it must not hold up requests.
        let Ok(reading) = tokio::task::spawn_blocking(move || catalogs.reload()).await else {
            return;
        };
        match reading {
            Reading::Same => return,
            Reading::Refused => {}
            Reading::Changed(catalog) => loop {
                match self.workers.reload(&catalog).await {
                    Ok(()) => break,
                    Err(workers::Error::Unanswered(Unanswered::Overloaded)) => {
                        tokio::time::sleep(OFFER_AGAIN).await;
                    }
                    Err(error) => {
                        self.catalogs.take_back(before, error.to_string());
                        break;
                    }
                }
            },
        }
        self.hub.tell(Live::Catalog(source::view(&self.catalogs)));
    }
}

/// Waits until nothing has changed for a while.
async fn quiet(watched: &Watched) {
    let silence = async { while tokio::time::timeout(QUIET, watched.changed()).await.is_ok() {} };
    // Past the bound a file that is half written is read, refused, and read again.
    drop(tokio::time::timeout(QUIET_WAIT_MAX, silence).await);
}

/// A watch, renewed when a folder has come or gone since it was started.
#[derive(Debug)]
struct Watched {
    watch: Option<Watch>,
    there: [bool; 2],
}

impl Watched {
    fn start(folders: &Folders) -> Self {
        let watch = Watch::start(folders).map_err(|error| {
            let seconds = LOOK_EVERY.as_secs();
            tracing::warn!(%error, seconds, "files cannot be watched, they are looked at instead");
        });
        Self { watch: watch.ok(), there: Self::are_there(folders) }
    }

    fn renew(&mut self, folders: &Folders) {
        if self.there != Self::are_there(folders) {
            *self = Self::start(folders);
        }
    }

    fn are_there(folders: &Folders) -> [bool; 2] {
        [folders.triggers.is_dir(), folders.models.is_dir()]
    }

    async fn changed(&self) {
        match &self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }
}

/// Folds histograms now and then.
pub(super) async fn keep_metrics(metrics: Metrics, stop: CancellationToken) {
    while !slept(FOLD_EVERY, &stop).await {
        metrics.keep_up();
    }
}

/// Drops what is older than it is kept.
pub(super) async fn keep_tidy(
    store: Arc<Store>,
    (log, keep): (Option<Arc<Embedded>>, Option<Keep>),
    retention: Retention,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut inbox_at = None;
    while !slept(TIDY_EVERY, &stop).await {
        let (store, log, now) = (Arc::clone(&store), log.clone(), clock.now());
        let looked_at = inbox_at.take();
        if let Some(keep) = &keep {
            drop_messages(&store, keep, now - INBOX_KEEP, looked_at.clone()).await;
        }
        let tidied = tokio::task::spawn_blocking(move || {
            for _ in 0..TIDY_ROUNDS_MAX {
                if store.prune_decisions(now - retention.decisions, TIDY_AT_ONCE)? < TIDY_AT_ONCE {
                    break;
                }
            }
            let position = |shard| Ok(store.mark(shard)?.map_or(0, |mark| mark.position));
            let applied: Vec<_> =
                (0..store.shards()).map(position).collect::<Result<_, store::Error>>()?;
            if let Some(log) = log
                && let Err(error) = log.trim(&applied, now - retention.log)
            {
                tracing::warn!(%error, "old events cannot be dropped from the log");
            }
            store.prune_dead_letters(now - retention.dead_letters, TIDY_AT_ONCE)?;
            let inbox_at =
                store.prune_inbox(now - INBOX_KEEP, looked_at.as_deref(), INBOX_LOOK_MAX)?;
            store.compact_after_erasures()?;
            Ok::<_, store::Error>(inbox_at)
        });
        match tidied.await {
            Ok(Ok(at)) => inbox_at = at,
            Ok(Err(error)) => tracing::warn!(%error, "what is too old cannot be dropped"),
            // The service is ending.
            Err(_) => {}
        }
    }
}

/// Drops messages where the next owner of their shard would find them, too. Those of shards that
/// are not here are dropped here alone.
async fn drop_messages(store: &Arc<Store>, keep: &Keep, before: Timestamp, after: Option<Vec<u8>>) {
    let store = Arc::clone(store);
    let aged = blocking(move || store.aged_messages(before, after.as_deref(), INBOX_LOOK_MAX));
    match aged.await {
        Ok(aged) => {
            let dropped = stream::iter(aged).map(|change| keep(change));
            dropped.buffer_unordered(DROPPED_AT_ONCE).for_each(|_| std::future::ready(())).await;
        }
        Err(error) => tracing::warn!(error, "old messages cannot be dropped"),
    }
}

/// Sleeps; true when it was told to stop.
async fn slept(time: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(time, stop.cancelled()).await.is_ok()
}

/// Waits until every shard has applied, and committed, what its log held at the start: then the
/// store knows of every send whose outcome was heard before.
pub(super) async fn caught_up(workers: &Workers, store: &Store, goals: &[u64]) {
    while !workers.have_caught_up() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    for (shard, goal) in (0_u16..).zip(goals) {
        // A store that cannot be read has raised the alarm where it is written.
        while store.mark(shard).is_ok_and(|mark| mark.map_or(0, |mark| mark.heard) < *goal) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// The end of each shard's log.
pub(super) fn ends(log: &Embedded) -> Vec<u64> {
    (0..log.shards()).map(|shard| log.end(shard)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::catalog::Given;
    use crate::clock::Manual;
    use crate::engine::catalog::Sending;
    use crate::log::memory::Memory;
    use crate::store::Options;
    use crate::worker::committer;
    use crate::worker::thread::{self, Parts};

    fn trigger(name: &str) -> String {
        format!(
            "trigger: {name}\nkind: behavior\nabout: A test.\nowner: a@b.example\n\
             when: {{event: bought}}\nsend:\n  purpose: transactional\n  via: [email]\n  \
             message:\n    en: {{body: Hello.}}\n"
        )
    }

    #[tokio::test]
    async fn a_catalog_that_a_shard_does_not_take_is_in_force_nowhere_and_the_fault_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let triggers = dir.path().join("triggers");
        std::fs::create_dir(&triggers).unwrap();
        std::fs::write(triggers.join("one.yaml"), trigger("one")).unwrap();
        let clock: Clock = Arc::new(Manual::at(Timestamp::MIN));
        let folders = Folders { triggers: triggers.clone(), models: PathBuf::from("none") };
        let given = Given { sending: Sending::DryRun, caps: Vec::new() };
        let catalogs = Catalogs::open(folders, given, Arc::clone(&clock)).unwrap();
        let catalogs = Arc::new(catalogs);
        let store = Store::open(&dir.path().join("store"), Options::default()).unwrap();
        let (sink, _committed) = tokio::sync::mpsc::channel(1);
        let (commits, _committer) = committer::pair(Arc::clone(&store), sink);
        let log = Arc::new(Memory::new(1, Arc::clone(&clock)));
        let parts = Parts { log, store: Arc::clone(&store), clock, commits };
        // Its worker is gone: it takes nothing.
        let (mailbox, _) = thread::pair(0, catalogs.current(), parts);
        let workers = Workers::new(vec![mailbox], store);
        let current =
            Current { catalogs, workers, hub: Arc::new(Hub::new(crate::app::heard::Nodes::One)) };
        let before = current.catalogs.current();
        std::fs::write(triggers.join("two.yaml"), trigger("two")).unwrap();
        current.look().await;
        let status = current.catalogs.status();
        assert_eq!(current.catalogs.current().revision, before.revision);
        assert_eq!((&status.revision, status.triggers), (&before.revision, 1));
        assert!(status.faults[0].contains("stopped"), "{:?}", status.faults);
    }
}
