//! The outreach policy after loading: what holds for every trigger.

use std::sync::Arc;

use jiff::civil;

use super::condition::Condition;
use super::id::stable_hash;
use super::slot::{ChannelSlot, EventSlot, PurposeSlot, TagSlot, TriggerSlot};
use super::time::{Span, Timestamp, Zone};

/// `triggers/policy.yaml`, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Content hash, named by every decision.
    pub version: Arc<str>,
    /// The zone assumed for purposes that assume one when the customer's is unknown.
    pub zone: Zone,
    /// The language used when the customer's has no variant.
    pub locale: Arc<str>,
    /// Events older than this update state and never send.
    pub act_within: Span,
    /// A silence of a whole shard that lasts longer is one of the source: absences do not count
    /// it. None: silence is always the customers'.
    pub blind_after: Option<Span>,
    /// Purposes, indexed by [`PurposeSlot`].
    pub purposes: Box<[Purpose]>,
    /// Channels, indexed by [`ChannelSlot`].
    pub channels: Box<[Channel]>,
    /// Tags, indexed by [`TagSlot`] (at most 32).
    pub tags: Box<[Arc<str>]>,
    /// Quiet hours: no message of a quiet purpose on a disturbing channel inside any of them.
    pub quiet_hours: Box<[QuietHours]>,
    /// Dates and times without outreach.
    pub blackouts: Box<[Blackout]>,
    /// Frequency caps and minimum gaps.
    pub caps: Box<[Cap]>,
    /// What freezes purposes while it holds.
    pub freezes: Box<[FreezeRule]>,
    /// Customers withheld from all outreach but the exempt purposes.
    pub holdout: Share,
    /// When a person takes over from messages that nobody answers.
    pub loop_guard: Option<LoopGuard>,
    /// What customers share.
    pub shared: Shared,
}

/// What customers share: nobody's state can tell what is left of it.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Caps that all customers of one account share. They defer.
    pub account_caps: Box<[Cap]>,
    /// What a message costs on each channel in millionths, indexed by [`ChannelSlot`]; `None` where
    /// nothing is said.
    pub prices: Box<[Option<u64>]>,
    /// Budgets, in order of their names.
    pub budgets: Box<[Budget]>,
}

/// Money for messages of some purposes.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Its name.
    pub name: Arc<str>,
    /// Messages of which purposes it pays for, one bit each by [`PurposeSlot`].
    pub purposes: u32,
    /// How much in each period, in millionths.
    pub at_most: u64,
    /// The currency, as written.
    pub currency: Box<str>,
    /// The period, of the policy's zone.
    pub period: Period,
}

impl Shared {
    /// Whether customers share nothing.
    pub fn is_empty(&self) -> bool {
        self.account_caps.is_empty() && self.budgets.is_empty()
    }

    /// A budget.
    pub fn budget(&self, name: &str) -> Option<&Budget> {
        self.budgets.iter().find(|budget| *budget.name == *name)
    }

    /// What a message costs on a channel. What has no price is paid by no budget.
    pub fn price(&self, channel: ChannelSlot) -> u64 {
        self.prices.get(channel.index()).copied().flatten().unwrap_or(u64::MAX)
    }
}

impl Budget {
    /// Whether it pays for messages of a purpose.
    pub fn pays_for(&self, purpose: PurposeSlot) -> bool {
        1_u32.checked_shl(purpose.0.into()).is_some_and(|bit| self.purposes & bit != 0)
    }
}

/// How far a trigger may go before it is paused by itself. The engine makes nothing of it: it takes all
/// customers together to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// So many new decisions to reach out at most.
    pub at_most: AtMost,
    /// In any stretch of so long.
    pub per: Span,
    /// The part of its sends that customers may complain about.
    pub complaints: Option<Share>,
    /// The part of its sends upon which customers may unsubscribe.
    pub unsubscribes: Option<Share>,
    /// The part of its sends that may fail.
    pub failed: Option<Share>,
    /// Fewer sends, or decisions, say nothing of parts.
    pub of_at_least: u32,
}

/// How many new decisions to reach out a breaker lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtMost {
    /// So many.
    Count(u32),
    /// As many as a part of the customers who are known.
    Part(Share),
}

impl Breaker {
    /// The stretch that counts, of whatever it counts.
    pub fn looks_back(&self) -> Span {
        self.per.max(Self::OVER)
    }

    /// How many new decisions it lets pass, of so many customers.
    pub fn bound(&self, customers: u64) -> u64 {
        match self.at_most {
            AtMost::Count(count) => count.into(),
            AtMost::Part(share) => {
                let part = customers.saturating_mul(share.0.into()).div_ceil(10_000);
                part.max(self.of_at_least.into())
            }
        }
    }

    /// The stretch over which parts are told.
    pub const OVER: Span = Span::DAY;
    /// Sends that say something of parts, where a file says nothing.
    pub const OF_AT_LEAST: u32 = 100;
}

/// So many messages without an answer are enough: a person takes over.
#[derive(Clone, Debug)]
pub struct LoopGuard {
    /// How many may stay without an answer.
    pub after: u32,
    /// Older ones do not count.
    pub within: Span,
    /// Which purposes count and are held, one bit each by [`PurposeSlot`].
    pub purposes: u32,
    /// What is an answer.
    pub answered_by: Box<[EventSlot]>,
    /// What happens once, when a message is held back.
    pub event: EventSlot,
}

impl LoopGuard {
    /// What happens when a message is held back because nobody answered those before it.
    pub const EVENT: &'static str = "Outreach Unanswered";
    /// What is always an answer: it follows from what channels are told.
    pub const REPLY: &'static str = "Message Replied";
    /// Messages without an answer that can be allowed at most.
    pub const AFTER_MAX: u32 = 100;

    /// Whether it counts and holds a purpose.
    pub fn guards(&self, purpose: PurposeSlot) -> bool {
        1_u32.checked_shl(purpose.0.into()).is_some_and(|bit| self.purposes & bit != 0)
    }
}

/// A part of a whole in hundredths of a per cent: 10,000 is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u16);

/// A purpose of outreach: from this word follow consent, quiet hours and caps.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Its name.
    pub name: Arc<str>,
    /// Whether a recorded yes is needed; otherwise only a recorded no stops it.
    pub consent: ConsentRule,
    /// Whether a customer's wish not to be profiled holds it, where a score would decide.
    pub profiling: ProfilingRule,
    /// Whether quiet hours and blackouts hold it.
    pub quiet: QuietRule,
    /// Whether it counts against caps and is held by them.
    pub capped: CapRule,
    /// Whether the global holdout withholds it.
    pub holdout: HoldoutRule,
    /// What to do when a rule needs the customer's zone and it is unknown.
    pub unknown_zone: UnknownZone,
    /// Time to live of an outreach whose trigger names none.
    pub expires_after: Span,
    /// Whether several of this purpose firing at one instant are reduced to the first by priority.
    pub together: Together,
    /// Whether a message of it may be written without a person.
    pub handled_by: HandledBy,
}

/// Whether consent is opt-in or opt-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentRule {
    /// A recorded yes is needed.
    OptIn,
    /// A recorded no stops it.
    OptOut,
}

/// Whether the wish not to be profiled holds a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfilingRule {
    /// It does, where a score would decide.
    Heeded,
    /// It does not.
    Ignored,
}

/// Whether quiet hours and blackouts hold a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuietRule {
    /// They do.
    Kept,
    /// It may break them.
    Broken,
}

/// Whether caps hold a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapRule {
    /// It counts and is held.
    Counted,
    /// It neither counts nor is held.
    Exempt,
}

/// Whether the global holdout withholds a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldoutRule {
    /// Withheld.
    Withheld,
    /// Sent to the held-out too.
    Exempt,
}

/// What to do when the zone is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownZone {
    /// Suppress, with the reason.
    Refuse,
    /// Take the policy's zone.
    Assume,
}

/// What happens to several outreaches of one purpose at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// The first by priority goes on, the others are suppressed as outranked.
    FirstOnly,
    /// All go on, in order of priority.
    All,
}

/// Who may take a matter up with the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandledBy {
    /// A message or a person.
    #[default]
    Anyone,
    /// Only a person: nothing is written to the customer by itself.
    People,
}

/// A channel as far as the governor sees it.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// The trait that must be known to reach a customer on it (`email`, `phone`, ...).
    pub needs: Option<(super::slot::TraitSlot, Arc<str>)>,
    /// Whether it disturbs: quiet hours hold it. An in-app message does not wake anyone.
    pub quiet: QuietRule,
}

/// One interval of the customer's wall clock. `to <= from` runs over midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Weekdays on which it begins; bit 0 is Monday.
    pub weekdays: u8,
    /// First minute inside.
    pub from: civil::Time,
    /// First minute outside.
    pub to: civil::Time,
}

/// A stretch of time without outreach, on the customer's wall clock.
#[derive(Clone, Debug)]
pub struct Blackout {
    /// What it is called in reasons.
    pub name: Arc<str>,
    /// First local instant inside.
    pub from: civil::DateTime,
    /// First local instant outside.
    pub to: civil::DateTime,
    /// Which purposes; empty means every purpose that keeps quiet hours.
    pub purposes: Box<[PurposeSlot]>,
}

/// The most a cap can allow: one contact less than a customer's ledger keeps.
#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
pub const AT_MOST_MAX: u32 = super::customer::LEDGER_MAX as u32 - 1;

/// At most so many contacts of a kind in a window, or none too close to the last.
#[derive(Clone, Debug)]
pub struct Cap {
    /// What it is called in reasons: `marketing: 3 per rolling 7d`.
    pub name: Arc<str>,
    /// Which contacts it counts and holds.
    pub scope: CapScope,
    /// The bound.
    pub limit: CapLimit,
    /// What happens to the outreach it stops.
    pub on_cap: OnCap,
}

/// A cap that a channel brings along, whatever the policy says: its provider takes no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentCap {
    /// The channel.
    pub channel: Box<str>,
    /// How many.
    pub at_most: u32,
    /// In which period of the customer's zone.
    pub period: Period,
}

impl Policy {
    /// Takes in the caps of channels, but for those that it has itself.
    pub fn lend(&mut self, lent: &[LentCap]) {
        let mut caps = std::mem::take(&mut self.caps).into_vec();
        let declared = caps.len();
        for LentCap { channel, at_most, period } in lent {
            let channels = (0_u16..).zip(&self.channels);
            let slot = channels.into_iter().find(|(_, known)| *known.name == **channel);
            let Some(slot) = slot.map(|(slot, _)| ChannelSlot(slot)) else { continue };
            let scope = CapScope::Channel(slot);
            let limit = CapLimit::Calendar { at_most: *at_most, period: *period };
            if caps.iter().any(|cap| cap.scope == scope && cap.limit == limit) {
                continue;
            }
            let per = match period {
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
            };
            let name = format!("{channel}: {at_most} per {per}, of the channel").into();
            caps.push(Cap { name, scope, limit, on_cap: OnCap::Defer });
        }
        if declared < caps.len() {
            // Decisions name what they were made under.
            let version = format!("{} {lent:?}", self.version);
            self.version = format!("{:016x}", stable_hash(&version)).into();
        }
        self.caps = caps.into();
    }
}

/// Which contacts a cap counts and holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapScope {
    /// All that are counted at all.
    All,
    /// Those of one purpose.
    Purpose(PurposeSlot),
    /// Those on one channel.
    Channel(ChannelSlot),
    /// Those of one trigger.
    Trigger(TriggerSlot),
    /// Those of triggers that bear a tag.
    Tag(TagSlot),
}

/// The bound of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapLimit {
    /// At most `at_most` contacts in any `(t - window, t]`.
    Rolling {
        /// How many; 0 allows none.
        at_most: u32,
        /// The window.
        window: Span,
    },
    /// At most `at_most` contacts in a calendar period of the customer's zone.
    Calendar {
        /// How many; 0 allows none.
        at_most: u32,
        /// The period.
        period: Period,
    },
    /// No contact sooner than `gap` after the last: allowed when `now - last >= gap`.
    Gap {
        /// The least distance.
        gap: Span,
    },
}

/// A calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Midnight to midnight.
    Day,
    /// Monday to Sunday.
    Week,
    /// First to last of the month.
    Month,
}

impl Period {
    /// The word of the files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// What happens to an outreach that a cap stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCap {
    /// Wait for the first instant at which all rules allow it; expire if that is too late.
    Defer,
    /// Suppress.
    Drop,
    /// Take the next channel of the list on which all rules allow it now; wait if there is none.
    NextChannel,
    /// Wait, and take the place of what waits for the same cap with a lower priority.
    ReplaceLower,
}

/// Freezes purposes while a condition about the customer holds (complaint, open ticket, mood).
#[derive(Clone, Debug)]
pub struct FreezeRule {
    /// What it is called in reasons.
    pub name: Arc<str>,
    /// Which purposes.
    pub purposes: Box<[PurposeSlot]>,
    /// While this holds.
    pub condition: Condition,
}

/// A freeze that is in force for one customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeze {
    /// The trigger that asked for it.
    pub trigger: TriggerSlot,
    /// Which purposes, one bit each.
    pub purposes: u32,
    /// When it began.
    pub since: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// The value that the ending event must carry (`same:`), if it must.
    pub same: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{EMAIL, calendar, shop};

    #[test]
    fn what_channels_bring_along_is_added_once_and_is_another_version() {
        let own = calendar(1, Period::Day);
        let mut policy = shop().cap("one a day", CapScope::Channel(EMAIL), own).policy;
        let before = (policy.version.clone(), policy.caps.len());
        let lent = |channel: &str, period| LentCap { channel: channel.into(), at_most: 1, period };
        policy.lend(&[lent("email", Period::Day), lent("fax", Period::Week)]);
        assert_eq!((policy.version.clone(), policy.caps.len()), before, "nothing is new");
        policy.lend(&[lent("email", Period::Month)]);
        assert_eq!(policy.caps.len(), before.1 + 1);
        assert_eq!(&*policy.caps[before.1].name, "email: 1 per month, of the channel");
        assert_eq!(policy.caps[before.1].scope, CapScope::Channel(EMAIL));
        assert_ne!(policy.version, before.0);
    }
}
