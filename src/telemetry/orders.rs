//! What is told of the orders of operators.

use metrics::gauge;

use super::metric;

/// An order of an operator, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct OrderStands<'a> {
    /// `pause` or `stop`.
    pub order: &'a str,
    /// With what.
    pub scope: &'a str,
    /// 1 while it is in force.
    pub in_force: u8,
}

impl OrderStands<'_> {
    /// Shows it.
    pub fn emit(self) {
        let Self { order, scope, in_force } = self;
        gauge!(metric::ORDERS, "order" => order.to_owned(), "scope" => scope.to_owned())
            .set(f64::from(in_force));
    }
}
