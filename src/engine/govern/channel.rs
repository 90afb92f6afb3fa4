//! The channel: the first on which the customer can be reached and lets the purpose reach them.

use super::case::{Case, Course, Passage};
use super::consent::{self, Allowed};
use crate::engine::catalog::Catalog;
use crate::engine::customer::{BOUNCED_MAX, Bounced, CustomerState};
use crate::engine::decision::{Detail, Reason, Rule};
use crate::engine::id::stable_hash;
use crate::engine::policy::ConsentRule;
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::time::Timestamp;
use crate::engine::value::ValueRef;

/// The first channel of a list on which the customer can be reached and has not refused; the one
/// they prefer, if it is in the list, comes before all.
pub fn reachable(
    catalog: &Catalog,
    state: &CustomerState,
    via: &[ChannelSlot],
    purpose: PurposeSlot,
) -> Option<ChannelSlot> {
    all_open(catalog, state, via, purpose).next()
}

/// All of them, in the order in which they are tried.
pub(super) fn all_open<'a>(
    catalog: &'a Catalog,
    state: &'a CustomerState,
    via: &'a [ChannelSlot],
    purpose: PurposeSlot,
) -> impl Iterator<Item = ChannelSlot> + 'a {
    // A part of Heedful is nobody who could be written to, whatever a channel needs.
    let declared = catalog.policy.purposes.get(purpose.index()).filter(|_| !state.id.is_own());
    let rule = declared.map(|purpose| purpose.consent);
    let preferred = state.rare.preferred_channel.filter(|channel| via.contains(channel));
    let tried = preferred.into_iter().chain(via.iter().copied());
    tried.filter(move |channel| {
        rule.is_some_and(|rule| open(catalog, state, rule, purpose, *channel))
    })
}

/// Notes that messages to an address come back.
pub fn note_bounced(state: &mut CustomerState, channel: ChannelSlot, address: &str, at: Timestamp) {
    if is_bounced(state, channel, address) {
        return;
    }
    let bounced = &mut state.rare.bounced;
    if BOUNCED_MAX <= bounced.len() {
        bounced.remove(0);
    }
    bounced.push(Bounced { channel, address: address_hash(address), at });
}

fn is_bounced(state: &CustomerState, channel: ChannelSlot, address: &str) -> bool {
    let bounced = &state.rare.bounced;
    !bounced.is_empty() && {
        let address = address_hash(address);
        bounced.iter().any(|known| known.channel == channel && known.address == address)
    }
}

/// Letters and blanks around it make no other address.
fn address_hash(address: &str) -> u64 {
    stable_hash(&address.trim().to_lowercase())
}

pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let Some(message) = case.message else {
        return Passage::Continue(());
    };
    course.channel = reachable(case.catalog, case.state, message.via, message.slot);
    match course.channel {
        Some(_) => course.pass(Rule::Channel, Detail::Channel(course.channel)),
        None => course.suppress(Rule::Channel, Reason::Unreachable, Detail::Channel(None)),
    }
}

fn open(
    catalog: &Catalog,
    state: &CustomerState,
    rule: ConsentRule,
    purpose: PurposeSlot,
    channel: ChannelSlot,
) -> bool {
    let Some(declared) = catalog.policy.channels.get(channel.index()) else { return false };
    let addressed = declared.needs.as_ref().is_none_or(|(slot, _)| {
        match state.trait_value(*slot).map(|value| value.as_ref()) {
            None | Some(ValueRef::Missing) => false,
            Some(ValueRef::Str(text)) => {
                !text.trim().is_empty() && !is_bounced(state, channel, text)
            }
            Some(_) => true,
        }
    });
    addressed && consent::allows(state, rule, purpose, channel) == Allowed::Yes
}
