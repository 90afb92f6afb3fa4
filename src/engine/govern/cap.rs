//! Frequency caps and gaps: exact over the customer's ledger, held by named contacts, free again at
//! a known instant.

use super::case::{Case, Course, Message, Passage, ZoneFor};
use super::tally::Tally;
use super::{channel, holdout, quiet_hours};
use crate::engine::catalog::{Action, Catalog};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Detail, Finding, Hold, Passed, Reason, Rule};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::{Cap, CapLimit, CapScope, OnCap, Period};
use crate::engine::slot::ChannelSlot;
use crate::engine::time::{Span, Timestamp};

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
        let calendar = matches!(cap.limit, CapLimit::Calendar { .. });
        if calendar && matches!(case.zone(), ZoneFor::Unknown) {
            return course.suppress(Rule::Caps, Reason::UnknownZone, Detail::None);
        }
        let hold = tally.hold(cap, case.now);
        if hold == Hold::Free {
            continue;
        }
        let detail = tally.detail(cap, case.now);
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
    tally: &Tally<'_, '_>,
) -> Option<(ChannelSlot, Detail)> {
    let mut others = others(case, first).peekable();
    others.peek()?;
    let full = concerning(case, first).find_map(|cap| {
        let is_full = tally.hold(cap, case.now) != Hold::Free;
        is_full.then(|| tally.detail(cap, case.now))
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
    tally: &Tally<'_, '_>,
    at: Timestamp,
    which: impl Fn(&Cap) -> bool,
) -> Hold {
    let mut longest = Hold::Free;
    for cap in concerning(case, channel).filter(|cap| which(cap)) {
        longest = match (longest, tally.hold(cap, at)) {
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
    let caps = catalog.policy.caps.iter();
    caps.map(|cap| {
        let free = tally.hold(cap, now) == Hold::Free;
        Finding {
            rule: Rule::Caps,
            passed: if free { Passed::Yes } else { Passed::No },
            detail: tally.detail(cap, now),
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

/// The caps that hold a case: none for a purpose that is exempt.
fn concerning<'a>(case: &Case<'a>, channel: Option<ChannelSlot>) -> impl Iterator<Item = &'a Cap> {
    among(case, channel, &case.catalog.policy.caps)
}

/// Those of some caps that hold a case.
pub(super) fn among<'a>(
    case: &Case<'a>,
    channel: Option<ChannelSlot>,
    caps: &'a [Cap],
) -> impl Iterator<Item = &'a Cap> {
    let message = case.counted_message();
    let asker = case.asker;
    caps.iter().filter(move |cap| {
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
