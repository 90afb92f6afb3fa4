//! Recorded events of any source, to be applied in the order in which they occurred.
//!
//! Events are read once into a file that is gone with the command, with their times and places in
//! memory: so files need not be in order, and what is larger than memory can be read too.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::console::Error;
use super::{files, import, lines, progress};
use crate::app;
use crate::config::Config;
use crate::decode::{self, Accepted, Arrival, Record};
use crate::engine::time::{Span, Timestamp};
use crate::log::{Form, Source as _};

/// Events at most.
pub(super) const EVENTS_MAX: usize = 20_000_000;
/// Bytes looked at to tell a table from lines.
const HEAD_BYTES: u64 = 512;
/// Bytes of the log looked at in one go.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Recorded events.
#[derive(Debug)]
pub(super) struct History {
    spool: BufWriter<File>,
    /// Where each event lies in the spool.
    index: Vec<Place>,
    end: u64,
    refused: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: Timestamp,
    start: u64,
    length: u32,
}

impl History {
    /// Of files: one event per line in any shape that the service takes, or tables, each of them
    /// also compressed by gzip.
    ///
    /// # Errors
    /// When one cannot be read, or there are too many events.
    pub(super) fn of_files(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut history = Self::empty()?;
        for path in paths {
            let size = std::fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
            let bar = progress::over_bytes(size, "reading");
            let read = history.file(path, &bar);
            bar.finish_and_clear();
            read?;
        }
        history.settle()
    }

    /// Of the log of a stopped service.
    ///
    /// # Errors
    /// When it cannot be read, or there are too many events.
    pub(super) fn of_data(config: &Config) -> Result<Self, Error> {
        if !app::store_folder(config).exists() {
            let what = format!("there is no data in `{}`", config.data.display());
            return Err(Error::refused(
                what,
                "name it with --data, or recorded events with --events",
            ));
        }
        let through = "stop the service first, or bring recorded events with --events";
        let (store, log) = files::open_store(config, through)?;
        let mut history = Self::empty()?;
        let failed = |error: crate::log::Error| Error::refused(error.to_string(), "");
        for shard in 0..store.shards() {
            let mut from = 1;
            loop {
                let entries = log.read(shard, from, READ_BYTES).map_err(failed)?;
                let Some(last) = entries.last() else { break };
                from = last.position + 1;
                for entry in &entries {
                    match entry.form {
                        Form::Record => history.record(&entry.record, Some(entry.appended_at))?,
                        Form::Line => history.line(&entry.record)?,
                    }
                }
            }
        }
        history.settle()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many were refused.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// When the first and the last of them occurred; what names no time is left out.
    pub(super) fn reach(&self) -> Option<(Timestamp, Timestamp)> {
        let timed = |place: &&Place| Timestamp::MIN + Span::DAY < place.at;
        let first = self.index.iter().find(timed)?;
        Some((first.at, self.index.last()?.at))
    }

    /// Hands on each event in the order in which they occurred.
    ///
    /// # Errors
    /// When they cannot be read back, or `take` fails.
    pub(super) fn each(
        &mut self,
        what: &'static str,
        mut take: impl FnMut(Timestamp, &Record<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |source| Error::read(spool_path(), source);
        self.spool.flush().map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 20, self.spool.get_ref());
        let mut here = reader.seek(SeekFrom::Start(0)).map_err(failed)?;
        let bar = progress::over_parts(what);
        let (mut bytes, mut done) = (Vec::new(), 0_u32);
        let all = u32::try_from(self.index.len().max(1)).unwrap_or(u32::MAX);
        for place in &self.index {
            // Within the buffer a step costs nothing: files are mostly in order.
            let step = i64::try_from(place.start).unwrap_or(i64::MAX).saturating_sub_unsigned(here);
            reader.seek_relative(step).map_err(failed)?;
            bytes.resize(place.length as usize, 0);
            reader.read_exact(&mut bytes).map_err(failed)?;
            here = place.start + u64::from(place.length);
            if let Ok(record) = Record::parse(&bytes) {
                take(place.at, &record)?;
            }
            done += 1;
            if done % 1_024 == 0 {
                progress::set_part(&bar, f64::from(done) / f64::from(all));
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn empty() -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(|source| Error::write(spool_path(), source))?;
        Ok(Self { spool: BufWriter::new(file), index: Vec::new(), end: 0, refused: 0 })
    }

    /// Brings them into order; what occurred at the same instant stays as it came.
    fn settle(mut self) -> Result<Self, Error> {
        self.index.sort_by_key(|place| place.at);
        Ok(self)
    }

    fn file(&mut self, path: &Path, bar: &ProgressBar) -> Result<(), Error> {
        let mut head = Vec::new();
        let failed = |source| Error::read(path, source);
        let text = lines::open(path, &ProgressBar::hidden())?;
        text.take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
        let name = path.with_extension("");
        let inner = if path.extension().is_some_and(|it| it == "gz") { &name } else { path };
        let is_table = match inner.extension().and_then(|extension| extension.to_str()) {
            Some("csv" | "tsv") => true,
            Some("ndjson" | "jsonl" | "json") => false,
            _ => head.trim_ascii_start().first() != Some(&b'{'),
        };
        if is_table {
            let open = || lines::open(path, bar);
            return import::rows_of(path, open, |row| match row {
                Ok(json) => self.line(json.as_bytes()),
                Err(_) => {
                    self.refused += 1;
                    Ok(())
                }
            });
        }
        let mut reader = BufReader::with_capacity(1 << 20, lines::open(path, bar)?);
        let mut line = Vec::new();
        while lines::next(&mut reader, &mut line).map_err(failed)? {
            let text = line.trim_ascii();
            if !text.is_empty() {
                self.line(text)?;
            }
        }
        Ok(())
    }

    /// Takes an event as its sender wrote it; what is refused is counted.
    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let number = self.index.len();
        let id = || format!("line {number}");
        match decode::line(line, Arrival::replay(), 1, id) {
            Ok(Some(Accepted { record, .. })) => self.record(&record, None),
            Ok(None) => Ok(()),
            Err(_) => {
                self.refused += 1;
                Ok(())
            }
        }
    }

    /// Takes an encoded record; it occurred when it says so, else at `instead`.
    fn record(&mut self, bytes: &[u8], instead: Option<Timestamp>) -> Result<(), Error> {
        let Ok(record) = Record::parse(bytes) else {
            self.refused += 1;
            return Ok(());
        };
        if EVENTS_MAX <= self.index.len() {
            let what = format!("there are more than {EVENTS_MAX} events");
            return Err(Error::refused(what, "bring the newest of them only"));
        }
        let at = record.occurred_at().or(instead).unwrap_or_default();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.spool.write_all(bytes).map_err(|source| Error::write(spool_path(), source))?;
        self.index.push(Place { at, start: self.end, length });
        self.end += u64::from(length);
        Ok(())
    }
}

/// Where the spool lies, for messages.
fn spool_path() -> PathBuf {
    std::env::temp_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(history: &mut History) -> Vec<String> {
        let mut seen = Vec::new();
        let take = |at: Timestamp, record: &Record<'_>| {
            let Record::Event(event) = record else { panic!() };
            seen.push(format!("{at} {}", event.id));
            Ok(())
        };
        history.each("reading", take).unwrap();
        seen
    }

    #[test]
    fn events_of_every_form_of_file_come_in_the_order_of_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let line = |id: u32, day: u32| {
            format!(
                "{{\"customer\":\"a\",\"event\":\"E\",\"id\":\"{id}\",\"at\":\"2026-01-{day:02}T00:00:00Z\"}}\n"
            )
        };
        let lines = folder.path().join("later.jsonl");
        std::fs::write(&lines, line(1, 9) + "{broken\n" + &line(2, 7)).unwrap();
        let table = folder.path().join("table.csv");
        std::fs::write(&table, "customer,event,at,id\na,E,2026-01-08T00:00:00Z,3\na,E,never,4\n")
            .unwrap();
        let packed = folder.path().join("packed.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all((line(5, 1) + &line(6, 30)).as_bytes()).unwrap();
        std::fs::write(&packed, gzip.finish().unwrap()).unwrap();
        let mut history = History::of_files(&[lines, table, packed]).unwrap();
        let at = |day: u32, id: u32| format!("2026-01-{day:02}T00:00:00.000Z {id}");
        let wanted = vec![at(1, 5), at(7, 2), at(8, 3), at(9, 1), at(30, 6)];
        assert_eq!((texts(&mut history), history.refused()), (wanted.clone(), 2));
        assert_eq!(texts(&mut history), wanted, "as often as one likes");
        let day = |day: u32| Timestamp::parse(&format!("2026-01-{day:02}T00:00:00Z")).unwrap();
        assert_eq!(history.reach(), Some((day(1), day(30))));
    }
}
