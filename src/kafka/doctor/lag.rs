//! How far the group is behind the events, in messages and in time.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{Check, Report, bare};
use crate::engine::time::{Span, Timestamp};
use crate::kafka::Error;
use crate::kafka::reading::{Reader, Stretch};
use crate::kafka::settings::Settings;

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
    /// Members of the group and how it is.
    pub members: Option<(usize, String)>,
}

/// Asks.
pub(super) fn examine(
    reader: &Reader,
    settings: &Settings,
    topic: &str,
    partitions: u16,
    now: Timestamp,
) -> Result<Backlog, Error> {
    let members = reader.members(&settings.config().group)?;
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
    Ok(Backlog { partitions: lags, members })
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

/// What it means. `kept_ms` is how long the topic keeps events.
pub(super) fn judge(
    backlog: Result<Backlog, Error>,
    settings: &Settings,
    kept_ms: Option<i64>,
    report: &mut Report,
) {
    let group = &settings.config().group;
    let what = "group";
    let Backlog { partitions, members } = match backlog {
        Ok(backlog) => backlog,
        Err(error) => {
            let mend = format!("allow Read and Describe on group `{group}`");
            return report.add(Check::fault(what, bare(&error), mend));
        }
    };
    report.add(match members {
        Some((count, state)) if 0 < count => {
            Check::good(what, format!("`{group}` is {}, members: {count}", state.to_lowercase()))
        }
        _ => Check::warning(
            what,
            format!("`{group}` has no members"),
            "start nodes: `heedful serve`",
        ),
    });
    report.add(behind(&partitions, kept_ms));
    report.lag = partitions;
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
