//! A score's value at the end of each of the last days, and its trend over them.

use thin_vec::ThinVec;

use super::super::customer::{Daily, ScoreState};
use super::super::time::{Span, Timestamp};

/// Days before today that are remembered unless files ask for more.
pub const DAYS: u16 = 28;
/// Days before today that can be remembered, at most: four bytes each for every customer.
pub const DAYS_MAX: u16 = 365;

/// What is asked of the values of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// Their mean.
    Mean,
}

/// Writes a score's value into the history of its days (UTC), of which so many before today are
/// remembered. Days since the last entry repeat it: no change of the value means that none was
/// written.
pub fn note(daily: &mut Option<Box<Daily>>, at: Timestamp, value: f64, remembered: u16) {
    let entries_max = usize::from(remembered.min(DAYS_MAX)) + 1;
    let today = day_of(at);
    let value = narrowed(value);
    let Some(daily) = daily else {
        let values = ThinVec::from([value].as_slice());
        *daily = Some(Box::new(Daily { day: today, values }));
        return;
    };
    let days = usize::try_from(i64::from(today) - i64::from(daily.day)).unwrap_or(0);
    let last = daily.values.last().copied().unwrap_or(value);
    let new = days.min(entries_max);
    daily.values.reserve_exact(new);
    for _ in 0..new {
        daily.values.push(last);
    }
    daily.day = daily.day.max(today);
    if let Some(newest) = daily.values.last_mut() {
        *newest = value;
    }
    let surplus = daily.values.len().saturating_sub(entries_max);
    daily.values.drain(..surplus);
}

/// The value at the end of the day (UTC) `days` before today; `None` when it was not known then,
/// or is no longer.
pub fn days_ago(daily: &Daily, now: Timestamp, days: u16) -> Option<f64> {
    let back = i64::from(daily.day) - (i64::from(day_of(now)) - i64::from(days));
    // A day after the last entry has the value of the last entry.
    let back = usize::try_from(back).unwrap_or(0);
    let index = daily.values.len().checked_sub(back + 1)?;
    daily.values.get(index).map(|value| super::rounded(f64::from(*value)))
}

/// The value now minus the value `days` ago; `None` when there was none.
pub fn trend(score: &ScoreState, now: Timestamp, days: u16) -> Option<f64> {
    let then = days_ago(score.daily.as_ref()?, now, days)?;
    Some(super::rounded(score.value - then))
}

/// Of the value now and those at the end of the `days` days before today; `None` when it was not
/// known all that time.
pub fn over(score: &ScoreState, now: Timestamp, days: u16, over: Over) -> Option<f64> {
    let daily = score.daily.as_ref()?;
    days_ago(daily, now, days)?;
    let earlier = (1..=days).filter_map(|days| days_ago(daily, now, days));
    let all = earlier.chain(std::iter::once(score.value));
    Some(match over {
        Over::Least => all.fold(f64::INFINITY, f64::min),
        Over::Greatest => all.fold(f64::NEG_INFINITY, f64::max),
        Over::Mean => super::rounded(all.sum::<f64>() / (f64::from(days) + 1.0)),
    })
}

/// The values by day, oldest first, until today: days since the epoch, and what it was then.
pub fn by_day(score: &ScoreState, now: Timestamp) -> impl Iterator<Item = (i32, f64)> {
    let values = score.daily.as_deref().map_or(&[][..], |daily| daily.values.as_slice());
    let newest = score.daily.as_deref().map_or(0, |daily| daily.day);
    let first = newest
        .saturating_add(1)
        .saturating_sub_unsigned(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let last = values.last().copied();
    let since = (newest.saturating_add(1)..=day_of(now)).map_while(move |_| last);
    let values = values.iter().copied().chain(since);
    // Of a score that has not changed for years the newest days are enough.
    let all = (first..).zip(values);
    let surplus = usize::try_from(i64::from(day_of(now)) - i64::from(first))
        .unwrap_or(0)
        .saturating_sub(usize::from(DAYS_MAX));
    all.skip(surplus).map(|(day, value)| (day, super::rounded(f64::from(value))))
}

fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.as_millis().div_euclid(Span::DAY.as_millis())).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "four decimals of a score fit an f32")]
fn narrowed(value: f64) -> f32 {
    value as f32
}
