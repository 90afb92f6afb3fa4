//! The corpus of bad events and bodies, each with the reason for which it is refused.

use super::*;

/// Bad events, each with its reason.
const BAD: &[(&str, &str)] = &[
    ("missing_customer", r#"{"type":"track","event":"E"}"#),
    ("missing_event", r#"{"type":"track","userId":"u"}"#),
    ("missing_event", r#"{"type":"track","userId":"u","event":""}"#),
    ("missing_event", r#"{"customer":"u"}"#),
    ("missing_event", r#"{"distinct_id":"u"}"#),
    ("bad_customer", r#"{"type":"track","userId":42,"event":"E"}"#),
    ("bad_customer", r#"{"type":"track","userId":["u"],"event":"E"}"#),
    ("bad_customer", r#"{"type":"track","userId":"u\u0000","event":"E"}"#),
    ("bad_customer", r#"{"type":"track","userId":"u\n","event":"E"}"#),
    ("bad_customer", "{\"userId\":\"u\u{7f}\",\"event\":\"E\"}"),
    ("bad_customer", "{\"userId\":\"u\u{85}\",\"event\":\"E\"}"),
    ("bad_id", r#"{"userId":"u","event":"E","messageId":7}"#),
    ("bad_id", r#"{"distinct_id":"u","event":"E","uuid":{}}"#),
    ("bad_name", r#"{"userId":"u","event":{"name":"E"}}"#),
    ("bad_timestamp", r#"{"userId":"u","event":"E","timestamp":"yesterday"}"#),
    ("bad_timestamp", r#"{"customer":"u","event":"E","at":-5}"#),
    ("bad_properties", r#"{"userId":"u","event":"E","properties":"a"}"#),
    ("bad_properties", r#"{"userId":"u","event":"E","properties":[1]}"#),
    ("bad_traits", r#"{"userId":"u","type":"identify","traits":7}"#),
    ("bad_traits", r#"{"userId":"u","type":"identify","traits":{"":1}}"#),
    ("bad_group", r#"{"userId":"u","type":"group"}"#),
    ("bad_group", r#"{"userId":"u","type":"group","groupId":3}"#),
    ("bad_broadcast", r#"{"userId":"u","event":"E","broadcast":true}"#),
    ("bad_broadcast", r#"{"event":"E","broadcast":"yes"}"#),
    ("unknown_type", r#"{"type":"purchase","userId":"u"}"#),
    ("unknown_type", r#"{"type":1,"userId":"u"}"#),
    ("not_an_object", "17"),
    ("not_an_object", "[]"),
    ("missing_customer", r#"{"type":"track","event":"E","userId":null,"anonymousId":""}"#),
    ("bad_timestamp", r#"{"userId":"u","event":"E","timestamp":"1969-12-31T23:59:59Z"}"#),
    ("bad_timestamp", r#"{"userId":"u","event":"E","timestamp":"0001-01-01T00:00:00Z"}"#),
    ("bad_timestamp", r#"{"userId":"u","event":"E","timestamp":"9999-12-31T23:59:59Z"}"#),
];

/// Bad events that are too long to be written down.
fn long_ones() -> Vec<(&'static str, String)> {
    let long = "x".repeat(256);
    let large = format!(
        r#"{{"userId":"u","event":"E","properties":{{"a":"{}"}}}}"#,
        "x".repeat(EVENT_BYTES_MAX)
    );
    let large_trait = format!(
        r#"{{"userId":"u","type":"identify","traits":{{"a":"{}"}}}}"#,
        "x".repeat(TRAIT_BYTES_MAX)
    );
    let traits = (0..=TRAITS_MAX).map(|i| format!("\"t{i}\":1")).collect::<Vec<_>>().join(",");
    let many_traits = format!(r#"{{"userId":"u","type":"identify","traits":{{{traits}}}}}"#);
    vec![
        ("bad_customer", format!(r#"{{"userId":"{long}","event":"E"}}"#)),
        ("bad_id", format!(r#"{{"userId":"u","event":"E","messageId":"{long}"}}"#)),
        ("bad_name", format!(r#"{{"userId":"u","event":"{long}"}}"#)),
        ("bad_traits", format!(r#"{{"userId":"u","type":"identify","traits":{{"{long}":1}}}}"#)),
        ("bad_traits", many_traits),
        ("bad_traits", large_trait),
        ("too_large", large),
    ]
}

#[test]
fn each_bad_event_has_its_reason_and_hurts_no_other() {
    let short = BAD.iter().map(|(reason, event)| (*reason, (*event).to_owned()));
    for (expected, event) in short.chain(long_ones()) {
        let good = r#"{"userId":"u","event":"Good"}"#;
        let bytes = format!("[{good},{event},{good}]");
        let body = Body::read(bytes.as_bytes(), None).unwrap();
        let refused: Vec<_> = body.refused().collect();
        let shown: String = event.chars().take(80).collect();
        assert_eq!(refused.len(), 1, "{shown}");
        assert_eq!(refused[0].refusal.reason.as_str(), expected, "{shown}");
        assert_eq!(
            (refused[0].refusal.item, refused[0].refusal.byte),
            (Some(1), Some(31)),
            "{shown}"
        );
        assert_eq!(refused[0].json, event, "{shown}");
        assert_eq!(body.good(), 2, "{shown}");
    }
}

#[test]
fn each_unreadable_body_has_its_reason() {
    let deep = format!(
        r#"{{"userId":"u","event":"E","properties":{}1{}}}"#,
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    );
    let many = format!("[{}{{}}]", r#"{"userId":"u","event":"E"},"#.repeat(EVENTS_MAX));
    let cases: &[(&str, &[u8])] = &[
        ("malformed_json", b""),
        ("malformed_json", b" \n "),
        ("malformed_json", b"{\"userId\":\"u\""),
        ("malformed_json", b"hello"),
        ("malformed_json", b"{\"userId\":\"\\ud800\",\"event\":\"E\"}"),
        ("malformed_json", b"{\"userId\":\"u\",\"event\":\"E\",\"properties\":{\"a\":NaN}}"),
        ("malformed_json", b"\xEF\xBB\xBF{\"userId\":\"u\"}"),
        ("malformed_json", b"{\"userId\":\"u\x00\",\"event\":\"E\"}"),
        ("malformed_json", b"{\"userId\":\"u\",\"event\":\"E\"} trailing"),
        ("not_utf8", b"{\"userId\":\"\xff\",\"event\":\"E\"}"),
        ("not_utf8", b"{\"userId\":\"\xc0\xaf\",\"event\":\"E\"}"),
        ("not_finite", b"{\"userId\":\"u\",\"event\":\"E\",\"properties\":{\"a\":1e400}}"),
        ("too_deep", deep.as_bytes()),
        ("too_many_events", many.as_bytes()),
        ("not_an_object", b"17"),
    ];
    for (expected, bytes) in cases {
        let refusal = Body::read(bytes, None).unwrap_err();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        assert_eq!(refusal.reason.as_str(), *expected, "{shown}");
    }
    let most = format!(
        "[{}{{\"userId\":\"u\",\"event\":\"E\"}}]",
        r#"{"userId":"u","event":"E"},"#.repeat(EVENTS_MAX - 1)
    );
    assert_eq!(Body::read(most.as_bytes(), None).unwrap().good(), EVENTS_MAX);
}
