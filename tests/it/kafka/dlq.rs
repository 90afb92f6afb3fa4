//! Refused messages are listed as they came, and go back where they came from.

use std::ops::ControlFlow;

use heedful::cluster::output::{DeadLetter, Message, Origin, Verdict};
use heedful::decode::shard_of;
use heedful::kafka::Error;
use heedful::kafka::reading::{Reader, Seen};
use heedful::kafka::settings::Settings;
use heedful::kafka::writer::Writer;

use super::broker;
use super::clients::made;
use super::doctor::folder;
use crate::cli::heedful;
use crate::service::looked;

/// Every message of a topic, in no order between partitions.
pub(super) fn all_of(settings: &Settings, topic: &str, partitions: u16) -> Vec<Seen> {
    let reader = Reader::new(settings).unwrap();
    // A broker that has just come back does not lead everything yet.
    let extents = looked(|| reader.extents(topic, partitions).ok()).unwrap();
    let mut all = Vec::new();
    reader
        .read(topic, &extents, |seen| -> Result<_, Error> {
            all.push(seen);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    all
}

fn letter(topic: &str, reason: &str, key: &str, value: &str) -> Message {
    let text = |text: &str| text.to_owned();
    DeadLetter {
        origin: Origin { topic: text(topic), partition: 0, offset: 7 },
        verdict: Verdict {
            at: text("2026-03-01T00:00:00.000Z"),
            stage: text("decode"),
            reason: text(reason),
            detail: text("what was wrong"),
            hint: text("what to do"),
        },
        message: Message {
            key: key.as_bytes().to_vec(),
            value: Some(value.as_bytes().to_vec()),
            headers: vec![(text("trace"), b"t1".to_vec())],
        },
    }
    .into_message()
}

#[tokio::test]
async fn refused_messages_are_seen_and_come_back() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("letters", 2);
    let (settings, names) = made(&config).await;
    let folder = folder(&config, "");
    let run = |words: &[&str]| heedful(folder.path(), words);
    assert_eq!(run(&["dlq", "list"]).out, "nothing was refused\n");

    let writer = Writer::new(&settings).unwrap();
    let ada = r#"{"customer":"ada"}"#;
    for letter in [
        letter("letters.events", "missing_event", "ada", ada),
        letter("letters.events", "malformed_json", "bob", "{"),
        letter("elsewhere", "missing_event", "ada", ada),
    ] {
        letter.lend(&names.dead_letters, 1, |message| writer.write([message])).unwrap();
    }
    let listed = run(&["dlq", "list"]).out;
    assert!(listed.contains("1/1  2026-03-01T00:00:00.000Z  malformed_json"), "{listed}");
    assert!(listed.contains("letters.events 0/7  what was wrong"), "{listed}");
    assert!(listed.contains("3 letters"), "{listed}");
    let only =
        ["dlq", "list", "--reason", "missing_event", "--from", "letters.events", "--limit", "1"];
    let listed = run(&only).out;
    assert!(listed.contains("1/0") && !listed.contains("elsewhere"), "{listed}");
    let shown = run(&["dlq", "show", "1/0"]).out;
    for part in
        ["hint      what to do", "key       ada", "header    trace: t1", "\"customer\": \"ada\""]
    {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert_eq!(run(&["dlq", "show", "1/9"]).code, 2);
    assert_eq!(run(&["dlq", "replay"]).code, 2);

    let dry = run(&["dlq", "replay", "--all", "--dry-run"]);
    assert!(dry.out.contains("2 letters would be written to `letters.events`"), "{}", dry.out);
    assert!(dry.out.contains("1 letter left: they came from `elsewhere`"), "{}", dry.out);
    assert_eq!(dry.code, 1);
    assert_eq!(all_of(&settings, &names.events, 2), []);

    let done = run(&["dlq", "replay", "--from", "letters.events", "--limit", "1"]);
    assert!(done.out.contains("1 letter written"), "{}{}", done.out, done.err);
    assert!(done.out.contains("1 letter left for another run"), "{}", done.out);
    let back = all_of(&settings, &names.events, 2);
    let [back] = back.as_slice() else { panic!("{back:?}") };
    assert_eq!(back.partition, shard_of("ada", 2));
    assert_eq!(
        (back.key.as_deref(), back.value.as_deref()),
        (Some(b"ada".as_slice()), Some(ada.as_bytes()))
    );
    let headers: Vec<_> = back.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(headers, ["trace", "heedful-replayed"]);

    let repaired = r#"{"customer":"bob","event":"Order"}"#;
    std::fs::write(folder.path().join("bob.json"), repaired).unwrap();
    let done = run(&["dlq", "replay", "1/1", "--value", "bob.json"]);
    assert!(done.out.contains("1 letter written"), "{}{}", done.out, done.err);
    let back = all_of(&settings, &names.events, 2);
    assert!(back.iter().any(|seen| seen.value.as_deref() == Some(repaired.as_bytes())), "{back:?}");
}
