//! Customers whose states have changed since they were written, in the order of their changes.

use std::collections::VecDeque;

use super::customers::CustomerNumber;

/// Changes that share one position of the log: that of the first of them.
const TOGETHER_MAX: usize = 1_024;
/// Positions that they may span.
const SPAN_MAX: u64 = 4_096;

/// Up to which positions changes must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Of customers who were never written: until then no list that the store orders shows them.
    pub(super) fresh: u64,
    /// Of all others.
    pub(super) known: u64,
}

impl Due {
    /// None of them.
    pub(super) const NONE: Self = Self { fresh: 0, known: 0 };
    /// All of them.
    pub(super) const ALL: Self = Self { fresh: u64::MAX, known: u64::MAX };
}

/// Customers to write, each once.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    fresh: Queue,
    known: Queue,
    /// A bit for each number: whether there is something to write. Many customers change between
    /// two writes of one, and their bits are all that is looked at then.
    changed: Vec<u64>,
    /// Numbers from here on were never noted.
    new_from: usize,
    count: usize,
}

/// Stretches in their order.
#[derive(Debug, Default)]
struct Queue(VecDeque<Stretch>);

/// Changes one after the other. Of somebody who was written meanwhile, the entry means nothing, or
/// stands for a change that came later: then they are written earlier than they must be.
#[derive(Debug)]
struct Stretch {
    since: u64,
    customers: Vec<CustomerNumber>,
    /// How many of them were taken out.
    taken: usize,
    is_open: bool,
}

impl Stretch {
    fn takes(&self, since: u64) -> bool {
        self.is_open
            && self.customers.len() < TOGETHER_MAX
            && since.saturating_sub(self.since) < SPAN_MAX
    }
}

impl Queue {
    fn first(&mut self, changed: &[u64]) -> Option<(u64, CustomerNumber)> {
        while let Some(stretch) = self.0.front_mut() {
            let rest = stretch.customers.get(stretch.taken..).unwrap_or_default();
            if let Some(skipped) = rest.iter().position(|customer| is_in(changed, *customer)) {
                stretch.taken += skipped;
                let customer = stretch.customers.get(stretch.taken)?;
                return Some((stretch.since, *customer));
            }
            self.0.pop_front();
        }
        None
    }

    /// Takes out the first. Its stretch takes nothing in any more: what comes later would look older
    /// than it is.
    fn take_first(&mut self) {
        if let Some(stretch) = self.0.front_mut() {
            stretch.taken += 1;
            stretch.is_open = false;
        }
    }
}

impl Unwritten {
    /// How many.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Notes that somebody has changed since a position; a change before it counts on.
    pub(super) fn mark(&mut self, customer: CustomerNumber, since: u64) {
        let (word, bit) = place(customer);
        if self.changed.len() <= word {
            self.changed.resize(word + 1, 0);
        }
        let Some(changed) = self.changed.get_mut(word).filter(|changed| **changed & bit == 0)
        else {
            return;
        };
        *changed |= bit;
        self.count += 1;
        let index = customer.get() as usize;
        let queue = if self.new_from <= index {
            self.new_from = index + 1;
            &mut self.fresh
        } else {
            &mut self.known
        };
        match queue.0.back_mut().filter(|stretch| stretch.takes(since)) {
            Some(stretch) => stretch.customers.push(customer),
            None => queue.0.push_back(Stretch {
                since,
                customers: vec![customer],
                taken: 0,
                is_open: true,
            }),
        }
    }

    /// Notes that there is nothing to write of somebody.
    pub(super) fn clear(&mut self, customer: CustomerNumber) {
        let (word, bit) = place(customer);
        if let Some(changed) = self.changed.get_mut(word)
            && *changed & bit != 0
        {
            *changed &= !bit;
            self.count -= 1;
        }
    }

    /// The position of the first that is left.
    pub(super) fn first(&mut self) -> Option<u64> {
        let fresh = self.fresh.first(&self.changed).map(|(since, _)| since);
        let known = self.known.first(&self.changed).map(|(since, _)| since);
        fresh.into_iter().chain(known).min()
    }

    /// Whether anything must be written.
    pub(super) fn is_due(&mut self, due: Due) -> bool {
        let is_due = |queue: &mut Queue, upto| {
            queue.first(&self.changed).is_some_and(|(since, _)| since <= upto)
        };
        is_due(&mut self.fresh, due.fresh) || is_due(&mut self.known, due.known)
    }

    /// Takes out the next that must be written, with the position since which it has changed.
    pub(super) fn pop(&mut self, due: Due) -> Option<(u64, CustomerNumber)> {
        let (since, customer) = self.next(due)?;
        self.clear(customer);
        Some((since, customer))
    }

    fn next(&mut self, due: Due) -> Option<(u64, CustomerNumber)> {
        for (queue, upto) in [(&mut self.fresh, due.fresh), (&mut self.known, due.known)] {
            if let Some((since, customer)) = queue.first(&self.changed)
                && since <= upto
            {
                queue.take_first();
                return Some((since, customer));
            }
        }
        None
    }
}

fn is_in(changed: &[u64], customer: CustomerNumber) -> bool {
    let (word, bit) = place(customer);
    changed.get(word).is_some_and(|changed| changed & bit != 0)
}

fn place(customer: CustomerNumber) -> (usize, u64) {
    let number = customer.get();
    ((number / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(number: u32) -> CustomerNumber {
        CustomerNumber::from(number)
    }

    fn taken(unwritten: &mut Unwritten, due: Due) -> Vec<(u64, u32)> {
        let next = || unwritten.pop(due).map(|(since, customer)| (since, customer.get()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_comes_out_once_with_the_position_of_its_first_change() {
        let mut unwritten = Unwritten::default();
        for (number, since) in [(0, 3), (1, 4), (0, 5), (2, 6)] {
            unwritten.mark(customer(number), since);
        }
        unwritten.clear(customer(1));
        assert_eq!((unwritten.count(), unwritten.first()), (2, Some(3)));
        assert!(!unwritten.is_due(Due { fresh: 2, known: u64::MAX }));
        assert_eq!(taken(&mut unwritten, Due { fresh: 3, known: 0 }), [(3, 0), (3, 2)]);
        assert_eq!(taken(&mut unwritten, Due::ALL), []);
        assert_eq!((unwritten.count(), unwritten.first()), (0, None));

        // Now they are known, and may wait longer than who is new.
        unwritten.mark(customer(1), 10);
        unwritten.mark(customer(0), 11);
        unwritten.mark(customer(3), 12);
        assert_eq!(unwritten.first(), Some(10));
        assert_eq!(taken(&mut unwritten, Due { fresh: 12, known: 9 }), [(12, 3)]);
        assert_eq!(unwritten.pop(Due::ALL), Some((10, customer(1))));
        // What is being taken out takes nothing in: it would look older than it is.
        unwritten.mark(customer(1), 20);
        assert_eq!(taken(&mut unwritten, Due::ALL), [(10, 0), (20, 1)]);
    }

    #[test]
    fn positions_far_apart_are_told_apart() {
        let mut unwritten = Unwritten::default();
        let all = u32::try_from(TOGETHER_MAX).unwrap() + 2;
        (0..all).for_each(|number| unwritten.mark(customer(number), 1 + u64::from(number)));
        unwritten.mark(customer(all), 10_000);
        let since = taken(&mut unwritten, Due::ALL);
        assert_eq!(since.len(), all as usize + 1);
        let starts = [1, 1 + TOGETHER_MAX as u64, 10_000];
        assert!(since.iter().all(|(since, _)| starts.contains(since)), "{since:?}");
        assert_eq!(since.last(), Some(&(10_000, all)));
    }
}
