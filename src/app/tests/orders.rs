//! Orders of operators through the API, over a restart.

use serde_json::{Value, json};

use super::super::Service;
use super::bench::{Bench, Sink};

async fn post(bench: &Bench, service: &Service, order: Value) -> (u16, Value) {
    let path = "/api/v1/operations";
    let (status, text) = bench.ask(service, "POST", path, None, Some(order)).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn what_is_paused_waits_over_a_restart_until_it_is_resumed() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    let order = |order: &str, scope: &str| json!({"order": order, "scope": scope, "by": "ann", "why": "a wrong price", "for": "2h"});
    let path = "/api/v1/operations";
    let (status, said) = post(&bench, &service, order("pause", "trigger:welcome")).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["in_force"], true);
    assert_eq!(said["shards"], service.store().shards());
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 1).await;
    let decisions = bench.get(&service, "/api/v1/decisions").await;
    assert_eq!(decisions["items"][0]["verdict"], "deferred", "{decisions}");
    let triggers = bench.get(&service, "/api/v1/triggers").await;
    assert_eq!(triggers[0]["held"], 1, "{triggers}");
    assert_eq!(triggers[0]["order"]["why"], "a wrong price", "{triggers}");
    let why = bench.text(&service, "/api/v1/customers/ada/explain?trigger=welcome").await;
    assert!(why.contains("pause by ann: a wrong price"), "{why}");
    let numbers = bench.text(&service, "/metrics").await;
    let shown = "heedful_operations_in_force{order=\"pause\",scope=\"trigger:welcome\"} 1";
    assert!(numbers.contains(shown), "{numbers}");
    service.stop().await.unwrap();

    let service = bench.start().await;
    let all = bench.get(&service, path).await;
    assert_eq!(all[0]["why"], "a wrong price", "{all}");
    assert!(all[0]["in_force"].as_bool().unwrap());
    // Nothing holds everything.
    let (status, said) = post(&bench, &service, order("resume", "everything")).await;
    assert_eq!(status, 400, "{said}");
    let (status, said) = post(&bench, &service, order("pause", "trigger:gone")).await;
    assert_eq!(status, 400, "{said}");
    let (_, said) = post(&bench, &service, order("resume", "trigger:welcome")).await;
    assert_eq!(said["moved"], 1, "{said}");
    assert_eq!(sink.received(1).await.len(), 1, "it went out when it was let go");

    let (_, said) = post(&bench, &service, order("stop", "everything")).await;
    assert_eq!(said["order"], "stop", "{said}");
    bench.sign_up(&service, "bob").await;
    bench
        .until("bob is stopped", || {
            service.store().funnels().unwrap().values().any(|funnel| funnel.suppressed == 1)
        })
        .await;
    service.stop().await.unwrap();
    assert_eq!(sink.received(1).await.len(), 1, "and nothing more");
}

/// Waits for the order of a breaker: what it says.
pub(super) async fn broken(bench: &Bench, service: &Service) -> Value {
    for _ in 0..500 {
        let all = bench.get(service, "/api/v1/operations").await;
        if let Some(order) = all.as_array().unwrap().first() {
            return order.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no breaker has given an order");
}

#[tokio::test]
async fn a_trigger_that_reaches_out_to_too_many_is_paused_until_somebody_resumes_it() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    bench.write("triggers/policy.yaml", "breaker: {at_most: 2, per: 1h}\n");
    let service = bench.start().await;
    for (customer, count) in [("ada", 1), ("bob", 2), ("cyd", 3)] {
        bench.sign_up(&service, customer).await;
        bench.until_decided(&service, count).await;
    }
    let order = broken(&bench, &service).await;
    let said = (&order["order"], &order["scope"], &order["by"], &order["in_force"]);
    let wanted = (&json!("pause"), &json!("trigger:welcome"), &json!("breaker"), &json!(true));
    assert_eq!(said, wanted);
    assert_eq!(order["why"], "3 decisions to reach out within 1h, 2 at most");
    assert_eq!(order["shards"], service.store().shards());
    bench.sign_up(&service, "dan").await;
    bench.until_decided(&service, 4).await;
    let held = bench.get(&service, "/api/v1/triggers").await;
    assert_eq!(
        (&held[0]["held"], &held[0]["order"]["by"]),
        (&json!(1), &json!("breaker")),
        "{held}"
    );
    let why = bench.text(&service, "/api/v1/customers/dan/explain?trigger=welcome").await;
    assert!(why.contains("pause by breaker: 3 decisions"), "{why}");
    assert_eq!(sink.received(3).await.len(), 3, "what was decided before has left");
    service.stop().await.unwrap();

    let service = bench.start().await;
    let all = bench.get(&service, "/api/v1/operations").await;
    assert_eq!(all.as_array().unwrap().len(), 1, "once: {all}");
    let resume =
        json!({"order": "resume", "scope": "trigger:welcome", "by": "ann", "why": "it is fine"});
    let (_, said) = post(&bench, &service, resume).await;
    assert_eq!(said["moved"], 1, "{said}");
    assert_eq!(sink.received(4).await.len(), 4);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_trigger_whose_sends_fail_is_paused() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let breaker = "breaker: {at_most: 100, per: 1h, failed: 40%, of_at_least: 2}\n";
    bench.write("triggers/welcome.yaml", &format!("{}{breaker}", super::bench::TRIGGER));
    sink.answer(400);
    let service = bench.start().await;
    for (customer, count) in [("ada", 1), ("bob", 2)] {
        bench.sign_up(&service, customer).await;
        bench.until_decided(&service, count).await;
    }
    let order = broken(&bench, &service).await;
    assert_eq!(order["by"], "breaker", "{order}");
    let why = order["why"].as_str().unwrap();
    assert!(why.ends_with("of 2 sends of a day failed, 40% may"), "{why}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_breaker_counts_on_after_a_restart_and_not_what_it_paused_for() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    bench.write("triggers/policy.yaml", "breaker: {at_most: 2, per: 1h}\n");
    for (start, customers) in [["ada", "bob"].as_slice(), &["cyd"]].into_iter().enumerate() {
        let service = bench.start().await;
        for (number, customer) in (1..).zip(customers) {
            bench.sign_up(&service, customer).await;
            bench.until_decided(&service, number + 2 * start as u64).await;
        }
        if start == 1 {
            let order = broken(&bench, &service).await;
            assert_eq!(order["why"], "3 decisions to reach out within 1h, 2 at most");
            let resume = json!({"order": "resume", "scope": "trigger:welcome", "by": "ann", "why": "it is fine"});
            post(&bench, &service, resume).await;
        }
        service.stop().await.unwrap();
    }
    let service = bench.start().await;
    bench.sign_up(&service, "dan").await;
    bench.until_decided(&service, 4).await;
    assert_eq!(sink.received(4).await.len(), 4);
    let all = bench.get(&service, "/api/v1/operations").await;
    assert!(all.as_array().unwrap().iter().all(|order| order["in_force"] == false), "{all}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn the_stage_of_a_ramp_is_told() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let ramp = "ramp: {from: 2099-03-02T09:00, steps: {0.5%: 1d, 25%: 2d}}\n";
    bench.write("triggers/welcome.yaml", &format!("{}{ramp}", super::bench::TRIGGER));
    let service = bench.start().await;
    let triggers = bench.get(&service, "/api/v1/triggers").await;
    let stage = json!({"share": 0.0, "next_share": 0.5, "next_at": "2099-03-02T09:00:00.000Z"});
    assert_eq!(triggers[0]["ramp"], stage, "{triggers}");
    assert_eq!(triggers[0].get("order"), None, "{triggers}");
    service.stop().await.unwrap();
}
