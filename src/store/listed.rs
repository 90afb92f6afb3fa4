//! Addresses that are not written to, whoever has them: by keyed hash, so that nobody can read them here.
//!
//! The list belongs to no customer and no shard: it stays when the customer behind an entry is forgotten,
//! and is found by whoever comes with the same address.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::changes::{Kind, Write};
use super::commit::{from_json, json};
use super::record::KnownSend;
use super::{Error, Store};
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

/// Longest text of who put an address there, in bytes.
const BY_BYTES_MAX: usize = 200;

/// How entries name the send of which something was told.
pub const BY_RECEIPT: &str = "receipt of ";

/// Why an address is on the list, the weakest first: a stronger reason stays when a weaker one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its owner asked for no more.
    Unsubscribed,
    /// Messages to it come back.
    Bounced,
    /// Its owner called a message unwanted.
    Complained,
    /// An operator put it there.
    Added,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unsubscribed, Self::Bounced, Self::Complained, Self::Added];

    /// The word used in the log and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Added => "added",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Whether an address is on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It is.
    On,
    /// It was, or was said to be taken off.
    Off,
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The channel.
    pub channel: String,
    /// The purpose; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The address, hashed with our key, in hex.
    pub hash: String,
    /// Why.
    pub cause: Cause,
    /// Who said so: a decision, an operator.
    pub by: String,
    /// Since when.
    pub at_ms: i64,
    /// Whether it holds. One that was taken off is kept, so that an older word does not put it back.
    pub stands: Stands,
}

/// Whose address an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This one.
    Address(String),
    /// That to which a send went; where it is not known any more, the other one.
    SentTo {
        /// Whose send.
        customer: String,
        /// Which, in hex.
        decision: String,
        /// The address that the customer has now.
        otherwise: Option<String>,
    },
    /// One that is hashed already.
    Hash(String),
}

/// A change of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Whose address.
    pub whose: Whose,
    /// The channel.
    pub channel: String,
    /// The purpose; `None` for all.
    pub purpose: Option<String>,
    /// Why. What is taken off for a reason is taken off unless a stronger one holds it.
    pub cause: Cause,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// On or off.
    pub stands: Stands,
}

/// The key with which addresses are hashed.
#[derive(Clone)]
pub struct AddressKey(Hmac<Sha256>);

impl std::fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AddressKey").finish_non_exhaustive()
    }
}

impl AddressKey {
    /// A key; `None` when it cannot be one.
    pub fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The hash of an address as a channel knows it, in hex: the same for all ways of writing it.
    pub fn hash(&self, channel: &str, address: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(channel.as_bytes());
        mac.update(&[0]);
        mac.update(normalized(address).as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An address as it is compared: without blanks around it and differences of case; of a number only its
/// digits, with the `00` of a prefix as `+`.
fn normalized(address: &str) -> String {
    let text = address.trim().to_lowercase();
    let is_number = text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || "+-.()/ ".contains(c));
    if !is_number {
        return text;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match (text.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => format!("+{digits}"),
        (false, Some(rest)) => format!("+{rest}"),
        (false, None) => digits,
    }
}

impl Store {
    /// Says with what addresses are hashed, once; without it nothing is listed.
    pub fn hash_addresses_with(&self, key: AddressKey) {
        drop(self.addresses.set(key));
    }

    /// What addresses are hashed with, if the list is kept.
    pub fn address_key(&self) -> Option<&AddressKey> {
        self.addresses.get()
    }

    /// The entry that keeps an address from being written to, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn suppressed(
        &self,
        channel: &str,
        purpose: Option<&str>,
        address: &str,
    ) -> Result<Option<Listed>, Error> {
        let Some(hasher) = self.address_key() else { return Ok(None) };
        let hash = hasher.hash(channel, address);
        let holds = |found: &Listed| found.stands == Stands::On;
        let all = self.listed(&key(channel, None, &hash))?.filter(holds);
        let own = match purpose {
            Some(_) => self.listed(&key(channel, purpose, &hash))?,
            None => None,
        };
        Ok(match (all, own) {
            // A later yes to the purpose lifts a no to everything, and nothing else.
            (Some(all), Some(own)) if is_no(&all) && !holds(&own) && all.at_ms <= own.at_ms => None,
            (Some(all), _) => Some(all),
            (None, own) => own.filter(holds),
        })
    }

    /// Entries that hold, behind one, at most so many; and where to go on, if there are more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn suppressions(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Listed>, Option<String>), Error> {
        let from = after.map(|after| format!("{after}\u{1}")).unwrap_or_default();
        let mut all = Vec::new();
        let mut last = None;
        for guard in self.spaces.listed.range(from..) {
            let (key, value) = guard.into_inner()?;
            if limit <= all.len() {
                return Ok((all, last));
            }
            let listed: Listed = from_json("the suppression", &key, &value)?;
            if listed.stands == Stands::On {
                last = Some(String::from_utf8_lossy(&key).into_owned());
                all.push(listed);
            }
        }
        Ok((all, None))
    }

    /// The entries that what was told of a send brought here, since a time: when, of which, and why.
    /// Those by which an answer of nothing but a word to stop is about everything are none of them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn listed_by_receipts(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, DecisionId, Cause)>, Error> {
        let mut found = Vec::new();
        for listed in self.all_listed() {
            let listed = listed?;
            let at = Timestamp::from_millis(listed.at_ms);
            let is_told = listed.stands == Stands::On
                && since <= at
                && (listed.purpose.is_some() || listed.cause != Cause::Unsubscribed);
            let id = listed.by.strip_prefix(BY_RECEIPT).filter(|_| is_told);
            found.extend(id.and_then(DecisionId::parse).map(|id| (at, id, listed.cause)));
        }
        Ok(found)
    }

    /// What is known of the same address, channel and purpose as an entry.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn entry_of(&self, listed: &Listed) -> Result<Option<Listed>, Error> {
        self.listed(&id_of(listed))
    }

    /// All entries, those that were taken off too.
    pub(super) fn all_listed(&self) -> impl Iterator<Item = Result<Listed, Error>> + '_ {
        self.spaces.listed.iter().map(|guard| {
            let (key, value) = guard.into_inner()?;
            from_json("the suppression", &key, &value)
        })
    }

    fn listed(&self, key: &str) -> Result<Option<Listed>, Error> {
        let value = self.spaces.listed.get(key)?;
        value.map(|value| from_json("the suppression", key, &value)).transpose()
    }

    /// Writes changes of the list, and gives the entries that changed. Those that others know already
    /// because they said so are not told to them again.
    pub(super) fn write_listings(
        &self,
        write: &mut Write,
        listings: &[Listing],
        new: &[KnownSend],
    ) -> Result<Vec<Listed>, Error> {
        let mut changed: Vec<Listed> = Vec::new();
        for listing in listings {
            let Some(hash) = self.hash_of(listing, new)? else { continue };
            let key = key(&listing.channel, listing.purpose.as_deref(), &hash);
            let at_hand = changed.iter().rev().find(|entry| id_of(entry) == key).cloned();
            let known = match at_hand {
                Some(known) => Some(known),
                None => self.listed(&key)?,
            };
            let lifts = known.is_none()
                && listing.stands == Stands::Off
                && listing.purpose.is_some()
                && self
                    .listed(&self::key(&listing.channel, None, &hash))?
                    .is_some_and(|all| is_no(&all));
            if known.is_none() && listing.stands == Stands::Off && !lifts {
                continue;
            }
            let is_told_on = matches!(listing.whose, Whose::Hash(_));
            match (next(known.as_ref(), listing, hash), known) {
                (Some(entry), _) => {
                    let value = json(&entry)?;
                    write.tell(Kind::Listed, &key, Some(&value));
                    write.insert(&self.spaces.listed, key, value);
                    changed.push(entry);
                }
                // It is here by another shard: this one must be able to take it along.
                (None, Some(known)) if is_told_on => {
                    write.tell(Kind::Listed, &key, Some(&json(&known)?));
                }
                (None, _) => {}
            }
        }
        Ok(changed)
    }

    fn hash_of(&self, listing: &Listing, new: &[KnownSend]) -> Result<Option<String>, Error> {
        let hash = |address: &str| {
            let hasher = self.address_key().filter(|_| !address.trim().is_empty());
            hasher.map(|hasher| hasher.hash(&listing.channel, address))
        };
        Ok(match &listing.whose {
            Whose::Hash(hash) => Some(hash.clone()),
            Whose::Address(address) => hash(address),
            Whose::SentTo { customer, decision, otherwise } => {
                let is_it =
                    |known: &&KnownSend| known.customer == *customer && known.decision == *decision;
                let at_hand = new.iter().find(is_it).and_then(|known| known.address.clone());
                let sent_to = match at_hand {
                    Some(address) => Some(address),
                    None => self.sent_to(customer, decision)?,
                };
                sent_to.or_else(|| otherwise.clone()).and_then(|address| hash(&address))
            }
        })
    }

    pub(super) fn take_in_listed(
        &self,
        write: &mut Write,
        id: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Error> {
        let Some(value) = value else { return Ok(()) };
        let new: Listed = from_json("the suppression", id, value)?;
        // Each shard has a copy, and may be behind.
        if self.listed(id)?.is_none_or(|known| known.at_ms <= new.at_ms) {
            write.insert(&self.spaces.listed, id, value);
        }
        Ok(())
    }
}

/// What an entry is after a change; `None` when it stays as it is.
fn next(known: Option<&Listed>, listing: &Listing, hash: String) -> Option<Listed> {
    let at_ms = listing.at.as_millis();
    if let Some(known) = known {
        let is_old = at_ms < known.at_ms;
        let is_weaker = known.stands == Stands::On && listing.cause < known.cause;
        let is_said = known.stands == listing.stands && known.cause == listing.cause;
        if is_old || is_weaker || is_said {
            return None;
        }
    }
    let by = listing.by.get(..listing.by.floor_char_boundary(BY_BYTES_MAX)).unwrap_or_default();
    Some(Listed {
        channel: listing.channel.clone(),
        purpose: listing.purpose.clone(),
        hash,
        cause: listing.cause,
        by: by.to_owned(),
        at_ms,
        stands: listing.stands,
    })
}

/// Whether it is the word of whoever has the address, which they can take back.
fn is_no(listed: &Listed) -> bool {
    listed.stands == Stands::On && listed.cause == Cause::Unsubscribed
}

/// Its id among changes, and its key.
pub(super) fn id_of(listed: &Listed) -> String {
    key(&listed.channel, listed.purpose.as_deref(), &listed.hash)
}

fn key(channel: &str, purpose: Option<&str>, hash: &str) -> String {
    [channel, purpose.unwrap_or_default(), hash].join("\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::id::CustomerId;
    use crate::store::{Batch, Options};

    fn open(folder: &std::path::Path) -> std::sync::Arc<Store> {
        let store = Store::open(folder, Options::default()).unwrap();
        store.hash_addresses_with(AddressKey::new(&[7; 32]).unwrap());
        store
    }

    fn listing(address: &str, cause: Cause, stands: Stands, at: i64) -> Listing {
        Listing {
            whose: Whose::Address(address.to_owned()),
            channel: "email".to_owned(),
            purpose: None,
            cause,
            by: "a test".to_owned(),
            at: Timestamp::from_millis(at),
            stands,
        }
    }

    fn commit(store: &Store, listings: Vec<Listing>) {
        store.commit(&mut [Batch { listings, ..Batch::default() }]).unwrap();
    }

    fn holds(store: &Store, address: &str) -> Option<Cause> {
        let found = store.suppressed("email", Some("marketing"), address).unwrap();
        found.map(|found| found.cause)
    }

    #[test]
    fn an_address_is_found_however_it_is_written_and_by_nobody_without_the_key() {
        for (one, other, same) in [
            ("Ada@X.example ", "ada@x.example", true),
            ("ada@x.example", "ada@y.example", false),
            ("+31 (6) 12-34", "0031 6 1234", true),
            ("+3161234", "3161234", false),
            ("06-1234", "061234", true),
        ] {
            assert_eq!(normalized(one) == normalized(other), same, "{one} {other}");
        }
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        commit(&store, vec![listing("Ada@x.example", Cause::Complained, Stands::On, 5)]);
        assert_eq!(holds(&store, " ada@X.example"), Some(Cause::Complained));
        assert_eq!(holds(&store, "bob@x.example"), None);
        assert_eq!(store.suppressed("sms", None, "ada@x.example").unwrap(), None);
        assert_eq!(
            store.mentions("ada@x.example").unwrap(),
            Vec::<&str>::new(),
            "no plain address"
        );
        let hashes = |key: u8| AddressKey::new(&[key; 32]).unwrap().hash("email", "ada@x.example");
        assert_ne!(hashes(7), hashes(8));
        // It stays when whoever complained is forgotten, and over a restart.
        store
            .commit(&mut [Batch { forgotten: vec![CustomerId::new("ada")], ..Batch::default() }])
            .unwrap();
        drop(store);
        assert_eq!(holds(&open(folder.path()), "ada@x.example"), Some(Cause::Complained));
    }

    #[test]
    fn a_weaker_word_and_an_older_one_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let say =
            |cause, stands, at| commit(&store, vec![listing("a@x.example", cause, stands, at)]);
        say(Cause::Unsubscribed, Stands::On, 5);
        assert_eq!(holds(&store, "a@x.example"), Some(Cause::Unsubscribed));
        say(Cause::Unsubscribed, Stands::Off, 6);
        assert_eq!(holds(&store, "a@x.example"), None);
        say(Cause::Unsubscribed, Stands::On, 5);
        assert_eq!(holds(&store, "a@x.example"), None, "that was before it was lifted");
        say(Cause::Complained, Stands::On, 7);
        say(Cause::Unsubscribed, Stands::On, 8);
        say(Cause::Unsubscribed, Stands::Off, 9);
        assert_eq!(holds(&store, "a@x.example"), Some(Cause::Complained));
        say(Cause::Added, Stands::Off, 10);
        assert_eq!(holds(&store, "a@x.example"), None, "an operator may");
    }

    #[test]
    fn a_later_yes_to_a_purpose_lifts_a_no_to_everything_for_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let yes = |at| Listing {
            purpose: Some("marketing".to_owned()),
            ..listing("a@x.example", Cause::Unsubscribed, Stands::Off, at)
        };
        commit(&store, vec![yes(1)]);
        assert!(store.all_listed().next().is_none(), "there was nothing to lift");
        let no = |cause, at| listing("a@x.example", cause, Stands::On, at);
        commit(&store, vec![no(Cause::Unsubscribed, 2)]);
        commit(&store, vec![yes(3)]);
        let on = |purpose| store.suppressed("email", Some(purpose), "a@x.example").unwrap();
        assert_eq!((on("marketing"), on("service").is_some()), (None, true));
        commit(&store, vec![no(Cause::Complained, 4)]);
        assert_eq!(on("marketing").unwrap().cause, Cause::Complained);
    }

    #[test]
    fn the_address_of_a_send_is_that_to_which_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let known = KnownSend {
            channel: "email".into(),
            name: "id:1".into(),
            customer: "ada".into(),
            decision: "07".repeat(16),
            purpose: "service".into(),
            at_ms: 1,
            address: Some("old@x.example".into()),
        };
        store.commit(&mut [Batch { known: vec![known], ..Batch::default() }]).unwrap();
        let of = |decision: &str| Listing {
            whose: Whose::SentTo {
                customer: "ada".into(),
                decision: decision.repeat(16),
                otherwise: Some("new@x.example".into()),
            },
            ..listing("", Cause::Bounced, Stands::On, 5)
        };
        commit(&store, vec![of("07")]);
        assert_eq!(holds(&store, "old@x.example"), Some(Cause::Bounced));
        assert_eq!(holds(&store, "new@x.example"), None);
        commit(&store, vec![of("08")]);
        assert_eq!(holds(&store, "new@x.example"), Some(Cause::Bounced));
        let (all, next) = store.suppressions(None, 1).unwrap();
        let (rest, end) = store.suppressions(next.as_deref(), 1).unwrap();
        assert_eq!((all.len(), rest.len(), end), (1, 1, None));
        assert_ne!(all, rest);
    }
}
