//! Fitting text models: ridge logistic regression on hashed pieces of texts, weights rounded to a
//! byte.
//!
//! The row of a text is `t_b / sqrt(sum t_b^2)`, with `t_b` as in
//! [`TextModel`], each bucket multiplied by how much it tells; that
//! factor ends up inside the served weight.

use super::fault::Fault;
use super::lbfgs;
use super::table::{number, pick};
use crate::engine::model::{Class, Grams, Scheme, TextModel, logistic};

/// How a text model is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How texts are cut.
    pub scheme: Scheme,
    /// How much a bucket tells.
    pub telling: Telling,
    /// The charge on squared weights.
    pub ridge: f64,
    /// Steps at most.
    pub steps: usize,
}

/// How much a bucket tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// The rarer the more: 1 + ln((1 + texts) / (1 + texts with it)).
    Rarity,
    /// The more its share differs between both classes the more: |ln of the ratio| (Wang and Manning
    /// 2012). Two classes only.
    Contrast,
    /// The average of a model of either kind.
    Both,
}

impl Settings {
    /// What is usual for texts in any script: pairs of characters and of words.
    pub fn usual() -> Self {
        let scheme = Scheme { bits: 18, chars: 2, words: 2 };
        Self { scheme, telling: Telling::Both, ridge: 0.4, steps: 40 }
    }
}

/// Texts as rows, cut once.
#[derive(Debug)]
pub struct Texts {
    scheme: Scheme,
    starts: Vec<usize>,
    cells: Vec<(u32, f64)>,
}

/// Classes fewer than this are a mistake of one class.
const CLASSES_MIN: usize = 2;
/// The gradient at which a search ends, as a part of what it was.
const TOLERANCE: f64 = 1e-3;
/// The pseudo-count in ratios of shares.
const SMOOTH: f64 = 1.0;

impl Texts {
    /// Cuts texts.
    ///
    /// # Errors
    /// When the scheme makes no sense.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>, scheme: Scheme) -> Result<Self, Fault> {
        let (name, why) = ("text pieces".to_owned(), "must be 0 to 4 characters, 0 to 2 words");
        scheme.check().map_err(|_| Fault::Unusable { name, why })?;
        let mut grams = Grams::default();
        let mut cut = Self { scheme, starts: vec![0], cells: Vec::new() };
        for text in texts {
            let start = cut.cells.len();
            cut.cells.extend(grams.read(text, scheme));
            let own = cut.cells.get_mut(start..).unwrap_or_default();
            let length: f64 = own.iter().map(|(_, times)| times * times).sum();
            let length = if length == 0.0 { 1.0 } else { length.sqrt() };
            own.iter_mut().for_each(|(_, times)| *times /= length);
            cut.starts.push(cut.cells.len());
        }
        Ok(cut)
    }

    fn row(&self, row: usize) -> &[(u32, f64)] {
        let (start, end) = (self.starts.get(row), self.starts.get(row + 1));
        let range = start.copied().unwrap_or(0)..end.copied().unwrap_or(0);
        self.cells.get(range).unwrap_or_default()
    }
}

/// Fits a model to some texts. `labels` has the place of each text's class in `classes`. With two
/// classes the model gives the chance of the second, and only that one is in it; with more, of each.
///
/// # Errors
/// When there are fewer than two classes, or one of them has no text.
pub fn fit(
    texts: &Texts,
    labels: &[usize],
    classes: &[&str],
    settings: &Settings,
    rows: &[usize],
) -> Result<TextModel, Fault> {
    let own = pick(labels, rows);
    if classes.len() < CLASSES_MIN {
        return Err(Fault::TooFew { what: "classes", have: classes.len(), need: CLASSES_MIN });
    }
    if let Some((_, name)) = classes.iter().enumerate().find(|(class, _)| !own.contains(class)) {
        return Err(Fault::Unusable { name: (*name).to_owned(), why: "no text has this class" });
    }
    let served = if classes.len() == 2 { classes.get(1..).unwrap_or_default() } else { classes };
    let ways = match (settings.telling, served.len()) {
        (Telling::Both, 1) => vec![Telling::Rarity, Telling::Contrast],
        (Telling::Contrast, 1) => vec![Telling::Contrast],
        (Telling::Both | Telling::Contrast | Telling::Rarity, _) => vec![Telling::Rarity],
    };
    // A sum of linear models is one linear model: their average costs nothing when served.
    let share = 1.0 / number(ways.len());
    let mut sum = vec![0.0; (texts.scheme.buckets() + 1) * served.len()];
    for way in ways {
        let weights =
            one_way(texts, &own, served.len(), &Settings { telling: way, ..*settings }, rows);
        sum.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += share * weight);
    }
    let (folded, biases) = sum.split_at(texts.scheme.buckets() * served.len());
    Ok(rounded(texts.scheme, served, (folded, biases)))
}

/// Weights bucket by bucket, one per class, with how much a bucket tells folded in; then the biases.
fn one_way(
    texts: &Texts,
    labels: &[usize],
    classes: usize,
    settings: &Settings,
    rows: &[usize],
) -> Vec<f64> {
    let buckets = texts.scheme.buckets();
    let mut telling = match settings.telling {
        Telling::Contrast => contrast(texts, labels, rows, buckets),
        Telling::Both | Telling::Rarity => rarity(texts, rows, buckets),
    };
    // On average a piece tells 1, so that one charge fits all texts and both ways of telling.
    let mut squares = (0.0, 0.0);
    each(texts, rows, |_, bucket, value| {
        let told = value * telling.get(bucket).copied().unwrap_or(0.0);
        squares = (squares.0 + told * told, squares.1 + value * value);
    });
    let unit = if 0.0 < squares.0 { (squares.1 / squares.0).sqrt() } else { 1.0 };
    telling.iter_mut().for_each(|telling| *telling *= unit);
    let (cells, used) = seated(texts, rows, &telling);
    let search = Search { cells: &cells, labels, classes };
    let start = vec![0.0; (used.len() + 1) * classes];
    let ridge = settings.ridge;
    let weights = lbfgs::minimise(start, settings.steps, TOLERANCE, |weights, gradient| {
        search.pass(weights, gradient, ridge)
    });
    let (weights, biases) = weights.split_at(used.len() * classes);
    let mut folded = vec![0.0; buckets * classes];
    for (bucket, weights) in used.iter().zip(weights.chunks_exact(classes)) {
        let telling = telling.get(*bucket).copied().unwrap_or(0.0);
        let own = folded.iter_mut().skip(bucket * classes);
        own.zip(weights).for_each(|(slot, weight)| *slot = weight * telling);
    }
    folded.extend_from_slice(biases);
    folded
}

/// The rows with buckets numbered anew, without gaps, and multiplied by how much they tell; and the
/// buckets in that order. A search over used buckets only is several times faster.
fn seated(texts: &Texts, rows: &[usize], telling: &[f64]) -> (Vec<Vec<(usize, f64)>>, Vec<usize>) {
    let mut seats = vec![None; telling.len()];
    let mut used = Vec::new();
    let mut seat = |(bucket, value): &(u32, f64)| {
        let bucket = usize::try_from(*bucket).ok()?;
        let seat = seats.get_mut(bucket)?;
        let seat = *seat.get_or_insert_with(|| {
            used.push(bucket);
            used.len() - 1
        });
        Some((seat, value * telling.get(bucket)?))
    };
    let cells = rows.iter().map(|row| texts.row(*row).iter().filter_map(&mut seat).collect());
    let cells = cells.collect();
    (cells, used)
}

struct Search<'a> {
    cells: &'a [Vec<(usize, f64)>],
    labels: &'a [usize],
    classes: usize,
}

impl Search<'_> {
    /// The objective and its gradient. Weights stand bucket by bucket, one per class; biases, which
    /// are not charged, behind them.
    fn pass(&self, weights: &[f64], gradient: &mut [f64], ridge: f64) -> f64 {
        let classes = self.classes;
        let (weights, biases) = weights.split_at(weights.len() - classes);
        let (slots, bias_slots) = gradient.split_at_mut(weights.len());
        let mut objective = 0.0;
        for (slot, weight) in slots.iter_mut().zip(weights) {
            *slot = ridge * weight;
            objective += 0.5 * ridge * weight * weight;
        }
        bias_slots.fill(0.0);
        let mut logits = vec![0.0; classes];
        for (cells, label) in self.cells.iter().zip(self.labels) {
            logits.copy_from_slice(biases);
            for (seat, value) in cells {
                let start = seat * classes;
                let own = weights.get(start..start + classes).unwrap_or_default();
                logits.iter_mut().zip(own).for_each(|(logit, weight)| *logit += value * weight);
            }
            objective += errors(&mut logits, *label);
            for (seat, value) in cells {
                let start = seat * classes;
                let own = slots.get_mut(start..start + classes).unwrap_or_default();
                own.iter_mut().zip(&logits).for_each(|(slot, error)| *slot += value * error);
            }
            bias_slots.iter_mut().zip(&logits).for_each(|(slot, error)| *slot += error);
        }
        objective
    }
}

/// Turns logits into chances minus what happened; gives the loss.
fn errors(logits: &mut [f64], label: usize) -> f64 {
    if let [logit] = logits {
        let happened = if label == 0 { 0.0 } else { 1.0 };
        let loss = logit.max(0.0) - happened * *logit + (-logit.abs()).exp().ln_1p();
        *logit = logistic(*logit) - happened;
        return loss;
    }
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let own = logits.get(label).copied().unwrap_or(most);
    let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
    for (class, logit) in logits.iter_mut().enumerate() {
        let happened = if class == label { 1.0 } else { 0.0 };
        *logit = (*logit - most).exp() / sum - happened;
    }
    sum.ln() + most - own
}

fn rarity(texts: &Texts, rows: &[usize], buckets: usize) -> Vec<f64> {
    let mut counts = vec![0.0; buckets];
    each(texts, rows, |_, bucket, _| {
        if let Some(count) = counts.get_mut(bucket) {
            *count += 1.0;
        }
    });
    let all = 1.0 + number(rows.len());
    counts.iter().map(|count| 1.0 + (all / (1.0 + count)).ln()).collect()
}

fn contrast(texts: &Texts, labels: &[usize], rows: &[usize], buckets: usize) -> Vec<f64> {
    let mut sums = vec![(SMOOTH, SMOOTH); buckets];
    let mut all = (0.0, 0.0);
    each(texts, rows, |place, bucket, _| {
        let Some(sums) = sums.get_mut(bucket) else { return };
        match labels.get(place) {
            Some(0) => (sums.0, all.0) = (sums.0 + 1.0, all.0 + 1.0),
            Some(_) | None => (sums.1, all.1) = (sums.1 + 1.0, all.1 + 1.0),
        }
    });
    let base: f64 = all.1 / all.0;
    sums.iter().map(|(none, some)| (some / none / base).ln().abs()).collect()
}

/// Calls with every row's place in `rows`, bucket and value.
fn each(texts: &Texts, rows: &[usize], mut seen: impl FnMut(usize, usize, f64)) {
    for (place, row) in rows.iter().enumerate() {
        for (bucket, value) in texts.row(*row) {
            if let Ok(bucket) = usize::try_from(*bucket) {
                seen(place, bucket, *value);
            }
        }
    }
}

/// Rounds weights to bytes, one scale per class.
fn rounded(scheme: Scheme, names: &[&str], (folded, biases): (&[f64], &[f64])) -> TextModel {
    let count = names.len();
    let scale = |class: usize| {
        let own = folded.iter().skip(class).step_by(count);
        own.fold(0.0, |most: f64, weight| most.max(weight.abs())) / 127.0
    };
    let scales: Vec<f64> = (0..count).map(scale).collect();
    let byte = |(weight, scale): (&f64, &f64)| {
        let steps = if *scale == 0.0 { 0.0 } else { (weight / scale).round() };
        #[expect(clippy::cast_possible_truncation, reason = "at most 127 by the choice of scale")]
        let byte = steps.clamp(-127.0, 127.0) as i8;
        byte
    };
    let weights = folded.iter().zip(scales.iter().cycle()).map(byte).collect();
    let class = |((name, bias), scale): ((&&str, &f64), &f64)| Class {
        name: (*name).into(),
        bias: *bias,
        scale: *scale,
    };
    let classes = names.iter().zip(biases).zip(&scales).map(class).collect();
    TextModel { scheme, classes, weights }
}
