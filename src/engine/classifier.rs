//! What a learned model looks at, whom it judges, and what it predicts: compiled from its file.

use std::sync::Arc;

use super::condition::{Condition, Expr};
use super::decision::Truth;
use super::evaluate::{self, Scope};
use super::series::{Series, Tally};
use super::slot::{EventSlot, SeriesSlot};
use super::terms::Terms;
use super::time::{Span, Timestamp};
use super::value::ValueRef;

/// A learned model, apart from what was learned.
#[derive(Debug)]
pub struct Classifier {
    /// What it says, in a sentence.
    pub about: Box<str>,
    /// Who answers for it.
    pub owner: Option<Box<str>>,
    /// What it predicts and of whom, in words.
    pub predicts: Box<str>,
    /// What must never be used.
    pub never_use: Box<[Box<str>]>,
    /// How often it is computed again although nothing happened.
    pub every: Span,
    /// Whom it judges; everybody when there is none.
    pub population: Option<Condition>,
    /// Whoever is known for less is too new to be judged.
    pub ignore_first: Span,
    /// What it predicts.
    pub label: Label,
    /// What it looks at, in the order of the file.
    pub features: Box<[Feature]>,
    /// Hash of all that decides what a row and its label mean: what was learned under another one
    /// is not served.
    pub definition: Arc<str>,
    /// The events that feed any feature, sorted: only they make it be computed at once.
    pub inputs: Box<[EventSlot]>,
    /// On which terms it is learned and may speak.
    pub terms: Terms,
}

/// What is predicted: whether something happens, or fails to happen, within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The history of the event in question.
    pub series: SeriesSlot,
    /// Which of the two is the positive case.
    pub positive: Positive,
    /// How far ahead: what happens in `[now, now + within)` counts.
    pub within: Span,
}

/// The case that a label is positive for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positive {
    /// The event happens: a cancellation.
    Happens,
    /// The event does not happen: no more orders.
    Lacks,
}

/// What came of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// What was predicted came true.
    Positive,
    /// It did not.
    Negative,
}

/// One thing that a model looks at.
#[derive(Debug)]
pub struct Feature {
    /// Its name.
    pub name: Arc<str>,
    /// What gives its value.
    pub value: Expr,
    /// The text in the file.
    pub text: Box<str>,
    /// What its values are.
    pub kind: FeatureKind,
    /// What stands for a value that is missing.
    pub missing: MissingFeature,
    /// Which way the prediction may move with it.
    pub monotone: Monotone,
}

/// What the values of a feature are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// Numbers.
    Number,
    /// Few texts, each of its own weight.
    Category,
}

/// What stands for a value that is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MissingFeature {
    /// A weight of its own.
    Flag,
    /// The mean of the rows that were learned from.
    Mean,
    /// So much.
    Value(f64),
}

/// Which way a prediction may move when a feature rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monotone {
    /// Either.
    Free,
    /// Never down.
    Rising,
    /// Never up.
    Falling,
}

/// Whether a customer is judged, at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eligibility {
    /// They are.
    Judged,
    /// They are known for too short a time.
    TooNew,
    /// They are not of the population.
    Outside,
}

impl Classifier {
    /// Whether a customer is judged at the scope's instant.
    pub fn eligibility(&self, scope: &Scope<'_>) -> Eligibility {
        if scope.state.id.is_own() {
            return Eligibility::Outside;
        }
        if scope.now - scope.state.first_seen < self.ignore_first {
            return Eligibility::TooNew;
        }
        match &self.population {
            Some(population) if evaluate::holds(population, scope) != Truth::True => {
                Eligibility::Outside
            }
            _ => Eligibility::Judged,
        }
    }

    /// Gives the value of each feature at the scope's instant, in their order. Numbers and
    /// truth values for [`FeatureKind::Number`], texts for [`FeatureKind::Category`]; whatever is of
    /// another kind is missing.
    pub fn look(&self, scope: &Scope<'_>, mut each: impl FnMut(&Feature, ValueRef<'_>)) {
        for feature in &self.features {
            evaluate::with_value(&feature.value, scope, |value| {
                let fits = match (feature.kind, value) {
                    (FeatureKind::Number, ValueRef::Num(number)) => number.is_finite(),
                    (FeatureKind::Number, ValueRef::Bool(_))
                    | (FeatureKind::Category, ValueRef::Str(_)) => true,
                    _ => false,
                };
                each(feature, if fits { value } else { ValueRef::Missing });
            });
        }
    }
}

impl Label {
    /// How often the event in question has happened so far to a customer: two looks, one at each
    /// end of the label's time, tell whether it happened in between.
    pub fn so_far(&self, scope: &Scope<'_>) -> u32 {
        self.tally(scope).map_or(0, |tally| tally.count)
    }

    /// The whole history of the event in question.
    pub fn tally<'s>(&self, scope: &Scope<'s>) -> Option<&'s Tally> {
        scope.state.series(self.series).and_then(Series::tally)
    }

    /// What came of it, from the counts at both ends.
    pub fn case(&self, before: u32, after: u32) -> Case {
        match (self.positive, before < after) {
            (Positive::Happens, true) | (Positive::Lacks, false) => Case::Positive,
            (Positive::Happens, false) | (Positive::Lacks, true) => Case::Negative,
        }
    }

    /// When the label of a look at `at` is known.
    pub fn closes(&self, at: Timestamp) -> Timestamp {
        at + self.within
    }
}
