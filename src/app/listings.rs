//! The list of addresses that are not written to, as operators and other nodes see it.

use std::time::Duration;

use super::books::{blocking, encoded};
use super::source::Answers;
use crate::api::source::{
    Failure, Page, SuppressionAction, SuppressionAnswer, SuppressionChange, SuppressionView,
};
use crate::decode::{ListingRecord, Record};
use crate::engine::time::Timestamp;
use crate::log::Group;
use crate::store::listed::{Cause, Listed, Stands};

/// Most addresses changed at a time.
const ADDRESSES_MAX: usize = 1_000;
/// Most entries given out at a time.
const PAGE_MAX: usize = 500;
/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 512;
/// Most characters of who changes the list.
const BY_CHARS_MAX: usize = 200;
/// How long a change is waited for at most, until a shard here has taken it in.
const TAKEN_IN: Duration = Duration::from_secs(3);
/// How often is looked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What keeps the list from being kept.
const NO_KEY: &str = "the list is not kept: several nodes must hash addresses with the same key, \
                      set `suppressions: {key: ...}` on each";

/// The trait that holds addresses of mail.
const MAIL: &str = "email";

/// Whether it may be an address of mail: the list is no place for anything else, and what is put there
/// by mistake cannot be found again.
fn looks_like_mail(address: &str) -> bool {
    let address = address.trim();
    !address.contains(char::is_whitespace)
        && address.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

/// What becomes of messages to such an address: the rules above know customers, and not the list.
const WHEN_LISTED: &str = "    a message there is refused when it is about to leave: it fills no cap then, and goes on to the \
     next channel where its trigger says `fall_back`\n";

/// Since when and why an address is on the list.
pub(super) fn since(listed: &Listed) -> String {
    let since = Timestamp::from_millis(listed.at_ms);
    let why = match listed.cause {
        Cause::Unsubscribed => "its owner asked for no more",
        Cause::Bounced => "messages to it come back",
        Cause::Complained => "its owner called a message unwanted",
        Cause::Added => "an operator put it there",
    };
    let purpose = listed.purpose.as_ref();
    let purpose = purpose.map_or(String::new(), |name| format!(" for `{name}`"));
    let Listed { channel, by, .. } = listed;
    format!(
        "the address on `{channel}` is on the suppression list{purpose} since {since}: {why} ({by})"
    )
}

/// An entry as the log brings it to other shards.
pub(super) fn record(listed: &Listed) -> bytes::Bytes {
    encoded(&Record::Listing(ListingRecord {
        channel: &listed.channel,
        purpose: listed.purpose.as_deref(),
        hash: &listed.hash,
        cause: listed.cause.as_str(),
        by: &listed.by,
        at: Timestamp::from_millis(listed.at_ms),
        off: listed.stands == Stands::Off,
    }))
}

impl Answers {
    /// Entries that hold.
    pub(super) async fn all_suppressions(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Page<SuppressionView>, Failure> {
        self.store.address_key().ok_or_else(|| Failure::Conflict(NO_KEY.to_owned()))?;
        // Keys hold zero bytes, which no address of a page does.
        let after = after.map(|after| after.replace('/', "\0"));
        let store = std::sync::Arc::clone(&self.store);
        let read = move || store.suppressions(after.as_deref(), limit.min(PAGE_MAX));
        let (all, next) = blocking(read).await.map_err(Failure::Unavailable)?;
        let next = next.map(|next| next.replace('\0', "/"));
        Ok(Page { items: all.iter().map(view).collect(), next })
    }

    /// Puts addresses on the list or takes them off, or says which are on it.
    pub(super) async fn change_suppressions(
        &self,
        change: SuppressionChange,
    ) -> Result<SuppressionAnswer, Failure> {
        let key = self.store.address_key();
        let key = key.ok_or_else(|| Failure::Conflict(NO_KEY.to_owned()))?;
        self.check_change(&change)?;
        let SuppressionChange { action, channel, purpose, addresses, by } = change;
        let stands = match action {
            SuppressionAction::Check => {
                let mut entries = Vec::new();
                for address in &addresses {
                    let found = self.store.suppressed(&channel, purpose.as_deref(), address);
                    let found = found.map_err(|error| Failure::Unavailable(error.to_string()))?;
                    entries.extend(found.as_ref().map(view));
                }
                return Ok(SuppressionAnswer { entries });
            }
            SuppressionAction::Add => Stands::On,
            SuppressionAction::Remove => Stands::Off,
        };
        let by = by.unwrap_or_default();
        let at_ms = self.clock.now().as_millis();
        let entry = |address: &String| Listed {
            channel: channel.clone(),
            purpose: purpose.clone(),
            hash: key.hash(&channel, address),
            cause: Cause::Added,
            by: by.clone(),
            at_ms,
            stands,
        };
        let entries: Vec<Listed> = addresses.iter().map(entry).collect();
        let records: Vec<_> = entries.iter().map(record).collect();
        // Every shard has a copy: so every node knows the list, whichever shards it has.
        let groups = (0..self.store.shards())
            .map(|shard| Group { shard, records: records.clone() })
            .collect();
        self.appender.append_groups(groups).await.map_err(|error| {
            Failure::Unavailable(format!("the change is not in the log: {error}"))
        })?;
        let mut waited = Duration::ZERO;
        while !self.is_taken_in(&entries) && waited < TAKEN_IN {
            tokio::time::sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
        Ok(SuppressionAnswer { entries: entries.iter().map(view).collect() })
    }

    fn is_taken_in(&self, entries: &[Listed]) -> bool {
        entries.iter().all(|entry| {
            let known = self.store.entry_of(entry).ok().flatten();
            match entry.stands {
                Stands::On => known.is_some_and(|known| known.stands == Stands::On),
                Stands::Off => known.is_none_or(|known| known.stands == Stands::Off),
            }
        })
    }

    fn check_change(&self, change: &SuppressionChange) -> Result<(), Failure> {
        let catalog = self.catalogs.current();
        let wrong = |what: String| Err(Failure::Invalid(what));
        let channel = &change.channel;
        let known = catalog.policy.channels.iter().find(|known| *known.name == **channel);
        let needs = match known {
            None => return wrong(format!("there is no channel `{channel}`")),
            Some(known) if known.needs.is_none() => {
                return wrong(format!("channel `{channel}` needs no address"));
            }
            Some(known) => known.needs.as_ref(),
        };
        let purposes = &catalog.policy.purposes;
        if let Some(purpose) = &change.purpose
            && !purposes.iter().any(|known| *known.name == **purpose)
        {
            return wrong(format!("there is no purpose `{purpose}`"));
        }
        if !(1..=ADDRESSES_MAX).contains(&change.addresses.len()) {
            return wrong(format!("give 1 to {ADDRESSES_MAX} addresses"));
        }
        let fits = |text: &String| {
            !text.trim().is_empty()
                && text.len() <= ADDRESS_BYTES_MAX
                && !text.chars().any(char::is_control)
        };
        if let Some(place) = change.addresses.iter().position(|address| !fits(address)) {
            return wrong(format!("address {} is empty, too long, or no text", place + 1));
        }
        let is_mail = needs.is_some_and(|(_, name)| **name == *MAIL);
        let strange = change.addresses.iter().find(|address| is_mail && !looks_like_mail(address));
        if let Some(address) = strange {
            return wrong(format!("`{address}` is no e-mail address"));
        }
        let by = change.by.as_deref().unwrap_or_default();
        let says = !by.trim().is_empty() && by.chars().count() <= BY_CHARS_MAX;
        if change.action != SuppressionAction::Check && (!says || by.chars().any(char::is_control))
        {
            return wrong(format!(
                "`by` says who asks for it and why, in 1 to {BY_CHARS_MAX} characters"
            ));
        }
        Ok(())
    }

    /// What keeps a customer with these traits from being written to.
    pub(super) fn suppressed(&self, traits: &serde_json::Value) -> Vec<SuppressionView> {
        let found = self.suppressed_entries(traits);
        found.iter().map(view).collect()
    }

    /// The same in sentences.
    pub(super) fn suppressed_words(&self, traits: &serde_json::Value) -> String {
        let found = self.suppressed_entries(traits);
        let mut told: String = found.iter().map(|found| format!("  {}\n", since(found))).collect();
        if !found.is_empty() {
            told.push_str(WHEN_LISTED);
        }
        told
    }

    fn suppressed_entries(&self, traits: &serde_json::Value) -> Vec<Listed> {
        let catalog = self.catalogs.current();
        let mut found = Vec::new();
        for channel in &catalog.policy.channels {
            let Some((_, name)) = &channel.needs else { continue };
            let Some(address) = traits.get(&**name).and_then(|text| text.as_str()) else {
                continue;
            };
            let purposes = catalog.policy.purposes.iter().map(|purpose| Some(&*purpose.name));
            for purpose in std::iter::once(None).chain(purposes) {
                let entry = self.store.suppressed(&channel.name, purpose, address).ok().flatten();
                found.extend(entry.filter(|entry| !found.contains(entry)));
            }
        }
        found
    }
}

fn view(listed: &Listed) -> SuppressionView {
    SuppressionView {
        channel: listed.channel.clone(),
        purpose: listed.purpose.clone(),
        hash: listed.hash.clone(),
        cause: listed.cause.as_str().to_owned(),
        by: listed.by.clone(),
        since: Timestamp::from_millis(listed.at_ms).to_string(),
    }
}
