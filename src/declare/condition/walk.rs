//! What a compiled expression refers to, and what it costs.

use std::collections::BTreeSet;

use crate::engine::condition::{Expr, History};
use crate::engine::slot::{PropertySlot, SeriesSlot};

/// The properties of the event that an expression looks at.
pub(crate) fn properties(expr: &Expr, found: &mut BTreeSet<PropertySlot>) {
    visit(expr, &mut |expr| {
        if let Expr::Property(slot) = expr {
            found.insert(*slot);
        }
    });
}

/// The history series that an expression looks at.
pub(crate) fn series(expr: &Expr, found: &mut BTreeSet<SeriesSlot>) {
    visit(expr, &mut |expr| match expr {
        Expr::Last(slot)
        | Expr::History(
            History::Count(slot, _)
            | History::Sum(slot, _)
            | History::Average(slot, _)
            | History::Min(slot, _)
            | History::Max(slot, _)
            | History::Distinct(slot, _)
            | History::Change(slot, _)
            | History::Since(slot, _),
        ) => {
            found.insert(*slot);
        }
        _ => {}
    });
}

/// Whether anything in an expression is such that this says yes.
pub(crate) fn has_part(expr: &Expr, is_it: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    visit(expr, &mut |expr| found = found || is_it(expr));
    found
}

/// How much work an expression is, in rough units: `&&` and `||` try what is cheap first.
pub(super) fn cost(expr: &Expr) -> u32 {
    let mut total = 0_u32;
    visit(expr, &mut |expr| {
        total = total.saturating_add(match expr {
            Expr::Literal(_) | Expr::Flag(_) | Expr::Not(_) | Expr::All(_) | Expr::Any(_) => 0,
            Expr::Property(_)
            | Expr::CustomerId
            | Expr::Compare { .. }
            | Expr::Negate(_)
            | Expr::Arithmetic { .. } => 1,
            Expr::Session(_) | Expr::Has(_) | Expr::If { .. } | Expr::Size(_) => 1,
            Expr::Floor(_) => 1,
            Expr::Trait { .. } | Expr::Score(_) | Expr::ScoreWas(_) | Expr::Band(_) => 2,
            Expr::In { .. } | Expr::Text { .. } => 3,
            Expr::Trend { .. } | Expr::Last(_) => 4,
            Expr::Until { .. } | Expr::SinceValue { .. } | Expr::Lower(_) => 8,
            Expr::History(_) | Expr::ScoreOver { .. } => 16,
        });
    });
    total
}

fn visit(expr: &Expr, each: &mut dyn FnMut(&Expr)) {
    each(expr);
    match expr {
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
        Expr::Flag(of)
        | Expr::Until { of, .. }
        | Expr::SinceValue { of, .. }
        | Expr::Has(of)
        | Expr::Not(of)
        | Expr::Negate(of)
        | Expr::Lower(of)
        | Expr::Size(of)
        | Expr::Floor(of) => visit(of, each),
        Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| visit(part, each)),
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            visit(left, each);
            visit(right, each);
        }
        Expr::In { needle, haystack } => {
            visit(needle, each);
            visit(haystack, each);
        }
        Expr::Text { of, with, .. } => {
            visit(of, each);
            visit(with, each);
        }
        Expr::If { condition, then, otherwise } => {
            visit(condition, each);
            visit(then, each);
            visit(otherwise, each);
        }
    }
}
