//! What waits: deferral, release, contradiction, outcomes, erasure, reload.

use super::fixture::{all_quiet, catalog, catalog_with};
use super::harness::{World, check, check_from};
use crate::engine::catalog::{Catalog, TriggerState};
use crate::engine::policy::{CapScope, OnCap};
use crate::engine::slot::TriggerSlot;
use crate::engine::step::bind;
use crate::engine::testing::rolling;

/// Two minutes before the quiet hours of Amsterdam begin.
const EVENING: &str = "2026-03-02T20:58:00Z";

fn quiet(names: &[&str]) -> Catalog {
    catalog_with(names, |shop| all_quiet(shop, "22:00-08:00"))
}

#[test]
fn quiet_hours_defer_and_the_morning_releases() {
    check_from(
        &quiet(&["big_cart"]),
        EVENING,
        "0s   Checkout cart=100   -> big_cart sent in_app
         2m   Checkout cart=100   -> big_cart deferred quiet_hours until 10h2m
         1h   tick
         11h  tick                -> big_cart sent in_app at 10h2m",
    );
}

#[test]
fn what_was_missing_and_comes_after_all_contradicts_what_waits() {
    check_from(
        &quiet(&["checkout"]),
        EVENING,
        "0s   Checkout cart=20
         3m   tick                -> checkout deferred quiet_hours until 10h2m
         1h   Order               -> checkout cancelled contradicted
         11h  tick",
    );
}

#[test]
fn what_came_before_the_silence_began_contradicts_nothing() {
    check_from(
        &quiet(&["checkout"]),
        EVENING,
        "1h    Checkout cart=20
         1h1m  Order occurred=59m
         1h5m  tick               -> checkout deferred quiet_hours until 10h2m at 1h3m
         1h6m  Order occurred=58m
         1h7m  Order occurred=61m -> checkout cancelled contradicted
         2h    Order
         3h    Checkout cart=20 occurred=119m
         4h    tick",
    );
}

#[test]
fn only_the_object_that_moved_is_contradicted() {
    check_from(
        &quiet(&["parcel"]),
        "2026-03-01T11:00:00Z",
        "0s    Scanned id=P1
         1h    Scanned id=P2
         38h   tick               -> parcel deferred quiet_hours until 1d20h at 1d12h; parcel deferred quiet_hours until 1d20h at 1d13h
         38h1m Scanned id=P1      -> parcel cancelled contradicted
         45h   tick               -> parcel sent sms at 1d20h",
    );
}

#[test]
fn a_condition_that_fails_meanwhile_cancels() {
    check_from(
        &quiet(&["checkout"]),
        EVENING,
        "0s   Checkout cart=20
         3m   tick                -> checkout deferred quiet_hours until 10h2m
         1h   set ticket=true
         11h  tick                -> checkout cancelled condition_failed at 10h2m",
    );
}

#[test]
fn a_no_said_meanwhile_is_heard_at_release() {
    check_from(
        &quiet(&["checkout"]),
        EVENING,
        "0s   Checkout cart=20
         3m   tick                -> checkout deferred quiet_hours until 10h2m
         1h   consent no
         11h  tick                -> checkout suppressed opted_out at 10h2m",
    );
}

#[test]
fn a_copy_of_an_old_yes_does_not_undo_a_no() {
    check(
        &catalog(&["checkout"]),
        "0s   set consent={marketing:true}
         1s   consent no
         2s   set consent={marketing:true,service:true}
         3s   Checkout cart=20
         4m   tick                -> checkout suppressed opted_out at 3m3s
         5m   set consent={marketing:false}
         6m   set consent={marketing:true}
         7m   Checkout cart=20
         11m  tick                -> checkout sent in_app at 10m",
    );
}

#[test]
fn a_pause_defers_and_what_would_come_too_late_expires() {
    check(
        &catalog(&["big_cart"]),
        "0s    pause 168h
         1s    Checkout cart=100  -> big_cart deferred paused until 7d
         2s    pause 169h
         3s    Checkout cart=100  -> big_cart expired expired
         200h  tick               -> big_cart expired expired at 7d",
    );
}

#[test]
fn outcomes_confirm_or_replace_the_verdict() {
    let capped =
        catalog_with(&["big_cart"], |shop| shop.cap("1 per 24h", CapScope::All, rolling(1, "24h")));
    check(
        &capped,
        "0s  Checkout cart=100    -> big_cart sent in_app
         1s  outcome rejected big_cart -> big_cart suppressed rejected
         2s  Checkout cart=100    -> big_cart sent in_app
         3s  outcome unknown big_cart  -> big_cart unknown outcome_unknown
         4s  outcome rejected big_cart
         5s  outcome delivered big_cart -> big_cart sent in_app
         6s  outcome rejected big_cart
         1h  Checkout cart=100    -> big_cart deferred capped until 1d2s
         25h tick                 -> big_cart sent in_app at 1d2s
         26h outcome expired big_cart -> big_cart expired expired
         26h Checkout cart=100    -> big_cart sent in_app
         27h outcome refused big_cart -> big_cart suppressed opted_out",
    );
}

#[test]
fn erasure_cancels_what_waits_and_nothing_comes_back() {
    check_from(
        &quiet(&["checkout", "renewal", "hello"]),
        EVENING,
        "0s   Checkout cart=20    -> hello sent in_app
         0s   set renews=2026-03-20
         3m   tick                -> checkout deferred quiet_hours until 10h2m
         4m   Checkout cart=20
         5m   erase               -> checkout cancelled erased
         6m   same_position       -> replayed
         400h tick",
    );
}

#[test]
fn a_disabled_trigger_is_judged_and_suppressed() {
    let disabled = catalog_with(&["big_cart"], |mut shop| {
        shop.triggers[0].state = TriggerState::Disabled;
        shop
    });
    check(&disabled, "0s  Checkout cart=100 -> big_cart suppressed disabled");
}

#[test]
fn of_what_fires_together_for_one_purpose_the_first_by_priority_goes_on() {
    let both = catalog_with(&["big_cart", "help_and_offer"], |mut shop| {
        for trigger in &mut shop.triggers {
            trigger.action = crate::engine::testing::send(
                crate::engine::testing::MARKETING,
                &[crate::engine::testing::IN_APP],
            );
        }
        shop.triggers[1].priority = 5;
        shop
    });
    check(
        &both,
        "0s  Checkout cart=100 -> big_cart suppressed outranked; help_and_offer sent in_app",
    );
}

#[test]
fn what_waits_for_a_trigger_that_is_gone_is_cancelled_with_the_next_input() {
    let catalog = quiet(&["big_cart"]);
    let mut world = World::new(&catalog, EVENING);
    assert_eq!(world.line("1h Checkout cart=100"), "big_cart deferred quiet_hours until 10h2m");
    let ann = world.customers.get_mut("ann").unwrap();
    ann.rare.waiting[0].trigger = TriggerSlot(u16::MAX);
    let now = ann.now;
    bind(&catalog, ann, now);
    assert_eq!(world.line("2h tick"), "(gone) cancelled trigger_removed at 1h");
}

#[test]
fn late_waits_never_begin_and_late_answers_still_end_them() {
    check(
        &catalog(&["checkout"]),
        "30h   Checkout cart=20 occurred=1h
         31h   tick
         32h   Checkout cart=20
         32h1m Order occurred=1920m
         33h   tick",
    );
}

#[test]
fn what_waits_for_the_same_cap_with_a_lower_priority_gives_way() {
    let capped = |on_cap| {
        catalog_with(&["big_cart", "checkout"], |shop| {
            let mut shop = shop.cap_that(on_cap, "one a day", CapScope::All, rolling(1, "1d"));
            for trigger in &mut shop.triggers {
                trigger.priority = i32::from(trigger.id.as_str() == "big_cart");
            }
            shop
        })
    };
    check(
        &capped(OnCap::ReplaceLower),
        "0s   Checkout cart=100  -> big_cart sent in_app
         3m   tick               -> checkout deferred capped until 1d
         1h   Checkout cart=100  -> checkout suppressed outranked; big_cart deferred capped until 1d
         1h3m tick               -> checkout deferred capped until 1d
         1d1h tick               -> big_cart sent in_app at 1d; checkout deferred capped until 2d at 1d",
    );
}
