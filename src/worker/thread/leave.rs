//! What is written when a shard is left: all that changed, at once and in order, so that the next
//! start finds it where it reads fastest.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::customers::CustomerNumber;
use super::super::open_batch::Extent;
use super::super::shard::Shard;
use super::{Error, Running};

/// Fewer states than these go with the last batch, as they would at any time.
const MANY: usize = 4_096;
/// States looked at together before they are written down.
const GROUP: usize = 32;
/// How often it is looked whether all batches are committed.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

impl Running {
    /// Writes the states that changed since they were written, if they are many. Nothing was ruled
    /// about them, so they may be there before the mark that says so: see [`super::OpenBatch`].
    pub(super) fn write_rest(&mut self) -> Result<(), Error> {
        // What others share is told to them with each batch.
        if self.open.unwritten() < MANY || self.worker.parts.log.is_shared() {
            return Ok(());
        }
        let ruled = self.open.close(&mut self.shard, Extent::Ruled);
        self.send_whole(ruled)?;
        // Older states of the same customers may be on their way.
        self.wait_for_commits()?;
        let rest = in_order(&self.shard, &self.open.take_unwritten());
        let (shard, mut state) = (&mut self.shard, Vec::new());
        self.worker.parts.store.write_states(self.worker.number, |put| {
            for group in rest.chunks(GROUP) {
                shard.look_at(group);
                for number in group {
                    let Some(id) = shard.state(*number).map(|state| state.id.clone()) else {
                        continue;
                    };
                    state.clear();
                    shard
                        .encode(*number, &mut state)
                        .map_err(|why| Error::State { customer: id.as_str().to_owned(), why })?;
                    put(&id, &state)?;
                }
            }
            Ok(())
        })
    }

    fn wait_for_commits(&self) -> Result<(), Error> {
        // Each batch has a hand on it until it is committed, or dropped by a committer that failed.
        while 1 < Arc::strong_count(&self.under_way) {
            std::thread::sleep(LOOK_AGAIN);
        }
        match self.under_way.load(Ordering::Acquire) {
            0 => Ok(()),
            _ => Err(Error::CommitterStopped),
        }
    }
}

/// Customers in order of their ids.
fn in_order(shard: &Shard, numbers: &[CustomerNumber]) -> Vec<CustomerNumber> {
    let id = |number| shard.state(number).map(|state| &state.id);
    let mut all: Vec<(u128, CustomerNumber)> = Vec::with_capacity(numbers.len());
    for group in numbers.chunks(GROUP) {
        all.extend(group.iter().filter_map(|number| Some((id(*number)?.head(), *number))));
    }
    all.sort_unstable_by(|(one, first), (other, second)| {
        one.cmp(other).then_with(|| id(*first).cmp(&id(*second)))
    });
    all.into_iter().map(|(_, number)| number).collect()
}
