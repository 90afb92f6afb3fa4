//! The file of what was refused: each row as it was, with the reason and where it stood.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::commands::console::Error;

/// A row that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reject {
    /// Its line, from 1.
    pub(super) line: u64,
    /// The closed reason.
    pub(super) reason: &'static str,
    /// What is wrong, in a sentence.
    pub(super) what: String,
    /// The row.
    pub(super) row: String,
}

/// Writes rejects; the file is made with the first.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
    count: u64,
}

impl Rejects {
    /// Nothing refused yet.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, writer: None, count: 0 }
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn add(&mut self, file: &Path, reject: &Reject) -> Result<(), Error> {
        self.count += 1;
        let path = self.path.clone();
        let failed = |error: csv::Error| Error::write(&path, error.into());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let made = File::create(&path).map_err(|source| Error::write(&path, source))?;
                let mut writer = csv::Writer::from_writer(BufWriter::new(made));
                writer.write_record(["file", "line", "reason", "what", "row"]).map_err(failed)?;
                none.insert(writer)
            }
        };
        let file = file.display().to_string();
        let line = reject.line.to_string();
        writer
            .write_record([&*file, &*line, reject.reason, &*reject.what, &*reject.row])
            .map_err(failed)
    }

    /// Lets everything be read by others.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn finish(mut self) -> Result<u64, Error> {
        if let Some(writer) = &mut self.writer {
            writer.flush().map_err(|source| Error::write(&self.path, source))?;
        }
        Ok(self.count)
    }
}
