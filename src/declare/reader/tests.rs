//! Sets of files with models that read texts.

use crate::declare::render::{Drawing, render};
use crate::declare::{Loaded, Source, SourceKind, load, load_to_learn};
use crate::engine::catalog::Sending;
use crate::engine::fitted_text::{TextContent, TextQuality, TextRows};
use crate::engine::model::{Class, Scheme, TextModel};
use crate::engine::reading::{Length, TextLeast};

const MOOD: &str = "model: mood\ntype: text\nabout: Mood.\nreads: {Ticket: [subject, body], Chat: text}\n\
                    classes: {content: [1, good], upset: 0}\nsure: 0.7\n\
                    characters: {at_least: 4, at_most: 500}\n\
                    learn: {columns: {label: mood}, refuse_below: {accuracy: 0.7, labels: 20}}\n";

fn source(path: &str, text: &str, kind: SourceKind) -> Source {
    Source { path: path.into(), text: text.into(), kind }
}

/// The model, a trigger on tickets with a condition, and what was learned.
fn set(mood: &str, condition: &str, fitted: Option<&str>) -> Vec<Source> {
    let trigger = format!(
        "trigger: t\nkind: status\nabout: a\nowner: a@b.example\nwhen: {{event: Ticket}}\nif: {condition}\n\
         task: {{in: tasks, title: x}}\n"
    );
    let mut set = vec![
        source("mood.yaml", mood, SourceKind::Model),
        source("t.yaml", &trigger, SourceKind::Trigger),
    ];
    set.extend(fitted.map(|text| source("mood.model.json", text, SourceKind::Fitted)));
    set
}

fn loaded(set: &[Source]) -> Loaded {
    load(set, Sending::DryRun)
        .unwrap_or_else(|faults| panic!("\n{}", render(&faults, set, Drawing::Plain)))
}

fn faults(mood: &str, condition: &str) -> String {
    let set = set(mood, condition, None);
    let faults = load(&set, Sending::DryRun).map(|_| ()).expect_err(condition);
    render(&faults, &set, Drawing::Plain)
}

fn content(definition: &str) -> TextContent {
    let scheme = Scheme { bits: 8, chars: 1, words: 0 };
    let class = Class { name: "upset".into(), bias: 0.0, scale: 0.1 };
    TextContent {
        model: "mood".into(),
        definition: definition.into(),
        text: TextModel { scheme, classes: [class].into(), weights: vec![1; 256].into() },
        learned_from: TextRows { rows: 90, texts: 80, classes: [40, 50].into(), seed: 1 },
        quality: TextQuality {
            accuracy: (0.8, 0.75, 0.85),
            accuracy_of_commonest: 0.55,
            f1: 0.8,
            log_loss: 0.4,
            log_loss_of_rate: 0.69,
            calibration_error: 0.05,
        },
    }
}

#[test]
fn what_is_asked_of_a_text_becomes_properties_and_nothing_else_does() {
    let asked = "event.mood.upset > 0.7 && avg(\"Chat\", \"mood.content\", \"7d\") < 0.5";
    let loaded = loaded(&set(MOOD, asked, None));
    let catalog = &loaded.catalog;
    let mood = catalog.readers.find("mood").unwrap();
    let name = |slot: crate::engine::slot::PropertySlot| &*catalog.properties[slot.index()];
    let chances: Vec<_> =
        mood.asked.chances.iter().map(|(class, slot)| (*class, name(*slot))).collect();
    assert_eq!(chances, [(0, "mood.content"), (1, "mood.upset")]);
    assert_eq!(mood.asked.likeliest, None);
    let reads: Vec<Vec<&str>> = mood
        .reads
        .iter()
        .map(|own| own.properties.iter().map(|slot| name(*slot)).collect())
        .collect();
    assert_eq!(reads, [vec!["subject", "body"], vec!["text"]]);
    assert_eq!((mood.sure, mood.length), (0.7, Length { least: 4, most: 500 }));
    let lesson = &mood.lesson;
    assert_eq!((&*lesson.text, &*lesson.label), ("text", "mood"));
    assert_eq!(lesson.said.iter().map(|own| own.len()).collect::<Vec<_>>(), [2, 1]);
    let least = TextLeast { accuracy: 0.7, labels: 20, calibration_error_at_most: 1.0 };
    assert_eq!(lesson.least, least);
    assert!(catalog.scores.is_empty());
    let warned: Vec<_> = loaded.warnings.iter().map(|fault| fault.code).collect();
    assert_eq!(warned, ["W007"]);

    // Nobody asks: texts are not even looked for.
    let loaded = self::loaded(&set(MOOD, "event.total > 3", None));
    assert!(loaded.warnings.is_empty());
    assert!(loaded.catalog.readers.find("mood").unwrap().reads.is_empty());
    assert!(!loaded.catalog.properties.iter().any(|name| &**name == "body"));
}

#[test]
fn conditions_about_texts_are_checked() {
    for (condition, message, caret, help) in [
        ("event.mood.upst > 0.7", "no class `upst`", "event.mood.upst", "did you mean `upset`?"),
        ("event.mood == \"upst\"", "no class `upst`", "\"upst\"", "did you mean `upset`?"),
        ("event.mood in [\"upset\", \"sad\"]", "no class `sad`", "in", "known:"),
        ("event.mood.upset == \"high\"", "never holds", "==", ""),
        ("event.mood > 0.7", "a text is compared with a number", ">", ""),
        ("score.mood > 0.7", "reads texts and scores nobody", "score.mood", "event.mood"),
        (
            "avg(\"Order\", \"mood.upset\", \"7d\") > 0.7",
            "model `mood` reads no text of `Order`",
            "\"mood.upset\"",
            "known: `Ticket`, `Chat`",
        ),
        (
            "avg(\"Chat\", \"mood\", \"7d\") > 0.7",
            "a number is wanted here, `mood` is a text",
            "\"mood\"",
            "\"mood.upset\"",
        ),
        ("last(\"Chat\", \"mood.sad\") > 0.7", "no class `sad`", "\"mood.sad\"", "known:"),
        ("last(\"Chat\", \"mood\") == \"sad\"", "no class `sad`", "\"sad\"", "known:"),
        ("distinct(\"Shop\", \"mood\", \"7d\") > 1", "reads no text of `Shop`", "\"mood\"", ""),
    ] {
        let told = faults(MOOD, &format!("'{condition}'"));
        assert!(told.contains(message) && told.contains(help), "{condition}\n{told}");
        // The caret is as long as what it is about.
        let (_, told) = told.split_once("E0").unwrap();
        let carets = told.lines().find(|line| line.contains('^')).unwrap();
        let length = carets.chars().filter(|letter| *letter == '^').count();
        assert_eq!(length, caret.chars().count(), "{condition}\n{told}");
    }
}

#[test]
fn what_was_learned_is_taken_for_this_definition_only() {
    let asked = "event.mood.upset > 0.7";
    let hash = |mood: &str| {
        let loaded = loaded(&set(mood, asked, None));
        loaded.catalog.readers.find("mood").unwrap().lesson.definition.clone()
    };
    let fitted = content(&hash(MOOD)).to_text().unwrap();
    let loaded = loaded(&set(MOOD, asked, Some(&fitted)));
    assert_eq!(loaded.warnings, []);
    assert!(loaded.catalog.readers.find("mood").unwrap().learned.is_some());
    // Where texts lie and when a class is sure may change; what a class is may not.
    assert_eq!(hash(MOOD), hash(&MOOD.replace("sure: 0.7", "sure: 0.9").replace("body", "text")));
    for changed in
        [MOOD.replace("upset: 0", "upset: 2"), MOOD.replace("at_most: 500", "at_most: 50")]
    {
        let set = set(&changed, asked, Some(&fitted));
        let told = load(&set, Sending::DryRun).map(|_| ()).unwrap_err();
        assert_eq!(told[0].code, "E080");
        assert!(told[0].message.contains("learned for another definition"), "{}", told[0].message);
        // What is to be learned anew is not stopped by that.
        assert!(load_to_learn(&set, "mood").is_ok());
    }
    for broken in [fitted.replace("0.55", "0.56"), fitted.split_at(fitted.len() / 2).0.to_owned()] {
        let told = load(&set(MOOD, asked, Some(&broken)), Sending::DryRun).map(|_| ()).unwrap_err();
        assert_eq!(told[0].code, "E080");
    }
    let stricter = MOOD.replace("accuracy: 0.7", "accuracy: 0.9");
    let loaded = self::loaded(&set(&stricter, asked, Some(&fitted)));
    assert_eq!(loaded.warnings[0].code, "W006");
    assert!(loaded.catalog.readers.find("mood").unwrap().learned.is_none());
}
