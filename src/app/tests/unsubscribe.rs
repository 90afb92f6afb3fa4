//! From the link in a message to the no that holds: what changes something, and what does not.

use serde_json::Value;

use super::bench::{Bench, NO_NIGHT, Sink, TIPS};
use crate::app::Service;

async fn bench(sink: &Sink) -> Bench {
    let mut bench = Bench::new(sink);
    bench.config.unsubscribe.url = Some("https://care.example/x".to_owned());
    bench.write("triggers/welcome.yaml", TIPS);
    bench.write("triggers/policy.yaml", NO_NIGHT);
    bench
}

async fn verdicts(bench: &Bench, service: &Service) -> Vec<String> {
    let decisions = bench.get(service, "/api/v1/decisions").await;
    let items = decisions["items"].as_array().unwrap().clone();
    items.iter().map(|one| one["verdict"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn on_this_machine_links_lead_to_it() {
    let sink = Sink::start().await;
    let mut bench = bench(&sink).await;
    bench.config.unsubscribe.url = None;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    let received = sink.received(1).await;
    let here = format!("http://{}/u/", service.address());
    assert!(received[0].body.contains(&here), "{}", received[0].body);
    service.stop().await.unwrap();
}

/// The path of the link in the message that came.
async fn link(sink: &Sink) -> String {
    links(sink, 1).await.remove(0).1
}

/// The customers of so many messages, sorted, with the paths of their links.
async fn links(sink: &Sink, count: usize) -> Vec<(String, String)> {
    let path = |body: &str| {
        let body: Value = serde_json::from_str(body).unwrap();
        let (customer, content) = (&body["data"]["customer"], &body["data"]["content"]);
        let link = content["unsubscribe_url"].as_str().unwrap().to_owned();
        assert_eq!(content["body"], format!("Some tips. Stop: {link}"));
        let path = link.strip_prefix("https://care.example/x").unwrap().to_owned();
        (customer.as_str().unwrap().to_owned(), path)
    };
    let received = sink.received(count).await;
    let mut links: Vec<_> = received.iter().map(|received| path(&received.body)).collect();
    links.sort();
    links
}

#[tokio::test]
async fn only_a_post_with_our_token_stops_what_it_is_about() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    let path = link(&sink).await;
    let kept = bench.text(&service, "/api/v1/decisions").await;
    assert!(!kept.contains(&path), "no record holds what lets somebody act");

    for method in ["GET", "HEAD"] {
        let (status, page) = bench.ask(&service, method, &path, None, None).await;
        assert_eq!(status, 200, "{page}");
    }
    let (status, _) = bench.ask(&service, "POST", &path, None, Some("what".into())).await;
    assert_eq!(status, 400, "nothing that is meant");
    let mut forged = path.clone();
    forged.replace_range(forged.len() - 5.., "AAAAA");
    let one_click = || Some(Value::from("List-Unsubscribe=One-Click"));
    assert_eq!(bench.ask(&service, "POST", &forged, None, one_click()).await.0, 404);
    assert_eq!(bench.ask(&service, "GET", "/u/x", None, None).await.0, 404);
    assert_eq!(bench.ask(&service, "PUT", &path, None, one_click()).await.0, 405);
    bench.sign_up(&service, "ada").await;
    assert_eq!(sink.received(2).await.len(), 2, "none of that was a no");

    assert_eq!(bench.ask(&service, "POST", &path, None, one_click()).await.0, 200);
    bench.sign_up(&service, "ada").await;
    bench.sign_up(&service, "bob").await;
    bench.until_decided(&service, 4).await;
    let told = verdicts(&bench, &service).await;
    assert_eq!(told.iter().filter(|verdict| *verdict == "suppressed").count(), 1, "{told:?}");
    let page = bench.text(&service, "/api/v1/customers/ada").await;
    assert!(page.contains("unsubscribe link of "), "the evidence is kept: {page}");
    let numbers = bench.text(&service, "/metrics").await;
    for result in ["done", "shown", "forged", "unclear"] {
        let line = format!("heedful_unsubscribe_total{{result=\"{result}\"}}");
        assert!(numbers.contains(&line), "{line}");
    }
    assert_eq!(sink.received(3).await.len(), 3, "bob still hears from us, ada does not");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_trigger_that_people_unsubscribe_from_is_paused_however_they_say_it() {
    let sink = Sink::start().await;
    let bench = bench(&sink).await;
    // Of two sends one may be the last of its kind, and no more.
    let breaker = "breaker: {at_most: 100, per: 1h, unsubscribes: 50%, of_at_least: 2}\n";
    bench.write("triggers/welcome.yaml", &format!("{TIPS}{breaker}"));
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.sign_up(&service, "bob").await;
    let links = links(&sink, 2).await;
    let say = async |whose: usize, what: &str| {
        // The client writes JSON: its quotes belong to fields that nobody reads.
        let form = Some(format!("_&{what}&_").into());
        bench.ask(&service, "POST", &links[whose].1, None, form).await.0
    };
    // The same no three times is one, and a pause is none.
    for what in ["action=stop", "List-Unsubscribe=One-Click", "action=stop_all"] {
        assert_eq!(say(0, what).await, 200);
    }
    assert_eq!(say(1, "action=pause").await, 200);
    let told = |page: &Value| page["contacts"][0]["told"] == "unsubscribed";
    let ada = bench.until_shown(&service, "/api/v1/customers/ada", told).await;
    let timeline = ada["timeline"].to_string();
    assert_eq!(timeline.matches("Message Unsubscribed").count(), 1, "{timeline}");
    let orders = bench.get(&service, "/api/v1/operations").await;
    assert_eq!(orders.as_array().unwrap().len(), 0, "{orders}");
    assert_eq!(say(1, "action=stop_purpose").await, 200);
    let order = super::orders::broken(&bench, &service).await;
    assert_eq!(order["scope"], "trigger:tips", "{order}");
    assert_eq!(order["why"], "2 of 2 sends of a day led to unsubscribing, 50% may");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_link_that_is_too_old_changes_nothing() {
    let sink = Sink::start().await;
    let mut bench = bench(&sink).await;
    bench.config.unsubscribe.life = crate::engine::time::Span::from_millis(1);
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    let path = link(&sink).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let one_click = Some(Value::from("List-Unsubscribe=One-Click"));
    assert_eq!(bench.ask(&service, "POST", &path, None, one_click).await.0, 410);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_without_a_link_to_put_in_is_not_sent() {
    let sink = Sink::start().await;
    let mut bench = bench(&sink).await;
    bench.config.unsubscribe.url = None;
    bench.config.listen = "0.0.0.0:0".parse().unwrap();
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    bench.until_decided(&service, 1).await;
    bench
        .until("it is settled", || {
            let funnels = service.store().funnels().unwrap();
            funnels["tips"].standing(crate::engine::decision::VerdictKind::Suppress) == 1
        })
        .await;
    service.stop().await.unwrap();
    assert!(sink.received(0).await.is_empty());
}
