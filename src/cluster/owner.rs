//! The thread of a shard that has come to this node: what the changelog holds of it is taken into the
//! store, then its worker begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::feed::Start;
use super::{Catalogs, Error, entry};
use crate::clock::{Shared as Clock, Stopwatch};
use crate::engine::time::{Span, Timestamp};
use crate::kafka;
use crate::kafka::changelog;
use crate::kafka::client::{Quiet, Reader};
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::log::fed::Fed;
use crate::store::restoring::Restoring;
use crate::store::{Mark, Store};
use crate::worker::thread::Worker;

/// The wait before brokers that do not answer are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A shard is restored: it may be read from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restored {
    pub(super) shard: u16,
    pub(super) term: u64,
    pub(super) start: Start,
    /// Where what stands beside its events ended.
    pub(super) internal_goal: u64,
}

/// Everything that the thread needs.
pub(super) struct Owner {
    pub(super) settings: Settings,
    pub(super) store: Arc<Store>,
    pub(super) fed: Arc<Fed>,
    pub(super) shard: u16,
    pub(super) term: u64,
    pub(super) worker: Worker,
    pub(super) catalogs: Catalogs,
    pub(super) clock: Clock,
    /// How long the changelog tells that something was deleted.
    pub(super) deleted_kept: Span,
    pub(super) restored: Sender<Restored>,
    /// Set when the shard has gone again.
    pub(super) gone: Arc<AtomicBool>,
    /// The owner before, on this node, if it may still be at work.
    pub(super) before: Option<JoinHandle<()>>,
}

impl Owner {
    /// Restores the shard and works until it goes.
    pub(super) fn run(mut self) -> Result<(), Error> {
        if let Some(before) = self.before.take() {
            // What it failed with was told where it happened.
            drop(before.join());
        }
        let restored = loop {
            if self.gone.load(Ordering::Acquire) {
                return Ok(());
            }
            match self.restore() {
                Ok(restored) => break restored,
                Err(Error::Kafka(error)) if !self.gone.load(Ordering::Acquire) => {
                    tracing::warn!(shard = self.shard, %error, "a shard is not restored yet");
                    std::thread::sleep(ASK_AGAIN);
                }
                // Nobody waits for it any more.
                Err(Error::Gone) => return Ok(()),
                Err(error) => return Err(error),
            }
        };
        let Start { position, events, .. } = restored.start;
        let goals = (restored.events_end.max(events), restored.internal_end);
        self.fed.begin(self.shard, position, goals);
        let told = Restored {
            shard: self.shard,
            term: self.term,
            start: restored.start,
            internal_goal: restored.internal_end,
        };
        if self.restored.send(told).is_err() {
            return Ok(());
        }
        // One that came into force meanwhile was told to nobody here.
        Ok(self.worker.under((self.catalogs)()).run()?)
    }

    fn restore(&self) -> Result<Found, Error> {
        let watch = Stopwatch::start();
        let names = Names::new(self.settings.config());
        let store = &self.store;
        let shard = self.shard;
        let began = self.clock.now();
        let known = store.changelog_next(shard)?;
        let in_step = store.in_step_at(shard)?;
        let known = known.filter(|_| is_warm(in_step, began, self.deleted_kept));
        let from = known.unwrap_or(0);
        let mut restoring = Restoring::new(store, shard, from);
        let restored = changelog::restore(
            &self.settings,
            &names.changelog,
            shard,
            from,
            |begins| match known {
                // What is here is behind what the changelog still tells.
                Some(_) if begins == from => Ok(()),
                _ => store.drop_shard(shard).map_err(Error::from),
            },
            |key, value| {
                if self.gone.load(Ordering::Acquire) {
                    return Err(Error::Gone);
                }
                match entry::change(shard, key, value) {
                    Some(change) => Ok(restoring.take(change)?),
                    None => Ok(()),
                }
            },
        )?;
        restoring.end(restored.next)?;
        store.note_in_step([shard], began)?;
        let found = self.find(&names, store.mark(shard)?)?;
        tracing::info!(
            shard,
            from = restored.from,
            messages = restored.messages,
            millis = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX),
            "shard restored"
        );
        Ok(found)
    }

    /// Where the shard goes on, if its topics still hold what it needs.
    fn find(&self, names: &Names, mark: Option<Mark>) -> Result<Found, Error> {
        let reader: Reader = self
            .settings
            .reader()
            .create_with_context(Quiet)
            .map_err(|error| kafka::Error::of("the properties of a reader", &error))?;
        let extent = |topic: &str| -> Result<(u64, u64), Error> {
            let (first, end) = reader
                .fetch_watermarks(topic, i32::from(self.shard), PATIENCE)
                .map_err(|error| kafka::Error::of("asking where a topic ends", &error))?;
            Ok((u64::try_from(first).unwrap_or(0), u64::try_from(end).unwrap_or(0)))
        };
        let (first, events_end) = extent(&names.events)?;
        let (internal_first, internal_end) = extent(&names.internal)?;
        let Some(mark) = mark else {
            let start =
                Start { position: first, events: first, internal: internal_first, known: None };
            return Ok(Found { start, events_end, internal_end });
        };
        self.check(names, &mark, (first, events_end))?;
        // The last one applied is looked at once more, to see that it is still the same.
        let last = mark.heard.saturating_sub(1);
        let is_there = 0 < mark.heard && first <= last;
        let start = Start {
            position: mark.position,
            events: if is_there { mark.position.min(last) } else { mark.position },
            internal: mark.aside.max(internal_first),
            known: is_there.then_some((mark.heard, mark.heard_at)),
        };
        Ok(Found { start, events_end, internal_end })
    }

    fn check(&self, names: &Names, mark: &Mark, (first, end): (u64, u64)) -> Result<(), Error> {
        let shard = self.shard;
        let topic = &names.events;
        let refused = |what: String| Err(Error::Refused(what));
        if mark.shards != 0 && mark.shards != self.store.shards() {
            return refused(format!(
                "`{topic}` has {} partitions, and the states in `{}` are of {}: customers would \
                 change their shards. Make the events topic with {} partitions again, or begin anew \
                 with another `kafka.prefix`",
                self.store.shards(),
                names.changelog,
                mark.shards,
                mark.shards,
            ));
        }
        if end < mark.heard {
            return refused(format!(
                "partition {shard} of `{topic}` ends at offset {end}, and events up to {} were \
                 applied already: it was truncated, or made again. Bring it back from a copy, or \
                 begin anew with another `kafka.prefix` and `kafka.group`",
                mark.heard,
            ));
        }
        if mark.position < first {
            return refused(format!(
                "partition {shard} of `{topic}` begins at offset {first}, and the next event to be \
                 applied is {}: events were deleted before they were applied. Bring them back from \
                 a copy, or begin anew with another `kafka.prefix` and `kafka.group`; a longer \
                 `retention.ms` keeps it from happening again",
                mark.position,
            ));
        }
        Ok(())
    }
}

/// Whether a store that last had all of the changelog then can go on from there: whatever was
/// deleted since is still told, also to one that takes its time, by a clock that is a little wrong.
fn is_warm(in_step: Option<Timestamp>, now: Timestamp, deleted_kept: Span) -> bool {
    in_step.is_some_and(|then| (now - then).as_millis() < deleted_kept.as_millis() / 2)
}

/// Where a shard goes on, and where its topics end.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: Start,
    events_end: u64,
    internal_end: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_goes_on_while_the_changelog_still_tells_what_was_deleted() {
        let (then, kept) = (Timestamp::from_millis(1_000_000), Span::DAY.times(7));
        let after = |days: u32| is_warm(Some(then), then + Span::DAY.times(days.into()), kept);
        assert!(after(0) && after(3));
        assert!(!after(4) && !after(8));
        assert!(!is_warm(None, then, kept), "nobody knows how old it is");
        assert!(!is_warm(Some(then), then, Span::ZERO));
    }
}
