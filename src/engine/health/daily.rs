//! A score's value at the end of each of the last days, and its trend over them.

use thin_vec::ThinVec;

use super::super::customer::{Daily, ScoreState};
use super::super::time::{Span, Timestamp};

/// Days remembered: enough to look 28 days back from today.
const DAYS_MAX: usize = 29;

/// Writes a score's value into the history of its days (UTC). Days since the last entry repeat it:
/// no change of the value means that none was written.
pub fn note(daily: &mut Option<Box<Daily>>, at: Timestamp, value: f64) {
    let today = day_of(at);
    let value = narrowed(value);
    let Some(daily) = daily else {
        let values = ThinVec::from([value].as_slice());
        *daily = Some(Box::new(Daily { day: today, values }));
        return;
    };
    let days = usize::try_from(i64::from(today) - i64::from(daily.day)).unwrap_or(0);
    let last = daily.values.last().copied().unwrap_or(value);
    for _ in 0..days.min(DAYS_MAX) {
        daily.values.push(last);
    }
    daily.day = daily.day.max(today);
    if let Some(newest) = daily.values.last_mut() {
        *newest = value;
    }
    let surplus = daily.values.len().saturating_sub(DAYS_MAX);
    daily.values.drain(..surplus);
}

/// The value at the end of the day (UTC) `days` before today; `None` when it was not known then,
/// or is no longer.
pub fn days_ago(daily: &Daily, now: Timestamp, days: u8) -> Option<f64> {
    let back = i64::from(daily.day) - (i64::from(day_of(now)) - i64::from(days));
    // A day after the last entry has the value of the last entry.
    let back = usize::try_from(back).unwrap_or(0);
    let index = daily.values.len().checked_sub(back + 1)?;
    daily.values.get(index).map(|value| super::rounded(f64::from(*value)))
}

/// The value now minus the value `days` ago; `None` when there was none.
pub fn trend(score: &ScoreState, now: Timestamp, days: u8) -> Option<f64> {
    let then = days_ago(score.daily.as_ref()?, now, days)?;
    Some(super::rounded(score.value - then))
}

fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.as_millis().div_euclid(Span::DAY.as_millis())).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "four decimals of a score fit an f32")]
fn narrowed(value: f64) -> f32 {
    value as f32
}
