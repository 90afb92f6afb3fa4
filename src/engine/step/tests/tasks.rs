//! Tasks from the day they are opened to the day they are closed, by people and by time.

use super::harness::{START, World, check};
use crate::engine::catalog::{Action, Catalog, Due, TaskAction, When};
use crate::engine::condition::Expr;
use crate::engine::message::Texts;
use crate::engine::slot::EventSlot;
use crate::engine::task::{Stage, TASKS_MAX, TaskEvents};
use crate::engine::testing::{IN_APP, TRANSACTIONAL, clause, send, shop, span, task};
use crate::engine::timer::TimerKind;
use crate::engine::value::Value;

/// `call` hands each `Ping` to people: two hours for each to acknowledge it, due after 8, given up
/// after 24. Three triggers hear of what becomes of it.
fn desk(change: impl FnOnce(&mut TaskAction)) -> Catalog {
    let mut shop = shop();
    let mut hears = Vec::new();
    for name in [TaskEvents::CLOSED, TaskEvents::ESCALATED, TaskEvents::EXPIRED] {
        hears.push(EventSlot(u16::try_from(shop.events.len()).unwrap()));
        shop.events.push(name.into());
    }
    let names = ["closed", "escalated", "expired"];
    for (name, event) in names.into_iter().zip(hears) {
        shop = shop.trigger(name, |trigger| {
            trigger.when = When::Event(Box::new([clause(event)]));
            trigger.action = send(TRANSACTIONAL, &[IN_APP]);
        });
    }
    let person = |name: &str| Expr::Literal(Value::Str(name.into()));
    let mut action = task();
    let Action::Task(of) = &mut action else { panic!("it is a task") };
    of.assign_to =
        Some(Expr::Trait { slot: crate::engine::slot::TraitSlot(5), path: Box::default() });
    of.ack_within = Some(span("2h"));
    of.due = Some(Due::After(span("8h")));
    of.expires_after = Some(span("24h"));
    of.escalate_to = Box::new([person("lead"), person("head")]);
    change(of);
    let mut catalog = shop.trigger("call", |trigger| trigger.action = action).open();
    catalog.texts = Texts::new();
    for name in ["title", "hello"] {
        catalog.texts.add(name, "Call them.").unwrap();
    }
    for trigger in &mut catalog.triggers {
        super::fixture::say(trigger, "hello");
    }
    catalog
}

fn waits(world: &World<'_>) -> bool {
    let timers = &world.customers["ann"].timers;
    timers.iter().any(|timer| matches!(timer.kind, TimerKind::Task { .. }))
}

#[test]
fn what_is_not_acknowledged_goes_on_and_on_and_is_given_up() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s set owner=mei");
    world.line("0s Ping");
    let task = world.tasks.last().unwrap().clone();
    assert_eq!((task.assign_to.as_deref(), task.chain.len()), (Some("mei"), 2));
    assert_eq!(world.line("3h tick"), "escalated sent in_app at 2h");
    assert_eq!(
        world.line("25h tick"),
        "escalated sent in_app at 4h; escalated sent in_app at 6h; escalated sent in_app at 8h; \
         expired sent in_app at 1d"
    );
    assert_eq!(
        world.turns_since(0),
        "escalated not_acked open lead at 2h; escalated not_acked open head at 4h; \
         escalated not_acked open head at 6h; escalated overdue open head at 8h; expired expired head at 1d"
    );
    assert!(!waits(&world), "nothing is left to wait for");
}

#[test]
fn whoever_acknowledges_a_task_keeps_it_until_it_is_done() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s set owner=mei");
    world.line("0s Ping");
    assert_eq!(world.line("1h task call mei ack"), "acked acked mei at 1h");
    // Overdue: the next one is told, but mei is at it.
    assert_eq!(world.line("9h tick"), "escalated sent in_app at 8h");
    assert_eq!(world.turns_since(1), "escalated overdue acked mei at 8h");
    assert_eq!(
        world.line("10h task call mei done=reached"),
        "done done mei at 10h; closed sent in_app"
    );
    assert_eq!(world.line("30h tick"), "", "what is done does not expire");
    assert_eq!(world.customers["ann"].rare.tasks[0].stage, Stage::Done);
}

#[test]
fn an_owner_nobody_knows_is_no_dead_end() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    let task = world.tasks.last().unwrap();
    assert_eq!((task.assign_to.as_deref(), task.chain.len()), (Some("lead"), 1));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    let refused = |words: String| {
        words.split('(').nth(1).map(|rest| rest.split(')').next().unwrap().to_owned())
    };
    let is = |words: String, what: &str| {
        assert!(refused(words.clone()).unwrap().starts_with(what), "{words}")
    };
    is(world.line("1m task call mei reopen"), "the task is not over");
    world.line("2m task call mei claim");
    assert_eq!(world.customers["ann"].rare.tasks[0].assigned_to.as_deref(), Some("mei"));
    is(world.line("3m task call tom claim"), "somebody is at the task");
    let before = world.customers["ann"].rare.tasks.clone();
    is(world.line("4m task call tom ack"), "somebody is at the task");
    assert_eq!(world.customers["ann"].rare.tasks, before);
    world.line("5m task call mei done=resolved");
    is(world.line("6m task call tom ack"), "the task is done");
    is(world.line("7m task call tom reassign=eva"), "the task is done");
    is(world.line("31d task call tom reopen"), "the task was over more than 30 days");
}

#[test]
fn the_same_wish_counts_once() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    world.line("1m task call mei done=resolved");
    assert_eq!(world.line("2m task call mei done=resolved again"), "duplicate");
    assert_eq!(world.turns.len(), 1);
}

#[test]
fn what_is_opened_again_has_as_long_as_at_first_and_is_closed_again() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    assert_eq!(
        world.line("1h task call mei done=no_answer"),
        "done done lead at 1h; closed sent in_app"
    );
    assert_eq!(world.line("10h task call mei reopen"), "reopened open lead at 10h");
    assert_eq!(world.line("11h task call mei ack"), "acked acked lead at 11h");
    assert_eq!(
        world.line("18h tick"),
        "escalated sent in_app",
        "due 8 hours after it was opened again"
    );
    // A second end is a second event.
    assert_eq!(
        world.line("19h task call mei done=resolved"),
        "done done lead at 19h; closed sent in_app"
    );
}

#[test]
fn who_gets_a_task_anew_has_their_own_time_to_acknowledge_it() {
    let catalog = desk(|of| of.due = None);
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    world.line("1h task call mei ack");
    assert_eq!(world.line("90m task call mei reassign=tom"), "reassigned open tom at 1h30m");
    assert_eq!(world.line("3h tick"), "");
    assert_eq!(world.line("4h tick"), "escalated sent in_app at 3h30m");
    assert_eq!(world.turns_since(2), "escalated not_acked open head at 3h30m");
}

#[test]
fn a_note_changes_nothing_but_is_kept() {
    let catalog = desk(|_| {});
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    assert_eq!(world.line("1h task call mei note"), "noted open lead at 1h");
    assert_eq!(world.line("2h tick"), "escalated sent in_app", "it was not acknowledged");
    assert_eq!(
        world.line("3h task call mei done=other"),
        "done done head at 3h; closed sent in_app"
    );
    assert_eq!(world.line("4h task call mei note"), "noted done head at 4h");
}

#[test]
fn tasks_without_a_clock_wait_for_ever() {
    let catalog = desk(|of| {
        (of.ack_within, of.due, of.expires_after) = (None, None, None);
    });
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    assert!(!waits(&world));
    assert_eq!(world.line("400d tick"), "");
    assert_eq!(
        world.line("400d task call mei done=not_needed"),
        "done done lead at 400d; closed sent in_app"
    );
}

#[test]
fn more_tasks_than_fit_push_out_what_is_over_and_then_the_oldest() {
    let catalog = desk(|of| {
        (of.ack_within, of.due, of.expires_after) = (None, None, None);
    });
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    world.line("1s task call mei done=resolved");
    for number in 1..=TASKS_MAX {
        world.line(&format!("{}s Ping", number + 1));
    }
    let tasks = |world: &World<'_>| world.customers["ann"].rare.tasks.clone();
    assert_eq!(tasks(&world).len(), TASKS_MAX, "the one that is done was forgotten");
    assert!(tasks(&world).iter().all(|task| task.stage == Stage::Open));
    let turns = world.turns.len();
    world.line("50s Ping");
    world.line("60s tick");
    assert_eq!(world.turns_since(turns), "expired expired lead at 50s1ms", "never in silence");
    world.line("70s Ping");
    assert!(tasks(&world).len() <= TASKS_MAX + 1);
}

#[test]
fn what_an_event_says_of_a_task_can_be_asked_for() {
    let mut catalog = desk(|_| {});
    catalog.properties = ["id", "task", "trigger", "because", "outcome", "by", "assigned_to"]
        .map(std::sync::Arc::from)
        .into();
    let text = "{{ event.trigger }} {{ event.because }} {{ event.assigned_to }}";
    catalog.texts.add("escalated", text).unwrap();
    let slot = catalog.find_trigger("escalated").unwrap();
    let trigger = &mut catalog.triggers[slot.index()];
    trigger.captures = [2, 3, 6].map(crate::engine::slot::PropertySlot).into();
    super::fixture::say(trigger, "escalated");
    let mut world = World::new(&catalog, START);
    world.line("0s Ping");
    world.line("2h tick");
    let text = world.sent.last().map(|sent| sent.content.fields[0].1.clone());
    assert_eq!(text.as_deref(), Some("call not_acked head"));
}

#[test]
fn a_life_does_not_depend_on_ticks() {
    check(
        &desk(|_| {}),
        "0s  Ping               -> call task
         3h  task call mei ack  -> escalated not_acked open head at 2h; acked acked head at 3h; escalated sent in_app at 2h
         26h tick               -> escalated sent in_app at 8h; expired sent in_app at 1d",
    );
}
