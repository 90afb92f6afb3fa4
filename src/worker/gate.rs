//! The gate: whether a send may still leave, asked just before a call that comes late.

use super::shard::Shard;
use crate::engine::decision::{Content, Outreach, Reason};
use crate::engine::govern;
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::operation::Order;
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;

/// The order that holds a send which may leave again when the order ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an operator holds it back ({0})")]
pub struct HeldBy(pub String);

/// Why a send may not leave any more; nothing when it may.
///
/// # Errors
/// When an operator holds it back: it stays where it is and is asked about again.
pub fn ask(shard: &Shard, row: &OutboxRow, now: Timestamp) -> Result<Option<Reason>, HeldBy> {
    let order = shard.operations().holding(Some(&row.trigger), Some(&row.purpose), now);
    match order.map(|standing| &standing.operation) {
        Some(operation) if operation.order == Order::Stop => Ok(Some(Reason::Stopped)),
        Some(operation) => Err(HeldBy(format!("{}: {}", operation.by, operation.why))),
        None => Ok(refusal(shard, row, now)),
    }
}

/// The same by the rules alone.
pub fn refusal(shard: &Shard, row: &OutboxRow, now: Timestamp) -> Option<Reason> {
    let Some(state) = shard.find(&row.customer) else { return Some(Reason::Erased) };
    // A trigger, purpose or channel that is gone cannot be checked, so it cannot be let go.
    let Some(outreach) = outreach(shard, row) else { return Some(Reason::TriggerRemoved) };
    govern::recheck(shard.catalog(), state, &outreach, now)
}

fn outreach(shard: &Shard, row: &OutboxRow) -> Option<Outreach> {
    let policy = &shard.catalog().policy;
    let purpose = policy.purposes.iter().position(|purpose| *purpose.name == *row.purpose)?;
    let channel = policy.channels.iter().position(|channel| *channel.name == *row.channel)?;
    Some(Outreach {
        decision: DecisionId::parse(&row.decision)?,
        trigger: shard.catalog().find_trigger(&row.trigger)?,
        customer: CustomerId::new(&*row.customer),
        channel: ChannelSlot(u16::try_from(channel).ok()?),
        address: row.address.as_deref().map(Into::into),
        purpose: PurposeSlot(u16::try_from(purpose).ok()?),
        decided_at: Timestamp::from_millis(row.decided_at_ms),
        expires_at: Timestamp::from_millis(row.expires_at_ms),
        offer: row.offer.as_deref().map(Into::into),
        arm: row.arm.as_deref().map(Into::into),
        content: Content::default(),
    })
}
