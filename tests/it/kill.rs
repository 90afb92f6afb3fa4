//! `kill -9` at any moment: nothing acknowledged is lost, nothing decided is decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{Place, Received, Sink, decisions, get, looked, post, until};

/// How often the process is killed.
const KILLS: usize = 56;
/// Every so many-th time it is killed while it still starts.
const EARLY_EVERY: usize = 8;
/// Shortest and longest life between two kills, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 150..600;
/// Longest life of a process that is killed while it starts, in milliseconds.
const EARLY_MS_MAX: u64 = 150;
/// The chance of the run: another number kills at other moments.
const SEED: u64 = 0x00c0_ffee;
const CUSTOMERS: u64 = 150;
/// Largest number of events posted at once.
const BATCH_MAX: u64 = 9;
/// How long the sender rests between two posts.
const PAUSE: Duration = Duration::from_millis(12);
/// Every so many-th webhook is answered with 503, so that it is sent again.
const REFUSE_EVERY: usize = 40;

/// Webhooks that are under way at the same time.
const CALLS_AT_ONCE: usize = 8;

/// One that fires at once, and one that fires by its timer, which a kill must not lose either.
const TRIGGERS: [(&str, &str); 2] = [
    ("order-thanks", "when: {event: order_placed}"),
    (
        "parcel-silent",
        "when: {event: parcel_sent, not_followed_by: [parcel_seen], for: 2s, per: event.order}",
    ),
];

fn trigger((name, when): (&str, &str)) -> String {
    format!(
        "trigger: {name}
kind: behavior
about: Tells about an order.
owner: ops@shop.example
{when}
send:
  purpose: transactional
  via: [webhook]
  message:
    en: {{subject: Your order, body: \"Order {{{{ event.order }}}}\"}}
"
    )
}

/// What the sender knows.
#[derive(Default)]
struct Sent {
    /// Ids of events that got their 200, with the trigger that each concerns.
    acknowledged: BTreeMap<String, &'static str>,
    /// Posts that got no answer, and were posted again.
    unanswered: usize,
}

/// Posts events until it is told to end; each post again and again until it is acknowledged.
fn load(address: &Mutex<Option<SocketAddr>>, ended: &AtomicBool) -> Sent {
    let mut chance = fastrand::Rng::with_seed(SEED ^ 1);
    let mut sent = Sent::default();
    let mut next = 0_u64;
    while !ended.load(Ordering::SeqCst) {
        let count = if chance.bool() { 1 } else { chance.u64(2..=BATCH_MAX) };
        let mut ids = Vec::new();
        let mut events: Vec<Value> = Vec::new();
        for number in next..next + count {
            let id = format!("e-{number}");
            let (event, [(thanks, _), (silent, _)]) = match number % 5 {
                0 => ("parcel_sent", TRIGGERS),
                _ => ("order_placed", TRIGGERS),
            };
            let customer = format!("c{}", chance.u64(0..CUSTOMERS));
            events.push(json!({"customer": customer, "event": event, "id": id,
                               "with": {"order": id}}));
            ids.push((id, if event == "parcel_sent" { silent } else { thanks }));
        }
        next += count;
        let body = match events.as_slice() {
            [event] => event.to_string(),
            _ => json!({"batch": events}).to_string(),
        };
        loop {
            let to = *address.lock().unwrap();
            match to.map(|to| post(to, "/events", body.as_bytes())) {
                Some(Some((200, _))) => break,
                Some(Some((429 | 503, _))) | None => {}
                Some(Some((status, answer))) => panic!("{status}: {answer}"),
                Some(None) => sent.unanswered += 1,
            }
            thread::sleep(Duration::from_millis(5));
        }
        sent.acknowledged.extend(ids);
        thread::sleep(PAUSE);
    }
    sent
}

/// What must all be zero.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Acknowledged events without a decision, decisions without a webhook.
    lost: usize,
    /// Events with more than one decision, decision ids listed more than once.
    duplicated: usize,
    /// Webhooks whose repeats differ or whose signature is wrong, decisions of no event, funnels
    /// that do not add up.
    torn: usize,
}

/// The event that a decision is about.
fn event_of(decision: &Value) -> &str {
    let occurrence = decision["occurrence"].as_str().unwrap();
    occurrence.rsplit(':').next().unwrap()
}

fn judge(sent: &Sent, decisions: &[Value], received: &[Received], triggers: &Value) -> Verdict {
    let mut verdict = Verdict::default();
    let mut decided: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for decision in decisions {
        let trigger = decision["trigger"].as_str().unwrap();
        *decided.entry((event_of(decision), trigger)).or_default() += 1;
        verdict.duplicated += usize::from(!ids.insert(decision["id"].as_str().unwrap()));
    }
    for (event, trigger) in &sent.acknowledged {
        match decided.remove(&(event.as_str(), *trigger)) {
            None => verdict.lost += 1,
            Some(count) => verdict.duplicated += count - 1,
        }
    }
    verdict.torn += decided.len();
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for webhook in received {
        let first = *bodies.entry(&webhook.id).or_insert(&webhook.body);
        let whole = first == webhook.body.as_slice()
            && webhook.is_signed()
            && webhook.json()["data"]["decision"] == webhook.id.as_str();
        verdict.torn += usize::from(!whole);
    }
    verdict.lost += ids.iter().filter(|id| !bodies.contains_key(*id)).count();
    verdict.torn += bodies.keys().filter(|id| !ids.contains(*id)).count();
    let mut matched = 0;
    for trigger in triggers.as_array().unwrap() {
        let funnel = trigger["funnel"].as_object().unwrap();
        let count = |name: &str| funnel[name].as_u64().unwrap();
        let kinds = funnel.iter().filter(|(name, _)| *name != "matched");
        let sum: u64 = kinds.filter_map(|(_, count)| count.as_u64()).sum();
        verdict.torn += usize::from(count("matched") != sum);
        matched += count("matched");
    }
    verdict.torn += usize::from(matched != u64::try_from(ids.len()).unwrap());
    verdict
}

#[test]
fn a_killed_process_loses_nothing_and_repeats_nothing() {
    let sink = Sink::start(REFUSE_EVERY);
    let place = Place::new(&sink);
    for of in TRIGGERS {
        place.write(&format!("triggers/{}.yaml", of.0), &trigger(of));
    }
    let address = Mutex::new(None);
    let ended = AtomicBool::new(false);
    let (sent, process, at) = thread::scope(|scope| {
        let sender = scope.spawn(|| load(&address, &ended));
        let mut chance = fastrand::Rng::with_seed(SEED);
        for kill in 1..=KILLS {
            let process = place.spawn();
            if kill.is_multiple_of(EARLY_EVERY) {
                thread::sleep(Duration::from_millis(chance.u64(0..EARLY_MS_MAX)));
            } else {
                *address.lock().unwrap() = Some(place.address());
                thread::sleep(Duration::from_millis(chance.u64(LIFE_MS)));
            }
            process.kill();
            *address.lock().unwrap() = None;
            assert!(!sender.is_finished(), "the sender works on");
        }
        let (process, at) = place.start();
        *address.lock().unwrap() = Some(at);
        thread::sleep(Duration::from_millis(LIFE_MS.end));
        ended.store(true, Ordering::SeqCst);
        (sender.join().unwrap(), process, at)
    });

    // Everything has become quiet when all is decided and settled as sent, or never will.
    let settled = || {
        let triggers = get(at, "/api/v1/triggers")?;
        let of = |name: &str| -> u64 {
            let triggers = triggers.as_array().unwrap().iter();
            triggers.map(|trigger| trigger["funnel"][name].as_u64().unwrap()).sum()
        };
        let all = u64::try_from(sent.acknowledged.len()).unwrap();
        let webhooks: BTreeSet<String> = sink.received().into_iter().map(|it| it.id).collect();
        let arrived = u64::try_from(webhooks.len()).unwrap();
        (all <= of("sent") && all <= arrived).then_some(())
    };
    let quiet = looked(settled);
    until("it is ready", || get(at, "/readyz").is_some());
    let decisions = decisions(at);
    let received = sink.received();
    let verdict = judge(&sent, &decisions, &received, &get(at, "/api/v1/triggers").unwrap());
    let stopped = process.stop();
    print(&sent, &decisions, &received, &verdict);
    assert_eq!(verdict, Verdict::default());
    assert!(quiet.is_some(), "not everything was sent: {:?}", decisions.first());
    assert!(KILLS < sent.acknowledged.len(), "it was under load");
    assert!(0 < sent.unanswered, "some posts were cut off");
    let repeated = received.len() - decisions.len();
    assert!(0 < repeated, "some webhooks were sent again");
    // One for each call under way at a kill, and one for each that the sink refused.
    let most = KILLS * CALLS_AT_ONCE + received.len() / REFUSE_EVERY;
    assert!(repeated <= most, "{repeated} webhooks were sent again");
    assert!(stopped.success(), "and at last it ends by itself");
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(sent: &Sent, decisions: &[Value], received: &[Received], verdict: &Verdict) {
    let Verdict { lost, duplicated, torn } = verdict;
    println!(
        "kills {KILLS}  acknowledged {}  cut off {}  decisions {}  webhooks {}",
        sent.acknowledged.len(),
        sent.unanswered,
        decisions.len(),
        received.len()
    );
    println!("{:>6} {:>11} {:>6}", "lost", "duplicated", "torn");
    println!("{lost:>6} {duplicated:>11} {torn:>6}");
}
