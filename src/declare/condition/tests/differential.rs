//! What our evaluator says of a condition, the parser's own evaluator says too.
//!
//! Compared is the language that both have: numbers are written with a decimal point, because CEL
//! keeps whole numbers apart; values are compared only with their kind, because CEL calls values
//! of different kinds unequal where we call the answer missing.

use cel::{Context, Program, Value as CelValue};
use proptest::prelude::*;

use super::*;
use crate::engine::customer::CustomerState;
use crate::engine::decision::Truth;
use crate::engine::evaluate::{Scope, truth};
use crate::engine::id::CustomerId;
use crate::engine::sample;
use crate::engine::slot::TraitSlot;
use crate::engine::value::{Property, Value};

/// What is known: name and value. Names that begin with `gone` are not known.
#[derive(Clone, Debug)]
struct Known {
    numbers: [f64; 2],
    text: &'static str,
    flag: bool,
}

const TEXTS: [&str; 4] = ["", "pro", "Pro plan", "您的"];
const NUMBERS: [f64; 6] = [-2.0, -0.5, 0.0, 0.5, 1.0, 3.0];

fn known() -> impl Strategy<Value = Known> {
    let number = || prop::sample::select(NUMBERS.to_vec());
    (number(), number(), prop::sample::select(TEXTS.to_vec()), any::<bool>())
        .prop_map(|(first, second, text, flag)| Known { numbers: [first, second], text, flag })
}

fn number() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(NUMBERS.to_vec()).prop_map(|number| format!("({number:?})"));
    let name =
        prop::sample::select(vec!["customer.n", "event.n", "customer.gone_n", "event.gone_n"]);
    let leaf = prop_oneof![literal, name.prop_map(str::to_owned)];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let op = prop::sample::select(vec!["+", "-", "*"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            inner.prop_map(|a| format!("(-{a})")),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(TEXTS.to_vec()).prop_map(|text| format!("{text:?}"));
    let name = prop::sample::select(vec!["customer.t", "event.t", "customer.gone_t"]);
    prop_oneof![literal, name.prop_map(str::to_owned)]
}

fn truth_text() -> impl Strategy<Value = String> {
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let method = prop::sample::select(vec!["startsWith", "endsWith", "contains"]);
    let literals = prop::collection::vec(prop::sample::select(TEXTS.to_vec()), 1..4);
    let name = prop::sample::select(vec!["customer.n", "event.gone_t", "customer.t", "event.b"]);
    let leaf = prop_oneof![
        (number(), compare.clone(), number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text(), compare, text()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (text(), method, text()).prop_map(|(a, method, b)| format!("({a}).{method}({b})")),
        (text(), literals).prop_map(|(a, list)| format!("{a} in {list:?}")),
        (text(), 0..4_u8).prop_map(|(a, size)| format!("size({a}) > {size}")),
        name.prop_map(|name| format!("has({name})")),
        Just("customer.b == true".to_owned()),
        Just("event.b".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        ]
    })
}

/// What our evaluator says.
fn ours(expression: &str, known: &Known) -> Option<Truth> {
    let mut symbols = known_scores();
    let slots = ["n", "t", "b"].map(|name| (symbols.trait_(name), symbols.property(name)));
    let condition = compiled(expression, Sight::CustomerAndEvent, &mut symbols).ok()?;
    let mut state = CustomerState::new(CustomerId::new("c"), sample::now());
    let traits =
        [Value::Num(known.numbers[0]), Value::Str(known.text.into()), Value::Bool(known.flag)];
    state.traits = slots
        .iter()
        .map(|(slot, _)| *slot)
        .zip(traits)
        .collect::<Vec<(TraitSlot, _)>>()
        .into_iter()
        .collect();
    let properties =
        [Property::Num(known.numbers[1]), Property::Str(known.text), Property::Bool(known.flag)];
    let catalog = sample::catalog();
    let scope =
        Scope { catalog: &catalog, state: &state, properties: &properties, now: sample::now() };
    Some(truth(&condition.expr, &scope))
}

/// What the parser's own evaluator says; an error is its way of saying that something is missing.
fn theirs(expression: &str, known: &Known, program: &Program) -> Truth {
    let object = |number: f64| {
        let (text, flag) = (known.text, known.flag);
        cel::to_value(serde_json::json!({"n": number, "t": text, "b": flag})).unwrap()
    };
    let mut context = Context::default();
    context.add_variable_from_value("customer", object(known.numbers[0]));
    context.add_variable_from_value("event", object(known.numbers[1]));
    match program.execute(&context) {
        Ok(CelValue::Bool(true)) => Truth::True,
        Ok(CelValue::Bool(false)) => Truth::False,
        Err(_) => Truth::Missing,
        other => panic!("{expression}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn both_evaluators_agree(expression in truth_text(), known in known()) {
        // What is too long or too deep for us is refused, and there is nothing to compare.
        if let Some(ours) = ours(&expression, &known) {
            let program = Program::compile(&expression).unwrap();
            prop_assert_eq!(ours, theirs(&expression, &known, &program), "{}", expression);
        }
    }
}

/// The generator must reach what it is for.
#[test]
fn most_generated_conditions_are_compared() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let known = Known { numbers: [1.0, 3.0], text: "pro", flag: true };
    let mut outcomes = [0; 3];
    for _ in 0..200 {
        let expression = truth_text().new_tree(&mut runner).unwrap().current();
        match ours(&expression, &known) {
            Some(Truth::True) => outcomes[0] += 1,
            Some(Truth::False) => outcomes[1] += 1,
            Some(Truth::Missing) => outcomes[2] += 1,
            None => {}
        }
    }
    assert!(outcomes.iter().all(|count| 10 < *count), "{outcomes:?}");
}
