//! What every source of scores can be asked, whatever computes it.

use super::catalog::ScoreSource;
use super::evaluate::Scope;
use super::health::{self, Assessment};
use super::slot::EventSlot;
use super::time::Span;

impl ScoreSource {
    /// How often it is computed again although nothing happened; `None` when it is not computed
    /// here at all.
    pub fn every(&self) -> Option<Span> {
        match self {
            Self::Scorecard(card) => Some(card.every),
            Self::Learned(learned) => Some(learned.classifier.every),
            Self::StandIn(stand_in) => Some(stand_in.every),
            Self::Learning(_) | Self::Pushed => None,
        }
    }

    /// Whether an event of this name changes what it looks at.
    pub fn is_fed_by(&self, event: EventSlot) -> bool {
        let inputs = match self {
            Self::Scorecard(card) => &card.inputs,
            Self::Learned(learned) => &learned.classifier.inputs,
            Self::StandIn(stand_in) => &stand_in.inputs,
            Self::Learning(_) | Self::Pushed => return false,
        };
        inputs.binary_search(&event).is_ok()
    }

    /// The score of a customer at an instant, without allocation for most; `None` when there is
    /// none, or it is not computed here.
    pub fn score(&self, scope: &Scope<'_>) -> Option<f64> {
        match self {
            Self::Scorecard(card) => health::score(card, scope),
            Self::Learned(learned) => learned.score(scope),
            Self::StandIn(stand_in) => stand_in.score(scope),
            Self::Learning(_) | Self::Pushed => None,
        }
    }

    /// The score and where it comes from; `None` when it is not computed here.
    pub fn assess(&self, scope: &Scope<'_>) -> Option<Assessment> {
        match self {
            Self::Scorecard(card) => Some(health::assess(card, scope)),
            Self::Learned(learned) => Some(learned.assess(scope)),
            Self::StandIn(stand_in) => Some(stand_in.assess(scope)),
            Self::Learning(_) | Self::Pushed => None,
        }
    }
}
