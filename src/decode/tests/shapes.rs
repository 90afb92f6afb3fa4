//! What each shape means, from the body of a request to the input of the engine.

use super::*;

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
          {"event":"order completed","distinct_id":"u3","uuid":"01a1","timestamp":"2026-03-01T11:00:00Z","properties":{"revenue":1,"$set":{"plan":"pro"},"$set_once":{"source":"ad","plan":"free"},"$groups":{"team":"t","company":"acme"},"browser":"mine","$browser":"Firefox"}},
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
        Customer("u3") order completed id=01a1 at=2026-03-01T11:00:00.000Z revenue:Num(1.0) browser:Str("mine") account=Some(Str("acme")) plan=Some(Str("pro")) source=Some(Str("ad"))
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
