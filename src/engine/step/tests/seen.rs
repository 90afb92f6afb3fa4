//! When a customer was there: imports, absence, what was forgotten and comes again.

use super::fixture::{catalog, catalog_with};
use super::harness::{START, World, check};
use crate::engine::catalog::{Absence, AbsenceScope, EventClause, When};
use crate::engine::customer::{CustomerState, SEEN_MAX};
use crate::engine::slot::EventSlot;
use crate::engine::step::step;
use crate::engine::testing::{at, customer, span};

fn seen(world: &World<'_>, customer: &str) -> (String, String) {
    let state = &world.customers[customer];
    let after = |then| format!("{:?}", then - at(START));
    (after(state.first_seen), after(state.last_seen))
}

#[test]
fn an_import_tells_since_when_and_until_when_a_customer_was_there() {
    let catalog = catalog(&["hello"]);
    let mut world = World::new(&catalog, START);
    assert_eq!(world.line("50h import Checkout occurred=5h"), "");
    assert_eq!(world.line("50h import Checkout occurred=30h"), "");
    assert_eq!(world.line("50h import Checkout occurred=20h"), "");
    let ann = &world.customers["ann"];
    assert!(ann.rare.session.is_none(), "what is imported is no visit");
    assert_eq!(seen(&world, "ann").1, "1d6h");
    world.line("60h Checkout");
    world.line("61h import Checkout occurred=40h");
    assert_eq!(seen(&world, "ann").1, "2d12h");
}

#[test]
fn someone_imported_by_traits_alone_was_not_seen_today() {
    let catalog = catalog(&[]);
    let mut state = CustomerState::new(customer("bob").id, at("2026-03-02T09:00"));
    let mut world = World::new(&catalog, START);
    world.line("0s tick");
    let event = crate::engine::input::Event {
        id: "row 1",
        name: None,
        view: crate::engine::input::View::Other,
        occurred_at: at("2023-05-01T00:00"),
        properties: &[],
        traits: &[],
        reach: crate::engine::input::Reach::Historical,
    };
    let body = crate::engine::input::Body::Event(event);
    let input = crate::engine::input::Input { at: at("2026-03-02T09:00"), position: 1, body };
    step(&catalog, &mut state, &input, &[]);
    assert_eq!(state.first_seen, at("2023-05-01T00:00"));
    assert_eq!(state.last_seen, at("2023-05-01T00:00"));
}

#[test]
fn what_happens_without_the_customer_is_neither_a_visit_nor_seen() {
    let catalog = catalog(&["hello", "big_cart"]);
    let mut world = World::new(&catalog, START);
    world.line("1h Left");
    assert_eq!(world.line("9h absent Checkout cart=100"), "big_cart sent in_app");
    assert_eq!(seen(&world, "ann").1, "1h");
    assert!(
        world.customers["ann"]
            .rare
            .session
            .as_ref()
            .is_none_or(|s| s.last_at < at("2026-03-02T11:00"))
    );
}

#[test]
fn what_was_missing_and_is_imported_came_all_the_same() {
    check(
        &catalog(&["checkout"]),
        "0s   Checkout cart=20
         1m   import Checkout cart=20 occurred=30s
         2m   import Order occurred=1m
         4m   tick
         1h   Checkout cart=20
         61m  import Order occurred=30m
         2h   tick                  -> checkout sent in_app at 1h3m",
    );
}

#[test]
fn two_silences_that_begin_at_one_instant_are_two_causes() {
    let both = catalog_with(&["checkout"], |mut shop| {
        let slot = |name: &str| {
            let index = shop.events.iter().position(|event| &**event == name).unwrap();
            EventSlot(u16::try_from(index).unwrap())
        };
        let clause = |missing: &str, hold: &str| EventClause {
            event: slot("Checkout"),
            filter: None,
            times: None,
            absence: Some(Absence {
                events: Box::new([slot(missing)]),
                scope: AbsenceScope::Named,
                hold: span(hold),
            }),
            affects: None,
        };
        let when = When::Event(Box::new([clause("Order", "3m"), clause("Left", "10m")]));
        shop.triggers[0].when = when;
        shop.triggers[0].conditions = Box::default();
        shop.triggers[0].once_per = None;
        shop
    });
    check(
        &both,
        "0s   Checkout cart=20
         1h   tick               -> checkout sent in_app at 3m; checkout sent in_app at 10m",
    );
}

#[test]
fn what_went_out_does_not_go_out_again_when_its_id_comes_long_after() {
    let catalog = catalog(&["big_cart"]);
    let mut world = World::new(&catalog, START);
    assert_eq!(world.line("0s Checkout cart=100"), "big_cart sent in_app");
    let mut forgetful = world.customers["ann"].clone();
    assert!(forgetful.recent.marks().len() < SEEN_MAX);
    forgetful.recent.set_marks([].into_iter());
    world.customers.insert("ann".to_owned(), forgetful);
    assert_eq!(world.line("1h same_id"), "");
}

#[test]
fn a_send_that_was_overtaken_before_its_call_is_cancelled() {
    check(
        &catalog(&["big_cart"]),
        "0s   Checkout cart=100            -> big_cart sent in_app
         1h   outcome contradicted big_cart -> big_cart cancelled contradicted",
    );
}
