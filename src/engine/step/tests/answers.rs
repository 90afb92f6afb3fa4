//! Messages that nobody answers: held back, and handed over once.

use super::harness::{START, World, check, check_from};
use crate::engine::catalog::{Action, Catalog, When};
use crate::engine::message::Texts;
use crate::engine::policy::LoopGuard;
use crate::engine::slot::EventSlot;
use crate::engine::testing::{
    IN_APP, SERVICE, Shop, TRANSACTIONAL, clause, send, shop, span, task,
};

/// `note` writes at each `Ping`; after three within ten days that nobody answered, `visit` hears of
/// it. `Order` is an answer.
fn guarded(change: impl FnOnce(Shop) -> Shop) -> Catalog {
    let mut shop = shop();
    let mut slot = |name: &str| {
        shop.events.push(name.into());
        EventSlot(u16::try_from(shop.events.len() - 1).unwrap())
    };
    let (event, order) = (slot(LoopGuard::EVENT), slot("Order"));
    let closed = slot("Task Closed");
    shop.properties = ["id", "messages", "since", "trigger", "purpose"].map(Into::into).into();
    shop.policy.loop_guard = Some(LoopGuard {
        after: 3,
        within: span("10d"),
        purposes: 1 << SERVICE.0,
        answered_by: Box::new([order]),
        event,
    });
    let shop = shop
        .trigger("note", |t| t.action = send(SERVICE, &[IN_APP]))
        .trigger("visit", |t| {
            t.when = When::Event(Box::new([clause(event)]));
            t.action = task();
            t.captures = [1, 2, 3, 4].map(crate::engine::slot::PropertySlot).into();
        })
        .trigger("wish", |t| {
            t.when = When::Event(Box::new([clause(closed)]));
            t.action = send(TRANSACTIONAL, &[IN_APP]);
        });
    let mut catalog = change(shop).open();
    catalog.texts = Texts::new();
    let said = "{{ event.messages }} since {{ event.since }} by {{ event.trigger }} for {{ event.purpose }}";
    catalog.texts.add("title", said).unwrap();
    catalog.texts.add("hello", "Hello.").unwrap();
    for trigger in &mut catalog.triggers {
        if matches!(trigger.action, Action::Send(_)) {
            super::fixture::say(trigger, "hello");
        }
    }
    catalog
}

#[test]
fn after_three_messages_without_an_answer_a_person_takes_over_once() {
    let catalog = guarded(|shop| shop);
    check(
        &catalog,
        "0s  Ping -> note sent in_app
         1d  Ping -> note sent in_app
         2d  Ping -> note sent in_app
         3d  Ping -> note suppressed unanswered; visit task
         4d  Ping -> note suppressed unanswered
         5d  bob: Ping -> note sent in_app",
    );
    let mut world = World::new(&catalog, START);
    for line in ["0s Ping", "1d Ping", "2d Ping", "3d Ping"] {
        world.line(line);
    }
    let task = world.tasks.last().unwrap();
    assert_eq!(&*task.title, "3 since 2026-03-02T09:00:00.000Z by note for service");
    assert_eq!(task.contacts.len(), 3, "the person sees what was written");
}

#[test]
fn an_answer_lets_messages_go_on_and_counts_from_then_on() {
    check(
        &guarded(|shop| shop),
        "0s  Ping -> note sent in_app
         1h  Ping -> note sent in_app
         2h  Ping -> note sent in_app
         3h  Ping -> note suppressed unanswered; visit task
         4h  Order ->
         5h  Ping -> note sent in_app
         6h  Ping -> note sent in_app
         7h  Ping -> note sent in_app
         8h  Ping -> note suppressed unanswered; visit task",
    );
}

#[test]
fn an_answer_that_came_before_a_message_is_none_to_it() {
    check(
        &guarded(|shop| shop),
        "0s  Ping -> note sent in_app
         1h  Ping -> note sent in_app
         2h  Ping -> note sent in_app
         3h  import Order occurred=90m ->
         4h  Ping -> note sent in_app
         5h  Ping -> note sent in_app
         6h  Ping -> note suppressed unanswered; visit task",
    );
}

#[test]
fn what_is_too_old_does_not_count_and_hands_over_again_after_the_whole_time() {
    check(
        &guarded(|shop| shop),
        "0s   Ping -> note sent in_app
         8d   Ping -> note sent in_app
         9d   Ping -> note sent in_app
         9d1h Ping -> note suppressed unanswered; visit task
         10d  Ping -> note sent in_app
         11d  Ping -> note suppressed unanswered
         18d  Ping -> note sent in_app
         19d  Ping -> note sent in_app
         19d1h Ping -> note suppressed unanswered; visit task",
    );
}

#[test]
fn a_task_in_which_the_customer_was_reached_is_an_answer_and_a_vain_one_is_not() {
    let catalog = guarded(|shop| shop);
    for (outcome, then) in [
        ("reached", "note sent in_app"),
        ("resolved", "note sent in_app"),
        ("no_answer", "note suppressed unanswered"),
        ("other", "note suppressed unanswered"),
    ] {
        let mut world = World::new(&catalog, START);
        for line in ["0s Ping", "1h Ping", "2h Ping", "3h Ping"] {
            world.line(line);
        }
        world.line(&format!("4h task visit mei done={outcome}"));
        assert_eq!(world.line("5h Ping"), then, "{outcome}");
    }
}

#[test]
fn what_came_back_or_failed_waits_for_no_answer() {
    check(
        &guarded(|shop| shop),
        "0s  Ping -> note sent in_app
         1h  Ping -> note sent in_app
         2h  Ping -> note sent in_app
         3h  outcome rejected note -> note suppressed rejected
         4h  Ping -> note sent in_app
         5h  told bounced note nowhere ->
         6h  Ping -> note sent in_app
         7h  Ping -> note suppressed unanswered; visit task",
    );
}

#[test]
fn what_nobody_asked_to_be_answered_is_not_remembered() {
    let catalog = guarded(|shop| shop);
    let mut world = World::new(&catalog, START);
    world.line("0s Order");
    assert_eq!(world.customers["ann"].rare.answered_at, None);
    world.line("1h Ping");
    world.line("2h Order");
    assert!(world.customers["ann"].rare.answered_at.is_some());
    let unguarded = guarded(|mut shop| {
        shop.policy.loop_guard = None;
        shop
    });
    check(
        &unguarded,
        "0s Ping -> note sent in_app
         1h Ping -> note sent in_app
         2h Ping -> note sent in_app
         3h Ping -> note sent in_app",
    );
}

#[test]
fn ghosts_of_the_global_holdout_are_held_alike_and_hand_nobody_over() {
    let held = guarded(|shop| shop.holdout(10_000));
    check(
        &held,
        "0s Ping -> note held_out global_holdout
         1h Ping -> note held_out global_holdout
         2h Ping -> note held_out global_holdout
         3h Ping -> note suppressed unanswered
         4h Order ->
         5h Ping -> note held_out global_holdout",
    );
}

#[test]
fn what_waited_is_held_when_its_time_comes() {
    let mut night = guarded(|shop| shop.quiet("22:00-08:00"));
    night.policy.channels[0].quiet = crate::engine::policy::QuietRule::Kept;
    check_from(
        &night,
        "2026-03-02T19:00:00Z",
        "0s   Ping -> note sent in_app
         1h   Ping -> note sent in_app
         4h   Ping -> note deferred quiet_hours until 12h
         4h1m Ping -> note deferred quiet_hours until 12h
         14h  tick -> note sent in_app at 12h; note suppressed unanswered at 12h; visit task at 12h",
    );
}

#[test]
fn a_reply_that_a_provider_told_of_is_an_answer_though_no_event_says_so() {
    check(
        &guarded(|shop| shop),
        "0s  Ping -> note sent in_app
         1h  Ping -> note sent in_app
         2h  told replied note Thanks! ->
         3h  Ping -> note sent in_app
         4h  Ping -> note sent in_app
         5h  Ping -> note sent in_app
         6h  Ping -> note suppressed unanswered; visit task",
    );
}
