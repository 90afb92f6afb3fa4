//! Which rows are learned from and which judge: by chance with equal shares, or by time.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::table::Table;

/// One split: places of rows.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Rows to learn from.
    pub learn: Vec<usize>,
    /// Rows to judge by.
    pub judge: Vec<usize>,
}

/// Deals all rows of a table into `count` parts, each of which judges once. All rows of one
/// customer go to the same part; every part gets its share of customers to whom it happened.
/// The same seed deals the same way.
///
/// # Errors
/// When there are fewer customers of either kind than parts, or less than two parts.
pub fn stratified(table: &Table, count: usize, seed: u64) -> Result<Vec<Fold>, Fault> {
    if count < 2 {
        return Err(Fault::TooFew { what: "folds", have: count, need: 2 });
    }
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, _) in table.labels.iter().enumerate() {
        let own = u32::try_from(row).unwrap_or(u32::MAX);
        let group = table.groups.get(row).copied().unwrap_or(own);
        members.entry(group).or_default().push(row);
    }
    let happened = |rows: &[usize]| {
        rows.iter().any(|row| table.labels.get(*row).is_some_and(|label| 0.5 < *label))
    };
    let mut parts = vec![Vec::new(); count];
    let mut random = fastrand::Rng::with_seed(seed);
    let (some, none): (Vec<_>, Vec<_>) = members.into_values().partition(|rows| happened(rows));
    let mut dealt = 0;
    for mut kind in [some, none] {
        if kind.len() < count {
            return Err(Fault::TooFew { what: "customers", have: kind.len(), need: count });
        }
        random.shuffle(&mut kind);
        for rows in kind {
            if let Some(part) = parts.get_mut(dealt % count) {
                part.extend(rows);
            }
            dealt += 1;
        }
    }
    Ok(folds_of(&parts))
}

/// Folds from a number per row: rows with number k judge fold k.
pub fn given(numbers: &[usize]) -> Vec<Fold> {
    let count = numbers.iter().max().map_or(0, |most| most + 1);
    let mut parts = vec![Vec::new(); count];
    for (row, number) in numbers.iter().enumerate() {
        if let Some(part) = parts.get_mut(*number) {
            part.push(row);
        }
    }
    folds_of(&parts)
}

/// Folds by time: each of the newest `count` days with rows judges what was learned from rows whose
/// labels were known by then, `horizon` days and the embargo before. A day with nothing
/// before it is left out.
pub fn forward(table: &Table, horizon: i32, embargo: i32, count: usize) -> Vec<Fold> {
    let mut days = table.days.clone();
    days.sort_unstable();
    days.dedup();
    let rows = |wanted: &dyn Fn(i32) -> bool| {
        let places = table.days.iter().enumerate().filter(|(_, day)| wanted(**day));
        places.map(|(row, _)| row).collect::<Vec<_>>()
    };
    let fold = |day: &i32| {
        let known = day.saturating_sub(horizon).saturating_sub(embargo);
        Fold { learn: rows(&|other| other <= known), judge: rows(&|other| other == *day) }
    };
    days.iter().rev().map(fold).filter(|fold| !fold.learn.is_empty()).take(count).collect()
}

fn folds_of(parts: &[Vec<usize>]) -> Vec<Fold> {
    let fold = |judge: usize| {
        let mut learn: Vec<usize> = parts
            .iter()
            .enumerate()
            .filter(|(part, _)| *part != judge)
            .flat_map(|(_, rows)| rows.iter().copied())
            .collect();
        // The order of the table, whatever the deal: sums are added in one order only.
        learn.sort_unstable();
        let mut judge = parts.get(judge).cloned().unwrap_or_default();
        judge.sort_unstable();
        Fold { learn, judge }
    };
    (0..parts.len()).map(fold).collect()
}
