//! Says what a measure found in plain words, from the expression that measured it.

use super::super::catalog::{self, Catalog, SeriesSpec};
use super::super::condition::{Ever, Expr, History};
use super::super::evaluate::{Scope, number};
use super::super::slot::SeriesSlot;
use super::super::time::Span;
use super::Measure;

/// Most parts of a sum that are told one by one.
const PARTS_MAX: usize = 3;

/// One sentence about one measure of a scorecard.
pub(super) fn of_measure(
    measure: &Measure,
    value: Option<f64>,
    points: Option<f64>,
    scope: &Scope<'_>,
) -> Box<str> {
    let said = said(&measure.value, value, scope);
    let said = said.unwrap_or_else(|| match (value, points) {
        (None, _) => format!("nothing is known about {}", measure.name),
        (Some(_), None) => format!("{} does not count", measure.name),
        (Some(_), Some(points)) => format!("{}: {} of 100 points", measure.name, short(points)),
    });
    said.into()
}

/// One sentence about a number that goes by a name.
pub(in crate::engine) fn sentence(
    name: &str,
    expr: &Expr,
    value: Option<f64>,
    scope: &Scope<'_>,
) -> Box<str> {
    let said = said(expr, value, scope);
    let said = said.unwrap_or_else(|| match value {
        None => format!("nothing is known about {}", spoken(name)),
        Some(value) => format!("{} is {}", spoken(name), short(value)),
    });
    said.into()
}

fn said(expr: &Expr, value: Option<f64>, scope: &Scope<'_>) -> Option<String> {
    match value {
        Some(value) => told(expr, value, scope.catalog).or_else(|| told_in_parts(expr, scope)),
        None => untold(expr, scope.catalog),
    }
}

fn told(expr: &Expr, value: f64, catalog: &Catalog) -> Option<String> {
    match expr {
        Expr::History(history) => told_history(*history, value, catalog),
        Expr::Last(slot) => {
            let (event, property) = names(*slot, catalog)?;
            Some(format!("{} of the last {event} is {}", property?, short(value)))
        }
        Expr::Trait { slot, path } => {
            let name = path.last().map_or_else(
                || catalog.traits.get(slot.index()).map(|name| &**name),
                |member| Some(&**member),
            );
            Some(format!("{} is {}", spoken(name?), short(value)))
        }
        _ => None,
    }
}

/// A calculation, told by what it is made of: tickets opened and tickets escalated.
fn told_in_parts(expr: &Expr, scope: &Scope<'_>) -> Option<String> {
    let mut parts = Vec::new();
    gather(expr, &mut parts);
    if parts.is_empty() || PARTS_MAX < parts.len() {
        return None;
    }
    let told = |part: &&Expr| told(part, number(part, scope)?, scope.catalog);
    let said: Option<Vec<String>> = parts.iter().map(told).collect();
    said.map(|said| said.join(", "))
}

fn gather<'a>(expr: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Arithmetic { left, right, .. } => {
            gather(left, parts);
            gather(right, parts);
        }
        Expr::Negate(inner) => gather(inner, parts),
        Expr::Literal(_) => {}
        _ => parts.push(expr),
    }
}

fn told_history(history: History, value: f64, catalog: &Catalog) -> Option<String> {
    let of = |slot| names(slot, catalog);
    Some(match history {
        History::Count(slot, window) => {
            format!("{} {} in {}", of(slot)?.0, times(value), last(window))
        }
        History::Distinct(slot, window) => {
            let (event, property) = of(slot)?;
            let values = if is_one(value) { "value" } else { "different values" };
            format!("{event}: {} {values} of {} in {}", short(value), property?, last(window))
        }
        History::Change(slot, window) => changed(&of(slot)?.0, value, window),
        History::Since(slot, unit) => format!("{} {}", of(slot)?.0, ago(value, unit)),
        History::Ever(slot, ever) => told_ever(ever, of(slot)?, value)?,
        History::Sum(slot, window) => summed("sum", of(slot)?, value, window)?,
        History::Average(slot, window) => summed("average", of(slot)?, value, window)?,
        History::Min(slot, window) => summed("smallest", of(slot)?, value, window)?,
        History::Max(slot, window) => summed("largest", of(slot)?, value, window)?,
    })
}

/// A number of the whole history.
fn told_ever(
    ever: Ever,
    (event, property): (String, Option<String>),
    value: f64,
) -> Option<String> {
    let summed = |which: &str, property: Option<String>| {
        Some(format!("{which} {} of {event} so far is {}", property?, short(value)))
    };
    Some(match ever {
        Ever::Count => format!("{event} {} so far", times(value)),
        Ever::ActiveDays => format!("{event} on {} so far", days(value)),
        Ever::Sum => summed("sum", property)?,
        Ever::Average => summed("average", property)?,
        Ever::Min => summed("smallest", property)?,
        Ever::Max => summed("largest", property)?,
        Ever::SinceFirst | Ever::CalendarSinceFirst => {
            format!("first {event} {}", ago(value, Span::DAY))
        }
        Ever::CalendarSince => format!("{event} {}", ago(value, Span::DAY)),
        Ever::GapMean => format!("{event} every {} on average", days(value)),
        Ever::GapDeviation => format!("time between two {event} varies by {}", days(value)),
        Ever::GapMax => format!("longest time without {event} was {}", days(value)),
    })
}

/// `12.5 days`.
fn days(value: f64) -> String {
    if is_one(value) { "1 day".into() } else { format!("{} days", short(value)) }
}

/// What a value that is missing says.
fn untold(expr: &Expr, catalog: &Catalog) -> Option<String> {
    let of = |slot| names(slot, catalog).map(|(event, _)| event);
    Some(match expr {
        Expr::History(History::Change(slot, window)) => {
            format!("{} neither in {} nor in {}", of(*slot)?, last(*window), before(*window))
        }
        Expr::History(History::Since(slot, _)) | Expr::Last(slot) => {
            format!("{} never happened", of(*slot)?)
        }
        Expr::History(
            History::Average(slot, window)
            | History::Min(slot, window)
            | History::Max(slot, window),
        ) => format!("{} not once in {}", of(*slot)?, last(*window)),
        _ => return None,
    })
}

fn changed(event: &str, value: f64, window: Span) -> String {
    let percent = (value.abs() * 100.0).round();
    let (last, before) = (last(window), before(window));
    if value <= -1.0 {
        format!("{event} not once in {last}, but in {before}")
    } else if percent < 1.0 {
        format!("{event} as often in {last} as in {before}")
    } else {
        let direction = if value < 0.0 { "less" } else { "more" };
        format!("{event} {percent} % {direction} in {last} than in {before}")
    }
}

fn summed(
    which: &str,
    (event, property): (String, Option<String>),
    value: f64,
    window: Span,
) -> Option<String> {
    Some(format!("{which} {} of {event} in {} is {}", property?, last(window), short(value)))
}

/// The event and the property of a series, as they are spoken.
fn names(slot: SeriesSlot, catalog: &Catalog) -> Option<(String, Option<String>)> {
    let SeriesSpec { event, measure, .. } = catalog.series.get(slot.index())?;
    let event = spoken(catalog.events.get(event.index())?);
    let property = match measure {
        catalog::Measure::Amount(slot)
        | catalog::Measure::Distinct(slot)
        | catalog::Measure::Last(slot)
        | catalog::Measure::Total(slot) => catalog.properties.get(slot.index()),
        catalog::Measure::Times | catalog::Measure::LastTime | catalog::Measure::Tally => None,
    };
    Some((event, property.map(|name| spoken(name))))
}

/// `Invoice Overdue` or `renews_at` as one would say it.
fn spoken(name: &str) -> String {
    name.to_lowercase().replace('_', " ")
}

fn times(count: f64) -> String {
    if count < 1.0 {
        "not once".into()
    } else if is_one(count) {
        "once".into()
    } else {
        format!("{} times", short(count))
    }
}

/// `the last 14 days`, `the last day`.
fn last(window: Span) -> String {
    let (count, unit) = in_words(window);
    if count == 1 { format!("the last {unit}") } else { format!("the last {count} {unit}s") }
}

/// `the 14 before`, `the day before`.
fn before(window: Span) -> String {
    let (count, unit) = in_words(window);
    if count == 1 { format!("the {unit} before") } else { format!("the {count} before") }
}

/// A span in the largest unit that it is a whole number of; days rather than weeks.
fn in_words(span: Span) -> (i64, &'static str) {
    let units = [(Span::DAY, "day"), (Span::HOUR, "hour"), (Span::MINUTE, "minute")];
    let whole = |unit: Span| span.as_millis().checked_rem(unit.as_millis()) == Some(0);
    let (unit, name) =
        units.into_iter().find(|(unit, _)| whole(*unit)).unwrap_or((Span::SECOND, "second"));
    (span.as_millis() / unit.as_millis(), name)
}

/// `3 days ago`; whole units only, as people count.
fn ago(value: f64, unit: Span) -> String {
    let (_, name) = in_words(unit);
    let whole = value.floor();
    if whole < 1.0 {
        format!("less than {} {name} ago", if name == "hour" { "an" } else { "a" })
    } else if is_one(whole) {
        format!("1 {name} ago")
    } else {
        format!("{whole} {name}s ago")
    }
}

fn is_one(value: f64) -> bool {
    (value - 1.0).abs() < 1e-9
}

/// A number with at most two decimals.
fn short(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // Rounding can leave the negative zero, which would print its sign.
    (rounded + 0.0).to_string()
}
