//! Takes inputs from the source and applies them: those of the log in their order, and what stands
//! beside it in between.

use std::time::Duration;

use smallvec::SmallVec;

use super::super::listing;
use super::super::open_batch::Then;
use super::super::shard::Stepped;
use super::{Busy, Error, Parts, Running};
use crate::decode::{Arrival, Record, Refusal, Subject};
use crate::engine::time::Timestamp;
use crate::log::{Entry, Form};
use crate::store::batch::{RefusedInput, Stands};
use crate::store::record::DeadLetter;
use crate::telemetry;

/// Bytes of the log read in one go: about a millisecond of work.
const READ_BYTES_MAX: usize = 256 * 1_024;
/// Records looked up before they are applied one after the other.
const GROUP: usize = 32;
/// Bytes of a refused record that are kept.
const SAMPLE_BYTES_MAX: usize = 2_048;

/// A record that was read; none when the entry is a line, which is read while it is applied.
type Read<'a> = Option<Result<Record<'a>, Refusal>>;

impl Running {
    pub(super) fn read_log(&mut self) -> Result<(), Error> {
        let from = self.mark.position.saturating_add(1);
        let entries = self.worker.parts.log.read(self.worker.number, from, READ_BYTES_MAX)?;
        let Some(last) = entries.last() else {
            self.behind = 0;
            return Ok(());
        };
        self.busy = Busy::Yes;
        let (count, last_at) = (entries.len() as u64, last.appended_at);
        for group in entries.chunks(GROUP) {
            self.apply_group(group)?;
        }
        self.report(count);
        let end = self.worker.parts.log.end(self.worker.number);
        let behind = end.saturating_sub(self.mark.position);
        self.behind = behind;
        let lag = match behind {
            0 => Duration::ZERO,
            _ => {
                let lag = (self.worker.parts.clock.now() - last_at).as_millis();
                Duration::from_millis(u64::try_from(lag).unwrap_or(0))
            }
        };
        telemetry::BatchApplied { shard: self.worker.number, inputs: count, behind, lag }.emit();
        Ok(())
    }

    /// Takes in what has come since the last round, before a question is answered: whoever was told
    /// that something is kept finds it in the answer. Far behind, the answer is of where the shard is.
    pub(super) fn read_before_answer(&mut self) -> Result<(), Error> {
        if self.mark.position < self.worker.parts.log.end(self.worker.number) {
            self.read_log()?;
        }
        Ok(())
    }

    fn apply_group(&mut self, group: &[Entry]) -> Result<(), Error> {
        if group.iter().all(|entry| entry.form == Form::Line) {
            return self.apply_lines(group);
        }
        let records: SmallVec<[Read<'_>; GROUP]> = group.iter().map(read).collect();
        self.look_ahead(&records);
        for (entry, record) in group.iter().zip(records) {
            self.begin(entry);
            let applied = self.apply(entry, record);
            self.take(entry, applied)?;
        }
        Ok(())
    }

    /// The short way, for what is in the log as its senders wrote it: nearly all.
    fn apply_lines(&mut self, group: &[Entry]) -> Result<(), Error> {
        let place = |entry: &Entry| (Arrival::live(entry.appended_at), entry.position);
        let lines = group.iter().map(|entry| (&*entry.record, place(entry)));
        let number = self.worker.number;
        let mut read = self.shard.read_lines(lines, |position| fresh_id(number, position));
        for entry in group {
            self.begin(entry);
            let applied = self.shard.apply_next(&mut read).unwrap_or(Ok(None));
            let stepped = applied.map(|applied| applied.map(|(_, stepped)| stepped));
            self.take(entry, stepped.map(Option::unwrap_or_default))?;
        }
        self.shard.give_back(read);
        Ok(())
    }

    fn begin(&mut self, entry: &Entry) {
        self.open.begin(entry.position);
        self.mark.position = entry.position;
        self.mark.heard_at = entry.appended_at;
    }

    /// Takes in what an entry gave.
    fn take(&mut self, entry: &Entry, applied: Result<Stepped, Refusal>) -> Result<(), Error> {
        match applied {
            Ok(stepped) => {
                if self.open.take(&mut self.shard, &stepped) == Then::Close {
                    self.hand_over()?;
                }
            }
            Err(refusal) => self.dead_letter(entry, &refusal)?,
        }
        if self.open.is_full() {
            self.hand_over_due()?;
        }
        Ok(())
    }

    /// Looks up the customers of a group together, before their turn comes.
    fn look_ahead(&self, records: &[Read<'_>]) {
        let known = records.iter().flatten().flatten();
        self.shard.prefetch(known.filter_map(|record| match record.subject() {
            Subject::Customer(id) => Some(id),
            Subject::Everyone => None,
        }));
    }

    fn apply(&mut self, entry: &Entry, record: Read<'_>) -> Result<Stepped, Refusal> {
        if let Some(record) = record {
            let record = record?;
            self.shard.check_place(&record)?;
            self.hear_outcome(&record, entry.appended_at);
            // Once: it is about the address that the customer had then.
            if !self.was_heard(entry) {
                self.open.list(listing::heard(&self.shard, &record, entry.appended_at));
            }
            return self.shard.apply(&record, entry.appended_at, entry.position);
        }
        let place = (Arrival::live(entry.appended_at), entry.position);
        let fresh_id = || fresh_id(self.worker.number, entry.position);
        let applied = self.shard.apply_line(&entry.record, place, fresh_id)?;
        Ok(applied.map(|(_, stepped)| stepped).unwrap_or_default())
    }

    fn hear_outcome(&mut self, record: &Record<'_>, at: Timestamp) {
        let Record::Outcome { customer, outcome, known_as } = record else { return };
        self.open.settle(outcome.decision);
        if let Some(known_as) = known_as {
            self.open.know(customer, (outcome.decision, known_as), at);
        }
        if self.worker.parts.log.is_shared() {
            self.open.tell_outcome(customer, outcome, at);
        }
    }

    /// Applies what stands beside the log. It is not read again, so whomever it concerns is written
    /// in the very batch that says how far it was read.
    pub(super) fn read_aside(&mut self) -> Result<(), Error> {
        if self.goes_over_the_past() {
            return Ok(());
        }
        let from = self.mark.aside.saturating_add(1);
        let entries = self.worker.parts.log.aside(self.worker.number, from, READ_BYTES_MAX)?;
        if entries.is_empty() {
            return Ok(());
        }
        self.busy = Busy::Yes;
        let here = self.time_here();
        for entry in &entries {
            self.mark.aside = entry.position;
            // It came while events before it were still on their way: it counts as of where they
            // are, so that it never moves the time of one that was appended before it.
            let at = here.map_or(entry.appended_at, |here| entry.appended_at.min(here));
            let applied = Record::parse(&entry.record).and_then(|record| {
                self.hear_outcome(&record, entry.appended_at);
                self.open.list(listing::heard(&self.shard, &record, entry.appended_at));
                self.shard.apply(&record, at, 0)
            });
            match applied {
                Ok(stepped) => {
                    if self.open.take_whole(&mut self.shard, &stepped) == Then::Close {
                        self.hand_over()?;
                    }
                }
                Err(refusal) => self.refuse(entry, Stands::Beside, &refusal)?,
            }
            if self.open.is_full() {
                self.hand_over_due()?;
            }
        }
        self.report(entries.len() as u64);
        Ok(())
    }

    /// Whether an entry was applied before the last stop, and everything that it gave was kept.
    const fn was_heard(&self, entry: &Entry) -> bool {
        entry.position <= self.mark.heard
    }

    /// Whether what was heard before the last stop is being applied once more. What stands beside it
    /// came later: it would move the time of those whose events are still to come.
    fn goes_over_the_past(&self) -> bool {
        self.mark.position < self.mark.heard
    }

    /// Up to when the shard has heard everything; `None` while it has heard nothing at all.
    fn time_here(&self) -> Option<Timestamp> {
        let Parts { log, clock, .. } = &self.worker.parts;
        let heard_all = log.watermark(self.worker.number, clock.now());
        let here = self.mark.heard_at.max(self.mark.ticked);
        // What was handed out and not applied yet is of a time that may lie before the watermark.
        let here = match self.mark.position < log.end(self.worker.number) {
            true => here,
            false => here.max(heard_all),
        };
        (here != Timestamp::default()).then_some(here)
    }

    fn dead_letter(&mut self, entry: &Entry, refusal: &Refusal) -> Result<(), Error> {
        if self.was_heard(entry) {
            // It was put there before the last stop.
            return Ok(());
        }
        self.refuse(entry, Stands::InLog, refusal)
    }

    fn refuse(&mut self, entry: &Entry, stands: Stands, refusal: &Refusal) -> Result<(), Error> {
        let sample = entry.record.get(..SAMPLE_BYTES_MAX).unwrap_or(&entry.record);
        let letter = DeadLetter {
            at: entry.appended_at.to_string(),
            source: "log".to_owned(),
            reason: refusal.reason.as_str().to_owned(),
            detail: format!("shard {}, position {}: {refusal}", self.worker.number, entry.position),
            sample: String::from_utf8_lossy(sample).into_owned(),
        };
        telemetry::DeadLettered { reason: refusal.reason.as_str() }.emit();
        if self.worker.parts.log.is_shared() {
            let Entry { position, record, around, .. } = entry.clone();
            self.open.refuse(RefusedInput { letter, position, stands, input: record, around });
            return Ok(());
        }
        Ok(self.worker.parts.store.put_dead_letters(&[letter])?)
    }
}

/// The id of an event that has none, the same after every restart: where it stands is what it is
/// called.
fn fresh_id(shard: u16, position: u64) -> String {
    format!("log:{shard}:{position}")
}

fn read(entry: &Entry) -> Read<'_> {
    match entry.form {
        Form::Record => Some(Record::parse(&entry.record)),
        Form::Line => None,
    }
}
