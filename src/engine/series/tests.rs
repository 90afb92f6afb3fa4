//! Series against a naive oracle that keeps every event.
#![expect(clippy::cast_possible_truncation, reason = "small numbers of test code")]

use proptest::prelude::*;

use super::super::slot::PropertySlot;
use super::*;

const PROPERTY: PropertySlot = PropertySlot(0);
const KEEP: Span = Span::from_millis(512_000);
const GRANULE: i64 = 1_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(10_000_000 + millis)
}

/// Every event, scanned.
struct Oracle(Vec<(Timestamp, f64)>);

impl Oracle {
    fn inside(&self, window: Span, to: Timestamp) -> Vec<f64> {
        let from = to - window;
        self.0.iter().filter(|(at, _)| from < *at && *at <= to).map(|(_, value)| *value).collect()
    }
}

fn feed(measure: Measure, events: &[(Timestamp, f64)]) -> Option<Series> {
    let mut series: Option<Series> = None;
    for (at, value) in events {
        match &mut series {
            Some(series) => series.record(*at, ValueRef::Num(*value), KEEP),
            None => series = Series::begin(measure, *at, ValueRef::Num(*value)),
        }
    }
    series
}

/// Events that mostly advance, by steps from a tenth of a granule to several, some late.
fn events(most: usize) -> impl Strategy<Value = Vec<(Timestamp, f64)>> {
    let steps = (200..6_000_i64)
        .prop_flat_map(move |step| prop::collection::vec((0..step, 0..12_i64, 0..20_i32), 1..most));
    steps.prop_map(|steps| {
        let mut now = 0;
        steps
            .into_iter()
            .map(|(step, late, value)| {
                now += step;
                let late = if late == 0 { step * 60 } else { 0 };
                (at(now - late), f64::from(value))
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn up_to_the_exact_bound_all_windows_agree_with_the_oracle(
        events in events(EXACT_MAX), window in 1..512_000_i64, later in 0..100_000_i64,
    ) {
        let to = events.iter().map(|(at, _)| *at).max().unwrap() + Span::from_millis(later);
        let window = Span::from_millis(window);
        let oracle = Oracle(events.clone());
        let inside = oracle.inside(window, to);
        let count = u32::try_from(inside.len()).unwrap();

        prop_assert_eq!(feed(Measure::Times, &events).unwrap().count(window, to), count);
        let amounts = feed(Measure::Amount(PROPERTY), &events).unwrap();
        prop_assert_eq!(amounts.count(window, to), count);
        let sum = inside.iter().fold(0.0, |sum, value| sum + value);
        prop_assert_eq!(amounts.sum(window, to).to_bits(), sum.to_bits());
        prop_assert_eq!(amounts.min(window, to), inside.iter().copied().reduce(f64::min));
        prop_assert_eq!(amounts.max(window, to), inside.iter().copied().reduce(f64::max));
        prop_assert_eq!(
            amounts.average(window, to),
            (count != 0).then(|| sum / f64::from(count))
        );
        let mut values: Vec<i64> = inside.iter().map(|value| *value as i64).collect();
        values.sort_unstable();
        values.dedup();
        let distinct = feed(Measure::Distinct(PROPERTY), &events).unwrap();
        prop_assert_eq!(distinct.distinct(window, to) as usize, values.len());
    }

    #[test]
    fn past_the_exact_bound_only_the_trailing_edge_blurs_by_a_granule(
        events in events(2_000), window in 1..512_000_i64,
    ) {
        let to = events.iter().map(|(at, _)| *at).max().unwrap();
        let (window, wider) = (Span::from_millis(window), Span::from_millis(window + GRANULE));
        let oracle = Oracle(events.clone());
        let series = feed(Measure::Times, &events).unwrap();
        let least = u32::try_from(oracle.inside(window, to).len()).unwrap();
        // Beyond what is kept nothing can be counted, however wide the granule is.
        let wider = std::cmp::min(wider, KEEP);
        let most = u32::try_from(oracle.inside(wider, to).len()).unwrap();
        let counted = series.count(window, to);
        prop_assert!(least <= counted && counted <= most, "{least} <= {counted} <= {most}");

        let Series::Times(entries) = &series else { panic!("it keeps times") };
        prop_assert!(entries.len() <= EXACT_MAX + 513);
        prop_assert!(entries.is_sorted_by_key(|(at, _)| *at));
        let amounts = feed(Measure::Amount(PROPERTY), &events).unwrap();
        prop_assert_eq!(amounts.count(window, to), counted);
        let sum = amounts.sum(window, to);
        prop_assert!(oracle.inside(window, to).iter().sum::<f64>() <= sum);
        prop_assert!(sum <= oracle.inside(wider, to).iter().sum::<f64>());
    }

    #[test]
    fn the_last_value_is_the_latest_by_time_then_by_arrival(events in events(60)) {
        let series = feed(Measure::Last(PROPERTY), &events).unwrap();
        let latest = events.iter().max_by_key(|(at, _)| *at).unwrap();
        prop_assert_eq!(series.last(), Some(&Value::Num(latest.1)));
        prop_assert_eq!(series.last_time(), Some(latest.0));
        let times = feed(Measure::LastTime, &events).unwrap();
        prop_assert_eq!(times.last_time(), Some(latest.0));
    }

    #[test]
    fn evenly_puts_exactly_so_many_inside(count in 0..500_u32, from in 0..9_000_i64, span in 1..9_000_000_i64) {
        let (start, end) = (at(from), at(from + span));
        let instants: Vec<_> = evenly(count, start, end).collect();
        prop_assert_eq!(instants.len(), count as usize);
        prop_assert!(instants.iter().all(|instant| start < *instant && *instant <= end));
        prop_assert!(instants.is_sorted());
    }
}

#[test]
fn an_event_exactly_a_window_ago_no_longer_counts() {
    let series = feed(Measure::Times, &[(at(0), 0.0), (at(1), 0.0)]).unwrap();
    assert_eq!(series.count(Span::from_millis(100), at(100)), 1);
    assert_eq!(series.count(Span::from_millis(101), at(100)), 2);
}

#[test]
fn change_compares_the_last_window_with_the_one_before() {
    let window = Span::from_millis(100);
    let series = |instants: &[i64]| {
        let events: Vec<_> = instants.iter().map(|millis| (at(*millis), 0.0)).collect();
        feed(Measure::Times, &events).unwrap()
    };
    assert_eq!(series(&[10, 20, 30, 40, 150, 160]).change(window, at(200)), Some(-0.5));
    assert_eq!(series(&[110]).change(window, at(200)), Some(1.0), "nothing before");
    assert_eq!(series(&[10]).change(window, at(200)), Some(-1.0), "nothing since");
    assert_eq!(series(&[10]).change(window, at(900)), None, "nothing at all");
}

#[test]
fn an_event_older_than_anything_looks_back_is_not_kept() {
    let mut series = feed(Measure::Times, &[(at(600_000), 0.0)]).unwrap();
    series.record(at(88_000), ValueRef::Missing, KEEP);
    assert_eq!(series.count(KEEP.times(9), at(600_000)), 1);
    series.record(at(88_001), ValueRef::Missing, KEEP);
    assert_eq!(series.count(KEEP.times(9), at(600_000)), 2);
}

#[test]
fn a_steady_rate_does_not_allocate() {
    let mut series = feed(Measure::Times, &[(at(0), 0.0)]).unwrap();
    let mut capacity = 0;
    for index in 1..20_000 {
        series.record(at(index * 700), ValueRef::Missing, KEEP);
        let Series::Times(entries) = &series else { panic!("it keeps times") };
        if index == 5_000 {
            capacity = entries.capacity();
        }
    }
    let Series::Times(entries) = &series else { panic!("it keeps times") };
    assert_eq!(entries.capacity(), capacity);
    assert!(EXACT_MAX < entries.len(), "the rate is high enough to be merged");
}

#[test]
fn late_events_merge_into_the_granules_they_belong_to() {
    let instants: Vec<_> = (100..400).map(|index| (at(index * GRANULE + 500), 0.0)).collect();
    let mut series = feed(Measure::Times, &instants).unwrap();
    let length = |series: &Series| match series {
        Series::Times(entries) => entries.len(),
        _ => panic!("it keeps times"),
    };
    assert_eq!(length(&series), 300);
    for late in 0..499 {
        // Before the first entry, and after it, within granules that hold one already.
        series.record(at(100 * GRANULE + 499 - late), ValueRef::Missing, KEEP);
        series.record(at(150 * GRANULE + late), ValueRef::Missing, KEEP);
    }
    assert_eq!(length(&series), 300);
    assert_eq!(series.count(KEEP, at(400 * GRANULE)), 300 + 2 * 499);
}

#[test]
fn values_that_cannot_be_kept_leave_no_trace() {
    assert_eq!(Series::begin(Measure::Amount(PROPERTY), at(0), ValueRef::Str("12")), None);
    assert_eq!(Series::begin(Measure::Distinct(PROPERTY), at(0), ValueRef::Missing), None);
    let mut series = feed(Measure::Amount(PROPERTY), &[(at(0), 5.0)]).unwrap();
    series.record(at(1), ValueRef::Num(f64::NAN), KEEP);
    series.record(at(1), ValueRef::Missing, KEEP);
    assert_eq!(series.count(KEEP, at(2)), 1);
    let mut last = feed(Measure::Last(PROPERTY), &[(at(0), 5.0)]).unwrap();
    last.record(at(1), ValueRef::Missing, KEEP);
    assert_eq!((last.last(), last.last_time()), (Some(&Value::Num(5.0)), Some(at(0))));
}

#[test]
fn distinct_values_have_a_bound_and_forget_the_oldest() {
    let mut series = distinct_evenly(3, at(0), at(300));
    assert_eq!(series.distinct(Span::from_millis(300), at(300)), 3);
    for index in 0..2_000_i64 {
        series.record(at(300 + index), ValueRef::Num(f64::from(index as i32)), KEEP);
    }
    assert_eq!(series.count(KEEP, at(3_000)) as usize, DISTINCT_MAX);
    assert_eq!(series.distinct(Span::from_millis(10), at(2_299)), 10);
}

#[test]
fn hashes_are_part_of_the_state_format_and_never_change() {
    let hash = |value: ValueRef<'_>| value_hash(value).unwrap();
    assert_eq!(hash(ValueRef::Str("reports")), stable_hash("reports"));
    assert_eq!(hash(ValueRef::Num(12.5)), HASH_OF_12_5);
    assert_eq!(hash(ValueRef::Num(0.0)), hash(ValueRef::Num(-0.0)));
    assert_ne!(hash(ValueRef::Num(1.0)), hash(ValueRef::Bool(true)));
    assert_ne!(hash(ValueRef::Str("1")), hash(ValueRef::Num(1.0)));
    let list =
        |items: &[&str]| Value::List(items.iter().map(|item| Value::Str((*item).into())).collect());
    assert_ne!(hash(list(&["ab", "c"]).as_ref()), hash(list(&["a", "bc"]).as_ref()));
}

/// Computed once by an independent program.
const HASH_OF_12_5: u64 = 13_269_430_362_008_583_274;
