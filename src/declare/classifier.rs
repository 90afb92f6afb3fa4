//! The door for learned models: their files are checked in full, their scores are pushed in until
//! a model is learned here. A learned model is one more [`ScoreSource`], made in this file.

use std::sync::Arc;

use super::condition::{self, Sight};
use super::read::Faults;
use super::suggest;
use super::symbols::Symbols;
use super::words::model::{Model as Raw, TypeWord};
use crate::engine::catalog::ScoreSource;
use crate::engine::condition::Expr;

/// Where a classifier's score comes from.
pub(crate) fn source(
    raw: &Raw,
    models: &[(Arc<str>, TypeWord)],
    symbols: &Symbols,
    faults: &mut Faults<'_>,
) -> Option<ScoreSource> {
    // Its features become counters only once something is learned from them: nothing that is not
    // used may cost anything, so they are checked against tables that are thrown away.
    let mut scratch = symbols.clone();
    check(raw, &mut scratch, faults);
    if let Some(until_then) = raw.learn.as_ref().and_then(|learn| learn.until_then.as_ref()) {
        let cards = models.iter().filter(|(_, kind)| *kind == TypeWord::Scorecard);
        let cards: Vec<&str> = cards.map(|(name, _)| &**name).collect();
        if !cards.contains(&&*until_then.text) {
            let help = suggest::help(&until_then.text, cards.iter().copied());
            let message = format!("there is no scorecard `{}`", until_then.text);
            faults.error("E032", until_then.extent, message, help);
        }
    }
    Some(ScoreSource::Pushed)
}

fn check(raw: &Raw, symbols: &mut Symbols, faults: &mut Faults<'_>) {
    let sight = Sight::Customer("a model is applied with and without events");
    match &raw.label {
        Some(label) => {
            if let Some(population) = &label.population {
                condition::condition(population, sight, symbols, faults);
            }
        }
        None => {
            let help = "say what is predicted: `label: {event: ..., within: 30d}`".to_owned();
            faults.lacks(raw, "E003", "`label` is missing here", help);
        }
    }
    let Some(features) = &raw.features else {
        let help = "say what it looks at: `features: {logins: count(\"Logged In\", \"28d\")}`";
        faults.lacks(raw, "E003", "`features` are missing here", help.to_owned());
        return;
    };
    let banned = raw.watch.iter().filter_map(|watch| watch.never_use.as_ref());
    let banned: Vec<&str> = banned.flat_map(|words| &words.0).map(|word| &*word.text).collect();
    for (_, feature) in &features.0 {
        let Some(line) = &feature.0.value.0 else { continue };
        let text = line.0.text.trim();
        if banned.contains(&text) {
            let message = format!("`{text}` must never be used, says `watch`");
            faults.error("E007", line.0.extent, message, None);
        }
        let category = feature.0.r#as.as_ref().is_some_and(|word| &*word.text == "category");
        let found = condition::anything(line, sight, symbols, faults);
        if let (Some((Expr::Literal(_), _)), false) = (found, category) {
            faults.error("E012", line.0.extent, "a fixed value explains nothing", None);
        }
    }
}
