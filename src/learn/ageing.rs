//! How fast the past ages: chosen by what older rows said of newer ones.

use super::choice::some;
use super::table::{HALF_LIFE_DAYS, age};
use crate::engine::model::Scale;
use crate::stats::layout::{Plan, Tail, Treatment};
use crate::stats::table::Table;
use crate::stats::{Fault, additive, folds, quality, select};

/// Days after which a row counts half, of which one is chosen; the usual one comes first.
const HALF_LIVES: [f64; 4] = [HALF_LIFE_DAYS, 120.0, 60.0, 30.0];
/// The newest days with rows that judge.
const JUDGES: usize = 3;
/// Rows of the rarer case below which a part of the past teaches nothing about this.
const RARER_MIN: usize = 50;
/// Standard errors by which another half-life must be better than the usual one.
const ERRORS_MIN: f64 = 2.0;
/// What is fitted meanwhile: it has to be quick, and to age as the model will.
const PLAN: Plan = Plan { knots: 0, ridge: 30.0, scale: Scale::Log, tail: Tail::Straight };

/// The half-life with which rows whose labels were known foretold the newest rows best; the usual
/// one when there is too little to tell, or none is clearly better.
///
/// # Errors
/// When the rows cannot be learned from.
pub fn half_life(
    table: &Table,
    treatments: &[Treatment],
    within: i32,
    seed: u64,
) -> Result<f64, Fault> {
    let mut table = some(table, seed);
    let is_enough = |rows: &[usize]| {
        let labels = labels_of(&table, rows);
        let happened = labels.iter().filter(|label| 0.5 < **label).count();
        RARER_MIN <= happened.min(labels.len() - happened)
    };
    let folds: Vec<folds::Fold> = folds::forward(&table, within, 0, JUDGES)
        .into_iter()
        .filter(|fold| is_enough(&fold.learn))
        .collect();
    let judged = folds.iter().flat_map(|fold| fold.judge.iter().copied()).collect::<Vec<_>>();
    if !is_enough(&judged) {
        return Ok(HALF_LIFE_DAYS);
    }
    let labels = labels_of(&table, &judged);
    let mut said = Vec::with_capacity(HALF_LIVES.len());
    for half_life in HALF_LIVES {
        age(&mut table, half_life);
        let mut chances = Vec::with_capacity(judged.len());
        for fold in &folds {
            let model = additive::fit(&table, treatments, &PLAN, &fold.learn)?.model;
            chances.extend(select::chances(&model, &table, &fold.judge));
        }
        said.push((half_life, chances));
    }
    let Some(((usual, by_usual), others)) = said.split_first() else { return Ok(HALF_LIFE_DAYS) };
    let mut best = (*usual, 0.0);
    for (half_life, chances) in others {
        let (difference, error) = quality::loss_difference(chances, by_usual, &labels);
        if difference < best.1 && difference < -ERRORS_MIN * error {
            best = (*half_life, difference);
        }
    }
    Ok(best.0)
}

fn labels_of(table: &Table, rows: &[usize]) -> Vec<f64> {
    rows.iter().filter_map(|row| table.labels.get(*row).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::table::Column;

    /// What tells the cases apart, and turned round so many days ago.
    fn table(turned: i32) -> Table {
        let mut random = fastrand::Rng::with_seed(3);
        let mut table = Table::default();
        let mut values = Vec::new();
        for day in (0..400).step_by(10) {
            for customer in 0..60 {
                let value = f64::from(random.u8(0..10));
                let chance =
                    if day < 400 - turned { 0.9 - value * 0.08 } else { 0.1 + value * 0.08 };
                table.labels.push(f64::from(u8::from(random.f64() < chance)));
                table.groups.push(customer);
                table.days.push(day);
                values.push(value);
            }
        }
        table.columns = vec![Column::numbers("n", values)];
        age(&mut table, HALF_LIFE_DAYS);
        table
    }

    #[test]
    fn the_past_ages_as_fast_as_it_stops_being_true() {
        assert_eq!(half_life(&table(400), &[], 20, 1).unwrap().to_bits(), HALF_LIFE_DAYS.to_bits());
        assert!(half_life(&table(150), &[], 20, 1).unwrap() < HALF_LIFE_DAYS);
        // Nothing whose label was known before the newest rows.
        let short = half_life(&table(150), &[], 395, 1).unwrap();
        assert_eq!(short.to_bits(), HALF_LIFE_DAYS.to_bits());
    }
}
