//! Who holds which row, so that no row is called twice at a time, nor again after its end while
//! its removal is still on its way through the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::attempt::Seen;
use crate::engine::id::DecisionId;
use crate::store::record::OutboxRow;

/// The claims of all channels.
#[derive(Debug, Default)]
pub(super) struct Claims {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    claimed: BTreeMap<DecisionId, Claim>,
    // Rows of the outbox that nobody holds, and how they would come into hand. A row in flight
    // that is in neither map has been committed a moment ago and is on its way to us.
    open: BTreeMap<DecisionId, Open>,
    scan: u64,
}

#[derive(Debug)]
struct Open {
    seen: Seen,
    since_scan: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// A channel has it.
    Held,
    /// A channel has it and must not call any more.
    Withdrawn,
    /// It has come to its end, in the scan of this number; the row goes once the log is applied.
    Settled(u64),
}

/// A look through the whole outbox.
#[derive(Debug)]
pub(super) struct Scan {
    number: u64,
    met: BTreeSet<DecisionId>,
}

impl Claims {
    /// Takes a row. False when someone has it, or had it to its end.
    pub(super) fn take(&self, id: DecisionId) -> bool {
        let mut inner = self.lock();
        if inner.claimed.contains_key(&id) {
            return false;
        }
        inner.open.remove(&id);
        inner.claimed.insert(id, Claim::Held);
        true
    }

    /// Gives a row back; a scan will find it again and treat it like this.
    pub(super) fn give_back(&self, id: DecisionId, seen: Seen) {
        let mut inner = self.lock();
        let withdrawn = inner.claimed.remove(&id) == Some(Claim::Withdrawn);
        if !withdrawn {
            let since_scan = inner.scan;
            inner.open.insert(id, Open { seen, since_scan });
        }
    }

    /// Nobody holds a row that was left in the outbox: a scan will find it.
    pub(super) fn take_over(&self, id: DecisionId) {
        let mut inner = self.lock();
        if !inner.claimed.contains_key(&id) {
            let since_scan = inner.scan;
            inner.open.insert(id, Open { seen: Seen::Found, since_scan });
        }
    }

    /// The row was withdrawn by a later decision, and is gone from the outbox.
    pub(super) fn withdraw(&self, id: DecisionId) {
        let mut inner = self.lock();
        inner.open.remove(&id);
        if let Some(claim) = inner.claimed.get_mut(&id)
            && *claim == Claim::Held
        {
            *claim = Claim::Withdrawn;
        }
    }

    /// Whether a row in hand was withdrawn.
    pub(super) fn is_withdrawn(&self, id: DecisionId) -> bool {
        self.lock().claimed.get(&id) == Some(&Claim::Withdrawn)
    }

    /// The row has come to its end, and the log knows it.
    pub(super) fn settle(&self, id: DecisionId) {
        let mut inner = self.lock();
        let scan = inner.scan;
        inner.claimed.insert(id, Claim::Settled(scan));
    }

    /// The row is no longer in the outbox.
    pub(super) fn forget(&self, id: DecisionId) {
        self.lock().claimed.remove(&id);
    }

    /// Begins a look through the outbox.
    pub(super) fn begin_scan(&self) -> Scan {
        let mut inner = self.lock();
        inner.scan = inner.scan.saturating_add(1);
        Scan { number: inner.scan, met: BTreeSet::new() }
    }

    /// How a row that a look meets in the outbox comes into hand; `None` when it must be let be.
    pub(super) fn meet(&self, scan: &mut Scan, id: DecisionId, row: &OutboxRow) -> Option<Seen> {
        scan.met.insert(id);
        self.way(id, row)
    }

    /// How a row of the outbox comes into hand; `None` when it must be let be.
    pub(super) fn way(&self, id: DecisionId, row: &OutboxRow) -> Option<Seen> {
        let inner = self.lock();
        if inner.claimed.contains_key(&id) {
            return None;
        }
        match inner.open.get(&id) {
            Some(open) => Some(open.seen.clone()),
            None if row.in_flight => None,
            None => Some(Seen::Found),
        }
    }

    /// Ends a look that came through the whole outbox: what was settled or given back before it
    /// began and was not met is gone.
    pub(super) fn end_scan(&self, scan: &Scan) {
        let mut inner = self.lock();
        inner.open.retain(|id, open| scan.number <= open.since_scan || scan.met.contains(id));
        inner.claimed.retain(|id, claim| match claim {
            Claim::Settled(since) => scan.number <= *since || scan.met.contains(id),
            Claim::Held | Claim::Withdrawn => true,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No panic can leave the maps half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::row;

    const ID: DecisionId = DecisionId::from_bytes([7; 16]);

    fn waiting() -> OutboxRow {
        OutboxRow { in_flight: false, ..row() }
    }

    #[test]
    fn a_row_is_held_once_and_not_taken_again_before_it_is_gone() {
        let claims = Claims::default();
        assert!(claims.take(ID) && !claims.take(ID));
        claims.settle(ID);
        let mut scan = claims.begin_scan();
        assert_eq!(claims.meet(&mut scan, ID, &row()), None, "its end is on its way");
        claims.end_scan(&scan);
        assert!(!claims.take(ID), "it was still in the outbox");
        let scan = claims.begin_scan();
        claims.end_scan(&scan);
        assert!(claims.take(ID), "now it is gone, and the id may come anew");
    }

    #[test]
    fn what_settles_during_a_scan_outlives_it() {
        let claims = Claims::default();
        claims.take(ID);
        let scan = claims.begin_scan();
        claims.settle(ID);
        claims.end_scan(&scan);
        assert!(!claims.take(ID));
    }

    #[test]
    fn a_row_on_its_way_to_us_is_let_be() {
        let claims = Claims::default();
        let mut scan = claims.begin_scan();
        assert_eq!(claims.meet(&mut scan, ID, &row()), None);
        assert_eq!(claims.meet(&mut scan, ID, &waiting()), Some(Seen::Found));
        claims.give_back(ID, Seen::Fresh);
        assert_eq!(claims.meet(&mut scan, ID, &row()), Some(Seen::Fresh));
    }

    #[test]
    fn a_withdrawn_row_is_neither_called_nor_kept() {
        let claims = Claims::default();
        claims.take(ID);
        claims.withdraw(ID);
        assert!(claims.is_withdrawn(ID));
        claims.give_back(ID, Seen::Found);
        let mut scan = claims.begin_scan();
        assert_eq!(claims.meet(&mut scan, ID, &row()), None, "it is not open either");
    }
}
