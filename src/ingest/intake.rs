//! The seam behind the door: where accepted records and refused events go.

use crate::log::{self, Group};
use crate::store::record::DeadLetter;

/// Takes what came in. `app` implements it over the log and the store.
pub trait Intake: Send + Sync + 'static {
    /// Number of shards.
    fn shards(&self) -> u16;

    /// Appends groups, all or none, and returns once they are durable.
    ///
    /// # Errors
    /// When they are not durable: the sender is asked to come again.
    fn append(&self, groups: Vec<Group>) -> impl Future<Output = Result<(), log::Error>> + Send;

    /// Keeps what was refused, as far as it can.
    fn deadletter(&self, letters: Vec<DeadLetter>) -> impl Future<Output = ()> + Send;
}
