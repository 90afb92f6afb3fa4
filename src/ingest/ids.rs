//! Ids for events that came without one.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Builder;

use crate::engine::time::Timestamp;

/// Gives UUIDs of version 7: the time, then a number drawn at the start, then a count.
#[derive(Debug)]
pub(super) struct Ids {
    /// Keeps ids of different processes apart.
    drawn: u32,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        // Without a source of chance, time and count still keep the ids of one process apart.
        Self { drawn: getrandom::u32().unwrap_or_default(), next: AtomicU64::new(0) }
    }

    pub(super) fn fresh(&self, now: Timestamp) -> String {
        let count = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut bytes = [0; 10];
        let (drawn, counted) = bytes.split_at_mut(4);
        drawn.copy_from_slice(&self.drawn.to_be_bytes());
        counted.copy_from_slice(count.get(2..).unwrap_or_default());
        Builder::from_unix_timestamp_millis(now.as_millis().unsigned_abs(), &bytes)
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same_and_they_sort_by_time() {
        let (ids, other) = (Ids::new(), Ids { drawn: 1, next: AtomicU64::new(0) });
        let (early, late) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let all = [ids.fresh(early), ids.fresh(early), other.fresh(early), ids.fresh(late)];
        for (index, id) in all.iter().enumerate() {
            assert_eq!(id.len(), 36);
            assert!(all.iter().skip(index + 1).all(|other| id != other));
        }
        assert!(all[..3].iter().all(|id| *id < all[3]));
    }
}
