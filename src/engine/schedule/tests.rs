//! Calendars against a clock that is read minute by minute, in all zones there are.

use std::collections::BTreeSet;

use super::*;

fn instants(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(text).unwrap();
    let zone = Zone::parse(zone).unwrap();
    let mut at = Timestamp::parse(after).unwrap();
    let mut found = Vec::new();
    for _ in 0..count {
        let Some((next, name)) = schedule.next_after(at, &zone) else { break };
        assert!(at < next);
        found.push(format!("{next} {name}"));
        at = next;
    }
    found
}

#[test]
fn a_time_in_a_gap_comes_at_its_end_and_no_day_is_skipped() {
    assert_eq!(
        instants("30 2 * * *", "America/New_York", "2026-03-07T00:00:00Z", 3),
        [
            "2026-03-07T07:30:00.000Z 2026-03-07T02:30:00",
            "2026-03-08T07:00:00.000Z 2026-03-08T02:30:00",
            "2026-03-09T06:30:00.000Z 2026-03-09T02:30:00",
        ]
    );
}

#[test]
fn several_times_in_one_gap_come_once() {
    assert_eq!(
        instants("0,20,40 2,3 * * *", "America/New_York", "2026-03-08T06:59:59Z", 2),
        [
            "2026-03-08T07:00:00.000Z 2026-03-08T03:00:00",
            "2026-03-08T07:20:00.000Z 2026-03-08T03:20:00",
        ]
    );
}

#[test]
fn a_fixed_time_in_an_overlap_comes_once() {
    assert_eq!(
        instants("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
        [
            "2026-11-01T05:30:00.000Z 2026-11-01T01:30:00",
            "2026-11-02T06:30:00.000Z 2026-11-02T01:30:00",
        ]
    );
    let between_the_passes = "2026-11-01T06:10:00Z";
    assert_eq!(
        instants("30 1 * * *", "America/New_York", between_the_passes, 1),
        ["2026-11-02T06:30:00.000Z 2026-11-02T01:30:00"]
    );
}

#[test]
fn an_interval_comes_on_both_passes_in_order() {
    assert_eq!(
        instants("*/30 * * * *", "America/New_York", "2026-11-01T04:59:00Z", 5),
        [
            "2026-11-01T05:00:00.000Z 2026-11-01T01:00:00",
            "2026-11-01T05:30:00.000Z 2026-11-01T01:30:00",
            "2026-11-01T06:00:00.000Z 2026-11-01T01:00:00 second pass",
            "2026-11-01T06:30:00.000Z 2026-11-01T01:30:00 second pass",
            "2026-11-01T07:00:00.000Z 2026-11-01T02:00:00",
        ]
    );
}

#[test]
fn a_rare_interval_comes_on_its_second_pass_before_it_comes_next_year() {
    assert_eq!(
        instants("*/30 1 1 11 *", "America/New_York", "2026-11-01T05:00:00Z", 4),
        [
            "2026-11-01T05:30:00.000Z 2026-11-01T01:30:00",
            "2026-11-01T06:00:00.000Z 2026-11-01T01:00:00 second pass",
            "2026-11-01T06:30:00.000Z 2026-11-01T01:30:00 second pass",
            "2027-11-01T05:00:00.000Z 2027-11-01T01:00:00",
        ]
    );
}

#[test]
fn seconds_and_leap_days_and_first_mondays() {
    assert_eq!(
        instants("30 0 9 * * MON", "UTC", "2026-03-21T12:00:00Z", 1),
        ["2026-03-23T09:00:30.000Z 2026-03-23T09:00:30"]
    );
    assert_eq!(
        instants("0 12 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z", 2),
        [] as [&str; 0],
        "2100 is no leap year, and there the calendar ends"
    );
    assert_eq!(
        instants("0 12 29 2 SUN", "Europe/Berlin", "2026-03-01T00:00:00Z", 1),
        ["2032-02-29T11:00:00.000Z 2032-02-29T12:00:00"]
    );
    assert_eq!(
        instants("0 9 1-7 * MON", "UTC", "2026-03-21T00:00:00Z", 2),
        [
            "2026-04-06T09:00:00.000Z 2026-04-06T09:00:00",
            "2026-05-04T09:00:00.000Z 2026-05-04T09:00:00",
        ]
    );
}

#[test]
fn a_day_that_the_date_line_swallowed_comes_at_its_end() {
    // Samoa had no 30 December 2011.
    assert_eq!(
        instants("0 9 * * *", "Pacific/Apia", "2011-12-29T20:00:00Z", 2),
        [
            "2011-12-30T10:00:00.000Z 2011-12-30T09:00:00",
            "2011-12-30T19:00:00.000Z 2011-12-31T09:00:00",
        ]
    );
}

#[test]
fn faults_say_what_is_wrong_and_what_to_write() {
    for (text, hint) in [
        (
            "0 9 * *",
            "`0 9 * *` has 4 fields; a schedule has five (minute hour day month weekday), or six with seconds first",
        ),
        ("0 0 9 * * MON 2026", "has 7 fields"),
        ("@daily", "write five fields"),
        (
            "0 9 * * 1",
            "`1` names weekdays by digits, which mean different days to different programs; write MON, TUE",
        ),
        ("0 9 * * MON-5", "by digits"),
        ("0 9 * * Monntag", "`Monntag` is no weekday"),
        ("61 9 * * *", "`61` is no minute: write 0-59"),
        ("0 25 * * *", "`25` is no hour"),
        ("0 9 32 * *", "`32` is no day of the month"),
        ("0 9 * 13 *", "`13` is no month"),
        ("*/0 9 * * *", "`*/0` is no minute"),
        ("99999999999999999999 9 * * *", "is no minute"),
        ("0 9 30 2 *", "never comes"),
        ("", "has 0 fields"),
    ] {
        let error = Schedule::parse(text).unwrap_err();
        assert!(error.contains(hint), "{text}: {error}");
    }
    assert!(Schedule::parse(&"0,".repeat(1_000)).unwrap_err().contains("at most 256"));
    assert_eq!(Schedule::parse("0 9 * * mon-fri").unwrap().as_str(), "0 9 * * mon-fri");
}

#[test]
fn weekdays_run_over_the_weekend() {
    for (field, expected) in [
        ("*", "*"),
        ("?", "*"),
        ("sat-sun", "SAT,SUN"),
        ("FRI-Monday", "MON,FRI,SAT,SUN"),
        ("WED", "WED"),
        ("SUN,TUE-WED", "TUE,WED,SUN"),
        ("MON-SUN", "MON,TUE,WED,THU,FRI,SAT,SUN"),
    ] {
        assert_eq!(weekday::expand(field).as_deref(), Ok(expected), "{field}");
    }
}

/// What a schedule means, written down a second time, without any parser.
struct Meaning {
    text: String,
    pace: Pace,
    fits: Box<dyn Fn(civil::DateTime) -> bool>,
}

fn meaning(
    text: impl Into<String>,
    pace: Pace,
    fits: impl Fn(civil::DateTime) -> bool + 'static,
) -> Meaning {
    Meaning { text: text.into(), pace, fits: Box::new(fits) }
}

/// Some that stay and two that aim at the change itself.
fn meanings(around: civil::DateTime, turn: usize) -> Vec<Meaning> {
    use Pace::{Fixed, Interval};
    let (hour, minute) = (around.hour(), around.minute());
    let sunday = |local: civil::DateTime| local.weekday() == civil::Weekday::Sunday;
    let mut all = vec![
        meaning("0 0 * * *", Fixed, |local| (local.hour(), local.minute()) == (0, 0)),
        meaning("*/30 * * * *", Interval, |local| local.minute() % 30 == 0),
        meaning("5,35 0-3 * * SUN", Fixed, move |local| {
            sunday(local) && local.hour() <= 3 && [5, 35].contains(&local.minute())
        }),
        meaning("10/20 */2 * * *", Interval, |local| {
            local.hour() % 2 == 0 && local.minute() % 20 == 10
        }),
        meaning("45 * * * *", Interval, |local| local.minute() == 45),
        meaning("0,59 1,2,23 1,15,28-31 * *", Fixed, |local| {
            [0, 59].contains(&local.minute())
                && [1, 2, 23].contains(&local.hour())
                && (matches!(local.day(), 1 | 15) || 28 <= local.day())
        }),
    ];
    let kept = turn % all.len();
    all.swap(0, kept);
    all.truncate(1);
    all.push(meaning(format!("{minute} {hour} * * *"), Fixed, move |local| {
        (local.hour(), local.minute()) == (hour, minute)
    }));
    all.push(meaning(format!("*/7 {hour} * * *"), Interval, move |local| {
        local.hour() == hour && local.minute() % 7 == 0
    }));
    all
}

/// Reads the clock each minute from `from` to `to` and writes down what must happen.
fn by_the_minute(
    meaning: &Meaning,
    clock: &[(Timestamp, civil::DateTime)],
) -> Vec<(Timestamp, Box<str>)> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<(Timestamp, Box<str>)> = Vec::new();
    let mut before = clock[0].1;
    for (at, local) in clock.iter().copied() {
        let first = seen.insert(local);
        if (meaning.fits)(local) && (first || meaning.pace == Pace::Interval) {
            found.push((at, if first { name(local) } else { name_of_second(local) }));
        } else if let Some(swallowed) =
            minutes_between(before, local).find(|at| (meaning.fits)(*at))
        {
            found.push((at, name(swallowed)));
        }
        before = local;
    }
    found
}

fn minutes_between(
    after: civil::DateTime,
    before: civil::DateTime,
) -> impl Iterator<Item = civil::DateTime> {
    let minute = jiff::Span::new().minutes(1);
    std::iter::successors(after.checked_add(minute).ok(), move |at| at.checked_add(minute).ok())
        .take_while(move |at| *at < before)
}

/// Instants of the changes of a zone from 1980 on, a few of them, always others.
fn changes(zone: &Zone, turn: usize) -> Vec<Timestamp> {
    let mut at = Timestamp::parse("1980-01-01T00:00:00Z").unwrap();
    let end = Timestamp::parse("2045-01-01T00:00:00Z").unwrap();
    let mut all = Vec::new();
    while let Some(change) = zone.next_change(at).filter(|change| *change < end) {
        all.push(change);
        at = change;
    }
    let stride = all.len() / CHANGES_PER_ZONE + 1;
    all.into_iter().skip(turn % stride).step_by(stride).collect()
}

const CHANGES_PER_ZONE: usize = 3;

#[test]
fn in_every_zone_around_changes_of_offset_the_clock_read_by_the_minute_agrees() {
    let (mut zones, mut checked, mut occurrences) = (0, 0, 0);
    for (turn, zone_name) in jiff::tz::db().available().enumerate() {
        let zone = Zone::parse(zone_name.as_str()).unwrap();
        zones += 1;
        for change in changes(&zone, turn) {
            // Aim into the gap or overlap: some minutes after the change on the clock before it.
            let just_before = (change - Span::MINUTE).in_zone(&zone);
            let aimed =
                just_before.checked_add(jiff::Span::new().minutes((turn % 50) as i64)).unwrap();
            // Wide enough for the change and for midnight, or for a day lost at the date line.
            let shift = change.in_zone(&zone).duration_since(just_before).as_hours().abs();
            let hours = if shift < 4 { 10 } else { 27 };
            let start = change - Span::HOUR.times(hours);
            let clock: Vec<_> = (0..hours * 120)
                .map(|minute| start + Span::MINUTE.times(minute))
                .map(|at| (at, at.in_zone(&zone)))
                .collect();
            let end = clock.last().unwrap().0;
            for meaning in meanings(aimed, turn + checked) {
                let schedule = Schedule::parse(&meaning.text).unwrap();
                assert_eq!(schedule.pace, meaning.pace);
                let expected = by_the_minute(&meaning, &clock);
                let mut at = start - Span::from_millis(1);
                let mut found = Vec::new();
                while let Some(next) = schedule.next_after(at, &zone).filter(|next| next.0 <= end) {
                    at = next.0;
                    found.push(next);
                }
                assert_eq!(found, expected, "`{}` in {zone_name} around {change}", meaning.text);
                occurrences += found.len();
            }
            checked += 1;
        }
    }
    assert!(
        500 < zones && 1_000 < checked && 10_000 < occurrences,
        "{zones} {checked} {occurrences}"
    );
}
