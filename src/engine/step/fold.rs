//! Folds an event into what is known of the customer: traits, consent, history, timeline, session.

use super::super::catalog::{Catalog, Measure, SessionEdge};
use super::super::customer::{Consent, CustomerState, Profiling, Session, spare_room};
use super::super::decision::Truth;
use super::super::evaluate;
use super::super::govern::{consent, profiling, suppression};
use super::super::input::{Event, Preference, Reach};
use super::super::series::Series;
use super::super::slot::{ChannelSlot, PurposeSlot, SeriesSlot, TraitSlot};
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::super::value::{Value, ValueRef};
use super::consent_trait::{self, About};
use super::{Step, timers};

impl Step<'_> {
    /// Sets and clears traits, notices what changed, and re-arms the dates that moved.
    ///
    /// The last to arrive wins: traits bear no time of their own.
    pub(super) fn fold_traits(&mut self, event: &Event<'_>, at: Timestamp) {
        let known = self.catalog.known;
        for (slot, value) in event.traits {
            let found = self.state.traits.binary_search_by_key(slot, |(slot, _)| *slot);
            let old = found.ok().and_then(|index| self.state.traits.get(index));
            if old.map(|(_, value)| value) == value.as_ref() {
                continue;
            }
            let old = self.replace_trait(*slot, value.clone(), found);
            // What Heedful notes of itself is no change of a customer.
            if self.state.id.is_own() {
                continue;
            }
            if *slot == known.consent {
                self.fold_consent(old.as_ref(), value.as_ref(), event.occurred_at, event.id);
            } else if *slot == known.preferred_channel {
                self.state.rare.preferred_channel = match value {
                    Some(Value::Str(name)) => find_channel(self.catalog, name),
                    _ => None,
                };
            }
            if event.reach.is_live() {
                self.trait_changed(*slot, old.as_ref(), event, at);
            }
            if *slot == known.timezone {
                self.move_zone(at);
            } else {
                self.move_dates(*slot, at);
            }
        }
    }

    fn replace_trait(
        &mut self,
        slot: TraitSlot,
        value: Option<Value>,
        found: Result<usize, usize>,
    ) -> Option<Value> {
        match (found, value) {
            (Ok(index), Some(value)) => {
                self.state.traits.get_mut(index).map(|(_, old)| std::mem::replace(old, value))
            }
            (Ok(index), None) => Some(self.state.traits.remove(index).1),
            (Err(index), Some(value)) => {
                spare_room(&mut self.state.traits);
                self.state.traits.insert(index, (slot, value));
                None
            }
            (Err(_), None) => None,
        }
    }

    /// Takes over the answers of the `consent` trait that differ from what it said before.
    fn fold_consent(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        at: Timestamp,
        source: &str,
    ) {
        let Some(new) = new else { return };
        let before = old.map_or(ValueRef::Missing, Value::as_ref);
        for answer in consent_trait::changed(self.catalog, before, new) {
            let consent_trait::Answered { about, answer, source: told, evidence } = answer;
            let source = told.unwrap_or(source).into();
            match about {
                About::Messages(purpose, channel) => consent::record(
                    self.state,
                    Consent { purpose, channel, answer, at, source, evidence },
                ),
                About::Profiling => {
                    profiling::record(self.state, Profiling { answer, at, source, evidence });
                }
            }
        }
    }

    /// Ends the suppressions that wait for this event.
    pub(super) fn end_freezes(&mut self, event: &Event<'_>, at: Timestamp) {
        if let Some(name) = event.name
            && !self.state.rare.freezes.is_empty()
        {
            let property = |slot| event.property(slot);
            suppression::end_by_event(self.catalog, self.state, name, property, at);
        }
    }

    /// Counters, timeline and last seen.
    pub(super) fn fold_history(&mut self, event: &Event<'_>, at: Timestamp) {
        let Some(name) = event.name else { return };
        let catalog = self.catalog;
        let series = catalog.series_of_event.get(name.index()).map_or(&[][..], |slots| slots);
        for slot in series {
            self.fold_series(*slot, event, at);
        }
        self.state.recent.record(name, event.occurred_at);
        if event.reach != Reach::Background && self.state.last_seen < event.occurred_at {
            self.state.last_seen = event.occurred_at;
        }
        if event.occurred_at < self.state.first_seen {
            self.state.first_seen = event.occurred_at;
        }
    }

    fn fold_series(&mut self, slot: SeriesSlot, event: &Event<'_>, at: Timestamp) {
        let Some(spec) = self.catalog.series.get(slot.index()) else { return };
        if let Some(filter) = &spec.filter
            && evaluate::holds(filter, &self.scope(event.properties, at)) != Truth::True
        {
            return;
        }
        let value = match spec.measure {
            Measure::Times | Measure::LastTime | Measure::Tally => ValueRef::Missing,
            Measure::Amount(property)
            | Measure::Distinct(property)
            | Measure::Last(property)
            | Measure::Total(property) => event.property(property),
        };
        let series = &mut self.state.series;
        match series.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(index) => {
                if let Some((_, series)) = series.get_mut(index) {
                    series.record(event.occurred_at, value, spec.keep);
                }
            }
            Err(index) => {
                if let Some(begun) = Series::begin(spec.measure, event.occurred_at, value) {
                    spare_room(series);
                    series.insert(index, (slot, begun));
                }
            }
        }
    }

    /// Counts the event into the session that runs, or begins one.
    ///
    /// An event that comes later than the idle time belongs to a session that is over.
    pub(super) fn fold_session(&mut self, event: &Event<'_>, at: Timestamp) {
        let Some(idle) = self.catalog.session_idle else { return };
        if event.name.is_none() || event.occurred_at + idle <= at {
            return;
        }
        if let Some(session) = &mut self.state.rare.session {
            session.last_at = session.last_at.max(event.occurred_at);
            session.events = session.events.saturating_add(1);
            return;
        }
        let started_at = event.occurred_at;
        let session = Session { started_at, last_at: started_at, events: 1 };
        self.state.rare.session = Some(Box::new(session));
        // It stays where it is while the session goes on and looks again when it fires: moving it
        // at each event would cost more than waking once per idle time.
        timers::disarm(self.state, |kind| *kind == TimerKind::SessionEnd);
        timers::arm(self.state, started_at + idle, TimerKind::SessionEnd);
        self.session_edge(SessionEdge::Started, Some(event), at);
    }
}

/// A change of consent or preference made outside the `consent` trait.
pub(super) fn preference(state: &mut CustomerState, preference: &Preference, at: Timestamp) {
    match preference {
        Preference::Consent { purpose, channel, answer, source, evidence, about: _ } => {
            let (purpose, channel, answer) = (*purpose, *channel, *answer);
            let (source, evidence) = (source.clone(), evidence.clone());
            consent::record(state, Consent { purpose, channel, answer, at, source, evidence });
        }
        Preference::Profiling { answer, source, evidence } => {
            let (answer, source, evidence) = (*answer, source.clone(), evidence.clone());
            profiling::record(state, Profiling { answer, at, source, evidence });
        }
        Preference::PauseUntil(until) => state.rare.paused_until = *until,
        Preference::PreferredChannel(channel) => state.rare.preferred_channel = *channel,
    }
}

pub(super) fn find_purpose(catalog: &Catalog, name: &str) -> Option<PurposeSlot> {
    let index = catalog.policy.purposes.iter().position(|purpose| *purpose.name == *name)?;
    u16::try_from(index).ok().map(PurposeSlot)
}

pub(super) fn find_channel(catalog: &Catalog, name: &str) -> Option<ChannelSlot> {
    let index = catalog.policy.channels.iter().position(|channel| *channel.name == *name)?;
    u16::try_from(index).ok().map(ChannelSlot)
}
