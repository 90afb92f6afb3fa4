//! The functions of conditions: their arguments, checked one by one.

use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue};

use super::Kind;
use super::check::{Checker, Sight, Typed};
use crate::declare::fault::Located;
use crate::declare::node::Embedded;
use crate::declare::scalar::{parse_local, span_help};
use crate::declare::suggest;
use crate::engine::catalog::Measure;
use crate::engine::condition::{Condition, Ever, Expr, History, TextTest};
use crate::engine::health::{self, Over};
use crate::engine::slot::SeriesSlot;
use crate::engine::time::{Span, Timestamp};
use crate::engine::value::Value;

/// Longest window over history.
const WINDOW_MAX: Span = Span::DAY.times(400);

/// What stands in the place of a window for the whole history.
const EVER: &str = "ever";
/// Functions of the whole history of an event.
const OF_THE_WHOLE: [Ever; 7] = [
    Ever::SinceFirst,
    Ever::CalendarSince,
    Ever::CalendarSinceFirst,
    Ever::ActiveDays,
    Ever::GapMean,
    Ever::GapDeviation,
    Ever::GapMax,
];

/// Names of the functions, with how each is written.
const FUNCTIONS: &[(&str, &str)] = &[
    ("count", "count(\"Event\", \"7d\")"),
    ("sum", "sum(\"Event\", \"property\", \"28d\")"),
    ("avg", "avg(\"Event\", \"property\", \"28d\")"),
    ("min", "min(\"Event\", \"property\", \"28d\")"),
    ("max", "max(\"Event\", \"property\", \"28d\")"),
    ("distinct", "distinct(\"Event\", \"property\", \"28d\")"),
    ("last", "last(\"Event\", \"property\")"),
    ("change", "change(\"Event\", \"14d\")"),
    ("days_since", "days_since(\"Event\") or days_since(customer.created_at)"),
    ("hours_since", "hours_since(\"Event\")"),
    ("minutes_since", "minutes_since(\"Event\")"),
    ("days_until", "days_until(customer.renews_at)"),
    ("hours_until", "hours_until(customer.renews_at)"),
    ("minutes_until", "minutes_until(customer.renews_at)"),
    ("days_since_first", "days_since_first(\"Event\")"),
    ("calendar_days_since", "calendar_days_since(\"Event\")"),
    ("calendar_days_since_first", "calendar_days_since_first(\"Event\")"),
    ("active_days", "active_days(\"Event\")"),
    ("gap_mean", "gap_mean(\"Event\")"),
    ("gap_sd", "gap_sd(\"Event\")"),
    ("gap_max", "gap_max(\"Event\")"),
    ("floor", "floor(days_since(\"Event\"))"),
    ("has", "has(customer.phone)"),
    ("size", "size(customer.services)"),
    ("lower", "lower(customer.plan)"),
    ("startsWith", "customer.email.startsWith(\"...\")"),
    ("endsWith", "customer.email.endsWith(\"...\")"),
    ("contains", "customer.email.contains(\"...\")"),
];

/// Whether a name is a function's.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, _)| *known == name)
}

impl Checker<'_, '_> {
    /// A call that is not an operator.
    pub(super) fn function(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return self.method(node, target, call);
        }
        let number = |expr| Some(Typed { expr, kind: Kind::Number });
        match (name, call.args.as_slice()) {
            ("count", [event, window, rest @ ..]) if rest.len() <= 1 && is_ever(window) => {
                self.ever(Ever::Count, event, None, rest.first())
            }
            ("count", [event, window, rest @ ..]) if rest.len() <= 1 => {
                let (slot, span) = self.counted(event, window, rest.first(), 1)?;
                number(Expr::History(History::Count(slot, span)))
            }
            ("change", [event, window, rest @ ..]) if rest.len() <= 1 => {
                let (slot, span) = self.counted(event, window, rest.first(), 2)?;
                number(Expr::History(History::Change(slot, span)))
            }
            ("avg" | "min" | "max", [score, window]) => self.score_over(name, score, window),
            ("sum" | "avg" | "min" | "max", [event, property, window, rest @ ..])
                if rest.len() <= 1 && is_ever(window) =>
            {
                let ever = match name {
                    "sum" => Ever::Sum,
                    "avg" => Ever::Average,
                    "min" => Ever::Min,
                    _ => Ever::Max,
                };
                self.ever(ever, event, Some(property), rest.first())
            }
            ("sum" | "avg" | "min" | "max" | "distinct", [event, property, window, rest @ ..])
                if rest.len() <= 1 =>
            {
                self.measured(name, [event, property, window], rest.first())
            }
            ("last", [event, property, rest @ ..]) if rest.len() <= 1 => {
                let kind = self.kind_of_history(event, property)?;
                let slot =
                    self.kept(event, Some(property), rest.first(), Span::ZERO, Measure::Last)?;
                Some(Typed { expr: Expr::Last(slot), kind })
            }
            ("days_since" | "hours_since" | "minutes_since", [of, rest @ ..])
                if rest.len() <= 1 =>
            {
                self.since(unit(name), of, rest.first())
            }
            ("days_until" | "hours_until" | "minutes_until", [of]) => {
                let of = Box::new(self.date(of)?);
                number(Expr::Until { of, unit: unit(name) })
            }
            ("size", [of]) => self.size(of),
            ("floor", [of]) => {
                let of = Box::new(self.wanted(of, Kind::Number)?);
                number(Expr::Floor(of))
            }
            ("lower", [of]) => {
                let of = Box::new(self.wanted(of, Kind::Text)?);
                Some(Typed { expr: Expr::Lower(of), kind: Kind::Text })
            }
            (_, [event, rest @ ..]) if rest.len() <= 1 => {
                match OF_THE_WHOLE.into_iter().find(|ever| ever.function() == name) {
                    Some(ever) => self.ever(ever, event, None, rest.first()),
                    None => self.unknown(node, name, call),
                }
            }
            _ => self.unknown(node, name, call),
        }
    }

    /// A number of the whole history.
    fn ever(
        &mut self,
        ever: Ever,
        event: &IdedExpr,
        property: Option<&IdedExpr>,
        filter: Option<&IdedExpr>,
    ) -> Option<Typed> {
        let slot = match property {
            Some(of) => {
                self.number_of_history(event, of)?;
                self.kept(event, property, filter, Span::ZERO, Measure::Total)
            }
            None => self.kept(event, None, filter, Span::ZERO, |_| Measure::Tally),
        };
        Some(Typed { expr: Expr::History(History::Ever(slot?, ever)), kind: Kind::Number })
    }

    fn method(&mut self, node: &IdedExpr, target: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let op = match call.func_name.as_str() {
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            "size" if call.args.is_empty() => return self.size(target),
            name => return self.unknown(node, name, call),
        };
        let [with] = call.args.as_slice() else {
            return self.unknown(node, &call.func_name, call);
        };
        let (of, with) = (self.wanted(target, Kind::Text), self.wanted(with, Kind::Text));
        let expr = Expr::Text { op, of: Box::new(of?), with: Box::new(with?) };
        Some(Typed { expr, kind: Kind::Truth })
    }

    fn size(&mut self, of: &IdedExpr) -> Option<Typed> {
        let typed = self.lower(of)?;
        if matches!(typed.kind, Kind::Number | Kind::Truth) {
            let message = format!("{} has no size", typed.kind.noun());
            self.fault("E012", of, message, None);
            return None;
        }
        Some(Typed { expr: Expr::Size(Box::new(typed.expr)), kind: Kind::Number })
    }

    /// `count` and `change`.
    fn counted(
        &mut self,
        event: &IdedExpr,
        window: &IdedExpr,
        filter: Option<&IdedExpr>,
        windows: i64,
    ) -> Option<(SeriesSlot, Span)> {
        let span = self.window(window);
        let keep = span.unwrap_or_default().times(windows);
        let slot = self.kept(event, None, filter, keep, |_| Measure::Times);
        Some((slot?, span?))
    }

    /// `sum`, `avg`, `min`, `max`, `distinct`.
    fn measured(
        &mut self,
        name: &str,
        [event, property, window]: [&IdedExpr; 3],
        filter: Option<&IdedExpr>,
    ) -> Option<Typed> {
        let span = self.window(window);
        let keep = span.unwrap_or_default();
        let measure = if name == "distinct" {
            self.kind_of_history(event, property)?;
            Measure::Distinct
        } else {
            self.number_of_history(event, property)?;
            Measure::Amount
        };
        let slot = self.kept(event, Some(property), filter, keep, measure);
        let (slot, span) = (slot?, span?);
        let history = match name {
            "sum" => History::Sum(slot, span),
            "avg" => History::Average(slot, span),
            "min" => History::Min(slot, span),
            "max" => History::Max(slot, span),
            _ => History::Distinct(slot, span),
        };
        Some(Typed { expr: Expr::History(history), kind: Kind::Number })
    }

    /// `days_since("Event")` and `days_since(customer.created_at)`.
    fn since(&mut self, unit: Span, of: &IdedExpr, filter: Option<&IdedExpr>) -> Option<Typed> {
        let is_date = |text: &str| Timestamp::parse(text).is_some() || parse_local(text).is_some();
        let event = match &of.expr {
            Cel::Literal(LiteralValue::String(text)) => !is_date(text.inner()),
            _ => false,
        };
        if event {
            let slot = self.kept(of, None, filter, Span::ZERO, |_| Measure::LastTime)?;
            return Some(Typed {
                expr: Expr::History(History::Since(slot, unit)),
                kind: Kind::Number,
            });
        }
        if let Some(filter) = filter {
            self.fault("E013", filter, "only events can be narrowed", None);
            return None;
        }
        let of = Box::new(self.date(of)?);
        Some(Typed { expr: Expr::SinceValue { of, unit }, kind: Kind::Number })
    }

    /// A date: a name, or a text that is one.
    fn date(&mut self, node: &IdedExpr) -> Option<Expr> {
        let expr = self.wanted(node, Kind::Text)?;
        if let Expr::Literal(Value::Str(text)) = &expr
            && Timestamp::parse(text).is_none()
            && parse_local(text).is_none()
        {
            let message = format!("`{text}` is not a date");
            let help = "write \"2026-12-24\", or name a trait: customer.renews_at".to_owned();
            self.fault("E013", node, message, Some(help));
            return None;
        }
        Some(expr)
    }

    /// The series that an expression over history needs.
    fn kept(
        &mut self,
        event: &IdedExpr,
        property: Option<&IdedExpr>,
        filter: Option<&IdedExpr>,
        keep: Span,
        measure: impl FnOnce(crate::engine::slot::PropertySlot) -> Measure,
    ) -> Option<SeriesSlot> {
        if let Sight::Event = self.sight {
            self.fault("E013", event, "a filter looks at the event alone, not at history", None);
            return None;
        }
        let name = self.constant(event, "the name of an event, in quotes, is wanted here");
        let path = property.map(|property| {
            let path =
                self.constant(property, "the name of a property, in quotes, is wanted here")?;
            if let Some(bare) = path.strip_prefix("event.") {
                let help = Some(format!("write \"{bare}\""));
                self.fault("E013", property, "a property is named without `event.` here", help);
                return None;
            }
            Some(path)
        });
        let filter = filter.map(|filter| self.filter(filter));
        let (name, path) = (name?, path.map_or(Some(String::new()), |path| path)?);
        let filter = filter.map_or(Some(None), |filter| filter.map(Some))?;
        let event = self.symbols.event(&name);
        let slot = if path.is_empty() {
            crate::engine::slot::PropertySlot(0)
        } else {
            self.symbols.property(&path)
        };
        Some(self.symbols.series(event, filter, measure(slot), keep))
    }

    /// A condition inside a text: which events count.
    fn filter(&mut self, node: &IdedExpr) -> Option<Condition> {
        let text = self.constant(node, "a condition about the event, in quotes, is wanted here")?;
        let extent = self.extent(node);
        // Faults inside point at the whole text: its own quotes may be escaped twice over.
        let inner = Embedded::unaligned(&text, extent);
        let (expr, _) =
            super::compile(&inner, Sight::Event, Kind::Truth, self.symbols, self.faults)?;
        let place = self.faults.text.place(extent.start);
        Some(Condition { expr, text: text.trim().into(), place })
    }

    /// A fixed text.
    fn constant(&mut self, node: &IdedExpr, wanted: &str) -> Option<String> {
        if let Cel::Literal(LiteralValue::String(text)) = &node.expr
            && !text.inner().trim().is_empty()
        {
            return Some(text.inner().to_owned());
        }
        self.fault("E013", node, wanted, None);
        None
    }

    /// `min(score.churn, "7d")` and its kin: over the values of some days.
    fn score_over(&mut self, name: &str, of: &IdedExpr, window: &IdedExpr) -> Option<Typed> {
        let typed = self.lower(of)?;
        let Expr::Score(score) = typed.expr else {
            let help = format!("write {name}(\"Event\", \"property\", \"28d\")");
            let message = format!("`{name}` of two arguments is of a score: score.churn");
            self.fault("E013", of, message, Some(help));
            return None;
        };
        let span = self.window(window)?;
        let days = u16::try_from(span.as_millis() / Span::DAY.as_millis()).unwrap_or(u16::MAX);
        if Span::DAY.times(i64::from(days)) != span || !(1..=health::DAYS_MAX).contains(&days) {
            let message = format!("scores are kept by whole days, at most {}", health::DAYS_MAX);
            self.fault("E014", window, message, None);
            return None;
        }
        self.symbols.remember(score, days);
        let over = match name {
            "min" => Over::Least,
            "max" => Over::Greatest,
            _ => Over::Mean,
        };
        Some(Typed { expr: Expr::ScoreOver { score, days, over }, kind: Kind::Number })
    }

    fn window(&mut self, node: &IdedExpr) -> Option<Span> {
        let wanted = "a length of time, in quotes, is wanted here: \"7d\"";
        let text = self.constant(node, wanted)?;
        let found = Located::new(Span::parse(&text), self.extent(node));
        match found.value {
            None if text == EVER => {
                let message = "the values of the whole history are not kept";
                let help = "give a window: \"90d\"".to_owned();
                self.fault("E014", node, message, Some(help));
                None
            }
            Some(span) if Span::ZERO < span && span <= WINDOW_MAX => Some(span),
            Some(span) if span == Span::ZERO => {
                self.fault("E014", node, "a window of no length holds nothing", None);
                None
            }
            Some(_) => {
                let message = format!("a window is at most {WINDOW_MAX} long");
                self.fault("E014", node, message, None);
                None
            }
            None => {
                let message = format!("`{text}` is not a length of time");
                self.fault("E014", node, message, Some(span_help(&text)));
                None
            }
        }
    }

    /// A function that does not exist, or exists with other arguments.
    fn unknown(&mut self, node: &IdedExpr, name: &str, call: &CallExpr) -> Option<Typed> {
        if let Some((_, written)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            let message = if call.target.is_some() {
                format!("`{name}` is not called like this")
            } else {
                format!("`{name}` does not take {}", arguments(call.args.len()))
            };
            self.fault("E013", node, message, Some(format!("write {written}")));
            return None;
        }
        let help = match name {
            "matches" => Some(
                "there are no patterns; use .contains(\"...\") or .startsWith(\"...\")".to_owned(),
            ),
            "now" => Some("time is asked with days_since(..) and days_until(..)".to_owned()),
            "upper" => Some("compare in small letters: lower(customer.plan) == \"pro\"".to_owned()),
            _ => suggest::help(name, FUNCTIONS.iter().map(|(name, _)| *name)),
        };
        self.fault("E013", node, format!("there is no function `{name}`"), help);
        None
    }
}

/// Whether `"ever"` stands in the place of a window.
fn is_ever(window: &IdedExpr) -> bool {
    matches!(&window.expr, Cel::Literal(LiteralValue::String(text)) if text.inner() == EVER)
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "one argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

fn unit(name: &str) -> Span {
    if name.starts_with("days") {
        Span::DAY
    } else if name.starts_with("hours") {
        Span::HOUR
    } else {
        Span::MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_stands_in_the_reference() {
        let reference = include_str!("../../../docs/conditions.md");
        for (name, written) in FUNCTIONS {
            assert!(reference.contains(&format!("| `{written}` |")), "{name} is not in it");
        }
    }
}
