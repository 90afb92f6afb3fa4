//! What a condition saw: each name and function in it with its value, for `explain`.

use super::super::catalog::{Catalog, Measure, SeriesSpec};
use super::super::condition::{Condition, Expr, History, SessionField};
use super::super::decision::Held;
use super::super::health::Over;
use super::super::slot::{ScoreSlot, SeriesSlot};
use super::super::time::Span;
use super::super::value::Value;
use super::{Scope, holds, value};

/// Evaluates a condition and lists what it saw, each name once, in the order of the text.
pub fn trace(condition: &Condition, scope: &Scope<'_>) -> Held {
    let mut seen = Vec::new();
    visit(&condition.expr, scope, &mut seen);
    Held {
        text: condition.text.clone(),
        place: condition.place.clone(),
        outcome: holds(condition, scope),
        seen,
    }
}

/// The text of a name or function as people write it; `None` for what is made of other parts.
pub fn leaf_text(expr: &Expr, catalog: &Catalog) -> Option<String> {
    Some(match expr {
        Expr::Property(slot) => format!("event.{}", text_of(&catalog.properties, slot.index())),
        Expr::CustomerId => "customer.id".into(),
        Expr::Trait { slot, path } => {
            let mut text = format!("customer.{}", text_of(&catalog.traits, slot.index()));
            for member in path {
                text.push('.');
                text.push_str(member);
            }
            text
        }
        Expr::Score(slot) => match score_name(catalog, *slot) {
            "health" => "health.score".into(),
            name => format!("score.{name}"),
        },
        Expr::ScoreWas(slot) => format!("score.{}_was", score_name(catalog, *slot)),
        Expr::Band(slot) => format!("{}.band", score_name(catalog, *slot)),
        Expr::Trend { score, days } => format!("{}.trend_{days}d", score_name(catalog, *score)),
        Expr::ScoreOver { score, days, over } => {
            let name = match over {
                Over::Least => "min",
                Over::Greatest => "max",
                Over::Mean => "avg",
            };
            format!("{name}(score.{}, \"{days}d\")", score_name(catalog, *score))
        }
        Expr::Session(SessionField::Events) => "session.events".into(),
        Expr::Session(SessionField::Minutes) => "session.minutes".into(),
        Expr::History(history) => history_text(*history, catalog),
        Expr::Last(slot) => call("last", *slot, None, catalog),
        Expr::Until { of, unit } => format!("{}_until({})", unit_text(*unit), inner(of, catalog)),
        Expr::SinceValue { of, unit } => {
            format!("{}_since({})", unit_text(*unit), inner(of, catalog))
        }
        Expr::Lower(of) => format!("lower({})", inner(of, catalog)),
        Expr::Size(of) => format!("size({})", inner(of, catalog)),
        Expr::Literal(_)
        | Expr::Flag(_)
        | Expr::Has(_)
        | Expr::Not(_)
        | Expr::All(_)
        | Expr::Any(_)
        | Expr::Compare { .. }
        | Expr::In { .. }
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Floor(_)
        | Expr::If { .. }
        | Expr::Text { .. } => return None,
    })
}

fn visit(expr: &Expr, scope: &Scope<'_>, seen: &mut Vec<(Box<str>, Option<Value>)>) {
    if let Some(text) = leaf_text(expr, scope.catalog)
        && !seen.iter().any(|(known, _)| **known == *text)
    {
        seen.push((text.into(), value(expr, scope)));
        if let Expr::Property(slot) = expr
            && let Some((what, told)) =
                scope.catalog.readers.told(scope.catalog, *slot, scope.properties)
        {
            seen.push((what, Some(told)));
        }
    }
    match expr {
        Expr::Until { of: inner, .. }
        | Expr::SinceValue { of: inner, .. }
        | Expr::Flag(inner)
        | Expr::Has(inner)
        | Expr::Not(inner)
        | Expr::Negate(inner)
        | Expr::Lower(inner)
        | Expr::Size(inner)
        | Expr::Floor(inner) => visit(inner, scope, seen),
        Expr::All(parts) | Expr::Any(parts) => {
            parts.iter().for_each(|part| visit(part, scope, seen));
        }
        Expr::Compare { left, right, .. }
        | Expr::Arithmetic { left, right, .. }
        | Expr::In { needle: left, haystack: right }
        | Expr::Text { of: left, with: right, .. } => {
            visit(left, scope, seen);
            visit(right, scope, seen);
        }
        Expr::If { condition, then, otherwise } => {
            visit(condition, scope, seen);
            visit(then, scope, seen);
            visit(otherwise, scope, seen);
        }
        Expr::Literal(_)
        | Expr::Property(_)
        | Expr::CustomerId
        | Expr::Trait { .. }
        | Expr::Score(_)
        | Expr::ScoreWas(_)
        | Expr::Band(_)
        | Expr::Trend { .. }
        | Expr::ScoreOver { .. }
        | Expr::Session(_)
        | Expr::History(_)
        | Expr::Last(_) => {}
    }
}

fn history_text(history: History, catalog: &Catalog) -> String {
    match history {
        History::Count(slot, window) => call("count", slot, Some(window), catalog),
        History::Sum(slot, window) => call("sum", slot, Some(window), catalog),
        History::Average(slot, window) => call("avg", slot, Some(window), catalog),
        History::Min(slot, window) => call("min", slot, Some(window), catalog),
        History::Max(slot, window) => call("max", slot, Some(window), catalog),
        History::Distinct(slot, window) => call("distinct", slot, Some(window), catalog),
        History::Change(slot, window) => call("change", slot, Some(window), catalog),
        History::Since(slot, unit) => {
            call(&format!("{}_since", unit_text(unit)), slot, None, catalog)
        }
        History::Ever(slot, ever) => call(ever.function(), slot, None, catalog),
    }
}

fn call(function: &str, slot: SeriesSlot, window: Option<Span>, catalog: &Catalog) -> String {
    let Some(spec) = catalog.series.get(slot.index()) else { return format!("{function}(?)") };
    let SeriesSpec { event, filter, measure, .. } = spec;
    let mut text = format!("{function}(\"{}\"", text_of(&catalog.events, event.index()));
    match measure {
        Measure::Amount(property)
        | Measure::Distinct(property)
        | Measure::Last(property)
        | Measure::Total(property) => {
            text += &format!(", \"{}\"", text_of(&catalog.properties, property.index()));
        }
        Measure::Times | Measure::LastTime | Measure::Tally => {}
    }
    if let Some(window) = window {
        text += &format!(", \"{}\"", window_text(window));
    } else if matches!(function, "count" | "sum" | "avg" | "min" | "max") {
        text += ", \"ever\"";
    }
    if let Some(filter) = filter {
        text += &format!(", {}", filter.text);
    }
    text.push(')');
    text
}

/// A window as people write it: `24h` rather than `1d`, but `14d`.
fn window_text(window: Span) -> String {
    let hours = window.as_millis() / Span::HOUR.as_millis();
    if Span::HOUR.times(hours) == window && hours <= 24 {
        format!("{hours}h")
    } else {
        window.to_string()
    }
}

/// The plural of a unit: the beginning of `days_since` and its kin.
fn unit_text(unit: Span) -> &'static str {
    match unit {
        Span::DAY => "days",
        Span::HOUR => "hours",
        Span::MINUTE => "minutes",
        _ => "seconds",
    }
}

fn inner(expr: &Expr, catalog: &Catalog) -> String {
    leaf_text(expr, catalog).unwrap_or_else(|| "...".into())
}

fn score_name(catalog: &Catalog, slot: ScoreSlot) -> &str {
    catalog.scores.get(slot.index()).map_or("?", |score| &*score.name)
}

fn text_of(table: &[std::sync::Arc<str>], index: usize) -> &str {
    table.get(index).map_or("?", |text| text)
}
