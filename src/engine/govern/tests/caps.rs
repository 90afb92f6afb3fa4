//! Caps and gaps: who holds them, when they are free again, what becomes of what they stop.

use super::desk::{Desk, rejected, unknown};
use crate::engine::customer::ContactKind;
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::policy::{CapScope, OnCap, Period};
use crate::engine::testing::{
    EMAIL, IN_APP, MARKETING, SERVICE, SMS, TRANSACTIONAL, WEEKLY, at, calendar, gap, rolling,
    send, send_with, shop, slot_of, span,
};

const NOON: &str = "2026-03-02T12:00";

#[test]
fn a_full_cap_names_its_holders_and_its_next_free_instant() {
    let mut desk = Desk::new(
        shop()
            .cap("marketing 2 per 7d", CapScope::Purpose(MARKETING), rolling(2, "7d"))
            .trigger("a", |_| {})
            .trigger("b", |_| {})
            .trigger("c", |_| {}),
    );
    assert_eq!(desk.ask("a", "2026-03-02T09:12"), "sent email");
    assert_eq!(desk.ask("b", "2026-03-04T18:03"), "sent email");
    assert_eq!(desk.ask("c", "2026-03-05T10:00"), "deferred capped until 2026-03-09T09:12");
    let findings = desk.findings("c", "2026-03-05T10:00");
    assert_eq!(
        desk.why(&findings),
        ["caps: marketing 2 per 7d 2/2 held by a 2026-03-02T09:12, b 2026-03-04T18:03; \
          free 2026-03-09T09:12"]
    );
    assert_eq!(desk.ask("c", "2026-03-09T09:11"), "deferred capped until 2026-03-09T09:12");
    assert_eq!(desk.ask("c", "2026-03-09T09:12"), "sent email");
}

#[test]
fn a_calendar_cap_is_free_again_when_the_period_begins_where_the_customer_is() {
    for (period, free) in [
        (Period::Day, "2026-03-04T23:00"),
        (Period::Week, "2026-03-08T23:00"),
        (Period::Month, "2026-03-31T22:00"), // summer time has begun
    ] {
        let shop = shop()
            .cap("one", CapScope::All, calendar(1, period))
            .purpose(MARKETING, |p| p.expires_after = span("60d"))
            .trigger("promo", |_| {});
        let mut desk = Desk::new(shop);
        assert_eq!(desk.ask("promo", "2026-03-04T12:00"), "sent email");
        assert_eq!(desk.ask("promo", "2026-03-04T13:00"), format!("deferred capped until {free}"));
        assert_eq!(desk.ask("promo", free), "sent email");
    }
}

#[test]
fn a_gap_counts_from_the_last_contact() {
    let shop = shop().cap("gap 4h", CapScope::All, gap("4h")).trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    for (when, told) in [
        ("2026-03-02T12:00", "sent email"),
        ("2026-03-02T15:59", "deferred capped until 2026-03-02T16:00"),
        ("2026-03-02T16:00", "sent email"),
        ("2026-03-02T17:00", "deferred capped until 2026-03-02T20:00"),
    ] {
        assert_eq!(desk.ask("promo", when), told, "{when}");
    }
}

#[test]
fn a_cap_of_nothing_allows_nothing() {
    for limit in [rolling(0, "7d"), calendar(0, Period::Day)] {
        let shop = shop().cap("none", CapScope::All, limit).trigger("promo", |_| {});
        let mut desk = Desk::new(shop);
        assert_eq!(desk.ask("promo", NOON), "suppressed capped");
        let findings = desk.findings("promo", NOON);
        assert_eq!(desk.why(&findings), ["caps: none 0/0 held by ; free never"]);
    }
}

#[test]
fn each_scope_counts_its_own() {
    let build = |scope| {
        Desk::new(
            shop()
                .cap("one", scope, rolling(1, "7d"))
                .trigger("a-mail", |t| t.action = send(SERVICE, &[EMAIL]))
                .trigger("b-popup", |t| t.action = send(SERVICE, &[IN_APP]))
                .trigger("c-promo", |t| t.tags = 1 << WEEKLY.0)
                .trigger("d-promo", |t| t.tags = 1 << WEEKLY.0),
        )
    };
    let first = slot_of(&build(CapScope::All).catalog, "a-mail");
    for (scope, free) in [
        (CapScope::All, ["a-mail", "", "", "", ""]),
        (CapScope::Purpose(SERVICE), ["a-mail", "", "c-promo", "d-promo", ""]),
        (CapScope::Channel(EMAIL), ["a-mail", "b-popup", "", "", ""]),
        (CapScope::Trigger(first), ["a-mail", "b-popup", "c-promo", "d-promo", ""]),
        (CapScope::Tag(WEEKLY), ["a-mail", "b-popup", "c-promo", "", "a-mail"]),
    ] {
        let mut desk = build(scope);
        for (trigger, free) in
            ["a-mail", "b-popup", "c-promo", "d-promo", "a-mail"].iter().zip(free)
        {
            let told = desk.ask(trigger, NOON);
            assert_eq!(told.starts_with("sent"), !free.is_empty(), "{scope:?} {trigger}: {told}");
        }
    }
}

#[test]
fn tags_and_purpose_count_as_they_were_when_the_contact_was_made() {
    let tagged = |tags| {
        shop()
            .cap("weekly", CapScope::Tag(WEEKLY), rolling(1, "6d"))
            .trigger("a", move |t| t.tags = tags)
            .trigger("b", |t| t.tags = 1 << WEEKLY.0)
    };
    let mut desk = Desk::new(tagged(1 << WEEKLY.0));
    assert_eq!(desk.ask("a", NOON), "sent email");
    // A reload takes the tag off the trigger, not off the contact.
    desk.catalog = tagged(0).open();
    assert_eq!(desk.ask("b", NOON), "deferred capped until 2026-03-08T12:00");
}

#[test]
fn exempt_purposes_neither_count_nor_are_held() {
    let shop = shop()
        .cap("one", CapScope::All, rolling(1, "7d"))
        .trigger("receipt", |t| t.action = send(TRANSACTIONAL, &[EMAIL]))
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("receipt", NOON), "sent email");
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("receipt", NOON), "sent email");
}

#[test]
fn what_a_cap_does_can_be_said_by_the_cap_and_otherwise_by_the_trigger() {
    let said = |by_cap, by_trigger| {
        let shop = shop().cap_that(by_cap, "one", CapScope::All, rolling(1, "1d"));
        let mut desk = Desk::new(shop.trigger("promo", |t| {
            t.action = send_with(MARKETING, &[EMAIL], |send| send.on_cap = by_trigger);
        }));
        assert_eq!(desk.ask("promo", NOON), "sent email");
        desk.ask("promo", NOON)
    };
    let deferred = "deferred capped until 2026-03-03T12:00";
    assert_eq!(said(OnCap::Defer, None), deferred);
    assert_eq!(said(OnCap::Drop, None), "suppressed capped");
    assert_eq!(said(OnCap::Drop, Some(OnCap::Defer)), deferred);
    assert_eq!(said(OnCap::Defer, Some(OnCap::Drop)), "suppressed capped");
}

#[test]
fn what_waits_anyway_is_not_dropped_before_the_wait_is_over() {
    let shop = shop()
        .quiet("22:00-08:00")
        .cap_that(OnCap::Drop, "daily", CapScope::All, calendar(1, Period::Day))
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let night = "2026-03-02T22:30";
    assert_eq!(desk.ask("promo", night), "deferred quiet_hours until 2026-03-03T07:00");
    assert_eq!(desk.ask("promo", "2026-03-02T13:00"), "suppressed capped");
    assert_eq!(desk.release("promo", night, "2026-03-03T07:00"), "sent email");
}

#[test]
fn a_cap_that_drops_does_not_lengthen_a_wait() {
    let shop = shop()
        .quiet("22:00-08:00")
        .cap_that(OnCap::Drop, "daily", CapScope::All, rolling(1, "1d"))
        .trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", NOON), "sent email");
    let night = "2026-03-02T22:30";
    assert_eq!(desk.ask("promo", night), "deferred quiet_hours until 2026-03-03T07:00");
    assert_eq!(desk.release("promo", night, "2026-03-03T07:00"), "suppressed capped");
}

#[test]
fn the_reason_is_the_rule_that_holds_it_longest_now() {
    let shop =
        shop().quiet("22:00-08:00").cap("gap", CapScope::All, gap("11h")).trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", "2026-03-02T20:30"), "sent email");
    // Quiet until 07:00, the gap until 07:30.
    assert_eq!(desk.ask("promo", "2026-03-02T22:00"), "deferred capped until 2026-03-03T07:30");
    let findings = desk.findings("promo", "2026-03-02T22:00");
    assert_eq!(
        desk.why(&findings),
        [
            "quiet_hours: 2026-03-02T23:00:00 until 2026-03-03T07:00",
            "caps: gap 1/1 held by promo 2026-03-02T20:30; free 2026-03-03T07:30",
        ]
    );
}

#[test]
fn a_cap_that_ends_at_night_is_waited_out_until_the_morning() {
    let shop =
        shop().quiet("22:00-08:00").cap("gap", CapScope::All, gap("12h")).trigger("promo", |_| {});
    let mut desk = Desk::new(shop);
    assert_eq!(desk.ask("promo", "2026-03-02T10:00"), "sent email");
    assert_eq!(desk.ask("promo", NOON), "deferred capped until 2026-03-03T07:00");
}

#[test]
fn what_would_be_free_too_late_expires_right_away() {
    let shop = |live| {
        shop().cap("one", CapScope::All, rolling(1, "7d")).trigger("promo", move |t| {
            t.action = send_with(MARKETING, &[EMAIL], |send| send.expires_after = Some(span(live)));
        })
    };
    let mut desk = Desk::new(shop("7d"));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("promo", NOON), "expired expired", "free just when it expires");
    let findings = desk.findings("promo", NOON);
    assert_eq!(
        desk.why(&findings),
        ["caps: one 1/1 held by promo 2026-03-02T12:00; free 2026-03-09T12:00"]
    );
    let mut desk = Desk::new(shop("7d1s"));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.ask("promo", NOON), "deferred capped until 2026-03-09T12:00");
}

#[test]
fn a_certain_failure_frees_the_cap_and_the_rest_and_an_unknown_outcome_does_not() {
    let build = || {
        Desk::new(shop().cap("one", CapScope::All, rolling(1, "1d")).trigger("promo", |t| {
            t.once_per = Some(span("1d"));
        }))
    };
    let refused = Delivery::Refused { reason: Reason::OptedOut, detail: None };
    for delivery in [rejected(), Delivery::Expired, refused] {
        let mut desk = build();
        assert_eq!(desk.ask("promo", NOON), "sent email");
        assert_eq!(desk.ask("promo", NOON), "suppressed once_per");
        let asked = desk.judge(&[("promo", None)], at(NOON));
        assert_eq!(asked.len(), 1);
        // The send that failed is the first, not what was refused after it.
        desk.last =
            Some(DecisionId::derive(&desk.catalog.triggers[0].id, &desk.state.id, "event-1"));
        desk.settle(&delivery);
        assert!(desk.state.ledger.is_empty(), "{delivery:?}");
        assert_eq!(desk.ask("promo", NOON), "sent email", "{delivery:?}");
    }
    for (delivery, kind) in
        [(unknown(), ContactKind::Unknown), (Delivery::Delivered, ContactKind::Sent)]
    {
        let mut desk = build();
        assert_eq!(desk.ask("promo", NOON), "sent email");
        desk.settle(&delivery);
        assert_eq!(desk.state.ledger[0].kind, kind);
        desk.settle(&rejected());
        assert_eq!(desk.state.ledger[0].kind, kind, "a later failure releases nothing");
        assert_eq!(desk.ask("promo", NOON), "suppressed once_per");
    }
}

#[test]
fn a_full_channel_is_left_for_the_next_that_has_room() {
    let store = shop()
        .trigger("both", |t| t.action = send(SERVICE, &[SMS, EMAIL]))
        .cap_that(OnCap::NextChannel, "one sms", CapScope::Channel(SMS), rolling(1, "1d"))
        .cap_that(OnCap::Defer, "one mail", CapScope::Channel(EMAIL), rolling(1, "6h"));
    let mut desk = Desk::new(store);
    assert_eq!(desk.ask("both", "2026-03-02T12:00"), "sent sms");
    assert_eq!(desk.ask("both", "2026-03-02T13:00"), "sent email");
    // Both are full: it waits for whichever is free first.
    assert_eq!(desk.ask("both", "2026-03-02T14:00"), "deferred capped until 2026-03-02T19:00");
    assert_eq!(desk.release("both", "2026-03-02T14:00", "2026-03-02T19:00"), "sent email");
    let why = desk.findings("both", "2026-03-03T11:00");
    assert_eq!(
        desk.why(&why)[0],
        "caps: one sms 1/1 held by both 2026-03-02T12:00; free 2026-03-03T12:00"
    );
}
