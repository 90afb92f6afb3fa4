//! The contacts of a customer as caps count them: read once for a case, then counted for each cap.

use std::cell::OnceCell;

use jiff::civil;
use smallvec::SmallVec;

use super::cap::looks_back;
use super::case::{Case, ZoneFor};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::customer::{Contact, ContactKind};
use crate::engine::decision::{Detail, Hold, Reason};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::{Cap, CapLimit, CapRule, CapScope, Period};
use crate::engine::time::{Day, Days, Span, Timestamp, Zone};

/// Holders of a cap that a finding names, the newest.
const HOLDERS_MAX: usize = 16;
/// Contacts that most customers do not exceed.
const CONTACTS: usize = 16;

/// The contacts of a customer that count against caps.
pub(super) struct Tally<'a, 'c> {
    case: &'c Case<'a>,
    /// Oldest first.
    contacts: SmallVec<[&'a Contact; CONTACTS]>,
    /// The days of all of them on the customer's wall clock: calendar caps ask again and again.
    days: OnceCell<SmallVec<[Day; CONTACTS]>>,
    /// The day of now there.
    today: OnceCell<Day>,
}

/// Whether ghosts count: among those of the global holdout they do, so that these are held by the
/// same caps as if they were contacted; against a real send never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ghosts {
    Counted,
    Ignored,
}

impl<'a, 'c> Tally<'a, 'c> {
    pub(super) fn of(case: &'c Case<'a>, ghost: Option<Reason>) -> Self {
        let global = ghost == Some(Reason::GlobalHoldout);
        let ghosts = if global { Ghosts::Counted } else { Ghosts::Ignored };
        let catalog = case.catalog;
        let counted = |contact: &&Contact| {
            let real = match contact.kind {
                ContactKind::Unknown => !is_planted(Fault::UnknownIsForgotten),
                ContactKind::Reserved | ContactKind::Sent => true,
                ContactKind::Ghost => ghosts == Ghosts::Counted,
                ContactKind::DryRun => catalog.sending == Sending::DryRun,
            };
            real && is_counted(catalog, contact)
        };
        let contacts: SmallVec<_> = case.ledger.iter().filter(counted).collect();
        debug_assert!(contacts.is_sorted_by_key(|contact: &&Contact| contact.at), "oldest first");
        Self { case, contacts, days: OnceCell::new(), today: OnceCell::new() }
    }

    /// The contacts that a cap counts, oldest first.
    fn counted(&self, cap: &Cap) -> impl DoubleEndedIterator<Item = &'a Contact> {
        self.contacts.iter().copied().filter(|contact| in_scope(cap.scope, contact))
    }

    /// Those of them that were made after an instant, newest first.
    fn newest(&self, cap: &Cap, after: Timestamp) -> impl Iterator<Item = &'a Contact> {
        let newest = self.contacts.iter().copied().rev();
        newest
            .take_while(move |contact| after < contact.at)
            .filter(|contact| in_scope(cap.scope, contact))
    }

    /// The last of as many as a cap allows.
    fn nth(mut contacts: impl Iterator<Item = &'a Contact>, at_most: u32) -> Option<&'a Contact> {
        contacts.nth(usize::try_from(at_most.checked_sub(1)?).unwrap_or(usize::MAX))
    }

    /// How long a cap holds one more contact from an instant on. Without a zone a calendar says
    /// nothing.
    pub(super) fn hold(&self, cap: &Cap, at: Timestamp) -> Hold {
        let until = match cap.limit {
            // Mostly there were never as many.
            CapLimit::Rolling { at_most, .. } | CapLimit::Calendar { at_most, .. }
                if self.contacts.len() < usize::try_from(at_most).unwrap_or(usize::MAX) =>
            {
                return Hold::Free;
            }
            CapLimit::Rolling { at_most: 0, .. } | CapLimit::Calendar { at_most: 0, .. } => {
                return Hold::Never;
            }
            // Free as soon as the n-th newest has left the window.
            CapLimit::Rolling { at_most, window } => {
                let early = is_planted(Fault::WindowEndsEarly);
                let early = if early { Span::MINUTE } else { Span::ZERO };
                let last = Self::nth(self.newest(cap, at - window), at_most);
                last.map(|contact| contact.at + window - early)
            }
            CapLimit::Gap { gap } => self.counted(cap).next_back().map(|last| last.at + gap),
            CapLimit::Calendar { at_most, period } => {
                return self.calendar_hold(cap, at_most, period, at);
            }
        };
        match until {
            Some(until) if at < until => Hold::Until(until),
            _ => Hold::Free,
        }
    }

    fn calendar_hold(&self, cap: &Cap, at_most: u32, period: Period, at: Timestamp) -> Hold {
        // Mostly there were not as many in as long as a period may be, and nobody has to look at the
        // wall clock.
        if Self::nth(self.newest(cap, at - looks_back(cap)), at_most).is_none() {
            return Hold::Free;
        }
        let Some(zone) = self.zone() else { return Hold::Free };
        let is_full = |days| Self::nth(self.counted_in(cap, days), at_most).is_some();
        let utc = Zone::utc();
        let zone = if is_planted(Fault::CalendarOfUtc) { &utc } else { zone };
        if at == self.case.now {
            let today = *self.today.get_or_init(|| Day::of(at.in_zone(zone).date()));
            if !is_full(period.around(today)) {
                return Hold::Free;
            }
        }
        let free = zone.first_outside(at, |local| {
            let days = period.around(Day::of(local.date()));
            let next = days.to.date().filter(|_| is_full(days));
            next.map(|next| next.to_datetime(civil::Time::MIN))
        });
        match free {
            Some(free) if free == at => Hold::Free,
            Some(free) => Hold::Until(free),
            None => Hold::Never,
        }
    }

    /// The contacts counted in a period.
    fn counted_in(&self, cap: &Cap, days: Days) -> impl Iterator<Item = &'a Contact> {
        let contacts = self.contacts.iter().copied().zip(self.days());
        contacts
            .filter(move |(contact, day)| days.have(**day) && in_scope(cap.scope, contact))
            .map(|(contact, _)| contact)
    }

    /// Without a zone there are none.
    fn days(&self) -> &[Day] {
        self.days.get_or_init(|| {
            let utc = Zone::utc();
            let Some(zone) = self.zone() else { return SmallVec::new() };
            let zone = if is_planted(Fault::CalendarOfUtc) { &utc } else { zone };
            zone.days(self.contacts.iter().map(|contact| contact.at)).collect()
        })
    }

    fn zone(&self) -> Option<&Zone> {
        match self.case.zone() {
            ZoneFor::Known(zone) => Some(zone),
            ZoneFor::Unknown => None,
        }
    }

    /// How full a cap is, who holds it, and when it allows one more.
    pub(super) fn detail(&self, cap: &Cap, at: Timestamp) -> Detail {
        let (at_most, held_by): (u32, Vec<&Contact>) = match (cap.limit, self.zone()) {
            (CapLimit::Rolling { at_most, window }, _) => {
                (at_most, self.counted(cap).filter(|contact| at - window < contact.at).collect())
            }
            (CapLimit::Gap { gap }, _) => {
                let last = self.counted(cap).next_back();
                (1, last.filter(|last| at < last.at + gap).into_iter().collect())
            }
            (CapLimit::Calendar { at_most, period }, Some(zone)) => {
                let days = period.around(Day::of(at.in_zone(zone).date()));
                (at_most, self.counted_in(cap, days).collect())
            }
            (CapLimit::Calendar { at_most, .. }, None) => (at_most, Vec::new()),
        };
        let shown = held_by.len().saturating_sub(HOLDERS_MAX);
        Detail::Cap {
            name: cap.name.clone(),
            used: u32::try_from(held_by.len()).unwrap_or(u32::MAX),
            at_most,
            holders: held_by.into_iter().skip(shown).map(|held| (held.at, held.trigger)).collect(),
            free_at: match self.hold(cap, at) {
                Hold::Free => Some(at),
                Hold::Until(until) => Some(until),
                Hold::Never => None,
            },
        }
    }
}

/// Whether a contact falls under a scope, by its purpose, channel and tags as they were then.
pub(super) fn in_scope(scope: CapScope, contact: &Contact) -> bool {
    match scope {
        CapScope::All => true,
        CapScope::Purpose(purpose) => contact.purpose == Some(purpose),
        CapScope::Channel(channel) => contact.channel == channel,
        CapScope::Trigger(trigger) => contact.trigger == trigger,
        CapScope::Tag(tag) => {
            1_u32.checked_shl(tag.0.into()).is_some_and(|b| contact.tags & b != 0)
        }
    }
}

/// Whether caps count a contact at all: a task or a message of an exempt purpose never.
pub(super) fn is_counted(catalog: &Catalog, contact: &Contact) -> bool {
    let purpose = contact.purpose.and_then(|slot| catalog.policy.purposes.get(slot.index()));
    purpose.is_some_and(|purpose| purpose.capped == CapRule::Counted)
        || is_planted(Fault::ExemptFillsCaps)
}
