//! What a group of nodes survives: kills under load, nodes that come and go all the time, one that
//! sleeps while others take over, a broker that goes and comes back.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::broker;
use super::load::{Ending, Load, Verdict, group, judged};
use super::nodes::Node;
use crate::service::{Sink, until};

/// Every so many-th webhook is answered with 503, so that it is sent again.
const REFUSE_EVERY: usize = 40;
/// How often nodes are killed.
const KILLS: usize = 8;
/// How often a node comes and goes.
const STORMS: usize = 10;
/// The exit code of a node whose shards others have taken over.
pub(super) const TAKEN_OVER: i32 = 75;

#[test]
fn nodes_that_are_killed_under_load_lose_nothing_and_repeat_nothing() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let sink = Sink::start(REFUSE_EVERY);
    let group = group(&broker, "kill", &sink);
    let load = Load::default();
    let mut nodes: Vec<Option<(Node, SocketAddr)>> = vec![None, None];
    thread::scope(|scope| {
        for (name, place) in ["a", "b"].iter().zip(&mut nodes) {
            let (node, at) = group.start(name);
            load.add(at);
            *place = Some((node, at));
        }
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        let mut chance = fastrand::Rng::with_seed(3);
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(chance.u64(500..3_000)));
            let place = kill % 2;
            if let Some((node, at)) = nodes[place].take() {
                load.remove(at);
                node.kill();
            }
            thread::sleep(Duration::from_millis(chance.u64(0..1_500)));
            let node = group.spawn(["a", "b"][place]);
            let at = node.address();
            load.add(at);
            nodes[place] = Some((node, at));
        }
        thread::sleep(Duration::from_secs(2));
    });
    let verdict = judged(&group, &load, &sink, "kills");
    assert_eq!(verdict, Verdict::default());
    assert!(100 < load.count(), "it was under load");
}

#[test]
fn a_node_that_slept_while_others_took_over_does_no_harm() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let sink = Sink::start(0);
    let group = group(&broker, "sleep", &sink);
    let load = Load::default();
    let (mut sleeper, at) = group.start("a");
    load.add(at);
    let (_other, stays) = group.start("b");
    load.add(stays);
    thread::scope(|scope| {
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        thread::sleep(Duration::from_secs(6));
        load.remove(at);
        // In the middle of its work, until long after the others have taken over.
        sleeper.process.signal("-STOP");
        let before = load.count();
        thread::sleep(Duration::from_secs(22));
        assert!(before + 50 < load.count(), "the other goes on");
        sleeper.process.signal("-CONT");
        thread::sleep(Duration::from_secs(5));
    });
    let verdict = judged(&group, &load, &sink, "sleep");
    assert_eq!(verdict, Verdict::default());
    let code = sleeper.process.ended();
    assert!(matches!(code, None | Some(TAKEN_OVER)), "{code:?}: {}", sleeper.said());
    let said = sleeper.said();
    let lost = said.contains("\"lost\":true") || said.contains("given up by the brokers");
    assert!(code.is_some() || lost, "it has noticed: {said}");
}

#[test]
fn a_broker_may_go_and_come_back() {
    let _turn = broker::turn();
    let Some(broker) = broker::own() else { return };
    let sink = Sink::start(0);
    let group = group(&broker, "broker", &sink);
    let load = Load::default();
    let (mut node, at) = group.start("a");
    load.add(at);
    thread::scope(|scope| {
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        thread::sleep(Duration::from_secs(3));
        broker.tell(&["stop", "1"]);
        thread::sleep(Duration::from_secs(10));
        broker.tell(&["start", "1"]);
        let before = load.count();
        until("events are taken again", || before + 50 < load.count());
    });
    let verdict = judged(&group, &load, &sink, "broker");
    assert_eq!(verdict, Verdict::default());
    assert_eq!(node.process.ended(), None, "{}", node.said());
    let answer: Option<Value> = crate::service::get(at, "/readyz");
    assert!(answer.is_some(), "it works on");
}

#[test]
fn of_three_brokers_any_may_be_killed_while_the_other_two_go_on() {
    let _turn = broker::turn();
    let Some(broker) = broker::three() else { return };
    let sink = Sink::start(0);
    let group = group(&broker, "three", &sink);
    let load = Load::default();
    let (mut node, at) = group.start("a");
    load.add(at);
    let (_other, stays) = group.start("b");
    load.add(stays);
    thread::scope(|scope| {
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        thread::sleep(Duration::from_secs(2));
        for id in ["1", "2", "3"] {
            broker.tell(&["kill", id]);
            let before = load.count();
            until("events are taken by the two that are left", || before + 50 < load.count());
            broker.tell(&["start", id]);
            thread::sleep(Duration::from_secs(3));
        }
    });
    let verdict = judged(&group, &load, &sink, "three");
    assert_eq!(verdict, Verdict::default());
    assert_eq!(node.process.ended(), None, "{}", node.said());
}

#[test]
fn a_group_that_is_shared_out_anew_all_the_time_goes_on() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let sink = Sink::start(0);
    let group = group(&broker, "storm", &sink);
    let load = Load::default();
    let (_stays, at) = group.start("a");
    load.add(at);
    thread::scope(|scope| {
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        let mut chance = fastrand::Rng::with_seed(11);
        for _ in 0..STORMS {
            let node = group.spawn("b");
            let at = node.address();
            load.add(at);
            thread::sleep(Duration::from_millis(chance.u64(0..2_500)));
            load.remove(at);
            let said = node.said();
            assert!(node.process.stop().success(), "{said}");
        }
    });
    let verdict = judged(&group, &load, &sink, "storm");
    assert_eq!(verdict, Verdict::default());
    assert!(100 < load.count(), "it was under load");
}
