//! Champion and challenger on the same newer rows: who may speak.

use std::collections::BTreeMap;

use super::judge::share;
use crate::engine::terms::Method;
use crate::stats::quality;
use crate::stats::table::Table;

/// Standard errors by which a challenger must be better.
const ERRORS_MIN: f64 = 2.0;
/// How much worse its calibration error may be.
const CALIBRATION_SLACK: f64 = 0.005;

/// What came of a comparison; differences are the challenger's log-loss less the champion's.
#[derive(Clone, Debug, PartialEq)]
pub struct Duel {
    /// What the challenger is.
    pub challenger: Method,
    /// The mean difference per row.
    pub difference: f64,
    /// Its standard error, rows of one customer taken together.
    pub error: f64,
    /// The mean difference in the older and the newer half of the time that judges.
    pub halves: [f64; 2],
    /// Calibration errors of champion and challenger.
    pub calibration: [f64; 2],
    /// Who speaks from now on.
    pub winner: Winner,
}

/// Who speaks from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// What the model's file asks for.
    Champion,
    /// The other one: clearly better, in both halves, and as honest.
    Challenger,
}

/// Compares the chances of both on the same rows.
pub fn duel(challenger: Method, champions: &[f64], challengers: &[f64], table: &Table) -> Duel {
    let losses = |chances: &[f64]| -> Vec<f64> {
        chances.iter().zip(&table.labels).map(|(c, label)| quality::loss(*c, *label)).collect()
    };
    let gaps: Vec<f64> =
        losses(challengers).iter().zip(losses(champions)).map(|(new, old)| new - old).collect();
    let (difference, error) = mean_by_customers(&gaps, &table.groups);
    let (first, last) = (
        table.days.iter().min().copied().unwrap_or(0),
        table.days.iter().max().copied().unwrap_or(0),
    );
    let middle = first + (last - first + 1) / 2;
    let half = |wanted: &dyn Fn(i32) -> bool| {
        let own: Vec<f64> = gaps
            .iter()
            .zip(&table.days)
            .filter(|(_, day)| wanted(**day))
            .map(|(gap, _)| *gap)
            .collect();
        own.iter().sum::<f64>() * share(1, own.len())
    };
    let halves = [half(&|day| day < middle), half(&|day| middle <= day)];
    let error_of = |chances: &[f64]| {
        quality::calibration_error(&quality::bins_by_width(chances, &table.labels, 10))
    };
    let calibration = [error_of(champions), error_of(challengers)];
    let [old, new] = calibration;
    let is_better = difference < -ERRORS_MIN * error && halves.iter().all(|half| *half < 0.0);
    let is_honest = new <= old + CALIBRATION_SLACK;
    let winner = if is_better && is_honest { Winner::Challenger } else { Winner::Champion };
    Duel { challenger, difference, error, halves, calibration, winner }
}

/// The mean, and its standard error when rows of one customer go together.
fn mean_by_customers(gaps: &[f64], groups: &[u32]) -> (f64, f64) {
    let count = 1.0 / share(1, gaps.len());
    let mean = gaps.iter().sum::<f64>() / count;
    let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
    for (gap, group) in gaps.iter().zip(groups) {
        *sums.entry(*group).or_default() += gap - mean;
    }
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    (mean, squares.sqrt() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty customers with five looks each; it happens to every fourth.
    fn table() -> Table {
        let rows = 0..200_u32;
        Table {
            labels: rows.clone().map(|row| f64::from(u8::from(row % 40 % 4 == 0))).collect(),
            groups: rows.clone().map(|row| row % 40).collect(),
            days: rows.map(|row| i32::try_from(row / 40 * 7).unwrap()).collect(),
            ..Table::default()
        }
    }

    #[test]
    fn a_challenger_wins_when_clearly_better_in_both_halves_and_as_honest() {
        let table = table();
        let say = |positive: f64, negative: f64| -> Vec<f64> {
            table.labels.iter().map(|l| if 0.5 < *l { positive } else { negative }).collect()
        };
        let rate = say(0.25, 0.25);
        let duel_of = |challenger: &[f64]| duel(Method::Trees, &rate, challenger, &table);
        assert_eq!(duel_of(&say(0.9, 0.05)).winner, Winner::Champion, "it is less honest");
        let better = duel_of(&say(0.999, 0.001));
        assert_eq!(better.winner, Winner::Challenger, "{better:?}");
        assert_eq!(duel_of(&rate).winner, Winner::Champion, "the same is not better");
        assert_eq!(duel_of(&say(0.2, 0.3)).winner, Winner::Champion);
        // Better in the older half only.
        let mut fading = say(0.999, 0.001);
        for (chance, day) in fading.iter_mut().zip(&table.days) {
            if 14 <= *day {
                *chance = 0.25 + 0.0001 * f64::from(*day);
            }
        }
        let fading = duel_of(&fading);
        assert!(fading.halves[0] < 0.0 && 0.0 < fading.halves[1], "{fading:?}");
        assert!(fading.difference < -ERRORS_MIN * fading.error, "clearly better on the whole");
        assert!(fading.calibration[1] < CALIBRATION_SLACK, "and honest: {fading:?}");
        assert_eq!(fading.winner, Winner::Champion);
    }

    #[test]
    fn rows_of_one_customer_do_not_make_surer() {
        let gaps = [1.0, -1.0, 0.5, -0.5];
        let (_, one) = mean_by_customers(&gaps, &[0, 1, 2, 3]);
        let five: Vec<f64> = gaps.iter().copied().cycle().take(20).collect();
        let groups: Vec<u32> = (0..4).cycle().take(20).collect();
        let (_, same) = mean_by_customers(&five, &groups);
        assert!((one - same).abs() < 1e-12, "{one} {same}");
    }
}
