//! The decoder itself: what it keeps, what it leaves out, what it costs.

use super::*;
use crate::engine::input::Reach;
use crate::engine::value::Value;

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
fn a_replay_reads_a_line_in_one_go_and_believes_its_time() {
    let (mut decoder, mut names) = decoder(&["total"], &[], &[]);
    let mut read = |line: &str, arrival| {
        decoder.decode_line(
            line.as_bytes(),
            (arrival, 7),
            || "line-1".to_owned(),
            &mut names,
            |decoded| {
                let input = decoded.input(|_| None);
                let Input::Event(event) = &&input.body else { panic!() };
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
fn a_call_made_while_the_customer_was_away_says_so() {
    let (mut decoder, mut names) = decoder(&[], &[], &[]);
    let mut reach = |context: &str, arrival| {
        let line = format!(
            r#"{{"userId":"u","event":"E","messageId":"","timestamp":"2026-02-01T00:00:00Z"{context}}}"#
        );
        let fresh = || "fresh".to_owned();
        let decoded = decoder.decode_line(line.as_bytes(), (arrival, 1), fresh, &mut names, |d| {
            let Input::Event(event) = &d.input(|_| None).body else { panic!() };
            (event.reach, event.id.to_owned())
        });
        let (reach, id) = decoded.unwrap().unwrap();
        assert_eq!(id, "fresh", "an empty id is none");
        reach
    };
    let away = r#","context":{"active":false}"#;
    assert_eq!(reach(away, Arrival::live(noon())), Reach::Background);
    assert_eq!(reach(away, Arrival::replay()), Reach::Background);
    assert_eq!(reach(away, Arrival::historical(noon())), Reach::Historical);
    for there in ["", r#","context":{"active":true}"#, r#","context":{"active":null}"#] {
        assert_eq!(reach(there, Arrival::live(noon())), Reach::Live, "{there}");
    }
}

#[test]
fn an_event_of_scalars_is_decoded_without_allocating() {
    let (mut decoder, mut names) = decoder(&["total", "sku", "gift"], &["E"], &[]);
    let line = br#"{"type":"track","messageId":"m1","userId":"u","event":"E","timestamp":"2026-03-01T12:00:00.000Z","properties":{"total":1.5,"sku":"SKU-1","gift":true,"other":[1,{"a":"b"}]},"context":{"ip":"10.0.0.1","locale":"de-DE","timezone":"Europe/Berlin"}}"#;
    let bytes = super::line(line, Arrival::live(noon()), 1, String::new).unwrap().unwrap().record;
    let mut run = || {
        let record = Record::parse(&bytes).unwrap();
        let logged = decoder.decode(&record, noon(), 1, &mut names, |decoded| {
            let Input::Event(event) = &decoded.input(|_| None).body else { return 0 };
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
            let input = decoded.input(|slot| (slot == known).then_some(&Value::Bool(true)));
            let Input::Event(event) = &input.body else { panic!() };
            event.traits.to_vec()
        })
        .unwrap()
        .unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(names.trait_text(set[0].0), "new");
}

#[test]
fn texts_that_are_known_already_are_left_out() {
    let (mut decoder, mut names) = decoder(&[], &[], &[]);
    let locale = names.trait_("locale").unwrap();
    let known = Value::Str("de-DE".into());
    let mut set_by = |context: &str| {
        let line = format!(
            r#"{{"userId":"u","event":"E","timestamp":"2026-02-01T00:00:00Z","context":{context}}}"#
        );
        let arrival = (Arrival::replay(), 0);
        let set =
            decoder.decode_line(line.as_bytes(), arrival, String::new, &mut names, |decoded| {
                let input = decoded.input(|slot| (slot == locale).then_some(&known));
                let Input::Event(event) = &input.body else { panic!() };
                event.traits.to_vec()
            });
        set.unwrap().unwrap()
    };
    let set = |text: &str| vec![(locale, Some(Value::Str(text.into())))];
    assert_eq!(set_by(r#"{"locale":"de-DE"}"#), []);
    assert_eq!(set_by(r#"{"locale":"fr-FR"}"#), set("fr-FR"));
    assert_eq!(set_by(r#"{"locale":"de-DE","traits":{"locale":"it"}}"#), set("it"));
    assert_eq!(set_by(r#"{"locale":"fr-FR","traits":{"locale":"de-DE"}}"#), set("de-DE"));
}
