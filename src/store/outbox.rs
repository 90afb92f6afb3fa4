//! The outbox: sends that are committed and not yet acknowledged.

use fjall::PersistMode;

use super::commit::{from_json, json};
use super::decisions::DecisionFilter;
use super::record::OutboxRow;
use super::view::ConfirmingView;
use super::{Error, Store};
use crate::engine::decision::VerdictKind;
use crate::engine::time::Timestamp;

/// Sends of a customer that are looked through for what waits to be confirmed.
const LOOKED_AT_MAX: usize = 50;

impl Store {
    /// All rows, in no particular order: what a dispatcher finds when it starts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outbox(&self) -> impl Iterator<Item = Result<OutboxRow, Error>> + '_ {
        self.spaces.outbox.iter().map(|guard| {
            let (key, value) = guard.into_inner()?;
            from_json("the outbox row", &key, &value)
        })
    }

    /// Rows in the order of their ids, after an id, at most so many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outbox_after(&self, after: Option<&str>, limit: usize) -> Result<Vec<OutboxRow>, Error> {
        // The least text that is greater than the id is the id and a zero byte.
        let from = after.map(|id| format!("{id}\0")).unwrap_or_default();
        let rows = self.spaces.outbox.range(from..).take(limit);
        rows.map(|guard| {
            let (key, value) = guard.into_inner()?;
            from_json("the outbox row", &key, &value)
        })
        .collect()
    }

    /// One row.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn outbox_row(&self, decision: &str) -> Result<Option<OutboxRow>, Error> {
        let value = self.spaces.outbox.get(decision)?;
        value.map(|value| from_json("the outbox row", decision, &value)).transpose()
    }

    /// The newest messages to a customer that a person on the other side has yet to confirm.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn confirming(&self, customer: &str) -> Result<Vec<ConfirmingView>, Error> {
        let filter = DecisionFilter {
            customer: Some(customer.to_owned()),
            verdict: Some(VerdictKind::Send.as_str().to_owned()),
            ..DecisionFilter::default()
        };
        let time = |millis| Timestamp::from_millis(millis).to_string();
        let mut found = Vec::new();
        for record in self.decisions(&filter, None, LOOKED_AT_MAX)?.items {
            let Some(row) = self.outbox_row(&record.id)? else { continue };
            let Some(confirming) = row.confirming else { continue };
            found.push(ConfirmingView {
                decision: row.decision,
                trigger: row.trigger,
                channel: row.channel,
                by: confirming.by,
                since: (0 < confirming.since_ms).then(|| time(confirming.since_ms)),
                until: time(confirming.until_ms),
            });
        }
        Ok(found)
    }

    /// Writes rows durably, each only if it is still there; says which were. To be called before
    /// the call that a row stands for: a row that is gone was withdrawn or settled.
    ///
    /// # Errors
    /// When they are not durable: no call may be made.
    pub fn update_outbox(&self, rows: &[OutboxRow]) -> Result<Vec<bool>, Error> {
        let _changing = self.change();
        let mut write = self.db.batch().durability(Some(PersistMode::SyncData));
        let mut there = Vec::with_capacity(rows.len());
        for row in rows {
            let is_there = self.spaces.outbox.contains_key(row.decision.as_str())?;
            if is_there {
                write.insert(&self.spaces.outbox, row.decision.as_str(), json(row)?);
            }
            there.push(is_there);
        }
        self.guarded(|| write.commit())?;
        Ok(there)
    }

    /// Removes a row for good, for a send that no outcome will settle.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn remove_outbox(&self, decision: &str) -> Result<(), Error> {
        let _changing = self.change();
        let mut write = self.db.batch().durability(Some(PersistMode::SyncData));
        write.remove(&self.spaces.outbox, decision);
        self.guarded(|| write.commit())
    }
}
