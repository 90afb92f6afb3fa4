//! One machine moves to Kafka: nothing is left behind, nothing is there twice, nobody serves both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use heedful::cluster::entry;
use heedful::config::KafkaConfig;
use heedful::decode::shard_of;
use heedful::kafka::changelog;
use heedful::kafka::settings::Settings;
use heedful::store::{self, Options, Store};
use serde_json::json;

use super::broker;
use super::clients::made;
use super::dlq::all_of;
use crate::cli::heedful;
use crate::service::{Place, Sink, decisions, looked, post, until};

const CUSTOMERS: usize = 24;
const PARTITIONS: u16 = 3;

const TRIGGERS: [(&str, &str); 2] = [
    ("order-thanks", "when: {event: order_placed}"),
    (
        "parcel-silent",
        "when: {event: parcel_sent, not_followed_by: [parcel_seen], for: 2h, per: event.order}",
    ),
];

fn trigger((name, when): (&str, &str)) -> String {
    format!(
        "trigger: {name}\nkind: behavior\nabout: Tells about an order.\nowner: ops@shop.example\n\
         {when}\nsend:\n  purpose: transactional\n  via: [webhook]\n  message:\n    \
         en: {{subject: Your order, body: Thank you}}\n"
    )
}

/// A service that decided something it could not send yet, ended in order; then more events came.
fn one_machine(config: &KafkaConfig) -> (Place, BTreeSet<String>) {
    // It refuses everything, so that sends stay under way.
    let sink = Sink::start(1);
    let place = Place::new(&sink);
    for both in TRIGGERS {
        place.write(&format!("triggers/{}.yaml", both.0), &trigger(both));
    }
    let (process, address) = place.start();
    for number in 0..CUSTOMERS {
        let customer = format!("c{number}");
        let event = |event: &str| {
            json!({"type": "track", "userId": customer, "event": event,
                   "messageId": format!("{event}-{number}"), "properties": {"order": number}})
        };
        let events = [event("order_placed"), event("parcel_sent")];
        let body = json!({ "batch": events }).to_string();
        assert_eq!(post(address, "/v1/batch", body.as_bytes()).unwrap().0, 200);
    }
    until("all are decided and some were tried", || {
        decisions(address).len() == CUSTOMERS && !sink.received().is_empty()
    });
    let ids = decisions(address);
    let ids = ids.iter().map(|decision| decision["id"].as_str().unwrap().to_owned()).collect();
    assert!(process.stop().success());
    let lines: Vec<String> = (0..5)
        .map(|number| format!("{{\"customer\":\"c{number}\",\"event\":\"parcel_seen\",\"id\":\"s{number}\",\"with\":{{\"order\":{number}}}}}"))
        .collect();
    place.write("seen.ndjson", &lines.join("\n"));
    let imported = heedful(place.path(), &["import", "seen.ndjson", "--history", "nothing"]);
    assert_eq!(imported.code, 0, "{}{}", imported.out, imported.err);

    let KafkaConfig { brokers, prefix, partitions, .. } = config;
    let file = place.path().join("heedful.yaml");
    let before = fs::read_to_string(&file).unwrap();
    let kafka = format!(
        "kafka: {{brokers: \"{brokers}\", prefix: {prefix}, group: {prefix}, \
         partitions: {partitions}, replication: 1}}\n"
    );
    fs::write(&file, before + &kafka).unwrap();
    (place, ids)
}

#[tokio::test]
async fn everything_moves_once_to_any_number_of_partitions() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("moved", PARTITIONS);
    let (settings, names) = made(&config).await;
    let (place, ids) = one_machine(&config);
    let run = |words: &[&str]| heedful(place.path(), words);
    let dry = run(&["migrate", "--dry-run", "--format", "json"]);
    let tally: serde_json::Value =
        serde_json::from_str(&dry.out).unwrap_or_else(|_| panic!("{}", dry.err));
    assert_eq!(
        tally,
        json!({"customers": CUSTOMERS, "decisions": CUSTOMERS, "sends": CUSTOMERS, "tasks": 0,
               "messages": 0, "exposures": 0, "inputs": 5, "unreadable": 0})
    );
    assert_eq!(all_of(&settings, &names.changelog, PARTITIONS), []);
    let old = Store::open(&place.path().join("data/store"), Options::default()).unwrap();
    let before = old.funnels().unwrap();
    drop(old);

    let moved = run(&["migrate"]);
    assert_eq!(moved.code, 0, "{}{}", moved.out, moved.err);
    assert!(moved.out.contains("moved, 3 partitions"), "{}", moved.out);
    assert!(moved.out.contains("data: data-node"), "{}", moved.out);
    let count = all_of(&settings, &names.changelog, PARTITIONS).len();
    let again = run(&["migrate"]);
    assert!(again.out.contains("it was moved before"), "{}{}", again.out, again.err);
    assert_eq!(all_of(&settings, &names.changelog, PARTITIONS).len(), count);
    let other = run(&["import", "seen.ndjson"]);
    assert!(other.err.contains("was moved to the Kafka topics `moved.*`"), "{}", other.err);

    check(&settings, &names.changelog, &ids, &before);
    let events = all_of(&settings, &names.events, PARTITIONS);
    let keys: BTreeMap<String, u16> = events
        .iter()
        .map(|seen| (String::from_utf8(seen.key.clone().unwrap()).unwrap(), seen.partition))
        .collect();
    let expected: BTreeMap<String, u16> =
        (0..5).map(|n| format!("c{n}")).map(|id| (id.clone(), shard_of(&id, PARTITIONS))).collect();
    assert_eq!((keys, events.len()), (expected, 5));
    assert_eq!(all_of(&settings, &names.decisions, PARTITIONS).len(), CUSTOMERS);
    assert_eq!(all_of(&settings, &names.outreach, PARTITIONS).len(), CUSTOMERS);
}

/// A node that takes the shards over has everything.
fn check(
    settings: &Settings,
    topic: &str,
    ids: &BTreeSet<String>,
    before: &BTreeMap<String, store::view::Funnel>,
) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { shards: PARTITIONS, ..Options::default() };
    let store = Store::open(dir.path(), options).unwrap();
    let mut customers = BTreeSet::new();
    for shard in 0..PARTITIONS {
        let mut changes = Vec::new();
        let restored = changelog::restore(
            settings,
            topic,
            shard,
            0,
            |_| Ok(()),
            |key, value| -> Result<(), heedful::kafka::Error> {
                changes.extend(entry::change(shard, key, value));
                Ok(())
            },
        );
        store.restore(shard, &changes, restored.unwrap().next).unwrap();
        let mark = store.mark(shard).unwrap().unwrap();
        assert_eq!((mark.position, mark.heard, mark.aside, mark.shards), (0, 0, 0, PARTITIONS));
        assert_ne!((mark.ticked.as_millis(), mark.revision.as_str()), (0, ""));
        for id in store.customer_ids(shard, None, 99).unwrap() {
            assert_eq!(shard_of(&id, PARTITIONS), shard);
            customers.insert(id);
        }
    }
    assert_eq!(customers.len(), CUSTOMERS);
    let rows: Vec<_> = store.outbox().map(Result::unwrap).collect();
    assert!(rows.iter().all(|row| row.shard == shard_of(&row.customer, PARTITIONS)));
    let kept: BTreeSet<String> = rows.iter().map(|row| row.decision.clone()).collect();
    assert_eq!(&kept, ids);
    let after = store.funnels().unwrap();
    assert!(after.values().all(store::view::Funnel::is_balanced));
    let counts = |funnels: &BTreeMap<String, store::view::Funnel>| -> Vec<(String, u64, u64)> {
        funnels.values().map(|all| (all.trigger.clone(), all.matched, all.sent)).collect()
    };
    assert_eq!(counts(&after), counts(before));
}

#[tokio::test]
async fn a_move_begins_with_empty_topics_and_a_service_that_has_ended() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("full", 1);
    let (settings, names) = made(&config).await;
    let sink = Sink::start(0);
    let place = Place::new(&sink);
    place.write("triggers/order-thanks.yaml", &trigger(TRIGGERS[0]));
    let yaml = fs::read_to_string(place.path().join("heedful.yaml")).unwrap();
    let kafka =
        format!("kafka: {{brokers: \"{}\", prefix: full, replication: 1}}\n", config.brokers);
    place.write("with-kafka.yaml", &(yaml + &kafka));
    let run = || heedful(place.path(), &["migrate", "--config", "with-kafka.yaml"]);
    // The triggers' channel has a secret that is not set here.
    let none = run();
    assert!(none.err.contains("there is no data in `data`"), "{}", none.err);
    let (process, _) = place.start();
    let runs = looked(|| Some(run())).unwrap();
    assert!(runs.err.contains("end the service first"), "{}", runs.err);
    assert!(process.stop().success());

    let writer = heedful::kafka::writer::Writer::new(&settings).unwrap();
    let stray = heedful::kafka::transaction::Outgoing {
        topic: &names.events,
        partition: 0,
        key: b"ada",
        value: Some(b"{}"),
        headers: &[],
    };
    writer.write([stray]).unwrap();
    let full = run();
    assert!(full.err.contains("`full.events` holds messages already"), "{}", full.err);
    assert_eq!(Store::moved_to(&place.path().join("data/store")).unwrap(), None);
}
