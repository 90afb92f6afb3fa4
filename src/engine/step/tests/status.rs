//! Traits that change, scores that cross, incidents that concern many.

use super::fixture::{catalog, catalog_of_health};
use super::harness::{World, check};

#[test]
fn a_trait_fires_when_it_changes_as_declared() {
    check(
        &catalog(&["upgrade"]),
        "0s  set plan=team
         1s  set plan=trial
         2s  set plan=trial
         3s  set plan=team       -> upgrade sent in_app
         4s  set plan=trial
         5s  set plan=null       -> upgrade sent in_app",
    );
}

#[test]
fn a_score_fires_once_per_crossing_and_rearms_below() {
    check(
        &catalog(&["risk"]),
        "0s  set tier=vip
         1s  score 0.55
         2s  score 0.74          -> risk task
         3s  score 0.69
         4s  score 0.75
         5s  score 0.6
         6s  score 0.8
         7s  score 0.59
         8s  score 0.7           -> risk task",
    );
}

#[test]
fn who_returns_after_an_erasure_never_gets_an_old_decision_again() {
    let catalog = catalog(&["risk"]);
    let mut world = World::new(&catalog, "2026-03-02T09:00:00Z");
    for line in ["0s set tier=vip", "1s score 0.55", "2s score 0.74", "3s erase"] {
        world.line(line);
    }
    for line in ["4s set tier=vip", "5s score 0.55", "6s score 0.74"] {
        world.line(line);
    }
    let [first, second] = &world.tasks[..] else { panic!("{:?}", world.tasks) };
    assert_ne!(first.decision, second.decision);
}

#[test]
fn who_is_first_seen_beyond_the_line_did_not_cross_it() {
    check(
        &catalog(&["risk"]),
        "0s  set tier=vip
         1s  score 0.9
         2s  score 0.95
         3s  score 0.5
         4s  score 0.9           -> risk task
         5s  score 0.5
         6s  set tier=standard
         7s  score 0.9
         8s  set tier=vip
         9s  score 0.91",
    );
}

#[test]
fn a_scorecard_is_computed_when_fed_and_when_its_time_comes() {
    check(
        &catalog_of_health(&["unwell"]),
        "0s   Used
         1m   Used
         2m   Used
         3m   Used
         4m   Used
         30h  tick               -> unwell sent in_app at 1d48m35s411ms",
    );
}

#[test]
fn an_incident_reaches_those_it_concerns_once_spread_over_time() {
    check(
        &catalog(&["outage"]),
        "0s   set services=[billing,search]
         0s   bob: set services=[search]
         0s   eve: set services=[billing]
         1m   broadcast Incident id=I1 service=billing -> ann: outage deferred spread until 4m57s448ms; eve: outage deferred spread until 5m32s392ms
         2m   broadcast Incident id=I1 service=billing
         10m  tick                                     -> outage sent in_app at 4m57s448ms
         10m  eve: tick                                -> outage sent in_app at 5m32s392ms
         10m  bob: tick
         11m  broadcast Incident id=I1 service=billing
         20m  broadcast Incident id=I2 service=search  -> ann: outage deferred spread until 21m52s473ms; bob: outage deferred spread until 23m19s686ms",
    );
}

#[test]
fn an_incident_holds_marketing_back_until_it_is_resolved() {
    check(
        &catalog(&["outage", "checkout"]),
        "0s   set services=[billing]
         1m   broadcast Incident id=I1 service=billing -> ann: outage deferred spread until 4m57s448ms
         2m   Checkout cart=20
         5m   tick                                     -> outage sent in_app at 4m57s448ms; checkout suppressed suppressed
         6m   broadcast Incident_Resolved id=I2
         7m   Checkout cart=20
         10m  tick                                     -> checkout suppressed suppressed
         11m  broadcast Incident_Resolved id=I1
         12m  Checkout cart=20
         15m  tick                                     -> checkout sent in_app",
    );
}
