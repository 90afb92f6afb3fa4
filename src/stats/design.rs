//! The rows of a regression, kept small: a few dense columns and the few others that are not 0.
//!
//! One-hot levels and spline values are mostly 0: a row of a hundred columns has twenty that count.
//! Column 0 is always 1 (the intercept). Sums over products of columns visit only what counts.

use super::linalg::{Symmetric, dot};

/// The columns of all rows.
#[derive(Clone, Debug, Default)]
pub struct Design {
    dense: usize,
    columns: usize,
    /// Row by row, `dense` cells each, the first of them 1.
    cells: Vec<f64>,
    /// Where the rest of each row begins in `rest`, and one more for the end.
    starts: Vec<usize>,
    /// Columns from `dense` on that are not 0, rising within a row.
    rest: Vec<(u32, f64)>,
}

/// What a row is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) dense: &'a [f64],
    pub(super) rest: &'a [(u32, f64)],
}

impl Design {
    /// No rows yet; `dense` columns without the intercept come first, `columns` in all without it.
    pub fn new(dense: usize, columns: usize) -> Self {
        let columns = columns.max(dense);
        Self { dense: dense + 1, columns: columns + 1, starts: vec![0], ..Self::default() }
    }

    /// Adds a row: its dense cells (exactly as many as announced; lacking ones are 0) and the others
    /// that are not 0, by column without the intercept, rising.
    pub fn push(&mut self, dense: &[f64], rest: &[(usize, f64)]) {
        let cells = dense.iter().copied().chain(std::iter::repeat(0.0));
        self.cells.push(1.0);
        self.cells.extend(cells.take(self.dense - 1));
        let shifted = rest.iter().filter_map(|(column, value)| {
            let column = column + 1;
            (self.dense <= column && column < self.columns)
                .then(|| u32::try_from(column).ok().map(|column| (column, *value)))
                .flatten()
        });
        self.rest.extend(shifted);
        self.starts.push(self.rest.len());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many columns there are, with the intercept, which is the first.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let rests = self.starts.iter().zip(self.starts.iter().skip(1));
        self.cells.chunks_exact(self.dense.max(1)).zip(rests).map(|(dense, (start, end))| Row {
            dense,
            rest: self.rest.get(*start..*end).unwrap_or_default(),
        })
    }

    /// The logit of each row under weights (one per column, the intercept first).
    pub fn logits(&self, weights: &[f64]) -> Vec<f64> {
        self.rows().map(|row| row.dot(weights)).collect()
    }

    /// The mean and the standard deviation (divided by n) of each column but the intercept, each row
    /// counted by its weight.
    pub fn moments(&self, weights: Option<&[f64]>) -> Vec<(f64, f64)> {
        let mut sums = vec![(0.0, 0.0); self.columns];
        let mut total = 0.0;
        for (row, weight) in self.rows().zip(weighed(weights)) {
            total += weight;
            row.each(|column, value| {
                if let Some((sum, squares)) = sums.get_mut(column) {
                    *sum += weight * value;
                    *squares += weight * value * value;
                }
            });
        }
        let total = if total == 0.0 { 1.0 } else { total };
        let moment = |(sum, squares): &(f64, f64)| {
            let mean = sum / total;
            let variance: f64 = squares / total - mean * mean;
            // Below what rounding leaves of a constant column it is a constant column.
            let noise = 1e-12 * (squares / total);
            (mean, if noise < variance { variance.sqrt() } else { 0.0 })
        };
        sums.iter().skip(1).map(moment).collect()
    }

    /// `sum of curvature_i x_i x_i'` over every `stride`-th row; a curvature for every row.
    pub(super) fn products(&self, curvature: &[f64], stride: usize) -> Symmetric {
        self.sum_products(self.rows().zip(curvature).step_by(stride.max(1)))
    }

    /// The same with a curvature only for every `stride`-th row.
    pub(super) fn products_of(&self, curvature: &[f64], stride: usize) -> Symmetric {
        self.sum_products(self.rows().step_by(stride.max(1)).zip(curvature))
    }

    fn sum_products<'a>(&self, rows: impl Iterator<Item = (Row<'a>, &'a f64)>) -> Symmetric {
        let mut matrix = Symmetric::zeros(self.columns);
        // Eight rows at once: each cell is loaded and stored once for eight products.
        let mut block: [(&[f64], f64); 8] = [(&[], 0.0); 8];
        let mut filled = 0;
        for (row, curvature) in rows {
            row.rest_products(&mut matrix, *curvature);
            if let Some(slot) = block.get_mut(filled) {
                *slot = (row.dense, *curvature);
            }
            filled += 1;
            if filled == block.len() {
                dense_block(&mut matrix, self.dense, &block);
                filled = 0;
            }
        }
        for (dense, curvature) in block.iter().take(filled) {
            Row { dense, rest: &[] }.dense_products(&mut matrix, *curvature);
        }
        matrix
    }
}

/// Adds the dense products of eight rows.
fn dense_block(matrix: &mut Symmetric, dense: usize, rows: &[(&[f64], f64); 8]) {
    for row in 0..dense {
        let tails = rows.map(|(cells, curvature)| {
            let tail = cells.get(row..dense).and_then(<[f64]>::split_first);
            tail.map_or((0.0, &[][..], 0.0), |(first, rest)| (*first, rest, curvature * first))
        });
        let [a, b, c, d, e, f, g, h] = tails;
        let diagonal = tails.iter().map(|(first, _, factor)| first * factor).sum::<f64>();
        let Some((cell, cells)) =
            matrix.row_mut(row).get_mut(row..dense).and_then(<[f64]>::split_first_mut)
        else {
            return;
        };
        *cell += diagonal;
        let first = cells.iter_mut().zip(a.1).zip(b.1).zip(c.1).zip(d.1);
        let all = first.zip(e.1).zip(f.1).zip(g.1).zip(h.1);
        for ((((((((cell, va), vb), vc), vd), ve), vf), vg), vh) in all {
            let low = (a.2 * va + b.2 * vb) + (c.2 * vc + d.2 * vd);
            let high = (e.2 * ve + f.2 * vf) + (g.2 * vg + h.2 * vh);
            *cell += low + high;
        }
    }
}

impl Row<'_> {
    /// The sum of its columns, weighted.
    pub(super) fn dot(&self, weights: &[f64]) -> f64 {
        let rest = self.rest.iter().map(|(column, value)| value * at(weights, *column));
        dot(self.dense, weights) + rest.sum::<f64>()
    }

    /// Adds a multiple of it to a vector.
    pub(super) fn add_to(&self, sums: &mut [f64], factor: f64) {
        for (sum, value) in sums.iter_mut().zip(self.dense) {
            *sum += factor * value;
        }
        for (column, value) in self.rest {
            if let Some(sum) = place(*column).and_then(|column| sums.get_mut(column)) {
                *sum += factor * value;
            }
        }
    }

    /// Calls with every column that is not 0 and its value.
    pub(super) fn each(&self, mut seen: impl FnMut(usize, f64)) {
        self.dense.iter().enumerate().for_each(|(column, value)| seen(column, *value));
        for (column, value) in self.rest {
            if let Some(column) = place(*column) {
                seen(column, *value);
            }
        }
    }

    fn dense_products(&self, matrix: &mut Symmetric, curvature: f64) {
        for (row, value) in self.dense.iter().enumerate() {
            let factor = curvature * value;
            let cells = matrix.row_mut(row).get_mut(row..).unwrap_or_default();
            for (cell, other) in cells.iter_mut().zip(self.dense.iter().skip(row)) {
                *cell += factor * other;
            }
        }
    }

    fn rest_products(&self, matrix: &mut Symmetric, curvature: f64) {
        for (row, value) in self.dense.iter().enumerate() {
            scatter(matrix.row_mut(row), self.rest, curvature * value);
        }
        let mut others = self.rest;
        while let Some(((row, value), after)) = others.split_first() {
            if let Some(row) = place(*row) {
                scatter(matrix.row_mut(row), others, curvature * value);
            }
            others = after;
        }
    }
}

fn scatter(cells: &mut [f64], rest: &[(u32, f64)], factor: f64) {
    for (column, value) in rest {
        if let Some(cell) = place(*column).and_then(|column| cells.get_mut(column)) {
            *cell += factor * value;
        }
    }
}

fn place(column: u32) -> Option<usize> {
    usize::try_from(column).ok()
}

fn at(weights: &[f64], column: u32) -> f64 {
    place(column).and_then(|column| weights.get(column)).copied().unwrap_or(0.0)
}

/// A weight for each row: as given, or 1.
pub(super) fn weighed(weights: Option<&[f64]>) -> impl Iterator<Item = f64> {
    let given = weights.unwrap_or_default().iter().copied();
    let ones = if weights.is_none() { usize::MAX } else { 0 };
    given.chain(std::iter::repeat_n(1.0, ones))
}
