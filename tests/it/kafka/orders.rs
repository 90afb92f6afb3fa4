//! Orders of operators among several nodes: what one of them is told holds on all, over kills and moves of
//! shards, until it is resumed.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use heedful::decode::shard_of;
use serde_json::{Value, json};

use super::broker;
use super::nodes::{Files, Group};
use crate::service::{Sink, get, looked, post, until};

const PARTITIONS: u16 = 4;
/// Enough that each shard has some.
const CUSTOMERS: usize = 12;

fn order(at: SocketAddr, order: &str) -> Value {
    let given =
        json!({"order": order, "scope": "trigger:hello", "by": "ann", "why": "a wrong price"});
    // A shard may be on its way.
    let told = looked(|| match post(at, "/api/v1/operations", given.to_string().as_bytes())? {
        (200, told) => Some(told),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("the order is not taken in"))
}

/// What a node remembers of an order: in how many of its shards, whether it is in force, how many it moved.
fn known(at: SocketAddr, order: &str) -> Option<(u64, bool, u64)> {
    let all = get(at, "/api/v1/operations")?;
    let all = all.as_array()?.iter().filter(|view| view["order"] == order);
    let all = all.map(|view| {
        let number = |name: &str| view[name].as_u64().unwrap_or_default();
        (number("shards"), view["in_force"] == true, number("moved"))
    });
    all.reduce(|a, b| (a.0.max(b.0), a.1 || b.1, a.2 + b.2))
}

fn shards(at: SocketAddr, order: &str) -> u64 {
    known(at, order).map_or(0, |known| known.0)
}

/// Tells of orders of customers, to any node.
pub(super) fn place(at: SocketAddr, customers: &[String]) {
    let event = |customer| json!({"customer": customer, "event": "order_placed", "id": format!("o-{customer}")});
    let batch = json!({"batch": customers.iter().map(event).collect::<Vec<_>>()}).to_string();
    until("it is taken", || {
        post(at, "/events", batch.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
}

pub(super) fn with_verdict(group: &Group, verdict: &str) -> usize {
    let (all, twice) = group.decisions();
    assert_eq!(twice, 0);
    all.values().filter(|told| told["verdict"] == verdict).count()
}

/// How many wait, by one node.
fn held(at: SocketAddr) -> u64 {
    let all = get(at, "/api/v1/triggers").unwrap_or_default();
    all[0]["held"].as_u64().unwrap_or_default()
}

#[test]
fn what_one_node_is_told_to_hold_is_held_by_all_until_it_is_resumed() {
    let Some(broker) = broker::shared() else { return };
    let _turn = broker::turn();
    let sink = Sink::start(0);
    let hello = "trigger: hello\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                 when: {event: order_placed}\nsend:\n  purpose: transactional\n  via: [webhook]\n  \
                 expires_after: 2d\n  message: {en: {body: Hello}}\n";
    let triggers = [("hello", hello.to_owned())];
    let files = Files { triggers: &triggers, sink: Some(&sink) };
    let group = Group::new(&broker, "orders", (PARTITIONS, None), &files);
    let (first, one) = group.start("a");
    let (second, two) = group.start("b");
    let said = order(one, "pause");
    assert_eq!((&said["order"], &said["in_force"]), (&json!("pause"), &json!(true)), "{said}");
    until("all shards know, of both nodes", || {
        let (here, there) = (shards(one, "pause"), shards(two, "pause"));
        here + there == u64::from(PARTITIONS) && 0 < here.min(there)
    });

    // Whoever takes them in, nobody sends.
    let customers: Vec<String> = (0..CUSTOMERS).map(|number| format!("c{number}")).collect();
    let there: BTreeSet<u16> = customers.iter().map(|id| shard_of(id, PARTITIONS)).collect();
    assert_eq!(there.len(), 4, "customers in each shard");
    let (before, after) = customers.split_at(CUSTOMERS / 2);
    place(two, before);
    until("they wait", || with_verdict(&group, "deferred") == before.len());
    until("both say so", || held(one) + held(two) == before.len() as u64);
    let told = get(two, "/api/v1/triggers").unwrap_or_default();
    assert_eq!(told[0]["order"]["by"], "ann", "{told}");

    // Over a kill of the node that was told.
    first.kill();
    until("the other has all shards", || shards(two, "pause") == 4 && held(two) == 6);
    place(two, after);
    until("they wait, too", || with_verdict(&group, "deferred") == CUSTOMERS);
    assert_eq!(sink.received().len(), 0, "nothing leaves");
    let again = order(two, "pause");
    assert_eq!(again["shards"], 4, "{again}");
    second.kill();

    let (third, at) = group.start("c");
    until("all wait", || held(at) == CUSTOMERS as u64);
    assert!(known(at, "pause").is_some_and(|known| known.1));
    let said = order(at, "resume");
    assert_eq!((&said["moved"], &said["shards"]), (&json!(CUSTOMERS), &json!(4)), "{said}");
    until("they go out", || sink.received().len() == CUSTOMERS);
    until("all are sent", || with_verdict(&group, "sent") == CUSTOMERS);
    let ids: BTreeSet<String> = sink.received().into_iter().map(|received| received.id).collect();
    assert_eq!((ids.len(), sink.received().len()), (CUSTOMERS, CUSTOMERS), "once each");
    assert!(!known(at, "pause").is_some_and(|known| known.1), "nothing is held any more");
    assert!(third.process.stop().success());
}
