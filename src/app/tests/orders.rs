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
