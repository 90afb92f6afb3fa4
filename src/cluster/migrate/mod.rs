//! Moves what one machine knows to Kafka: states with their timers and caps, sends under way, tasks,
//! exposures, what was decided, and the events that were not applied yet.
//!
//! Everything is one transaction: a move that is broken off never was, and is made again. Before it
//! begins the store says that it was moved, so that no two places ever contact the same customers;
//! sends keep their ids, so that one that may have left is asked for under the same id.

mod target;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::door;
use super::output::{Message, Writer};
use super::{Error, entry};
use crate::decode::{Record, Subject, shard_of};
use crate::engine::input::BlindGap;
use crate::engine::time::{Span, Timestamp};
use crate::kafka;
use crate::kafka::reading::Reader;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::{Form, Source};
use crate::store::changes::{Change, Kind};
use crate::store::decisions::DecisionFilter;
use crate::store::record::{DecisionRecord, KnownSend, OutboxRow, TaskRecord};
use crate::store::{Mark, Store, format};
use target::{Counting, Funnels, Target, Writing};

/// The header of the marks of a move: which store it was.
const FROM: &str = "heedful-migrated";
/// Decisions read in one go.
const DECISIONS_AT_ONCE: usize = 500;
/// Bytes of the log read in one go.
const LOG_BYTES_AT_ONCE: usize = 4 * 1_024 * 1_024;
/// Not hearing for longer counts as blind.
const BLIND_MIN: Span = Span::from_millis(60_000);

/// What is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Customers.
    pub customers: u64,
    /// Decisions, as they stand.
    pub decisions: u64,
    /// Sends under way.
    pub sends: u64,
    /// Tasks.
    pub tasks: u64,
    /// Messages in inboxes.
    pub messages: u64,
    /// Exposures.
    pub exposures: u64,
    /// Events and other inputs that were not applied yet.
    pub inputs: u64,
    /// Inputs that cannot be read, and stay.
    pub unreadable: u64,
}

/// How a move ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was made now, or would be.
    Moved(Tally),
    /// It had been made before.
    WasMoved,
}

/// Whether it is really done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only looked at.
    Dry,
    /// Done.
    Real,
}

/// A move.
#[derive(Debug)]
pub struct Move<'a> {
    /// How Kafka is reached.
    pub settings: &'a Settings,
    /// The store to be moved.
    pub store: &'a Store,
    /// Its log.
    pub log: &'a dyn Source,
    /// Partitions of the events topic.
    pub partitions: u16,
    /// The time.
    pub now: Timestamp,
}

impl Move<'_> {
    /// Makes it.
    ///
    /// # Errors
    /// When the store was not left in order, the topics hold something already, or Kafka fails:
    /// nothing was moved then.
    pub fn make(&self, mode: Mode) -> Result<Ending, Error> {
        let marks = self.marks()?;
        let names = Names::new(self.settings.config());
        if self.was_made(&names)? {
            return Ok(Ending::WasMoved);
        }
        if mode == Mode::Dry {
            return Ok(Ending::Moved(self.fill(&marks, &names, &mut Counting)?));
        }
        // From here on nobody is contacted from this store, whatever becomes of the move.
        self.store.set_moved(&place(self.settings))?;
        let mut writing = Writing::begin(self.settings)?;
        match self.fill(&marks, &names, &mut writing) {
            Ok(tally) => {
                writing.commit(self.settings, &names)?;
                Ok(Ending::Moved(tally))
            }
            Err(error) => {
                writing.abort()?;
                Err(error)
            }
        }
    }

    /// How far each shard has come. Only what was left in order is moved: what a kill left half
    /// written is mended by the next start.
    fn marks(&self) -> Result<Vec<Mark>, Error> {
        let mut marks = Vec::new();
        for shard in 0..self.store.shards() {
            let mark = self.store.mark(shard)?.unwrap_or_default();
            if mark.position != mark.heard {
                return Err(Error::Refused(format!(
                    "the service was not ended in order (shard {shard} has applied events up to {} \
                     and written customers up to {}): start it once more with `kafka:` taken out, \
                     end it by Ctrl-C, and try again",
                    mark.heard, mark.position
                )));
            }
            marks.push(mark);
        }
        Ok(marks)
    }

    /// Whether this very store was moved to these topics before; they must be empty otherwise.
    fn was_made(&self, names: &Names) -> Result<bool, Error> {
        let reader = Reader::new(self.settings)?;
        for topic in
            [&names.changelog, &names.events, &names.internal, &names.decisions, &names.outreach]
        {
            let (mut found, mut ours) = (false, false);
            let extents = reader.extents(topic, self.partitions)?;
            reader.read(topic, &extents, |seen| -> Result<_, kafka::Error> {
                found = true;
                let instance = self.store.instance().as_bytes();
                ours |= seen.headers.iter().any(|(name, value)| name == FROM && value == instance);
                Ok(if ours { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if ours {
                return Ok(true);
            }
            if found {
                return Err(Error::Refused(format!(
                    "`{topic}` holds messages already: a move begins with empty topics. Choose \
                     another `kafka.prefix` and run `heedful kafka init --apply`"
                )));
            }
        }
        Ok(false)
    }

    /// Everything, in the order in which it is written.
    fn fill(&self, marks: &[Mark], names: &Names, target: &mut dyn Target) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut funnels = Funnels::new(self.store.shards(), self.partitions);
        for shard in 0..self.store.shards() {
            self.store.tell_shard::<Error>(shard, |change| {
                self.take(change, names, &mut funnels, &mut tally, target)
            })?;
        }
        for change in funnels.shared_out()? {
            send_change(target, names, &change, &[])?;
        }
        for (shard, mark) in (0..self.store.shards()).zip(marks) {
            self.unapplied(shard, mark, names, &mut tally, target)?;
        }
        self.history(names, &mut tally, target)?;
        let instance = (FROM.to_owned(), self.store.instance().as_bytes().to_vec());
        let mark = self.mark(marks).to_bytes()?;
        for shard in 0..self.partitions {
            let change =
                Change { shard, kind: Kind::Mark, id: String::new(), value: Some(mark.clone()) };
            send_change(target, names, &change, std::slice::from_ref(&instance))?;
        }
        Ok(tally)
    }

    /// One thing of a shard, to the shard that has its customer from now on.
    fn take(
        &self,
        change: Change,
        names: &Names,
        funnels: &mut Funnels,
        tally: &mut Tally,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        let Change { shard, kind, id, value } = change;
        let Some(value) = value else { return Ok(()) };
        let to = |customer: &str| shard_of(customer, self.partitions);
        let (shard, value) = match kind {
            Kind::Mark => return Ok(()),
            // Each shard of the store tells all: once is enough, to each that there will be.
            Kind::Listed if shard != 0 => return Ok(()),
            Kind::Listed => {
                for shard in 0..self.partitions {
                    let (id, value) = (id.clone(), Some(value.clone()));
                    send_change(target, names, &Change { shard, kind, id, value }, &[])?;
                }
                return Ok(());
            }
            Kind::Funnel => return funnels.add(shard, &value),
            Kind::Customer => {
                tally.customers += 1;
                let state = format::moved::without_position(&value).map_err(|error| {
                    Error::Refused(format!("the state of a customer cannot be moved: {error}"))
                })?;
                (to(&id), state)
            }
            Kind::Decision => {
                let record: DecisionRecord = read(&value)?;
                let shard = to(&record.customer);
                funnels.is_open(shard, &record);
                (shard, value)
            }
            Kind::Outbox => {
                tally.sends += 1;
                let mut row: OutboxRow = read(&value)?;
                row.shard = to(&row.customer);
                let message = self.writer().outreach(&row)?;
                target.send(&names.outreach, row.shard, &message)?;
                let value = serde_json::to_vec(&row).map_err(|error| not_json(&error))?;
                (row.shard, value)
            }
            Kind::Task => {
                tally.tasks += 1;
                (to(&read::<TaskRecord>(&value)?.customer), value)
            }
            Kind::Message => {
                tally.messages += 1;
                (to(id.split('\0').next().unwrap_or_default()), value)
            }
            Kind::Known => (to(&read::<KnownSend>(&value)?.customer), value),
            Kind::Exposure => {
                tally.exposures += 1;
                let shard = to(id.split('\0').next().unwrap_or_default());
                let message = self.writer().exposure(&read(&value)?)?;
                target.send(&names.exposures, shard, &message)?;
                (shard, value)
            }
        };
        send_change(target, names, &Change { shard, kind, id, value: Some(value) }, &[])
    }

    /// Inputs of the log that no state holds yet.
    fn unapplied(
        &self,
        shard: u16,
        mark: &Mark,
        names: &Names,
        tally: &mut Tally,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        let failed = |error: crate::log::Error| Error::Refused(error.to_string());
        let mut from = mark.heard.saturating_add(1);
        while from <= self.log.end(shard) {
            let entries = self.log.read(shard, from, LOG_BYTES_AT_ONCE).map_err(failed)?;
            let Some(last) = entries.last() else { break };
            from = last.position.saturating_add(1);
            for entry in &entries {
                let parsed = Record::parse(&entry.record);
                let (Form::Record, Ok(record)) = (entry.form, parsed) else {
                    tally.unreadable += 1;
                    continue;
                };
                let shards = match record.subject() {
                    Subject::Customer(customer) => {
                        let shard = shard_of(customer, self.partitions);
                        shard..shard + 1
                    }
                    // Every shard has a copy: one is enough to make the others of.
                    Subject::Everyone if shard == 0 => 0..self.partitions,
                    Subject::Everyone => continue,
                };
                tally.inputs += 1;
                let (topic, message) = door::message(names, &entry.record);
                for shard in shards {
                    target.send(topic, shard, &message)?;
                }
            }
        }
        Ok(())
    }

    /// What was decided, as it stands, for those who read the topic.
    fn history(
        &self,
        names: &Names,
        tally: &mut Tally,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let filter = DecisionFilter::default();
            let page = self.store.decisions(&filter, after.as_deref(), DECISIONS_AT_ONCE)?;
            for record in &page.items {
                tally.decisions += 1;
                let shard = shard_of(&record.customer, self.partitions);
                target.send(&names.decisions, shard, &self.writer().decision(record)?)?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Where each new shard begins: at the beginning of its topics, with the time behind it that
    /// every customer in it has behind them.
    fn mark(&self, marks: &[Mark]) -> Mark {
        let alive: Vec<&Mark> = marks.iter().filter(|mark| **mark != Mark::default()).collect();
        let ticked = alive.iter().map(|mark| mark.ticked).min().unwrap_or_default();
        let wall = alive.iter().map(|mark| mark.wall).max().unwrap_or(self.now);
        let mut blind: BTreeMap<(Timestamp, Span), Timestamp> = BTreeMap::new();
        let mut gaps: Vec<BlindGap> = alive.iter().flat_map(|mark| mark.blind.clone()).collect();
        // Nobody took events while the service was down: silence says nothing about that time.
        if BLIND_MIN < self.now - wall {
            gaps.push(BlindGap::down(wall, self.now));
        }
        // The source was heard when any shard heard it.
        let heard = gaps.iter().copied().filter(|gap| gap.is_open()).max_by_key(|gap| gap.from);
        for gap in gaps.into_iter().filter(|gap| !gap.is_open()).chain(heard) {
            let to = blind.entry((gap.from, gap.unsure)).or_insert(gap.to);
            *to = gap.to.max(*to);
        }
        let blind = blind.into_iter().map(|((from, unsure), to)| BlindGap { from, to, unsure });
        Mark {
            ticked,
            wall: self.now.max(wall),
            revision: alive.first().map(|mark| mark.revision.clone()).unwrap_or_default(),
            blind: blind.collect(),
            shards: self.partitions,
            // All shards know the same orders, but for those that one has not come to yet.
            operations: alive
                .iter()
                .map(|mark| &mark.operations)
                .max_by_key(|operations| operations.all().len())
                .cloned()
                .unwrap_or_default(),
            ..Mark::default()
        }
    }

    fn writer(&self) -> Writer {
        Writer::new(&self.settings.config().group)
    }
}

/// Where a move goes, for people.
pub fn place(settings: &Settings) -> String {
    let config = settings.config();
    format!("the Kafka topics `{}.*` (events: `{}`)", config.prefix, config.events)
}

fn send_change(
    target: &mut dyn Target,
    names: &Names,
    change: &Change,
    headers: &[(String, Vec<u8>)],
) -> Result<(), Error> {
    let message =
        Message { key: entry::key(change), value: change.value.clone(), headers: headers.to_vec() };
    target.send(&names.changelog, change.shard, &message)
}

fn read<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::Refused(format!("a record of the store cannot be moved: {error}"))
}

#[cfg(test)]
mod tests;
