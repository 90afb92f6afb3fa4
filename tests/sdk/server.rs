//! The real door for events with nothing behind it: prints what each event means, a line of JSON
//! each. `tests/sdk/check.py` sends to it with real SDKs and compares.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use heedful::decode::{Decoder, Record, Subject};
use heedful::engine::input::{Body, Event, View};
use heedful::engine::names::Names;
use heedful::engine::slot::PropertySlot;
use heedful::engine::time::Timestamp;
use heedful::engine::value::{Value, ValueRef};
use heedful::ingest::{Ingest, Intake, Keys, Now};
use heedful::log;
use heedful::store::record::DeadLetter;
use serde_json::{Map, Value as Json, json};

/// Properties shown, those that the scripts send.
const SHOWN: [&str; 7] =
    ["revenue", "currency", "address.city", "name", "category", "previousId", "url"];

struct Printer(Mutex<(Decoder, Names)>);

impl Intake for Printer {
    fn shards(&self) -> u16 {
        1
    }

    async fn append(&self, groups: Vec<log::Group>) -> Result<(), log::Error> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in groups.into_iter().flat_map(|group| group.records) {
            println!("{}", tell(&mut tables, &bytes));
        }
        Ok(())
    }

    async fn deadletter(&self, letters: Vec<DeadLetter>) {
        for letter in letters {
            println!("{}", json!({ "refused": letter.reason, "detail": letter.detail }));
        }
    }
}

fn tell((decoder, names): &mut (Decoder, Names), bytes: &[u8]) -> Json {
    let told = Record::parse(bytes).and_then(|record| {
        let mut kept = None;
        let told = decoder.decode(&record, Timestamp::MAX, 0, names, |decoded| {
            let customer = match decoded.subject {
                Subject::Customer(customer) => Json::from(customer),
                Subject::Everyone => Json::Null,
            };
            let body = &decoded.input(|_| None).body;
            let Body::Event(event) = body else { return json!({ "customer": customer }) };
            kept = Some((event.name, event.traits.to_vec()));
            json!({
                "customer": customer,
                "id": event.id,
                "view": event.view == View::Page,
                "occurred_at": event.occurred_at.to_string(),
                "properties": properties(event),
            })
        })?;
        Ok((told, kept))
    });
    let (mut told, kept) = match told {
        Ok(told) => told,
        Err(refusal) => return json!({ "refused": refusal.to_string() }),
    };
    if let (Some(told), Some((name, traits))) = (told.as_object_mut(), kept) {
        told.insert("event".to_owned(), name.map(|name| names.event_text(name)).into());
        let traits: Map<String, Json> = traits
            .into_iter()
            .map(|(slot, value)| {
                (names.trait_text(slot).to_owned(), value.as_ref().map_or(Json::Null, to_json))
            })
            .collect();
        told.insert("traits".to_owned(), traits.into());
    }
    told
}

fn properties(event: &Event<'_>) -> Map<String, Json> {
    SHOWN
        .iter()
        .zip(0..)
        .map(|(name, slot)| (*name, event.property(PropertySlot(slot))))
        .filter(|(_, value)| *value != ValueRef::Missing)
        .map(|(name, value)| {
            (name.to_owned(), value.to_value().as_ref().map_or(Json::Null, to_json))
        })
        .collect()
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Num(number) => (*number).into(),
        Value::Str(text) => (**text).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(fields) => Json::Object(
            fields.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect(),
        ),
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "this program is a shell of its own")]
async fn main() -> std::io::Result<()> {
    let decoder = Decoder::for_names(&SHOWN.map(Arc::from), 0, &[]);
    let printer = Printer(Mutex::new((decoder, Names::default())));
    let now = Now::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    });
    let keys: Vec<String> = std::env::args().skip(1).collect();
    let keys = Keys::new(keys.iter().map(String::as_str));
    let router = Ingest::new(printer, keys, None, now).router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", json!({ "listening": listener.local_addr()?.to_string() }));
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}
