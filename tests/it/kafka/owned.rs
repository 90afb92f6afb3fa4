//! What a node shows is what it owns now, and what it restores is what was kept, however long it was
//! away.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use heedful::kafka::admin::Admin;
use heedful::kafka::topics::Step;
use serde_json::Value;

use super::broker;
use super::dlq::all_of;
use super::nodes::{Files, Group};
use crate::service::{decisions, exchange, get, post, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn who_was_forgotten_long_ago_does_not_come_back_with_an_old_store() {
    let Some(broker) = broker::shared() else { return };
    let triggers = [trigger()];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "cold", (1, None), &files);
    let (old, at) = group.start("a");
    order(at, "ada", "o1");
    until("she is kept", || group.kept("c/").contains_key("ada"));
    assert!(old.process.stop().success());

    let changes = [
        ("segment.ms", "500"),
        ("delete.retention.ms", "500"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    let changes = changes.map(|(name, value)| (name, None, value.to_owned()));
    let topic = group.names().changelog;
    let faster = Step::Alter { topic: topic.clone(), changes: changes.into() };
    Admin::new(&group.settings()).unwrap().apply(&faster).await.unwrap();
    let (node, at) = group.start("b");
    until("she is forgotten", || {
        exchange(at, "DELETE", "/api/v1/customers/ada", b"").is_some()
            && !group.kept("c/").contains_key("ada")
    });
    let mut number = 0;
    let is_told = || {
        let kept = all_of(&group.settings(), &topic, 1);
        kept.iter().any(|seen| seen.key.as_deref() == Some(b"c/ada"))
    };
    while is_told() {
        number += 1;
        assert!(number < 300, "the broker goes on telling that she was forgotten");
        order(at, "bob", &format!("b{number}"));
        std::thread::sleep(std::time::Duration::from_millis(600));
    }
    assert!(node.process.stop().success());

    let (old, at) = group.start("a");
    assert_eq!(named(&items(at, "/api/v1/customers"), "id"), BTreeSet::from(["bob".to_owned()]));
    assert!(!named(&items(at, "/api/v1/tasks?limit=500"), "customer").contains("ada"));
    assert!(old.process.stop().success());
}
