//! Names of one catalog by slot and slots by name, and the names that no catalog knows any more.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::engine::catalog::{Catalog, Measure};
use crate::engine::series::Series;

// Only looked up, never iterated.
type Index<K> = HashMap<K, u16, foldhash::fast::FixedState>;

/// A table of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    texts: Vec<Arc<str>>,
    by_text: Index<Arc<str>>,
}

impl Table {
    /// Numbers names in their order.
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut table = Self::default();
        for name in names {
            let Ok(slot) = u16::try_from(table.texts.len()) else { break };
            table.by_text.insert(name.clone(), slot);
            table.texts.push(name);
        }
        table
    }

    /// The slot of a name.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.by_text.get(name).copied()
    }

    /// The name of a slot.
    pub fn text(&self, slot: u16) -> Option<&Arc<str>> {
        self.texts.get(usize::from(slot))
    }
}

/// The shape that the values of a history series have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// `Series::Times`.
    Times,
    /// `Series::Amounts`.
    Amounts,
    /// `Series::Distinct`.
    Distinct,
    /// `Series::Last`.
    Last,
    /// `Series::LastTime`.
    LastTime,
    /// `Series::Tally`.
    Tally,
    /// `Series::Total`.
    Total,
}

impl SeriesKind {
    /// Of a series.
    pub const fn of(series: &Series) -> Self {
        match series {
            Series::Times(_) => Self::Times,
            Series::Amounts(_) => Self::Amounts,
            Series::Distinct(_) => Self::Distinct,
            Series::Last(..) => Self::Last,
            Series::LastTime(_) => Self::LastTime,
            Series::Tally(_) => Self::Tally,
            Series::Total(_) => Self::Total,
        }
    }

    const fn measured(measure: Measure) -> Self {
        match measure {
            Measure::Times => Self::Times,
            Measure::Amount(_) => Self::Amounts,
            Measure::Distinct(_) => Self::Distinct,
            Measure::Last(_) => Self::Last,
            Measure::LastTime => Self::LastTime,
            Measure::Tally => Self::Tally,
            Measure::Total(_) => Self::Total,
        }
    }
}

/// The names of one catalog, but for those of events and traits (which `Names` holds).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Triggers.
    pub triggers: Table,
    /// Scores.
    pub scores: Table,
    /// Purposes.
    pub purposes: Table,
    /// Channels.
    pub channels: Table,
    /// Tags.
    pub tags: Table,
    /// Property paths.
    pub properties: Table,
    series: Vec<(u64, SeriesKind)>,
    series_by_key: Index<u64>,
}

impl Tables {
    /// Of a catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let policy = &catalog.policy;
        Self {
            triggers: Table::new(catalog.triggers.iter().map(|each| Arc::from(each.id.as_str()))),
            scores: Table::new(catalog.scores.iter().map(|each| each.name.clone())),
            purposes: Table::new(policy.purposes.iter().map(|each| each.name.clone())),
            channels: Table::new(policy.channels.iter().map(|each| each.name.clone())),
            tags: Table::new(policy.tags.iter().cloned()),
            properties: Table::new(catalog.properties.iter().cloned()),
            ..Self::default()
        }
        .with_series(
            catalog.series.iter().map(|spec| (spec.key, SeriesKind::measured(spec.measure))),
        )
    }

    /// Adds the history series in the order of their slots.
    #[must_use]
    pub fn with_series(mut self, series: impl IntoIterator<Item = (u64, SeriesKind)>) -> Self {
        for (key, kind) in series {
            let Ok(slot) = u16::try_from(self.series.len()) else { break };
            self.series_by_key.insert(key, slot);
            self.series.push((key, kind));
        }
        self
    }

    /// Key of a series in state.
    pub(super) fn series_key(&self, slot: u16) -> Option<u64> {
        self.series.get(usize::from(slot)).map(|(key, _)| *key)
    }

    /// Slot of the series with a key, if its values have this shape.
    pub(super) fn find_series(&self, key: u64, kind: SeriesKind) -> Option<u16> {
        let slot = self.series_by_key.get(&key).copied()?;
        let known = self.series.get(usize::from(slot)).is_some_and(|(_, known)| *known == kind);
        known.then_some(slot)
    }
}

/// Names that states refer to although the catalog does not know them: the purpose of a refusal,
/// the trigger of a contact. They keep slots beyond those of any catalog, so that nothing that
/// protects the customer is forgotten when a file goes away for a while.
#[derive(Clone, Debug, Default)]
pub struct Strangers(Table);

impl Strangers {
    /// The first slot of a stranger. Catalogs are far smaller.
    pub const FIRST_SLOT: u16 = 0x8000;
    /// The slot of strangers that found no room.
    pub const OTHER_SLOT: u16 = 0xf000;

    /// The name behind a slot.
    pub fn text(&self, slot: u16) -> Option<&Arc<str>> {
        self.0.text(slot.checked_sub(Self::FIRST_SLOT)?)
    }

    pub(in crate::store) fn intern(&mut self, name: &str) -> u16 {
        if let Some(found) = self.0.find(name) {
            return found.saturating_add(Self::FIRST_SLOT);
        }
        let next = u16::try_from(self.0.texts.len()).unwrap_or(u16::MAX);
        let slot = next.saturating_add(Self::FIRST_SLOT).min(Self::OTHER_SLOT);
        if slot < Self::OTHER_SLOT {
            let text: Arc<str> = Arc::from(name);
            self.0.by_text.insert(text.clone(), next);
            self.0.texts.push(text);
        }
        slot
    }
}
