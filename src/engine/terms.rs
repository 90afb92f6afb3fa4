//! On which terms a model is learned, and from which quality on it may speak.

use std::sync::Arc;

use super::fitted::Quality;
use super::time::Span;

/// On which terms a model is learned, and from which quality on it may speak.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// What is fitted.
    pub method: Method,
    /// How often everybody is looked at.
    pub snapshots: Cadence,
    /// How much of the newest time judges, and is not learned from for that.
    pub judged_by: Span,
    /// The time between what is learned from and what judges; never less than the label's.
    pub gap: Span,
    /// What makes its chances honest.
    pub calibrate: Calibrate,
    /// From which quality on it may speak.
    pub least: Least,
    /// How many reasons are shown with a score.
    pub reasons: usize,
    /// From which population stability index on a feature has drifted.
    pub feature_psi: f64,
    /// The scorecard that speaks while the model may not.
    pub until_then: Option<Arc<str>>,
    /// Who puts a better challenger in force.
    pub promotion: Promotion,
    /// How often it should be learned anew.
    pub relearn: Option<Cadence>,
}

/// Who puts a better challenger in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// A person.
    ByHand,
    /// The service, when it is clearly better.
    WhenBetter,
}

/// What is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A logistic regression on curves and levels.
    Logistic,
    /// Boosted trees.
    Trees,
}

/// How often everybody is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Each day.
    Daily,
    /// Every seven days.
    Weekly,
    /// Every thirty days.
    Monthly,
}

/// What makes chances honest on rows that were not learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calibrate {
    /// An intercept and a slope.
    Line,
    /// The same, with labels drawn in against overconfidence.
    Platt,
    /// A rising table, where there are rows enough for one.
    Isotonic,
    /// Nothing.
    Nothing,
}

/// The least quality at which a model may speak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Least {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Customers of the rarer case.
    pub labels: u64,
    /// The largest calibration error.
    pub calibration_error_at_most: f64,
}

impl Cadence {
    /// The time from one look to the next.
    pub const fn span(self) -> Span {
        match self {
            Self::Daily => Span::DAY,
            Self::Weekly => Span::DAY.times(7),
            Self::Monthly => Span::DAY.times(30),
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            method: Method::Logistic,
            snapshots: Cadence::Weekly,
            judged_by: Span::DAY.times(56),
            gap: Span::ZERO,
            calibrate: Calibrate::Line,
            least: Least { auc: 0.5, labels: 50, calibration_error_at_most: 1.0 },
            reasons: 5,
            feature_psi: 0.25,
            until_then: None,
            promotion: Promotion::ByHand,
            relearn: None,
        }
    }
}

impl Least {
    /// What is below it in a quality, in words; nothing when the model may speak.
    pub fn misses(&self, quality: &Quality) -> Vec<String> {
        let mut misses = Vec::new();
        let (auc, ..) = quality.auc;
        // The least that can be asked for is what chance gives: there it must be more. Also what is
        // not a number may not speak.
        let is_enough = self.auc < auc || (0.5 < self.auc && self.auc <= auc);
        if !is_enough {
            misses.push(format!("AUC {auc:.3}, and {:.3} is the least", self.auc));
        }
        let error = (quality.calibration_error, self.calibration_error_at_most);
        let losses = (quality.log_loss, quality.log_loss_of_rate);
        misses.extend(misses_of_chances(error, losses, "how often it happens"));
        misses
    }
}

/// What chances lack to be spoken, in words: their calibration error and the most it may be, their
/// log-loss and that of always saying the same. What is not a number lacks everything.
pub(super) fn misses_of_chances(
    (error, most): (f64, f64),
    (own, rate): (f64, f64),
    same: &str,
) -> Vec<String> {
    let mut misses = Vec::new();
    if error.is_nan() || most < error {
        misses.push(format!("calibration error {error:.3}, and {most:.3} is the most"));
    }
    let is_better = own < rate;
    if !is_better {
        misses.push(format!("log-loss {own:.4}, and always saying {same} has {rate:.4}"));
    }
    misses
}
