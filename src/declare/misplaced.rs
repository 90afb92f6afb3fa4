//! Words of a model file that belong to another type of model.

use super::fault::Extent;
use super::read::Faults;
use super::words::model::TypeWord::{self, Classifier, Pushed, Scorecard, Text};
use super::words::model::{Learn, Model as Raw};

/// A word, where it stands if it is there, and the types that it has a meaning for.
type Word = (&'static str, Option<Extent>, &'static [TypeWord]);

/// Notes each word that has no meaning for the type of its model.
pub(crate) fn misplaced(raw: &Raw, kind: TypeWord, faults: &mut Faults<'_>) {
    let name = match kind {
        Scorecard => "scorecard",
        Pushed => "pushed",
        Classifier => "classifier",
        Text => "text",
    };
    // Where `learn` has no meaning, what stands in it is no news.
    let learn = raw.learn.as_ref().filter(|_| matches!(kind, Classifier | Text));
    let words = of_model(raw).into_iter().chain(learn.into_iter().flat_map(of_learn));
    for (word, extent, types) in words {
        if let Some(extent) = extent.filter(|_| !types.contains(&kind)) {
            let message = format!("`{word}` has no meaning for `type: {name}`");
            faults.error("E007", extent, message, None);
        }
    }
}

fn of_model(raw: &Raw) -> [Word; 15] {
    let whole = |is_there: bool| is_there.then_some(raw.extent);
    let test = raw.tests.as_ref().and_then(|tests| tests.first());
    let scores: &[TypeWord] = &[Scorecard, Pushed, Classifier];
    [
        ("label", raw.label.as_ref().map(|words| words.extent), &[Classifier]),
        ("features", whole(raw.features.is_some()), &[Classifier]),
        ("learn", raw.learn.as_ref().map(|words| words.extent), &[Classifier, Text]),
        ("watch", raw.watch.as_ref().map(|words| words.extent), &[Classifier]),
        ("measures", whole(raw.measures.is_some()), &[Scorecard]),
        ("tests", test.map(|test| test.extent), &[Scorecard]),
        ("of", whole(raw.of.is_some()), scores),
        ("history", raw.history.as_ref().map(|history| history.extent), scores),
        ("every", raw.every.as_ref().map(|every| every.extent), scores),
        ("risk", whole(raw.risk.is_some()), scores),
        ("bands", whole(raw.bands.is_some()), scores),
        ("reads", whole(raw.reads.is_some()), &[Text]),
        ("classes", raw.classes.as_ref().map(|classes| classes.extent), &[Text]),
        ("sure", raw.sure.as_ref().map(|sure| sure.extent), &[Text]),
        ("characters", raw.characters.as_ref().map(|words| words.extent), &[Text]),
    ]
}

fn of_learn(learn: &Learn) -> [Word; 8] {
    let part = |is_there: bool| is_there.then_some(learn.extent);
    let least = learn.refuse_below.as_ref();
    let line = |is_there: bool| least.filter(|_| is_there).map(|least| least.extent);
    let until_then = learn.until_then.as_ref().map(|words| words.extent);
    [
        ("with", part(learn.with.is_some()), &[Classifier]),
        ("snapshots", part(learn.snapshots.is_some()), &[Classifier]),
        ("validate", learn.validate.as_ref().map(|words| words.extent), &[Classifier]),
        ("calibrate", part(learn.calibrate.is_some()), &[Classifier]),
        ("until_then", until_then, &[Classifier]),
        ("columns", learn.columns.as_ref().map(|words| words.extent), &[Text]),
        ("auc", line(least.is_some_and(|least| least.auc.is_some())), &[Classifier]),
        ("accuracy", line(least.is_some_and(|least| least.accuracy.is_some())), &[Text]),
    ]
}
