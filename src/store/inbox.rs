//! Inboxes of customers' apps: what the in-app channel has delivered, newest first.

use std::collections::{BTreeMap, BTreeSet};

use fjall::PersistMode;

use super::commit::{from_json, json};
use super::decisions::{Bounds, Collector, DecisionFilter};
use super::record::InboxRow;
use super::{Error, Page, Store, keys};
use crate::engine::id::DecisionId;
use crate::engine::time::{Span, Timestamp};

/// Messages kept of each customer; past it the oldest goes.
pub const INBOX_EACH_MAX: usize = 200;
/// How long a message is kept, read or not.
pub const INBOX_KEEP: Span = Span::DAY.times(90);

impl Store {
    /// Puts messages into their customers' inboxes, durably and with one flush. A message that is
    /// there already stays as it is. What is beyond [`INBOX_EACH_MAX`] goes, the oldest first.
    ///
    /// # Errors
    /// When they are not durable.
    pub fn put_inbox(&self, rows: &[InboxRow]) -> Result<(), Error> {
        let _changing = self.change();
        let mut fresh: BTreeMap<&str, BTreeMap<Vec<u8>, &InboxRow>> = BTreeMap::new();
        for row in rows {
            fresh.entry(&row.customer).or_default().insert(key_of(row), row);
        }
        let mut write = self.db.batch().durability(Some(PersistMode::SyncData));
        for (customer, fresh) in fresh {
            let known = self.spaces.inbox.prefix(keys::owned_by(customer)).map(fjall::Guard::key);
            let known: BTreeSet<Vec<u8>> =
                known.map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>()?;
            let mut all: BTreeSet<&Vec<u8>> = known.iter().chain(fresh.keys()).collect();
            while INBOX_EACH_MAX < all.len()
                && let Some(oldest) = all.pop_last()
            {
                if known.contains(oldest) {
                    write.remove(&self.spaces.inbox, oldest.as_slice());
                }
            }
            for key in all.into_iter().filter(|key| !known.contains(*key)) {
                if let Some(row) = fresh.get(key) {
                    write.insert(&self.spaces.inbox, key.as_slice(), json(row)?);
                }
            }
        }
        self.guarded(|| write.commit())
    }

    /// Drops messages from before an instant. Looks at some at a time, from behind `after` on, and
    /// says behind which to go on the next time; `None` when it has come to the end.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune_inbox(
        &self,
        before: Timestamp,
        after: Option<Vec<u8>>,
        look_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let _changing = self.change();
        // The least key that is greater than another is that one and a zero byte.
        let from = after.map(|mut key| {
            key.push(0);
            key
        });
        let mut write = self.db.batch();
        let mut last = None;
        let mut looked = 0;
        for guard in self.spaces.inbox.range(from.unwrap_or_default()..).take(look_max) {
            let key = guard.key()?;
            looked += 1;
            if keys::place_of(&key).is_some_and(|place| keys::time_of(&place) < before) {
                write.remove(&self.spaces.inbox, key.clone());
            }
            last = Some(key.to_vec());
        }
        self.guarded(|| write.commit())?;
        Ok(last.filter(|_| look_max <= looked))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    fn row(customer: &str, number: u8, at: i64) -> InboxRow {
        let id = DecisionId::from_bytes([number; 16]).to_string();
        serde_json::from_value(serde_json::json!({
            "id": id, "customer": customer, "trigger": "t", "content": [],
            "at": Timestamp::from_millis(at).to_string(),
        }))
        .unwrap()
    }

    fn ids(store: &Store, customer: &str) -> Vec<u8> {
        let page = store.inbox(customer, None, 1_000).unwrap();
        page.items.iter().map(|row| DecisionId::parse(&row.id).unwrap().as_bytes()[0]).collect()
    }

    #[test]
    fn a_full_inbox_loses_its_oldest_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let rows: Vec<_> = (0..=199).map(|n| row("ada", n, 1_000 + i64::from(n))).collect();
        store.put_inbox(&rows[..150]).unwrap();
        store.put_inbox(&[row("bob", 1, 1)]).unwrap();
        store.put_inbox(&rows[150..]).unwrap();
        assert_eq!(ids(&store, "ada"), (0..=199).rev().collect::<Vec<_>>());
        store.put_inbox(&[row("ada", 250, 5_000), row("ada", 251, 5_001)]).unwrap();
        let kept = ids(&store, "ada");
        assert_eq!((kept.len(), kept[0], kept[1], kept[199]), (INBOX_EACH_MAX, 251, 250, 2));
        assert_eq!(ids(&store, "bob"), [1]);
    }

    #[test]
    fn a_message_put_twice_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let message = row("ada", 7, 1_000);
        store.put_inbox(std::slice::from_ref(&message)).unwrap();
        store.read_inbox("ada", &message.id, Timestamp::from_millis(9)).unwrap().unwrap();
        store.put_inbox(&[message.clone(), message]).unwrap();
        let page = store.inbox("ada", None, 10).unwrap();
        assert!(page.items.len() == 1 && page.items[0].read_at.is_some());
    }

    #[test]
    fn old_messages_go_some_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        for (customer, number) in [("ada", 1), ("ada", 2), ("bob", 3), ("cyd", 4)] {
            store.put_inbox(&[row(customer, number, i64::from(number) * 1_000)]).unwrap();
        }
        let before = Timestamp::from_millis(3_500);
        let mut after = None;
        let mut rounds = 0;
        loop {
            after = store.prune_inbox(before, after, 2).unwrap();
            rounds += 1;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(rounds, 3);
        let left = ["ada", "bob", "cyd"].map(|customer| ids(&store, customer).len());
        assert_eq!(left, [0, 0, 1]);
    }
}
