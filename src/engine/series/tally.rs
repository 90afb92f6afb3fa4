//! What a customer's whole history of one event comes to, in a few numbers: how often, since when,
//! on how many days, and how far apart.

use super::super::time::{Span, Timestamp};

/// The whole history of one event, in constant space.
///
/// Everything is exact while events come in the order in which they occurred. One that comes late
/// is counted; what lies between its neighbours is then taken for one gap, as if the late one had
/// stood at an end of it, and its day is not told apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// When it first happened.
    pub first: Timestamp,
    /// When it last happened.
    pub last: Timestamp,
    /// How often.
    pub count: u32,
    /// On how many days, in UTC.
    pub days: u32,
    /// The longest time from one to the next.
    pub gap_max: Span,
    /// Sum of the squares of the gaps, in square milliseconds: whole numbers, so that nothing is
    /// lost where the gaps are long and alike.
    pub gap_squares: u128,
}

impl Tally {
    /// After the first event.
    pub const fn begin(at: Timestamp) -> Self {
        Self { first: at, last: at, count: 1, days: 1, gap_max: Span::ZERO, gap_squares: 0 }
    }

    /// Counts one more event.
    pub fn record(&mut self, at: Timestamp) {
        self.count = self.count.saturating_add(1);
        let (gap, day_end) = if self.last <= at {
            let last = std::mem::replace(&mut self.last, at);
            (at - last, last)
        } else if at < self.first {
            let first = std::mem::replace(&mut self.first, at);
            (first - at, first)
        } else {
            return;
        };
        if day(at) != day(day_end) {
            self.days = self.days.saturating_add(1);
        }
        self.gap_max = self.gap_max.max(gap);
        let millis = u128::from(gap.as_millis().unsigned_abs());
        self.gap_squares = self.gap_squares.saturating_add(millis * millis);
    }

    /// The mean gap in days; `None` before there is one.
    pub fn gap_mean(&self) -> Option<f64> {
        let gaps = f64::from(self.count.checked_sub(1).filter(|gaps| 0 < *gaps)?);
        Some(in_days(self.last - self.first) / gaps)
    }

    /// The longest gap in days; `None` before there is one.
    pub fn gap_max(&self) -> Option<f64> {
        (1 < self.count).then(|| in_days(self.gap_max))
    }

    /// The standard deviation of the gaps in days, of a sample (over n - 1); `None` before there
    /// are two.
    pub fn gap_deviation(&self) -> Option<f64> {
        let gaps = u128::from(self.count.checked_sub(1).filter(|gaps| 1 < *gaps)?);
        let sum = u128::from((self.last - self.first).as_millis().unsigned_abs());
        // n times the sum of squared differences from the mean is n * sum of squares - sum^2:
        // whole numbers up to here.
        let spread = gaps.checked_mul(self.gap_squares)?.saturating_sub(sum.checked_mul(sum)?);
        #[expect(clippy::cast_precision_loss, reason = "rounded once, to 16 digits")]
        let variance = spread as f64 / (gaps * (gaps - 1)) as f64;
        Some(variance.sqrt() / as_days(Span::DAY))
    }
}

/// The number of a day in UTC.
fn day(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(Span::DAY.as_millis())
}

fn in_days(span: Span) -> f64 {
    as_days(span) / as_days(Span::DAY)
}

/// Milliseconds as a number; spans stay far below the 2^53 that a number holds exactly.
#[expect(clippy::cast_precision_loss, reason = "a span of 285,000 years would be rounded")]
fn as_days(span: Span) -> f64 {
    span.as_millis() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    fn tally(hours: &[i64]) -> Tally {
        let (first, rest) = hours.split_first().unwrap();
        let mut tally = Tally::begin(at(*first));
        rest.iter().for_each(|hour| tally.record(at(*hour)));
        tally
    }

    /// Mean, deviation and maximum the slow way.
    fn naive(hours: &[i64]) -> (f64, f64, f64) {
        let gaps: Vec<f64> = hours.windows(2).map(|two| (two[1] - two[0]) as f64 / 24.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let squares: f64 = gaps.iter().map(|gap| (gap - mean).powi(2)).sum();
        let deviation = (squares / (gaps.len() as f64 - 1.0)).sqrt();
        (mean, deviation, gaps.iter().copied().fold(0.0, f64::max))
    }

    #[test]
    fn gaps_are_what_adding_them_up_gives() {
        let hours = [3, 3, 40, 41, 300, 301, 302, 9_000, 9_500];
        let tally = tally(&hours);
        let (mean, deviation, longest) = naive(&hours);
        assert!((tally.gap_mean().unwrap() - mean).abs() < 1e-12);
        assert!((tally.gap_deviation().unwrap() - deviation).abs() < 1e-12);
        assert!((tally.gap_max().unwrap() - longest).abs() < 1e-12);
        assert_eq!((tally.count, tally.days), (9, 5));
    }

    #[test]
    fn gaps_that_are_all_alike_do_not_deviate() {
        let weekly: Vec<i64> = (0..500).map(|week| week * 168 + 7).collect();
        assert_eq!(tally(&weekly).gap_deviation(), Some(0.0));
    }

    #[test]
    fn what_needs_more_events_is_missing_before() {
        let one = tally(&[5]);
        assert_eq!((one.gap_mean(), one.gap_max(), one.gap_deviation()), (None, None, None));
        let two = tally(&[5, 29]);
        assert_eq!(
            (two.gap_mean(), two.gap_max(), two.gap_deviation()),
            (Some(1.0), Some(1.0), None)
        );
    }

    #[test]
    fn late_events_are_counted_and_earlier_ones_begin_it() {
        let mut late = tally(&[100, 200]);
        late.record(at(150));
        assert_eq!((late.count, late.gap_mean()), (3, Some(50.0 / 24.0)));
        late.record(at(4));
        assert_eq!((late.first, late.last, late.count), (at(4), at(200), 4));
        assert_eq!(late.gap_max(), Some(100.0 / 24.0));
    }
}
