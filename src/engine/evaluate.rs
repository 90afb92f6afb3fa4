//! Evaluation of conditions over one customer at one instant. No allocation on the plain path.

use super::catalog::Catalog;
use super::condition::{Condition, Expr};
use super::customer::CustomerState;
use super::decision::{Held, Truth};
use super::time::Timestamp;
use super::value::{Property, Value};

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

/// Whether a condition holds.
pub fn holds(_condition: &Condition, _scope: &Scope<'_>) -> Truth {
    unimplemented!()
}

/// Whether an expression, taken as a truth value, holds.
pub fn truth(_expr: &Expr, _scope: &Scope<'_>) -> Truth {
    unimplemented!()
}

/// The value of an expression, owned; `None` when it is missing.
pub fn value(_expr: &Expr, _scope: &Scope<'_>) -> Option<Value> {
    unimplemented!()
}

/// The number an expression gives; `None` when it is missing or not a number.
pub fn number(_expr: &Expr, _scope: &Scope<'_>) -> Option<f64> {
    unimplemented!()
}

/// Evaluates a condition and lists what it saw, for `explain`.
pub fn trace(_condition: &Condition, _scope: &Scope<'_>) -> Held {
    unimplemented!()
}
