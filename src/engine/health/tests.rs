//! Scorecards: points, weights, missing values, explanations, days.

use proptest::prelude::*;

use super::super::condition::{Arithmetic, Ever, History};
use super::super::customer::CustomerState;
use super::super::sample;
use super::super::series::{Series, distinct_evenly, evenly};
use super::super::slot::{ScoreSlot, SeriesSlot};
use super::super::time::Timestamp;
use super::super::value::{Value, ValueRef};
use super::*;

const DAY: Span = Span::DAY;

fn history(of: impl Fn(SeriesSlot, Span) -> History, slot: u16, days: i64) -> Expr {
    Expr::History(of(SeriesSlot(slot), DAY.times(days)))
}

fn measure(
    name: &str,
    weight: f64,
    value: Expr,
    scale: &[(f64, f64)],
    missing: Missing,
) -> Measure {
    let (name, scale) = (Arc::from(name), scale.into());
    Measure { name, weight, value, text: "as written".into(), scale, missing }
}

/// The example's health model, as far as the sample catalog has its events.
fn card() -> Scorecard {
    let adoption = history(History::Distinct, 1, 28);
    let activity = history(History::Change, 0, 14);
    let satisfaction = Expr::Last(SeriesSlot(3));
    let payment = history(History::Since, 2, 1);
    let steps = [(0.0, 0.0), (6.0, 30.0), (8.0, 70.0), (10.0, 100.0)];
    Scorecard {
        every: Span::HOUR,
        measures: Box::new([
            measure(
                "adoption",
                35.0,
                adoption,
                &[(0.0, 0.0), (3.0, 40.0), (8.0, 100.0)],
                Missing::Skip,
            ),
            measure(
                "activity",
                25.0,
                activity,
                &[(-1.0, 0.0), (-0.3, 40.0), (0.0, 80.0), (0.3, 100.0)],
                Missing::Bad,
            ),
            measure("satisfaction", 10.0, satisfaction, &steps, Missing::Skip),
            measure(
                "payment",
                10.0,
                payment,
                &[(0.0, 0.0), (30.0, 60.0), (90.0, 100.0)],
                Missing::Points(100.0),
            ),
        ]),
        inputs: Box::default(),
    }
}

fn times(last: u32, before: u32) -> Series {
    let ago = |days| sample::now() - DAY.times(days);
    let mut instants = evenly(before, ago(28), ago(14)).chain(evenly(last, ago(14), ago(0)));
    let measure = sample::catalog().series[0].measure;
    let mut series = Series::begin(measure, instants.next().unwrap(), ValueRef::Missing).unwrap();
    instants.for_each(|at| series.record(at, ValueRef::Missing, DAY.times(28)));
    series
}

fn assess_for(state: &CustomerState, card: &Scorecard) -> Assessment {
    let catalog = sample::catalog();
    let scope = Scope { catalog: &catalog, state, properties: &[], now: sample::now() };
    let assessment = assess(card, &scope);
    assert_eq!(assessment.score, score(card, &scope), "both ways give the same bits");
    assessment
}

#[test]
fn a_busy_account_by_hand() {
    let mut state = sample::customer(&[]);
    sample::history(&mut state, 0, times(20, 20));
    sample::history(&mut state, 1, distinct_evenly(8, sample::now() - DAY, sample::now()));
    let assessment = assess_for(&state, &card());
    // 35 x 100 + 25 x 80 + 10 x 100 over 70, satisfaction skipped.
    assert_eq!(assessment.score, Some(92.8571));
    let weights: Vec<f64> = assessment.contributions.iter().map(|part| part.weight).collect();
    assert_eq!(weights, [0.5, 25.0 / 70.0, 0.0, 10.0 / 70.0]);
    let points: Vec<_> = assessment.contributions.iter().map(|part| part.points).collect();
    assert_eq!(points, [Some(100.0), Some(80.0), None, Some(100.0)]);
}

#[test]
fn nothing_known_is_no_score_rather_than_a_guess() {
    let mut card = card();
    card.measures.iter_mut().for_each(|measure| measure.missing = Missing::Skip);
    card.measures[0].value = Expr::Last(SeriesSlot(3));
    let assessment = assess_for(&sample::customer(&[]), &card);
    assert_eq!(assessment.score, None);
    assert!(assessment.contributions.iter().all(|part| part.contribution == 0.0));
    assert!(reasons(&assessment, 5).is_empty());
}

#[test]
fn missing_values_follow_their_rule() {
    let one = |missing| {
        let measure = measure("one", 1.0, Expr::Last(SeriesSlot(3)), &[(0.0, 7.0)], missing);
        let card = Scorecard { every: DAY, measures: Box::new([measure]), inputs: Box::default() };
        assess_for(&sample::customer(&[]), &card).score
    };
    assert_eq!(one(Missing::Skip), None);
    assert_eq!(one(Missing::Bad), Some(0.0));
    assert_eq!(one(Missing::Neutral), Some(50.0));
    assert_eq!(one(Missing::Points(62.5)), Some(62.5));
}

#[test]
fn scales_are_straight_between_corners_and_flat_outside() {
    let scale = [(-1.0, 0.0), (0.0, 80.0), (0.5, 100.0)];
    for (value, points) in [
        (-9.0, 0.0),
        (-1.0, 0.0),
        (-0.5, 40.0),
        (0.0, 80.0),
        (0.25, 90.0),
        (0.5, 100.0),
        (7.0, 100.0),
    ] {
        assert_eq!(points_on(&scale, value), Some(points), "{value}");
    }
    assert_eq!(points_on(&[], 1.0), None);
}

#[test]
fn reasons_come_dearest_first_in_plain_words() {
    let mut state = sample::customer(&[]);
    sample::history(&mut state, 0, times(6, 10));
    sample::history(&mut state, 1, distinct_evenly(3, sample::now() - DAY, sample::now()));
    sample::history(&mut state, 2, Series::LastTime(sample::now() - Span::HOUR.times(80)));
    sample::history(&mut state, 3, Series::Last(Box::new((sample::now(), Value::Num(10.0)))));
    let assessment = assess_for(&state, &card());
    let said: Vec<&str> = reasons(&assessment, 5).iter().map(|part| &*part.plain).collect();
    assert_eq!(
        said,
        [
            "feature used: 3 different values of feature in the last 28 days",
            "logged in 40 % less in the last 14 days than in the 14 before",
            "invoice overdue 3 days ago",
        ]
    );
    assert_eq!(reasons(&assessment, 1).len(), 1);
    assert_eq!(&*assessment.contributions[2].plain, "score of the last survey answered is 10");
}

#[test]
fn every_kind_of_measure_has_its_sentence() {
    let state = sample::customer(&[("plan", Value::Num(3.0))]);
    let catalog = sample::catalog();
    let scope = Scope { catalog: &catalog, state: &state, properties: &[], now: sample::now() };
    let say = |expr: &Expr, value: Option<f64>, points: Option<f64>| {
        let measure = measure("adoption", 1.0, expr.clone(), &[], Missing::Skip);
        plain::of_measure(&measure, value, points, &scope).to_string()
    };
    let change = history(History::Change, 0, 14);
    let count = history(History::Count, 0, 28);
    let sum = |left: Expr, right: Expr| Expr::Arithmetic {
        op: Arithmetic::Add,
        left: left.into(),
        right: right.into(),
    };
    let average = Expr::History(History::Average(SeriesSlot(4), Span::HOUR));
    let plan = Expr::Trait { slot: sample::trait_slot("plan"), path: Box::default() };
    let seats = Expr::Trait {
        slot: sample::trait_slot("subscription"),
        path: Box::new([Box::from("seats_used")]),
    };
    let size = Expr::Size(plan.clone().into());
    let ever = |slot, ever| Expr::History(History::Ever(SeriesSlot(slot), ever));
    for (expr, value, sentence) in [
        (&change, Some(0.25), "logged in 25 % more in the last 14 days than in the 14 before"),
        (&change, Some(0.0), "logged in as often in the last 14 days as in the 14 before"),
        (&change, Some(-1.0), "logged in not once in the last 14 days, but in the 14 before"),
        (&change, None, "logged in neither in the last 14 days nor in the 14 before"),
        (
            &history(History::Change, 0, 1),
            Some(-0.5),
            "logged in 50 % less in the last day than in the day before",
        ),
        (&count, Some(0.0), "logged in not once in the last 28 days"),
        (&count, Some(1.0), "logged in once in the last 28 days"),
        (&count, Some(12.0), "logged in 12 times in the last 28 days"),
        (
            &history(History::Distinct, 1, 28),
            Some(1.0),
            "feature used: 1 value of feature in the last 28 days",
        ),
        (&history(History::Since, 2, 1), Some(0.4), "invoice overdue less than a day ago"),
        (&history(History::Since, 2, 1), Some(1.9), "invoice overdue 1 day ago"),
        (&history(History::Since, 2, 1), None, "invoice overdue never happened"),
        (&Expr::Last(SeriesSlot(3)), None, "survey answered never happened"),
        (&average, Some(7.126), "average score of survey answered in the last hour is 7.13"),
        (&average, None, "survey answered not once in the last hour"),
        (&plan, Some(3.0), "plan is 3"),
        (&ever(0, Ever::Count), Some(3.0), "logged in 3 times so far"),
        (&ever(0, Ever::ActiveDays), Some(1.0), "logged in on 1 day so far"),
        (&ever(0, Ever::GapMean), Some(12.5), "logged in every 12.5 days on average"),
        (&ever(0, Ever::GapMax), Some(40.0), "longest time without logged in was 40 days"),
        (&ever(0, Ever::SinceFirst), Some(400.2), "first logged in 400 days ago"),
        (&ever(4, Ever::Max), Some(9.0), "largest score of survey answered so far is 9"),
        (&seats, Some(3.0), "seats used is 3"),
        (
            &sum(count.clone(), sum(Expr::Literal(Value::Num(2.0)), plan.clone())),
            Some(3.0),
            "logged in not once in the last 28 days, plan is 3",
        ),
        (&size, Some(3.0), "adoption: 12 of 100 points"),
        (&size, None, "nothing is known about adoption"),
    ] {
        assert_eq!(say(expr, value, Some(12.0)), sentence);
    }
}

#[test]
fn bands_go_by_their_lower_edges() {
    let score = &sample::catalog().scores[0];
    for (value, name) in [
        (100.0, "healthy"),
        (70.0, "healthy"),
        (69.9999, "watch"),
        (45.0, "watch"),
        (0.0, "at_risk"),
        (-1.0, "at_risk"),
    ] {
        assert_eq!(band(score, value).map(|name| &**name), Some(name), "{value}");
    }
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_millis(number * DAY.as_millis() + 3_600_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn contributions_sum_to_the_score_and_losses_to_the_rest(
        parts in prop::collection::vec((0.1..100.0_f64, prop::option::of(0.0..10.0_f64)), 1..12),
    ) {
        let measures: Vec<Measure> = parts
            .into_iter()
            .map(|(weight, value)| {
                let value = match value {
                    Some(value) => Expr::Literal(Value::Num(value)),
                    None => Expr::Last(SeriesSlot(3)),
                };
                measure("m", weight, value, &[(0.0, 0.0), (3.0, 71.3), (10.0, 100.0)], Missing::Skip)
            })
            .collect();
        let card = Scorecard { every: DAY, measures: measures.into(), inputs: Box::default() };
        let assessment = assess_for(&sample::customer(&[]), &card);
        let Some(score) = assessment.score else { return Ok(()) };
        let sum = |of: fn(&Contribution) -> f64| assessment.contributions.iter().map(of).sum::<f64>();
        prop_assert!((sum(|part| part.contribution) - score).abs() < 1e-9);
        prop_assert!((sum(|part| part.lost) - (100.0 - score)).abs() < 1e-9);
        prop_assert!((sum(|part| part.weight) - 1.0).abs() < 1e-9);
        prop_assert_eq!(score.to_bits(), rounded(score).to_bits());
    }

    #[test]
    fn days_remember_what_a_plain_list_of_all_days_does(
        changes in prop::collection::vec((0..9_i64, 0..100_i32), 1..40),
        later in 0..40_i64,
        days in 0..=28_u16,
    ) {
        // The oracle: one value per day, from the first on, each day that of the day before.
        let mut oracle: Vec<f64> = Vec::new();
        let mut daily = None;
        for (step, value) in changes {
            let value = f64::from(value);
            match oracle.last().copied() {
                None => oracle.push(value),
                Some(last) => oracle.extend((0..step).map(|_| last)),
            }
            *oracle.last_mut().unwrap() = value;
            note(&mut daily, day(20_000 + oracle.len() as i64), value, 28);
        }
        let last = oracle.len() as i64;
        let asked = last + later - i64::from(days);
        let expected = usize::try_from(asked.min(last) - 1).ok().map(|index| oracle[index]);
        // Beyond 29 days before the newest entry nothing is remembered.
        let expected = expected.filter(|_| last - 29 < asked);
        let daily = daily.unwrap();
        prop_assert!(daily.values.len() <= 29);
        prop_assert_eq!(days_ago(&daily, day(20_000 + last + later), days), expected);
    }
}

#[test]
fn a_trend_is_now_minus_then() {
    let mut state = sample::customer(&[]);
    sample::scored(&mut state, "health", 71.25, None);
    let known = &mut state.rare.scores[0];
    assert_eq!((known.score, trend(known, day(100), 7)), (ScoreSlot(0), None));
    note(&mut known.daily, day(90), 90.5, 28);
    note(&mut known.daily, day(95), 71.25, 28);
    assert_eq!(trend(known, day(100), 7), Some(-19.25));
    assert_eq!(trend(known, day(100), 5), Some(0.0));
    assert_eq!(trend(known, day(100), 28), None);
}

#[test]
fn days_can_be_asked_together_and_are_shown_until_today() {
    let mut state = sample::customer(&[]);
    sample::scored(&mut state, "health", 30.0, None);
    let known = &mut state.rare.scores[0];
    for (at, value) in [(10, 50.0), (12, 70.0), (14, 30.0)] {
        note(&mut known.daily, day(at), value, 60);
    }
    let asked =
        |days| [Over::Least, Over::Greatest, Over::Mean].map(|of| over(known, day(15), days, of));
    // Ends of days 12, 13 and 14, and now.
    assert_eq!(asked(3), [Some(30.0), Some(70.0), Some(50.0)]);
    assert_eq!(asked(5), [Some(30.0), Some(70.0), Some(50.0)]);
    assert_eq!(asked(6), [None; 3], "it was not known on day 9");
    let shown: Vec<(i32, f64)> = by_day(known, day(16)).collect();
    let wanted =
        [(10, 50.0), (11, 50.0), (12, 70.0), (13, 70.0), (14, 30.0), (15, 30.0), (16, 30.0)];
    assert_eq!(shown, wanted);
    // Years later there is no more to show than can be kept.
    assert_eq!(by_day(known, day(4_000)).count(), 366);
    assert_eq!(by_day(known, day(4_000)).last(), Some((4_000, 30.0)));
}

#[test]
fn no_more_days_are_kept_than_are_asked_for() {
    for (days, kept) in [(28, 29), (90, 91), (1_000, 366)] {
        let mut daily = None;
        (0..2_000).for_each(|at| note(&mut daily, day(at), at as f64, days));
        assert_eq!(daily.unwrap().values.len(), kept);
    }
}
