//! What customers share: caps of an account and budgets. No customer's state can tell what is left of
//! them, so whoever has passed all other rules asks their pools, one after the other, and waits.

use std::cell::OnceCell;

use super::case::{Asker, Case, Course, Message, Passage};
use super::tally::Tally;
use super::{cap, free_instant, ledger};
use crate::engine::catalog::Catalog;
use crate::engine::customer::{Contact, ContactKind, CustomerState};
use crate::engine::decision::{Detail, Finding, Hold, Passed, Reason, Rule, Verdict};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::Told;
use crate::engine::planted::{Fault, is_planted};
use crate::engine::policy::CapRule;
use crate::engine::pool::{
    Ask, Back, Claim, Need, PoolOf, PoolRequest, REMIND, Standing, UNTOLD_MAX,
};
use crate::engine::queue::ASK_AGAIN;
use crate::engine::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use crate::engine::time::Timestamp;

/// Asks for what is not granted yet. An outreach that another rule holds asks when that lets it go:
/// what is granted is used at once.
pub(super) fn check(case: &Case<'_>, course: &mut Course<'_>) -> Passage {
    let passes = Passage::Continue(());
    if case.catalog.policy.shared.is_empty() || course.ghost.is_some() {
        return passes;
    }
    let waits = course.hold.is_some() || free_instant::spread(case, case.now) != Hold::Free;
    let (Some(asker), Some(channel), false) = (case.asker, course.channel, waits) else {
        return passes;
    };
    let needs = needs(case, channel);
    if needs.is_empty() {
        return passes;
    }
    let asked = |need: &Need| {
        let of_it = |ask: &&Ask| ask.decision == asker.id && ask.pool == need.pool;
        let ask = case.state.rare.asks().iter().find(of_it);
        ask.filter(|ask| ask.channel == channel)
    };
    course.claim = Claim { needs, asks: None, channel: Some(channel) };
    let waits = course.claim.needs.iter().find_map(|need| {
        let ask = asked(need).filter(|ask| ask.standing == Standing::Waiting)?;
        let until = ask.free_at.unwrap_or(Timestamp::MAX);
        (case.now < until.min(ask.at + REMIND)).then(|| (need.pool.clone(), until, ask.why.clone()))
    });
    if let Some((pool, until, why)) = waits {
        return hold(case, course, &pool, until, why);
    }
    let mut missing = course.claim.needs.iter().enumerate();
    let missing = missing.find(|(_, need)| {
        !asked(need).is_some_and(|ask| ask.standing == Standing::Granted)
            && !is_planted(Fault::PoolNotAsked)
    });
    let Some((index, need)) = missing else {
        let all: Vec<String> = course.claim.needs.iter().map(|need| said(&need.pool)).collect();
        let text = format!("granted by {}", all.join(" and "));
        return course.pass(Rule::Pools, Detail::Text(text.into()));
    };
    // Its answer may be on its way.
    let again = asked(need).filter(|ask| ask.standing == Standing::Asking);
    let again = again.map(|ask| ask.at + ASK_AGAIN).filter(|again| case.now < *again);
    let (pool, until) = (need.pool.clone(), again.unwrap_or(case.now + ASK_AGAIN));
    if again.is_none() {
        course.claim.asks = Some(index);
    }
    hold(case, course, &pool, until, None)
}

/// Makes it wait for a pool.
fn hold(
    case: &Case<'_>,
    course: &mut Course<'_>,
    pool: &CustomerId,
    until: Timestamp,
    why: Option<Box<str>>,
) -> Passage {
    let reason = pool.pool().map_or(Reason::Budget, PoolOf::reason);
    let until = std::cmp::min(until, case.expires_at);
    let text = why.unwrap_or_else(|| format!("it asks {}", said(pool)).into());
    course.stop(Rule::Pools, Verdict::Defer { until, reason }, Detail::Text(text))
}

fn said(pool: &CustomerId) -> String {
    pool.pool().map(|of| of.to_string()).unwrap_or_default()
}

/// What a message needs on a channel, in the order in which it is asked for: first the account, then
/// budgets by name. All ask in that order, and whoever has to wait keeps nothing of those before.
fn needs(case: &Case<'_>, channel: ChannelSlot) -> Vec<Need> {
    let Some(message) = case.message else { return Vec::new() };
    let shared = &case.catalog.policy.shared;
    let account = case.state.account(case.catalog.known.account);
    let capped = cap::among(case, Some(channel), &shared.account_caps).next().is_some();
    let account = account.filter(|_| capped);
    let account =
        account.map(|account| Need { pool: CustomerId::of_account_pool(&account), micros: 0 });
    let micros = shared.price(channel);
    let budgets = shared.budgets.iter().filter(|budget| budget.pays_for(message.slot));
    let budgets = budgets
        .filter(|_| 0 < micros)
        .map(|budget| Need { pool: CustomerId::of_budget_pool(&budget.name), micros });
    account.into_iter().chain(budgets).collect()
}

/// The slots that a request names, as far as the files have them.
struct Wanted {
    trigger: TriggerSlot,
    purpose: PurposeSlot,
    channel: ChannelSlot,
}

impl Wanted {
    fn of(catalog: &Catalog, request: &PoolRequest) -> Option<Self> {
        let policy = &catalog.policy;
        let mut purposes = policy.purposes.iter();
        let purpose = purposes.position(|purpose| *purpose.name == *request.purpose)?;
        let mut channels = policy.channels.iter();
        let channel = channels.position(|channel| *channel.name == *request.channel)?;
        Some(Self {
            trigger: catalog.find_trigger(&request.trigger)?,
            purpose: PurposeSlot(u16::try_from(purpose).ok()?),
            channel: ChannelSlot(u16::try_from(channel).ok()?),
        })
    }
}

/// How long the caps of an account hold one more contact, and the one that holds it longest. `None`
/// when the files do not know what is asked for.
pub fn account_room(
    catalog: &Catalog,
    account: &CustomerState,
    request: &PoolRequest,
    now: Timestamp,
) -> Option<(Hold, Detail)> {
    let Wanted { trigger: slot, purpose, channel } = Wanted::of(catalog, request)?;
    let trigger = catalog.trigger(slot)?;
    let declared = catalog.policy.purposes.get(purpose.index())?;
    if declared.capped == CapRule::Exempt {
        return Some((Hold::Free, Detail::None));
    }
    let contacts = as_of(&account.ledger, now);
    let id = DecisionId::from_bytes([0; 16]);
    let case = Case {
        asker: Some(Asker { id, slot, trigger, cause: None }),
        message: Some(Message {
            slot: purpose,
            purpose: declared,
            via: std::slice::from_ref(&channel),
            on_cap: None,
            spread_over: None,
        }),
        ledger: &contacts,
        // An account lives nowhere: its calendar is the policy's.
        zone: OnceCell::from(Some(catalog.policy.zone.clone())),
        ..Case::bare(catalog, account, now)
    };
    let tally = Tally::of(&case, None);
    let mut longest = (Hold::Free, Detail::None);
    for cap in cap::among(&case, Some(channel), &catalog.policy.shared.account_caps) {
        let hold = tally.hold(cap, now);
        let longer = match (hold, longest.0) {
            (Hold::Free, _) | (_, Hold::Never) => false,
            (_, Hold::Free) | (Hold::Never, _) => true,
            (Hold::Until(one), Hold::Until(other)) => other < one,
        };
        if longer {
            longest = (hold, tally.detail(cap, now));
        }
    }
    Some(longest)
}

/// The contacts of an account as they count now: of what was granted it is not known when it was
/// used until the customer says so, so that it may be now.
fn as_of(ledger: &[Contact], now: Timestamp) -> Vec<Contact> {
    let mut contacts = ledger.to_vec();
    for contact in &mut contacts {
        if contact.kind == ContactKind::Reserved && now - contact.at < UNTOLD_MAX {
            contact.at = now;
        }
    }
    contacts.sort_by_key(|contact| contact.at);
    contacts
}

/// Enters a contact that is granted to somebody of an account.
pub fn enter_grant(
    catalog: &Catalog,
    account: &mut CustomerState,
    (decision, request): (DecisionId, &PoolRequest),
    now: Timestamp,
) {
    let Some(Wanted { trigger, purpose, channel }) = Wanted::of(catalog, request) else { return };
    let tags = catalog.trigger(trigger).map(|trigger| trigger.tags).unwrap_or_default();
    let contact = Contact {
        at: now,
        decision: decision.head(),
        trigger,
        purpose: Some(purpose),
        channel,
        tags,
        kind: ledger::kind(catalog),
        told: Told::Nothing,
    };
    ledger::enter(catalog, account, contact);
}

/// Whether a contact was granted already, for the same purpose and channel.
pub fn has_grant(
    catalog: &Catalog,
    account: &CustomerState,
    decision: DecisionId,
    request: &PoolRequest,
) -> bool {
    let Some(wanted) = Wanted::of(catalog, request) else { return false };
    account.ledger.iter().any(|contact| {
        contact.decision == decision.head()
            && contact.purpose == Some(wanted.purpose)
            && contact.channel == wanted.channel
    })
}

/// Notes when a granted contact was made.
pub fn took_grant(account: &mut CustomerState, decision: DecisionId, at: Timestamp) {
    let head = decision.head();
    let found = account.ledger.iter_mut().find(|contact| contact.decision == head);
    let Some(contact) = found else { return };
    if contact.kind == ContactKind::Reserved {
        // Not before it was granted, also where the shard of its customer is behind.
        (contact.kind, contact.at) = (ContactKind::Sent, at.max(contact.at));
        account.ledger.sort_by_key(|contact| contact.at);
    }
}

/// Takes a granted contact back, if it may.
pub fn release_grant(account: &mut CustomerState, decision: DecisionId, back: Back) {
    let head = decision.head();
    account.ledger.retain(|contact| contact.decision != head || !back.takes(contact.kind));
}

/// A finding about a pool that makes an outreach wait.
pub fn waits(why: &str) -> Finding {
    Finding { rule: Rule::Pools, passed: Passed::No, detail: Detail::Text(why.into()) }
}
