//! Features in bytes: at most 254 bins of a number or 64 of a category, and one for missing.

use crate::engine::model::{ForestFeature, Kind};
use crate::stats::table::{Table, Values, number, pick, position};

/// Bins per feature, with the last for missing values.
pub(super) const BINS: usize = 256;
/// The bin of missing values.
pub(super) const MISSING: u8 = 255;
/// Levels of a category that have a bin of their own.
const LEVELS: usize = 63;

/// A feature's bins.
#[derive(Clone, Debug)]
pub(super) struct Binned {
    pub(super) feature: ForestFeature,
    /// Upper edges of all bins but the last; empty for a category.
    pub(super) edges: Vec<f64>,
    /// Bins in use, without the one for missing values.
    pub(super) count: usize,
    /// One per row of the table.
    pub(super) bins: Vec<u8>,
    /// Whether any row learned from is missing.
    pub(super) gaps: Gaps,
}

/// Whether any row is missing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    Some,
    None,
}

/// Bins all rows of a table, with edges learned from the rows `learn`.
pub(super) fn bin(table: &Table, learn: &[usize], most: usize) -> Vec<Binned> {
    let column = |column: &crate::stats::table::Column| {
        let learned = pick(column.values(), learn);
        let gaps = learned.iter().any(|value| !value.is_finite());
        let gaps = if gaps { Gaps::Some } else { Gaps::None };
        let name = column.name.clone();
        match &column.values {
            Values::Numbers(values) => {
                let edges = edges(&learned, most.clamp(2, BINS - 1));
                let bins = values.iter().map(|value| bin_of(&edges, *value)).collect();
                let feature = ForestFeature { name, kind: Kind::Number };
                Binned { feature, count: edges.len() + 1, edges, bins, gaps }
            }
            Values::Categories { names, .. } => {
                let kept = frequent(names, &learned);
                let codes = column.values_in(&kept);
                let byte = |code: &f64| match position(*code) {
                    None => MISSING,
                    Some(at) => u8::try_from(at.min(LEVELS)).unwrap_or(MISSING),
                };
                let (bins, count) = (codes.iter().map(byte).collect(), kept.len() + 1);
                let feature = ForestFeature { name, kind: Kind::Category(kept.into()) };
                Binned { feature, edges: Vec::new(), count, bins, gaps }
            }
        }
    };
    table.columns.iter().map(column).collect()
}

/// Edges halfway between neighbouring values, so that each bin has its share of rows; every value
/// has a bin of its own when there are few.
fn edges(values: &[f64], most: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let runs: Vec<(f64, usize)> = sorted
        .chunk_by(|left, right| left.total_cmp(right).is_eq())
        .filter_map(|run| run.first().map(|value| (*value, run.len())))
        .collect();
    let mut left_rows = sorted.len();
    let mut left_bins = most;
    let (mut edges, mut own) = (Vec::new(), 0);
    let few = runs.len() <= most;
    for ((value, rows), (next, _)) in runs.iter().zip(runs.iter().skip(1)) {
        own += rows;
        if few || left_rows <= own * left_bins {
            edges.push(value + 0.5 * (next - value));
            left_rows -= own;
            own = 0;
            left_bins = left_bins.saturating_sub(1);
            if left_bins <= 1 {
                break;
            }
        }
    }
    edges
}

fn bin_of(edges: &[f64], value: f64) -> u8 {
    if !value.is_finite() {
        return MISSING;
    }
    u8::try_from(edges.partition_point(|edge| *edge < value)).unwrap_or(MISSING - 1)
}

/// The most frequent levels, sorted by name.
fn frequent(names: &[Box<str>], codes: &[f64]) -> Vec<Box<str>> {
    let mut counts = vec![0_usize; names.len()];
    for code in codes {
        if let Some(count) = position(*code).and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let mut levels: Vec<(usize, &Box<str>)> = counts.into_iter().zip(names).collect();
    levels.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    let seen = levels.iter().filter(|(count, _)| 0 < *count).take(LEVELS);
    let mut kept: Vec<Box<str>> = seen.map(|(_, name)| (*name).clone()).collect();
    kept.sort_unstable();
    kept
}

/// A sum of gradients as a row count is one: exact below 2^32.
pub(super) fn rows(count: u32) -> f64 {
    number(usize::try_from(count).unwrap_or(usize::MAX))
}
