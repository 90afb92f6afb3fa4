//! Conditions over sample customers; logic and numbers against plain definitions.

use proptest::prelude::*;

use super::super::customer::Session;
use super::super::sample::{self, catalog, customer, map, property, text, trait_slot};
use super::super::series::{Series, distinct_evenly};
use super::super::slot::{ScoreSlot, SeriesSlot};
use super::super::time::Zone;
use super::*;

fn literal(value: Value) -> Expr {
    Expr::Literal(value)
}

fn num(number: f64) -> Expr {
    literal(Value::Num(number))
}

fn event(name: &str) -> Expr {
    Expr::Property(property(name))
}

fn person(name: &str) -> Expr {
    Expr::Trait { slot: trait_slot(name), path: Box::default() }
}

fn cmp(left: Expr, op: Comparison, right: Expr) -> Expr {
    Expr::Compare { op, left: left.into(), right: right.into() }
}

fn check(expr: &Expr, state: &CustomerState, properties: &[Property<'_>]) -> Truth {
    let catalog = catalog();
    truth(expr, &Scope { catalog: &catalog, state, properties, now: sample::now() })
}

fn number_of(expr: &Expr, state: &CustomerState) -> Option<f64> {
    let catalog = catalog();
    number(expr, &Scope { catalog: &catalog, state, properties: &[], now: sample::now() })
}

/// `event.cart_value > 100 && customer.plan == "pro" && score.churn >= 0.7`
fn typical() -> Expr {
    Expr::All(Box::new([
        cmp(event("cart_value"), Comparison::Greater, num(100.0)),
        cmp(person("plan"), Comparison::Equal, literal(text("pro"))),
        cmp(Expr::Score(ScoreSlot(1)), Comparison::GreaterOrEqual, num(0.7)),
    ]))
}

#[test]
fn a_typical_condition_holds_fails_and_misses() {
    let mut state = customer(&[("plan", text("pro"))]);
    sample::scored(&mut state, "churn", 0.7, None);
    assert_eq!(check(&typical(), &state, &[Property::Num(101.0)]), Truth::True);
    assert_eq!(check(&typical(), &state, &[Property::Num(100.0)]), Truth::False);
    assert_eq!(check(&typical(), &state, &[]), Truth::Missing);
    state.rare.scores.clear();
    assert_eq!(check(&typical(), &state, &[Property::Num(101.0)]), Truth::Missing);
    assert_eq!(check(&typical(), &state, &[Property::Num(1.0)]), Truth::False, "false decides");
}

#[test]
fn a_typical_condition_allocates_nothing() {
    let catalog = catalog();
    let services = Value::List(Box::new([text("billing"), text("search")]));
    let mut state = customer(&[
        ("plan", text("pro")),
        ("services", services),
        ("timezone", text("Asia/Tokyo")),
        ("renews_at", text("2026-06-15")),
    ]);
    sample::scored(&mut state, "churn", 0.7, None);
    sample::history(&mut state, 0, Series::Times([(sample::now(), 1)].as_slice().into()));
    let properties = [Property::Num(101.0), Property::Str("billing")];
    let scope =
        Scope { catalog: &catalog, state: &state, properties: &properties, now: sample::now() };
    let everything = Expr::All(Box::new([
        typical(),
        Expr::In { needle: event("feature").into(), haystack: person("services").into() },
        cmp(Expr::History(History::Count(SeriesSlot(0), Span::DAY)), Comparison::Greater, num(0.0)),
        cmp(
            Expr::Until { of: person("renews_at").into(), unit: Span::DAY },
            Comparison::Greater,
            num(1.0),
        ),
    ]));
    assert_eq!(truth(&everything, &scope), Truth::True, "and zones are looked up once before");
    let counted = allocation_counter::measure(|| {
        std::hint::black_box(truth(&everything, &scope));
    });
    assert_eq!(counted.count_total, 0);
    let lowered = Expr::Has(Expr::Lower(person("plan").into()).into());
    let counted = allocation_counter::measure(|| {
        std::hint::black_box(truth(&lowered, &scope));
    });
    assert_eq!(counted.count_total, 1, "only lower() allocates, so the counter does count");
}

#[test]
fn a_flag_without_a_value_is_false_and_one_of_another_kind_is_missing() {
    let flag = Expr::Flag(person("open_ticket").into());
    let not = Expr::Not(flag.clone().into());
    for (traits, outcome, negated) in [
        (vec![], Truth::False, Truth::True),
        (vec![("open_ticket", Value::Bool(true))], Truth::True, Truth::False),
        (vec![("open_ticket", Value::Bool(false))], Truth::False, Truth::True),
        (vec![("open_ticket", text("T-17"))], Truth::Missing, Truth::Missing),
        (vec![("open_ticket", Value::Num(1.0))], Truth::Missing, Truth::Missing),
    ] {
        let state = customer(&traits);
        assert_eq!(check(&flag, &state, &[]), outcome, "{traits:?}");
        assert_eq!(check(&not, &state, &[]), negated, "{traits:?}");
    }
}

#[test]
fn comparisons_over_missing_values_and_other_kinds_are_missing() {
    let state = customer(&[("plan", text("pro"))]);
    for op in [Comparison::Equal, Comparison::NotEqual, Comparison::Less] {
        assert_eq!(check(&cmp(person("renews_at"), op, num(1.0)), &state, &[]), Truth::Missing);
        assert_eq!(check(&cmp(person("plan"), op, num(1.0)), &state, &[]), Truth::Missing);
    }
    let has = |name| Expr::Has(person(name).into());
    assert_eq!(check(&has("plan"), &state, &[]), Truth::True);
    assert_eq!(check(&has("renews_at"), &state, &[]), Truth::False);
}

#[test]
fn numbers_are_compared_after_nine_decimals() {
    let state = customer(&[]);
    let sum = |left, right| Expr::Arithmetic {
        op: Arithmetic::Add,
        left: num(left).into(),
        right: num(right).into(),
    };
    assert_eq!(check(&cmp(sum(0.1, 0.2), Comparison::Equal, num(0.3)), &state, &[]), Truth::True);
    assert_eq!(
        check(&cmp(sum(0.1, 0.2), Comparison::Greater, num(0.3)), &state, &[]),
        Truth::False
    );
    assert_eq!(order_numbers(1.0, 1.000_000_002), Some(Ordering::Less));
    assert_eq!(order_numbers(9e15, 9e15 + 2.0), Some(Ordering::Less));
}

#[test]
fn arithmetic_without_a_result_is_missing() {
    let state = customer(&[]);
    let divide =
        |op, left, right| Expr::Arithmetic { op, left: num(left).into(), right: num(right).into() };
    assert_eq!(number_of(&divide(Arithmetic::Divide, 7.0, 2.0), &state), Some(3.5));
    assert_eq!(number_of(&divide(Arithmetic::Remainder, 7.0, 4.0), &state), Some(3.0));
    assert_eq!(number_of(&divide(Arithmetic::Divide, 1.0, 0.0), &state), None);
    assert_eq!(number_of(&divide(Arithmetic::Remainder, 1.0, 0.0), &state), None);
    assert_eq!(number_of(&divide(Arithmetic::Multiply, 1e300, 1e300), &state), None);
}

#[test]
fn lists_objects_and_texts() {
    let services = Value::List(Box::new([text("billing"), Value::Num(7.0)]));
    let state = customer(&[
        ("services", services),
        ("subscription", map(&[("status", text("Active")), ("seats", Value::Num(3.0))])),
    ]);
    let member = |key: &str| Expr::Trait {
        slot: trait_slot("subscription"),
        path: Box::new([Box::from(key)]),
    };
    let within = |needle: Expr, haystack: &str| Expr::In {
        needle: needle.into(),
        haystack: person(haystack).into(),
    };
    assert_eq!(check(&within(literal(text("billing")), "services"), &state, &[]), Truth::True);
    assert_eq!(check(&within(num(7.0), "services"), &state, &[]), Truth::True);
    assert_eq!(check(&within(num(8.0), "services"), &state, &[]), Truth::False);
    assert_eq!(check(&within(event("feature"), "services"), &state, &[]), Truth::Missing);
    assert_eq!(check(&within(num(7.0), "plan"), &state, &[]), Truth::Missing);
    assert_eq!(check(&within(literal(text("seats")), "subscription"), &state, &[]), Truth::True);
    assert_eq!(number_of(&Expr::Size(person("services").into()), &state), Some(2.0));
    assert_eq!(number_of(&Expr::Size(literal(text("需要帮忙")).into()), &state), Some(4.0));

    let lowered = Expr::Lower(member("status").into());
    let active = cmp(lowered.clone(), Comparison::Equal, literal(text("active")));
    assert_eq!(check(&active, &state, &[]), Truth::True);
    let test = |op, with: &str| Expr::Text {
        op,
        of: lowered.clone().into(),
        with: literal(text(with)).into(),
    };
    assert_eq!(check(&test(TextTest::StartsWith, "act"), &state, &[]), Truth::True);
    assert_eq!(check(&test(TextTest::EndsWith, "act"), &state, &[]), Truth::False);
    assert_eq!(check(&test(TextTest::Contains, "tiv"), &state, &[]), Truth::True);
}

#[test]
fn history_that_is_empty_counts_zero_and_has_no_average() {
    let state = customer(&[]);
    let of = |history| number_of(&Expr::History(history), &state);
    let (slot, day) = (SeriesSlot(0), Span::DAY);
    assert_eq!(of(History::Count(slot, day)), Some(0.0));
    assert_eq!(of(History::Sum(slot, day)), Some(0.0));
    assert_eq!(of(History::Distinct(slot, day)), Some(0.0));
    for history in [History::Average, History::Min, History::Max, History::Change, History::Since] {
        assert_eq!(of(history(slot, day)), None);
    }
    assert_eq!(number_of(&Expr::Last(slot), &state), None);
}

#[test]
fn history_is_read_from_the_series() {
    let mut state = customer(&[]);
    let ago = |hours| sample::now() - Span::HOUR.times(hours);
    let amounts = [ago(30), ago(10), ago(1)].into_iter().zip([2.0, 9.0, 4.0]);
    let mut series: Option<Series> = None;
    for (at, value) in amounts {
        let value = ValueRef::Num(value);
        match &mut series {
            Some(series) => series.record(at, value, Span::DAY.times(2)),
            None => series = Series::begin(catalog().series[4].measure, at, value),
        }
    }
    sample::history(&mut state, 1, distinct_evenly(5, ago(24), ago(0)));
    sample::history(&mut state, 2, Series::LastTime(ago(36)));
    sample::history(&mut state, 3, Series::Last(Box::new((ago(1), Value::Num(4.0)))));
    sample::history(&mut state, 4, series.unwrap());
    let of = |history| number_of(&Expr::History(history), &state);
    let (slot, day) = (SeriesSlot(4), Span::DAY);
    assert_eq!(of(History::Count(slot, day)), Some(2.0));
    assert_eq!(of(History::Sum(slot, day)), Some(13.0));
    assert_eq!(of(History::Average(slot, day)), Some(6.5));
    assert_eq!(of(History::Min(slot, day)), Some(4.0));
    assert_eq!(of(History::Max(slot, day)), Some(9.0));
    assert_eq!(of(History::Change(slot, day)), Some(1.0));
    assert_eq!(of(History::Distinct(SeriesSlot(1), day)), Some(5.0));
    assert_eq!(of(History::Since(SeriesSlot(2), day)), Some(1.5));
    assert_eq!(number_of(&Expr::Last(SeriesSlot(3)), &state), Some(4.0));
}

#[test]
fn scores_bands_trends_and_sessions() {
    let mut state = customer(&[]);
    let (health, churn) = (ScoreSlot(0), ScoreSlot(1));
    let minutes = Expr::Session(SessionField::Minutes);
    assert_eq!(number_of(&Expr::Score(health), &state), None);
    assert_eq!(number_of(&minutes, &state), None);
    sample::scored(&mut state, "health", 45.0, Some(80.0));
    let mut daily = None;
    health::note(&mut daily, sample::now() - Span::DAY.times(7), 80.0, 28);
    state.rare.scores[0].daily = daily;
    let started_at = sample::now() - Span::MINUTE.times(5);
    state.rare.session = Some(Box::new(Session { started_at, last_at: sample::now(), events: 4 }));

    assert_eq!(number_of(&Expr::Score(health), &state), Some(45.0));
    assert_eq!(number_of(&Expr::ScoreWas(health), &state), Some(80.0));
    let band = cmp(Expr::Band(health), Comparison::Equal, literal(text("watch")));
    assert_eq!(check(&band, &state, &[]), Truth::True);
    assert_eq!(number_of(&Expr::Trend { score: health, days: 7 }, &state), Some(-35.0));
    assert_eq!(number_of(&Expr::Trend { score: health, days: 8 }, &state), None);
    assert_eq!(number_of(&Expr::Trend { score: churn, days: 7 }, &state), None);
    assert_eq!(number_of(&minutes, &state), Some(5.0));
    assert_eq!(number_of(&Expr::Session(SessionField::Events), &state), Some(4.0));
}

#[test]
fn dates_are_read_in_the_customers_zone() {
    let until = Expr::Until { of: person("renews_at").into(), unit: Span::HOUR };
    let since = Expr::SinceValue { of: person("renews_at").into(), unit: Span::HOUR };
    for (renews_at, zone, hours) in [
        (text("2026-03-22"), Some("Asia/Tokyo"), Some(3.0)),
        (text("2026-03-22"), Some("UTC"), Some(12.0)),
        (text("2026-03-22"), None, Some(11.0)), // the policy says Berlin
        (text("2026-03-22"), Some("Mars/Olympus"), Some(11.0)),
        (text("2026-03-22T09:30"), Some("Asia/Tokyo"), Some(12.5)),
        (text("2026-03-22 09:30:00"), Some("Asia/Tokyo"), Some(12.5)),
        (text("2026-03-22T00:00:00Z"), Some("Asia/Tokyo"), Some(12.0)),
        (text("2026-03-22T00:00:00+02:00"), Some("Asia/Tokyo"), Some(10.0)),
        (Value::Num(1_774_137_600.0), Some("Asia/Tokyo"), Some(12.0)),
        (Value::Num(1_774_137_600_000.0), Some("Asia/Tokyo"), Some(12.0)),
        (text("2026-03-22T09:30[Asia/Tokyo]"), Some("UTC"), None),
        (text("next week"), Some("UTC"), None),
        (text("1950-03-22"), Some("UTC"), None),
        (Value::Num(-1.0), Some("UTC"), None),
        (Value::Bool(true), Some("UTC"), None),
    ] {
        let mut traits = vec![("renews_at", renews_at.clone())];
        traits.extend(zone.map(|zone| ("timezone", text(zone))));
        let state = customer(&traits);
        assert_eq!(number_of(&until, &state), hours, "{renews_at:?} in {zone:?}");
        assert_eq!(number_of(&since, &state), hours.map(|hours| -hours));
    }
}

#[test]
fn a_date_is_what_it_says_and_an_instant_what_the_wall_clock_shows() {
    let tokyo = Zone::parse("Asia/Tokyo").unwrap();
    let date = |value: Value| civil_date_of(value.as_ref(), &tokyo).map(|date| date.to_string());
    assert_eq!(date(text("2026-06-15")).as_deref(), Some("2026-06-15"));
    assert_eq!(date(text("2026-06-15T23:00")).as_deref(), Some("2026-06-15"));
    assert_eq!(date(text("2026-06-15T23:00:00Z")).as_deref(), Some("2026-06-16"));
    assert_eq!(date(text("1960-02-29")).as_deref(), Some("1960-02-29"), "birthdays");
    assert_eq!(date(Value::Num(1_774_134_000.0)).as_deref(), Some("2026-03-22"));
    assert_eq!(date(text("2026-02-30")), None);
}

#[test]
fn a_trace_lists_each_name_once_with_its_value() {
    let catalog = catalog();
    let mut state = customer(&[("plan", text("pro"))]);
    sample::history(&mut state, 0, Series::Times([(sample::now(), 2)].as_slice().into()));
    sample::scored(&mut state, "churn", 0.8, Some(0.6));
    let expr = Expr::All(Box::new([
        typical(),
        Expr::Not(Expr::Flag(person("open_ticket").into()).into()),
        Expr::Any(Box::new([
            cmp(
                Expr::History(History::Count(SeriesSlot(0), Span::DAY)),
                Comparison::Equal,
                num(2.0),
            ),
            cmp(
                Expr::History(History::Distinct(SeriesSlot(1), Span::DAY.times(28))),
                Comparison::Equal,
                num(2.0),
            ),
        ])),
        cmp(Expr::Last(SeriesSlot(3)), Comparison::Less, Expr::ScoreWas(ScoreSlot(1))),
        cmp(
            Expr::History(History::Since(SeriesSlot(2), Span::DAY)),
            Comparison::Less,
            Expr::Until { of: person("renews_at").into(), unit: Span::DAY },
        ),
        cmp(person("plan"), Comparison::NotEqual, literal(text("trial"))),
        cmp(Expr::Trend { score: ScoreSlot(0), days: 7 }, Comparison::Less, num(0.0)),
        cmp(Expr::Band(ScoreSlot(0)), Comparison::Equal, literal(text("watch"))),
    ]));
    let scope = Scope { catalog: &catalog, state: &state, properties: &[], now: sample::now() };
    let held = trace(&sample::condition(expr), &scope);
    assert_eq!((&*held.text, held.outcome), ("as written", Truth::Missing));
    let seen: Vec<String> = held
        .seen
        .iter()
        .map(|(name, value)| match value {
            None => format!("{name} = missing"),
            Some(Value::Num(number)) => format!("{name} = {number}"),
            Some(value) => format!("{name} = {value:?}"),
        })
        .collect();
    let expected = [
        "event.cart_value = missing",
        "customer.plan = Str(\"pro\")",
        "score.churn = 0.8",
        "customer.open_ticket = missing",
        "count(\"Logged In\", \"24h\") = 2",
        "distinct(\"Feature Used\", \"feature\", \"28d\") = 0",
        "last(\"Survey Answered\", \"score\") = missing",
        "score.churn_was = 0.6",
        "days_since(\"Invoice Overdue\") = missing",
        "days_until(customer.renews_at) = missing",
        "customer.renews_at = missing",
        "health.trend_7d = missing",
        "health.band = missing",
    ];
    assert_eq!(seen, expected);
}

/// A truth value as an expression.
fn known(truth: Truth) -> Expr {
    match truth {
        Truth::True => literal(Value::Bool(true)),
        Truth::False => literal(Value::Bool(false)),
        Truth::Missing => person("plan"),
    }
}

/// A tree of logic with its meaning by Kleene's tables: false < missing < true, `&&` the least,
/// `||` the greatest, `!` the mirror image.
fn logic() -> impl Strategy<Value = (Expr, i8)> {
    let leaf = (-1_i8..=1).prop_map(|level| match level {
        -1 => (known(Truth::False), -1),
        0 => (known(Truth::Missing), 0),
        _ => (known(Truth::True), 1),
    });
    leaf.prop_recursive(5, 64, 4, |inner| {
        let many = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            inner.clone().prop_map(|(expr, level)| (Expr::Not(expr.into()), -level)),
            many().prop_map(|parts| {
                let least = parts.iter().map(|(_, level)| *level).min().unwrap();
                (Expr::All(parts.into_iter().map(|(expr, _)| expr).collect()), least)
            }),
            many().prop_map(|parts| {
                let most = parts.iter().map(|(_, level)| *level).max().unwrap();
                (Expr::Any(parts.into_iter().map(|(expr, _)| expr).collect()), most)
            }),
            (inner.clone(), inner.clone(), inner).prop_map(|(condition, then, otherwise)| {
                let level = match condition.1 {
                    1 => then.1,
                    -1 => otherwise.1,
                    _ => 0,
                };
                let (condition, then, otherwise) =
                    (condition.0.into(), then.0.into(), otherwise.0.into());
                (Expr::If { condition, then, otherwise }, level)
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn logic_follows_kleenes_tables((expr, level) in logic()) {
        let outcome = match check(&expr, &customer(&[]), &[]) {
            Truth::False => -1,
            Truth::Missing => 0,
            Truth::True => 1,
        };
        prop_assert_eq!(outcome, level);
    }

    #[test]
    fn rounding_keeps_the_order_of_numbers(left in -1e6..1e6_f64, step in -5e-9..5e-9_f64) {
        let right = left + step;
        let order = order_numbers(left, right).unwrap();
        prop_assert!(order.is_eq() || order == left.partial_cmp(&right).unwrap());
        prop_assert_eq!(order, order_numbers(right, left).unwrap().reverse());
        prop_assert_eq!(order, rounded(left).partial_cmp(&rounded(right)).unwrap());
    }
}
