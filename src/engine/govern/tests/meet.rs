//! What happens where rules meet: arbitration, ghosts, tasks, dry runs, rechecks.

use super::desk::{Desk, rejected};
use crate::engine::catalog::{Absence, AbsenceScope, Experiment, Suppression, Trigger, Unit, When};
use crate::engine::condition::Expr;
use crate::engine::customer::{ContactKind, WAITING_MAX, Waiting};
use crate::engine::decision::{Detail, Reason};
use crate::engine::govern::caps_left;
use crate::engine::input::Answer;
use crate::engine::policy::{CapScope, Period, Share, UnknownZone};
use crate::engine::recent::Remembered;
use crate::engine::testing::{
    EMAIL, MARKETING, OBJECT, PHONE, RESOLVED, SERVICE, TIMEZONE, TRANSACTIONAL, answer, at,
    calendar, cause, condition, gap, rolling, send, send_with, set, shop, slot_of, span, task,
};

const NOON: &str = "2026-03-02T12:00";

#[test]
fn of_what_fires_together_for_one_purpose_only_the_first_goes_on() {
    let shop = shop()
        .trigger("a-low", |_| {})
        .trigger("b-high", |t| t.priority = 5)
        .trigger("c-high", |t| t.priority = 5)
        .trigger("d-notice", |t| t.action = send(SERVICE, &[EMAIL]))
        .trigger("e-notice", |t| t.action = send(SERVICE, &[EMAIL]));
    let mut desk = Desk::new(shop);
    let all = ["e-notice", "a-low", "c-high", "d-notice", "b-high"];
    assert_eq!(
        desk.ask_together(&all, NOON),
        ["sent email", "suppressed outranked", "suppressed outranked", "sent email", "sent email"],
        "answers come in the order of the questions"
    );
    let judged = desk.judge(&[("a-low", None), ("c-high", None)], at(NOON));
    assert_eq!(desk.why(&judged[0].findings), ["arbitration: c-high"]);
    assert_eq!(desk.ask("a-low", NOON), "sent email", "another instant");
}

#[test]
fn who_is_stopped_before_the_contest_does_not_win_it() {
    let shop = shop()
        .trigger("a", |t| {
            t.priority = 9;
            t.once_per = Some(span("1d"));
        })
        .trigger("b", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask_together(&["a", "b"], NOON), ["sent email", "suppressed outranked"]);
    assert_eq!(desk.ask_together(&["a", "b"], NOON), ["suppressed once_per", "sent email"]);
}

#[test]
fn who_wins_the_contest_keeps_it_even_if_it_waits() {
    let shop = shop()
        .cap("b once", CapScope::Trigger(crate::engine::slot::TriggerSlot(1)), rolling(1, "1d"))
        .trigger("a", |_| {})
        .trigger("b", |t| t.priority = 9);
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("b", NOON), "sent email");
    assert_eq!(
        desk.ask_together(&["a", "b"], NOON),
        ["suppressed outranked", "deferred capped until 2026-03-03T12:00"]
    );
}

#[test]
fn each_proposal_sees_what_those_before_it_did() {
    let shop = shop()
        .cap("one", CapScope::Purpose(SERVICE), rolling(1, "1d"))
        .trigger("a", |t| t.action = send(SERVICE, &[EMAIL]))
        .trigger("b", |t| {
            t.action = send(SERVICE, &[EMAIL]);
            t.priority = 1;
            t.suppress = Some(Suppression {
                purposes: 1 << MARKETING.0,
                longest: span("1d"),
                until: None,
                same: None,
            });
        })
        .trigger("c", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(
        desk.ask_together(&["a", "b", "c"], NOON),
        ["deferred capped until 2026-03-03T12:00", "sent email", "suppressed suppressed"]
    );
}

fn all_held_out(t: &mut Trigger) {
    t.experiment = Some(Experiment {
        key: t.id.as_str().into(),
        unit: Unit::Customer,
        holdout: Share(10_000),
        arms: Box::default(),
        goal: None,
        guardrails: Box::default(),
        read_at: None,
    });
}

#[test]
fn a_ghost_keeps_quiet_hours_and_its_rest_but_fills_no_cap_of_the_others() {
    let shop = shop()
        .quiet("22:00-08:00")
        .cap("one", CapScope::All, rolling(1, "1d"))
        .trigger("ghost", |t| {
            all_held_out(t);
            t.once_per = Some(span("2d"));
        })
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    let night = "2026-03-01T22:00";
    assert_eq!(desk.ask("ghost", night), "deferred quiet_hours until 2026-03-02T07:00");
    assert_eq!(desk.release("ghost", night, "2026-03-02T07:00"), "held_out holdout");
    assert_eq!(desk.state.ledger[0].kind, ContactKind::Ghost);
    assert_eq!(desk.ask("ghost", NOON), "suppressed once_per");
    assert_eq!(desk.ask("promo", NOON), "sent email", "a ghost is no contact");
    desk.settle(&rejected());
    assert_eq!(desk.state.ledger.len(), 1);
}

#[test]
fn a_ghost_of_a_trigger_is_held_by_real_contacts_and_not_by_ghosts() {
    let shop = shop()
        .cap("one", CapScope::All, rolling(1, "1d"))
        .trigger("ghost", all_held_out)
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("ghost", NOON), "held_out holdout");
    assert_eq!(desk.ask("ghost", NOON), "held_out holdout");
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("ghost", NOON), "deferred capped until 2026-03-03T12:00");
}

#[test]
fn ghosts_of_the_global_holdout_are_held_by_each_other_and_never_hold_a_real_send() {
    let shop = shop()
        .holdout(10_000)
        .cap("one", CapScope::All, rolling(1, "1d"))
        .purpose(SERVICE, |p| p.holdout = crate::engine::policy::HoldoutRule::Exempt)
        .trigger("promo", |_| {})
        .trigger("notice", |t| t.action = send(SERVICE, &[EMAIL]));
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", NOON), "held_out global_holdout");
    assert_eq!(desk.ask("promo", NOON), "deferred capped until 2026-03-03T12:00");
    assert_eq!(desk.ask("notice", NOON), "sent email");
}

#[test]
fn ghosts_neither_win_nor_lose_a_contest() {
    let shop = shop()
        .trigger("a-ghost", |t| {
            all_held_out(t);
            t.priority = 9;
        })
        .trigger("b", |t| t.priority = 5)
        .trigger("c-ghost", all_held_out);
    let mut desk = Desk::new(shop);
    assert_eq!(
        desk.ask_together(&["a-ghost", "b", "c-ghost"], NOON),
        ["held_out holdout", "sent email", "held_out holdout"]
    );
}

#[test]
fn a_ghost_holds_back_no_other_purpose() {
    let shop = shop()
        .trigger("ghost", |t| {
            all_held_out(t);
            t.action = send(SERVICE, &[EMAIL]);
            t.suppress = Some(Suppression {
                purposes: 1 << MARKETING.0,
                longest: span("1d"),
                until: None,
                same: None,
            });
        })
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("ghost", NOON), "held_out holdout");
    assert_eq!(desk.ask("promo", NOON), "sent email");
}

#[test]
fn people_first_a_task_is_held_by_no_rule_about_messages() {
    let shop = shop()
        .quiet("00:00-00:00")
        .cap("none", CapScope::All, rolling(0, "1d"))
        .trigger("call", |t| {
            t.action = task();
            t.once_per = Some(span("1d"));
        })
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    consent_denied(&mut desk);
    desk.state.rare.paused_until = Some(at("2027-01-01T00:00"));
    set(&mut desk.state, TIMEZONE, "");
    assert_eq!(desk.ask("call", NOON), "task");
    assert_eq!(desk.ask("call", NOON), "suppressed once_per");
    assert_eq!(desk.state.ledger[0].purpose, None);
}

fn consent_denied(desk: &mut Desk) {
    desk.state.rare.consents.clear();
    desk.state.rare.consents.push(answer(None, None, Answer::Denied, "2026-01-01T00:00"));
}

#[test]
fn a_task_is_no_contact_to_a_cap() {
    let shop = shop()
        .cap("one", CapScope::All, rolling(1, "1d"))
        .trigger("call", |t| t.action = task())
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("call", NOON), "task");
    assert_eq!(desk.ask("promo", NOON), "sent email");
}

#[test]
fn a_dry_run_counts_while_it_lasts_and_is_forgotten_afterwards() {
    let build = || {
        shop().cap("one", CapScope::All, rolling(1, "6d")).trigger("promo", |_| {}).trigger(
            "rare",
            |t| {
                t.once_per = Some(span("90d"));
                t.action = send(TRANSACTIONAL, &[EMAIL]);
            },
        )
    };
    let mut desk = Desk::new(build().dry_run());
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("promo", NOON), "deferred capped until 2026-03-08T12:00");
    assert_eq!(desk.ask("rare", NOON), "sent email");
    assert_eq!(desk.ask("rare", NOON), "suppressed once_per");
    desk.catalog = build().open();
    assert_eq!(desk.ask("promo", NOON), "sent email");
    // Even after the ledger has been cleaned, a rehearsal is no reason to rest.
    assert_eq!(desk.ask("promo", "2026-03-20T12:00"), "sent email");
    assert_eq!(desk.ask("rare", "2026-03-20T12:00"), "sent email");
    assert_eq!(desk.ask("rare", "2026-03-20T12:00"), "suppressed once_per");
}

#[test]
fn a_spread_fan_out_waits_for_its_own_instant_and_suppresses_at_once() {
    let shop = shop()
        .trigger("outage", |t| {
            t.action = send_with(TRANSACTIONAL, &[EMAIL], |send| {
                send.spread_over = Some(span("5m"));
            });
            let mut clause = crate::engine::testing::clause(crate::engine::testing::PING);
            clause.affects =
                Some(condition(Expr::Literal(crate::engine::value::Value::Bool(true))));
            t.when = When::Event(Box::new([clause]));
            t.suppress = Some(Suppression {
                purposes: 1 << MARKETING.0,
                longest: span("1d"),
                until: None,
                same: None,
            });
        })
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    let told = desk.ask("outage", NOON);
    let until = crate::engine::govern::spread_until(desk.last.unwrap(), span("5m"), at(NOON));
    assert!(at(NOON) < until && until < at("2026-03-02T12:05"), "{until}");
    assert_eq!(told, format!("deferred spread until {}", super::desk::short(until)));
    assert_eq!(desk.ask("promo", "2026-03-02T12:01"), "suppressed suppressed");
    // What ends the freeze while it is spread ends it for good.
    desk.state.rare.freezes.clear();
    let slot = slot_of(&desk.catalog, "outage");
    let trigger = desk.catalog.trigger(slot).unwrap();
    let (id, cause) = (desk.last.unwrap(), cause("event-1", at(NOON), None));
    let proposal =
        crate::engine::govern::Proposal { id, slot, trigger, cause: &cause, decided_at: at(NOON) };
    let judged = crate::engine::govern::judge(&desk.catalog, &mut desk.state, &[proposal], until);
    assert_eq!(desk.told(&judged[0]), "sent email");
    assert_eq!(desk.ask("promo", "2026-03-02T12:06"), "sent email");
}

#[test]
fn more_than_may_wait_is_suppressed() {
    let shop = shop().quiet("22:00-08:00").trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    let night = "2026-03-02T22:00";
    for n in 0..WAITING_MAX {
        assert!(desk.ask("promo", night).starts_with("deferred"));
        desk.state.rare.waiting.push(Waiting {
            id: desk.last.unwrap(),
            trigger: slot_of(&desk.catalog, "promo"),
            cause: Box::new(cause(&n.to_string(), at(night), None)),
            decided_at: at(night),
            release_at: at("2026-03-03T07:00"),
            expires_at: at("2026-03-09T22:00"),
            reason: Reason::QuietHours,
        });
    }
    assert_eq!(desk.ask("promo", night), "suppressed capped");
    desk.state.rare.waiting.pop();
    assert!(desk.ask("promo", night).starts_with("deferred"));
}

#[test]
fn what_changed_since_the_decision_stops_a_send_at_the_door() {
    let later = "2026-03-02T12:10";
    let build = || {
        shop()
            .cap("one", CapScope::All, rolling(1, "1d"))
            .quiet("22:00-08:00")
            .trigger("promo", |t| t.once_per = Some(span("1d")))
    };
    type Change = fn(&mut Desk);
    let change: &[(&str, Change, Option<Reason>)] = &[
        ("nothing", |_| {}, None),
        (
            "switched off",
            |d| d.catalog.triggers[0].state = crate::engine::catalog::TriggerState::Disabled,
            Some(Reason::Disabled),
        ),
        (
            "opted out",
            |d| {
                d.state.rare.consents.push(answer(
                    Some(MARKETING),
                    Some(EMAIL),
                    Answer::Denied,
                    "2026-03-02T12:05",
                ))
            },
            Some(Reason::OptedOut),
        ),
        (
            "paused",
            |d| d.state.rare.paused_until = Some(at("2026-03-05T00:00")),
            Some(Reason::Paused),
        ),
        (
            "address gone",
            |d| set(&mut d.state, crate::engine::testing::EMAIL_ADDRESS, ""),
            Some(Reason::Unreachable),
        ),
        ("held out", |d| d.catalog.policy.holdout = Share(10_000), Some(Reason::GlobalHoldout)),
        ("moved into the night", |d| set(&mut d.state, TIMEZONE, "Asia/Tokyo"), None),
        (
            "moved further",
            |d| set(&mut d.state, TIMEZONE, "Pacific/Auckland"),
            Some(Reason::QuietHours),
        ),
        ("zone lost", |d| set(&mut d.state, TIMEZONE, ""), Some(Reason::UnknownZone)),
        ("cap closed", |d| d.catalog.policy.caps[0].limit = rolling(0, "1d"), Some(Reason::Capped)),
    ];
    for (name, change, reason) in change {
        let mut desk = Desk::new(build());
        assert_eq!(desk.ask("promo", NOON), "sent email");
        change(&mut desk);
        assert_eq!(desk.recheck("promo", NOON, later), *reason, "{name}");
    }
    let mut desk = Desk::new(build());
    desk.ask("promo", NOON);
    assert_eq!(desk.recheck("promo", NOON, "2026-03-09T12:00"), Some(Reason::Expired));
}

#[test]
fn a_send_that_lost_its_reason_before_its_call_does_not_leave() {
    let lacks = |t: &mut Trigger| {
        let When::Event(clauses) = &mut t.when else { panic!() };
        let events = Box::new([RESOLVED]);
        clauses[0].absence = Some(Absence { events, scope: AbsenceScope::Named, hold: span("3m") });
    };
    let later = "2026-03-02T12:10";
    let mut desk = Desk::new(shop().trigger("promo", lacks));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let came = |desk: &mut Desk, when| {
        desk.state.recent.set_timeline([Remembered::new(RESOLVED, at(when))].into_iter());
    };
    came(&mut desk, "2026-03-02T11:00");
    assert_eq!(desk.recheck("promo", NOON, later), None, "it came before the wait began");
    came(&mut desk, "2026-03-02T12:05");
    assert_eq!(desk.recheck("promo", NOON, later), Some(Reason::Contradicted));

    let asks = |expr: Expr| shop().trigger("promo", |t| t.conditions = [condition(expr)].into());
    let of_trait = Expr::Has(Box::new(Expr::Trait { slot: PHONE, path: Box::default() }));
    let mut desk = Desk::new(asks(of_trait));
    set(&mut desk.state, PHONE, "1");
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.recheck("promo", NOON, later), None);
    set(&mut desk.state, PHONE, "");
    desk.state.traits.retain(|(slot, _)| *slot != PHONE);
    assert_eq!(desk.recheck("promo", NOON, later), Some(Reason::ConditionFailed));

    let mut desk = Desk::new(asks(Expr::Has(Box::new(Expr::Property(OBJECT)))));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.recheck("promo", NOON, later), None, "its event is not at hand any more");
}

#[test]
fn of_two_sends_that_a_tighter_cap_allows_only_one_of_the_first_goes() {
    let build = |n| shop().cap("cap", CapScope::All, rolling(n, "1d")).trigger("promo", |_| {});
    let mut desk = Desk::new(build(2));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let first = desk.last;
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let second = desk.last;
    desk.catalog = build(1).open();
    desk.last = first;
    assert_eq!(desk.recheck("promo", NOON, NOON), None);
    desk.last = second;
    assert_eq!(desk.recheck("promo", NOON, NOON), Some(Reason::Capped));
}

#[test]
fn what_would_be_said_about_a_purpose() {
    let shop = shop()
        .cap("marketing", CapScope::Purpose(MARKETING), rolling(1, "1d"))
        .purpose(SERVICE, |p| p.unknown_zone = UnknownZone::Refuse)
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.propose(MARKETING, NOON), "sent in_app");
    assert!(desk.state.ledger.is_empty(), "asking changes nothing");
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.propose(MARKETING, NOON), "deferred capped until 2026-03-03T12:00");
    assert_eq!(desk.propose(SERVICE, NOON), "sent in_app");
    consent_denied(&mut desk);
    assert_eq!(desk.propose(MARKETING, NOON), "suppressed no_consent");
    assert_eq!(desk.propose(SERVICE, NOON), "suppressed opted_out");
}

#[test]
fn the_customers_page_shows_what_is_left_of_each_cap() {
    let shop = shop()
        .cap("weekly", CapScope::Purpose(MARKETING), rolling(2, "7d"))
        .cap("daily", CapScope::All, calendar(1, Period::Day))
        .cap("gap", CapScope::All, gap("1h"))
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    desk.ask("promo", NOON);
    let left = caps_left(&desk.catalog, &desk.state, at("2026-03-02T14:00"));
    let shown: Vec<_> = left
        .iter()
        .map(|finding| match &finding.detail {
            Detail::Cap { name, used, at_most, free_at, .. } => {
                format!("{name} {used}/{at_most} {}", super::desk::short(free_at.unwrap()))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        ["weekly 1/2 2026-03-02T14:00", "daily 1/1 2026-03-02T23:00", "gap 0/1 2026-03-02T14:00"]
    );
}
