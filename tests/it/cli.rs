//! The command line as people use it: the files of a newcomer, faults, tests, replays, whys.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the program in a folder.
pub(crate) fn heedful(folder: &Path, args: &[&str]) -> Said {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("heedful");
    let output = command.current_dir(folder).env_clear().args(args).output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The repository.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A trigger on an event, with its tests.
fn trigger(name: &str, rest: &str) -> String {
    format!(
        "trigger: {name}
kind: behavior
about: Says thank you.
owner: ops@shop.example
when: {{event: Order Completed}}
send:
  purpose: service
  via: [email]
  message:
    en: {{subject: Thank you, body: See you soon.}}
{rest}"
    )
}

#[test]
fn our_own_files_are_right_and_do_what_their_tests_say() {
    for folder in [
        ".",
        "tests/workload",
        "examples/first-outreach",
        "examples/kafka-cluster",
        "examples/churn-model",
        "examples/angry-tickets",
    ] {
        let check = heedful(here(), &["check", folder]);
        assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
        let test = heedful(here(), &["test", folder]);
        assert_eq!(test.code, 0, "{}", test.out);
        assert!(test.out.ends_with("all ok\n"), "{}", test.out);
    }
}

#[test]
fn what_a_newcomer_gets_is_right_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let init = heedful(folder.path(), &["init", "shop"]);
    assert_eq!(init.code, 0, "{}", init.err);
    let shop = folder.path().join("shop");
    let check = heedful(&shop, &["check"]);
    assert_eq!(check.out, "2 triggers, 1 policy, 1 model: ok\n");
    let test = heedful(&shop, &["test"]);
    assert_eq!((test.code, test.out.contains("8 tests: all ok")), (0, true), "{}", test.out);
    for file in ["heedful.yaml", ".vscode/settings.json", "schemas/trigger.json"] {
        assert!(shop.join(file).exists(), "{file}");
    }

    let replay = heedful(&shop, &["replay", "--events", "events.jsonl"]);
    for said in ["3 matched", "2 sent", "1 no_consent"] {
        assert!(replay.out.contains(said), "{said} is not in\n{}", replay.out);
    }

    // Time goes on for Bob too, after the last that is heard of him.
    let bob = heedful(&shop, &["explain", "bob", "--events", "events.jsonl"]);
    assert!(bob.out.contains("cart-reminder: suppressed (no_consent)"), "{}", bob.out);

    write(&shop, "heedful.yaml", "# mine\n");
    let again = heedful(folder.path(), &["init", "shop"]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("`shop/heedful.yaml` is there already"), "{}", again.err);
    assert_eq!(fs::read_to_string(shop.join("heedful.yaml")).unwrap(), "# mine\n");
}

#[test]
fn files_are_checked_where_the_secrets_of_the_service_are_not() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/thanks.yaml", &trigger("thanks", ""));
    let config = "listen: 0.0.0.0:8080
channels: {email: {type: webhook, url: \"https://mail.example\", secret: \"${NOT_SET_HERE}\"}}
";
    write(folder.path(), "heedful.yaml", config);
    let check = heedful(folder.path(), &["check"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
}

#[test]
fn all_faults_of_all_files_are_told_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/a.yaml", &trigger("a", "if: customer.tier = \"gold\"\n"));
    let purposes = trigger("b", "").replace("purpose: service", "purpose: servise");
    write(folder.path(), "triggers/b.yaml", &purposes);
    fs::write(folder.path().join("triggers/c.yaml"), b"trigger: c\nabout: caf\xe9\n").unwrap();
    let check = heedful(folder.path(), &["check"]);
    assert_eq!(check.code, 1);
    assert_snapshot!(check.out, @r#"
    E001

      x `triggers/c.yaml` cannot be taken: it is not UTF-8 from line 2 on: save it as UTF-8

    E010

      x `=` alone is not an operator
        ,-[triggers/a.yaml:11:19]
     10 |     en: {subject: Thank you, body: See you soon.}
     11 | if: customer.tier = "gold"
        :                   ^
        `----
      help: compare with `==`

    E031

      x there is no purpose `servise`
       ,-[triggers/b.yaml:7:12]
     6 | send:
     7 |   purpose: servise
       :            ^^^^^^^
     8 |   via: [email]
       `----
      help: did you mean `service`?

    3 faults in 3 files
    "#);

    let one = heedful(folder.path(), &["check", "triggers/b.yaml", "--format", "github"]);
    assert_eq!(one.code, 1);
    assert_snapshot!(one.out, @r"::error file=triggers/b.yaml,line=7,col=12,title=E031::there is no purpose `servise`%0Adid you mean `service`?");

    let json = heedful(folder.path(), &["check", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["triggers"], 2);
    let places = json["faults"].as_array().unwrap().iter().map(|fault| {
        format!("{} {}:{}", fault["code"], fault["file"].as_str().unwrap(), fault["line"])
    });
    assert_eq!(
        places.collect::<Vec<_>>(),
        ["\"E001\" triggers/c.yaml:1", "\"E010\" triggers/a.yaml:11", "\"E031\" triggers/b.yaml:7"]
    );
}

#[test]
fn a_file_alone_is_checked_with_the_set_it_belongs_to() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/good.yaml", &trigger("good", ""));
    write(folder.path(), "triggers/bad.yaml", &trigger("bad", "limits: {once_per: soon}\n"));
    let check = heedful(folder.path(), &["check", "triggers/good.yaml"]);
    assert_eq!((check.code, check.out.as_str()), (1, "ok, 1 fault elsewhere in the set\n"));
}

#[test]
fn a_failed_test_tells_what_was_expected_and_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let tests = "tests:
  - name: a thank you in the evening
    customer: {email: a@b.example, timezone: Europe/Amsterdam}
    start: 2026-03-02T22:00
    events: [{at: 1m, event: Order Completed}]
    expect:
      - {at: 1m, send: email}

  - name: nobody orders
    customer: {email: a@b.example, timezone: Europe/Amsterdam}
    expect:
      - {at: 1m, send: email}

  - name: in the morning
    customer: {email: a@b.example, timezone: Europe/Amsterdam}
    events: [{at: 1m, event: Order Completed}]
    expect:
      - {at: 1m, send: email}
";
    write(folder.path(), "triggers/thanks.yaml", &trigger("thanks", tests));
    let test = heedful(folder.path(), &["test", "--junit", "results.xml"]);
    assert_eq!(test.code, 1);
    assert_snapshot!(test.out, @r"
    triggers/thanks.yaml
      FAIL  a thank you in the evening
            triggers/thanks.yaml:17:10
              expected  at 1m: sent on email
              found     at 1m: postponed: quiet_hours until 2026-03-03 08:00
            triggers/thanks.yaml:16:5
              expected  nothing else
              found     at 10h: sent on email
            what happened
              +1m   Mon 2026-03-02 22:01:00  customer  postponed: quiet_hours until 2026-03-03 08:00
                                                       it is Mon 2 Mar 22:01 for the customer, and quiet until Tue 3 Mar 08:00; decided again Tue 3 Mar 08:00 (Europe/Amsterdam)
              +10h  Tue 2026-03-03 08:00:00  customer  sent on email
      FAIL  nobody orders
            triggers/thanks.yaml:22:10
              expected  at 1m: sent on email
              found     nothing
              because   waits for the event `Order Completed`
      ok    in the morning
    3 tests: 1 ok, 2 failed
    ");
    let xml = fs::read_to_string(folder.path().join("results.xml")).unwrap();
    assert_snapshot!(xml, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites tests="3" failures="2">
      <testsuite name="triggers/thanks.yaml" tests="3" failures="2">
        <testcase classname="thanks" name="a thank you in the evening" file="triggers/thanks.yaml" line="12">
          <failure message="expected at 1m: sent on email, found at 1m: postponed: quiet_hours until 2026-03-03 08:00">triggers/thanks.yaml:17:10: expected at 1m: sent on email, found at 1m: postponed: quiet_hours until 2026-03-03 08:00
    triggers/thanks.yaml:16:5: expected nothing else, found at 10h: sent on email
    +1m customer postponed: quiet_hours until 2026-03-03 08:00 it is Mon 2 Mar 22:01 for the customer, and quiet until Tue 3 Mar 08:00; decided again Tue 3 Mar 08:00 (Europe/Amsterdam)
    +10h customer sent on email 
    </failure>
        </testcase>
        <testcase classname="thanks" name="nobody orders" file="triggers/thanks.yaml" line="19">
          <failure message="expected at 1m: sent on email, found nothing">triggers/thanks.yaml:22:10: expected at 1m: sent on email, found nothing
    </failure>
        </testcase>
        <testcase classname="thanks" name="in the morning" file="triggers/thanks.yaml" line="24"/>
      </testsuite>
    </testsuites>
    "#);

    let only = heedful(folder.path(), &["test", "--only", "in the morning", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&only.out).unwrap();
    assert_eq!((only.code, &json["passed"], &json["failed"]), (0, &1.into(), &0.into()));
}

#[test]
fn wrong_usage_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = heedful(folder.path(), &["check"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("`heedful init` writes a first set"), "{}", nothing.err);
    let missing = heedful(folder.path(), &["test", "no-such-folder"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("cannot read `no-such-folder`"), "{}", missing.err);
    assert_eq!(heedful(folder.path(), &["chekc"]).code, 2);
    let help = heedful(folder.path(), &["--help"]);
    assert!(help.code == 0 && help.out.contains("Exit codes:"), "{}", help.out);
}

#[test]
fn schemas_and_completions_are_written() {
    for kind in ["trigger", "model", "policy"] {
        let schema = heedful(here(), &["schema", kind]);
        let json: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
        assert!(json["properties"].is_object(), "{kind}");
    }
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = heedful(here(), &["completions", shell]);
        assert!(script.code == 0 && script.out.contains("heedful"), "{shell}");
    }
}

/// Recorded events of three customers, one of them refused and one sent twice.
const EVENTS: &str = r#"
{"customer":"ann","traits":{"email":"ann@x.example","timezone":"Europe/Berlin"},"at":"2026-03-02T08:00:00Z","id":"1"}
{"customer":"bob","event":"Order Completed","at":"2026-03-02T09:00:00Z","id":"2"}
{"customer":"ann","event":"Order Completed","at":"2026-03-02T10:00:00Z","id":"3"}
{"customer":"ann","event":"Order Completed","at":"2026-03-02T10:00:00Z","id":"3"}
{"customer":"ann","event":"Order Completed","at":"2026-03-02T21:30:00Z","id":"4"}
{"customer":"","event":"Order Completed","at":"2026-03-02T21:30:00Z","id":"5"}
{"customer":"eve","event":"Looked Around","at":"2026-03-03T12:00:00Z","id":"6"}
"#;

#[test]
fn a_replay_gives_the_same_decisions_however_customers_are_divided() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/thanks.yaml", &trigger("thanks", ""));
    write(folder.path(), "events.ndjson", EVENTS);
    let run = |shards: &str| {
        let out = format!("decisions.{shards}");
        let args = ["replay", "--events", "events.ndjson", "--shards", shards, "--decisions", &out];
        let said = heedful(folder.path(), &args);
        assert_eq!(said.code, 0, "{}", said.err);
        let text = said.out.lines().filter(|line| !line.contains("events a second"));
        let decisions = fs::read_to_string(folder.path().join(out)).unwrap();
        (text.collect::<Vec<_>>().join("\n"), decisions)
    };
    let (text, decisions) = run("1");
    assert_eq!(run("1"), (text.clone(), decisions.clone()), "the same twice");
    assert_eq!(run("8"), (text.clone(), decisions.clone()), "the same on eight shards");
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("decisions") && !line.starts_with("state"))
        .collect();
    assert_snapshot!(text.join("\n"), @r#"
    6 events of 3 customers, until 2026-03-03T12:00:00.000Z
    1 of them came twice
    1 refused: missing_customer
      line 7: the event names no customer: send `userId` or `anonymousId` (or `"broadcast": true` for one that concerns everyone)

    thanks  3 matched
                 2 sent
                 1 suppressed
                     1 unreachable
                 0 deferred
                     1 quiet_hours
    "#);
    let order = decisions.lines().map(|line| {
        let decision: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", decision["ruled_at"], decision["customer"], decision["verdict"])
    });
    assert_snapshot!(order.collect::<Vec<_>>().join("\n"), @r#"
    "2026-03-02T09:00:00.000Z" "bob" "suppressed"
    "2026-03-02T10:00:00.000Z" "ann" "sent"
    "2026-03-02T21:30:00.000Z" "ann" "deferred"
    "2026-03-03T07:00:00.000Z" "ann" "sent"
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story with its files and its answers")]
fn explain_tells_of_any_pair_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "triggers/thanks.yaml",
        &trigger(
            "thanks",
            "if: customer.tier == \"gold\" || count(\"Order Completed\", \"7d\") == 1\n",
        ),
    );
    write(folder.path(), "events.ndjson", EVENTS);
    let explain = |args: &[&str]| {
        let args = [&["explain", "--events", "events.ndjson"], args].concat();
        heedful(folder.path(), &args)
    };
    assert_snapshot!(explain(&["ann"]).out, @r#"
    customer ann
      now         Tue 3 Mar 13:00 in Europe/Berlin
      first seen  Mon 2 Mar 09:00
      last seen   Mon 2 Mar 22:30

    decided
      2026-03-02T10:00:00.000Z  thanks: sent
          `thanks` fired and every rule let it pass: it would be sent, were sending not off, on `email`

    triggers  (--trigger NAME tells more of one)
      thanks  `customer.tier == "gold" || count("Order Completed", "7d") == 1` does not hold: customer.tier is missing, count("Order Completed", "7d") = 2
    "#);
    assert_snapshot!(explain(&["eve", "--trigger", "thanks"]).out, @r#"
    customer eve
      now         Tue 3 Mar 12:00 in UTC, the policy's zone
      first seen  Tue 3 Mar 12:00
      last seen   Tue 3 Mar 12:00

    nothing was decided

    trigger thanks  (triggers/thanks.yaml:1:10)
      Says thank you.

      it waits for
        the event `Order Completed`

      its conditions, as they stand
        no   customer.tier == "gold" || count("Order Completed", "7d") == 1
             customer.tier is missing, count("Order Completed", "7d") = 0; the first that does not hold

      if it fired now: not sent: unreachable (the customer cannot be reached on any of the trigger's channels)
        yes  enabled
        yes  expiry
        yes  suppression
        yes  once_per
        yes  consent
        no   channel      no channel of the trigger reaches the customer
      next free instant: none while this stands
    "#);
    assert_snapshot!(explain(&["ann", "--trigger", "thanks", "--at", "2026-03-02T09:00:00Z"]).out, @r#"
    customer ann
      now         Mon 2 Mar 10:00 in Europe/Berlin
      first seen  Mon 2 Mar 09:00
      last seen   Mon 2 Mar 09:00

    nothing was decided

    trigger thanks  (triggers/thanks.yaml:1:10)
      Says thank you.

      it waits for
        the event `Order Completed`

      its conditions, as they stand
        no   customer.tier == "gold" || count("Order Completed", "7d") == 1
             customer.tier is missing, count("Order Completed", "7d") = 0; the first that does not hold

      if it fired now: sent on email
        yes  enabled
        yes  expiry
        yes  suppression
        yes  once_per
        yes  consent
        yes  channel      reachable on `email`
        yes  holdout
        yes  arbitration
        yes  quiet_hours
        yes  caps
    "#);
    let stranger = explain(&["zoe"]);
    assert_eq!(stranger.code, 2);
    assert!(
        stranger.err.contains("nothing was ever heard of a customer `zoe`"),
        "{}",
        stranger.err
    );
    let unknown = explain(&["ann", "--trigger", "thank"]);
    assert!(unknown.err.contains("there are `thanks`"), "{}", unknown.err);
}

#[test]
fn what_was_refused_on_one_machine_is_listed() {
    use heedful::store::record::DeadLetter;
    use heedful::store::{Options, Store};
    let folder = tempfile::tempdir().unwrap();
    let empty = heedful(folder.path(), &["dlq", "list"]);
    assert_eq!((empty.code, &*empty.out), (0, "nothing was refused\n"));
    let store = Store::open(&folder.path().join("data/store"), Options::default()).unwrap();
    let letter = |reason: &str| DeadLetter {
        at: "2026-03-01T00:00:00.000Z".to_owned(),
        source: "http:/v1/batch".to_owned(),
        reason: reason.to_owned(),
        detail: "at byte 1: it ends".to_owned(),
        sample: "{\"userId\": 1".to_owned(),
    };
    store.put_dead_letters(&[letter("malformed_json"), letter("missing_event")]).unwrap();
    store.flush().unwrap();
    drop(store);
    let listed = heedful(folder.path(), &["dlq", "list", "--reason", "malformed_json"]);
    let line = "2  2026-03-01T00:00:00.000Z  malformed_json  http:/v1/batch  at byte 1: it ends\n";
    assert!(listed.out.starts_with(line), "{}", listed.out);
    let shown = heedful(folder.path(), &["dlq", "show", "2"]);
    assert!(shown.out.ends_with("{\"userId\": 1\n"), "{}", shown.out);
    assert_eq!(heedful(folder.path(), &["dlq", "show", "3"]).code, 2);
}
