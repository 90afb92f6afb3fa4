//! Cubic B-splines on quantile knots, as polynomials per interval.
//!
//! With m knots there are m + 2 functions; on each interval four of them are not 0. Beyond the
//! outer knots the knots go on evenly, as far apart as the outermost two (de Boor 1978, chapter
//! IX). The functions add up to 1 everywhere between the outer knots.

/// A basis on given knots.
#[derive(Clone, Debug)]
pub struct Spline {
    knots: Vec<f64>,
    /// Per interval the four functions that are not 0 there, as coefficients of 1, u, u^2, u^3 with
    /// u the distance from the interval's left knot. Function k of interval i has number i + k.
    pieces: Vec<[[f64; 4]; 4]>,
}

impl Spline {
    /// The basis on knots that rise; `None` for less than two.
    pub fn new(knots: Vec<f64>) -> Option<Self> {
        let (first, last) = (knots.first().copied()?, knots.last().copied()?);
        let start = knots.get(1)? - first;
        let end = last - knots.get(knots.len().checked_sub(2)?)?;
        let before = [3.0, 2.0, 1.0].map(|steps| first - steps * start);
        let after = [1.0, 2.0, 3.0].map(|steps| last + steps * end);
        let all: Vec<f64> = before.iter().chain(&knots).chain(&after).copied().collect();
        let windows = all.windows(7).map(|window| <[f64; 7]>::try_from(window).ok());
        // Interval i lies between knots i + 3 and i + 4 of all; the recursion needs i + 1 to i + 6.
        let pieces: Option<Vec<_>> =
            windows.take(knots.len() - 1).map(|window| window.map(pieces_of)).collect();
        Some(Self { knots, pieces: pieces? })
    }

    /// The basis with knots at `count` even quantiles of the values; equal quantiles count once.
    /// `None` when fewer than two differ.
    pub fn at_quantiles(values: &[f64], count: usize) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = super::table::number(sorted.len().checked_sub(1)?);
        let parts = super::table::number(count.max(2) - 1);
        let mut knots: Vec<f64> = (0..count.max(2))
            .filter_map(|part| {
                let place = last * super::table::number(part) / parts;
                let low = super::table::position(place.floor())?;
                let (left, right) = (*sorted.get(low)?, sorted.get(low + 1).or(sorted.get(low))?);
                Some(left + (right - left) * (place - place.floor()))
            })
            .collect();
        let width = knots.last()? - knots.first()?;
        // Knots closer than this cannot be told apart and would make a wall.
        knots.dedup_by(|right, left| *right - *left <= 1e-9 * width);
        Self::new(knots)
    }

    /// Its knots, rising.
    pub fn knots(&self) -> &[f64] {
        &self.knots
    }

    /// How many functions it has.
    pub fn functions(&self) -> usize {
        self.knots.len() + 2
    }

    /// The interval of a place (those outside belong to the outer ones), and the values there of its
    /// four functions, which have the interval's number and the three after it.
    pub fn at(&self, place: f64) -> (usize, [f64; 4]) {
        let above = self.knots.partition_point(|knot| *knot <= place);
        let interval = above.saturating_sub(1).min(self.pieces.len().saturating_sub(1));
        let left = self.knots.get(interval).copied().unwrap_or(0.0);
        // Flat outside: what happens there is decided when the curve is made.
        let right = self.knots.last().copied().unwrap_or(0.0);
        let u = place.clamp(self.knots.first().copied().unwrap_or(0.0), right) - left;
        let value = |c: &[f64; 4]| {
            let [c0, c1, c2, c3] = c;
            c0 + u * (c1 + u * (c2 + u * c3))
        };
        let functions = self.pieces.get(interval).copied().unwrap_or_default();
        (interval, functions.each_ref().map(value))
    }

    /// The sum of its functions with weights (one per function), interval by interval: left knot and
    /// coefficients.
    pub fn combine<'a>(&'a self, weights: &'a [f64]) -> impl Iterator<Item = (f64, [f64; 4])> + 'a {
        self.knots.iter().zip(&self.pieces).enumerate().map(|(interval, (knot, functions))| {
            let mut sum = [0.0; 4];
            let weights = weights.iter().skip(interval);
            for (weight, coefficients) in weights.zip(functions) {
                for (slot, coefficient) in sum.iter_mut().zip(coefficients) {
                    *slot += weight * coefficient;
                }
            }
            (*knot, sum)
        })
    }
}

/// The four cubic functions that are not 0 between the middle two of seven knots t0..t6, t3 and t4
/// (t0 plays no part): the recursion of Cox and de Boor on coefficients instead of values.
fn pieces_of(window: [f64; 7]) -> [[f64; 4]; 4] {
    let [_, t1, t2, t3, t4, t5, t6] = window;
    // Linear functions that rise from a knot and fall to a knot, in u = x - t3.
    let rise = |from: f64, to: f64| [(t3 - from) / (to - from), 1.0 / (to - from)];
    let fall = |from: f64, to: f64| [(to - t3) / (to - from), -1.0 / (to - from)];
    let one = [1.0, 0.0, 0.0, 0.0];
    let linear = [times(one, fall(t3, t4)), times(one, rise(t3, t4))];
    let [a, b] = linear;
    let quadratic = [
        times(a, fall(t2, t4)),
        plus(times(a, rise(t2, t4)), times(b, fall(t3, t5))),
        times(b, rise(t3, t5)),
    ];
    let [a, b, c] = quadratic;
    [
        times(a, fall(t1, t4)),
        plus(times(a, rise(t1, t4)), times(b, fall(t2, t5))),
        plus(times(b, rise(t2, t5)), times(c, fall(t3, t6))),
        times(c, rise(t3, t6)),
    ]
}

/// A polynomial times a linear function; what would be of the fourth power is 0 here.
fn times([c0, c1, c2, c3]: [f64; 4], [d0, d1]: [f64; 2]) -> [f64; 4] {
    [c0 * d0, c1 * d0 + c0 * d1, c2 * d0 + c1 * d1, c3 * d0 + c2 * d1]
}

fn plus(left: [f64; 4], right: [f64; 4]) -> [f64; 4] {
    let [a0, a1, a2, a3] = left;
    let [b0, b1, b2, b3] = right;
    [a0 + b0, a1 + b1, a2 + b2, a3 + b3]
}
