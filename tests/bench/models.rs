//! How good and how fast the health models are, on the reference data beside the project: prints one
//! table with the goals, asserts nothing.
//!
//! `cargo bench --bench models [-- --data=DIR] [--python=PROGRAM] [telco cdnow retail shoppers text
//! speed]`. With `--python`, `tests/bench/models_peers.py` fits scikit-learn and `LightGBM` on the same
//! rows in the same run. No choice is made on rows that judge: plans are chosen inside the learning
//! rows of each fold, or by older moments.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

#[path = "models/events.rs"]
mod events;
#[path = "models/quality.rs"]
mod quality;
#[path = "models/rows.rs"]
mod rows;
#[path = "models/speed.rs"]
mod speed;

/// Any failure of a bench.
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// One part of the bench.
type Part = fn(&mut Figures) -> Fallible<()>;

/// What was measured, and its goal.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(String, f64, Option<Goal>)>);

/// Which side of a number is good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Figures {
    pub(crate) fn add(&mut self, what: &str, value: f64, goal: Option<Goal>) {
        println!("{}", line(what, value, goal));
        self.0.push((what.to_owned(), value, goal));
    }
}

fn line(what: &str, value: f64, goal: Option<Goal>) -> String {
    let (goal, met) = match goal {
        None => (String::new(), ""),
        Some(Goal::AtMost(most)) => (format!("<= {most}"), verdict(most - value)),
        Some(Goal::AtLeast(least)) => (format!(">= {least}"), verdict(value - least)),
    };
    format!("{what:52} {value:>16.6} {goal:>12} {met}")
}

fn verdict(room: f64) -> &'static str {
    if 0.0 <= room { "met" } else { "NOT MET" }
}

fn main() -> Fallible<()> {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut figures = Figures::default();
    let parts: [(&str, Part); 6] = [
        ("telco", quality::telco),
        ("cdnow", quality::cdnow),
        ("retail", quality::retail),
        ("shoppers", quality::shoppers),
        ("text", quality::text),
        ("speed", speed::speed),
    ];
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            part(&mut figures)?;
        }
    }
    println!("\n{:52} {:>16} {:>12}", "health models", "measured", "goal");
    for (what, value, goal) in &figures.0 {
        println!("{}", line(what, *value, *goal));
    }
    Ok(())
}
