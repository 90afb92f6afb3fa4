//! What `channels:` says of a channel of type `csv`: a folder of tables that somebody works through.

use std::path::PathBuf;

use super::table::{Reading, Table};

/// A folder with a table for each day.
#[derive(Clone, Debug)]
pub struct CsvConfig {
    /// Where; relative to the file that says so.
    pub folder: PathBuf,
}

/// Reads the keys of its own.
pub(super) fn csv(table: &mut Table, reading: &mut Reading<'_>) -> Option<CsvConfig> {
    let folder = table.need("folder", reading).and_then(|node| reading.text(&node))?;
    Some(CsvConfig { folder: PathBuf::from(folder) })
}
