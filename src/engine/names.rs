//! Interning of event and trait names: the catalog's first, then those that only arrived.

use std::sync::Arc;

use hashbrown::HashMap;

use super::slot::{EventSlot, TraitSlot};
use super::text::same_bytes;

/// Most distinct event names, and most distinct trait names, that one shard keeps.
///
/// Past it an event still counts, under [`Names::OTHER_EVENT`]; a trait is refused by name.
pub const NAMES_MAX: usize = 8_192;

/// Both tables of one shard.
#[derive(Clone, Debug, Default)]
pub struct Names {
    events: Table,
    traits: Table,
}

impl Names {
    /// The slot of events whose name found no room.
    pub const OTHER_EVENT: EventSlot = EventSlot(u16::MAX);

    /// Starts from the catalog's names, which keep their slots.
    pub fn new(events: &[Arc<str>], traits: &[Arc<str>]) -> Self {
        Self { events: Table::from_names(events), traits: Table::from_names(traits) }
    }

    /// The slot of an event name, made if new.
    pub fn event(&mut self, name: &str) -> EventSlot {
        self.events.intern(name).map_or(Self::OTHER_EVENT, EventSlot)
    }

    /// The slot of an event name that is known already.
    pub fn find_event(&self, name: &str) -> Option<EventSlot> {
        self.events.find(name).map(EventSlot)
    }

    /// The slot of a trait name, made if new; `None` when the table is full.
    pub fn trait_(&mut self, name: &str) -> Option<TraitSlot> {
        self.traits.intern(name).map(TraitSlot)
    }

    /// The slot of a trait name that is known already.
    pub fn find_trait(&self, name: &str) -> Option<TraitSlot> {
        self.traits.find(name).map(TraitSlot)
    }

    /// The text of an event slot.
    pub fn event_text(&self, slot: EventSlot) -> &str {
        self.events.texts.get(slot.index()).map_or("(other)", |text| text)
    }

    /// The text of a trait slot.
    pub fn trait_text(&self, slot: TraitSlot) -> &str {
        self.traits.texts.get(slot.index()).map_or("(other)", |text| text)
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    texts: Vec<Arc<str>>,
    // Only looked up, never iterated: its order cannot reach a decision.
    by_text: HashMap<Arc<str>, u16, foldhash::fast::FixedState>,
    /// Slots found last, by a look at their texts: few names make up nearly all events, and to see
    /// that two short texts are equal is cheaper than to hash one.
    last: [u16; LAST],
}

/// Names found last that are remembered, about.
const LAST: usize = 32;

impl Table {
    fn from_names(names: &[Arc<str>]) -> Self {
        let mut table = Self::default();
        for name in names {
            table.push(name.clone());
        }
        table
    }

    fn find(&self, name: &str) -> Option<u16> {
        self.by_text.get(name).copied()
    }

    fn intern(&mut self, name: &str) -> Option<u16> {
        let place = place_of(name);
        if let Some(slot) = self.last.get(place).copied()
            && self
                .texts
                .get(usize::from(slot))
                .is_some_and(|text| same_bytes(text.as_bytes(), name.as_bytes()))
        {
            return Some(slot);
        }
        if let Some(found) = self.find(name) {
            if let Some(last) = self.last.get_mut(place) {
                *last = found;
            }
            return Some(found);
        }
        if NAMES_MAX <= self.texts.len() {
            return None;
        }
        self.push(Arc::from(name))
    }

    fn push(&mut self, name: Arc<str>) -> Option<u16> {
        let slot = u16::try_from(self.texts.len()).ok()?;
        self.by_text.insert(name.clone(), slot);
        self.texts.push(name);
        Some(slot)
    }
}

/// Where a name is remembered among those found last.
fn place_of(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |index: usize| bytes.get(index).copied().map_or(0, usize::from);
    let mix = bytes.len() + 3 * at(0) + 5 * at(bytes.len() / 2);
    (mix ^ (mix >> 5)) % LAST
}
