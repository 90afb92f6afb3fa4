//! Quiet hours and blackouts: the times of the customer's wall clock in which nothing is sent.

use jiff::civil;

use super::case::{Case, Course, Message, Passage, ZoneFor};
use crate::engine::decision::{Detail, Hold, Reason, Rule};
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::{Blackout, QuietHours, QuietRule};
use crate::engine::slot::ChannelSlot;
use crate::engine::time::{Span, Timestamp, Zone};

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else {
        return Passage::Continue(());
    };
    let quiet = quiet_hours(case, message, course.channel);
    let mut blackouts = blackouts(case, message, case.now).peekable();
    if quiet.is_empty() && blackouts.peek().is_none() {
        return course.pass(Rule::QuietHours, Detail::None);
    }
    let ZoneFor::Known(zone) = case.zone() else {
        return course.suppress(Rule::QuietHours, Reason::UnknownZone, Detail::None);
    };
    let before = course.findings.len();
    let hold = walk(zone, case.now, |local| quiet_end(quiet, local));
    if hold != Hold::Free {
        // A quiet time without end holds for as long as anyone can tell.
        let until = if let Hold::Until(until) = hold { until } else { Timestamp::MAX };
        let detail = Detail::Quiet { local: case.now.in_zone(zone), until };
        course.wait(Rule::QuietHours, hold, Reason::QuietHours, detail);
    }
    for blackout in blackouts {
        if let Hold::Until(until) = walk(zone, case.now, |local| blackout_end(blackout, local)) {
            let detail = Detail::Freeze { by: blackout.name.clone(), until: Some(until) };
            course.wait(Rule::QuietHours, Hold::Until(until), Reason::Blackout, detail);
        }
    }
    if course.findings.len() == before {
        return course.pass(Rule::QuietHours, Detail::None);
    }
    Passage::Continue(())
}

/// How long quiet hours and blackouts hold a case from an instant on.
///
/// Where the zone is unknown nothing can be said yet: the rule refuses the case when it gets there.
pub(super) fn hold(case: &Case<'_>, channel: Option<ChannelSlot>, at: Timestamp) -> Hold {
    let Some(message) = case.message else { return Hold::Free };
    let quiet = quiet_hours(case, message, channel);
    if quiet.is_empty() && blackouts(case, message, at).next().is_none() {
        return Hold::Free;
    }
    let ZoneFor::Known(zone) = case.zone() else { return Hold::Free };
    walk(zone, at, |local| {
        let ends = blackouts(case, message, at).map(|blackout| blackout_end(blackout, local));
        ends.fold(quiet_end(quiet, local), Option::max)
    })
}

/// The local time at which the quiet hours around a local time end; `None` outside of them.
pub(super) fn quiet_end(quiet: &[QuietHours], local: civil::DateTime) -> Option<civil::DateTime> {
    quiet.iter().filter_map(|hours| interval_end(hours, local)).max()
}

fn interval_end(hours: &QuietHours, local: civil::DateTime) -> Option<civil::DateTime> {
    let (today, clock) = (local.date(), local.time());
    if hours.from < hours.to {
        let inside = begins_on(hours, today) && hours.from <= clock && clock < hours.to;
        return inside.then(|| today.to_datetime(hours.to));
    }
    if is_planted(Fault::NightEndsAtMidnight) && clock < hours.to {
        return None;
    }
    // Over midnight: it began today or yesterday.
    if begins_on(hours, today) && hours.from <= clock {
        return today.tomorrow().ok().map(|tomorrow| tomorrow.to_datetime(hours.to));
    }
    let began_yesterday = today.yesterday().is_ok_and(|yesterday| begins_on(hours, yesterday));
    (began_yesterday && clock < hours.to).then(|| today.to_datetime(hours.to))
}

fn begins_on(hours: &QuietHours, date: civil::Date) -> bool {
    hours.weekdays >> date.weekday().to_monday_zero_offset() & 1 == 1
}

fn blackout_end(blackout: &Blackout, local: civil::DateTime) -> Option<civil::DateTime> {
    (blackout.from <= local && local < blackout.to).then_some(blackout.to)
}

fn walk(
    zone: &Zone,
    at: Timestamp,
    inside: impl Fn(civil::DateTime) -> Option<civil::DateTime>,
) -> Hold {
    match zone.first_outside(at, inside) {
        Some(free) if free == at => Hold::Free,
        Some(free) => Hold::Until(free),
        None => Hold::Never,
    }
}

/// The quiet hours that a message must keep: none, if its purpose may break them or its channel
/// disturbs nobody.
fn quiet_hours<'a>(
    case: &Case<'a>,
    message: Message<'_>,
    channel: Option<ChannelSlot>,
) -> &'a [QuietHours] {
    let channel = channel.and_then(|slot| case.catalog.policy.channels.get(slot.index()));
    let disturbs = channel.is_none_or(|channel| channel.quiet == QuietRule::Kept);
    if disturbs && message.purpose.quiet == QuietRule::Kept {
        &case.catalog.policy.quiet_hours
    } else {
        &[]
    }
}

/// The blackouts that a message must keep, on every channel, and that are near enough for the
/// customer's zone to matter: one of last Christmas needs nobody's zone.
fn blackouts<'a>(
    case: &Case<'a>,
    message: Message<'a>,
    at: Timestamp,
) -> impl Iterator<Item = &'a Blackout> {
    case.catalog.policy.blackouts.iter().filter(move |blackout| {
        let concerned = match &*blackout.purposes {
            [] => message.purpose.quiet == QuietRule::Kept,
            some => some.contains(&message.slot),
        };
        let utc = Zone::utc();
        concerned
            && Timestamp::from_local(blackout.from, &utc) <= at + OFFSET_MAX
            && at < Timestamp::from_local(blackout.to, &utc) + OFFSET_MAX
    })
}

/// More than any zone was ever away from UTC.
const OFFSET_MAX: Span = Span::HOUR.times(26);
