//! What a node refuses of its events topic, and what it says of it: the message as it came, and why.

use std::collections::BTreeSet;

use heedful::cluster::output::{DeadLetter, Message};
use heedful::decode::shard_of;
use heedful::kafka::transaction::Outgoing;
use heedful::kafka::writer::Writer;

use super::broker;
use super::dlq::all_of;
use super::nodes::{Files, Group};
use super::sources::topic;
use crate::cli::heedful;
use crate::service::{get, post, until};

const PARTITIONS: u16 = 3;

fn trigger<'n>(name: &'n str, when: &str) -> (&'n str, String) {
    let text = format!(
        "trigger: {name}\nkind: status\nabout: A test.\nowner: ops@shop.example\nwhen: {when}\n\
         send:\n  purpose: transactional\n  via: [webhook]\n  message:\n    en: {{subject: Hello, \
         body: Hello}}\n"
    );
    (name, text)
}

/// The letters that a group wrote, by their reason.
fn letters(group: &Group) -> Vec<DeadLetter> {
    let letters = all_of(&group.settings(), &group.names().dead_letters, PARTITIONS);
    let mut letters: Vec<_> = letters
        .into_iter()
        .map(|seen| {
            let (key, value) = (seen.key.unwrap_or_default(), seen.value);
            DeadLetter::from_message(Message { key, value, headers: seen.headers })
        })
        .collect();
    letters.sort_by(|left, right| left.verdict.reason.cmp(&right.verdict.reason));
    letters
}

/// The customers that a node lists.
fn customers(at: std::net::SocketAddr) -> BTreeSet<String> {
    let page = get(at, "/api/v1/customers?limit=100").unwrap_or_default();
    let lines = page["items"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_refused_is_kept_as_it_came_and_comes_back_where_it_belongs() {
    let Some(broker) = broker::shared() else { return };
    let triggers = [trigger("thanks", "{event: order_placed}")];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "refused", (PARTITIONS, None), &files);
    let (node, at) = group.start("a");
    let events = group.names().events;
    let home = shard_of("ada", PARTITIONS);
    let wrong = (home + 1) % PARTITIONS;
    let order = r#"{"customer":"ada","event":"order_placed","id":"o1"}"#;
    let news = r#"{"event":"outage","broadcast":true,"id":"n1"}"#;
    let trace: [(&str, &[u8]); 2] = [("trace", b"t1"), ("odd", b"\xFF")];
    let cloud: [(&str, &[u8]); 5] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"c1"),
        ("ce_source", b"/shop"),
        ("ce_type", b"Shipped"),
        ("ce_time", b"yesterday"),
    ];
    let message = |partition, key, value: &'static str, headers| Outgoing {
        topic: &events,
        partition,
        key,
        value: Some(value.as_bytes()),
        headers,
    };
    // By reason: bad_timestamp, broadcast_in_partition, malformed_json, wrong_partition.
    let ours: [Outgoing<'_>; 4] = [
        message(shard_of("eve", PARTITIONS), b"eve", r#"{"parcels": 2}"#, &cloud),
        message(home, b"", news, &[]),
        message(wrong, b"\xFFada", "{", &trace),
        message(wrong, b"ada", order, &trace),
    ];
    let writer = Writer::new(&group.settings()).unwrap();
    let offsets = writer.write(ours).unwrap();
    until("all are refused", || letters(&group).len() == ours.len());
    let letters = letters(&group);
    let reasons: Vec<_> = letters.iter().map(|letter| letter.verdict.reason.as_str()).collect();
    let expected = ["bad_timestamp", "broadcast_in_partition", "malformed_json", "wrong_partition"];
    assert_eq!(reasons, expected);
    for ((letter, ours), offset) in letters.iter().zip(&ours).zip(offsets) {
        let own = ours.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        let came = Message {
            key: ours.key.to_vec(),
            value: ours.value.map(<[u8]>::to_vec),
            headers: own.collect(),
        };
        assert_eq!(letter.message, came, "{}", letter.verdict.reason);
        let offset = i64::try_from(offset).unwrap();
        let place = (letter.origin.partition, letter.origin.offset);
        assert_eq!((&letter.origin.topic, place), (&events, (i32::from(ours.partition), offset)));
    }
    let told = format!("`ada` belongs in partition {home}");
    assert!(letters[3].verdict.detail.contains(&told), "{}", letters[3].verdict.detail);
    assert!(letters[3].verdict.hint.contains("kafka.sources"), "{}", letters[3].verdict.hint);
    assert!(letters[1].verdict.hint.contains("over HTTP"), "{}", letters[1].verdict.hint);
    assert_eq!((customers(at), group.decisions().0.len()), (BTreeSet::new(), 0));

    let back = heedful(group.path(), &["dlq", "replay", "--reason", "wrong_partition"]);
    assert!(back.out.contains("1 letter written"), "{}{}", back.out, back.err);
    until("it is decided about", || group.decisions().0.len() == 1);
    assert_eq!(customers(at), BTreeSet::from(["ada".to_owned()]));
    let came = all_of(&group.settings(), &events, PARTITIONS);
    let came =
        came.iter().find(|seen| seen.partition == home && seen.key.as_deref() == Some(b"ada"));
    let mut headers = came.unwrap().headers.clone();
    assert_eq!(headers.pop().unwrap().0, "heedful-replayed");
    assert_eq!(
        headers,
        [("trace".to_owned(), b"t1".to_vec()), ("odd".to_owned(), b"\xFF".to_vec())]
    );
    assert!(node.process.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_everyone_reaches_each_customer_once_over_http_and_from_a_source() {
    let Some(broker) = broker::shared() else { return };
    let when = "{event: outage, affects: \"count('seen', '7d') > 0\", per: event.incident}";
    let triggers = [trigger("outage", when)];
    let files = Files { triggers: &triggers, sink: None };
    let group = Group::new(&broker, "news", (PARTITIONS, None), &files);
    topic(&group.settings(), "desk.news", 1).await;
    group.say("  sources:\n    - {topic: desk.news, format: json}\n");
    let (node, at) = group.start("a");
    let all: BTreeSet<String> = (0..9).map(|number| format!("c{number}")).collect();
    assert_eq!(all.iter().map(|id| shard_of(id, PARTITIONS)).collect::<BTreeSet<_>>().len(), 3);
    for customer in &all {
        let seen = format!(r#"{{"customer":"{customer}","event":"seen","id":"s-{customer}"}}"#);
        assert_eq!(post(at, "/events", seen.as_bytes()).unwrap().0, 200);
    }
    until("all are known", || customers(at) == all);
    let incident = |number: u8| {
        format!(
            r#"{{"event":"outage","broadcast":true,"id":"n{number}","with":{{"incident":"i{number}"}}}}"#
        )
    };
    let told = || -> Vec<(String, String)> {
        let (decisions, twice) = group.decisions();
        assert_eq!(twice, 0);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let told =
            decisions.values().map(|told| (text(&told["occurrence"]), text(&told["customer"])));
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    };
    let expected = |number: u8| {
        all.iter().map(move |customer| (format!("i{number}"), customer.clone())).collect::<Vec<_>>()
    };
    assert_eq!(post(at, "/events", incident(1).as_bytes()).unwrap().0, 200);
    until("all have heard of it over HTTP", || told() == expected(1));
    let (topic, value) = ("desk.news", incident(2));
    let value = Some(value.as_bytes());
    let news = Outgoing { topic, partition: 0, key: b"", value, headers: &[] };
    Writer::new(&group.settings()).unwrap().write([news]).unwrap();
    until("all have heard of it from the source", || told() == [expected(1), expected(2)].concat());
    assert_eq!(letters(&group), []);
    assert!(node.process.stop().success());
}
