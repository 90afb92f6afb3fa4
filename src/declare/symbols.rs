//! Names become slots while files are checked; equal histories are kept once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::catalog::{KnownTraits, Measure, SeriesSpec};
use crate::engine::condition::Condition;
use crate::engine::slot::{EventSlot, PropertySlot, ScoreSlot, SeriesSlot, TraitSlot};
use crate::engine::task::TaskEvents;
use crate::engine::time::Span;

/// Most event names, trait names or property paths that all files together may use.
const NAMES_MAX: usize = 4_096;
/// Most history series that all files together may need.
const SERIES_MAX: usize = 4_096;

/// The tables under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    events: Table,
    traits: Table,
    properties: Table,
    series: Vec<SeriesSpec>,
    // Event, measure and the filter's text: what makes two histories one.
    series_by_key: BTreeMap<(u16, MeasureKey, Box<str>), u16>,
    /// Scores by slot, with the names of their bands.
    pub(crate) scores: Vec<KnownScore>,
    /// Models that read texts.
    pub(crate) texts: Vec<KnownText>,
    /// Whether any condition asks about sessions.
    pub(crate) sessions: Sessions,
    /// Which table had no more room.
    pub(crate) full: Option<&'static str>,
}

/// Whether sessions have to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Nothing asks about them.
    #[default]
    Unused,
    /// Something does.
    Used,
}

/// A score that conditions may name.
#[derive(Clone, Debug)]
pub(crate) struct KnownScore {
    /// Its model's name.
    pub(crate) name: Arc<str>,
    /// Its bands.
    pub(crate) bands: Vec<Arc<str>>,
    /// Days before today of which its value is remembered.
    pub(crate) days: u16,
}

/// A model that reads texts, whose words conditions may use.
#[derive(Clone, Debug)]
pub(crate) struct KnownText {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// What a text may be.
    pub(crate) classes: Vec<Arc<str>>,
    /// The events whose texts it reads.
    pub(crate) reads: Vec<Box<str>>,
}

type MeasureKey = (u8, u16);

/// What becomes of the tables.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Event names.
    pub(crate) events: Box<[Arc<str>]>,
    /// Trait names.
    pub(crate) traits: Box<[Arc<str>]>,
    /// Property paths.
    pub(crate) properties: Box<[Arc<str>]>,
    /// Series.
    pub(crate) series: Box<[SeriesSpec]>,
    /// The series that each event feeds.
    pub(crate) series_of_event: Box<[Box<[SeriesSlot]>]>,
}

impl Symbols {
    /// The slot of an event name.
    pub(crate) fn event(&mut self, name: &str) -> EventSlot {
        EventSlot(self.events.slot(name).unwrap_or_else(|| self.overflow("event names")))
    }

    /// The slot of a trait name.
    pub(crate) fn trait_(&mut self, name: &str) -> TraitSlot {
        TraitSlot(self.traits.slot(name).unwrap_or_else(|| self.overflow("trait names")))
    }

    /// The slot of a property path.
    pub(crate) fn property(&mut self, path: &str) -> PropertySlot {
        PropertySlot(self.properties.slot(path).unwrap_or_else(|| self.overflow("property names")))
    }

    /// The slot of a property path that some file refers to.
    pub(crate) fn find_property(&self, path: &str) -> Option<PropertySlot> {
        self.properties.by_name.get(path).copied().map(PropertySlot)
    }

    /// The slots of the traits that the engine itself reads.
    pub(crate) fn known_traits(&mut self) -> KnownTraits {
        KnownTraits {
            timezone: self.trait_("timezone"),
            locale: self.trait_("locale"),
            consent: self.trait_("consent"),
            preferred_channel: self.trait_("preferred_channel"),
            account: self.trait_("account"),
            owner: self.trait_("owner"),
            name: self.trait_("name"),
        }
    }

    /// Knows what tasks make happen, so that it is heard of by name.
    pub(crate) fn task_events(&mut self) {
        for name in [TaskEvents::CLOSED, TaskEvents::ESCALATED, TaskEvents::EXPIRED] {
            self.event(name);
        }
    }

    /// The slot of a score's name.
    pub(crate) fn score(&self, name: &str) -> Option<ScoreSlot> {
        let index = self.scores.iter().position(|score| &*score.name == name)?;
        u16::try_from(index).ok().map(ScoreSlot)
    }

    /// So many days of a score must be remembered.
    pub(crate) fn remember(&mut self, score: ScoreSlot, days: u16) {
        if let Some(score) = self.scores.get_mut(score.index()) {
            score.days = score.days.max(days);
        }
    }

    /// The series that keeps this of an event, made if no other expression needs it yet.
    pub(crate) fn series(
        &mut self,
        event: EventSlot,
        filter: Option<Condition>,
        measure: Measure,
        keep: Span,
    ) -> SeriesSlot {
        let text = filter.as_ref().map_or_else(Box::default, |filter| filter.text.clone());
        let key = (event.0, measure_key(measure), text);
        if let Some(slot) = self.series_by_key.get(&key) {
            if let Some(spec) = self.series.get_mut(usize::from(*slot)) {
                spec.keep = spec.keep.max(keep);
            }
            return SeriesSlot(*slot);
        }
        let Some(slot) =
            u16::try_from(self.series.len()).ok().filter(|_| self.series.len() < SERIES_MAX)
        else {
            return SeriesSlot(self.overflow("counts over history"));
        };
        let stable = self.stable_key(event, &key.2, measure);
        self.series.push(SeriesSpec { event, filter, measure, keep, key: stable });
        self.series_by_key.insert(key, slot);
        SeriesSlot(slot)
    }

    /// The event of a series.
    pub(crate) fn event_of_series(&self, slot: SeriesSlot) -> Option<EventSlot> {
        self.series.get(slot.index()).map(|spec| spec.event)
    }

    /// The tables, finished.
    pub(crate) fn finish(self) -> Tables {
        let mut series_of_event = vec![Vec::new(); self.events.names.len()];
        for (index, spec) in self.series.iter().enumerate() {
            let slot = u16::try_from(index).map(SeriesSlot);
            if let (Ok(slot), Some(fed)) = (slot, series_of_event.get_mut(spec.event.index())) {
                fed.push(slot);
            }
        }
        Tables {
            events: self.events.names.into(),
            traits: self.traits.names.into(),
            properties: self.properties.names.into(),
            series: self.series.into(),
            series_of_event: series_of_event.into_iter().map(Vec::into_boxed_slice).collect(),
        }
    }

    /// A name of the series in stored state: slots change with every reload, names do not.
    fn stable_key(&self, event: EventSlot, filter: &str, measure: Measure) -> u64 {
        let (kind, property) = measure_key(measure);
        let property = match measure {
            Measure::Times | Measure::LastTime | Measure::Tally => "",
            _ => self.properties.names.get(usize::from(property)).map_or("", |name| name),
        };
        let event = self.events.names.get(event.index()).map_or("", |name| name);
        let mut hasher = blake3::Hasher::new();
        for part in [event, property, filter] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&[kind]);
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn overflow(&mut self, table: &'static str) -> u16 {
        self.full = Some(table);
        0
    }
}

fn measure_key(measure: Measure) -> MeasureKey {
    match measure {
        Measure::Times => (0, 0),
        Measure::Amount(property) => (1, property.0),
        Measure::Distinct(property) => (2, property.0),
        Measure::Last(property) => (3, property.0),
        Measure::LastTime => (4, 0),
        Measure::Tally => (5, 0),
        Measure::Total(property) => (6, property.0),
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    names: Vec<Arc<str>>,
    by_name: BTreeMap<Arc<str>, u16>,
}

impl Table {
    fn slot(&mut self, name: &str) -> Option<u16> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        let slot = u16::try_from(self.names.len()).ok().filter(|_| self.names.len() < NAMES_MAX)?;
        let name: Arc<str> = Arc::from(name);
        self.names.push(name.clone());
        self.by_name.insert(name, slot);
        Some(slot)
    }
}
