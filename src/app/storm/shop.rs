//! The rules of one storm: drawn by dice, given to the engine as a catalog and to the oracle as a
//! list that anyone can read.

use std::sync::Arc;

use crate::engine::catalog::{
    Catalog, Experiment, FallBack, Suppression, TriggerState, Unit, When,
};
use crate::engine::operation::Operation;
use crate::engine::policy::{
    CapLimit, CapScope, HoldoutRule, LoopGuard, OnCap, Period, QuietHours, Share,
};
use crate::engine::ramp::Ramp;
use crate::engine::slot::{ChannelSlot, EventSlot, PurposeSlot, TriggerSlot};
use crate::engine::testing::{
    EMAIL, IN_APP, MARKETING, SERVICE, SMS, Shop, TRANSACTIONAL, WEEKLY, calendar, clause, gap,
    rolling, send_with, shop, slot_of, span, task,
};
use crate::engine::time::{Span, Timestamp, Zone};
use crate::worker::testing::{Dice, open};

/// A trigger: it reaches out on one event, and that is all of its condition.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a table of a test reads best so")]
pub(super) struct Asks {
    pub(super) name: &'static str,
    pub(super) on: &'static str,
    /// None: a task.
    pub(super) purpose: Option<PurposeSlot>,
    pub(super) via: &'static [ChannelSlot],
    pub(super) weekly: bool,
    pub(super) priority: i32,
    pub(super) rests: Option<&'static str>,
    pub(super) lives: &'static str,
    pub(super) drops: bool,
    /// Holds marketing back for so long.
    pub(super) holds_marketing: Option<&'static str>,
    /// In hundredths of a per cent.
    pub(super) holdout: u16,
    pub(super) is_on: bool,
    /// Goes to its next channel when one did not deliver it.
    pub(super) goes_on: bool,
}

const PLAIN: Asks = Asks {
    name: "",
    on: "Ping",
    purpose: Some(SERVICE),
    via: &[EMAIL],
    weekly: false,
    priority: 0,
    rests: None,
    lives: "3d",
    drops: false,
    holds_marketing: None,
    holdout: 0,
    is_on: true,
    goes_on: false,
};

/// The triggers, in the order of their names.
pub(super) const TRIGGERS: [Asks; 9] = [
    Asks { name: "a", ..PLAIN },
    Asks { name: "b", on: "Order", via: &[IN_APP], weekly: true, ..PLAIN },
    Asks {
        name: "c",
        on: "Order",
        purpose: Some(MARKETING),
        via: &[EMAIL, SMS],
        weekly: true,
        priority: 1,
        lives: "6d",
        goes_on: true,
        ..PLAIN
    },
    Asks { name: "d", on: "Outage", purpose: Some(TRANSACTIONAL), lives: "1d", ..PLAIN },
    Asks {
        name: "e",
        on: "Order",
        purpose: Some(MARKETING),
        via: &[SMS, IN_APP],
        rests: Some("2d"),
        goes_on: true,
        ..PLAIN
    },
    Asks { name: "f", on: "Outage", purpose: Some(MARKETING), holdout: 5_000, ..PLAIN },
    Asks { name: "g", is_on: false, ..PLAIN },
    Asks { name: "h", on: "Outage", purpose: None, via: &[], ..PLAIN },
    Asks {
        name: "i",
        on: "Ping",
        drops: true,
        lives: "12h",
        holds_marketing: Some("1d"),
        priority: 2,
        ..PLAIN
    },
];

/// The events that customers send.
pub(super) const EVENTS: [&str; 4] = ["Ping", "Order", "Outage", ANSWER];
/// What answers the messages before it, and nothing else.
pub(super) const ANSWER: &str = "Answer";
/// Customers of a storm.
pub(super) const CUSTOMERS: [&str; 4] = ["ada", "bob", "cyd", "dan"];
/// Where they live: on both sides of a date line, with and without daylight saving, with half hours.
pub(super) const ZONES: [&str; 8] = [
    "Europe/Amsterdam",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "UTC",
];
/// When storms begin: around changes of the clock, the end of a year, and a leap day.
const STARTS: [&str; 7] = [
    "2026-03-27T09:00:00Z",
    "2026-10-23T20:00:00Z",
    "2026-03-06T15:00:00Z",
    "2026-10-30T01:00:00Z",
    "2026-12-30T23:00:00Z",
    "2028-02-27T12:00:00Z",
    "2026-04-03T10:00:00Z",
];

/// A cap of a storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) scope: CapScope,
    pub(super) limit: CapLimit,
    pub(super) on_cap: OnCap,
}

/// What holds in one storm.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) catalog: Arc<Catalog>,
    pub(super) start: Timestamp,
    pub(super) bounds: Vec<Bound>,
    pub(super) quiet: Vec<QuietHours>,
    pub(super) blackout: Option<(jiff::civil::DateTime, jiff::civil::DateTime)>,
    pub(super) holdout: Share,
    /// How many messages may stay without an answer in how long, and of which purpose.
    pub(super) guard: Option<(usize, Span, PurposeSlot)>,
    /// How trigger `a` comes to everybody: when each part begins, in hundredths of a per cent.
    pub(super) ramp: Vec<(Timestamp, u16)>,
    /// Orders of operators, and when each was taken in.
    pub(super) orders: Vec<(Operation, Timestamp)>,
}

impl Rules {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let mut shop = shop();
        shop.events.push("Order".into());
        shop.events.push("Outage".into());
        shop.events.push(ANSWER.into());
        let holdout = if dice.below(2) == 0 { 0 } else { 3_000 };
        let events = shop.events.clone();
        let mut shop = TRIGGERS
            .into_iter()
            .fold(shop.holdout(holdout), |shop, asks| with_trigger(shop, asks, &events));
        let guard = draw_guard(dice);
        shop.policy.loop_guard = guard.map(|(after, within, purpose)| LoopGuard {
            after: u32::try_from(after).unwrap(),
            within,
            purposes: 1 << purpose.0,
            answered_by: Box::new([EventSlot(u16::try_from(events.len() - 1).unwrap())]),
            // Nobody waits for it: the tests of the step see who is handed over.
            event: EventSlot(u16::MAX),
        });
        let start = Timestamp::parse(STARTS[pick(dice, STARTS.len())]).unwrap();
        for _ in 0..dice.below(3) {
            let hours = ["22:00-08:00", "12:00-13:30", "00:00-24", "23:15-02:45", "01:30-03:10"];
            let hours = hours[pick(dice, hours.len())].replace("-24", "-00:00");
            let weekdays = if dice.below(2) == 0 { 0b111_1111 } else { below_u8(dice, 127) + 1 };
            // A whole day that is quiet on all weekdays would never end.
            if hours != "00:00-00:00" || weekdays & 0b11 == 0 {
                shop = shop.quiet_on(weekdays, &hours);
            }
        }
        let mut blackout = None;
        if dice.below(3) == 0 {
            let from = start.in_zone(&Zone::utc()).date().tomorrow().unwrap().at(6, 0, 0, 0);
            let to = from.date().tomorrow().unwrap().at(9, 30, 0, 0);
            shop = shop.blackout("holiday", &from.to_string(), &to.to_string());
            blackout = Some((from, to));
        }
        let bounds = draw_bounds(dice);
        for (number, Bound { scope, limit, on_cap }) in bounds.iter().enumerate() {
            shop = shop.cap_that(*on_cap, &format!("cap {number}"), *scope, *limit);
        }
        let quiet = shop.policy.quiet_hours.to_vec();
        let mut catalog = open(shop);
        catalog.texts.add("hello", "Hello {{ customer.name | default('you') }}!").unwrap();
        let ramp = draw_ramp(dice, start);
        if let [(from, first), (second_from, second), (all_from, _)] = ramp[..] {
            let steps =
                [(Share(first), second_from - from), (Share(second), all_from - second_from)];
            catalog.triggers[0].ramp = Some(Ramp::new("a", from, &steps));
        }
        for (place, asks) in TRIGGERS.iter().enumerate() {
            assert_eq!(slot_of(&catalog, asks.name).index(), place, "slots follow names");
        }
        assert_eq!(catalog.policy.purposes[2].holdout, HoldoutRule::Exempt);
        Self {
            catalog: Arc::new(catalog),
            start,
            bounds,
            quiet,
            blackout,
            holdout: Share(holdout),
            guard,
            ramp,
            orders: Vec::new(),
        }
    }
}

fn draw_bounds(dice: &mut Dice) -> Vec<Bound> {
    let scopes = scopes();
    let mut bounds = Vec::new();
    for _ in 0..dice.below(5) {
        let limit = match dice.below(6) {
            0 => rolling(1, "8h"),
            1 => rolling(2, "1d"),
            2 => calendar(1, Period::Day),
            3 => calendar(3, Period::Week),
            4 => calendar(5, Period::Month),
            _ => gap("5h"),
        };
        let on_cap = match dice.below(5) {
            0 => OnCap::Drop,
            1 | 2 => OnCap::NextChannel,
            _ => OnCap::Defer,
        };
        let bound = Bound { scope: scopes[pick(dice, scopes.len())], limit, on_cap };
        bounds.push(bound);
    }
    bounds
}

/// Three parts that begin soon, or none.
fn draw_ramp(dice: &mut Dice, start: Timestamp) -> Vec<(Timestamp, u16)> {
    if dice.below(2) == 0 {
        return Vec::new();
    }
    [(4, 2_000), (30, 6_000), (60, 10_000)]
        .map(|(hours, share)| (start + Span::HOUR.times(hours), share))
        .to_vec()
}

fn draw_guard(dice: &mut Dice) -> Option<(usize, Span, PurposeSlot)> {
    let purpose = if dice.below(2) == 0 { MARKETING } else { SERVICE };
    match dice.below(5) {
        0 => Some((2, span("1d"), purpose)),
        1 => Some((4, span("6d"), purpose)),
        _ => None,
    }
}

fn with_trigger(shop: Shop, asks: Asks, events: &[Arc<str>]) -> Shop {
    shop.trigger(asks.name, |trigger| {
        let on = events.iter().position(|event| **event == *asks.on).unwrap();
        let on = EventSlot(u16::try_from(on).unwrap());
        trigger.when = When::Event(Box::new([clause(on)]));
        trigger.priority = asks.priority;
        trigger.tags = if asks.weekly { 1 << WEEKLY.0 } else { 0 };
        trigger.once_per = asks.rests.map(span);
        trigger.act_within = Span::DAY.times(400);
        trigger.action = match asks.purpose {
            None => task(),
            Some(purpose) => send_with(purpose, asks.via, |send| {
                send.expires_after = Some(span(asks.lives));
                send.on_cap = asks.drops.then_some(OnCap::Drop);
                send.fall_back = asks.goes_on.then_some(FallBack::Refused);
            }),
        };
        trigger.suppress = asks.holds_marketing.map(|longest| Suppression {
            purposes: 1 << MARKETING.0,
            longest: span(longest),
            until: None,
            same: None,
        });
        trigger.experiment = (0 < asks.holdout).then(|| experiment(asks));
        if !asks.is_on {
            trigger.state = TriggerState::Disabled;
        }
    })
}

/// What caps may be about. Triggers have their slots in the order of their names.
fn scopes() -> [CapScope; 7] {
    let a = TRIGGERS.iter().position(|asks| asks.name == "a").unwrap();
    [
        CapScope::All,
        CapScope::Purpose(MARKETING),
        CapScope::Purpose(SERVICE),
        CapScope::Channel(EMAIL),
        CapScope::Channel(IN_APP),
        CapScope::Trigger(TriggerSlot(u16::try_from(a).unwrap())),
        CapScope::Tag(WEEKLY),
    ]
}

fn experiment(asks: Asks) -> Experiment {
    Experiment {
        key: asks.name.into(),
        unit: Unit::Customer,
        holdout: Share(asks.holdout),
        arms: Box::default(),
        goal: None,
        guardrails: Box::default(),
        read_at: None,
    }
}

/// A place in a list of so many.
pub(super) fn pick(dice: &mut Dice, of: usize) -> usize {
    usize::try_from(dice.below(of as u64)).unwrap()
}

fn below_u8(dice: &mut Dice, bound: u64) -> u8 {
    u8::try_from(dice.below(bound)).unwrap()
}
