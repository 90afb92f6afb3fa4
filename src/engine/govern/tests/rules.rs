//! Each rule alone, with the reason it gives.

use super::desk::{Desk, arm};
use crate::engine::catalog::{
    Arm, ArmOffer, Experiment, Profiles, Suppression, TriggerState, Unit, When,
};
use crate::engine::customer::Profiling;
use crate::engine::decision::{Passed, Reason, Rule};
use crate::engine::govern::{consent, profiling, suppression};
use crate::engine::input::Answer::{Denied, Granted};
use crate::engine::policy::{CapScope, Share};
use crate::engine::slot::ChannelSlot;
use crate::engine::testing::{
    ACCOUNT, EMAIL, EMAIL_ADDRESS, IN_APP, MARKETING, OBJECT, PHONE, PING, RESOLVED, SERVICE, SMS,
    TIMEZONE, TRANSACTIONAL, absence, answer, at, clause, rolling, send, send_with, set, shop,
    slot_of, span, task,
};
use crate::engine::time::Span;
use crate::engine::value::{Value, ValueRef};

const NOON: &str = "2026-03-02T12:00";

#[test]
fn with_no_rule_against_it_a_message_goes_out() {
    let mut desk = Desk::new(shop().trigger("promo", |_| {}));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let findings = desk.findings("promo", NOON);
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(
        rules.join(" "),
        "enabled expiry suppression once_per consent channel holdout arbitration quiet_hours caps"
    );
    assert!(findings.iter().all(|finding| finding.passed == Passed::Yes));
}

#[test]
fn a_disabled_trigger_is_suppressed_before_anything_else() {
    let mut desk = Desk::new(shop().trigger("promo", |t| t.state = TriggerState::Disabled));
    assert_eq!(desk.ask("promo", NOON), "suppressed disabled");
    assert_eq!(desk.findings("promo", NOON).len(), 1);
    assert!(desk.state.ledger.is_empty());
}

#[test]
fn events_older_than_the_trigger_acts_on_expire() {
    let mut desk = Desk::new(shop().trigger("promo", |t| t.act_within = span("15m")));
    for (late, told) in [("15m", "sent email"), ("15m1s", "expired too_old")] {
        let slot = slot_of(&desk.catalog, "promo");
        let trigger = desk.catalog.trigger(slot).unwrap();
        let cause = crate::engine::testing::cause(late, at(NOON) - span(late), None);
        let id = crate::engine::id::DecisionId::derive(&trigger.id, &desk.state.id, late);
        let proposal = crate::engine::govern::Proposal {
            id,
            slot,
            trigger,
            cause: &cause,
            decided_at: at(NOON),
        };
        let judged =
            crate::engine::govern::judge(&desk.catalog, &mut desk.state, &[proposal], at(NOON));
        assert_eq!(desk.told(&judged[0]), told, "{late}");
    }
}

#[test]
fn an_absence_is_never_too_old_for_having_waited() {
    let mut desk = Desk::new(shop().trigger("promo", |t| {
        t.act_within = span("15m");
        let mut armed = clause(PING);
        armed.absence = Some(absence(&[RESOLVED], "36h"));
        t.when = When::Event(Box::new([armed]));
    }));
    let slot = slot_of(&desk.catalog, "promo");
    let trigger = desk.catalog.trigger(slot).unwrap();
    let cause = crate::engine::testing::cause("armed", at(NOON) - span("36h"), None);
    let id = crate::engine::id::DecisionId::derive(&trigger.id, &desk.state.id, "armed");
    let proposal =
        crate::engine::govern::Proposal { id, slot, trigger, cause: &cause, decided_at: at(NOON) };
    let judged =
        crate::engine::govern::judge(&desk.catalog, &mut desk.state, &[proposal], at(NOON));
    assert_eq!(desk.told(&judged[0]), "sent email");
}

#[test]
fn what_waited_too_long_expires() {
    let mut desk = Desk::new(shop().trigger("promo", |t| {
        t.action = send_with(MARKETING, &[EMAIL], |send| send.expires_after = Some(span("2m")));
    }));
    for (now, told) in [
        ("2026-03-02T12:01:59Z", "sent email"),
        ("2026-03-02T12:02:00Z", "expired expired"),
        ("2026-03-02T13:00:00Z", "expired expired"),
    ] {
        assert_eq!(desk.release("promo", NOON, now), told, "{now}");
    }
}

#[test]
fn the_purpose_says_how_long_a_message_lives_that_says_nothing_itself() {
    let mut desk = Desk::new(
        shop().purpose(MARKETING, |p| p.expires_after = span("1h")).trigger("promo", |_| {}),
    );
    let judged = desk.judge(&[("promo", None)], at(NOON));
    assert_eq!(judged[0].expires_at, at("2026-03-02T13:00"));
    assert_eq!(desk.release("promo", NOON, "2026-03-02T13:00"), "expired expired");
}

fn incident(t: &mut crate::engine::catalog::Trigger) {
    t.action = send(SERVICE, &[EMAIL]);
    t.suppress = Some(Suppression {
        purposes: 1 << MARKETING.0,
        longest: span("24h"),
        until: Some(RESOLVED),
        same: Some(OBJECT),
    });
}

#[test]
fn a_trigger_holds_back_other_purposes_until_its_time_is_over() {
    let mut desk = Desk::new(shop().trigger("incident", incident).trigger("promo", |_| {}));
    assert_eq!(desk.ask_about("incident", "I1", NOON), "sent email");
    for (when, told) in [
        ("2026-03-02T12:00", "suppressed suppressed"),
        ("2026-03-03T11:59", "suppressed suppressed"),
        ("2026-03-03T12:00", "sent email"),
    ] {
        assert_eq!(desk.ask("promo", when), told, "{when}");
    }
    assert_eq!(desk.ask_about("incident", "I2", NOON), "sent email", "its own purpose is free");
}

#[test]
fn who_holds_a_purpose_back_is_named() {
    let mut desk = Desk::new(shop().trigger("incident", incident).trigger("promo", |_| {}));
    desk.ask_about("incident", "I1", NOON);
    let findings = desk.findings("promo", "2026-03-02T13:00");
    assert_eq!(desk.why(&findings), ["suppression: incident until 2026-03-03T12:00"]);
}

#[test]
fn the_event_with_the_same_value_ends_a_suppression_and_no_other_does() {
    let mut desk = Desk::new(shop().trigger("incident", incident).trigger("promo", |_| {}));
    desk.ask_about("incident", "I1", NOON);
    desk.ask_about("incident", "I2", NOON);
    let later = "2026-03-02T13:00";
    let mut end = |event, value: ValueRef<'static>| {
        let Desk { catalog, state, .. } = &mut desk;
        suppression::end_by_event(catalog, state, event, |_| value, at(later));
        state.rare.freezes.len()
    };
    assert_eq!(end(PING, ValueRef::Str("I1")), 2, "another event");
    assert_eq!(end(RESOLVED, ValueRef::Str("I3")), 2, "another value");
    assert_eq!(end(RESOLVED, ValueRef::Missing), 2, "no value");
    assert_eq!(end(RESOLVED, ValueRef::Str("I1")), 1);
    assert_eq!(desk.ask("promo", later), "suppressed suppressed", "the other incident goes on");
    let Desk { catalog, state, .. } = &mut desk;
    suppression::end_by_event(catalog, state, RESOLVED, |_| ValueRef::Str("I2"), at(later));
    assert_eq!(desk.ask("promo", later), "sent email");
}

#[test]
fn begun_again_for_the_same_value_a_suppression_is_one() {
    let mut desk = Desk::new(shop().trigger("incident", incident).trigger("promo", |_| {}));
    desk.ask_about("incident", "I1", NOON);
    desk.ask_about("incident", "I1", "2026-03-02T18:00");
    assert_eq!(desk.state.rare.freezes.len(), 1);
    assert_eq!(desk.ask("promo", "2026-03-03T17:59"), "suppressed suppressed");
}

#[test]
fn a_trigger_does_not_hold_itself_back() {
    let mut desk = Desk::new(shop().trigger("other", |_| {}).trigger("promo", |t| {
        incident(t);
        t.action = send(MARKETING, &[EMAIL]);
    }));
    assert_eq!(desk.ask_about("promo", "I1", NOON), "sent email");
    assert_eq!(desk.ask_about("promo", "I2", NOON), "sent email");
    assert_eq!(desk.ask("other", NOON), "suppressed suppressed");
}

#[test]
fn a_suppression_begins_with_the_message_and_not_while_that_waits() {
    let mut desk = Desk::new(shop().quiet("22:00-08:00").trigger("incident", incident).trigger(
        "popup",
        |t| {
            t.action = send(MARKETING, &[IN_APP]);
        },
    ));
    let night = "2026-03-02T22:00";
    assert_eq!(desk.ask("incident", night), "deferred quiet_hours until 2026-03-03T07:00");
    assert_eq!(desk.ask("popup", night), "sent in_app");
    assert_eq!(desk.release("incident", night, "2026-03-03T07:00"), "sent email");
    assert_eq!(desk.ask("popup", "2026-03-03T07:00"), "suppressed suppressed");
}

#[test]
fn suppressions_are_bounded_and_the_first_to_end_goes() {
    let mut desk = Desk::new(shop().trigger("incident", incident));
    let most = suppression::FREEZES_MAX;
    for n in 0..=most {
        let now = at(NOON) + Span::MINUTE.times(i64::try_from(n).unwrap());
        desk.judge(&[("incident", Some(&format!("I{n}")))], now);
    }
    let of = |object: &str| {
        desk.state.rare.freezes.iter().any(|freeze| freeze.same.as_deref() == Some(object))
    };
    assert_eq!(desk.state.rare.freezes.len(), most);
    assert!(!of("I0") && of("I1") && of(&format!("I{most}")));
    // What is over makes room.
    desk.ask_about("incident", "next", "2026-03-05T12:00");
    assert_eq!(desk.state.rare.freezes.len(), 1);
}

#[test]
fn a_trigger_rests_after_it_acted() {
    let mut desk = Desk::new(shop().trigger("promo", |t| t.once_per = Some(span("7d"))));
    for (when, told) in [
        ("2026-03-02T12:00", "sent email"),
        ("2026-03-02T12:00", "suppressed once_per"),
        ("2026-03-09T11:59", "suppressed once_per"),
        ("2026-03-09T12:00", "sent email"),
        ("2026-03-10T12:00", "suppressed once_per"),
    ] {
        assert_eq!(desk.ask("promo", when), told, "{when}");
    }
    let findings = desk.findings("promo", "2026-03-10T12:00");
    assert_eq!(desk.why(&findings), ["once_per: promo until 2026-03-16T12:00"]);
}

#[test]
fn a_trigger_rests_for_each_object_on_its_own() {
    let mut desk = Desk::new(shop().trigger("parcel", |t| t.once_per = Some(span("48h"))));
    assert_eq!(desk.ask_about("parcel", "P1", "2026-03-02T12:00"), "sent email");
    assert_eq!(desk.ask_about("parcel", "P2", "2026-03-02T12:01"), "sent email");
    assert_eq!(desk.ask_about("parcel", "P1", "2026-03-03T12:00"), "suppressed once_per");
    // An object whose rest is over is forgotten when another acts.
    assert_eq!(desk.ask_about("parcel", "P3", "2026-03-05T12:00"), "sent email");
    assert_eq!(desk.state.progress.len(), 1);
}

/// Who asks on which channel, what was said on which days, and the verdict.
const CONSENT: &str = "
    marketing email |                                              | suppressed no_consent
    service email   |                                              | sent email
    marketing email | yes marketing                                | sent email
    marketing email | yes all                                      | sent email
    marketing email | yes service                                  | suppressed no_consent
    marketing email | yes marketing sms                            | suppressed no_consent
    marketing email | no marketing                                 | suppressed no_consent
    service email   | no service                                   | suppressed opted_out
    marketing email | yes marketing, no marketing                  | suppressed opted_out
    marketing email | no marketing, yes marketing                  | sent email
    marketing email | yes marketing, no all                        | suppressed opted_out
    marketing email | no all, yes marketing                        | sent email
    marketing email | no marketing email, yes marketing            | suppressed opted_out
    marketing email | no all email, yes marketing email            | sent email
    marketing email | no marketing, yes all                        | suppressed opted_out
    marketing email | yes marketing, no marketing sms              | sent email
    service sms     | no service, yes service email                | suppressed opted_out
";

#[test]
fn consent_decides_by_purpose_and_channel() {
    let purpose = |word| match word {
        "marketing" => Some(MARKETING),
        "service" => Some(SERVICE),
        _ => None,
    };
    let channel = |word| match word {
        "email" => Some(EMAIL),
        "sms" => Some(SMS),
        _ => None,
    };
    for row in CONSENT.trim().lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [asked, said, told] = cells[..] else { panic!("{row}") };
        let (purpose_asked, channel_asked) = asked.split_once(' ').unwrap();
        let aim = (purpose(purpose_asked).unwrap(), channel(channel_asked.trim()).unwrap());
        let mut desk = Desk::new(shop().trigger("promo", |t| t.action = send(aim.0, &[aim.1])));
        desk.state.rare.consents.clear();
        for (day, said) in said.split(", ").filter(|said| !said.is_empty()).enumerate() {
            let words: Vec<_> = said.split(' ').collect();
            let given = if words[0] == "yes" { Granted } else { Denied };
            let on = words.get(2).copied().and_then(channel);
            let when = format!("2026-02-{:02}T00:00", day + 1);
            consent::record(&mut desk.state, answer(purpose(words[1]), on, given, &when));
        }
        assert_eq!(desk.ask("promo", NOON), told, "{row}");
    }
}

#[test]
fn of_a_yes_and_a_no_at_one_instant_the_no_stands() {
    let mut desk = Desk::new(shop().trigger("promo", |_| {}));
    consent::record(&mut desk.state, answer(Some(MARKETING), None, Denied, "2026-01-01T00:00"));
    assert_eq!(desk.ask("promo", NOON), "suppressed opted_out");
}

#[test]
fn an_answer_is_kept_once_and_a_late_one_changes_nothing() {
    let mut desk = Desk::new(shop());
    desk.state.rare.consents.clear();
    let yes = |when| answer(Some(MARKETING), None, Granted, when);
    for when in ["2026-02-01T00:00", "2026-02-03T00:00", "2026-02-02T00:00"] {
        consent::record(&mut desk.state, yes(when));
    }
    assert_eq!(desk.state.rare.consents.as_slice(), [yes("2026-02-03T00:00")]);
}

#[test]
fn the_consent_finding_says_what_is_known() {
    let mut desk = Desk::new(shop().trigger("promo", |_| {}));
    consent::record(&mut desk.state, answer(None, None, Denied, "2026-02-01T00:00"));
    let findings = desk.findings("promo", NOON);
    assert_eq!(desk.why(&findings), ["consent: Some(Denied)"]);
}

#[test]
fn a_pause_defers_all_but_exempt_purposes() {
    let mut desk = Desk::new(
        shop()
            .trigger("promo", |_| {})
            .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL])),
    );
    desk.state.rare.paused_until = Some(at("2026-03-05T00:00"));
    assert_eq!(desk.ask("promo", NOON), "deferred paused until 2026-03-05T00:00");
    assert_eq!(desk.ask("receipt", NOON), "sent email");
    assert_eq!(desk.ask("promo", "2026-03-05T00:00"), "sent email");
    desk.state.rare.paused_until = Some(at("2027-01-01T00:00"));
    assert_eq!(desk.ask("promo", NOON), "expired expired");
    let findings = desk.findings("promo", NOON);
    assert_eq!(desk.why(&findings), ["consent: the customer until 2027-01-01T00:00"]);
}

#[test]
fn the_first_channel_on_which_the_customer_can_be_reached_wins() {
    let via = |via: &[ChannelSlot]| {
        let via = via.to_vec();
        Desk::new(shop().trigger("promo", move |t| t.action = send(SERVICE, &via)))
    };
    let mut desk = via(&[SMS, EMAIL, IN_APP]);
    assert_eq!(desk.ask("promo", NOON), "sent sms");
    set(&mut desk.state, PHONE, "");
    assert_eq!(desk.ask("promo", NOON), "sent email");
    set(&mut desk.state, EMAIL_ADDRESS, "  ");
    assert_eq!(desk.ask("promo", NOON), "sent in_app");

    let mut desk = via(&[SMS, EMAIL]);
    desk.state.rare.preferred_channel = Some(EMAIL);
    assert_eq!(desk.ask("promo", NOON), "sent email", "the preferred one goes first");
    desk.state.rare.preferred_channel = Some(IN_APP);
    assert_eq!(desk.ask("promo", NOON), "sent sms", "unless the trigger does not use it");
    consent::record(&mut desk.state, answer(None, Some(SMS), Denied, "2026-02-01T00:00"));
    assert_eq!(desk.ask("promo", NOON), "sent email", "a refused one is passed over");
    set(&mut desk.state, EMAIL_ADDRESS, "");
    assert_eq!(desk.ask("promo", NOON), "suppressed unreachable");
}

fn halves(t: &mut crate::engine::catalog::Trigger) {
    t.experiment = Some(Experiment {
        key: "promo".into(),
        unit: Unit::Account,
        holdout: Share(5_000),
        arms: Box::new([Arm {
            name: "treated_arm".into(),
            share: Share(5_000),
            offer: ArmOffer::Keep,
            set: Box::default(),
        }]),
        goal: None,
        guardrails: Box::default(),
        read_at: None,
    });
}

#[test]
fn the_held_out_hear_nothing_and_are_told_apart() {
    let mut held_out = 0;
    for n in 0..40 {
        let mut desk = Desk::new(shop().trigger("promo", halves));
        set(&mut desk.state, ACCOUNT, &format!("account-{n}"));
        let judged = desk.judge(&[("promo", None)], at(NOON)).remove(0);
        match desk.told(&judged).as_str() {
            "held_out holdout" => {
                assert_eq!(judged.arm, arm("holdout"));
                held_out += 1;
            }
            other => {
                assert_eq!(other, "sent email");
                assert_eq!(judged.arm, arm("treated_arm"));
            }
        }
        // The whole account shares its lot.
        desk.state.id = crate::engine::id::CustomerId::new("bob");
        let bob = desk.judge(&[("promo", None)], at(NOON)).remove(0);
        assert_eq!(bob.arm, judged.arm);
    }
    assert!((10..30).contains(&held_out), "{held_out} of 40");
}

#[test]
fn the_global_holdout_withholds_messages_and_tasks_but_not_exempt_purposes() {
    let mut desk = Desk::new(
        shop()
            .holdout(10_000)
            .trigger("promo", halves)
            .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL]))
            .trigger("call", |t| t.action = task()),
    );
    assert_eq!(desk.ask("promo", NOON), "held_out global_holdout");
    assert_eq!(desk.ask("call", NOON), "held_out global_holdout");
    assert_eq!(desk.ask("receipt", NOON), "sent email");
    let judged = desk.judge(&[("promo", None)], at(NOON)).remove(0);
    assert_eq!(judged.arm, None, "its members are in no arm of any trigger");
}

#[test]
fn quiet_hours_defer_by_the_clock_of_the_customer() {
    let mut desk = Desk::new(
        shop()
            .quiet("22:00-08:00")
            .trigger("promo", |_| {})
            .trigger("popup", |t| t.action = send(MARKETING, &[IN_APP]))
            .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL])),
    );
    // Amsterdam is an hour ahead of UTC in winter.
    for (when, told) in [
        ("2026-03-02T20:59", "sent email"),
        ("2026-03-02T21:00", "deferred quiet_hours until 2026-03-03T07:00"),
        ("2026-03-03T06:59", "deferred quiet_hours until 2026-03-03T07:00"),
        ("2026-03-03T07:00", "sent email"),
        // In summer two.
        ("2026-07-02T20:00", "deferred quiet_hours until 2026-07-03T06:00"),
    ] {
        assert_eq!(desk.ask("promo", when), told, "{when}");
    }
    let night = "2026-03-02T23:00";
    assert_eq!(desk.ask("popup", night), "sent in_app", "a channel that disturbs nobody");
    assert_eq!(desk.ask("receipt", night), "sent email", "a purpose that may break them");
    set(&mut desk.state, TIMEZONE, "Asia/Shanghai");
    assert_eq!(desk.ask("promo", night), "deferred quiet_hours until 2026-03-03T00:00");
    let findings = desk.findings("promo", night);
    assert_eq!(desk.why(&findings), ["quiet_hours: 2026-03-03T07:00:00 until 2026-03-03T00:00"]);
}

#[test]
fn an_unknown_zone_is_refused_or_assumed_as_the_purpose_says_and_only_if_needed() {
    let build = || {
        shop()
            .trigger("promo", |_| {})
            .trigger("popup", |t| t.action = send(MARKETING, &[IN_APP]))
            .trigger("notice", |t| t.action = send(SERVICE, &[EMAIL]))
    };
    for zone in ["", "Mars/Olympus"] {
        let mut desk = Desk::new(build().quiet("22:00-08:00"));
        set(&mut desk.state, TIMEZONE, zone);
        assert_eq!(desk.ask("promo", NOON), "suppressed unknown_zone");
        assert_eq!(desk.ask("popup", NOON), "sent in_app", "no rule needs the zone");
        assert_eq!(desk.ask("notice", NOON), "sent email", "UTC is assumed");
        let night = "2026-03-02T23:00";
        assert_eq!(desk.ask("notice", night), "deferred quiet_hours until 2026-03-03T08:00");
    }
    let daily = crate::engine::testing::calendar(1, crate::engine::policy::Period::Day);
    let mut desk = Desk::new(build().cap("daily", CapScope::All, daily));
    set(&mut desk.state, TIMEZONE, "");
    assert_eq!(desk.ask("promo", NOON), "suppressed unknown_zone", "a calendar needs it");
    let mut desk = Desk::new(build().cap("daily", CapScope::All, rolling(1, "1d")));
    set(&mut desk.state, TIMEZONE, "");
    assert_eq!(desk.ask("promo", NOON), "sent email", "a rolling window does not");
}

#[test]
fn blackouts_defer_on_every_channel_and_need_no_zone_when_far_away() {
    let mut desk = Desk::new(
        shop()
            .blackout("christmas", "2026-12-24T18:00", "2026-12-27T00:00")
            .trigger("promo", |_| {})
            .trigger("popup", |t| t.action = send(MARKETING, &[IN_APP]))
            .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL])),
    );
    for (trigger, when, told) in [
        ("promo", "2026-12-24T16:59", "sent email"),
        ("promo", "2026-12-24T17:00", "deferred blackout until 2026-12-26T23:00"),
        ("popup", "2026-12-25T12:00", "deferred blackout until 2026-12-26T23:00"),
        ("receipt", "2026-12-25T12:00", "sent email"),
        ("promo", "2026-12-26T23:00", "sent email"),
    ] {
        assert_eq!(desk.ask(trigger, when), told, "{trigger} {when}");
    }
    let findings = desk.findings("promo", "2026-12-25T12:00");
    assert_eq!(desk.why(&findings), ["quiet_hours: christmas until 2026-12-26T23:00"]);
    set(&mut desk.state, TIMEZONE, "");
    assert_eq!(desk.ask("promo", "2026-12-20T12:00"), "sent email");
    assert_eq!(desk.ask("promo", "2026-12-24T00:00"), "suppressed unknown_zone");
}

#[test]
fn a_blackout_can_name_its_purposes() {
    let mut shop = shop()
        .blackout("mourning", "2026-03-02T00:00", "2026-03-03T00:00")
        .trigger("promo", |_| {})
        .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL]));
    shop.policy.blackouts[0].purposes = Box::new([TRANSACTIONAL]);
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("receipt", NOON), "deferred blackout until 2026-03-02T23:00");
}

#[test]
fn a_policy_freeze_holds_while_its_condition_does() {
    use crate::engine::condition::Expr;
    let complaint = crate::engine::slot::TraitSlot(9);
    let mut open = shop()
        .freeze(
            "complaint",
            MARKETING,
            Expr::Flag(Box::new(Expr::Trait { slot: complaint, path: Box::default() })),
        )
        .trigger("promo", |_| {})
        .trigger("notice", |t| t.action = send(SERVICE, &[EMAIL]));
    open.traits.push("complaint_open".into());
    let mut desk = Desk::new(open);
    assert_eq!(desk.ask("promo", NOON), "sent email", "nothing known");
    desk.state.traits.push((complaint, Value::Bool(true)));
    assert_eq!(desk.ask("promo", NOON), "suppressed frozen");
    assert_eq!(desk.ask("notice", NOON), "sent email", "another purpose");
    let findings = desk.findings("promo", NOON);
    assert_eq!(desk.why(&findings), ["suppression: complaint until further notice"]);
    assert_eq!(desk.recheck("promo", NOON, NOON), Some(Reason::Frozen));
    assert_eq!(findings.last().unwrap().rule, Rule::Suppression);
}

#[test]
fn what_a_score_decides_does_not_go_to_whoever_will_not_be_profiled() {
    let scored = |t: &mut crate::engine::catalog::Trigger| t.profiles = Profiles::Yes;
    let shop = shop()
        .trigger("promo", |_| {})
        .trigger("risk", scored)
        .trigger("receipt", |t| {
            scored(t);
            t.action = send(TRANSACTIONAL, &[EMAIL]);
        })
        .trigger("call", |t| {
            scored(t);
            t.action = task();
        });
    let mut desk = Desk::new(shop);
    let said = |answer, when: &str| Profiling {
        answer,
        at: at(when),
        source: "page".into(),
        evidence: None,
    };
    assert_eq!(desk.ask("risk", "2026-03-01T12:00"), "sent email");
    profiling::record(&mut desk.state, said(Denied, "2026-03-01T13:00"));
    assert_eq!(desk.recheck("risk", "2026-03-01T12:00", NOON), Some(Reason::Profiling));
    assert_eq!(desk.ask("risk", NOON), "suppressed profiling");
    let findings = desk.findings("risk", NOON);
    assert_eq!(desk.why(&findings), ["consent: 2026-03-01T13:00 page"]);
    for (other, told) in [("promo", "sent email"), ("receipt", "sent email"), ("call", "task")] {
        assert_eq!(desk.ask(other, NOON), told, "{other}");
    }
    // What was said before comes too late; a yes lifts it.
    profiling::record(&mut desk.state, said(Granted, "2026-02-01T00:00"));
    assert_eq!(desk.ask("risk", NOON), "suppressed profiling");
    profiling::record(&mut desk.state, said(Granted, "2026-03-02T00:00"));
    assert_eq!(desk.ask("risk", NOON), "sent email");
}
