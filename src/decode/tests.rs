//! What real and hostile senders write, and what becomes of it.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::{Answer, Body as Input, Delivery, Outcome};
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
                (format!("{subject:?}"), show(decoded.input(|_| false).body, properties))
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

fn show(body: Input<'_>, properties: &[&str]) -> Shown {
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

#[test]
fn segment_calls_become_events_and_traits() {
    check_with(
        r#"{"batch":[
          {"type":"identify","userId":"u1","traits":{"plan":"pro","seats":3,"old":null},"timestamp":"2026-03-01T11:59:00Z","messageId":"m1","context":{"traits":{"plan":"free","city":"Ghent"},"timezone":"Europe/Brussels"}},
          {"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":9.9,"items":[{"sku":"a"}],"address":{"city":"Ghent"},"gift":false},"messageId":"m2","timestamp":"2026-03-01T11:59:01Z","context":{"groupId":"acme","locale":"nl-BE","device":{"token":"t0"}}},
          {"type":"page","userId":"u1","category":"Docs","name":"Checkout","properties":{"url":"/c"},"messageId":"m3","timestamp":"2026-03-01T11:59:02Z"},
          {"type":"page","anonymousId":"a1","properties":{"path":"/pricing"},"messageId":"m4","timestamp":"2026-03-01T11:59:02Z"},
          {"type":"page","anonymousId":"a1","properties":{"path":"/other"},"messageId":"m5","timestamp":"2026-03-01T11:59:02Z"},
          {"type":"screen","userId":null,"anonymousId":"a1","name":"Home","messageId":"m6","timestamp":"2026-03-01T11:59:03Z"},
          {"type":"group","userId":"u1","groupId":"acme","traits":{"name":"Acme","employees":3},"messageId":"m7","timestamp":"2026-03-01T11:59:04Z"},
          {"type":"alias","userId":"u1","previousId":"a1","messageId":"m8","timestamp":"2026-03-01T11:59:05Z"}
        ],"writeKey":"WK1"}"#,
        &["revenue", "address.city", "gift", "url", "name", "category", "previousId", "missing"],
        &["Page: /pricing"],
        r#"
        Customer("u1") - id=m1 at=2026-03-01T11:59:00.000Z timezone=Some(Str("Europe/Brussels")) plan=Some(Str("pro")) city=Some(Str("Ghent")) seats=Some(Num(3.0)) old=None
        Customer("u1") Order Completed id=m2 at=2026-03-01T11:59:01.000Z revenue:Num(9.9) address.city:Str("Ghent") gift:Bool(false) locale=Some(Str("nl-BE")) push_token=Some(Str("t0")) account=Some(Str("acme"))
        Customer("u1") Page: Checkout id=m3 at=2026-03-01T11:59:02.000Z view url:Str("/c") name:Str("Checkout") category:Str("Docs")
        Customer("a1") Page: /pricing id=m4 at=2026-03-01T11:59:02.000Z view
        Customer("a1") Page: (unnamed) id=m5 at=2026-03-01T11:59:02.000Z view
        Customer("a1") Screen: Home id=m6 at=2026-03-01T11:59:03.000Z view name:Str("Home")
        Customer("u1") - id=m7 at=2026-03-01T11:59:04.000Z account=Some(Str("acme")) group=Some(Map([("employees", Num(3.0)), ("name", Str("Acme"))]))
        Customer("u1") Aliased id=m8 at=2026-03-01T11:59:05.000Z previousId:Str("a1")
        "#,
    );
}

#[test]
fn posthog_captures_become_events_and_traits() {
    check_with(
        r#"{"api_key":"phc","historical_migration":false,"batch":[
          {"event":"order completed","distinct_id":"u3","uuid":"01a1","timestamp":"2026-03-01T11:00:00Z","properties":{"revenue":1,"$set":{"plan":"pro"},"$set_once":{"source":"ad","plan":"free"},"$groups":{"team":"t","company":"acme"},"$browser":"Firefox"}},
          {"event":"$identify","distinct_id":"u3","uuid":"02","timestamp":"2026-03-01T11:00:01Z","properties":{"$set":{"email":"x@y.z"},"$set_once":{}}},
          {"event":"$groupidentify","distinct_id":"u3","uuid":"03","timestamp":"2026-03-01T11:00:02Z","properties":{"$group_type":"company","$group_key":"acme","$group_set":{"name":"Acme"}}},
          {"event":"$groupidentify","distinct_id":"$company_acme","uuid":"03b","properties":{"$group_type":"company","$group_key":"acme","$group_set":{"name":"Acme"}}},
          {"event":"$create_alias","distinct_id":"u3","uuid":"04","timestamp":"2026-03-01T11:00:03Z","properties":{"distinct_id":"u3","alias":"an3"}},
          {"event":"$pageview","uuid":"05","timestamp":"2026-03-01T11:00:04Z","properties":{"distinct_id":"u3","$current_url":"https://x.y/pricing","$pathname":"/pricing","$timezone":"Asia/Tokyo"}},
          {"event":"$screen","distinct_id":"u3","uuid":"06","timestamp":"2026-03-01T11:00:05Z","properties":{"$screen_name":"Cart"}}
        ]}"#,
        &["revenue", "browser", "url", "path", "previousId"],
        &["Page: /pricing"],
        r#"
        not for us: 1
        Customer("u3") order completed id=01a1 at=2026-03-01T11:00:00.000Z revenue:Num(1.0) browser:Str("Firefox") account=Some(Str("acme")) plan=Some(Str("pro")) source=Some(Str("ad"))
        Customer("u3") - id=02 at=2026-03-01T11:00:01.000Z email=Some(Str("x@y.z"))
        Customer("u3") - id=03 at=2026-03-01T11:00:02.000Z account=Some(Str("acme")) group=Some(Map([("name", Str("Acme"))]))
        Customer("u3") Aliased id=04 at=2026-03-01T11:00:03.000Z previousId:Str("an3")
        Customer("u3") Page: /pricing id=05 at=2026-03-01T11:00:04.000Z view url:Str("https://x.y/pricing") path:Str("/pricing") timezone=Some(Str("Asia/Tokyo"))
        Customer("u3") Screen: Cart id=06 at=2026-03-01T11:00:05.000Z view
        "#,
    );
}

#[test]
fn posthog_migrations_cause_nothing() {
    check(
        r#"{"api_key":"phc","historical_migration":true,"batch":[{"event":"e","distinct_id":"u","uuid":"1","timestamp":"2020-01-01T00:00:00Z"}]}"#,
        r#"Customer("u") e id=1 at=2020-01-01T00:00:00.000Z Historical"#,
    );
}

#[test]
fn cloud_events_name_their_customer_in_the_subject_or_the_data() {
    check_with(
        r#"[{"specversion":"1.0","id":"1","source":"/shop","type":"Order Placed","subject":"c1","time":"2026-03-01T11:00:00Z","data":{"total":5,"with":1}},
            {"specversion":"1.0","id":"2","source":"/shop","type":"Order Placed","data":{"user_id":"c2","total":6}},
            {"specversion":"1.0","id":"3","source":"/shop","type":"Order Placed","subject":"c1","data_base64":"AAA="},
            {"specversion":"1.0","id":"4","source":"/shop","type":"Order Placed","subject":"c1","data":"text"}]"#,
        &["total"],
        &[],
        r#"
        bad_properties: event 2 at byte 274: `data_base64` is not read: send the properties as JSON in `data`
        bad_properties: event 3 at byte 393: `data` must be an object
        Customer("c1") Order Placed id=/shop#1 at=2026-03-01T11:00:00.000Z total:Num(5.0)
        Customer("c2") Order Placed id=/shop#2 at=2026-03-01T12:00:00.000Z total:Num(6.0)
        "#,
    );
}

#[test]
fn attributes_in_headers_are_rewritten_around_the_data() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let attributes = |subject| Attributes {
        pairs: vec![
            pair("specversion", "1.0"),
            pair("id", "1"),
            pair("type", "Order Placed"),
            pair("subject", subject),
        ],
    };
    let json = structured(attributes("c\"\u{1}\\é"), b" {\"total\":5} ").unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        serde_json::json!({"specversion":"1.0","id":"1","type":"Order Placed","subject":"c\"\u{1}\\é","data":{"total":5}})
    );
    check(
        &structured(attributes("c1"), b"").unwrap(),
        r#"Customer("c1") Order Placed id=1 at=2026-03-01T12:00:00.000Z"#,
    );
    let broken = structured(attributes("c1"), b"{},\"subject\":\"other\"").unwrap_err();
    assert_eq!(broken.reason, Refused::MalformedJson);
}

#[test]
fn own_lines_are_short() {
    check_with(
        r#"{"customer":"c1","event":"Order Placed","at":"2026-03-01T11:00:00Z","with":{"total":5},"id":"1"}
           {"customer":"c1","event":"Seen","at":1772362800}
           {"customer":"c1","traits":{"plan":"pro"},"id":"2"}
           {"broadcast":true,"event":"Incident Opened","with":{"total":1},"id":"3"}
           {"userId":"c2","event":"E","messageId":"4","properties":{"total":2}}"#,
        &["total"],
        &[],
        r#"
        Customer("c1") Order Placed id=1 at=2026-03-01T11:00:00.000Z total:Num(5.0)
        Customer("c1") Seen id=fresh at=2026-03-01T11:00:00.000Z
        Customer("c1") - id=2 at=2026-03-01T12:00:00.000Z plan=Some(Str("pro"))
        Everyone Incident Opened id=3 at=2026-03-01T12:00:00.000Z Broadcast total:Num(1.0)
        Customer("c2") E id=4 at=2026-03-01T12:00:00.000Z total:Num(2.0)
        "#,
    );
}

#[test]
fn a_score_update_is_a_score_where_the_model_is_known() {
    check(
        r#"{"customer":"c1","event":"Score Updated","with":{"model":"churn","score":0.8},"id":"1"}
           {"userId":"c1","event":"Score Updated","properties":{"model":"other","score":0.8},"messageId":"2"}
           {"userId":"c1","event":"Score Updated","properties":{"model":"churn","score":"high"},"messageId":"3"}"#,
        r#"
        bad_score: event 2 at byte 209: `Score Updated` needs the properties `model` (a text) and `score` (a number)
        Customer("c1") - Score { id: "1", score: ScoreSlot(0), value: 0.8 }
        Customer("c1") Score Updated id=2 at=2026-03-01T12:00:00.000Z
        "#,
    );
}

#[test]
fn the_address_names_the_call_where_the_body_does_not() {
    let told =
        tell(r#"{"userId":"u","messageId":"1","name":"Home"}"#, Some(Call::Screen), &[], &[]);
    assert_eq!(told, "Customer(\"u\") Screen: Home id=1 at=2026-03-01T12:00:00.000Z view\n");
}

#[test]
fn events_for_others_are_left_alone() {
    let event = |integrations: &str| {
        format!(r#"{{"type":"track","userId":"u","event":"E","integrations":{integrations}}}"#)
    };
    for refused in [r#"{"All":false}"#, r#"{"Heedful":false}"#, r#"{"All":true,"heedful":false}"#] {
        check(&event(refused), "not for us: 1");
    }
    for taken in [
        r#"{}"#,
        r#"{"All":true}"#,
        r#"{"All":false,"Heedful":true}"#,
        r#"{"Other":false}"#,
        "null",
    ] {
        check(&event(taken), r#"Customer("u") E id=fresh at=2026-03-01T12:00:00.000Z"#);
    }
}

#[test]
fn a_wrong_clock_is_corrected_by_when_it_says_it_sent() {
    // The sender's clock is one hour slow; it sent two minutes after the event.
    check(
        r#"{"batch":[{"type":"track","userId":"u","event":"E","messageId":"1","timestamp":"2026-03-01T10:58:00Z"}],"sentAt":"2026-03-01T11:00:00Z"}"#,
        r#"Customer("u") E id=1 at=2026-03-01T11:58:00.000Z"#,
    );
    // A difference of seconds is the network's: the time stays as it was claimed.
    check(
        r#"{"batch":[{"type":"track","userId":"u","event":"E","messageId":"1","timestamp":"2026-03-01T11:00:00.123Z"}],"sentAt":"2026-03-01T11:59:56Z"}"#,
        r#"Customer("u") E id=1 at=2026-03-01T11:00:00.123Z"#,
    );
    // RudderStack stamps both on the event.
    check(
        r#"{"type":"track","userId":"u","event":"E","messageId":"1","originalTimestamp":"2026-03-01T13:58:00Z","sentAt":"2026-03-01T14:00:00Z"}"#,
        r#"Customer("u") E id=1 at=2026-03-01T11:58:00.000Z"#,
    );
    check(
        r#"{"api_key":"k","sent_at":"2026-03-01T11:00:00Z","batch":[{"distinct_id":"u","event":"E","uuid":"1","timestamp":"2026-03-01T10:58:00Z"}]}"#,
        r#"Customer("u") E id=1 at=2026-03-01T11:58:00.000Z"#,
    );
}

#[test]
fn the_future_counts_as_now() {
    for (claimed, ahead) in
        [("2026-03-01T12:04:00Z", 0), ("2026-03-01T12:06:00Z", 1), ("9990-01-01T00:00:00Z", 1)]
    {
        let body = format!(r#"{{"userId":"u","event":"E","timestamp":"{claimed}"}}"#);
        let mut body = Body::read(body.as_bytes(), None).unwrap();
        let encoded = body.encode(Arrival::live(noon()), 1, || "1".to_owned());
        let Record::Event(event) = Record::parse(&encoded.accepted[0].record).unwrap() else {
            panic!()
        };
        assert_eq!((event.occurred_at, encoded.ahead), (noon(), ahead), "{claimed}");
    }
}

#[test]
fn each_bad_event_has_its_reason_and_hurts_no_other() {
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
    let cases: &[(&str, String)] = &[
        ("missing_customer", r#"{"type":"track","event":"E"}"#.into()),
        (
            "missing_customer",
            r#"{"type":"track","event":"E","userId":null,"anonymousId":""}"#.into(),
        ),
        ("missing_event", r#"{"type":"track","userId":"u"}"#.into()),
        ("missing_event", r#"{"type":"track","userId":"u","event":""}"#.into()),
        ("missing_event", r#"{"customer":"u"}"#.into()),
        ("missing_event", r#"{"distinct_id":"u"}"#.into()),
        ("bad_customer", r#"{"type":"track","userId":42,"event":"E"}"#.into()),
        ("bad_customer", r#"{"type":"track","userId":["u"],"event":"E"}"#.into()),
        ("bad_customer", r#"{"type":"track","userId":"u\u0000","event":"E"}"#.into()),
        ("bad_customer", r#"{"type":"track","userId":"u\n","event":"E"}"#.into()),
        ("bad_customer", "{\"userId\":\"u\u{7f}\",\"event\":\"E\"}".into()),
        ("bad_customer", "{\"userId\":\"u\u{85}\",\"event\":\"E\"}".into()),
        ("bad_customer", format!(r#"{{"userId":"{long}","event":"E"}}"#)),
        ("bad_id", r#"{"userId":"u","event":"E","messageId":7}"#.into()),
        ("bad_id", format!(r#"{{"userId":"u","event":"E","messageId":"{long}"}}"#)),
        ("bad_id", r#"{"distinct_id":"u","event":"E","uuid":{}}"#.into()),
        ("bad_name", r#"{"userId":"u","event":{"name":"E"}}"#.into()),
        ("bad_name", format!(r#"{{"userId":"u","event":"{long}"}}"#)),
        ("bad_timestamp", r#"{"userId":"u","event":"E","timestamp":"yesterday"}"#.into()),
        (
            "bad_timestamp",
            r#"{"userId":"u","event":"E","timestamp":"1969-12-31T23:59:59Z"}"#.into(),
        ),
        (
            "bad_timestamp",
            r#"{"userId":"u","event":"E","timestamp":"0001-01-01T00:00:00Z"}"#.into(),
        ),
        (
            "bad_timestamp",
            r#"{"userId":"u","event":"E","timestamp":"9999-12-31T23:59:59Z"}"#.into(),
        ),
        ("bad_timestamp", r#"{"customer":"u","event":"E","at":-5}"#.into()),
        ("bad_properties", r#"{"userId":"u","event":"E","properties":"a"}"#.into()),
        ("bad_properties", r#"{"userId":"u","event":"E","properties":[1]}"#.into()),
        ("bad_traits", r#"{"userId":"u","type":"identify","traits":7}"#.into()),
        ("bad_traits", r#"{"userId":"u","type":"identify","traits":{"":1}}"#.into()),
        ("bad_traits", format!(r#"{{"userId":"u","type":"identify","traits":{{"{long}":1}}}}"#)),
        ("bad_traits", many_traits),
        ("bad_traits", large_trait),
        ("bad_group", r#"{"userId":"u","type":"group"}"#.into()),
        ("bad_group", r#"{"userId":"u","type":"group","groupId":3}"#.into()),
        ("bad_broadcast", r#"{"userId":"u","event":"E","broadcast":true}"#.into()),
        ("bad_broadcast", r#"{"event":"E","broadcast":"yes"}"#.into()),
        ("unknown_type", r#"{"type":"purchase","userId":"u"}"#.into()),
        ("unknown_type", r#"{"type":1,"userId":"u"}"#.into()),
        ("too_large", large),
        ("not_an_object", "17".into()),
        ("not_an_object", "[]".into()),
    ];
    for (expected, event) in cases {
        let good = r#"{"userId":"u","event":"Good"}"#;
        let bytes = format!("[{good},{event},{good}]");
        let body = Body::read(bytes.as_bytes(), None).unwrap();
        let refused: Vec<_> = body.refused().collect();
        let shown: String = event.chars().take(80).collect();
        assert_eq!(refused.len(), 1, "{shown}");
        assert_eq!(refused[0].refusal.reason.as_str(), *expected, "{shown}");
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

#[test]
fn the_last_of_equal_keys_wins_everywhere() {
    check_with(
        r#"{"userId":"no","userId":"u","event":"no","event":"E","messageId":"1","properties":{"a":9,"b":9},"properties":{"a":1,"a":2,"n":{"x":1,"y":2},"n":{"y":3}},"context":{"locale":"no"},"context":{}}"#,
        &["a", "b", "n.x", "n.y"],
        &[],
        r#"Customer("u") E id=1 at=2026-03-01T12:00:00.000Z a:Num(2.0) n.y:Num(3.0)"#,
    );
}

#[test]
fn keys_come_from_the_body() {
    let keys = |body: &str| {
        let body = Body::read(body.as_bytes(), None).unwrap();
        body.keys().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(r#"{"batch":[],"writeKey":"WK"}"#), "WK");
    assert_eq!(keys(r#"{"batch":[],"api_key":"phc"}"#), "phc");
    assert_eq!(keys(r#"{"event":"e","properties":{"token":"phc","distinct_id":"u"}}"#), "phc");
    assert_eq!(keys(r#"{"batch":[]}"#), "");
}

#[test]
fn every_record_is_read_back_as_it_was_written() {
    let outcome = |result| Record::Outcome {
        customer: "c",
        outcome: Outcome { decision: DecisionId::from_bytes([7; 16]), attempt: 3, result },
    };
    let preference = |preference| Record::Preference { customer: "c", preference };
    let event = EventRecord {
        subject: Subject::Customer("c"),
        id: "1",
        occurred_at: noon(),
        received_at: at("2026-03-01T12:00:01Z"),
        shape: Shape::PostHog,
        call: Call::Page,
        freshness: Freshness::Live,
        json: r#"{"a":"é"}"#,
    };
    let records = [
        Record::Event(event),
        Record::Event(EventRecord {
            subject: Subject::Everyone,
            freshness: Freshness::Historical,
            shape: Shape::Own,
            call: Call::Alias,
            ..event
        }),
        Record::Score(ScoreRecord { customer: "c", id: "1", model: "churn", value: 0.25 }),
        outcome(Delivery::Delivered),
        outcome(Delivery::Rejected { why: "no such mailbox".into() }),
        outcome(Delivery::Unknown { why: "timed out".into() }),
        outcome(Delivery::Expired),
        outcome(Delivery::Refused { reason: Reason::OptedOut }),
        preference(PreferenceRecord::Consent {
            purpose: Some("marketing"),
            channel: None,
            answer: Answer::Denied,
            source: "page",
        }),
        preference(PreferenceRecord::Consent {
            purpose: None,
            channel: Some("email"),
            answer: Answer::Granted,
            source: "",
        }),
        preference(PreferenceRecord::PauseUntil(Some(noon()))),
        preference(PreferenceRecord::PauseUntil(None)),
        preference(PreferenceRecord::PreferredChannel(Some("sms"))),
        preference(PreferenceRecord::PreferredChannel(None)),
        Record::Erasure { customer: "c" },
    ];
    for record in records {
        let bytes = record.to_bytes();
        assert_eq!(Record::parse(&bytes).as_ref(), Ok(&record));
        for cut in 0..bytes.len() {
            if let Ok(shorter) = Record::parse(&bytes[..cut]) {
                assert!(matches!(shorter, Record::Event(_)), "{shorter:?}");
            }
        }
    }
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let mut bytes = vec![1, 0xA3, 0x00, 0x04, 0x01, 0x61, b'c'];
    bytes.extend([0x18, 200, 0x63, b'n', b'e', b'w']);
    assert_eq!(Record::parse(&bytes), Ok(Record::Erasure { customer: "c" }));
    let mut nested = vec![1, 0xA3, 0x00, 0x04, 0x01, 0x61, b'c', 0x18, 200];
    nested.extend(vec![0x81; 100_000]);
    assert_eq!(Record::parse(&nested).unwrap_err().reason, Refused::BadRecord);
}

#[test]
fn a_record_written_by_the_first_version_stays_readable() {
    let bytes = b"\x01\xa7\x00\x00\x01\x62u1\x02\x62m1\x03\x1b\x00\x00\x01\x9c\xa9\x23\xfc\x00\x04\x1b\x00\x00\x01\x9c\xa9\x23\xff\xe8\x05\x00\x06\x00{}";
    let Record::Event(event) = Record::parse(bytes).unwrap() else { panic!() };
    assert_eq!(event.id, "m1");
    assert_eq!(event.subject, Subject::Customer("u1"));
    assert_eq!(event.json, "{}");
    assert_eq!(Record::Event(event).to_bytes(), &bytes[..]);
}

#[test]
fn customers_keep_their_shards() {
    let homes: Vec<_> = ["", "a", "u00040886", "客户"].iter().map(|id| shard_of(id, 8)).collect();
    assert_eq!(homes, [7, 4, 5, 3]);
    let mut counts = [0_u32; 8];
    for number in 0..80_000 {
        counts[usize::from(shard_of(&format!("u{number:08}"), 8))] += 1;
    }
    assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    assert_eq!(shard_of("a", 1), 0);
}

#[test]
fn a_replay_reads_a_line_in_one_go_and_believes_its_time() {
    let (mut decoder, mut names) = decoder(&["total"], &[], &[]);
    let mut read = |line: &str, arrival| {
        decoder.decode_line(
            line.as_bytes(),
            (arrival, 7),
            || "line-1".to_owned(),
            &mut names,
            |decoded| {
                let input = decoded.input(|_| false);
                let Input::Event(event) = &input.body else { panic!() };
                format!("{} {} {} {:?}", input.at, input.position, event.id, event.properties)
            },
        )
    };
    let line =
        r#"{"userId":"u","event":"E","timestamp":"2026-02-01T00:00:00Z","properties":{"total":1}}"#;
    assert_eq!(
        read(line, Arrival::replay()).unwrap().unwrap(),
        "2026-02-01T00:00:00.000Z 7 line-1 [Num(1.0)]"
    );
    assert_eq!(
        read(line, Arrival::live(noon())).unwrap().unwrap(),
        "2026-03-01T12:00:00.000Z 7 line-1 [Num(1.0)]"
    );
    let refused = |line, arrival| read(line, arrival).unwrap_err().reason;
    let mut refused = refused;
    assert_eq!(
        refused(r#"{"userId":"u","event":"E"}"#, Arrival::replay()),
        Refused::MissingTimestamp
    );
    assert_eq!(refused("{} {}", Arrival::replay()), Refused::MalformedJson);
    assert_eq!(refused("", Arrival::replay()), Refused::MalformedJson);
    assert_eq!(refused("[]", Arrival::replay()), Refused::NotAnObject);
}

#[test]
fn an_event_of_scalars_is_decoded_without_allocating() {
    let (mut decoder, mut names) = decoder(&["total", "sku", "gift"], &["E"], &[]);
    let line = br#"{"type":"track","messageId":"m1","userId":"u","event":"E","timestamp":"2026-03-01T12:00:00.000Z","properties":{"total":1.5,"sku":"SKU-1","gift":true,"other":[1,{"a":"b"}]},"context":{"ip":"10.0.0.1","locale":"de-DE","timezone":"Europe/Berlin"}}"#;
    let bytes = super::line(line, Arrival::live(noon()), 1, String::new).unwrap().unwrap().record;
    let mut run = || {
        let record = Record::parse(&bytes).unwrap();
        let logged = decoder.decode(&record, noon(), 1, &mut names, |decoded| {
            let Input::Event(event) = decoded.input(|_| false).body else { return 0 };
            event.traits.len() + event.properties.len()
        });
        assert_eq!(logged, Ok(5));
        let arrival = (Arrival::replay(), 1);
        let replayed = decoder.decode_line(line, arrival, String::new, &mut names, |_| ());
        assert_eq!(replayed, Ok(Some(())));
    };
    run();
    let counted = allocation_counter::measure(|| (0..10).for_each(|_| run()));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn traits_to_be_set_once_are_left_out_where_they_are_known() {
    let (mut decoder, mut names) = decoder(&[], &[], &[]);
    let known = names.trait_("known").unwrap();
    let line = r#"{"distinct_id":"u","event":"E","timestamp":"2026-02-01T00:00:00Z","$set_once":{"new":1,"known":2}}"#;
    let set = decoder
        .decode_line(line.as_bytes(), (Arrival::replay(), 0), String::new, &mut names, |decoded| {
            let Input::Event(event) = decoded.input(|slot| slot == known).body else { panic!() };
            event.traits.to_vec()
        })
        .unwrap()
        .unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(names.trait_text(set[0].0), "new");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(mut body) = Body::read(&bytes, None) {
            body.encode(Arrival::live(noon()), 3, || "1".to_owned());
        }
        let _ = Record::parse(&bytes).is_ok();
        let versioned = [&[1], &bytes[..]].concat();
        let _ = Record::parse(&versioned).is_ok();
    }

    #[test]
    fn no_event_is_too_strange(parts in prop::collection::vec(member(), 0..8)) {
        let json = format!("{{{}}}", parts.join(","));
        // Inside, what arrival takes must be read back and decoded without a refusal.
        tell(&json, None, &["a", "a.b", "path", "url", "name"], &[]);
        let (mut decoder, mut names) = decoder(&["a"], &[], &[]);
        let arrival = (Arrival::replay(), 1);
        let _ = decoder.decode_line(json.as_bytes(), arrival, String::new, &mut names, |_| ()).is_ok();
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
