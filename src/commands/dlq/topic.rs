//! Dead letters on Kafka: the topic in which refused messages lie as they came.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::Only;
use super::letter::{Letter, LetterId};
use crate::cluster::output::{DeadLetter, Message};
use crate::commands::console::Error;
use crate::commands::kafka::{block_on, failed, settings_of};
use crate::config::KafkaConfig;
use crate::kafka::admin::Admin;
use crate::kafka::reading::{Reader, Seen, Stretch};
use crate::kafka::topics::Names;

/// How far back letters are looked for in one partition.
const LOOKED_BACK_MAX: u64 = 100_000;

/// The topic of dead letters.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) names: Names,
    pub(super) reader: Reader,
    /// Where letters lie, as of now.
    pub(super) extents: Vec<Stretch>,
}

impl Topic {
    /// Finds it.
    pub(super) fn open(config: &KafkaConfig) -> Result<Self, Error> {
        let settings = settings_of(config);
        let names = Names::new(config);
        let admin = Admin::new(&settings).map_err(|error| failed(&error))?;
        let found = block_on(admin.find(&[&names.dead_letters]))?;
        let Some(found) = found.get(&names.dead_letters) else {
            let what = format!("there is no topic `{}`", names.dead_letters);
            return Err(Error::refused(what, "`heedful kafka init` makes it"));
        };
        let reader = Reader::new(&settings).map_err(|error| failed(&error))?;
        let extents = reader.extents(&names.dead_letters, found.partitions);
        let extents = extents.map_err(|error| failed(&error))?;
        Ok(Self { names, reader, extents })
    }

    /// The newest letters, newest first.
    pub(super) fn newest(&self, limit: usize, only: &Only) -> Result<Vec<Letter>, Error> {
        let mut kept: Vec<VecDeque<Letter>> = vec![VecDeque::new(); self.extents.len()];
        // Without a wish every letter counts, so that fewer need be read.
        let back = match only.reason.is_none() && only.from.is_none() {
            true => u64::try_from(limit).unwrap_or(u64::MAX).min(LOOKED_BACK_MAX),
            false => LOOKED_BACK_MAX,
        };
        let stretches: Vec<Stretch> = self
            .extents
            .iter()
            .map(|all| Stretch { from: all.from.max(all.to.saturating_sub(back)), ..*all })
            .collect();
        self.read(&stretches, |seen| {
            let letter = shown(seen);
            if let Some(kept) = kept.get_mut(usize::from(seen.partition))
                && only.takes(&letter.reason, &letter.from)
            {
                kept.push_back(letter);
                if limit < kept.len() {
                    kept.pop_front();
                }
            }
            ControlFlow::Continue(())
        })?;
        let mut letters: Vec<Letter> = kept.into_iter().flatten().collect();
        letters.sort_by(|left, right| right.at.cmp(&left.at));
        letters.truncate(limit);
        Ok(letters)
    }

    /// One letter.
    pub(super) fn one(&self, id: &LetterId) -> Result<Option<Letter>, Error> {
        Ok(self.seen(*id)?.map(|seen| shown(&seen)))
    }

    /// One letter as it lies there.
    pub(super) fn seen(&self, id: LetterId) -> Result<Option<Seen>, Error> {
        let LetterId::Topic(partition, offset) = id else { return Ok(None) };
        let there = self.extents.get(usize::from(partition));
        if there.is_none_or(|all| offset < all.from || all.to <= offset) {
            return Ok(None);
        }
        let mut found = None;
        self.read(&[Stretch { partition, from: offset, to: offset + 1 }], |seen| {
            found = Some(seen.clone());
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Reads letters of stretches, each partition's in their order.
    pub(super) fn read(
        &self,
        stretches: &[Stretch],
        mut take: impl FnMut(&Seen) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let read = self.reader.read(&self.names.dead_letters, stretches, |seen| {
            Ok::<_, crate::kafka::Error>(take(&seen))
        });
        read.map(|_| ()).map_err(|error| failed(&error))
    }
}

/// The letter that a message is.
pub(super) fn letter(seen: Seen) -> DeadLetter {
    let Seen { key, value, headers, .. } = seen;
    DeadLetter::from_message(Message { key: key.unwrap_or_default(), value, headers })
}

fn shown(seen: &Seen) -> Letter {
    let id = LetterId::Topic(seen.partition, seen.offset).to_string();
    let at = seen.at.map(|at| at.to_string()).unwrap_or_default();
    let DeadLetter { origin, verdict, message } = letter(seen.clone());
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Letter {
        id,
        at: if verdict.at.is_empty() { at } else { verdict.at },
        from: format!("{} {}/{}", origin.topic, origin.partition, origin.offset),
        reason: verdict.reason,
        detail: verdict.detail,
        hint: verdict.hint,
        key: (!message.key.is_empty()).then(|| lossy(&message.key)),
        headers: message.headers.iter().map(|(name, value)| (name.clone(), lossy(value))).collect(),
        value: message.value.as_deref().map(lossy),
    }
}
