//! What a node shows is what it owns now.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use heedful::kafka::topics::Step;
use serde_json::Value;

use super::broker;
use super::nodes::{Files, Group};
use crate::service::{decisions, get, post, until};

fn trigger() -> (&'static str, String) {
    let text = "trigger: call\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                when: {event: order_placed}\ntask: {in: crm, title: Call}\n";
    ("call", text.to_owned())
}

fn order(at: SocketAddr, customer: &str, id: &str) {
    let event = format!(r#"{{"customer":"{customer}","event":"order_placed","id":"{id}"}}"#);
    until("an order is taken", || {
        post(at, "/events", event.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
}

/// Whom a list names under a member.
fn named(list: &[Value], member: &str) -> BTreeSet<String> {
    list.iter().map(|line| line[member].as_str().unwrap().to_owned()).collect()
}

fn items(at: SocketAddr, path: &str) -> Vec<Value> {
    let page = get(at, path).unwrap_or_default();
    page["items"].as_array().cloned().unwrap_or_default()
}

/// Whom each list of a node is about, and how often its triggers matched.
fn shown(at: SocketAddr) -> ([BTreeSet<String>; 3], u64) {
    let lists = [
        named(&items(at, "/api/v1/customers?limit=100"), "id"),
        named(&items(at, "/api/v1/tasks?limit=100"), "customer"),
        named(&decisions(at), "customer"),
    ];
    let triggers = get(at, "/api/v1/triggers").unwrap_or_default();
    let matched = triggers[0]["funnel"]["matched"].as_u64().unwrap_or_default();
    (lists, matched)
}

#[test]
fn lists_show_what_belongs_to_the_shards_of_a_node() {
    let Some(broker) = broker::shared() else { return };
    let triggers = [trigger()];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "owned", (2, None), &files);
    let (first, at) = group.start("a");
    let all: BTreeSet<String> = (0..12).map(|number| format!("c{number}")).collect();
    all.iter().for_each(|customer| order(at, customer, customer));
    until("all are shown", || shown(at) == ([(); 3].map(|()| all.clone()), 12));

    let (second, there) = group.start("b");
    until("both have a part, and show no more", || {
        let (here, there) = (shown(at), shown(there));
        let [customers, tasks, decided] = here.0;
        let [others, other_tasks, other_decided] = there.0;
        let is_apart = customers.is_disjoint(&others) && &customers | &others == all;
        is_apart
            && !customers.is_empty()
            && !others.is_empty()
            && (&tasks, &decided) == (&customers, &customers)
            && (&other_tasks, &other_decided) <= (&others, &others)
            && other_tasks == others
            && here.1 + there.1 == 12
    });
    assert!(second.process.stop().success());
    until("the first has all of them again", || shown(at).0[0] == all && shown(at).1 == 12);
    assert!(first.process.stop().success());
}
