//! A trigger comes to everybody little by little: who is in follows from a hash, and whoever is in
//! stays in.

use std::sync::Arc;

use super::experiment;
use super::planted::{Fault, is_planted};
use super::policy::Share;
use super::time::{Span, Timestamp};

/// Everybody.
const ALL: Share = Share(10_000);
/// Seed of the draw: it is drawn apart from holdouts and arms, or these would fill one by one.
const SEED: &str = "heedful:ramp:";

/// A ramp, from its first instant to the one at which everybody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ramp {
    seed: Arc<str>,
    /// When each part begins, in order; the last is all.
    parts: Box<[(Timestamp, Share)]>,
}

impl Ramp {
    /// Begins at an instant; each part lasts for a time, and then everybody is in.
    pub fn new(trigger: &str, from: Timestamp, steps: &[(Share, Span)]) -> Self {
        let mut begins = from;
        let mut parts = Vec::with_capacity(steps.len() + 1);
        for (share, lasts) in steps {
            parts.push((begins, *share));
            begins = begins + *lasts;
        }
        parts.push((begins, ALL));
        Self { seed: format!("{SEED}{trigger}").into(), parts: parts.into() }
    }

    /// The part of all that is in at an instant: none before it begins.
    pub fn share(&self, at: Timestamp) -> Share {
        let begun = self.parts.iter().rev().find(|(begins, _)| *begins <= at);
        begun.map_or(Share::default(), |(_, share)| *share)
    }

    /// The next part of all, and when it comes in; `None` when it is over.
    pub fn next(&self, at: Timestamp) -> Option<(Timestamp, Share)> {
        self.parts.iter().find(|(begins, _)| at < *begins).copied()
    }

    /// Whether it is over: everybody is in.
    pub fn is_over(&self, at: Timestamp) -> bool {
        self.parts.last().is_none_or(|(begins, _)| *begins <= at)
    }

    /// When a unit comes in.
    pub fn comes_in(&self, unit: &str) -> Option<Timestamp> {
        let place = experiment::bucket(&self.seed, unit);
        self.parts.iter().find(|(_, share)| place < share.0).map(|(begins, _)| *begins)
    }

    /// Whether a unit is in at an instant.
    pub fn has(&self, unit: &str, at: Timestamp) -> bool {
        if is_planted(Fault::RampDrawnAnew) {
            let anew = format!("{}{}", self.seed, self.share(at).0);
            return experiment::bucket(&anew, unit) < self.share(at).0;
        }
        self.comes_in(unit).is_some_and(|begins| begins <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{at, span};

    fn ramp() -> Ramp {
        let steps =
            [(Share(100), span("1d")), (Share(500), span("1d")), (Share(2_500), span("2d"))];
        Ramp::new("news", at("2026-03-02T09:00"), &steps)
    }

    #[test]
    fn each_part_is_as_large_as_declared_and_nobody_who_is_in_goes_out() {
        let ramp = ramp();
        let mut before: Vec<String> = Vec::new();
        for (when, share) in [
            ("2026-03-02T08:59", 0),
            ("2026-03-02T09:00", 100),
            ("2026-03-03T08:59", 100),
            ("2026-03-03T09:00", 500),
            ("2026-03-04T09:00", 2_500),
            ("2026-03-06T08:59", 2_500),
            ("2026-03-06T09:00", 10_000),
        ] {
            let when = at(when);
            assert_eq!(ramp.share(when), Share(share), "{when}");
            assert_eq!(ramp.is_over(when), share == 10_000, "{when}");
            let next = ramp.next(when);
            assert_eq!(next.is_none(), share == 10_000, "{when}");
            assert!(
                next.is_none_or(|(then, more)| when < then && ramp.share(then) == more),
                "{when}"
            );
            let names = (0..10_000).map(|n| format!("customer-{n}"));
            let inside: Vec<_> = names.filter(|name| ramp.has(name, when)).collect();
            let off = inside.len().abs_diff(usize::from(share));
            assert!(off <= 150, "{} instead of {share} at {when}", inside.len());
            assert!(before.iter().all(|name| inside.contains(name)), "somebody went out");
            before = inside;
        }
    }

    #[test]
    fn it_is_drawn_apart_from_the_experiment_of_the_same_trigger() {
        let (ramp, when) = (ramp(), at("2026-03-04T09:00"));
        let names = (0..10_000).map(|n| format!("customer-{n}"));
        let inside: Vec<_> = names.filter(|name| ramp.has(name, when)).collect();
        let held = inside.iter().filter(|name| experiment::bucket("news", name) < 5_000).count();
        assert!((1_100..1_400).contains(&held), "{held} of {}", inside.len());
    }
}
