//! The newest messages of the events topic: where they lie, whose clock they carry, whether they are
//! events at all.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;

use super::{Check, INIT, Report, bare};
use crate::decode::{self, Arrival, Record, Subject};
use crate::engine::time::{Span, Timestamp};
use crate::kafka::reading::{Reader, Seen, StampedBy, Stretch};
use crate::kafka::topics::Found;
use crate::kafka::{Error, event};

/// A broker's clock may be ahead of ours by so much.
const AHEAD_MAX: Span = Span::from_millis(2_000);

/// What the newest messages are like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Messages looked at.
    pub messages: usize,
    /// Those that are events.
    pub events: usize,
    /// Those without a value.
    pub empty: usize,
    /// Those whose key is not the customer's id.
    pub other_keys: usize,
    /// Those that do not lie in the partition of their key.
    pub misplaced: usize,
    /// Those with the time of their producer.
    pub producer_times: usize,
    /// Refused ones by reason.
    pub refused: BTreeMap<String, Refusals>,
    /// How far the newest lies ahead of this machine's clock.
    pub ahead_ms: i64,
    // The first of a kind, to be looked at.
    #[serde(skip)]
    other_key: String,
    #[serde(skip)]
    misplaced_at: String,
}

/// Messages refused for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// How many.
    pub count: usize,
    /// Where the first of them is, and what is wrong with it.
    pub first: String,
}

/// Looks at the newest messages.
pub(super) fn examine(
    reader: &Reader,
    topic: &str,
    partitions: u16,
    (now, most): (Timestamp, usize),
) -> Result<Sample, Error> {
    let each = u64::try_from(most).unwrap_or(u64::MAX).div_ceil(u64::from(partitions.max(1)));
    let stretches: Vec<Stretch> = reader
        .extents(topic, partitions)?
        .into_iter()
        .map(|all| Stretch { from: all.from.max(all.to.saturating_sub(each)), ..all })
        .collect();
    let mut sample = Sample::default();
    reader.read(topic, &stretches, |seen| -> Result<_, Error> {
        sample.look_at(&seen, partitions, now);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sample)
}

impl Sample {
    fn look_at(&mut self, seen: &Seen, partitions: u16, now: Timestamp) {
        self.messages += 1;
        self.producer_times += usize::from(seen.stamped_by == StampedBy::Producer);
        let at = seen.at.unwrap_or(now);
        self.ahead_ms = self.ahead_ms.max((at - now).as_millis());
        let place = format!("partition {} offset {}", seen.partition, seen.offset);
        let Some(value) = &seen.value else {
            self.empty += 1;
            return;
        };
        let decoded = event::line(&seen.headers, value)
            .and_then(|line| decode::line(&line, Arrival::live(now), partitions, String::new));
        match decoded {
            Ok(accepted) => {
                self.events += 1;
                let Some(accepted) = accepted else { return };
                let Ok(Record::Event(event)) = Record::parse(&accepted.record) else { return };
                let Subject::Customer(customer) = event.subject else { return };
                self.place(seen, customer, partitions, place);
            }
            Err(refusal) => {
                let kind = self.refused.entry(refusal.reason.as_str().to_owned()).or_default();
                kind.count += 1;
                if kind.first.is_empty() {
                    kind.first = format!("{place}: {refusal}");
                }
            }
        }
    }

    fn place(&mut self, seen: &Seen, customer: &str, partitions: u16, place: String) {
        if seen.key.as_deref() != Some(customer.as_bytes()) {
            self.other_keys += 1;
            if self.other_key.is_empty() {
                self.other_key = place;
            }
        } else if decode::shard_of(customer, partitions) != seen.partition {
            self.misplaced += 1;
            if self.misplaced_at.is_empty() {
                self.misplaced_at = place;
            }
        }
    }
}

/// What it means.
pub(super) fn judge(
    sample: Result<Sample, Error>,
    topic: &str,
    events: &Found,
    report: &mut Report,
) {
    let sample = match sample {
        Ok(sample) => sample,
        Err(error) => {
            let mend = format!("allow Read and Describe on topic `{topic}`");
            return report.add(Check::fault("events", bare(&error), mend));
        }
    };
    if sample.messages == 0 {
        report.add(Check::good("events", "the topic is empty"));
    } else {
        report.add(decodes(&sample));
        report.add(keys(&sample, events.partitions));
        report.add(times(&sample));
    }
    report.sample = Some(sample);
}

fn decodes(sample: &Sample) -> Check {
    let of = format!("{} of the newest {} are events", sample.events, sample.messages);
    let count =
        |name: &str, refusals: &Refusals| format!("{} {name} ({})", refusals.count, refusals.first);
    let refused: Vec<String> =
        sample.refused.iter().map(|(name, refusals)| count(name, refusals)).collect();
    match refused.is_empty() {
        true => Check::good("events", of),
        false => Check::warning(
            "events",
            format!("{of}; refused: {}", refused.join(", ")),
            "what is refused goes to the dead letters: `heedful dlq list`. Topics of another form \
             are brought in by `kafka.sources`",
        ),
    }
}

fn keys(sample: &Sample, partitions: u16) -> Check {
    let what = "keys";
    if 0 < sample.other_keys {
        let found = format!(
            "{} of {} messages do not have the customer's id as key (first: {})",
            sample.other_keys, sample.messages, sample.other_key
        );
        let mend = "one customer's events must lie in one partition: key them by customer, or \
                    bring the topic in by `kafka.sources`, which keys them anew";
        return Check::fault(what, found, mend);
    }
    if 0 < sample.misplaced {
        let found = format!(
            "{} of {} messages are not where murmur2 puts their key among {partitions} partitions \
             (first: {})",
            sample.misplaced, sample.messages, sample.misplaced_at
        );
        let mend = "set `partitioner=murmur2_random` in producers that use librdkafka (the Java \
                    client does so); after a change of partitions, take a new events topic";
        return Check::fault(what, found, mend);
    }
    Check::good(what, "each message lies where murmur2 puts its customer")
}

fn times(sample: &Sample) -> Check {
    let what = "clocks";
    if 0 < sample.producer_times {
        let found = format!(
            "{} of {} messages carry the time of their producer, not that of the broker",
            sample.producer_times, sample.messages
        );
        return Check::fault(
            what,
            found,
            format!("{INIT} sets LogAppendTime; messages that are there already keep their time"),
        );
    }
    let ahead = Span::from_millis(sample.ahead_ms);
    if AHEAD_MAX < ahead {
        let found = format!("the brokers' clock is {ahead} ahead of this machine's, or more");
        return Check::fault(what, found, "set both by NTP: timers fire by these clocks");
    }
    Check::good(what, "no message lies in the future of this machine's clock")
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }

    fn seen(key: &str, value: Option<&str>) -> Seen {
        Seen {
            partition: decode::shard_of(key, 4),
            offset: 7,
            at: Some(now()),
            stamped_by: StampedBy::Broker,
            key: Some(key.as_bytes().to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: Vec::new(),
        }
    }

    fn sampled(all: &[Seen]) -> Sample {
        let mut sample = Sample::default();
        all.iter().for_each(|seen| sample.look_at(seen, 4, now()));
        sample
    }

    const ADA: &str = r#"{"customer":"ada","event":"Order"}"#;

    #[test]
    fn good_events_pass() {
        let sample = sampled(&[seen("ada", Some(ADA)), seen("ada", None)]);
        assert_eq!((sample.messages, sample.events, sample.empty), (2, 1, 1));
        let grades = [decodes(&sample), keys(&sample, 4), times(&sample)].map(|check| check.grade);
        assert_eq!(grades, [Grade::Good; 3]);
    }

    #[test]
    fn a_key_that_is_not_the_customer_and_one_elsewhere_are_different_faults() {
        let check = keys(&sampled(&[seen("bob", Some(ADA))]), 4);
        assert!(check.grade == Grade::Fault && check.found.contains("customer's id"), "{check:?}");
        let mut elsewhere = seen("ada", Some(ADA));
        elsewhere.partition = (elsewhere.partition + 1) % 4;
        let check = keys(&sampled(&[elsewhere]), 4);
        assert!(check.grade == Grade::Fault && check.found.contains("murmur2"), "{check:?}");
    }

    #[test]
    fn refusals_are_told_by_reason_with_the_first_of_each() {
        let sample =
            sampled(&[seen("ada", Some("{")), seen("ada", Some("{")), seen("ada", Some("7"))]);
        let check = decodes(&sample);
        assert_eq!(check.grade, Grade::Warning);
        assert!(check.found.contains("0 of the newest 3"), "{check:?}");
        assert!(check.found.contains("2 malformed_json (partition"), "{check:?}");
        assert!(check.found.contains("1 not_an_object"), "{check:?}");
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let mut early = seen("ada", Some(ADA));
        early.at = Some(now() + Span::from_millis(5_000));
        let check = times(&sampled(std::slice::from_ref(&early)));
        assert!(check.grade == Grade::Fault && check.found.contains("5s ahead"), "{check:?}");
        early.stamped_by = StampedBy::Producer;
        let check = times(&sampled(&[early]));
        assert!(check.found.contains("time of their producer"), "{check:?}");
    }
}
