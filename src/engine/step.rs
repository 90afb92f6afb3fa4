//! One application of one input: fold, fire what is due, match, govern, give effects.

use super::catalog::Catalog;
use super::customer::CustomerState;
use super::decision::Decision;
use super::input::{BlindGap, Input};

/// Applies one input to one customer.
///
/// Timers due at or before `input.at` fire first, each at its own due instant, so that decisions
/// do not depend on how often ticks come. `blind` lists the times in which this shard heard
/// nothing; absence timers do not count them.
pub fn step(
    _catalog: &Catalog,
    _state: &mut CustomerState,
    _input: &Input<'_>,
    _blind: &[BlindGap],
) -> Decision {
    unimplemented!()
}
