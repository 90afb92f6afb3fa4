//! Topics of others become events of their customers, exactly once, whatever happens to nodes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heedful::clock::{Stopwatch, System};
use heedful::cluster::output::DeadLetter;
use heedful::cluster::output::Message;
use heedful::cluster::sources::{Router, Tally};
use heedful::config::{KafkaConfig, Naming, Place, SourceConfig, SourceFormat};
use heedful::decode::shard_of;
use heedful::kafka::admin::Admin;
use heedful::kafka::settings::Settings;
use heedful::kafka::topics::{Step, Wanted};
use heedful::kafka::transaction::Outgoing;
use heedful::kafka::writer::Writer;

use super::broker;
use super::clients::made;
use super::dlq::all_of;
use super::doctor::folder;
use crate::cli::heedful;

pub(super) fn source(topic: &str, format: SourceFormat) -> SourceConfig {
    let topic = topic.to_owned();
    SourceConfig { topic, format, customer: None, event: None, at: None, id: None, with: None }
}

pub(super) async fn topic(settings: &Settings, name: &str, partitions: u16) {
    let (settings_of, suggested) = (Vec::new(), Vec::new());
    let wanted = Wanted {
        name: name.to_owned(),
        partitions,
        replication: 1,
        settings: settings_of,
        suggested,
    };
    Admin::new(settings).unwrap().apply(&Step::Create(wanted)).await.unwrap();
}

fn message<'a>(
    topic: &'a str,
    key: &'a str,
    value: Option<&'a str>,
    headers: &'a [(&'a str, &'a [u8])],
) -> Outgoing<'a> {
    let (key, value) = (key.as_bytes(), value.map(str::as_bytes));
    Outgoing { topic, partition: 0, key, value, headers }
}

/// Steps until so many were read, and adds up.
pub(super) fn routed(router: &mut Router, messages: usize) -> Tally {
    let started = Stopwatch::start();
    let mut sum = Tally::default();
    while sum.read < messages {
        assert!(started.elapsed() < Duration::from_secs(60), "{sum:?}");
        let step = router.step().unwrap();
        sum.read += step.read;
        sum.written += step.written;
        sum.refused += step.refused;
        sum.ignored += step.ignored;
    }
    sum
}

#[tokio::test]
async fn orders_clicks_and_cloud_events_become_events_of_their_customers() {
    let Some(broker) = broker::shared() else { return };
    let mut config = broker.config("route", 3);
    let place = |path: &str| Place::Field(path.split('.').map(str::to_owned).collect());
    config.sources = vec![
        SourceConfig {
            customer: Some(place("buyer.id")),
            event: Some(Naming::Constant("Order Placed".to_owned())),
            ..source("shop.orders", SourceFormat::Json)
        },
        source("shop.clicks", SourceFormat::Segment),
        SourceConfig {
            customer: Some(Place::Key),
            ..source("shop.cloud", SourceFormat::CloudEvents)
        },
    ];
    let (settings, names) = made(&config).await;
    for source in &config.sources {
        topic(&settings, &source.topic, 1).await;
    }
    let click = r#"{"type":"track","userId":"bob","event":"Click","messageId":"m1"}"#;
    let cloud: [(&str, &[u8]); 4] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"c1"),
        ("ce_source", b"/shop"),
        ("ce_type", b"Shipped"),
    ];
    let incident = r#"{"type":"track","event":"Outage","broadcast":true,"messageId":"m2"}"#;
    let writer = Writer::new(&settings).unwrap();
    writer
        .write([
            message("shop.orders", "o1", Some(r#"{"buyer":{"id":"ada"},"total":9}"#), &[]),
            message("shop.orders", "o2", None, &[]),
            message("shop.orders", "o3", Some(r#"{"total":9}"#), &[]),
            message("shop.clicks", "", Some(click), &[]),
            message("shop.clicks", "", Some(incident), &[]),
            message("shop.cloud", "eve", Some(r#"{"parcels":2}"#), &cloud),
        ])
        .unwrap();

    let mut router = Router::join(&settings, 3, System::shared()).unwrap();
    let tally = routed(&mut router, 6);
    assert_eq!(tally, Tally { read: 6, written: 4, refused: 1, ignored: 1 });
    let mut events = all_of(&settings, &names.events, 3);
    events.sort_by(|left, right| left.key.cmp(&right.key));
    let keys: Vec<_> =
        events.iter().map(|seen| String::from_utf8(seen.key.clone().unwrap()).unwrap()).collect();
    assert_eq!(keys, ["ada", "bob", "eve"]);
    for (seen, key) in events.iter().zip(&keys) {
        assert_eq!(seen.partition, shard_of(key, 3), "{key}");
    }
    let told = |at: usize| -> serde_json::Value {
        serde_json::from_slice(events[at].value.as_deref().unwrap()).unwrap()
    };
    assert_eq!((&told(0)["event"], &told(0)["with"]["total"]), (&"Order Placed".into(), &9.into()));
    assert_eq!(events[1].value.as_deref(), Some(click.as_bytes()));
    assert_eq!((&told(2)["type"], &told(2)["data"]["parcels"]), (&"Shipped".into(), &2.into()));
    assert!(
        events[0].headers.contains(&("heedful-source".to_owned(), b"shop.orders/0/0".to_vec()))
    );
    // What is for everyone is told to every shard.
    let internal = all_of(&settings, &names.internal, 3);
    assert_eq!(internal.iter().map(|seen| seen.partition).collect::<BTreeSet<_>>().len(), 3);

    comes_back(&config, &settings, &mut router);
}

/// A letter goes back to the topic that it came from, and comes in again.
fn comes_back(config: &KafkaConfig, settings: &Settings, router: &mut Router) {
    let letters = all_of(settings, "route.dlq", 3);
    let [seen] = letters.as_slice() else { panic!("{letters:?}") };
    let letter = DeadLetter::from_message(Message {
        key: seen.key.clone().unwrap(),
        value: seen.value.clone(),
        headers: seen.headers.clone(),
    });
    assert_eq!((letter.origin.topic.as_str(), letter.origin.offset), ("shop.orders", 2));
    assert_eq!(letter.verdict.reason, "missing_customer");

    let sources =
        "  sources:\n    - {topic: shop.orders, event: Order Placed, customer: 'field:buyer.id'}\n";
    let folder = folder(config, sources);
    std::fs::write(folder.path().join("o3.json"), r#"{"buyer":{"id":"ada"},"total":8}"#).unwrap();
    let id = format!("{}/{}", seen.partition, seen.offset);
    let back = heedful(folder.path(), &["dlq", "replay", &id, "--value", "o3.json"]);
    assert!(back.out.contains("1 letter written to `shop.orders`"), "{}{}", back.out, back.err);
    assert_eq!(routed(router, 1).written, 1);
    let report = heedful(folder.path(), &["kafka", "doctor"]).out;
    assert!(report.contains("source shop.orders      1 partitions, 0 messages wait"), "{report}");
}

#[tokio::test]
async fn nodes_that_come_and_go_route_each_message_once() {
    let Some(broker) = broker::shared() else { return };
    let mut config = broker.config("share", 2);
    config.sources = vec![source("many", SourceFormat::Json)];
    let (settings, names) = made(&config).await;
    topic(&settings, "many", 4).await;
    let writer = Writer::new(&settings).unwrap();
    let write = |from: usize, to: usize| {
        let lines: Vec<(u16, String)> = (from..to)
            .map(|number| {
                let line =
                    format!(r#"{{"customer":"c{}","event":"E","id":"e{number}"}}"#, number % 50);
                (u16::try_from(number % 4).unwrap(), line)
            })
            .collect();
        let messages = lines.iter().map(|(partition, line)| Outgoing {
            partition: *partition,
            ..message("many", "", Some(line), &[])
        });
        writer.write(messages).unwrap();
    };
    const MESSAGES: usize = 6_000;
    let node = |name: &str| {
        let config = KafkaConfig { node: Some(name.to_owned()), ..config.clone() };
        let settings = Settings::new(&config, name);
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let route = move || Router::run(&settings, 2, &System::shared(), &asked, |_| ());
        (stop, std::thread::Builder::new().spawn(route).unwrap())
    };
    let first = node("a");
    write(0, 2_000);
    let second = node("b");
    write(2_000, 4_000);
    std::thread::sleep(Duration::from_millis(1_500));
    first.0.store(true, Ordering::Release);
    first.1.join().unwrap().unwrap();
    write(4_000, MESSAGES);
    let third = node("c");
    let started = Stopwatch::start();
    let mut events = Vec::new();
    while events.len() < MESSAGES && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(500));
        events = all_of(&settings, &names.events, 2);
    }
    for (stop, thread) in [second, third] {
        stop.store(true, Ordering::Release);
        thread.join().unwrap().unwrap();
    }
    let events = all_of(&settings, &names.events, 2);
    let different: BTreeSet<_> = events.iter().map(|seen| seen.value.clone()).collect();
    assert_eq!((events.len(), different.len()), (MESSAGES, MESSAGES));
}
