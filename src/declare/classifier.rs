//! Learned models: what they look at, whom they judge and what they predict.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::condition::{self, Kind, Sight};
use super::fault::{Extent, Text};
use super::node::Key;
use super::read::Faults;
use super::scalar::Line;
use super::suggest;
use super::symbols::Symbols;
use super::words::model::{
    AsWord, Feature as RawFeature, Label as RawLabel, MissingFeatureWords, Model as Raw,
    MonotoneWord, RiskWord, TypeWord,
};
use crate::engine::catalog::{Measure, RiskEnd, ScoreSource};
use crate::engine::classifier::{
    Classifier, Feature, FeatureKind, Label, MissingFeature, Monotone, Positive,
};
use crate::engine::condition::Expr;
use crate::engine::fitted::Content;
use crate::engine::learned::Learned;
use crate::engine::rival::Challenger;
use crate::engine::slot::SeriesSlot;
use crate::engine::stand_in::StandIn;
use crate::engine::time::{Span, Timestamp};

/// Most features of a model.
const FEATURES_MAX: usize = 256;
/// The longest time that a label looks ahead.
const WITHIN_MAX: Span = Span::DAY.times(400);
/// How often it is computed anew unless its file says otherwise.
const EVERY_DEFAULT: Span = Span::HOUR.times(6);

/// Which model is to be learned by those who load the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learning<'a> {
    /// None: classifiers that have learned nothing yet must cost nothing.
    Nothing,
    /// The one of this name: what it looks at is kept of each customer.
    Model(&'a str),
}

/// What was learned for a classifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Files<'t> {
    /// What speaks.
    pub(crate) fitted: Option<&'t Text>,
    /// What is watched beside it.
    pub(crate) rival: Option<&'t Text>,
}

/// Where a classifier's score comes from.
pub(crate) fn source(
    raw: &Raw,
    models: &[(Arc<str>, TypeWord)],
    learning: Learning<'_>,
    Files { fitted, rival }: Files<'_>,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<ScoreSource> {
    check_until_then(raw, models, faults);
    let name = raw.model.0.as_ref().map(|name| &*name.text);
    if let (Learning::Model(wanted), Some(name)) = (learning, name)
        && wanted == name
    {
        return classifier(raw, symbols, faults).map(Box::new).map(ScoreSource::Learning);
    }
    if fitted.is_none() && raw.learn.is_none() {
        // Its features become counters only when something is learned from them: nothing that is
        // not used may cost anything, so they are checked against tables that are thrown away.
        let mut scratch = symbols.clone();
        classifier(raw, &mut scratch, faults);
        return Some(ScoreSource::Pushed);
    }
    let classifier = classifier(raw, symbols, faults)?;
    let Some(fitted) = fitted else {
        return Some(stood_in(classifier, raw, "nothing was learned yet".into(), symbols));
    };
    let text = fitted;
    let content = accepted(text, &classifier, faults)?;
    let misses = classifier.terms.least.misses(&content.quality);
    if misses.is_empty() {
        let (fitted, baseline) = (content.body.into(), content.baseline);
        let last = format!("{}T00:00:00Z", content.learned_from.last);
        let known_to = Timestamp::parse(&last).map(|last| classifier.label.closes(last));
        let challenger = rival.and_then(|rival| challenger(text, rival, &classifier, faults));
        let learned = Learned { classifier, fitted, baseline, known_to, challenger };
        return Some(ScoreSource::Learned(Box::new(learned)));
    }
    // The terms have become stricter since it was learned.
    let why = misses.join("; ");
    let message =
        format!("what was learned for `{}` may not speak: {why}", name.unwrap_or_default());
    let help = "learn it again: `heedful train`; or change `refuse_below`".to_owned();
    Faults { text, list: &mut *faults.list }.warning("W006", Extent::default(), message, help);
    Some(stood_in(classifier, raw, why.into(), symbols))
}

/// A model that may not speak: the scorecard does, if there is one for that.
fn stood_in(classifier: Classifier, raw: &Raw, why: Box<str>, symbols: &Symbols) -> ScoreSource {
    let until_then = classifier.terms.until_then.as_deref();
    let Some(card) = until_then.and_then(|name| symbols.score(name)) else {
        return ScoreSource::Pushed;
    };
    let risk = if raw.risk == Some(RiskWord::Low) { RiskEnd::Low } else { RiskEnd::High };
    let (every, inputs) = (classifier.every, Box::default());
    ScoreSource::StandIn(Box::new(StandIn { classifier, card, every, inputs, risk, why }))
}

/// What was learned, if it was learned for this very model.
fn accepted(text: &Text, classifier: &Classifier, faults: &mut Faults<'_>) -> Option<Content> {
    match read(text, classifier) {
        Ok(content) => Some(content),
        Err(why) => {
            // Its faults stand in the file of what was learned, not in that of the model.
            let help = "learn it again: `heedful train`; or remove the file".to_owned();
            let mut faults = Faults { text, list: &mut *faults.list };
            faults.error("E080", Extent::default(), why, help);
            None
        }
    }
}

/// What is to be watched beside a model. One that cannot be is no reason for the model to be silent.
fn challenger(
    champion: &Text,
    text: &Text,
    classifier: &Classifier,
    faults: &mut Faults<'_>,
) -> Option<Box<Challenger>> {
    match read(text, classifier) {
        Ok(content) => {
            let pair = super::pair(&champion.text, &text.text);
            Some(Box::new(Challenger { fitted: content.body.into(), pair }))
        }
        Err(why) => {
            let help = "learn it again: `heedful train --beside`; or remove the file".to_owned();
            let message = format!("this challenger is not watched: {why}");
            let mut faults = Faults { text, list: &mut *faults.list };
            faults.warning("W007", Extent::default(), message, help);
            None
        }
    }
}

fn read(text: &Text, classifier: &Classifier) -> Result<Content, String> {
    let content = Content::parse(&text.text).map_err(|why| why.to_string())?;
    let names: Vec<&str> = classifier.features.iter().map(|feature| &*feature.name).collect();
    if content.body.features() != names || *content.definition != *classifier.definition {
        return Err("it was learned for another definition of this model".to_owned());
    }
    Ok(content)
}

fn check_until_then(raw: &Raw, models: &[(Arc<str>, TypeWord)], faults: &mut Faults<'_>) {
    let learn = raw.learn.as_ref();
    let Some(until_then) = learn.and_then(|learn| learn.until_then.as_ref()) else { return };
    let cards = models.iter().filter(|(_, kind)| *kind == TypeWord::Scorecard);
    let cards: Vec<&str> = cards.map(|(name, _)| &**name).collect();
    if !cards.contains(&&*until_then.text) {
        let help = suggest::help(&until_then.text, cards.iter().copied());
        let message = format!("there is no scorecard `{}`", until_then.text);
        faults.error("E032", until_then.extent, message, help);
    }
}

fn classifier(raw: &Raw, symbols: &mut Symbols, faults: &mut Faults<'_>) -> Option<Classifier> {
    let label = if let Some(words) = &raw.label {
        label(words, symbols, faults)
    } else {
        let help = "say what is predicted: `label: {event: ..., within: 30d}`".to_owned();
        faults.lacks(raw, "E003", "`label` is missing here", help);
        None
    };
    let sight = Sight::Customer("a model is applied with and without events");
    let population = raw.label.as_ref().and_then(|label| label.population.as_ref());
    let population = population.map(|line| condition::condition(line, sight, symbols, faults));
    let features = features(raw, symbols, faults);
    let ignored = raw.label.as_ref().and_then(|label| label.ignore_first.as_ref());
    let features = features?;
    let definition = definition(raw, &features);
    let mut series = BTreeSet::new();
    for feature in &features {
        condition::series(&feature.value, &mut series);
    }
    let inputs: BTreeSet<_> =
        series.into_iter().filter_map(|slot| symbols.event_of_series(slot)).collect();
    Some(Classifier {
        about: raw.about.0.as_ref().map(|about| about.text.clone()).unwrap_or_default(),
        owner: raw.owner.as_ref().map(|owner| owner.text.clone()),
        predicts: predicts(raw).into(),
        never_use: banned(raw).into_iter().map(Box::from).collect(),
        every: raw.every.as_ref().map_or(EVERY_DEFAULT, |every| every.value),
        population: population.map_or(Some(None), |found| found.map(Some))?,
        ignore_first: ignored.map_or(Span::ZERO, |span| span.value),
        label: label?,
        features,
        definition,
        inputs: inputs.into_iter().collect(),
        terms: super::terms::terms(raw, faults)?,
    })
}

/// Everything by which a row or its label would be another, as one hash.
fn definition(raw: &Raw, features: &[Feature]) -> Arc<str> {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    };
    if let Some(label) = &raw.label {
        let words = |words: &Option<super::scalar::Words>| {
            words.as_ref().map(|words| words.text.to_string()).unwrap_or_default()
        };
        let line = |line: &Option<Line>| {
            line.as_ref().map(|line| line.0.text.trim().to_owned()).unwrap_or_default()
        };
        let span = |span: Option<&super::fault::Located<Span>>| {
            span.map(|span| span.value.to_string()).unwrap_or_default()
        };
        add(&line(&label.population));
        add(&words(&label.event));
        add(&words(&label.without));
        add(&line(&label.r#where));
        add(&span(label.within.0.as_ref()));
        add(&span(label.ignore_first.as_ref()));
    }
    for feature in features {
        add(&feature.name);
        add(&feature.text);
        add(&format!("{:?} {:?} {:?}", feature.kind, feature.missing, feature.monotone));
    }
    super::hash(&text)
}

fn label(words: &RawLabel, symbols: &mut Symbols, faults: &mut Faults<'_>) -> Option<Label> {
    let within = words.within.0.as_ref();
    if let Some(within) =
        within.filter(|within| within.value < Span::DAY || WITHIN_MAX < within.value)
    {
        let message = format!("a prediction looks from 1d to {WITHIN_MAX} ahead");
        faults.error("E014", within.extent, message, None);
    }
    let (event, positive) = match (&words.event, &words.without) {
        (Some(event), None) => (event, Positive::Happens),
        (None, Some(event)) => (event, Positive::Lacks),
        (Some(_), Some(without)) => {
            let message = "`event` and `without` do not go together";
            let help = "predict that one comes, or that one fails to come".to_owned();
            faults.error("E007", without.extent, message, help);
            return None;
        }
        (None, None) => {
            let help = "name the event: `event: Subscription Cancelled`".to_owned();
            faults.lacks(words, "E003", "it is not said what is predicted", help);
            return None;
        }
    };
    let filter = words.r#where.as_ref();
    let filter = filter.map(|line| condition::condition(line, Sight::Event, symbols, faults));
    let filter = filter.map_or(Some(None), |found| found.map(Some))?;
    let slot = symbols.event(&event.text);
    let series: SeriesSlot = symbols.series(slot, filter, Measure::Tally, Span::ZERO);
    Some(Label { series, positive, within: within?.value })
}

fn features(raw: &Raw, symbols: &mut Symbols, faults: &mut Faults<'_>) -> Option<Box<[Feature]>> {
    let Some(features) = raw.features.as_ref().filter(|features| !features.0.is_empty()) else {
        let help = "say what it looks at: `features: {logins: count(\"Logged In\", \"28d\")}`";
        faults.lacks(raw, "E003", "`features` are missing here", help.to_owned());
        return None;
    };
    if FEATURES_MAX < features.0.len() {
        let message = format!("there are more than {FEATURES_MAX} features");
        faults.error("E070", raw.extent, message, None);
        return None;
    }
    let banned = banned(raw);
    let built: Vec<Option<Feature>> = features
        .0
        .iter()
        .map(|(key, words)| feature(key, words, &banned, symbols, faults))
        .collect();
    built.into_iter().collect()
}

/// What must never be used.
fn banned(raw: &Raw) -> Vec<&str> {
    let banned = raw.watch.iter().filter_map(|watch| watch.never_use.as_ref());
    banned.flat_map(|words| &words.0).map(|word| word.text.trim()).collect()
}

/// What is predicted and of whom, in words.
fn predicts(raw: &Raw) -> String {
    let Some(label) = &raw.label else { return String::new() };
    let mut text = match (&label.event, &label.without) {
        (Some(event), _) => format!("`{}`", event.text),
        (None, Some(without)) => format!("no `{}`", without.text),
        (None, None) => String::new(),
    };
    if let Some(line) = &label.r#where {
        text.push_str(&format!(" where `{}`", line.0.text.trim()));
    }
    if let Some(within) = &label.within.0 {
        text.push_str(&format!(" within {}", within.value));
    }
    match &label.population {
        Some(line) => text.push_str(&format!(", of customers with `{}`", line.0.text.trim())),
        None => text.push_str(", of all customers"),
    }
    if let Some(ignored) = &label.ignore_first {
        text.push_str(&format!(" known for {}", ignored.value));
    }
    text
}

fn feature(
    key: &Key,
    words: &RawFeature,
    banned: &[&str],
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Feature> {
    let words = &words.0;
    let line = words.value.0.as_ref()?;
    refuse_banned(line, banned, faults);
    let sight = Sight::Customer("a model is applied with and without events");
    let (value, kind) = condition::anything(line, sight, symbols, faults)?;
    let is_category = words.r#as == Some(AsWord::Category);
    if let Expr::Literal(_) = value {
        faults.error("E012", line.0.extent, "a fixed value explains nothing", None);
        return None;
    }
    if matches!(kind, Kind::Text | Kind::Class(_)) && !is_category {
        let help = "write `{value: ..., as: category}`".to_owned();
        faults.error("E012", line.0.extent, "a number is wanted here, this is a text", help);
    }
    let misfit = |word: &str| format!("`{word}` has no meaning for a category");
    let missing = match words.missing {
        None | Some(MissingFeatureWords::Flag) => MissingFeature::Flag,
        Some(_) if is_category => {
            faults.error("E007", words.extent, misfit("missing"), None);
            return None;
        }
        Some(MissingFeatureWords::Mean) => MissingFeature::Mean,
        Some(MissingFeatureWords::Value(value)) => MissingFeature::Value(value),
    };
    let monotone = match words.monotone {
        None => Monotone::Free,
        Some(_) if is_category => {
            faults.error("E007", words.extent, misfit("monotone"), None);
            return None;
        }
        Some(MonotoneWord::Rising) => Monotone::Rising,
        Some(MonotoneWord::Falling) => Monotone::Falling,
    };
    let kind = if is_category { FeatureKind::Category } else { FeatureKind::Number };
    let name = Arc::from(&*key.text);
    Some(Feature { name, value, text: line.0.text.trim().into(), kind, missing, monotone })
}

/// What may never be used may not stand in an expression either.
fn refuse_banned(line: &Line, banned: &[&str], faults: &mut Faults<'_>) {
    let text = &*line.0.text;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    for word in banned.iter().filter(|word| !word.is_empty()) {
        for (start, _) in text.match_indices(word) {
            let end = start + word.len();
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            let after = text.get(end..).and_then(|after| after.chars().next());
            // `customer.gender.code` is a part of `customer.gender`; `customer.genders` is not.
            if before.is_some_and(is_name) || after.is_some_and(|c| is_name(c) && c != '.') {
                continue;
            }
            let extent: Extent = line.0.extent_of(start, end);
            let message = format!("`{word}` must never be used, says `watch`");
            faults.error("E007", extent, message, None);
        }
    }
}
