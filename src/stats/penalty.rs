//! What keeps weights small: a quadratic charge per column, and ties within one-hot groups.
//!
//! A one-hot group with a column per level repeats itself: its columns add up to 1. Leaving out one
//! level changes nothing if the charge is that of the best way to share a shift among all levels:
//! `min over c of 1/2 sum r_j (w_j - c)^2 = 1/2 [sum r_j w_j^2 - (sum r_j w_j)^2 / sum r_j]`, sums over
//! all levels, the left-out one with w = 0.

use std::ops::Range;

use super::linalg::Symmetric;

/// The charge on weights, `1/2 sum r_j w_j^2` less what its ties give back.
#[derive(Clone, Debug, Default)]
pub struct Penalty {
    /// The charge r of each column but the intercept; 0 for none.
    pub ridge: Vec<f64>,
    /// One-hot groups with a level left out.
    pub ties: Vec<Tie>,
}

/// A one-hot group with a level left out.
#[derive(Clone, Debug)]
pub struct Tie {
    /// Its columns, without the intercept.
    pub columns: Range<usize>,
    /// The charges of all its levels, with the one left out.
    pub total: f64,
}

impl Penalty {
    /// The same charge on every one of `columns`.
    pub fn even(columns: usize, ridge: f64) -> Self {
        Self { ridge: vec![ridge; columns], ties: Vec::new() }
    }

    /// Whether it charges nothing at all.
    pub(super) fn is_free(&self) -> bool {
        self.ridge.iter().all(|ridge| *ridge == 0.0)
    }

    /// Its value at weights (the intercept first); adds its gradient.
    pub(super) fn gradient(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let mut charge = 0.0;
        let slots = weights.iter().zip(gradient.iter_mut()).skip(1);
        for (ridge, (weight, slot)) in self.ridge.iter().zip(slots) {
            charge += 0.5 * ridge * weight * weight;
            *slot += ridge * weight;
        }
        for tie in &self.ties {
            let members = tie.columns.clone();
            let pairs = self.ridge.iter().zip(weights.iter().skip(1));
            let sum: f64 = pairs.skip(members.start).take(members.len()).map(|(r, w)| r * w).sum();
            charge -= 0.5 * sum * sum / tie.total;
            let slots = self.ridge.iter().zip(gradient.iter_mut().skip(1));
            for (ridge, slot) in slots.skip(members.start).take(members.len()) {
                *slot -= ridge * sum / tie.total;
            }
        }
        charge
    }

    /// Adds its second derivatives.
    pub(super) fn curvature(&self, matrix: &mut Symmetric) {
        for (column, ridge) in self.ridge.iter().enumerate() {
            matrix.add(column + 1, column + 1, *ridge);
        }
        for tie in &self.ties {
            for row in tie.columns.clone() {
                let own = self.ridge.get(row).copied().unwrap_or(0.0);
                for column in row..tie.columns.end {
                    let other = self.ridge.get(column).copied().unwrap_or(0.0);
                    matrix.add(row + 1, column + 1, -own * other / tie.total);
                }
            }
        }
    }
}
