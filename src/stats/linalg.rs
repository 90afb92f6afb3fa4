//! Symmetric matrices as small as a model has columns: factor, solve, invert.

/// A symmetric matrix; only the cells on and right of the diagonal count.
#[derive(Clone, Debug)]
pub struct Symmetric {
    size: usize,
    cells: Vec<f64>,
}

/// The Cholesky factor L of a positive definite matrix A = L L'.
#[derive(Clone, Debug)]
pub struct Factor {
    size: usize,
    /// Row by row; cells right of the diagonal are 0.
    cells: Vec<f64>,
}

impl Symmetric {
    /// A matrix of zeros, `size` by `size`.
    pub fn zeros(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    /// How many rows it has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A row, all columns; only those from the row's own number on count.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        let size = self.size;
        self.cells.get_mut(row * size..(row + 1) * size).unwrap_or_default()
    }

    /// Adds to the cell at a row and a column that is not left of it.
    pub fn add(&mut self, row: usize, column: usize, amount: f64) {
        if let Some(cell) = self.row_mut(row).get_mut(column) {
            *cell += amount;
        }
    }

    /// Multiplies every cell.
    pub fn scale(&mut self, factor: f64) {
        self.cells.iter_mut().for_each(|cell| *cell *= factor);
    }

    /// Its Cholesky factor; `None` when it is not positive definite beyond rounding.
    pub fn factor(&self) -> Option<Factor> {
        let size = self.size;
        let mut cells = vec![0.0; size * size];
        for row in 0..size {
            let (above, own) = cells.split_at_mut(row * size);
            let own = own.get_mut(..size)?;
            for column in 0..=row {
                let symmetric = *self.cells.get(column * size + row)?;
                if column < row {
                    let other = above.get(column * size..(column + 1) * size)?;
                    let rest = symmetric - dot(own.get(..column)?, other.get(..column)?);
                    let pivot = *other.get(column)?;
                    *own.get_mut(column)? = rest / pivot;
                } else {
                    let known = own.get(..column)?;
                    let rest = symmetric - dot(known, known);
                    if !(1e-14 * symmetric.abs() < rest && rest.is_finite()) {
                        return None;
                    }
                    *own.get_mut(column)? = rest.sqrt();
                }
            }
        }
        Some(Factor { size, cells })
    }
}

impl Factor {
    /// Replaces the right side b by the solution of A x = b.
    pub fn solve(&self, side: &mut [f64]) {
        self.forward(side);
        self.backward(side);
    }

    /// Replaces b by the solution of L' x = b.
    pub(super) fn backward(&self, side: &mut [f64]) {
        for row in (0..self.size.min(side.len())).rev() {
            let own = self.row(row);
            let (Some(pivot), Some(value)) = (own.get(row), side.get_mut(row)) else { return };
            *value /= pivot;
            let value = *value;
            for (cell, slot) in own.iter().take(row).zip(side.iter_mut()) {
                *slot -= cell * value;
            }
        }
    }

    /// Replaces b by the solution of L x = b.
    pub(super) fn forward(&self, side: &mut [f64]) {
        for row in 0..self.size.min(side.len()) {
            let own = self.row(row);
            let Some((known, rest)) = side.split_at_mut_checked(row) else { return };
            let (Some(pivot), Some(value)) = (own.get(row), rest.first_mut()) else { return };
            *value = (*value - dot(known, own)) / pivot;
        }
    }

    /// L' x.
    pub(super) fn times_transposed(&self, side: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.size];
        for (row, value) in side.iter().enumerate().take(self.size) {
            sums.iter_mut().zip(self.row(row)).for_each(|(sum, cell)| *sum += cell * value);
        }
        sums
    }

    /// The diagonal of the inverse of A: the variances when A is a Hessian.
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let column = |at: usize| {
            let mut unit = vec![0.0; self.size];
            if let Some(one) = unit.get_mut(at) {
                *one = 1.0;
            }
            self.forward(&mut unit);
            dot(&unit, &unit)
        };
        (0..self.size).map(column).collect()
    }

    fn row(&self, row: usize) -> &[f64] {
        self.cells.get(row * self.size..(row + 1) * self.size).unwrap_or_default()
    }
}

/// The sum of products of the common beginning of two rows, in four running sums, so that the
/// compiler may use vectors.
pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let length = left.len().min(right.len());
    let (left, right) = (left.get(..length).unwrap_or(left), right.get(..length).unwrap_or(right));
    let (lefts, left_rest) = left.as_chunks::<4>();
    let (rights, right_rest) = right.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (left, right) in lefts.iter().zip(rights) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    let [a, b, c, d] = sums;
    ((a + b) + (c + d)) + rest
}
