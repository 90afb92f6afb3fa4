//! What a running service notices of its models by itself: that they have drifted.

use serde_json::{Value, json};

use crate::cli::here;
use crate::service::{decisions, get, post, until};
use crate::train::{Running, read};

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
