//! The one file that knows linfa: an optimum becomes linfa's fitted object.
//!
//! linfa-logistic charges every weight alike and cannot take sample weights; our penalty differs by
//! column. With the penalty's Cholesky factor, `P = L L'`, the columns `L^-1 x` have the weights
//! `L' w`, and linfa's charge on those (alpha = 1) is our penalty on w. Its search starts at our
//! optimum and stops at once; then we look whether it is still there.
//!
//! linfa 0.8.1 calls the more frequent class positive, later versions may not: which class the
//! weights speak for is read from the fitted object, always.

use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::{FittedLogisticRegression, LogisticRegression};
use ndarray::{Array1, Array2};

use super::design::Design;
use super::fault::Fault;
use super::linalg::{Factor, Symmetric};
use super::penalty::Penalty;

/// An optimum to be handed over.
#[derive(Clone, Copy, Debug)]
pub struct Optimum<'a> {
    /// The columns of all rows.
    pub design: &'a Design,
    /// 1 where it happened, 0 where not.
    pub labels: &'a [f64],
    /// The optimum: one weight per column, the intercept first.
    pub weights: &'a [f64],
    /// Whether linfa can check the optimum.
    pub sort: Sort,
}

/// Whether linfa solves the same problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Every row counts alike and weights are free: linfa has the same optimum, which is checked.
    Plain,
    /// Rows have weights or weights have bounds, which linfa does not know: it takes the optimum as
    /// it is.
    Weighed,
}

/// linfa's fitted object and the way back to our columns.
#[derive(Debug)]
pub struct Fitted {
    /// The fitted object.
    pub object: FittedLogisticRegression<f64, bool>,
    factor: Factor,
}

/// How far linfa may move a weight, in logits per deviation of its column.
const MOVE_MAX: f64 = 1e-4;
/// The gradient, per row, below which linfa stops.
const GRADIENT_PER_ROW: f64 = 1e-7;

/// Makes linfa's fitted object of an optimum.
///
/// # Errors
/// When labels are not 0 and 1, the penalty leaves a column free, or linfa moves away.
pub fn hand_over(optimum: &Optimum<'_>, penalty: &Penalty) -> Result<Fitted, Fault> {
    let Optimum { design, labels, weights, sort } = *optimum;
    let factor = charge(penalty, design.columns())?;
    let (columns, records) = (design.columns() - 1, records(design, &factor));
    let records = Array2::from_shape_vec((design.len(), columns), records);
    let records = records.map_err(|_| Fault::Lengths)?;
    if !labels.iter().all(|label| [0.0, 1.0].contains(label)) {
        return Err(Fault::NotFinite);
    }
    let happened: Array1<bool> = labels.iter().map(|label| 0.5 < *label).collect();
    let often = happened.iter().filter(|happened| **happened).count();
    let dataset = Dataset::new(records, happened);
    // Our guess of linfa's positive class is only a place to start from.
    let guess = design.len() <= 2 * often;
    let mut fitted = None;
    for positive in [guess, !guess] {
        let start = to_linfa(&factor, weights, if positive { 1.0 } else { -1.0 });
        let tolerance = match sort {
            Sort::Plain => (GRADIENT_PER_ROW * super::table::number(design.len())).max(1e-4),
            Sort::Weighed => f64::MAX,
        };
        let search = LogisticRegression::default()
            .alpha(if penalty.is_free() { 0.0 } else { 1.0 })
            .gradient_tolerance(tolerance)
            .initial_params(start);
        let what = "the classes";
        let object = search.fit(&dataset).map_err(|_| Fault::Disagrees { what })?;
        let same = object.labels().pos.class == positive;
        fitted = Some(object);
        if same {
            break;
        }
    }
    let object = fitted.ok_or(Fault::Disagrees { what: "the classes" })?;
    let fitted = Fitted { object, factor };
    fitted.is_at(weights, design)?;
    Ok(fitted)
}

impl Fitted {
    /// Its weights for our columns, the intercept first, speaking for label 1.
    pub fn weights(&self) -> Vec<f64> {
        let sign = if self.object.labels().pos.class { 1.0 } else { -1.0 };
        let given =
            [self.object.intercept()].into_iter().chain(self.object.params().iter().copied());
        let mut weights: Vec<f64> = given.map(|weight| sign * weight).collect();
        self.factor.backward(&mut weights);
        weights
    }

    fn is_at(&self, optimum: &[f64], design: &Design) -> Result<(), Fault> {
        let deviations = design.moments(None).into_iter().map(|(_, deviation)| deviation);
        let deviations = [1.0].into_iter().chain(deviations);
        let weights = self.weights();
        let mut pairs = weights.iter().zip(optimum).zip(deviations);
        if pairs.all(|((ours, theirs), deviation)| {
            (ours - theirs).abs() * deviation.min(1.0) <= MOVE_MAX
        }) {
            Ok(())
        } else {
            Err(Fault::Disagrees { what: "the weights" })
        }
    }
}

/// The factor of the penalty; the intercept, which is not charged, stays itself.
fn charge(penalty: &Penalty, columns: usize) -> Result<Factor, Fault> {
    let mut matrix = Symmetric::zeros(columns);
    if penalty.is_free() {
        (0..columns).for_each(|column| matrix.add(column, column, 1.0));
    } else {
        penalty.curvature(&mut matrix);
        matrix.add(0, 0, 1.0);
    }
    matrix.factor().ok_or(Fault::Undetermined)
}

/// The rows in linfa's columns, without the intercept.
fn records(design: &Design, factor: &Factor) -> Vec<f64> {
    let columns = design.columns();
    let mut records = Vec::with_capacity(design.len() * (columns - 1));
    let mut cells = vec![0.0; columns];
    for row in design.rows() {
        cells.fill(0.0);
        row.each(|column, value| {
            if let Some(cell) = cells.get_mut(column) {
                *cell = value;
            }
        });
        factor.forward(&mut cells);
        records.extend(cells.iter().skip(1));
    }
    records
}

/// The weights of linfa's columns, the intercept last; sign -1 when they are to speak for label 0.
fn to_linfa(factor: &Factor, weights: &[f64], sign: f64) -> Array1<f64> {
    let mut moved = factor.times_transposed(weights);
    moved.iter_mut().for_each(|weight| *weight *= sign);
    moved.rotate_left(1);
    Array1::from_vec(moved)
}
