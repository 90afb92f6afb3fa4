//! What real and hostile senders write, and what becomes of it.

mod decoding;
mod records;
mod refusals;
mod shapes;
mod strange;

use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::engine::input::Body as Input;
use crate::engine::names::Names;
use crate::engine::time::Timestamp;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn noon() -> Timestamp {
    at("2026-03-01T12:00:00Z")
}

/// A decoder that knows the given names, without a whole catalog.
fn decoder(properties: &[&str], events: &[&str], scores: &[&str]) -> (Decoder, Names) {
    let arcs = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
    let names = Names::new(&arcs(events), &[]);
    let decoder = Decoder::for_names(&arcs(properties), events.len(), &arcs(scores));
    (decoder, names)
}

/// Sends a body through arrival, log and decoder, and tells what comes out, a line for each event.
fn tell(body: &str, path_call: Option<Call>, properties: &[&str], events: &[&str]) -> String {
    let mut told = String::new();
    let mut read = match Body::read(body.as_bytes(), path_call) {
        Ok(read) => read,
        Err(refusal) => return format!("400 {}: {refusal}\n", refusal.reason.as_str()),
    };
    for refused in read.refused() {
        writeln!(told, "{}: {}", refused.refusal.reason.as_str(), refused.refusal).unwrap();
    }
    if 0 < read.not_for_us() {
        writeln!(told, "not for us: {}", read.not_for_us()).unwrap();
    }
    let encoded = read.encode(Arrival::live(noon()), 1, || "fresh".to_owned());
    let (mut decoder, mut names) = decoder(properties, events, &["churn"]);
    for accepted in &encoded.accepted {
        let record = Record::parse(&accepted.record).unwrap();
        let line = decoder
            .decode(&record, noon(), 1, &mut names, |decoded| {
                let subject = decoded.subject;
                (format!("{subject:?}"), show(&decoded.input(|_| None).body, properties))
            })
            .unwrap();
        let (subject, (name, mut line)) = line;
        let name = name.map(|slot| names.event_text(slot).to_owned());
        write!(told, "{subject} {}", name.unwrap_or_else(|| "-".to_owned())).unwrap();
        for (slot, value) in line.1 {
            write!(line.0, " {}={value:?}", names.trait_text(slot)).unwrap();
        }
        told.push_str(&line.0);
        told.push('\n');
    }
    told
}

type Shown = (
    Option<crate::engine::slot::EventSlot>,
    (String, Vec<(crate::engine::slot::TraitSlot, Option<crate::engine::value::Value>)>),
);

fn show(body: &Input<'_>, properties: &[&str]) -> Shown {
    let Input::Event(event) = body else { return (None, (format!(" {body:?}"), Vec::new())) };
    let mut line = format!(" id={} at={}", event.id, event.occurred_at);
    if event.view != crate::engine::input::View::Other {
        line.push_str(" view");
    }
    if event.reach != crate::engine::input::Reach::Live {
        write!(line, " {:?}", event.reach).unwrap();
    }
    for (index, name) in properties.iter().enumerate() {
        let value = event.property(crate::engine::slot::PropertySlot(index.try_into().unwrap()));
        if !value.is_missing() {
            write!(line, " {name}:{value:?}").unwrap();
        }
    }
    (event.name, (line, event.traits.to_vec()))
}

fn check(body: &str, expected: &str) {
    check_with(body, &[], &[], expected);
}

fn check_with(body: &str, properties: &[&str], events: &[&str], expected: &str) {
    let told = tell(body, None, properties, events);
    let trim =
        |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned();
    assert_eq!(trim(&told), trim(expected), "\n{told}");
}
