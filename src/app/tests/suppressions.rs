//! Addresses that are not written to, whoever has them: how they come there, and that it holds.

use serde_json::{Value, json};

use super::bench::{Bench, Sink};
use crate::app::Service;
use crate::config::{Proof, ReceiptShape, ReceiptsConfig};
use crate::engine::catalog::Sending;
use crate::engine::time::Span;

const TIPS: &str = "\
trigger: tips
kind: behavior
about: Tells who has signed up what there is.
owner: crm@shop.example
when: {event: Signed Up}
send:
  purpose: marketing
  via: [email]
  message: {en: {subject: Tips, body: \"{{ unsubscribe_url }}\"}}
";
const POLICY: &str = "\
quiet_hours: []
caps: []
purposes:
  marketing: {consent: opt_out, unknown_zone: assume, holdout: exempt}
  service: {consent: opt_out}
";
const TOKEN: &str = "a-token-that-both-sides-know";

async fn bench(sink: &Sink) -> Bench {
    let mut bench = Bench::new(sink);
    bench.config.unsubscribe.url = Some("https://care.example".to_owned());
    bench.config.channels[0].receipts = ReceiptsConfig {
        proof: Some(Proof::Token(TOKEN.into())),
        shape: ReceiptShape::Own,
        within: Span::MINUTE.times(5),
    };
    bench.write("triggers/welcome.yaml", TIPS);
    bench.write("triggers/policy.yaml", POLICY);
    bench
}

/// A customer with an address signs up; what became of it in the end.
async fn verdict(bench: &Bench, service: &Service, customer: &str, address: &str) -> String {
    let traits = json!({"userId": customer, "traits": {"email": address}});
    assert_eq!(bench.ask(service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
    let matched = || service.store().funnels().unwrap().values().map(|f| f.matched).sum::<u64>();
    let before = matched();
    let event = json!({"customer": customer, "event": "Signed Up"});
    assert_eq!(bench.ask(service, "POST", "/events", None, Some(event)).await.0, 200);
    bench.until_decided(service, before + 1).await;
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    let path = format!("/api/v1/decisions?customer={customer}");
    let newest = bench.get(service, &path).await["items"][0].clone();
    let reason = newest["reason"].as_str().unwrap_or("-");
    format!("{} {reason}", newest["verdict"].as_str().unwrap())
}

async fn suppress(bench: &Bench, service: &Service, change: Value) -> (u16, Value) {
    let (status, text) =
        bench.ask(service, "POST", "/api/v1/suppressions", None, Some(change)).await;
    (status, serde_json::from_str(&text).unwrap())
}

async fn erase(bench: &Bench, service: &Service, customer: &str) {
    let path = format!("/api/v1/customers/{customer}");
    assert_eq!(bench.ask(service, "DELETE", &path, None, None).await.0, 202);
    for _ in 0..500 {
        if bench.ask(service, "GET", &path, None, None).await.0 == 404 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never forgotten");
}

#[tokio::test]
async fn an_address_that_an_operator_lists_is_not_written_to_until_they_take_it_off() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    let change = |action: &str| json!({"action": action, "channel": "email", "addresses": ["Ada@X.example"], "by": "ops: gdpr 7"});
    for wrong in [
        json!({"action": "add", "channel": "fax", "addresses": ["1"], "by": "ops"}),
        json!({"action": "add", "channel": "email", "addresses": [], "by": "ops"}),
        json!({"action": "add", "channel": "email", "addresses": [" "], "by": "ops"}),
        json!({"action": "add", "channel": "email", "addresses": ["a@x"]}),
        json!({"action": "add", "channel": "email", "addresses": ["a@x", "nobody"], "by": "ops"}),
        json!({"action": "add", "channel": "console", "addresses": ["a@x"], "by": "ops"}),
    ] {
        let (status, told) = suppress(&bench, &service, wrong).await;
        assert_eq!(status, 400, "{told}");
    }
    assert_eq!(suppress(&bench, &service, change("add")).await.0, 200);
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "suppressed listed");
    let decision = bench.get(&service, "/api/v1/decisions?customer=ada").await["items"][0].clone();
    let why = decision["why"].as_str().unwrap();
    assert!(why.contains("since 20") && why.contains("ops: gdpr 7"), "{why}");
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    assert_eq!(page["suppressed"][0]["cause"], "added");
    let told = bench.text(&service, "/api/v1/customers/ada/explain").await;
    assert!(told.contains("is on the suppression list since"), "{told}");
    assert!(told.contains("refused when it is about to leave: it fills no cap then"), "{told}");
    let all = bench.text(&service, "/api/v1/suppressions").await;
    assert!(all.contains("gdpr 7") && !all.contains("x.example"), "{all}");
    service.stop().await.unwrap();

    let service = bench.start().await;
    assert_eq!(verdict(&bench, &service, "bob", "ADA@x.example").await, "suppressed listed");
    assert_eq!(verdict(&bench, &service, "eve", "eve@x.example").await, "sent -");
    let (_, told) = suppress(&bench, &service, change("check")).await;
    assert_eq!(told["entries"].as_array().unwrap().len(), 1);
    assert_eq!(suppress(&bench, &service, change("remove")).await.0, 200);
    let (_, told) = suppress(&bench, &service, change("check")).await;
    assert_eq!(told["entries"], json!([]));
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "sent -");
    assert_eq!(sink.received(2).await.len(), 2);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_complaint_outlives_whoever_complained() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "sent -");
    let sent: Value = serde_json::from_str(&sink.received(1).await[0].body).unwrap();
    // She has another address by now: the complaint is about the one that was written to.
    let traits = json!({"userId": "ada", "traits": {"email": "new@x.example"}});
    assert_eq!(bench.ask(&service, "POST", "/v1/identify", None, Some(traits)).await.0, 200);
    let told = json!({"told": "complained", "reference": sent["data"]["reference"]});
    assert_eq!(bench.ask(&service, "POST", "/hooks/email", Some(TOKEN), Some(told)).await.0, 204);
    let listed = || service.store().suppressions(None, 10).unwrap().0;
    bench.until("it is listed", || listed().len() == 1).await;
    erase(&bench, &service, "ada").await;
    // Three of the letters of a hash may well be `ada`.
    let mentions = |text| service.store().mentions(text).unwrap();
    let silent =
        || ["\"ada\"", "ada@", "\u{0}ada"].into_iter().all(|text| mentions(text).is_empty());
    bench.until("nothing tells of her", silent).await;
    assert_eq!(verdict(&bench, &service, "bob", "ada@x.example").await, "suppressed listed");
    assert_eq!(verdict(&bench, &service, "eve", "new@x.example").await, "sent -");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_no_holds_for_everybody_with_the_address_until_a_yes_takes_it_back() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "sent -");
    let prefer = |purpose: Value, granted: bool| {
        let body = json!({"purpose": purpose, "granted": granted, "source": "shop"});
        bench.ask(&service, "POST", "/api/v1/customers/ada/preferences", None, Some(body))
    };
    assert_eq!(prefer(Value::Null, false).await.0, 204);
    assert_eq!(verdict(&bench, &service, "bob", "ada@x.example").await, "suppressed listed");
    assert_eq!(prefer(json!("service"), true).await.0, 204);
    assert_eq!(verdict(&bench, &service, "bob", "ada@x.example").await, "suppressed listed");
    assert_eq!(prefer(json!("marketing"), true).await.0, 204);
    assert_eq!(verdict(&bench, &service, "bob", "ada@x.example").await, "sent -");
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "sent -");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_would_not_be_sent_is_not_shown_as_if_it_would() {
    let sink = Sink::start().await;
    let mut bench = bench(&sink).await;
    bench.config.sending = Sending::DryRun;
    let service = bench.start().await;
    let change =
        json!({"action": "add", "channel": "email", "addresses": ["ada@x.example"], "by": "ops"});
    assert_eq!(suppress(&bench, &service, change).await.0, 200);
    assert_eq!(verdict(&bench, &service, "ada", "ada@x.example").await, "suppressed listed");
    assert_eq!(verdict(&bench, &service, "eve", "eve@x.example").await, "sent -");
    service.stop().await.unwrap();
}
