//! How a customer's state is written down: by names, so that it outlives the catalog it was bound
//! to, and in numbered fields, so that fields can be added.
//!
//! Layout: one byte of version, then two items of CBOR: the names used (an array of texts), and
//! the fields (a map from number to value). Inside, a name is its index into the first item, an
//! instant is its distance in milliseconds from `first_seen`, and a record is an array that may
//! grow at its end. Readers skip what they do not know and fill in what is not there.

mod contacts;
mod desk;
mod ladder;
pub mod moved;
mod pool;
mod rare;
mod read;
mod rivals;
mod tables;
mod write;

#[cfg(test)]
mod tests;

pub use tables::{SeriesKind, Strangers, Table, Tables};

use crate::engine::customer::CustomerState;
use crate::engine::id::CustomerId;
use crate::engine::names::Names;
use crate::engine::planted::{Fault, is_planted};

/// Version of the layout; a reader refuses newer ones.
pub const VERSION: u8 = 1;

/// Nesting of a value beyond which bytes are refused: JSON that is taken in is flatter.
pub(super) const VALUE_DEPTH_MAX: u32 = 140;

/// Numbers of the fields. A number is never given to another field.
pub(super) mod field {
    pub(crate) const FIRST_SEEN: u32 = 0;
    pub(crate) const APPLIED: u32 = 1;
    pub(crate) const NOW: u32 = 2;
    pub(crate) const LAST_SEEN: u32 = 3;
    pub(crate) const TRAITS: u32 = 4;
    pub(crate) const CONSENTS: u32 = 5;
    pub(crate) const PAUSED_UNTIL: u32 = 6;
    pub(crate) const PREFERRED_CHANNEL: u32 = 7;
    pub(crate) const SERIES: u32 = 8;
    pub(crate) const TIMERS: u32 = 9;
    pub(crate) const PROGRESS: u32 = 10;
    pub(crate) const WAITING: u32 = 11;
    pub(crate) const LEDGER: u32 = 12;
    pub(crate) const FREEZES: u32 = 13;
    pub(crate) const SCORES: u32 = 14;
    pub(crate) const TIMELINE: u32 = 15;
    pub(crate) const SEEN: u32 = 16;
    pub(crate) const SEEN_NEXT: u32 = 17;
    pub(crate) const SESSION: u32 = 18;
    pub(crate) const RIVALS: u32 = 19;
    pub(crate) const TASKS: u32 = 20;
    pub(crate) const DESK: u32 = 21;
    pub(crate) const BOUNCED: u32 = 22;
    pub(crate) const ANSWERED_AT: u32 = 23;
    pub(crate) const HANDED_OVER_AT: u32 = 24;
    pub(crate) const RUNGS: u32 = 28;
    pub(crate) const PROFILING: u32 = 30;
    pub(crate) const ASKS: u32 = 31;
    pub(crate) const POOL: u32 = 32;
}

/// Writes and reads states bound to one catalog.
#[derive(Debug)]
pub struct Format {
    tables: Tables,
    strangers: Strangers,
    scratch: write::Scratch,
}

/// Why bytes are not a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Written by a newer version.
    #[error(
        "written in format {0}, and this program reads up to {VERSION}: use the version that wrote it"
    )]
    Newer(u8),
    /// Not what a writer writes.
    #[error("not a customer's state: {what} (byte {at})")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Where.
        at: usize,
    },
}

impl Format {
    /// For the slots of one catalog.
    pub fn new(tables: Tables) -> Self {
        Self { tables, strangers: Strangers::default(), scratch: write::Scratch::default() }
    }

    /// The names of the catalog.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Names that states refer to and the catalog does not know.
    pub fn strangers(&self) -> &Strangers {
        &self.strangers
    }

    /// Appends a state to `out`.
    ///
    /// The same knowledge gives the same bytes, in whatever order names were first heard.
    ///
    /// # Errors
    /// None that is known; the encoder's interface has one.
    pub fn encode(
        &mut self,
        names: &Names,
        state: &CustomerState,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        write::state(&self.tables, &self.strangers, names, state, &mut self.scratch, out)
    }

    /// Reads a state, binding its names to this catalog. Names of events and traits that are not
    /// in `names` yet are added.
    ///
    /// # Errors
    /// When the bytes are newer than this program or not a state.
    pub fn decode(
        &mut self,
        names: &mut Names,
        id: CustomerId,
        bytes: &[u8],
    ) -> Result<CustomerState, Error> {
        let mut state = read::state(&self.tables, &mut self.strangers, names, id, bytes)?;
        if is_planted(Fault::WaitingLost) {
            state.rare.waiting.clear();
        }
        if is_planted(Fault::AnswerLost) {
            state.rare.answered_at = None;
        }
        Ok(state)
    }
}
