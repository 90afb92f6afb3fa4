//! Topics in Avro and Protocol Buffers become events by the schemas of a registry; while it is
//! away nothing is lost, and what has no schema is with the dead letters.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Decimal, Schema};
use heedful::clock::System;
use heedful::cluster::sources::{Router, Tally};
use heedful::config::{Login, Naming, Place, RegistryConfig, SourceConfig, SourceFormat};
use serde_json::{Value, json};

use super::broker;
use super::clients::made;
use super::dlq::all_of;
use super::sources::{routed, source, topic};
use heedful::kafka::transaction::Outgoing;
use heedful::kafka::writer::Writer;

const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"buyer","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"coupon","type":["null","string"],"default":null}]}"#;
const LINKED: &str = r#"{"type":"record","name":"Node","fields":[
    {"name":"next","type":["null","Node"]}]}"#;
const MOVED: &str = r#"syntax = "proto3"; package shop;
    message Unused { string a = 1; }
    message Moved { string customer_id = 1; int64 boxes = 2; bool done = 3; }"#;

/// A registry with three schemas. It says 503 until it is told to be there.
fn registry(here: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &here);
        }
    };
    std::thread::Builder::new().name("registry".to_owned()).spawn(serve).unwrap();
    address
}

fn answer(mut stream: TcpStream, here: &AtomicBool) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let asked = lines.next().unwrap_or_default();
    for line in lines {
        if line.is_empty() {
            break;
        }
    }
    let guid = "07070707-0707-0707-0707-070707070707";
    let (status, body) = if !here.load(Ordering::Acquire) {
        ("503 Service Unavailable", json!({"error_code": 50301, "message": "starting"}))
    } else if asked.contains("/schemas/ids/1?") || asked.contains(guid) {
        ("200 OK", json!({"schema": ORDER}))
    } else if asked.contains("/schemas/ids/2?") {
        ("200 OK", json!({"schema": MOVED, "schemaType": "PROTOBUF"}))
    } else if asked.contains("/schemas/ids/3?") {
        ("200 OK", json!({"schema": LINKED}))
    } else {
        ("404 Not Found", json!({"error_code": 40403, "message": "Schema not found"}))
    };
    let body = body.to_string();
    let length = body.len();
    let told = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    );
    drop(told);
}

fn order(buyer: &str) -> Vec<u8> {
    let value = Avro::Record(vec![
        ("buyer".to_owned(), Avro::String(buyer.to_owned())),
        ("at".to_owned(), Avro::TimestampMillis(1_700_000_000_000)),
        ("total".to_owned(), Avro::Decimal(Decimal::from(1_995_i16.to_be_bytes()))),
        ("coupon".to_owned(), Avro::Union(0, Box::new(Avro::Null))),
    ]);
    let schema = Schema::parse_str(ORDER).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// `Moved { customer_id: "eve", boxes: 7 }`, the second message of its schema.
const EVE: &[u8] = b"\x0a\x03eve\x10\x07";

fn sources() -> Vec<SourceConfig> {
    let place = |name: &str| Place::Field(vec![name.to_owned()]);
    vec![
        SourceConfig {
            customer: Some(place("buyer")),
            at: Some(place("at")),
            event: Some(Naming::Constant("Order Placed".to_owned())),
            ..source("avro.orders", SourceFormat::Avro)
        },
        SourceConfig {
            customer: Some(place("customer_id")),
            event: Some(Naming::Constant("Moved".to_owned())),
            ..source("proto.moves", SourceFormat::Protobuf)
        },
    ]
}

#[tokio::test]
async fn avro_and_protobuf_become_events_and_wait_while_the_registry_is_away() {
    let Some(broker) = broker::shared() else { return };
    let here = Arc::new(AtomicBool::new(false));
    let mut config = broker.config("schema", 2);
    config.registry =
        Some(RegistryConfig { addresses: vec![registry(here.clone())], login: Login::None });
    config.sources = sources();
    let (settings, names) = made(&config).await;
    for source in &config.sources {
        topic(&settings, &source.topic, 1).await;
    }
    let behind = |before: &[u8], message: &[u8]| [before, message].concat();
    let guid = [&[1][..], &[7; 16]].concat();
    let by_header: [(&str, &[u8]); 1] = [("__value_schema_id", &guid)];
    let orders = [
        (behind(&[0, 0, 0, 0, 1], &order("ada")), &[][..]),
        (behind(&guid, &order("bob")), &[]),
        (order("cay"), &by_header),
        (behind(&[0, 0, 0, 0, 9], &order("lost")), &[]),
        (behind(&[0, 0, 0, 0, 1], b"\xff"), &[]),
        (behind(&[0, 0, 0, 0, 3], &[2; 1_000]), &[]),
        (b"{}".to_vec(), &[]),
    ];
    let writer = Writer::new(&settings).unwrap();
    for (value, headers) in &orders {
        writer.write([outgoing("avro.orders", value, headers)]).unwrap();
    }
    let moved = behind(&[0, 0, 0, 0, 2, 2, 2], EVE);
    writer.write([outgoing("proto.moves", &moved, &[])]).unwrap();

    let messages = orders.len() + 1;
    let (settings, tally) = tokio::task::spawn_blocking(move || {
        let mut router = Router::join(&settings, 2, System::shared()).unwrap();
        let away = std::iter::repeat_with(|| router.step()).take(300).find_map(Result::err);
        let away = away.expect("nobody answers, and nobody says so").to_string();
        assert!(away.contains("schema registry") && away.contains("503"), "{away}");
        drop(router);
        here.store(true, Ordering::Release);
        let mut router = Router::join(&settings, 2, System::shared()).unwrap();
        let tally = routed(&mut router, messages);
        (settings, tally)
    })
    .await
    .unwrap();
    assert_eq!(tally, Tally { read: 8, written: 4, refused: 4, ignored: 0 });
    let mut events = all_of(&settings, &names.events, 2);
    events.sort_by(|left, right| left.key.cmp(&right.key));
    let told: Vec<Value> = events
        .iter()
        .map(|seen| serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap())
        .collect();
    let of = |at: usize, name: &str| told[at].get("with").and_then(|with| with.get(name)).cloned();
    assert_eq!(told.len(), 4, "{told:?}");
    for (at, customer) in ["ada", "bob", "cay", "eve"].iter().enumerate() {
        assert_eq!(told[at]["customer"], *customer);
    }
    assert_eq!((of(0, "total"), of(0, "coupon")), (Some(json!(19.95)), Some(Value::Null)));
    assert_eq!(told[0]["at"], "2023-11-14T22:13:20.000Z");
    assert_eq!((of(3, "boxes"), of(3, "done")), (Some(json!(7)), Some(json!(false))));
    let letters = all_of(&settings, &names.dead_letters, 2);
    let reasons: Vec<String> = letters
        .iter()
        .flat_map(|letter| &letter.headers)
        .filter(|(name, _)| name == "__connect.errors.exception.message")
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    let told =
        ["Schema not found", "Could not transform", "refers to itself", "begin with the number"];
    assert_eq!(reasons.len(), told.len(), "{reasons:?}");
    for (why, told) in reasons.iter().zip(told) {
        assert!(why.contains(told), "{reasons:?}");
    }
}

fn outgoing<'a>(
    topic: &'a str,
    value: &'a [u8],
    headers: &'a [(&'a str, &'a [u8])],
) -> Outgoing<'a> {
    Outgoing { topic, partition: 0, key: b"", value: Some(value), headers }
}
