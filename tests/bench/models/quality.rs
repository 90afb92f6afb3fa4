//! How good the models are on rows that nothing was chosen by.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

use heedful::engine::model::{Forest, Grams, Kind, Scheme};
use heedful::stats::folds::{self, Fold};
use heedful::stats::table::Table;
use heedful::stats::text::{self, Telling, Texts};
use heedful::stats::trees::{self, Settings};
use heedful::stats::{additive, layout::Plan, quality, select};

use crate::events::{self, HORIZON, Purchase, day};
use crate::rows::{self, Cells};
use crate::{Fallible, Figures, Goal};

/// Seed of all inner folds.
const SEED: u64 = 20_240_601;
/// Days between the moments that are learned from.
const EVERY_DAYS: i32 = 15;

/// Chances and labels that belong together.
#[derive(Default)]
struct Judged {
    chances: Vec<f64>,
    labels: Vec<f64>,
    losses: Vec<f64>,
    aucs: Vec<f64>,
}

impl Judged {
    fn add(&mut self, chances: Vec<f64>, labels: Vec<f64>) {
        self.losses.push(quality::log_loss(&chances, &labels));
        self.aucs.push(quality::auc(&chances, &labels));
        self.chances.extend(chances);
        self.labels.extend(labels);
    }

    fn error(&self) -> f64 {
        quality::calibration_error(&quality::bins_by_width(&self.chances, &self.labels, 10))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.iter().map(|_| 1.0).sum::<f64>()
}

fn labels(table: &Table, rows: &[usize]) -> Vec<f64> {
    rows.iter().filter_map(|row| table.labels.get(*row).copied()).collect()
}

/// The plan that does best inside some rows.
fn chosen(table: &Table, inner: &[Fold]) -> Fallible<Plan> {
    let plans = select::usual_plans(table);
    let trials = select::trials(table, &[], &plans, inner)?;
    let best = trials.first().ok_or("no plan was tried")?;
    println!("  {:?} {:.5}", best.plan, best.loss);
    Ok(best.plan)
}

pub(crate) fn telco(figures: &mut Figures) -> Fallible<()> {
    let (table, numbers) = rows::telco()?;
    let (mut judged, mut most) = (Judged::default(), 0.0_f64);
    for fold in folds::given(&numbers) {
        let learn = table.pick(&fold.learn);
        let plan = chosen(&learn, &folds::stratified(&learn, 5, SEED)?)?;
        let (fit, _) = additive::fit_linfa(&table, &[], &plan, &fold.learn)?;
        fit.model.check()?;
        judged.add(select::chances(&fit.model, &table, &fold.judge), labels(&table, &fold.judge));
        let (mut row, mut parts) = (Vec::new(), vec![0.0; table.columns.len()]);
        for at in 0..table.len() {
            table.row(at, &mut row);
            let logit = fit.model.reasons(&row, &mut parts);
            most = most.max((fit.model.base() + parts.iter().sum::<f64>() - logit).abs());
        }
    }
    figures.add("telco log-loss", mean(&judged.losses), Some(Goal::AtMost(0.4088)));
    figures.add("telco AUC", mean(&judged.aucs), Some(Goal::AtLeast(0.8515)));
    figures.add("telco ECE, pooled", judged.error(), Some(Goal::AtMost(0.007)));
    figures.add("telco |reasons + base - logit|, largest", most, Some(Goal::AtMost(1e-12)));
    Ok(())
}

pub(crate) fn cdnow(figures: &mut Figures) -> Fallible<()> {
    let judged = forward(&events::cdnow()?, day(1998, 4, 1))?;
    figures.add("cdnow log-loss", mean(&judged.losses), Some(Goal::AtMost(0.2975)));
    figures.add("cdnow AUC", mean(&judged.aucs), Some(Goal::AtLeast(0.84)));
    figures.add("cdnow ECE", judged.error(), None);
    Ok(())
}

pub(crate) fn retail(figures: &mut Figures) -> Fallible<()> {
    let judged = forward(&events::retail()?, day(2011, 9, 10))?;
    figures.add("online retail log-loss", mean(&judged.losses), Some(Goal::AtMost(0.59)));
    figures.add("online retail AUC", mean(&judged.aucs), None);
    figures.add("online retail ECE", judged.error(), Some(Goal::AtMost(0.05)));
    Ok(())
}

/// Learns from the moments of one horizon whose labels were known at `now`, judges at `now`. The plan
/// is chosen by what the oldest of them said of the newest.
fn forward(purchases: &[Purchase], now: i32) -> Fallible<Judged> {
    let newest = now - HORIZON;
    let days: Vec<i32> =
        (0..=HORIZON / EVERY_DAYS).rev().map(|back| newest - back * EVERY_DAYS).collect();
    let table = events::rolling(purchases, &days);
    let plan = chosen(&table, &folds::forward(&table, HORIZON, 0, 1))?;
    let all: Vec<usize> = (0..table.len()).collect();
    let (fit, _) = additive::fit_linfa(&table, &[], &plan, &all)?;
    fit.model.check()?;
    let judge = events::rolling(purchases, &[now]);
    let rows: Vec<usize> = (0..judge.len()).collect();
    let mut judged = Judged::default();
    judged.add(select::chances(&fit.model, &judge, &rows), judge.labels.clone());
    Ok(judged)
}

pub(crate) fn shoppers(figures: &mut Figures) -> Fallible<()> {
    let (table, numbers) = rows::shoppers()?;
    let mut judged = Judged::default();
    for fold in folds::given(&numbers) {
        let learn = table.pick(&fold.learn);
        let inner = folds::stratified(&learn, 4, SEED)?;
        let boosted = trees::boost_folds(&learn, &[], &inner, &Settings::default())?;
        boosted.forest.check()?;
        judged
            .add(forest_chances(&boosted.forest, &table, &fold.judge), labels(&table, &fold.judge));
    }
    figures.add(
        "online shoppers log-loss, trees",
        mean(&judged.losses),
        Some(Goal::AtMost(0.2254)),
    );
    figures.add("online shoppers AUC, trees", mean(&judged.aucs), Some(Goal::AtLeast(0.9345)));
    figures.add("online shoppers ECE, trees", judged.error(), None);
    Ok(())
}

fn forest_chances(forest: &Forest, table: &Table, rows: &[usize]) -> Vec<f64> {
    let column = |(column, feature): (&heedful::stats::table::Column, _)| match feature {
        Kind::Number => column.values().to_vec(),
        Kind::Category(names) => column.values_in(&names),
    };
    let kinds = forest.features.iter().map(|feature| feature.kind.clone());
    let columns: Vec<Vec<f64>> = table.columns.iter().zip(kinds).map(column).collect();
    let chance = |at: &usize| {
        let row: Vec<f64> = columns.iter().filter_map(|column| column.get(*at).copied()).collect();
        forest.chance(&row)
    };
    rows.iter().map(chance).collect()
}

pub(crate) fn text(figures: &mut Figures) -> Fallible<()> {
    for (name, file, goal) in [
        ("waimai accuracy", "waimai_10k", 0.9),
        ("hotel accuracy", "ChnSentiCorp_htl_all", 0.897),
        ("shopping accuracy", "online_shopping_10_cats", 0.934),
    ] {
        let Ok(cells) = Cells::read(&format!("support_text/{file}.csv")) else {
            println!("  {file} is not there");
            continue;
        };
        let numbers = rows::fold_numbers(&Cells::read(&format!("support_text/{file}_folds.csv"))?)?;
        // The folds leave out a row without a text.
        let rows = cells.texts("review")?.iter().zip(cells.numbers("label")?);
        let (reviews, labels): (Vec<String>, Vec<usize>) = rows
            .filter(|(review, _)| !review.is_empty())
            .map(|(review, label)| (review.clone(), usize::from(0.5 < label)))
            .unzip();
        let (mut right, mut grams) = (Vec::new(), Grams::default());
        for fold in folds::given(&numbers) {
            let model = text_model(&reviews, &labels, &fold.learn)?;
            for row in &fold.judge {
                let (Some(review), Some(label)) = (reviews.get(*row), labels.get(*row)) else {
                    continue;
                };
                let good = 0.5 < model.chance(review, &mut grams);
                right.push(f64::from(u8::from(good == (*label == 1))));
            }
        }
        figures.add(name, mean(&right), Some(Goal::AtLeast(goal)));
    }
    Ok(())
}

/// Chooses how texts are cut and charged inside the learning rows, then fits all of them.
fn text_model(
    reviews: &[String],
    labels: &[usize],
    learn: &[usize],
) -> Fallible<heedful::engine::model::TextModel> {
    let classes = ["bad", "good"];
    let table = Table {
        labels: learn
            .iter()
            .filter_map(|row| labels.get(*row))
            .map(|l| if *l == 0 { 0.0 } else { 1.0 })
            .collect(),
        ..Table::default()
    };
    let inner = folds::stratified(&table, 4, SEED)?.into_iter().next().ok_or("no fold")?;
    let outer = |rows: &[usize]| rows.iter().filter_map(|at| learn.get(*at).copied()).collect();
    let (known, asked): (Vec<usize>, Vec<usize>) = (outer(&inner.learn), outer(&inner.judge));
    let mut best: Option<(f64, text::Settings)> = None;
    let mut grams = Grams::default();
    for chars in [2_u8] {
        let scheme = Scheme { bits: 18, chars, words: 0 };
        let texts = Texts::new(reviews.iter().map(String::as_str), scheme)?;
        for telling in [Telling::Rarity, Telling::Contrast, Telling::Both] {
            for ridge in [0.2, 0.4, 0.8] {
                let settings = text::Settings { scheme, telling, ridge, ..text::Settings::usual() };
                let model = text::fit(&texts, labels, &classes, &settings, &known)?;
                let losses = asked.iter().filter_map(|row| {
                    let (review, label) = (reviews.get(*row)?, labels.get(*row)?);
                    let label = if *label == 0 { 0.0 } else { 1.0 };
                    Some(quality::loss(model.chance(review, &mut grams), label))
                });
                let loss = mean(&losses.collect::<Vec<_>>());
                if best.is_none_or(|(least, _)| loss < least) {
                    best = Some((loss, settings));
                }
            }
        }
    }
    let (loss, settings) = best.ok_or("nothing was tried")?;
    println!("  {settings:?} {loss:.5}");
    let texts = Texts::new(reviews.iter().map(String::as_str), settings.scheme)?;
    let model = text::fit(&texts, labels, &classes, &settings, learn)?;
    model.check()?;
    Ok(model)
}
