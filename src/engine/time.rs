//! Instants, durations and the customer's wall clock. The rules for daylight saving live here.

use std::fmt;
use std::ops::{Add, Sub};

use jiff::civil;
use jiff::tz::TimeZone;

use super::planted::{Fault, is_planted};
use super::policy::Period;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant taken: 1970.
    pub const MIN: Self = Self(0);
    /// The latest instant taken: the end of the year 9998, so that a day can still be added.
    pub const MAX: Self = Self(253_370_764_799_999);

    /// From milliseconds since the epoch, clamped to the instants taken.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-03-01T00:00:00Z`, any offset).
    pub fn parse(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        let millis = instant.as_millisecond();
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// The wall clock in a zone. Every instant has exactly one.
    pub fn in_zone(self, zone: &Zone) -> civil::DateTime {
        zone.0.to_datetime(self.to_jiff())
    }

    /// The instant at which a wall clock shows `local`: inside a gap the first instant after it,
    /// inside an overlap the first pass.
    pub fn from_local(local: civil::DateTime, zone: &Zone) -> Self {
        let ambiguous = zone.0.to_ambiguous_timestamp(local);
        let instant = match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Gap { before, .. } => {
                // The end of the gap is the transition itself, which follows the instant that
                // `local` would be under the offset before it, minus the time spent inside.
                let inside = before.to_timestamp(local).unwrap_or(jiff::Timestamp::MAX);
                zone.0.preceding(inside).next().map_or(inside, |transition| transition.timestamp())
            }
            _ => ambiguous.earlier().unwrap_or(jiff::Timestamp::MAX),
        };
        Self::from_millis(instant.as_millisecond())
    }

    /// This instant or the other, whichever is later.
    pub fn max(self, other: Self) -> Self {
        Ord::max(self, other)
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (days, millis) = (self.0.div_euclid(DAY_MILLIS), self.0.rem_euclid(DAY_MILLIS));
        let (year, month, day) = civil_from_days(days);
        let parts = [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, millis / 3_600_000),
            (14..16, millis / 60_000 % 60),
            (17..19, millis / 1_000 % 60),
            (20..23, millis % 1_000),
        ];
        for (range, mut number) in parts {
            for place in text.get_mut(range).unwrap_or_default().iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        // They are digits all.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Milliseconds of a day.
const DAY_MILLIS: i64 = 86_400_000;

/// Year, month and day so many days after 1970-01-01, none of which lies before it: with years that
/// begin in March a leap day is the last of its year.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    /// Days of four hundred years, and those from March of the year 0 until 1970.
    const ERA_DAYS: i64 = 146_097;
    const UNTIL_1970: i64 = 719_468;
    let days = days + UNTIL_1970;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + i64::from(month <= 2), month, day)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// An exact length of time, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(i64);

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// One day of exactly 24 hours.
    pub const DAY: Self = Self(86_400_000);
    /// One hour.
    pub const HOUR: Self = Self(3_600_000);
    /// One minute.
    pub const MINUTE: Self = Self(60_000);
    /// One second.
    pub const SECOND: Self = Self(1_000);

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// `self` taken `count` times.
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Reads `250ms`, `90s`, `3m`, `8h30m`, `36h`, `14d`, `2w`: largest unit first, no sign.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut total: i64 = 0;
        let mut last_unit = i64::MAX;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, tail) = rest.split_at_checked(digits)?;
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(letters)?;
            let unit = match unit {
                "w" => 7 * Self::DAY.0,
                "d" => Self::DAY.0,
                "h" => Self::HOUR.0,
                "m" => Self::MINUTE.0,
                "s" => Self::SECOND.0,
                "ms" => 1,
                _ => return None,
            };
            if last_unit <= unit {
                return None;
            }
            last_unit = unit;
            total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
            rest = tail.trim_start();
        }
        Some(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        if rest < 0 {
            f.write_str("-")?;
            rest = rest.saturating_neg();
        }
        let units = [
            (Self::DAY.0, "d"),
            (Self::HOUR.0, "h"),
            (Self::MINUTE.0, "m"),
            (1_000, "s"),
            (1, "ms"),
        ];
        for (unit, letter) in units {
            if unit <= rest {
                write!(f, "{}{letter}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Most stretches of held wall-clock time, one after the other, that are walked through: more than
/// a year of one a day.
pub const WALK_ROUNDS_MAX: u32 = 512;

/// A time zone of the tz database built into this program (the same on every machine).
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Looks up an IANA name, ignoring case.
    pub fn parse(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// Coordinated universal time.
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The first instant at or after `from` at which `inside` lets the wall clock go. For a local
    /// time that is held, `inside` says at which local time that ends; it must be a later one.
    /// `None` when the end is not reached in [`WALK_ROUNDS_MAX`] rounds.
    ///
    /// What counts is the local time that each instant shows: in an overlap a local time can be
    /// held, let go, and held again.
    pub fn first_outside(
        &self,
        from: Timestamp,
        inside: impl Fn(civil::DateTime) -> Option<civil::DateTime>,
    ) -> Option<Timestamp> {
        let mut at = from;
        for _ in 0..WALK_ROUNDS_MAX {
            let local = at.in_zone(self);
            let Some(end) = inside(local) else { return Some(at) };
            // Up to the next change of offset the wall clock runs like any other.
            let wait = end.duration_since(local).as_millis();
            let end = at + Span(i64::try_from(wait).unwrap_or(i64::MAX));
            let change = self.next_change(at).filter(|_| !is_planted(Fault::ClockNeverChanges));
            at = change.map_or(end, |change| std::cmp::min(change, end));
        }
        None
    }

    /// In the second pass of an overlap, when the wall clock shows what it has shown before: the
    /// first instant after it. `None` at all other instants.
    pub fn end_of_second_pass(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.in_zone(self);
        let jiff::tz::AmbiguousOffset::Fold { before, after } =
            self.0.to_ambiguous_timestamp(local).offset()
        else {
            return None;
        };
        let second = after.to_timestamp(local).ok()?;
        let until_next = Timestamp::from_millis(at.0.saturating_add(1)).to_jiff();
        let change = self.0.preceding(until_next).next()?.timestamp();
        let width = i64::from(before.seconds()) - i64::from(after.seconds());
        (at.to_jiff() == second)
            .then(|| Timestamp::from_millis(change.as_millisecond()) + Span::SECOND.times(width))
    }

    /// The next instant at which the offset or its name changes.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let change = self.0.following(after.to_jiff()).next()?;
        Some(Timestamp::from_millis(change.timestamp().as_millisecond()))
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A day of the wall clock, counted from the first of January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

/// Days from one up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Day,
    /// The first behind them.
    pub to: Day,
}

/// The first of all days.
const EPOCH: civil::Date = civil::date(1970, 1, 1);

impl Day {
    /// The day of a date.
    pub fn of(date: civil::Date) -> Self {
        Self(date.duration_since(EPOCH).as_hours() / 24)
    }

    /// Its date; `None` beyond the calendar.
    pub fn date(self) -> Option<civil::Date> {
        EPOCH.checked_add(jiff::SignedDuration::from_hours(self.0.checked_mul(24)?)).ok()
    }

    const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl Days {
    /// Whether a day is one of them.
    pub fn have(self, day: Day) -> bool {
        self.from <= day && day < self.to
    }
}

impl Zone {
    /// The days that the wall clock shows at instants. Where each follows the one before, as contacts
    /// do, the offset is looked up once between two of its changes: that takes longer than the rest.
    pub fn days(&self, instants: impl Iterator<Item = Timestamp>) -> impl Iterator<Item = Day> {
        let mut known = (Timestamp::MAX, Timestamp::MIN, 0);
        instants.map(move |at| {
            if at < known.0 || known.1 <= at {
                let offset = self.0.to_offset(at.to_jiff()).seconds();
                let until = self.next_change(at).unwrap_or(Timestamp::MAX);
                known = (at, until, i64::from(offset) * 1_000);
            }
            Day(at.0.saturating_add(known.2).div_euclid(DAY_MILLIS))
        })
    }
}

impl Period {
    /// The days of the period around a day.
    pub fn around(self, day: Day) -> Days {
        let (from, count) = match self {
            Self::Day => (day, 1),
            // The first of all days was a Thursday, the fourth of its week.
            Self::Week => (day.plus(-day.plus(3).0.rem_euclid(7)), 7),
            Self::Month => match day.date() {
                Some(date) => (day.plus(1 - i64::from(date.day())), date.days_in_month().into()),
                None => (day, 1),
            },
        };
        Days { from, to: from.plus(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_the_same() {
        for text in ["3m", "8h30m", "14d", "250ms", "1d2h3m4s5ms", "0s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Span::parse("2w"), Some(Span::DAY.times(14)));
        for text in ["", "3", "m", "-3m", "3m2h", "3x", "1.5h", "99999999999999w"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_written_as_the_calendar_library_does() {
        let days = (0..=Timestamp::MAX.0 / DAY_MILLIS).step_by(61);
        for day in (0..80_000).chain(days) {
            let instant = Timestamp::from_millis(day * DAY_MILLIS + day * 7_919 % DAY_MILLIS);
            assert_eq!(instant.to_string(), format!("{:.3}", instant.to_jiff()));
        }
        for instant in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(instant.to_string(), format!("{:.3}", instant.to_jiff()));
        }
    }

    #[test]
    fn a_local_time_in_a_gap_is_the_end_of_the_gap() {
        let zone = Zone::parse("America/New_York").unwrap();
        let gap = civil::date(2026, 3, 8).at(2, 30, 0, 0);
        assert_eq!(Timestamp::from_local(gap, &zone).to_string(), "2026-03-08T07:00:00.000Z");
    }

    #[test]
    fn a_local_time_in_an_overlap_is_its_first_pass() {
        let zone = Zone::parse("America/New_York").unwrap();
        let twice = civil::date(2026, 11, 1).at(1, 30, 0, 0);
        assert_eq!(Timestamp::from_local(twice, &zone).to_string(), "2026-11-01T05:30:00.000Z");
    }

    #[test]
    fn days_are_those_that_the_wall_clock_shows() {
        for name in ["America/New_York", "Pacific/Apia", "America/Sao_Paulo", "UTC"] {
            let zone = Zone::parse(name).unwrap();
            let start = Timestamp::parse("2011-01-01T00:30:00Z").unwrap();
            // Hours of years in which a day was left out, and clocks were changed at midnight.
            let instants = || (0..40_000).map(|hour| start + Span::HOUR.times(hour));
            let shown = instants().map(|at| at.in_zone(&zone).date());
            for ((day, shown), at) in zone.days(instants()).zip(shown).zip(instants()) {
                assert_eq!((day, day.date()), (Day::of(shown), Some(shown)), "{at} in {name}");
            }
            // In no order it is right too, only slower.
            let back: Vec<_> = zone.days(instants().rev()).collect();
            assert!(back.into_iter().rev().eq(zone.days(instants())));
        }
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        for number in -40_000..80_000 {
            let day = Day(number);
            let date = day.date().unwrap();
            for (period, format) in
                [(Period::Day, "%Y-%m-%d"), (Period::Week, "%G-W%V"), (Period::Month, "%Y-%m")]
            {
                let name = |day: Day| day.date().unwrap().strftime(format).to_string();
                let Days { from, to } = period.around(day);
                assert!(from <= day && day < to, "{date}");
                let inside = [from, to.plus(-1)].map(name);
                assert!(inside.iter().all(|name| *name == date.strftime(format).to_string()));
                assert!([from.plus(-1), to].into_iter().all(|day| name(day) != inside[0]));
            }
        }
    }
}
