//! Ridge logistic regression whose weights must stay within bounds: projected Newton.
//!
//! Weights that stand at a bound and would leave it are held; Newton's step is taken in the others
//! and cut back into the bounds (Bertsekas 1982). Used for declared directions only: it makes a
//! Hessian in every step.

use super::fault::Fault;
use super::linalg::Symmetric;
use super::logistic::{End, Problem, STEP_MIN, Search, Solution};

/// Steps at most.
const STEPS_MAX: usize = 200;
/// Halvings of a step at most.
const HALVINGS_MAX: usize = 50;

/// Finds the optimum with each weight but the intercept between its least and largest value.
///
/// # Errors
/// As [`Problem::solve`].
pub fn solve(problem: &Problem<'_>, bounds: &[(f64, f64)]) -> Result<Solution, Fault> {
    problem.check()?;
    let columns = problem.design.columns();
    if bounds.len() + 1 != columns {
        return Err(Fault::Lengths);
    }
    let all: Vec<(f64, f64)> =
        [(f64::NEG_INFINITY, f64::INFINITY)].iter().chain(bounds).copied().collect();
    let start = problem.average();
    let mut weights = clip(&start, &all);
    let mut search = Search::new(problem);
    let (mut objective, mut gradient) = search.pass(&weights, 1);
    for steps in 1..=STEPS_MAX {
        let held: Vec<bool> = weights
            .iter()
            .zip(&gradient)
            .zip(&all)
            .map(|((weight, slope), (low, high))| {
                (*weight <= *low && 0.0 < *slope) || (*high <= *weight && *slope < 0.0)
            })
            .collect();
        let step = free_step(search.hessian(), &gradient, &held)?;
        let mut length = 1.0;
        let mut found = None;
        for _ in 0..HALVINGS_MAX {
            let far: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - length * s).collect();
            let tried = clip(&far, &all);
            let (value, slopes) = search.pass(&tried, 1);
            let moved = weights.iter().zip(&tried).map(|(from, to)| from - to);
            let gain: f64 = moved.zip(&gradient).map(|(moved, slope)| moved * slope).sum();
            if value <= objective - 1e-4 * gain + 1e-12 * (1.0 + objective.abs()) {
                found = Some((tried, value, slopes));
                break;
            }
            length *= 0.5;
        }
        let Some((tried, value, slopes)) = found else { break };
        let pairs = weights.iter().zip(&tried);
        let moved = pairs.fold(0.0, |most: f64, (from, to)| most.max((from - to).abs()));
        (weights, objective, gradient) = (tried, value, slopes);
        if moved <= STEP_MIN {
            return Ok(Solution { weights, end: End::Converged, steps, objective });
        }
    }
    Ok(Solution { weights, end: End::OutOfSteps, steps: STEPS_MAX, objective })
}

/// Newton's step in the weights that are not held; 0 in the others.
fn free_step(mut hessian: Symmetric, gradient: &[f64], held: &[bool]) -> Result<Vec<f64>, Fault> {
    let size = hessian.size();
    for row in 0..size {
        let row_held = held.get(row).copied().unwrap_or(false);
        let cells = hessian.row_mut(row).iter_mut().zip(held).enumerate().skip(row);
        for (column, (cell, column_held)) in cells {
            if row_held || *column_held {
                *cell = if row == column { 1.0 } else { 0.0 };
            }
        }
    }
    let factor = hessian.factor().ok_or(Fault::Undetermined)?;
    let free = |(slope, held): (&f64, &bool)| if *held { 0.0 } else { *slope };
    let mut step: Vec<f64> = gradient.iter().zip(held).map(free).collect();
    factor.solve(&mut step);
    Ok(step)
}

fn clip(weights: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    weights.iter().zip(bounds).map(|(weight, (low, high))| weight.max(*low).min(*high)).collect()
}
