//! The limited-memory BFGS method (Nocedal 1980): curvature from the last few steps.

use std::collections::VecDeque;

use super::linalg::dot;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 10;
/// Halvings of a step that does not go down.
const HALVINGS_MAX: usize = 40;

/// A step, the change of the gradient it made, and their product.
#[derive(Debug)]
pub(super) struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    product: f64,
}

/// Steps and the changes of the gradient they made, newest last.
#[derive(Debug, Default)]
pub(super) struct Pairs(VecDeque<Pair>);

impl Pairs {
    pub(super) fn push(&mut self, (from, to): (&[f64], &[f64]), (before, after): (&[f64], &[f64])) {
        let step: Vec<f64> = from.iter().zip(to).map(|(from, to)| to - from).collect();
        let change: Vec<f64> = before.iter().zip(after).map(|(b, a)| a - b).collect();
        let product = dot(&step, &change);
        if product <= 0.0 || !product.is_finite() {
            return;
        }
        if self.0.len() == MEMORY {
            self.0.pop_front();
        }
        self.0.push_back(Pair { step, change, product });
    }

    /// How long a step without any curvature known should be: as the newest pair says.
    pub(super) fn unit(&self) -> Option<f64> {
        let newest = self.0.back()?;
        Some(newest.product / dot(&newest.change, &newest.change))
    }

    /// The way down by the two-loop recursion, as a step to subtract.
    pub(super) fn direction(
        &self,
        gradient: &[f64],
        condition: impl FnOnce(&mut [f64]),
    ) -> Vec<f64> {
        let mut step = gradient.to_vec();
        let mut parts = Vec::with_capacity(self.0.len());
        for Pair { step: moved, change, product } in self.0.iter().rev() {
            let part = dot(moved, &step) / product;
            step.iter_mut().zip(change).for_each(|(slot, change)| *slot -= part * change);
            parts.push(part);
        }
        condition(&mut step);
        for (Pair { step: moved, change, product }, part) in
            self.0.iter().zip(parts.into_iter().rev())
        {
            let back = part - dot(change, &step) / product;
            step.iter_mut().zip(moved).for_each(|(slot, moved)| *slot += back * moved);
        }
        step
    }
}

/// Goes down from `start` until the gradient has shrunk to `tolerance` of what it was at the start, or
/// for `steps` steps. `pass` gives the objective and writes its gradient.
pub(super) fn minimise(
    start: Vec<f64>,
    steps: usize,
    tolerance: f64,
    mut pass: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Vec<f64> {
    let mut here = start;
    let mut gradient = vec![0.0; here.len()];
    let mut objective = pass(&here, &mut gradient);
    let first = dot(&gradient, &gradient).sqrt();
    let mut pairs = Pairs::default();
    for _ in 0..steps {
        let size = dot(&gradient, &gradient).sqrt();
        if size <= tolerance * first {
            break;
        }
        let unit = pairs.unit().unwrap_or(1.0 / size);
        let scale = |step: &mut [f64]| step.iter_mut().for_each(|slot| *slot *= unit);
        let step = pairs.direction(&gradient, scale);
        let slope = dot(&step, &gradient);
        let mut length = 1.0;
        let mut found = None;
        let mut slopes = vec![0.0; here.len()];
        for _ in 0..HALVINGS_MAX {
            let tried: Vec<f64> = here.iter().zip(&step).map(|(at, s)| at - length * s).collect();
            let value = pass(&tried, &mut slopes);
            if value <= objective - 1e-4 * length * slope {
                found = Some((tried, value));
                break;
            }
            length *= 0.5;
        }
        let Some((tried, value)) = found else { break };
        pairs.push((&here, &tried), (&gradient, &slopes));
        (here, objective, gradient) = (tried, value, slopes);
    }
    here
}
