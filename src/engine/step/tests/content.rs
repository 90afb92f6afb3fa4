//! What leaves: offers, arms, exposures, texts that fail, tasks with their context.

use super::fixture::{all_quiet, catalog, catalog_of_health, catalog_with, compare, say};
use super::harness::{START, World, check};
use crate::engine::catalog::{
    Action, Arm, ArmOffer, Catalog, Due, Experiment, Offer, TaskAction, TaskPriority, Unit,
};
use crate::engine::condition::{Comparison, Expr};
use crate::engine::policy::Share;
use crate::engine::slot::{PropertySlot, TraitSlot};
use crate::engine::testing::{at, span};
use crate::engine::value::Value;

/// Gives the first trigger a message with one field and its template.
fn write(catalog: &mut Catalog, source: &str) {
    catalog.texts.add("text", source).unwrap();
    say(&mut catalog.triggers[0], "text");
}

fn offer(catalog: &mut Catalog) {
    let plan = u16::try_from(catalog.traits.iter().position(|name| &**name == "plan").unwrap());
    let plan = Expr::Trait { slot: TraitSlot(plan.unwrap()), path: Box::default() };
    let Action::Send(send) = &mut catalog.triggers[0].action else { panic!() };
    send.offers = Box::new([
        Offer {
            condition: Some(compare(Comparison::Equal, plan, Value::Str("trial".into()))),
            code: "TRIAL10".into(),
        },
        Offer { condition: None, code: "FREESHIP".into() },
    ]);
}

fn experiment(holdout: u16, arms: &[(&str, u16, ArmOffer)]) -> Experiment {
    let arm = |(name, share, offer): &(&str, u16, ArmOffer)| Arm {
        name: (*name).into(),
        share: Share(*share),
        offer: offer.clone(),
        set: Box::new([("tone".into(), Value::Str((*name).into()))]),
    };
    Experiment {
        key: "big_cart".into(),
        unit: Unit::Customer,
        holdout: Share(holdout),
        arms: arms.iter().map(arm).collect(),
        goal: None,
        guardrails: Box::default(),
        read_at: None,
    }
}

#[test]
fn the_first_offer_whose_condition_holds_wins() {
    let mut catalog = catalog(&["big_cart"]);
    offer(&mut catalog);
    check(
        &catalog,
        "0s  Checkout cart=100   -> big_cart sent in_app offer FREESHIP
         1s  set plan=trial
         2s  Checkout cart=100   -> big_cart sent in_app offer TRIAL10",
    );
}

#[test]
fn an_arm_can_keep_withhold_or_replace_the_offer() {
    let cases = [
        (ArmOffer::Keep, "offer FREESHIP"),
        (ArmOffer::Withhold, ""),
        (ArmOffer::Use("BOOKS5".into()), "offer BOOKS5"),
    ];
    for (arm, offered) in cases {
        let mut catalog = catalog(&["big_cart"]);
        offer(&mut catalog);
        catalog.triggers[0].experiment = Some(experiment(0, &[("all", 10_000, arm)]));
        check(&catalog, &format!("0s Checkout cart=100 -> big_cart sent in_app {offered}"));
    }
}

#[test]
fn templates_see_the_arms_variables_and_the_causing_event() {
    let mut catalog = catalog_with(&["big_cart"], |shop| all_quiet(shop, "09:00-12:00"));
    write(&mut catalog, "{{ arm.tone }}, {{ event.cart }} for {{ offer.code }}");
    offer(&mut catalog);
    catalog.triggers[0].captures = Box::new([PropertySlot(1)]);
    catalog.triggers[0].experiment = Some(experiment(0, &[("warm", 10_000, ArmOffer::Keep)]));
    let mut world = World::new(&catalog, START);
    world.line("0s Checkout cart=120");
    world.line("5h tick");
    let sent = world.sent.last().unwrap();
    assert_eq!(&*sent.content.fields[0].1, "warm, 120 for FREESHIP");
    assert_eq!((sent.decided_at, sent.arm.as_deref()), (at("2026-03-02T11:00"), Some("warm")));
    assert_eq!(sent.expires_at, at("2026-03-09T09:00"));
    assert_eq!(world.exposed, ["big_cart warm ann at 2h"], "once, when it could matter");
}

#[test]
fn a_holdout_passes_all_checks_hears_nothing_and_rests_alike() {
    let mut catalog = catalog_with(&["big_cart"], |shop| all_quiet(shop, "09:00-12:00"));
    catalog.triggers[0].experiment = Some(experiment(10_000, &[]));
    catalog.triggers[0].once_per = Some(span("24h"));
    let mut world = World::new(&catalog, START);
    assert_eq!(world.line("0s Checkout cart=120"), "big_cart deferred quiet_hours until 2h");
    assert_eq!(world.line("5h tick"), "big_cart held_out holdout at 2h");
    assert_eq!(world.line("6h Checkout cart=120"), "big_cart suppressed once_per");
    assert!(world.sent.is_empty());
    assert_eq!(world.exposed, ["big_cart holdout ann at 2h"]);
}

#[test]
fn a_text_that_cannot_be_rendered_is_not_sent_and_leaves_no_trace_in_caps() {
    let mut catalog = catalog(&["big_cart"]);
    write(&mut catalog, "Dear {{ customer.plan }}");
    catalog.triggers[0].once_per = Some(span("24h"));
    check(
        &catalog,
        "0s  Checkout cart=100   -> big_cart suppressed template_failed
         1s  set plan=trial
         2s  Checkout cart=100   -> big_cart sent in_app
         3s  Checkout cart=100   -> big_cart suppressed once_per",
    );
}

#[test]
fn a_task_carries_what_the_person_needs() {
    let mut catalog = catalog_of_health(&["unwell", "big_cart"]);
    let owner = catalog.known.owner;
    catalog.texts.add("risk", "{{ score.risk }} now").unwrap();
    catalog.texts.add("suggest", "Ask about {{ reasons[0] }}").unwrap();
    let unwell = catalog.triggers.iter_mut().find(|t| t.id.as_str() == "unwell").unwrap();
    unwell.action = Action::Task(TaskAction {
        channel: crate::engine::testing::TASKS,
        assign_to: Some(Expr::Trait { slot: owner, path: Box::default() }),
        ack_within: None,
        due: Some(Due::BusinessDays(1)),
        expires_after: None,
        escalate_to: Box::default(),
        team: None,
        skills: Box::default(),
        worth: None,
        priority: TaskPriority::High,
        title: "risk".into(),
        suggest: Some("suggest".into()),
        reasons: 1,
        timeline: 2,
        include: Box::new(["plan".into(), "unheard_of".into()]),
    });
    // A Thursday: the next day has passed 24 hours on Friday morning, due on Monday.
    let mut world = World::new(&catalog, "2026-03-05T09:00:00Z");
    for line in
        ["0s set owner=mei plan=team", "1s Used", "1s Used", "2s Used", "3s Used", "4s Used"]
    {
        world.line(line);
    }
    world.line("5s Checkout cart=120");
    assert_eq!(world.line("30h tick"), "unwell task at 1d48m35s411ms");
    let task = world.tasks.last().unwrap();
    assert_eq!((&*task.title, task.assign_to.as_deref()), ("0 now", Some("mei")));
    assert!(task.suggest.as_deref().unwrap().starts_with("Ask about "), "{:?}", task.suggest);
    assert_eq!((task.reasons.len(), task.priority), (1, TaskPriority::High));
    assert_eq!(task.due_at, Some(at("2026-03-09T23:59:59")));
    let name = |slot: usize| &*catalog.events[slot];
    let timeline: Vec<_> = task.timeline.iter().map(|(slot, _)| name(slot.index())).collect();
    assert_eq!(timeline, ["Checkout", "Used"], "newest first");
    assert_eq!(task.contacts.len(), 1);
    assert_eq!(task.include, [("plan".into(), Value::Str("team".into()))]);
}
