//! Segment's own SDK for Python, pointed at the service unchanged: who gets the outreach, and why
//! others get none.

use std::path::PathBuf;
use std::process::Command;

use crate::cli::{heedful, here};
use crate::service::{Place, Sink, decisions, get, until};
use crate::skip::skip;

const TRIGGER: &str = "trigger: big-order
kind: behavior
about: Thanks for a big order.
owner: crm@shop.example
when: {event: Order Completed}
if: event.total >= 100
send:
  purpose: marketing
  via: [webhook]
  message:
    en: {subject: Thank you, body: \"Thank you, {{ customer.name }}\"}
";

#[test]
fn segments_sdk_causes_a_signed_outreach_and_explain_says_why_others_get_none() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip("Segment's SDK for Python", &why),
    };
    let sink = Sink::start(0);
    let place = Place::new(&sink);
    place.write("triggers/big-order.yaml", TRIGGER);
    let (process, address) = place.start();
    let url = format!("http://{address}");
    let script = here().join("tests/sdk/outreach.py");
    let done = Command::new(python).arg(script).arg(&url).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    until("a webhook", || !sink.received().is_empty());
    let counted = || get(address, "/api/v1/triggers").unwrap()[0]["funnel"].clone();
    until("both are decided and one is settled", || {
        counted()["matched"] == 2 && counted()["sent"] == 1
    });
    until("the third is heard", || get(address, "/api/v1/customers/cleo").is_some());
    let webhooks = sink.received();
    assert_eq!(webhooks.len(), 1, "{webhooks:?}");
    assert!(webhooks[0].is_signed(), "{webhooks:?}");
    let said = webhooks[0].json();
    assert_eq!(said["type"], "outreach.send");
    assert_eq!(said["data"]["customer"], "ada");
    assert_eq!(said["data"]["content"]["body"], "Thank you, Ada");
    let of_ada = |decision: &&serde_json::Value| decision["customer"] == "ada";
    let decided = decisions(address);
    assert_eq!(decided.iter().find(of_ada).unwrap()["id"], webhooks[0].id.as_str());

    let explain = |customer: &str| {
        let args = ["explain", customer, "--trigger", "big-order", "--url", &url];
        let said = heedful(place.path(), &args);
        assert_eq!(said.code, 0, "{}", said.err);
        said.out
    };
    let bob = explain("bob");
    assert!(bob.contains("big-order: suppressed (no_consent)"), "{bob}");
    assert!(bob.contains("no   consent"), "{bob}");
    let cleo = explain("cleo");
    assert!(cleo.contains("nothing was decided"), "{cleo}");
    assert!(cleo.contains("no   event.total >= 100"), "{cleo}");
    assert!(explain("ada").contains("big-order: sent"));
    drop(process);
}

/// A Python that has the SDK, installed below the target folder when it is not there yet.
fn python() -> Result<PathBuf, String> {
    let program = assert_cmd::cargo::cargo_bin!("heedful").to_path_buf();
    let room = program.parent().unwrap().parent().unwrap().join("sdk/venv");
    let python = room.join("bin/python");
    let run = |command: &mut Command| match command.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    };
    let ready = || run(Command::new(&python).args(["-c", "import segment.analytics"]));
    if ready().is_err() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&room))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        let pinned = here().join("tests/sdk/requirements.txt");
        run(Command::new(&python).args(pip).arg(pinned))?;
        ready()?;
    }
    Ok(python)
}
