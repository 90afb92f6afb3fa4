//! Orders of operators as the store keeps them, and as people see them.

use serde::{Deserialize, Serialize};

use crate::engine::operation::{Operation, Operations, Order, Scope, Standing};
use crate::engine::time::Timestamp;

/// An order as it is stored with the mark of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredOperation {
    id: String,
    order: String,
    scope: String,
    until_ms: i64,
    by: String,
    why: String,
    since_ms: i64,
    moved: u64,
    ended_ms: Option<i64>,
}

/// As they are stored.
pub(super) fn stored(operations: &Operations) -> Vec<StoredOperation> {
    let stored = |standing: &Standing| StoredOperation {
        id: standing.operation.id.to_string(),
        order: standing.operation.order.as_str().to_owned(),
        scope: standing.operation.scope.to_string(),
        until_ms: standing.operation.until.as_millis(),
        by: standing.operation.by.to_string(),
        why: standing.operation.why.to_string(),
        since_ms: standing.since.as_millis(),
        moved: standing.moved,
        ended_ms: standing.ended.map(Timestamp::as_millis),
    };
    operations.all().iter().map(stored).collect()
}

/// As they were. An order that only a later version knows holds nothing here.
pub(super) fn restored(stored: Vec<StoredOperation>) -> Operations {
    let restored = |stored: StoredOperation| {
        Some(Standing {
            operation: Operation {
                id: stored.id.into(),
                order: Order::parse(&stored.order)?,
                scope: Scope::parse(&stored.scope)?,
                until: Timestamp::from_millis(stored.until_ms),
                by: stored.by.into(),
                why: stored.why.into(),
            },
            since: Timestamp::from_millis(stored.since_ms),
            moved: stored.moved,
            ended: stored.ended_ms.map(Timestamp::from_millis),
        })
    };
    Operations::restored(stored.into_iter().filter_map(restored).collect())
}
