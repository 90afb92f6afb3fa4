//! From `breaker:` to how far a trigger may go before it is paused by itself.

use super::fault::Fault;
use super::policy::File;
use super::read::Faults;
use super::scalar::some_time;
use super::words::trigger::BreakerWords;
use crate::engine::policy::{AtMost, Breaker, Share};
use crate::engine::time::Span;

/// Longest stretch over which decisions are counted.
const PER_MAX: Span = Span::DAY.times(7);

/// The policy's, for triggers that say nothing themselves.
pub(crate) fn of_all(file: &File<'_>, list: &mut Vec<Fault>) -> Option<Breaker> {
    build(file.raw.breaker.as_ref()?, &mut Faults { text: file.text, list })
}

/// Builds a breaker.
pub(crate) fn build(words: &BreakerWords, faults: &mut Faults<'_>) -> Option<Breaker> {
    let per = words.per.0.as_ref().and_then(|per| {
        if PER_MAX < per.value {
            let message = format!("decisions are counted over {PER_MAX} at most");
            faults.error("E070", per.extent, message, None);
        }
        some_time(per, faults)
    });
    let at_most = words.at_most.0.as_ref()?;
    if matches!(at_most.value, AtMost::Count(0) | AtMost::Part(Share(0))) {
        let help = "to switch the trigger off, say `enabled: false`".to_owned();
        faults.error("E084", at_most.extent, "this would pause the trigger at once", help);
    }
    Some(Breaker {
        at_most: at_most.value,
        per: per?,
        complaints: words.complaints,
        unsubscribes: words.unsubscribes,
        failed: words.failed,
        of_at_least: words.of_at_least.as_ref().map_or(Breaker::OF_AT_LEAST, |least| least.value.0),
    })
}
