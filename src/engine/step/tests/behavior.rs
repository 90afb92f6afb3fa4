//! Events, counts, silence, sequences, dwell, sessions.

use super::fixture::{catalog, catalog_with};
use super::harness::check;
use crate::engine::policy::CapScope;
use crate::engine::testing::rolling;

#[test]
fn an_event_fires_when_its_clause_and_conditions_hold() {
    check(
        &catalog(&["big_cart", "cancel"]),
        "0s  Checkout cart=99
         1s  Checkout cart=100    -> big_cart sent in_app
         2s  Checkout             
         3s  Cancel
         4s  Ticket
         5s  Cancel               -> cancel sent in_app
         25h Cancel",
    );
}

#[test]
fn an_id_or_a_position_seen_before_changes_nothing() {
    check(
        &catalog(&["big_cart"]),
        "0s  Checkout cart=100    -> big_cart sent in_app
         1s  same_id              -> duplicate
         2s  same_position        -> replayed
         3s  Checkout cart=100    -> big_cart sent in_app",
    );
}

#[test]
fn silence_fires_at_its_deadline_unless_something_comes_before() {
    check(
        &catalog(&["checkout"]),
        "0s    Checkout cart=19
         4m    tick
         10m   Checkout cart=20
         12m   Checkout cart=20
         15m   tick               -> checkout sent in_app
         20m   Checkout cart=20
         22m   Order
         30m   tick
         40m   Checkout cart=20
         43m   Order              -> checkout sent in_app",
    );
}

#[test]
fn conditions_are_asked_when_the_silence_is_over() {
    check(
        &catalog(&["checkout"]),
        "0s   Checkout cart=20
         1m   set ticket=true
         4m   tick
         10m  Checkout cart=20
         11m  set ticket=null
         20m  tick               -> checkout sent in_app at 13m",
    );
}

#[test]
fn silence_is_kept_apart_by_object() {
    check(
        &catalog(&["parcel"]),
        "0s   Scanned id=P1
         1h   Scanned id=P2
         20h  Scanned id=P1
         21h  Delivered id=P2
         40h  tick
         56h  tick               -> parcel sent sms
         57h  Delayed id=P1 hours=30 -> parcel suppressed once_per
         58h  Delayed id=P3 hours=30 -> parcel sent sms
         60h  Scanned id=P4
         61h  Scanned id=P5
         62h  Delivered
         200h tick",
    );
}

#[test]
fn time_in_which_nobody_listened_does_not_count_as_silence() {
    check(
        &catalog(&["checkout"]),
        "0s    Checkout cart=20
         1m    blind 1m 2m
         3m59s tick
         4m    tick              -> checkout sent in_app
         10m   Checkout cart=20
         10m   blind 11m 12m
         10m   blind 13m30s 14m30s
         14m59s tick
         20m   tick              -> checkout sent in_app at 15m",
    );
}

/// The absence is one of three minutes.
#[test]
fn a_silence_of_the_source_counts_once_it_is_too_long_to_be_the_customers() {
    check(
        &catalog(&["checkout"]),
        "0s    Checkout cart=20
         0s    silent 1m on 3m
         3m    tick              -> checkout sent in_app
         10m   Checkout cart=20
         10m   silent 10m on 2m
         12m   tick
         14m   tick
         20m   tick
         20m   silent 10m 20m 2m
         22m59s tick
         23m   tick              -> checkout sent in_app
         30m   Checkout cart=20
         30m   silent 31m 41m 1m
         30m   blind 35m 45m
         46m59s tick
         47m   tick              -> checkout sent in_app",
    );
}

#[test]
fn the_nth_event_within_the_time_fires_and_clears_the_count() {
    check(
        &catalog(&["pricing"]),
        "0s      Pricing
         10m     Pricing
         60m     Pricing         -> pricing sent in_app
         61m     Pricing
         62m     Pricing
         121m1ms Pricing
         122m    Pricing         -> pricing sent in_app",
    );
}

#[test]
fn a_late_event_finds_its_place_among_the_counted() {
    check(
        &catalog(&["pricing"]),
        "61m  Pricing
         62m  Pricing occurred=0s
         63m  Pricing occurred=59m
         64m  Pricing occurred=62m -> pricing sent in_app",
    );
}

#[test]
fn a_sequence_completes_from_the_latest_start_that_can() {
    check(
        &catalog(&["sequence"]),
        "0s    A
         50m   A
         55m   B
         70m   C                 -> sequence sent in_app
         71m   C
         72m   A
         73m   C
         74m   B
         132m1ms C
         140m  A
         141m  B
         142m  B
         200m  C                 -> sequence sent in_app",
    );
}

#[test]
fn any_page_ends_a_dwell() {
    check(
        &catalog(&["dwell"]),
        "0s   page Product
         4m   page Left
         10m  tick
         20m  page Product
         22m  Used
         25m  tick               -> dwell sent in_app
         30m  page Product
         31m  page Product
         36m  tick               -> dwell sent in_app",
    );
}

#[test]
fn sessions_begin_after_idle_and_end_with_it() {
    check(
        &catalog(&["hello", "goodbye"]),
        "0s    Used              -> hello sent in_app
         29m   Used
         58m   Used
         90m   tick              -> goodbye sent in_app at 1h28m
         91m   Used              -> hello sent in_app
         122m  tick
         130m  Used occurred=95m
         131m  Used              -> hello sent in_app",
    );
}

#[test]
fn what_comes_too_late_updates_state_and_never_sends() {
    check(
        &catalog(&["big_cart", "cancel"]),
        "30h  Checkout cart=100 occurred=5h   -> big_cart expired too_old
         31h  Ticket occurred=8h
         31h30m Cancel           -> cancel sent in_app
         32h  Cancel
         34h  import Checkout cart=100",
    );
}

#[test]
fn a_cap_holds_back_what_exceeds_it_and_lets_it_go_in_time() {
    let capped =
        catalog_with(&["big_cart"], |shop| shop.cap("2 per 24h", CapScope::All, rolling(2, "24h")));
    check(
        &capped,
        "0s   Checkout cart=100  -> big_cart sent in_app
         1h   Checkout cart=100  -> big_cart sent in_app
         2h   Checkout cart=100  -> big_cart deferred capped until 1d
         3h   Checkout cart=100  -> big_cart deferred capped until 1d
         30h  tick               -> big_cart sent in_app at 1d; big_cart deferred capped until 1d1h at 1d; big_cart sent in_app at 1d1h",
    );
}
