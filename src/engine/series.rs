//! One history series of one customer: what an event left behind, read over windows of time.
//!
//! A series is exact while it holds at most [`EXACT_MAX`] entries. Past that the entries older than
//! the newest [`EXACT_MAX`] are merged into granules of `keep / 512`, each known by the latest
//! instant in it. So a window is exact but for its trailing edge: what lies at most one granule
//! before the edge may still count. For a series that looks back 28 days, a granule is 79 minutes,
//! and only customers with more than 128 such events in 28 days meet it at all.

mod tally;

use thin_vec::ThinVec;

pub use self::tally::Tally;

use super::catalog::Measure;
use super::id::stable_hash;
use super::time::{Span, Timestamp};
use super::value::{Value, ValueRef};

/// Entries kept exactly; past it older neighbours are merged into granules.
pub const EXACT_MAX: usize = 128;
/// Granules that the longest look-back is divided into.
pub const GRANULES: i64 = 512;
/// Distinct values remembered; past it the one that is longest ago is forgotten, so that
/// `distinct` never says more than this.
pub const DISTINCT_MAX: usize = 1_024;

/// The history one series keeps. Entries are ordered by the time of the event, not of arrival.
#[derive(Clone, Debug, PartialEq)]
pub enum Series {
    /// When it happened: `(latest instant of the entry, how many it stands for)`.
    Times(ThinVec<(Timestamp, u32)>),
    /// `(instant, sum, smallest, largest, how many)`.
    Amounts(ThinVec<Amount>),
    /// `(hash of the value, when it last occurred)`, sorted by hash.
    Distinct(ThinVec<(u64, Timestamp)>),
    /// The latest value: elsewhere, so that the others need not be as large.
    Last(Box<(Timestamp, Value)>),
    /// When it last happened.
    LastTime(Timestamp),
    /// The whole history in a few numbers.
    Tally(Box<Tally>),
    /// The numbers of the whole history.
    Total(Box<Amount>),
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
    /// Where what does not stand in place is kept.
    pub(super) fn address(&self) -> usize {
        match self {
            Self::Times(list) => list.as_ptr().addr(),
            Self::Amounts(list) => list.as_ptr().addr(),
            Self::Distinct(list) => list.as_ptr().addr(),
            Self::Last(last) => std::ptr::from_ref(&**last).addr(),
            Self::LastTime(at) => std::ptr::from_ref(at).addr(),
            Self::Tally(tally) => std::ptr::from_ref(&**tally).addr(),
            Self::Total(total) => std::ptr::from_ref(&**total).addr(),
        }
    }

    /// The series after its first event; `None` when the event has no value to keep.
    pub fn begin(measure: Measure, at: Timestamp, value: ValueRef<'_>) -> Option<Self> {
        Some(match measure {
            Measure::Times => Self::Times(ThinVec::from([(at, 1)].as_slice())),
            Measure::Amount(_) => Self::Amounts(ThinVec::from([Amount::of(at, value)?].as_slice())),
            Measure::Distinct(_) => {
                Self::Distinct(ThinVec::from([(value_hash(value)?, at)].as_slice()))
            }
            Measure::Last(_) => Self::Last(Box::new((at, value.to_value()?))),
            Measure::LastTime => Self::LastTime(at),
            Measure::Tally => Self::Tally(Box::new(Tally::begin(at))),
            Measure::Total(_) => Self::Total(Box::new(Amount::of(at, value)?)),
        })
    }

    /// Folds one more event in. `keep` is how far back anything looks: what is older than that,
    /// counted from the newest event, is dropped. At a steady rate nothing is allocated.
    pub fn record(&mut self, at: Timestamp, value: ValueRef<'_>, keep: Span) {
        match self {
            Self::Times(entries) => insert(entries, (at, 1), keep),
            Self::Amounts(entries) => {
                if let Some(amount) = Amount::of(at, value) {
                    insert(entries, amount, keep);
                }
            }
            Self::Distinct(entries) => {
                if let Some(hash) = value_hash(value) {
                    insert_distinct(entries, hash, at, keep);
                }
            }
            Self::Last(known) => {
                let (last, kept) = &mut **known;
                if *last <= at && !value.is_missing() {
                    *last = at;
                    if kept.as_ref() != value
                        && let Some(value) = value.to_value()
                    {
                        *kept = value;
                    }
                }
            }
            Self::LastTime(last) => *last = (*last).max(at),
            Self::Tally(tally) => tally.record(at),
            Self::Total(total) => {
                if let Some(amount) = Amount::of(at, value) {
                    let latest = total.at.max(at);
                    total.absorb(amount);
                    total.at = latest;
                }
            }
        }
    }

    /// Occurrences in `(to - window, to]`; for a series of distinct values, how many values.
    pub fn count(&self, window: Span, to: Timestamp) -> u32 {
        match self {
            Self::Times(entries) => within(entries, window, to)
                .iter()
                .fold(0, |total: u32, (_, count)| total.saturating_add(*count)),
            Self::Amounts(entries) => within(entries, window, to)
                .iter()
                .fold(0, |total: u32, amount| total.saturating_add(amount.count)),
            Self::Distinct(_) => self.distinct(window, to),
            Self::Last(..) | Self::LastTime(_) => {
                let last = self.last_time();
                u32::from(last.is_some_and(|at| to - window < at && at <= to))
            }
            // They know of no windows.
            Self::Tally(_) | Self::Total(_) => 0,
        }
    }

    /// Distinct values that last occurred in `(to - window, to]`; 0 for a series that keeps none.
    pub fn distinct(&self, window: Span, to: Timestamp) -> u32 {
        let Self::Distinct(entries) = self else { return 0 };
        let from = to - window;
        let inside = entries.iter().filter(|(_, at)| from < *at && *at <= to).count();
        u32::try_from(inside).unwrap_or(u32::MAX)
    }

    /// The sum over `(to - window, to]`: 0 when there is nothing.
    pub fn sum(&self, window: Span, to: Timestamp) -> f64 {
        self.amounts(window, to).iter().fold(0.0, |sum, amount| sum + amount.sum)
    }

    /// The average over `(to - window, to]`; `None` when there is nothing.
    pub fn average(&self, window: Span, to: Timestamp) -> Option<f64> {
        let count = self.amounts(window, to).iter().map(|amount| u64::from(amount.count)).sum();
        (0 < count).then(|| self.sum(window, to) / whole(count))
    }

    /// The smallest number in `(to - window, to]`; `None` when there is nothing.
    pub fn min(&self, window: Span, to: Timestamp) -> Option<f64> {
        self.amounts(window, to).iter().map(|amount| amount.min).reduce(f64::min)
    }

    /// The largest number in `(to - window, to]`; `None` when there is nothing.
    pub fn max(&self, window: Span, to: Timestamp) -> Option<f64> {
        self.amounts(window, to).iter().map(|amount| amount.max).reduce(f64::max)
    }

    /// The last window against the one before: `(last - before) / before`. With nothing in the
    /// window before, `None` when the last is empty too, else 1.
    pub fn change(&self, window: Span, to: Timestamp) -> Option<f64> {
        let last = self.count(window, to);
        let before = self.count(window, to - window);
        match (last, before) {
            (0, 0) => None,
            (_, 0) => Some(1.0),
            _ => Some((f64::from(last) - f64::from(before)) / f64::from(before)),
        }
    }

    /// The latest value, for a series that keeps it.
    pub fn last(&self) -> Option<&Value> {
        match self {
            Self::Last(last) => Some(&last.1),
            Self::Times(_)
            | Self::Amounts(_)
            | Self::Distinct(_)
            | Self::LastTime(_)
            | Self::Tally(_)
            | Self::Total(_) => None,
        }
    }

    /// The whole history, for a series that keeps it.
    pub fn tally(&self) -> Option<&Tally> {
        if let Self::Tally(tally) = self { Some(tally) } else { None }
    }

    /// The numbers of the whole history, for a series that keeps them.
    pub fn total(&self) -> Option<&Amount> {
        if let Self::Total(total) = self { Some(total) } else { None }
    }

    /// When it last happened.
    pub fn last_time(&self) -> Option<Timestamp> {
        match self {
            Self::Times(entries) => entries.last().map(|(at, _)| *at),
            Self::Amounts(entries) => entries.last().map(|amount| amount.at),
            Self::Distinct(entries) => entries.iter().map(|(_, at)| *at).max(),
            Self::Last(last) => Some(last.0),
            Self::LastTime(at) => Some(*at),
            Self::Tally(tally) => Some(tally.last),
            Self::Total(total) => Some(total.at),
        }
    }

    /// Whether nothing is kept any more.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Times(entries) => entries.is_empty(),
            Self::Amounts(entries) => entries.is_empty(),
            Self::Distinct(entries) => entries.is_empty(),
            Self::Last(..) | Self::LastTime(_) | Self::Tally(_) | Self::Total(_) => false,
        }
    }

    fn amounts(&self, window: Span, to: Timestamp) -> &[Amount] {
        match self {
            Self::Amounts(entries) => within(entries, window, to),
            Self::Times(_)
            | Self::Distinct(_)
            | Self::Last(..)
            | Self::LastTime(_)
            | Self::Tally(_)
            | Self::Total(_) => &[],
        }
    }
}

/// `count` instants spread evenly inside `(from, to]`, for the `given:` blocks of tests: two calls
/// with adjoining stretches give exactly the counts asked for in each.
pub fn evenly(count: u32, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let span = i128::from((to - from).as_millis());
    (0..count).map(move |index| {
        // The middle of each part, rounded up so that the first lies after `from`.
        let parts = 2 * i128::from(count);
        let offset = (span * (2 * i128::from(index) + 1) + parts - 1).div_euclid(parts);
        from + Span::from_millis(i64::try_from(offset).unwrap_or(i64::MAX))
    })
}

/// A series of `count` distinct values, last seen evenly inside `(from, to]`, for the `given:`
/// blocks of tests.
pub fn distinct_evenly(count: u32, from: Timestamp, to: Timestamp) -> Series {
    let mut entries: ThinVec<(u64, Timestamp)> = evenly(count, from, to)
        .enumerate()
        .filter_map(|(index, at)| Some((value_hash(ValueRef::Str(&format!("given {index}")))?, at)))
        .collect();
    entries.sort_unstable();
    Series::Distinct(entries)
}

/// A hash of a value that is the same on every machine and in every release, because state keeps
/// it. `None` when the value is missing.
pub fn value_hash(value: ValueRef<'_>) -> Option<u64> {
    Some(match value {
        ValueRef::Missing => return None,
        ValueRef::Str(text) => stable_hash(text),
        ValueRef::Bool(flag) => mixed(1, u64::from(flag)),
        // Adding zero turns -0 into 0: they are equal, so they hash alike.
        ValueRef::Num(number) => mixed(2, (number + 0.0).to_bits()),
        ValueRef::List(items) => items
            .iter()
            .fold(3, |hash, item| mixed(hash, value_hash(item.as_ref()).unwrap_or_default())),
        ValueRef::Map(fields) => fields.iter().fold(4, |hash, (key, value)| {
            let value = value_hash(value.as_ref()).unwrap_or_default();
            mixed(mixed(hash, stable_hash(key)), value)
        }),
    })
}

/// Two words made one; the order of the two matters. The constants are those of `MurmurHash3`'s
/// finisher.
const fn mixed(seed: u64, word: u64) -> u64 {
    let mut hash = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl Amount {
    fn of(at: Timestamp, value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Num(number) if number.is_finite() => {
                Some(Self { at, sum: number, min: number, max: number, count: 1 })
            }
            _ => None,
        }
    }
}

/// What can be kept in order of time and merged with a neighbour.
trait Entry: Copy {
    fn at(&self) -> Timestamp;

    /// Takes an earlier entry in.
    fn absorb(&mut self, earlier: Self);
}

impl Entry for (Timestamp, u32) {
    fn at(&self) -> Timestamp {
        self.0
    }

    fn absorb(&mut self, earlier: Self) {
        self.1 = self.1.saturating_add(earlier.1);
    }
}

impl Entry for Amount {
    fn at(&self) -> Timestamp {
        self.at
    }

    fn absorb(&mut self, earlier: Self) {
        self.sum += earlier.sum;
        self.min = self.min.min(earlier.min);
        self.max = self.max.max(earlier.max);
        self.count = self.count.saturating_add(earlier.count);
    }
}

fn insert<E: Entry>(entries: &mut ThinVec<E>, entry: E, keep: Span) {
    let newest = entries.last().map_or(entry.at(), |last| last.at().max(entry.at()));
    let horizon = newest - keep;
    if entry.at() <= horizon {
        return;
    }
    let expired = entries.iter().take_while(|kept| kept.at() <= horizon).count();
    if 0 < expired {
        entries.drain(..expired);
    }
    let place = match entries.last() {
        Some(last) if entry.at() < last.at() => {
            entries.partition_point(|kept| kept.at() <= entry.at())
        }
        _ => entries.len(),
    };
    super::customer::spare_room(entries);
    entries.insert(place, entry);
    // INVARIANT: no two neighbours up to `line` lie in one granule. An insertion moves at most
    // one entry over that line or puts one new entry before it: one merge restores the invariant.
    let Some(line) = entries.len().checked_sub(EXACT_MAX + 1) else { return };
    merge(entries, place.min(line), line, keep);
}

/// Merges the entry at `index` with the neighbour before it, or after it as far as `line`.
fn merge<E: Entry>(entries: &mut ThinVec<E>, index: usize, line: usize, keep: Span) {
    let granule = |entry: &E| entry.at().as_millis() / (keep.as_millis() / GRANULES).max(1);
    let alike = |left: usize| match (entries.get(left), entries.get(left + 1)) {
        (Some(earlier), Some(later)) if granule(earlier) == granule(later) => Some(*earlier),
        _ => None,
    };
    let before = index.checked_sub(1);
    let (left, earlier) = match before.and_then(|left| Some((left, alike(left)?))) {
        Some(found) => found,
        None if index < line => match alike(index) {
            Some(earlier) => (index, earlier),
            None => return,
        },
        None => return,
    };
    if let Some(later) = entries.get_mut(left + 1) {
        later.absorb(earlier);
        entries.remove(left);
    }
}

fn insert_distinct(entries: &mut ThinVec<(u64, Timestamp)>, hash: u64, at: Timestamp, keep: Span) {
    let place = match entries.binary_search_by_key(&hash, |(hash, _)| *hash) {
        Ok(found) => {
            if let Some((_, last)) = entries.get_mut(found) {
                *last = (*last).max(at);
            }
            return;
        }
        Err(place) => place,
    };
    let newest = entries.iter().map(|(_, last)| *last).max().map_or(at, |last| last.max(at));
    let horizon = newest - keep;
    if at <= horizon {
        return;
    }
    super::customer::spare_room(entries);
    entries.insert(place, (hash, at));
    entries.retain(|(_, last)| horizon < *last);
    if DISTINCT_MAX < entries.len()
        && let Some(oldest) =
            entries.iter().enumerate().min_by_key(|(_, (_, last))| *last).map(|(index, _)| index)
    {
        entries.remove(oldest);
    }
}

/// The entries in `(to - window, to]`.
fn within<E: Entry>(entries: &[E], window: Span, to: Timestamp) -> &[E] {
    let from = to - window;
    let start = entries.partition_point(|entry| entry.at() <= from);
    let tail = entries.get(start..).unwrap_or_default();
    // Asked about the present, as nearly always, the tail is the answer.
    let inside = match tail.last() {
        Some(last) if to < last.at() => tail.partition_point(|entry| entry.at() <= to),
        _ => tail.len(),
    };
    tail.get(..inside).unwrap_or_default()
}

/// A count as a number; counts stay far below the 2^53 that a number holds exactly.
fn whole(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
