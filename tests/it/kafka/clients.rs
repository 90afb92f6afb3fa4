//! Topics are made as they must be, transactions are whole or nothing, and what they wrote is read
//! back.

use std::collections::BTreeMap;

use bytes::Bytes;
use heedful::cluster::door::Door;
use heedful::kafka::admin::Admin;
use heedful::kafka::changelog::{self, Restored};
use heedful::kafka::settings::Settings;
use heedful::kafka::topics::{self, Names, Step};
use heedful::kafka::transaction::{Outgoing, Place, Transactions};
use heedful::kafka::{Error, writer::Writer};
use heedful::log::{Group, Log};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::broker;

#[tokio::test]
async fn topics_are_planned_made_and_found_as_they_must_be() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("plan", 3);
    let settings = Settings::new(&config, "test");
    let names = Names::new(&config);
    let admin = Admin::new(&settings).unwrap();
    assert_eq!(admin.brokers().unwrap(), 1);
    let told = admin.check(&names).await.unwrap_err().to_string();
    assert!(told.contains("there is no topic `plan.events`"), "{told}");
    assert!(told.contains("heedful kafka init"), "{told}");

    // Somebody made the events topic before us, as brokers make topics.
    let wanted = names.wanted(3, 1);
    let mut bare = wanted[0].clone();
    bare.settings.clear();
    admin.apply(&Step::Create(bare)).await.unwrap();
    let steps = topics::plan(&wanted, &admin.find(&names.all()).await.unwrap());
    assert!(matches!(&steps[0], Step::Alter { topic, .. } if topic == "plan.events"), "{steps:?}");
    for step in &steps {
        admin.apply(step).await.unwrap();
    }
    assert_eq!(topics::plan(&wanted, &admin.find(&names.all()).await.unwrap()), []);
    assert_eq!(admin.check(&names).await.unwrap(), 3);
    // What was suggested at first is still there after the other change.
    let found = admin.find(&[&names.events]).await.unwrap();
    assert_eq!(found[&names.events].settings["retention.ms"], "2592000000");
}

/// The topics of a configuration, made.
pub(super) async fn made(config: &heedful::config::KafkaConfig) -> (Settings, Names) {
    let settings = Settings::new(config, "test");
    let names = Names::new(config);
    let admin = Admin::new(&settings).unwrap();
    for step in topics::plan(&names.wanted(config.partitions, 1), &BTreeMap::new()) {
        admin.apply(&step).await.unwrap();
    }
    (settings, names)
}

fn message<'a>(topic: &'a str, key: &'a str, value: Option<&'a str>) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: 0,
        key: key.as_bytes(),
        value: value.map(str::as_bytes),
        headers: &[],
    }
}

/// Every key and value that a restore gives, in order.
fn restored(
    settings: &Settings,
    topic: &str,
    from: u64,
) -> (Restored, Vec<(String, Option<String>)>) {
    let mut all = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let restored = changelog::restore(
        settings,
        topic,
        0,
        from,
        |_| Ok(()),
        |key, value| -> Result<(), Error> {
            all.push((text(key), value.map(text)));
            Ok(())
        },
    );
    (restored.unwrap(), all)
}

#[tokio::test]
async fn a_transaction_is_whole_or_nothing_and_a_newer_run_ends_the_older() {
    let Some(broker) = broker::shared() else { return };
    let (settings, names) = made(&broker.config("txn", 1)).await;
    let member: BaseConsumer = settings.member().create().unwrap();
    let group = || member.group_metadata().unwrap();
    let place = [Place { topic: &names.events, partition: 0, next: 0 }];

    let first = Transactions::begin_with(&settings).unwrap();
    first.begin().unwrap();
    first.send(message(&names.changelog, "a", Some("1"))).unwrap();
    first.send(message(&names.changelog, "b", Some("1"))).unwrap();
    let written = first.commit(&place, &group(), &names.changelog).unwrap();
    assert_eq!(written, BTreeMap::from([(0, 1)]));
    first.begin().unwrap();
    first.send(message(&names.changelog, "a", Some("undone"))).unwrap();
    first.abort().unwrap();
    first.begin().unwrap();
    first.send(message(&names.changelog, "b", None)).unwrap();
    first.commit(&[], &group(), &names.changelog).unwrap();

    let (all, messages) = restored(&settings, &names.changelog, 0);
    let some = |text: &str| Some(text.to_owned());
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(messages, [(a, some("1")), (b.clone(), some("1")), (b.clone(), None)]);
    let (rest, messages) = restored(&settings, &names.changelog, 2);
    assert_eq!(messages, [(b, None)]);
    assert_eq!(rest.next, all.next);
    assert_eq!(restored(&settings, &names.changelog, all.next).0.messages, 0);

    // A node that was thought dead wakes up after another took its place.
    first.begin().unwrap();
    first.send(message(&names.changelog, "a", Some("zombie"))).unwrap();
    let second = Transactions::begin_with(&settings).unwrap();
    let fenced = first.commit(&[], &group(), &names.changelog).unwrap_err();
    assert!(matches!(fenced, Error::Fenced(_)), "{fenced}");
    second.begin().unwrap();
    second.commit(&[], &group(), &names.changelog).unwrap();
    assert_eq!(restored(&settings, &names.changelog, all.next).0.messages, 0);
}

#[tokio::test]
async fn what_comes_through_the_door_is_durable_with_a_place_of_its_own() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("door", 2);
    let (settings, _) = made(&config).await;
    let door = Door::new(&settings, 2).unwrap();
    let group = |shard, count| Group { shard, records: vec![Bytes::from_static(b"?"); count] };
    let positions = door.append_groups(&[group(0, 3), group(1, 1), group(0, 2)]).unwrap();
    assert_eq!(positions, [(1, 3), (1, 1), (4, 5)]);

    let mut nowhere = settings.config().clone();
    nowhere.properties = vec![("message.timeout.ms".to_owned(), "1000".to_owned().into())];
    nowhere.brokers = "127.0.0.1:1".to_owned();
    let writer = Writer::new(&Settings::new(&nowhere, "test")).unwrap();
    let lost = writer.write([message("door.events", "a", Some("1"))]).unwrap_err();
    assert!(lost.to_string().contains("door.events"), "{lost}");
}
