//! `heedful kafka init` and `heedful kafka doctor` as an operator meets them, step by step.

use std::path::Path;

use heedful::config::KafkaConfig;
use heedful::decode::shard_of;
use heedful::kafka::admin::Admin;
use heedful::kafka::settings::Settings;
use heedful::kafka::topics::{Names, Step};
use heedful::kafka::transaction::{Outgoing, Place, Transactions};
use heedful::kafka::writer::Writer;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::Value;

use super::broker;
use crate::cli::heedful;

/// A folder with a configuration that says where Kafka is.
pub(super) fn folder(config: &KafkaConfig, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let KafkaConfig { brokers, prefix, partitions, replication, .. } = config;
    let text = format!(
        "kafka:\n  brokers: {brokers}\n  group: {prefix}\n  prefix: {prefix}\n  \
         partitions: {partitions}\n  replication: {replication}\n{more}"
    );
    std::fs::write(folder.path().join("heedful.yaml"), text).unwrap();
    folder
}

/// The exit code and the report.
fn doctor(folder: &Path) -> (i32, Value) {
    let output = heedful(folder, &["kafka", "doctor", "--format", "json"]);
    let report = serde_json::from_str(&output.out);
    (output.code, report.unwrap_or_else(|_| panic!("{}{}", output.out, output.err)))
}

/// Grade and finding of a check.
fn check<'r>(report: &'r Value, what: &str) -> (&'r str, &'r str) {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().rev().find(|check| check["what"] == what);
    let check = check.unwrap_or_else(|| panic!("no `{what}` in {report:#}"));
    (check["grade"].as_str().unwrap(), check["found"].as_str().unwrap())
}

#[test]
fn an_operator_makes_topics_and_sees_that_all_is_well() {
    let Some(broker) = broker::shared() else { return };
    let folder = folder(&broker.config("ops", 3), "");
    let folder = folder.path();

    let (code, report) = doctor(folder);
    assert_eq!(code, 1);
    assert_eq!(check(&report, "topic ops.events"), ("fault", "it does not exist"));
    assert_eq!(check(&report, "transactions").0, "good");

    let shown = heedful(folder, &["kafka", "init"]);
    let told = shown.out;
    assert_eq!(shown.code, 0);
    assert!(told.contains("to do create `ops.events`: 3 partitions"), "{told}");
    assert!(told.contains("9 steps; nothing was changed"), "{told}");
    assert_eq!(check(&doctor(folder).1, "topic ops.events").0, "fault");

    let done = heedful(folder, &["kafka", "init", "--apply"]).out;
    assert_eq!(done.matches("done").count(), 9, "{done}");
    let (code, report) = doctor(folder);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(check(&report, "topic ops.events"), ("good", "3 partitions, replication factor 1"));
    assert_eq!(check(&report, "retention"), ("good", "events are kept for 30d"));
    assert_eq!(check(&report, "group").0, "warning");
    assert_eq!(check(&report, "events").1, "the topic is empty");
    let again = heedful(folder, &["kafka", "init", "--dry-run"]).out;
    assert!(again.contains("all topics are as they must be, 3 partitions each"), "{again}");
    let told = heedful(folder, &["kafka", "doctor"]).out;
    assert!(told.contains("nothing is wrong, 1 warning"), "{told}");
    assert!(told.contains("mend: start nodes"), "{told}");
}

#[tokio::test]
async fn what_is_wrong_with_topics_and_events_is_told_with_what_mends_it() {
    let Some(broker) = broker::shared() else { return };
    let config = broker.config("ill", 2);
    let folder = folder(&config, "");
    let settings = Settings::new(&config, "test");
    let (admin, names) = (Admin::new(&settings).unwrap(), Names::new(&config));
    let mut wanted = names.wanted(2, 1);
    wanted[2].partitions = 1;
    for topic in wanted {
        admin.apply(&Step::Create(topic)).await.unwrap();
    }
    let ada = r#"{"customer":"ada","event":"Order"}"#;
    let home = shard_of("ada", 2);
    let write = |key: &'static str, value: &'static str, partition| Outgoing {
        topic: "ill.events",
        partition,
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        headers: &[],
    };
    let writer = Writer::new(&settings).unwrap();
    writer
        .write([write("ada", ada, home), write("ada", ada, 1 - home), write("ada", "{", home)])
        .unwrap();

    let (code, report) = doctor(folder.path());
    assert_eq!(code, 1);
    let (grade, found) = check(&report, "topic ill.changelog");
    assert_eq!((grade, found.contains("1 partitions and must have 2")), ("fault", true), "{found}");
    let (grade, found) = check(&report, "keys");
    assert_eq!(
        (grade, found.contains("1 of 3") && found.contains("murmur2")),
        ("fault", true),
        "{found}"
    );
    let (grade, found) = check(&report, "events");
    assert_eq!((grade, found.contains("1 malformed_json")), ("warning", true), "{found}");
    assert_eq!(check(&report, "lag"), ("good", "nothing was read yet; 3 events wait"));
    let init = heedful(folder.path(), &["kafka", "init", "--apply"]);
    assert_eq!(init.code, 1, "{}", init.out);

    // A group that has read one of them.
    let member: BaseConsumer = settings.member().create().unwrap();
    let transactions = Transactions::begin_with(&settings).unwrap();
    transactions.begin().unwrap();
    let place = Place { topic: "ill.events", partition: home, next: 1 };
    let other = Place { topic: "ill.events", partition: 1 - home, next: 1 };
    transactions.commit(&[place, other], &member.group_metadata().unwrap(), "").unwrap();
    let (_, report) = doctor(folder.path());
    let (grade, found) = check(&report, "lag");
    assert_eq!(
        (grade, found.starts_with("1 events wait, the oldest for")),
        ("good", true),
        "{found}"
    );
    assert_eq!(report["lag"][usize::from(home)]["next"], 1);
}

#[test]
fn a_broker_that_does_not_answer_is_one_line_and_a_hint() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.prefix = "nobody".to_owned();
    let folder = folder(&config, "");
    let (code, report) = doctor(folder.path());
    assert_eq!((code, check(&report, "brokers").0), (1, "fault"));
    assert_eq!(report["checks"].as_array().unwrap().len(), 1);
    let none = tempfile::tempdir().unwrap();
    let refused = heedful(none.path(), &["kafka", "doctor"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("says nothing about Kafka"), "{}", refused.err);
}
