//! The clock of the shell, and the only place that reads one: real, set by hand, or running fast.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Span, Timestamp};

/// Tells the time. One clock is made when the service starts and handed to all of its parts.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// How long a thread has to sleep for this much of the clock's time to go by. It may wake
    /// early: whoever sleeps looks at [`Clock::now`] again.
    fn sleep_for(&self, span: Span) -> Duration;
}

/// A clock shared by the parts of a service.
pub type Shared = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl System {
    /// The machine's clock, to hand out.
    pub fn shared() -> Shared {
        Arc::new(Self)
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        wall()
    }

    fn sleep_for(&self, span: Span) -> Duration {
        duration(span)
    }
}

/// A clock that stands still until it is moved: for tests and replays.
#[derive(Debug)]
pub struct Manual {
    millis: AtomicI64,
}

impl Manual {
    /// How long sleepers sleep before they look again: its time may be moved at any moment.
    const LOOK_AGAIN: Duration = Duration::from_millis(1);

    /// Stands at an instant.
    pub fn at(now: Timestamp) -> Self {
        Self { millis: AtomicI64::new(now.as_millis()) }
    }

    /// Moves it on.
    pub fn advance(&self, span: Span) {
        self.millis.fetch_add(span.as_millis(), Ordering::SeqCst);
    }

    /// Moves it to an instant, back as well.
    pub fn set(&self, now: Timestamp) {
        self.millis.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for Manual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    fn sleep_for(&self, span: Span) -> Duration {
        duration(span).min(Self::LOOK_AGAIN)
    }
}

/// A clock that started at an instant of its own and runs so many times as fast as the machine's.
///
/// It counts from a monotonic reading, so that it never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    start: Timestamp,
    began: Stopwatch,
    times_as_fast: u32,
}

impl Scaled {
    /// Starts at an instant. A factor of 0 is taken as 1.
    pub fn starting(start: Timestamp, times_as_fast: u32) -> Self {
        Self { start, began: Stopwatch::start(), times_as_fast: times_as_fast.max(1) }
    }

    fn after(&self, real: Duration) -> Timestamp {
        let millis = i64::try_from(real.as_micros()).unwrap_or(i64::MAX);
        let scaled = millis.saturating_mul(i64::from(self.times_as_fast)) / 1_000;
        self.start + Span::from_millis(scaled)
    }
}

impl Clock for Scaled {
    fn now(&self) -> Timestamp {
        self.after(self.began.elapsed())
    }

    fn sleep_for(&self, span: Span) -> Duration {
        duration(span) / self.times_as_fast
    }
}

/// Measures how long something took, for logs and metrics. No decision depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    // Since the first reading of this process: `Instant` itself has no arithmetic that saturates.
    began: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { began: monotonic() }
    }

    /// How long ago it was started.
    pub fn elapsed(&self) -> Duration {
        monotonic().saturating_sub(self.began)
    }
}

/// The machine's time; before 1970 it is 1970.
#[expect(clippy::disallowed_methods, reason = "the clock is read here, and nowhere else")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time since the first call in this process, never going back.
#[expect(clippy::disallowed_methods, reason = "the clock is read here, and nowhere else")]
fn monotonic() -> Duration {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

/// A span as the standard library counts it; a negative one is no time at all.
fn duration(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_runs_as_many_times_as_fast() {
        let start = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        let clock = Scaled::starting(start, 3_600);
        assert_eq!(clock.after(Duration::from_secs(2)), start + Span::HOUR.times(2));
        assert_eq!(clock.after(Duration::from_micros(500)), start + Span::from_millis(1_800));
        assert_eq!(clock.sleep_for(Span::HOUR), Duration::from_secs(1));
    }

    #[test]
    fn a_manual_clock_moves_only_when_moved() {
        let start = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        let clock = Manual::at(start);
        assert_eq!(clock.now(), start);
        clock.advance(Span::MINUTE);
        assert_eq!(clock.now(), start + Span::MINUTE);
        clock.set(start);
        assert_eq!(clock.now(), start);
        assert!(clock.sleep_for(Span::HOUR) <= Manual::LOOK_AGAIN);
    }

    #[test]
    fn the_system_clock_sleeps_in_real_time() {
        assert_eq!(System.sleep_for(Span::SECOND), Duration::from_secs(1));
        assert_eq!(System.sleep_for(Span::from_millis(-5)), Duration::ZERO);
        assert!(Timestamp::parse("2024-01-01T00:00:00Z").unwrap() < System.now());
    }
}
