//! The serving worker, the real store and its committer over a file that stands in for the log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use heedful::clock::Manual;
use heedful::decode::{Arrival, Lines, Record};
use heedful::engine::catalog::Catalog;
use heedful::engine::time::Timestamp;
use heedful::log::{self, Entry, Form, Source};
use heedful::store::{Options, Store};
use heedful::worker::{committer, thread};
use tokio::sync::mpsc;

use crate::common::Fallible;
use crate::common::meter::{self, Cost};

/// Committed batches that wait for whoever acts on them.
const COMMITTED_MAX: usize = 64;
/// How often the end is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Decides over all events and commits every decision and every changed customer; gives the
/// decisions that became durable. The time counts from the first event to the last flush.
pub(crate) fn decide(catalog: &Arc<Catalog>, text: &str) -> Fallible<(u64, Cost)> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path(), Options::default())?;
    let log = Arc::new(Recorded::new(text)?);
    let end = log.end(0);
    let last = log.read(0, end, 1)?.first().map_or(Timestamp::MIN, |entry| entry.appended_at);
    let (sink, mut committed) = mpsc::channel(COMMITTED_MAX);
    let (commits, committer) = committer::pair(store.clone(), sink);
    let clock = Arc::new(Manual::at(last));
    let parts = thread::Parts { log, store, clock, commits };
    let (mailbox, worker) = thread::pair(0, catalog.clone(), parts);
    let (records, cost) = meter::together(|| {
        std::thread::scope(|scope| -> Fallible<u64> {
            let working = scope.spawn(|| worker.run());
            let committing = scope.spawn(|| committer.run());
            let acting = scope.spawn(move || {
                let mut records = 0;
                while let Some(batch) = committed.blocking_recv() {
                    records += batch.records.len() as u64;
                }
                records
            });
            while mailbox.status().position() < end && !working.is_finished() {
                std::thread::sleep(LOOK_AGAIN);
            }
            mailbox.stop();
            working.join().map_err(|_| "the worker panicked")??;
            committing.join().map_err(|_| "the committer panicked")??;
            acting.join().map_err(|_| "the receiver panicked".into())
        })
    });
    Ok((records?, cost))
}

/// A file of events read as a log of lines: the engine time of each is when it occurred, as a log
/// has it beside the line.
#[derive(Debug)]
struct Recorded {
    text: Bytes,
    /// Where each line begins, and where the last one ends.
    starts: Vec<usize>,
    times: Vec<Timestamp>,
}

impl Recorded {
    fn new(text: &str) -> Fallible<Self> {
        let mut starts = vec![0];
        starts.extend(
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1),
        );
        let mut lines = Lines::default();
        let occurred_at = |line: &str| -> Fallible<Timestamp> {
            let accepted = lines.read(line.as_bytes(), Arrival::replay(), 1, String::new)?;
            let accepted = accepted.ok_or("a line without an event")?;
            Ok(Record::parse(&accepted.record)?.occurred_at().ok_or("an event without a time")?)
        };
        let times = text.lines().map(occurred_at).collect::<Fallible<_>>()?;
        Ok(Self { text: Bytes::copy_from_slice(text.as_bytes()), starts, times })
    }

    fn entry(&self, position: u64) -> Option<Entry> {
        let index = usize::try_from(position).ok()?;
        let (from, to) = (*self.starts.get(index.checked_sub(1)?)?, *self.starts.get(index)?);
        let appended_at = *self.times.get(index - 1)?;
        let record = self.text.slice(from..to);
        Some(Entry { position, appended_at, form: Form::Line, record })
    }
}

impl Source for Recorded {
    fn shards(&self) -> u16 {
        1
    }

    fn read(&self, _: u16, from: u64, bytes_max: usize) -> Result<Vec<Entry>, log::Error> {
        let mut bytes = 0;
        let left = self.end(0).saturating_sub(from).saturating_add(1);
        let mut entries = Vec::with_capacity(log::entries_about(bytes_max, left));
        while bytes < bytes_max
            && let Some(entry) = self.entry(from + entries.len() as u64)
        {
            bytes += entry.record.len();
            entries.push(entry);
        }
        Ok(entries)
    }

    fn end(&self, _: u16) -> u64 {
        self.starts.len() as u64 - 1
    }

    fn watermark(&self, _: u16, _: Timestamp) -> Timestamp {
        Timestamp::MIN
    }
}
