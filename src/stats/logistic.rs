//! Ridge logistic regression to its optimum: Newton's method on few rows, then on all.
//!
//! Minimises `sum_i v_i [ln(1 + e^f_i) - y_i f_i] + penalty` with `f_i = offset_i + x_i' w`. The first
//! steps are taken on every s-th row only, with ever smaller s. One Hessian over all rows (or every
//! second) then conditions a limited-memory BFGS (Nocedal 1980), which needs a few passes more.
//! When that converges too slowly the Hessian is made anew, as in plain Newton.

use super::design::{Design, weighed};
use super::fault::Fault;
use super::lbfgs::Pairs;
use super::linalg::{Factor, Symmetric, dot};
use super::penalty::Penalty;

/// A regression to be solved.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// The columns of all rows.
    pub design: &'a Design,
    /// 1 where it happened, 0 where not; chances between are allowed. One per row.
    pub labels: &'a [f64],
    /// How much each row counts; `None` = 1 each.
    pub weights: Option<&'a [f64]>,
    /// Added to each row's logit; `None` = 0.
    pub offset: Option<&'a [f64]>,
    /// What keeps weights small.
    pub penalty: &'a Penalty,
}

/// An optimum.
#[derive(Clone, Debug)]
pub struct Solution {
    /// One weight per column, the intercept first.
    pub weights: Vec<f64>,
    /// Whether it is the optimum, or the steps were used up.
    pub end: End,
    /// Steps taken over all rows.
    pub steps: usize,
    /// The objective at the end: summed loss and penalty.
    pub objective: f64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last step moved no weight by more than [`STEP_MIN`].
    Converged,
    /// The steps were used up before that.
    OutOfSteps,
}

/// A search has converged when no weight moves by more than this.
pub const STEP_MIN: f64 = 1e-7;
/// Steps over all rows at most.
const STEPS_MAX: usize = 100;
/// Steps over few rows at most: their optimum is only a start.
const FIRST_STEPS_MAX: usize = 8;
/// On few rows a search ends when no weight moves by more than this.
const FIRST_STEP_MIN: f64 = 0.05;
/// Few rows are at least this many, and so many per column.
const FIRST_ROWS_MIN: usize = 1_500;
const FIRST_ROWS_PER_COLUMN: usize = 40;
/// Quasi-Newton steps after which the Hessian is made anew.
const PATIENCE: usize = 14;
/// Halvings of a step that does not go down.
const HALVINGS_MAX: usize = 40;

impl Problem<'_> {
    /// Finds the optimum, from `start` (one weight per column) or from the average alone.
    ///
    /// # Errors
    /// When labels, weights or offsets do not fit the rows, are not finite or are all the same; or
    /// when the penalty leaves columns undetermined.
    pub fn solve(&self, start: Option<&[f64]>) -> Result<Solution, Fault> {
        self.check()?;
        let columns = self.design.columns();
        let mut search = Search::new(self);
        let mut weights = match start {
            Some(start) if start.len() == columns => start.to_vec(),
            Some(_) | None => self.average(),
        };
        let few = FIRST_ROWS_MIN.max(FIRST_ROWS_PER_COLUMN * columns);
        let mut stride = self.design.len() / few;
        while 1 < stride {
            for _ in 0..FIRST_STEPS_MAX {
                let (objective, gradient) = search.pass(&weights, stride);
                let factor = search.factor(stride)?;
                let moved =
                    search.newton_step(&mut weights, (objective, &gradient), &factor, stride);
                if moved < FIRST_STEP_MIN {
                    break;
                }
            }
            stride /= 4;
        }
        search.descend(weights, if self.design.len() < 4 * few { 1 } else { 2 })
    }

    /// The standard error of each weight at an optimum, the intercept first: the roots of the
    /// diagonal of the inverse Hessian (with the penalty as a prior).
    ///
    /// # Errors
    /// When the Hessian is not positive definite.
    pub fn errors(&self, weights: &[f64]) -> Result<Vec<f64>, Fault> {
        self.check()?;
        let mut search = Search::new(self);
        let _ = search.pass(weights, 1);
        Ok(search.factor(1)?.inverse_diagonal().into_iter().map(f64::sqrt).collect())
    }

    /// The objective and its gradient at weights.
    pub fn gradient(&self, weights: &[f64]) -> (f64, Vec<f64>) {
        Search::new(self).pass(weights, 1)
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let rows = self.design.len();
        if self.labels.len() != rows
            || self.weights.is_some_and(|weights| weights.len() != rows)
            || self.offset.is_some_and(|offset| offset.len() != rows)
            || self.penalty.ridge.len() + 1 != self.design.columns()
        {
            return Err(Fault::Lengths);
        }
        let numbers = self.labels.iter().chain(self.weights.unwrap_or_default());
        let charges = self.penalty.ridge.iter().chain(self.offset.unwrap_or_default());
        if !numbers.clone().chain(charges).all(|number| number.is_finite()) {
            return Err(Fault::NotFinite);
        }
        let (some, all) = self.shares();
        if 0.0 < some && some < all { Ok(()) } else { Err(Fault::OneClass) }
    }

    /// The weight of the rows where it happened, and of all.
    fn shares(&self) -> (f64, f64) {
        let pairs = self.labels.iter().zip(weighed(self.weights));
        pairs.fold((0.0, 0.0), |(some, all), (label, weight)| (some + label * weight, all + weight))
    }

    /// Weights that give every row the average chance.
    pub(super) fn average(&self) -> Vec<f64> {
        let (some, all) = self.shares();
        let mut weights = vec![0.0; self.design.columns()];
        if let Some(intercept) = weights.first_mut() {
            *intercept = (some / (all - some)).ln();
        }
        weights
    }
}

/// The work space of one search.
#[derive(Debug)]
pub(super) struct Search<'a> {
    problem: &'a Problem<'a>,
    /// v p (1 - p) of each row that the last pass visited, in its order.
    curvature: Vec<f64>,
}

impl<'a> Search<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        Self { problem, curvature: Vec::with_capacity(problem.design.len()) }
    }

    /// Objective and gradient over every `stride`-th row, blown up to all.
    pub(super) fn pass(&mut self, weights: &[f64], stride: usize) -> (f64, Vec<f64>) {
        let Problem { design, labels, penalty, .. } = *self.problem;
        let mut gradient = vec![0.0; design.columns()];
        let mut loss = Loss::default();
        self.curvature.clear();
        let offsets = self.problem.offset.unwrap_or_default();
        let offsets = offsets.iter().copied().chain(std::iter::repeat(0.0));
        let rows = design.rows().zip(labels).zip(weighed(self.problem.weights)).zip(offsets);
        for (((row, label), weight), offset) in rows.step_by(stride) {
            let logit = offset + row.dot(weights);
            let small = (-logit.abs()).exp();
            let part = 1.0 / (1.0 + small);
            let chance = if 0.0 <= logit { part } else { small * part };
            loss.add(weight, logit, small, *label);
            row.add_to(&mut gradient, weight * (chance - label));
            self.curvature.push(weight * small * part * part);
        }
        let blow = if stride <= 1 { 1.0 } else { ratio(design.len(), self.curvature.len()) };
        gradient.iter_mut().for_each(|slot| *slot *= blow);
        let charge = penalty.gradient(weights, &mut gradient);
        (loss.sum() * blow + charge, gradient)
    }

    /// The factor of the Hessian at the place of the last pass, which had the same stride.
    pub(super) fn factor(&self, stride: usize) -> Result<Factor, Fault> {
        let Problem { design, penalty, .. } = *self.problem;
        let mut matrix = design.products_of(&self.curvature, stride);
        if 1 < stride {
            matrix.scale(ratio(design.len(), self.curvature.len()));
        }
        penalty.curvature(&mut matrix);
        matrix.factor().ok_or(Fault::Undetermined)
    }

    /// The Hessian at the place of the last pass, which went over all rows.
    pub(super) fn hessian(&self) -> Symmetric {
        let mut matrix = self.problem.design.products(&self.curvature, 1);
        self.problem.penalty.curvature(&mut matrix);
        matrix
    }

    /// One Newton step, halved until it goes down; how far the weight that moved most moved.
    fn newton_step(
        &mut self,
        weights: &mut Vec<f64>,
        (objective, gradient): (f64, &[f64]),
        factor: &Factor,
        stride: usize,
    ) -> f64 {
        let mut step = gradient.to_vec();
        factor.solve(&mut step);
        for _ in 0..HALVINGS_MAX {
            let tried: Vec<f64> = weights.iter().zip(&step).map(|(w, s)| w - s).collect();
            // A look at the objective costs as much as a step: it is only taken for long steps.
            let moved = largest(&step);
            if moved < 1.0 || self.pass(&tried, stride).0 <= objective {
                *weights = tried;
                return moved;
            }
            step.iter_mut().for_each(|slot| *slot *= 0.5);
        }
        0.0
    }

    /// Goes down over all rows until nothing moves.
    fn descend(&mut self, mut weights: Vec<f64>, stride: usize) -> Result<Solution, Fault> {
        // The pass over all rows leaves the curvature of all rows: a Hessian over every
        // `stride`-th of them needs no pass of its own.
        let (mut objective, mut gradient) = self.pass(&weights, 1);
        let mut factor = self.strided_factor(stride)?;
        let mut pairs = Pairs::default();
        let mut since = 0;
        for steps in 1..=STEPS_MAX {
            let step = pairs.direction(&gradient, |step| factor.solve(step));
            if largest(&step) <= STEP_MIN {
                return Ok(Solution { weights, end: End::Converged, steps, objective });
            }
            let slope = dot(&step, &gradient);
            let mut length = 1.0;
            let mut found = None;
            for _ in 0..HALVINGS_MAX {
                let tried: Vec<f64> =
                    weights.iter().zip(&step).map(|(w, s)| w - length * s).collect();
                let (value, slopes) = self.pass(&tried, 1);
                // Armijo's rule, with room for the rounding of a long sum.
                let room = 1e-12 * (1.0 + objective.abs());
                if value <= objective - 1e-4 * length * slope + room {
                    found = Some((tried, value, slopes));
                    break;
                }
                length *= 0.5;
            }
            let Some((tried, value, slopes)) = found else { break };
            since += 1;
            if PATIENCE <= since || length < 0.2 {
                factor = self.strided_factor(1)?;
                pairs = Pairs::default();
                since = 0;
            } else {
                pairs.push((&weights, &tried), (&gradient, &slopes));
            }
            (weights, objective, gradient) = (tried, value, slopes);
        }
        Ok(Solution { weights, end: End::OutOfSteps, steps: STEPS_MAX, objective })
    }

    /// The factor of the Hessian of every `stride`-th row at the place of the last pass, which went
    /// over all rows.
    fn strided_factor(&self, stride: usize) -> Result<Factor, Fault> {
        let Problem { design, penalty, .. } = *self.problem;
        let mut matrix = design.products(&self.curvature, stride);
        if 1 < stride {
            matrix.scale(ratio(design.len(), design.len().div_ceil(stride)));
        }
        penalty.curvature(&mut matrix);
        matrix.factor().ok_or(Fault::Undetermined)
    }
}

/// A sum of logistic losses. `ln(1 + e^-|f|)` of many rows is the logarithm of one product.
#[derive(Debug, Default)]
struct Loss {
    sum: f64,
    product: f64,
    factors: u32,
}

impl Loss {
    fn add(&mut self, weight: f64, logit: f64, small: f64, label: f64) {
        self.sum += weight * (logit.max(0.0) - label * logit);
        if 0.0 < (weight - 1.0).abs() {
            self.sum += weight * small.ln_1p();
            return;
        }
        // Each factor is at most 2: 500 of them stay below 2^1023.

        self.product = if self.factors == 0 { 1.0 + small } else { self.product * (1.0 + small) };
        self.factors += 1;
        if self.factors == 500 {
            self.sum += self.product.ln();
            self.factors = 0;
        }
    }

    fn sum(&self) -> f64 {
        if self.factors == 0 { self.sum } else { self.sum + self.product.ln() }
    }
}

fn largest(step: &[f64]) -> f64 {
    step.iter().fold(0.0, |most: f64, slot| most.max(slot.abs()))
}

/// A ratio of two counts of rows.
pub(super) fn ratio(above: usize, below: usize) -> f64 {
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    number(above) / number(below).max(1.0)
}
