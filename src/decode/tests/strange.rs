//! Input of any kind whatever: nothing may panic, and what is taken must stay readable.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut body) = Body::read(&bytes, None) {
            body.encode(Arrival::live(noon()), 3, || "1".to_owned());
        }
        drop(Record::parse(&bytes));
        let versioned = [&[1], &bytes[..]].concat();
        drop(Record::parse(&versioned));
    }

    #[test]
    fn no_event_is_too_strange(parts in prop::collection::vec(member(), 0..8)) {
        let json = format!("{{{}}}", parts.join(","));
        // Inside, what arrival takes must be read back and decoded without a refusal.
        tell(&json, None, &["a", "a.b", "path", "url", "name"], &[]);
        let (mut decoder, mut names) = decoder(&["a"], &[], &[]);
        let arrival = (Arrival::replay(), 1);
        drop(decoder.decode_line(json.as_bytes(), arrival, String::new, &mut names, |_| ()));
    }
}

/// A member that some shape gives a meaning, with a value that may be of any kind.
fn member() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "userId",
        "anonymousId",
        "customer",
        "distinct_id",
        "event",
        "type",
        "properties",
        "with",
        "data",
        "traits",
        "context",
        "timestamp",
        "at",
        "sentAt",
        "messageId",
        "uuid",
        "id",
        "broadcast",
        "specversion",
        "subject",
        "groupId",
        "batch",
        "integrations",
        "$set",
        "$set_once",
        "name",
    ]);
    let value = prop::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1e300",
        r#""""#,
        r#""track""#,
        r#""page""#,
        r#""group""#,
        r#""$pageview""#,
        r#""$identify""#,
        r#""Score Updated""#,
        r#""2026-03-01T00:00:00Z""#,
        "[]",
        "{}",
        r#"{"a":{"b":[1,null]},"a":2}"#,
        r#"{"$set":{"x":"\u0041"},"path":"/p","distinct_id":"d"}"#,
        r#"[{"userId":"u","event":"E"}]"#,
        r#"{"model":"churn","score":1}"#,
        r#""\ud83d\ude00""#,
    ]);
    (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"))
}
