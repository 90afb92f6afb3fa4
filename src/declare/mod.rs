//! From the files that people write to a checked catalog: text, then nodes with places, then the
//! words of the format, then the engine's types. Pure: the texts come in, faults or a catalog go out.
#![deny(clippy::disallowed_types)]

mod condition;
pub mod fault;
mod node;
mod read;
mod scalar;
mod suggest;
mod symbols;
pub mod tests;
mod words;
mod yaml;

use std::sync::Arc;

pub use fault::{Extent, Fault, Located, Severity};
pub use tests::TestFile;

use crate::engine::catalog::{Catalog, Sending};

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

/// Reads a set of files, all or nothing.
///
/// # Errors
/// Every fault of every file, in order of path and place.
pub fn load(_sources: &[Source], _sending: Sending) -> Result<Loaded, Vec<Fault>> {
    unimplemented!()
}
