//! A learned model in force: the features of one customer at one instant, through the fitted sum or
//! trees, to a chance and its reasons.

use smallvec::{SmallVec, smallvec};

use super::classifier::{Classifier, Eligibility, Feature, FeatureKind};
use super::drift::{Baseline, Drift};
use super::evaluate::Scope;
use super::health::{self, Assessment, Contribution};
use super::model::{Additive, Forest, ShapScratch, Shape};
use super::rival::Challenger;
use super::time::Timestamp;
use super::value::ValueRef;

/// Features of most models: rows of so many are made without allocation.
const ROOM: usize = 32;

type Row = SmallVec<[f64; ROOM]>;

/// A learned model in force.
#[derive(Debug)]
pub struct Learned {
    /// What it looks at, whom it judges and what it predicts.
    pub classifier: Classifier,
    /// What was learned: it has the classifier's features, in their order.
    pub fitted: Fitted,
    /// What the rows that it was learned from looked like.
    pub baseline: Option<Baseline>,
    /// Up to when it was known what came, when it was learned.
    pub known_to: Option<Timestamp>,
    /// Another one that was learned for the same definition, and is only watched.
    pub challenger: Option<Box<Challenger>>,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub enum Fitted {
    /// A sum over features.
    Additive(Additive),
    /// Boosted trees.
    Forest(Forest),
}

impl Fitted {
    /// The number that stands for a category's text in a row.
    pub fn code(&self, feature: usize, text: &str) -> f64 {
        match self {
            Self::Additive(model) => match model.features.get(feature).map(|own| &own.shape) {
                Some(Shape::Levels(levels)) => levels.code(text),
                Some(Shape::Curve(_)) | None => f64::NAN,
            },
            Self::Forest(model) => model.code(feature, text),
        }
    }

    /// The chance for a row, 0 to 1.
    pub fn chance(&self, row: &[f64]) -> f64 {
        match self {
            Self::Additive(model) => model.chance(row),
            Self::Forest(model) => model.chance(row),
        }
    }

    /// The part of each feature in the logit of a row, and the chance.
    pub fn reasons(&self, row: &[f64], parts: &mut [f64]) -> f64 {
        match self {
            Self::Additive(model) => model.calibration.chance(model.reasons(row, parts)),
            Self::Forest(model) => {
                let logit = model.reasons(row, parts, &mut ShapScratch::default());
                model.calibration.chance(logit)
            }
        }
    }
}

impl Learned {
    /// The chance for a customer; `None` for whom the model does not judge.
    pub fn score(&self, scope: &Scope<'_>) -> Option<f64> {
        self.chance_of(&self.fitted, scope)
    }

    /// The chance by something that was learned for the same definition.
    pub fn chance_of(&self, fitted: &Fitted, scope: &Scope<'_>) -> Option<f64> {
        let row = self.row_for(fitted, scope)?;
        Some(health::rounded(fitted.chance(&row)))
    }

    /// The chance for a customer and what each feature has to do with it.
    ///
    /// Contributions are parts of the logit: with that of the average customer they sum to the
    /// logit of this one. `lost` is the same number: what raises the risk comes first.
    pub fn assess(&self, scope: &Scope<'_>) -> Assessment {
        let Some(row) = self.row(scope) else {
            return Assessment { score: None, contributions: Vec::new() };
        };
        let mut parts: Row = smallvec![0.0; row.len()];
        let chance = self.fitted.reasons(&row, &mut parts);
        let features = self.classifier.features.iter().zip(row.iter().zip(&parts));
        let contributions = features.map(|(feature, (value, part))| Contribution {
            measure: feature.name.clone(),
            value: (feature.kind == FeatureKind::Number && value.is_finite()).then_some(*value),
            points: None,
            weight: 0.0,
            contribution: *part,
            lost: *part,
            plain: sentence(feature, *value, scope),
        });
        Assessment { score: Some(health::rounded(chance)), contributions: contributions.collect() }
    }

    /// The logit of the average customer: with the parts of this one it gives this one's logit.
    pub fn average(&self, scope: &Scope<'_>) -> Option<f64> {
        let row = self.row(scope)?;
        let mut parts: Row = smallvec![0.0; row.len()];
        Some(match &self.fitted {
            Fitted::Additive(model) => model.base(),
            Fitted::Forest(model) => {
                let logit = model.reasons(&row, &mut parts, &mut ShapScratch::default());
                logit - parts.iter().sum::<f64>()
            }
        })
    }

    /// Counts a customer among those of today, if the model judges them.
    pub fn count(&self, baseline: &Baseline, drift: &mut Drift, scope: &Scope<'_>) {
        if let Some(row) = self.row(scope) {
            drift.add(baseline, &row, self.fitted.chance(&row));
        }
    }

    /// The strongest reasons for a customer's chance, as many as the model's file shows.
    pub fn strongest(&self, scope: &Scope<'_>) -> Vec<Contribution> {
        let mut reasons = self.assess(scope).contributions;
        reasons.sort_by(|left, right| right.contribution.abs().total_cmp(&left.contribution.abs()));
        reasons.truncate(self.classifier.terms.reasons);
        reasons
    }

    /// The values that it looks at; `None` for a customer whom it does not judge.
    pub fn row(&self, scope: &Scope<'_>) -> Option<Row> {
        self.row_for(&self.fitted, scope)
    }

    /// The same in the codes of something that was learned for the same definition.
    fn row_for(&self, fitted: &Fitted, scope: &Scope<'_>) -> Option<Row> {
        if self.classifier.eligibility(scope) != Eligibility::Judged {
            return None;
        }
        let mut row = Row::new();
        self.classifier.look(scope, |_, value| {
            row.push(match value {
                ValueRef::Num(number) => number,
                ValueRef::Bool(flag) => f64::from(u8::from(flag)),
                ValueRef::Str(text) => fitted.code(row.len(), text),
                ValueRef::Missing | ValueRef::List(_) | ValueRef::Map(_) => f64::NAN,
            });
        });
        Some(row)
    }
}

fn sentence(feature: &Feature, value: f64, scope: &Scope<'_>) -> Box<str> {
    let known = value.is_finite().then_some(value);
    if feature.kind == FeatureKind::Category {
        let text = super::evaluate::value(&feature.value, scope);
        return match text {
            Some(super::value::Value::Str(text)) => format!("{} is {text}", feature.name).into(),
            _ => format!("nothing is known about {}", feature.name).into(),
        };
    }
    health::sentence(&feature.name, &feature.value, known, scope)
}
