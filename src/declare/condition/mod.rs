//! The language of conditions: a subset of CEL, checked and compiled to the engine's typed trees.
//!
//! # What can be written
//! - *Values*: `3`, `0.5`, `"text"`, `'text'`, `true`, `false`, lists of them: `["a", "b"]`.
//! - *Names*: `customer.plan`, `customer.subscription.status`, `customer["first name"]` (traits);
//!   `event.total`, `event.address.city` (properties of the event, where there is one);
//!   `score.churn`, `score.churn_was` (before its latest change), `score.churn_band`,
//!   `score.churn_trend_7d`, `score.churn_trend_28d` (now minus then); `health.score`,
//!   `health.band`, `health.trend_7d`, `health.trend_28d`; `session.events`, `session.minutes`.
//! - *Operators*: `&&`, `||`, `!`; `==`, `!=`, `<`, `<=`, `>`, `>=`; `in`; `+`, `-`, `*`, `/`, `%`;
//!   `a ? b : c`; parentheses.
//! - *History*, counted as it happens, windows up to 400 days: `count("Event", "7d")`,
//!   `sum("Event", "property", "28d")`, `avg`, `min`, `max` and `distinct` likewise,
//!   `last("Event", "property")`, `change("Event", "14d")` (the last 14 days against the 14
//!   before: -0.5 is half as many). Each takes one more text, which says which events count:
//!   `count("page_viewed", "1h", "event.path == '/pricing'")`.
//! - *Time*: `days_since("Event")`, `days_since(customer.created_at)`,
//!   `days_until(customer.renews_at)`, and the same with `hours_` and `minutes_`.
//! - *Tests of values*: `has(customer.phone)`, `size(customer.services)`, `lower(customer.plan)`,
//!   `customer.email.endsWith("@x.example")`, `.startsWith(..)`, `.contains(..)`.
//!
//! # What it means
//! What depends on a missing value is missing; `&&` and `||` absorb that where the other side
//! decides; a condition that ends up missing does not hold. A bare name where a truth value is
//! wanted (`!customer.open_ticket`) counts as false when missing. There are no loops and no unbounded
//! work: the text has at most [`scan::BYTES_MAX`] bytes and its nesting is bounded before it is
//! parsed, so that no text can exhaust the stack.

mod check;
mod function;
mod name;
mod parse;
mod scan;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use super::fault::Extent;
use super::node::Embedded;
use super::read::Faults;
use super::scalar::Line;
use super::symbols::Symbols;
use crate::engine::condition::{Condition, Expr};

pub(crate) use check::{Kind, Sight};
pub(crate) use walk::{has_part, properties, series};

/// Compiles a condition.
pub(crate) fn condition(
    line: &Line,
    sight: Sight,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Condition> {
    let (expr, _) = compile(&line.0, sight, Kind::Truth, symbols, faults)?;
    let start = line.0.extent_of(0, 1).start;
    Some(Condition { expr, text: line.0.text.trim().into(), place: faults.text.place(start) })
}

/// Compiles an expression that must give a number.
pub(crate) fn number(
    line: &Line,
    sight: Sight,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Expr> {
    Some(compile(&line.0, sight, Kind::Number, symbols, faults)?.0)
}

/// Compiles an expression that must give a text.
pub(crate) fn text(
    line: &Line,
    sight: Sight,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Expr> {
    Some(compile(&line.0, sight, Kind::Text, symbols, faults)?.0)
}

/// Compiles an expression of any kind and says which.
pub(crate) fn anything(
    line: &Line,
    sight: Sight,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<(Expr, Kind)> {
    compile(&line.0, sight, Kind::Any, symbols, faults)
}

fn compile(
    text: &Embedded,
    sight: Sight,
    wanted: Kind,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<(Expr, Kind)> {
    let tokens = match scan::scan(&text.text) {
        Ok(tokens) => tokens,
        Err(wrong) => {
            faults.error(wrong.code, at(text, wrong.start, wrong.end), wrong.message, wrong.help);
            return None;
        }
    };
    let tree = match parse::parse(&text.text, &tokens) {
        Ok(tree) => tree,
        Err(wrong) => {
            faults.error(wrong.code, at(text, wrong.start, wrong.end), wrong.message, wrong.help);
            return None;
        }
    };
    let mut checker = check::Checker { text, tree: &tree, sight, symbols, faults };
    checker.check(wanted)
}

fn at(text: &Embedded, start: usize, end: usize) -> Extent {
    text.extent_of(start, end)
}

/// Something wrong with the text of a condition, by its own bytes.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// Code of the fault.
    pub(crate) code: &'static str,
    /// First byte.
    pub(crate) start: usize,
    /// First byte after it.
    pub(crate) end: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}
