//! Conditions as people write them, right and wrong; ours against the parser's own evaluator; and
//! whatever else may stand in a file.

use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::declare::fault::{Fault, Text};
use crate::declare::symbols::KnownScore;

mod differential;

fn known_scores() -> Symbols {
    let mut symbols = Symbols::default();
    let bands = vec!["healthy".into(), "at_risk".into()];
    symbols.scores.push(KnownScore { name: "health".into(), bands, days: 28 });
    let bands = vec!["low".into(), "high".into()];
    symbols.scores.push(KnownScore { name: "churn".into(), bands, days: 28 });
    symbols
}

fn compiled(
    text: &str,
    sight: Sight,
    symbols: &mut Symbols,
) -> Result<Condition, Box<(Fault, Text)>> {
    let source = Text::new("t.yaml".into(), text.into());
    let mut list = Vec::new();
    let extent = Extent { start: 0, end: u32::try_from(text.len()).unwrap() };
    let line = Line(Embedded::new(text, extent, text));
    let mut faults = Faults { text: &source, list: &mut list };
    match condition(&line, sight, symbols, &mut faults) {
        Some(condition) => {
            assert!(list.is_empty(), "{text}: compiles, with faults: {list:?}");
            Ok(condition)
        }
        None => {
            let fault = list.into_iter().next().expect("a reason why it does not compile");
            Err(Box::new((fault, source)))
        }
    }
}

/// Each line that is not indented is a condition; below it stands what becomes of it. After a
/// wanted change: `UPDATE_EXPECTED=1`, and read the difference.
#[test]
fn each_condition_becomes_what_stands_below_it() {
    let path = "tests/declare/conditions.txt";
    let expected = fs::read_to_string(path).unwrap();
    let mut given = String::new();
    for text in expected.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')) {
        writeln!(given, "{text}").unwrap();
        match compiled(text, Sight::CustomerAndEvent, &mut known_scores()) {
            Ok(condition) => writeln!(given, "    {}", short(&condition.expr)).unwrap(),
            Err(refused) => {
                let (fault, source) = *refused;
                let meant = source.slice(fault.extent);
                writeln!(given, "    {} at `{meant}`: {}", fault.code, fault.message).unwrap();
                if let Some(help) = fault.help {
                    writeln!(given, "    help: {help}").unwrap();
                }
            }
        }
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path, &given).unwrap();
    } else {
        assert!(expected == given, "{path} differs:\n{given}");
    }
}

/// The tree without the noise of its type names.
fn short(expr: &Expr) -> String {
    let mut text = format!("{expr:?}");
    for noise in ["Slot", "Property", "Literal", "Trait { slot: ", "History"] {
        text = text.replace(&format!("{noise}("), "(");
    }
    text
}

#[test]
fn a_date_has_no_event_to_look_at() {
    let sight = Sight::Customer("a date comes without an event");
    let (fault, _) = *compiled("event.total > 3", sight, &mut known_scores()).unwrap_err();
    assert_eq!(fault.message, "there is no `event` here: a date comes without an event");
}

#[test]
fn equal_histories_are_kept_once_and_as_long_as_the_longest_needs() {
    let mut symbols = known_scores();
    for text in [
        "count('A', '1h') > 1",
        "count('A', '7d') > 1",
        "change('A', '5d') > 1",
        "count('A', '30d', 'event.x == 1') > 1",
        "count('A', '2d', ' event.x == 1') > 1",
    ] {
        compiled(text, Sight::CustomerAndEvent, &mut symbols).unwrap();
    }
    let tables = symbols.finish();
    let keeps: Vec<String> = tables.series.iter().map(|spec| spec.keep.to_string()).collect();
    assert_eq!(keeps, ["10d", "30d"]);
}

#[test]
fn the_names_of_histories_do_not_depend_on_the_order_of_files() {
    let key = |before: &[&str]| {
        let mut symbols = known_scores();
        for text in before.iter().chain([&"sum('A', 'x', '1h') > 1"]) {
            compiled(text, Sight::CustomerAndEvent, &mut symbols).unwrap();
        }
        symbols.finish().series.last().unwrap().key
    };
    assert_eq!(key(&[]), key(&["count('B', '1h') > event.y", "sum('A', 'z', '1h') > 1"]));
}

/// The deepest and longest that the scan lets through, on a quarter of a thread's usual stack.
#[test]
fn what_is_let_through_fits_a_small_stack() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("{}event.x{}", open.repeat(times), close.repeat(times))
    };
    let chain = |join: &str, times: usize| vec!["event.x"; times].join(join);
    let mut texts = vec![
        deep("(", ")", 24),
        format!("{} > 1", deep("-(", ")", 24)),
        deep("!", "", 24),
        deep("!(", ")", 24),
        format!("{} > 1", deep("lower(", ")", 24)),
        format!("{} == 1", "event".to_owned() + &".a".repeat(126)),
        format!("customer{} == 1", "['a']".repeat(126)),
        format!("{} > 1", vec!["1"; 127].join("+")),
        format!("{} > 1", vec!["1"; 127].join(" - ")),
        deep("event.a ? event.b : (", ")", 24),
        format!("event.x in [{}]", vec!["1"; 120].join(",")),
        "event.a ? ".repeat(60) + "event.b" + &" : event.c".repeat(60),
    ];
    texts.extend([" && ", " || ", " == ", " < ", " + "].map(|join| chain(join, 60)));
    let probe = move || {
        let compiles =
            |text: &String| compiled(text, Sight::CustomerAndEvent, &mut known_scores()).is_ok();
        texts.iter().filter(|text| compiles(text)).count()
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(probe).unwrap();
    let accepted = thread.join().unwrap();
    assert!(10 <= accepted, "only {accepted} are accepted: the texts do not reach the bounds");
}

/// Pieces of conditions, to be strung together without sense.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "event.x",
        "customer",
        ".a",
        "score.churn",
        "health",
        "count('A', '1h')",
        "last('A','b')",
        "(",
        ")",
        "[",
        "]",
        "'",
        "\"",
        "\\",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "/",
        "%",
        "?",
        ":",
        ",",
        "in",
        "has(",
        "size(",
        "3",
        "0.5",
        "true",
        "null",
        " ",
        "\n",
        "'a'",
        "您",
        "é",
        "\u{0}",
        ".startsWith(",
        "{",
        "}",
        "=>",
        "==",
        "exists(x, x)",
        "r'a'",
        "b\"a\"",
        "`",
        "..",
        "e5",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_can_make_it_panic(text in any::<String>()) {
        let _ = compiled_or_refused(&text);
    }

    #[test]
    fn no_stringing_together_can_make_it_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        let _ = compiled_or_refused(&pieces.concat());
    }
}

/// Whether it compiles; a refusal must point into the text.
fn compiled_or_refused(text: &str) -> bool {
    match compiled(text, Sight::CustomerAndEvent, &mut known_scores()) {
        Ok(_) => true,
        Err(refused) => {
            let (fault, source) = *refused;
            assert!(fault.extent.end as usize <= source.text.len() + 1, "{fault:?}");
            false
        }
    }
}
