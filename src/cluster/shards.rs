//! What others on this node may know of its shards at any time: which are here, which may send, and
//! how long ago it was certain that they are ours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;

/// How long after the last proof that this node is one of its group a call may still begin: less than
/// half of the time after which others take over from a node that is silent.
pub const PROOF_MAX: Duration = Duration::from_secs(3);

/// How far a shard is on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Another node has it, or none.
    Away,
    /// It is being restored, or has not caught up yet.
    Coming,
    /// It is here: its sends may leave.
    Here,
}

/// The shards; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shards(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stages: Vec<AtomicU8>,
    /// Whether the store has what was kept of a shard.
    restored: Vec<AtomicBool>,
    /// When the brokers last took a commit of this node.
    proven: Mutex<Option<Stopwatch>>,
    /// When the node last went round.
    alive: Mutex<Option<Stopwatch>>,
    proof_wanted: AtomicBool,
    joined: AtomicBool,
}

impl Shards {
    /// So many, none of them here.
    pub fn new(count: u16) -> Self {
        Self(Arc::new(Inner {
            stages: (0..count).map(|_| AtomicU8::new(0)).collect(),
            restored: (0..count).map(|_| AtomicBool::new(false)).collect(),
            proven: Mutex::new(None),
            alive: Mutex::new(None),
            proof_wanted: AtomicBool::new(false),
            joined: AtomicBool::new(false),
        }))
    }

    /// How many there are, here and elsewhere.
    pub fn count(&self) -> u16 {
        u16::try_from(self.0.stages.len()).unwrap_or(u16::MAX)
    }

    /// How far a shard is here.
    pub fn stage(&self, shard: u16) -> Stage {
        let stage = self.0.stages.get(usize::from(shard));
        match stage.map_or(0, |stage| stage.load(Ordering::Acquire)) {
            0 => Stage::Away,
            1 => Stage::Coming,
            _ => Stage::Here,
        }
    }

    /// Those that are here or coming.
    pub fn ours(&self) -> Vec<u16> {
        (0..self.count()).filter(|shard| self.stage(*shard) != Stage::Away).collect()
    }

    /// Those that are here, and of which the store has what was kept: what it has of others, from
    /// when it had them, may have changed since.
    pub fn current(&self) -> BTreeSet<u16> {
        let restored = (0_u16..).zip(&self.0.restored);
        let restored = restored.filter(|(_, restored)| restored.load(Ordering::Acquire));
        restored.map(|(shard, _)| shard).collect()
    }

    /// Whether this node has its part of the shards, and all of it has caught up.
    pub fn is_ready(&self) -> bool {
        self.0.joined.load(Ordering::Acquire)
            && (0..self.count()).all(|shard| self.stage(shard) != Stage::Coming)
    }

    /// Whether it is certain enough that the shards are still ours; asks for a proof when it is not.
    pub fn are_certain(&self) -> bool {
        let certain = self.proof_age().is_some_and(|age| age < PROOF_MAX);
        if !certain {
            self.0.proof_wanted.store(true, Ordering::Release);
        }
        certain
    }

    pub(super) fn set(&self, shard: u16, stage: Stage) {
        if stage != Stage::Here
            && let Some(restored) = self.0.restored.get(usize::from(shard))
        {
            restored.store(false, Ordering::Release);
        }
        if let Some(place) = self.0.stages.get(usize::from(shard)) {
            place.store(stage as u8, Ordering::Release);
        }
    }

    /// The store has what was kept of a shard that is here.
    pub(super) fn restore(&self, shard: u16) {
        if let Some(restored) = self.0.restored.get(usize::from(shard)) {
            restored.store(true, Ordering::Release);
        }
    }

    /// The node goes round.
    pub(super) fn go_round(&self) {
        *self.0.alive.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stopwatch::start());
    }

    /// For how long the node has not gone round; `None` before it began.
    pub(super) fn silence(&self) -> Option<Duration> {
        let alive = self.0.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.as_ref().map(Stopwatch::elapsed)
    }

    pub(super) fn join(&self) {
        self.0.joined.store(true, Ordering::Release);
    }

    pub(super) fn prove(&self) {
        self.0.proof_wanted.store(false, Ordering::Release);
        *self.proven() = Some(Stopwatch::start());
    }

    pub(super) fn is_proof_wanted(&self) -> bool {
        self.0.proof_wanted.load(Ordering::Acquire)
    }

    fn proof_age(&self) -> Option<Duration> {
        self.proven().as_ref().map(Stopwatch::elapsed)
    }

    fn proven(&self) -> std::sync::MutexGuard<'_, Option<Stopwatch>> {
        // No panic can leave it half changed.
        self.0.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_once_it_has_joined_and_nothing_is_on_its_way() {
        let shards = Shards::new(3);
        assert!(!shards.is_ready());
        shards.set(1, Stage::Coming);
        shards.join();
        assert!(!shards.is_ready());
        shards.set(1, Stage::Here);
        assert!(shards.is_ready());
        assert_eq!(
            (shards.ours(), shards.stage(0), shards.stage(9)),
            (vec![1], Stage::Away, Stage::Away)
        );
    }

    #[test]
    fn what_a_store_has_of_a_shard_is_shown_from_its_restore_until_it_goes() {
        let shards = Shards::new(3);
        let current = || shards.current().into_iter().collect::<Vec<_>>();
        for shard in [0, 2] {
            shards.set(shard, Stage::Coming);
            assert_eq!(current(), if shard == 0 { vec![] } else { vec![0] });
            shards.restore(shard);
            shards.set(shard, Stage::Here);
        }
        assert_eq!(current(), [0, 2]);
        shards.set(0, Stage::Away);
        assert_eq!(current(), [2]);
        // It comes back as it went: until it is restored, others may know better.
        shards.set(0, Stage::Coming);
        assert_eq!(current(), [2]);
    }

    #[test]
    fn who_is_not_certain_asks_for_a_proof() {
        let shards = Shards::new(1);
        assert!(!shards.is_proof_wanted());
        assert!(!shards.are_certain() && shards.is_proof_wanted());
        shards.prove();
        assert!(shards.are_certain() && !shards.is_proof_wanted());
    }
}
