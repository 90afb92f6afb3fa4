//! The first free instant of all rules about time together, against a walk minute by minute.

use proptest::prelude::*;

use super::clock::{any_hours, is_quiet, painted, zones};
use super::desk::{Desk, short};
use super::ledger::{Made, TRIGGERS, allowed, any_caps, store};
use crate::engine::customer::{Contact, ContactKind};
use crate::engine::decision::Verdict;
use crate::engine::id::DecisionId;
use crate::engine::input::Told;
use crate::engine::policy::QuietHours;
use crate::engine::testing::{EMAIL, MARKETING, SERVICE, TIMEZONE, at, set, slot_of, span};
use crate::engine::time::{Span, Timestamp, Zone};

/// Everything that can hold a message for a time.
#[derive(Clone, Debug)]
struct Night {
    hours: Vec<QuietHours>,
    caps: Vec<(crate::engine::policy::CapScope, crate::engine::policy::CapLimit)>,
    /// Contacts so many minutes before the question, by which trigger.
    made: Vec<(i64, usize)>,
    /// A pause of so many minutes.
    pause: Option<i64>,
    /// A blackout from so many minutes after the question, for so many.
    blackout: Option<(i64, i64)>,
    zone: usize,
    minute: i64,
    asker: usize,
}

fn any_night() -> impl Strategy<Value = Night> {
    (
        any_hours(),
        any_caps(),
        proptest::collection::vec((1_i64..60 * 24 * 8, 0_usize..4), 0..8),
        proptest::option::of(1_i64..2_000),
        proptest::option::of((-1_500_i64..3_000, 1_i64..3_000)),
        (0_usize..10_000, 0_i64..60 * 24 * 365 * 12),
        0_usize..3,
    )
        .prop_map(|(hours, caps, made, pause, blackout, (zone, minute), asker)| Night {
            hours,
            caps,
            made,
            pause,
            blackout,
            zone,
            minute,
            asker,
        })
}

struct Dark {
    desk: Desk,
    made: Vec<Made>,
    zone: Zone,
    now: Timestamp,
    blackout: Option<(jiff::civil::DateTime, jiff::civil::DateTime)>,
    week: Vec<bool>,
}

fn set_up(night: &Night) -> Dark {
    let zones = zones();
    let zone = zones[night.zone % zones.len()].clone();
    let now = at("2024-01-01T00:00") + Span::MINUTE.times(night.minute);
    let mut store =
        night.caps.iter().fold(store(), |s, (scope, limit)| s.cap("cap", *scope, *limit));
    store.policy.quiet_hours = night.hours.clone().into();
    let blackout = night.blackout.map(|(after, long)| {
        let from = (now + Span::MINUTE.times(after)).in_zone(&zone);
        (from, from + jiff::Span::new().minutes(long))
    });
    if let Some((from, to)) = blackout {
        store = store.blackout("dark", &from.to_string(), &to.to_string());
    }
    let mut desk = Desk::new(store);
    set(&mut desk.state, TIMEZONE, zone.name());
    desk.state.rare.paused_until = night.pause.map(|minutes| now + Span::MINUTE.times(minutes));
    let mut ago = night.made.clone();
    ago.sort_unstable_by(|a, b| b.cmp(a));
    let mut made = Vec::new();
    for (n, (minutes, which)) in ago.into_iter().enumerate() {
        let (trigger, purpose, channel, tags) = TRIGGERS[which];
        let id = DecisionId::from_bytes([u8::try_from(n).unwrap() + 1; 16]);
        let (at, kind) = (now - Span::MINUTE.times(minutes), ContactKind::Sent);
        let slot = slot_of(&desk.catalog, trigger);
        desk.state.ledger.push(Contact {
            at,
            decision: id.head(),
            trigger: slot,
            purpose: Some(purpose),
            channel,
            tags,
            kind,
            told: Told::Nothing,
        });
        made.push(Made { id, at, trigger, kind });
    }
    let week = painted(&night.hours);
    Dark { desk, made, zone, now, blackout, week }
}

impl Dark {
    /// Whether every rule allows it, each from its definition.
    fn free(&self, trigger: &str, at: Timestamp) -> bool {
        let local = at.in_zone(&self.zone);
        let e_mail = TRIGGERS.iter().any(|(id, _, channel, _)| *id == trigger && *channel == EMAIL);
        self.desk.state.rare.paused_until.is_none_or(|until| until <= at)
            && !(e_mail && is_quiet(&self.week, at, &self.zone))
            && self.blackout.is_none_or(|(from, to)| local < from || to <= local)
            && allowed(&self.desk.catalog, &self.made, trigger, at, &self.zone)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_first_free_instant_is_the_first_minute_that_all_rules_allow(night in any_night()) {
        let mut dark = set_up(&night);
        let (trigger, purpose, ..) = TRIGGERS[night.asker];
        prop_assume!(purpose == SERVICE || purpose == MARKETING);
        let live = span("7d");
        let mut first = dark.now;
        while first < dark.now + live && !dark.free(trigger, first) {
            first = first + Span::MINUTE;
        }
        let now = dark.now;
        let judged = dark.desk.judge(&[(trigger, None)], now).remove(0);
        let told = dark.desk.told(&judged);
        match judged.verdict {
            Verdict::Send { .. } => prop_assert_eq!(first, now, "{} too early", told),
            Verdict::Defer { until, .. } => prop_assert_eq!(until, first, "at {}: {}", now, told),
            Verdict::Expire { .. } => prop_assert_eq!(first, now + live, "at {}: {}", now, told),
            // Quiet hours that never end.
            Verdict::Suppress { .. } => {
                prop_assert!(dark.week.iter().all(|quiet| *quiet), "{}", told);
            }
            _ => prop_assert!(false, "{}", told),
        }
    }

    #[test]
    fn who_moves_while_a_message_waits_is_asked_about_where_they_are(
        night in any_night(),
        other in 0_usize..10_000,
    ) {
        let mut dark = set_up(&night);
        let (trigger, ..) = TRIGGERS[night.asker];
        let now = dark.now;
        let judged = dark.desk.judge(&[(trigger, None)], now).remove(0);
        let Verdict::Defer { until, .. } = judged.verdict else { return Ok(()) };
        let zones = zones();
        dark.zone = zones[other % zones.len()].clone();
        set(&mut dark.desk.state, TIMEZONE, dark.zone.name());
        let free = dark.free(trigger, until);
        let again = dark.desk.judge_again(&[(trigger, None)], now, until).remove(0);
        let sent = matches!(again.verdict, Verdict::Send { .. });
        prop_assert_eq!(sent, free, "at {}: {}", until, dark.desk.told(&again));
        prop_assert_eq!(again.expires_at, judged.expires_at);
    }
}

#[test]
fn what_is_deferred_is_sent_when_its_time_has_come_and_nothing_changed() {
    let night = Night {
        hours: painted_hours(),
        caps: vec![(
            crate::engine::policy::CapScope::All,
            crate::engine::testing::rolling(1, "1d"),
        )],
        made: vec![(60, 0)],
        pause: Some(30),
        blackout: Some((23 * 60, 120)),
        zone: 0,
        minute: 60 * 24 * 100 + 12 * 60,
        asker: 0,
    };
    let mut dark = set_up(&night);
    set(&mut dark.desk.state, TIMEZONE, "Europe/Amsterdam");
    let now = short(dark.now);
    // The pause ends first, then the cap; by then the blackout has begun.
    let told = dark.desk.ask("a", &now);
    let (_, until) = told.split_once(" until ").unwrap();
    assert!(told.starts_with("deferred capped"), "{told}");
    assert_eq!(dark.desk.release("a", &now, until), "sent email");
}

fn painted_hours() -> Vec<QuietHours> {
    crate::engine::testing::shop().quiet("22:00-08:00").policy.quiet_hours.into_vec()
}
