//! The customers of one shard in memory: found by id, kept by number, with columns for lists.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::engine::customer::CustomerState;
use crate::engine::fetch;
use crate::engine::id::CustomerId;
use crate::engine::text::same_bytes;
use crate::engine::time::Timestamp;

/// Customers that are looked up together as a rule.
pub(super) const TOGETHER: usize = 32;

/// The number of a customer within a shard while it runs. It says nothing outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerNumber(u32);

impl CustomerNumber {
    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    #[cfg(test)]
    pub(super) const fn from(number: u32) -> Self {
        Self(number)
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All customers of a shard.
#[derive(Debug, Default)]
pub struct Customers {
    states: States,
    // Only looked up, never iterated.
    by_id: HashTable<Place>,
    // Numbers of customers that were forgotten: their states are blank, with an empty id.
    free: Vec<u32>,
    /// Orders of lists, by number: kept apart, so that a list reads little memory.
    columns: Vec<Columns>,
}

/// Where a customer is found: with the hash of the id, so that the table can grow without a look at
/// every state, and hardly ever a look at a wrong one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    hash: IdHash,
    number: u32,
}

/// Half of a hash: enough to tell ids apart as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IdHash(u32);

impl IdHash {
    fn of(id: &str) -> Self {
        let hash = foldhash::fast::FixedState::default().hash_one(id);
        Self(u32::try_from(hash >> u32::BITS).unwrap_or_default())
    }

    /// Spread over a whole word, as the table needs it.
    const fn spread(self) -> u64 {
        (self.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// What was noted of somebody who comes soon: first a hash of the id, then the number, if there is
/// somebody with that hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note(pub u32);

impl Note {
    /// Nothing.
    pub const NONE: Self = Self(u32::MAX);

    /// The hash of an id.
    pub fn of(id: &str) -> Self {
        Self(IdHash::of(id).0)
    }

    /// The number.
    pub(super) fn number(self) -> Option<CustomerNumber> {
        (self != Self::NONE).then_some(CustomerNumber(self.0))
    }
}

/// What lists are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The most at risk first.
    pub risk: u32,
    /// The most recently seen first.
    pub seen: u32,
}

impl Customers {
    /// How many.
    pub fn len(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of a customer.
    pub fn find(&self, id: &str) -> Option<CustomerNumber> {
        let (states, hash) = (&self.states, IdHash::of(id));
        let is_it = |place: &Place| {
            place.hash == hash
                && states
                    .get(place.number)
                    .is_some_and(|state| same_bytes(state.id.as_bytes(), id.as_bytes()))
        };
        self.by_id.find(hash.spread(), is_it).map(|place| CustomerNumber(place.number))
    }

    /// Makes room for so many more at once, where it is known how many will come.
    pub fn reserve(&mut self, count: usize) {
        self.by_id.reserve(count, |place| place.hash.spread());
        self.columns.reserve_exact(count);
    }

    /// The number of a customer, who begins now if unknown. `note` may say who it probably is.
    pub fn find_or_begin(&mut self, id: &str, note: Note, at: Timestamp) -> CustomerNumber {
        match self.noted(note, id).or_else(|| self.find(id)) {
            Some(found) => found,
            None => self.insert(CustomerState::new(CustomerId::new(id), at)),
        }
    }

    /// Adds a customer who is not there yet.
    pub fn insert(&mut self, state: CustomerState) -> CustomerNumber {
        let hash = IdHash::of(state.id.as_str());
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.states.get_mut(number) {
                    *place = state;
                }
                number
            }
            None => {
                let number = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
                self.states.push(state);
                self.columns.push(Columns::NONE);
                number
            }
        };
        let place = Place { hash, number };
        self.by_id.insert_unique(hash.spread(), place, |place| place.hash.spread());
        CustomerNumber(number)
    }

    /// A customer's state.
    pub fn get(&self, number: CustomerNumber) -> Option<&CustomerState> {
        self.states.get(number.0).filter(|state| !is_blank(state))
    }

    /// A customer's state, to be changed.
    pub fn get_mut(&mut self, number: CustomerNumber) -> Option<&mut CustomerState> {
        self.states.get_mut(number.0).filter(|state| !is_blank(state))
    }

    /// Forgets a customer.
    pub fn remove(&mut self, number: CustomerNumber) {
        let Some(state) = self.states.get_mut(number.0) else { return };
        let hash = IdHash::of(state.id.as_str()).spread();
        if let Ok(entry) = self.by_id.find_entry(hash, |place| place.number == number.0) {
            entry.remove();
            *state = CustomerState::new(CustomerId::new(""), Timestamp::MIN);
            self.set_columns(number, Columns::NONE);
            self.free.push(number.0);
        }
    }

    /// Numbers that customers have or had: each below this.
    pub fn numbers(&self) -> impl Iterator<Item = CustomerNumber> + use<> {
        let count = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        (0..count).map(CustomerNumber)
    }

    /// All states, in no order that means anything.
    pub fn states(&self) -> impl Iterator<Item = (CustomerNumber, &CustomerState)> {
        self.numbers().filter_map(|number| Some((number, self.get(number)?)))
    }

    /// The columns by number.
    pub fn columns(&self) -> &[Columns] {
        &self.columns
    }

    pub(super) fn set_columns(&mut self, number: CustomerNumber, columns: Columns) {
        if let Some(place) = self.columns.get_mut(number.index()) {
            *place = columns;
        }
    }

    /// Asks the processor for customers who come soon, and are known by id: see [`fetch`].
    pub fn prefetch<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let notes: SmallVec<[Note; TOGETHER]> = ids.map(Note::of).collect();
        let number = |note: &Note| self.likely(*note).number();
        let numbers: SmallVec<[CustomerNumber; TOGETHER]> =
            notes.iter().filter_map(number).collect();
        self.look_at(&numbers);
    }

    /// Who it probably is of whom a hash was noted: their state is not looked at to make sure.
    pub fn likely(&self, note: Note) -> Note {
        let hash = IdHash(note.0);
        let place = self.by_id.find(hash.spread(), |place| place.hash == hash);
        Note(place.map_or(u32::MAX, |place| place.number))
    }

    /// The number of a customer, if it is who was noted.
    fn noted(&self, note: Note, id: &str) -> Option<CustomerNumber> {
        let number = note.number()?;
        let state = self.states.get(number.0)?;
        same_bytes(state.id.as_bytes(), id.as_bytes()).then_some(number)
    }

    /// The same for customers whose numbers are known already.
    pub fn look_at(&self, numbers: &[CustomerNumber]) {
        numbers.iter().for_each(|number| self.fetch(*number, fetch::state));
        numbers.iter().for_each(|number| self.fetch(*number, fetch::lists));
        numbers.iter().for_each(|number| self.fetch(*number, fetch::history));
    }

    /// Asks the processor for a part of what a customer is.
    pub fn fetch(&self, number: CustomerNumber, part: impl Fn(&CustomerState)) {
        if let Some(state) = self.states.get(number.0) {
            part(state);
        }
    }
}

impl Columns {
    /// Of somebody who stands at the end of every list.
    pub const NONE: Self = Self { risk: u32::MAX, seen: u32::MAX };
}

/// States by number, in pieces: when there are more, none of them moves, so that nobody waits for
/// a million customers to be copied, and there is never twice the memory.
#[derive(Debug, Default)]
struct States {
    pieces: Vec<Vec<CustomerState>>,
    count: usize,
}

/// States in a piece.
const PIECE: usize = 4_096;

impl States {
    const fn len(&self) -> usize {
        self.count
    }

    fn get(&self, number: u32) -> Option<&CustomerState> {
        let index = number as usize;
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut CustomerState> {
        let index = number as usize;
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    fn push(&mut self, state: CustomerState) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(state),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(state);
                self.pieces.push(piece);
            }
        }
        self.count += 1;
    }
}

fn is_blank(state: &CustomerState) -> bool {
    state.id.as_bytes().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_found_forgotten_and_their_numbers_used_again() {
        let mut customers = Customers::default();
        let at = Timestamp::from_millis(5);
        let numbers: Vec<_> =
            (0..1_000).map(|n| customers.find_or_begin(&format!("c{n}"), Note::NONE, at)).collect();
        assert_eq!(customers.find("c7"), Some(numbers[7]));
        assert_eq!(customers.find_or_begin("c7", customers.likely(Note::of("c7")), at), numbers[7]);
        customers.remove(numbers[7]);
        customers.remove(numbers[7]);
        assert_eq!((customers.find("c7"), customers.len()), (None, 999));
        assert!(customers.get(numbers[7]).is_none() && customers.get_mut(numbers[7]).is_none());
        assert_eq!(customers.states().count(), 999);
        assert_eq!(customers.find_or_begin("new", Note(numbers[3].get()), at), numbers[7]);
        assert_eq!((customers.len(), customers.find("c999")), (1_000, Some(numbers[999])));
    }
}
