//! Brokers and topics: whether they are there, whole, ours to use, and set up as they must be.

use std::collections::BTreeMap;

use rdkafka::types::RDKafkaErrorCode as Code;

use super::{Check, INIT, Report, step_line};
use crate::config::KafkaConfig;
use crate::engine::time::Span;
use crate::kafka::admin::{Described, Layout, Partition};
use crate::kafka::settings::Settings;
use crate::kafka::topics::{Found, Names, Step, plan};

/// What to do when nobody answers.
pub(super) const REACH: &str = "check `kafka.brokers` in heedful.yaml, the network, and with TLS or \
    SASL `kafka.properties` (`security.protocol`, `sasl.*`, `ssl.*`)";
/// Events kept for less than this are a warning: a node that is away longer cannot catch up.
const KEPT_MIN: Span = Span::from_millis(7 * 24 * 3_600_000);

/// Whether there are brokers enough.
pub(super) fn brokers(layout: &Layout, config: &KafkaConfig, report: &mut Report) {
    let count = layout.brokers.len();
    let list: Vec<String> =
        layout.brokers.iter().map(|(id, address)| format!("{id} {address}")).collect();
    let found = format!(
        "{} ({})",
        if count == 1 { "1 answers".to_owned() } else { format!("{count} answer") },
        list.join(", ")
    );
    let client = rdkafka::util::get_rdkafka_version().1;
    report.add(Check::good("client", format!("librdkafka {client}")));
    if count < usize::from(config.replication) {
        let copies = config.replication;
        let found = format!("{found}, too few for {copies} copies of a topic");
        let mend = format!("start more brokers, or set `kafka.replication: {count}`");
        report.add(Check::warning("brokers", found, mend));
    } else {
        report.add(Check::good("brokers", found));
    }
}

/// Whether each topic is as it must be. Gives what could be found out.
pub(super) fn topics(
    layout: &Layout,
    described: BTreeMap<String, Described>,
    names: &Names,
    settings: &Settings,
    report: &mut Report,
) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let mut refused = BTreeMap::new();
    for (name, described) in described {
        let partitions = layout.topics.get(&name).map_or(0, Vec::len);
        let partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
        let (settings, why) = match described {
            Ok(settings) => (settings, None),
            Err(code) => (BTreeMap::new(), Some(code)),
        };
        refused.extend(why.map(|why| (name.clone(), why)));
        found.insert(name, Found { partitions, settings });
    }
    let config = settings.config();
    let shards = found.get(&names.events).map_or(config.partitions, |events| events.partitions);
    let wanted = names.wanted(shards, config.replication);
    for wanted in &wanted {
        let what = format!("topic {}", wanted.name);
        if let Some(code) = refused.get(&wanted.name) {
            report.add(not_told(what, &wanted.name, *code));
            continue;
        }
        let steps = plan(std::slice::from_ref(wanted), &found);
        for step in &steps {
            let mend = match step {
                Step::Create(_) | Step::Alter { .. } => INIT.to_owned(),
                Step::Partitions { topic, .. } => format!(
                    "delete `{topic}` if nothing in it is needed, then `{INIT}`; the events topic \
                     must not change its partitions"
                ),
            };
            report.add(Check::fault(&what, step_line(step), mend));
        }
        if steps.is_empty() {
            let partitions = layout.topics.get(&wanted.name).map(Vec::as_slice);
            report.add(whole(what, partitions.unwrap_or_default()));
        }
    }
    if let Some(events) = found.get(&names.events) {
        retention(&names.events, events, report);
    }
    found
}

/// Whether every partition has a leader and all of its copies.
fn whole(what: String, partitions: &[Partition]) -> Check {
    let count = partitions.len();
    let without: Vec<String> = numbers(partitions, |partition| !partition.has_leader);
    if !without.is_empty() {
        let found = format!("no broker leads partition {}", without.join(", "));
        return Check::fault(what, found, "start the brokers that hold its copies");
    }
    let behind = numbers(partitions, |partition| partition.in_sync < partition.copies);
    if !behind.is_empty() {
        let found = format!("copies are missing or behind in partition {}", behind.join(", "));
        return Check::warning(what, found, "start the broker that is down, or wait for it");
    }
    let copies = partitions.iter().map(|partition| partition.copies).min().unwrap_or(0);
    Check::good(what, format!("{count} partitions, replication factor {copies}"))
}

fn numbers(partitions: &[Partition], is: impl Fn(&Partition) -> bool) -> Vec<String> {
    let found = partitions.iter().enumerate().filter(|(_, partition)| is(partition));
    found.map(|(number, _)| number.to_string()).collect()
}

fn not_told(what: String, topic: &str, code: Code) -> Check {
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => Check::fault(
            what,
            "this user may not see how it is set up",
            format!("allow Describe, DescribeConfigs, Read and Write on topic `{topic}`"),
        ),
        code => Check::fault(what, format!("the brokers do not tell how it is: {code}"), REACH),
    }
}

fn retention(topic: &str, events: &Found, report: &mut Report) {
    let what = "retention";
    let setting = |name: &str| events.settings.get(name).map(String::as_str);
    if setting("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        let found =
            format!("`{topic}` is compacted: of each customer only the newest event is kept");
        let mend = format!("set `cleanup.policy=delete` on `{topic}`");
        return report.add(Check::fault(what, found, mend));
    }
    if let Some(bytes) = setting("retention.bytes").filter(|bytes| !bytes.starts_with('-')) {
        let found = format!("`{topic}` keeps {bytes} bytes a partition, however new they are");
        let mend =
            format!("set `retention.bytes=-1` on `{topic}`: a busy day must not cost events");
        return report.add(Check::warning(what, found, mend));
    }
    match setting("retention.ms").and_then(|text| text.parse::<i64>().ok()) {
        Some(millis) if 0 <= millis && millis < KEPT_MIN.as_millis() => {
            let kept = Span::from_millis(millis);
            let found = format!("`{topic}` keeps events for {kept} only");
            let mend = format!(
                "set `retention.ms` of `{topic}` to more than nodes may be away ({KEPT_MIN} at least)"
            );
            report.add(Check::warning(what, found, mend));
        }
        Some(millis) if 0 <= millis => {
            let kept = Span::from_millis(millis);
            report.add(Check::good(what, format!("events are kept for {kept}")));
        }
        _ => report.add(Check::good(what, "events are kept for ever")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    /// None in sync: nobody leads it.
    fn partition(in_sync: usize) -> Partition {
        Partition { has_leader: in_sync != 0, copies: 3, in_sync }
    }

    #[test]
    fn a_partition_without_leader_is_a_fault_and_one_without_copy_a_warning() {
        let judge = |partitions: &[Partition]| {
            let check = whole("topic a".to_owned(), partitions);
            (check.grade, check.found)
        };
        let (good, behind, lost) = (partition(3), partition(2), partition(0));
        assert_eq!(
            judge(&[good, good]),
            (Grade::Good, "2 partitions, replication factor 3".to_owned())
        );
        let (grade, found) = judge(&[good, behind]);
        assert_eq!((grade, found.ends_with("partition 1")), (Grade::Warning, true), "{found}");
        let (grade, found) = judge(&[lost, behind]);
        assert_eq!((grade, found.ends_with("partition 0")), (Grade::Fault, true), "{found}");
    }

    #[test]
    fn events_that_vanish_are_told() {
        for (settings, grade, word) in [
            (vec![("cleanup.policy", "compact,delete")], Grade::Fault, "compacted"),
            (vec![("retention.bytes", "1000")], Grade::Warning, "1000 bytes"),
            (vec![("retention.ms", "3600000")], Grade::Warning, "1h"),
            (vec![("retention.ms", "604800000")], Grade::Good, "7d"),
            (vec![("retention.ms", "-1"), ("retention.bytes", "-1")], Grade::Good, "for ever"),
        ] {
            let settings =
                settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let found = Found { partitions: 1, settings: settings.collect() };
            let mut report = Report::default();
            retention("events", &found, &mut report);
            let check = &report.checks[0];
            assert_eq!((check.grade, check.found.contains(word)), (grade, true), "{check:?}");
        }
    }

    #[test]
    fn what_may_not_be_seen_names_the_rights_that_are_missing() {
        let check = not_told("topic a".to_owned(), "a", Code::TopicAuthorizationFailed);
        assert!(check.mend.contains("DescribeConfigs"), "{check:?}");
    }
}
