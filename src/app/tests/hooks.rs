//! From a send to what its provider tells of it: what is believed, what it changes, what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::bench::{Bench, NO_NIGHT, Sink, TIPS};
use crate::app::Service;
use crate::config::{Proof, ReceiptShape, ReceiptsConfig};
use crate::engine::time::Span;
use crate::signing::Signer;

/// Somebody has to look at an answer.
const ANSWERED: &str = "\
trigger: answered
kind: behavior
about: Answers to our messages are read by a person.
owner: care@shop.example
when:
  event: Message Replied
  where: event.channel == \"email\"
task:
  in: crm
  title: \"They wrote: {{ event.text }}\"
";
const TOKEN: &str = "a-token-that-both-sides-know";

async fn bench(sink: &Sink, proof: Proof) -> Bench {
    let mut bench = Bench::new(sink);
    bench.config.unsubscribe.url = Some("https://care.example".to_owned());
    bench.config.channels[0].receipts = ReceiptsConfig {
        proof: Some(proof),
        shape: ReceiptShape::Own,
        within: Span::MINUTE.times(5),
    };
    bench.write("triggers/welcome.yaml", TIPS);
    bench.write("triggers/answered.yaml", ANSWERED);
    bench.write("triggers/policy.yaml", NO_NIGHT);
    bench
}

/// A message that was sent: its decision, and what a receipt brings back.
async fn sent(bench: &Bench, service: &Service, sink: &Sink) -> (String, String) {
    bench.sign_up(service, "ada").await;
    let received = sink.received(1).await;
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    let reference = body["data"]["reference"].as_str().unwrap().to_owned();
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    (received[0].id.clone(), reference)
}

async fn tell(bench: &Bench, service: &Service, body: Value) -> u16 {
    bench.ask(service, "POST", "/hooks/email", Some(TOKEN), Some(body)).await.0
}

async fn contact(bench: &Bench, service: &Service) -> Value {
    let page = bench.get(service, "/api/v1/customers/ada").await;
    let contacts = page["contacts"].as_array().unwrap();
    contacts.iter().find(|contact| contact["channel"] == "email").unwrap().clone()
}

#[tokio::test]
async fn what_is_told_is_found_entered_once_and_holds() {
    let sink = Sink::start().await;
    let bench = bench(&sink, Proof::Token(TOKEN.into())).await;
    let service = bench.start().await;
    let (decision, reference) = sent(&bench, &service, &sink).await;

    let delivered = json!({"told": "delivered", "reference": reference});
    assert_eq!(tell(&bench, &service, delivered).await, 204);
    let clicked = json!([{"told": "clicked", "decision": decision, "agent": "curl/8"},
                         {"told": "opened", "decision": decision},
                         {"told": "bounced", "external_id": "somebody else's"}]);
    assert_eq!(tell(&bench, &service, clicked).await, 204);
    let answer =
        json!({"told": "replied", "from": "ADA@x.example ", "id": "m1", "text": "Stop it"});
    for _ in 0..3 {
        assert_eq!(tell(&bench, &service, answer.clone()).await, 204);
    }
    bench.until_decided(&service, 2).await;
    assert_eq!(contact(&bench, &service).await["told"], "replied");
    let tasks = bench.get(&service, "/api/v1/tasks").await;
    assert_eq!(
        tasks["items"].as_array().unwrap().len(),
        1,
        "told three times, heard once: {tasks}"
    );
    assert_eq!(tasks["items"][0]["title"], "They wrote: Stop it");

    let no = json!({"told": "unsubscribed", "reference": reference});
    assert_eq!(tell(&bench, &service, no).await, 204);
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 3).await;
    let decisions = bench.get(&service, "/api/v1/decisions").await;
    assert_eq!(decisions["items"][0]["reason"], "opted_out", "{decisions}");
    // A late `delivered` undoes nothing, also over a restart.
    let late = json!({"told": "delivered", "id": "late", "reference": reference});
    assert_eq!(tell(&bench, &service, late).await, 204);
    service.stop().await.unwrap();
    let service = bench.start().await;
    assert_eq!(contact(&bench, &service).await["told"], "unsubscribed");
    let numbers = bench.text(&service, "/metrics").await;
    for (result, count) in [
        ("delivered", 2),
        ("opened", 1),
        ("replied", 3),
        ("unsubscribed", 1),
        ("unknown", 1),
        ("program", 1),
    ] {
        let line =
            format!("heedful_receipts_total{{channel=\"email\",result=\"{result}\"}} {count}");
        // Other tests of this process count, too.
        let name = line.rsplit_once(' ').unwrap().0;
        assert!(numbers.contains(name), "{line}: {numbers}");
    }
    service.stop().await.unwrap();
    assert_eq!(sink.received(1).await.len(), 1);
}

#[tokio::test]
async fn who_is_forgotten_is_found_by_nothing() {
    let sink = Sink::start().await;
    let bench = bench(&sink, Proof::Token(TOKEN.into())).await;
    let service = bench.start().await;
    let (decision, _) = sent(&bench, &service, &sink).await;
    assert_eq!(bench.ask(&service, "DELETE", "/api/v1/customers/ada", None, None).await.0, 202);
    bench
        .until("she is gone", || service.store().mentions("ada@x.example").unwrap().is_empty())
        .await;
    let answer = json!([{"told": "replied", "from": "ada@x.example", "text": "x"},
                        {"told": "bounced", "decision": decision}]);
    assert_eq!(tell(&bench, &service, answer).await, 204);
    let (status, _) = bench.ask(&service, "GET", "/api/v1/customers/ada", None, None).await;
    assert_eq!(status, 404, "nothing came back");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_proven_changes_nothing_and_is_counted() {
    let sink = Sink::start().await;
    let secret = format!("whsec_{}", STANDARD.encode([7; 32]));
    let bench = bench(&sink, Proof::Standard(vec![secret.clone().into()])).await;
    let service = bench.start().await;
    let (_, reference) = sent(&bench, &service, &sink).await;
    let signer = Signer::new(&[SecretString::from(secret)]).unwrap();
    let body = json!({"told": "complained", "reference": reference}).to_string();
    let now = crate::clock::System::shared().now().as_millis() / 1_000;
    let post = async |path: &str, time: i64, signed: &str, body: &str| {
        let signature = signer.sign("m1", time, signed.as_bytes());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nwebhook-id: m1\r\n\
             webhook-timestamp: {time}\r\nwebhook-signature: {signature}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = super::bench::exchange(service.address(), &request).await;
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let large = format!("\"{}\"", "x".repeat(1_100_000));
    for (path, time, signed, sent, status) in [
        ("/hooks/email", now, "other", &*body, 401),
        ("/hooks/email", now - 600, &body, &body, 401),
        ("/hooks/email", now + 600, &body, &body, 401),
        ("/hooks/email", now, &large, &large, 413),
        ("/hooks/email", now, "{", "{", 400),
        ("/hooks/email", now, "[{\"told\": \"eaten\"}]", "[{\"told\": \"eaten\"}]", 400),
        ("/hooks/sms", now, &body, &body, 404),
        ("/hooks/in_app", now, &body, &body, 404),
    ] {
        assert_eq!(post(path, time, signed, sent).await, status, "{path} {time}");
    }
    assert_eq!(bench.ask(&service, "GET", "/hooks/email", None, None).await.0, 405);
    assert_eq!(bench.ask(&service, "POST", "/hooks/email", None, Some(json!({}))).await.0, 401);
    assert_eq!(contact(&bench, &service).await["told"], Value::Null, "nothing was entered");
    // A reference of another key is a message of somebody else.
    let mut forged = reference.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    let forged = json!({"told": "complained", "reference": forged}).to_string();
    assert_eq!(post("/hooks/email", now, &forged, &forged).await, 204);
    assert_eq!(contact(&bench, &service).await["told"], Value::Null);
    let numbers = bench.text(&service, "/metrics").await;
    for result in ["forged", "stale", "oversized", "malformed", "unknown"] {
        let line = format!("heedful_receipts_total{{channel=\"email\",result=\"{result}\"}}");
        assert!(numbers.contains(&line), "{line}");
    }
    assert!(numbers.contains("heedful_receipts_total{channel=\"\",result=\"no_door\"}"));
    assert_eq!(post("/hooks/email", now, &body, &body).await, 204);
    for _ in 0..200 {
        if contact(&bench, &service).await["told"] == "complained" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(contact(&bench, &service).await["told"], "complained");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_trigger_about_which_customers_complain_is_paused() {
    let sink = Sink::start().await;
    let bench = bench(&sink, Proof::Token(TOKEN.into())).await;
    let breaker = "breaker: {at_most: 100, per: 1h, complaints: 1%, of_at_least: 1}\n";
    bench.write("triggers/welcome.yaml", &format!("{TIPS}{breaker}"));
    let service = bench.start().await;
    let (_, reference) = sent(&bench, &service, &sink).await;
    let complaint = json!({"told": "complained", "reference": reference});
    assert_eq!(tell(&bench, &service, complaint).await, 204);
    let order = super::orders::broken(&bench, &service).await;
    assert_eq!(order["scope"], "trigger:tips", "{order}");
    assert_eq!(order["why"], "1 of 1 sends of a day were complained about, 1% may");
    service.stop().await.unwrap();
}
