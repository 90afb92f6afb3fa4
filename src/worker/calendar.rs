//! When each customer's next timer is due: buckets of one minute, put in order when their time
//! comes. Moving a timer costs nothing: an entry that is no longer true is passed over.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::customers::CustomerNumber;
use crate::engine::time::{Span, Timestamp};

/// The calendar of one shard.
#[derive(Debug, Default)]
pub struct Calendar {
    /// Later minutes.
    buckets: BTreeMap<i64, Vec<CustomerNumber>>,
    /// What is due within the minutes that were opened already.
    near: BinaryHeap<Reverse<(Timestamp, CustomerNumber)>>,
    /// The last minute that was opened.
    opened: i64,
    /// For each customer the earliest instant under which they are entered, in milliseconds.
    entered: Vec<i64>,
}

/// Not entered anywhere.
const NOWHERE: i64 = i64::MAX;

impl Calendar {
    /// Enters a customer's next due instant, as often as it changes.
    pub fn enter(&mut self, customer: CustomerNumber, due: Option<Timestamp>) {
        let index = customer.get() as usize;
        let Some(due) = due else { return };
        if self.entered.len() <= index {
            self.entered.resize(index + 1, NOWHERE);
        }
        let Some(entered) = self.entered.get_mut(index) else { return };
        if *entered <= due.as_millis() {
            // That entry comes first, and the state is asked again then.
            return;
        }
        let minute = minute_of(due);
        let has_entry =
            *entered != NOWHERE && minute_of(Timestamp::from_millis(*entered)) == minute;
        *entered = due.as_millis();
        if minute <= self.opened {
            self.near.push(Reverse((due, customer)));
        } else if !has_entry {
            self.buckets.entry(minute).or_default().push(customer);
        }
    }

    /// A customer who may have something due at or before `until`; ask their state what. When they
    /// have nothing due yet, or after their timers have fired, enter them again.
    pub fn pop(
        &mut self,
        until: Timestamp,
        due_of: impl Fn(CustomerNumber) -> Option<Timestamp>,
    ) -> Option<CustomerNumber> {
        self.open(minute_of(until), &due_of);
        while let Some(Reverse((due, customer))) = self.near.peek().copied() {
            if until < due {
                return None;
            }
            self.near.pop();
            if let Some(entered) = self.entered.get_mut(customer.get() as usize) {
                *entered = NOWHERE;
            }
            match due_of(customer) {
                Some(really) if really <= until => return Some(customer),
                later => self.enter(customer, later),
            }
        }
        None
    }

    /// When to look again, at the latest; `None` when nothing is entered.
    pub fn next(&self) -> Option<Timestamp> {
        let near = self.near.peek().map(|Reverse((due, _))| *due);
        let later = self.buckets.first_key_value().map(|(minute, _)| start_of(*minute));
        match (near, later) {
            (Some(near), Some(later)) => Some(std::cmp::min(near, later)),
            (near, later) => near.or(later),
        }
    }

    /// Entries held, for the metrics.
    pub fn len(&self) -> usize {
        self.near.len() + self.buckets.values().map(Vec::len).sum::<usize>()
    }

    /// Whether nothing is entered.
    pub fn is_empty(&self) -> bool {
        self.near.is_empty() && self.buckets.is_empty()
    }

    fn open(&mut self, minute: i64, due_of: &impl Fn(CustomerNumber) -> Option<Timestamp>) {
        self.opened = self.opened.max(minute);
        while let Some(entry) = self.buckets.first_entry() {
            if self.opened < *entry.key() {
                break;
            }
            let (minute, customers) = entry.remove_entry();
            for customer in customers {
                let Some(entered) = self.entered.get_mut(customer.get() as usize) else { continue };
                if minute_of(Timestamp::from_millis(*entered)) != minute {
                    continue;
                }
                *entered = NOWHERE;
                self.enter(customer, due_of(customer));
            }
        }
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(Span::MINUTE.as_millis())
}

fn start_of(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute.saturating_mul(Span::MINUTE.as_millis()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    proptest! {
        /// Against a list that is searched in full: whatever is armed, moved and cleared, everyone
        /// fires when due, once, and nobody before.
        #[test]
        fn everyone_fires_when_due(steps in proptest::collection::vec((0_u32..8, 0_i64..400, 0_i64..90), 1..200)) {
            let mut calendar = Calendar::default();
            let mut dues: Vec<Option<Timestamp>> = vec![None; 8];
            let mut now = 0;
            for (customer, ahead, forward) in steps {
                let number = CustomerNumber::from(customer);
                let due = (ahead < 350).then(|| at(now + ahead - 20));
                dues[customer as usize] = due;
                calendar.enter(number, due);
                now += forward;
                let mut expected: Vec<u32> =
                    (0..8).filter(|n| dues[*n as usize].is_some_and(|due| due <= at(now))).collect();
                let mut fired = Vec::new();
                while let Some(number) =
                    calendar.pop(at(now), |number| dues[number.get() as usize])
                {
                    fired.push(number.get());
                    dues[number.get() as usize] = None;
                }
                fired.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
                let first = dues.iter().flatten().min();
                prop_assert!(first.is_none() || calendar.next() <= first.copied());
            }
        }
    }

    #[test]
    fn moving_a_timer_again_and_again_leaves_one_entry() {
        let mut calendar = Calendar::default();
        for second in 0..1_000 {
            calendar.enter(CustomerNumber::from(3), Some(at(3_600 + second)));
        }
        assert_eq!(calendar.len(), 1);
        assert_eq!(calendar.next(), Some(at(3_600)));
        assert_eq!(calendar.pop(at(3_650), |_| Some(at(4_599))), None);
        assert_eq!(calendar.next(), Some(at(4_560)), "the minute of the due instant");
    }
}
