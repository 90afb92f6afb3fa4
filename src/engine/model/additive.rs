//! A logistic model that is a sum over features: a basis, weights and averages folded into one
//! curve or one table per feature.
//!
//! With columns `x_j` (spline values, one-hot levels, flags), weights `w_j` and averages `E x_j` in training,
//! the part of feature g is `phi_g = sum over its columns of w_j (x_j - E x_j)` and
//! `logit = base + sum of all parts`: the interventional SHAP values of a linear model (Lundberg and
//! Lee 2017, corollary 1). What is served *is* this sum, so the reasons cannot disagree with it.

use serde::{Deserialize, Serialize};

use super::refused::{Refused, at_most, exactly, finite, name};
use super::{Calibration, Curve, FEATURES_MAX, Levels};

/// A sum of curves and levels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Additive {
    /// The logit before calibration when every feature gives its average.
    pub base: f64,
    /// Its features; rows have one number for each, in this order.
    pub features: Box<[Feature]>,
    /// What is done to the sum.
    pub calibration: Calibration,
}

/// One original feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name in the definition.
    pub name: Box<str>,
    /// What it gives.
    pub shape: Shape,
}

/// What a feature gives to the logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A number's curve.
    Curve(Curve),
    /// A category's levels.
    Levels(Levels),
}

impl Shape {
    /// What a value gives to the logit, before calibration.
    pub fn part(&self, value: f64) -> f64 {
        match self {
            Self::Curve(curve) => curve.part(value),
            Self::Levels(levels) => levels.part(value),
        }
    }
}

impl Additive {
    /// The logit of a row and the part of each feature in it, written to `parts` (one per feature):
    /// `base() + parts[0] + parts[1] + ...`, added in this order, is the result. Values lacking at
    /// the end of the row are missing.
    pub fn reasons(&self, row: &[f64], parts: &mut [f64]) -> f64 {
        let slope = self.calibration.slope;
        let mut logit = self.base();
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        for ((feature, value), slot) in self.features.iter().zip(values).zip(parts) {
            let part = slope * feature.shape.part(value);
            logit += part;
            *slot = part;
        }
        logit
    }

    /// The logit of a row, with calibration, without reasons.
    pub fn logit(&self, row: &[f64]) -> f64 {
        let slope = self.calibration.slope;
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        let parts = self.features.iter().zip(values);
        parts.fold(self.base(), |sum, (feature, value)| sum + slope * feature.shape.part(value))
    }

    /// The chance for a row, 0 to 1.
    pub fn chance(&self, row: &[f64]) -> f64 {
        self.calibration.chance(self.logit(row))
    }

    /// The calibrated logit when every feature gives its average.
    pub fn base(&self) -> f64 {
        self.calibration.slope * self.base + self.calibration.intercept
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says what in which feature is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        at_most(self.features.len(), FEATURES_MAX, || "features".to_owned())?;
        if self.features.is_empty() {
            exactly(0, 1, || "features".to_owned())?;
        }
        finite(self.base, || "base".to_owned())?;
        for feature in &self.features {
            name(&feature.name, || "bytes in a feature's name".to_owned())?;
            match &feature.shape {
                Shape::Curve(curve) => curve.check(&feature.name)?,
                Shape::Levels(levels) => levels.check(&feature.name)?,
            }
        }
        self.calibration.check()
    }
}
