//! Threads and tasks that must not end by themselves: the first that fails ends the service.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::probe::{Life, Phase};

/// Told when a part of the service fails.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    failure: watch::Sender<Option<String>>,
    kind: Arc<OnceLock<Kind>>,
    life: Arc<Life>,
}

/// What kind of failure ends the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part is broken: a restart mends it.
    Broken,
    /// Another node has taken over.
    TakenOver,
    /// What it works on does not fit together: somebody has to look at it.
    Refused,
}

impl Alarm {
    pub(super) fn new(life: Arc<Life>) -> Self {
        Self { failure: watch::Sender::new(None), kind: Arc::default(), life }
    }

    /// A part has failed. The first failure is the one that is told: others follow from it.
    pub(super) fn raise(&self, part: &str, why: impl Display) {
        self.life.go_on(Phase::Failed);
        let what = format!("{part}: {why}");
        tracing::error!(part, why = %why, "a part of the service failed");
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(what);
            first
        });
    }

    /// Waits for the first failure.
    pub(super) async fn raised(&self) -> String {
        let mut failure = self.failure.subscribe();
        loop {
            if let Some(what) = failure.borrow_and_update().clone() {
                return what;
            }
            // The sender is in `self`: there is always one.
            if failure.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Says what kind of failure is about to be told. The first one counts.
    #[cfg(feature = "kafka")]
    pub(super) fn is_of(&self, kind: Kind) {
        self.kind.get_or_init(|| kind);
    }

    /// What kind of failure it was.
    pub(super) fn kind(&self) -> Kind {
        self.kind.get().copied().unwrap_or(Kind::Broken)
    }

    /// What failed, if anything did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Starts a thread whose failure ends the service.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(super) fn thread<E: Display>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let alarm = self.clone();
        let part = name.to_owned();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            match std::panic::catch_unwind(AssertUnwindSafe(work)) {
                Ok(Ok(())) => {}
                Ok(Err(why)) => alarm.raise(&part, why),
                Err(_) => alarm.raise(&part, PANICKED),
            }
        })
    }

    /// Starts a task whose panic ends the service.
    pub(super) fn task(
        &self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let alarm = self.clone();
        let part = name.to_owned();
        #[expect(clippy::disallowed_methods, reason = "tasks begin here, named and watched")]
        tokio::spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                alarm.raise(&part, PANICKED);
            }
        })
    }
}

const PANICKED: &str = "it panicked, which is a defect of this program";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_failure_is_told_and_panics_are_failures() {
        let life = Arc::new(Life::starting());
        let alarm = Alarm::new(Arc::clone(&life));
        alarm.thread("fine", || Ok::<(), String>(())).unwrap().join().unwrap();
        assert_eq!((alarm.failure(), life.phase()), (None, Phase::Starting));
        alarm.thread("log", || Err::<(), _>("the disk is gone")).unwrap().join().unwrap();
        alarm.task("lane", async { panic!("a planted panic") }).await.unwrap();
        assert_eq!(alarm.raised().await, "log: the disk is gone");
        assert_eq!(life.phase(), Phase::Failed);

        let alarm = Alarm::new(life);
        alarm.task("lane", async { panic!("a planted panic") }).await.unwrap();
        assert!(alarm.raised().await.starts_with("lane: it panicked"));
    }
}
