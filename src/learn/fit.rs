//! Fits what the terms ask for to a table, and makes its chances honest on the newest rows.

use super::choice;
use crate::engine::fitted::Body;
use crate::engine::model::{Additive, Calibration, Direction, Forest, Kind};
use crate::engine::terms::{Calibrate, Method};
use crate::stats::calibrate::{self, ISOTONIC_LABELS_MIN};
use crate::stats::layout::{Plan, Treatment};
use crate::stats::table::{Column, Table, Values};
use crate::stats::trees::{self, Settings};
use crate::stats::{Fault, additive};

/// Cells up to which a fit is handed over to linfa, which holds them all: 400 MB.
const HANDED_CELLS_MAX: usize = 50_000_000;
/// Columns that a feature may become, about.
const COLUMNS_EACH: usize = 24;

/// How trees are grown; each part of the rows says when its trees are enough.
fn settings(seed: u64) -> Settings {
    let few = Settings { rounds: 600, leaves: 6, depth_max: 8, rate: 0.05, ..Settings::default() };
    Settings { patience: 40, seed, ..few }
}

/// How a model is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recipe {
    /// A logistic regression.
    Logistic(Plan),
    /// Boosted trees.
    Trees,
}

/// A model, and of each row what a model that learned from other customers said.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The model, not calibrated yet.
    pub body: Body,
    /// Logits of the rows, by models that learned from other customers.
    pub others: Vec<f64>,
}

/// What made chances honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honest {
    /// An intercept and a slope.
    Line,
    /// A rising table.
    Isotonic,
    /// Nothing was asked for.
    NotAsked,
    /// The newest rows were all of one case.
    OneCase,
}

/// The recipe that the terms ask for.
///
/// # Errors
/// When the rows cannot be learned from.
pub fn recipe(
    method: Method,
    table: &Table,
    treatments: &[Treatment],
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<Recipe, Fault> {
    match method {
        Method::Logistic => {
            Ok(Recipe::Logistic(choice::plan(table, treatments, seed, progress)?.plan))
        }
        Method::Trees => Ok(Recipe::Trees),
    }
}

/// Fits a recipe to a table.
///
/// # Errors
/// When the rows cannot be learned from.
pub fn fit(
    recipe: &Recipe,
    table: &Table,
    treatments: &[Treatment],
    seed: u64,
) -> Result<Fit, Fault> {
    match recipe {
        Recipe::Logistic(plan) => {
            let rows: Vec<usize> = (0..table.len()).collect();
            let cells = table.len().saturating_mul(table.columns.len() * COLUMNS_EACH);
            let model = if cells <= HANDED_CELLS_MAX {
                additive::fit_linfa(table, treatments, plan, &rows)?.0.model
            } else {
                additive::fit(table, treatments, plan, &rows)?.model
            };
            let others = choice::out_of_part(table, treatments, plan, seed)?;
            Ok(Fit { body: Body::Additive(model), others })
        }
        Recipe::Trees => {
            let directions: Vec<Option<Direction>> =
                treatments.iter().map(|treatment| treatment.direction).collect();
            let folds = choice::parts(table, seed)?;
            let settings = settings(seed);
            let boosted = trees::boost_folds(table, &directions, &folds, &settings)?;
            let logit = |chance: &f64| (chance / (1.0 - chance)).ln();
            let others = boosted.judged.iter().map(logit).collect();
            Ok(Fit { body: Body::Forest(boosted.forest), others })
        }
    }
}

/// Calibrates a model on the rows of the newest days.
///
/// # Errors
/// When its chances rank backwards there.
pub fn calibrate(
    fit: &mut Fit,
    table: &Table,
    days: i32,
    asked: Calibrate,
) -> Result<Honest, Fault> {
    let newest = table.days.iter().copied().max().unwrap_or(0);
    let from = newest.saturating_sub(days);
    let newest = table.days.iter().zip(fit.others.iter().zip(&table.labels));
    let (logits, labels): (Vec<f64>, Vec<f64>) = newest
        .filter(|(day, (logit, _))| from < **day && logit.is_finite())
        .map(|(_, (logit, label))| (*logit, *label))
        .unzip();
    let happened = labels.iter().filter(|label| 0.5 < **label).count();
    if happened == 0 || happened == labels.len() {
        return Ok(Honest::OneCase);
    }
    let (calibration, honest) = match asked {
        Calibrate::Nothing => return Ok(Honest::NotAsked),
        Calibrate::Isotonic if ISOTONIC_LABELS_MIN <= labels.len() => {
            (calibrate::isotonic(&logits, &labels)?, Honest::Isotonic)
        }
        Calibrate::Platt => (calibrate::platt(&logits, &labels)?, Honest::Line),
        Calibrate::Line | Calibrate::Isotonic => {
            (calibrate::slope(&logits, &labels)?, Honest::Line)
        }
    };
    *calibration_of(&mut fit.body) = calibration;
    Ok(honest)
}

fn calibration_of(body: &mut Body) -> &mut Calibration {
    match body {
        Body::Additive(model) => &mut model.calibration,
        Body::Forest(model) => &mut model.calibration,
    }
}

/// The calibration of a model.
pub fn calibration(body: &Body) -> &Calibration {
    match body {
        Body::Additive(model) => &model.calibration,
        Body::Forest(model) => &model.calibration,
    }
}

/// The chances of the rows of a table.
pub fn chances(body: &Body, table: &Table) -> Vec<f64> {
    match body {
        Body::Additive(model) => each_row(table, |row| Additive::chance(model, row)),
        Body::Forest(model) => {
            each_row(&forest_coded(model, table), |row| Forest::chance(model, row))
        }
    }
}

/// The average size of each feature's part in the logits of the rows of a table.
pub fn weights(body: &Body, table: &Table) -> Vec<f64> {
    let mut sums = vec![0.0; table.columns.len()];
    let mut parts = vec![0.0; table.columns.len()];
    let mut add = |parts: &[f64]| {
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part.abs());
    };
    match body {
        Body::Additive(model) => drop(each_row(table, |row| {
            let logit = model.reasons(row, &mut parts);
            add(&parts);
            logit
        })),
        Body::Forest(model) => {
            let mut scratch = crate::engine::model::ShapScratch::default();
            drop(each_row(&forest_coded(model, table), |row| {
                let logit = model.reasons(row, &mut parts, &mut scratch);
                add(&parts);
                logit
            }));
        }
    }
    let rows = u32::try_from(table.len().max(1)).map_or(f64::MAX, f64::from);
    sums.into_iter().map(|sum| sum / rows).collect()
}

fn each_row(table: &Table, mut of: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(table.columns.len());
    let each = |row| {
        table.row(row, &mut values);
        of(&values)
    };
    (0..table.len()).map(each).collect()
}

/// A table in the numbers that a model is served with.
pub(super) fn coded(body: &Body, table: &Table) -> Table {
    match body {
        Body::Additive(_) => table.clone(),
        Body::Forest(model) => forest_coded(model, table),
    }
}

/// A table in the codes of a forest, which knows fewer levels.
fn forest_coded(model: &Forest, table: &Table) -> Table {
    let columns = model.features.iter().zip(&table.columns).map(|(feature, column)| {
        match (&feature.kind, &column.values) {
            (Kind::Category(names), Values::Categories { .. }) => Column {
                name: column.name.clone(),
                values: Values::Categories {
                    codes: column.values_in(names),
                    names: names.to_vec(),
                },
            },
            (Kind::Number | Kind::Category(_), _) => column.clone(),
        }
    });
    Table { columns: columns.collect(), labels: table.labels.clone(), ..Table::default() }
}
