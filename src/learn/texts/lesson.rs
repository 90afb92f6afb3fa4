//! One lesson: labelled texts in, a model and all that is said about it out.

use std::collections::BTreeMap;

use super::judge::{self, TextJudgement};
use super::labelled::{Labelled, Passed};
use super::refusal::TextRefusal;
use crate::engine::fitted_text::{TextContent, TextRows};
use crate::engine::model::{Grams, Scheme, TextModel, logistic};
use crate::engine::reading::Reader;
use crate::stats::calibrate;
use crate::stats::folds::{self, Fold};
use crate::stats::table::{number, pick};
use crate::stats::text::{Settings, Texts, fit};

/// Parts of the texts, each of which judges once.
const FOLDS: usize = 5;
/// Buckets: 2^ so many at least and at most. Few texts need few.
const BITS: (u8, u8) = (12, 18);
/// Buckets for each different piece, about: more make no difference.
const BUCKETS_PER_PIECE: usize = 8;
/// Weights of a model, at most: it is read at every start.
const WEIGHTS_MAX: usize = 1 << 21;
/// The charge on squared weights where there are more than two classes: each has weights of its own,
/// and fewer texts.
const RIDGE_OF_SEVERAL: f64 = 0.1;
/// A piece in so large a part of a class, and nearly nowhere else, gives it away.
const LEAK: f64 = 0.99;
/// Steps of the search for the slope of several classes, and its ends as logarithms.
const SLOPE: (usize, f64) = (60, 3.0);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct TextWish {
    /// Where all chance comes from.
    pub seed: u64,
    /// Pieces that may tell as much as they do.
    pub trusted: Vec<String>,
}

/// What was learned, and what is to be said about it.
#[derive(Debug)]
pub struct TextLesson {
    /// The model with all that its file says.
    pub content: TextContent,
    /// How good the same recipe was on texts that it did not learn from.
    pub judgement: TextJudgement,
    /// What makes its chances honest.
    pub line: Line,
    /// What was not taken, and what is odd.
    pub passed: Passed,
}

/// What is done to logits so that chances are honest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Logits are multiplied by it.
    pub slope: f64,
    /// Then this is added: with two classes only.
    pub intercept: f64,
}

/// Learns a model from labelled texts and judges it. `part` hears how far it is.
///
/// # Errors
/// Why there is no model.
pub fn learn(
    reader: &Reader,
    labelled: &Labelled,
    wish: &TextWish,
    part: &mut dyn FnMut(f64),
) -> Result<TextLesson, TextRefusal> {
    let classes: Vec<&str> = reader.classes.iter().map(|class| &**class).collect();
    enough(reader, labelled)?;
    let settings = settings(labelled, classes.len());
    leaks(&classes, labelled, settings.scheme, &wish.trusted)?;
    let texts = Texts::new(labelled.texts.iter().map(|text| &**text), settings.scheme)?;
    let folds = deal(labelled, classes.len(), wish.seed);
    let mut logits = vec![Vec::new(); labelled.texts.len()];
    let steps = folds.len() + 1;
    for (done, fold) in (1_u32..).zip(&folds) {
        let model = fit(&texts, &labelled.classes, &classes, &settings, &fold.learn)?;
        speak(&model, labelled, fold, &mut logits);
        part(f64::from(done) / number(steps));
    }
    // What judges a fold was made honest by the others.
    let mut chances = vec![Vec::new(); labelled.texts.len()];
    for fold in &folds {
        let line = line(&pick(&logits, &fold.learn), &pick(&labelled.classes, &fold.learn));
        for row in &fold.judge {
            if let (Some(own), Some(slot)) = (logits.get(*row), chances.get_mut(*row)) {
                *slot = line.chances(own);
            }
        }
    }
    let (truths, groups) = (&labelled.classes, &labelled.groups);
    let judgement = judge::judge(&chances, truths, groups, classes.len(), wish.seed);
    let misses = reader.lesson.least.misses(&judgement.quality());
    if !misses.is_empty() {
        return Err(TextRefusal::NotGoodEnough { misses });
    }
    let everything: Vec<usize> = (0..labelled.texts.len()).collect();
    let mut text = fit(&texts, &labelled.classes, &classes, &settings, &everything)?;
    let line = line(&logits, &labelled.classes);
    line.fold_into(&mut text);
    part(1.0);
    let count = |count: usize| count as u64;
    let content = TextContent {
        model: (*reader.name).into(),
        definition: (*reader.lesson.definition).into(),
        text,
        learned_from: TextRows {
            rows: count(labelled.texts.len()),
            texts: labelled.groups.last().map_or(0, |last| u64::from(*last) + 1),
            classes: labelled.rows(classes.len()).into_iter().map(count).collect(),
            seed: wish.seed,
        },
        quality: judgement.quality(),
    };
    content.to_text().map_err(|why| TextRefusal::Unservable(why.to_string()))?;
    Ok(TextLesson { content, judgement, line, passed: labelled.passed.clone() })
}

fn enough(reader: &Reader, labelled: &Labelled) -> Result<(), TextRefusal> {
    let different = labelled.different(reader.classes.len());
    let counts = || reader.classes.iter().zip(&different);
    let mut some = counts().filter(|(_, count)| **count != 0);
    match (some.next(), some.next()) {
        (None, _) => {
            let Passed { short, unlabelled, .. } = labelled.passed;
            return Err(TextRefusal::Nothing { rows: short + unlabelled, short, unlabelled });
        }
        (Some((class, _)), None) => {
            return Err(TextRefusal::OneClass { class: (**class).into() });
        }
        (Some(_), Some(_)) => {}
    }
    let need = reader.lesson.least.labels;
    match counts().min_by_key(|(_, count)| **count) {
        Some((class, have)) if (*have as u64) < need => {
            Err(TextRefusal::TooFew { class: (**class).into(), have: *have, need })
        }
        _ => Ok(()),
    }
}

/// As usual, with as many buckets as there is something to put into.
fn settings(labelled: &Labelled, classes: usize) -> Settings {
    let usual = Settings::usual();
    let finest = Scheme { bits: 20, ..usual.scheme };
    let mut seen = vec![false; finest.buckets()];
    let mut grams = Grams::default();
    for text in &labelled.texts {
        for (bucket, _) in grams.read(text, finest) {
            if let Some(seen) = seen.get_mut(bucket as usize) {
                *seen = true;
            }
        }
    }
    let pieces = seen.iter().filter(|seen| **seen).count();
    let served = if classes == 2 { 1 } else { classes };
    let (least, most) = BITS;
    let fits = |bits: &u8| served << bits <= WEIGHTS_MAX;
    let most = (least..=most).filter(fits).max().unwrap_or(least);
    let bits = (least..most).find(|bits| BUCKETS_PER_PIECE * pieces <= 1 << bits).unwrap_or(most);
    let ridge = if classes == 2 { usual.ridge } else { RIDGE_OF_SEVERAL };
    Settings { scheme: Scheme { bits, ..usual.scheme }, ridge, ..usual }
}

/// Refuses texts with a piece that alone tells a class from all others.
fn leaks(
    classes: &[&str],
    labelled: &Labelled,
    scheme: Scheme,
    trusted: &[String],
) -> Result<(), TextRefusal> {
    let rows = labelled.rows(classes.len());
    let mut counts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut grams = Grams::default();
    for (text, class) in labelled.texts.iter().zip(&labelled.classes) {
        for (bucket, _) in grams.read(text, scheme) {
            let own = counts.entry(bucket).or_insert_with(|| vec![0; classes.len()]);
            if let Some(count) = own.get_mut(*class) {
                *count += 1;
            }
        }
    }
    for (bucket, own) in &counts {
        let all: usize = own.iter().sum();
        for ((count, rows), (place, class)) in own.iter().zip(&rows).zip(classes.iter().enumerate())
        {
            let gives_away = LEAK * number(*rows) <= number(*count)
                && number(all - count) <= (1.0 - LEAK) * number(*rows);
            if !gives_away {
                continue;
            }
            let texts = labelled.texts.iter().zip(&labelled.classes);
            let mut own = texts.filter(|(_, class)| **class == place);
            let piece = own.find_map(|(text, _)| scheme.piece(text, *bucket)).unwrap_or_default();
            if !trusted.iter().any(|trusted| **trusted == *piece) {
                return Err(TextRefusal::Leak { piece, class: (*class).into() });
            }
        }
    }
    Ok(())
}

/// Deals texts into parts, those that say the same into one, and of each class as many into each.
fn deal(labelled: &Labelled, classes: usize, seed: u64) -> Vec<Fold> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut groups: Vec<Vec<u32>> = vec![Vec::new(); classes];
    let mut last = None;
    for (class, group) in labelled.classes.iter().zip(&labelled.groups) {
        if last != Some(group)
            && let Some(own) = groups.get_mut(*class)
        {
            own.push(*group);
        }
        last = Some(group);
    }
    let all = labelled.groups.last().map_or(0, |last| *last as usize + 1);
    let mut part_of = vec![0; all];
    let mut dealt = 0;
    for mut own in groups {
        random.shuffle(&mut own);
        for group in own {
            if let Some(part) = part_of.get_mut(group as usize) {
                *part = dealt % FOLDS;
            }
            dealt += 1;
        }
    }
    let part = |group: &u32| part_of.get(*group as usize).copied().unwrap_or(0);
    folds::given(&labelled.groups.iter().map(part).collect::<Vec<_>>())
}

fn speak(model: &TextModel, labelled: &Labelled, fold: &Fold, logits: &mut [Vec<f64>]) {
    let mut grams = Grams::default();
    for row in &fold.judge {
        if let (Some(text), Some(slot)) = (labelled.texts.get(*row), logits.get_mut(*row)) {
            *slot = vec![0.0; model.classes.len()];
            model.logits(text, &mut grams, slot);
        }
    }
}

/// What makes the chances of logits honest, found on texts that they were not learned from.
fn line(logits: &[Vec<f64>], classes: &[usize]) -> Line {
    let as_is = Line { slope: 1.0, intercept: 0.0 };
    if logits.iter().all(|own| own.len() == 1) {
        let own: Vec<f64> = logits.iter().flatten().copied().collect();
        let labels: Vec<f64> =
            classes.iter().map(|class| if *class == 0 { 0.0 } else { 1.0 }).collect();
        let found = calibrate::platt(&own, &labels);
        return found
            .map_or(as_is, |found| Line { slope: found.slope, intercept: found.intercept });
    }
    let loss = |log: f64| {
        let line = Line { slope: log.exp(), intercept: 0.0 };
        let of = |(own, class): (&Vec<f64>, &usize)| {
            let chance = line.chances(own).get(*class).copied().unwrap_or(0.0);
            crate::stats::quality::loss(chance, 1.0)
        };
        logits.iter().zip(classes).map(of).sum::<f64>()
    };
    // The loss has one lowest point along the slope: the interval around it is cut by a third.
    let (steps, end) = SLOPE;
    let (mut low, mut high) = (-end, end);
    for _ in 0..steps {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if loss(left) < loss(right) { high = right } else { low = left }
    }
    Line { slope: f64::midpoint(low, high).exp(), intercept: 0.0 }
}

impl Line {
    /// The chance of each class.
    fn chances(self, logits: &[f64]) -> Vec<f64> {
        let moved = |logit: &f64| self.slope * logit + self.intercept;
        if let [logit] = logits {
            let second = logistic(moved(logit));
            return vec![1.0 - second, second];
        }
        let most = logits.iter().map(moved).fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|logit| (moved(logit) - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }

    /// A model that gives honest chances by itself.
    fn fold_into(self, model: &mut TextModel) {
        for class in &mut model.classes {
            class.bias = self.slope * class.bias + self.intercept;
            class.scale *= self.slope;
        }
    }
}
