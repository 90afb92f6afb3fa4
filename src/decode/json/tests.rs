//! The scanner against `serde_json`: what it takes, what it refuses, which values it gives.

use proptest::prelude::*;
use serde_json::Value as Theirs;

use super::*;
use crate::engine::value::Value;

/// Reads a whole text, or says what is wrong with it.
fn read(bytes: &[u8]) -> Result<Option<Value>, Fault> {
    let mut scanner = Scanner::new(text(bytes)?);
    let raw = scanner.value()?;
    scanner.finish()?;
    Ok(raw.to_value())
}

fn kind(bytes: &[u8]) -> Option<FaultKind> {
    read(bytes).err().map(|fault| fault.kind)
}

/// Their value in our terms: no `null`, numbers as floats.
fn ours(theirs: &Theirs) -> Option<Value> {
    Some(match theirs {
        Theirs::Null => return None,
        Theirs::Bool(flag) => Value::Bool(*flag),
        Theirs::Number(number) => Value::Num(number.as_f64().unwrap()),
        Theirs::String(text) => Value::Str(text.as_str().into()),
        Theirs::Array(items) => Value::List(items.iter().filter_map(ours).collect()),
        Theirs::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .filter_map(|(key, value)| Some((Box::from(key.as_str()), ours(value)?)))
                .collect();
            fields.sort_by(|(left, _): &(Box<str>, _), (right, _)| left.cmp(right));
            Value::Map(fields.into())
        }
    })
}

/// Equal, but for the last place of numbers.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Num(left), Value::Num(right)) => {
            (left - right).abs() <= left.abs().max(right.abs()) * f64::EPSILON
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|((k, l), (m, r))| k == m && same(l, r))
        }
        (left, right) => left == right,
    }
}

/// Fails unless both readers say the same.
fn compare(bytes: &[u8]) {
    let shown = String::from_utf8_lossy(bytes);
    match (read(bytes), serde_json::from_slice::<Theirs>(bytes)) {
        (Ok(left), Ok(theirs)) => match (left, ours(&theirs)) {
            (Some(left), Some(right)) => {
                assert!(same(&left, &right), "{shown}: {left:?} {right:?}")
            }
            (left, right) => assert_eq!(left, right, "{shown}"),
        },
        (Err(_), Err(_)) => {}
        (Err(Fault { kind: FaultKind::TooDeep, .. }), Ok(_)) => {}
        (left, right) => panic!("{shown}: {left:?} {right:?}"),
    }
}

const CORPUS: &[&[u8]] = &[
    b"",
    b" ",
    b"null",
    b"true",
    b"false",
    b"tru",
    b"truee",
    b"nul",
    b"0",
    b"-0",
    b"-",
    b"01",
    b"1.",
    b".5",
    b"1.5",
    b"1e5",
    b"1E+5",
    b"1e-5",
    b"1e",
    b"1e+",
    b"+1",
    b"0x1",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"1e308",
    b"9007199254740993",
    b"123456789012345678901234567890",
    b"0.1",
    b"0.30000000000000004",
    b"1.7976931348623157e308",
    b"2.2250738585072014e-308",
    b"5e-324",
    b"100000000000000000000.5",
    b"0.000000000000000000001",
    b"\"\"",
    b"\"a\"",
    b"\"a",
    b"\"\\\"",
    b"\"\\\"\"",
    b"\"\\\\\"",
    b"\"\\/\"",
    b"\"\\b\\f\\n\\r\\t\"",
    b"\"\\x\"",
    b"\"\\u0041\"",
    b"\"\\u00e9\"",
    b"\"\\u004\"",
    b"\"\\u00G1\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\ud83d\"",
    b"\"\\ude00\"",
    b"\"\\ud83d\\u0041\"",
    b"\"\\ud83d x\"",
    b"\"\\u0000\"",
    b"\"\t\"",
    b"\"\n\"",
    b"\"\x00\"",
    b"\"\x1f\"",
    b"\"\x7f\"",
    "\"é漢😀\"".as_bytes(),
    b"\"\xff\"",
    b"\"\xc0\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\xEF\xBB\xBF{}",
    b"\"12345678\\n12345678\"",
    b"\"1234567\x01\"",
    b"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"[]",
    b"[ ]",
    b"[1]",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b"[1,2",
    b"[",
    b"]",
    b"[[]]",
    b"[null,1]",
    b"{}",
    b"{ }",
    b"{\"a\":1}",
    b"{\"a\":1,}",
    b"{,}",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{a:1}",
    b"{'a':1}",
    b"{\"a\":1 \"b\":2}",
    b"{\"a\" : 1 , \"b\" : [ { } ] }",
    b"{\"a\":1,\"a\":2}",
    b"{\"a\":1,\"a\":null}",
    b"{\"a\":{\"b\":1},\"a\":{\"c\":2}}",
    b"{\"b\":1,\"a\":2,\"b\":3}",
    b"{\"\\u0061\":1,\"a\":2}",
    b"{}{}",
    b"{} x",
    b"1 2",
    b"\x0c1",
    b"\xa01",
    b"/**/1",
    b"[1]//",
    b"\x00",
    b"{\"a\":1}\x00",
];

#[test]
fn both_readers_agree_on_the_corpus() {
    for bytes in CORPUS {
        compare(bytes);
    }
}

#[test]
fn faults_say_what_and_where() {
    let cases: &[(&[u8], FaultKind, usize)] = &[
        (b"", FaultKind::Unfinished, 0),
        (b"\"\xff\"", FaultKind::NotUtf8, 1),
        (b"\xEF\xBB\xBF{}", FaultKind::ByteOrderMark, 0),
        (b"{\"a\":1", FaultKind::Unfinished, 6),
        (b"{\"a\" 1}", FaultKind::Unexpected, 5),
        (b"\"ab\x01\"", FaultKind::ControlCharacter, 3),
        (b"\"ab\\q\"", FaultKind::BadEscape, 3),
        (b"\"\\ud800\"", FaultKind::BadEscape, 1),
        (b"[01]", FaultKind::BadNumber, 1),
        (b"[1.]", FaultKind::BadNumber, 3),
        (b"[1e400]", FaultKind::NotFinite, 1),
        (b"[NaN]", FaultKind::Unexpected, 1),
        (b"{} x", FaultKind::Trailing, 3),
    ];
    for (bytes, kind, at) in cases {
        let fault = Fault { kind: *kind, at: *at };
        assert_eq!(read(bytes), Err(fault), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn nesting_ends_at_the_bound_however_deep_it_goes() {
    let nest = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(kind(&nest(64)), None);
    assert_eq!(kind(&nest(65)), Some(FaultKind::TooDeep));
    assert_eq!(kind(&nest(1_000_000)), Some(FaultKind::TooDeep));
    assert_eq!(kind(&b"{\"a\":".repeat(1_000_000)), Some(FaultKind::TooDeep));
}

#[test]
fn texts_are_borrowed_unless_they_hold_escapes() {
    let plain = Scanner::new("\"a long enough text\"").value().unwrap();
    assert_eq!(plain, Raw::Text(Text::Plain("a long enough text")));
    let Raw::Text(escaped) = Scanner::new(r#""a\u0062\"c""#).value().unwrap() else { panic!() };
    assert_eq!(escaped.decode(), "ab\"c");
}

/// Any JSON value, nested a little.
fn json() -> impl Strategy<Value = Theirs> {
    let leaf = prop_oneof![
        Just(Theirs::Null),
        any::<bool>().prop_map(Theirs::from),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        any::<u64>().prop_map(Theirs::from),
        any::<String>().prop_map(Theirs::from),
        "[ -~]{0,20}".prop_map(Theirs::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Theirs::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|fields| Theirs::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_readers_agree_on_what_is_json(value in json(), pretty in any::<bool>()) {
        let bytes = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        compare(&bytes.unwrap());
    }

    #[test]
    fn both_readers_agree_on_damaged_json(value in json(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at); } else { bytes[at] = byte; }
        compare(&bytes);
    }

    #[test]
    fn both_readers_agree_on_almost_json(text in "[\\[\\]{}\",:0-9eE+\\-. a\\\\untrfls]{0,24}") {
        compare(text.as_bytes());
    }

    #[test]
    fn both_readers_agree_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        compare(&bytes);
    }

    #[test]
    fn numbers_are_read_to_the_nearest(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        let nearest: f64 = text.parse().unwrap();
        match read(text.as_bytes()) {
            Ok(Some(Value::Num(number))) => prop_assert_eq!((nearest + 0.0).to_bits(), number.to_bits()),
            other => prop_assert!(!nearest.is_finite() && other.is_err(), "{}", text),
        }
    }
}
