//! A small shop for the tests of the workers: what its triggers do is plain, what is tested is how
//! a shard keeps, commits and restores it.

use std::sync::Arc;

use bytes::Bytes;

use crate::decode::{Call, EventRecord, Freshness, Record, Shape, Subject};
use crate::engine::catalog::{Action, Catalog, EventClause, When};
use crate::engine::policy::CapScope;
use crate::engine::slot::EventSlot;
use crate::engine::testing::{
    IN_APP, PING, SERVICE, Shop, absence, clause, rolling, send, shop, span, task,
};
use crate::engine::time::{Span, Timestamp};

/// `Order`.
pub(crate) const ORDER: EventSlot = EventSlot(2);

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-03-02T09:00:00Z").unwrap()
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    start() + Span::SECOND.times(seconds)
}

/// `silent` writes when an order is not followed by a ping for 10 minutes, at most two in an hour;
/// `helper` asks for a person on every second ping.
pub(crate) fn small_shop() -> Shop {
    let mut shop =
        shop().cap("service: 2 per rolling 1h", CapScope::Purpose(SERVICE), rolling(2, "1h"));
    shop.events.push("Order".into());
    shop.events.push("Outage".into());
    shop.trigger("silent", |trigger| {
        let absence = Some(absence(&[PING], "10m"));
        trigger.when = When::Event(Box::new([EventClause { absence, ..clause(ORDER) }]));
        trigger.action = send(SERVICE, &[IN_APP]);
    })
    .trigger("helper", |trigger| {
        let times = Some(crate::engine::catalog::Times { count: 2, within: span("1h") });
        trigger.when = When::Event(Box::new([EventClause { times, ..clause(PING) }]));
        trigger.action = task();
    })
}

/// Its catalog, with a text for every trigger that writes.
pub(crate) fn open(mut shop: Shop) -> Catalog {
    for trigger in &mut shop.triggers {
        if let Action::Send(send) = &mut trigger.action {
            send.message.variants =
                Box::new([("en".into(), Box::new([("body".into(), "hello".into())]))]);
        }
    }
    let mut catalog = shop.open();
    for (name, text) in
        [("hello", "Hello!"), ("title", "Call {{ customer.name | default('them') }}")]
    {
        catalog.texts.add(name, text).unwrap();
    }
    catalog
}

pub(crate) fn catalog() -> Arc<Catalog> {
    Arc::new(open(small_shop()))
}

/// The record of an event in our own shape.
pub(crate) fn event(customer: &str, name: &str, id: &str, at: Timestamp) -> Bytes {
    let json = format!(r#"{{"customer":"{customer}","event":"{name}","id":"{id}","at":"{at}"}}"#);
    record(Subject::Customer(customer), id, at, Call::Track, &json)
}

/// The record of what is told of a customer's address.
pub(crate) fn address(customer: &str, address: &str, at: Timestamp) -> Bytes {
    let json =
        format!(r#"{{"customer":"{customer}","traits":{{"email":"{address}"}},"at":"{at}"}}"#);
    record(Subject::Customer(customer), address, at, Call::Identify, &json)
}

/// The record of an event about everyone.
pub(crate) fn broadcast(name: &str, id: &str, at: Timestamp) -> Bytes {
    let json = format!(r#"{{"broadcast":true,"event":"{name}","id":"{id}","at":"{at}"}}"#);
    record(Subject::Everyone, id, at, Call::Track, &json)
}

fn record(subject: Subject<'_>, id: &str, at: Timestamp, call: Call, json: &str) -> Bytes {
    Record::Event(EventRecord {
        subject,
        id,
        occurred_at: at,
        received_at: at,
        shape: Shape::Own,
        call,
        freshness: Freshness::Live,
        json,
    })
    .to_bytes()
}

/// A line as a replay reads it.
pub(crate) fn line(customer: &str, name: &str, id: &str, at: Timestamp) -> String {
    format!(r#"{{"customer":"{customer}","event":"{name}","id":"{id}","at":"{at}"}}"#)
}

/// Chance that can be had again.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
