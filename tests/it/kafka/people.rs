//! People and addresses among several nodes: a task's life goes on where its customer goes, what a provider
//! tells any node finds its send, and an address that is not written to is known to all.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::broker;
use super::nodes::{Files, Group};
use crate::service::{Place, Sink, exchange_as, get, post, until};

const TOKEN: &str = "a-token-that-both-sides-know";

fn tell(at: SocketAddr, event: &Value) {
    until("it is taken", || {
        post(at, "/events", event.to_string().as_bytes()).is_some_and(|answer| answer.0 == 200)
    });
}

fn task(at: SocketAddr) -> Option<Value> {
    let page = get(at, "/api/v1/tasks?customer=ada")?;
    page["items"].as_array()?.first().cloned()
}

fn wish(at: SocketAddr, task: &Value, wish: &Value) -> (u16, Value) {
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    post(at, &path, wish.to_string().as_bytes()).unwrap()
}

#[test]
fn the_life_of_a_task_goes_on_where_its_customer_goes() {
    let Some(broker) = broker::shared() else { return };
    let call = "trigger: call\nkind: behavior\nabout: Asks a person to call.\nowner: ops@shop.example\n\
                when: {event: Help Asked}\ntask:\n  in: tasks\n  assign_to: customer.owner\n  \
                ack_within: 1h\n  title: Call them\n";
    let thanks = "trigger: thanks\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                  when: {event: Task Closed}\nsend:\n  purpose: transactional\n  via: [in_app]\n  \
                  message: {en: {body: \"Thank you, says {{ event.by }}.\"}}\n";
    let triggers = [("call", call.to_owned()), ("thanks", thanks.to_owned())];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "people-task", (2, None), &files);
    let (first, at) = group.start("a");
    tell(
        at,
        &json!({"batch": [
            {"customer": "ada", "traits": {"owner": "mei@shop.example"}},
            {"customer": "ada", "event": "Help Asked", "id": "h1"},
        ]}),
    );
    until("the task is open", || task(at).is_some());
    let ack = json!({"do": "ack", "by": "mei@shop.example"});
    let (status, acked) = wish(at, &task(at).unwrap(), &ack);
    assert_eq!((status, &acked["state"]), (200, &json!("acked")), "{acked}");
    first.kill();

    let (second, at) = group.start("b");
    until("it is there", || task(at).is_some());
    assert_eq!(task(at).unwrap()["history"], acked["history"]);
    let done = json!({"do": "done", "by": "mei@shop.example", "outcome": "reached"});
    let (status, answer) = wish(at, &acked, &done);
    assert_eq!((status, &answer["state"]), (200, &json!("done")), "{answer}");
    assert_eq!(wish(at, &acked, &done).0, 409);
    let thanked = || {
        let (all, _) = group.decisions();
        all.values().filter(|told| told["trigger"] == "thanks").count()
    };
    until("the customer is thanked", || thanked() == 1);
    second.kill();

    let (third, at) = group.start("c");
    until("it is there", || task(at).is_some());
    assert_eq!(task(at).unwrap()["history"], answer["history"]);
    assert_eq!(thanked(), 1, "once");
    assert!(third.process.stop().success());
}

/// The reason for which nothing was sent to a customer, or `sent`.
fn became(group: &Group, customer: &str) -> Option<String> {
    let (all, _) = group.decisions();
    let told = all.values().find(|told| told["customer"] == customer)?;
    Some(told["reason"].as_str().or(told["verdict"].as_str())?.to_owned())
}

#[test]
fn a_receipt_finds_its_send_and_its_address_is_written_to_by_no_node() {
    let Some(broker) = broker::shared() else { return };
    let sink = Sink::start(0);
    let hello = "trigger: hello\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n\
                 when: {event: order_placed}\nsend:\n  purpose: transactional\n  via: [email]\n  \
                 message: {en: {body: Hello}}\n";
    let triggers = [("hello", hello.to_owned())];
    let files = Files { triggers: &triggers, sink: Some(&sink) };
    let group = Group::new(&broker, "people-receipt", (4, None), &files);
    group.say(&format!(
        "  email: {{type: webhook, url: \"http://{}/hook\", secret: \"${{HOOK_SECRET}}\", \
         allow_private: true, receipts: {{token: {TOKEN}}}}}\nsuppressions:\n  key: {}\nunsubscribe:\n  key: {}\n",
        Place::address_of(&sink),
        "k".repeat(32),
        "l".repeat(32)
    ));
    let (first, one) = group.start("a");
    let (second, two) = group.start("b");
    let order = |at: SocketAddr, customer: &str| {
        tell(
            at,
            &json!({"batch": [
                {"customer": customer, "traits": {"email": "ada@x.example"}},
                {"customer": customer, "event": "order_placed", "id": format!("o-{customer}")},
            ]}),
        );
        until("it is decided", || became(&group, customer).is_some_and(|told| told != "deferred"));
    };
    order(one, "ada");
    until("it arrived", || !sink.received().is_empty());
    let reference = sink.received()[0].json()["data"]["reference"].as_str().unwrap().to_owned();
    let told = json!({"told": "complained", "reference": reference, "id": "r1"}).to_string();
    // Either node takes it in, and again changes nothing.
    for at in [two, one, two] {
        until("it is taken in", || {
            let answer = exchange_as(at, ("POST", "/hooks/email"), Some(TOKEN), told.as_bytes());
            answer.is_some_and(|answer| answer.0 == 204)
        });
    }
    until("each node knows the address", || {
        [one, two].into_iter().all(|at| {
            let page = get(at, "/api/v1/suppressions").unwrap_or_default();
            page["items"].as_array().is_some_and(|all| all.len() == 1)
        })
    });
    for customer in ["bob", "eve", "tom", "mei"] {
        order(one, customer);
        until("it is refused", || became(&group, customer).as_deref() == Some("listed"));
    }
    first.kill();
    second.kill();

    let (third, at) = group.start("c");
    until("it is ready", || get(at, "/readyz").is_some());
    order(at, "zoe");
    until("it is refused", || became(&group, "zoe").as_deref() == Some("listed"));
    assert_eq!(sink.received().len(), 1, "nobody else heard of us");
    assert!(third.process.stop().success());
}
