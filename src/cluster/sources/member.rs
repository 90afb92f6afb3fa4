//! The member of the group that reads topics of others: what it is told of partitions that go.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};

/// Partitions, by topic and number.
pub(super) type Partitions = BTreeSet<(String, i32)>;

/// Notes partitions that are taken away while the consumer is polled: what was read of them and not
/// yet committed is the next owner's.
#[derive(Debug, Default)]
pub(super) struct Member {
    revoked: Mutex<Partitions>,
}

impl Member {
    /// Partitions taken away since it was asked last.
    pub(super) fn take_revoked(&self) -> Partitions {
        std::mem::take(&mut *self.revoked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Member {}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(gone) = rebalance {
            let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
            for place in gone.elements() {
                revoked.insert((place.topic().to_owned(), place.partition()));
            }
        }
    }
}

/// Joins the group for topics of others.
pub(super) fn config(mut config: ClientConfig, group: &str) -> ClientConfig {
    config.set("group.id", format!("{group}-sources"));
    // A topic that was never read is read from its beginning.
    config.set("auto.offset.reset", "earliest");
    // The node's name is a member of the other group already.
    config.remove("group.instance.id");
    config
}
