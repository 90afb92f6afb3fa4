//! What a group of nodes survives: kills under load, a node that sleeps while others take over, a
//! broker that goes and comes back. After each: nothing acknowledged lost, nothing decided twice,
//! no call that differs from its repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::broker::{self, Broker};
use super::nodes::{Files, Group, Node};
use crate::service::{Sink, looked, post, until};

const CUSTOMERS: u64 = 80;
/// How long the sender rests between two posts.
const PAUSE: Duration = Duration::from_millis(15);
/// Every so many-th webhook is answered with 503, so that it is sent again.
const REFUSE_EVERY: usize = 40;
/// How often nodes are killed.
const KILLS: usize = 8;
/// The exit code of a node whose shards others have taken over.
const TAKEN_OVER: i32 = 75;

fn triggers() -> Vec<(&'static str, String)> {
    [
        ("order-thanks", "when: {event: order_placed}"),
        (
            "parcel-silent",
            "when: {event: parcel_sent, not_followed_by: [parcel_seen], for: 2s, per: event.order}",
        ),
    ]
    .map(|(name, when)| {
        let text = format!(
            "trigger: {name}\nkind: behavior\nabout: Tells about an order.\n\
             owner: ops@shop.example\n{when}\nsend:\n  purpose: transactional\n  via: [webhook]\n  \
             message:\n    en: {{subject: Your order, body: \"Order {{{{ event.order }}}}\"}}\n"
        );
        (name, text)
    })
    .into()
}

/// Where events can be posted, and what was.
#[derive(Default)]
struct Load {
    addresses: Mutex<Vec<SocketAddr>>,
    ended: AtomicBool,
    /// Ids of events that got their 200, with the trigger that each concerns.
    acknowledged: Mutex<BTreeMap<String, &'static str>>,
}

impl Load {
    /// Posts events until it is told to end; each again and again until it is acknowledged.
    fn run(&self) {
        let mut chance = fastrand::Rng::with_seed(7);
        let mut next = 0_u64;
        while !self.ended.load(Ordering::SeqCst) {
            let count = chance.u64(1..6);
            let mut ids = Vec::new();
            let mut batch = Vec::new();
            for number in next..next + count {
                let (event, trigger) = match number % 5 {
                    0 => ("parcel_sent", "parcel-silent"),
                    _ => ("order_placed", "order-thanks"),
                };
                let (id, customer) =
                    (format!("e-{number}"), format!("c{}", chance.u64(0..CUSTOMERS)));
                batch.push(json!({"customer": customer, "event": event, "id": id,
                                  "with": {"order": id}}));
                ids.push((id, trigger));
            }
            next += count;
            let body = json!({ "batch": batch }).to_string();
            while !self.post(&mut chance, &body) && !self.ended.load(Ordering::SeqCst) {
                thread::sleep(PAUSE);
            }
            thread::sleep(PAUSE);
            if !self.ended.load(Ordering::SeqCst) {
                self.acknowledged.lock().unwrap().extend(ids);
            }
        }
    }

    fn post(&self, chance: &mut fastrand::Rng, body: &str) -> bool {
        let addresses = self.addresses.lock().unwrap().clone();
        let Some(at) = chance.choice(&addresses) else { return false };
        match post(*at, "/events", body.as_bytes()) {
            Some((200, _)) => true,
            Some((429 | 503, _)) | None => false,
            Some((status, answer)) => panic!("{status}: {answer}"),
        }
    }

    fn add(&self, at: SocketAddr) {
        self.addresses.lock().unwrap().push(at);
    }

    fn remove(&self, at: SocketAddr) {
        self.addresses.lock().unwrap().retain(|other| *other != at);
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Ends the load when it goes, also because an assertion failed: a scope waits for its threads.
struct Ending<'l>(&'l Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

/// What must all be zero.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Acknowledged events without a decision, decisions without a webhook.
    lost: usize,
    /// Events with more than one decision, rulings told twice.
    duplicated: usize,
    /// Webhooks whose repeats differ, whose signature is wrong, or that no decision stands for.
    torn: usize,
}

fn judge(group: &Group, load: &Load, sink: &Sink) -> Verdict {
    let (decisions, twice) = group.decisions();
    let mut verdict = Verdict { duplicated: twice, ..Verdict::default() };
    let mut decided: BTreeMap<(String, String), usize> = BTreeMap::new();
    for decision in decisions.values() {
        let occurrence = decision["occurrence"].as_str().unwrap();
        let event = occurrence.rsplit(':').next().unwrap().to_owned();
        let trigger = decision["trigger"].as_str().unwrap().to_owned();
        *decided.entry((event, trigger)).or_default() += 1;
    }
    for (event, trigger) in &*load.acknowledged.lock().unwrap() {
        match decided.get(&(event.clone(), (*trigger).to_owned())) {
            None => verdict.lost += 1,
            Some(count) => verdict.duplicated += count - 1,
        }
    }
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for webhook in sink.received() {
        let first = bodies.entry(webhook.id.clone()).or_insert_with(|| webhook.body.clone());
        let whole = *first == webhook.body
            && webhook.is_signed()
            && webhook.json()["data"]["decision"] == webhook.id.as_str();
        verdict.torn += usize::from(!whole || !decisions.contains_key(&webhook.id));
    }
    verdict.lost += decisions.keys().filter(|id| !bodies.contains_key(*id)).count();
    verdict
}

/// Waits until everything acknowledged is decided and sent, and gives the verdict.
fn judged(group: &Group, load: &Load, sink: &Sink, what: &str) -> Verdict {
    let all = load.count();
    let arrived = || sink.received().into_iter().map(|it| it.id).collect::<BTreeSet<_>>().len();
    // What was refused or interrupted is sent again later and later: as long as more comes, it is
    // not over.
    loop {
        let before = arrived();
        let quiet = looked(|| (all <= arrived()).then_some(()));
        if quiet.is_some() || arrived() <= before {
            break;
        }
    }
    // What was posted last, and not acknowledged, may have come in all the same.
    thread::sleep(Duration::from_secs(4));
    let verdict = judge(group, load, sink);
    print(what, all, sink.received().len(), &verdict);
    assert!(all <= arrived(), "not everything was sent: {} of {all}", arrived());
    verdict
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(what: &str, acknowledged: usize, webhooks: usize, verdict: &Verdict) {
    let Verdict { lost, duplicated, torn } = verdict;
    println!("{what}: acknowledged {acknowledged}  webhooks {webhooks}");
    println!("{:>6} {:>11} {:>6}", "lost", "duplicated", "torn");
    println!("{lost:>6} {duplicated:>11} {torn:>6}");
}

fn group(broker: &Arc<Broker>, prefix: &str, sink: &Sink) -> Group {
    Group::new(broker, prefix, (4, None), &Files { triggers: &triggers(), sink: Some(sink) })
}

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
