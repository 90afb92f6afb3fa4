//! Fitting an additive logistic model, and making of it what is served.

use super::bounded;
use super::design::Design;
use super::fault::Fault;
use super::handover::{self, Fitted, Optimum, Sort};
use super::layout::{Layout, Missing, Part, PartKind, Plan, Seat, Step, Tail, Treatment};
use super::logistic::{End, Problem, Solution};
use super::penalty::Penalty;
use super::table::{Table, pick};
use crate::engine::model::{Additive, Calibration, Curve, Feature, Levels, Piece, Scale, Shape};

/// A fitted model and what is known of its fit.
#[derive(Clone, Debug)]
pub struct Fit {
    /// What is served.
    pub model: Additive,
    /// One weight per column of the layout, the intercept first.
    pub weights: Vec<f64>,
    /// Whether the optimum was reached, and in how many steps.
    pub end: End,
    /// Steps over all rows.
    pub steps: usize,
}

/// Fits a plan to some rows of a table.
///
/// # Errors
/// When the rows cannot be learned from: see [`Fault`].
pub fn fit(
    table: &Table,
    treatments: &[Treatment],
    plan: &Plan,
    rows: &[usize],
) -> Result<Fit, Fault> {
    let ready = Ready::new(table, treatments, plan, rows)?;
    let solution = ready.solve()?;
    let model = ready.layout.model(&solution.weights, &ready.moments, plan.tail);
    let Solution { weights, end, steps, .. } = solution;
    Ok(Fit { model, weights, end, steps })
}

/// As [`fit`], with the optimum handed over to linfa: what is served is made of linfa's fitted
/// object, after a check that it is the same.
///
/// # Errors
/// As [`fit`]; and when linfa disagrees.
pub fn fit_linfa(
    table: &Table,
    treatments: &[Treatment],
    plan: &Plan,
    rows: &[usize],
) -> Result<(Fit, Fitted), Fault> {
    let ready = Ready::new(table, treatments, plan, rows)?;
    let solution = ready.solve()?;
    let free = ready.weights.is_empty() && ready.layout.bounds().is_none();
    let optimum = Optimum {
        design: &ready.design,
        labels: &ready.labels,
        weights: &solution.weights,
        sort: if free { Sort::Plain } else { Sort::Weighed },
    };
    let fitted = handover::hand_over(&optimum, &ready.penalty)?;
    let weights = fitted.weights();
    let model = ready.layout.model(&weights, &ready.moments, plan.tail);
    Ok((Fit { model, weights, end: solution.end, steps: solution.steps }, fitted))
}

/// Rows made ready for the search.
struct Ready {
    layout: Layout,
    design: Design,
    labels: Vec<f64>,
    weights: Vec<f64>,
    moments: Vec<(f64, f64)>,
    penalty: Penalty,
}

impl Ready {
    fn new(
        table: &Table,
        treatments: &[Treatment],
        plan: &Plan,
        rows: &[usize],
    ) -> Result<Self, Fault> {
        let layout = Layout::fit(table, treatments, plan, rows)?;
        let design = layout.design(table, rows);
        let (labels, weights) = (pick(&table.labels, rows), pick(&table.weights, rows));
        let moments = design.moments((!weights.is_empty()).then_some(&*weights));
        let penalty = layout.penalty(&moments, plan.ridge);
        Ok(Self { layout, design, labels, weights, moments, penalty })
    }

    fn solve(&self) -> Result<Solution, Fault> {
        let problem = Problem {
            design: &self.design,
            labels: &self.labels,
            weights: (!self.weights.is_empty()).then_some(&*self.weights),
            offset: None,
            penalty: &self.penalty,
        };
        match self.layout.bounds() {
            None => problem.solve(None),
            Some(bounds) => bounded::solve(&problem, &bounds),
        }
    }
}

impl Layout {
    /// The model that is served: per feature a curve or levels, minus their averages.
    pub fn model(&self, weights: &[f64], moments: &[(f64, f64)], tail: Tail) -> Additive {
        let intercept = weights.first().copied().unwrap_or(0.0);
        let weights = weights.get(1..).unwrap_or_default();
        let mut base = intercept;
        let mut features = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let (shape, average) = part.shape(weights, moments, tail);
            base += average;
            features.push(Feature { name: part.name.clone(), shape });
        }
        Additive { base, features: features.into(), calibration: Calibration::default() }
    }
}

impl Part {
    /// Its curve or levels, minus the average, and that average.
    fn shape(&self, weights: &[f64], moments: &[(f64, f64)], tail: Tail) -> (Shape, f64) {
        let count = self.kind.columns();
        let own = weights.get(self.start..self.start + count).unwrap_or_default();
        let means = moments.get(self.start..self.start + count).unwrap_or_default();
        let flag = |flag: usize| Some((*weights.get(flag)?, moments.get(flag)?.0));
        let flag = self.flag.and_then(flag);
        let mut average: f64 = own.iter().zip(means).map(|(w, (mean, _))| w * mean).sum();
        average += flag.map_or(0.0, |(weight, mean)| weight * mean);
        let shape = match &self.kind {
            PartKind::Line { scale, column, mean, deviation } => {
                let weight = weights.get(*column).copied().unwrap_or(0.0);
                let center = moments.get(*column).map_or(0.0, |(mean, _)| *mean);
                average += weight * center;
                let slope = if *deviation == 0.0 { 0.0 } else { weight / deviation };
                line(*scale, *mean, slope, -average)
            }
            PartKind::Bent { scale, spline, step } => {
                let functions = match step {
                    Step::Functions => own.to_vec(),
                    Step::Sums => running(own),
                };
                let pieces = spline.combine(&functions).map(|(from, mut c)| {
                    if let Some(first) = c.first_mut() {
                        *first -= average;
                    }
                    Piece { from, c }
                });
                bent(*scale, spline.knots(), pieces.collect(), tail)
            }
            PartKind::Levels { names, seats, other, .. } => {
                let part = |seat: &Seat| match seat {
                    Seat::Reference => -average,
                    Seat::Column(at) => own.get(*at).copied().unwrap_or(0.0) - average,
                    Seat::Unseen => 0.0,
                };
                let parts = seats.iter().map(part).collect();
                let missing = flag.map_or(0.0, |(weight, _)| weight - average);
                let (names, other) = (names.clone().into(), part(other));
                return (Shape::Levels(Levels { names, parts, other, missing }), average);
            }
        };
        let missing = match (self.treatment.missing, flag) {
            (Missing::Value(instead), _) => shape.part(instead),
            (_, Some((weight, _))) => weight - average,
            (_, None) => 0.0,
        };
        (Shape::Curve(Curve { missing, direction: self.treatment.direction, ..shape }), average)
    }
}

fn line(scale: Scale, from: f64, slope: f64, at_from: f64) -> Curve {
    let piece = Piece { from, c: [at_from, slope, 0.0, 0.0] };
    let (knots, pieces) = ([].into(), [piece].into());
    Curve { scale, knots, pieces, missing: 0.0, direction: None }
}

/// A curve of the pieces between knots, and what goes on beyond them.
fn bent(scale: Scale, knots: &[f64], inner: Vec<Piece>, tail: Tail) -> Curve {
    let outer = |piece: Option<&Piece>, at: Option<&f64>| {
        let (piece, at) = (piece.copied()?, *at?);
        let slope = match tail {
            Tail::Flat => 0.0,
            Tail::Straight => piece.slope(at),
        };
        Some(Piece { from: at, c: [piece.at(at), slope, 0.0, 0.0] })
    };
    let (first, last) = (outer(inner.first(), knots.first()), outer(inner.last(), knots.last()));
    let pieces = first.into_iter().chain(inner).chain(last).collect();
    Curve { scale, knots: knots.into(), pieces, missing: 0.0, direction: None }
}

/// The weights of functions whose sums had these weights.
fn running(weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let later = weights.iter().map(|weight| {
        sum += weight;
        sum
    });
    [0.0].into_iter().chain(later).collect()
}
