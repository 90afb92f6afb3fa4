//! What a group survives of its network: a node whose way to the brokers is slow, and then cut off
//! for longer than its session lasts, while another takes its shards.

use std::thread;
use std::time::Duration;

use super::broker;
use super::load::{Ending, Load, Verdict, group, judged};
use super::proxy::Proxy;
use crate::service::{Sink, until};

/// How long each chunk takes when the way is slow.
const SLOW: Duration = Duration::from_millis(150);

#[test]
fn a_node_with_a_slow_way_to_the_brokers_that_is_then_cut_off_does_no_harm() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let (listens, leads_to) = broker.ports_of_proxy();
    let proxy = Proxy::start(listens, leads_to);
    let sink = Sink::start(0);
    let group = group(&broker, "network", &sink);
    let load = Load::default();
    let (_stays, at) = group.start("b");
    load.add(at);
    group.go_through(listens);
    let (mut far, far_at) = group.start("a");
    load.add(far_at);
    thread::scope(|scope| {
        scope.spawn(|| load.run());
        let _ending = Ending(&load);
        thread::sleep(Duration::from_secs(5));
        proxy.slow_down(SLOW);
        thread::sleep(Duration::from_secs(8));
        let before = load.count();
        until("a slow node is a node", || before + 20 < load.count());
        proxy.slow_down(Duration::ZERO);
        thread::sleep(Duration::from_secs(2));

        load.remove(far_at);
        proxy.cut();
        thread::sleep(Duration::from_secs(15));
        let before = load.count();
        until("the other goes on", || before + 50 < load.count());
        proxy.mend();
        thread::sleep(Duration::from_secs(5));
    });
    let verdict = judged(&group, &load, &sink, "network");
    assert_eq!(verdict, Verdict::default());
    let code = far.process.ended();
    assert!(matches!(code, None | Some(super::faults::TAKEN_OVER)), "{code:?}: {}", far.said());
    let said = far.said();
    let noticed = said.contains("\"lost\":true") || said.contains("given up by the brokers");
    assert!(code.is_some() || noticed, "it has noticed: {said}");
}
