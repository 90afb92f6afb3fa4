//! Whether what is scored today looks like what was learned from: the population stability index.

use super::table::{number, position};
use crate::engine::drift::index;

/// The bins of a distribution as it was: edges at its quantiles, and the share in each.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Upper edges of all bins but the last, rising.
    pub edges: Box<[f64]>,
    /// The share in each bin, then the share without a value.
    pub shares: Box<[f64]>,
}

impl Reference {
    /// Bins at even quantiles of values; not finite = without a value. Equal quantiles are one edge.
    pub fn of(values: &[f64], bins: usize) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = number(sorted.len().saturating_sub(1));
        let mut edges: Vec<f64> = (1..bins)
            .filter_map(|bin| position((last * number(bin) / number(bins)).floor()))
            .filter_map(|at| sorted.get(at).copied())
            .collect();
        edges.dedup();
        let mut reference = Self { edges: edges.into(), shares: Box::default() };
        reference.shares = reference.shares_of(values);
        reference
    }

    /// The share of values in each bin, then the share without a value.
    pub fn shares_of(&self, values: &[f64]) -> Box<[f64]> {
        let mut counts = vec![0_usize; self.edges.len() + 2];
        for value in values {
            let bin = if value.is_finite() {
                self.edges.partition_point(|edge| *edge < *value)
            } else {
                self.edges.len() + 1
            };
            if let Some(count) = counts.get_mut(bin) {
                *count += 1;
            }
        }
        let all = number(values.len().max(1));
        counts.iter().map(|count| number(*count) / all).collect()
    }

    /// The population stability index of values against the reference:
    /// `sum (a - b) ln(a / b)` over bins; below .1 calm, above .25 another population.
    pub fn psi(&self, values: &[f64]) -> f64 {
        index(&self.shares, &self.shares_of(values))
    }
}
