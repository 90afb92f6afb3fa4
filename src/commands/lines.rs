//! Reads files line by line, however long their lines are, also compressed ones.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Result};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

use super::console::Error;

/// Longest line kept, in bytes; more than any event may have, so that what was cut is refused.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The first bytes of a file that gzip made.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file's text from its beginning, decompressed if need be; the bar goes over its bytes.
///
/// # Errors
/// When the file cannot be read.
pub fn open(path: &Path, bar: &ProgressBar) -> std::result::Result<Box<dyn Read>, Error> {
    let failed = |source| Error::read(path, source);
    let file = File::open(path).map_err(failed)?;
    bar.reset();
    let mut reader = BufReader::with_capacity(1 << 16, bar.wrap_read(file));
    let is_gzip = reader.fill_buf().map_err(failed)?.starts_with(&GZIP);
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

/// Reads the next line without its end; of one that is too long, only so much that it will be
/// refused as such. False when there is none any more.
///
/// # Errors
/// When the file cannot be read.
pub fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let mut found = false;
    loop {
        let buffer = lines.fill_buf()?;
        if buffer.is_empty() {
            return Ok(found);
        }
        found = true;
        let end = memchr::memchr(b'\n', buffer);
        let part = end.map_or(buffer, |end| buffer.get(..end).unwrap_or_default());
        let room = LINE_BYTES_MAX.saturating_sub(line.len());
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        let used = end.map_or(part.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_but_for_what_nobody_takes() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        let text = format!("a\n\n{long}\nlast");
        let mut lines = BufReader::with_capacity(7, text.as_bytes());
        let (mut line, mut lengths) = (Vec::new(), Vec::new());
        while next(&mut lines, &mut line).unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [1, 0, LINE_BYTES_MAX, 4]);
    }
}
