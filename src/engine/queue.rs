//! The order in which things wait for something that many want: tasks for people, messages for money.

use std::cmp::Ordering;

use super::id::DecisionId;
use super::time::{Span, Timestamp};

/// How long one that asked waits for an answer before it asks again.
pub const ASK_AGAIN: Span = Span::MINUTE.times(10);

/// The place of something that waits: most urgent first, then worth most, then oldest, then by id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    /// How urgent, higher first.
    pub priority: i32,
    /// What it is worth.
    pub worth: f64,
    /// Since when it is wanted.
    pub since: Timestamp,
    /// Which.
    pub id: DecisionId,
}

impl Rank {
    /// Whether it goes before another: less is earlier.
    pub fn order(&self, other: &Self) -> Ordering {
        (other.priority.cmp(&self.priority))
            .then_with(|| other.worth.total_cmp(&self.worth))
            .then_with(|| self.since.cmp(&other.since))
            .then_with(|| self.id.cmp(&other.id))
    }
}
