//! When to try again: a fixed schedule, a little apart for each decision. Pure.

use crate::engine::id::DecisionId;
use crate::engine::time::{Span, Timestamp};

/// The wait after each attempt; after the last of them it repeats.
const SCHEDULE: [Span; 6] = [
    Span::from_millis(5_000),
    Span::from_millis(30_000),
    Span::from_millis(120_000),
    Span::from_millis(600_000),
    Span::from_millis(1_800_000),
    Span::HOUR,
];
/// A wait is longer by up to this part of itself, so that what failed together does not come
/// back together.
const JITTER_PARTS: i64 = 5;

/// The instant of the next attempt after `attempts` have failed, or `None` when that is too late.
///
/// The channel's own wish to rest is honoured where it is later.
pub fn next(
    decision: &DecisionId,
    attempts: u32,
    now: Timestamp,
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
) -> Option<Timestamp> {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = SCHEDULE.get(index).copied().unwrap_or(Span::HOUR);
    let spread = wait.as_millis() / JITTER_PARTS;
    let jitter = seed(decision, attempts).checked_rem(spread).unwrap_or(0);
    let at = now + Span::from_millis(wait.as_millis() + jitter);
    let at = not_before.map_or(at, |rest| rest.max(at));
    (at < expires_at).then_some(at)
}

/// A number from 0 on that is the same for the same attempt of the same decision, everywhere.
fn seed(decision: &DecisionId, attempts: u32) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(decision.as_bytes()).update(&attempts.to_le_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    i64::from_le_bytes(bytes) & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: DecisionId = DecisionId::from_bytes([7; 16]);

    fn start() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    #[test]
    fn waits_follow_the_schedule_and_stay_within_their_jitter() {
        let far = start() + Span::DAY;
        for (attempts, least, most) in [
            (1, "5s", "6s"),
            (2, "30s", "36s"),
            (3, "2m", "2m24s"),
            (4, "10m", "12m"),
            (5, "30m", "36m"),
            (6, "1h", "1h12m"),
            (7, "1h", "1h12m"),
            (400, "1h", "1h12m"),
        ] {
            let wait = next(&ID, attempts, start(), None, far).unwrap() - start();
            let bounds = Span::parse(least).unwrap()..Span::parse(most).unwrap();
            assert!(bounds.contains(&wait), "attempt {attempts}: {wait}");
        }
    }

    #[test]
    fn the_same_attempt_waits_the_same_and_others_do_not() {
        let far = start() + Span::DAY;
        let at = |byte, attempts| {
            next(&DecisionId::from_bytes([byte; 16]), attempts, start(), None, far)
        };
        assert_eq!(at(7, 4), at(7, 4));
        let mut waits: Vec<_> = (0..100).map(|byte| at(byte, 4)).collect();
        waits.sort();
        waits.dedup();
        assert!(90 < waits.len(), "{} different waits of 100", waits.len());
    }

    #[test]
    fn it_never_waits_past_the_expiry_and_honours_the_channel() {
        let soon = start() + Span::from_millis(5_000);
        assert_eq!(next(&ID, 1, start(), None, soon), None);
        let far = start() + Span::DAY;
        let rest = start() + Span::MINUTE;
        assert_eq!(next(&ID, 1, start(), Some(rest), far), Some(rest));
        assert_eq!(next(&ID, 1, start(), Some(far), far), None);
        let early = next(&ID, 1, start(), Some(start()), far).unwrap();
        assert!(start() + Span::from_millis(5_000) <= early);
    }
}
