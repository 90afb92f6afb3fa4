//! Bad input to a running service: each gets its answer and its dead letter, and changes nothing else.

use serde_json::{Value, json};

use crate::service::{Place, Sink, decisions, get, post, until};

const TRIGGER: &str = "trigger: thanks
kind: behavior
about: Says thank you.
owner: ops@shop.example
when: {event: Order Completed}
send:
  purpose: transactional
  via: [webhook]
  message:
    en: {subject: Thank you, body: \"Hi {{ event.who }}\"}
";

/// More than a body may have.
const OVERSIZED_BYTES: usize = 5 * 1_024 * 1_024;
/// More than one event may have.
const LARGE_BYTES: usize = 300 * 1_024;
/// Deeper than JSON may nest.
const DEPTH: usize = 10_000;

/// Bodies that are refused: the status, the reason, the bytes.
fn refused() -> Vec<(u16, &'static str, Vec<u8>)> {
    let event = |with: &str| format!(r#"{{"customer":"eve","event":"Order Completed",{with}}}"#);
    let nested = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let long = "x".repeat(LARGE_BYTES);
    let texts = [
        (400, "malformed_json", r#"{"customer":"eve","event":"#.to_owned()),
        (400, "malformed_json", "hello".to_owned()),
        (400, "malformed_json", event(r#""with":{"total":NaN}"#)),
        (400, "not_finite", event(r#""with":{"total":1e999}"#)),
        (400, "too_deep", event(&format!(r#""with":{{"a":{nested}}}"#))),
        (400, "too_large", event(&format!(r#""note":"{}""#, "x".repeat(OVERSIZED_BYTES)))),
        (200, "too_large", event(&format!(r#""with":{{"note":"{long}"}}"#))),
        (200, "missing_customer", r#"{"event":"Order Completed","at":null}"#.to_owned()),
        (200, "missing_event", r#"{"customer":"eve","with":{}}"#.to_owned()),
        (200, "missing_customer", r#"{"customer":"","event":"Order Completed"}"#.to_owned()),
        (200, "bad_customer", r#"{"customer":"a\u0000b","event":"Order Completed"}"#.to_owned()),
        (200, "bad_id", event(&format!(r#""id":"{}""#, "x".repeat(256)))),
        (200, "bad_id", event(r#""id":{"a":1}"#)),
        (200, "bad_timestamp", event(r#""at":"1901-01-01T00:00:00Z""#)),
        (200, "bad_timestamp", event(r#""at":"yesterday""#)),
        (200, "bad_properties", event(r#""with":[1]"#)),
        (200, "not_an_object", r#"[7]"#.to_owned()),
    ];
    let mut all: Vec<_> =
        texts.into_iter().map(|(status, reason, text)| (status, reason, text.into())).collect();
    let mut bytes = event(r#""with":{"name":"?"}"#).into_bytes();
    let mark = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[mark] = 0xff;
    all.push((400, "not_utf8", bytes));
    all
}

#[test]
fn bad_input_is_answered_and_kept_with_its_reason_and_changes_nothing_else() {
    let sink = Sink::start(0);
    let place = Place::new(&sink);
    place.write("triggers/thanks.yaml", TRIGGER);
    let (process, address) = place.start();
    let send = |body: &[u8]| post(address, "/events", body).unwrap();
    let refused = refused();
    for (status, reason, body) in &refused {
        let begins = String::from_utf8_lossy(&body[..body.len().min(80)]);
        let (answered, why) = send(body);
        assert_eq!((answered, why["reason"].as_str()), (*status, Some(*reason)), "{begins}: {why}");
        assert!(!why["message"].as_str().unwrap().is_empty());
    }
    let letters = get(address, "/api/v1/dead-letters?limit=500").unwrap();
    let kept: Vec<&str> =
        letters.as_array().unwrap().iter().map(|it| it["reason"].as_str().unwrap()).collect();
    let expected: Vec<&str> = refused.iter().rev().map(|(_, reason, _)| *reason).collect();
    assert_eq!(kept, expected, "newest first");
    assert!(get(address, "/api/v1/customers/eve").is_none(), "nothing was taken of it");

    // One bad event does not take the good ones of its batch with it.
    let order = |customer: &str, more: Value| {
        let mut event =
            json!({"customer": customer, "event": "Order Completed", "with": {"who": customer}});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let batch = json!({"batch": [
        order("good", json!({"id": "g1"})),
        {"event": "Order Completed"},
        order("good", json!({"id": "g1"})),
        order("future", json!({"at": "2999-01-01T00:00:00Z"})),
        order("ancient", json!({"at": "1999-01-01T00:00:00Z"})),
        {"customer": "quiet", "event": "Never Heard Of"},
    ]});
    let (status, answer) = send(batch.to_string().as_bytes());
    assert_eq!((status, &answer["refused"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["reason"], "missing_customer");
    until("the last is heard", || get(address, "/api/v1/customers/quiet").is_some());
    until("all are settled", || {
        let funnel = &get(address, "/api/v1/triggers").unwrap()[0]["funnel"];
        funnel["sent"] == 2 && funnel["expired"] == 1
    });
    let mut told: Vec<_> = decisions(address)
        .iter()
        .map(|it| [&it["customer"], &it["verdict"], &it["reason"]].map(Value::to_string).join(" "))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [r#""ancient" "expired" "too_old""#, r#""future" "sent" null"#, r#""good" "sent" null"#]
    );
    drop(process);
}

#[test]
fn a_broken_edit_keeps_the_old_set_until_a_good_one_comes() {
    let sink = Sink::start(0);
    let place = Place::new(&sink);
    place.write("triggers/thanks.yaml", TRIGGER);
    let (process, address) = place.start();
    let catalog = || get(address, "/api/v1/catalog").unwrap();
    let before = catalog();
    assert_eq!(before["faults"], json!([]));
    let order = |customer: &str| {
        let event =
            json!({"customer": customer, "event": "Order Completed", "with": {"who": customer}});
        assert_eq!(post(address, "/events", event.to_string().as_bytes()).unwrap().0, 200);
    };
    let body_for = |customer: &str| {
        let body = || {
            let received = sink.received();
            let mut said = received.iter().map(crate::service::Received::json);
            said.find(|said| said["data"]["customer"] == customer)
        };
        crate::service::looked(body).unwrap()["data"]["content"]["body"].clone()
    };

    // Half of a file, as an editor that stops in the middle leaves it.
    place.write("triggers/thanks.yaml", TRIGGER.split_once("send:").unwrap().0);
    until("the faults are shown", || catalog()["faults"] != json!([]));
    let broken = catalog();
    assert!(broken["faults"][0].as_str().unwrap().contains("thanks.yaml:"), "{broken}");
    assert_eq!(broken["revision"], before["revision"]);
    order("ann");
    assert_eq!(body_for("ann"), "Hi ann");

    place.write("triggers/thanks.yaml", &TRIGGER.replace("Hi ", "Welcome "));
    until("the new set is in force", || catalog()["revision"] != before["revision"]);
    assert_eq!(catalog()["faults"], json!([]));
    order("bea");
    assert_eq!(body_for("bea"), "Welcome bea");
    drop(process);
}
