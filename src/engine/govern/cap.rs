//! Frequency caps and gaps: exact over the customer's ledger, held by named contacts, free again at
//! a known instant.

use jiff::civil;

use super::case::{Case, Course, Message, Passage, ZoneFor};
use super::{channel, holdout, quiet_hours};
use crate::engine::catalog::{Action, Catalog, Sending};
use crate::engine::customer::{Contact, ContactKind, CustomerState};
use crate::engine::decision::{Detail, Finding, Hold, Passed, Reason, Rule};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::{Cap, CapLimit, CapRule, CapScope, OnCap, Period};
use crate::engine::slot::ChannelSlot;
use crate::engine::time::{Span, Timestamp, Zone};

/// Holders of a cap that a finding names, the newest.
const HOLDERS_MAX: usize = 16;

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else {
        return Passage::Continue(());
    };
    let tally = Tally::of(case, course.ghost);
    if course.hold.is_none()
        && let Some((channel, detail)) = next_channel(case, course.channel, &tally)
    {
        course.findings.push(Finding { rule: Rule::Caps, passed: Passed::No, detail });
        course.channel = Some(channel);
        return course.pass(Rule::Caps, Detail::Channel(Some(channel)));
    }
    // What waits anyway is only dropped if the cap still holds when the wait is over.
    let waits = course.hold.is_some();
    let before = course.findings.len();
    for cap in concerning(case, course.channel) {
        let zone = match needed_zone(case, cap) {
            None => None,
            Some(ZoneFor::Known(zone)) => Some(zone),
            Some(ZoneFor::Unknown) => {
                return course.suppress(Rule::Caps, Reason::UnknownZone, Detail::None);
            }
        };
        let hold = tally.hold(cap, case.now, zone);
        if hold == Hold::Free {
            continue;
        }
        let detail = tally.detail(cap, case.now, zone);
        match (on_cap(cap, message), waits) {
            (OnCap::Defer | OnCap::NextChannel, _) => {
                course.wait(Rule::Caps, hold, Reason::Capped, detail);
            }
            (OnCap::ReplaceLower, _) => {
                course.wait(Rule::Caps, hold, Reason::Capped, detail);
                replace_lower(case, course, cap);
            }
            (OnCap::Drop, false) => return course.suppress(Rule::Caps, Reason::Capped, detail),
            (OnCap::Drop, true) => {
                course.findings.push(Finding { rule: Rule::Caps, passed: Passed::No, detail });
            }
        }
    }
    if course.findings.len() == before {
        return course.pass(Rule::Caps, Detail::None);
    }
    Passage::Continue(())
}

/// The channel that a message takes instead of one whose caps are full, and the cap that moves it.
/// It is asked for only when nothing but caps is in the way.
fn next_channel(
    case: &Case<'_>,
    first: Option<ChannelSlot>,
    tally: &Tally<'_>,
) -> Option<(ChannelSlot, Detail)> {
    let mut others = others(case, first).peekable();
    others.peek()?;
    let full = concerning(case, first).find_map(|cap| {
        let zone = known_zone(case, cap);
        let is_full = tally.hold(cap, case.now, zone) != Hold::Free;
        is_full.then(|| tally.detail(cap, case.now, zone))
    })?;
    let free = |channel: &ChannelSlot| {
        let full = hold_of(case, Some(*channel), tally, case.now, |_| true) != Hold::Free;
        quiet_hours::hold(case, Some(*channel), case.now) == Hold::Free
            && (!full || is_planted(Fault::MovesPastCaps))
    };
    others.find(free).map(|channel| (channel, full))
}

/// The channels to which a message moves when caps of its first one are full: none, unless one of
/// these says so.
pub(super) fn others<'a>(
    case: &'a Case<'_>,
    first: Option<ChannelSlot>,
) -> impl Iterator<Item = ChannelSlot> + 'a {
    let moves = |message: &Message<'_>| {
        let moves = |cap: &Cap| on_cap(cap, *message) == OnCap::NextChannel;
        // Whoever lives nobody knows where is not tried on one channel after the other.
        1 < message.via.len()
            && concerning(case, first).any(moves)
            && matches!(case.zone(), ZoneFor::Known(_))
    };
    let message = case.message.filter(moves);
    message.into_iter().flat_map(move |message| {
        let open = channel::all_open(case.catalog, case.state, message.via, message.slot);
        open.filter(move |channel| Some(*channel) != first)
    })
}

/// What waits for the same cap with a lower priority gives way to a message that waits now.
fn replace_lower(case: &Case<'_>, course: &mut Course<'_>, cap: &Cap) {
    let (Some(asker), None) = (case.asker, course.ghost) else { return };
    for waiting in &case.state.rare.waiting {
        let lower = case.catalog.trigger(waiting.trigger).filter(|trigger| {
            waiting.reason == Reason::Capped && trigger.priority < asker.trigger.priority
        });
        let under = lower.is_some_and(|trigger| {
            let Action::Send(send) = &trigger.action else { return false };
            match cap.scope {
                CapScope::All => true,
                CapScope::Purpose(purpose) => purpose == send.purpose,
                CapScope::Channel(only) => {
                    let on = channel::reachable(case.catalog, case.state, &send.via, send.purpose);
                    on == Some(only)
                }
                CapScope::Trigger(only) => only == waiting.trigger,
                CapScope::Tag(tag) => trigger.has_tag(tag),
            }
        });
        if under && !course.replaces.contains(&waiting.id) {
            course.replaces.push(waiting.id);
        }
    }
}

/// How long the caps that do not drop hold a case from an instant on.
pub(super) fn hold(
    case: &Case<'_>,
    channel: Option<ChannelSlot>,
    ghost: Option<Reason>,
    at: Timestamp,
) -> Hold {
    let tally = Tally::of(case, ghost);
    let Some(message) = case.message else { return Hold::Free };
    hold_of(case, channel, &tally, at, |cap| on_cap(cap, message) != OnCap::Drop)
}

/// How long all caps of a channel hold a case that moves to it.
pub(super) fn hold_all(
    case: &Case<'_>,
    channel: ChannelSlot,
    ghost: Option<Reason>,
    at: Timestamp,
) -> Hold {
    hold_of(case, Some(channel), &Tally::of(case, ghost), at, |_| true)
}

fn hold_of(
    case: &Case<'_>,
    channel: Option<ChannelSlot>,
    tally: &Tally<'_>,
    at: Timestamp,
    which: impl Fn(&Cap) -> bool,
) -> Hold {
    let mut longest = Hold::Free;
    for cap in concerning(case, channel).filter(|cap| which(cap)) {
        let zone = known_zone(case, cap);
        longest = match (longest, tally.hold(cap, at, zone)) {
            (Hold::Never, _) | (_, Hold::Never) => Hold::Never,
            (Hold::Free, other) | (other, Hold::Free) => other,
            (Hold::Until(a), Hold::Until(b)) => Hold::Until(a.max(b)),
        };
    }
    longest
}

/// What each cap of the policy would say to one more contact now.
pub(super) fn left(catalog: &Catalog, state: &CustomerState, now: Timestamp) -> Vec<Finding> {
    let case = Case::bare(catalog, state, now);
    let ghost = holdout::is_global(catalog, state).then_some(Reason::GlobalHoldout);
    let tally = Tally::of(&case, ghost);
    let ZoneFor::Known(zone) = case.zone() else { return Vec::new() };
    let caps = catalog.policy.caps.iter();
    caps.map(|cap| {
        let free = tally.hold(cap, now, Some(zone)) == Hold::Free;
        Finding {
            rule: Rule::Caps,
            passed: if free { Passed::Yes } else { Passed::No },
            detail: tally.detail(cap, now, Some(zone)),
        }
    })
    .collect()
}

/// How far back a cap looks.
pub(super) fn looks_back(cap: &Cap) -> Span {
    match cap.limit {
        CapLimit::Rolling { window, .. } => window,
        CapLimit::Gap { gap } => gap,
        // A day more than the longest, because a local day can have more than 24 hours.
        CapLimit::Calendar { period: Period::Day, .. } => Span::DAY.times(2),
        CapLimit::Calendar { period: Period::Week, .. } => Span::DAY.times(8),
        CapLimit::Calendar { period: Period::Month, .. } => Span::DAY.times(32),
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

/// The caps that hold a case: none for a purpose that is exempt.
fn concerning<'a>(case: &Case<'a>, channel: Option<ChannelSlot>) -> impl Iterator<Item = &'a Cap> {
    let message = case.counted_message();
    let asker = case.asker;
    case.catalog.policy.caps.iter().filter(move |cap| {
        message.is_some_and(|message| match cap.scope {
            CapScope::All => true,
            CapScope::Purpose(purpose) => purpose == message.slot,
            CapScope::Channel(only) => Some(only) == channel,
            CapScope::Trigger(trigger) => asker.is_some_and(|asker| asker.slot == trigger),
            CapScope::Tag(tag) => asker.is_some_and(|asker| asker.trigger.has_tag(tag)),
        })
    })
}

fn on_cap(cap: &Cap, message: Message<'_>) -> OnCap {
    message.on_cap.unwrap_or(cap.on_cap)
}

/// The zone, if a cap needs one and it is known.
fn known_zone<'c>(case: &'c Case<'_>, cap: &Cap) -> Option<&'c Zone> {
    match needed_zone(case, cap) {
        Some(ZoneFor::Known(zone)) => Some(zone),
        Some(ZoneFor::Unknown) | None => None,
    }
}

/// The zone, if a cap needs one.
fn needed_zone<'c>(case: &'c Case<'_>, cap: &Cap) -> Option<ZoneFor<'c>> {
    match cap.limit {
        CapLimit::Calendar { .. } => Some(case.zone()),
        CapLimit::Rolling { .. } | CapLimit::Gap { .. } => None,
    }
}

/// The contacts of a customer, as caps count them.
#[derive(Clone, Copy, Debug)]
struct Tally<'a> {
    catalog: &'a Catalog,
    contacts: &'a [Contact],
    ghosts: Ghosts,
}

/// Whether ghosts count: among those of the global holdout they do, so that these are held by the
/// same caps as if they were contacted; against a real send never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ghosts {
    Counted,
    Ignored,
}

impl<'a> Tally<'a> {
    fn of(case: &Case<'a>, ghost: Option<Reason>) -> Self {
        let global = ghost == Some(Reason::GlobalHoldout);
        let ghosts = if global { Ghosts::Counted } else { Ghosts::Ignored };
        Self { catalog: case.catalog, contacts: case.ledger, ghosts }
    }

    /// The contacts that a cap counts, oldest first.
    fn counted(&self, cap: &'a Cap) -> impl DoubleEndedIterator<Item = &'a Contact> {
        let Self { catalog, contacts, ghosts } = *self;
        contacts.iter().filter(move |contact| {
            let real = match contact.kind {
                ContactKind::Unknown => !is_planted(Fault::UnknownIsForgotten),
                ContactKind::Reserved | ContactKind::Sent => true,
                ContactKind::Ghost => ghosts == Ghosts::Counted,
                ContactKind::DryRun => catalog.sending == Sending::DryRun,
            };
            real && is_counted(catalog, contact) && in_scope(cap.scope, contact)
        })
    }

    /// How long a cap holds one more contact from an instant on. Without a zone a calendar says
    /// nothing.
    fn hold(&self, cap: &'a Cap, at: Timestamp, zone: Option<&Zone>) -> Hold {
        let until = match cap.limit {
            CapLimit::Rolling { at_most: 0, .. } | CapLimit::Calendar { at_most: 0, .. } => {
                return Hold::Never;
            }
            // Free as soon as the n-th newest has left the window.
            CapLimit::Rolling { at_most, window } => {
                let newer = usize::try_from(at_most - 1).unwrap_or(usize::MAX);
                let early = is_planted(Fault::WindowEndsEarly);
                let early = if early { Span::MINUTE } else { Span::ZERO };
                self.counted(cap).nth_back(newer).map(|contact| contact.at + window - early)
            }
            CapLimit::Gap { gap } => self.counted(cap).next_back().map(|last| last.at + gap),
            CapLimit::Calendar { at_most, period } => match zone {
                Some(zone) => return self.calendar_hold(cap, at_most, period, (at, zone)),
                None => None,
            },
        };
        match until {
            Some(until) if at < until => Hold::Until(until),
            _ => Hold::Free,
        }
    }

    fn calendar_hold(
        &self,
        cap: &'a Cap,
        at_most: u32,
        period: Period,
        (at, zone): (Timestamp, &Zone),
    ) -> Hold {
        let utc = Zone::utc();
        let zone = if is_planted(Fault::CalendarOfUtc) { &utc } else { zone };
        let free = zone.first_outside(at, |local| {
            let start = period.start(local.date());
            let used = self.counted_in(cap, period, start, zone).count();
            let full = usize::try_from(at_most).is_ok_and(|at_most| at_most <= used);
            if full {
                period.next(start).map(|next| next.to_datetime(civil::Time::MIN))
            } else {
                None
            }
        });
        match free {
            Some(free) if free == at => Hold::Free,
            Some(free) => Hold::Until(free),
            None => Hold::Never,
        }
    }

    /// The contacts counted in the period that starts on a date.
    fn counted_in(
        &self,
        cap: &'a Cap,
        period: Period,
        start: civil::Date,
        zone: &Zone,
    ) -> impl DoubleEndedIterator<Item = &'a Contact> {
        self.counted(cap)
            .filter(move |contact| period.start(contact.at.in_zone(zone).date()) == start)
    }

    /// How full a cap is, who holds it, and when it allows one more.
    fn detail(&self, cap: &'a Cap, at: Timestamp, zone: Option<&Zone>) -> Detail {
        let (at_most, held_by): (u32, Vec<&Contact>) = match (cap.limit, zone) {
            (CapLimit::Rolling { at_most, window }, _) => {
                (at_most, self.counted(cap).filter(|contact| at - window < contact.at).collect())
            }
            (CapLimit::Gap { gap }, _) => {
                let last = self.counted(cap).next_back();
                (1, last.filter(|last| at < last.at + gap).into_iter().collect())
            }
            (CapLimit::Calendar { at_most, period }, Some(zone)) => {
                let start = period.start(at.in_zone(zone).date());
                (at_most, self.counted_in(cap, period, start, zone).collect())
            }
            (CapLimit::Calendar { at_most, .. }, None) => (at_most, Vec::new()),
        };
        let shown = held_by.len().saturating_sub(HOLDERS_MAX);
        Detail::Cap {
            name: cap.name.clone(),
            used: u32::try_from(held_by.len()).unwrap_or(u32::MAX),
            at_most,
            holders: held_by.into_iter().skip(shown).map(|held| (held.at, held.trigger)).collect(),
            free_at: match self.hold(cap, at, zone) {
                Hold::Free => Some(at),
                Hold::Until(until) => Some(until),
                Hold::Never => None,
            },
        }
    }
}
