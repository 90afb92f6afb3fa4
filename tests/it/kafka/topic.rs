//! A channel that is a topic: messages are durable in it, keyed and named so that a reader can tell
//! one that comes again.

use heedful::kafka::admin::Admin;
use heedful::kafka::topics::Step;
use serde_json::Value;

use super::broker;
use super::dlq::all_of;
use super::nodes::{Files, Group};
use crate::service::{get, post, until};

const TOPIC: &str = "outlet.out";

fn trigger() -> (&'static str, String) {
    let text = "trigger: hello\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                when: {event: order_placed}\nsend:\n  purpose: transactional\n  via: [webhook]\n  \
                message:\n    en: {body: \"Order {{ event.order }}\"}\n";
    ("hello", text.to_owned())
}

fn order(at: std::net::SocketAddr, customer: &str, number: u8) {
    let event = format!(
        r#"{{"customer":"{customer}","event":"order_placed","id":"o{number}","with":{{"order":{number}}}}}"#
    );
    until("an order is taken", || {
        post(at, "/events", event.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
}

fn verdict(at: std::net::SocketAddr, customer: &str) -> Vec<String> {
    let page = get(at, &format!("/api/v1/decisions?customer={customer}")).unwrap_or_default();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["verdict"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outreach_is_in_the_topic_with_its_key_and_its_id() {
    let Some(broker) = broker::shared() else { return };
    let triggers = [trigger()];
    let group =
        Group::new(&broker, "outlet", (2, None), &Files { triggers: &triggers, sink: None });
    group.say(&format!(
        "sending: on\nchannels:\n  webhook: {{type: kafka, topic: {TOPIC}, timeout: 10s}}\n"
    ));
    let admin = Admin::new(&group.settings()).unwrap();
    let mut wanted = group.names().wanted(2, 1)[0].clone();
    wanted.name = TOPIC.to_owned();
    wanted.settings.clear();
    wanted.settings.push(("max.message.bytes", "4000".to_owned()));
    admin.apply(&Step::Create(wanted)).await.unwrap();

    let (node, at) = group.start("a");
    order(at, "ada", 1);
    order(at, "bob", 2);
    let told = || all_of(&group.settings(), TOPIC, 2);
    until("both are in the topic", || told().len() == 2);
    for seen in told() {
        let body: Value = serde_json::from_slice(&seen.value.unwrap()).unwrap();
        let customer = String::from_utf8(seen.key.unwrap()).unwrap();
        assert_eq!(body["data"]["customer"], *customer);
        assert_eq!(body["type"], "outreach.send");
        let id = seen.headers.iter().find(|(name, _)| name == "id").unwrap();
        assert_eq!(body["data"]["decision"], *String::from_utf8(id.1.clone()).unwrap());
        let number = if customer == "ada" { 1 } else { 2 };
        assert_eq!(body["data"]["content"]["body"], format!("Order {number}"));
    }
    // The brokers refuse one that is too long: it is rejected, and nothing is written.
    // What repeats itself would be short once it is compressed.
    let numbers = (0..900_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let long: String = numbers.map(|number| format!("{number:016x}")).collect();
    let event = format!(
        r#"{{"customer":"cyd","event":"order_placed","id":"o3","with":{{"order":"{long}"}}}}"#
    );
    until("a long order is taken", || {
        post(at, "/events", event.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
    until("it is rejected", || verdict(at, "cyd") == ["\"suppressed\""]);
    assert_eq!(verdict(at, "ada"), ["\"sent\""]);
    assert_eq!(told().len(), 2);
    assert!(node.process.stop().success());
}
