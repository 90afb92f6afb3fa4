//! Why something cannot be fitted or judged.

use std::fmt;

/// Why something cannot be fitted or judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Labels, weights, offsets and rows do not have the same length.
    Lengths,
    /// A number is not finite.
    NotFinite,
    /// It happened to everyone or to no one: there is nothing to tell apart.
    OneClass,
    /// Columns repeat each other and nothing decides between them.
    Undetermined,
    /// No rows, or too few for what is asked.
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// The fitted object disagrees with the solution it was given.
    Disagrees {
        /// What is compared.
        what: &'static str,
    },
    /// A feature, level or class cannot be used.
    Unusable {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lengths => out.write_str("rows, labels and weights have different lengths"),
            Self::NotFinite => out.write_str("a label, weight or value is not a finite number"),
            Self::OneClass => {
                out.write_str("every row has the same label: there is nothing to tell apart")
            }
            Self::Undetermined => {
                out.write_str("features repeat each other: raise the penalty or leave one out")
            }
            Self::TooFew { what, have, need } => {
                write!(out, "too few {what}: {have}, at least {need} are needed")
            }
            Self::Disagrees { what } => {
                write!(out, "{what} of the fitted model are not those of the optimum")
            }
            Self::Unusable { name, why } => write!(out, "`{name}`: {why}"),
        }
    }
}

impl std::error::Error for Fault {}
