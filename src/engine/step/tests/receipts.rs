//! What providers tell later: it never goes back, and it counts for what comes next.

use super::fixture::{all_quiet, catalog, catalog_with, say};
use super::harness::{World, check, check_from};
use crate::engine::catalog::Catalog;
use crate::engine::input::Told;
use crate::engine::policy::CapScope;
use crate::engine::slot::PurposeSlot;
use crate::engine::testing::{EMAIL, SERVICE, rolling, send};

/// `big_cart` by mail.
fn by_mail() -> Catalog {
    let mut catalog = catalog(&["big_cart"]);
    catalog.triggers[0].action = send(SERVICE, &[EMAIL]);
    say(&mut catalog.triggers[0], "hello");
    catalog
}

fn told(world: &World<'_>) -> Told {
    world.customers["ann"].ledger[0].told
}

#[test]
fn the_most_that_was_told_stands_in_whatever_order_it_comes() {
    let catalog = by_mail();
    for (order, stands) in [
        (&["delivered"][..], Told::Delivered),
        (&["soft_bounced", "delivered"], Told::Delivered),
        (&["delivered", "soft_bounced"], Told::Delivered),
        (&["bounced", "delivered", "opened"], Told::Bounced),
        (&["clicked", "opened", "delivered"], Told::Clicked),
        (&["dismissed", "opened"], Told::Dismissed),
        (&["dismissed", "clicked", "dismissed"], Told::Clicked),
        (&["complained", "unsubscribed", "bounced", "replied"], Told::Complained),
    ] {
        let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
        world.line("0s Checkout cart=100");
        world.line("1s outcome delivered big_cart");
        for what in order {
            assert_eq!(world.line(&format!("2s told {what} big_cart")), "", "no verdict changes");
        }
        assert_eq!(told(&world), stands, "{order:?}");
    }
}

#[test]
fn what_was_told_proves_that_a_send_was_taken() {
    let capped =
        catalog_with(&["big_cart"], |shop| shop.cap("1 per 24h", CapScope::All, rolling(1, "24h")));
    check(
        &capped,
        "0s  Checkout cart=100         -> big_cart sent in_app
         1s  outcome unknown big_cart  -> big_cart unknown outcome_unknown
         2s  told delivered big_cart   -> big_cart sent in_app
         3s  told clicked big_cart
         4s  outcome unknown big_cart",
    );
    // Told before it was known that nothing is known.
    check(
        &capped,
        "0s  Checkout cart=100         -> big_cart sent in_app
         1s  told delivered big_cart
         2s  outcome unknown big_cart
         3s  Checkout cart=100         -> big_cart deferred capped until 1d",
    );
}

#[test]
fn an_address_that_bounced_is_not_written_to_until_there_is_another() {
    check(
        &by_mail(),
        "0s  Checkout cart=100         -> big_cart sent email
         1s  told soft_bounced big_cart
         2s  Checkout cart=100         -> big_cart sent email
         3s  told bounced big_cart
         4s  Checkout cart=100         -> big_cart suppressed unreachable
         5s  set email=Ann@Shop.example
         6s  Checkout cart=100         -> big_cart suppressed unreachable
         7s  set email=new@shop.example
         8s  Checkout cart=100         -> big_cart sent email",
    );
    // It went to an address that she does not have any more.
    check(
        &by_mail(),
        "0s  Checkout cart=100         -> big_cart sent email
         1s  told bounced big_cart old@shop.example
         2s  Checkout cart=100         -> big_cart sent email",
    );
}

#[test]
fn a_no_told_by_the_provider_holds() {
    check(
        &by_mail(),
        "0s  Checkout cart=100         -> big_cart sent email
         1s  told unsubscribed big_cart
         2s  Checkout cart=100         -> big_cart suppressed opted_out",
    );
    let catalog = by_mail();
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s told complained big_cart");
    // Told twice, it is one complaint.
    world.line("2s told complained big_cart");
    assert_eq!(world.unwanted, ["big_cart complained"]);
    let consents = &world.customers["ann"].rare.consents;
    let no = consents.last().unwrap();
    assert_eq!((no.purpose, no.channel), (None, Some(EMAIL)), "of whatever purpose, by mail");
    assert!(no.source.starts_with("complaint about "), "{}", no.source);
}

#[test]
fn a_no_in_answer_to_a_message_counts_against_what_wrote_it_once() {
    let catalog = by_mail();
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s consent no");
    assert!(world.unwanted.is_empty(), "it is about no message");
    world.line("2s consent no big_cart");
    world.line("3s consent no big_cart");
    world.line("4s told unsubscribed big_cart");
    assert_eq!(world.unwanted, ["big_cart unsubscribed"]);
    assert_eq!(world.customers["ann"].ledger[0].told, Told::Unsubscribed);
    // It reaches as far as was said, and the receipt no further than its channel.
    let consents = &world.customers["ann"].rare.consents;
    let about: Vec<_> = consents.iter().map(|no| (no.purpose, no.channel)).collect();
    assert_eq!(about.first(), Some(&(Some(PurposeSlot(0)), None)));
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s consent yes big_cart");
    assert!(world.unwanted.is_empty(), "a yes is no harm");
}

#[test]
fn who_answers_with_a_word_to_stop_hears_nothing_more_on_that_channel_also_of_what_waits() {
    check(
        &by_mail(),
        "0s  Checkout cart=100         -> big_cart sent email
         1s  told replied big_cart not-now
         2s  Checkout cart=100         -> big_cart sent email
         3s  told replied big_cart 退订。
         4s  Checkout cart=100         -> big_cart suppressed opted_out",
    );
    let night = catalog_with(&["big_cart"], |shop| {
        let mut shop = all_quiet(shop, "22:00-08:00");
        shop.triggers[0].action = send(SERVICE, &[EMAIL]);
        shop
    });
    check_from(
        &night,
        "2026-03-02T20:58:00Z",
        "0s   Checkout cart=100        -> big_cart sent email
         2m   Checkout cart=100        -> big_cart deferred quiet_hours until 10h2m
         3m   told replied big_cart STOP
         11h  tick                     -> big_cart suppressed opted_out at 10h2m",
    );
}

#[test]
fn what_comes_twice_or_of_nothing_of_ours_changes_nothing() {
    let catalog = by_mail();
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s told bounced big_cart");
    let before = world.customers["ann"].rare.clone();
    for _ in 0..40 {
        world.line("2s told bounced big_cart");
    }
    assert_eq!(world.customers["ann"].rare.bounced, before.bounced);
}
