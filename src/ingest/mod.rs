//! The HTTP door for events: real SDKs of Segment, RudderStack and PostHog, CloudEvents, and curl.
//!
//! SDKs drop what they sent for good at any answer of 4xx but 429, so the answers are: 200 once the
//! events are durable (single events may have been refused: they are counted and kept as dead
//! letters), 400 only for a body that cannot be read at all, 401 only for a wrong key, 429 and 503
//! with `Retry-After` for everything that will pass.

mod answer;
mod greetings;
mod ids;
mod intake;
mod keys;
mod pace;
mod routes;
mod unpack;

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;

use crate::engine::time::Timestamp;

pub use intake::Intake;
pub use keys::Keys;
pub use unpack::BODY_BYTES_MAX;

/// What all requests share.
#[derive(Debug)]
pub struct Ingest<I> {
    intake: I,
    keys: Keys,
    pace: pace::Pace,
    ids: ids::Ids,
    now: Now,
    /// Memory for bodies on their way, in KiB.
    memory: Semaphore,
}

/// Gives the time. The clock itself belongs to the shell.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Now {
    /// Asks `clock` at every request.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(clock))
    }
}

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

/// Memory for bodies on their way, in KiB: past it senders are asked to come again.
const MEMORY_KIB_MAX: usize = 256 * 1_024;

impl<I: Intake> Ingest<I> {
    /// Opens the door. Without keys only clients on this machine are let in. `events_per_second` is
    /// the pace of each key; without it the log alone sets the pace.
    pub fn new(intake: I, keys: Keys, events_per_second: Option<NonZeroU32>, now: Now) -> Self {
        Self {
            intake,
            keys,
            pace: pace::Pace::new(events_per_second),
            ids: ids::Ids::new(),
            now,
            memory: Semaphore::new(MEMORY_KIB_MAX),
        }
    }

    /// The routes, with their answers to browsers of any origin.
    ///
    /// The server must put `ConnectInfo<SocketAddr>` into each request, or nobody counts as being on
    /// this machine.
    pub fn router(self) -> Router {
        routes::events::<I>()
            .merge(greetings::routes())
            .layer(answer::cors())
            .with_state(Arc::new(self))
    }
}

#[cfg(test)]
mod tests;
