//! Triggers that come to everybody little by little.

use super::desk::Desk;
use crate::engine::catalog::{Experiment, Unit};
use crate::engine::decision::Rule;
use crate::engine::policy::Share;
use crate::engine::testing::{ACCOUNT, at, set, shop, span};

const NOON: &str = "2026-03-02T12:00";

#[test]
fn a_trigger_comes_to_a_customer_when_its_ramp_does_and_stays() {
    let steps = [(Share(1), span("1d")), (Share(9_999), span("1d"))];
    let ramp = crate::engine::ramp::Ramp::new("promo", at(NOON), &steps);
    let mut desk = Desk::new(shop().trigger("promo", |t| t.ramp = Some(ramp)));
    let none = desk.findings("promo", "2026-03-01T12:00");
    assert_eq!(desk.why(&none), ["ramp: 0 from 2026-03-03T12:00"]);
    assert_eq!(desk.ask("promo", NOON), "suppressed ramp");
    let one = desk.findings("promo", NOON);
    assert_eq!(desk.why(&one), ["ramp: 1 from 2026-03-03T12:00"]);
    assert_eq!(desk.ask("promo", "2026-03-03T12:00"), "sent email");
    assert_eq!(desk.recheck("promo", "2026-03-03T12:00", "2026-03-03T12:00"), None);
    let over = desk.findings("promo", "2026-03-04T12:00");
    assert!(over.iter().all(|finding| finding.rule != Rule::Ramp), "it is over");
}

#[test]
fn whoever_is_compared_as_one_comes_in_as_one() {
    let steps = [(Share(5_000), span("1d"))];
    let ramp = crate::engine::ramp::Ramp::new("promo", at(NOON), &steps);
    let mut inside = Vec::new();
    for name in ["acme", "umbrella", "initech", "hooli", "globex", "soylent"] {
        let mut desk = Desk::new(shop().trigger("promo", |t| {
            t.ramp = Some(ramp.clone());
            t.experiment = Some(Experiment {
                key: "promo".into(),
                unit: Unit::Account,
                holdout: Share(0),
                arms: Box::default(),
                goal: None,
                guardrails: Box::default(),
                read_at: None,
            });
        }));
        set(&mut desk.state, ACCOUNT, name);
        let said = desk.ask("promo", NOON);
        assert_eq!(said == "sent email", ramp.has(name, at(NOON)), "{name}: {said}");
        inside.push(said == "sent email");
    }
    assert!(inside.contains(&true) && inside.contains(&false), "the names are chosen so");
}
