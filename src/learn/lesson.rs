//! From rows to a model that may speak, or to why there is none.
//!
//! The newest time judges a model that learned only from what was known before it; then the same
//! recipe learns from everything. What is said of the quality is said of the former.

use std::collections::BTreeSet;

use super::ageing;
use super::duel::{self, Duel, Winner};
use super::fit::{self, Honest, Recipe};
use super::harvest::PassedOver;
use super::judge::{self, Judgement};
use super::looks::{Split, date, days};
use super::refusal::Refusal;
use super::rows::Rows;
use super::suspicion;
use super::table;
use crate::engine::classifier::Classifier;
use crate::engine::drift::{Baseline, Bins};
use crate::engine::fitted::{Body, Content, LearnedFrom};
use crate::engine::terms::Method;
use crate::stats::drift::Reference;
use crate::stats::table::Table;

/// Customers of either case that must judge.
const JUDGES_MIN: u64 = 10;
/// Bins in which drift is counted.
const DRIFT_BINS: usize = 10;

/// What is asked for beside the model's file.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Where all chance comes from.
    pub seed: u64,
    /// Features that may tell as much as they do.
    pub trusted: Vec<String>,
    /// What is fitted, if not what the model's file asks for.
    pub method: Option<Method>,
    /// What is tried beside what the model's file asks for.
    pub challenger: Option<Method>,
}

/// What was harvested.
#[derive(Clone, Copy, Debug)]
pub struct Harvested<'a> {
    /// The rows whose labels are known.
    pub rows: &'a Rows,
    /// Who was not judged.
    pub passed: PassedOver,
    /// How often everybody was looked at.
    pub looks: usize,
}

/// A model that may speak, and what is known about it.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// What its file says.
    pub content: Content,
    /// How good it was on the newest rows.
    pub judgement: Judgement,
    /// The first and the last day that judged.
    pub judged: (i32, i32),
    /// The last day that was learned from for that.
    pub learned_to: i32,
    /// How it was fitted.
    pub recipe: Recipe,
    /// Days after which a row counted half.
    pub half_life: f64,
    /// How it did against another one.
    pub duel: Option<Duel>,
    /// What made its chances honest.
    pub honest: Honest,
    /// What each feature is and tells.
    pub features: Vec<Told>,
    /// Who was not judged.
    pub passed: PassedOver,
    /// How often everybody was looked at.
    pub looks: usize,
}

/// What a feature tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The share of rows without a value.
    pub missing: f64,
    /// The AUC of the feature alone.
    pub alone: f64,
    /// The average size of its part in the logit.
    pub weight: f64,
}

/// Learns a model from rows. `progress` is told how much is done, 0 to 1.
///
/// # Errors
/// Why there is none: nothing is written then, and what is in force stays.
pub fn learn(
    classifier: &Classifier,
    name: &str,
    harvested: &Harvested<'_>,
    wish: &Wish,
    progress: &mut dyn FnMut(f64),
) -> Result<Lesson, Refusal> {
    let Harvested { rows, passed, looks } = *harvested;
    if rows.is_empty() {
        return Err(Refusal::NoPopulation { looks, passed });
    }
    let terms = &classifier.terms;
    let (mut table, treatments) = table::table(classifier, rows);
    enough(&table, terms.least.labels, "to learn from")?;
    let alone = trustworthy(&table, wish)?;
    let (mut older, newer, split) = divided(classifier, &table)?;
    let (seed, window) = (wish.seed, days(terms.judged_by));
    let within = days(classifier.label.within);
    let half_life = ageing::half_life(&older, &treatments, within, seed)?;
    table::age(&mut older, half_life);
    table::age(&mut table, half_life);
    let mut try_one = |method: Method, (from, to): (f64, f64)| {
        let mut part = |share: f64| progress(from + 0.8 * (to - from) * share);
        let recipe = fit::recipe(method, &older, &treatments, seed, &mut part)?;
        let mut fitted = fit::fit(&recipe, &older, &treatments, seed)?;
        fit::calibrate(&mut fitted, &older, window, terms.calibrate)?;
        Ok::<_, Refusal>((recipe, fit::chances(&fitted.body, &newer)))
    };
    let (mut recipe, mut chances) = try_one(wish.method.unwrap_or(terms.method), (0.0, 0.5))?;
    let mut duel = None;
    if let Some(method) = wish.challenger {
        let (other, others) = try_one(method, (0.5, 0.7))?;
        let fought = duel::duel(method, &chances, &others, &newer);
        if fought.winner == Winner::Challenger {
            (recipe, chances) = (other, others);
        }
        duel = Some(fought);
    }
    progress(0.75);
    let judgement = judge::judge(&chances, &newer.labels, &newer.groups, seed);
    let misses = terms.least.misses(&judgement.quality());
    if !misses.is_empty() {
        return Err(Refusal::NotGoodEnough { misses });
    }
    progress(0.85);
    let mut fit = fit::fit(&recipe, &table, &treatments, seed)?;
    let honest = fit::calibrate(&mut fit, &table, window, terms.calibrate)?;
    progress(0.98);
    let content = Content {
        model: name.into(),
        definition: (*classifier.definition).into(),
        learned_from: learned_from(&table, seed),
        quality: judgement.quality(),
        baseline: Some(baseline(&fit.body, &table, window)),
        body: fit.body,
    };
    content.to_text().map_err(|why| Refusal::Unservable(why.to_string()))?;
    let features = told(&table, &alone, &fit::weights(&content.body, &newer));
    let last = newer.days.iter().copied().max().unwrap_or(split.judged_from);
    let first = newer.days.iter().copied().min().unwrap_or(split.judged_from);
    let learned_to = older.days.iter().copied().max().unwrap_or(split.learned_to);
    Ok(Lesson {
        content,
        judgement,
        judged: (first, last),
        learned_to,
        recipe,
        half_life,
        duel,
        honest,
        features,
        passed,
        looks,
    })
}

/// The rows that may be learned from for judging, and those that judge.
fn divided(classifier: &Classifier, table: &Table) -> Result<(Table, Table, Split), Refusal> {
    let newest = table.days.iter().copied().max().unwrap_or(0);
    let first = table.days.iter().copied().min().unwrap_or(0);
    let split = Split::of(classifier, newest);
    let rows = |wanted: &dyn Fn(i32) -> bool| -> Vec<usize> {
        let places = table.days.iter().enumerate().filter(|(_, day)| wanted(**day));
        places.map(|(row, _)| row).collect()
    };
    let older = table.pick(&rows(&|day| day <= split.learned_to));
    if older.is_empty() {
        return Err(Refusal::NothingBefore { first, judged_from: split.judged_from });
    }
    let newer = table.pick(&rows(&|day| split.judged_from <= day));
    enough(&older, classifier.terms.least.labels.min(JUDGES_MIN), "before judging begins")?;
    enough(&newer, JUDGES_MIN, "to judge by")?;
    Ok((older, newer, split))
}

/// Whether there are customers enough of both cases.
fn enough(table: &Table, need: u64, by: &'static str) -> Result<(), Refusal> {
    let rows = table.len();
    let happened = table.labels.iter().filter(|label| 0.5 < **label).count();
    if happened == 0 || happened == rows {
        return Err(Refusal::OneClass { rows, happened: happened != 0 });
    }
    for positive in [true, false] {
        let case = table.labels.iter().zip(&table.groups);
        let customers: BTreeSet<u32> =
            case.filter(|(label, _)| (0.5 < **label) == positive).map(|(_, own)| *own).collect();
        let have = customers.len() as u64;
        if have < need {
            return Err(Refusal::TooFewLabels { have, need, positive, by });
        }
    }
    Ok(())
}

/// Refuses features that cannot be right; gives the AUC of each alone.
fn trustworthy(table: &Table, wish: &Wish) -> Result<Vec<f64>, Refusal> {
    let constant = table.columns.iter().filter(|column| suspicion::is_constant(column));
    let names: Vec<String> = constant.map(|column| column.name.to_string()).collect();
    if !names.is_empty() {
        return Err(Refusal::Constant { names });
    }
    let alone: Vec<f64> =
        table.columns.iter().map(|column| suspicion::alone(column, &table.labels)).collect();
    let is_trusted = |name: &str| wish.trusted.iter().any(|trusted| trusted == name);
    let found: Vec<(String, f64)> = table
        .columns
        .iter()
        .zip(&alone)
        .filter(|(column, auc)| suspicion::ALONE_MAX <= **auc && !is_trusted(&column.name))
        .map(|(column, auc)| (column.name.to_string(), *auc))
        .collect();
    if found.is_empty() { Ok(alone) } else { Err(Refusal::Leak { found }) }
}

/// What the newest rows look like, in the numbers that are served.
fn baseline(body: &Body, table: &Table, days: i32) -> Baseline {
    let newest = table.days.iter().copied().max().unwrap_or(0);
    let rows: Vec<usize> = (0..table.len())
        .filter(|row| table.days.get(*row).is_some_and(|day| newest.saturating_sub(days) < *day))
        .collect();
    let newest = table.pick(&rows);
    let bins = |values: &[f64]| {
        let Reference { edges, shares } = Reference::of(values, DRIFT_BINS);
        Bins { edges, shares }
    };
    let score = bins(&fit::chances(body, &newest));
    let coded = fit::coded(body, &newest);
    Baseline { score, features: coded.columns.iter().map(|own| bins(own.values())).collect() }
}

fn learned_from(table: &Table, seed: u64) -> LearnedFrom {
    let customers: BTreeSet<u32> = table.groups.iter().copied().collect();
    LearnedFrom {
        rows: table.len() as u64,
        positives: table.labels.iter().filter(|label| 0.5 < **label).count() as u64,
        customers: customers.len() as u64,
        first: date(table.days.iter().copied().min().unwrap_or(0)).into(),
        last: date(table.days.iter().copied().max().unwrap_or(0)).into(),
        seed,
    }
}

fn told(table: &Table, alone: &[f64], weights: &[f64]) -> Vec<Told> {
    let tell = |(column, (alone, weight)): (&crate::stats::table::Column, (&f64, &f64))| {
        let missing = column.values().iter().filter(|value| !value.is_finite()).count();
        Told { missing: judge::share(missing, table.len()), alone: *alone, weight: *weight }
    };
    table.columns.iter().zip(alone.iter().zip(weights)).map(tell).collect()
}
