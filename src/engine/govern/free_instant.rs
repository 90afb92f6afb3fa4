//! The first instant at which all rules about time allow an outreach.

use super::case::Case;
use super::{cap, consent, operations, quiet_hours};
use crate::engine::decision::{Hold, Reason};
use crate::engine::id::DecisionId;
use crate::engine::slot::ChannelSlot;
use crate::engine::time::{Span, Timestamp};

/// Rounds over the rules before the search is given up and the outreach expires: each round passes
/// at least one quiet time, cap or pause.
const ROUNDS_MAX: u32 = 512;

/// The first instant from now on at which pause, spread, quiet hours, blackouts and the caps that
/// defer all allow it, or one at or after its expiry; `None` if the search is given up.
///
/// Each rule says at which instant from a given one on it first allows it. An instant that all of
/// them leave where it is, reached by their answers alone, is the first that suits all.
pub(super) fn find(
    case: &Case<'_>,
    channel: Option<ChannelSlot>,
    ghost: Option<Reason>,
) -> Option<Timestamp> {
    let first = walk(case, &|at| {
        longest([quiet_hours::hold(case, channel, at), cap::hold(case, channel, ghost, at)])
    });
    // A message that may move goes out on the channel that is free first.
    let others = cap::others(case, channel).filter_map(|other| {
        walk(case, &|at| {
            longest([
                // What makes its first channel wait, beside caps, makes it wait altogether.
                quiet_hours::hold(case, channel, at),
                quiet_hours::hold(case, Some(other), at),
                cap::hold_all(case, other, ghost, at),
            ])
        })
    });
    others.chain(first).min()
}

/// The first instant at which pause, orders and spread allow a case, and what is about channels.
fn walk(case: &Case<'_>, of_channels: &dyn Fn(Timestamp) -> Hold) -> Option<Timestamp> {
    let mut at = case.now;
    for _ in 0..ROUNDS_MAX {
        let start = at;
        let rules: [&dyn Fn(Timestamp) -> Hold; 4] = [
            &|at| operations::hold(case, at),
            &|at| consent::paused(case, at),
            &|at| spread(case, at),
            of_channels,
        ];
        for rule in rules {
            match rule(at) {
                Hold::Free => {}
                Hold::Until(until) => at = at.max(until),
                Hold::Never => return None,
            }
        }
        if at == start || case.expires_at <= at {
            return Some(at);
        }
    }
    None
}

fn longest<const N: usize>(holds: [Hold; N]) -> Hold {
    holds.into_iter().fold(Hold::Free, |longest, hold| match (longest, hold) {
        (Hold::Never, _) | (_, Hold::Never) => Hold::Never,
        (Hold::Free, other) | (other, Hold::Free) => other,
        (Hold::Until(a), Hold::Until(b)) => Hold::Until(a.max(b)),
    })
}

/// How long a fan-out's spread holds a case: until its own instant within it.
pub(super) fn spread(case: &Case<'_>, at: Timestamp) -> Hold {
    let over = case.message.and_then(|message| message.spread_over);
    let (Some(over), Some(asker)) = (over, case.asker) else { return Hold::Free };
    let until = spread_until(asker.id, over, case.decided_at);
    if at < until { Hold::Until(until) } else { Hold::Free }
}

/// The instant of a decision within a spread that begins at an instant: by its id, so that it is
/// the same wherever and whenever it is computed.
pub fn spread_until(decision: DecisionId, over: Span, from: Timestamp) -> Timestamp {
    let millis = u64::try_from(over.as_millis()).unwrap_or_default();
    let place = decision.head().checked_rem(millis).unwrap_or_default();
    from + Span::from_millis(i64::try_from(place).unwrap_or_default())
}
