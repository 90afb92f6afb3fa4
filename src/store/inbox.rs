//! Inboxes of customers' apps: what the in-app channel has delivered, newest first.

use fjall::PersistMode;

use super::commit::{from_json, json};
use super::decisions::{Bounds, Collector, DecisionFilter};
use super::record::InboxRow;
use super::{Error, Page, Store, keys};
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

impl Store {
    /// Puts a message into a customer's inbox, durably. The same message again changes nothing;
    /// says whether it is new.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn put_inbox(&self, row: &InboxRow) -> Result<bool, Error> {
        let _changing = self.change();
        let key = key_of(row);
        if self.spaces.inbox.contains_key(&key)? {
            return Ok(false);
        }
        let mut write = self.db.batch().durability(Some(PersistMode::SyncData));
        write.insert(&self.spaces.inbox, key, json(row)?);
        self.guarded(|| write.commit())?;
        Ok(true)
    }

    /// A page of a customer's inbox, newest first.
    ///
    /// # Errors
    /// When the cursor is none of this list, or the store cannot be read.
    pub fn inbox(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<InboxRow>, Error> {
        let bounds = Bounds::of(&DecisionFilter::default(), after)?;
        let from = keys::of_customer(customer, &bounds.first);
        let to = keys::of_customer(customer, &bounds.last);
        let mut collector = Collector::new(limit);
        for guard in self.spaces.inbox.range(from..=to) {
            let (key, value) = guard.into_inner()?;
            let Some(place) = keys::place_of(&key) else { continue };
            if bounds.is_cursor(&place) {
                continue;
            }
            if collector.is_full() {
                return Ok(collector.more());
            }
            collector.look(place, Some(from_json("the message", &key, &value)?));
        }
        Ok(collector.last())
    }

    /// Notes that a message was read; the first time counts. `None` when there is no such message.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn read_inbox(
        &self,
        customer: &str,
        id: &str,
        at: Timestamp,
    ) -> Result<Option<InboxRow>, Error> {
        let _changing = self.change();
        let Some(wanted) = DecisionId::parse(id) else { return Ok(None) };
        for guard in self.spaces.inbox.prefix(keys::owned_by(customer)) {
            let (key, value) = guard.into_inner()?;
            let found =
                keys::place_of(&key).is_some_and(|place| keys::id_of(&place) == *wanted.as_bytes());
            if !found {
                continue;
            }
            let mut row: InboxRow = from_json("the message", &key, &value)?;
            if row.read_at.is_none() {
                row.read_at = Some(at.to_string());
                let mut write = self.db.batch();
                write.insert(&self.spaces.inbox, key, json(&row)?);
                self.guarded(|| write.commit())?;
            }
            return Ok(Some(row));
        }
        Ok(None)
    }
}

fn key_of(row: &InboxRow) -> Vec<u8> {
    let id = DecisionId::parse(&row.id).map_or([0; 16], |id| *id.as_bytes());
    let at = Timestamp::parse(&row.at).unwrap_or_default();
    keys::of_customer(&row.customer, &keys::place(at, &id))
}
