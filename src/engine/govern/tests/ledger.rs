//! Caps and the ledger against a naive count, whatever happens in between.

use proptest::prelude::*;

use super::desk::{Desk, rejected, unknown};
use crate::engine::catalog::Catalog;
use crate::engine::customer::{ContactKind, LEDGER_MAX};
use crate::engine::decision::Verdict;
use crate::engine::govern::{self, Proposal};
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::policy::{CapLimit, CapScope, Period};
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::testing::{
    EMAIL, IN_APP, MARKETING, SERVICE, TIMEZONE, TRANSACTIONAL, WEEKLY, at, calendar, cause, gap,
    rolling, send, set, shop, slot_of, span,
};
use crate::engine::time::{Span, Timestamp, Zone};

/// A contact as the oracle remembers it: it never forgets and never keeps an index.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: DecisionId,
    pub(super) at: Timestamp,
    pub(super) trigger: &'static str,
    pub(super) kind: ContactKind,
}

/// What the triggers of these tests are: name, purpose, channel, tagged.
pub(super) const TRIGGERS: [(&str, PurposeSlot, ChannelSlot, u32); 4] = [
    ("a", SERVICE, EMAIL, 0),
    ("b", SERVICE, IN_APP, 1 << WEEKLY.0),
    ("c", MARKETING, EMAIL, 1 << WEEKLY.0),
    ("d", TRANSACTIONAL, EMAIL, 1 << WEEKLY.0),
];

pub(super) fn store() -> crate::engine::testing::Shop {
    TRIGGERS.into_iter().fold(shop(), |shop, (id, purpose, channel, tags)| {
        shop.trigger(id, move |t| {
            t.action = send(purpose, &[channel]);
            t.tags = tags;
        })
    })
}

/// Whether the caps allow one more contact of a trigger, counted from the definition.
pub(super) fn allowed(
    catalog: &Catalog,
    made: &[Made],
    trigger: &str,
    now: Timestamp,
    zone: &Zone,
) -> bool {
    let of = |id: &str| *TRIGGERS.iter().find(|(name, ..)| *name == id).unwrap();
    let (_, purpose, channel, tags) = of(trigger);
    if purpose == TRANSACTIONAL {
        return true;
    }
    catalog.policy.caps.iter().all(|cap| {
        let within =
            |id: &str, purpose: PurposeSlot, channel: ChannelSlot, tags: u32| match cap.scope {
                CapScope::All => true,
                CapScope::Purpose(only) => only == purpose,
                CapScope::Channel(only) => only == channel,
                CapScope::Trigger(only) => only == slot_of(catalog, id),
                CapScope::Tag(_) => tags != 0,
            };
        if !within(trigger, purpose, channel, tags) {
            return true;
        }
        let counted = made.iter().filter(|made| {
            let (id, purpose, channel, tags) = of(made.trigger);
            purpose != TRANSACTIONAL && within(id, purpose, channel, tags)
        });
        let label = |at: Timestamp, period: Period| {
            let local = at.in_zone(zone);
            match period {
                Period::Day => local.strftime("%Y-%m-%d").to_string(),
                Period::Week => local.strftime("%G-W%V").to_string(),
                Period::Month => local.strftime("%Y-%m").to_string(),
            }
        };
        let (at_most, used) = match cap.limit {
            CapLimit::Rolling { at_most, window } => {
                (at_most, counted.filter(|made| now - window < made.at).count())
            }
            CapLimit::Gap { gap } => (1, counted.filter(|made| now - made.at < gap).count()),
            CapLimit::Calendar { at_most, period } => {
                let today = label(now, period);
                (at_most, counted.filter(|made| label(made.at, period) == today).count())
            }
        };
        used < usize::try_from(at_most).unwrap()
    })
}

pub(super) fn any_caps() -> impl Strategy<Value = Vec<(CapScope, CapLimit)>> {
    let scope = prop_oneof![
        Just(CapScope::All),
        Just(CapScope::Purpose(SERVICE)),
        Just(CapScope::Purpose(MARKETING)),
        Just(CapScope::Channel(EMAIL)),
        Just(CapScope::Trigger(crate::engine::slot::TriggerSlot(1))),
        Just(CapScope::Tag(WEEKLY)),
    ];
    let window = prop_oneof![Just("1h"), Just("1d"), Just("7d"), Just("30d")];
    let period = prop_oneof![Just(Period::Day), Just(Period::Week), Just(Period::Month)];
    let limit = prop_oneof![
        (1_u32..4, window.clone()).prop_map(|(at_most, window)| rolling(at_most, window)),
        (1_u32..4, period).prop_map(|(at_most, period)| calendar(at_most, period)),
        window.prop_map(gap),
    ];
    proptest::collection::vec((scope, limit), 0..4)
}

#[derive(Clone, Debug)]
enum Deed {
    Pass(i64),
    Ask(usize),
    Settle(usize, u8),
    Move(usize),
}

fn any_deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (1_i64..600).prop_map(Deed::Pass),
        2 => (1_i64..20_000).prop_map(Deed::Pass),
        6 => (0_usize..4).prop_map(Deed::Ask),
        3 => (0_usize..6, 0_u8..4).prop_map(|(back, end)| Deed::Settle(back, end)),
        1 => (0_usize..ZONES.len()).prop_map(Deed::Move),
    ];
    proptest::collection::vec(deed, 1..80)
}

const ZONES: [&str; 5] =
    ["Europe/Amsterdam", "Asia/Shanghai", "America/New_York", "Pacific/Apia", "Asia/Kolkata"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn caps_agree_with_a_naive_count(caps in any_caps(), deeds in any_deeds()) {
        let store = caps.iter().fold(store(), |s, (scope, limit)| s.cap("cap", *scope, *limit));
        let mut desk = Desk::new(store);
        let mut made: Vec<Made> = Vec::new();
        let mut released = 0;
        let mut decided = 0;
        let mut now = at("2026-02-20T00:00");
        let mut zone = Zone::parse(ZONES[0]).unwrap();
        for deed in deeds {
            match deed {
                Deed::Pass(minutes) => now = now + Span::MINUTE.times(minutes),
                Deed::Move(to) => {
                    set(&mut desk.state, TIMEZONE, ZONES[to]);
                    zone = Zone::parse(ZONES[to]).unwrap();
                }
                Deed::Ask(which) => {
                    let trigger = TRIGGERS[which].0;
                    let free = allowed(&desk.catalog, &made, trigger, now, &zone);
                    let judged = desk.judge(&[(trigger, None)], now).remove(0);
                    let sent = matches!(judged.verdict, Verdict::Send { .. });
                    prop_assert_eq!(sent, free, "{} at {}: {}", trigger, now, desk.told(&judged));
                    if sent {
                        decided += 1;
                        let id = desk.last.unwrap();
                        made.push(Made { id, at: now, trigger, kind: ContactKind::Reserved });
                    }
                }
                Deed::Settle(back, end) => {
                    let Some(index) = made.len().checked_sub(back + 1) else { continue };
                    let delivery = match end {
                        0 => Delivery::Delivered,
                        1 => unknown(),
                        2 => Delivery::Expired,
                        _ => rejected(),
                    };
                    govern::settle(&mut desk.state, made[index].id, &delivery);
                    match (end, made[index].kind) {
                        (0, _) => made[index].kind = ContactKind::Sent,
                        (1, ContactKind::Reserved) => made[index].kind = ContactKind::Unknown,
                        (2.., ContactKind::Reserved) => {
                            made.remove(index);
                            released += 1;
                        }
                        _ => {}
                    }
                }
            }
            // Conservation: what was decided is in the ledger once, or was released once.
            prop_assert_eq!(decided, made.len() + released);
            let kept: Vec<_> = desk.state.ledger.iter().map(|c| (c.decision, c.at, c.kind)).collect();
            let known: Vec<_> = made.iter().map(|m| (m.id.head(), m.at, m.kind)).collect();
            let recent = known.iter().filter(|(_, made_at, _)| now - *made_at < span("7d"));
            prop_assert!(recent.clone().all(|entry| kept.contains(entry)), "a contact is missing");
            prop_assert!(kept.iter().all(|entry| known.contains(entry)), "one is too many");
            prop_assert!(kept.is_sorted_by_key(|(_, at, _)| *at), "the ledger is out of order");
        }
    }
}

#[test]
fn contacts_that_no_cap_looks_back_on_are_forgotten() {
    let store = store().cap("monthly", CapScope::All, rolling(2, "30d"));
    let mut desk = Desk::new(store);
    for day in 1..=31 {
        desk.ask("d", &format!("2026-03-{day:02}T00:00"));
        desk.settle(&Delivery::Delivered);
    }
    assert_eq!(desk.state.ledger.len(), 30);
    let mut desk = Desk::new(super::ledger::store());
    for day in 1..=31 {
        desk.ask("d", &format!("2026-03-{day:02}T00:00"));
        desk.settle(&Delivery::Delivered);
    }
    assert_eq!(desk.state.ledger.len(), 7, "a week is kept for people to see");
}

#[test]
fn a_send_is_remembered_until_it_is_known_what_became_of_it() {
    let mut desk = Desk::new(store());
    desk.ask("d", "2026-03-01T00:00");
    let first = desk.last.unwrap();
    // A channel may be away for long, and others go out meanwhile.
    for day in 10..=20 {
        desk.ask("d", &format!("2026-03-{day:02}T00:00"));
        desk.settle(&Delivery::Delivered);
    }
    assert_eq!(desk.state.ledger[0].decision, first.head());
    govern::settle(&mut desk.state, first, &Delivery::Expired);
    assert!(desk.state.ledger.iter().all(|contact| contact.decision != first.head()));
}

#[test]
fn a_full_ledger_forgets_what_no_cap_counts_before_what_one_does() {
    // A message that is exempt from caps fills the ledger, and falls under the second scope.
    for scope in [CapScope::Channel(IN_APP), CapScope::All] {
        let mut desk = Desk::new(store().cap("one", scope, rolling(1, "30d")));
        assert_eq!(desk.ask("b", "2026-03-01T00:00"), "sent in_app");
        for minute in 0..600 {
            let now = at("2026-03-01T00:01") + Span::MINUTE.times(minute);
            let judged = desk.judge(&[("d", None)], now).remove(0);
            assert_eq!(desk.told(&judged), "sent email");
        }
        assert_eq!(desk.state.ledger.len(), LEDGER_MAX);
        assert_eq!(desk.ask("b", "2026-03-30T00:00"), "deferred capped until 2026-03-31T00:00");
    }
}

#[test]
fn an_outcome_of_what_is_not_in_the_ledger_changes_nothing() {
    let mut desk = Desk::new(store());
    desk.ask("a", "2026-03-01T00:00");
    let before = desk.state.clone();
    let other = DecisionId::from_bytes([7; 16]);
    for delivery in [Delivery::Delivered, unknown(), rejected(), Delivery::Expired] {
        govern::settle(&mut desk.state, other, &delivery);
        assert_eq!(desk.state, before);
    }
}

#[test]
fn a_send_that_cannot_be_made_is_withdrawn_without_a_trace() {
    let mut desk = Desk::new(store());
    let before = desk.state.clone();
    desk.ask("a", "2026-03-01T00:00");
    govern::withdraw(&mut desk.state, desk.last.unwrap());
    assert_eq!(desk.state, before);
}

#[test]
fn two_objects_that_acted_at_one_instant_both_go_on_resting() {
    let store = shop().trigger("parcel", |t| {
        t.action = send(SERVICE, &[EMAIL]);
        t.once_per = Some(span("1d"));
    });
    let mut desk = Desk::new(store);
    let now = at("2026-03-01T00:00");
    let slot = slot_of(&desk.catalog, "parcel");
    for object in ["P1", "P2"] {
        let trigger = desk.catalog.trigger(slot).unwrap();
        let cause = cause(object, now, Some(object));
        let id = DecisionId::derive(&trigger.id, &desk.state.id, object);
        desk.last = Some(id);
        let proposal = Proposal { id, slot, trigger, cause: &cause, decided_at: now };
        govern::judge(&desk.catalog, &mut desk.state, &[proposal], now);
    }
    desk.settle(&rejected());
    assert!(desk.state.progress.iter().all(|progress| progress.acted_at == Some(now)));
}
