//! What `heedful train` says: how good the model is, or why there is none.

use std::path::Path;

use serde_json::{Value, json};

use super::Learned;
use crate::commands::console::{Console, DIM, Error, Format, GOOD, STRONG, WARM};
use crate::learn::card::{aged, fought, measures, recipe};
use crate::learn::duel::Winner;
use crate::learn::looks::date;
use crate::learn::{Lesson, Refusal};
use crate::stats::interval::Interval;

/// Tells of a model; `written` is where it and its card are, unless nothing was to be written.
pub(super) fn learned(
    learned: &Learned,
    written: Option<(&Path, &Path)>,
    format: Format,
    console: &mut Console,
) -> Result<(), Error> {
    match format {
        Format::Human => human(learned, written, console),
        Format::Json => console.json(&as_json(learned, written)),
    }
}

fn human(
    learned: &Learned,
    written: Option<(&Path, &Path)>,
    console: &mut Console,
) -> Result<(), Error> {
    let Learned { lesson, events, refused } = learned;
    let from = &lesson.content.learned_from;
    let (rows, positives, customers) = (from.rows, from.positives, from.customers);
    let line = format!(
        "{events} events: {rows} rows of {customers} customers from {} to {}, {positives} positive",
        from.first, from.last
    );
    console.line(line)?;
    if *refused != 0 {
        console.line(format!("{WARM}{refused} events were refused{WARM:#}"))?;
    }
    console.line(recipe(&lesson.recipe))?;
    console.line(aged(lesson.half_life))?;
    if let Some(duel) = &lesson.duel {
        console.line(fought(duel))?;
    }
    let (first, last) = lesson.judged;
    let (rows, positives) = (lesson.judgement.rows, lesson.judgement.positives);
    console.line(format!(
        "\n{STRONG}on rows from {} to {}{STRONG:#}, not learned from: {rows}, {positives} positive",
        date(first),
        date(last)
    ))?;
    let rate = ("log-loss of the rate alone", lesson.judgement.log_loss_of_rate, 4);
    quality(measures(lesson), &[rate], console)?;
    places(written, console)
}

/// Says how good it is: measures with their intervals, and what they are compared with; each with
/// its digits behind the point.
pub(super) fn quality(
    measures: impl IntoIterator<Item = (&'static str, Interval, usize)>,
    compared_with: &[(&str, f64, usize)],
    console: &mut Console,
) -> Result<(), Error> {
    for (name, Interval { value, low, high }, digits) in measures {
        let range = format!("{DIM}{low:.digits$} to {high:.digits$}{DIM:#}");
        console.line(format!("  {name:<26} {value:>8.digits$}  {range}"))?;
    }
    for (name, value, digits) in compared_with {
        console.line(format!("  {name:<26} {value:>8.digits$}"))?;
    }
    console.line("")
}

/// Says where a model and its card are.
pub(super) fn places(written: Option<(&Path, &Path)>, console: &mut Console) -> Result<(), Error> {
    match written {
        None => console.line("nothing was written: --dry-run"),
        Some((model, card)) => {
            console.line(format!("  {GOOD}wrote{GOOD:#}  {}", model.display()))?;
            console.line(format!("  {GOOD}wrote{GOOD:#}  {}", card.display()))
        }
    }
}

fn as_json(learned: &Learned, written: Option<(&Path, &Path)>) -> Value {
    let lesson: &Lesson = &learned.lesson;
    let measured = measures(lesson).into_iter().map(|(name, interval, _)| {
        let Interval { value, low, high } = interval;
        (name.to_owned(), json!({"value": value, "low": low, "high": high}))
    });
    let from = &lesson.content.learned_from;
    json!({
        "model": lesson.content.model,
        "events": learned.events,
        "refused_events": learned.refused,
        "learned_from": from,
        "judged": {"from": date(lesson.judged.0), "to": date(lesson.judged.1), "rows": lesson.judgement.rows,
                   "positives": lesson.judgement.positives},
        "measures": measured.collect::<serde_json::Map<_, _>>(),
        "duel": lesson.duel.as_ref().map(|duel| json!({
            "difference": duel.difference, "error": duel.error, "halves": duel.halves,
            "calibration_errors": duel.calibration, "promoted": duel.winner == Winner::Challenger,
        })),
        "log_loss_of_rate": lesson.judgement.log_loss_of_rate,
        "written": written.map(|(model, card)| [model.display().to_string(), card.display().to_string()]),
    })
}

/// Tells why there is no model.
pub(super) fn refused(
    model: &str,
    refusal: &Refusal,
    format: Format,
    console: &mut Console,
) -> Result<(), Error> {
    no_model(model, &refusal.to_string(), refusal.help(), format, console)
}

/// The same, whatever kind of model there is not.
pub(super) fn no_model(
    model: &str,
    why: &str,
    help: &str,
    format: Format,
    console: &mut Console,
) -> Result<(), Error> {
    match format {
        Format::Human => {
            console.complain(&Error::refused(format!("`{model}` was not learned: {why}"), help));
            Ok(())
        }
        Format::Json => console.json(&json!({
            "model": model, "refused": why, "help": help, "written": null,
        })),
    }
}
