//! Writes the files of a model, and puts them in force.

use std::path::Path;

use crate::catalog::fitted::{self, Failure};
use crate::commands::console::Error;

/// Writes a model and its card: both are on the disk before either is seen, and what was in force is
/// kept.
pub(super) fn both((model, text): (&Path, &str), (card, told): (&Path, &str)) -> Result<(), Error> {
    let (ready, told) = (fitted::ready(model, text)?, fitted::ready(card, told)?);
    for path in [model, card] {
        fitted::keep(path, &fitted::before(path))?;
    }
    ready.replace()?;
    Ok(told.replace()?)
}

/// Writes a challenger and its card. What it replaces was never in force, and is not kept.
pub(super) fn beside(
    (model, text): (&Path, &str),
    (card, told): (&Path, &str),
) -> Result<(), Error> {
    let (ready, told) = (fitted::ready(model, text)?, fitted::ready(card, told)?);
    ready.replace()?;
    Ok(told.replace()?)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Read { path, error } => Self::read(path, error),
            Failure::Write { path, error } => Self::write(path, error),
            Failure::Busy { .. } => Self::refused(failure.to_string(), "wait for it"),
        }
    }
}
