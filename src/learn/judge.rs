//! How good chances were on rows that were not learned from, with intervals.

use crate::engine::fitted::Quality;
use crate::stats::interval::{self, Interval};
use crate::stats::quality::{self, Bin};

/// Bins of equal width for the calibration error.
pub(super) const BINS: usize = 10;
/// Resamples for intervals, at most and at least; large tables get fewer.
const ROUNDS: (usize, usize) = (400, 60);
/// Rows drawn for all resamples together, about.
const DRAWN: usize = 4_000_000;
/// The share of rows with the highest chances that lift speaks of.
const TENTH: f64 = 0.1;

/// How good chances were.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Rows that judged.
    pub rows: usize,
    /// Positive cases among them.
    pub positives: usize,
    /// Mean log-loss, in nats.
    pub log_loss: Interval,
    /// Mean squared error.
    pub brier: Interval,
    /// Expected calibration error over ten bins of equal width.
    pub calibration_error: Interval,
    /// Area under the ROC curve.
    pub auc: Interval,
    /// Area under the curve of precision over recall.
    pub pr_auc: Interval,
    /// How much more often it happens among the tenth with the highest chances.
    pub lift: Interval,
    /// Log-loss of always saying how often it happened.
    pub log_loss_of_rate: f64,
    /// Equally many rows each: what was said and what came.
    pub bins: Vec<Bin>,
}

/// Judges chances by what came, `groups` being whose each row is.
pub fn judge(chances: &[f64], labels: &[f64], groups: &[u32], seed: u64) -> Judgement {
    let measure = |chances: &[f64], labels: &[f64]| {
        [
            quality::log_loss(chances, labels),
            quality::brier(chances, labels),
            calibration_error(chances, labels),
            quality::auc(chances, labels),
            quality::pr_auc(chances, labels),
            quality::lift(chances, labels, TENTH),
        ]
    };
    let rounds = rounds(labels.len());
    let intervals = interval::by_customers(chances, labels, groups, measure, rounds, seed);
    let [log_loss, brier, calibration_error, auc, pr_auc, lift] = intervals;
    let positives = labels.iter().filter(|label| 0.5 < **label).count();
    let rate = share(positives, labels.len());
    Judgement {
        rows: labels.len(),
        positives,
        log_loss,
        brier,
        calibration_error,
        auc,
        pr_auc,
        lift,
        log_loss_of_rate: quality::log_loss(&vec![rate; labels.len()], labels),
        bins: quality::bins_by_mass(chances, labels, BINS),
    }
}

/// How many resamples so many rows get.
pub(super) fn rounds(rows: usize) -> usize {
    let (most, least) = ROUNDS;
    (DRAWN / rows.max(1)).clamp(least, most)
}

fn calibration_error(chances: &[f64], labels: &[f64]) -> f64 {
    quality::calibration_error(&quality::bins_by_width(chances, labels, BINS))
}

/// A part of a whole, 0 of nothing.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    number(part) / number(whole.max(1))
}

impl Judgement {
    /// As the file of the model says it.
    pub fn quality(&self) -> Quality {
        Quality {
            rows: self.rows as u64,
            positives: self.positives as u64,
            log_loss: self.log_loss.value,
            log_loss_of_rate: self.log_loss_of_rate,
            brier: self.brier.value,
            calibration_error: self.calibration_error.value,
            auc: (self.auc.value, self.auc.low, self.auc.high),
            pr_auc: self.pr_auc.value,
            lift_of_tenth: self.lift.value,
        }
    }
}
