//! Boosted trees: histograms of gradients, best leaf first, for rows with strong interactions.
//!
//! Friedman (2001) with second derivatives and a charge on leaf values (Chen and Guestrin 2016);
//! histograms and growth as in Ke et al. (2017). Deterministic: one thread, one seed.

mod bins;
mod boost;
mod grow;
mod split;

pub use self::boost::{Boosted, boost, boost_folds};

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Trees at most.
    pub rounds: usize,
    /// Leaves per tree, 2 to 512.
    pub leaves: usize,
    /// Splits on any way at most.
    pub depth_max: usize,
    /// Factor on every leaf, 0 to 1: the smaller, the more trees and the smoother.
    pub rate: f64,
    /// Charge on squared leaf values.
    pub l2: f64,
    /// Rows a leaf needs.
    pub rows_min: u32,
    /// Summed second derivatives a leaf needs.
    pub hessian_min: f64,
    /// What a split must gain.
    pub gain_min: f64,
    /// Share of rows each tree sees.
    pub rows_share: f64,
    /// Share of features each tree may use.
    pub columns_share: f64,
    /// Bins per number, 2 to 255.
    pub bins: usize,
    /// Trees without progress on the judging rows after which it stops; 0 = it never does.
    pub patience: usize,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rounds: 2_000,
            leaves: 8,
            depth_max: 12,
            rate: 0.03,
            l2: 10.0,
            rows_min: 20,
            hessian_min: 1e-3,
            gain_min: 0.0,
            rows_share: 0.8,
            columns_share: 0.5,
            bins: 255,
            patience: 60,
            seed: 1,
        }
    }
}
