//! Why a model file is not served, in words for the person who brought it.

use std::fmt;

use super::{NAME_BYTES_MAX, SIZE_MAX};

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refused {
    /// More of something than is allowed.
    TooMany {
        /// What there is too much of, with its place.
        what: String,
        /// How many there are.
        have: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two parts that belong together have different lengths, or a part is lacking.
    Shape {
        /// What does not fit, with its place.
        what: String,
        /// How many are needed.
        want: usize,
        /// How many there are.
        have: usize,
    },
    /// A number is not finite or absurdly large.
    NotFinite {
        /// Where the number stands.
        what: String,
    },
    /// Numbers or names that must rise do not.
    Unsorted {
        /// What is out of order.
        what: String,
    },
    /// A feature goes against the direction declared for it.
    Direction {
        /// The feature.
        feature: String,
    },
    /// Anything else that makes no sense.
    Senseless {
        /// What, with its place.
        what: String,
        /// Why it cannot be.
        why: &'static str,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, have, most } => {
                write!(out, "{what}: {have} are too many, at most {most} are allowed")
            }
            Self::Shape { what, want, have } => write!(out, "{what}: {have} where {want} belong"),
            Self::NotFinite { what } => {
                write!(out, "{what}: not a finite number below {SIZE_MAX:e}")
            }
            Self::Unsorted { what } => write!(out, "{what}: must rise from each to the next"),
            Self::Direction { feature } => {
                write!(out, "feature `{feature}`: goes against its declared direction")
            }
            Self::Senseless { what, why } => write!(out, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Refused {}

pub(super) fn finite(number: f64, what: impl FnOnce() -> String) -> Result<(), Refused> {
    if number.is_finite() && number.abs() <= SIZE_MAX {
        Ok(())
    } else {
        Err(Refused::NotFinite { what: what() })
    }
}

pub(super) fn at_most(
    have: usize,
    most: usize,
    what: impl FnOnce() -> String,
) -> Result<(), Refused> {
    if have <= most { Ok(()) } else { Err(Refused::TooMany { what: what(), have, most }) }
}

pub(super) fn exactly(
    have: usize,
    want: usize,
    what: impl FnOnce() -> String,
) -> Result<(), Refused> {
    if have == want { Ok(()) } else { Err(Refused::Shape { what: what(), want, have }) }
}

pub(super) fn senseless(what: String, why: &'static str) -> Result<(), Refused> {
    Err(Refused::Senseless { what, why })
}

pub(super) fn name(name: &str, what: impl FnOnce() -> String) -> Result<(), Refused> {
    at_most(name.len(), NAME_BYTES_MAX, what)
}

/// Names must rise, so that each is found by bisection and none stands twice.
pub(super) fn rising(names: &[Box<str>], what: impl FnOnce() -> String) -> Result<(), Refused> {
    let pairs = names.iter().zip(names.iter().skip(1));
    if pairs.clone().all(|(left, right)| left < right) {
        Ok(())
    } else {
        Err(Refused::Unsorted { what: what() })
    }
}
