//! Keeps a channel within its provider's own limit. It forgets at restart, which harms nobody:
//! customers' caps are kept elsewhere, durably.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::config::Rate;

/// The pace of one channel.
pub(super) struct Pace {
    clock: DefaultClock,
    limiter: Option<DefaultDirectRateLimiter>,
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("limited", &self.limiter.is_some()).finish()
    }
}

impl Pace {
    /// A pace that never exceeds a rate, in whichever window of its length one looks.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            clock: DefaultClock::default(),
            limiter: rate.and_then(quota).map(RateLimiter::direct),
        }
    }

    /// Takes a call's place, or says how long there is none.
    ///
    /// # Errors
    /// The wait.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        limiter.check().map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

/// A bucket that holds half of the rate and gets the other half back evenly: together they are
/// never more than the whole in any window. A bucket that held all of it would let almost twice
/// the rate through.
fn quota(rate: Rate) -> Option<Quota> {
    let burst = rate.calls.div_ceil(2).max(1);
    let returned = (rate.calls - burst.min(rate.calls)).max(1);
    let millis = u64::try_from(rate.per.as_millis()).ok()?;
    let interval = Duration::from_millis(millis) / returned;
    Some(Quota::with_period(interval)?.allow_burst(NonZeroU32::new(burst)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::time::Span;

    #[test]
    fn no_window_holds_more_than_the_rate() {
        for calls in [1, 2, 3, 7, 20, 100, 1_001] {
            let quota = quota(Rate { calls, per: Span::MINUTE }).unwrap();
            let interval = quota.replenish_interval().as_secs_f64();
            // The fullest window: the whole bucket at its beginning, and all that comes back
            // before its end.
            let back = (60.0 / interval - 1e-9).floor();
            let most = f64::from(quota.burst_size().get()) + back;
            assert!(most <= f64::from(calls), "{calls} a minute let {most} through");
        }
    }

    #[test]
    fn a_rate_of_none_never_waits_and_one_does() {
        let free = Pace::new(None);
        assert!((0..10_000).all(|_| free.take().is_ok()));
        let slow = Pace::new(Some(Rate { calls: 2, per: Span::HOUR }));
        assert_eq!(slow.take(), Ok(()));
        let wait = slow.take().unwrap_err();
        assert!(Duration::from_secs(3_000) < wait, "{wait:?}");
    }
}
