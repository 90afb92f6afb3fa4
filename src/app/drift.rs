//! Looks now and then whether the customers of learned models still look like those that they were
//! learned from, and says so when they do not: as numbers, in a warning, and as an event of the
//! model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::contest::{self, Bouts};
use super::drifted::{self, AGE, Measured, Own, SCORE};
use super::models::{Model, Noticed};
use crate::catalog::Catalogs;
use crate::clock::Shared as Clock;
use crate::engine::catalog::{Catalog, ScoreSource};
use crate::engine::drift::{Drift, SCORE_PSI_MAX};
use crate::engine::evaluate::Scope;
use crate::engine::terms::Cadence;
use crate::engine::time::{Span, Timestamp};
use crate::log::appender::Appender;
use crate::telemetry::{Beyond, ModelAge, ModelDrift};
use crate::worker::shard::Shard;
use crate::worker::{Workers, workers};

/// How long after the start it is looked first.
const FIRST: Duration = Duration::from_secs(5);
/// How often it is looked after that.
const EVERY: Duration = Duration::from_secs(600);
/// Customers of a shard that are looked at, evenly spread over all: inputs wait meanwhile.
const CUSTOMERS_MAX: usize = 2_000;
/// Customers below which nothing can be said.
const CUSTOMERS_MIN: u64 = 200;

/// Who watches the models.
pub(super) struct Watch {
    pub(super) workers: Workers,
    pub(super) appender: Appender,
    /// Whose files may be changed, if they may.
    pub(super) catalogs: Option<Arc<Catalogs>>,
    pub(super) clock: Clock,
    pub(super) noticed: Arc<Noticed>,
}

impl Watch {
    /// Looks until it is told to stop.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut said = Said::default();
        let mut pause = FIRST;
        while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
            // What the log holds already must not be said again.
            let looked = self.workers.have_caught_up() && self.look(&mut said).await.is_ok();
            pause = if looked { EVERY } else { FIRST };
        }
    }

    /// Shards that do not answer are on their way to another node, or ending.
    async fn look(&self, said: &mut Said) -> Result<(), workers::Error> {
        let now = self.clock.now();
        let counted = self.workers.inspect_all(move |shard| count(shard, now)).await?;
        let bouts = contest::added(self.workers.inspect_all(contest::count).await?);
        let models = added(counted);
        tell(&models, &mut said.beyond);
        let mut noticed: BTreeMap<String, Model> = BTreeMap::new();
        for (model, counted) in &models {
            let (drift, age) = (counted.measured(), counted.age(now));
            let log = (&self.workers, &self.appender);
            let own = Own { model, owner: counted.owner.as_deref(), names: &counted.names() };
            let all: Vec<Measured> = drift.iter().chain(&age).cloned().collect();
            drifted::tell(log, now, &own, &all).await;
            if let Some(Measured { psi: days, most, .. }) = &age {
                ModelAge { model, days: *days, most: *most }.emit();
            }
            let noticed = noticed.entry(model.clone()).or_default();
            (noticed.drift, noticed.age) = (drift, age);
        }
        for (model, bouts) in &bouts {
            let compared = bouts.compared();
            if compared.is_better {
                self.better(bouts, said).await;
            }
            noticed.entry(model.clone()).or_default().challenger = Some(compared);
        }
        self.noticed.set(noticed);
        Ok(())
    }

    /// A challenger is better: it takes over, if it may.
    async fn better(&self, bouts: &Bouts, said: &mut Said) {
        let (model, pair) = (bouts.model.clone(), bouts.pair);
        let catalogs = self.catalogs.clone().filter(|_| bouts.may_promote());
        let Some(catalogs) = catalogs else {
            if said.better.insert(model.clone(), pair) != Some(pair) {
                tracing::info!(model, "the challenger is better: `heedful train --promote`");
            }
            return;
        };
        let named = model.clone();
        let promote = move || contest::promote(&catalogs, &named, pair);
        match tokio::task::spawn_blocking(promote).await {
            Ok(Ok(true)) => tracing::info!(model, "the challenger was better and is in force"),
            Ok(Err(error)) => {
                tracing::warn!(%error, model, "a better challenger cannot be put in force");
            }
            // The files are others by now, or the service is ending.
            Ok(Ok(false)) | Err(_) => {}
        }
    }
}

/// What the log of the service was told already.
#[derive(Debug, Default)]
struct Said {
    /// Which models and features are beyond their line.
    beyond: BTreeMap<(String, String), Beyond>,
    /// Which challenger was better than which model in force.
    better: BTreeMap<String, u64>,
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
    owner: Option<String>,
    /// Up to when it was known what came, and how long that may be ago.
    age: Option<(Timestamp, Span)>,
}

impl Counted {
    /// Days since it was known what came, and how many they may be.
    fn age(&self, now: Timestamp) -> Option<Measured> {
        let days = |span: Span| span.as_millis() as f64 / Span::DAY.as_millis() as f64;
        let (known_to, most) = self.age?;
        let (psi, most) = (days(now - known_to), days(most));
        Some(Measured { of: AGE.to_owned(), psi, most })
    }

    /// All that can be told of it.
    fn names(&self) -> Vec<&str> {
        [SCORE, AGE].into_iter().chain(self.features.iter().map(String::as_str)).collect()
    }

    /// Where scores and features stand; nothing while there are too few customers to tell.
    fn measured(&self) -> Vec<Measured> {
        if self.drift.customers < CUSTOMERS_MIN {
            return Vec::new();
        }
        let psi = self.drift.psi(&self.baseline);
        let features = self.features.iter().zip(&psi.features);
        let features = features.map(|(of, psi)| (of.as_str(), *psi, self.feature_psi));
        let all = [(SCORE, psi.score, SCORE_PSI_MAX)].into_iter().chain(features);
        all.map(|(of, psi, most)| Measured { of: of.to_owned(), psi, most }).collect()
    }
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
            owner: classifier.owner.as_deref().map(str::to_owned),
            age: learned.known_to.zip(classifier.terms.relearn.map(Cadence::span)),
        });
    }
    all
}

/// Adds up what the shards counted, by model.
fn added(counted: Vec<Vec<Counted>>) -> BTreeMap<String, Counted> {
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
    models
}

/// Shows where scores and features stand.
fn tell(models: &BTreeMap<String, Counted>, beyond: &mut BTreeMap<(String, String), Beyond>) {
    for (model, counted) in models {
        for Measured { of, psi, most } in counted.measured() {
            let key = (format!("{model}@{}", counted.definition), of.clone());
            let before = beyond.get(&key).copied().unwrap_or(Beyond::No);
            beyond.insert(key, ModelDrift { model, of: &of, psi, most, before }.emit());
        }
    }
    let is_here = |key: &(String, String)| {
        models.iter().any(|(model, own)| key.0 == format!("{model}@{}", own.definition))
    };
    beyond.retain(|key, _| is_here(key));
}
