//! Finds the triggers that an event may concern: by its name, then by a discriminating value.

use smallvec::SmallVec;

use super::catalog::Trigger;
use super::slot::{EventSlot, TriggerSlot};
use super::step::Roster;
use super::value::Property;

/// A trigger and one of its clauses that an event may concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The trigger.
    pub trigger: TriggerSlot,
    /// The clause of `any:`, or the step of a sequence.
    pub clause: u8,
    /// What the event would do there.
    pub role: Role,
}

/// What an event would do to a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// End an absence that is armed.
    Follows,
    /// Match the clause.
    Matches,
}

/// Candidates of one event, in order of trigger.
pub type Candidates = SmallVec<[Candidate; 16]>;

/// The index.
#[derive(Debug, Default)]
pub struct TriggerIndex {
    /// Who watches what other than an event's name.
    pub roster: Roster,
}

impl TriggerIndex {
    /// Builds the index over all triggers. `events` is the number of event slots.
    pub fn build(_triggers: &[Trigger], _events: usize) -> Self {
        unimplemented!()
    }

    /// Appends the candidates of an event, sorted, each once.
    pub fn candidates(
        &self,
        _event: EventSlot,
        _properties: &[Property<'_>],
        _out: &mut Candidates,
    ) {
        unimplemented!()
    }
}
