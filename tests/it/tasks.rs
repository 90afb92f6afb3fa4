//! The life of a task in the running service, through `kill -9`: what people and time did to it is
//! there afterwards, once, and goes on.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::service::{Place, Sink, exchange, get, post, until};

/// Two seconds to acknowledge, then it goes to the lead; a message to the customer when nobody is
/// left, and another when it is done.
const TRIGGERS: [(&str, &str); 3] = [
    (
        "call",
        "trigger: call
kind: behavior
about: Asks a person to call.
owner: ops@shop.example
when: {event: Help Asked}
if: customer.tier == \"vip\"
task:
  in: tasks
  assign_to: customer.owner
  ack_within: 2s
  due: 1h
  expires_after: 1d
  escalate_to: [lead@shop.example]
  priority: high
  title: \"Call {{ customer.name }} about {{ event.topic }}\"
  suggest: \"Begin with {{ event.topic }}.\"
",
    ),
    (
        "thanks",
        "trigger: thanks
kind: behavior
about: Thanks for the talk.
owner: ops@shop.example
when: {event: Task Closed, where: event.outcome == \"reached\"}
send:
  purpose: transactional
  via: [in_app]
  message:
    en: {body: \"Thank you, says {{ event.by }}.\"}
",
    ),
    (
        "sorry",
        "trigger: sorry
kind: behavior
about: Says that it takes longer.
owner: ops@shop.example
when: {event: Task Escalated, where: event.because == \"not_acked\"}
send:
  purpose: transactional
  via: [in_app]
  message:
    en: {body: \"{{ event.assigned_to }} will call you.\"}
",
    ),
];

fn place() -> Place {
    let place = Place::new(&Sink::start(0));
    for (name, text) in TRIGGERS {
        place.write(&format!("triggers/{name}.yaml"), text);
    }
    place
}

fn tell(at: SocketAddr, events: &Value) {
    let (status, answer) = post(at, "/events", events.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn asked(at: SocketAddr, customer: &str, topic: &str) {
    tell(
        at,
        &json!({"batch": [
            {"customer": customer, "traits": {"name": "Ada", "tier": "vip", "owner": "mei@shop.example",
             "timezone": "Asia/Shanghai", "locale": "zh-CN", "open_tickets": 2}},
            {"customer": customer, "event": "Help Asked", "id": format!("{customer}-{topic}"),
             "with": {"topic": topic}},
        ]}),
    );
}

fn task(at: SocketAddr, customer: &str) -> Option<Value> {
    let found = get(at, &format!("/api/v1/tasks?customer={customer}"))?;
    found["items"].as_array()?.first().cloned()
}

fn wish(at: SocketAddr, task: &Value, wish: &Value) -> (u16, Value) {
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    post(at, &path, wish.to_string().as_bytes()).unwrap()
}

fn messages(at: SocketAddr, customer: &str) -> Vec<String> {
    let found = get(at, &format!("/api/v1/decisions?customer={customer}&verdict=sent")).unwrap();
    let items = found["items"].as_array().unwrap().iter().rev();
    items.map(|decision| decision["content"][0]["text"].as_str().unwrap().to_owned()).collect()
}

fn history(task: &Value) -> Vec<String> {
    let entries = task["history"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let words = |entry: &Value| format!("{} {}", text(&entry["what"]), text(&entry["by"]));
    entries.iter().map(words).collect()
}

#[test]
fn a_killed_process_forgets_nothing_of_a_task_and_does_nothing_twice() {
    let place = place();
    let (process, at) = place.start();
    asked(at, "ada", "billing");
    asked(at, "bob", "refund");
    until("the tasks are open", || task(at, "ada").is_some() && task(at, "bob").is_some());
    let ada = task(at, "ada").unwrap();
    let bob = task(at, "bob").unwrap();
    let (status, acked) = wish(at, &ada, &json!({"do": "ack", "by": "mei@shop.example"}));
    assert_eq!((status, &acked["state"]), (200, &json!("acked")), "{acked}");
    // What came when it was decided stays as it was.
    let context = acked["context"].clone();
    process.kill();

    // While it was down, time ran out for the other one.
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let (process, at) = place.start();
    until("it went on", || task(at, "bob").is_some_and(|task| task["escalations"] == 1));
    let escalated = task(at, "bob").unwrap();
    assert_eq!(escalated["assigned_to"], "lead@shop.example");
    assert_eq!(history(&escalated), ["escalated -"]);
    until("the customer hears of it", || !messages(at, "bob").is_empty());
    let ada = task(at, "ada").unwrap();
    assert_eq!((&ada["state"], &ada["context"]), (&json!("acked"), &context));

    // It is one life: a wish that was taken in counts once, whatever comes between.
    let done = json!({"do": "done", "by": "mei@shop.example", "outcome": "reached",
                      "note": "=cmd|' /C calc'!A0"});
    let (status, answer) = wish(at, &ada, &done);
    assert_eq!(status, 200, "{answer}");
    process.kill();
    let (process, at) = place.start();
    until("it is ready", || get(at, "/readyz").is_some());
    let (status, again) = wish(at, &ada, &done);
    assert_eq!(status, 409, "{again}");
    until("thanks", || messages(at, "ada").len() == 1);
    assert_eq!(messages(at, "ada"), ["Thank you, says mei@shop.example."]);
    assert_eq!(messages(at, "bob"), ["lead@shop.example will call you."]);
    let ada = task(at, "ada").unwrap();
    assert_eq!(history(&ada), ["acked mei@shop.example", "done mei@shop.example"]);

    let (status, opened) = wish(at, &ada, &json!({"do": "reopen", "by": "tom@shop.example"}));
    assert_eq!((status, &opened["state"]), (200, &json!("open")), "{opened}");
    let (status, _) = wish(at, &bob, &json!({"do": "reopen", "by": "tom@shop.example"}));
    assert_eq!(status, 409, "it is not over");
    assert!(process.stop().success());
}

#[test]
fn a_task_says_what_the_person_needs_to_know() {
    let place = place();
    let (process, at) = place.start();
    asked(at, "ada", "billing");
    until("the task is open", || task(at, "ada").is_some());
    let first = task(at, "ada").unwrap();
    let (status, _) =
        wish(at, &first, &json!({"do": "done", "by": "mei@shop.example", "outcome": "no_answer"}));
    assert_eq!(status, 200);
    asked(at, "ada", "refund");
    until("there is another", || task(at, "ada").unwrap()["id"] != first["id"]);
    let task = task(at, "ada").unwrap();
    assert_eq!(task["title"], "Call Ada about refund");
    assert_eq!(task["suggest"], "Begin with refund.");
    let context = &task["context"];
    assert_eq!(context["about"], "Asks a person to call.");
    assert_eq!(context["conditions"][0]["text"], "customer.tier == \"vip\"");
    assert_eq!(context["conditions"][0]["seen"][0]["value"], "vip");
    assert_eq!((&context["locale"], &context["zone"]), (&json!("zh-CN"), &json!("Asia/Shanghai")));
    assert_eq!(context["open_tickets"], 2);
    assert_eq!(context["tasks"][0]["id"], first["id"]);
    assert_eq!(context["tasks"][0]["outcome"], "no_answer");
    assert_eq!(context["links"]["customer"], "/api/v1/customers/ada");
    assert!(get(at, context["links"]["customer"].as_str().unwrap()).is_some());
    assert!(get(at, context["links"]["decision"].as_str().unwrap()).is_some());
    let names: Vec<_> = task["timeline"].as_array().unwrap().iter().map(|e| &e["event"]).collect();
    assert_eq!(names, ["Help Asked", "Task Closed", "Help Asked"], "a closed task is an event");
    // It does not move when the customer does.
    tell(at, &json!({"customer": "ada", "traits": {"open_tickets": 7, "locale": "en"}}));
    let (status, _) = wish(at, &task, &json!({"do": "note", "by": "mei", "note": "is on holiday"}));
    assert_eq!(status, 200);
    assert_eq!(self::task(at, "ada").unwrap()["context"], *context);
    assert!(process.stop().success());
}

#[test]
fn wrong_wishes_are_refused_with_what_to_do() {
    let place = place();
    let (process, at) = place.start();
    asked(at, "ada", "billing");
    until("the task is open", || task(at, "ada").is_some());
    let task = task(at, "ada").unwrap();
    for (body, status, words) in [
        (json!({"do": "ack"}), 400, "say who: `by`"),
        (json!({"do": "done", "by": "mei"}), 400, "say what came of it"),
        (json!({"do": "done", "by": "mei", "outcome": "solved"}), 400, "give one of resolved"),
        (json!({"do": "reassign", "by": "mei"}), 400, "say to whom"),
        (json!({"do": "note", "by": "mei"}), 400, "say what: `note`"),
        (json!({"do": "shout", "by": "mei"}), 400, "give one of ack, claim"),
        (json!({"do": "ack", "by": "mei\r\nX: y"}), 400, "`by` is no name"),
        (json!({"do": "ack", "by": "mei", "colour": "red"}), 400, "unknown field"),
        (json!({"do": "reopen", "by": "mei"}), 409, "not over"),
        (json!({"by": "mei"}), 400, "say what"),
    ] {
        let (got, answer) = wish(at, &task, &body);
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer.to_string().contains(words), "{body}: {answer}");
    }
    let nobody = json!({"id": "00000000000000000000000000000000"});
    assert_eq!(wish(at, &nobody, &json!({"do": "ack", "by": "mei"})).0, 404);
    assert_eq!(self::task(at, "ada").unwrap()["turn"], 0, "nothing of it changed anything");
    // Lists by what people look for.
    let count = |query: &str| get(at, query).unwrap()["items"].as_array().unwrap().len();
    assert_eq!(count("/api/v1/tasks?state=open"), 1);
    assert_eq!(count("/api/v1/tasks?state=expired"), 0);
    assert_eq!(count("/api/v1/tasks?only=overdue"), 0);
    assert_eq!(count("/api/v1/tasks?only=unassigned"), 0);
    tell(at, &json!({"customer": "=1+1", "traits": {"tier": "vip", "name": "=1+1"}}));
    tell(at, &json!({"customer": "=1+1", "event": "Help Asked", "with": {"topic": "x"}}));
    until("there are two", || count("/api/v1/tasks") == 2);
    let (status, table) = exchange(at, "GET", "/api/v1/tasks.csv?state=open", b"").unwrap();
    let table = String::from_utf8(table).unwrap();
    assert_eq!((status, table.lines().count()), (200, 3), "{table}");
    assert!(table.contains(",\"'=1+1\",\"'=1+1\",call,tasks,"), "{table}");
    assert!(process.stop().success());
}

/// Two tasks a day for the team, one open at a time for mei: what is beyond waits, and the one worth
/// most goes first.
const TEAM: &str = "
teams:
  success:
    tasks_per_day: 3
    members:
      mei@shop.example: {skills: [billing], open_at_most: 1}
      tom@shop.example: {skills: [shipping]}
";

fn team_place() -> Place {
    let place = place();
    let policy = std::fs::read_to_string(place.path().join("triggers/policy.yaml")).unwrap();
    place.write("triggers/policy.yaml", &(policy + TEAM));
    let call = TRIGGERS[0].1.replace("  ack_within: 2s\n", "").replace(
        "  assign_to: customer.owner\n",
        "  team: success\n  skills: billing\n  worth: customer.open_tickets\n",
    );
    place.write("triggers/call.yaml", &call);
    place
}

fn asked_worth(at: SocketAddr, customer: &str, worth: u32) {
    tell(
        at,
        &json!({"batch": [
            {"customer": customer, "traits": {"name": customer, "tier": "vip", "open_tickets": worth}},
            {"customer": customer, "event": "Help Asked", "id": format!("{customer}-1"),
             "with": {"topic": "billing"}},
        ]}),
    );
}

#[test]
fn the_desk_of_a_team_gives_out_what_people_can_take_and_survives_a_kill() {
    let place = team_place();
    let (process, at) = place.start();
    asked_worth(at, "ada", 1);
    let has = |at, who: &str| task(at, who).map(|task| task["assigned_to"].clone());
    until("mei has it", || has(at, "ada") == Some(json!("mei@shop.example")));
    assert_eq!(task(at, "ada").unwrap()["desk"], "the only one free who can");
    asked_worth(at, "bob", 2);
    asked_worth(at, "eva", 9);
    let waits = |at, who: &str| {
        task(at, who)
            .is_some_and(|task| task["desk"].as_str().unwrap_or_default().contains("can take"))
    };
    until("both wait, visibly", || waits(at, "bob") && waits(at, "eva"));
    let unassigned = get(at, "/api/v1/tasks?only=unassigned").unwrap();
    assert_eq!(unassigned["items"].as_array().unwrap().len(), 2);
    process.kill();

    let (process, at) = place.start();
    until("it is ready", || get(at, "/readyz").is_some());
    let ada = task(at, "ada").unwrap();
    let done = json!({"do": "done", "by": "mei@shop.example", "outcome": "resolved"});
    assert_eq!(wish(at, &ada, &done).0, 200);
    until("the one worth most is next", || has(at, "eva") == Some(json!("mei@shop.example")));
    assert_eq!(has(at, "bob"), Some(Value::Null));
    let eva = task(at, "eva").unwrap();
    assert_eq!(wish(at, &eva, &done).0, 200);
    until("and then the other", || has(at, "bob") == Some(json!("mei@shop.example")));
    let bob = task(at, "bob").unwrap();
    assert_eq!(wish(at, &bob, &done).0, 200);
    // Three are a day's work: the fourth waits for tomorrow, although nobody has anything open.
    asked_worth(at, "dan", 5);
    until("it waits", || {
        task(at, "dan").is_some_and(|task| {
            task["desk"].as_str().unwrap_or_default().starts_with("success has taken all 3")
        })
    });
    let told = exchange(at, "GET", "/api/v1/customers/dan/explain", b"").unwrap().1;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("with nobody yet") && told.contains("success has taken all 3"), "{told}");
    // A person can take it all the same.
    let dan = task(at, "dan").unwrap();
    let (status, taken) = wish(at, &dan, &json!({"do": "claim", "by": "tom@shop.example"}));
    assert_eq!((status, &taken["assigned_to"]), (200, &json!("tom@shop.example")), "{taken}");
    let customers = get(at, "/api/v1/customers?limit=100").unwrap();
    assert!(!customers.to_string().contains("heedful:desk"), "a desk is no customer");
    assert!(process.stop().success());
}
