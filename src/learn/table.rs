//! From rows as they were taken to the table that models are fitted to.

use super::looks::day;
use super::rows::Rows;
use crate::engine::classifier::{Classifier, FeatureKind, MissingFeature, Monotone};
use crate::engine::model::Direction;
use crate::stats::layout::{Missing, Treatment};
use crate::stats::table::{Column, Table, Values};

/// Days after which a row counts half, unless the rows themselves say otherwise: what is newer is
/// more like what comes.
pub const HALF_LIFE_DAYS: f64 = 365.0;

/// Lets rows count half after so many days before the newest of them.
pub fn age(table: &mut Table, half_life: f64) {
    let newest = table.days.iter().copied().max().unwrap_or(0);
    let weight = |day: &i32| (f64::from(day - newest) / half_life).exp2();
    table.weights = table.days.iter().map(weight).collect();
}

/// The rows as a table, and how each feature is to be treated.
pub fn table(classifier: &Classifier, rows: &Rows) -> (Table, Vec<Treatment>) {
    let column = |(place, feature): (usize, &crate::engine::classifier::Feature)| {
        let of_row = |row: &[f64]| row.get(place).copied().unwrap_or(f64::NAN);
        let values: Vec<f64> = rows.values().map(of_row).collect();
        let values = match feature.kind {
            FeatureKind::Number => Values::Numbers(values),
            FeatureKind::Category => {
                Values::Categories { names: rows.levels(place).to_vec(), codes: values }
            }
        };
        Column { name: (*feature.name).into(), values }
    };
    let days: Vec<i32> = rows.at().iter().map(|at| day(*at)).collect();
    let mut table = Table {
        columns: classifier.features.iter().enumerate().map(column).collect(),
        labels: rows.positive().iter().map(|positive| f64::from(u8::from(*positive))).collect(),
        groups: rows.groups().to_vec(),
        days,
        ..Table::default()
    };
    age(&mut table, HALF_LIFE_DAYS);
    (table, classifier.features.iter().map(treatment).collect())
}

fn treatment(feature: &crate::engine::classifier::Feature) -> Treatment {
    Treatment {
        missing: match feature.missing {
            MissingFeature::Flag => Missing::Flag,
            MissingFeature::Mean => Missing::Mean,
            MissingFeature::Value(value) => Missing::Value(value),
        },
        direction: match feature.monotone {
            Monotone::Free => None,
            Monotone::Rising => Some(Direction::Rising),
            Monotone::Falling => Some(Direction::Falling),
        },
    }
}
