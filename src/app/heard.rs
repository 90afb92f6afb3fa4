//! Finds the sends that providers tell of, and enters what they tell into the log.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::books::{blocking, encoded};
use super::source::{Answers, not_durable, preferences};
use crate::api::source::{Failure, PreferenceChange};
use crate::clock::Shared as Clock;
use crate::config::Config;
use crate::decode::{Arrival, Body, Home, ReceiptRecord, Record, shard_of};
use crate::engine::id::DecisionId;
use crate::engine::input::Told;
use crate::engine::time::Timestamp;
use crate::hooks::{NotNow, Receipt, Send, Sends, Sought};
use crate::links::Claim;
use crate::log::Group;
use crate::log::appender::Appender;
use crate::store::record::OutboxRow;
use crate::store::record_of::{known_by_address, known_by_id};
use crate::store::{self, Store};

/// Where what is told goes.
#[derive(Debug)]
pub(super) struct Ear {
    pub(super) store: Arc<Store>,
    pub(super) appender: Appender,
    pub(super) clock: Clock,
    pub(super) nodes: Nodes,
}

/// Whether other nodes know other sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nodes {
    /// There is this one.
    One,
    /// There are others.
    Many,
}

impl Nodes {
    /// By what is configured.
    pub(super) fn of(config: &Config) -> Self {
        if config.kafka.is_some() { Self::Many } else { Self::One }
    }
}

impl Sends for Ear {
    fn find<'a>(
        &'a self,
        channel: &'a str,
        sought: Sought<'a>,
    ) -> BoxFuture<'a, Result<Option<Send>, NotNow>> {
        let store = Arc::clone(&self.store);
        let channel = channel.to_owned();
        Box::pin(async move {
            let read: Box<dyn FnOnce() -> _ + std::marker::Send> = match sought {
                Sought::Decision(id) => Box::new(move || by_decision(&store, id)),
                Sought::Name(name) => {
                    let name = known_by_id(name);
                    Box::new(move || by_name(&store, &channel, &name))
                }
                Sought::Address(address) => {
                    let name = known_by_address(address);
                    Box::new(move || by_name(&store, &channel, &name))
                }
            };
            blocking(read).await.map_err(NotNow)
        })
    }

    fn may_be_elsewhere(&self) -> bool {
        self.nodes == Nodes::Many
    }

    fn enter<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), NotNow>> {
        Box::pin(async move {
            let mut groups: Vec<Group> = Vec::new();
            for receipt in receipts {
                let shard = shard_of(&receipt.send.customer, self.store.shards());
                // The event first: it was there before what it leads to.
                let told = event(receipt, self.clock.now(), self.store.shards());
                let records = told.into_iter().chain([record(receipt)]);
                match groups.iter_mut().find(|group| group.shard == shard) {
                    Some(group) => group.records.extend(records),
                    None => groups.push(Group { shard, records: records.collect() }),
                }
            }
            let entered = self.appender.append_groups(groups).await;
            entered.map(drop).map_err(|error| NotNow(error.to_string()))
        })
    }
}

impl Answers {
    /// Enters what we heard ourselves of a send.
    pub(super) async fn enter(&self, receipt: &Receipt, now: Timestamp) -> Result<(), Failure> {
        let shards = self.store.shards();
        let shard = shard_of(&receipt.send.customer, shards);
        let records = event(receipt, now, shards).into_iter().chain([record(receipt)]).collect();
        self.appender.append(shard, records).await.map(drop).map_err(|error| not_durable(&error))
    }

    /// Records what somebody asked for by the link in a message. A no counts against what wrote the
    /// message, and is an event of the customer, as if a provider had told of it; how far it reaches,
    /// the preference says.
    pub(super) async fn record_wish(
        &self,
        claim: Claim,
        change: PreferenceChange,
    ) -> Result<(), Failure> {
        let decision = DecisionId::parse(&claim.decision);
        let about = decision.filter(|_| change.granted == Some(false));
        let (catalog, shards) = (self.catalogs.current(), self.store.shards());
        let preferences = preferences(&catalog, &claim.customer, &change, about)?;
        let shard = shard_of(&claim.customer, shards);
        let told = about.and_then(|decision| {
            let Claim { customer, purpose, channel, .. } = claim;
            let (address, taken_at) = (None, None);
            let send = Send { customer, decision, channel, purpose, address, taken_at };
            event(&Receipt::own(send, Told::Unsubscribed), self.clock.now(), shards)
        });
        let records = told.into_iter().chain(preferences).collect();
        self.appender.append(shard, records).await.map(drop).map_err(|error| not_durable(&error))
    }
}

/// What a person did, or what came back, is an event that triggers may wait for. That a message
/// arrived is none, and neither is that it was opened, because programs open messages, too, or that it
/// was closed: nobody reached an aim by that.
fn event(receipt: &Receipt, now: Timestamp, shards: u16) -> Option<bytes::Bytes> {
    let Receipt { send, told, id, text, from, at } = receipt;
    let (name, active) = match told {
        Told::Replied => ("Message Replied", true),
        Told::Clicked => ("Message Clicked", true),
        Told::Unsubscribed => ("Message Unsubscribed", true),
        Told::Complained => ("Message Complained", true),
        Told::Bounced => ("Message Bounced", false),
        Told::Nothing | Told::SoftBounced | Told::Delivered | Told::Opened | Told::Dismissed => {
            return None;
        }
    };
    let mut with = json!({
        "channel": send.channel,
        "purpose": send.purpose,
        "decision": send.decision.to_string(),
    });
    if let Some(with) = with.as_object_mut() {
        if *told == Told::Replied {
            with.insert("text".to_owned(), text.as_str().into());
        }
        with.extend(from.as_ref().map(|from| ("from".to_owned(), from.as_str().into())));
    }
    let event = json!({
        "customer": send.customer,
        "event": name,
        "id": format!("receipt-{id}"),
        "at": at.map_or(now, |at: Timestamp| at.min(now)).to_string(),
        "with": with,
        "context": {"active": active},
    });
    let event = event.to_string();
    let arrival = Arrival::live(now);
    let encoded = Body::read(event.as_bytes(), None)
        .map(|mut body| body.encode(arrival, shards, || id.clone()))
        .ok()?;
    let mut accepted = encoded.accepted.into_iter();
    accepted.find(|one| matches!(one.home, Home::Shard(_))).map(|one| one.record)
}

/// That the address of a send is good no more, as its channel said at once: what a provider would tell
/// later.
pub(super) fn bounced(
    row: &OutboxRow,
    decision: DecisionId,
    now: Timestamp,
    shards: u16,
) -> Vec<bytes::Bytes> {
    let send = Send {
        customer: row.customer.clone(),
        decision,
        channel: row.channel.clone(),
        purpose: row.purpose.clone(),
        address: row.address.clone(),
        taken_at: None,
    };
    let receipt = Receipt::own(send, Told::Bounced);
    event(&receipt, now, shards).into_iter().chain([record(&receipt)]).collect()
}

fn record(receipt: &Receipt) -> bytes::Bytes {
    let Receipt { send, told, id, text, .. } = receipt;
    encoded(&Record::Receipt(ReceiptRecord {
        customer: &send.customer,
        id,
        decision: send.decision,
        told: *told,
        channel: &send.channel,
        purpose: &send.purpose,
        address: send.address.as_deref(),
        text,
    }))
}

pub(super) fn by_decision(store: &Store, id: DecisionId) -> Result<Option<Send>, store::Error> {
    let Some(record) = store.decision(id)? else { return Ok(None) };
    Ok(record.channel.zip(record.purpose).map(|(channel, purpose)| Send {
        customer: record.customer,
        decision: id,
        channel,
        purpose,
        address: None,
        taken_at: Timestamp::parse(&record.ruled_at),
    }))
}

fn by_name(store: &Store, channel: &str, name: &str) -> Result<Option<Send>, store::Error> {
    let Some(known) = store.known_send(channel, name)? else { return Ok(None) };
    let decision = DecisionId::parse(&known.decision);
    Ok(decision.map(|decision| Send {
        customer: known.customer,
        decision,
        channel: known.channel,
        purpose: known.purpose,
        address: known.address,
        taken_at: Some(Timestamp::from_millis(known.at_ms)),
    }))
}
