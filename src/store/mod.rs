//! The durable cache of the log: states, decisions, outbox, tasks, in one atomic batch.
//!
//! Reading order: [`open`] (the directory), [`batch`] (what a worker hands over), [`commit`] (how
//! it becomes durable), [`format`](mod@format) (how a state is written), [`record_of`] (how a
//! ruling is told), then one file for each thing that can be listed.
//!
//! A flush that failed breaks the store: every later write is an error, because nobody knows what
//! is on disk. The process must exit and recover from what a restart finds.

pub mod batch;
pub mod changes;
pub mod commit;
pub mod dead_letters;
pub mod decisions;
pub mod erase;
pub mod explain;
pub mod exposures;
pub mod format;
pub mod funnel;
pub mod inbox;
mod keys;
mod known;
pub mod listed;
pub mod open;
pub mod operations;
pub mod outbox;
pub mod record;
pub mod record_of;
mod restore;
pub mod restoring;
pub mod states;
mod task_record;
pub mod tasks;
pub mod view;

pub use batch::{Batch, Committed, Mark};
pub use open::{Options, Store};

use std::path::PathBuf;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it open.
    #[error(
        "the store in `{0}` is in use by another process: stop it first, or choose another directory"
    )]
    InUse(PathBuf),
    /// Written by a newer version.
    #[error(
        "the store in `{dir}` has format {found}, and this program reads up to {known}: use the version that wrote it, or restore a backup"
    )]
    Newer {
        /// Where.
        dir: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that can be read.
        known: u32,
    },
    /// Its customers are looked after elsewhere: nobody may be contacted from here.
    #[error(
        "the store was moved to {to}: name an empty folder as `data:`. (To give that move up, delete its topics first, then `{}`)", .file.display()
    )]
    Moved {
        /// The file that says so.
        file: PathBuf,
        /// Where to.
        to: String,
    },
    /// The storage below it failed. The process must stop.
    #[error("the store failed: {0}")]
    Storage(String),
    /// An earlier write failed: nothing is written any more. The process must stop.
    #[error("the store failed before, so nothing is written any more: restart to recover")]
    Broken,
    /// What is stored is not what was written.
    #[error("the store is damaged: {what} of `{key}`: {why}")]
    Damaged {
        /// What kind of thing.
        what: &'static str,
        /// Which one.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A cursor that no page gave out.
    #[error("`{0}` is no cursor of this list")]
    Cursor(String),
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Poisoned => Self::Broken,
            other => Self::Storage(format!("{other:?}")),
        }
    }
}

/// A page of a list, and the cursor of the next one; none on the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The lines.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page. A page may be short, or empty, and still have one:
    /// a search that looks long gives up and says where.
    pub next: Option<String>,
}
