//! Events that are decoded one after the other and then applied one after the other: the code that
//! decodes and the code that decides are each too large for the processor to hold both close by.

use std::borrow::Cow;

use super::decoder::Decoded;
use super::record::Subject;
use super::refusal::Refusal;
use super::table::relend;
use super::traits::{Singles, Traits};
use crate::engine::input::{Body, Event, Input, Reach, View};
use crate::engine::slot::{EventSlot, ScoreSlot};
use crate::engine::time::Timestamp;
use crate::engine::value::Property;

/// The note of a customer of whom nothing was noted.
pub(super) const NO_NOTE: u32 = u32::MAX;

/// An event that was read and waits for its turn; its properties and traits stand in tables.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) whose: Whose<'a>,
    pub(super) id: Cow<'a, str>,
    pub(super) occurred_at: Timestamp,
    pub(super) at: Timestamp,
    pub(super) position: u64,
    pub(super) what: What,
    pub(super) singles: Singles<'a>,
    /// What the caller noted of whose it is.
    pub(super) note: u32,
}

/// Whose it is.
#[derive(Debug)]
pub(super) enum Whose<'a> {
    Customer(Cow<'a, str>),
    Everyone,
}

/// What it means to the engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Event { name: Option<EventSlot>, view: View, reach: Reach },
    Score { score: ScoreSlot, value: f64 },
}

impl Whose<'_> {
    pub(super) const fn is_everyone(&self) -> bool {
        matches!(self, Self::Everyone)
    }

    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Customer(customer) => Subject::Customer(customer),
            Self::Everyone => Subject::Everyone,
        }
    }
}

impl Ready<'_> {
    /// The event with its properties and traits.
    pub(super) fn decoded<'d>(
        &'d mut self,
        table: &'d [Property<'d>],
        traits: &'d mut Traits,
    ) -> Decoded<'d> {
        let (id, at, position) = (&*self.id, self.at, self.position);
        let (body, traits) = match self.what {
            What::Score { score, value } => (Body::Score { id, score, value }, None),
            What::Event { name, view, reach } => {
                let occurred_at = self.occurred_at;
                let (properties, set) = (table, &[][..]);
                let event = Event { id, name, view, occurred_at, properties, traits: set, reach };
                (Body::Event(event), Some((traits, self.singles.as_slice())))
            }
        };
        let (subject, occurred_at) = (self.whose.subject(), Some(self.occurred_at));
        let input = Input { at, position, body };
        Decoded { subject, occurred_at, note: self.note, input, traits }
    }
}

/// An event that was read; none when it is not for us.
type Read<'a> = Result<Option<Ready<'a>>, Refusal>;

/// Events that wait for their turns, in their order.
#[derive(Debug, Default)]
pub struct Group<'a> {
    ready: Vec<Read<'a>>,
    /// The properties of all of them, of each so many.
    table: Vec<Property<'a>>,
    properties: usize,
    /// The traits of each, and of those that stood here before.
    traits: Vec<Traits>,
    /// How many had their turn.
    taken: usize,
}

impl<'a> Group<'a> {
    /// Empties it for other bytes, and for so many properties of each event.
    pub(super) fn lend<'b>(self, properties: usize) -> Group<'b> {
        let Self { mut ready, table, traits, .. } = self;
        ready.clear();
        // Done in place: see `relend`.
        let ready = ready.into_iter().map(|_| Ok(None)).collect();
        Group { ready, table: relend(table), properties, traits, taken: 0 }
    }

    /// Adds the event that is read into a place of the tables.
    pub(super) fn add(
        &mut self,
        read: impl FnOnce((&mut [Property<'a>], &mut Traits)) -> Read<'a>,
    ) {
        let (count, from) = (self.ready.len(), self.table.len());
        self.table.resize(from + self.properties, Property::Missing);
        if self.traits.len() == count {
            self.traits.push(Traits::default());
        }
        let table = self.table.get_mut(from..).unwrap_or_default();
        if let Some(traits) = self.traits.get_mut(count) {
            self.ready.push(read((table, traits)));
        }
    }

    /// Lets a note be made of each customer, to be found with their event. Those of events that are
    /// everyone's, or were refused, are left out.
    pub fn note(&mut self, mut make: impl FnMut(&str, &mut u32)) {
        for ready in self.ready.iter_mut().filter_map(|read| read.as_mut().ok()?.as_mut()) {
            if let Whose::Customer(customer) = &ready.whose {
                make(customer, &mut ready.note);
            }
        }
    }

    /// What was noted of whose turn it is at a place of the group.
    pub fn noted(&self, turn: usize) -> Option<u32> {
        let read = self.ready.get(turn)?.as_ref().ok()?;
        read.as_ref().map(|ready| ready.note)
    }

    /// How many had their turn.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Hands the next event to `then`; none within when it is not for us, and none at all behind the
    /// last.
    ///
    /// # Errors
    /// When the event was refused.
    pub fn take_next<R>(
        &mut self,
        then: impl FnOnce(&mut Decoded<'_>) -> R,
    ) -> Option<Result<Option<R>, Refusal>> {
        let Self { ready, table, properties, traits, taken } = self;
        let (read, traits) = (ready.get_mut(*taken)?, traits.get_mut(*taken)?);
        let from = *taken * *properties;
        let table = table.get(from..from + *properties).unwrap_or_default();
        *taken += 1;
        Some(match read {
            Ok(ready) => Ok(ready.as_mut().map(|ready| then(&mut ready.decoded(table, traits)))),
            Err(_) => match std::mem::replace(read, Ok(None)) {
                Err(refusal) => Err(refusal),
                Ok(_) => Ok(None),
            },
        })
    }
}
