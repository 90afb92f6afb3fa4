//! From channel to channel: what goes on, what does not, and that it counts once.

use super::fixture::{catalog_with, say};
use super::harness::{World, check};
use crate::engine::catalog::{Catalog, FallBack, Sending};
use crate::engine::decision::Detail;
use crate::engine::policy::CapScope;
use crate::engine::testing::{EMAIL, IN_APP, SERVICE, SMS, Shop, rolling, send_with, span};

/// `big_cart` by mail, else by SMS, else in the app.
fn ladder(fall_back: FallBack, change: impl FnOnce(Shop) -> Shop) -> Catalog {
    let mut catalog = catalog_with(&["big_cart"], change);
    catalog.triggers[0].action = send_with(SERVICE, &[EMAIL, SMS, IN_APP], |send| {
        send.fall_back = Some(fall_back);
        send.expires_after = Some(span("12h"));
    });
    say(&mut catalog.triggers[0], "hello");
    catalog
}

fn refused(change: impl FnOnce(Shop) -> Shop) -> Catalog {
    ladder(FallBack::Refused, change)
}

#[test]
fn what_a_channel_refused_goes_to_the_next_until_none_is_left() {
    check(
        &refused(|shop| shop),
        "0s  Checkout cart=100          -> big_cart sent email
         1s  outcome rejected big_cart  -> big_cart suppressed rejected; big_cart sent sms
         2s  outcome refused big_cart   -> big_cart suppressed opted_out; big_cart sent in_app
         3s  outcome rejected big_cart  -> big_cart suppressed rejected",
    );
}

#[test]
fn what_may_have_arrived_or_is_overtaken_goes_nowhere() {
    check(
        &refused(|shop| shop),
        "0s  Checkout cart=100              -> big_cart sent email
         1s  outcome unknown big_cart       -> big_cart unknown outcome_unknown
         2s  outcome rejected big_cart
         3s  Checkout cart=100              -> big_cart sent email
         4s  outcome contradicted big_cart  -> big_cart cancelled contradicted
         5s  Checkout cart=100              -> big_cart sent email
         6s  outcome expired big_cart       -> big_cart expired expired
         7s  Checkout cart=100              -> big_cart sent email
         8s  outcome delivered big_cart
         13h tick",
    );
}

#[test]
fn every_rule_is_asked_anew_and_one_that_did_not_arrive_fills_no_cap() {
    // One a day of all: the mail that was refused leaves room for the SMS, and the SMS counts.
    let capped = refused(|shop| shop.cap("1 per 24h", CapScope::All, rolling(1, "24h")));
    check(
        &capped,
        "0s  Checkout cart=100          -> big_cart sent email
         1s  outcome rejected big_cart  -> big_cart suppressed rejected; big_cart sent sms
         2s  Checkout cart=100          -> big_cart expired expired",
    );
    // Two caps: there is room for the mail, and none for another SMS in this time.
    let full = refused(|shop| shop.cap("1 sms", CapScope::Channel(SMS), rolling(1, "2h")));
    check(
        &full,
        "0s   Checkout cart=100          -> big_cart sent email
         1s   outcome rejected big_cart  -> big_cart suppressed rejected; big_cart sent sms
         2s   outcome delivered big_cart
         1h   Checkout cart=100          -> big_cart sent email
         61m  outcome rejected big_cart  -> big_cart suppressed rejected; big_cart deferred capped until 2h1s
         3h   tick                       -> big_cart sent sms at 2h1s
         4h   outcome rejected big_cart  -> big_cart suppressed rejected; big_cart sent in_app",
    );
    check(
        &refused(|shop| shop),
        "0s   set phone=
         1s   Checkout cart=100          -> big_cart sent email
         2s   outcome rejected big_cart  -> big_cart suppressed rejected; big_cart sent in_app",
    );
}

#[test]
fn what_came_back_is_no_contact_and_goes_on() {
    let catalog = refused(|shop| shop.cap("1 per 24h", CapScope::All, rolling(1, "24h")));
    check(
        &catalog,
        "0s  Checkout cart=100          -> big_cart sent email
         1s  outcome delivered big_cart
         2h  told soft_bounced big_cart
         3h  told bounced big_cart      -> big_cart suppressed rejected; big_cart sent sms
         4h  told bounced big_cart      -> big_cart suppressed rejected; big_cart sent in_app
         5h  told bounced big_cart
         6h  Checkout cart=100          -> big_cart expired expired",
    );
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s outcome delivered big_cart");
    world.line("13h tick");
    assert_eq!(world.line("14h told bounced big_cart"), "", "it is too late to go on");
    assert_eq!(world.customers["ann"].ledger.len(), 1, "and it stays on record");
}

#[test]
fn without_a_sign_in_time_it_goes_on_and_what_was_sent_counts() {
    let silent = ladder(FallBack::Silent(span("2h")), |shop| shop);
    check(
        &silent,
        "0s   Checkout cart=100           -> big_cart sent email
         1s   outcome delivered big_cart
         3h   tick                        -> big_cart sent sms at 2h
         181m outcome delivered big_cart
         182m told delivered big_cart
         9h   tick",
    );
    // It is still on its way: two at once would be one too many.
    check(
        &silent,
        "0s   Checkout cart=100           -> big_cart sent email
         3h   tick
         200m outcome unknown big_cart    -> big_cart unknown outcome_unknown
         5h   tick                        -> big_cart sent sms at 4h
         6h   outcome rejected big_cart   -> big_cart suppressed rejected; big_cart sent in_app",
    );
    let capped = ladder(FallBack::Silent(span("2h")), |shop| {
        shop.cap("1 per 3h", CapScope::All, rolling(1, "3h"))
    });
    check(
        &capped,
        "0s   Checkout cart=100           -> big_cart sent email
         1s   outcome delivered big_cart
         150m tick                        -> big_cart deferred capped until 3h at 2h
         4h   tick                        -> big_cart sent sms at 3h",
    );
}

#[test]
fn the_rest_of_its_trigger_holds_back_others_and_not_itself() {
    for (fall_back, from_mail) in [
        (FallBack::Refused, "1s outcome rejected big_cart"),
        (FallBack::Silent(span("2h")), "3h tick"),
    ] {
        let mut catalog = ladder(fall_back, |shop| shop);
        catalog.triggers[0].once_per = Some(span("10d"));
        let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
        world.line("0s Checkout cart=100");
        if fall_back != FallBack::Refused {
            world.line("1s outcome delivered big_cart");
        }
        let told = world.line(from_mail);
        assert!(told.contains("big_cart sent sms"), "{told}");
        let told = world.line("4h Checkout cart=100");
        assert_eq!(told, "big_cart suppressed once_per");
    }
}

#[test]
fn its_conditions_have_to_hold_still_and_its_absence() {
    let mut catalog = catalog_with(&["checkout"], |shop| shop);
    catalog.triggers[0].action = send_with(SERVICE, &[EMAIL, SMS], |send| {
        send.fall_back = Some(FallBack::Silent(span("2h")));
    });
    say(&mut catalog.triggers[0], "hello");
    check(
        &catalog,
        "0s   Checkout cart=80
         3m   tick                       -> checkout sent email
         4m   outcome delivered checkout
         5m   Order
         5h   tick",
    );
    check(
        &catalog,
        "0s   Checkout cart=80
         3m   tick                       -> checkout sent email
         4m   set ticket=true
         5m   outcome rejected checkout  -> checkout suppressed rejected; checkout cancelled condition_failed",
    );
}

#[test]
fn it_is_told_where_it_was() {
    let catalog = refused(|shop| shop);
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    world.line("1s outcome rejected big_cart");
    let (first, next) = (&world.sent[0], &world.sent[1]);
    assert_ne!(first.decision, next.decision, "another call has another id");
    assert_eq!(next.expires_at, first.expires_at, "its time is that of the whole outreach");
    let ruling = world.last_ruling.clone().unwrap();
    assert_eq!(&*ruling.occurrence, format!("fallback:1:{}", first.decision));
    let told = ruling.findings.iter().find_map(|finding| match &finding.detail {
        Detail::Text(text) => Some(text.to_string()),
        _ => None,
    });
    let told = told.unwrap();
    assert!(told.contains("from `email`") && told.contains(&first.decision.to_string()), "{told}");
}

#[test]
fn a_rehearsal_goes_nowhere() {
    let mut catalog = ladder(FallBack::Silent(span("2h")), |shop| shop);
    catalog.sending = Sending::DryRun;
    let mut world = World::new(&catalog, "2026-03-02T12:00:00Z");
    world.line("0s Checkout cart=100");
    assert_eq!(world.line("5h tick"), "");
    assert!(
        world.customers["ann"].rare.rungs.is_empty() && world.customers["ann"].timers.is_empty()
    );
}
