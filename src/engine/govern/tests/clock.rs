//! Quiet hours minute by minute, in every zone, over every kind of change of its clock.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::quiet_hours::quiet_end;
use crate::engine::policy::QuietHours;
use crate::engine::testing::{at, shop};
use crate::engine::time::{Span, Timestamp, Zone};

const MINUTES_PER_DAY: usize = 24 * 60;
const MINUTES_PER_WEEK: usize = 7 * MINUTES_PER_DAY;

/// The week of a wall clock, painted minute by minute: `true` is quiet.
pub(super) fn painted(hours: &[QuietHours]) -> Vec<bool> {
    let minute = |time: jiff::civil::Time| {
        usize::try_from(time.hour()).unwrap() * 60 + usize::try_from(time.minute()).unwrap()
    };
    let mut week = vec![false; MINUTES_PER_WEEK];
    for hours in hours {
        for day in (0..7).filter(|day| hours.weekdays >> day & 1 == 1) {
            let mut at = day * MINUTES_PER_DAY + minute(hours.from);
            loop {
                week[at % MINUTES_PER_WEEK] = true;
                at += 1;
                if at % MINUTES_PER_DAY == minute(hours.to) {
                    break;
                }
            }
        }
    }
    week
}

/// Whether an instant is quiet, by the painted week.
pub(super) fn is_quiet(week: &[bool], at: Timestamp, zone: &Zone) -> bool {
    let local = at.in_zone(zone);
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap();
    let hour = usize::try_from(local.hour()).unwrap();
    week[day * MINUTES_PER_DAY + hour * 60 + usize::try_from(local.minute()).unwrap()]
}

pub(super) fn zones() -> Vec<Zone> {
    let names = jiff::tz::TimeZoneDatabase::bundled();
    let zones: Vec<_> = names.available().filter_map(|name| Zone::parse(name.as_str())).collect();
    assert!(400 < zones.len(), "only {} zones", zones.len());
    zones
}

/// The changes of a zone's clock in some years.
fn changes(zone: &Zone, from: &str, to: &str) -> Vec<Timestamp> {
    let tz = TimeZone::get(zone.name()).unwrap_or(TimeZone::UTC);
    let (from, to): (jiff::Timestamp, jiff::Timestamp) =
        (from.parse().unwrap(), to.parse().unwrap());
    let following = tz.following(from).map(|change| change.timestamp());
    following
        .take_while(|instant| *instant < to)
        .map(|instant| Timestamp::from_millis(instant.as_millisecond()))
        .collect()
}

/// Compares the first instant outside with a walk over every minute, for every instant of a span.
fn compare(hours: &[QuietHours], zone: &Zone, from: Timestamp, minutes: i64, stride: usize) {
    let week = painted(hours);
    let instants: Vec<_> = (0..=minutes).map(|n| from + Span::MINUTE.times(n)).collect();
    let mut free = None;
    for (n, instant) in instants.iter().enumerate().rev() {
        if !is_quiet(&week, *instant, zone) {
            free = Some(*instant);
        }
        let (Some(free), 0) = (free, n % stride) else { continue };
        let found = zone.first_outside(*instant, |local| quiet_end(hours, local));
        assert_eq!(found, Some(free), "from {instant} in {zone:?} with {hours:?}");
    }
}

fn hours(specs: &[(u8, &str)]) -> Vec<QuietHours> {
    let shop = specs.iter().fold(shop(), |shop, (days, hours)| shop.quiet_on(*days, hours));
    shop.policy.quiet_hours.into_vec()
}

#[test]
fn in_every_zone_quiet_hours_end_at_the_first_minute_outside() {
    let sets = [
        hours(&[(0b111_1111, "22:00-08:00")]),
        hours(&[(0b111_1111, "01:30-03:10"), (0b111_1111, "12:00-14:00")]),
        hours(&[(0b111_1111, "23:30-00:30"), (0b110_0000, "00:00-00:00")]),
        hours(&[(0b101_0101, "02:30-02:30"), (0b010_1010, "00:00-02:15")]),
    ];
    let mut seen = 0;
    for (n, zone) in zones().iter().enumerate() {
        // Another stretch of years for each zone, so that old and odd changes come up too.
        let year = 1972 + n * 7 % 60;
        let (from, to) = (format!("{year}-01-01T00:00Z"), format!("{}-01-01T00:00Z", year + 3));
        let mut around = changes(zone, &from, &to);
        around.truncate(3);
        seen += around.len();
        around.push(at(&format!("{year}-06-15T00:00Z")));
        for change in around {
            let hours = &sets[n % sets.len()];
            compare(hours, zone, change - span_of_days(1), 2 * 1440 + 600, 13);
        }
    }
    assert!(400 < seen, "only {seen} changes of the clock were looked at");
}

fn span_of_days(days: i64) -> Span {
    Span::DAY.times(days)
}

#[test]
fn quiet_hours_at_a_change_of_the_clock() {
    let zone = Zone::parse("America/New_York").unwrap();
    for (quiet, from, free, why) in [
        ("22:00-02:30", "2026-03-08T06:00Z", "2026-03-08T07:00Z", "the end is in the gap"),
        ("22:00-08:00", "2026-03-08T03:00Z", "2026-03-08T12:00Z", "an hour shorter"),
        ("22:00-08:00", "2026-11-01T02:00Z", "2026-11-01T13:00Z", "an hour longer"),
        ("22:00-01:30", "2026-11-01T05:15Z", "2026-11-01T05:30Z", "the first pass"),
        ("22:00-01:30", "2026-11-01T06:15Z", "2026-11-01T06:30Z", "the second pass"),
        ("01:30-03:00", "2026-11-01T05:45Z", "2026-11-01T06:00Z", "the clock leaves it backwards"),
    ] {
        let hours = hours(&[(0b111_1111, quiet)]);
        let found = zone.first_outside(at(from), |local| quiet_end(&hours, local));
        assert_eq!(found, Some(at(free)), "{quiet} from {from}: {why}");
    }
}

#[test]
fn quiet_hours_without_end_are_told_as_such() {
    let zone = Zone::parse("Europe/Amsterdam").unwrap();
    let always = hours(&[(0b111_1111, "00:00-00:00")]);
    assert_eq!(zone.first_outside(at("2026-03-02T12:00"), |l| quiet_end(&always, l)), None);
}

pub(super) fn any_hours() -> impl Strategy<Value = Vec<QuietHours>> {
    let one = (0_u8..128, 0_i8..48, 0_i8..48).prop_map(|(weekdays, from, to)| {
        let clock = |half: i8| jiff::civil::time(half / 2, half % 2 * 30, 0, 0);
        QuietHours { weekdays, from: clock(from), to: clock(to) }
    });
    proptest::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_quiet_hours_agree_with_the_minutes(
        hours in any_hours(),
        zone in 0_usize..10_000,
        day in 0_i64..365 * 40,
    ) {
        let zones = zones();
        let zone = &zones[zone % zones.len()];
        let from = at("1990-01-01T00:00") + span_of_days(day);
        // Up to a week can be quiet in one stretch; the last free minute is found from the end.
        compare(&hours, zone, from, 8 * 1440, 131);
    }
}
