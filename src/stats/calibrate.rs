//! Making chances honest again on rows the model was not fitted to.

use super::design::Design;
use super::fault::Fault;
use super::logistic::Problem;
use super::penalty::Penalty;
use crate::engine::model::{CORNERS_MAX, Calibration, logistic};

/// Labels below which an isotonic table learns noise: the caller should take the slope instead.
pub const ISOTONIC_LABELS_MIN: usize = 5_000;

/// Only the intercept: the average chance becomes the share that happened.
///
/// # Errors
/// When lengths differ, a number is not finite or all labels are the same.
pub fn intercept(logits: &[f64], labels: &[f64]) -> Result<Calibration, Fault> {
    let mut design = Design::new(0, 0);
    logits.iter().for_each(|_| design.push(&[], &[]));
    let penalty = Penalty::default();
    let problem =
        Problem { design: &design, labels, weights: None, offset: Some(logits), penalty: &penalty };
    let solution = problem.solve(None)?;
    let intercept = solution.weights.first().copied().unwrap_or(0.0);
    Ok(Calibration { intercept, ..Calibration::default() })
}

/// Intercept and slope by Newton's method (Cox 1958). A slope that is not above 0 is refused: the
/// model would be worse than none.
///
/// # Errors
/// When lengths differ, a number is not finite, all labels are the same or the logits rank backwards.
pub fn slope(logits: &[f64], labels: &[f64]) -> Result<Calibration, Fault> {
    fit_line(logits, labels)
}

/// Platt's scaling (1999): as [`slope`], with labels drawn in to (n1 + 1) / (n1 + 2) and 1 / (n0 + 2)
/// against overconfidence in small samples.
///
/// # Errors
/// As [`slope`].
pub fn platt(logits: &[f64], labels: &[f64]) -> Result<Calibration, Fault> {
    let some: f64 = labels.iter().sum();
    let none = super::table::number(labels.len()) - some;
    let (high, low) = ((some + 1.0) / (some + 2.0), 1.0 / (none + 2.0));
    let drawn: Vec<f64> = labels.iter().map(|label| low + (high - low) * label).collect();
    if some <= 0.0 || none <= 0.0 {
        return Err(Fault::OneClass);
    }
    fit_line(logits, &drawn)
}

/// An isotonic table over the chances of logits (pool adjacent violators, Ayer et al. 1955): the
/// rising step function with the least squared error, as corners at the blocks' average chances.
///
/// # Errors
/// When lengths differ, there are no rows or a number is not finite.
pub fn isotonic(logits: &[f64], labels: &[f64]) -> Result<Calibration, Fault> {
    if logits.len() != labels.len() || logits.is_empty() {
        return Err(Fault::Lengths);
    }
    if !logits.iter().chain(labels).all(|number| number.is_finite()) {
        return Err(Fault::NotFinite);
    }
    let chances: Vec<f64> = logits.iter().map(|logit| logistic(*logit)).collect();
    let rows = super::quality::ranked(&chances, labels);
    // Blocks: rows, sum of chances, sum of labels.
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for equals in rows.chunk_by(super::quality::tied) {
        let mut block = (super::table::number(equals.len()), 0.0, 0.0);
        for (chance, label) in equals {
            block = (block.0, block.1 + chance, block.2 + label);
        }
        while let Some(before) = blocks.pop_if(|before| block.2 * before.0 <= before.2 * block.0) {
            block = (before.0 + block.0, before.1 + block.1, before.2 + block.2);
        }
        blocks.push(block);
    }
    let mut corners: Vec<(f64, f64)> =
        blocks.iter().map(|(rows, chance, label)| (chance / rows, label / rows)).collect();
    // Rounding may make two averages equal; the table must rise.
    corners.dedup_by(|right, left| right.0 <= left.0);
    let every = corners.len().div_ceil(CORNERS_MAX).max(1);
    let isotonic = corners.into_iter().step_by(every).collect();
    Ok(Calibration { isotonic, ..Calibration::default() })
}

fn fit_line(logits: &[f64], labels: &[f64]) -> Result<Calibration, Fault> {
    let mut design = Design::new(1, 1);
    logits.iter().for_each(|logit| design.push(&[*logit], &[]));
    let penalty = Penalty { ridge: vec![1e-9], ties: Vec::new() };
    let problem =
        Problem { design: &design, labels, weights: None, offset: None, penalty: &penalty };
    let solution = problem.solve(Some(&[0.0, 1.0]))?;
    let [intercept, slope] = *solution.weights else { return Err(Fault::Lengths) };
    if slope <= 0.0 {
        let name = "calibration".to_owned();
        return Err(Fault::Unusable { name, why: "its scores rank backwards on the newest rows" });
    }
    Ok(Calibration { slope, intercept, ..Calibration::default() })
}
