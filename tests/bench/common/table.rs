//! One table for each bench: what was measured, its goal, and whether it was reached.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

/// Which side of the goal is good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Nothing was promised.
    None,
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// A line of the table.
#[derive(Debug)]
struct Row {
    what: String,
    measured: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a line: what, the absolute figures, and the number that the goal is about.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        (value, unit): (f64, &'static str),
        goal: Goal,
    ) {
        self.rows.push(Row { what: what.into(), measured: measured.into(), value, unit, goal });
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        println!("\n{}", self.title);
        println!("{:44} {:>34} {:>12}  {:>10}", "", "measured", "value", "goal");
        for Row { what, measured, value, unit, goal } in &self.rows {
            let (goal, met) = match goal {
                Goal::None => (String::new(), ""),
                Goal::AtLeast(bound) => (format!(">= {bound}"), met(bound <= value)),
                Goal::AtMost(bound) => (format!("<= {bound}"), met(value <= bound)),
            };
            println!("{what:44} {measured:>34} {value:>8.2} {unit:3}  {goal:>10} {met}");
        }
    }
}

#[expect(clippy::fn_params_excessive_bools, reason = "a line of a table")]
const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT MET" }
}
