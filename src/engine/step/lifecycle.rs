//! Where the customer stands in time: dates that approach, calendars that come round.

use jiff::civil;

use super::super::catalog::{Trigger, When};
use super::super::customer::CustomerState;
use super::super::evaluate::civil_date_of;
use super::super::slot::{TraitSlot, TriggerSlot};
use super::super::time::{Span, Timestamp, Zone};
use super::behavior::Fired;
use super::bind::{arm_dates, arm_schedule};
use super::fire::{mark_decided, was_decided};
use super::{Step, zone};

impl<'a> Step<'a> {
    /// A trait changed: the dates kept in it are waited for anew.
    pub(super) fn move_dates(&mut self, of: TraitSlot, now: Timestamp) {
        let catalog = self.catalog;
        for slot in catalog.index.roster.dates(of) {
            arm_dates(catalog, self.state, slot, now);
        }
    }

    /// The customer's zone changed: every local time is another instant now.
    pub(super) fn move_zone(&mut self, now: Timestamp) {
        let catalog = self.catalog;
        for slot in catalog.index.roster.all_dates() {
            arm_dates(catalog, self.state, slot, now);
        }
        for slot in catalog.index.roster.schedules() {
            let Some(trigger) = catalog.trigger(*slot) else { continue };
            if matches!(trigger.when, When::Schedule { zone: None, .. }) {
                arm_schedule(catalog, self.state, *slot, now);
            }
        }
    }

    /// A date's offset is reached.
    pub(super) fn date_reached(&mut self, slot: TriggerSlot, offset: u8, now: Timestamp) {
        let Some(trigger) = self.catalog.trigger(slot) else { return };
        let zone = zone(self.catalog, self.state);
        let Some((date, due)) = date_due(trigger, self.state, offset, &zone) else { return };
        // Otherwise it was armed for another date, offset or time, and left behind by a reload.
        if due == now {
            self.once(slot, trigger, &date_occurrence(trigger, date, offset), now);
        }
    }

    /// The calendar says so; it says when next.
    pub(super) fn schedule_reached(&mut self, slot: TriggerSlot, now: Timestamp) {
        let catalog = self.catalog;
        arm_schedule(catalog, self.state, slot, now);
        let Some(trigger) = catalog.trigger(slot) else { return };
        let When::Schedule { schedule, zone: fixed } = &trigger.when else { return };
        let zone = fixed.clone().unwrap_or_else(|| zone(catalog, self.state));
        let just_before = now - Span::from_millis(1);
        if let Some((due, occurrence)) = schedule.next_after(just_before, &zone)
            && due == now
        {
            self.once(slot, trigger, &occurrence, now);
        }
    }

    /// Fires unless this occurrence was decided before: whoever travels west lives through the
    /// same local time twice.
    fn once(&mut self, slot: TriggerSlot, trigger: &'a Trigger, occurrence: &str, now: Timestamp) {
        if !was_decided(self.state, slot, occurrence)
            && self.reached(slot, trigger, occurrence, now) == Fired::Yes
        {
            mark_decided(self.state, slot, occurrence);
        }
    }
}

/// The text that makes one offset of one date the only one of its kind.
pub(super) fn date_occurrence(trigger: &Trigger, date: civil::Date, offset: u8) -> String {
    let When::Date { offset_days, .. } = &trigger.when else { return String::new() };
    let days = offset_days.get(usize::from(offset)).copied().unwrap_or_default();
    format!("date:{date}:{days}")
}

/// The date a trigger waits for, as it stands now, and when an offset of it is due.
pub(super) fn date_due(
    trigger: &Trigger,
    state: &CustomerState,
    offset: u8,
    zone: &Zone,
) -> Option<(civil::Date, Timestamp)> {
    let When::Date { of, offset_days, at } = &trigger.when else { return None };
    let date = civil_date_of(state.trait_value(of.slot)?.as_ref().at(&of.path), zone)?;
    let days = offset_days.get(usize::from(offset)).copied()?;
    let target = date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some((date, Timestamp::from_local(target.to_datetime(*at), zone)))
}
