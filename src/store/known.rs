//! By what providers know sends: what they tell later is found by it, and what comes from an address
//! belongs to the last send that went there.

use super::changes::{Kind, Write};
use super::commit::{from_json, json};
use super::record::KnownSend;
use super::{Error, Store, keys};

/// Names kept of one customer's sends; past it the oldest goes. Of older ones little is told, and
/// all of them together must not outgrow the states.
const KNOWN_PER_CUSTOMER_MAX: usize = 16;

/// What stands in front of the keys by customer; no channel's name holds it.
const OF_CUSTOMER: &str = "\u{1}";

impl Store {
    /// The send that a provider knows by a name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn known_send(&self, channel: &str, name: &str) -> Result<Option<KnownSend>, Error> {
        let key = key(channel, name);
        let value = self.spaces.known_sends.get(&key)?;
        value.map(|value| from_json("the send's name", &key, &value)).transpose()
    }

    /// The address to which a send went, where it is known.
    pub(super) fn sent_to(&self, customer: &str, decision: &str) -> Result<Option<String>, Error> {
        for guard in self.spaces.known_sends.prefix(of_customer(customer)) {
            let (key, value) = guard.into_inner()?;
            let known: KnownSend = from_json("the send's name", &key, &value)?;
            if known.decision == decision && known.address.is_some() {
                return Ok(known.address);
            }
        }
        Ok(None)
    }

    /// All of them.
    pub(super) fn known_sends(&self) -> impl Iterator<Item = Result<KnownSend, Error>> + '_ {
        self.spaces.known_sends.iter().filter_map(|guard| {
            let read = || {
                let (key, value) = guard.into_inner()?;
                if key.starts_with(OF_CUSTOMER.as_bytes()) {
                    return Ok(None);
                }
                from_json("the send's name", &key, &value).map(Some)
            };
            read().transpose()
        })
    }

    pub(super) fn write_known(&self, write: &mut Write, all: &[KnownSend]) -> Result<(), Error> {
        for (index, known) in all.iter().enumerate() {
            let value = json(known)?;
            write.tell(Kind::Known, &id_of(known), Some(&value));
            self.put_known(write, known, &value);
            // Once for each customer of a batch, when all their names in it are counted.
            let later = all.get(index + 1..).unwrap_or_default();
            if later.iter().all(|other| other.customer != known.customer) {
                self.forget_oldest(write, known, all)?;
            }
        }
        Ok(())
    }

    /// Drops what one customer has too many of, the oldest first.
    fn forget_oldest(
        &self,
        write: &mut Write,
        newest: &KnownSend,
        new: &[KnownSend],
    ) -> Result<(), Error> {
        let mut kept = Vec::new();
        for guard in self.spaces.known_sends.prefix(of_customer(&newest.customer)) {
            let (key, value) = guard.into_inner()?;
            let known: KnownSend = from_json("the send's name", &key, &value)?;
            let is_again = new.iter().any(|new| id_of(new) == id_of(&known));
            kept.extend((!is_again).then_some(known));
        }
        let coming = new.iter().filter(|new| new.customer == newest.customer).count();
        let surplus = (kept.len() + coming).saturating_sub(KNOWN_PER_CUSTOMER_MAX);
        kept.sort_by_key(|known| known.at_ms);
        for known in kept.iter().take(surplus) {
            write.tell(Kind::Known, &id_of(known), None);
            self.remove_known(write, known);
        }
        Ok(())
    }

    pub(super) fn forget_known(&self, write: &mut Write, customer: &str) -> Result<(), Error> {
        for guard in self.spaces.known_sends.prefix(of_customer(customer)) {
            let (key, value) = guard.into_inner()?;
            match from_json::<KnownSend>("the send's name", &key, &value) {
                Ok(known) => {
                    write.tell(Kind::Known, &id_of(&known), None);
                    self.remove_known(write, &known);
                }
                // One that is damaged goes all the same.
                Err(_) => write.remove(&self.spaces.known_sends, key),
            }
        }
        Ok(())
    }

    pub(super) fn take_in_known(
        &self,
        write: &mut Write,
        id: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Error> {
        match value {
            Some(value) => {
                let known: KnownSend = from_json("the send's name", id, value)?;
                self.put_known(write, &known, value);
            }
            None => {
                if let Some((channel, name)) = id.split_once('\0')
                    && let Some(known) = self.known_send(channel, name)?
                {
                    self.remove_known(write, &known);
                }
            }
        }
        Ok(())
    }

    fn put_known(&self, write: &mut Write, known: &KnownSend, value: &[u8]) {
        let space = &self.spaces.known_sends;
        write.insert(space, key(&known.channel, &known.name), value);
        write.insert(space, owned(known), value);
    }

    pub(super) fn remove_known(&self, write: &mut Write, known: &KnownSend) {
        let space = &self.spaces.known_sends;
        write.remove(space, owned(known));
        // The address may be somebody else's by now.
        let now = self.known_send(&known.channel, &known.name);
        if now.ok().flatten().is_none_or(|now| now.customer == known.customer) {
            write.remove(space, key(&known.channel, &known.name));
        }
    }
}

/// Its id among changes.
pub(super) fn id_of(known: &KnownSend) -> String {
    [&*known.channel, &*known.name].join("\0")
}

fn key(channel: &str, name: &str) -> String {
    [channel, name].join("\0")
}

fn of_customer(customer: &str) -> Vec<u8> {
    [OF_CUSTOMER.as_bytes(), &keys::owned_by(customer)].concat()
}

fn owned(known: &KnownSend) -> Vec<u8> {
    [of_customer(&known.customer), id_of(known).into_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::id::CustomerId;
    use crate::store::{Batch, Options};

    fn known(customer: &str, name: &str, at_ms: i64) -> KnownSend {
        KnownSend {
            channel: "sms".into(),
            name: name.into(),
            customer: customer.into(),
            decision: "07".repeat(16),
            purpose: "service".into(),
            at_ms,
            address: None,
        }
    }

    #[test]
    fn a_send_is_found_by_its_name_until_its_customer_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let commit = |known, forgotten| {
            store.commit(&mut [Batch { known, forgotten, ..Batch::default() }]).unwrap();
        };
        let mine = known("ada", "id:SM1", 1);
        commit(vec![mine.clone(), known("ada", "to:+31", 1), known("bob", "id:SM2", 1)], vec![]);
        assert_eq!(store.known_send("sms", "id:SM1").unwrap(), Some(mine));
        assert_eq!(store.known_send("email", "id:SM1").unwrap(), None);
        // Bob has her number now.
        commit(vec![known("bob", "to:+31", 2)], vec![]);
        commit(vec![], vec![CustomerId::new("ada")]);
        assert_eq!(store.known_send("sms", "id:SM1").unwrap(), None);
        assert_eq!(store.known_send("sms", "to:+31").unwrap().unwrap().customer, "bob");
        assert_eq!(store.mentions("ada").unwrap(), Vec::<&str>::new());
    }

    #[test]
    fn of_one_customer_only_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let most = i64::try_from(KNOWN_PER_CUSTOMER_MAX).unwrap();
        for n in 0..most + 3 {
            let known = vec![known("ada", &format!("id:{n}"), n)];
            store.commit(&mut [Batch { known, ..Batch::default() }]).unwrap();
        }
        let is_there = |n: i64| store.known_send("sms", &format!("id:{n}")).unwrap().is_some();
        assert!((0..3).all(|n| !is_there(n)) && (3..most + 3).all(is_there));
    }
}
