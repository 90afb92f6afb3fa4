//! Trees one after the other, each for what those before it left over.

use super::Settings;
use super::bins::{self, Binned};
use super::grow::{Ground, Grown, grow};
use crate::engine::model::{
    Calibration, Direction, FEATURES_MAX, Forest, ForestFeature, Kind, NODES_MAX, Node, TREES_MAX,
    Tree, logistic,
};
use crate::stats::fault::Fault;
use crate::stats::folds::Fold;
use crate::stats::quality;
use crate::stats::table::{Table, number, pick};

/// A boosted forest and how it was stopped.
#[derive(Clone, Debug)]
pub struct Boosted {
    /// What is served.
    pub forest: Forest,
    /// The loss per row on the judging rows; NaN without any.
    pub loss: f64,
    /// The chances of the judging rows, in their order.
    pub judged: Vec<f64>,
}

/// Boosts trees on the learning rows of a fold, up to where the loss on its judging rows is least.
///
/// # Errors
/// When there is nothing to learn from or settings make no sense.
pub fn boost(
    table: &Table,
    directions: &[Option<Direction>],
    fold: &Fold,
    settings: &Settings,
) -> Result<Boosted, Fault> {
    check(table, fold, settings)?;
    let features = bins::bin(table, &fold.learn, settings.bins);
    let mut course = Course::new(table, fold);
    let mut random = fastrand::Rng::with_seed(settings.seed);
    let mut trees: Vec<Tree> = Vec::new();
    let (mut least, mut kept) = (course.loss(), 0);
    for round in 1..=settings.rounds {
        course.slopes();
        let rows = sample(&fold.learn, settings.rows_share, &mut random);
        let allowed = columns(features.len(), settings.columns_share, &mut random);
        let ground = Ground {
            settings,
            features: &features,
            directions,
            allowed: &allowed,
            slopes: &course.slopes,
        };
        let taken = rows.clone();
        let grown = grow(&ground, rows);
        if grown.tree.nodes.len() == 1 && settings.columns_share >= 1.0 {
            break;
        }
        course.add(&grown, &features, &taken);
        trees.push(grown.tree);
        let loss = course.loss();
        if loss < least || settings.patience == 0 {
            (least, kept) = (loss, round);
            course.keep();
        } else if kept + settings.patience <= round {
            break;
        }
    }
    trees.truncate(kept);
    let described: Vec<ForestFeature> = features.into_iter().map(|own| own.feature).collect();
    let forest = Forest {
        features: described.into(),
        base: course.base,
        trees: trees.into(),
        calibration: Calibration::default(),
    };
    Ok(Boosted { forest, loss: least, judged: course.best })
}

/// Boosts on every fold and averages the forests: each is stopped by rows it did not see, and
/// together they have seen all. Says the chances of every judged row by the forest that did not
/// learn from it, in the order of the table (NaN for rows that no fold judges).
///
/// # Errors
/// As [`boost`]; and when the trees together are too many to serve.
pub fn boost_folds(
    table: &Table,
    directions: &[Option<Direction>],
    folds: &[Fold],
    settings: &Settings,
) -> Result<Boosted, Fault> {
    let mut judged = vec![f64::NAN; table.len()];
    let mut losses = Vec::new();
    let mut forests = Vec::new();
    for (fold, seed) in folds.iter().zip(settings.seed..) {
        let boosted = boost(table, directions, fold, &Settings { seed, ..*settings })?;
        for (row, chance) in fold.judge.iter().zip(&boosted.judged) {
            if let Some(slot) = judged.get_mut(*row) {
                *slot = *chance;
            }
        }
        losses.push(boosted.loss);
        forests.push(boosted.forest);
    }
    let forest = average(table, forests)?;
    Ok(Boosted { forest, loss: quality::mean(losses.into_iter()), judged })
}

/// One forest that gives the average logit of several.
fn average(table: &Table, forests: Vec<Forest>) -> Result<Forest, Fault> {
    let share = 1.0 / number(forests.len().max(1));
    // A fold may have kept other levels: bits are moved to the levels of the whole table.
    let all: Vec<usize> = (0..table.len()).collect();
    let features: Vec<ForestFeature> =
        bins::bin(table, &all, 2).into_iter().map(|own| own.feature).collect();
    let mut trees = Vec::new();
    let mut base = 0.0;
    for forest in forests {
        base += share * forest.base;
        for mut tree in forest.trees {
            for node in &mut tree.nodes {
                match node {
                    Node::Leaf { value, .. } => *value *= share,
                    Node::Below { .. } => {}
                    Node::Within { set, split } => {
                        let at = usize::from(split.feature);
                        *set = moved(*set, forest.features.get(at), features.get(at));
                    }
                }
            }
            trees.push(tree);
        }
    }
    if TREES_MAX < trees.len() {
        let (name, why) = ("trees".to_owned(), "too many to serve: raise the rate");
        return Err(Fault::Unusable { name, why });
    }
    let calibration = Calibration::default();
    Ok(Forest { features: features.into(), base, trees: trees.into(), calibration })
}

/// A set of levels in the numbers of another feature; levels that the first did not know are where
/// its others are.
fn moved(set: u64, from: Option<&ForestFeature>, to: Option<&ForestFeature>) -> u64 {
    let (Some(Kind::Category(from)), Some(Kind::Category(to))) =
        (from.map(|feature| &feature.kind), to.map(|feature| &feature.kind))
    else {
        return set;
    };
    let bit = |at: usize| (set >> at.min(63)) & 1;
    let levels = to.iter().map(Some).chain([None]).enumerate();
    levels.fold(0, |moved, (at, level)| {
        let known = level.and_then(|level| from.binary_search(level).ok());
        moved | (bit(known.unwrap_or(from.len())) << at.min(63))
    })
}

fn check(table: &Table, fold: &Fold, settings: &Settings) -> Result<(), Fault> {
    let unusable = |name: &str, why| Err(Fault::Unusable { name: name.to_owned(), why });
    if !(2..=NODES_MAX.div_ceil(2)).contains(&settings.leaves) {
        return unusable("leaves", "must be 2 to 512");
    }
    let shares = [settings.rows_share, settings.columns_share, settings.rate];
    if !shares.iter().all(|share| 0.0 < *share && *share <= 1.0) || settings.l2.is_nan() {
        return unusable("settings", "shares and the rate must be above 0 and at most 1");
    }
    if TREES_MAX < settings.rounds || FEATURES_MAX < table.columns.len() {
        return unusable("settings", "too many trees or features");
    }
    if table.columns.iter().any(|column| column.values().len() != table.len()) {
        return Err(Fault::Lengths);
    }
    let labels = pick(&table.labels, &fold.learn);
    let happened: f64 = labels.iter().sum();
    if happened <= 0.0 || number(labels.len()) <= happened {
        return Err(Fault::OneClass);
    }
    Ok(())
}

/// Where boosting stands.
struct Course<'a> {
    table: &'a Table,
    fold: &'a Fold,
    base: f64,
    logits: Vec<f64>,
    slopes: Vec<(f64, f64)>,
    judged: Vec<f64>,
    best: Vec<f64>,
    labels: Vec<f64>,
}

impl<'a> Course<'a> {
    fn new(table: &'a Table, fold: &'a Fold) -> Self {
        let weight = |row: &usize| table.weights.get(*row).copied().unwrap_or(1.0);
        let label = |row: &usize| table.labels.get(*row).copied().unwrap_or(0.0);
        let all: f64 = fold.learn.iter().map(weight).sum();
        let some: f64 = fold.learn.iter().map(|row| weight(row) * label(row)).sum();
        let base = (some / (all - some)).ln();
        let judged = vec![logistic(base); fold.judge.len()];
        Self {
            table,
            fold,
            base,
            logits: vec![base; table.len()],
            slopes: vec![(0.0, 0.0); table.len()],
            best: judged.clone(),
            judged,
            labels: pick(&table.labels, &fold.judge),
        }
    }

    /// First and second derivatives of the loss at the logits so far.
    fn slopes(&mut self) {
        for row in &self.fold.learn {
            let (Some(logit), Some(label), Some(slot)) =
                (self.logits.get(*row), self.table.labels.get(*row), self.slopes.get_mut(*row))
            else {
                continue;
            };
            let weight = self.table.weights.get(*row).copied().unwrap_or(1.0);
            let chance = logistic(*logit);
            *slot = (weight * (chance - label), weight * chance * (1.0 - chance));
        }
    }

    /// Adds a tree grown on the rows `taken`, which stand in the order of the learning rows.
    fn add(&mut self, grown: &Grown, features: &[Binned], taken: &[u32]) {
        grown.add_to(&mut self.logits);
        let mut taken = taken.iter().peekable();
        let left = self.fold.learn.iter().filter(|row| {
            let own = taken.next_if(|next| u32::try_from(**row).is_ok_and(|row| row == **next));
            own.is_none()
        });
        for row in left.chain(&self.fold.judge) {
            if let Some(logit) = self.logits.get_mut(*row) {
                *logit += grown.value(features, *row);
            }
        }
        let logits = self.fold.judge.iter().filter_map(|row| self.logits.get(*row));
        for (slot, logit) in self.judged.iter_mut().zip(logits) {
            *slot = logistic(*logit);
        }
    }

    fn loss(&self) -> f64 {
        quality::log_loss(&self.judged, &self.labels)
    }

    fn keep(&mut self) {
        self.best.clone_from(&self.judged);
    }
}

/// So many rows by chance, in the order of the table.
fn sample(rows: &[usize], share: f64, random: &mut fastrand::Rng) -> Vec<u32> {
    let kept = rows.iter().filter(|_| share >= 1.0 || random.f64() < share);
    let kept: Vec<u32> = kept.filter_map(|row| u32::try_from(*row).ok()).collect();
    if kept.is_empty() {
        rows.iter().filter_map(|row| u32::try_from(*row).ok()).collect()
    } else {
        kept
    }
}

/// So many features by chance, rising, at least one.
fn columns(count: usize, share: f64, random: &mut fastrand::Rng) -> Vec<usize> {
    let want = (share * number(count)).ceil().max(1.0);
    let mut all: Vec<usize> = (0..count).collect();
    random.shuffle(&mut all);
    all.truncate(crate::stats::table::position(want).unwrap_or(count));
    all.sort_unstable();
    all
}
