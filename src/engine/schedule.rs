//! Calendars: cron expressions on the local wall clock, resolved to instants by our own rules.
//!
//! The `cron` crate answers one question only: which local time is the next one. On real zones it
//! skips what falls into a gap, doubles what falls into an overlap, and there even goes back in
//! time; so it never sees a zone here. The rules are these:
//!
//! - A local time that a gap swallows occurs at the end of the gap, at most one per gap.
//! - In an overlap a fixed time (`30 1 * * *`) occurs on the first pass only.
//! - An interval (an `*` or a `/` in minutes or hours: `*/30 * * * *`) occurs on both passes.

mod weekday;

use chrono::{Datelike, NaiveDate, Timelike};
use jiff::civil;

use super::time::{Span, Timestamp, Zone};

/// Longest expression taken.
const TEXT_BYTES_MAX: usize = 256;
/// Changes of offset that one search walks through; it jumps over all that are far from the next
/// local time, so that a handful is enough.
const ROUNDS_MAX: u32 = 64;
/// No offset moves the wall clock by more than this at once (a day, at the date line).
const SHIFT_MAX: Span = Span::DAY.times(2);

/// A cron expression. The `cron` crate is used as a calendar on naive local time only, because it
/// skips and doubles occurrences around changes of daylight saving.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: Box<str>,
    calendar: cron::Schedule,
    pace: Pace,
}

/// Whether a schedule means times of day or steps of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// `30 1 * * *`: once, even when the wall clock shows 01:30 twice.
    Fixed,
    /// `*/30 * * * *`: whenever the wall clock shows it.
    Interval,
}

impl Schedule {
    /// Reads five fields (`minute hour day month weekday`) or six (seconds first). Weekdays by
    /// name only, because digits mean different days to different programs. Where both a day of
    /// the month and a weekday are given, both must hold: `0 9 1-7 * MON` is the first Monday.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
        if shown.len() < text.len() {
            return Err(format!("a schedule has at most {TEXT_BYTES_MAX} characters"));
        }
        if text.trim_start().starts_with('@') {
            return Err(format!(
                "`{text}` is a short form that is not taken; write five fields, such as \
                 `0 9 * * MON-FRI`"
            ));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (second, [minute, hour, day, month, weekday]) = match fields.as_slice() {
            [minute, hour, day, month, weekday] => ("0", [*minute, *hour, *day, *month, *weekday]),
            [second, minute, hour, day, month, weekday] => {
                (*second, [*minute, *hour, *day, *month, *weekday])
            }
            _ => {
                return Err(format!(
                    "`{text}` has {} fields; a schedule has five (minute hour day month weekday), \
                     or six with seconds first",
                    fields.len()
                ));
            }
        };
        let weekdays = weekday::expand(weekday)?;
        let calendar: cron::Schedule = format!("{second} {minute} {hour} {day} {month} {weekdays}")
            .parse()
            .map_err(|_| fault(text, [second, minute, hour, day, month]))?;
        let steps = [second, minute, hour].iter().any(|field| field.contains(['*', '/']));
        let pace = if steps { Pace::Interval } else { Pace::Fixed };
        let schedule = Self { text: text.into(), calendar, pace };
        // A leap day on a given weekday comes within 40 years, or never.
        if schedule.next_local(civil::date(2000, 1, 1).at(0, 0, 0, 0)).is_none() {
            return Err(format!("`{text}` never comes: no date fits it"));
        }
        Ok(schedule)
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first occurrence after an instant: its instant, and its local time as text, which is
    /// the occurrence's name. In a gap it is the end of the gap; in an overlap a fixed time
    /// occurs once, an interval (`*/30`) on both passes. `None` past the year 2100, where the
    /// calendar ends.
    pub fn next_after(&self, after: Timestamp, zone: &Zone) -> Option<(Timestamp, Box<str>)> {
        let mut from = after;
        for _ in 0..ROUNDS_MAX {
            let local = from.in_zone(zone);
            let next = self.next_local(local)?;
            // Until the next change of offset the wall clock runs like any other.
            let at = from + between(local, next);
            let change = zone.next_change(from).unwrap_or(Timestamp::MAX);
            if at < change {
                match (self.pace, zone.end_of_second_pass(at)) {
                    (_, None) => return Some((at, name(next))),
                    (Pace::Interval, Some(_)) => return Some((at, name_of_second(next))),
                    // The end itself is no second pass any more: it must be found.
                    (Pace::Fixed, Some(end)) => {
                        from = std::cmp::min(end, change) - Span::from_millis(1);
                    }
                }
                continue;
            }
            if let Some(found) = self.at_change(change, next, zone) {
                return Some(found);
            }
            // Nothing lies between here and `next`, and a change that is far enough away cannot
            // repeat what came before: straight to the days around `next`.
            from = if from + SHIFT_MAX < change { at - SHIFT_MAX } else { change };
        }
        None
    }

    /// The occurrence at the very instant of a change of offset, if there is one. `next` is the
    /// first local time at or after what the wall clock would have shown without the change.
    fn at_change(
        &self,
        change: Timestamp,
        next: civil::DateTime,
        zone: &Zone,
    ) -> Option<(Timestamp, Box<str>)> {
        let shown = change.in_zone(zone);
        let just_before = shown.checked_sub(jiff::Span::new().seconds(1)).ok()?;
        if self.next_local(just_before)? == shown {
            return match (self.pace, zone.end_of_second_pass(change)) {
                (_, None) => Some((change, name(shown))),
                (Pace::Interval, Some(_)) => Some((change, name_of_second(shown))),
                (Pace::Fixed, Some(_)) => None,
            };
        }
        // Over a gap, `next` lies before what the wall clock now shows: it was swallowed.
        (next < shown).then(|| (change, name(next)))
    }

    /// The first local time of the calendar after another.
    fn next_local(&self, after: civil::DateTime) -> Option<civil::DateTime> {
        let part = |number: i8| u32::try_from(number).ok();
        let after = NaiveDate::from_ymd_opt(
            i32::from(after.year()),
            part(after.month())?,
            part(after.day())?,
        )?
        .and_hms_opt(part(after.hour())?, part(after.minute())?, part(after.second())?)?;
        let next = self.calendar.after(&after.and_utc()).next()?.naive_utc();
        let part = |number: u32| i8::try_from(number).ok();
        civil::DateTime::new(
            i16::try_from(next.year()).ok()?,
            part(next.month())?,
            part(next.day())?,
            part(next.hour())?,
            part(next.minute())?,
            part(next.second())?,
            0,
        )
        .ok()
    }
}

/// The time from one reading of a clock that runs evenly to another.
fn between(earlier: civil::DateTime, later: civil::DateTime) -> Span {
    let millis = later.duration_since(earlier).as_millis();
    Span::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn name(local: civil::DateTime) -> Box<str> {
    local.to_string().into()
}

/// The second pass is an occurrence of its own, so it needs a name of its own.
fn name_of_second(local: civil::DateTime) -> Box<str> {
    format!("{local} second pass").into()
}

/// Finds the field that the calendar refuses, by trying each on its own.
fn fault(text: &str, fields: [&str; 5]) -> String {
    const FIELDS: [(&str, &str); 5] = [
        ("second", "0-59"),
        ("minute", "0-59"),
        ("hour", "0-23"),
        ("day of the month", "1-31"),
        ("month", "1-12 or JAN-DEC"),
    ];
    for (index, (field, (name, range))) in fields.into_iter().zip(FIELDS).enumerate() {
        let mut alone = ["0", "0", "0", "*", "*"];
        if let Some(slot) = alone.get_mut(index) {
            *slot = field;
        }
        if format!("{} *", alone.join(" ")).parse::<cron::Schedule>().is_err() {
            return format!(
                "`{field}` is no {name}: write {range}, a range `a-b`, a list `a,b`, a step `*/n` \
                 or `*`"
            );
        }
    }
    format!("`{text}` is not a schedule")
}

#[cfg(test)]
mod tests;
