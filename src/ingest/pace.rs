//! The pace of each key. Losing it at a restart is harmless, so it lives in memory.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::keys::Sender;

/// So many seconds' worth of events may come at once.
const BURST_SECONDS: u32 = 2;

/// A limit for each key. Keyed by the index of a configured key, so its memory has their number as
/// its bound, however many keys are guessed.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: Option<(DefaultKeyedRateLimiter<usize>, NonZeroU32)>,
}

impl Pace {
    pub(super) fn new(events_per_second: Option<NonZeroU32>) -> Self {
        let limiter = events_per_second.map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
            (RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)), burst)
        });
        Self { limiter }
    }

    /// Lets so many events of a sender pass, or says after which time they may come again.
    pub(super) fn check(&self, sender: Sender, events: usize) -> Result<(), Duration> {
        let Some((limiter, burst)) = &self.limiter else { return Ok(()) };
        // A body larger than the burst could never pass: it takes the whole burst instead.
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(burst.get());
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        let key = match sender {
            Sender::Keyed(index) => index,
            Sender::Local => usize::MAX,
        };
        match limiter.check_key_n(&key, events) {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(DefaultClock::default().now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_pace() {
        let pace = Pace::new(NonZeroU32::new(100));
        let first = Sender::Keyed(0);
        assert_eq!(pace.check(first, 0), Ok(()));
        assert_eq!(pace.check(first, 200), Ok(()));
        let wait = pace.check(first, 100).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(pace.check(Sender::Keyed(1), 200), Ok(()));
        // More than the burst passes a rested key, or it could never be sent.
        assert_eq!(pace.check(Sender::Local, 100_000), Ok(()));
        assert!(pace.check(Sender::Local, 1).is_err());
    }

    #[test]
    fn without_a_limit_all_passes() {
        assert_eq!(Pace::new(None).check(Sender::Local, usize::MAX), Ok(()));
    }
}
