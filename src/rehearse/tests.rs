//! Tests of the runner of tests: what passes, what must not, and what is told then.

use super::*;
use crate::declare::{Source, SourceKind, load};
use crate::engine::catalog::{Sending, TriggerState};
use crate::engine::policy::Share;

const SEND: &str = "
send:
  purpose: service
  via: [email, sms]
  message:
    en: {subject: s, body: b}
";

fn source(path: &str, text: String, kind: SourceKind) -> Source {
    Source { path: path.into(), text: text.into(), kind }
}

fn trigger(name: &str, words: &str, tests: &str) -> Source {
    let kind = if ["{score:", "{changes:"].iter().any(|word| words.contains(word)) {
        "status"
    } else {
        "behavior"
    };
    let head = format!("trigger: {name}\nkind: {kind}\nabout: a\nowner: a@b.example\n");
    source(&format!("{name}.yaml"), format!("{head}{words}\ntests:\n{tests}"), SourceKind::Trigger)
}

fn run(sources: &[Source]) -> Vec<Report> {
    let mut loaded = load(sources, Sending::DryRun).unwrap_or_else(|faults| panic!("{faults:#?}"));
    rehearse(&mut loaded.catalog, &loaded.tests)
}

/// What became of the tests of one trigger, a line each.
fn told(words: &str, tests: &str) -> Vec<String> {
    run(&[trigger("t", words, tests)]).iter().map(tell).collect()
}

fn tell(report: &Report) -> String {
    match &report.outcome {
        Outcome::Passed => "ok".to_owned(),
        Outcome::Failed { differences, .. } => {
            let lines = differences.iter().map(|d| format!("{} | {}", d.expected, d.found));
            lines.collect::<Vec<_>>().join(" / ")
        }
        Outcome::Broken { why, .. } => format!("broken: {why}"),
    }
}

const PLAIN: &str = "when: {event: Paid}";

#[test]
fn sends_are_matched_one_to_one() {
    let words = format!("{PLAIN}{SEND}");
    let tests = "
  - name: right
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 1m, event: Paid}]
    expect: [{at: 1m, send: email}]
  - name: wrong time
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 1m, event: Paid}]
    expect: [{at: 2m, send: email}]
  - name: wrong channel
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 1m, event: Paid}]
    expect: [{at: 1m, send: sms}]
  - name: one line for two sends
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 1m, event: Paid}, {at: 2m, event: Paid}]
    expect: [{within: 5m, send: email}]
  - name: two lines for one send
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 1m, event: Paid}]
    expect: [{within: 5m, send: email}, {at: 1m, send: email}]
";
    assert_eq!(
        told(&words, tests),
        [
            "ok",
            "at 2m: sent on email | nothing then, but at 1m: sent on email / nothing else | at 1m: sent on email",
            "at 1m: sent on sms | at 1m: sent on email",
            "nothing else | at 2m: sent on email",
            "within 5m: sent on email | nothing",
        ]
    );
}

#[test]
fn silence_is_followed_to_the_end_of_what_is_armed() {
    let words = format!("when: {{event: Cart, not_followed_by: [Paid], for: 3d}}{SEND}");
    let tests = "
  - name: three days later it is sent, though no line names that time
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 0s, event: Cart}]
    expect: []
  - name: the end that the test names comes first
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 0s, event: Cart}]
    until: 2d
    expect: []
  - name: paid
    customer: {email: a@b.example, timezone: UTC}
    events: [{at: 0s, event: Cart}, {at: 2d, event: Paid}]
    expect: []
";
    assert_eq!(told(&words, tests), ["nothing at all | at 3d: sent on email", "ok", "ok"]);
}

#[test]
fn what_still_waits_at_the_end_is_not_silence() {
    let words = format!("{PLAIN}{SEND}");
    let tests = "
  - name: quiet hours hold it until after the end
    customer: {email: a@b.example, timezone: UTC}
    start: 2026-01-05T23:00
    until: 1h
    events: [{at: 0s, event: Paid}]
    expect: []
  - name: without an end the night passes
    customer: {email: a@b.example, timezone: UTC}
    start: 2026-01-05T23:00
    events: [{at: 0s, event: Paid}]
    expect:
      - {at: 0s, postponed: quiet_hours, until: 2026-01-06T08:00}
      - {at: 9h, send: email}
";
    let waits = "nothing at all | at 1h: still waiting at the end: quiet_hours";
    assert_eq!(told(&words, tests), [waits, "ok"]);
}

const EXPERIMENT: &str = "
experiment:
  holdout: 50%
  arms:
    red: {share: 25%, offer: none}
    blue: {share: 25%, offer: BLUE}
  goal: {event: Paid, within: 1d}
";

#[test]
fn arms_are_what_the_test_says_and_nothing_is_drawn() {
    let words = format!("when: {{event: Seen}}{SEND}  offer: [{{use: PLAIN}}]\n{EXPERIMENT}");
    let case = |name: &str, arm: &str, expect: &str| {
        format!(
            "  - name: {name}\n    customer: {{email: a@b.example, timezone: UTC}}\n{arm}    \
             events: [{{at: 0s, event: Seen}}]\n    expect: {expect}\n"
        )
    };
    let tests = [
        case("none", "", "[{at: 0s, send: email, offer: PLAIN}]"),
        case("red", "    arm: red\n", "[{at: 0s, send: email, offer: none}]"),
        case("blue", "    arm: blue\n", "[{at: 0s, send: email, offer: BLUE}]"),
        case("holdout", "    arm: holdout\n", "[{at: 0s, not_sent: holdout}]"),
        case("a ghost is not silence", "    arm: holdout\n", "[]"),
    ];
    let ghost = "nothing at all | at 0s: not sent: holdout";
    assert_eq!(told(&words, &tests.concat()), ["ok", "ok", "ok", "ok", ghost]);
}

#[test]
fn the_other_triggers_are_off_and_the_global_holdout_is_empty() {
    let tests = "
  - name: alone
    customer: {email: a@b.example, timezone: UTC, consent: {marketing: true}}
    events: [{at: 0s, event: Paid}]
    expect: [{at: 0s, send: email}]
";
    let policy = "holdout: 100%\ncaps: [{purpose: marketing, at_most: 1, per: day}]\n";
    let words = format!("{PLAIN}{SEND}").replace("service", "marketing\n  unsubscribe: provider");
    let sources = [
        trigger("a-first", &words, tests),
        trigger("b-second", &format!("enabled: false\n{words}"), tests),
        source("policy.yaml", policy.to_owned(), SourceKind::Policy),
    ];
    let mut loaded = load(&sources, Sending::DryRun).unwrap();
    let reports = rehearse(&mut loaded.catalog, &loaded.tests);
    assert_eq!(reports.iter().map(tell).collect::<Vec<_>>(), ["ok", "ok"]);
    let states: Vec<_> = loaded.catalog.triggers.iter().map(|trigger| trigger.state).collect();
    assert_eq!(states, [TriggerState::Enabled, TriggerState::Disabled], "all as before");
    assert_eq!(loaded.catalog.policy.holdout, Share(10_000));
    assert_eq!(loaded.catalog.sending, Sending::DryRun);
}

#[test]
fn experiments_are_put_back() {
    let words = format!("when: {{event: Seen}}{SEND}{EXPERIMENT}");
    let case =
        |arm: &str| format!("  - name: n\n    customer: {{email: a}}\n{arm}    expect: []\n");
    let tests = [case("    arm: blue\n"), case(""), case("    arm: holdout\n"), case("")].concat();
    let mut loaded = load(&[trigger("t", &words, &tests)], Sending::DryRun).unwrap();
    rehearse(&mut loaded.catalog, &loaded.tests);
    let experiment = loaded.catalog.triggers[0].experiment.as_ref().unwrap();
    let shares: Vec<_> = experiment.arms.iter().map(|arm| arm.share).collect();
    assert_eq!((experiment.holdout, &shares[..]), (Share(5_000), &[Share(2_500); 2][..]));
}

#[test]
fn a_score_that_a_test_gives_is_not_computed_besides() {
    let model = "
model: health
type: scorecard
about: a
every: 1h
measures:
  logins: {weight: 1, value: 'count(\"Logged In\", \"7d\")', scale: {0: 0, 10: 100}}
bands: {good: 50, bad: 0}
tests:
  - name: half
    given: {count: {Logged In: {last 7d: 5}}}
    expect: {score: 50, band: good}
  - name: wrong
    given: {count: {Logged In: {last 7d: 4}}}
    expect: {score: 50, band: good}
";
    let tests = "
  - name: falls and stays, although no login was ever seen
    customer: {email: a@b.example, timezone: UTC}
    given: {score: {health: 80}}
    events:
      - {at: 1h, score: {health: 20}}
      - {at: 2h, event: Logged In}
    until: 1d
    expect: [{at: 1h, send: email}]
";
    let words = format!("when: {{score: health, falls_below: 30, rearm_above: 50}}{SEND}");
    let sources =
        [trigger("t", &words, tests), source("health.yaml", model.to_owned(), SourceKind::Model)];
    let told: Vec<_> = run(&sources).iter().map(tell).collect();
    let wrong = "score 50 | 40: logins = 4 (40.0 points) / band good | band bad";
    assert_eq!(told, ["ok", "ok", wrong]);
}

#[test]
fn what_is_given_of_the_past_holds_and_fires_nothing() {
    let words = format!(
        "when: {{event: Paid}}\nif:\n  - count(\"Paid\", \"7d\") == 4\n  \
         - days_since(\"Bought\") >= 2{SEND}"
    );
    let tests = "
  - name: three before and this one
    customer: {email: a@b.example, timezone: UTC}
    given: {count: {Paid: {last 7d: 3}}, since: {Bought: 2d}}
    events: [{at: 0s, event: Paid}]
    expect: [{at: 0s, send: email}]
  - name: two before
    customer: {email: a@b.example, timezone: UTC}
    given: {count: {Paid: {last 7d: 2}}, since: {Bought: 2d}}
    events: [{at: 0s, event: Paid}]
    expect: [{at: 0s, send: email}]
";
    let reports = run(&[trigger("t", &words, tests)]);
    assert_eq!(tell(&reports[0]), "ok");
    let Outcome::Failed { differences, happened } = &reports[1].outcome else {
        panic!("{:?}", reports[1])
    };
    assert!(happened.is_empty());
    let stood = differences[0].stood.as_ref().expect("how the customer stood is kept");
    assert_eq!(stood.at.to_string(), "2026-01-05T10:00:00.000Z");
}

#[test]
fn what_was_before_the_start_fires_nothing() {
    let words = format!("when: {{changes: customer.plan, to: pro}}{SEND}");
    let tests = "
  - name: was pro from the start
    customer: {plan: pro, email: a@b.example, timezone: UTC}
    expect: []
  - name: becomes pro
    customer: {plan: team, email: a@b.example, timezone: UTC}
    events: [{at: 1m, set: {plan: pro}}]
    expect: [{at: 1m, send: email}]
";
    assert_eq!(told(&words, tests), ["ok", "ok"]);
    let tests = "
  - name: paid a moment ago, which counts and was not answered
    customer: {email: a@b.example, timezone: UTC}
    given: {since: {Paid: 5m}}
    events: [{at: 1m, event: Paid}]
    expect: [{at: 1m, send: email}]
";
    let words = format!("{PLAIN}{SEND}limits: {{once_per: 1d}}");
    assert_eq!(told(&words, tests), ["ok"]);
}

#[test]
fn an_event_without_a_customer_is_offered_to_all_whom_it_may_concern() {
    let words = format!(
        "when: {{event: Outage, affects: event.service in customer.services, per: event.id}}
if: count(\"Outage\", \"1h\") == 0{SEND}"
    );
    let tests = "
  - name: ann only
    customers:
      ann: {services: [a], email: ann@x.example, timezone: UTC}
      bob: {services: [b], email: bob@x.example, timezone: UTC}
    events: [{at: 0s, event: Outage, with: {service: a, id: I1}}]
    expect: [{at: 0s, to: ann, send: email}]
  - name: bob is not concerned
    customers:
      ann: {services: [a], email: ann@x.example, timezone: UTC}
      bob: {services: [b], email: bob@x.example, timezone: UTC}
    events: [{at: 0s, event: Outage, with: {service: a, id: I1}}]
    expect: [{at: 0s, to: bob, send: email}]
";
    let wrong = "bob at 0s: sent on email | nothing / nothing else | ann at 0s: sent on email";
    assert_eq!(told(&words, tests), ["ok", wrong]);
}

#[test]
fn what_cannot_be_is_said() {
    let words = format!("{PLAIN}{SEND}");
    let tests = "
  - name: ends too early
    customer: {email: a@b.example}
    until: 1h
    events: [{at: 2h, event: Paid}]
    expect: []
  - name: begins too late
    customer: {email: a@b.example, timezone: UTC}
    start: 2026-01-05T10:00
    events: [{at: 2026-01-04T10:00, event: Paid}]
    expect: []
";
    let told = told(&words, tests);
    assert_eq!(
        told,
        [
            "broken: it ends before the last time it names",
            "broken: it is before the start of the test"
        ]
    );
}

/// Every name that a text may begin with is there when the text is written.
#[test]
fn every_name_offered_to_texts_is_there_when_they_are_written() {
    let asks = |root: &str| match root {
        "customer" => "{{ customer.id }} {{ customer.plan.name }}",
        "event" => "{{ event.total }} {{ event.address.city }}",
        "score" => "{{ score.churn }} {{ score.churn_was }} {{ score.churn_band }}",
        "health" => {
            "{{ health.score }} {{ health.band }} {{ health.trend_7d | default(0) }} \
             {{ health.trend_28d | default(0) }}"
        }
        "offer" => "{{ offer.code }}",
        "arm" => "{{ arm.tip }}",
        "days_left" => "{{ days_left }}",
        "reasons" => {
            "{% for reason in reasons %}{{ reason.plain }}{% endfor %}{{ reasons[0].plain }}"
        }
        "now" => "{{ now }} {{ now | date }} {{ now | time }}",
        "unsubscribe_url" => "{{ unsubscribe_url }}",
        other => panic!("`{other}` is offered, and this test does not ask for it"),
    };
    let churn = "model: churn\ntype: pushed\nabout: a\nbands: {high: 0.7, low: 0}\n";
    let health = "model: health\ntype: scorecard\nabout: a\nbands: {good: 50, bad: 0}\nmeasures:\n  \
                  paid: {weight: 1, value: 'count(\"Paid\", \"7d\")', scale: {0: 0, 1: 30}}\n";
    let models = || {
        [("churn", churn), ("health", health)]
            .map(|(name, text)| source(&format!("{name}.yaml"), text.to_owned(), SourceKind::Model))
    };
    for root in crate::declare::TEXT_ROOTS {
        let when = match *root {
            "days_left" => "kind: lifecycle\nwhen: {date: customer.ends, before: 1d}",
            _ => "kind: behavior\nwhen: {event: Paid}",
        };
        let text = format!(
            "trigger: t\nabout: a\nowner: a@b.example\n{when}\nsend:\n  purpose: transactional\n  \
             via: email\n  offer: {{use: X}}\n  message:\n    en:\n      body: '{}'\nexperiment:\n  \
             arms: {{a: {{share: 100%, set: {{tip: x}}}}}}\ntests:\n  - name: {root}\n    \
             customer: {{email: a@b.example, timezone: UTC, plan: {{name: pro}}, ends: 2026-03-03}}\n    \
             start: 2026-03-01T10:00\n    given: {{score: {{churn: 0.2}}}}\n    arm: a\n    \
             until: 2026-03-04T00:00\n    events:\n      \
             - {{at: 1h, score: {{churn: 0.8}}}}\n      - {{at: 30h, event: Paid, with: {{total: 3, \
             address: {{city: Ghent}}}}}}\n    expect: [{{within: 40h, send: email}}]\n",
            asks(root)
        );
        let mut sources = models().to_vec();
        sources.push(source("t.yaml", text, SourceKind::Trigger));
        let told: Vec<_> = run(&sources).iter().map(tell).collect();
        assert_eq!(told, ["ok"], "{root}");
    }
}

/// Each folder of `tests/scenario` is a set of files of its own; all their tests hold.
#[test]
fn scenarios_hold() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for folder in files("tests/scenario") {
        let sources: Vec<Source> = files(&folder).iter().map(|path| read(path)).collect();
        for report in run(&sources) {
            seen += 1;
            let told = tell(&report);
            if told != "ok" {
                wrong.push(format!("{} `{}`: {told}", report.path, report.case));
            }
        }
    }
    assert!(40 < seen, "only {seen} tests");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<String> =
        entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    paths.sort();
    paths
}

fn read(path: &str) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let kind = if path.ends_with("/policy.yaml") {
        SourceKind::Policy
    } else if text.starts_with("model:") {
        SourceKind::Model
    } else {
        SourceKind::Trigger
    };
    source(path, text, kind)
}

#[test]
fn the_second_of_an_account_waits_for_its_cap_in_virtual_time() {
    let policy = source(
        "policy.yaml",
        "purposes: {service: {consent: opt_out, quiet_hours: break, unknown_zone: assume}}\n\
         caps: [{each: account, purpose: service, at_most: 1, per: rolling 2h}]\n\
         prices: {email: 0.01 EUR, sms: 0.05 EUR}\nbudgets: {service: {at_most: 0.02 EUR, per: day}}\n"
            .into(),
        SourceKind::Policy,
    );
    let tests = "
  - name: waits for the cap, and the third for money
    start: 2026-03-02T10:00
    customers:
      ann: {email: a@b.example, timezone: UTC, account: acme}
      bob: {email: b@b.example, timezone: UTC, account: acme}
      eve: {email: e@b.example, timezone: UTC}
    events:
      - {at: 1m, to: ann, event: Paid}
      - {at: 2m, to: bob, event: Paid}
      - {at: 3h, to: eve, event: Paid}
    expect:
      - {at: 1m, to: ann, send: email}
      - {at: 2m, to: bob, postponed: account_cap, until: 121m}
      - {at: 121m, to: bob, send: email}
      - {at: 3h, to: eve, postponed: budget}
      - {within: 24h, to: eve, send: email}
    until: 30h
";
    let words = format!("{PLAIN}{SEND}");
    let reports = run(&[policy, trigger("t", &words, tests)]);
    assert_eq!(reports.iter().map(tell).collect::<Vec<_>>(), ["ok"]);
}
