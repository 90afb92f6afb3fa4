//! What texts give their events, and what they do not.

use super::super::input::View;
use super::super::model::{Class, Scheme};
use super::super::testing::shop;
use super::super::time::Timestamp;
use super::*;

const TICKET: EventSlot = EventSlot(0);
const OTHER: EventSlot = EventSlot(1);
/// `subject`, `body`, `mood`, `mood.content`, `mood.upset`.
const PROPERTIES: usize = 5;

/// Every piece with an odd bucket speaks for the second class.
fn model() -> TextModel {
    let scheme = Scheme { bits: 8, chars: 1, words: 1 };
    let class = Class { name: "upset".into(), bias: 0.0, scale: 0.05 };
    let weights = (0..256).map(|bucket| if bucket % 2 == 0 { -90 } else { 90 }).collect();
    TextModel { scheme, classes: [class].into(), weights }
}

fn reader(asked: Asked, learned: Option<TextModel>) -> Reader {
    let slots = |slots: &[u16]| slots.iter().map(|slot| PropertySlot(*slot)).collect();
    Reader {
        name: "mood".into(),
        version: "1".into(),
        about: "Mood.".into(),
        classes: ["content".into(), "upset".into()].into(),
        reads: [Reads { event: TICKET, properties: slots(&[0, 1]) }].into(),
        sure: 0.6,
        length: Length { least: 3, most: 50 },
        reasons: 3,
        asked,
        learned,
        lesson: TextTerms {
            definition: "d".into(),
            text: "text".into(),
            label: "label".into(),
            said: [["0".into()].into(), ["1".into()].into()].into(),
            least: TextLeast { accuracy: 0.0, labels: 10, calibration_error_at_most: 1.0 },
        },
    }
}

fn everything() -> Asked {
    let chances = [(0, PropertySlot(3)), (1, PropertySlot(4))].into();
    Asked { likeliest: Some(PropertySlot(2)), chances }
}

fn readers(asked: Asked, learned: Option<TextModel>) -> Readers {
    Readers::new(vec![reader(asked, learned)], 2)
}

fn event<'e>(name: EventSlot, properties: &'e [Property<'e>], reach: Reach) -> Event<'e> {
    let occurred_at = Timestamp::from_millis(1);
    Event {
        id: "e",
        name: Some(name),
        view: View::Other,
        occurred_at,
        properties,
        traits: &[],
        reach,
    }
}

fn properties<'e>(subject: Property<'e>, body: Property<'e>) -> Vec<Property<'e>> {
    let mut all = vec![subject, body];
    all.resize(PROPERTIES, Property::Missing);
    all
}

#[test]
fn a_text_gives_its_event_chances_and_the_likeliest_class() {
    let readers = readers(everything(), Some(model()));
    let own = properties(Property::Str("broken!"), Property::Owned(Value::Str("不好".into())));
    let read = readers.read(&event(TICKET, &own, Reach::Live)).unwrap();
    let [Property::Num(content), Property::Num(upset)] = read[3..5] else { panic!("{read:?}") };
    assert!((content + upset - 1.0).abs() < 1e-9, "{read:?}");
    let named = match read[2] {
        Property::Str(name) => name,
        _ => "",
    };
    let wanted = if 0.6 <= upset {
        "upset"
    } else if 0.6 <= content {
        "content"
    } else {
        ""
    };
    assert_eq!(named, wanted);
    // Both texts, one after the other, are what was read.
    let whole = readers.find("mood").unwrap().judge("broken!\n不好").unwrap();
    assert_eq!(whole, [content, upset]);
    assert_ne!(whole, readers.find("mood").unwrap().judge("broken!").unwrap());
    assert_eq!(read[..2], own[..2]);
    // What comes after the fiftieth character is not read.
    let long = "a".repeat(50) + "不好不好";
    let judge = |text: &str| readers.find("mood").unwrap().judge(text);
    assert_eq!(judge(&long), judge(&"a".repeat(50)));
}

#[test]
fn what_cannot_or_need_not_be_read_is_left_alone() {
    let mood = readers(everything(), Some(model()));
    let text = properties(Property::Missing, Property::Str("broken!"));
    assert!(mood.read(&event(TICKET, &text, Reach::Historical)).is_some());
    assert_eq!(mood.read(&event(OTHER, &text, Reach::Live)), None);
    assert_eq!(mood.read(&event(TICKET, &text, Reach::Broadcast)), None);
    for body in [Property::Missing, Property::Num(7.0), Property::Str(" a  "), Property::Str("")] {
        let own = properties(Property::Missing, body);
        assert_eq!(mood.read(&event(TICKET, &own, Reach::Live)), None, "{own:?}");
    }
    assert_eq!(
        readers(Asked::default(), Some(model())).read(&event(TICKET, &text, Reach::Live)),
        None
    );
    assert_eq!(readers(everything(), None).read(&event(TICKET, &text, Reach::Live)), None);
    // What the sender says stays.
    let mut said = text.clone();
    said[4] = Property::Num(0.01);
    let read = mood.read(&event(TICKET, &said, Reach::Live)).unwrap();
    assert_eq!((&read[4], read[3] == Property::Missing), (&Property::Num(0.01), false));
}

#[test]
fn a_value_is_told_with_the_pieces_behind_it_and_only_with_those() {
    let mut catalog = shop().open();
    catalog.properties =
        ["subject", "body", "mood", "mood.content", "mood.upset"].map(Arc::from).into();
    let mood = readers(everything(), Some(model()));
    let own = properties(Property::Missing, Property::Str("broken bed"));
    let read = mood.read(&event(TICKET, &own, Reach::Live)).unwrap();
    let told = |slot: u16, properties: &[Property<'_>]| {
        let (what, told) = mood.told(&catalog, PropertySlot(slot), properties)?;
        let Value::Str(told) = told else { panic!("{told:?}") };
        Some((what.to_string(), told.to_string()))
    };
    let (what, upset) = told(4, &read).unwrap();
    assert_eq!(what, "pieces behind event.mood.upset");
    assert!(upset.contains("`broken` ") && upset.contains("`bed` "), "{upset}");
    // What speaks for one of two classes speaks against the other.
    let turned: String = told(3, &read)
        .unwrap()
        .1
        .chars()
        .map(|c| match c {
            '+' => '-',
            '-' => '+',
            other => other,
        })
        .collect();
    assert_eq!(turned, upset);
    assert_eq!(told(0, &read), None, "a plain property");
    let mut said = read.clone();
    said[4] = Property::Num(0.123);
    assert_eq!(told(4, &said), None, "said by the sender, not read from the text");
    assert_eq!(told(4, &read[2..]), None, "the text is no more at hand");
    let silent = readers(everything(), None);
    let (what, why) = silent.told(&catalog, PropertySlot(4), &own).unwrap();
    assert_eq!(&*what, "model `mood`");
    assert_eq!(why, Value::Str("may not speak: nothing good was learned yet".into()));
}

#[test]
fn events_without_a_text_cost_no_allocation() {
    let readers = readers(everything(), Some(model()));
    let own = properties(Property::Missing, Property::Missing);
    let (ticket, other) = (event(TICKET, &own, Reach::Live), event(OTHER, &own, Reach::Live));
    let counted = allocation_counter::measure(|| {
        assert!(readers.read(&ticket).is_none() && readers.read(&other).is_none());
    });
    assert_eq!(counted.count_total, 0);
}
