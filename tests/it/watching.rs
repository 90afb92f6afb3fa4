//! What a running service notices of its models by itself: that they have drifted.

use serde_json::{Value, json};

use crate::cli::{heedful, here};
use crate::service::{decisions, exchange, get, post, until};
use crate::train::{EVENTS, MODEL, Running, folder, learned, read, train};

const MODEL_ITSELF: &str = "heedful:model:churn";

#[test]
fn drift_is_a_task_for_the_owner_of_the_model_once_and_never_a_message() {
    let running = Running::start();
    let trigger = read(&here().join("examples/churn-model"), "triggers/model-drifted.yaml");
    let trigger = trigger.split("\ntests:").next().unwrap().to_owned();
    running.place.write("triggers/model-drifted.yaml", &trigger);
    // It would be written to by anything that writes to whoever an event is about.
    let (head, _) = trigger.split_once("\ntask:").unwrap();
    let send =
        "send:\n  purpose: transactional\n  via: [webhook]\n  message:\n    en: {body: Hello.}\n";
    let send = format!("{head}\n{send}").replace("model-drifted", "model-written-to");
    running.place.write("triggers/model-written-to.yaml", &send);
    until("the triggers are in force", || {
        get(running.address, "/api/v1/triggers")
            .is_some_and(|triggers| triggers.to_string().contains("model-written-to"))
    });
    let crowd: Vec<Value> =
        (0..400).map(|number| running.someone(&format!("n{number}"), 80)).collect();
    crowd.chunks(100).for_each(|some| running.tell(some));
    let of_the_model = |running: &Running| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = decisions(running.address).into_iter();
        let mut all: Vec<_> = all
            .filter(|decision| decision["customer"] == MODEL_ITSELF)
            .map(|decision| (text(&decision["trigger"]), text(&decision["verdict"])))
            .collect();
        all.sort();
        all
    };
    let wanted = [("model-drifted", "task"), ("model-written-to", "suppressed")]
        .map(|(trigger, verdict)| (trigger.to_owned(), verdict.to_owned()));
    until("drift is a task", || of_the_model(&running) == wanted);
    let tasks = get(running.address, "/api/v1/tasks").unwrap();
    let task = &tasks["items"][0];
    assert_eq!(task["assigned_to"], "success@example.com", "{task}");
    assert!(task["title"].as_str().unwrap().starts_with("The model churn has drifted: PSI "));

    // After a kill it is known that it was said.
    let before = running.psi("score").unwrap();
    let running = running.killed_and_started();
    until("it is looked again", || running.psi("score").is_some());
    assert!((running.psi("score").unwrap() - before).abs() < 0.05);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(of_the_model(&running), wanted);

    // It is nobody: not in lists, and not to be spoken for.
    let customers = get(running.address, "/api/v1/customers?limit=500").unwrap();
    let customers = customers["items"].as_array().unwrap();
    assert_eq!(customers.len(), 400);
    let event = json!({"customer": MODEL_ITSELF, "event": "Model Drifted", "id": "x"});
    let (_, answer) =
        post(running.address, "/events", json!({"batch": [event]}).to_string().as_bytes()).unwrap();
    assert!(answer.to_string().contains("bad_customer"), "{answer}");
}

#[test]
fn a_challenger_is_watched_beside_the_model_and_put_in_force_by_hand() {
    let folder = folder();
    let path = folder.path();
    let challenger = "models/churn.challenger.json";
    let none = train(path, &["--beside", "trees"]);
    assert_eq!(none.code, 2, "{}", none.out);
    assert!(none.err.contains("to watch a challenger beside"), "{}", none.err);
    crate::cli::write(path, MODEL, &read(learned().0.path(), MODEL));
    let none = heedful(path, &["train", "churn", "--promote"]);
    assert_eq!(none.code, 2, "{}", none.out);
    assert!(none.err.contains("cannot be put in force"), "{}", none.err);
    let said = train(path, &["--beside", "trees"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("churn.challenger.json"), "{}", said.out);
    assert!(read(path, MODEL) == read(learned().0.path(), MODEL), "the model in force stays");
    let told = heedful(path, &["score", "churn", "--explain", "c004", "--events", EVENTS]);
    assert!(told.out.contains("says the challenger, which no trigger hears"), "{}", told.out);

    // In the service both speak, and nothing fires when one takes over.
    let running = Running::start();
    running.mia();
    until("her score is known", || running.score().is_some());
    let page = || get(running.address, "/api/v1/customers/mia").unwrap();
    assert_eq!(page()["challengers"], json!([]));
    let history = page()["score_history"]["churn"].as_array().unwrap().clone();
    assert_eq!(history.last().unwrap()["value"].as_f64(), running.score());
    let by_model = running.score();
    running.place.write(challenger, &read(path, challenger));
    let of_challenger = || page()["challengers"][0]["value"].as_f64();
    until("the challenger speaks", || of_challenger().is_some());
    assert_eq!(running.score(), by_model);
    assert_ne!(of_challenger(), by_model);
    let running = running.killed_and_started();
    let watched = || {
        let models = get(running.address, "/api/v1/models")?;
        let models = models.as_array()?.clone();
        models.into_iter().find(|model| model["name"] == "churn")
    };
    until("it is compared", || {
        watched().is_some_and(|model| model["challenger"]["method"] == "trees")
    });
    assert_eq!(watched().unwrap()["challenger"]["closed"], 0, "nothing can have come of it yet");
    let (_, numbers) = exchange(running.address, "GET", "/metrics", b"").unwrap();
    let numbers = String::from_utf8(numbers).unwrap();
    assert!(numbers.contains("heedful_model_challenger_closed{model=\"churn\"} 0"), "{numbers}");
    let other = get(running.address, "/api/v1/customers/mia").unwrap();
    let other = other["challengers"][0]["value"].as_f64();
    let place = running.place.path();
    let said = heedful(place, &["train", "churn", "--promote"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(read(place, MODEL) == read(path, challenger));
    until("the challenger is in force", || running.score() == other);
    let back = heedful(place, &["train", "churn", "--rollback"]);
    assert_eq!(back.code, 0, "{}", back.err);
    until("the model is back", || running.score() == by_model);
    assert_eq!(decisions(running.address), Vec::<Value>::new());

    // One that is not for this definition is not watched, and the model speaks on.
    let foreign = read(path, challenger).replace("\"hash\":\"", "\"hash\":\"0");
    running.place.write(challenger, &foreign);
    let check = heedful(place, &["check"]);
    assert_eq!(check.code, 0, "{}", check.out);
    assert!(check.out.contains("W007"), "{}", check.out);
}
