//! How sure a measure is: `DeLong`'s interval for the AUC, the bootstrap for the others.

use super::quality::{ranked, tied};
use super::table::number;

/// A measure and the interval in which it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The measure on all rows.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The quantile of the normal distribution that leaves 2.5 % above.
const NORMAL_97_5: f64 = 1.959_963_984_540_054;

/// The AUC with the interval of `DeLong`, `DeLong` and Clarke-Pearson (1988), cut at 0 and 1.
pub fn auc(chances: &[f64], labels: &[f64]) -> Interval {
    let rows = ranked(chances, labels);
    // For every row: the share of rows of the other kind that it beats, ties half.
    let (mut some, mut none) = (Vec::new(), Vec::new());
    let (mut some_below, mut none_below) = (0.0, 0.0);
    for equals in rows.chunk_by(tied) {
        let here: f64 = equals.iter().map(|row| row.1).sum();
        let others = number(equals.len()) - here;
        for (_, label) in equals {
            if 0.5 < *label {
                some.push(none_below + 0.5 * others);
            } else {
                none.push(some_below + 0.5 * here);
            }
        }
        some_below += here;
        none_below += others;
    }
    let value = some.iter().sum::<f64>() / (some_below * none_below);
    let part = |wins: &[f64], opposite: f64| {
        let count = number(wins.len());
        let average = wins.iter().sum::<f64>() / count;
        let squares: f64 = wins.iter().map(|win| (win - average) * (win - average)).sum();
        squares / (opposite * opposite) / ((count - 1.0) * count)
    };
    let variance = part(&some, none_below) + part(&none, some_below);
    let width = NORMAL_97_5 * variance.sqrt();
    Interval { value, low: (value - width).max(0.0), high: (value + width).min(1.0) }
}

/// Any measure with the percentile interval of `rounds` resamples of the rows (Efron 1979). The same
/// seed gives the same interval.
pub fn bootstrap(
    chances: &[f64],
    labels: &[f64],
    measure: impl Fn(&[f64], &[f64]) -> f64,
    rounds: usize,
    seed: u64,
) -> Interval {
    let value = measure(chances, labels);
    let mut random = fastrand::Rng::with_seed(seed);
    let rows = chances.len().min(labels.len());
    let (mut drawn_chances, mut drawn_labels) = (Vec::new(), Vec::new());
    let mut values = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        drawn_chances.clear();
        drawn_labels.clear();
        for _ in 0..rows {
            let row = random.usize(..rows);
            drawn_chances.extend(chances.get(row));
            drawn_labels.extend(labels.get(row));
        }
        let drawn = measure(&drawn_chances, &drawn_labels);
        if drawn.is_finite() {
            values.push(drawn);
        }
    }
    values.sort_by(f64::total_cmp);
    percentiles(&values, value)
}

/// Several measures with the percentile intervals of `rounds` resamples of whole customers: rows of
/// one customer are alike, and drawing them one by one would make too sure. The same seed gives the
/// same intervals.
pub fn by_customers<const N: usize>(
    chances: &[f64],
    labels: &[f64],
    groups: &[u32],
    measure: impl Fn(&[f64], &[f64]) -> [f64; N],
    rounds: usize,
    seed: u64,
) -> [Interval; N] {
    let values = measure(chances, labels);
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by_key(|row| groups.get(*row).copied());
    let customers: Vec<&[usize]> =
        order.chunk_by(|left, right| groups.get(*left) == groups.get(*right)).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    let (mut drawn_chances, mut drawn_labels) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        drawn_chances.clear();
        drawn_labels.clear();
        for _ in 0..customers.len() {
            let rows = customers.get(random.usize(..customers.len())).copied().unwrap_or_default();
            drawn_chances.extend(rows.iter().filter_map(|row| chances.get(*row)));
            drawn_labels.extend(rows.iter().filter_map(|row| labels.get(*row)));
        }
        for (kept, value) in drawn.iter_mut().zip(measure(&drawn_chances, &drawn_labels)) {
            if value.is_finite() {
                kept.push(value);
            }
        }
    }
    let mut ends = drawn.into_iter().zip(values).map(|(mut drawn, value)| {
        drawn.sort_by(f64::total_cmp);
        percentiles(&drawn, value)
    });
    std::array::from_fn(|_| {
        ends.next().unwrap_or(Interval { value: f64::NAN, low: f64::NAN, high: f64::NAN })
    })
}

/// The 2.5 % and 97.5 % percentiles of sorted values.
fn percentiles(sorted: &[f64], value: f64) -> Interval {
    let at = |share: f64| {
        let place = share * number(sorted.len().saturating_sub(1));
        super::table::position(place.round()).and_then(|at| sorted.get(at)).copied()
    };
    Interval { value, low: at(0.025).unwrap_or(value), high: at(0.975).unwrap_or(value) }
}
