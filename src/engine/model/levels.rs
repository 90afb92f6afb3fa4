//! What a category gives to the logit: one number per level.

use serde::{Deserialize, Serialize};

use super::LEVELS_MAX;
use super::refused::{Refused, at_most, exactly, finite, name, rising};

/// The part of the logit that a category gives, minus its average over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// The levels that were frequent enough in training, sorted.
    pub names: Box<[Box<str>]>,
    /// What each gives, in the same order.
    pub parts: Box<[f64]>,
    /// What a rare or unknown level gives.
    pub other: f64,
    /// What a missing one gives.
    pub missing: f64,
}

impl Levels {
    /// The number that stands for a level in a row; the number of levels for a rare or unknown one.
    pub fn code(&self, level: &str) -> f64 {
        let at = self.names.binary_search_by(|known| (**known).cmp(level));
        u32::try_from(at.unwrap_or(self.names.len())).map_or(f64::MAX, f64::from)
    }

    /// What the level with a code gives to the logit; not finite = missing.
    pub fn part(&self, code: f64) -> f64 {
        if !code.is_finite() {
            return self.missing;
        }
        position(code).and_then(|at| self.parts.get(at)).copied().unwrap_or(self.other)
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says which number, length or order is wrong.
    pub fn check(&self, feature: &str) -> Result<(), Refused> {
        at_most(self.names.len(), LEVELS_MAX, || format!("levels of `{feature}`"))?;
        exactly(self.parts.len(), self.names.len(), || format!("parts of `{feature}`"))?;
        for level in &self.names {
            name(level, || format!("bytes in a level's name of `{feature}`"))?;
        }
        rising(&self.names, || format!("levels of `{feature}`"))?;
        for part in self.parts.iter().chain([&self.other, &self.missing]) {
            finite(*part, || format!("a level of `{feature}`"))?;
        }
        Ok(())
    }
}

/// The place that a code means, if it means one.
pub fn position(code: f64) -> Option<usize> {
    let known = (0.0..f64::from(u32::MAX)).contains(&code);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0..2^32 by the line above"
    )]
    known.then_some(code as u32 as usize)
}
