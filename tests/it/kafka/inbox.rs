//! The inbox of a customer's app is where its customer is, whichever node that is.

use serde_json::Value;

use super::broker;
use super::nodes::{Files, Group};
use crate::service::{Sink, exchange, get, post, until};

fn trigger() -> (&'static str, String) {
    let text = "trigger: hello\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                when: {event: order_placed}\nsend:\n  purpose: transactional\n  via: [in_app]\n  \
                message:\n    en: {title: Hello, body: \"Order {{ event.order }}\"}\n";
    ("hello", text.to_owned())
}

fn order(at: std::net::SocketAddr, number: u8) {
    let event = format!(
        r#"{{"customer":"ada","event":"order_placed","id":"o{number}","with":{{"order":{number}}}}}"#
    );
    until("an order is taken", || {
        post(at, "/events", event.as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
}

fn inbox(at: std::net::SocketAddr) -> Vec<Value> {
    let page = get(at, "/api/v1/customers/ada/inbox").unwrap_or_default();
    page["items"].as_array().cloned().unwrap_or_default()
}

#[test]
fn messages_and_what_was_read_are_there_after_a_kill_and_go_with_their_customer() {
    let Some(broker) = broker::shared() else { return };
    let sink = Sink::start(0);
    let triggers = [trigger()];
    let files = Files { triggers: &triggers, sink: Some(&sink) };
    let group = Group::new(&broker, "inbox", (2, None), &files);
    group.say("  in_app: {type: in_app}\n");
    let (first, at) = group.start("a");
    order(at, 1);
    order(at, 2);
    until("both are in the inbox", || inbox(at).len() == 2);
    let newest = inbox(at)[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/customers/ada/inbox/{newest}/read");
    let (status, read) = post(at, &path, b"{}").unwrap();
    assert!(status == 200 && read["read_at"].is_string(), "{status} {read}");
    let kept = inbox(at);
    assert_eq!(kept[0]["read_at"], read["read_at"]);
    assert_eq!(group.kept("i/").len(), 2);
    first.kill();

    let (second, at) = group.start("b");
    assert_eq!(inbox(at), kept);
    order(at, 3);
    until("a third is in the inbox", || inbox(at).len() == 3);
    until("she is forgotten", || {
        exchange(at, "DELETE", "/api/v1/customers/ada", b"").is_some()
            && inbox(at).is_empty()
            && group.kept("i/").is_empty()
    });
    assert!(second.process.stop().success());
}
