//! Takes in what was told elsewhere of a shard, so that it goes on here where it stopped there; and
//! tells a whole shard, for it to begin elsewhere.

use std::collections::BTreeMap;

use fjall::PersistMode;

use super::changes::{self, Change, Kind, Write};
use super::commit::{from_json, json};
use super::decisions;
use super::open::text;
use super::record::{DecisionRecord, ExposureRecord, InboxRow, KnownSend, OutboxRow, TaskRecord};
use super::{Error, Store, exposures, inbox, keys, known, tasks};
use crate::decode::shard_of;
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

/// Writes that go to the storage in one batch while a shard is dropped.
const DROPPED_AT_ONCE: usize = 4_096;

impl Store {
    /// Up to where a shard's part of the changelog is in the store; `None` when nothing of it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn changelog_next(&self, shard: u16) -> Result<Option<u64>, Error> {
        let next = text(&self.spaces.meta, &keys::changelog(shard))?;
        Ok(next.and_then(|text| text.parse().ok()))
    }

    /// When the store last had all of a shard's part of the changelog, as far as was noted.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn in_step_at(&self, shard: u16) -> Result<Option<Timestamp>, Error> {
        let at = text(&self.spaces.meta, &keys::in_step(shard))?;
        Ok(at.and_then(|text| Timestamp::parse(&text)))
    }

    /// Notes that the store has all of these shards' parts of the changelog.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn note_in_step(
        &self,
        shards: impl IntoIterator<Item = u16>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let mut write = self.db.batch();
        for shard in shards {
            write.insert(&self.spaces.meta, keys::in_step(shard), at.to_string().as_str());
        }
        self.guarded(|| write.commit())
    }

    /// Takes in changes of a shard, in their order, and notes how far the changelog is in the store.
    ///
    /// # Errors
    /// When a value is none, or the storage fails.
    pub fn restore(&self, shard: u16, changes: &[Change], next: u64) -> Result<(), Error> {
        let mut write = Write::silent(self.db.batch());
        let _changing = self.change();
        // Whoever was forgotten leaves nothing here, whatever was told of them before.
        for change in changes.iter().filter(|change| change.is_erasure()) {
            self.take_in(&mut write, shard, change)?;
        }
        // The newest of each thing stands. What is in the same batch could not be read yet, to be
        // taken back.
        let newest: BTreeMap<(Kind, &str), &Change> =
            changes.iter().map(|change| ((change.kind, &*change.id), change)).collect();
        for change in newest.into_values().filter(|change| !change.is_erasure()) {
            self.take_in(&mut write, shard, change)?;
        }
        write.insert(&self.spaces.meta, keys::changelog(shard), next.to_string().as_str());
        self.guarded(|| write.batch.durability(Some(PersistMode::Buffer)).commit())
    }

    /// Writes a change of something that is still there.
    pub(super) fn write_side(&self, write: &mut Write, side: &Change) -> Result<(), Error> {
        let is_there = match side.kind {
            Kind::Outbox => self.spaces.outbox.contains_key(side.id.as_str())?,
            // One that goes is told even if it went here already: then nothing else is.
            Kind::Message if side.value.is_some() => self.changes_message(&side.id)?,
            _ => true,
        };
        if is_there {
            write.of_shard(side.shard);
            write.tell(side.kind, &side.id, side.value.as_deref());
            self.take_in(&mut *write, side.shard, side)?;
        }
        Ok(())
    }

    fn take_in(&self, write: &mut Write, shard: u16, change: &Change) -> Result<(), Error> {
        let spaces = &self.spaces;
        let id = change.id.as_str();
        match (change.kind, &change.value) {
            (Kind::Customer, Some(state)) => {
                write.insert(&spaces.customers, keys::customer(shard, id), state.as_slice());
            }
            // Whatever this store still has of them goes too.
            (Kind::Customer, None) => {
                self.forget(write, shard, id)?;
            }
            (Kind::Decision, Some(value)) => self.restore_decision(write, id, value)?,
            // Its last verdict is not here, and the one before must not pass for it.
            (Kind::Decision, None) => self.remove_decision(write, id)?,
            (Kind::Outbox, Some(value)) => write.insert(&spaces.outbox, id, value.as_slice()),
            (Kind::Outbox, None) => write.remove(&spaces.outbox, id),
            (Kind::Task, Some(value)) => {
                tasks::put(spaces, write, &from_json("the task", id, value)?, value.clone());
            }
            (Kind::Task, None) => {
                if let Some(task) = self.task(id)? {
                    write.remove(&spaces.tasks_by_time, tasks::place(&task));
                    write.remove(&spaces.tasks, id);
                }
            }
            (Kind::Message, value) => self.take_in_message(write, id, value.as_deref())?,
            (Kind::Exposure, Some(value)) => write.insert(&spaces.exposures, id, value.as_slice()),
            (Kind::Exposure, None) => write.remove(&spaces.exposures, id),
            (Kind::Funnel, Some(value)) => {
                write.insert(&spaces.meta, keys::funnel(shard, id), value.as_slice());
            }
            (Kind::Funnel, None) => write.remove(&spaces.meta, keys::funnel(shard, id)),
            (Kind::Known, value) => self.take_in_known(write, id, value.as_deref())?,
            (Kind::Listed, value) => self.take_in_listed(write, id, value.as_deref())?,
            (Kind::Mark, Some(value)) => {
                write.insert(&spaces.meta, keys::mark(shard), value.as_slice());
            }
            (Kind::Mark, None) => write.remove(&spaces.meta, keys::mark(shard)),
        }
        Ok(())
    }

    fn restore_decision(&self, write: &mut Write, id: &str, value: &[u8]) -> Result<(), Error> {
        let record: DecisionRecord = from_json("the decision", id, value)?;
        let parsed = DecisionId::parse(id).zip(Timestamp::parse(&record.decided_at));
        let place = parsed.ok_or_else(|| Error::Damaged {
            what: "the decision",
            key: id.to_owned(),
            why: "its id or time cannot be read".to_owned(),
        })?;
        self.write_decision(write, place, &record, value);
        Ok(())
    }

    fn remove_decision(&self, write: &mut Write, id: &str) -> Result<(), Error> {
        let spaces = &self.spaces;
        let Some(id) = DecisionId::parse(id) else { return Ok(()) };
        let Some(key) = spaces.decision_ids.get(id.as_bytes())? else { return Ok(()) };
        if let Some(place) = keys::place_of(&key) {
            write.remove(&spaces.decisions_by_time, place);
        }
        write.remove(&spaces.decisions, key);
        write.remove(&spaces.decision_ids, *id.as_bytes());
        Ok(())
    }

    /// Drops everything that the store has of a shard: it is restored from the beginning then.
    ///
    /// # Errors
    /// When the storage fails. What is left goes with the next attempt.
    pub fn drop_shard(&self, shard: u16) -> Result<(), Error> {
        let mut write = Write::silent(self.db.batch());
        let mut count = 0_usize;
        let mut flush = |write: &mut Write| {
            count += 1;
            if !count.is_multiple_of(DROPPED_AT_ONCE) {
                return Ok(());
            }
            let full = std::mem::replace(write, Write::silent(self.db.batch()));
            self.guarded(|| full.batch.commit())
        };
        let spaces = &self.spaces;
        let _changing = self.change();
        write.remove(&spaces.meta, keys::changelog(shard));
        write.remove(&spaces.meta, keys::in_step(shard));
        write.remove(&spaces.meta, keys::mark(shard));
        for guard in spaces.customers.prefix(shard.to_be_bytes()) {
            write.remove(&spaces.customers, guard.key()?);
            flush(&mut write)?;
        }
        for guard in spaces.meta.prefix(keys::funnels(shard)) {
            write.remove(&spaces.meta, guard.key()?);
        }
        self.each_of(shard, |thing| {
            match thing {
                Thing::Decision(record, _) => self.remove_decision(&mut write, &record.id)?,
                Thing::Outbox(row, _) => write.remove(&spaces.outbox, row.decision),
                Thing::Task(task, _) => {
                    write.remove(&spaces.tasks_by_time, tasks::place(&task));
                    write.remove(&spaces.tasks, task.id);
                }
                Thing::Message(message) => {
                    write.remove(&spaces.inbox, inbox::key_of(&message));
                }
                Thing::Known(known) => self.remove_known(&mut write, &known),
                Thing::Exposure(exposure, _) => {
                    write.remove(&spaces.exposures, exposures::key(&exposure));
                }
            }
            flush(&mut write)
        })?;
        self.guarded(|| write.batch.commit())
    }

    /// Tells everything of a shard that must survive this store, as changes from nothing to here;
    /// the mark comes last.
    ///
    /// # Errors
    /// When the store cannot be read, or what `take` says.
    pub fn tell_shard<E: From<Error>>(
        &self,
        shard: u16,
        mut take: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let change = |kind, id: &str, value| Change { shard, kind, id: id.to_owned(), value };
        self.load::<E>(shard, |id, state| {
            take(change(Kind::Customer, id.as_str(), Some(state.to_vec())))
        })?;
        self.each_of::<E>(shard, |thing| match thing {
            Thing::Decision(record, value) => {
                // A send that is settled stands.
                let stands = record.verdict == "sent" && self.outbox_row(&record.id)?.is_none();
                match changes::is_open(&record) && !stands {
                    true => take(change(Kind::Decision, &record.id, Some(value))),
                    false => Ok(()),
                }
            }
            Thing::Outbox(row, value) => take(change(Kind::Outbox, &row.decision, Some(value))),
            Thing::Task(task, value) => take(change(Kind::Task, &task.id, Some(value))),
            Thing::Message(message) => take(self.change_of(&message)?),
            Thing::Known(known) => {
                take(change(Kind::Known, &known::id_of(&known), Some(json(&known)?)))
            }
            Thing::Exposure(exposure, value) => {
                take(change(Kind::Exposure, &exposures::key(&exposure), Some(value)))
            }
        })?;
        for listed in self.all_listed() {
            let listed = listed?;
            take(change(Kind::Listed, &super::listed::id_of(&listed), Some(json(&listed)?)))?;
        }
        for (trigger, funnel) in self.funnels_of(shard)? {
            take(change(Kind::Funnel, &trigger, Some(json(&funnel)?)))?;
        }
        if let Some(mark) = self.spaces.meta.get(keys::mark(shard)).map_err(Error::from)? {
            take(change(Kind::Mark, "", Some(mark.to_vec())))?;
        }
        Ok(())
    }

    /// Calls `take` with all things of a shard that are not found by it.
    fn each_of<E: From<Error>>(
        &self,
        shard: u16,
        mut take: impl FnMut(Thing) -> Result<(), E>,
    ) -> Result<(), E> {
        let is_here = |customer: &str| shard_of(customer, self.shards()) == shard;
        // The customer stands first in the key: most records need not be read.
        let is_of_here = |key: &[u8]| {
            let owner = key.split(|byte| *byte == 0).next().unwrap_or_default();
            std::str::from_utf8(owner).is_ok_and(is_here)
        };
        let spaces = &self.spaces;
        for guard in spaces.decisions.iter() {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            if is_of_here(&key) {
                take(Thing::Decision(decisions::read(&key, &value)?, value.to_vec()))?;
            }
        }
        for guard in spaces.inbox.iter() {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            if is_of_here(&key) {
                take(Thing::Message(from_json("the message", &key, &value)?))?;
            }
        }
        for guard in spaces.outbox.iter() {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            let row: OutboxRow = from_json("the outbox row", &key, &value)?;
            if row.shard == shard {
                take(Thing::Outbox(row, value.to_vec()))?;
            }
        }
        for guard in spaces.tasks.iter() {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            let task: TaskRecord = from_json("the task", &key, &value)?;
            if is_here(&task.customer) {
                take(Thing::Task(Box::new(task), value.to_vec()))?;
            }
        }
        for known in self.known_sends() {
            let known = known?;
            if is_here(&known.customer) {
                take(Thing::Known(known))?;
            }
        }
        for guard in spaces.exposures.iter() {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            let exposure: ExposureRecord = from_json("the exposure", &key, &value)?;
            if is_here(&exposure.unit) {
                take(Thing::Exposure(exposure, value.to_vec()))?;
            }
        }
        Ok(())
    }
}

/// Something of a shard, read and as it is kept.
enum Thing {
    Decision(DecisionRecord, Vec<u8>),
    Outbox(OutboxRow, Vec<u8>),
    Task(Box<TaskRecord>, Vec<u8>),
    Message(InboxRow),
    Known(KnownSend),
    Exposure(ExposureRecord, Vec<u8>),
}

#[cfg(test)]
mod tests;
