//! Sticky assignment: who is in which arm follows from a hash, never from chance or order.

use std::sync::Arc;

use super::catalog::{Arm, Experiment};
use super::policy::Share;

/// Where a unit ends up.
#[derive(Clone, Debug)]
pub enum Assignment<'a> {
    /// Hears nothing, is counted.
    Holdout,
    /// In this arm.
    Arm(&'a Arm),
    /// Treated; the experiment has no arms.
    Treated,
}

impl Assignment<'_> {
    /// Its name in records: `holdout`, the arm's, or `treated`.
    pub fn name(&self) -> Arc<str> {
        match self {
            Self::Holdout => Arc::from("holdout"),
            Self::Arm(arm) => arm.name.clone(),
            Self::Treated => Arc::from("treated"),
        }
    }
}

/// Assigns a unit: the first `holdout` of the range hears nothing, the arms follow in order.
pub fn assign<'a>(_experiment: &'a Experiment, _unit: &str) -> Assignment<'a> {
    unimplemented!()
}

/// Whether a unit is in the global holdout.
pub fn globally_held_out(_share: Share, _unit: &str) -> bool {
    unimplemented!()
}

/// The place of a unit in 0..10_000: FNV-1a over UTF-16 units, twice, as GrowthBook's SDKs do
/// (hash version 2), so that exposures can be read there.
pub fn bucket(_seed: &str, _unit: &str) -> u16 {
    unimplemented!()
}
