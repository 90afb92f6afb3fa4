//! The governor: one visible ordered list of rules that every outreach passes, when it is decided
//! and again when it is sent.

use std::sync::Arc;

use super::catalog::{Catalog, Trigger};
use super::customer::{Cause, CustomerState};
use super::decision::{Finding, Outreach, Reason, Verdict};
use super::id::DecisionId;
use super::input::Delivery;
use super::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use super::time::Timestamp;

/// An outreach that wants to happen.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// Its decision.
    pub id: DecisionId,
    /// The slot of the trigger.
    pub slot: TriggerSlot,
    /// The trigger.
    pub trigger: &'a Trigger,
    /// Its cause.
    pub cause: &'a Cause,
    /// When it was first decided (now, or earlier for one that waited).
    pub decided_at: Timestamp,
}

/// What the governor says.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Each rule up to the one that decided.
    pub findings: Vec<Finding>,
    /// The arm, where the trigger has an experiment and the rules got that far.
    pub arm: Option<Arc<str>>,
    /// After this it must not leave.
    pub expires_at: Timestamp,
}

/// Judges proposals that arise at one instant, first by priority. Sends, tasks and ghosts are
/// entered into the ledger and `once_per`, so that the next proposal sees them.
pub fn judge(
    _catalog: &Catalog,
    _state: &mut CustomerState,
    _proposals: &[Proposal<'_>],
    _now: Timestamp,
) -> Vec<Judgement> {
    unimplemented!()
}

/// Checks once more, just before a call leaves, what may have changed since the decision: `None`
/// lets it go.
pub fn recheck(
    _catalog: &Catalog,
    _state: &CustomerState,
    _outreach: &Outreach,
    _now: Timestamp,
) -> Option<Reason> {
    unimplemented!()
}

/// Enters what became of a send into the ledger.
pub fn settle(_state: &mut CustomerState, _decision: DecisionId, _delivery: &Delivery) {
    unimplemented!()
}

/// What the rules would say to an outreach of a purpose now, of no particular trigger.
pub fn propose(
    _catalog: &Catalog,
    _state: &CustomerState,
    _purpose: PurposeSlot,
    _now: Timestamp,
) -> Judgement {
    unimplemented!()
}

/// How much of each cap is used and when it is free again, for the customer's page.
pub fn caps_left(_catalog: &Catalog, _state: &CustomerState, _now: Timestamp) -> Vec<Finding> {
    unimplemented!()
}

/// The first channel of a list on which the customer can be reached and has not refused.
pub fn reachable(
    _catalog: &Catalog,
    _state: &CustomerState,
    _via: &[ChannelSlot],
    _purpose: PurposeSlot,
) -> Option<ChannelSlot> {
    unimplemented!()
}
