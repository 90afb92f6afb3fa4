//! What customers of one account share, in the running service and through `kill -9`: the second
//! waits, says for whom, and leaves when there is room.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::service::{Place, Sink, exchange, get, post, until};

const TRIGGER: &str = "trigger: hello
kind: behavior
about: Says hello.
owner: ops@shop.example
when: {event: Came}
send:
  purpose: transactional
  via: [in_app]
  message:
    en: {body: \"Hello.\"}
";

/// One to an account in eight seconds, and money for ten.
const POLICY: &str = "purposes:
  transactional: {consent: opt_out, quiet_hours: break, holdout: exempt, unknown_zone: assume, together: all}
caps:
  - {each: account, all: true, at_most: 1, per: rolling 8s}
prices: {in_app: 0.50 EUR}
budgets:
  transactional: {at_most: 5 EUR, per: month}
";

fn came(at: SocketAddr, customer: &str) {
    let events = json!({"batch": [
        {"customer": customer, "traits": {"account": "acme"}},
        {"customer": customer, "event": "Came", "id": format!("came-{customer}")},
    ]});
    let (status, answer) = post(at, "/events", events.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn decision(at: SocketAddr, customer: &str) -> Option<Value> {
    let found = get(at, &format!("/api/v1/decisions?customer={customer}"))?;
    found["items"].as_array()?.first().cloned()
}

fn verdict(at: SocketAddr, customer: &str) -> Option<String> {
    Some(decision(at, customer)?["verdict"].as_str()?.to_owned())
}

#[test]
fn the_second_of_an_account_waits_and_leaves_when_there_is_room() {
    let place = Place::new(&Sink::start(0));
    place.write("triggers/hello.yaml", TRIGGER);
    place.write("triggers/policy.yaml", POLICY);
    let (process, at) = place.start();
    came(at, "ann");
    until("the first is written to", || verdict(at, "ann").as_deref() == Some("sent"));
    came(at, "bob");
    let held = || {
        let why = decision(at, "bob").and_then(|found| Some(found["why"].as_str()?.to_owned()));
        why.is_some_and(|why| {
            why.contains("cap of account `acme`") && why.contains("held by `hello`")
        })
    };
    until("the second waits for the account", held);
    let waiting = decision(at, "bob").unwrap();
    assert_eq!(
        (&waiting["verdict"], &waiting["reason"]),
        (&json!("deferred"), &json!("account_cap"))
    );
    let (_, told) = exchange(at, "GET", "/api/v1/customers/bob/explain", b"").unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("shared with others") && told.contains("may be free"), "{told}");
    process.kill();
    let (process, at) = place.start();
    until("the second is written to", || verdict(at, "bob").as_deref() == Some("sent"));
    let instant =
        |customer: &str| decision(at, customer).unwrap()["ruled_at"].as_str().unwrap().to_owned();
    let apart = |text: String| text.parse::<jiff::Timestamp>().unwrap();
    let apart = apart(instant("bob")) - apart(instant("ann"));
    assert!(8.0 <= apart.total(jiff::Unit::Second).unwrap(), "{apart}");
    let (_, metrics) = exchange(at, "GET", "/metrics", b"").unwrap();
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        metrics.contains("heedful_budget_spent{budget=\"transactional\",currency=\"EUR\"} 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("heedful_budget_limit{budget=\"transactional\",currency=\"EUR\"} 5\n")
    );
    drop(process);
}
