//! From the words of a model file to a score.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::classifier::{self, Files, Learning};
use super::condition::{self, Sight};
use super::fault::{Extent, Located, Text};
use super::misplaced::misplaced;
use super::node::Key;
use super::read::{Entries, Faults};
use super::symbols::Symbols;
use super::words::model::{MeasureWords, MissingWords, Model as Raw, RiskWord, TypeWord};
use crate::engine::catalog::{RiskEnd, Score, ScoreSource};
use crate::engine::health::{self, Measure, Missing, Scorecard};
use crate::engine::time::Span;

/// Most measures of a scorecard, corners of a scale, or bands.
const PARTS_MAX: usize = 64;
/// The shortest time between two computations without an event.
const EVERY_MIN: Span = Span::MINUTE;

/// The bands of a model by lower edge, highest first; also what conditions may compare with.
pub(crate) fn bands(raw: &Raw) -> Vec<(Arc<str>, f64)> {
    let mut bands: Vec<(Arc<str>, f64)> = raw
        .bands
        .iter()
        .flat_map(|bands| &bands.0)
        .map(|(key, edge)| (Arc::from(&*key.text), edge.value))
        .collect();
    bands.sort_by(|left, right| right.1.total_cmp(&left.1));
    bands
}

/// Days before today of which the score's value is remembered, by the model's own word.
pub(crate) fn days(raw: &Raw, faults: &mut Faults<'_>) -> u16 {
    let Some(history) = &raw.history else { return health::DAYS };
    let days = history.value.as_millis() / Span::DAY.as_millis();
    match u16::try_from(days).ok().filter(|days| (1..=health::DAYS_MAX).contains(days)) {
        Some(days) if Span::DAY.times(i64::from(days)) == history.value => days.max(health::DAYS),
        _ => {
            let message = format!("a history is kept by whole days, 1d to {}d", health::DAYS_MAX);
            faults.error("E014", history.extent, message, None);
            health::DAYS
        }
    }
}

/// Checks one model.
pub(crate) fn build(
    raw: &Raw,
    text: &Text,
    models: &[(Arc<str>, TypeWord)],
    (learning, fitted): (Learning<'_>, Files<'_>),
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Score> {
    let kind = raw.r#type.0.as_ref()?;
    misplaced(raw, kind.value, faults);
    check_bands(raw, kind.value, faults);
    let source = match kind.value {
        TypeWord::Scorecard => scorecard(raw, symbols, faults).map(ScoreSource::Scorecard),
        TypeWord::Pushed => Some(ScoreSource::Pushed),
        TypeWord::Classifier => classifier::source(raw, models, learning, fitted, symbols, faults),
        TypeWord::Text => return None,
    };
    let risk = match (raw.risk, kind.value) {
        (Some(RiskWord::Low), _) | (None, TypeWord::Scorecard) => RiskEnd::Low,
        (Some(RiskWord::High), _)
        | (None, TypeWord::Pushed | TypeWord::Classifier | TypeWord::Text) => RiskEnd::High,
    };
    raw.about.0.as_ref()?;
    Some(Score {
        name: Arc::from(&*raw.model.0.as_ref()?.text),
        version: super::hash(&text.text),
        source: source?,
        bands: bands(raw).into(),
        risk,
        days: health::DAYS,
    })
}

fn check_bands(raw: &Raw, kind: TypeWord, faults: &mut Faults<'_>) {
    let bands = raw.bands.as_ref().map_or(&[][..], |bands| bands.0.as_slice());
    too_many(bands.len(), raw.extent, faults);
    let rises = |pair: &[(Key, Located<f64>)]| match pair {
        [(_, one), (_, next)] => one.value < next.value,
        _ => true,
    };
    let first = bands.windows(2).map(rises).next().unwrap_or(true);
    let turn = bands.windows(2).find(|pair| rises(pair) != first);
    if let Some([_, (key, edge)]) = turn {
        let help = "write the bands from the highest to the lowest, or the other way".to_owned();
        let message = format!("`{}` stands out of order", key.text);
        faults.error("E007", edge.extent, message, help);
    }
    for (key, edge) in bands {
        if kind == TypeWord::Scorecard && !(0.0..=100.0).contains(&edge.value) {
            let message = format!("`{}` begins outside of 0 to 100", key.text);
            faults.error("E005", edge.extent, message, None);
        }
    }
    for (index, (key, edge)) in bands.iter().enumerate() {
        let twice =
            bands.iter().take(index).find(|(_, other)| other.value.total_cmp(&edge.value).is_eq());
        if let Some((other, _)) = twice {
            let message = format!("`{}` begins where `{}` does", key.text, other.text);
            faults.error("E007", edge.extent, message, None);
        }
    }
}

fn scorecard(raw: &Raw, symbols: &mut Symbols, faults: &mut Faults<'_>) -> Option<Scorecard> {
    let every = raw.every.as_ref().map_or(Span::HOUR, |every| every.value);
    if let Some(short) = raw.every.as_ref().filter(|every| every.value < EVERY_MIN) {
        faults.error("E005", short.extent, format!("at most every {EVERY_MIN}"), None);
    }
    let Some(measures) = raw.measures.as_ref().filter(|measures| !measures.0.is_empty()) else {
        let help = "add `measures:` with at least one".to_owned();
        faults.lacks(raw, "E003", "this scorecard measures nothing", help);
        return None;
    };
    too_many(measures.0.len(), raw.extent, faults);
    let built: Vec<_> =
        measures.0.iter().map(|(key, words)| measure(key, words, symbols, faults)).collect();
    let built: Box<[Measure]> = built.into_iter().collect::<Option<_>>()?;
    let mut series = BTreeSet::new();
    for measure in &built {
        condition::series(&measure.value, &mut series);
    }
    let inputs: BTreeSet<_> =
        series.into_iter().filter_map(|slot| symbols.event_of_series(slot)).collect();
    Some(Scorecard { every, measures: built, inputs: inputs.into_iter().collect() })
}

fn measure(
    key: &Key,
    words: &MeasureWords,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Measure> {
    let sight = Sight::Customer("a score is computed with and without events");
    let line = words.value.0.as_ref();
    let value = line.and_then(|line| condition::number(line, sight, symbols, faults));
    let weight = words.weight.0.as_ref();
    if let Some(weight) = weight.filter(|weight| weight.value <= 0.0 || 1.0e6 < weight.value) {
        let help = "leave the measure out if it does not count".to_owned();
        faults.error("E005", weight.extent, "a weight is above 0", help);
    }
    let scale = words.scale.0.as_ref().and_then(|corners| scale(corners, words.extent, faults));
    let missing = words.missing.as_ref().map_or(MissingWords::Skip, |missing| missing.value);
    Some(Measure {
        name: Arc::from(&*key.text),
        weight: weight?.value,
        value: value?,
        text: line?.0.text.trim().into(),
        scale: scale?,
        missing: match missing {
            MissingWords::Skip => Missing::Skip,
            MissingWords::Bad => Missing::Bad,
            MissingWords::Neutral => Missing::Neutral,
            MissingWords::Points(points) => Missing::Points(points),
        },
    })
}

fn scale(
    corners: &Entries<Located<f64>>,
    owner: Extent,
    faults: &mut Faults<'_>,
) -> Option<Box<[(f64, f64)]>> {
    too_many(corners.0.len(), owner, faults);
    let mut built = Vec::with_capacity(corners.0.len());
    for (key, points) in &corners.0 {
        match key.text.trim().parse::<f64>().ok().filter(|value| value.is_finite()) {
            Some(value) => built.push((value, points.value)),
            None => {
                let message = format!("`{}` is not a number", key.text);
                let help = "a scale gives points by value: {0: 0, 3: 40, 8: 100}".to_owned();
                faults.error("E005", key.extent, message, help);
            }
        }
        if !(0.0..=100.0).contains(&points.value) {
            faults.error("E005", points.extent, "points are from 0 to 100", None);
        }
    }
    if built.len() < corners.0.len() {
        return None;
    }
    if built.is_empty() {
        faults.error("E003", owner, "this scale is empty", None);
        return None;
    }
    built.sort_by(|left, right| left.0.total_cmp(&right.0));
    let twice =
        built.iter().zip(built.iter().skip(1)).any(|(one, next)| one.0.total_cmp(&next.0).is_eq());
    if twice {
        faults.error("E007", owner, "a value stands twice in this scale", None);
    }
    Some(built.into())
}

fn too_many(count: usize, extent: Extent, faults: &mut Faults<'_>) {
    if PARTS_MAX < count {
        let message = format!("there are {count} parts here; at most {PARTS_MAX} are allowed");
        faults.error("E070", extent, message, None);
    }
}
