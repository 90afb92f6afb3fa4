//! Lessons of labelled texts.

use crate::declare::{Source, SourceKind, load_to_learn};
use crate::engine::catalog::Catalog;
use crate::engine::reading::Reader;

use super::card::card;
use super::*;

fn catalog(classes: &str, least: &str) -> Catalog {
    let text = format!(
        "model: mood\ntype: text\nabout: Mood.\nreads: {{Ticket: body}}\nclasses: {classes}\n\
         characters: {{at_least: 2}}\nlearn: {{refuse_below: {least}}}\n"
    );
    let source = Source { path: "m.yaml".into(), text: text.into(), kind: SourceKind::Model };
    load_to_learn(&[source], "mood").map_err(|faults| format!("{faults:?}")).unwrap().catalog
}

fn usual() -> Catalog {
    catalog("[content, upset]", "{labels: 20}")
}

/// Texts with a word or two that tell, among others that do not.
fn rows(count: usize, seed: u64) -> Vec<(String, &'static str)> {
    const UPSET: [&str; 5] = ["broken", "angry", "太差", "never", "refund"];
    const CONTENT: [&str; 5] = ["thanks", "lovely", "很好", "quick", "please"];
    const PLAIN: [&str; 8] = ["parcel", "the", "订单", "today", "it", "came", "again", "my"];
    let mut random = fastrand::Rng::with_seed(seed);
    let row = |place: usize| {
        let (label, words) = [("content", CONTENT), ("upset", UPSET)][place % 2];
        let mut text: Vec<&str> = (0..6).map(|_| PLAIN[random.usize(..8)]).collect();
        let told = if random.u8(..10) == 0 { [CONTENT, UPSET][random.usize(..2)] } else { words };
        text.insert(random.usize(..6), told[random.usize(..5)]);
        text.push(told[random.usize(..5)]);
        (text.join(" "), label)
    };
    (0..count).map(row).collect()
}

fn gathered<'r>(
    reader: &'r Reader,
    rows: impl IntoIterator<Item = &'r (String, &'static str)>,
) -> Labelled {
    let mut gathering = Gathering::new(reader);
    rows.into_iter().for_each(|(text, label)| gathering.add(text, label));
    gathering.settle().unwrap()
}

fn lesson(catalog: &Catalog, rows: &[(String, &'static str)]) -> Result<TextLesson, TextRefusal> {
    let reader = catalog.readers.find("mood").unwrap();
    let wish = TextWish { seed: 1, trusted: Vec::new() };
    let labelled = {
        let mut gathering = Gathering::new(reader);
        rows.iter().for_each(|(text, label)| gathering.add(text, label));
        let known = Vec::new();
        gathering.settle().map_err(|labels| TextRefusal::Strange { labels, known })?
    };
    learn(reader, &labelled, &wish, &mut |_| ())
}

#[test]
fn what_tells_is_learned_and_the_order_of_rows_does_not_show() {
    let catalog = usual();
    let mut rows = rows(300, 7);
    let one = lesson(&catalog, &rows).unwrap();
    let judgement = &one.judgement;
    assert!((0.85..0.99).contains(&judgement.accuracy.value), "{:?}", judgement.accuracy);
    assert!(judgement.calibration_error.value < 0.1, "{:?}", judgement.calibration_error);
    assert!(judgement.accuracy.low < judgement.accuracy.value);
    assert!(0.9 < judgement.auc.unwrap().value);
    let text = one.content.to_text().unwrap();
    rows.reverse();
    let other = lesson(&catalog, &rows).unwrap();
    assert!(other.content.to_text().unwrap() == text);
    let reader = catalog.readers.find("mood").unwrap();
    let told = card(&one, reader, "h");
    assert_eq!(card(&other, reader, "h"), told);
    for part in ["| rows | 300 (150 `content`, 150 `upset`) |", "| accuracy |", "must not be used"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    // Few texts make a small file.
    assert!(text.len() < 100_000, "{}", text.len());
    // What says one class in what was learned is what is served.
    let mut grams = crate::engine::model::Grams::default();
    let of = |text: &str, grams: &mut _| one.content.text.chance(text, grams);
    assert!(0.8 < of("my parcel came broken, angry", &mut grams));
    assert!(of("lovely, thanks", &mut grams) < 0.2);
}

#[test]
fn several_classes_are_learned_and_each_is_told() {
    let catalog = catalog("{content: content, upset: [upset, angry], other: 9}", "{labels: 20}");
    let mut rows = rows(200, 3);
    let bill = |at: usize| ["invoice", "bill", "发票"][at % 3];
    let other =
        (0..100).map(|at| (format!("my {} {}", bill(at), "it came ".repeat(at / 3 + 1)), "9"));
    rows.extend(other);
    let lesson = lesson(&catalog, &rows).unwrap();
    assert_eq!(lesson.content.text.classes.len(), 3);
    assert_eq!(lesson.judgement.auc, None);
    let classes: Vec<usize> = lesson.judgement.classes.iter().map(|told| told.rows).collect();
    assert_eq!(classes, [100, 100, 100]);
    assert!(0.95 < lesson.judgement.classes[2].f1);
    assert!(0.8 < lesson.judgement.accuracy.value);
    assert!(lesson.judgement.calibration_error.value < 0.1);
    assert!(!lesson.judgement.confused.is_empty());
}

#[test]
fn texts_that_say_the_same_never_teach_and_judge() {
    // Labels by chance, each text three times in other letters: who learned one would know the rest.
    let mut random = fastrand::Rng::with_seed(5);
    let mut rows = Vec::new();
    for _ in 0..120 {
        let word =
            |random: &mut fastrand::Rng| -> String { (0..6).map(|_| random.lowercase()).collect() };
        let text = [word(&mut random), word(&mut random), word(&mut random)].join(" ");
        let label = if random.bool() { "upset" } else { "content" };
        rows.extend([
            (format!("{text} 12"), label),
            (text.to_uppercase() + " 7!", label),
            (text.replace(' ', "  ") + "３。", label),
        ]);
    }
    let catalog = usual();
    let labelled = gathered(catalog.readers.find("mood").unwrap(), &rows);
    assert_eq!(labelled.groups.last(), Some(&119));
    assert_eq!((labelled.passed.repeated, labelled.passed.contradicted), (240, 0));
    let wrong = lesson(&catalog, &rows).map(|_| ()).unwrap_err();
    let TextRefusal::NotGoodEnough { misses } = wrong else { panic!("{wrong}") };
    assert!(misses[0].contains("log-loss"), "{misses:?}");
}

#[test]
fn what_cannot_be_learned_is_refused_with_why() {
    let catalog = usual();
    let refused = |rows: &[(String, &'static str)]| lesson(&catalog, rows).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[]), TextRefusal::Nothing { rows: 0, short: 0, unlabelled: 0 });
    let odd = [("x".to_owned(), "upset"), ("fine".to_owned(), " ")];
    assert_eq!(refused(&odd), TextRefusal::Nothing { rows: 2, short: 1, unlabelled: 1 });
    let mut own = rows(100, 1);
    let upset: Vec<_> = own.iter().filter(|row| row.1 == "upset").cloned().collect();
    assert_eq!(refused(&upset), TextRefusal::OneClass { class: "upset".into() });
    own.push(("who knows".into(), "usept"));
    let strange = refused(&own);
    assert_eq!(strange.to_string(), "the label `usept` is none of the model's");
    own.pop();
    // Of repeated texts only one counts.
    let few: Vec<_> = own
        .iter()
        .filter(|row| row.1 == "content")
        .cloned()
        .chain(std::iter::repeat_n(("so broken".to_owned(), "upset"), 90))
        .collect();
    assert_eq!(refused(&few), TextRefusal::TooFew { class: "upset".into(), have: 1, need: 20 });
    // A label in the text.
    let leaky: Vec<_> = own
        .iter()
        .map(|(text, label)| {
            (if *label == "upset" { format!("[neg] {text}") } else { text.clone() }, *label)
        })
        .collect();
    let TextRefusal::Leak { piece, class } = refused(&leaky) else { panic!() };
    assert_eq!(&*class, "upset");
    let reader = catalog.readers.find("mood").unwrap();
    let labelled = gathered(reader, &leaky);
    let mut trusted = vec![piece.to_string()];
    // Each piece of it has to be named: none is passed over in silence.
    let learned = loop {
        match learn(reader, &labelled, &TextWish { seed: 1, trusted: trusted.clone() }, &mut |_| ())
        {
            Err(TextRefusal::Leak { piece, .. }) => trusted.push(piece.to_string()),
            other => break other,
        }
    };
    assert!(1 < trusted.len() && trusted.iter().any(|piece| piece == "neg"), "{trusted:?}");
    assert!(0.99 < learned.unwrap().judgement.accuracy.value);
    let strict = self::catalog("[content, upset]", "{labels: 20, accuracy: 0.995}");
    let wrong = lesson(&strict, &own).map(|_| ()).unwrap_err().to_string();
    assert!(wrong.contains("accuracy 0.") && wrong.contains("0.995 is the least"), "{wrong}");
}
