//! Inboxes of customers' apps: what the in-app channel has delivered, newest first.

use std::collections::{BTreeMap, BTreeSet};

use fjall::PersistMode;

use super::changes::{Change, Kind, Write};
use super::commit::{from_json, json};
use super::decisions::{Bounds, Collector, DecisionFilter};
use super::record::{InboxRow, MessageAnswer};
use super::{Error, Page, Store, keys};
use crate::decode::shard_of;
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
        let batch = self.db.batch().durability(Some(PersistMode::SyncData));
        let mut write = Write::silent(batch);
        self.add_messages(&mut write, rows)?;
        self.guarded(|| write.batch.commit())
    }

    /// Adds to a batch what [`Store::put_inbox`] writes, and tells it.
    pub(super) fn add_messages(&self, write: &mut Write, rows: &[InboxRow]) -> Result<(), Error> {
        let mut fresh: BTreeMap<&str, BTreeMap<Vec<u8>, &InboxRow>> = BTreeMap::new();
        for row in rows {
            fresh.entry(&row.customer).or_default().insert(key_of(row), row);
        }
        for (customer, fresh) in fresh {
            write.of_shard(shard_of(customer, self.shards()));
            let known = self.spaces.inbox.prefix(keys::owned_by(customer)).map(fjall::Guard::key);
            let known: BTreeSet<Vec<u8>> =
                known.map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>()?;
            let mut all: BTreeSet<&Vec<u8>> = known.iter().chain(fresh.keys()).collect();
            while INBOX_EACH_MAX < all.len()
                && let Some(oldest) = all.pop_last()
            {
                if known.contains(oldest) {
                    self.remove_message(write, oldest);
                }
            }
            for key in all.into_iter().filter(|key| !known.contains(*key)) {
                if let Some(row) = fresh.get(key) {
                    let value = json(row)?;
                    write.tell(Kind::Message, &name(customer, &row.id), Some(&value));
                    write.insert(&self.spaces.inbox, key.as_slice(), value);
                }
            }
        }
        Ok(())
    }

    /// Adds to a batch the removal of the message under a key, and tells it.
    pub(super) fn remove_message(&self, write: &mut Write, key: &[u8]) {
        if let Some(named) = name_of(key) {
            write.tell(Kind::Message, &named, None);
        }
        write.remove(&self.spaces.inbox, key);
    }

    /// A message as a change that puts it into its inbox, or notes that it was read.
    ///
    /// # Errors
    /// None that is known; the encoder's interface has one.
    pub fn change_of(&self, row: &InboxRow) -> Result<Change, Error> {
        let (shard, id) = (shard_of(&row.customer, self.shards()), name(&row.customer, &row.id));
        Ok(Change { shard, kind: Kind::Message, id, value: Some(json(row)?) })
    }

    /// The same for messages from before an instant that go away, looked at some at a time as
    /// [`Store::prune_inbox`] does.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn aged_messages(
        &self,
        before: Timestamp,
        after: Option<&[u8]>,
        look_max: usize,
    ) -> Result<Vec<Change>, Error> {
        let mut aged = Vec::new();
        for guard in self.spaces.inbox.range(behind(after)..).take(look_max) {
            let key = guard.key()?;
            if is_before(&key, before)
                && let Some(id) = name_of(&key)
            {
                let customer = id.split('\0').next().unwrap_or_default();
                let shard = shard_of(customer, self.shards());
                aged.push(Change { shard, kind: Kind::Message, id, value: None });
            }
        }
        Ok(aged)
    }

    /// Drops messages from before an instant. Looks at some at a time, from behind `after` on, and
    /// says behind which to go on the next time; `None` when it has come to the end.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune_inbox(
        &self,
        before: Timestamp,
        after: Option<&[u8]>,
        look_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let _changing = self.change();
        let mut write = self.db.batch();
        let mut last = None;
        let mut looked = 0;
        for guard in self.spaces.inbox.range(behind(after)..).take(look_max) {
            let key = guard.key()?;
            looked += 1;
            if is_before(&key, before) {
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

    /// Notes what was done with a message; what says most counts. `None` when there is no such
    /// message.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn answer_inbox(
        &self,
        (customer, id): (&str, &str),
        answer: MessageAnswer,
        at: Timestamp,
    ) -> Result<Option<InboxRow>, Error> {
        let _changing = self.change();
        let Some((key, mut row)) = self.find_message(customer, id)? else { return Ok(None) };
        if row.note(answer, at) {
            let mut write = self.db.batch();
            write.insert(&self.spaces.inbox, key, json(&row)?);
            self.guarded(|| write.commit())?;
        }
        Ok(Some(row))
    }

    /// One message of a customer, by its id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn message(&self, customer: &str, id: &str) -> Result<Option<InboxRow>, Error> {
        Ok(self.find_message(customer, id)?.map(|(_, row)| row))
    }

    fn find_message(
        &self,
        customer: &str,
        id: &str,
    ) -> Result<Option<(fjall::UserKey, InboxRow)>, Error> {
        let Some(wanted) = DecisionId::parse(id) else { return Ok(None) };
        for guard in self.spaces.inbox.prefix(keys::owned_by(customer)) {
            let (key, value) = guard.into_inner()?;
            if keys::place_of(&key).is_some_and(|place| keys::id_of(&place) == *wanted.as_bytes()) {
                let row = from_json("the message", &key, &value)?;
                return Ok(Some((key, row)));
            }
        }
        Ok(None)
    }

    /// Whether a change from beside the batches still changes something: of two that note what was
    /// done with a message the one that says most counts, and one that has gone stays so.
    pub(super) fn changes_message(&self, name: &str, value: &[u8]) -> Result<bool, Error> {
        let (customer, id) = name.split_once('\0').unwrap_or_default();
        let Some(known) = self.message(customer, id)? else { return Ok(false) };
        let row: InboxRow = from_json("the message", name, value)?;
        Ok(known.answered() < row.answered())
    }

    /// Adds to a batch what was told elsewhere of a message.
    pub(super) fn take_in_message(
        &self,
        write: &mut Write,
        id: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Error> {
        if let Some(value) = value {
            let row: InboxRow = from_json("the message", id, value)?;
            write.insert(&self.spaces.inbox, key_of(&row), value);
        } else if let Some((customer, id)) = id.split_once('\0')
            && let Some((key, _)) = self.find_message(customer, id)?
        {
            write.remove(&self.spaces.inbox, key);
        }
        Ok(())
    }
}

/// The message that a change puts into its inbox, if it does.
pub(super) fn put_by(side: &Change) -> Result<Option<InboxRow>, Error> {
    let Some(value) = side.value.as_deref().filter(|_| side.kind == Kind::Message) else {
        return Ok(None);
    };
    let row: InboxRow = from_json("the message", &side.id, value)?;
    Ok(Some(row).filter(|row| row.read_at.is_none()))
}

/// What a message is called where changes are told. Ids hold no control characters.
fn name(customer: &str, id: &str) -> String {
    [customer, id].join("\0")
}

/// The same, of the message under a key.
pub(super) fn name_of(key: &[u8]) -> Option<String> {
    let customer = key.split(|byte| *byte == 0).next()?;
    let id = DecisionId::from_bytes(keys::id_of(&keys::place_of(key)?)).to_string();
    Some(name(std::str::from_utf8(customer).ok()?, &id))
}

fn is_before(key: &[u8], before: Timestamp) -> bool {
    keys::place_of(key).is_some_and(|place| keys::time_of(&place) < before)
}

/// The least key that is greater than another: that one and a zero byte.
fn behind(after: Option<&[u8]>) -> Vec<u8> {
    after.map_or_else(Vec::new, |key| [key, &[0]].concat())
}

pub(super) fn key_of(row: &InboxRow) -> Vec<u8> {
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
        let at = Timestamp::from_millis(9);
        store.answer_inbox(("ada", &message.id), MessageAnswer::Read, at).unwrap().unwrap();
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
            after = store.prune_inbox(before, after.as_deref(), 2).unwrap();
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
