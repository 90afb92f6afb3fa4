//! What is heard of addresses that are not to be written to any more, by whoever has them.

use super::shard::Shard;
use crate::decode::{ListingRecord, PreferenceRecord, ReceiptRecord, Record};
use crate::engine::govern;
use crate::engine::input::{Answer, Told};
use crate::engine::time::Timestamp;
use crate::store::listed::{BY_RECEIPT, Cause, Listing, Stands, Whose};

/// The changes of the list that a record makes. Those of customers are about the addresses that they
/// have when it is heard.
pub(super) fn heard(shard: &Shard, record: &Record<'_>, at: Timestamp) -> Vec<Listing> {
    match record {
        Record::Receipt(receipt) => told(shard, receipt, at).into_iter().collect(),
        Record::Preference {
            customer,
            preference: PreferenceRecord::Consent { purpose, channel, answer, .. },
        } => {
            let stands = match answer {
                Answer::Denied => Stands::On,
                Answer::Granted => Stands::Off,
            };
            let all = addresses(shard, customer, *channel).into_iter();
            all.map(|(channel, address)| Listing {
                whose: Whose::Address(address),
                channel,
                purpose: purpose.map(str::to_owned),
                cause: Cause::Unsubscribed,
                // Where they said it may tell who they are, and the list outlives them.
                by: "whoever has it".to_owned(),
                at,
                stands,
            })
            .collect()
        }
        Record::Listing(given) => vec![listing(given)],
        _ => Vec::new(),
    }
}

/// What a provider tells is about the address to which the send went.
fn told(shard: &Shard, receipt: &ReceiptRecord<'_>, at: Timestamp) -> Option<Listing> {
    let (cause, purpose) = match receipt.told {
        Told::Bounced => (Cause::Bounced, None),
        Told::Complained => (Cause::Complained, None),
        Told::Unsubscribed => (Cause::Unsubscribed, Some(receipt.purpose.to_owned())),
        Told::Replied if govern::asks_to_stop(receipt.text) => (Cause::Unsubscribed, None),
        _ => return None,
    };
    let now = || addresses(shard, receipt.customer, Some(receipt.channel)).pop();
    let whose = match receipt.address {
        Some(address) => Whose::Address(address.to_owned()),
        None => Whose::SentTo {
            customer: receipt.customer.to_owned(),
            decision: receipt.decision.to_string(),
            otherwise: now().map(|(_, address)| address),
        },
    };
    let by = format!("{BY_RECEIPT}{}", receipt.decision);
    let channel = receipt.channel.to_owned();
    Some(Listing { whose, channel, purpose, cause, by, at, stands: Stands::On })
}

fn listing(given: &ListingRecord<'_>) -> Listing {
    Listing {
        whose: Whose::Hash(given.hash.to_owned()),
        channel: given.channel.to_owned(),
        purpose: given.purpose.map(str::to_owned),
        cause: Cause::parse(given.cause).unwrap_or(Cause::Added),
        by: given.by.to_owned(),
        at: given.at,
        stands: if given.off { Stands::Off } else { Stands::On },
    }
}

/// The addresses that a customer has, on one channel or on all.
fn addresses(shard: &Shard, customer: &str, channel: Option<&str>) -> Vec<(String, String)> {
    let Some(state) = shard.find(customer) else { return Vec::new() };
    let channels = shard.catalog().policy.channels.iter();
    channels
        .filter(|known| channel.is_none_or(|channel| *known.name == *channel))
        .filter_map(|known| {
            let (slot, _) = known.needs.as_ref()?;
            Some((known.name.to_string(), state.text_trait(*slot)?.to_owned()))
        })
        .collect()
}
