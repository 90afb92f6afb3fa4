//! When everybody is looked at, and which looks are learned from, tune, or judge.

use crate::engine::classifier::Classifier;
use crate::engine::time::{Span, Timestamp};

/// Looks of one lesson, at most: the newest count.
pub const LOOKS_MAX: usize = 1_000;

/// The instants at which everybody is looked at: midnights in UTC, so that every label is known by
/// `last`, the newest first of all, and none before `first`.
pub fn looks(classifier: &Classifier, first: Timestamp, last: Timestamp) -> Vec<Timestamp> {
    let day = Span::DAY.as_millis();
    let newest = (last - classifier.label.within).as_millis().div_euclid(day) * day;
    let step = classifier.terms.snapshots.span().as_millis().max(day);
    let earlier = std::iter::successors(Some(newest), |at| at.checked_sub(step));
    let after_first = earlier.take_while(|at| first.as_millis() < *at);
    after_first.take(LOOKS_MAX).map(Timestamp::from_millis).collect()
}

/// The number of a day, from 1970 on.
pub fn day(at: Timestamp) -> i32 {
    i32::try_from(at.as_millis().div_euclid(Span::DAY.as_millis())).unwrap_or(i32::MAX)
}

/// The date of a day's number.
pub fn date(day: i32) -> String {
    let at = Timestamp::from_millis(i64::from(day) * Span::DAY.as_millis());
    at.to_string().chars().take(10).collect()
}

/// A span in whole days, rounded up.
pub fn days(span: Span) -> i32 {
    let days = span.as_millis().saturating_add(Span::DAY.as_millis() - 1) / Span::DAY.as_millis();
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// The days that judge, and the last day that may be learned from for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The first day that judges.
    pub judged_from: i32,
    /// What was seen after this day was not known when judging begins.
    pub learned_to: i32,
}

impl Split {
    /// Of a model whose newest look is on a day.
    pub fn of(classifier: &Classifier, newest: i32) -> Self {
        let terms = &classifier.terms;
        let judged_from = newest.saturating_sub(days(terms.judged_by)).saturating_add(1);
        let gap = days(terms.gap).max(days(classifier.label.within));
        Self { judged_from, learned_to: judged_from.saturating_sub(gap) }
    }
}
