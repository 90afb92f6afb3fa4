//! What the service has noticed of its models, and what it tells about them.

use std::collections::BTreeMap;

use arc_swap::ArcSwap;

use super::drifted::Measured;
use crate::api::source::{ChallengerView, DriftView, ModelView};
use crate::engine::catalog::{Catalog, ScoreSource};
use crate::engine::health;

/// What was noticed of each model when it was last looked.
#[derive(Debug, Default)]
pub(super) struct Noticed(ArcSwap<BTreeMap<String, Model>>);

/// What was noticed of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) drift: Vec<Measured>,
    /// Days since it was known what came.
    pub(super) age: Option<Measured>,
    pub(super) challenger: Option<ChallengerView>,
}

impl Noticed {
    /// Takes over what was noticed now.
    pub(super) fn set(&self, models: BTreeMap<String, Model>) {
        self.0.store(models.into());
    }

    /// All models in force, and what was noticed of them.
    pub(super) fn tell(&self, catalog: &Catalog) -> Vec<ModelView> {
        let noticed = self.0.load();
        let tell = |score: &crate::engine::catalog::Score| {
            let own = noticed.get(&*score.name).cloned().unwrap_or_default();
            let (source, about) = match &score.source {
                ScoreSource::Scorecard(_) => ("scorecard", None),
                ScoreSource::Learned(learned) => ("learned", Some(&learned.classifier.about)),
                ScoreSource::StandIn(it) => ("stand_in", Some(&it.classifier.about)),
                ScoreSource::Learning(_) | ScoreSource::Pushed => ("pushed", None),
            };
            let drift = own.drift.into_iter().map(|Measured { of, psi, most }| DriftView {
                of,
                psi: health::rounded(psi),
                line: most,
            });
            ModelView {
                name: score.name.to_string(),
                source: source.to_owned(),
                about: about.map(ToString::to_string),
                version: score.version.to_string(),
                days: score.days,
                drift: drift.collect(),
                age_days: own.age.as_ref().map(|age| health::rounded(age.psi)),
                is_due: own.age.as_ref().is_some_and(|age| age.most < age.psi),
                challenger: own.challenger,
            }
        };
        catalog.scores.iter().map(tell).collect()
    }
}
