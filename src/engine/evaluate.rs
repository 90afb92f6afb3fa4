//! Evaluation of conditions over one customer at one instant. No allocation on the plain path.
//!
//! Logic is three-valued: what depends on a missing value is missing, `&&` and `||` absorb it where
//! the other side decides (Kleene), and a condition that ends up missing does not hold. A value of
//! the wrong kind (a text where a number is wanted) is treated as missing: it is unknown what the
//! sender meant, and unknown never sends.
//!
//! The functions call themselves for each level of an expression; `declare` bounds the nesting of
//! what it accepts, so the stack is bounded too.

mod dates;
mod trace;

use std::cmp::Ordering;

pub use self::dates::{civil_date_of, civil_of, instant_of, zone_of};
pub use self::trace::{leaf_text, trace};
use super::catalog::Catalog;
use super::condition::{
    Arithmetic, Comparison, Condition, Ever, Expr, History, SessionField, TextTest,
};
use super::customer::CustomerState;
use super::decision::Truth;
use super::health;
use super::series::Series;
use super::time::{Span, Timestamp};
use super::value::{Property, Value, ValueRef};

/// Numbers are compared after rounding to this many parts of one: nine decimals.
const PARTS_OF_ONE: f64 = 1e9;

/// What a condition can see.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Names, series and scores.
    pub catalog: &'a Catalog,
    /// The customer.
    pub state: &'a CustomerState,
    /// The event's properties by slot; empty when there is no event.
    pub properties: &'a [Property<'a>],
    /// The instant.
    pub now: Timestamp,
}

impl Scope<'_> {
    /// A property of the event; missing when there is none.
    pub fn property(&self, slot: super::slot::PropertySlot) -> ValueRef<'_> {
        self.properties.get(slot.index()).map_or(ValueRef::Missing, Property::as_ref)
    }
}

/// Whether a condition holds.
pub fn holds(condition: &Condition, scope: &Scope<'_>) -> Truth {
    truth(&condition.expr, scope)
}

/// Whether an expression, taken as a truth value, holds.
pub fn truth(expr: &Expr, scope: &Scope<'_>) -> Truth {
    match expr {
        Expr::All(parts) => all(parts, scope),
        Expr::Compare { op, left, right } => match (leaf(left, scope), &**right) {
            (Some(left), Expr::Literal(right)) => compare(*op, left, right.as_ref()),
            _ => compare_items(*op, left, right, scope),
        },
        _ => other_truth(expr, scope),
    }
}

/// The rest of [`truth`], kept out of it: what most conditions consist of must not pay for it.
#[inline(never)]
fn other_truth(expr: &Expr, scope: &Scope<'_>) -> Truth {
    match expr {
        Expr::All(_) | Expr::Compare { .. } => truth(expr, scope),
        Expr::Any(parts) => any(parts, scope),
        Expr::Not(inner) => match truth(inner, scope) {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Missing => Truth::Missing,
        },
        Expr::Flag(inner) => match item(inner, scope).as_ref() {
            ValueRef::Missing => Truth::False,
            value => truth_of(value),
        },
        Expr::Has(inner) => Truth::from(!item(inner, scope).as_ref().is_missing()),
        Expr::In { needle, haystack } => {
            contained(item(needle, scope).as_ref(), item(haystack, scope).as_ref())
        }
        Expr::Text { op, of, with } => {
            text_test(*op, item(of, scope).as_ref(), item(with, scope).as_ref())
        }
        Expr::If { condition, then, otherwise } => match truth(condition, scope) {
            Truth::True => truth(then, scope),
            Truth::False => truth(otherwise, scope),
            Truth::Missing => Truth::Missing,
        },
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
        | Expr::Last(_)
        | Expr::Until { .. }
        | Expr::SinceValue { .. }
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::Lower(_)
        | Expr::Size(_)
        | Expr::Floor(_) => truth_of(item(expr, scope).as_ref()),
    }
}

/// The value of an expression, owned; `None` when it is missing.
pub fn value(expr: &Expr, scope: &Scope<'_>) -> Option<Value> {
    item(expr, scope).as_ref().to_value()
}

/// Lends the value of an expression.
pub fn with_value<R>(expr: &Expr, scope: &Scope<'_>, then: impl FnOnce(ValueRef<'_>) -> R) -> R {
    then(item(expr, scope).as_ref())
}

/// The number an expression gives; `None` when it is missing or not a number.
pub fn number(expr: &Expr, scope: &Scope<'_>) -> Option<f64> {
    match item(expr, scope).as_ref() {
        ValueRef::Num(number) => Some(number),
        _ => None,
    }
}

/// The order of two numbers after rounding both to nine decimals, so that `0.1 + 0.2` is `0.3`.
pub fn order_numbers(left: f64, right: f64) -> Option<Ordering> {
    // Rounding never reverses an order; only what is this close can become equal by it.
    if PARTS_OF_ONE.recip() < (left - right).abs() {
        left.partial_cmp(&right)
    } else {
        rounded(left).partial_cmp(&rounded(right))
    }
}

/// A number rounded to nine decimals.
pub fn rounded(number: f64) -> f64 {
    let parts = number * PARTS_OF_ONE;
    // Past 2^52 parts a number has no such decimals: rounding could only spoil it.
    if parts.abs() < 4_503_599_627_370_496.0 { parts.round() / PARTS_OF_ONE } else { number }
}

/// A value on its way: borrowed but for what `lower()` made.
enum Item<'a> {
    Plain(ValueRef<'a>),
    Lowered(String),
}

impl Item<'_> {
    fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Lowered(text) => ValueRef::Str(text),
        }
    }
}

/// What most comparisons consist of, read without going through [`Item`].
#[inline(always)]
fn leaf<'a>(expr: &'a Expr, scope: &'a Scope<'_>) -> Option<ValueRef<'a>> {
    Some(match expr {
        Expr::Literal(value) => value.as_ref(),
        Expr::Property(slot) => scope.property(*slot),
        Expr::Trait { slot, path } => match scope.state.trait_value(*slot) {
            Some(value) => value.as_ref().at(path),
            None => ValueRef::Missing,
        },
        Expr::Score(slot) => optional(scope.state.score(*slot).map(|score| score.value)),
        _ => return None,
    })
}

fn item<'a>(expr: &'a Expr, scope: &'a Scope<'_>) -> Item<'a> {
    Item::Plain(match expr {
        Expr::Literal(value) => value.as_ref(),
        Expr::Property(slot) => scope.property(*slot),
        Expr::CustomerId => ValueRef::Str(scope.state.id.as_str()),
        Expr::Trait { slot, path } => scope
            .state
            .trait_value(*slot)
            .map_or(ValueRef::Missing, |value| value.as_ref().at(path)),
        Expr::Score(slot) => optional(scope.state.score(*slot).map(|score| score.value)),
        Expr::ScoreWas(slot) => optional(scope.state.score(*slot).and_then(|score| score.was)),
        Expr::Band(slot) => {
            match (scope.catalog.scores.get(slot.index()), scope.state.score(*slot)) {
                (Some(score), Some(known)) => health::band(score, known.value)
                    .map_or(ValueRef::Missing, |band| ValueRef::Str(band)),
                _ => ValueRef::Missing,
            }
        }
        Expr::Trend { score, days } => optional(
            scope.state.score(*score).and_then(|known| health::trend(known, scope.now, *days)),
        ),
        Expr::ScoreOver { score, days, over } => {
            let known = scope.state.score(*score);
            optional(known.and_then(|known| health::over(known, scope.now, *days, *over)))
        }
        Expr::Session(field) => optional(session(*field, scope)),
        Expr::History(history) => optional(history_number(*history, scope)),
        Expr::Last(slot) => scope
            .state
            .series(*slot)
            .and_then(|series| series.last())
            .map_or(ValueRef::Missing, Value::as_ref),
        Expr::Until { of, unit } => {
            optional(instant(of, scope).map(|then| ratio(then - scope.now, *unit)))
        }
        Expr::SinceValue { of, unit } => {
            optional(instant(of, scope).map(|then| ratio(scope.now - then, *unit)))
        }
        Expr::Arithmetic { op, left, right } => {
            optional(arithmetic(*op, number(left, scope), number(right, scope)))
        }
        Expr::Negate(inner) => optional(number(inner, scope).map(|number| -number)),
        Expr::If { condition, then, otherwise } => match truth(condition, scope) {
            Truth::True => return item(then, scope),
            Truth::False => return item(otherwise, scope),
            Truth::Missing => ValueRef::Missing,
        },
        Expr::Lower(inner) => match item(inner, scope).as_ref() {
            ValueRef::Str(text) => return Item::Lowered(text.to_lowercase()),
            _ => ValueRef::Missing,
        },
        Expr::Size(inner) => optional(size(item(inner, scope).as_ref())),
        Expr::Floor(inner) => optional(number(inner, scope).map(f64::floor)),
        Expr::Flag(_)
        | Expr::Has(_)
        | Expr::Not(_)
        | Expr::All(_)
        | Expr::Any(_)
        | Expr::Compare { .. }
        | Expr::In { .. }
        | Expr::Text { .. } => match truth(expr, scope) {
            Truth::True => ValueRef::Bool(true),
            Truth::False => ValueRef::Bool(false),
            Truth::Missing => ValueRef::Missing,
        },
    })
}

fn all(parts: &[Expr], scope: &Scope<'_>) -> Truth {
    let mut outcome = Truth::True;
    for part in parts {
        match truth(part, scope) {
            Truth::True => {}
            Truth::False => return Truth::False,
            Truth::Missing => outcome = Truth::Missing,
        }
    }
    outcome
}

fn any(parts: &[Expr], scope: &Scope<'_>) -> Truth {
    let mut outcome = Truth::False;
    for part in parts {
        match truth(part, scope) {
            Truth::True => return Truth::True,
            Truth::False => {}
            Truth::Missing => outcome = Truth::Missing,
        }
    }
    outcome
}

/// A value where a truth value is wanted. Anything but `true` and `false` is missing, so that
/// neither it nor its negation holds: `open_ticket: "T-17"` is no licence to write.
fn truth_of(value: ValueRef<'_>) -> Truth {
    match value {
        ValueRef::Bool(flag) => Truth::from(flag),
        _ => Truth::Missing,
    }
}

impl From<bool> for Truth {
    fn from(flag: bool) -> Self {
        if flag { Self::True } else { Self::False }
    }
}

#[inline(never)]
fn compare_items(op: Comparison, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Truth {
    compare(op, item(left, scope).as_ref(), item(right, scope).as_ref())
}

#[inline(always)]
fn compare(op: Comparison, left: ValueRef<'_>, right: ValueRef<'_>) -> Truth {
    let order = match (left, right) {
        (ValueRef::Num(left), ValueRef::Num(right)) => order_numbers(left, right),
        _ => match op {
            Comparison::Equal | Comparison::NotEqual => left.equals(right).map(|equal| {
                // Only equality of the two is asked for: which way they differ does not matter.
                if equal { Ordering::Equal } else { Ordering::Less }
            }),
            _ => left.order(right),
        },
    };
    let Some(order) = order else { return Truth::Missing };
    Truth::from(match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

/// `needle in haystack`: an item of a list, or a key of an object.
fn contained(needle: ValueRef<'_>, haystack: ValueRef<'_>) -> Truth {
    match (needle, haystack) {
        (ValueRef::Missing, _) => Truth::Missing,
        (needle, ValueRef::List(items)) => Truth::from(
            items
                .iter()
                .any(|item| compare(Comparison::Equal, needle, item.as_ref()) == Truth::True),
        ),
        (ValueRef::Str(key), ValueRef::Map(_)) => Truth::from(!haystack.member(key).is_missing()),
        _ => Truth::Missing,
    }
}

fn text_test(op: TextTest, text: ValueRef<'_>, with: ValueRef<'_>) -> Truth {
    let (ValueRef::Str(text), ValueRef::Str(with)) = (text, with) else { return Truth::Missing };
    Truth::from(match op {
        TextTest::StartsWith => text.starts_with(with),
        TextTest::EndsWith => text.ends_with(with),
        TextTest::Contains => text.contains(with),
    })
}

fn arithmetic(op: Arithmetic, left: Option<f64>, right: Option<f64>) -> Option<f64> {
    let (left, right) = (left?, right?);
    let result = match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    };
    // Division by zero and overflow have no number as result: missing.
    result.is_finite().then_some(result)
}

fn history_number(history: History, scope: &Scope<'_>) -> Option<f64> {
    let (History::Count(slot, _)
    | History::Sum(slot, _)
    | History::Average(slot, _)
    | History::Min(slot, _)
    | History::Max(slot, _)
    | History::Distinct(slot, _)
    | History::Change(slot, _)
    | History::Since(slot, _)
    | History::Ever(slot, _)) = history;
    let series = scope.state.series(slot);
    match history {
        // What never happened happened no times.
        History::Count(_, window) => {
            Some(series.map_or(0.0, |series| f64::from(series.count(window, scope.now))))
        }
        History::Sum(_, window) => Some(series.map_or(0.0, |series| series.sum(window, scope.now))),
        History::Distinct(_, window) => {
            Some(series.map_or(0.0, |series| f64::from(series.distinct(window, scope.now))))
        }
        History::Average(_, window) => series?.average(window, scope.now),
        History::Min(_, window) => series?.min(window, scope.now),
        History::Max(_, window) => series?.max(window, scope.now),
        History::Change(_, window) => series?.change(window, scope.now),
        History::Since(_, unit) => Some(ratio(scope.now - series?.last_time()?, unit)),
        History::Ever(_, ever) => ever_number(ever, series, scope),
    }
}

fn ever_number(ever: Ever, series: Option<&Series>, scope: &Scope<'_>) -> Option<f64> {
    let tally = series.and_then(Series::tally);
    let total = series.and_then(Series::total);
    let calendar = |from: Timestamp| dates::calendar_days(from, scope);
    match ever {
        // What never happened happened no times.
        Ever::Count => Some(tally.map_or(0.0, |tally| f64::from(tally.count))),
        Ever::ActiveDays => Some(tally.map_or(0.0, |tally| f64::from(tally.days))),
        Ever::Sum => Some(total.map_or(0.0, |total| total.sum)),
        Ever::Average => total.map(|total| total.sum / f64::from(total.count)),
        Ever::Min => total.map(|total| total.min),
        Ever::Max => total.map(|total| total.max),
        Ever::SinceFirst => Some(ratio(scope.now - tally?.first, Span::DAY)),
        Ever::CalendarSince => Some(calendar(tally?.last)),
        Ever::CalendarSinceFirst => Some(calendar(tally?.first)),
        Ever::GapMean => tally?.gap_mean(),
        Ever::GapDeviation => tally?.gap_deviation(),
        Ever::GapMax => tally?.gap_max(),
    }
}

fn session(field: SessionField, scope: &Scope<'_>) -> Option<f64> {
    let session = scope.state.rare.session.as_ref()?;
    Some(match field {
        SessionField::Events => f64::from(session.events),
        SessionField::Minutes => ratio(session.last_at - session.started_at, Span::MINUTE),
    })
}

fn instant(of: &Expr, scope: &Scope<'_>) -> Option<Timestamp> {
    let item = item(of, scope);
    dates::instant_in_scope(item.as_ref(), scope)
}

fn size(value: ValueRef<'_>) -> Option<f64> {
    let size = match value {
        ValueRef::Str(text) => text.chars().count(),
        ValueRef::List(items) => items.len(),
        ValueRef::Map(fields) => fields.len(),
        ValueRef::Missing | ValueRef::Bool(_) | ValueRef::Num(_) => return None,
    };
    Some(size as f64)
}

fn ratio(span: Span, unit: Span) -> f64 {
    span.as_millis() as f64 / unit.as_millis().max(1) as f64
}

fn optional<'a>(number: Option<f64>) -> ValueRef<'a> {
    match number {
        Some(number) if number.is_finite() => ValueRef::Num(number),
        _ => ValueRef::Missing,
    }
}

#[cfg(test)]
mod tests;
