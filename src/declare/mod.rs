//! From the files that people write to a checked catalog: text, then nodes with places, then the
//! words of the format, then the engine's types. Pure: the texts come in, faults or a catalog go out.
#![deny(clippy::disallowed_types)]

mod action;
mod breaker;
mod cases;
mod classifier;
mod condition;
mod experiment;
pub mod fault;
mod human_only;
mod leaving;
mod load;
mod loop_guard;
mod misplaced;
mod mjml;
mod model;
mod node;
mod policy;
mod pools;
mod profiles;
mod ramp;
mod read;
mod reader;
mod registry;
pub mod render;
mod scalar;
pub mod schema;
mod short_message;
mod suggest;
mod symbols;
mod team;
mod template;
mod terms;
pub mod tests;
mod trigger;
mod when;
mod words;
mod yaml;

#[cfg(test)]
mod good_and_bad;
#[cfg(test)]
mod hostile;

use std::sync::Arc;

pub use fault::{Extent, Fault, Located, Severity};
pub use load::{CHALLENGER_SUFFIX, FITTED_SUFFIX, load, load_to_learn};
#[cfg(test)]
pub(crate) use template::ROOTS as TEXT_ROOTS;
pub use tests::TestFile;

use crate::engine::catalog::Catalog;
use crate::engine::id::stable_hash;

/// A file, read by someone else.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as it is to be shown; `template:` is resolved against its folder.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// What it declares.
    pub kind: SourceKind,
}

/// What a file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A trigger.
    Trigger,
    /// The policy.
    Policy,
    /// A model.
    Model,
    /// What was learned for a model: `<name>.model.json`.
    Fitted,
    /// A text that a trigger names with `template:`.
    Asset,
}

/// What a set of files gives when there is no error in any.
#[derive(Debug)]
pub struct Loaded {
    /// The catalog.
    pub catalog: Catalog,
    /// The `tests:` blocks.
    pub tests: Vec<TestFile>,
    /// What looks wrong and does not stop the set.
    pub warnings: Vec<Fault>,
}

/// The content hash by which a file's version is known: 16 hexadecimal digits.
pub(crate) fn hash(text: &str) -> Arc<str> {
    Arc::from(blake3::hash(text.as_bytes()).to_hex().get(..16).unwrap_or(""))
}

/// What stands for a model and a challenger beside it: their texts, as one number.
pub fn pair(champion: &str, challenger: &str) -> u64 {
    stable_hash(&format!("{} {}", hash(champion), hash(challenger)))
}
