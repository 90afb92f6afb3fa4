//! The service whole: from a request to a webhook, over restarts, reloads and failures.

mod bench;
mod confirm;
mod hooks;
mod orders;
mod preferences;
mod suppressions;
mod unsubscribe;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::api::source::Live;
use crate::config::Egress;
use crate::engine::catalog::Sending;
use bench::{Bench, Sink, TRIGGER};

#[tokio::test]
async fn an_event_becomes_a_signed_webhook_and_its_outcome_settles_it() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    let received = sink.received(1).await;
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!(body["data"]["customer"], "ada");
    assert_eq!(body["data"]["content"]["body"], "Hi Ada");
    assert_eq!(body["data"]["decision"], received[0].id.as_str());
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    let decisions = bench.get(&service, "/api/v1/decisions").await;
    assert_eq!(decisions["items"][0]["verdict"], "sent");
    assert_eq!(decisions["items"][0]["id"], received[0].id.as_str());
    let page = bench.get(&service, "/api/v1/customers/ada").await;
    assert_eq!(page["contacts"][0]["kind"], "sent", "{page}");
    let triggers = bench.get(&service, "/api/v1/triggers").await;
    assert_eq!(triggers[0]["funnel"]["sent"], 1);
    let numbers = bench.text(&service, "/metrics").await;
    assert!(numbers.contains("heedful_funnel_imbalance{trigger=\"welcome\"} 0"), "{numbers}");
    assert!(!numbers.contains("ada"), "no metric names a customer");
    service.stop().await.unwrap();
    assert_eq!(sink.received(1).await.len(), 1, "and it was called once");
}

#[tokio::test]
async fn with_sending_off_everything_is_decided_and_nothing_leaves() {
    let sink = Sink::start().await;
    let mut bench = Bench::new(&sink);
    bench.config.sending = Sending::DryRun;
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 1).await;
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    let decisions = bench.get(&service, "/api/v1/decisions").await;
    assert_eq!(decisions["items"][0]["verdict"], "sent", "{decisions}");
    assert_eq!(decisions["items"][0]["dry_run"], true);
    service.stop().await.unwrap();
    assert!(sink.received(0).await.is_empty());
}

#[tokio::test]
async fn a_send_left_by_a_stop_leaves_after_the_restart_under_the_same_id() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    sink.answer(503);
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    let first = sink.received(1).await;
    bench
        .until("the wait is committed", || {
            service.store().outbox().flatten().any(|row| !row.in_flight)
        })
        .await;
    service.stop().await.unwrap();

    sink.answer(200);
    // The second attempt is due after seconds, so the clock is set forward.
    let later = Arc::new(crate::clock::Manual::at(
        crate::clock::System::shared().now() + crate::engine::time::Span::MINUTE,
    ));
    let service = bench.start_with(later).await;
    let both = sink.received(2).await;
    assert_eq!(both[1].id, first[0].id);
    assert_eq!(both[1].body, first[0].body, "the same bytes");
    assert_ne!(both[1].signature, first[0].signature, "at another time");
    bench.until("the row is gone", || service.store().outbox().next().is_none()).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_broken_edit_keeps_the_old_set_and_says_so_until_it_is_mended() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    let mut live = service.hub.listen();
    let before = service.status().revision.clone();

    bench.write("triggers/welcome.yaml", &TRIGGER.replace("Signed Up", "Singed Up\nwhen: 3"));
    bench.until("the faults are shown", || !service.status().faults.is_empty()).await;
    let ready = bench.get(&service, "/readyz").await;
    assert_eq!(ready["ready"], true, "a broken edit makes it no less able to serve");
    let fault = ready["faults"][0].as_str().unwrap();
    assert!(fault.contains("triggers/welcome.yaml:"), "{fault}");
    assert_eq!(service.status().revision, before);
    bench.sign_up(&service, "ada").await;
    sink.received(1).await;

    // As editors do it: written beside, then moved over.
    bench.write("triggers/.welcome.swp", &TRIGGER.replace("Hi ", "Welcome "));
    let path = |name: &str| bench.path(&format!("triggers/{name}"));
    std::fs::rename(path(".welcome.swp"), path("welcome.yaml")).unwrap();
    bench.until("the new set is in force", || service.status().revision != before).await;
    assert!(service.status().faults.is_empty());
    bench.until_told(&mut live, "the reload", |line| {
        matches!(line, Live::Catalog(view) if view.revision != *before && view.faults.is_empty())
    })
    .await;
    bench.sign_up(&service, "bob").await;
    let received = sink.received(2).await;
    assert!(received[1].body.contains("Welcome Bob"), "{}", received[1].body);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_broken_set_or_channel_or_a_taken_port_keeps_it_from_starting() {
    let sink = Sink::start().await;
    let start = async |bench: &Bench| {
        let clock = crate::clock::System::shared();
        Service::start(bench.config.clone(), clock, Router::new()).await.unwrap_err().to_string()
    };
    let bench = Bench::new(&sink);
    bench.write("triggers/welcome.yaml", "trigger: 3\n");
    assert!(start(&bench).await.contains("triggers/welcome.yaml:1:"));

    let mut bench = Bench::new(&sink);
    if let crate::config::ChannelKind::Webhook(webhook) = &mut bench.config.channels[0].kind {
        webhook.egress = Egress::PublicOnly;
    }
    let refused = start(&bench).await;
    assert!(refused.starts_with("heedful.yaml:3:5: channel `email` cannot be used"), "{refused}");

    let mut bench = Bench::new(&sink);
    bench.config.listen = sink.address;
    assert!(start(&bench).await.contains("cannot be listened on"));

    let bench = Bench::new(&sink);
    let service = bench.start().await;
    assert!(start(&bench).await.contains("in use by another process"));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn readers_need_the_token_and_senders_a_key() {
    let sink = Sink::start().await;
    let mut bench = Bench::new(&sink);
    bench.config.api_token = Some("0123456789abcdef".into());
    bench.config.write_keys = vec!["key-1".into()];
    let service = bench.start().await;
    let ask =
        async |path: &str, token: &str| bench.ask(&service, "GET", path, Some(token), None).await.0;
    let right = Some("0123456789abcdef");
    let (_, document) = bench.ask(&service, "GET", "/openapi.json", right, None).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let (method, path) =
                (method.to_uppercase(), path.replace("{id}", "x").replace("{message}", "y"));
            for token in [Some("wrong"), None] {
                let (status, _) = bench.ask(&service, &method, &path, token, None).await;
                assert_eq!(status, 401, "{method} {path}");
            }
            asked += 1;
        }
    }
    assert!(10 <= asked, "{asked} routes");
    assert_eq!(ask("/openapi.json", "wrong").await, 401);
    assert_eq!(ask("/api/v1/customers", "0123456789abcdef").await, 200);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(path, "wrong").await, 200, "{path}");
    }
    let event = json!({"customer": "ada", "event": "X"});
    let send = async |key: &str| {
        bench.ask(&service, "POST", "/events", Some(key), Some(event.clone())).await.0
    };
    assert_eq!(send("wrong").await, 401);
    assert_eq!(send("key-1").await, 200);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_live_streams_and_takes_its_time_for_nobody() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    let address = service.address();
    #[expect(clippy::disallowed_methods, reason = "the client of a test")]
    let stream = tokio::spawn(bench::read_all(address, "/api/v1/live"));
    bench.until("it listens", || service.hub.is_heard()).await;
    bench.sign_up(&service, "ada").await;
    sink.received(1).await;
    let stopped = tokio::time::timeout(Duration::from_secs(8), service.stop()).await;
    stopped.unwrap().unwrap();
    let seen = stream.await.unwrap();
    assert!(seen.contains("event: decision") && seen.contains("\"customer\":\"ada\""), "{seen}");
}

#[tokio::test]
async fn an_in_app_message_is_kept_shown_and_read() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    bench.write("triggers/welcome.yaml", &TRIGGER.replace("[email]", "[in_app]"));
    let service = bench.start().await;
    let address = service.address();
    #[expect(clippy::disallowed_methods, reason = "the client of a test")]
    let stream = tokio::spawn(bench::read_all(address, "/api/v1/customers/ada/inbox/live"));
    // A comment of the stream would tell as well that it is open, after seconds.
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.sign_up(&service, "bob").await;
    bench.sign_up(&service, "ada").await;
    bench
        .until("both rows are gone", || {
            let funnels = service.store().funnels().unwrap();
            funnels.values().any(|funnel| funnel.sent == 2)
                && service.store().outbox().next().is_none()
        })
        .await;
    let inbox = bench.get(&service, "/api/v1/customers/ada/inbox").await;
    let messages = inbox["items"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[0]["read_at"]), (1, &Value::Null));
    assert_eq!(messages[0]["content"][1]["text"], "Hi Ada");
    let id = messages[0]["id"].as_str().unwrap();
    let read = async |customer: &str| {
        let path = format!("/api/v1/customers/{customer}/inbox/{id}/read");
        bench.ask(&service, "POST", &path, None, None).await
    };
    assert_eq!(read("bob").await.0, 404, "it is not his");
    let (status, text) = read("ada").await;
    assert_eq!(status, 200);
    assert!(text.contains("read_at"), "{text}");
    service.stop().await.unwrap();
    let seen = stream.await.unwrap();
    assert!(seen.contains(id) && !seen.contains("Hi Bob"), "{seen}");
}

#[tokio::test]
async fn what_the_api_changes_holds_at_once_and_after_a_restart() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    let post = async |service: &Service, path: &str, body: Value| {
        bench.ask(service, "POST", path, None, Some(body)).await
    };
    let no = json!({"purpose": "transactional", "granted": false, "source": "phone call"});
    assert_eq!(post(&service, "/api/v1/customers/ada/preferences", no).await.0, 204);
    let wrong = json!({"purpose": "transactionel", "granted": false});
    let (status, text) = post(&service, "/api/v1/customers/ada/preferences", wrong).await;
    assert_eq!(status, 400);
    assert!(text.contains("there is no purpose `transactionel`"), "{text}");
    bench.sign_up(&service, "ada").await;
    bench.until_decided(&service, 1).await;
    service.stop().await.unwrap();

    let service = bench.start().await;
    let decisions = bench.get(&service, "/api/v1/decisions?customer=ada").await;
    assert_eq!(decisions["items"][0]["verdict"], "suppressed");
    assert_eq!(decisions["items"][0]["reason"], "opted_out");
    let explained = bench.text(&service, "/api/v1/customers/ada/explain?trigger=welcome").await;
    assert!(explained.contains("trigger welcome"), "{explained}");
    let status = async |path: &str| bench.ask(&service, "GET", path, None, None).await.0;
    assert_eq!(status("/api/v1/customers/ada/explain?trigger=nothing").await, 404);
    assert_eq!(status("/api/v1/customers/nobody").await, 404);
    assert_eq!(bench.ask(&service, "DELETE", "/api/v1/customers/ada", None, None).await.0, 202);
    let mut known = true;
    for _ in 0..500 {
        known = status("/api/v1/customers/ada").await != 404;
        if !known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!known, "she is forgotten");
    service.stop().await.unwrap();
    assert!(sink.received(0).await.is_empty());
}

#[tokio::test]
async fn a_part_that_fails_is_told_and_makes_the_service_unready() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    service.alarm.raise("committer", "the store failed: EIO");
    assert_eq!(service.failed().await, "committer: the store failed: EIO");
    let (status, text) = bench.ask(&service, "GET", "/readyz", None, None).await;
    assert_eq!(status, 503);
    assert!(text.contains("the store failed"), "{text}");
    assert!(service.stop().await.unwrap_err().contains("EIO"));
}

#[tokio::test]
async fn a_store_whose_log_is_gone_or_shorter_is_refused() {
    let sink = Sink::start().await;
    let bench = Bench::new(&sink);
    let service = bench.start().await;
    bench.sign_up(&service, "ada").await;
    sink.received(1).await;
    let log = service.store().log_dir();
    service.stop().await.unwrap();
    std::fs::remove_dir_all(log).unwrap();
    let clock = crate::clock::System::shared();
    let refused = open(&bench.config, &clock).map(drop).unwrap_err().to_string();
    assert!(refused.contains("ends before what the store has applied"), "{refused}");
}
