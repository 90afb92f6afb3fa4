//! Servers that hang, hang up, refuse and answer without end, and a process that is killed between
//! what it means to do and what came of it: nobody hears from us twice where that matters, the same
//! bytes come under the same id where it does not, and nothing is lost.

mod servers;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{KEY, Place, decisions, get, looked, post, until};
use servers::{Came, Mails, Web};

/// How often the process is killed.
const KILLS: usize = 14;
/// Shortest and longest life between two kills, in milliseconds.
const LIFE_MS: std::ops::Range<u64> = 200..900;
/// The chance of the run.
const SEED: u64 = 0x0bad_5eed;
const CUSTOMERS: usize = 24;
/// Events before each kill, for each channel.
const EVENTS_EACH: usize = 9;

/// The channels, with what becomes of a call whose result is lost.
const CHANNELS: [&str; 4] = ["again", "held", "asked", "email"];

fn trigger(channel: &str) -> String {
    format!(
        "trigger: by-{channel}
kind: behavior
about: Tells about an order.
owner: ops@shop.example
when: {{event: by_{channel}}}
send:
  purpose: transactional
  via: [{channel}]
  message:
    en: {{subject: Your order, body: \"Order {{{{ event.order }}}}\"}}
"
    )
}

fn place(web: &Web, mails: &Mails) -> Place {
    let place = Place::bare();
    let base = format!("http://{}", web.address);
    let body = r#"'{"id": {{ decision }}, "text": {{ content.body }}}'"#;
    place.write(
        "heedful.yaml",
        &format!(
            "channels:
  again: {{type: webhook, url: \"{base}/again\", secret: whsec_{KEY}, allow_private: on, timeout: 1s}}
  held: {{type: http, url: \"{base}/held\", body: {body}, allow_private: on, timeout: 1s}}
  asked:
    type: http
    url: {base}/asked
    body: {body}
    allow_private: on
    timeout: 1s
    probe: {{url: \"{base}/seen/{{{{ decision }}}}\", found_when: status == 200, absent_when: status == 404, after: 2s}}
  email: {{type: smtp, host: 127.0.0.1, port: {}, tls: none, from: shop@shop.example, timeout: 1s}}
",
            mails.address.port()
        ),
    );
    let needs = CHANNELS.map(|channel| match channel {
        "email" => "  email: {needs: email}\n".to_owned(),
        other => format!("  {other}: {{}}\n"),
    });
    let policy = format!("quiet_hours: []\ncaps: []\nchannels:\n{}", needs.concat());
    place.write("triggers/policy.yaml", &policy);
    for channel in CHANNELS {
        place.write(&format!("triggers/by-{channel}.yaml"), &trigger(channel));
    }
    place
}

/// Posts until it is acknowledged, over kills.
fn must_post(place: &Place, body: &Value) {
    let bytes = body.to_string();
    let done = looked(|| {
        let address = place.listens()?;
        post(address, "/events", bytes.as_bytes()).filter(|(status, _)| *status == 200)
    });
    assert!(done.is_some(), "never acknowledged");
}

/// What may never be seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Messages that a customer got twice where that matters.
    twice: usize,
    /// Calls under one id with other bytes.
    changed: usize,
    /// Events without a decision, `sent` without a message, `unknown` where it could be known.
    lost: usize,
    /// Messages of no decision, calls to where a redirect led.
    strange: usize,
}

fn judge(events: &BTreeSet<String>, decisions: &[Value], web: &[Came], mails: &[Came]) -> Verdict {
    let mut verdict = Verdict::default();
    let occurrences: BTreeSet<&str> =
        decisions.iter().map(|one| one["occurrence"].as_str().unwrap()).collect();
    verdict.lost += events.iter().filter(|id| !occurrences.contains(id.as_str())).count();
    let mut by_id: BTreeMap<&str, Vec<&Came>> = BTreeMap::new();
    for came in web.iter().chain(mails) {
        by_id.entry(&came.id).or_default().push(came);
    }
    for decision in decisions {
        let id = decision["id"].as_str().unwrap();
        let channel = decision["channel"].as_str().unwrap();
        let calls = by_id.remove(id).unwrap_or_default();
        let taken = calls.iter().filter(|came| came.is_taken).count();
        verdict.twice += usize::from(channel != "again" && 1 < taken);
        verdict.changed += usize::from(calls.iter().any(|came| came.body != calls[0].body));
        verdict.lost += usize::from(match decision["verdict"].as_str().unwrap() {
            "sent" => taken == 0,
            // Certainly not taken: a redirect, a refusal.
            "suppressed" => 0 < taken || calls.is_empty(),
            // What nobody ever takes is known to be refused, unless a kill swallowed an answer.
            "unknown" => channel == "asked" || (channel == "again" && 0 < taken),
            other => panic!("{channel}: {other}: {decision}"),
        });
    }
    verdict.strange += by_id.len();
    verdict
}

#[test]
fn between_intent_and_result_nothing_is_doubled_and_nothing_is_lost() {
    let (web, mails) = (Web::start(), Mails::start());
    let place = place(&web, &mails);
    let mut chance = fastrand::Rng::with_seed(SEED);
    let mut events = BTreeSet::new();
    let process = place.spawn();
    let people: Vec<Value> = (0..CUSTOMERS)
        .map(|n| json!({"customer": format!("c{n}"), "traits": {"email": format!("c{n}@x.example")}}))
        .collect();
    must_post(&place, &json!({"batch": people}));
    let mut process = Some(process);
    for _ in 0..KILLS {
        let mut batch = Vec::new();
        for n in 0..EVENTS_EACH * CHANNELS.len() {
            let id = format!("e{}", events.len());
            let event = format!("by_{}", CHANNELS[n % CHANNELS.len()]);
            let customer = format!("c{}", chance.usize(0..CUSTOMERS));
            batch.push(
                json!({"customer": customer, "event": event, "id": id, "with": {"order": id}}),
            );
            events.insert(id);
        }
        must_post(&place, &json!({"batch": batch}));
        thread::sleep(Duration::from_millis(chance.u64(LIFE_MS)));
        process.take().unwrap().kill();
        process = Some(place.spawn());
    }
    let address = place.address();
    until("it is ready", || get(address, "/readyz").is_some());
    let settled = || {
        let page = std::fs::read_to_string(place.path().join("said.txt")).unwrap();
        assert!(!page.contains("panicked"), "{page}");
        let all = decisions(address);
        let contacts = all.len() == events.len() && is_settled(address);
        contacts.then_some(all)
    };
    // Waits of retries add up to more than one look takes.
    let all = (0..3).find_map(|_| looked(settled)).expect("everything comes to an end");
    let (web, mails) = (web.came(), mails.came());
    let verdict = judge(&events, &all, &web, &mails);
    print(&all, &web, &mails, &verdict);
    assert_eq!(verdict, Verdict::default());
    let count = |verdict: &str, is_it: &dyn Fn(&Value) -> bool| {
        all.iter().filter(|one| one["verdict"] == verdict && is_it(&one["channel"])).count()
    };
    assert!(0 < count("unknown", &|_| true), "some of what was held is not known, and says so");
    let again = |channel: &Value| channel == "again";
    let (lost, refused) = (count("unknown", &again), count("suppressed", &again));
    assert!(2 * lost < refused, "answers are swallowed now and then, and not as a rule");
    let again = web.iter().filter(|came| came.id == web[0].id).count();
    assert!(web.len() + mails.len() > all.len() && 0 < again, "some calls were made again");
    assert!(process.take().unwrap().stop().success());
}

/// Whether no contact waits for its outcome any more.
fn is_settled(address: std::net::SocketAddr) -> bool {
    (0..CUSTOMERS).all(|n| {
        let Some(page) = get(address, &format!("/api/v1/customers/c{n}")) else { return false };
        let contacts = page["contacts"].as_array().unwrap();
        contacts.iter().all(|contact| contact["kind"] != "reserved")
    })
}

#[expect(clippy::print_stdout, reason = "the table is shown by `--nocapture` and with a failure")]
fn print(all: &[Value], web: &[Came], mails: &[Came], verdict: &Verdict) {
    println!("kills {KILLS}  decisions {}  calls {}  mails {}", all.len(), web.len(), mails.len());
    println!(
        "{:<8}{:>6}{:>12}{:>9}{:>8}{:>8}",
        "channel", "sent", "suppressed", "unknown", "calls", "taken"
    );
    for channel in CHANNELS {
        let of = |verdict: &str| {
            let all = all.iter().filter(|one| one["channel"] == channel);
            all.filter(|one| one["verdict"] == verdict).count()
        };
        let came: Vec<&Came> =
            web.iter().chain(mails).filter(|came| came.channel == channel).collect();
        let taken = came.iter().filter(|came| came.is_taken).count();
        let (sent, no, unknown) = (of("sent"), of("suppressed"), of("unknown"));
        println!("{channel:<8}{sent:>6}{no:>12}{unknown:>9}{:>8}{taken:>8}", came.len());
    }
    println!("{verdict:?}");
}
