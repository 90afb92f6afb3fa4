//! The same events give the same decisions and the same states, on one node or on three that are
//! killed and share out their shards anew, and the same decisions on one machine without Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use heedful::catalog::{Catalogs, Folders, Given};
use heedful::clock::{Stopwatch, System};
use heedful::decode::shard_of;
use heedful::engine::catalog::Sending;
use heedful::engine::id::CustomerId;
use heedful::engine::names::Names;
use heedful::engine::time::Timestamp;
use heedful::kafka::transaction::Outgoing;
use heedful::kafka::writer::Writer;
use heedful::store::format::{Format, Tables};
use serde_json::{Value, json};

use super::broker;
use super::nodes::{Files, Group, Node};
use crate::service::{Place, Sink, decisions, looked, post, until};

const CUSTOMERS: u64 = 60;
const EVENTS: u64 = 1_500;
const PARTITIONS: u16 = 6;
/// How long the trigger waits that asks what does not come. Everything is written in less, so that
/// it makes no difference how fast.
const WAIT: Duration = Duration::from_secs(60);
/// Longer than it takes to share out shards anew.
const QUIET: Duration = Duration::from_secs(10);
/// Events written at a time.
const PART: usize = 50;

/// Each verdict has its way into the result: sends, caps, what is missing, tasks, once, too old.
fn triggers() -> Vec<(&'static str, String)> {
    let file = |name: &'static str, rest: &str| {
        let text = format!(
            "trigger: {name}\nkind: behavior\nabout: A test.\nowner: ops@shop.example\n{rest}"
        );
        (name, text)
    };
    let send = |purpose: &str| {
        format!(
            "send:\n  purpose: {purpose}\n  via: [webhook]\n  message:\n    en: {{subject: Hello, \
             body: \"About {{{{ event.order }}}}\"}}\n"
        )
    };
    vec![
        file("thanks", &format!("when: {{event: order_placed}}\n{}", send("transactional"))),
        file(
            "third",
            &format!(
                "when: {{event: searched, times: 3, within: 1h}}\nlimits: {{once_per: 1h}}\n{}",
                send("service")
            ),
        ),
        file(
            "silent",
            &format!(
                "when: {{event: parcel_sent, not_followed_by: [parcel_seen], for: 60s, per: \
                 event.order}}\n{}",
                send("transactional")
            ),
        ),
        file(
            "rich",
            &format!(
                "when: {{event: order_placed}}\nif: [\"count('order_placed', '24h') > 3\", \
                 \"customer.plan == 'pro'\"]\n{}",
                send("marketing")
            ),
        ),
    ]
}

/// The file of events: who, and the line.
fn events(now: Timestamp) -> Vec<(String, String)> {
    let mut chance = fastrand::Rng::with_seed(0x5eed);
    let mut all = Vec::new();
    for number in 0..EVENTS {
        let customer = format!("c{}", chance.u64(0..CUSTOMERS));
        let (name, traits) = match chance.u64(0..10) {
            0 => ("parcel_sent", json!({})),
            1 => ("parcel_seen", json!({})),
            2..5 => ("searched", json!({})),
            5 => ("order_placed", json!({"plan": "pro", "consent": {"marketing": true}})),
            _ => ("order_placed", json!({})),
        };
        let order = format!("o{}", chance.u64(0..4));
        // The same event comes twice now and then, as senders send it.
        let id = if chance.u64(0..10) == 0 { number / 2 } else { number };
        let millis = now.as_millis() - 60_000 + i64::try_from(number).unwrap();
        let line = json!({
            "customer": customer, "event": name, "id": format!("e{id}"),
            "at": Timestamp::from_millis(millis).to_string(),
            "with": {"order": order}, "traits": traits,
        });
        all.push((customer, line.to_string()));
    }
    all
}

/// Half of the events come over HTTP, the others from a producer that knows nothing of Heedful.
fn write(writer: &Writer, topic: &str, at: std::net::SocketAddr, part: &[(String, String)]) {
    let (lines, posted) = part.split_at(part.len() / 2);
    writer
        .write(lines.iter().map(|(customer, line)| Outgoing {
            topic,
            partition: shard_of(customer, PARTITIONS),
            key: customer.as_bytes(),
            value: Some(line.as_bytes()),
            headers: &[],
        }))
        .unwrap();
    let batch: Vec<Value> =
        posted.iter().map(|(_, line)| serde_json::from_str(line).unwrap()).collect();
    let body = json!({ "batch": batch }).to_string();
    until("a batch is taken", || {
        post(at, "/events", body.as_bytes()).is_some_and(|(s, _)| s == 200)
    });
}

/// Waits until nothing changes any more.
fn settled(group: &Group, what: &str) -> BTreeMap<String, Value> {
    let quiet = looked(|| {
        let (before, _) = group.decisions();
        thread::sleep(QUIET);
        let (later, _) = group.decisions();
        (!later.is_empty() && later == before).then_some(later)
    });
    quiet.unwrap_or_else(|| panic!("{what} never settles"))
}

/// What a decision came to, without what differs between runs: absences begin when they are heard.
fn essence(
    decisions: impl IntoIterator<Item = Value>,
) -> BTreeSet<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    decisions
        .into_iter()
        .map(|decision| {
            let occurrence = text(&decision["occurrence"]);
            let cause = match occurrence.starts_with("absence:") {
                true => text(&decision["caused_at"]),
                false => text(&decision["id"]),
            };
            let verdict = format!("{} {}", text(&decision["verdict"]), text(&decision["reason"]));
            (text(&decision["customer"]), text(&decision["trigger"]), cause, verdict)
        })
        .collect()
}

/// The states as they were kept, but for when outcomes of sends were heard, which is nobody's choice.
fn states(group: &Group, folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let folders = Folders { triggers: folder.join("triggers"), models: folder.join("models") };
    let given = Given { sending: Sending::DryRun, caps: Vec::new() };
    let catalogs = Catalogs::open(folders, given, Arc::new(System)).unwrap();
    let catalog = catalogs.current();
    let mut names = Names::new(&catalog.events, &catalog.traits);
    let mut format = Format::new(Tables::of(&catalog));
    let mut states = group.kept("c/");
    for (id, bytes) in &mut states {
        let mut state = format.decode(&mut names, CustomerId::new(id), bytes).unwrap();
        state.now = Timestamp::MIN;
        bytes.clear();
        format.encode(&names, &state, bytes).unwrap();
    }
    states
}

fn hash(states: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (id, state) in states {
        hasher.update(id.as_bytes());
        hasher.update(state);
    }
    hasher.finalize().to_hex().to_string()
}

/// Three nodes, of which two are killed, while the events come in.
fn troubled(
    one: std::net::SocketAddr,
    three: &Group,
    topic: &str,
    events: &[(String, String)],
) -> Vec<Node> {
    let writer = Writer::new(&three.settings()).unwrap();
    let mut nodes: Vec<Option<Node>> = ["a", "b", "c"].map(|name| Some(three.spawn(name))).into();
    let parts: Vec<&[(String, String)]> = events.chunks(PART).collect();
    for (number, part) in parts.iter().enumerate() {
        write(&writer, topic, one, part);
        match number * 10 / parts.len() {
            // They have shared out the shards by now.
            1 if number * 10 % parts.len() < 10 => thread::sleep(Duration::from_secs(8)),
            3 => nodes[1].take().into_iter().for_each(Node::kill),
            5 if nodes[1].is_none() => nodes[1] = Some(three.spawn("b")),
            6 => thread::sleep(Duration::from_secs(1)),
            7 => nodes[2].take().into_iter().for_each(Node::kill),
            _ => thread::sleep(Duration::from_millis(200)),
        }
    }
    nodes.into_iter().flatten().collect()
}

#[test]
fn one_machine_one_node_and_three_that_are_killed_decide_alike() {
    let _turn = broker::turn();
    let Some(broker) = broker::shared() else { return };
    let triggers = triggers();
    let files = Files { triggers: &triggers, sink: None };
    let events = events(heedful::clock::Clock::now(&System));

    let one = Group::new(&broker, "one", (PARTITIONS, None), &files);
    let topic = one.names().events;
    let three = Group::new(&broker, "three", (PARTITIONS, Some(&topic)), &files);
    let (node, at) = one.start("only");
    let watch = Stopwatch::start();
    let nodes = troubled(at, &three, &topic, &events);
    assert!(watch.elapsed() < WAIT, "the machine is too slow for this test");

    let sink = Sink::start(0);
    let place = Place::new(&sink);
    super::nodes::write_triggers(place.path(), &triggers);
    place.write("heedful.yaml", "");
    let (alone, machine) = place.start_dry();
    for part in events.chunks(PART) {
        let batch: Vec<Value> =
            part.iter().map(|(_, line)| serde_json::from_str(line).unwrap()).collect();
        let body = json!({ "batch": batch }).to_string();
        assert_eq!(post(machine, "/events", body.as_bytes()).unwrap().0, 200);
    }
    thread::sleep(WAIT + Duration::from_secs(4));

    let by_one = settled(&one, "one node");
    let by_three = settled(&three, "three nodes");
    let by_machine = decisions(machine);
    alone.kill();
    // What waits for its states to be written is written by a hand-over.
    assert!(node.process.stop().success(), "it ends by itself");
    for node in nodes {
        let said = node.said();
        assert!(node.process.stop().success(), "{said}");
    }

    let (kept_by_one, kept_by_three) = (states(&one, place.path()), states(&three, place.path()));
    let twice = (one.decisions().1, three.decisions().1);
    print(
        by_one.len(),
        by_three.len(),
        by_machine.len(),
        (hash(&kept_by_one), hash(&kept_by_three)),
    );
    assert_eq!(twice, (0, 0), "no ruling is told twice");
    let verdicts = |all: &BTreeMap<String, Value>| -> BTreeMap<String, String> {
        all.iter().map(|(id, told)| (id.clone(), told["verdict"].to_string())).collect()
    };
    assert_eq!(verdicts(&by_one), verdicts(&by_three));
    assert_eq!(essence(by_one.into_values()), essence(by_machine));
    for (id, state) in &kept_by_one {
        assert_eq!(Some(state), kept_by_three.get(id), "the state of {id}");
    }
    assert_eq!(hash(&kept_by_one), hash(&kept_by_three));
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(one: usize, three: usize, machine: usize, (first, second): (String, String)) {
    println!("decisions  one machine {machine}  one node {one}  three nodes {three}");
    println!("state hash  one node {first}  three nodes {second}");
}
