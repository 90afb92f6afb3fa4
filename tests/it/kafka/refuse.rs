//! What does not belong together is refused, with words that say what to do.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

use super::broker;
use super::nodes::{Files, Group, Node};
use crate::service::{looked, post, until};

/// The exit code of a program whose surroundings do not fit.
const REFUSED: i32 = 2;

fn ended(mut node: Node, told: &str) {
    let code = looked(|| {
        let said = node.said();
        said.contains(told).then_some(())
    });
    assert!(code.is_some(), "it never says `{told}`: {}", node.said());
    for _ in 0..1_000 {
        if let Some(code) = node.process.ended() {
            assert_eq!(code, REFUSED, "{}", node.said());
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it goes on: {}", node.said());
}

fn admin(group: &Group) -> AdminClient<DefaultClientContext> {
    group.settings().admin().create().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_is_refused() {
    let Some(broker) = broker::shared() else { return };
    let files = Files { triggers: &[], sink: None };
    let group = Group::new(&broker, "again", (1, None), &files);
    let (node, at) = group.start("a");
    for number in 0..5 {
        let event = format!(r#"{{"customer":"ada","event":"x","id":"e{number}"}}"#);
        assert_eq!(post(at, "/events", event.as_bytes()).unwrap().0, 200);
    }
    until("it is kept", || group.kept("c/").contains_key("ada"));
    assert!(node.process.stop().success());
    let topic = group.names().events;
    let made = admin(&group);
    made.delete_topics(&[&topic], &AdminOptions::new()).await.unwrap();
    std::thread::sleep(Duration::from_secs(2));
    group.make_topics();
    ended(group.spawn("a"), "was truncated, or made again");
    // A node that knows nothing yet restores what the others knew, and refuses it too.
    ended(group.spawn("b"), "was truncated, or made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn added_partitions_are_refused() {
    let Some(broker) = broker::shared() else { return };
    let files = Files { triggers: &[], sink: None };
    let group = Group::new(&broker, "added", (1, None), &files);
    let (node, _) = group.start("a");
    let topic = group.names().events;
    let more = NewPartitions::new(&topic, 2);
    admin(&group).create_partitions(&[more], &AdminOptions::new()).await.unwrap();
    ended(node, "partitions were added");
    ended(group.spawn("a"), "as many as the events");
}
