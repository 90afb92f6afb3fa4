//! What is told of the tasks that wait for people.

use metrics::gauge;

use super::metric;

/// Tasks of a team, as they stand.
#[derive(Clone, Copy, Debug)]
pub struct TasksStand<'a> {
    /// The team; empty for those of none.
    pub team: &'a str,
    /// `open`, `acked` or `overdue`.
    pub state: &'static str,
    /// How many.
    pub count: u64,
}

impl TasksStand<'_> {
    /// Shows it.
    pub fn emit(self) {
        let Self { team, state, count } = self;
        #[expect(clippy::cast_precision_loss, reason = "nobody has that many tasks")]
        gauge!(metric::TASKS_NOW, "team" => team.to_owned(), "state" => state).set(count as f64);
    }
}
