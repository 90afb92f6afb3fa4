//! Rests a channel that fails, so that it is not hammered and its attempts are not wasted. Pure.

use crate::engine::time::{Span, Timestamp};

/// Failures in a row after which a channel rests.
const FAILURES_MAX: u32 = 5;
/// The first rest; each further one is twice as long.
const REST_MIN: Span = Span::from_millis(5_000);
/// The longest rest.
const REST_MAX: Span = Span::from_millis(300_000);

/// The state of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    rests: u32,
    until: Option<Timestamp>,
    probing: Probing,
}

/// Whether the one call that tries a channel after its rest is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Probing {
    #[default]
    No,
    Yes,
}

/// Whether a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// Not before this.
    NotBefore(Timestamp),
    /// Not before the call that tries the channel has come back.
    AfterProbe,
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Same,
    /// It rests now, for so long.
    Rests(Span),
    /// It works again.
    Works,
}

impl Breaker {
    /// Whether a call may start now. After a rest a single one may, to try.
    pub fn permit(&mut self, now: Timestamp) -> Permit {
        match self.until {
            None => Permit::Go,
            Some(until) if now < until => Permit::NotBefore(until),
            Some(_) => match self.probing {
                Probing::Yes => Permit::AfterProbe,
                Probing::No => {
                    self.probing = Probing::Yes;
                    Permit::Go
                }
            },
        }
    }

    /// A permitted call was not made after all.
    pub fn not_called(&mut self) {
        self.probing = Probing::No;
    }

    /// The channel answered: it took the call or refused it, either way it works.
    pub fn answered(&mut self) -> Change {
        let rested = self.until.is_some();
        *self = Self::default();
        if rested { Change::Works } else { Change::Same }
    }

    /// The channel failed; it may have said until when it wants to rest.
    pub fn failed(&mut self, now: Timestamp, not_before: Option<Timestamp>) -> Change {
        let tried = self.probing == Probing::Yes;
        self.probing = Probing::No;
        self.failures = self.failures.saturating_add(1);
        let asked = not_before.filter(|rest| now < *rest);
        if asked.is_none() && !tried && self.failures < FAILURES_MAX {
            return Change::Same;
        }
        if !tried && self.until.is_some_and(|until| now < until) && asked.is_none() {
            // A call that began before the rest did: it says nothing new.
            return Change::Same;
        }
        let doubled = 1_i64.checked_shl(self.rests).unwrap_or(i64::MAX);
        let own = REST_MIN.times(doubled).min(REST_MAX);
        if asked.is_none() {
            self.rests = self.rests.saturating_add(1).min(30);
        }
        let until = asked.unwrap_or(now + own);
        self.until = Some(self.until.map_or(until, |before| before.max(until)));
        Change::Rests(until - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_772_366_400_000 + seconds * 1_000)
    }

    fn seconds(count: i64) -> Span {
        Span::SECOND.times(count)
    }

    #[test]
    fn it_rests_after_failures_in_a_row_and_tries_with_one_call() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.failed(at(0), None), Change::Same);
        }
        assert_eq!(breaker.permit(at(0)), Permit::Go);
        assert_eq!(breaker.failed(at(0), None), Change::Rests(seconds(5)));
        assert_eq!(breaker.permit(at(4)), Permit::NotBefore(at(5)));
        assert_eq!(breaker.permit(at(5)), Permit::Go, "one call tries");
        assert_eq!(breaker.permit(at(5)), Permit::AfterProbe, "and only one");
        assert_eq!(breaker.failed(at(6), None), Change::Rests(seconds(10)));
        assert_eq!(breaker.permit(at(16)), Permit::Go);
        assert_eq!(breaker.answered(), Change::Works);
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 0..4 {
                assert_eq!(breaker.failed(at(0), None), Change::Same);
            }
            assert_eq!(breaker.answered(), Change::Same);
        }
    }

    #[test]
    fn calls_that_were_under_way_do_not_lengthen_the_rest() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.failed(at(0), None);
        }
        for _ in 0..8 {
            assert_eq!(breaker.failed(at(1), None), Change::Same);
        }
        assert_eq!(breaker.permit(at(1)), Permit::NotBefore(at(5)));
    }

    #[test]
    fn the_rest_that_the_channel_asks_for_is_kept() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(at(0), Some(at(90))), Change::Rests(seconds(90)));
        assert_eq!(breaker.permit(at(89)), Permit::NotBefore(at(90)));
        assert_eq!(breaker.permit(at(90)), Permit::Go);
    }

    #[test]
    fn a_rest_is_never_longer_than_its_bound() {
        let mut breaker = Breaker::default();
        let mut now = at(0);
        let mut longest = Span::ZERO;
        for _ in 0..200 {
            if let Change::Rests(rest) = breaker.failed(now, None) {
                longest = longest.max(rest);
                now = now + rest;
                assert_eq!(breaker.permit(now), Permit::Go);
            }
        }
        assert_eq!(longest, REST_MAX);
    }

    #[test]
    fn a_call_not_made_lets_the_next_one_try() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), Some(at(1)));
        assert_eq!(breaker.permit(at(2)), Permit::Go);
        breaker.not_called();
        assert_eq!(breaker.permit(at(2)), Permit::Go);
    }
}
