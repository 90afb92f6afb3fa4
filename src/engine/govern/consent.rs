//! Consent and preference: what the customer said yes and no to, and whether they asked for a pause.

use super::case::{Case, Course, Message, Passage};
use super::profiling;
use crate::engine::customer::{Consent, CustomerState};
use crate::engine::decision::{Detail, Hold, Reason, Rule};
use crate::engine::input::Answer;
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::ConsentRule;
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::time::Timestamp;

/// Records an answer: it replaces an earlier one of the same purpose, channel and answer. A yes
/// stays beside a later no, and a no beside a later yes; which of them stands follows from their
/// times. There are never more answers than purposes times channels allow.
pub fn record(state: &mut CustomerState, consent: Consent) {
    let known = state.rare.consents.iter_mut().find(|known| {
        (known.purpose, known.channel, known.answer)
            == (consent.purpose, consent.channel, consent.answer)
    });
    match known {
        // What arrives late changes nothing.
        Some(known) if consent.at < known.at => {}
        Some(known) => *known = consent,
        None => state.rare.consents.push(consent),
    }
}

/// Whether a purpose may use a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It may.
    Yes,
    /// A yes is needed and none was ever given.
    NeverGranted,
    /// The customer said no.
    Denied,
}

/// Whether the customer lets a purpose use a channel.
///
/// A no stands until a later yes lifts it that is at least as narrow: "yes to marketing" lifts an
/// earlier "no to everything" for marketing, but not an earlier "no to marketing by SMS".
pub fn allows(
    state: &CustomerState,
    rule: ConsentRule,
    purpose: PurposeSlot,
    channel: ChannelSlot,
) -> Allowed {
    let covering =
        || state.rare.consents.iter().filter(move |known| covers(known, purpose, channel));
    let yes = || covering().filter(|known| known.answer == Answer::Granted);
    if rule == ConsentRule::OptIn && yes().next().is_none() {
        return Allowed::NeverGranted;
    }
    let stands = covering().filter(|known| known.answer == Answer::Denied).any(|no| {
        !yes().any(|yes| {
            no.at < yes.at
                && (no.purpose.is_none() || no.purpose == yes.purpose)
                && (no.channel.is_none() || no.channel == yes.channel)
        })
    });
    if stands { Allowed::Denied } else { Allowed::Yes }
}

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else {
        return Passage::Continue(());
    };
    let answered = |wanted: Allowed| {
        let rule = message.purpose.consent;
        let mut via = message.via.iter();
        via.any(|channel| allows(case.state, rule, message.slot, *channel) == wanted)
    };
    // Without any channel it is the next rule that has something to say.
    if !message.via.is_empty() && !answered(Allowed::Yes) {
        let denied = answered(Allowed::Denied);
        let reason = if denied { Reason::OptedOut } else { Reason::NoConsent };
        let known = known(case, message);
        let detail = Detail::Consent { purpose: message.slot, known };
        return course.suppress(Rule::Consent, reason, detail);
    }
    profiling::check(case, course)?;
    match paused(case, case.now) {
        Hold::Until(until) => {
            let detail = Detail::Freeze { by: "the customer".into(), until: Some(until) };
            course.wait(Rule::Consent, Hold::Until(until), Reason::Paused, detail);
            Passage::Continue(())
        }
        Hold::Free | Hold::Never => course.pass(Rule::Consent, Detail::None),
    }
}

/// The pause that the customer asked for, which exempt purposes need not keep.
pub(super) fn paused(case: &Case<'_>, at: Timestamp) -> Hold {
    match (case.counted_message(), case.state.rare.paused_until) {
        (Some(_), Some(until)) if at < until => Hold::Until(until),
        _ => Hold::Free,
    }
}

/// What the customer answered about the purpose on any of the channels: a no before a yes.
fn known(case: &Case<'_>, message: Message<'_>) -> Option<Answer> {
    let concerns = |consent: &&Consent| {
        message.via.iter().any(|channel| covers(consent, message.slot, *channel))
    };
    let answers = case.state.rare.consents.iter().filter(concerns).map(|consent| consent.answer);
    answers.max_by_key(|answer| *answer == Answer::Denied)
}

fn covers(known: &Consent, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
    let all = known.purpose.is_none() && !is_planted(Fault::NoToAllOverheard);
    (all || known.purpose == Some(purpose)) && known.channel.is_none_or(|only| only == channel)
}
