//! From `ramp:` to the parts of all to which a trigger comes, one after the other.

use super::fault::Located;
use super::read::Faults;
use super::scalar::{life_time, parse_share};
use super::words::trigger::RampWords;
use crate::engine::policy::Share;
use crate::engine::ramp::Ramp;
use crate::engine::time::{Span, Timestamp, Zone};

/// Most parts of one ramp.
const STEPS_MAX: usize = 20;
/// How a ramp usually goes.
const EXAMPLE: &str = "write `steps: {1%: 1d, 5%: 1d, 25%: 2d}`; everybody follows by itself";

/// Builds the ramp of a trigger.
pub(crate) fn build(
    trigger: &str,
    words: &RampWords,
    zone: &Zone,
    faults: &mut Faults<'_>,
) -> Option<Ramp> {
    let mut steps: Vec<(Share, Span)> = Vec::new();
    let mut sound = true;
    for (key, lasts) in words.steps.0.iter().flat_map(|steps| &steps.0) {
        let share =
            parse_share(&key.text).filter(|share| Share(0) < *share && *share < Share(10_000));
        let Some(share) = share else {
            let message = format!("`{}` is no part of all", key.text);
            faults.error("E083", key.extent, message, EXAMPLE.to_owned());
            sound = false;
            continue;
        };
        if steps.last().is_some_and(|(before, _)| share <= *before) {
            let message = "each part must be larger than the one before: nobody goes out again";
            faults.error("E083", key.extent, message, EXAMPLE.to_owned());
            sound = false;
        }
        let lasts = Located::new(lasts.value, lasts.extent);
        match life_time(&lasts, faults) {
            Some(lasts) => steps.push((share, lasts)),
            None => sound = false,
        }
    }
    if let Some((key, _)) = words.steps.0.iter().flat_map(|steps| &steps.0).nth(STEPS_MAX) {
        let message = format!("a ramp has at most {STEPS_MAX} parts");
        faults.error("E070", key.extent, message, None);
        return None;
    }
    if sound && steps.is_empty() && words.steps.0.is_some() {
        let message = "a ramp without parts comes to everybody at once";
        faults.error("E083", words.extent, message, EXAMPLE.to_owned());
    }
    let from = Timestamp::from_local(words.from.0.as_ref()?.value.0, zone);
    (sound && !steps.is_empty()).then(|| Ramp::new(trigger, from, &steps))
}
