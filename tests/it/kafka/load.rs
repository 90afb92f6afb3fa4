//! Events posted without pause to nodes that come and go, and what must hold of them in the end:
//! nothing acknowledged lost, nothing decided twice, no call that differs from its repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::broker::Broker;
use super::nodes::{Files, Group};
use crate::service::{Sink, looked, post};

const CUSTOMERS: u64 = 80;
/// How long the sender rests between two posts.
const PAUSE: Duration = Duration::from_millis(15);
/// Every so many-th batch comes twice.
const TWICE_EVERY: u64 = 5;

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
pub(super) struct Load {
    addresses: Mutex<Vec<SocketAddr>>,
    ended: AtomicBool,
    /// Ids of events that got their 200, with the trigger that each concerns.
    acknowledged: Mutex<BTreeMap<String, &'static str>>,
}

impl Load {
    /// Posts events until it is told to end; each again and again until it is acknowledged.
    pub(super) fn run(&self) {
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
            if !self.ended.load(Ordering::SeqCst) {
                self.acknowledged.lock().unwrap().extend(ids);
            }
            if chance.u64(0..TWICE_EVERY) == 0 {
                self.post(&mut chance, &body);
            }
            thread::sleep(PAUSE);
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

    pub(super) fn add(&self, at: SocketAddr) {
        self.addresses.lock().unwrap().push(at);
    }

    pub(super) fn remove(&self, at: SocketAddr) {
        self.addresses.lock().unwrap().retain(|other| *other != at);
    }

    pub(super) fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Ends the load when it goes, also because an assertion failed: a scope waits for its threads.
pub(super) struct Ending<'l>(pub(super) &'l Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

/// What must all be zero.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
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
pub(super) fn judged(group: &Group, load: &Load, sink: &Sink, what: &str) -> Verdict {
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

pub(super) fn group(broker: &Arc<Broker>, prefix: &str, sink: &Sink) -> Group {
    Group::new(broker, prefix, (4, None), &Files { triggers: &triggers(), sink: Some(sink) })
}
