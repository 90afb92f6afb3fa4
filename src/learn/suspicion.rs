//! Features that cannot be right: those that never change, and those that know too much.

use crate::stats::drift::Reference;
use crate::stats::quality;
use crate::stats::table::{Column, Values};

/// From this AUC on a feature alone tells too much to be known beforehand.
pub const ALONE_MAX: f64 = 0.99;
/// Bins of a number whose relation to the label is looked at.
const BINS: usize = 20;
/// Levels of a category with fewer rows say nothing by themselves.
const LEVEL_ROWS_MIN: usize = 10;

/// Whether a feature has one value, or none, in all rows.
pub fn is_constant(column: &Column) -> bool {
    let bits = |value: &f64| if value.is_finite() { (value + 0.0).to_bits() } else { u64::MAX };
    let mut values = column.values().iter().map(bits);
    let first = values.next();
    values.all(|value| Some(value) == first)
}

/// How well a feature alone tells the cases apart: the AUC of how often it happened around its
/// values, or of the values themselves in either direction.
pub fn alone(column: &Column, labels: &[f64]) -> f64 {
    let bins: Vec<u32> = match &column.values {
        Values::Numbers(values) => {
            let edges = Reference::of(values, BINS).edges;
            values.iter().map(|value| bin(&edges, *value)).collect()
        }
        Values::Categories { names, codes } => {
            let edges: Vec<f64> = (0_u32..).zip(names).map(|(code, _)| f64::from(code)).collect();
            codes.iter().map(|code| bin(&edges, *code)).collect()
        }
    };
    let by_bins = quality::auc(&shares(&bins, labels), labels);
    let by_bins = if by_bins.is_finite() { by_bins } else { 0.5 };
    match &column.values {
        Values::Numbers(values) => by_bins.max(in_order(values, labels)),
        Values::Categories { .. } => by_bins,
    }
}

fn bin(edges: &[f64], value: f64) -> u32 {
    let bin = if value.is_finite() {
        edges.partition_point(|edge| *edge < value)
    } else {
        edges.len() + 1
    };
    u32::try_from(bin).unwrap_or(u32::MAX)
}

/// Of each row how often it happened to the rows of its bin; small bins count as one.
fn shares(bins: &[u32], labels: &[f64]) -> Vec<f64> {
    let most = bins.iter().copied().max().unwrap_or(0) as usize;
    let mut counts = vec![(0_usize, 0.0, 0.0); most + 1];
    for (bin, label) in bins.iter().zip(labels) {
        if let Some((rows, all, some)) = counts.get_mut(*bin as usize) {
            *rows += 1;
            *all += 1.0;
            *some += label;
        }
    }
    let small = counts.iter().filter(|(rows, ..)| *rows < LEVEL_ROWS_MIN);
    let (all, some) = small.fold((0.0, 0.0), |sum, (_, all, some)| (sum.0 + all, sum.1 + some));
    let share = |bin: &u32| match counts.get(*bin as usize) {
        Some((rows, all, some)) if LEVEL_ROWS_MIN <= *rows => some / all,
        _ => some / all,
    };
    bins.iter().map(share).collect()
}

/// The AUC of the values themselves, in the direction in which they tell more, where most rows
/// have one.
fn in_order(values: &[f64], labels: &[f64]) -> f64 {
    let known: Vec<(f64, f64)> =
        values.iter().copied().zip(labels.iter().copied()).filter(|(v, _)| v.is_finite()).collect();
    if known.len() * 2 < values.len() {
        return 0.5;
    }
    let (values, labels): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
    let auc = quality::auc(&values, &labels);
    if auc.is_finite() { auc.max(1.0 - auc) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_changes_is_found() {
        assert!(is_constant(&Column::numbers("a", vec![0.0, -0.0, 0.0])));
        assert!(is_constant(&Column::numbers("a", vec![f64::NAN; 3])));
        assert!(!is_constant(&Column::numbers("a", vec![1.0, f64::NAN])));
        assert!(!is_constant(&Column::numbers("a", vec![1.0, 2.0])));
    }

    #[test]
    fn what_knows_too_much_is_found_whatever_its_form() {
        let labels: Vec<f64> = (0..400).map(|row| f64::from(u8::from(row % 50 == 0))).collect();
        let number = |of: &dyn Fn(usize, f64) -> f64| {
            let values = labels.iter().enumerate().map(|(row, label)| of(row, *label));
            alone(&Column::numbers("a", values.collect()), &labels)
        };
        let noise = |row: usize| f64::from(u32::try_from(row * 7_919 % 397).unwrap());
        assert!(ALONE_MAX < number(&|_, label| label), "the label itself");
        assert!(ALONE_MAX < number(&|row, label| noise(row) - 1_000.0 * label), "turned round");
        assert!(
            ALONE_MAX < number(&|_, label| if 0.5 < label { 3.0 } else { f64::NAN }),
            "missing unless it happened"
        );
        assert!(number(&|row, _| noise(row)) < 0.9, "says nothing, and few rows to say it");
        let texts = labels.iter().map(|label| Some(if 0.5 < *label { "gone" } else { "here" }));
        let levels = Column::categories("a", texts.collect::<Vec<_>>().into_iter());
        assert!(ALONE_MAX < alone(&levels, &labels));
        let names: Vec<String> = (0..400).map(|row| format!("id-{row}")).collect();
        let ids = Column::categories("a", names.iter().map(|name| Some(name.as_str())));
        assert!(alone(&ids, &labels) < 0.6, "a name for each row tells nothing by itself");
    }
}
