//! From a text to chances: one small weight per bucket and class.
//!
//! With `t_b` = 1 + ln(times bucket b occurs), the logit of a class is
//! `bias + scale * sum(t_b w_b) / sqrt(sum(t_b^2))`. How much a bucket tells (its inverse document
//! frequency) is folded into `w_b`, so that serving needs no second table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grams::spelled;
use super::refused::{Refused, at_most, exactly, finite, name, senseless};
use super::{Grams, Scheme, TEXT_WEIGHTS_MAX, logistic, packed};

/// Classes a text model may have.
const CLASSES_MAX: usize = 256;

/// A fitted text model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextModel {
    /// How texts are cut.
    pub scheme: Scheme,
    /// One class: its chance is a logistic function of its logit. More: softmax over all.
    pub classes: Box<[Class]>,
    /// Bucket by bucket, one weight per class.
    #[serde(with = "packed")]
    pub weights: Box<[i8]>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name.
    pub name: Box<str>,
    /// Its logit for a text without known pieces.
    pub bias: f64,
    /// What one step of a weight is worth.
    pub scale: f64,
}

impl TextModel {
    /// The logit of each class, written to `logits` (one per class). Does not allocate.
    pub fn logits(&self, text: &str, grams: &mut Grams, logits: &mut [f64]) {
        logits.fill(0.0);
        let classes = self.classes.len();
        let mut length = 0.0;
        for (bucket, times) in grams.read(text, self.scheme) {
            length += times * times;
            let start = usize::try_from(bucket).unwrap_or(usize::MAX).saturating_mul(classes);
            let weights = self.weights.get(start..).unwrap_or_default();
            for (logit, weight) in logits.iter_mut().zip(weights.iter().take(classes)) {
                *logit += times * f64::from(*weight);
            }
        }
        let length = if length == 0.0 { 1.0 } else { length.sqrt() };
        for (logit, class) in logits.iter_mut().zip(&self.classes) {
            *logit = class.bias + class.scale * *logit / length;
        }
    }

    /// The chance of the first class: the one that a model with one class is about.
    pub fn chance(&self, text: &str, grams: &mut Grams) -> f64 {
        let mut logit = [0.0];
        if self.classes.len() == 1 {
            self.logits(text, grams, &mut logit);
        }
        let [logit] = logit;
        logistic(logit)
    }

    /// The chance of each class, written to `chances` (one per class). Does not allocate.
    pub fn chances(&self, text: &str, grams: &mut Grams, chances: &mut [f64]) {
        self.logits(text, grams, chances);
        if self.classes.len() == 1 {
            chances.iter_mut().for_each(|logit| *logit = logistic(*logit));
            return;
        }
        let most = chances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for logit in chances.iter_mut() {
            *logit = (*logit - most).exp();
            sum += *logit;
        }
        chances.iter_mut().for_each(|chance| *chance /= sum);
    }

    /// What each word or run of characters of a text adds to the logit of a class, the largest
    /// first: with its bias they sum to the logit. With several classes, what it adds beyond what
    /// it adds to all of them on average.
    pub fn reasons(&self, text: &str, class: usize) -> Vec<(Box<str>, f64)> {
        let classes = self.classes.len();
        let scale = |class: usize| self.classes.get(class).map_or(0.0, |class| class.scale);
        let weight = |bucket: u32, class: usize| {
            let at = usize::try_from(bucket).unwrap_or(usize::MAX).saturating_mul(classes);
            let weight = self.weights.get(at.saturating_add(class)).copied().unwrap_or(0);
            scale(class) * f64::from(weight)
        };
        let cells: BTreeMap<u32, f64> =
            Grams::for_text(text, self.scheme).read(text, self.scheme).collect();
        let squares: f64 = cells.values().map(|times| times * times).sum();
        let length = if squares == 0.0 { 1.0 } else { squares.sqrt() };
        let pieces = spelled(text, self.scheme);
        let mut occurs: BTreeMap<u32, f64> = BTreeMap::new();
        pieces.iter().for_each(|piece| *occurs.entry(piece.bucket).or_default() += 1.0);
        let mut parts: BTreeMap<Box<str>, f64> = BTreeMap::new();
        for piece in pieces {
            let (Some(times), Some(occurs)) = (cells.get(&piece.bucket), occurs.get(&piece.bucket))
            else {
                continue;
            };
            let mut own = weight(piece.bucket, class);
            if 1 < classes {
                let all: f64 = (0..classes).map(|class| weight(piece.bucket, class)).sum();
                own -= all / f64::from(u32::try_from(classes).unwrap_or(u32::MAX));
            }
            *parts.entry(piece.text).or_default() += own * times / length / occurs;
        }
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_by(|left, right| right.1.total_cmp(&left.1));
        parts
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says which number, length or name is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        self.scheme.check()?;
        at_most(self.classes.len(), CLASSES_MAX, || "classes".to_owned())?;
        if self.classes.is_empty() {
            exactly(0, 1, || "classes".to_owned())?;
        }
        let want = self.scheme.buckets() * self.classes.len();
        at_most(want, TEXT_WEIGHTS_MAX, || "text weights".to_owned())?;
        exactly(self.weights.len(), want, || "text weights".to_owned())?;
        for class in &self.classes {
            name(&class.name, || "bytes in a class's name".to_owned())?;
            finite(class.bias, || format!("bias of `{}`", class.name))?;
            finite(class.scale, || format!("scale of `{}`", class.name))?;
            if class.scale < 0.0 {
                return senseless(format!("scale of `{}`", class.name), "must not be below 0");
            }
        }
        Ok(())
    }
}
