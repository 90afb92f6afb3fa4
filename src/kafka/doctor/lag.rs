//! How far the group is behind the events, in messages and in time.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{Check, Report, bare};
use crate::engine::time::{Span, Timestamp};
use crate::kafka::Error;
use crate::kafka::reading::{Group, Reader, Stretch};
use crate::kafka::settings::Settings;

/// Partitions of a member that are told one by one.
const PARTITIONS_TOLD_MAX: usize = 24;
/// A group that is further behind than this is a warning.
const BEHIND_MAX: Span = Span::from_millis(5 * 60_000);

/// How far one partition is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// The partition.
    pub partition: u16,
    /// The oldest offset that is still there.
    pub first: u64,
    /// The offset behind the newest.
    pub end: u64,
    /// The next that the group reads; none when it has read nothing yet.
    pub next: Option<u64>,
    /// Messages not read yet.
    pub messages: u64,
    /// How long the oldest of them has waited.
    pub waited_ms: Option<i64>,
}

/// How far all are behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// By partition.
    pub partitions: Vec<Lag>,
    /// The group; none when there is none yet.
    pub group: Option<Group>,
}

/// Asks.
pub(super) fn examine(
    reader: &Reader,
    settings: &Settings,
    topic: &str,
    partitions: u16,
    now: Timestamp,
) -> Result<Backlog, Error> {
    let group = reader.group(&settings.config().group)?;
    let extents = reader.extents(topic, partitions)?;
    let committed = reader.committed(topic, partitions)?;
    let mut lags: Vec<Lag> =
        extents.iter().zip(committed).map(|(extent, next)| lag(extent, next)).collect();
    let waiting: Vec<Stretch> = lags
        .iter()
        .filter(|lag| lag.next.is_some() && 0 < lag.messages)
        .map(|lag| Stretch { partition: lag.partition, from: lag.end - lag.messages, to: lag.end })
        .collect();
    reader.read(topic, &waiting, |seen| -> Result<_, Error> {
        if let Some(lag) = lags.iter_mut().find(|lag| lag.partition == seen.partition) {
            lag.waited_ms = seen.at.map(|at| (now - at).as_millis().max(0));
        }
        Ok(ControlFlow::Break(()))
    })?;
    Ok(Backlog { partitions: lags, group })
}

fn lag(extent: &Stretch, next: Option<u64>) -> Lag {
    // What is gone cannot be read any more; that it was missed is told by itself.
    let from = next.unwrap_or(extent.from).clamp(extent.from, extent.to.max(extent.from));
    Lag {
        partition: extent.partition,
        first: extent.from,
        end: extent.to,
        next,
        messages: extent.to.saturating_sub(from),
        waited_ms: None,
    }
}

/// How far the group that brings a topic of others in is behind.
pub(super) fn of_source(settings: &Settings, topic: &str, partitions: usize) -> Check {
    let what = format!("source {topic}");
    let partitions = u16::try_from(partitions).unwrap_or(u16::MAX);
    if partitions == 0 {
        let found = "it does not exist, or this user may not see it";
        let mend = format!("make it, correct `kafka.sources`, or allow Read on topic `{topic}`");
        return Check::fault(what, found, mend);
    }
    let mut config = settings.config().clone();
    config.group.push_str("-sources");
    let settings = Settings::new(&config, "doctor");
    let asked = Reader::new(&settings).and_then(|reader| {
        Ok((reader.extents(topic, partitions)?, reader.committed(topic, partitions)?))
    });
    match asked {
        Ok((extents, committed)) => {
            let lags = extents.iter().zip(committed).map(|(extent, next)| lag(extent, next));
            let waiting: u64 = lags.map(|lag| lag.messages).sum();
            Check::good(what, format!("{partitions} partitions, {waiting} messages wait"))
        }
        Err(error) => {
            let group = &config.group;
            let mend = format!("allow Read on topic `{topic}` and on group `{group}`");
            Check::fault(what, bare(&error), mend)
        }
    }
}

/// What it means. `kept_ms` is how long the topic keeps events.
pub(super) fn judge(
    backlog: Result<Backlog, Error>,
    settings: &Settings,
    kept_ms: Option<i64>,
    report: &mut Report,
) {
    let name = &settings.config().group;
    let what = "group";
    let Backlog { partitions, group } = match backlog {
        Ok(backlog) => backlog,
        Err(error) => {
            let mend = format!("allow Read and Describe on group `{name}`");
            return report.add(Check::fault(what, bare(&error), mend));
        }
    };
    report.add(match group.filter(|group| !group.members.is_empty()) {
        Some(group) => Check::good(what, shared_out(name, &group)),
        None => {
            Check::warning(what, format!("`{name}` has no members"), "start nodes: `heedful serve`")
        }
    });
    report.add(behind(&partitions, kept_ms));
    report.lag = partitions;
}

/// Who has which partitions.
fn shared_out(name: &str, group: &Group) -> String {
    let member = |(client, partitions): &(String, Vec<u16>)| {
        let node = client.strip_prefix(name).and_then(|node| node.strip_prefix('-'));
        // A node says in its name where it is reached.
        let node = node.unwrap_or(client).split('@').next().unwrap_or_default();
        let numbers: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        match numbers.len() {
            0 => format!("{node} has none"),
            count if PARTITIONS_TOLD_MAX < count => format!("{node} has {count} partitions"),
            _ => format!("{node} has {}", numbers.join(",")),
        }
    };
    let members: Vec<String> = group.members.iter().map(member).collect();
    format!("`{name}` is {}: {}", group.state.to_lowercase(), members.join("; "))
}

fn behind(partitions: &[Lag], kept_ms: Option<i64>) -> Check {
    let what = "lag";
    let lost = |lag: &&Lag| lag.next.is_some_and(|next| next < lag.first);
    let ahead = |lag: &&Lag| lag.next.is_some_and(|next| lag.end < next);
    if let Some(lag) = partitions.iter().find(lost) {
        let (partition, first) = (lag.partition, lag.first);
        let missed = lag.first.saturating_sub(lag.next.unwrap_or(0));
        let found = format!(
            "partition {partition}: {missed} events were deleted before the group read them, it \
             begins at {first} now"
        );
        return Check::fault(what, found, "raise `retention.ms`, and import what was missed");
    }
    if let Some(lag) = partitions.iter().find(ahead) {
        let found = format!(
            "partition {} ends at {} and the group is at {}: the topic was cut or made anew",
            lag.partition,
            lag.end,
            lag.next.unwrap_or(0)
        );
        return Check::fault(what, found, "give the new topic another name in `kafka.events`");
    }
    let messages: u64 = partitions.iter().map(|lag| lag.messages).sum();
    if partitions.iter().all(|lag| lag.next.is_none()) {
        return Check::good(what, format!("nothing was read yet; {messages} events wait"));
    }
    let waited = partitions.iter().filter_map(|lag| lag.waited_ms).max();
    let waited = Span::from_millis(waited.unwrap_or(0));
    let found = match messages {
        0 => "every event was read".to_owned(),
        _ => format!("{messages} events wait, the oldest for {waited}"),
    };
    let half = kept_ms.filter(|kept| 0 < *kept).map(|kept| Span::from_millis(kept / 2));
    if half.is_some_and(|half| half < waited) {
        let mend = "start nodes or raise `retention.ms` before events are deleted unread";
        return Check::fault(what, format!("{found}, more than half of what is kept"), mend);
    }
    if BEHIND_MAX < waited {
        return Check::warning(
            what,
            found,
            "see whether the nodes are up, and whether they keep up",
        );
    }
    Check::good(what, found)
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn at(next: Option<u64>) -> Lag {
        lag(&Stretch { partition: 1, from: 10, to: 30 }, next)
    }

    #[test]
    fn members_are_told_with_what_they_have() {
        let members = vec![
            ("shop-node-1@http://a:1".to_owned(), vec![0, 2]),
            ("shop-node-2".to_owned(), Vec::new()),
            ("other".to_owned(), (0..25).collect()),
        ];
        let group = Group { state: "Stable".to_owned(), members };
        assert_eq!(
            shared_out("shop", &group),
            "`shop` is stable: node-1 has 0,2; node-2 has none; other has 25 partitions"
        );
    }

    #[test]
    fn what_waits_is_counted_from_where_the_group_is() {
        let messages = |next| at(next).messages;
        assert_eq!([messages(None), messages(Some(25)), messages(Some(30))], [20, 5, 0]);
        assert_eq!([messages(Some(4)), messages(Some(40))], [20, 0]);
    }

    #[test]
    fn being_behind_is_a_warning_and_losing_events_a_fault() {
        let waited = |span: Span| Lag { waited_ms: Some(span.as_millis()), ..at(Some(20)) };
        let kept = Some(Span::DAY.as_millis());
        for (lag, grade, word) in [
            (at(None), Grade::Good, "nothing was read yet; 20"),
            (at(Some(30)), Grade::Good, "every event"),
            (waited(Span::from_millis(60_000)), Grade::Good, "10 events wait, the oldest for 1m"),
            (waited(Span::HOUR), Grade::Warning, "1h"),
            (waited(Span::HOUR.times(13)), Grade::Fault, "more than half"),
            (at(Some(4)), Grade::Fault, "6 events were deleted"),
            (at(Some(31)), Grade::Fault, "cut or made anew"),
        ] {
            let check = behind(&[lag], kept);
            assert_eq!((check.grade, check.found.contains(word)), (grade, true), "{check:?}");
        }
    }
}
