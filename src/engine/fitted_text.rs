//! The file of a fitted model of texts: in the same envelope as those of other models.

use serde::{Deserialize, Serialize};

use super::fitted::{self, Unusable};
use super::model::TextModel;
use super::reading::TextLeast;
use super::terms::misses_of_chances;

/// What a file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextContent {
    /// The model's name.
    pub model: Box<str>,
    /// Hash of what its rows meant when it was learned.
    pub definition: Box<str>,
    /// What was learned.
    pub text: TextModel,
    /// What it was learned from.
    pub learned_from: TextRows,
    /// How well it does on texts that it was not learned from.
    pub quality: TextQuality,
}

/// The rows that a model was learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRows {
    /// How many.
    pub rows: u64,
    /// How many different texts.
    pub texts: u64,
    /// Rows of each class, in their order.
    pub classes: Box<[u64]>,
    /// The seed of every choice by chance.
    pub seed: u64,
}

/// How well a model does on texts that it was not learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextQuality {
    /// Part of the texts whose class is found, and its interval of 95 %.
    pub accuracy: (f64, f64, f64),
    /// Accuracy of always naming the commonest class.
    pub accuracy_of_commonest: f64,
    /// Mean over classes of the harmonic mean of precision and recall.
    pub f1: f64,
    /// Mean log-loss, in nats.
    pub log_loss: f64,
    /// Log-loss of always saying how common each class is.
    pub log_loss_of_rate: f64,
    /// Expected calibration error over ten bands of equal width.
    pub calibration_error: f64,
}

impl TextContent {
    /// The text of its file. The same content gives the same bytes.
    ///
    /// # Errors
    /// When it holds a number that is not finite.
    pub fn to_text(&self) -> Result<String, Unusable> {
        self.text.check().map_err(Unusable::Senseless)?;
        fitted::sealed(self)
    }

    /// Reads the text of a file, and accepts only what can be served.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let content: Self = fitted::opened(text)?;
        content.text.check().map_err(Unusable::Senseless)?;
        Ok(content)
    }

    /// The names of the classes that are in what was learned, given all of them.
    pub fn is_for(&self, classes: &[std::sync::Arc<str>]) -> bool {
        let own = self.text.classes.iter().map(|class| &*class.name);
        let left_out = usize::from(classes.len() == 2);
        own.eq(classes.iter().skip(left_out).map(|class| &**class))
    }
}

impl TextLeast {
    /// What is below it in a quality, in words; nothing when the model may speak.
    pub fn misses(&self, quality: &TextQuality) -> Vec<String> {
        let mut misses = Vec::new();
        let (accuracy, ..) = quality.accuracy;
        // Also what is not a number may not speak.
        let is_enough = self.accuracy <= accuracy;
        if !is_enough {
            misses.push(format!("accuracy {accuracy:.3}, and {:.3} is the least", self.accuracy));
        }
        let error = (quality.calibration_error, self.calibration_error_at_most);
        let losses = (quality.log_loss, quality.log_loss_of_rate);
        misses.extend(misses_of_chances(error, losses, "how common each class is"));
        misses
    }
}
