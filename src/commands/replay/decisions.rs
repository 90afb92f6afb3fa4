//! The decisions of a replay as a file: one JSON object per line, in order of time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::commands::console::Error;
use crate::engine::time::Timestamp;
use crate::worker::replay::Seen;

/// Decisions, as they are made: customer by customer, so that their order says nothing yet.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    lines: Vec<(Timestamp, String)>,
}

impl Decisions {
    /// Takes in a ruling.
    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        let ruling = seen.ruling;
        let Some(state) = seen.shard.find(seen.customer.as_str()) else { return };
        let record = seen.shard.teller().decision(state, seen.decision, ruling);
        // A record is made of texts and numbers: it can always be written.
        let line = serde_json::to_string(&record).unwrap_or_default();
        self.lines.push((ruling.at, line));
    }

    /// Writes them in order of time, and of the lines themselves where the time is the same.
    pub(super) fn write(mut self, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::write(path, source);
        self.lines.sort_unstable();
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        for (_, line) in &self.lines {
            writeln!(file, "{line}").map_err(failed)?;
        }
        file.flush().map_err(failed)
    }
}
