//! What is told of budgets.

use metrics::gauge;

use super::metric;

/// A budget as it stands, told by the shard that keeps its books.
#[derive(Clone, Copy, Debug)]
pub struct BudgetStands<'a> {
    /// Its name.
    pub budget: &'a str,
    /// Its currency.
    pub currency: &'a str,
    /// What is spent and granted in its period, in millionths.
    pub spent: u64,
    /// How much there is in a period, in millionths.
    pub limit: u64,
    /// How many messages wait for it.
    pub waiting: usize,
}

impl BudgetStands<'_> {
    /// Shows it.
    #[expect(clippy::cast_precision_loss, reason = "shown, not added up")]
    pub fn emit(self) {
        let Self { budget, currency, spent, limit, waiting } = self;
        let show = |name, value| {
            let labels = [("budget", budget.to_owned()), ("currency", currency.to_owned())];
            gauge!(name, &labels).set(value);
        };
        show(metric::BUDGET_SPENT, spent as f64 / 1e6);
        show(metric::BUDGET_LIMIT, limit as f64 / 1e6);
        gauge!(metric::BUDGET_WAITING, "budget" => budget.to_owned()).set(waiting as f64);
    }
}
