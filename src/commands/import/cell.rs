//! What the cells of a column are: a table has only texts, conditions want numbers, dates, flags.
//!
//! A column is what all of its cells can be. One cell that is no number makes the column a text,
//! so that `007` and `10115` keep their zeros and are all of one kind.

use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Digits up to which a number is exact; longer ones are ids.
const DIGITS_MAX: usize = 15;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `yes`, `no`, `true`, `false`.
    Flag,
    /// `12`, `-3.5`.
    Number,
    /// `-3,5`, as in tables with semicolons.
    CommaNumber,
    /// A day or a day and a time.
    Date,
    /// Anything else.
    Text,
}

impl Kind {
    /// In the order in which they are preferred.
    const ALL: [Self; 5] = [Self::Flag, Self::Number, Self::CommaNumber, Self::Date, Self::Text];

    /// What it is called in the summary.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "yes or no",
            Self::Number | Self::CommaNumber => "number",
            Self::Date => "date",
            Self::Text => "text",
        }
    }
}

/// What all cells of a column seen so far can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    possible: [bool; Kind::ALL.len()],
    seen: bool,
}

impl Guess {
    /// Of a column of which nothing is known.
    pub(super) const fn new() -> Self {
        Self { possible: [true; Kind::ALL.len()], seen: false }
    }

    /// Of a column that is text whatever it looks like: ids, phone numbers, postal codes.
    pub(super) const fn text() -> Self {
        Self { possible: [false, false, false, false, true], seen: false }
    }

    /// Takes one more cell into account. An empty one says nothing.
    pub(super) fn see(&mut self, cell: &str) {
        let cell = cell.trim();
        if cell.is_empty() {
            return;
        }
        self.seen = true;
        for (possible, kind) in self.possible.iter_mut().zip(Kind::ALL) {
            *possible = *possible && read(cell, kind, &TimeZone::UTC).is_some();
        }
    }

    /// What the column holds.
    pub(super) fn kind(&self) -> Kind {
        let kinds = self.possible.iter().zip(Kind::ALL);
        let best = kinds.filter(|(possible, _)| **possible).map(|(_, kind)| kind).next();
        if self.seen { best.unwrap_or(Kind::Text) } else { Kind::Text }
    }
}

/// A cell as a value of its column's kind; `None` when it is not of that kind.
pub(super) fn read(cell: &str, kind: Kind, zone: &TimeZone) -> Option<Value> {
    let cell = cell.trim();
    match kind {
        Kind::Flag => match cell.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(Value::Bool(true)),
            "false" | "no" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Number => number(cell, '.'),
        Kind::CommaNumber => number(cell, ','),
        Kind::Date => date(cell, zone).map(Value::String),
        Kind::Text => Some(Value::String(cell.to_owned())),
    }
}

/// A yes or no in a column of consents, where `1` and `0` can mean nothing else.
pub(super) fn answer(cell: &str) -> Option<bool> {
    match cell.trim().to_lowercase().as_str() {
        "true" | "yes" | "y" | "1" | "ja" | "j" | "oui" | "是" => Some(true),
        "false" | "no" | "n" | "0" | "nein" | "non" | "否" => Some(false),
        _ => None,
    }
}

/// An instant in the form the log takes. A time without a zone is in `zone`; seconds or
/// milliseconds since 1970 are taken too.
pub(super) fn instant(cell: &str, zone: &TimeZone) -> Option<String> {
    let cell = cell.trim();
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = cell.parse().ok()?;
        let instant = match cell.len() {
            9 | 10 => jiff::Timestamp::from_second(number),
            12 | 13 => jiff::Timestamp::from_millisecond(number),
            _ => return None,
        };
        return instant.ok().map(|instant| instant.to_string());
    }
    if let Ok(instant) = cell.parse::<jiff::Timestamp>() {
        return Some(instant.to_string());
    }
    let local = date_time(cell).or_else(|| day(cell).map(|day| day.at(0, 0, 0, 0)))?;
    Some(zone.to_ambiguous_timestamp(local).compatible().ok()?.to_string())
}

fn number(cell: &str, point: char) -> Option<Value> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, part) = match digits.split_once(point) {
        Some((whole, part)) => (whole, Some(part)),
        None => (digits, None),
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = whole.len() != 1 && whole.starts_with('0');
    let length = whole.len() + part.map_or(0, str::len);
    if !plain(whole) || padded || DIGITS_MAX < length || !part.is_none_or(plain) {
        return None;
    }
    let number: f64 = cell.replace(point, ".").parse().ok()?;
    if part.is_none() {
        return cell.parse::<i64>().ok().map(Value::from);
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

/// A day as `2026-03-01`; a day and a time as an instant, because a day alone depends on nobody's
/// zone and a time does.
fn date(cell: &str, zone: &TimeZone) -> Option<String> {
    if let Some(day) = day(cell) {
        return Some(day.to_string());
    }
    // Bare digits are numbers, whatever else they could be.
    if cell.bytes().all(|byte| byte.is_ascii_digit()) { None } else { instant(cell, zone) }
}

fn day(cell: &str) -> Option<civil::Date> {
    let formats = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y"];
    formats.into_iter().find_map(|format| civil::Date::strptime(format, cell).ok())
}

fn date_time(cell: &str) -> Option<civil::DateTime> {
    let days = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y"];
    let times = ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f"];
    days.into_iter()
        .flat_map(|day| times.into_iter().map(move |time| (day, time)))
        .flat_map(|(day, time)| [' ', 'T'].map(|between| format!("{day}{between}{time}")))
        .find_map(|format| civil::DateTime::strptime(&format, cell).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(cells: &[&str]) -> Kind {
        let mut guess = Guess::new();
        for cell in cells {
            guess.see(cell);
        }
        guess.kind()
    }

    #[test]
    fn a_column_is_what_all_of_its_cells_can_be() {
        assert_eq!(kind_of(&["1", "", "-2.5"]), Kind::Number);
        assert_eq!(kind_of(&["1,5", "2"]), Kind::CommaNumber);
        assert_eq!(kind_of(&["10115", "01067"]), Kind::Text);
        assert_eq!(kind_of(&["2026-03-01", "2026-03-02T10:00:00Z"]), Kind::Date);
        assert_eq!(kind_of(&["01.03.2026", "31.12.2025"]), Kind::Date);
        assert_eq!(kind_of(&["yes", "No", "TRUE"]), Kind::Flag);
        assert_eq!(kind_of(&["1", "0"]), Kind::Number);
        assert_eq!(kind_of(&["1", "one"]), Kind::Text);
        assert_eq!(kind_of(&["9007199254740993"]), Kind::Text);
        assert_eq!(kind_of(&["1e3", "NaN"]), Kind::Text);
        assert_eq!(kind_of(&["", ""]), Kind::Text);
    }

    #[test]
    fn times_without_a_zone_are_in_the_one_named() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let summer = instant("2026-07-01 12:00", &berlin);
        assert_eq!(summer.as_deref(), Some("2026-07-01T10:00:00Z"));
        let exact = instant("2026-07-01T12:00:00+08:00", &berlin);
        assert_eq!(exact.as_deref(), Some("2026-07-01T04:00:00Z"));
        assert_eq!(instant("1772366400", &berlin).as_deref(), Some("2026-03-01T12:00:00Z"));
        assert_eq!(instant("1772366400000", &berlin).as_deref(), Some("2026-03-01T12:00:00Z"));
        assert_eq!(instant("31.12.2025", &TimeZone::UTC).as_deref(), Some("2025-12-31T00:00:00Z"));
        for nonsense in ["", "yesterday", "2026-13-01", "12", "99999999999999"] {
            assert_eq!(instant(nonsense, &berlin), None, "{nonsense}");
        }
    }
}
