//! Whatever stands in a file, the answer is a catalog or faults, never a panic or an overflow.

use std::fs;

use proptest::prelude::*;

use super::render::{Drawing, render};
use super::*;
use crate::engine::catalog::Sending;

fn trigger(text: &str) -> Vec<Source> {
    vec![Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger }]
}

/// The faults of a text that cannot be a trigger, drawn as well: drawing must hold too.
fn faults(text: &str) -> Vec<String> {
    let sources = trigger(text);
    let faults = load(&sources, Sending::DryRun).expect_err("this cannot load");
    let _ = render(&faults, &sources, Drawing::Colours);
    faults.iter().map(|fault| fault.message.clone()).collect()
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        for depth in [30, 2_000, 50_000] {
            let text = format!("trigger: {}x{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(faults(&text).len(), 1, "{open} {depth}");
            let text = format!("{}x{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(faults(&text).len(), 1, "{open} {depth}");
        }
    }
    let steps: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(faults(steps.get(..200_000).unwrap()).len(), 1);
}

#[test]
fn aliases_cannot_multiply() {
    let text = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    let message = "anchors (`&`), aliases (`*`) and merges (`<<`) are not part of this format";
    assert_eq!(faults(text), [message]);
}

#[test]
fn size_is_bounded() {
    let text = format!("about: {}", "x".repeat(300_000));
    assert_eq!(faults(&text), ["the file has 300007 bytes; at most 262144 are read"]);
    let many = format!("trigger: [{}]", "a,".repeat(100_000));
    assert_eq!(faults(&many), ["the file is too large for what it declares"]);
    let sources: Vec<Source> = (0..10_001).flat_map(|_| trigger("a")).collect();
    let faults = load(&sources, Sending::DryRun).unwrap_err();
    assert_eq!(faults[0].message, "there are 10001 files; at most 10000 are read");
}

#[test]
fn texts_that_would_fill_memory_or_stack_are_faults() {
    let doubling: String =
        (0..40).map(|n| format!("{{% set a{} = a{n} ~ a{n} %}}", n + 1)).collect();
    let nested = "{% for a in customer.all %}".repeat(1_000);
    let bombs = [
        format!("{{% set a0 = 1 %}}{doubling}"),
        nested + &"{% endfor %}".repeat(1_000),
        format!("{{{{ {}1 }}}}", "not ".repeat(10_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(4_000)),
        "{{ \"x\" * 1000000000 }}".to_owned(),
    ];
    for bomb in bombs {
        let text = format!(
            "trigger: t\nkind: behavior\nabout: a\nowner: o@x.example\nwhen: {{event: E}}\nsend:\n  \
             purpose: service\n  via: email\n  message:\n    en: {{subject: a, body: '{bomb}'}}\n"
        );
        let faults = faults(&text);
        let told = faults.iter().any(|fault| fault.contains("this text cannot be rendered"));
        assert!(told, "{}: {faults:?}", bomb.get(..60).unwrap_or(&bomb));
    }
}

#[test]
fn strange_letters_are_refused_or_kept() {
    for text in
        ["\u{0}", "a: \u{1}", "\u{feff}", "a: \u{2028}b", "\r\r\r", "a: \"\\u0000\"", "\u{85}"]
    {
        assert!(!faults(text).is_empty(), "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_fault() {
    let text = fs::read_to_string("triggers/vip-churn-risk.yaml").unwrap();
    let model = fs::read_to_string("models/churn.yaml").unwrap().replace("until_then", "# until");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let model = Source { path: "m.yaml".into(), text: model.into(), kind: SourceKind::Model };
    let load_with = |text: &str| {
        let mut sources = trigger(text);
        sources.push(model.clone());
        load(&sources, Sending::DryRun)
    };
    assert!(load_with(&windows).is_ok());
    let faults = load_with(&windows.replace("rises_above", "rise_above")).unwrap_err();
    assert_eq!((faults[0].place.line, faults[0].place.column), (9, 3));
}

/// Our own files, cut and pasted.
fn mangled() -> impl Strategy<Value = String> {
    let texts: Vec<String> = ["checkout-hesitation", "shipment-delayed", "trial-tips", "policy"]
        .iter()
        .map(|name| fs::read_to_string(format!("triggers/{name}.yaml")).unwrap())
        .collect();
    let edit =
        (any::<prop::sample::Index>(), 0..40_usize, "[ -~\n]{0,6}|[:{}\\[\\]'\"|>&*!%@`-]{1,4}");
    (prop::sample::select(texts), prop::collection::vec(edit, 1..6)).prop_map(|(text, edits)| {
        let mut letters: Vec<char> = text.chars().collect();
        for (index, cut, paste) in edits {
            let at = index.index(letters.len() + 1);
            let end = (at + cut).min(letters.len());
            letters.splice(at..end, paste.chars());
        }
        letters.into_iter().collect()
    })
}

fn check_any(text: &str, kind: SourceKind) {
    let sources = [Source { path: "t.yaml".into(), text: text.into(), kind }];
    if let Err(faults) = load(&sources, Sending::DryRun) {
        assert!(!faults.is_empty());
        for fault in &faults {
            assert!(fault.extent.start <= fault.extent.end, "{fault:?}");
            assert!(fault.extent.end as usize <= text.len() + 1, "{fault:?}");
        }
        let drawn = render(&faults, &sources, Drawing::Plain);
        assert!(!drawn.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        for kind in [SourceKind::Trigger, SourceKind::Policy, SourceKind::Model] {
            check_any(&text, kind);
        }
    }

    #[test]
    fn any_mangled_file_is_answered(text in mangled()) {
        for kind in [SourceKind::Trigger, SourceKind::Policy, SourceKind::Model] {
            check_any(&text, kind);
        }
    }
}
