//! Compares challengers with the models in force by what both said and what came of it, and puts one
//! in force that is clearly better, where the model's file says so.

use std::collections::BTreeMap;

use crate::api::source::ChallengerView;
use crate::catalog::Catalogs;
use crate::catalog::fitted::{Failure, Places};
use crate::declare::{self, FITTED_SUFFIX};
use crate::engine::classifier::Case;
use crate::engine::id::stable_hash;
use crate::engine::learned::Fitted;
use crate::engine::rival;
use crate::engine::slot::ScoreSlot;
use crate::engine::terms::{Method, Promotion};
use crate::learn::duel::{self, Winner};
use crate::learn::looks::{day, days};
use crate::stats::table::Table;
use crate::telemetry::Contest;
use crate::worker::shard::Shard;

/// Customers of a shard that are looked at, evenly spread over all: inputs wait meanwhile.
const CUSTOMERS_MAX: usize = 20_000;
/// Closed predictions below which nothing is decided.
const CLOSED_MIN: usize = 200;
/// Customers of the rarer case below which nothing is decided.
const RARER_MIN: usize = 20;

/// What was said and came of one pair of models.
#[derive(Clone, Debug)]
pub(super) struct Bouts {
    pub(super) model: String,
    /// Hash of both: only predictions of the same pair can be put together.
    pub(super) pair: u64,
    method: Method,
    promotion: Promotion,
    /// Days until a label is known.
    within: i32,
    champions: Vec<f64>,
    challengers: Vec<f64>,
    labels: Vec<f64>,
    customers: Vec<u64>,
    days: Vec<i32>,
}

/// Takes what is closed of some customers of a shard, for each model with a challenger.
pub(super) fn count(shard: &Shard) -> Vec<Bouts> {
    let catalog = shard.catalog();
    let mut all = Vec::new();
    for (slot, score) in (0..=u16::MAX).map(ScoreSlot).zip(&catalog.scores) {
        let Some((learned, challenger)) = rival::challenger(catalog, slot) else { continue };
        let method = match challenger.fitted {
            Fitted::Additive(_) => Method::Logistic,
            Fitted::Forest(_) => Method::Trees,
        };
        let mut bouts = Bouts {
            model: score.name.to_string(),
            pair: challenger.pair,
            method,
            promotion: learned.classifier.terms.promotion,
            within: days(learned.classifier.label.within),
            champions: Vec::new(),
            challengers: Vec::new(),
            labels: Vec::new(),
            customers: Vec::new(),
            days: Vec::new(),
        };
        let customers = shard.customers();
        let stride = customers.states().count() / CUSTOMERS_MAX + 1;
        for (_, state) in customers.states().step_by(stride) {
            let own = state.rare.rivals.iter().filter(|own| own.score == slot);
            for came in own.filter(|own| own.pair == challenger.pair).flat_map(|own| &own.closed) {
                bouts.champions.push(came.champion);
                bouts.challengers.push(came.challenger);
                bouts.labels.push(f64::from(u8::from(came.case == Case::Positive)));
                bouts.customers.push(stable_hash(state.id.as_str()));
                bouts.days.push(day(came.at));
            }
        }
        all.push(bouts);
    }
    all
}

/// Puts together what the shards took, by model.
pub(super) fn added(taken: Vec<Vec<Bouts>>) -> BTreeMap<String, Bouts> {
    let mut models: BTreeMap<String, Bouts> = BTreeMap::new();
    for more in taken.into_iter().flatten() {
        match models.get_mut(&more.model) {
            // Between two shards a reload may have come: the next look tells more.
            Some(sum) if sum.pair == more.pair => {
                sum.champions.extend(more.champions);
                sum.challengers.extend(more.challengers);
                sum.labels.extend(more.labels);
                sum.customers.extend(more.customers);
                sum.days.extend(more.days);
            }
            Some(_) => {}
            None => {
                models.insert(more.model.clone(), more);
            }
        }
    }
    models
}

impl Bouts {
    /// How both did, shown as numbers too.
    pub(super) fn compared(&self) -> ChallengerView {
        let mut view = ChallengerView {
            method: match self.method {
                Method::Logistic => "logistic".to_owned(),
                Method::Trees => "trees".to_owned(),
            },
            closed: self.labels.len() as u64,
            ..ChallengerView::default()
        };
        let happened = self.labels.iter().filter(|label| 0.5 < **label).count();
        if !self.labels.is_empty() {
            let table = self.table();
            let fought = duel::duel(self.method, &self.champions, &self.challengers, &table);
            let reach = self.days.iter().max().zip(self.days.iter().min());
            // Two windows that follow each other, at least.
            let is_long = reach.is_some_and(|(last, first)| self.within <= last - first);
            let rarer = happened.min(self.labels.len() - happened);
            view.log_loss_difference = Some(fought.difference);
            view.standard_error = Some(fought.error);
            view.calibration_errors = fought.calibration.to_vec();
            view.is_better = fought.winner == Winner::Challenger
                && CLOSED_MIN <= self.labels.len()
                && RARER_MIN <= rarer
                && is_long;
        }
        Contest {
            model: &self.model,
            closed: view.closed,
            difference: view.log_loss_difference.unwrap_or(0.0),
        }
        .emit();
        view
    }

    fn table(&self) -> Table {
        let mut known: BTreeMap<u64, u32> = BTreeMap::new();
        let mut group = |customer: &u64| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            *known.entry(*customer).or_insert(next)
        };
        Table {
            groups: self.customers.iter().map(&mut group).collect(),
            labels: self.labels.clone(),
            days: self.days.clone(),
            ..Table::default()
        }
    }

    /// Whether the model's file lets a better one take over by itself.
    pub(super) fn may_promote(&self) -> bool {
        self.promotion == Promotion::WhenBetter
    }
}

/// Puts the challenger of a model in force, if both are still those that were compared. The files
/// are then read as after any other change, and nothing fires because of it.
pub(super) fn promote(catalogs: &Catalogs, model: &str, pair: u64) -> Result<bool, Failure> {
    let name = format!("{model}{FITTED_SUFFIX}");
    let (sources, _) = catalogs.folders().read_what_can_be();
    let is_it = |path: &std::path::Path| path.file_name().is_some_and(|file| file == name.as_str());
    let found = sources.iter().find(|source| is_it(std::path::Path::new(&*source.path)));
    let Some(champion) = found else { return Ok(false) };
    let places = Places::of(model, champion.path.to_string().into());
    let path = places.challenger.display().to_string();
    let Some(challenger) = sources.iter().find(|source| *source.path == *path) else {
        return Ok(false);
    };
    if declare::pair(&champion.text, &challenger.text) != pair {
        return Ok(false);
    }
    places.promote().map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::declare::{Source, SourceKind, load, load_to_learn};
    use crate::decode::{Call, EventRecord, Freshness, Record, Shape, Subject};
    use crate::engine::catalog::{Catalog, ScoreSource, Sending};
    use crate::engine::fitted::{Body, Content, LearnedFrom, Quality};
    use crate::engine::model::{
        Additive, Calibration, Curve, Feature, Piece, Scale, Shape as Form,
    };
    use crate::engine::rival::CLOSED_MAX;
    use crate::engine::time::{Span, Timestamp};

    const MODEL: &str = "model: churn\ntype: classifier\nabout: a\nevery: 6h\n\
        label: {event: Cancelled, within: 10d}\nfeatures:\n  n: count(\"A\", \"7d\")\n\
        learn: {with: logistic}\n";
    const TRIGGER: &str = "trigger: t\nkind: status\nabout: a\nowner: a@b.example\n\
        when: {score: churn, rises_above: 0.5}\ntask: {in: tasks, title: x}\n";

    fn source(kind: SourceKind, path: &str, text: &str) -> Source {
        Source { kind, path: path.into(), text: text.into() }
    }

    /// What was learned: the same chance for everybody.
    fn learned(logit: f64) -> String {
        let files = [source(SourceKind::Model, "churn.yaml", MODEL)];
        let catalog = load_to_learn(&files, "churn").unwrap().catalog;
        let ScoreSource::Learning(classifier) = &catalog.scores[0].source else { panic!() };
        let curve = Curve {
            scale: Scale::Log,
            knots: [].into(),
            pieces: [Piece { from: 0.0, c: [0.0; 4] }].into(),
            missing: 0.0,
            direction: None,
        };
        let body = Body::Additive(Additive {
            base: logit,
            features: [Feature { name: "n".into(), shape: Form::Curve(curve) }].into(),
            calibration: Calibration::default(),
        });
        let (rows, positives) = (1_000, 200);
        let day: Box<str> = "2026-01-01".into();
        Content {
            model: "churn".into(),
            definition: (*classifier.definition).into(),
            body,
            learned_from: LearnedFrom {
                rows,
                positives,
                customers: 300,
                first: day.clone(),
                last: day,
                seed: 7,
            },
            quality: Quality {
                rows,
                positives,
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
        .to_text()
        .unwrap()
    }

    fn catalog(champion: f64, challenger: Option<f64>) -> Arc<Catalog> {
        let mut files = vec![
            source(SourceKind::Model, "churn.yaml", MODEL),
            source(SourceKind::Trigger, "t.yaml", TRIGGER),
            source(SourceKind::Fitted, "churn.model.json", &learned(champion)),
        ];
        if let Some(challenger) = challenger {
            let text = learned(challenger);
            files.push(source(SourceKind::Fitted, "churn.challenger.json", &text));
        }
        let loaded = load(&files, Sending::On).unwrap();
        assert_eq!(loaded.warnings, []);
        Arc::new(loaded.catalog)
    }

    fn day_at(day: i64) -> Timestamp {
        Timestamp::parse("2026-03-01T00:00:00Z").unwrap() + Span::DAY.times(day)
    }

    /// Lets time go on until a day; how many rulings that gave.
    fn pass(shard: &mut Shard, until: i64) -> usize {
        let mut rulings = 0;
        while let Some((_, decision)) = shard.tick(day_at(until)) {
            rulings += decision.rulings.len();
        }
        rulings
    }

    fn tell(shard: &mut Shard, customer: &str, event: &str, at: i64, position: u64) -> usize {
        let record = Record::Event(EventRecord {
            subject: Subject::Customer(customer),
            id: &format!("{position}"),
            occurred_at: day_at(at),
            received_at: day_at(at),
            shape: Shape::Own,
            call: Call::Track,
            freshness: Freshness::Live,
            json: &format!("{{\"customer\":\"{customer}\",\"event\":\"{event}\"}}"),
        });
        let stepped = shard.apply(&record, day_at(at), position).unwrap();
        stepped.iter().map(|(_, decision)| decision.rulings.len()).sum()
    }

    #[test]
    fn both_are_kept_until_it_is_known_what_came_and_only_one_is_heard() {
        // The one says .1 and the other .9 of everybody.
        let mut shard = Shard::new(catalog(-2.197_224_577, Some(2.197_224_577)));
        let mut rulings = tell(&mut shard, "stays", "A", 0, 1);
        rulings += tell(&mut shard, "goes", "A", 0, 2);
        rulings += pass(&mut shard, 5);
        rulings += tell(&mut shard, "goes", "Cancelled", 5, 3);
        rulings += pass(&mut shard, 12);
        assert_eq!(rulings, 0, "nobody hears the challenger");
        let state = shard.find("goes").unwrap();
        assert!((state.rare.scores[0].value - 0.1).abs() < 1e-4);
        assert!((state.rare.rivals[0].value.unwrap() - 0.9).abs() < 1e-4);
        let taken = count(&shard).remove(0);
        let mut closed: Vec<(f64, f64, f64)> = taken
            .champions
            .iter()
            .zip(&taken.challengers)
            .zip(&taken.labels)
            .map(|((champion, challenger), label)| (*champion, *challenger, *label))
            .collect();
        closed.sort_by(|left, right| left.2.total_cmp(&right.2));
        assert_eq!(closed, [(0.1, 0.9, 0.0), (0.1, 0.9, 1.0)]);
        // However long it goes on, no more is kept, and what came is told right.
        pass(&mut shard, 400);
        let closed = &shard.find("goes").unwrap().rare.rivals[0].closed;
        assert_eq!(closed.len(), CLOSED_MAX);
        assert!(closed.iter().all(|came| came.case == Case::Negative));
    }

    #[test]
    fn what_was_said_survives_a_reload_and_a_promotion_forgets_it_and_fires_nothing() {
        let mut shard = Shard::new(catalog(-2.0, Some(2.0)));
        tell(&mut shard, "ada", "A", 0, 1);
        pass(&mut shard, 12);
        let kept = shard.find("ada").unwrap().rare.rivals.clone();
        assert_eq!((kept.len(), kept[0].closed.len()), (1, 1));
        let reload = |shard: &mut Shard, champion, challenger, day| {
            let (next, _) = shard.bound_to(catalog(champion, challenger), day_at(day)).unwrap();
            shard.become_next(next);
            shard.find("ada").unwrap().rare.rivals.clone()
        };
        assert_eq!(reload(&mut shard, -2.0, Some(2.0), 12), kept);
        // Another challenger: what was said by the one before is nothing to it.
        let other = reload(&mut shard, -2.0, Some(1.0), 12);
        assert_eq!((other.len(), other[0].closed.len(), other[0].open), (1, 0, None));
        // The challenger is put in force, and its score is beyond the line of the trigger.
        assert_eq!(reload(&mut shard, 2.0, None, 12), []);
        assert!(0.8 < shard.find("ada").unwrap().rare.scores[0].value);
        assert_eq!(pass(&mut shard, 20), 0);
        assert_eq!(shard.find("ada").unwrap().rare.rivals.capacity(), 0, "nothing grows");
    }

    fn bouts(count: u32, challenger: impl Fn(bool) -> f64) -> Bouts {
        let rows = 0..count;
        let happened = |row: u32| row.is_multiple_of(4);
        Bouts {
            model: "churn".to_owned(),
            pair: 1,
            method: Method::Trees,
            promotion: Promotion::ByHand,
            within: 30,
            champions: rows.clone().map(|_| 0.25).collect(),
            challengers: rows.clone().map(|row| challenger(happened(row))).collect(),
            labels: rows.clone().map(|row| f64::from(u8::from(happened(row)))).collect(),
            customers: rows.clone().map(u64::from).collect(),
            days: rows.map(|row| i32::try_from(row % 61).unwrap()).collect(),
        }
    }

    #[test]
    fn a_challenger_is_better_when_enough_has_come_of_what_both_said() {
        let good = |happens: bool| if happens { 0.999 } else { 0.001 };
        let view = bouts(400, good).compared();
        assert!(view.is_better && view.log_loss_difference < Some(-0.3), "{view:?}");
        assert_eq!((view.closed, &*view.method), (400, "trees"));
        assert!(!bouts(199, good).compared().is_better, "too few");
        let mut short = bouts(400, good);
        short.days.iter_mut().for_each(|day| *day %= 30);
        assert!(!short.compared().is_better, "within one window");
        assert!(!bouts(400, |_| 0.25).compared().is_better, "the same");
        assert_eq!(bouts(0, good).compared().log_loss_difference, None);
        let both = added(vec![vec![bouts(300, good)], vec![bouts(100, good)]]);
        assert_eq!(both["churn"].compared().closed, 400);
    }
}
