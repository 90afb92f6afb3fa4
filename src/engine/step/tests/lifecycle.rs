//! Dates and calendars on the customer's wall clock.

use super::fixture::catalog;
use super::harness::{World, check, check_from};
use crate::engine::testing::at;

#[test]
fn a_date_is_approached_in_the_customers_zone() {
    // Amsterdam is an hour ahead of UTC, New York five behind.
    check_from(
        &catalog(&["renewal"]),
        "2026-01-10T00:00:00Z",
        "0s    set renews=2026-01-20
         5d    tick              -> renewal sent email at 3d9h
         6d    set timezone=America/New_York
         10d   tick              -> renewal sent email at 9d15h",
    );
}

#[test]
fn a_date_that_moves_is_waited_for_anew_and_none_is_decided_twice() {
    check_from(
        &catalog(&["renewal"]),
        "2026-01-10T00:00:00Z",
        "0s     set renews=2026-01-20
         1d     set renews=2026-01-25
         3d12h  tick
         8d10h  tick             -> renewal sent email at 8d9h
         8d11h  set timezone=America/New_York
         8d20h  tick
         9d     set renews=null
         20d    tick",
    );
}

#[test]
fn dates_keep_their_local_time_over_daylight_saving() {
    // Amsterdam springs forward on 29 March 2026.
    check_from(
        &catalog(&["renewal"]),
        "2026-03-20T00:00:00Z",
        "0s   set renews=2026-03-30
         30d  tick               -> renewal sent email at 3d9h; renewal sent email at 9d8h",
    );
}

#[test]
fn a_calendar_comes_round_in_the_customers_zone() {
    // 2026-03-20 is a Friday.
    check_from(
        &catalog(&["weekly"]),
        "2026-03-20T00:00:00Z",
        "0s   tick
         15d  tick               -> weekly sent email at 3d8h; weekly sent email at 10d7h",
    );
}

#[test]
fn whoever_travels_west_lives_through_a_local_time_once() {
    check(
        &catalog(&["weekly"]),
        "0s     tick
         6d23h  tick             -> weekly sent email
         7d     set timezone=America/New_York
         7d10h  tick
         14d10h tick             -> weekly sent email at 14d4h",
    );
}

#[test]
fn a_date_decided_before_is_not_waited_for_again() {
    let catalog = catalog(&["renewal"]);
    let mut world = World::new(&catalog, "2026-01-10T00:00:00Z");
    world.line("0s set renews=2026-01-18");
    assert_eq!(world.line("1d10h tick"), "renewal sent email at 1d9h");
    world.line("1d11h set timezone=America/New_York");
    let due: Vec<_> = world.customers["ann"].timers.iter().map(|timer| timer.due).collect();
    assert_eq!(due, [at("2026-01-17T15:00")]);
}
