//! Times as senders write them: RFC 3339 texts, and numbers of seconds or milliseconds.

use super::json::{Raw, Text};
use crate::engine::time::Timestamp;

/// Numbers below count seconds (until the year 5138), numbers from here on milliseconds (from 1973).
const SECONDS_BELOW: f64 = 1e11;

/// Reads a time; `None` when it is none, or before 1970, or after 9998.
pub(super) fn read(raw: Raw<'_>) -> Option<Timestamp> {
    match raw {
        Raw::Text(Text::Plain(text)) => read_text(text),
        Raw::Text(text @ Text::Escaped(_)) => read_text(&text.decode()),
        Raw::Num(number) if 0.0 <= number => {
            let millis = if number < SECONDS_BELOW { number * 1_000.0 } else { number };
            let latest = Timestamp::MAX.as_millis() as f64;
            // In range of an i64 by the comparison, so nothing is cut off but the fraction.
            (millis <= latest).then(|| Timestamp::from_millis(millis_of(millis)))
        }
        _ => None,
    }
}

/// Reads RFC 3339. The usual form, `2026-03-01T00:00:00.000Z` with any number of decimals or a
/// `+00:00`, is read without the calendar library, five times faster.
pub(super) fn read_text(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    read_usual(bytes).or_else(|| read_utc(bytes)).or_else(|| Timestamp::parse(text))
}

/// Reads `2026-03-01T00:00:00.000Z`, as browsers and most SDKs write it, eight bytes at a time.
fn read_usual(bytes: &[u8]) -> Option<Timestamp> {
    const DATE: Form = Form::new(*b"0000-00-");
    const MIDDLE: Form = Form::new(*b"00T00:00");
    const END: Form = Form::new(*b":00.000Z");
    let bytes: &[u8; 24] = bytes.try_into().ok()?;
    let (words, _) = bytes.as_chunks();
    let &[date, middle, end] = words else { return None };
    let ([y0, _, y2, _, _, month, ..], _) = DATE.read(date)?;
    let ([day, _, _, hour, _, _, minute, _], _) = MIDDLE.read(middle)?;
    let ([_, second, _, _, millis, ..], [.., last, _]) = END.read(end)?;
    let [y0, y2, month, day, hour, minute, second, millis, last] =
        [y0, y2, month, day, hour, minute, second, millis, last].map(i64::from);
    let date = (y0 * 100 + y2, month, day);
    instant_of(date, (hour, minute, second), millis * 10 + last)
}

/// How eight bytes must look: zeros stand for any digit, everything else for itself.
struct Form {
    text: u64,
    /// What sets the high bit of a byte that differs from its own by too much.
    limits: u64,
}

impl Form {
    const fn new(text: [u8; 8]) -> Self {
        let mut limits = [0x7F; 8];
        let mut index = 0;
        while index < 8 {
            #[expect(clippy::indexing_slicing, reason = "both have eight bytes")]
            if text[index] == b'0' {
                limits[index] = 0x7F - 9;
            }
            index += 1;
        }
        Self { text: u64::from_le_bytes(text), limits: u64::from_le_bytes(limits) }
    }

    /// For each byte the number that it and the next make, and the digits; marks are 0.
    fn read(&self, bytes: [u8; 8]) -> Option<([u8; 8], [u8; 8])> {
        const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
        let digits = u64::from_le_bytes(bytes) ^ self.text;
        if (digits | digits.wrapping_add(self.limits)) & HIGHS != 0 {
            return None;
        }
        // At most 99 in each byte.
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        Some((pairs.to_le_bytes(), digits.to_le_bytes()))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller has checked the range")]
fn millis_of(millis: f64) -> i64 {
    millis as i64
}

fn read_utc(bytes: &[u8]) -> Option<Timestamp> {
    let (head, tail) = bytes.split_at_checked(19)?;
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1] =
        head
    else {
        return None;
    };
    let year = pair(y0, y1)? * 100 + pair(y2, y3)?;
    let (month, day) = (pair(m0, m1)?, pair(d0, d1)?);
    let (hour, minute, second) = (pair(h0, h1)?, pair(i0, i1)?, pair(s0, s1)?);
    instant_of((year, month, day), (hour, minute, second), millis_and_zone(tail)?)
}

/// The instant of a date and time, if there is such a one.
fn instant_of(
    (year, month, day): (i64, i64, i64),
    (hour, minute, second): (i64, i64, i64),
    millis: i64,
) -> Option<Timestamp> {
    if 23 < hour || 59 < minute || 59 < second || day < 1 {
        return None;
    }
    let (before, length) = month_of(year, month)?;
    if length < day {
        return None;
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400;
    // 719_162 days lie between 0001-01-01 and 1970-01-01.
    let days = past * 365 + leap_days + before + day - 1 - 719_162;
    let total = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis;
    let instant = Timestamp::from_millis(total);
    (instant.as_millis() == total).then_some(instant)
}

/// Days of the year before the month, and in it.
fn month_of(year: i64, month: i64) -> Option<(i64, i64)> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (before, length) = match month {
        1 => return Some((0, 31)),
        2 => return Some((31, if leap { 29 } else { 28 })),
        3 => (59, 31),
        4 => (90, 30),
        5 => (120, 31),
        6 => (151, 30),
        7 => (181, 31),
        8 => (212, 31),
        9 => (243, 30),
        10 => (273, 31),
        11 => (304, 30),
        12 => (334, 31),
        _ => return None,
    };
    Some((before + i64::from(leap), length))
}

/// `.123456Z`, `Z`, `.123+00:00`: the first three decimals.
fn millis_and_zone(tail: &[u8]) -> Option<i64> {
    let (mut millis, mut zone) = (0, tail);
    if let [b'.', decimals @ ..] = tail {
        let mut weight = 100;
        zone = decimals;
        while let [digit @ b'0'..=b'9', rest @ ..] = zone {
            millis += i64::from(digit - b'0') * weight;
            weight /= 10;
            zone = rest;
        }
        let count = decimals.len() - zone.len();
        if !(1..=9).contains(&count) {
            return None;
        }
    }
    matches!(zone, b"Z" | b"+00:00").then_some(millis)
}

fn pair(tens: u8, ones: u8) -> Option<i64> {
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_fast_way_agrees_with_the_calendar_library_on_every_day() {
        for day in 0..80_000_i64 {
            let instant = Timestamp::from_millis(day * 86_400_000 + day * 7_919 % 86_400_000);
            let text = instant.to_string();
            for read in [read_usual, read_utc] {
                assert_eq!(read(text.as_bytes()), Some(instant), "{text}");
            }
        }
    }

    #[test]
    fn offsets_and_decimals_are_understood() {
        let same = [
            "2026-03-01T12:00:00.120Z",
            "2026-03-01T12:00:00.12Z",
            "2026-03-01T12:00:00.120999+00:00",
            "2026-03-01T13:00:00.120+01:00",
            "2026-03-01T12:00:00.120-00:00",
        ];
        for text in same {
            assert_eq!(read_text(text).map(|t| t.to_string()).as_deref(), Some(same[0]), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let none = [
            "",
            "yesterday",
            "2026-03-01",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "1969-12-31T23:59:59Z",
            "1900-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
        ];
        for text in none {
            assert_eq!(read_text(text), None, "{text}");
        }
        for number in [-1.0, 1e30] {
            assert_eq!(read(Raw::Num(number)), None, "{number}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        let seconds = read(Raw::Num(1_772_323_200.5)).unwrap();
        let millis = read(Raw::Num(1_772_323_200_500.0)).unwrap();
        assert_eq!(seconds, millis);
        assert_eq!(seconds.to_string(), "2026-03-01T00:00:00.500Z");
    }

    proptest! {
        #[test]
        fn the_fast_way_never_says_otherwise(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|\\+00:00)") {
            for instant in [read_usual, read_utc].iter().filter_map(|read| read(text.as_bytes())) {
                prop_assert_eq!(Some(instant), Timestamp::parse(&text));
            }
        }
    }
}
