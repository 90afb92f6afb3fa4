//! What customers share, among several nodes: the cap of an account and a budget hold wherever the
//! customers' shards are, over a kill of a node.

use serde_json::json;

use super::broker;
use super::nodes::{Files, Group};
use super::orders::{place, with_verdict};
use crate::service::{Sink, post, until};

const PARTITIONS: u16 = 4;
const HELLO: &str = "trigger: hello
kind: behavior
about: A test.
owner: ops@shop.example
when: {event: order_placed}
send:
  purpose: transactional
  via: [webhook]
  expires_after: 2d
  message: {en: {body: Hello}}
";
/// Two to an account in a day, and money for five.
const POLICY: &str = "purposes:
  transactional: {consent: opt_out, quiet_hours: break, holdout: exempt, unknown_zone: assume, together: all}
caps:
  - {each: account, all: true, at_most: 2, per: rolling 1d}
prices: {webhook: 1 EUR}
budgets:
  transactional: {at_most: 5 EUR, per: month}
";

fn customers(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}{number}")).collect()
}

fn waiting_for(group: &Group, reason: &str) -> usize {
    let (all, _) = group.decisions();
    all.values().filter(|told| told["verdict"] == "deferred" && told["reason"] == reason).count()
}

#[test]
fn an_account_and_a_budget_hold_on_all_nodes_and_over_a_kill() {
    let Some(broker) = broker::shared() else { return };
    let _turn = broker::turn();
    let sink = Sink::start(0);
    let triggers = [("hello", HELLO.to_owned()), ("policy", POLICY.to_owned())];
    let files = Files { triggers: &triggers, sink: Some(&sink) };
    let group = Group::new(&broker, "shared", (PARTITIONS, None), &files);
    let (first, one) = group.start("a");
    let (second, two) = group.start("b");

    let people = customers("acme", 12);
    let of_acme = |customer| json!({"customer": customer, "traits": {"account": "acme"}});
    let batch = json!({"batch": people.iter().map(of_acme).collect::<Vec<_>>()}).to_string();
    until("their account is told", || {
        post(one, "/events", batch.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
    place(two, &people);
    until("ten of them wait", || waiting_for(&group, "account_cap") == 10);
    until("two are written to", || with_verdict(&group, "sent") == 2);
    // Nobody's people: the money alone holds them.
    place(one, &customers("solo", 6));
    until("three of six are paid for", || with_verdict(&group, "sent") == 5);
    until("the others wait", || waiting_for(&group, "budget") == 3);

    first.kill();
    place(two, &customers("late", 6));
    until("whoever comes later waits, too", || waiting_for(&group, "budget") == 9);
    assert_eq!((with_verdict(&group, "sent"), waiting_for(&group, "account_cap")), (5, 10));
    assert_eq!(sink.received().len(), 5, "once each, and nobody else");
    assert!(second.process.stop().success());
}
