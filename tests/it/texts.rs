//! From labelled texts to a model that a running service reads by: learned, described, asked by
//! triggers, explained; refused with reasons.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{Said, heedful, here, write};
use crate::service::{Place, Sink, decisions, exchange, get, post, until};
use crate::skip::skip;

const MODEL: &str = "models/mood.model.json";
const CARD: &str = "models/mood.card.md";
const ROWS: &str = "labelled.csv";
/// Reviews of either kind that are learned from: enough to be good, few enough to be quick.
const REVIEWS: usize = 700;

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

/// The files of the example, without what somebody may have learned there.
fn example(folder: &Path) {
    for file in [
        "heedful.yaml",
        "labelled.csv",
        "events.jsonl",
        "models/mood.yaml",
        "models/intent.yaml",
        "triggers/policy.yaml",
        "triggers/angry-ticket.yaml",
        "triggers/gone-sour.yaml",
    ] {
        write(folder, file, &read(&here().join("examples/angry-tickets"), file));
    }
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    example(folder.path());
    folder
}

fn train(folder: &Path, more: &[&str]) -> Said {
    heedful(folder, &[&["train", "mood"], more].concat())
}

/// Chinese reviews of food that came late or good, where they lie beside the project.
fn reviews() -> Option<String> {
    let file = here().join("../shared/data/support_text/waimai_10k.csv");
    let mut rows = csv::Reader::from_path(file).ok()?;
    let mut kept = (0, 0);
    let mut text = "review,label\n".to_owned();
    for row in rows.records().map(Result::unwrap) {
        let count = if &row[0] == "1" { &mut kept.0 } else { &mut kept.1 };
        if *count < REVIEWS {
            *count += 1;
            text += &format!("\"{}\",{}\n", row[1].replace('"', "\"\""), &row[0]);
        }
    }
    Some(text)
}

/// A folder in which the example's models were learned.
fn learned() -> TempDir {
    let folder = folder();
    for model in ["mood", "intent"] {
        let said = heedful(folder.path(), &["train", model, "--rows", ROWS]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    folder
}

fn records(folder: &Path, events: &str) -> Vec<Value> {
    let said = heedful(folder, &["replay", "--events", events, "--decisions", "d.jsonl"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let text = read(folder, "d.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a decision saw under a name.
fn seen<'r>(record: &'r Value, name: &str) -> Option<&'r Value> {
    let conditions = record["conditions"].as_array()?;
    let mut all = conditions.iter().flat_map(|condition| condition["seen"].as_array()).flatten();
    all.find(|seen| seen["name"] == name).map(|seen| &seen["value"])
}

#[test]
fn the_example_is_learned_described_and_does_what_it_says() {
    let folder = folder();
    let path = folder.path();
    let check = heedful(path, &["check"]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert!(check.out.contains("`mood` has learned nothing yet"), "{}{}", check.out, check.err);
    let test = heedful(path, &["test"]);
    assert_eq!(test.code, 0, "the tests need no model: {}", test.out);
    let said = train(path, &["--rows", ROWS]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for part in ["96 rows, 96 different texts: 48 content, 48 upset", "accuracy ", "AUC", "wrote"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let card = read(path, CARD);
    for part in
        ["# Model card: mood", "| rows | 96 (48 `content`, 48 `upset`) |", "| accuracy | 0."]
    {
        assert!(card.contains(part), "{part}: {card}");
    }
    let hash = blake3::hash(read(path, MODEL).as_bytes()).to_hex().to_string();
    assert!(card.contains(&hash), "the card is not that of the file");
    let intent = heedful(path, &["train", "intent", "--rows", ROWS, "--format", "json"]);
    let told: Value = serde_json::from_str(&intent.out).unwrap();
    assert_eq!(told["learned_from"]["classes"], json!([32, 32, 32]));
    let check = heedful(path, &["check"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "{}", check.out);
    assert_eq!(check.out, "2 triggers, 1 policy, 2 models: ok\n");

    let records = records(path, "events.jsonl");
    let angry: Vec<&Value> =
        records.iter().filter(|one| one["trigger"] == "angry-ticket").collect();
    let ids: Vec<&Value> = angry.iter().map(|one| &one["occurrence"]).collect();
    assert_eq!(ids, ["t2", "t3", "t5"]);
    let pieces = seen(angry[0], "pieces behind event.mood.upset").unwrap().as_str().unwrap();
    assert!(pieces.contains("`nobody` +"), "{pieces}");
    assert_eq!(pieces.split(", `").count(), 4, "{pieces}");
    let explain = ["explain", "smith", "--trigger", "angry-ticket", "--events", "events.jsonl"];
    let explain = heedful(path, &explain);
    for part in ["event.mood.upset was 0.", "pieces behind event.mood.upset: `nobody` +"] {
        assert!(explain.out.contains(part), "{part}: {}", explain.out);
    }
}

#[test]
fn what_texts_mean_is_kept_in_history_and_tests_of_files_can_say_texts() {
    let folder = learned();
    let path = folder.path();
    let every = read(path, "triggers/gone-sour.yaml")
        .replace("- count(\"Ticket Created\", \"28d\") >= 3", "- event.mood.upset >= 0")
        .replace("\"28d\") >= 0.5", "\"28d\") >= 0")
        .replace(
            "- last(\"Ticket Created\", \"intent\") != \"account\"",
            "- has(event.intent) || true",
        )
        .replace("once_per: 28d", "once_per: 1m");
    write(path, "triggers/gone-sour.yaml", &every);
    let records = records(path, "events.jsonl");
    let of_li = |one: &&Value| one["trigger"] == "gone-sour" && one["customer"] == "li";
    let of_li: Vec<&Value> = records.iter().filter(of_li).collect();
    assert_eq!(of_li.len(), 3, "{records:?}");
    let number = |record: &Value, name: &str| seen(record, name).unwrap().as_f64().unwrap();
    let all: f64 = of_li.iter().map(|record| number(record, "event.mood.upset")).sum();
    let mean = number(of_li[2], "avg(\"Ticket Created\", \"mood.upset\", \"28d\")");
    assert!((mean - all / 3.0).abs() < 1e-9, "{mean} {all}");

    let said = "  - name: read by the model
    events:
      - {at: 1h, event: Ticket Created, with: {subject: 外卖, body: 你们就是骗子，太差劲了，客服一直不理}}
      - {at: 30h, event: Ticket Created, with: {body: 'Thank you, very friendly and quick.'}}
      - {at: 60h, event: Ticket Created, with: {body: ''}}
    expect:
      - {at: 1h, task: tasks}
";
    let trigger = read(path, "triggers/angry-ticket.yaml");
    write(path, "triggers/angry-ticket.yaml", &(trigger.clone() + "\n" + said));
    let test = heedful(path, &["test"]);
    assert_eq!(test.code, 0, "{}{}", test.out, test.err);
    assert!(test.out.contains("read by the model"), "{}", test.out);
    // Without a model nothing is said of it: the same test fails.
    fs::remove_file(path.join(MODEL)).unwrap();
    let test = heedful(path, &["test"]);
    assert_eq!(test.code, 1, "{}", test.out);
}

#[test]
fn a_running_service_hears_anger_says_why_and_survives_what_happens_to_its_model() {
    let sink = Sink::start(0);
    let place = Place::new(&sink);
    let path = place.path();
    place.write(
        "models/mood.yaml",
        &read(&here().join("examples/angry-tickets"), "models/mood.yaml"),
    );
    let trigger = read(&here().join("examples/angry-tickets"), "triggers/angry-ticket.yaml");
    place.write("triggers/angry-ticket.yaml", &trigger.replace("once_per: 1d", "once_per: 1s"));
    place.write("models/mood.yaml", &model_of_reviews(path));
    let said = train(path, &["--rows", "rows.csv"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let (process, mut address) = place.start();
    let mut told = 0;
    let mut tell = |address, id: &str, text: &str| {
        told += 1;
        let event = json!({"customer": id, "event": "Ticket Created", "id": format!("{id}{told}"),
                           "properties": {"subject": "外卖", "body": text}});
        let (status, answer) =
            post(address, "/events", json!({"batch": [event]}).to_string().as_bytes()).unwrap();
        assert_eq!(status, 200, "{answer}");
    };
    let of =
        |address, id: &str| decisions(address).iter().filter(|own| own["customer"] == id).count();
    tell(address, "mei", "很好吃，送得很快，谢谢，下次还来");
    tell(address, "wang", "等了三个小时才送到，太慢了，饭都凉了，难吃，服务太差");
    until("somebody is to call him", || 0 < of(address, "wang"));
    assert_eq!(of(address, "mei"), 0);
    let record = decisions(address).into_iter().find(|own| own["customer"] == "wang").unwrap();
    assert!(0.7 <= seen(&record, "event.mood.upset").unwrap().as_f64().unwrap(), "{record}");
    let url = format!("http://{address}");
    let explain = heedful(path, &["explain", "wang", "--trigger", "angry-ticket", "--url", &url]);
    assert!(explain.out.contains("pieces behind event.mood.upset: `"), "{}", explain.out);

    // Killed and started again, it goes on; nothing is decided twice.
    process.kill();
    let (_process, again) = place.start();
    address = again;
    assert_eq!(of(address, "wang"), 1);
    // Without its model it hears no anger; with another one, nothing of the past fires.
    let (model, aside) = (path.join(MODEL), path.join("aside"));
    let revision =
        || get(address, "/api/v1/catalog").map(|catalog| catalog["revision"].to_string());
    let before = revision().unwrap();
    fs::rename(&model, &aside).unwrap();
    until("it has no model", || revision().is_some_and(|now| now != before));
    tell(address, "zhao", "太慢了，难吃，服务太差，等了三个小时");
    let is_heard =
        || exchange(address, "GET", "/api/v1/customers/zhao", b"").is_some_and(|r| r.0 == 200);
    until("it is heard", is_heard);
    assert_eq!(of(address, "zhao"), 0);
    fs::rename(&aside, &model).unwrap();
    until("it has its model again", || revision().is_some_and(|now| now == before));
    assert_eq!((of(address, "zhao"), of(address, "wang")), (0, 1), "nothing fires by itself");
    tell(address, "zhao", "太慢了，难吃，服务太差，等了三个小时");
    until("anger is heard again", || of(address, "zhao") == 1);
}

/// The example's model for reviews where they are, else for its own rows; `rows.csv` has them.
fn model_of_reviews(path: &Path) -> String {
    let example = here().join("examples/angry-tickets");
    let own = read(&example, "models/mood.yaml");
    if let Some(reviews) = reviews() {
        write(path, "rows.csv", &reviews);
        let classes = "classes: {content: 1, upset: 0}";
        return own
            .replace("classes: [content, upset]", classes)
            .replace("{text: text, label: mood}", "{text: review, label: label}")
            .replace("accuracy: 0.7, labels: 40", "accuracy: 0.8, labels: 500");
    }
    skip("sentiment of Chinese reviews", "../shared/data/support_text is not here");
    write(path, "rows.csv", &read(&example, ROWS));
    own
}

#[test]
fn the_same_rows_and_seed_give_the_same_bytes_in_every_form_and_can_be_taken_back() {
    let folder = folder();
    let path = folder.path();
    let learn = |rows: &str, more: &[&str]| {
        let said = train(path, &[&["--rows", rows], more].concat());
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        read(path, MODEL)
    };
    let first = learn(ROWS, &[]);
    // The other way round, as lines, packed.
    let mut rows = csv::Reader::from_path(path.join(ROWS)).unwrap();
    let mut lines: Vec<String> = rows
        .records()
        .map(Result::unwrap)
        .map(|row| json!({"text": &row[0], "mood": &row[1], "more": 1}).to_string())
        .collect();
    lines.reverse();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, lines.join("\n").as_bytes()).unwrap();
    fs::write(path.join("rows.jsonl.gz"), gzip.finish().unwrap()).unwrap();
    assert!(learn("rows.jsonl.gz", &[]) == first, "the form of the rows shows");
    let dry = train(path, &["--rows", ROWS, "--seed", "9", "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("nothing was written"), "{}{}", dry.out, dry.err);
    assert!(read(path, MODEL) == first);
    let second = learn(ROWS, &["--seed", "9"]);
    assert!(second != first);
    let back = train(path, &["--rollback"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(read(path, MODEL) == first);
    let left: Vec<PathBuf> =
        fs::read_dir(path.join("models")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_half = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "new");
    assert_eq!(left.iter().filter(is_half).count(), 0, "{left:?}");
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_the_old_model_stays() {
    let folder = folder();
    let path = folder.path();
    let learned = train(path, &["--rows", ROWS]);
    assert_eq!(learned.code, 0, "{}", learned.err);
    let before = read(path, MODEL);
    let rows = read(path, ROWS);
    write(path, "strange.csv", &rows.replacen(",content,", ",contnet,", 1));
    write(path, "one.csv", &rows.replace(",content,", ",upset,"));
    write(path, "few.csv", &rows.lines().take(70).collect::<Vec<_>>().join("\n"));
    write(path, "empty.csv", "text,mood\n");
    write(path, "bare.csv", "words,mood\nhello,upset\n");
    fs::write(path.join("old.csv"), b"text,mood\n\xcc\xab\xb2\xee,upset\n").unwrap();
    let swapped = |at: (usize, &str)| {
        if at.0 % 2 == 1 {
            at.1.replace(",upset,", ",content,")
        } else {
            at.1.replace(",content,", ",upset,")
        }
    };
    let noise: Vec<String> = rows.lines().enumerate().map(swapped).collect();
    write(path, "noise.csv", &noise.join("\n"));
    for (file, code, wrong) in [
        ("strange.csv", 1, "the label `contnet` is none of the model's"),
        ("one.csv", 1, "every text is `upset`: there is nothing to tell apart"),
        ("few.csv", 1, "`content` has 21 different texts, and 40 are the least"),
        ("empty.csv", 1, "there are no labelled texts"),
        ("noise.csv", 1, "is not good enough: accuracy 0."),
        ("bare.csv", 2, "has no column `text`"),
        ("old.csv", 2, "is not in UTF-8"),
        ("none.csv", 2, "cannot read `none.csv`"),
    ] {
        let said = train(path, &["--rows", file]);
        assert_eq!(said.code, code, "{file}: {}{}", said.out, said.err);
        assert!(said.err.contains(wrong), "{file}: {}", said.err);
        assert!(said.err.contains("help:") || code == 2, "{file}: {}", said.err);
    }
    for (args, wrong) in [
        (&["--events", "events.jsonl"][..], "it learns from labelled texts, not from events"),
        (&[], "it learns from labelled texts"),
        (&["--rows", ROWS, "--challenger", "trees"], "have one method and no challenger"),
    ] {
        let said = train(path, args);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
        assert!(said.err.contains(wrong) && said.err.contains("--rows FILE"), "{}", said.err);
    }
    assert!(read(path, MODEL) == before, "the old model was touched");
    // A file that is another one's, or was touched, is in nobody's way but says so.
    for broken in [before.replace("\"seed\":1", "\"seed\":2"), before.split_at(900).0.to_owned()] {
        write(path, MODEL, &broken);
        let check = heedful(path, &["check"]);
        assert!(check.code == 1 && check.out.contains("E080"), "{}{}", check.out, check.err);
    }
}
