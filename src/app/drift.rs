//! Looks now and then whether the customers of learned models still look like those that they were
//! learned from, and says so when they do not.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Shared as Clock;
use crate::engine::catalog::{Catalog, ScoreSource};
use crate::engine::drift::{Drift, SCORE_PSI_MAX};
use crate::engine::evaluate::Scope;
use crate::engine::time::Timestamp;
use crate::telemetry::{Beyond, ModelDrift};
use crate::worker::Workers;
use crate::worker::shard::Shard;

/// How long after the start it is looked first.
const FIRST: Duration = Duration::from_secs(5);
/// How often it is looked after that.
const EVERY: Duration = Duration::from_secs(600);
/// Customers of a shard that are looked at, evenly spread over all: inputs wait meanwhile.
const CUSTOMERS_MAX: usize = 2_000;
/// Customers below which nothing can be said.
const CUSTOMERS_MIN: u64 = 200;

/// Looks until it is told to stop.
pub(super) async fn keep_watch(workers: Workers, clock: Clock, stop: CancellationToken) {
    let mut beyond = BTreeMap::new();
    let mut pause = FIRST;
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        pause = EVERY;
        let now = clock.now();
        // Shards that do not answer are on their way to another node, or ending.
        if let Ok(counted) = workers.inspect_all(move |shard| count(shard, now)).await {
            tell(counted, &mut beyond);
        }
    }
}

/// What was counted of one model, with all that is needed to judge it.
#[derive(Clone, Debug)]
struct Counted {
    model: String,
    /// What was learned: only counts in the same bins can be added.
    definition: String,
    drift: Drift,
    baseline: crate::engine::drift::Baseline,
    features: Vec<String>,
    feature_psi: f64,
}

/// Counts some customers of a shard for each learned model.
fn count(shard: &Shard, now: Timestamp) -> Vec<Counted> {
    let catalog: &Catalog = shard.teller().catalog;
    let mut all = Vec::new();
    for score in &catalog.scores {
        let ScoreSource::Learned(learned) = &score.source else { continue };
        let Some(baseline) = &learned.baseline else { continue };
        let customers = shard.customers();
        let stride = customers.states().count() / CUSTOMERS_MAX + 1;
        let mut drift = Drift::new(baseline);
        for (_, state) in customers.states().step_by(stride) {
            let scope = Scope { catalog, state, properties: &[], now };
            learned.count(baseline, &mut drift, &scope);
        }
        let classifier = &learned.classifier;
        all.push(Counted {
            model: score.name.to_string(),
            definition: classifier.definition.to_string(),
            drift,
            baseline: baseline.clone(),
            features: classifier.features.iter().map(|own| own.name.to_string()).collect(),
            feature_psi: classifier.terms.feature_psi,
        });
    }
    all
}

/// Adds up what the shards counted, and shows it.
fn tell(counted: Vec<Vec<Counted>>, beyond: &mut BTreeMap<(String, String), Beyond>) {
    let mut models: BTreeMap<String, Counted> = BTreeMap::new();
    for counted in counted.into_iter().flatten() {
        match models.get_mut(&counted.model) {
            // Between two shards a reload may have come: the next look tells more.
            Some(sum) if sum.baseline == counted.baseline => sum.drift.merge(&counted.drift),
            Some(_) => {}
            None => {
                models.insert(counted.model.clone(), counted);
            }
        }
    }
    for (model, counted) in &models {
        if counted.drift.customers < CUSTOMERS_MIN {
            continue;
        }
        let psi = counted.drift.psi(&counted.baseline);
        let features = counted.features.iter().zip(&psi.features);
        let parts = features.map(|(name, psi)| (name.as_str(), *psi, counted.feature_psi));
        for (of, psi, most) in [("score", psi.score, SCORE_PSI_MAX)].into_iter().chain(parts) {
            let key = (format!("{model}@{}", counted.definition), of.to_owned());
            let before = beyond.get(&key).copied().unwrap_or(Beyond::No);
            beyond.insert(key, ModelDrift { model, of, psi, most, before }.emit());
        }
    }
    let is_here = |key: &(String, String)| {
        models.iter().any(|(model, own)| key.0 == format!("{model}@{}", own.definition))
    };
    beyond.retain(|key, _| is_here(key));
}
