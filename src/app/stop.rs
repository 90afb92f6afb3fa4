//! The end of a service, in an order in which nothing is lost: no new events, no new calls, what
//! was heard is applied and committed, the store is flushed. Every step has its bound.

use std::future::Future;
use std::thread::JoinHandle;
use std::time::Duration;

use super::probe::Phase;
use super::{Service, Tasks, Threads};
use crate::worker::Workers;

/// How long requests under way may take to end.
const REQUESTS_MAX: Duration = Duration::from_secs(10);
/// How long calls under way may take to come back.
const CALLS_MAX: Duration = Duration::from_secs(20);
/// How long workers may take to apply what the log holds. The rest is applied at the next start.
const APPLY_MAX: Duration = Duration::from_secs(5);
/// How long a thread may take to end.
const THREAD_MAX: Duration = Duration::from_secs(30);
/// How often is looked whether something has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Service {
    /// Drains and stops. A part that does not end in time is left behind, and said.
    ///
    /// # Errors
    /// What failed or did not end. Everything acknowledged is on disk all the same, unless the
    /// store itself failed.
    pub async fn stop(self) -> Result<(), String> {
        let Self {
            store,
            appender,
            catalogs,
            workers,
            alarm,
            life,
            hub,
            in_app,
            dispatcher,
            home,
            ..
        } = self;
        let Tasks { http, background, dispatch, pump } = self.tasks;
        let Threads { workers: shards, committer, saver, writer } = self.threads;
        let mut late = Late::default();

        life.go_on(Phase::Stopping);
        self.background.cancel();
        hub.close();
        in_app.close();
        self.closing.cancel();
        late.wait("requests", REQUESTS_MAX, http).await;
        for task in background {
            late.wait("a background task", REQUESTS_MAX, task).await;
        }

        dispatcher.stop();
        let calls = futures_util::future::join_all(dispatch);
        late.wait("calls to channels", CALLS_MAX, calls).await;

        late.wait("inputs", APPLY_MAX, applied(&workers, &appender)).await;
        home.stop();
        for thread in shards {
            late.join("a shard", thread).await;
        }
        late.join("the committer", committer).await;
        late.wait("the pump", THREAD_MAX, pump).await;

        // The last doors to the log and the outbox: their threads end with them.
        drop((appender, catalogs, workers, in_app, dispatcher, home));
        late.join("the outbox writer", saver).await;
        late.join("the log writer", writer).await;
        let flushed = tokio::task::spawn_blocking(move || store.flush()).await;
        match (alarm.failure(), flushed) {
            (Some(failure), _) => Err(failure),
            (None, Ok(Err(error))) => Err(error.to_string()),
            (None, _) => late.told(),
        }
    }
}

/// Waits until every worker has applied what the log holds.
async fn applied(workers: &Workers, appender: &crate::log::appender::Appender) {
    let log = appender.log();
    for mailbox in workers.mailboxes() {
        while mailbox.status().position() < log.end(mailbox.shard()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What did not end in time.
#[derive(Debug, Default)]
struct Late(Vec<&'static str>);

impl Late {
    async fn wait(&mut self, what: &'static str, most: Duration, work: impl Future) {
        if tokio::time::timeout(most, work).await.is_err() {
            tracing::warn!(what, seconds = most.as_secs(), "did not end in time");
            self.0.push(what);
        }
    }

    async fn join(&mut self, what: &'static str, thread: JoinHandle<()>) {
        let ended = async {
            while !thread.is_finished() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        self.wait(what, THREAD_MAX, ended).await;
    }

    fn told(self) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(format!("not ended in time: {}", self.0.join(", ")))
    }
}
