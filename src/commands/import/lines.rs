//! Reads the two kinds of files: tables and NDJSON lines.

use std::io::{BufReader, Read};
use std::path::Path;

use indicatif::ProgressBar;
use jiff::tz::TimeZone;

use super::columns::{self, Meaning, Table};
use super::rejects::Reject;
use super::rows::Rows;
use super::{Import, Tally};
use crate::commands::console::Error;
use crate::commands::lines;
use crate::decode::EVENT_BYTES_MAX;

/// Bytes looked at to find out what separates the cells of a table.
const HEAD_BYTES: u64 = 64 * 1024;
/// What may separate cells.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How much of a refused line is kept, in bytes.
const SAMPLE_BYTES_MAX: usize = 2 * 1024;

impl Import {
    /// A table is read twice: what a column holds is known only after its last cell.
    pub(super) fn table(&mut self, path: &Path, bar: &ProgressBar) -> Result<Tally, Error> {
        let hidden = ProgressBar::hidden();
        let open = || self.open_text(path, &hidden);
        let (mut rows, separator) = heading(path, open, &self.told, self.zone.clone())?;
        rows.look(&mut csv_reader(self.open_text(path, &hidden)?, separator));
        let mut reader = csv_reader(self.open_text(path, bar)?, separator);
        let mut tally = Tally { columns: described(&rows), ..Tally::default() };
        let mut record = csv::ByteRecord::new();
        let mut number = 0;
        while reader.read_byte_record(&mut record).map_err(|error| unreadable(path, &error))? {
            number += 1;
            let row = match rows.row(&record, number) {
                Ok(json) => {
                    let taken = self.take(&json, &mut tally, String::new)?;
                    taken.err().map(|(reason, what)| rows.reject(&record, reason, what))
                }
                Err(reject) => Some(reject),
            };
            if let Some(reject) = row {
                self.refuse(path, &reject, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// One event per line, in any shape that the service takes.
    pub(super) fn lines(&mut self, path: &Path, bar: &ProgressBar) -> Result<Tally, Error> {
        let mut reader = BufReader::new(self.open_text(path, bar)?);
        let mut tally = Tally::default();
        let mut line = Vec::new();
        let mut number = 0;
        while lines::next(&mut reader, &mut line).map_err(|source| Error::read(path, source))? {
            number += 1;
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            // The same line of the same file has the same id, however often it is imported.
            let id = || {
                let hash = blake3::hash(&[text, b"\n", number.to_string().as_bytes()].concat());
                format!("import-{}", hash.to_hex().get(..24).unwrap_or_default())
            };
            let refused = match std::str::from_utf8(text) {
                Ok(text) if text.len() <= EVENT_BYTES_MAX => self.take(text, &mut tally, id)?.err(),
                Ok(_) => Some(("too_large", format!("more than {EVENT_BYTES_MAX} bytes"))),
                Err(_) => Some(("not_utf8", "say `--encoding gb18030`, or whatever it is".into())),
            };
            if let Some((reason, what)) = refused {
                let sample = text.get(..SAMPLE_BYTES_MAX).unwrap_or(text);
                let row = String::from_utf8_lossy(sample).into_owned();
                self.refuse(path, &Reject { line: number, reason, what, row }, &mut tally)?;
            }
        }
        Ok(tally)
    }
}

/// The columns of a table as its first line names them, and what separates its cells.
pub(super) fn heading<R: Read>(
    path: &Path,
    open: impl Fn() -> Result<R, Error>,
    told: &[(String, String)],
    zone: TimeZone,
) -> Result<(Rows, u8), Error> {
    let mut head = Vec::new();
    let failed = |source| Error::read(path, source);
    open()?.take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
    let separator = separator(&head);
    let mut reader = csv_reader(open()?, separator);
    let headings = reader.headers().map_err(|error| unreadable(path, &error))?;
    let headings: Vec<String> = headings.iter().map(|cell| cell.trim().to_owned()).collect();
    let (table, columns) = columns::read(&headings, told)?;
    if table == Table::Events && !columns.iter().any(|column| column.meaning == Meaning::At) {
        let what = format!("no column of `{}` says when its events happened", path.display());
        return Err(Error::refused(what, "name it: `--column at=HEADING`"));
    }
    let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((Rows { table, columns, zone, origin }, separator))
}

pub(super) fn csv_reader<R: Read>(text: R, separator: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text)
}

/// What separates the headings: whichever of the usual ones is there most often.
fn separator(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = SEPARATORS.map(|separator| (0_usize, separator));
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            byte if !quoted => {
                for (count, separator) in &mut counts {
                    *count += usize::from(separator == byte);
                }
            }
            _ => {}
        }
    }
    // Of two that are there equally often the first named wins.
    let most = counts.iter().map(|(count, _)| *count).max().unwrap_or(0);
    counts.iter().find(|(count, _)| *count == most).map_or(b',', |(_, separator)| *separator)
}

/// Each column with what it is taken for.
fn described(rows: &Rows) -> Vec<String> {
    let describe = |column: &columns::Column| match &column.meaning {
        Meaning::Customer => Some(format!("{} (customer)", column.heading)),
        Meaning::Event => Some(format!("{} (event)", column.heading)),
        Meaning::At => Some(format!("{} (time)", column.heading)),
        Meaning::Id => Some(format!("{} (id)", column.heading)),
        Meaning::Consent(path) => {
            Some(format!("{} (consent to {})", column.heading, path.join(".")))
        }
        Meaning::Proof(path) => {
            Some(format!("{} (proof of consent, {})", column.heading, path.join(".")))
        }
        Meaning::Value(path) => Some(format!("{} ({})", path.join("."), column.kind().as_str())),
        Meaning::Nothing => None,
    };
    rows.columns.iter().filter_map(describe).collect()
}

pub(super) fn unreadable(path: &Path, error: &csv::Error) -> Error {
    let what = format!("`{}` cannot be read as a table: {error}", path.display());
    Error::refused(what, "tables are UTF-8 unless `--encoding` says otherwise")
}
