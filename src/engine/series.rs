//! History of one kind of event for one customer, folded as it happens, read without a scan.

use thin_vec::ThinVec;

use super::catalog::Measure;
use super::time::{Span, Timestamp};
use super::value::{Value, ValueRef};

/// Entries kept exactly; past it neighbours are merged into granules of 1/512 of the window.
pub const EXACT_MAX: usize = 128;

/// The history one series keeps. Entries are ordered by the time of the event, not of arrival.
#[derive(Clone, Debug, PartialEq)]
pub enum Series {
    /// When it happened: `(latest instant of the entry, how many it stands for)`.
    Times(ThinVec<(Timestamp, u32)>),
    /// `(instant, sum, smallest, largest, how many)`.
    Amounts(ThinVec<Amount>),
    /// `(hash of the value, when it last occurred)`, sorted by hash.
    Distinct(ThinVec<(u64, Timestamp)>),
    /// The latest value.
    Last(Timestamp, Value),
    /// When it last happened.
    LastTime(Timestamp),
}

/// Numbers of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// Latest instant of the entry.
    pub at: Timestamp,
    /// Sum.
    pub sum: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// How many.
    pub count: u32,
}

impl Series {
    /// The series after its first event; `None` when the event has no value to keep.
    pub fn begin(_measure: Measure, _at: Timestamp, _value: ValueRef<'_>) -> Option<Self> {
        unimplemented!()
    }

    /// Folds one more event in. `keep` is how far back anything looks.
    pub fn record(&mut self, _at: Timestamp, _value: ValueRef<'_>, _keep: Span) {
        unimplemented!()
    }

    /// Occurrences in `(to - window, to]`.
    pub fn count(&self, _window: Span, _to: Timestamp) -> u32 {
        unimplemented!()
    }
}
