//! Dates and times among values: what counts as one, and in which zone it is read.

use jiff::civil;
use jiff::fmt::temporal::Pieces;

use super::super::catalog::Catalog;
use super::super::customer::CustomerState;
use super::super::time::{Timestamp, Zone};
use super::super::value::ValueRef;
use super::Scope;

/// Numbers below this are seconds since 1970 (it is the year 5138), others milliseconds.
const SECONDS_MAX: f64 = 1e11;

/// The customer's zone: their trait `timezone`, if it names one that exists.
pub fn zone_of(catalog: &Catalog, state: &CustomerState) -> Option<Zone> {
    state.text_trait(catalog.known.timezone).and_then(Zone::parse)
}

/// The instant that a value names: RFC 3339 with an offset; a local date and time, read in `zone`;
/// a date, which begins at its first instant in `zone`; or seconds or milliseconds since 1970.
/// `None` for everything else, and for what lies outside the years 1970 to 9998.
pub fn instant_of(value: ValueRef<'_>, zone: &Zone) -> Option<Timestamp> {
    match moment(value)? {
        Moment::Instant(instant) => Some(instant),
        Moment::Local(local) => in_bounds(local, zone),
    }
}

/// The reading of the wall clock that a value names: a date (at midnight) or local time is what it
/// says, whatever the zone; an instant is what the wall clock in `zone` shows.
pub fn civil_of(value: ValueRef<'_>, zone: &Zone) -> Option<civil::DateTime> {
    Some(match moment(value)? {
        Moment::Instant(instant) => instant.in_zone(zone),
        Moment::Local(local) => local,
    })
}

/// The calendar date that a value names: a date or local time is what it says, whatever the zone;
/// an instant has the date that the wall clock in `zone` shows.
pub fn civil_date_of(value: ValueRef<'_>, zone: &Zone) -> Option<civil::Date> {
    civil_of(value, zone).map(civil::DateTime::date)
}

/// [`instant_of`] in the customer's zone, else the policy's. The zone is looked up only if needed.
pub(super) fn instant_in_scope(value: ValueRef<'_>, scope: &Scope<'_>) -> Option<Timestamp> {
    match moment(value)? {
        Moment::Instant(instant) => Some(instant),
        Moment::Local(local) => match zone_of(scope.catalog, scope.state) {
            Some(zone) => in_bounds(local, &zone),
            None => in_bounds(local, &scope.catalog.policy.zone),
        },
    }
}

/// Dates from an instant until now on the wall clock of the customer, else of the policy.
pub(super) fn calendar_days(from: Timestamp, scope: &Scope<'_>) -> f64 {
    let date = |zone: &Zone, at: Timestamp| at.in_zone(zone).date();
    let days = |zone: &Zone| {
        let days = date(zone, scope.now).duration_since(date(zone, from)).as_hours() / 24;
        // Between the years 1970 and 9998 this is exact.
        i32::try_from(days).map_or(f64::MAX, f64::from)
    };
    zone_of(scope.catalog, scope.state)
        .map_or_else(|| days(&scope.catalog.policy.zone), |zone| days(&zone))
}

enum Moment {
    Instant(Timestamp),
    Local(civil::DateTime),
}

fn moment(value: ValueRef<'_>) -> Option<Moment> {
    match value {
        ValueRef::Str(text) => {
            let pieces = Pieces::parse(text).ok()?;
            if pieces.to_numeric_offset().is_some() {
                return Timestamp::parse(text).map(Moment::Instant);
            }
            // `2026-06-15T10:00[Asia/Tokyo]` names a zone without an offset: nobody sends it, and
            // reading it in another zone would be wrong.
            if pieces.time_zone_annotation().is_some() {
                return None;
            }
            let time = pieces.time().unwrap_or(civil::Time::midnight());
            Some(Moment::Local(pieces.date().to_datetime(time)))
        }
        ValueRef::Num(number) => {
            let millis = if number.abs() < SECONDS_MAX { number * 1e3 } else { number };
            let latest = Timestamp::MAX.as_millis() as f64;
            #[expect(clippy::cast_possible_truncation, reason = "within the bounds just checked")]
            (0.0..=latest)
                .contains(&millis)
                .then(|| Moment::Instant(Timestamp::from_millis(millis.round() as i64)))
        }
        ValueRef::Missing | ValueRef::Bool(_) | ValueRef::List(_) | ValueRef::Map(_) => None,
    }
}

/// The instant of a local time, unless it had to be clamped: a wrong instant is worse than none.
fn in_bounds(local: civil::DateTime, zone: &Zone) -> Option<Timestamp> {
    let instant = Timestamp::from_local(local, zone);
    (Timestamp::MIN < instant && instant < Timestamp::MAX).then_some(instant)
}
