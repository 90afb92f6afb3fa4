//! Forgetting a customer: every key that bears their name.
//!
//! What the log and old files of the store hold of them goes when the log is trimmed and the
//! store compacted: [`Store::compact_after_erasures`].

use super::changes::{self, Kind, Write};
use super::commit::from_json;
use super::open::text;
use super::record::OutboxRow;
use super::{Error, Store, decisions, keys, tasks};
use crate::engine::id::DecisionId;

/// How long to wait before looking again whether a flush is done.
const FLUSH_WAIT: std::time::Duration = std::time::Duration::from_millis(1);

impl Store {
    /// Adds to a batch the removal of everything about a customer; gives the sends to them that
    /// have not left.
    pub(super) fn forget(
        &self,
        write: &mut Write,
        shard: u16,
        customer: &str,
    ) -> Result<Vec<DecisionId>, Error> {
        let mut unsent = Vec::new();
        let spaces = &self.spaces;
        write.remove(&spaces.customers, keys::customer(shard, customer));
        write.tell(Kind::Customer, customer, None);
        for guard in spaces.decisions.prefix(keys::owned_by(customer)) {
            let (key, value) = guard.into_inner()?;
            // One that is damaged goes all the same.
            if let Ok(record) = decisions::read(&key, &value)
                && changes::is_open(&record)
            {
                write.tell(Kind::Decision, &record.id, None);
            }
            if let Some(place) = keys::place_of(&key) {
                write.remove(&spaces.decisions_by_time, place);
                write.remove(&spaces.decision_ids, keys::id_of(&place));
            }
            write.remove(&spaces.decisions, key);
        }
        for guard in spaces.inbox.prefix(keys::owned_by(customer)) {
            self.remove_message(write, &guard.key()?);
        }
        for guard in spaces.exposures.prefix(keys::owned_by(customer)) {
            let key = guard.key()?;
            write.tell(Kind::Exposure, &String::from_utf8_lossy(&key), None);
            write.remove(&spaces.exposures, key);
        }
        self.forget_known(write, customer)?;
        for guard in spaces.outbox.iter() {
            let (key, value) = guard.into_inner()?;
            let row: OutboxRow = from_json("the outbox row", &key, &value)?;
            if row.customer == customer {
                write.tell(Kind::Outbox, &row.decision, None);
                write.remove(&spaces.outbox, key);
                unsent.extend(DecisionId::parse(&row.decision));
            }
        }
        for guard in spaces.tasks_by_time.iter() {
            let (key, line) = guard.into_inner()?;
            if tasks::is_of(&line, customer) {
                if let Some(place) = keys::place_of(&key) {
                    let id = DecisionId::from_bytes(keys::id_of(&place)).to_string();
                    write.tell(Kind::Task, &id, None);
                    write.remove(&spaces.tasks, id);
                }
                write.remove(&spaces.tasks_by_time, key);
            }
        }
        let before = self.erased_since_compaction()?;
        let after = before.saturating_add(1).to_string();
        write.insert(&spaces.meta, keys::ERASED_SINCE_COMPACTION, after.as_str());
        Ok(unsent)
    }

    /// Customers forgotten whose bytes may still be in old files of the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn erased_since_compaction(&self) -> Result<u64, Error> {
        let count = text(&self.spaces.meta, keys::ERASED_SINCE_COMPACTION)?;
        Ok(count.and_then(|text| text.parse().ok()).unwrap_or_default())
    }

    /// Rewrites the store's files if a customer was forgotten since the last time, so that their
    /// bytes are gone from the disk; says whether it did. It takes a while and much of the disk.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn compact_after_erasures(&self) -> Result<bool, Error> {
        let erased = self.erased_since_compaction()?;
        if erased == 0 {
            return Ok(false);
        }
        for (_, space) in self.spaces.all() {
            if space.rotate_memtable()? {
                // Waited for one by one: all of them at once could stall the writers.
                while space.sealed_memtable_count() != 0 {
                    std::thread::sleep(FLUSH_WAIT);
                }
            }
            space.major_compact()?;
        }
        let _changing = self.change();
        let left = self.erased_since_compaction()?.saturating_sub(erased).to_string();
        let mut write = self.db.batch();
        write.insert(&self.spaces.meta, keys::ERASED_SINCE_COMPACTION, left.as_str());
        self.guarded(|| write.commit())?;
        Ok(true)
    }

    /// Whether anything here still bears a customer's name: for tests and for the doubtful.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn mentions(&self, customer: &str) -> Result<Vec<&'static str>, Error> {
        let needle = customer.as_bytes();
        let has = |bytes: &[u8]| bytes.windows(needle.len().max(1)).any(|window| window == needle);
        let mut found = Vec::new();
        for (name, space) in self.spaces.all() {
            for guard in space.iter() {
                let (key, value) = guard.into_inner()?;
                if has(&key) || has(&value) {
                    found.push(name);
                    break;
                }
            }
        }
        Ok(found)
    }
}
