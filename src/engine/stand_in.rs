//! The scorecard that speaks while a learned model may not: nothing was learned yet, or not enough.

use super::catalog::{Catalog, RiskEnd};
use super::classifier::{Classifier, Eligibility};
use super::evaluate::Scope;
use super::health::{self, Assessment};
use super::slot::{EventSlot, ScoreSlot};
use super::time::Span;

/// Points of a scorecard that are the whole.
const WHOLE: f64 = 100.0;

/// The scorecard that speaks while a learned model may not.
#[derive(Debug)]
pub struct StandIn {
    /// Whom the model would judge. What it looks at is kept already: on the day that it is learned
    /// it knows its customers.
    pub classifier: Classifier,
    /// The scorecard.
    pub card: ScoreSlot,
    /// How often that is computed again although nothing happened.
    pub every: Span,
    /// The events that feed it, sorted.
    pub inputs: Box<[EventSlot]>,
    /// Which end of the model is bad.
    pub risk: RiskEnd,
    /// Why the model may not speak.
    pub why: Box<str>,
}

impl StandIn {
    /// Takes over from the scorecard when it is computed.
    pub(crate) fn follow(&mut self, every: Span, inputs: &[EventSlot]) {
        self.every = every;
        self.inputs = inputs.into();
    }

    /// The chance that the scorecard stands for: what it lacks to the whole.
    pub fn score(&self, scope: &Scope<'_>) -> Option<f64> {
        if self.classifier.eligibility(scope) != Eligibility::Judged {
            return None;
        }
        let points = self.points(scope)?;
        Some(self.chance(points, scope.catalog))
    }

    /// The same, and where it comes from: the scorecard's own measures.
    pub fn assess(&self, scope: &Scope<'_>) -> Assessment {
        let card = scope.catalog.scores.get(self.card.index());
        let assessed = card.and_then(|card| card.source.assess(scope));
        let contributions = assessed.map(|assessed| assessed.contributions).unwrap_or_default();
        Assessment { score: self.score(scope), contributions }
    }

    /// The points of the scorecard, or those that were given it from elsewhere.
    fn points(&self, scope: &Scope<'_>) -> Option<f64> {
        let card = scope.catalog.scores.get(self.card.index())?;
        let computed = card.source.score(scope);
        computed.or_else(|| scope.state.score(self.card).map(|score| score.value))
    }

    fn chance(&self, points: f64, catalog: &Catalog) -> f64 {
        let share = (points / WHOLE).clamp(0.0, 1.0);
        let card = catalog.scores.get(self.card.index()).map(|card| card.risk);
        health::rounded(if card == Some(self.risk) { share } else { 1.0 - share })
    }
}
