//! What waits: deferral, release, contradiction, outcomes, erasure, reload.

use super::fixture::{all_quiet, catalog, catalog_with};
use super::harness::{check, check_from};
use crate::engine::policy::CapScope;
use crate::engine::testing::rolling;

#[test]
fn quiet_hours_defer_and_the_morning_releases() {
    let quiet = catalog_with(&["big_cart"], |shop| all_quiet(shop, "22:00-08:00"));
    check_from(
        &quiet,
        "2026-03-02T21:30:00Z",
        "0s   Checkout cart=100  -> big_cart deferred quiet_hours until 9h30m
         1h   tick
         10h  tick               -> big_cart sent in_app at 9h30m",
    );
}
