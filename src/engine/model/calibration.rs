//! From the logit of a model to a chance one can bet on.

use serde::{Deserialize, Serialize};

use super::refused::{Refused, at_most, finite, senseless};
use super::{CORNERS_MAX, logistic};

/// Recalibration on rows that the model was not fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor on the logit, above 0: calibration never inverts a score.
    pub slope: f64,
    /// Added to the logit after that.
    pub intercept: f64,
    /// Corners (chance before, chance after), both rising, straight lines between, flat outside;
    /// empty for none.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub isotonic: Box<[(f64, f64)]>,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { slope: 1.0, intercept: 0.0, isotonic: Box::default() }
    }
}

impl Calibration {
    /// The chance that belongs to a logit to which slope and intercept are already applied.
    pub fn chance(&self, logit: f64) -> f64 {
        let chance = logistic(logit);
        if self.isotonic.is_empty() {
            return chance;
        }
        let after = self.isotonic.partition_point(|(corner, _)| *corner < chance);
        let right = self.isotonic.get(after);
        let left = after.checked_sub(1).and_then(|at| self.isotonic.get(at));
        match (left, right) {
            (None, None) => chance,
            (Some((_, flat)), None) | (None, Some((_, flat))) => *flat,
            (Some((from, low)), Some((to, high))) => {
                low + (high - low) * ((chance - from) / (to - from))
            }
        }
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says which number or order is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        finite(self.slope, || "calibration slope".to_owned())?;
        finite(self.intercept, || "calibration intercept".to_owned())?;
        if self.slope <= 0.0 {
            return senseless("calibration slope".to_owned(), "must be above 0");
        }
        at_most(self.isotonic.len(), CORNERS_MAX, || "isotonic corners".to_owned())?;
        for (before, after) in &self.isotonic {
            for chance in [before, after] {
                if !(0.0..=1.0).contains(chance) {
                    return senseless("isotonic corner".to_owned(), "must be between 0 and 1");
                }
            }
        }
        let mut pairs = self.isotonic.iter().zip(self.isotonic.iter().skip(1));
        if pairs.all(|(left, right)| left.0 < right.0 && left.1 <= right.1) {
            Ok(())
        } else {
            Err(Refused::Unsorted { what: "isotonic corners".to_owned() })
        }
    }
}
