//! How good chances are: what they cost, whether they are honest, whether they rank.
//!
//! Everywhere `chances` and `labels` (1 = it happened, 0 = not) have one entry per row; weights are
//! not looked at. Without rows, or without rows of one kind where both are needed, a measure is NaN.

use super::table::number;

/// Chances are kept this far from 0 and 1 in logarithms.
const CHANCE_MIN: f64 = 1e-15;

/// One bin of a calibration table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Rows in it.
    pub rows: usize,
    /// Their average chance.
    pub chance: f64,
    /// The share of them to whom it happened.
    pub happened: f64,
}

/// The loss of one row: -ln of the chance given to what happened, in nats.
pub fn loss(chance: f64, label: f64) -> f64 {
    let chance = chance.clamp(CHANCE_MIN, 1.0 - CHANCE_MIN);
    -(label * chance.ln() + (1.0 - label) * (-chance).ln_1p())
}

/// The average loss of all rows, in nats.
pub fn log_loss(chances: &[f64], labels: &[f64]) -> f64 {
    mean(chances.iter().zip(labels).map(|(chance, label)| loss(*chance, *label)))
}

/// The mean squared difference of chance and label (Brier 1950).
pub fn brier(chances: &[f64], labels: &[f64]) -> f64 {
    mean(chances.iter().zip(labels).map(|(chance, label)| (chance - label) * (chance - label)))
}

/// The area under the ROC curve: how often a row where it happened has the higher chance than one
/// where not; equal chances count half (Mann and Whitney 1947, by mid-ranks).
pub fn auc(chances: &[f64], labels: &[f64]) -> f64 {
    let ranked = ranked(chances, labels);
    let (mut below, mut wins, mut all) = (0.0, 0.0, 0.0);
    for equals in ranked.chunk_by(tied) {
        let count = number(equals.len());
        let some: f64 = equals.iter().map(|(_, label)| label).sum();
        wins += some * (below + 0.5 * (count - some));
        below += count - some;
        all += some;
    }
    wins / (all * below)
}

/// The area under precision and recall as average precision: the precision at each row where it
/// happened, from the highest chance down; equal chances stand together.
pub fn pr_auc(chances: &[f64], labels: &[f64]) -> f64 {
    let ranked = ranked(chances, labels);
    let (mut seen, mut hits, mut area) = (0.0, 0.0, 0.0);
    for equals in ranked.chunk_by(tied).rev() {
        let some: f64 = equals.iter().map(|(_, label)| label).sum();
        seen += number(equals.len());
        hits += some;
        area += some * hits / seen;
    }
    area / hits
}

/// How many times more often it happened among the `share` of rows with the highest chances than
/// among all. A tie at the border counts with its average.
pub fn lift(chances: &[f64], labels: &[f64], share: f64) -> f64 {
    let ranked = ranked(chances, labels);
    let room = (share * number(ranked.len())).ceil();
    let (mut seen, mut hits) = (0.0, 0.0);
    for equals in ranked.chunk_by(tied).rev() {
        let count = number(equals.len());
        let some: f64 = equals.iter().map(|(_, label)| label).sum();
        let taken = count.min(room - seen);
        seen += taken;
        hits += some * taken / count;
        if room <= seen {
            break;
        }
    }
    (hits / seen) / mean(labels.iter().copied())
}

/// Bins of equal width in chance, empty ones left out: `[0, 1/n)`, ..., `[(n-1)/n, 1]`.
pub fn bins_by_width(chances: &[f64], labels: &[f64], count: usize) -> Vec<Bin> {
    let top = number(count.max(1)) - 1.0;
    let bin = |chance: f64| (chance * (top + 1.0)).floor().clamp(0.0, top);
    let ranked = ranked(chances, labels);
    ranked
        .chunk_by(|left, right| bin(left.0).total_cmp(&bin(right.0)).is_eq())
        .map(bin_of)
        .collect()
}

/// Bins with equally many rows, as far as possible; equal chances stay together.
pub fn bins_by_mass(chances: &[f64], labels: &[f64], count: usize) -> Vec<Bin> {
    let ranked = ranked(chances, labels);
    let mut bins = Vec::new();
    let mut rest = &*ranked;
    for left in (1..=count).rev() {
        let want = rest.len().div_ceil(left);
        let Some(edge) = want.checked_sub(1).and_then(|last| rest.get(last)).map(|row| row.0)
        else {
            continue;
        };
        let (own, others) = rest.split_at(rest.partition_point(|row| row.0 <= edge));
        bins.push(bin_of(own));
        rest = others;
    }
    bins
}

/// The expected calibration error of bins: the difference of average chance and share that
/// happened, averaged over rows.
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let rows: f64 = bins.iter().map(|bin| number(bin.rows)).sum();
    let gap = |bin: &Bin| number(bin.rows) * (bin.chance - bin.happened).abs();
    bins.iter().map(gap).sum::<f64>() / rows
}

/// How much worse (above 0) or better the first model's loss is per row, and the standard error of
/// that: a paired comparison on the same rows.
pub fn loss_difference(first: &[f64], second: &[f64], labels: &[f64]) -> (f64, f64) {
    let pairs = first.iter().zip(second).zip(labels);
    let gaps: Vec<f64> = pairs
        .map(|((first, second), label)| loss(*first, *label) - loss(*second, *label))
        .collect();
    let average = mean(gaps.iter().copied());
    let squares: f64 = gaps.iter().map(|gap| (gap - average) * (gap - average)).sum();
    let count = number(gaps.len());
    (average, (squares / (count - 1.0) / count).sqrt())
}

/// Rows by chance, lowest first; NaN last.
pub(super) fn ranked(chances: &[f64], labels: &[f64]) -> Vec<(f64, f64)> {
    // Adding 0 makes -0 and 0 the same chance to the sort as well.
    let mut rows: Vec<(f64, f64)> =
        chances.iter().map(|chance| chance + 0.0).zip(labels.iter().copied()).collect();
    rows.sort_by(|left, right| left.0.total_cmp(&right.0));
    rows
}

/// Whether two rows have the same chance.
pub(super) fn tied(left: &(f64, f64), right: &(f64, f64)) -> bool {
    left.0.total_cmp(&right.0).is_eq()
}

fn bin_of(rows: &[(f64, f64)]) -> Bin {
    Bin {
        rows: rows.len(),
        chance: mean(rows.iter().map(|row| row.0)),
        happened: mean(rows.iter().map(|row| row.1)),
    }
}

/// The average; NaN of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
