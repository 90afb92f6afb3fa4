//! One atomic batch: states, decisions, outbox, tasks and the place in the log, or none of them.

use std::collections::{BTreeMap, BTreeSet};

use fjall::{OwnedWriteBatch, PersistMode};

use super::batch::{Batch, Mark, Ruled, StoredMark};
use super::changes::{self, Change, Kind, Write};
use super::decisions::{self, IndexLine};
use super::record::{DecisionRecord, InboxRow, PastVerdict};
use super::{Error, Store, inbox, keys, tasks};
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

/// Earlier verdicts kept of a decision.
pub const HISTORY_MAX: usize = 16;

impl Store {
    /// Commits batches together, of any shards, each shard's in their order. It is flushed to disk
    /// when one of them must be; otherwise the system writes it in its own time, and the log
    /// brings back what a loss of power takes.
    ///
    /// Records that replace an earlier verdict are completed from it.
    ///
    /// # Errors
    /// When it is not durable. The store is then broken and the process must stop.
    pub fn commit(&self, batches: &mut [Batch]) -> Result<(), Error> {
        // All rooms at once: a list that grows is copied at each step.
        let count = batches.iter().map(Batch::writes_about).sum();
        let batch = OwnedWriteBatch::with_capacity(self.db.clone(), count);
        let mut write = Write::silent(batch);
        // Rows that are changed elsewhere must not come back after they were removed here.
        let _changing = self.change();
        self.write_all(&mut write, batches)?;
        let mode = if batches.iter().any(Batch::must_be_flushed) {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        self.guarded(|| write.batch.durability(Some(mode)).commit())
    }

    /// Prepares batches as [`Store::commit`] would write them, and says what they change, so that it
    /// can be kept elsewhere before it counts here. Dropped, it was never there. `sides` are changes
    /// of what is there already, from beside the batches; what one of those removes stays removed.
    ///
    /// # Errors
    /// When the store cannot be read, or is broken.
    pub fn prepare(&self, batches: &mut [Batch], sides: &[Change]) -> Result<Prepared<'_>, Error> {
        let mut write = Write::telling(self.db.batch());
        let mut messages = Vec::new();
        for side in sides {
            match inbox::put_by(side)? {
                // Whoever is forgotten now gets none.
                Some(message) => messages.extend(is_kept(batches, &message).then_some(message)),
                None => self.write_side(&mut write, side)?,
            }
        }
        self.add_messages(&mut write, &messages)?;
        self.write_all(&mut write, batches)?;
        Ok(Prepared { store: self, write })
    }

    fn write_all(&self, write: &mut Write, batches: &mut [Batch]) -> Result<(), Error> {
        if self.is_broken() {
            return Err(Error::Broken);
        }
        strip_forgotten(batches);
        let mut pending = Pending::of(batches);
        batches.iter_mut().try_for_each(|batch| self.write_batch(write, batch, &mut pending))
    }

    fn write_batch(
        &self,
        write: &mut Write,
        batch: &mut Batch,
        pending: &mut Pending,
    ) -> Result<(), Error> {
        let spaces = &self.spaces;
        write.of_shard(batch.shard);
        let mut key = Vec::new();
        for (id, state) in batch.states.in_order() {
            keys::put_customer(&mut key, batch.shard, id);
            write.insert(&spaces.customers, key.as_slice(), state);
            write.tell(Kind::Customer, id, Some(state));
        }
        for ruled in &mut batch.rulings {
            self.write_ruling(write, ruled, pending)?;
        }
        for row in &batch.outbox {
            let value = json(row)?;
            write.tell(Kind::Outbox, &row.decision, Some(&value));
            write.insert(&spaces.outbox, row.decision.as_str(), value);
        }
        for id in &batch.settled {
            // That it arrived after all may still be heard of a send of which nothing was known.
            let is_unknown = |ruled: &Ruled| ruled.id == *id && ruled.record.verdict == "unknown";
            let stands = !batch.rulings.iter().any(is_unknown);
            let id = id.to_string();
            write.tell(Kind::Outbox, &id, None);
            if stands {
                write.tell(Kind::Decision, &id, None);
            }
            write.remove(&spaces.outbox, id);
        }
        self.write_known(write, &batch.known)?;
        batch.listed = self.write_listings(write, &batch.listings, &batch.known)?;
        for task in &batch.tasks {
            tasks::write(spaces, write, task)?;
            pending.tasks.put(task);
        }
        batch.turned.clear();
        for turn in &batch.turns {
            batch.turned.extend(self.write_turn(write, turn, &mut pending.tasks)?);
        }
        for exposure in &batch.exposures {
            let key = super::exposures::key(exposure);
            // The first exposure counts; another arm cannot come later.
            if !spaces.exposures.contains_key(key.as_str())? {
                let value = json(exposure)?;
                write.tell(Kind::Exposure, &key, Some(&value));
                write.insert(&spaces.exposures, key, value);
            }
        }
        for id in &batch.forgotten {
            batch.withdrawn.extend(self.forget(write, batch.shard, id.as_str())?);
        }
        for funnel in &batch.funnels {
            let value = json(funnel)?;
            write.tell(Kind::Funnel, &funnel.trigger, Some(&value));
            write.insert(&spaces.meta, keys::funnel(batch.shard, &funnel.trigger), value);
        }
        let mark = json(&StoredMark::from(&batch.mark))?;
        write.tell(Kind::Mark, "", Some(&mark));
        write.insert(&spaces.meta, keys::mark(batch.shard), mark);
        Ok(())
    }

    fn write_ruling(
        &self,
        write: &mut Write,
        ruled: &mut Ruled,
        pending: &mut Pending,
    ) -> Result<(), Error> {
        let mut decided_at = ruled.at;
        let mut before = None;
        // Looked up for a first ruling too: the same cause is the same decision.
        if let Some(earlier) = pending.take(ruled.id) {
            before = Some(earlier);
        } else if ruled.replaces.is_some()
            && let Some((at, record)) = self.decision_and_time(ruled.id)?
        {
            before = Some((at, record));
        }
        if let Some((at, earlier)) = before {
            decided_at = at;
            complete(&mut ruled.record, earlier);
        }
        let record = &ruled.record;
        let mut value = std::mem::take(&mut pending.json);
        put_json(&mut value, record)?;
        if changes::is_open(record) {
            write.tell(Kind::Decision, &record.id, Some(&value));
        } else if ruled.replaces.is_some() {
            write.tell(Kind::Decision, &record.id, None);
        }
        self.write_decision(write, (ruled.id, decided_at), record, &value);
        pending.json = value;
        pending.put(ruled.id, decided_at, record);
        Ok(())
    }

    pub(super) fn write_decision(
        &self,
        write: &mut Write,
        (id, decided_at): (DecisionId, Timestamp),
        record: &DecisionRecord,
        value: &[u8],
    ) {
        let place = keys::place(decided_at, id.as_bytes());
        let key = keys::of_customer(&record.customer, &place);
        write.insert(&self.spaces.decisions, key.as_slice(), value);
        write.insert(&self.spaces.decisions_by_time, place, IndexLine::of(record).to_bytes());
        write.insert(&self.spaces.decision_ids, *id.as_bytes(), key);
    }

    /// How far a shard had come; `None` when it never committed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn mark(&self, shard: u16) -> Result<Option<Mark>, Error> {
        let key = keys::mark(shard);
        let Some(value) = self.spaces.meta.get(&key)? else { return Ok(None) };
        Ok(Some(from_json::<StoredMark>("the mark", &key, &value)?.into()))
    }

    fn decision_and_time(
        &self,
        id: DecisionId,
    ) -> Result<Option<(Timestamp, DecisionRecord)>, Error> {
        let Some(key) = self.spaces.decision_ids.get(id.as_bytes())? else { return Ok(None) };
        let Some(place) = keys::place_of(&key) else { return Ok(None) };
        let Some(value) = self.spaces.decisions.get(&key)? else { return Ok(None) };
        let record = decisions::read(&key, &value)?;
        Ok(Some((keys::time_of(&place), record)))
    }
}

/// Batches that are ready to be written.
pub struct Prepared<'s> {
    store: &'s Store,
    write: Write,
}

impl std::fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("changes", &self.changes().len()).finish_non_exhaustive()
    }
}

impl Prepared<'_> {
    /// What they change.
    pub fn changes(&self) -> &[Change] {
        self.write.told()
    }

    /// Writes them, and notes for each shard up to where its part of the changelog holds what the
    /// store has now. The system flushes it in its own time: what a loss of power takes is in the
    /// changelog.
    ///
    /// # Errors
    /// When they cannot be written. The store is then broken and the process must stop.
    pub fn commit(mut self, changelog: &[(u16, u64)]) -> Result<(), Error> {
        let store = self.store;
        for (shard, next) in changelog {
            let value = next.to_string();
            self.write.insert(&store.spaces.meta, keys::changelog(*shard), value.as_str());
        }
        // Rows that are changed elsewhere must not come back after they were removed here.
        let _changing = store.change();
        store.guarded(|| self.write.batch.durability(Some(PersistMode::Buffer)).commit())
    }
}

/// Records of the batches at hand, which cannot be read from the database yet.
#[derive(Default)]
struct Pending {
    /// Decisions that are ruled more than once in them: the records of the others are not asked for.
    again: BTreeSet<DecisionId>,
    records: BTreeMap<DecisionId, (Timestamp, DecisionRecord)>,
    tasks: tasks::Pending,
    /// Room for the record that is written now.
    json: Vec<u8>,
}

impl Pending {
    fn of(batches: &[Batch]) -> Self {
        let rulings = batches.iter().flat_map(|batch| &batch.rulings);
        let mut ids: Vec<DecisionId> = rulings.map(|ruled| ruled.id).collect();
        ids.sort_unstable();
        let again = ids.array_windows().filter(|[one, next]| one == next).map(|[id, _]| *id);
        let tasks = tasks::Pending::of(batches);
        Self { again: again.collect(), tasks, ..Self::default() }
    }

    fn take(&mut self, id: DecisionId) -> Option<(Timestamp, DecisionRecord)> {
        self.records.remove(&id)
    }

    fn put(&mut self, id: DecisionId, decided_at: Timestamp, record: &DecisionRecord) {
        if self.again.contains(&id) {
            self.records.insert(id, (decided_at, record.clone()));
        }
    }
}

/// What comes together with the wish to be forgotten, or shortly before it, is not even written.
/// (States may stay: the removal follows them in the same batch.)
fn strip_forgotten(batches: &mut [Batch]) {
    for last in 0..batches.len() {
        let Some(forgetting) = batches.get_mut(last) else { break };
        let (shard, forgotten) = (forgetting.shard, std::mem::take(&mut forgetting.forgotten));
        let is_gone = |customer: &str| forgotten.iter().any(|id| id.as_str() == customer);
        for batch in batches.iter_mut().take(last + 1).filter(|batch| batch.shard == shard) {
            if forgotten.is_empty() {
                break;
            }
            batch.rulings.retain(|ruled| !is_gone(&ruled.record.customer));
            batch.outbox.retain(|row| !is_gone(&row.customer));
            batch.tasks.retain(|task| !is_gone(&task.customer));
            batch.exposures.retain(|exposure| !is_gone(&exposure.unit));
            batch.known.retain(|known| !is_gone(&known.customer));
        }
        if let Some(forgetting) = batches.get_mut(last) {
            forgetting.forgotten = forgotten;
        }
    }
}

fn is_kept(batches: &[Batch], message: &InboxRow) -> bool {
    let mut forgotten = batches.iter().flat_map(|batch| &batch.forgotten);
    forgotten.all(|id| id.as_str() != message.customer)
}

/// Fills in what a later ruling of a decision does not say, and keeps the verdict it replaces.
fn complete(record: &mut DecisionRecord, earlier: DecisionRecord) {
    record.decided_at = earlier.decided_at;
    record.history = earlier.history;
    if HISTORY_MAX <= record.history.len() {
        record.history.remove(0);
    }
    record.history.push(PastVerdict {
        at: earlier.ruled_at,
        verdict: earlier.verdict,
        reason: earlier.reason,
        until: earlier.until,
    });
    if record.occurrence.is_empty() {
        record.occurrence = earlier.occurrence;
        record.caused_at = earlier.caused_at;
    }
    let fill = |now: &mut Option<String>, then: Option<String>| {
        if now.is_none() {
            *now = then;
        }
    };
    fill(&mut record.purpose, earlier.purpose);
    fill(&mut record.channel, earlier.channel);
    fill(&mut record.offer, earlier.offer);
    fill(&mut record.arm, earlier.arm);
    if record.content.is_empty() {
        record.content = earlier.content;
    }
    if record.conditions.is_empty() {
        record.conditions = earlier.conditions;
    }
    if record.rules.is_empty() {
        record.rules = earlier.rules;
    }
}

/// A value as JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut json = Vec::new();
    put_json(&mut json, value).map(|()| json)
}

/// The same in place of what stood there.
fn put_json<T: serde::Serialize>(json: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    json.clear();
    serde_json::to_writer(json, value).map_err(|error| Error::Storage(format!("not JSON: {error}")))
}

/// A stored value.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    key: impl AsRef<[u8]>,
    value: &[u8],
) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| Error::Damaged {
        what,
        key: String::from_utf8_lossy(key.as_ref()).into_owned(),
        why: error.to_string(),
    })
}

#[cfg(test)]
pub(super) mod tests;
