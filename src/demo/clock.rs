//! The shop's clock: moved by hand through the shop's past, then running fast by itself.

use std::sync::OnceLock;
use std::time::Duration;

use crate::clock::{Clock, Manual, Scaled};
use crate::engine::time::{Span, Timestamp};

/// A clock that is set until it is let go.
#[derive(Debug)]
pub struct ShopClock {
    set: Manual,
    running: OnceLock<Scaled>,
}

impl ShopClock {
    /// Stands at an instant.
    pub fn at(now: Timestamp) -> Self {
        Self { set: Manual::at(now), running: OnceLock::new() }
    }

    /// Sets it forward; without effect once it runs.
    pub fn set(&self, now: Timestamp) {
        self.set.set(now);
    }

    /// Lets it run from where it stands.
    pub fn run(&self, times_as_fast: u32) {
        self.running.get_or_init(|| Scaled::starting(self.set.now(), times_as_fast));
    }
}

impl Clock for ShopClock {
    fn now(&self) -> Timestamp {
        self.running.get().map_or_else(|| self.set.now(), Clock::now)
    }

    fn sleep_for(&self, span: Span) -> Duration {
        self.running
            .get()
            .map_or_else(|| self.set.sleep_for(span), |running| running.sleep_for(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_where_it_was_set() {
        let start = Timestamp::parse("2026-03-02T06:00:00Z").unwrap();
        let clock = ShopClock::at(start);
        clock.set(start + Span::DAY);
        assert_eq!(clock.now(), start + Span::DAY);
        clock.run(600);
        clock.set(start);
        assert!(start + Span::DAY <= clock.now(), "it never goes back");
    }
}
