//! What a step may cost: an event that fires nothing allocates nothing.

use super::fixture::catalog;
use crate::engine::customer::SEEN_MAX;
use crate::engine::decision::Applied;
use crate::engine::input::{Body, Event, Input, Reach, View};
use crate::engine::slot::EventSlot;
use crate::engine::step::step;
use crate::engine::testing::{at, customer};
use crate::engine::time::Span;
use crate::engine::value::Property;

#[test]
fn an_event_that_fires_nothing_allocates_nothing() {
    let catalog = catalog(&["big_cart", "pricing", "cancel", "goodbye", "risk"]);
    let name = |wanted: &str| {
        let index = catalog.events.iter().position(|name| **name == *wanted).unwrap();
        EventSlot(u16::try_from(index).unwrap())
    };
    let names = ["Checkout", "Cancel", "Used", "Order", "Left"].map(name);
    let mut properties = vec![Property::Missing; catalog.properties.len()];
    properties[1] = Property::Num(99.0);
    let mut state = customer("ann");
    let start = at("2026-03-02T09:00");
    let mut send = |number: usize| {
        let id = format!("event-{number}");
        let at = start + Span::SECOND.times(i64::try_from(number).unwrap());
        let event = Event {
            id: &id,
            name: Some(names[number % names.len()]),
            view: View::Other,
            occurred_at: at,
            properties: &properties,
            traits: &[],
            reach: Reach::Live,
        };
        let input = Input { at, position: number as u64 + 1, body: Body::Event(event) };
        let mut decision = None;
        let measured = allocation_counter::measure(|| {
            decision = Some(step(&catalog, &mut state, &input, &[]));
        });
        let decision = decision.unwrap();
        assert_eq!(decision.applied, Applied::Applied);
        assert!(decision.rulings.is_empty(), "{:?}", decision.rulings);
        measured.count_total
    };
    // The first events make room for the timeline, the window of ids and the series.
    let warm = 4 * SEEN_MAX;
    for number in 0..warm {
        send(number);
    }
    let allocations: u64 = (warm..2 * warm).map(&mut send).sum();
    assert_eq!(allocations, 0);
}
