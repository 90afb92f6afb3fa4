//! Positions of the recent past: where the shard was, so many seconds ago.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::unwritten::Due;
use crate::clock::Stopwatch;

/// How long a customer of whom nothing is written may stay in memory alone: lists that the store
/// orders do not show them before.
const FRESH_AGE_MAX: Duration = Duration::from_secs(5);
/// How long changes that nobody waits for may stay in memory alone. The log has their inputs, so
/// this, or [`LAG_MAX`], is how much of it a start after a crash applies once more.
const STATE_AGE_MAX: Duration = Duration::from_mins(1);
/// How many inputs a start after a crash applies once more at most, about: a second's work.
const LAG_MAX: u64 = 1_000_000;
/// What is so much later still must go faster.
const LATE: Duration = Duration::from_secs(1);
/// And what is so many inputs behind.
const LAG_LATE: u64 = LAG_MAX / 8;
/// How exactly ages are measured: what becomes due with one step is written with it, and whoever
/// waits for a ruling meanwhile waits longer.
const STEP: Duration = Duration::from_millis(10);

/// Positions by the time at which they were reached.
#[derive(Debug)]
pub(super) struct Past {
    watch: Stopwatch,
    reached: VecDeque<(Duration, u64)>,
}

impl Past {
    pub(super) fn new() -> Self {
        Self { watch: Stopwatch::start(), reached: VecDeque::new() }
    }

    /// Takes down the position of now, and says what is due, and what is late.
    pub(super) fn due(&mut self, position: u64) -> (Due, Due) {
        let now = self.watch.elapsed();
        self.note(now, position);
        let lag = |most: u64| position.saturating_sub(most);
        let due = Due {
            fresh: self.before(now, FRESH_AGE_MAX).max(lag(LAG_MAX)),
            known: self.before(now, STATE_AGE_MAX).max(lag(LAG_MAX)),
        };
        let late = Due {
            fresh: self.before(now, FRESH_AGE_MAX + LATE).max(lag(LAG_MAX + LAG_LATE)),
            known: self.before(now, STATE_AGE_MAX + LATE).max(lag(LAG_MAX + LAG_LATE)),
        };
        (due, late)
    }

    fn note(&mut self, now: Duration, position: u64) {
        let latest = self.reached.back();
        if latest.is_none_or(|(then, _)| STEP <= now.saturating_sub(*then)) {
            self.reached.push_back((now, position));
        }
        let oldest = STATE_AGE_MAX + LATE;
        while self.reached.get(1).is_some_and(|(then, _)| oldest <= now.saturating_sub(*then)) {
            self.reached.pop_front();
        }
    }

    /// The last position that was reached so long ago; 0 when there is none.
    fn before(&self, now: Duration, age: Duration) -> u64 {
        let count = self.reached.partition_point(|(then, _)| age <= now.saturating_sub(*then));
        let last = count.checked_sub(1).and_then(|last| self.reached.get(last));
        last.map_or(0, |(_, position)| *position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_where_it_was_and_forgets_what_is_long_ago() {
        let mut past = Past::new();
        let second = Duration::from_secs;
        assert_eq!(past.before(second(0), Duration::ZERO), 0);
        for passed in 0..100 {
            past.note(second(passed), passed * 10);
            past.note(second(passed), 5_000);
        }
        let now = second(99);
        assert_eq!(past.before(now, Duration::ZERO), 990);
        assert_eq!(past.before(now, second(5)), 940);
        assert_eq!(past.before(now, Duration::from_millis(5_001)), 930);
        assert_eq!(past.before(now, STATE_AGE_MAX + LATE), 380);
        assert_eq!(past.reached.len(), 62);
    }

    #[test]
    fn too_many_inputs_are_due_however_fast_they_came() {
        let mut past = Past::new();
        let (due, late) = past.due(LAG_MAX + 7);
        assert_eq!((due, late), (Due { fresh: 7, known: 7 }, Due { fresh: 0, known: 0 }));
        assert_eq!(past.due(2 * LAG_MAX).1.known, LAG_MAX - LAG_LATE);
    }
}
