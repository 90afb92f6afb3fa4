//! From a year of events to a model that serves: learned, judged, described, in force, explained;
//! refused with reasons; and never half written.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use heedful::clock::{Clock, Stopwatch, System};
use heedful::engine::time::{Span, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::business;
use crate::cli::{Said, heedful, here, write};
use crate::service::{Place, Process, Sink, decisions, exchange, get, post, until};

pub(crate) const MODEL: &str = "models/churn.model.json";
pub(crate) const CARD: &str = "models/churn.card.md";
pub(crate) const EVENTS: &str = "events.jsonl.gz";

/// The files of the example, looked at once a month: a test has less time than a night.
pub(crate) fn example(folder: &Path) {
    for file in [
        "heedful.yaml",
        "models/health.yaml",
        "triggers/save-call.yaml",
        "triggers/policy.yaml",
        "README.md",
    ] {
        let text = fs::read_to_string(here().join("examples/churn-model").join(file)).unwrap();
        write(folder, file, &text);
    }
    write(folder, "models/churn.yaml", &definition());
    fs::copy(business::file(), folder.join(EVENTS)).unwrap();
}

pub(crate) fn definition() -> String {
    let file = here().join("examples/churn-model/models/churn.yaml");
    let text = fs::read_to_string(file).unwrap();
    text.replace("snapshots: weekly", "snapshots: monthly")
        .replace("calibration_error_at_most: 0.05", "calibration_error_at_most: 0.15")
}

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    example(folder.path());
    folder
}

pub(crate) fn train(folder: &Path, more: &[&str]) -> Said {
    heedful(folder, &[&["train", "churn", "--events", EVENTS], more].concat())
}

/// A folder in which the model was learned once for all tests that only look at it.
pub(crate) fn learned() -> &'static (TempDir, String) {
    static LEARNED: OnceLock<(TempDir, String)> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let folder = folder();
        let said = train(folder.path(), &[]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        (folder, said.out)
    })
}

pub(crate) fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn a_model_is_learned_described_accepted_and_used() {
    let (learned, said) = learned();
    for part in ["rows of", "not learned from", "AUC", "lift of the highest tenth", "wrote"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let card = read(learned.path(), CARD);
    for part in [
        "Predicts `Subscription Cancelled` within 30d, of customers with `customer.status == \"active\"`",
        "## Learned from",
        "| log-loss |",
        "| Brier |",
        "| calibration error (ECE) |",
        "| AUC |",
        "| PR-AUC |",
        "## What was said, and what came",
        "| logins_28d | `count(\"Logged In\", \"28d\")`, never raises it |",
        "## What it must not be used for",
        "`customer.gender`, `customer.birth_date`",
    ] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
    let hash = blake3::hash(read(learned.path(), MODEL).as_bytes()).to_hex().to_string();
    assert!(card.contains(&hash), "the card is not that of the file");
    let check = heedful(learned.path(), &["check"]);
    assert_eq!((check.code, check.out.as_str()), (0, "1 trigger, 1 policy, 2 models: ok\n"));

    let replay = heedful(learned.path(), &["replay", "--events", EVENTS, "--decisions", "d.jsonl"]);
    assert!(replay.out.contains("save-call"), "{}", replay.out);
    // It tells of people who have gone sour, not of everybody, and says why.
    let called: Vec<Value> = read(learned.path(), "d.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["verdict"] == "task")
        .collect();
    assert!((20..200).contains(&called.len()), "{} calls", called.len());
    let (who, at) = (called[0]["customer"].as_str(), called[0]["decided_at"].as_str());
    let args = ["explain", who.unwrap(), "--at", at.unwrap(), "--events", EVENTS];
    let explain = heedful(learned.path(), &args);
    let lines: Vec<&str> = explain.out.lines().collect();
    let churn = lines.iter().position(|line| line.starts_with("  churn ")).unwrap();
    for reason in &lines[churn + 1..churn + 4] {
        let part = reason.split_whitespace().next().unwrap();
        assert!(part.parse::<f64>().is_ok(), "{}", explain.out);
    }
}

#[test]
fn the_same_events_and_seed_give_the_same_bytes() {
    let (learned, _) = learned();
    let again = folder();
    // From the log of a stopped service too, whatever the order in which they came there.
    let import = ["import", "--data", "data", "events.jsonl"];
    let mut lines: Vec<String> =
        business::story(business::SEED).lines().map(str::to_owned).collect();
    lines.sort_by_key(|line| line.split(',').next().map(str::to_owned));
    write(again.path(), "events.jsonl", &lines.join("\n"));
    let imported = heedful(again.path(), &import);
    assert_eq!(imported.code, 0, "{}{}", imported.out, imported.err);
    let said = heedful(again.path(), &["train", "churn", "--data", "data"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for file in [MODEL, CARD] {
        assert!(read(learned.path(), file) == read(again.path(), file), "{file} is another");
    }
    let other = train(again.path(), &["--seed", "2"]);
    assert_eq!(other.code, 0, "{}{}", other.out, other.err);
    assert!(read(learned.path(), MODEL) != read(again.path(), MODEL));
}

#[test]
fn what_cannot_be_learned_is_refused_and_the_old_model_stays() {
    let folder = folder();
    let path = folder.path();
    write(path, MODEL, &read(learned().0.path(), MODEL));
    let before = read(path, MODEL);
    let usual = definition();
    let event = "event: Subscription Cancelled";
    for (old, new, code, wrong) in [
        (
            "labels: 40",
            "labels: 4000",
            1,
            "customers to whom it happened, at least 4000 are needed",
        ),
        (event, "event: Left In Silence", 1, "it did not happen in all"),
        ("status == \"active\"", "status == \"asleep\"", 1, "nobody is in the population"),
        ("\"Ticket Opened\"", "\"Letter Came\"", 1, "`tickets_28d` never changes"),
        ("auc: 0.65", "auc: 0.99", 1, "is not good enough: AUC 0."),
        ("last: 8w", "last: 40w", 1, "there is nothing to learn from before 2025-"),
        ("within: 30d", "within: 400d", 1, "no label of 400 days is known by then"),
        ("customer.plan, as", "customer.gender, as", 1, "`customer.gender` must never be used"),
    ] {
        assert!(usual.contains(old), "{old}");
        write(path, "models/churn.yaml", &usual.replace(old, new));
        let said = train(path, &[]);
        assert_eq!(said.code, code, "{new}: {}{}", said.out, said.err);
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains(wrong), "{new}: {text}");
        assert!(text.contains("help:") || text.contains("faults"), "{new}: {text}");
    }
    write(path, "models/churn.yaml", &usual);
    for (args, wrong) in [
        (&["train", "chrun", "--events", EVENTS][..], "there is no model `chrun`"),
        (&["train", "health", "--events", EVENTS], "`health` is no classifier"),
        (&["train", "churn", "--events", "none.jsonl"], "cannot read `none.jsonl`"),
        (&["train", "churn", "--events", "heedful.yaml"], "no column says whose the rows are"),
        (&["train", "churn", "--events", "models/churn.model.json"], "there are no events"),
        (&["train", "churn", "--data", "nowhere"], "there is no data in `nowhere`"),
        (&["train", "churn", "--events", EVENTS, "--trust", "luck"], "has no feature `luck`"),
    ] {
        let said = heedful(path, args);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
        assert!(said.err.contains(wrong), "{args:?}: {}", said.err);
    }
    assert!(read(path, MODEL) == before, "the old model was touched");
    assert!(!path.join(CARD).exists());
}

#[test]
fn a_feature_that_knows_the_future_is_suspected_until_it_is_trusted() {
    let folder = folder();
    let path = folder.path();
    // Somebody marked those who were about to leave, a month before they did.
    let mut lines = String::new();
    for line in business::story(business::SEED).lines() {
        lines.push_str(line);
        lines.push('\n');
        if line.contains("Subscription Cancelled") {
            let gone: Value = serde_json::from_str(line).unwrap();
            let at = Timestamp::parse(gone["at"].as_str().unwrap()).unwrap() - Span::DAY.times(30);
            let mark = json!({"customer": gone["customer"], "at": at.to_string(),
                              "id": format!("mark-{}", gone["id"]), "traits": {"mark": 1}});
            lines.push_str(&format!("{mark}\n"));
        }
    }
    write(path, "marked.jsonl", &lines);
    let usual = definition();
    let marked = usual.replace("  plan:", "  mark: {value: customer.mark, missing: 0}\n  plan:");
    write(path, "models/churn.yaml", &marked);
    let args = ["train", "churn", "--events", "marked.jsonl", "--dry-run"];
    let said = heedful(path, &args);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for part in ["`mark` alone tells the cases apart (AUC 0.99", "too much to be known", "--trust"]
    {
        assert!(said.err.contains(part) || said.err.contains("(AUC 1.00"), "{part}: {}", said.err);
    }
    let said = heedful(path, &[&args[..], &["--trust", "mark"]].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("nothing was written"), "{}", said.out);
    assert!(!path.join(MODEL).exists());
}

/// A running service with a customer who comes every day.
pub(crate) struct Running {
    pub(crate) place: Place,
    pub(crate) address: SocketAddr,
    pub(crate) now: Timestamp,
    // Ends with this.
    pub(crate) process: Process,
}

impl Running {
    /// With the model, and two triggers on its score: a low line and the one of the example.
    pub(crate) fn start() -> Self {
        let sink = Sink::start(0);
        let place = Place::new(&sink);
        example(place.path());
        place.write(MODEL, &read(learned().0.path(), MODEL));
        let trigger = read(place.path(), "triggers/save-call.yaml");
        let trigger = trigger.split("\ntests:").next().unwrap();
        let low =
            trigger.replace("above: 0.35", "above: 0.08").replace("below: 0.2 ", "below: 0.07 ");
        place.write("triggers/save-call.yaml", &low);
        place.write("triggers/save-later.yaml", &trigger.replace("save-call", "save-later"));
        let (process, address) = place.start();
        Self { place, address, now: System.now(), process }
    }

    /// Killed, and started again on what it left.
    pub(crate) fn killed_and_started(self) -> Self {
        let Self { place, now, process, .. } = self;
        process.kill();
        let (process, address) = place.start();
        Self { place, address, now, process }
    }

    pub(crate) fn ago(&self, days: i64) -> String {
        (self.now - Span::DAY.times(days)).to_string()
    }

    pub(crate) fn tell(&self, events: &[Value]) {
        let body = json!({"batch": events}).to_string();
        let (status, answer) = post(self.address, "/events", body.as_bytes()).unwrap();
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) fn someone(&self, id: &str, days: i64) -> Value {
        let traits = json!({"plan": "starter", "status": "active", "created_at": self.ago(days)});
        json!({"customer": id, "at": self.ago(days), "id": id, "traits": traits})
    }

    /// Mia, who comes every day.
    pub(crate) fn mia(&self) {
        let login = |day: i64| {
            let id = format!("l{day}");
            json!({"customer": "mia", "at": self.ago(day), "id": id, "event": "Logged In"})
        };
        let events: Vec<Value> =
            [self.someone("mia", 90)].into_iter().chain((1..60).rev().map(login)).collect();
        self.tell(&events);
    }

    /// Mia's score.
    pub(crate) fn score(&self) -> Option<f64> {
        let customer = get(self.address, "/api/v1/customers/mia")?;
        let scores = customer["scores"].as_array()?;
        scores.iter().find(|score| score["model"] == "churn")?["value"].as_f64()
    }

    pub(crate) fn psi(&self, of: &str) -> Option<f64> {
        let (_, text) = exchange(self.address, "GET", "/metrics", b"")?;
        let text = String::from_utf8(text).ok()?;
        let name = format!("heedful_model_psi{{model=\"churn\",of=\"{of}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok())
    }
}

#[test]
fn a_running_service_calls_by_the_model_says_why_and_sees_drift() {
    let running = Running::start();
    running.mia();
    until("her score is known", || running.score().is_some());
    assert!(running.score().unwrap() < 0.08, "{:?}", running.score());
    assert_eq!(decisions(running.address).len(), 0);
    let ticket = |number: u32| json!({"customer": "mia", "id": format!("k{number}"), "event": "Ticket Opened"});
    running.tell(&(0..9).map(ticket).collect::<Vec<_>>());
    until("somebody is to call her", || !decisions(running.address).is_empty());
    assert_eq!(decisions(running.address)[0]["trigger"], "save-call");
    assert!(0.08 <= running.score().unwrap());
    let why = "ticket opened 9 times in the last 28 days";
    let path = "/api/v1/customers/mia/explain";
    let (_, body) = exchange(running.address, "GET", path, b"").unwrap();
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains(why), "{text}");
    let url = format!("http://{}", running.address);
    let explain = heedful(running.place.path(), &["explain", "mia", "--url", &url]);
    assert!(explain.out.contains(why), "{}", explain.out);

    // A crowd comes that looks like nobody whom the model has seen.
    let crowd: Vec<Value> =
        (0..400).map(|number| running.someone(&format!("n{number}"), 80)).collect();
    crowd.chunks(100).for_each(|some| running.tell(some));
    until("drift is seen", || running.psi("score").is_some());
    assert!(0.25 < running.psi("score").unwrap() && 0.2 < running.psi("logins_28d").unwrap());
    let told = "customers have drifted away from a model";
    until("drift is told", || read(running.place.path(), "said.txt").contains(told));
}

#[test]
fn a_model_comes_and_goes_in_a_running_service_and_nothing_fires_because_of_it() {
    let running = Running::start();
    running.mia();
    let tickets = (0..9).map(|number| {
        json!({"customer": "mia", "at": running.ago(2), "id": format!("k{number}"), "event": "Ticket Opened"})
    });
    running.tell(&tickets.collect::<Vec<_>>());
    until("she has a score", || running.score().is_some_and(|score| 0.08 < score));
    let (by_model, before) = (running.score().unwrap(), decisions(running.address).len());
    assert!(by_model < 0.2, "{by_model}");
    // The model goes, and the scorecard speaks, beyond the line of the second trigger; the model
    // comes back. Nothing has happened to her, and nothing fires.
    let (model, aside) = (running.place.path().join(MODEL), running.place.path().join("aside"));
    fs::rename(&model, &aside).unwrap();
    until("the scorecard speaks", || running.score() == Some(0.4));
    fs::rename(&aside, &model).unwrap();
    until("the model speaks again", || running.score() == Some(by_model));
    // A torn file is no model: the one in force stays.
    let whole = read(running.place.path(), MODEL);
    running.place.write(MODEL, whole.split_at(whole.len() / 2).0);
    until("the torn file is refused", || {
        let catalog = get(running.address, "/api/v1/catalog");
        catalog.is_some_and(|catalog| catalog.to_string().contains("E080"))
    });
    assert_eq!(running.score(), Some(by_model));
    let after = decisions(running.address);
    assert_eq!(after.len(), before, "{after:?}");
}

#[test]
fn a_challenger_is_judged_on_the_same_rows_and_a_model_can_be_taken_back() {
    let folder = folder();
    let path = folder.path();
    write(path, MODEL, &read(learned().0.path(), MODEL));
    let none = heedful(path, &["train", "churn", "--rollback"]);
    assert_eq!(none.code, 2, "{}", none.out);
    assert!(none.err.contains("no model was in force before"), "{}", none.err);
    let first = read(path, MODEL);
    let said = train(path, &["--challenger", "trees", "--seed", "3"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for part in ["Boosted trees as challenger on the same rows: log-loss", "standard error", "half"]
    {
        assert!(said.out.contains(part), "{part}: {}", said.out);
        assert!(read(path, CARD).contains(part), "{part}");
    }
    let second = read(path, MODEL);
    assert!(first != second);
    for (wanted, other) in [(&first, &second), (&second, &first)] {
        let back = heedful(path, &["train", "churn", "--rollback"]);
        assert_eq!(back.code, 0, "{}", back.err);
        assert!(read(path, MODEL) == *wanted && read(path, MODEL) != *other);
        assert_eq!(heedful(path, &["check"]).code, 0);
    }
    // Trees by the model's file, with their own reasons.
    write(path, "models/churn.yaml", &definition().replace("with: logistic", "with: trees"));
    let said = train(path, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(read(path, CARD).contains("Reasons are TreeSHAP values"));
    let told = heedful(path, &["score", "churn", "--explain", "c004", "--events", EVENTS]);
    assert!(told.out.contains("together"), "{}", told.out);
}

#[test]
fn the_scorecard_speaks_until_the_model_may() {
    let folder = folder();
    let path = folder.path();
    let scores = |model: &str| -> Vec<csv::StringRecord> {
        let said = heedful(path, &["score", model, "--all", "--events", EVENTS]);
        assert_eq!(said.code, 0, "{}", said.err);
        let mut rows = csv::Reader::from_reader(said.out.as_bytes());
        rows.records().map(Result::unwrap).collect()
    };
    let mut spoken = 0;
    for (churn, health) in scores("churn").iter().zip(&scores("health")) {
        if let Ok(churn) = churn[2].parse::<f64>() {
            let health: f64 = health[2].parse().unwrap();
            assert!((churn - (1.0 - health / 100.0)).abs() < 1e-3, "{churn} {health}");
            spoken += 1;
        }
    }
    assert!((50..250).contains(&spoken), "{spoken}: only who is of the population");
    let explain = heedful(path, &["explain", "c004", "--events", EVENTS]);
    let why = "what `health` says, while the model may not: nothing was learned yet";
    assert!(explain.out.contains(why), "{}", explain.out);

    write(path, MODEL, &read(learned().0.path(), MODEL));
    write(path, "models/churn.yaml", &definition().replace("auc: 0.65", "auc: 0.99"));
    let check = heedful(path, &["check"]);
    assert_eq!(check.code, 0, "{}", check.out);
    for part in ["W006", "what was learned for `churn` may not speak: AUC 0."] {
        assert!(check.out.contains(part), "{part}: {}", check.out);
    }
    let told = heedful(path, &["score", "churn", "--explain", "c004", "--events", EVENTS]);
    assert!(told.out.contains("the scorecard speaks for the model: AUC 0."), "{}", told.out);
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_model() {
    let folder = folder();
    let path = folder.path();
    // Some of the people: it is killed often enough to be quick about it.
    let some = business::story(business::SEED);
    let is_one = |line: &&str| {
        ["c0", "c1"].iter().any(|few| line.starts_with(&format!("{{\"customer\":\"{few}")))
    };
    let some: Vec<&str> = some.lines().filter(is_one).collect();
    write(path, "events.jsonl", &some.join("\n"));
    write(path, "models/churn.yaml", &definition().replace("labels: 40", "labels: 15"));
    write(path, MODEL, &read(learned().0.path(), MODEL));
    let old = read(path, MODEL);
    let seeded = ["train", "churn", "--events", "events.jsonl", "--seed", "2"];
    let start = || {
        let child = Command::new(assert_cmd::cargo::cargo_bin!("heedful"))
            .current_dir(path)
            .env_clear()
            .args(seeded)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Process::of(child.unwrap())
    };
    let begun = Stopwatch::start();
    let whole = heedful(path, &seeded);
    assert_eq!(whole.code, 0, "{}{}", whole.out, whole.err);
    let takes = begun.elapsed();
    let new = read(path, MODEL);
    assert!(old != new);
    fs::write(path.join(MODEL), &old).unwrap();
    for kill in 1..=8_u32 {
        let process = start();
        std::thread::sleep(takes * kill / 8);
        process.kill();
        let now = read(path, MODEL);
        assert!(now == old || now == new, "kill {kill} left another model");
    }
    // Also one that died while writing: what it left lying there is in nobody's way.
    fs::write(path.join(MODEL), &old).unwrap();
    let mut half = fs::File::create(path.join("models/.churn.model.json.new")).unwrap();
    half.write_all(new.as_bytes().split_at(new.len() / 2).0).unwrap();
    drop(half);
    let check = heedful(path, &["check"]);
    assert_eq!(check.code, 0, "{}", check.out);
    let said = heedful(path, &seeded);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(read(path, MODEL) == new);
    let left: Vec<PathBuf> =
        fs::read_dir(path.join("models")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_half = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "new");
    assert_eq!(left.iter().filter(is_half).count(), 0, "{left:?}");
}

#[test]
fn everybody_is_scored_and_one_is_explained_to_the_last_digit() {
    let (learned, _) = learned();
    let path = learned.path();
    let args = ["score", "churn", "--all", "--events", EVENTS, "--out", "scores.csv"];
    let said = heedful(path, &args);
    assert_eq!(said.code, 0, "{}", said.err);
    let table = read(path, "scores.csv");
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let wanted = ["customer", "model", "value", "band", "reasons"];
    assert_eq!(rows.headers().unwrap().iter().collect::<Vec<_>>(), wanted);
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 300);
    let value = |row: &csv::StringRecord| row[2].parse::<f64>().ok();
    let highest = rows.iter().max_by(|l, r| value(l).partial_cmp(&value(r)).unwrap()).unwrap();
    assert!(0.2 < value(highest).unwrap(), "{highest:?}");
    assert_eq!(highest[4].split("; ").count(), 3, "{highest:?}");
    // Who has cancelled is of no population, and gets no score.
    let silent = rows.iter().filter(|row| row[2].is_empty()).count();
    assert!((50..250).contains(&silent), "{silent}");

    let args = ["score", "churn", "--explain", &highest[0], "--events", EVENTS, "--format", "json"];
    let said = heedful(path, &args);
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let score = &told["scores"][0];
    let parts = score["parts"].as_array().unwrap();
    let logit = parts.iter().fold(score["average"].as_f64().unwrap(), |sum, part| {
        sum + part["contribution"].as_f64().unwrap()
    });
    let chance = 1.0 / (1.0 + (-logit).exp());
    assert!((chance - value(highest).unwrap()).abs() <= 0.5e-4, "{chance} {}", said.out);
    assert_eq!(parts.len(), 8);
    let told = heedful(path, &["score", "--explain", &highest[0], "--events", EVENTS]);
    for part in ["churn  0.", "the average customer, in logits", "together", "health  "] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    let first: Vec<&str> = highest[4].split("; ").collect();
    assert!(told.out.contains(first[0]), "{}", told.out);

    for (args, wrong) in [
        (&["score", "--events", EVENTS][..], "--all"),
        (&["score", "luck", "--all", "--events", EVENTS], "there is no model `luck`"),
        (&["score", "--explain", "zoe", "--events", EVENTS], "nothing was ever heard of"),
        (&["score", "--all", "--data", "nowhere"], "there is no data in `nowhere`"),
    ] {
        let said = heedful(path, args);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
        assert!(said.err.contains(wrong), "{args:?}: {}", said.err);
    }
}
