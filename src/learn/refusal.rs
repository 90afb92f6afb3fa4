//! Why nothing was learned, and what to do about it.

use super::harvest::PassedOver;
use super::looks::date;
use crate::stats::Fault;

/// Why nothing was learned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The events do not reach over the time of one label.
    #[error(
        "the events reach from {} to {}: no label of {within} days is known by then",
        date(*first), date(*last)
    )]
    TooShort {
        /// Day of the first event.
        first: i32,
        /// Day of the last.
        last: i32,
        /// Days that the label looks ahead.
        within: i32,
    },
    /// Nobody was judged at any look.
    #[error(
        "nobody is in the population: {} were outside of it at {looks} looks, {} too new, {} forgotten \
         before their label was known",
        passed.outside, passed.too_new, passed.forgotten
    )]
    NoPopulation {
        /// How often everybody was looked at.
        looks: usize,
        /// Who was not judged, and why.
        passed: PassedOver,
    },
    /// More rows than are held.
    #[error("there are more than {most} rows")]
    TooManyRows {
        /// How many are held.
        most: usize,
    },
    /// It happened to everyone or to no one.
    #[error("it {} in all {rows} rows: there is nothing to tell apart", if *happened { "happened" } else { "did not happen" })]
    OneClass {
        /// How many rows there are.
        rows: usize,
        /// Which case all are.
        happened: bool,
    },
    /// Too few customers of one case.
    #[error(
        "only {have} customers {}, at least {need} are needed {by}",
        if *positive { "to whom it happened" } else { "to whom it did not happen" }
    )]
    TooFewLabels {
        /// How many customers of the case there are.
        have: u64,
        /// How many there must be.
        need: u64,
        /// Whether the case is the positive one.
        positive: bool,
        /// Among which rows.
        by: &'static str,
    },
    /// What is left to learn from before judging begins.
    #[error(
        "there is nothing to learn from before {}, when judging begins: looks begin on {}, and \
         their labels must be known by then",
        date(*judged_from), date(*first)
    )]
    NothingBefore {
        /// The first day with rows.
        first: i32,
        /// The first day that judges.
        judged_from: i32,
    },
    /// Features with one value in all rows.
    #[error("`{}` never changes: nothing can be learned from it", names.join("`, `"))]
    Constant {
        /// Which.
        names: Vec<String>,
    },
    /// Features that know too much.
    #[error(
        "{}: too much to be known beforehand",
        found.iter().map(|(name, auc)| format!("`{name}` alone tells the cases apart (AUC {auc:.3})"))
            .collect::<Vec<_>>().join(", ")
    )]
    Leak {
        /// Which, and their AUC.
        found: Vec<(String, f64)>,
    },
    /// It is not good enough to speak.
    #[error("what was learned is not good enough: {}", misses.join("; "))]
    NotGoodEnough {
        /// What it lacks.
        misses: Vec<String>,
    },
    /// The rows cannot be fitted.
    #[error("the rows cannot be fitted: {0}")]
    Fault(#[from] Fault),
    /// What was fitted could not be served.
    #[error("what was fitted cannot be served: {0}")]
    Unservable(String),
}

impl Refusal {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => {
                "bring more history: `heedful import`, or a longer file with --events"
            }
            Self::NoPopulation { .. } => {
                "look at `population` and `ignore_first` of the label, and whether the traits that \
                 they name are among the events"
            }
            Self::TooManyRows { .. } => {
                "look less often: `snapshots: monthly`, or bring fewer events"
            }
            Self::OneClass { .. } => {
                "look at `event`, `where` and `within` of the label: does the event go by that name?"
            }
            Self::TooFewLabels { .. } => {
                "bring more history, or lower `refuse_below: {labels: ...}` knowingly; until then \
                 the scorecard of `until_then` speaks"
            }
            Self::NothingBefore { .. } => {
                "bring more history, or shorten `validate: {last: ..., gap: ...}` of `learn`"
            }
            Self::Constant { .. } => {
                "take it out of `features`, or look whether its events and traits are among the events"
            }
            Self::Leak { .. } => {
                "take it out if it comes from the label; if it is right and known in time, say \
                 `--trust NAME`"
            }
            Self::NotGoodEnough { .. } => {
                "the model in force stays, if there is one: look for features that tell more, or \
                 bring more history"
            }
            Self::Fault(_) => "look at the values of the features in the events",
            Self::Unservable(_) => "take out features with extreme values",
        }
    }
}
