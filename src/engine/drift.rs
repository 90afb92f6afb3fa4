//! Whether the customers of today look like those that a model was learned from.

use serde::{Deserialize, Serialize};

use super::model::Refused;

/// Edges of one distribution, at most.
pub const EDGES_MAX: usize = 64;
/// From this index on scores are those of another population.
pub const SCORE_PSI_MAX: f64 = 0.25;
/// The event of a model of which something has drifted.
pub const DRIFTED: &str = "Model Drifted";
/// The event of a model of which something has come back.
pub const SETTLED: &str = "Model Settled";
/// The event of a model that should be learned anew by what its file says.
pub const DUE: &str = "Model Due";
/// The event of a model that was due and has been learned anew.
pub const LEARNED: &str = "Model Learned";
/// All events of models.
pub const EVENTS: [&str; 4] = [DRIFTED, SETTLED, DUE, LEARNED];
/// How far below its line something must come back before it can drift again, as a share of it.
pub const REARM_SHARE: f64 = 0.8;
/// Share given to an empty bin, so that its logarithm exists.
const SHARE_MIN: f64 = 1e-4;

/// The bins of a distribution as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Upper edges of all bins but the last, rising.
    pub edges: Box<[f64]>,
    /// The share in each bin, then the share without a value.
    pub shares: Box<[f64]>,
}

/// What the newest rows that a model was learned from looked like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Their scores.
    pub score: Bins,
    /// Each feature, in the order of the model.
    pub features: Box<[Bins]>,
}

/// What customers look like now, counted in the bins of a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Customers counted.
    pub customers: u64,
    score: Box<[u64]>,
    features: Box<[Box<[u64]>]>,
}

/// How far they are from it: population stability indices, below .1 calm, above .25 others.
#[derive(Clone, Debug, PartialEq)]
pub struct Psi {
    /// Of scores.
    pub score: f64,
    /// Of each feature, in the order of the model.
    pub features: Box<[f64]>,
}

impl Bins {
    fn bin(&self, value: f64) -> usize {
        if value.is_finite() {
            self.edges.partition_point(|edge| *edge < value)
        } else {
            self.edges.len() + 1
        }
    }

    fn none(&self) -> Box<[u64]> {
        vec![0; self.shares.len()].into()
    }

    fn psi(&self, counts: &[u64], all: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "customers are fewer than 2^52")]
        let share = |count: &u64| *count as f64 / all.max(1) as f64;
        let now: Vec<f64> = counts.iter().map(share).collect();
        index(&self.shares, &now)
    }

    fn check(&self, what: &str) -> Result<(), Refused> {
        let senseless = |why| Err(Refused::Senseless { what: format!("bins of {what}"), why });
        if EDGES_MAX < self.edges.len() || self.shares.len() != self.edges.len() + 2 {
            return senseless("have another number of shares than of edges");
        }
        let rises = self.edges.iter().zip(self.edges.iter().skip(1)).all(|(l, r)| l < r);
        if !rises || !self.edges.iter().all(|edge| edge.is_finite()) {
            return senseless("do not rise");
        }
        if !self.shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return senseless("have shares outside of 0 to 1");
        }
        Ok(())
    }
}

impl Baseline {
    /// Whether it is one of a model with so many features.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self, features: usize) -> Result<(), Refused> {
        if self.features.len() != features {
            let what = "the baseline".to_owned();
            return Err(Refused::Senseless { what, why: "is of other features" });
        }
        self.score.check("scores")?;
        self.features.iter().try_for_each(|bins| bins.check("a feature"))
    }
}

impl Drift {
    /// Nobody counted yet.
    pub fn new(baseline: &Baseline) -> Self {
        let features = baseline.features.iter().map(Bins::none).collect();
        Self { customers: 0, score: baseline.score.none(), features }
    }

    /// Counts a customer.
    pub fn add(&mut self, baseline: &Baseline, row: &[f64], score: f64) {
        let count = |counts: &mut [u64], bins: &Bins, value: f64| {
            if let Some(count) = counts.get_mut(bins.bin(value)) {
                *count = count.saturating_add(1);
            }
        };
        self.customers = self.customers.saturating_add(1);
        count(&mut self.score, &baseline.score, score);
        for ((counts, bins), value) in self.features.iter_mut().zip(&baseline.features).zip(row) {
            count(counts, bins, *value);
        }
    }

    /// Adds those of another shard, counted in the same bins.
    pub fn merge(&mut self, other: &Self) {
        let add = |own: &mut [u64], more: &[u64]| {
            own.iter_mut().zip(more).for_each(|(own, more)| *own = own.saturating_add(*more));
        };
        self.customers = self.customers.saturating_add(other.customers);
        add(&mut self.score, &other.score);
        for (own, more) in self.features.iter_mut().zip(&other.features) {
            add(own, more);
        }
    }

    /// How far they are from the baseline.
    pub fn psi(&self, baseline: &Baseline) -> Psi {
        let features = self.features.iter().zip(&baseline.features);
        Psi {
            score: baseline.score.psi(&self.score, self.customers),
            features: features.map(|(counts, bins)| bins.psi(counts, self.customers)).collect(),
        }
    }
}

/// The population stability index of two lists of shares: `sum (a - b) ln(a / b)`.
pub fn index(before: &[f64], now: &[f64]) -> f64 {
    let part = |(before, now): (&f64, &f64)| {
        let (before, now) = (before.max(SHARE_MIN), now.max(SHARE_MIN));
        (now - before) * (now / before).ln()
    };
    before.iter().zip(now).map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let bins = Bins { edges: [1.0, 2.0].into(), shares: [0.5, 0.25, 0.15, 0.1].into() };
        Baseline { score: bins.clone(), features: [bins].into() }
    }

    #[test]
    fn who_looks_the_same_has_not_drifted_and_who_does_not_has() {
        let baseline = baseline();
        let counted = |values: &[(f64, u32)]| {
            let mut drift = Drift::new(&baseline);
            for (value, times) in values {
                (0..*times).for_each(|_| drift.add(&baseline, &[*value], *value));
            }
            drift
        };
        let same = counted(&[(0.5, 50), (2.0, 25), (9.0, 15), (f64::NAN, 10)]);
        assert!(same.psi(&baseline).score.abs() < 1e-12);
        let other = counted(&[(0.5, 10), (1.5, 25), (9.0, 55), (f64::NAN, 10)]);
        // (.1 - .5) ln(.1 / .5) + (.55 - .15) ln(.55 / .15)
        let wanted = 0.4 * 5.0_f64.ln() + 0.4 * (0.55_f64 / 0.15).ln();
        assert!((other.psi(&baseline).score - wanted).abs() < 1e-12);
        assert!((other.psi(&baseline).features[0] - wanted).abs() < 1e-12);
        // Halves of the same, counted apart, are the whole.
        let mut parts = counted(&[(0.5, 50), (f64::NAN, 10)]);
        parts.merge(&counted(&[(1.5, 25), (3.0, 15)]));
        assert_eq!(parts, same);
    }

    #[test]
    fn a_baseline_that_cannot_be_is_refused() {
        assert_eq!(baseline().check(1), Ok(()));
        assert!(baseline().check(2).is_err());
        for (edges, shares) in [
            (&[2.0, 1.0][..], &[0.5, 0.25, 0.15, 0.1][..]),
            (&[1.0, f64::NAN], &[0.5, 0.25, 0.15, 0.1]),
            (&[1.0, 2.0], &[0.5, 0.25, 0.25]),
            (&[1.0, 2.0], &[0.5, 0.25, 0.15, 1.1]),
        ] {
            let score = Bins { edges: edges.into(), shares: shares.into() };
            assert!(Baseline { score, ..baseline() }.check(1).is_err(), "{edges:?} {shares:?}");
        }
    }
}
