//! The file of a fitted model: what was learned, from what, how well, and a hash over all of it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::drift::Baseline;
use super::learned::Fitted;
use super::model::{Additive, Forest, Refused};

/// The format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;
/// Bytes of a file, at most.
pub const FILE_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// It is too large.
    #[error("it has {have} bytes; at most {FILE_BYTES_MAX} are read")]
    TooLarge {
        /// How many it has.
        have: usize,
    },
    /// It is no file of ours, or cut off.
    #[error("it is no fitted model: {0}")]
    Foreign(String),
    /// It was written by a newer release.
    #[error("it is of format {0}; this release reads up to {FORMAT}")]
    Newer(u32),
    /// It is not what was written.
    #[error("its content is not what was written: it was edited, or damaged on its way")]
    Altered,
    /// What was learned cannot be served.
    #[error("{0}")]
    Senseless(Refused),
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The model's name.
    pub model: Box<str>,
    /// Hash of what the model looked at and predicted when it was learned.
    pub definition: Box<str>,
    /// What was learned.
    #[serde(flatten)]
    pub body: Body,
    /// What it was learned from.
    pub learned_from: LearnedFrom,
    /// How well it does on rows that it was not learned from.
    pub quality: Quality,
    /// What the newest of these rows looked like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// A sum over features.
    Additive(Additive),
    /// Boosted trees.
    Forest(Forest),
}

/// The rows that a model was learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedFrom {
    /// How many.
    pub rows: u64,
    /// How many cases among them were positive.
    pub positives: u64,
    /// How many customers stand behind them.
    pub customers: u64,
    /// Day of the first snapshot.
    pub first: Box<str>,
    /// Day of the last.
    pub last: Box<str>,
    /// The seed of every choice by chance.
    pub seed: u64,
}

/// How well a model does on rows that it was not learned from; intervals hold 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// How many rows.
    pub rows: u64,
    /// How many cases among them were positive.
    pub positives: u64,
    /// Mean log-loss, in nats.
    pub log_loss: f64,
    /// Log-loss of always saying how often it happens.
    pub log_loss_of_rate: f64,
    /// Mean squared error of the chance (Brier).
    pub brier: f64,
    /// Expected calibration error over ten bands of equal width.
    pub calibration_error: f64,
    /// Area under the ROC curve, and its interval.
    pub auc: (f64, f64, f64),
    /// Area under the curve of precision over recall.
    pub pr_auc: f64,
    /// How much more often it happens among the tenth with the highest chances.
    pub lift_of_tenth: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    heedful_model: u32,
    hash: String,
    content: Box<RawValue>,
}

/// The text of a file with this content and its hash.
pub(super) fn sealed(content: &impl Serialize) -> Result<String, Unusable> {
    let foreign = |error: serde_json::Error| Unusable::Foreign(error.to_string());
    let content = serde_json::to_string(content).map_err(foreign)?;
    let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
    let content = RawValue::from_string(content).map_err(foreign)?;
    let file = File { heedful_model: FORMAT, hash, content };
    serde_json::to_string(&file).map(|text| text + "\n").map_err(foreign)
}

/// The content of a file whose hash is right.
pub(super) fn opened<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Unusable> {
    if FILE_BYTES_MAX < text.len() {
        return Err(Unusable::TooLarge { have: text.len() });
    }
    let foreign = |error: serde_json::Error| Unusable::Foreign(error.to_string());
    let file: File = serde_json::from_str(text).map_err(foreign)?;
    if FORMAT < file.heedful_model {
        return Err(Unusable::Newer(file.heedful_model));
    }
    if blake3::hash(file.content.get().as_bytes()).to_hex().as_str() != file.hash {
        return Err(Unusable::Altered);
    }
    serde_json::from_str(file.content.get()).map_err(foreign)
}

impl Content {
    /// The text of its file. The same content gives the same bytes.
    ///
    /// # Errors
    /// When it holds a number that is not finite.
    pub fn to_text(&self) -> Result<String, Unusable> {
        self.check()?;
        sealed(self)
    }

    /// Reads the text of a file, and accepts only what can be served.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, Unusable> {
        let content: Self = opened(text)?;
        content.check()?;
        Ok(content)
    }

    fn check(&self) -> Result<(), Unusable> {
        match &self.body {
            Body::Additive(model) => model.check(),
            Body::Forest(model) => model.check(),
        }
        .map_err(Unusable::Senseless)?;
        let features = self.body.features().len();
        let checked = self.baseline.as_ref().map_or(Ok(()), |baseline| baseline.check(features));
        checked.map_err(Unusable::Senseless)
    }
}

impl Body {
    /// The names of its features, in their order.
    pub fn features(&self) -> Vec<&str> {
        match self {
            Self::Additive(model) => model.features.iter().map(|own| &*own.name).collect(),
            Self::Forest(model) => model.features.iter().map(|own| &*own.name).collect(),
        }
    }
}

impl From<Body> for Fitted {
    fn from(body: Body) -> Self {
        match body {
            Body::Additive(model) => Self::Additive(model),
            Body::Forest(model) => Self::Forest(model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Calibration, Curve, Feature, Piece, Scale, Shape};
    use super::*;

    pub(crate) fn content() -> Content {
        let piece = Piece { from: 0.0, c: [0.1, -0.3, 0.0, 0.0] };
        let curve = Curve {
            scale: Scale::Log,
            knots: [].into(),
            pieces: [piece].into(),
            missing: 0.25,
            direction: None,
        };
        let feature = Feature { name: "logins".into(), shape: Shape::Curve(curve) };
        let model = Additive {
            base: -1.5,
            features: [feature].into(),
            calibration: Calibration::default(),
        };
        Content {
            model: "churn".into(),
            definition: "0011223344556677".into(),
            body: Body::Additive(model),
            learned_from: LearnedFrom {
                rows: 1_000,
                positives: 200,
                customers: 300,
                first: "2026-01-01".into(),
                last: "2026-06-01".into(),
                seed: 7,
            },
            quality: Quality {
                rows: 400,
                positives: 80,
                log_loss: 0.41,
                log_loss_of_rate: 0.5,
                brier: 0.13,
                calibration_error: 0.01,
                auc: (0.8, 0.75, 0.85),
                pr_auc: 0.6,
                lift_of_tenth: 3.2,
            },
            baseline: None,
        }
    }

    #[test]
    fn a_file_comes_back_as_it_was_written() {
        let text = content().to_text().unwrap();
        assert_eq!(Content::parse(&text), Ok(content()));
        assert_eq!(content().to_text().unwrap(), text);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_with_why() {
        let text = content().to_text().unwrap();
        assert_eq!(Content::parse(&text.replace("-1.5", "1.5")), Err(Unusable::Altered));
        assert_eq!(
            Content::parse(&text.replace("\"heedful_model\":1", "\"heedful_model\":2")),
            Err(Unusable::Newer(2))
        );
        for cut in [0, 1, text.len() / 2, text.len() - 3] {
            assert!(
                matches!(Content::parse(text.get(..cut).unwrap()), Err(Unusable::Foreign(_))),
                "{cut}"
            );
        }
        let large = " ".repeat(FILE_BYTES_MAX + 1);
        assert!(matches!(Content::parse(&large), Err(Unusable::TooLarge { .. })));
    }

    #[test]
    fn what_cannot_be_served_is_neither_written_nor_read() {
        let mut wrong = content();
        let Body::Additive(model) = &mut wrong.body else { panic!() };
        model.base = f64::INFINITY;
        assert!(matches!(wrong.to_text(), Err(Unusable::Senseless(_))));
    }
}
